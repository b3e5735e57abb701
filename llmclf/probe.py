"""Chapter 6: the quickest way to train. The pretrained model stays as it is; its hidden states are features of a text.

After every block, a message is a row of numbers. Which of them tell the classes apart? `fit_probe` tries each block and
pooling with a logistic regression (Alain and Bengio 2016 call that a probe), and chooses by cross-validation. Scaling
and regression then become the head of a backbone that ends after the chosen block: an ordinary classifier, but smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from llmclf.console import LlmclfError, progress
from llmclf.evaluate import wilson_interval
from llmclf.head import Classifier, pool
from llmclf.loaders import Collate, collate_of, dataset_of, padded_batches
from llmclf.models.state import check_blocks, cut_after

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TRIED_POOLINGS = ("mean", "last_token")
REGULARISATION = (0.001, 0.01, 0.1)  # scikit-learn's C: how much the data weighs against small weights
USUAL = 1  # the place of the C by which block and pooling are chosen
NEIGHBOURS = 4  # blocks on either side whose losses count as well: of few texts, that of a single block is mostly luck
MOST_TEXTS = 1024  # to choose by; the chosen features are then fitted to all
MOST_FOLDS = 4
ROUNDS = 500  # of the bootstrap


class Probe(NamedTuple):
    """What `fit_probe` found.

    Attributes
    ----------
    blocks, pooling, regularisation
        The choice: after how many blocks, pooled how, and scikit-learn's C.
    table
        A row a block, columns (pooling, "loss" or "accuracy"): out of fold, with the usual C; each class weighs the
        same in the loss.
    accuracy, interval
        Of the whole procedure, choice included, on texts that it has not seen, and the 95 % interval of that: estimated
        by cross-validation, see `estimate`.
    """

    blocks: int
    pooling: str
    regularisation: float
    table: pd.DataFrame
    accuracy: float
    interval: tuple[float, float]


def fit_probe(
    classifier: Classifier,
    loader: DataLoader,
    *,
    blocks: int | None = None,
    pooling: str | None = None,
    groups: Sequence[int] | np.ndarray | None = None,
    label_names: Sequence[str] | None = None,
    seed: int = 123,
) -> Probe:
    """Turn a pretrained model into a classifier without training it: cut it after a block, and give it a fitted head.

    Parameters
    ----------
    classifier
        Of a pretrained backbone; changed in place.
    loader
        From `make_loaders`; its order and batches do not matter.
    blocks, pooling
        Fix the choice, wholly or in part. By default every block is tried, with the mean over the tokens and the last
        token.
    groups
        (messages,) numbers; messages of one group, such as near copies, stay in one fold. By default only equal ones.
    label_names
        Of each label number, for error messages; by default these show the number.
    seed
        Of the folds, and of the texts that are chosen by where there are more than `MOST_TEXTS`.

    Raises
    ------
    LlmclfError
        A class has no two different texts, or none outside one of the folds; there are not so many blocks; there is no
        such pooling, or it would read padding that depends on the batch.
    """
    dataset, backbone = dataset_of(loader), classifier.backbone
    depths = range(1, len(backbone.blocks) + 1) if blocks is None else [blocks]
    check_blocks(backbone, depths[-1])
    poolings = TRIED_POOLINGS if pooling is None else (pooling,)
    if pooling == "last_position" and collate_of(loader).pad_to is None:
        raise LlmclfError(
            'a probe that reads at last_position needs padding="fixed": with dynamic padding that position depends on '
            "the other messages of a batch"
        )
    labels = np.array(dataset.labels)
    if groups is None:
        groups = pd.factorize(pd.Series(list(map(tuple, dataset.messages))))[0]
    groups = np.asarray(groups)
    names = range(backbone.head.out_features) if label_names is None else label_names
    check_labels(labels, groups, names)
    rows = rows_to_choose_by(labels, seed)
    some = block_features(classifier, [dataset.messages[row] for row in rows], collate_of(loader), depths, poolings)
    losses, hits = out_of_fold(some, labels[rows], groups[rows], names, seed)
    depth, column, strength = choose(losses, hits)
    accuracy, interval = estimate(losses, hits, groups[rows], seed)
    table = pd.DataFrame(
        {
            (name, kind): values[:, number, USUAL].mean(axis=-1)
            for number, name in enumerate(poolings)
            for kind, values in (("loss", losses), ("accuracy", hits))
        },
        index=pd.Index(depths, name="blocks"),
    )
    found = Probe(depths[depth], poolings[column], REGULARISATION[strength], table, accuracy, interval)

    cut_after(backbone, found.blocks)
    features = some[depth, column]
    if len(rows) < len(labels):
        chosen = [found.blocks], [found.pooling]
        features = block_features(classifier, dataset.messages, collate_of(loader), *chosen)[0, 0]
    classifier.pooling = found.pooling
    set_head(classifier, regression(found.regularisation).fit(features.astype(float), labels))
    return found


def check_labels(labels: np.ndarray, groups: np.ndarray, names: Sequence[str] | range) -> None:
    """Raise `LlmclfError` where a class has too few texts to cross-validate."""
    for number, name in enumerate(names):
        if (different := len(np.unique(groups[labels == number]))) < 2:
            raise LlmclfError(
                f"label {name!r} has {different} different texts to learn from, near copies counted once; "
                f"a probe needs two at the very least, better four or more"
            )


def rows_to_choose_by(labels: np.ndarray, seed: int) -> np.ndarray:
    """All rows, or where there are more than `MOST_TEXTS`, so many with each class in its proportion."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(labels))
    if len(rows) <= MOST_TEXTS:
        return rows
    return np.sort(train_test_split(rows, train_size=MOST_TEXTS, stratify=labels, random_state=seed)[0])


