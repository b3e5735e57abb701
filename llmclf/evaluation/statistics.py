"""Chapter 8: how good is it really? Intervals for any number, pairs of classifiers, thresholds, calibration."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import DegenerateDataWarning, bootstrap
from sklearn.utils import check_consistent_length

from llmclf.evaluate import wilson_interval


def bootstrap_interval(
    statistic: Callable[..., float],
    *columns: Sequence[float],
    groups: Sequence[int] | None = None,
    samples: int = 1000,
    seed: int = 123,
) -> tuple[float, float]:
    """Where a number would lie in 95 % of cases if other messages had been drawn (Efron 1979).

    SciPy's bootstrap with Efron's correction for bias and skew (BCa, 1987), which matters where a share is near 1.

    Parameters
    ----------
    statistic
        Takes the columns and gives the number, such as F1; samples for which it is NaN are left out.
    *columns
        (messages,) each, such as labels and probabilities.
    groups
        (messages,) numbers: messages of one group are drawn together. Near copies are one piece of evidence, not many.
    samples
        How many times to draw.
    seed
        Of the drawing.

    Raises
    ------
    ValueError
        Columns or groups are of different lengths.
    """
    check_consistent_length(*columns, groups)
    arrays = [np.asarray(column) for column in columns]
    numbers = np.arange(len(arrays[0])) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    order, sizes = np.argsort(numbers, kind="stable"), np.bincount(numbers)
    starts = np.cumsum(sizes) - sizes  # of each group's rows in that order

    def of_groups(drawn: np.ndarray) -> float:
        counts = sizes[drawn]
        inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = order[np.repeat(starts[drawn], counts) + inside]
        return statistic(*(array[rows] for array in arrays))

    everything = np.arange(len(sizes))
    options: dict[str, Any] = {"n_resamples": samples, "vectorized": False, "batch": 100, "rng": seed}
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", DegenerateDataWarning)  # a number that never changes: the interval is a point
        found = bootstrap((everything,), of_groups, method="BCa" if len(sizes) > 1 else "percentile", **options)
    low, high = found.confidence_interval
    if not np.isfinite([low, high]).all():
        low, high = np.nanquantile(found.bootstrap_distribution, [0.025, 0.975])
    return float(low), float(high)


def grouped_interval(right: Sequence[bool], groups: Sequence[int]) -> tuple[float, float]:
    """Wilson's 95 % interval of a share where messages of one group are one piece of evidence.

    Parameters
    ----------
    right, groups
        (messages,) whether each counts, and its group.

    Returns
    -------
    (float, float)
        Wilson's interval for fewer messages: their number divided by the design effect (Kish 1965), which says how many
        times the groups make the variance of the share larger. Where all are right, or none, each group counts once.
    """
    check_consistent_length(right, groups)
    hits = np.asarray(right, dtype=float)
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    share, count, number_of_groups = hits.mean(), len(hits), numbers.max() + 1
    effect = count / number_of_groups
    if 0 < share < 1 and number_of_groups > 1:
        apart = np.bincount(numbers, weights=hits - share)  # (groups,)
        variance = (apart**2).sum() * number_of_groups / (number_of_groups - 1)
        effect = max(1.0, variance / (count * share * (1 - share)))
    return wilson_interval(share * count / effect, count / effect)


class Comparison(NamedTuple):
    """Two classifiers on the same messages (McNemar 1947, in its exact form).

    Attributes
    ----------
    only_first, only_second
        Messages on which only this one was right; those on which both were right, or both wrong, tell nothing.
    p_value
        How often two equally good classifiers would part at least so unevenly by luck.
    groups
        On how many groups of messages one of the two did better. Near copies are one group.
    """

    only_first: int
    only_second: int
    p_value: float
    groups: int

    @property
    def too_few(self) -> bool:
        """Whether even the most uneven outcome on so few groups would be taken for luck (2 · ½⁵ is above 0.05)."""
        return self.groups < 6


def mcnemar(
    first_right: Sequence[bool], second_right: Sequence[bool], groups: Sequence[int] | None = None
) -> Comparison:
    """Compare two classifiers by the messages on which one was right and the other wrong.

    Parameters
    ----------
    first_right, second_right
        (messages,) whether each was right.
    groups
        (messages,) numbers: near copies, of one group, are one piece of evidence. By how many messages a group favours
        one of the two is its weight, and by luck the whole of it might as well have favoured the other (an exact
        permutation test; without groups it is McNemar's, exactly).

    Raises
    ------
    ValueError
        The columns are of different lengths.
    """
    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    check_consistent_length(first, second, groups)
    lead = first.astype(int) - second  # of the first: 1, 0 or -1 for each message
    if groups is not None:
        numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
        lead = np.bincount(numbers, weights=lead).astype(int)  # (groups,)
    chances = np.ones(1)  # of every lead that luck may give, from the lowest to the highest
    for size in np.abs(lead[lead != 0]):
        chances = (np.pad(chances, (0, 2 * size)) + np.pad(chances, (2 * size, 0))) / 2
    most = len(chances) // 2
    as_uneven = np.abs(np.arange(-most, most + 1)) >= abs(lead.sum())
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    p_value = min(1.0, float(chances[as_uneven].sum()))
    return Comparison(only_first, only_second, p_value, int((lead != 0).sum()))


def holm(p_values: Mapping[str, float], level: float = 0.05) -> set[str]:
    """The comparisons that many of them do not explain away (Holm 1979).

    The smallest p must be at most `level` divided by the number of comparisons, the next at most `level` divided by one
    less, and so on to the first that fails. Then the chance of a single false one among all is at most `level`.
    """
    passed: set[str] = set()
    for name, p_value in sorted(p_values.items(), key=lambda item: item[1]):
        if p_value > level / (len(p_values) - len(passed)):
            break
        passed.add(name)
    return passed


def cost_optimal_threshold(
    probabilities: Sequence[float], labels: Sequence[int], *, false_positive: float = 1.0, false_negative: float = 1.0
) -> float:
    """The threshold at which these messages would have cost least; of several, the one that calls least spam.

    Parameters
    ----------
    probabilities, labels
        (messages,) of spam, and whether it was; from the validation set, never from the test set.
    false_positive, false_negative
        What one mistake of each kind costs.

    Returns
    -------
    float
        A message of at least this probability is called spam; infinite where none should be.

    Raises
    ------
    ValueError
        Probabilities and labels are of different lengths.
    """
    check_consistent_length(probabilities, labels)
    order = np.argsort(-np.asarray(probabilities, dtype=float), kind="stable")
    ranked, spam = np.asarray(probabilities, dtype=float)[order], np.asarray(labels)[order] == 1
    called = np.arange(1, len(ranked) + 1)
    caught = np.cumsum(spam)
    # Of calling the first so many spam.
    cost = (called - caught) * false_positive + (spam.sum() - caught) * false_negative
    possible = np.append(ranked[1:] < ranked[:-1], True)  # equal probabilities cannot be separated
    cost = np.where(possible, cost, np.inf)
    if len(cost) == 0 or spam.sum() * false_negative <= cost.min():
        return float("inf")
    return float(ranked[cost.argmin()])


def share_threshold(probabilities: Sequence[float], share: float) -> float:
    """The threshold from which on this share of the texts is called the second class.

    Where there is no validation set, this is everybody's rule: the share is that of the training texts, and no label
    of the texts that are judged is used.
    """
    ranked = np.sort(np.asarray(probabilities, dtype=float))[::-1]
    count = round(share * len(ranked))
    return float(ranked[count - 1]) if count else float("inf")


def calibration_table(probabilities: Sequence[float], labels: Sequence[int], *, bins: int = 10) -> pd.DataFrame:
    """Predicted and observed share of spam, by bins of equal width of the probability; empty bins are left out.

    Returns
    -------
    pandas.DataFrame
        One row a bin: `messages`, `predicted` (the mean probability), `observed` (the share of spam), and `low` and
        `high` (its 95 % Wilson interval).

    Raises
    ------
    ValueError
        Probabilities and labels are of different lengths.
    """
    check_consistent_length(probabilities, labels)
    predicted, spam = np.asarray(probabilities, dtype=float), np.asarray(labels) == 1
    bin_of = np.minimum((predicted * bins).astype(int), bins - 1)
    rows = []
    for number in np.unique(bin_of):
        here = bin_of == number
        count, hits = int(here.sum()), int(spam[here].sum())
        rows.append([count, predicted[here].mean(), hits / count, *wilson_interval(hits, count)])
    return pd.DataFrame(rows, columns=["messages", "predicted", "observed", "low", "high"])


def expected_calibration_error(probabilities: Sequence[float], labels: Sequence[int], *, bins: int = 10) -> float:
    """The mean distance of predicted and observed share, weighted by messages (Naeini and others 2015)."""
    table = calibration_table(probabilities, labels, bins=bins)
    return float(np.average((table["predicted"] - table["observed"]).abs(), weights=table["messages"]))


def fit_temperature(logits: np.ndarray, labels: Sequence[int]) -> float:
    """The number by which to divide logits (messages, classes) for the least cross-entropy (Guo and others 2017).

    Above 1 where the classifier was too sure. The order of the probabilities, and so every label, stays the same. Where
    no answer is wrong, the smaller the better, without end: such messages cannot tell, and it is 1.
    """
    check_consistent_length(logits, labels)
    logits, label_numbers = np.asarray(logits, dtype=float), np.asarray(labels)
    if (logits.argmax(axis=1) == label_numbers).all():
        return 1.0

    def loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(log_probabilities[np.arange(len(labels)), label_numbers].mean())

    bounds = np.log([0.05, 20])  # the loss has one valley
    return float(np.exp(minimize_scalar(loss, bounds=bounds, options={"xatol": 1e-6}).x))
