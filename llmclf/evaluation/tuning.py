"""Chapter 8: the decision that suits a labelled table, found on it and kept with the classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llmclf.console import LlmclfError
from llmclf.decision import Decision
from llmclf.evaluate import Evaluation, score
from llmclf.evaluation.statistics import cost_optimal_threshold, fit_temperature


def tune(
    logits: Tensor, labels: Sequence[int], *, false_positive: float = 1.0, false_negative: float = 1.0
) -> Decision:
    """The temperature of least log loss, and the threshold or the offsets of least cost, on these texts.

    Parameters
    ----------
    logits, labels
        (texts, classes) and (texts,), of texts that were neither trained on nor will be judged by.
    false_positive, false_negative
        Of two classes: what it costs to call a text of the first the second, and the other way round. More classes are
        tuned for the fewest mistakes.

    Raises
    ------
    LlmclfError
        A class without a text, a cost that is not above 0, or costs for more than two classes.
    """
    numbers, classes = np.asarray(labels), logits.shape[1]
    check_tunable(numbers.tolist(), classes, false_positive=false_positive, false_negative=false_negative)
    temperature = fit_temperature(logits.numpy(), numbers.tolist())
    shares = Decision(temperature).probabilities(logits).numpy()
    if classes == 2:
        found = cost_optimal_threshold(
            shares[:, 1].tolist(), numbers.tolist(), false_positive=false_positive, false_negative=false_negative
        )
        return Decision(temperature, threshold=found)
    return Decision(temperature, offsets=fit_offsets(shares, numbers))


def check_tunable(labels: Sequence[int], classes: int, *, false_positive: float, false_negative: float) -> None:
    """Raise the errors of `tune`, for which nothing need be classified."""
    missing = sorted(set(range(classes)) - set(labels))
    if missing:
        raise LlmclfError(f"no text of class {missing[0]}: a decision is tuned on texts of every class")
    if not (false_positive > 0 and false_negative > 0):
        raise LlmclfError(f"costs must be above 0, got {false_positive} and {false_negative}")
    if classes > 2 and (false_positive, false_negative) != (1.0, 1.0):
        raise LlmclfError(f"false positives and negatives are of two classes; this classifier has {classes}")


def fit_offsets(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    """One number a class, to be added to the logarithms of the probabilities (texts, classes), for the fewest mistakes.

    Of all classes the one whose move saves most is moved, again and again, until no move of a single class saves any.
    """
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=float), 1e-30))
    offsets = np.zeros(logs.shape[1])
    fewest = int((logs.argmax(axis=1) != labels).sum())
    while True:
        moves = [best_offset(logs + offsets, labels, number) for number in range(len(offsets))]
        number = min(range(len(moves)), key=lambda each: moves[each][0])
        if moves[number][0] >= fewest:
            return tuple(offsets.tolist())
        fewest, move = moves[number]
        offsets[number] += move


def best_offset(logs: np.ndarray, labels: np.ndarray, number: int) -> tuple[int, float]:
    """The fewest mistakes that moving one class (a column of `logs`) can leave, and the smallest move that does it."""
    others = logs.copy()
    others[:, number] = -np.inf
    wrong = others.argmax(axis=1) != labels
    turns = others.max(axis=1) - logs[:, number]  # moved beyond its turn, the class is the answer for a text
    order = turns.argsort()
    turns = turns[order]
    # Mistakes where the class is the answer for none of the texts, for the first in this order, the first two …
    mistakes = wrong.sum() + np.cumsum([0, *((labels != number).astype(int) - wrong)[order]])
    gaps = np.flatnonzero(np.diff(turns) > 0) + 1  # so many texts can be had without the next
    places = np.array([0.0, turns[0] - 1, *(turns[gaps - 1] + turns[gaps]) / 2, turns[-1] + 1])
    counted = mistakes[[(turns < 0).sum(), 0, *gaps, len(turns)]]
    best = np.lexsort((abs(places), counted))[0]
    return int(counted[best]), float(places[best])


def evidence(
    logits: Tensor, labels: Sequence[int], decision: Decision, *, false_positive: float, false_negative: float
) -> dict[str, Any]:
    """Log loss, mistakes and (of two classes) their cost, before and after, on the texts that it was fitted on."""
    numbers = torch.as_tensor(labels)
    return {
        "texts": len(numbers),
        "cost of a false positive": false_positive,
        "cost of a false negative": false_negative,
        "before": summary(score(logits, numbers), false_positive, false_negative),
        "after": summary(score(logits, numbers, decision), false_positive, false_negative),
    }


def summary(result: Evaluation, false_positive: float, false_negative: float) -> dict[str, float]:
    """Log loss and mistakes; of two classes those of each kind, and what they cost."""
    found = {"log loss": result.loss, "mistakes": result.count - result.correct, "unsure": result.unsure}
    if len(result.confusion) == 2:
        alarms, misses = int(result.confusion[0, 1]), int(result.confusion[1, 0])
        cost = alarms * false_positive + misses * false_negative
        found |= {"false positives": alarms, "false negatives": misses, "cost": cost}
    return found