@torch.inference_mode()
def block_features(
    classifier: Classifier,
    messages: Sequence[list[int]],
    collate: Collate,
    depths: Sequence[int],
    poolings: Sequence[str],
) -> np.ndarray:
    """What the backbone makes of each message after so many blocks, with its final norm, in one pass that ends there.

    Returns
    -------
    numpy.ndarray
        (depths, poolings, messages, n) in single precision: what `pool` gives of each.
    """
    backbone = classifier.eval().backbone
    shape = len(depths), len(poolings), len(messages), backbone.config.hidden_size
    features = np.empty(shape, dtype=np.float32)
    with progress(total=len(messages), description="computing features") as bar:
        for rows, batch in padded_batches(messages, collate, classifier.device):
            hidden_states, done = backbone.embed(batch.input_ids), 0  # (batch, tokens, n)
            for place, depth in enumerate(depths):
                hidden_states = classifier.run_blocks(hidden_states, None, done, depth)
                normalised, done = backbone.final_norm(hidden_states), depth
                for column, pooling in enumerate(poolings):
                    features[place, column, rows] = pool(normalised, batch.lengths, pooling).cpu().numpy()
            bar.update(len(rows))
    return features


def regression(strength: float) -> Pipeline:
    """Scaling and logistic regression, in which all classes weigh the same, however rare one is."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=1000))


def make_folds(
    labels: np.ndarray, groups: np.ndarray, names: Sequence[str] | range, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The rows to learn from and the rows to judge, for each fold; `LlmclfError` where the former lack a label."""
    from sklearn.model_selection import StratifiedGroupKFold

    count = max(2, min(MOST_FOLDS, pd.Series(groups).groupby(labels).nunique().min()))
    folds = list(StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(labels, labels, groups))
    for number, name in enumerate(names):
        if not all(number in labels[learn] for learn, _ in folds):
            raise LlmclfError(
                f"a fold of the cross-validation leaves no text of label {name!r} to learn from; "
                f"label more such texts, and correct near copies that carry another label"
            )
    return folds


def out_of_fold(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, names: Sequence[str] | range, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each message judged by a regression that was fitted to the other folds.

    Parameters
    ----------
    features
        (depths, poolings, messages, n), see `block_features`.
    labels, groups
        (messages,); a group is never in two folds.
    names
        Of the labels, for an error message.
    seed
        Of the folds, see `make_folds`.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        (depths, poolings, strengths, messages): the loss in nats, weighted so that all classes count the same, and
        whether the class was right.
    """
    from threadpoolctl import threadpool_limits

    folds = make_folds(labels, groups, names, seed)
    weights = (len(labels) / len(np.unique(labels)) / np.bincount(labels))[labels]
    shape = (*features.shape[:2], len(REGULARISATION), len(labels))
    losses, hits = np.empty(shape), np.empty(shape)
    # Products so small gain nothing from a second thread, and lose much where it has to wait for another program's.
    with threadpool_limits(1), progress(total=features.shape[0] * features.shape[1], description="choosing") as bar:
        for depth, column in np.ndindex(features.shape[:2]):
            rows = features[depth, column].astype(float)  # in which scikit-learn finds its optimum exactly
            for number, strength in enumerate(REGULARISATION):
                for learn, judge in folds:
                    model = regression(strength).fit(rows[learn], labels[learn])
                    probabilities = model.predict_proba(rows[judge])  # (messages, classes)
                    right = probabilities[np.arange(len(judge)), labels[judge]]
                    losses[depth, column, number, judge] = -np.log(right) * weights[judge]
                    hits[depth, column, number, judge] = right == probabilities.max(axis=1)
            bar.update()
    return losses, hits


def choose(losses: np.ndarray, hits: np.ndarray) -> tuple[int, int, int]:
    """The places of block, pooling and C, by what was found out of fold (as of `out_of_fold`).

    With the usual C: the pooling of the least loss, where a block's loss is the mean over it and its neighbours; and
    of all blocks whose loss is larger by no more than two standard errors, among which the texts cannot decide, the one
    nearest the middle of the model. There, the C with the fewest mistakes, and of equals the smallest.
    """
    smooth = smoothed(losses)
    least, column = np.unravel_index(smooth.mean(axis=-1).argmin(), smooth.shape[:2])
    more = smooth[:, column] - smooth[least, column]  # (depths, messages)
    near = np.flatnonzero(more.mean(axis=-1) <= 2 * more.std(axis=-1) / more.shape[-1] ** 0.5)
    depth = near[np.abs(near - (len(smooth) - 1) / 2).argmin()]
    return int(depth), int(column), int(hits[depth, column].sum(axis=-1).argmax())


def smoothed(losses: np.ndarray) -> np.ndarray:
    """(depths, poolings, messages): with the usual C, the mean over a block and its neighbours."""
    usual = losses[:, :, USUAL]
    return np.stack([usual[max(0, n - NEIGHBOURS) : n + NEIGHBOURS + 1].mean(axis=0) for n in range(len(usual))])


def estimate(losses: np.ndarray, hits: np.ndarray, groups: np.ndarray, seed: int) -> tuple[float, tuple[float, float]]:
    """Accuracy of the procedure, choice included, from what was found out of fold (as of `out_of_fold`).

    The accuracy that won the choice would be too good. So, many times over: draw groups with replacement, choose by
    them, and judge the choice by those that were not drawn (Tsamardinos and others 2018, "BBC-CV").

    Returns
    -------
    float, (float, float)
        The mean, and its Wilson interval for so many independent texts as there are groups.
    """
    generator = np.random.default_rng(seed)
    rows_of = list(pd.Series(groups).groupby(groups).indices.values())
    found = []
    for _ in range(ROUNDS):
        drawn = generator.integers(len(rows_of), size=len(rows_of))
        others = np.setdiff1d(np.arange(len(rows_of)), drawn)
        if len(others):
            rows = np.concatenate([rows_of[number] for number in drawn])
            chosen = choose(losses[..., rows], hits[..., rows])
            found.append(hits[chosen][np.concatenate([rows_of[number] for number in others])].mean())
    accuracy = float(np.mean(found))
    return accuracy, wilson_interval(round(accuracy * len(rows_of)), len(rows_of))


def folded(fitted: Pipeline) -> tuple[np.ndarray, np.ndarray]:
    """Scaling and regression as one product and one sum: w · (x - mean) / scale + b.

    For two classes scikit-learn has one row of weights, for the second class against the first: each gets half.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        (classes, n) and (classes,).
    """
    scaler, model = fitted.named_steps.values()
    weight = model.coef_ / scaler.scale_  # (classes or 1, n)
    bias = model.intercept_ - weight @ scaler.mean_
    if len(weight) == 1:
        return np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    return weight, bias


@torch.no_grad()
def set_head(classifier: Classifier, fitted: Pipeline) -> None:
    """Make the regression the head."""
    weight, bias = folded(fitted)
    classifier.backbone.head.weight.copy_(torch.from_numpy(weight))
    classifier.backbone.head.bias.copy_(torch.from_numpy(bias))
