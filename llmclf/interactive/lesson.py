"""Teach: what the labels so far amount to, and which text is worth the next one.

After each label a small regression on the features of `Pool` is fitted anew, see `llmclf.probe`. No widget is needed
here: `llmclf.interactive.teach_demo` draws what this decides.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError, require_one_of
from llmclf.evaluate import wilson_interval
from llmclf.evaluation.baselines import balanced_regression
from llmclf.files.storage import atomic_write
from llmclf.files.tables import read_table
from llmclf.head import Classifier
from llmclf.interactive.pool import Pool
from llmclf.models.state import cut_after
from llmclf.probe import (
    MOST_FOLDS,
    REGULARISATION,
    TRIED_POOLINGS,
    USUAL,
    choose,
    folded,
    out_of_fold,
    regression,
    set_head,
    smoothed,
)
from llmclf.weights import load_pretrained

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

RULES = ("least sure", "random")
CHOOSE_AT = (32, 64, 128, 256, 512)  # numbers of labels at which block and pooling are chosen anew
STRENGTH = REGULARISATION[USUAL]


class Lesson:
    """The labels given so far, and what follows from them.

    Parameters
    ----------
    pool
        The texts.
    classes
        Two or more names.
    path
        A CSV file, in which each label is written at once; the labels that it holds already are taken up again.
    rule
        "least sure" asks for the text between whose two likeliest classes the classifier can decide least, and before
        there is a classifier for the one most unlike those labelled; "random" asks for any.

    Attributes
    ----------
    given
        The class of each labelled row of the pool, in the order in which they were given.
    probabilities
        (texts, classes), `None` as long as fewer than two classes have an example.
    curve
        For each number of labels: `accuracy` on the texts to judge by, its 95 % interval `low` to `high`, and that of
        `TF-IDF`; without such texts the share of answers that the label `changed`.

    Raises
    ------
    LlmclfError
        Fewer than two classes, others than those of the table, fewer texts than classes, or a file with labels of
        another table.
    """

    def __init__(
        self, pool: Pool, classes: Sequence[str], path: str | Path | None = None, *, rule: str = "least sure"
    ) -> None:
        self.pool, self.classes = pool, [name.strip() for name in classes]
        require_one_of("rule", rule, RULES)
        self.rule, self.path = rule, None if path is None else Path(path)
        if len(set(self.classes)) < max(2, len(self.classes)) or "" in self.classes:
            raise LlmclfError(f"expected the names of two or more classes, each once, got {', '.join(self.classes)!r}")
        if pool.known is not None and (others := sorted(set(pool.known) ^ set(self.classes))):
            raise LlmclfError(
                f"{others[0]!r} is either no class or no label of the table: name its labels, or leave them out"
            )
        if len(pool.order) < len(self.classes):
            raise LlmclfError(f"{len(pool.order)} texts to label are too few for {len(self.classes)} classes")
        self.given: dict[int, str] = {}
        self.skipped: set[int] = set()
        self.probabilities: np.ndarray | None = None
        self.curve: list[dict[str, float]] = []
        if self.path is not None and self.path.is_file():
            self.resume(self.path)

    def resume(self, path: Path) -> None:
        """Take up the labels of a file."""
        row_of = {text: row for row, text in enumerate(self.pool.texts)}
        for number, (name, text) in enumerate(read_table(path).itertuples(index=False), start=1):
            if name not in self.classes or text not in row_of:
                what = f"class {name!r}" if name not in self.classes else f"text {text[:30]!r}"
                raise LlmclfError(f"{path}, row {number}: {what} is not of this lesson; name another file")
            self.given[row_of[text]] = name

    def label(self, row: int, name: str) -> None:
        """Give a text its class; a second label replaces the first."""
        require_one_of("class", name, self.classes)
        self.given.pop(row, None)
        self.given[row] = name
        if not self.pool.ready[row]:
            self.pool.features[row] = self.pool.read([row], [self.pool.blocks], [self.pool.pooling])[0, 0, 0]
            self.pool.ready[row] = True
        self.write()
        before, self.probabilities = self.probabilities, self.fit(self.given)
        if self.probabilities is not None:
            self.curve.append(self.measure(self.given, before, self.probabilities))

    def undo(self) -> int | None:
        """Take the last label back, and return the row that had it."""
        if not self.given:
            return None
        row, _ = self.given.popitem()
        self.write()
        self.probabilities = self.fit(self.given)
        self.curve = [point for point in self.curve if point["labels"] <= len(self.given)]
        return row

    def replay(self) -> None:
        """Draw the curve anew from the labels, as after more features have been computed."""
        self.curve, before = [], None
        for count in range(1, len(self.given) + 1):
            given = dict(list(self.given.items())[:count])
            if (now := self.fit(given)) is not None:
                self.curve.append(self.measure(given, before, now))
            before = self.probabilities = now

    def write(self) -> None:
        """Write all labels to the file, in one step; without any there is no file."""
        if self.path is None:
            return
        if not self.given:
            self.path.unlink(missing_ok=True)
            return
        table = pd.DataFrame([(name, self.pool.texts[row]) for row, name in self.given.items()])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.path) as unfinished:
            table.to_csv(unfinished, header=["label", "text"], index=False, quoting=csv.QUOTE_ALL, lineterminator="\n")

    @property
    def missing(self) -> list[str]:
        """The classes without an example yet."""
        return [name for name in self.classes if name not in self.given.values()]

    def fit(self, given: Mapping[int, str]) -> np.ndarray | None:
        """Probabilities (texts, classes) by these labels; zeros for a class without one, and where no features are."""
        if len(set(given.values())) < 2:
            return None
        features = self.pool.features
        with threadpool_limits(1):  # a second thread would have to wait for the one that computes features
            model = self.regression_of(given, list(given.values()))
            weight, bias = folded(model)
            logits = features @ weight.T.astype(np.float32) + bias  # (texts, classes with an example)
        probabilities = np.zeros((len(features), len(self.classes)))
        probabilities[:, [self.classes.index(name) for name in model.classes_]] = softmax(logits, axis=1)
        probabilities[~self.pool.ready] = 0
        return probabilities

    def regression_of(self, given: Mapping[int, str], targets: Sequence[str | int]) -> Pipeline:
        """Fitted to the features of these texts."""
        return regression(STRENGTH).fit(self.pool.features[list(given)].astype(float), targets)

    def measure(self, given: Mapping[int, str], before: np.ndarray | None, now: np.ndarray) -> dict[str, float]:
        """A point of the curve."""
        pool, point = self.pool, {"labels": float(len(given))}
        if pool.known is None:
            if before is not None:
                both = before.any(axis=1) & now.any(axis=1)
                point["changed"] = float((before.argmax(axis=1) != now.argmax(axis=1))[both].mean())
            return point
        rows = np.flatnonzero(pool.judging & pool.ready)
        if not len(rows):
            return point
        right = np.array(self.classes)[now[rows].argmax(axis=1)] == pool.known[rows]
        groups = len(np.unique(pool.groups[rows]))  # near copies count as one text where the interval is concerned
        point["accuracy"] = float(right.mean())
        point["low"], point["high"] = wilson_interval(round(right.mean() * groups), groups)
        if pool.counts is not None:
            with threadpool_limits(1):
                counting = balanced_regression().fit(pool.counts[list(given)], list(given.values()))
                point["TF-IDF"] = float((counting.predict(pool.counts[rows]) == pool.known[rows]).mean())
        return point

    def next_row(self) -> int | None:
        """The text to ask about next; one that was skipped only when no other is left, `None` when all are labelled."""
        order, asked = self.pool.order, np.zeros(len(self.pool.texts), dtype=bool)
        asked[list(self.given)] = True
        left = order[~asked[order]]
        asked[list(self.skipped)] = True
        left = left[~asked[left]] if not asked[left].all() else left
        ready = left[self.pool.ready[left]]
        if self.rule == "random" or not len(ready) or not self.given:
            return int(left[0]) if len(left) else None
        if self.probabilities is None:
            features = self.pool.features[self.pool.ready]
            mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
            labelled = (self.pool.features[list(self.given)].mean(axis=0) - mean) / scale
            others = (self.pool.features[ready] - mean) / scale
            return int(ready[(others @ labelled / np.linalg.norm(others, axis=1)).argmin()])
        two = np.sort(self.probabilities[ready], axis=1)[:, -2:]
        return int(ready[(two[:, 1] - two[:, 0]).argmin()])

    def most_confident(self, name: str, count: int = 3) -> list[int]:
        """Rows without a label that most surely are of a class, to be looked through."""
        if self.probabilities is None:
            return []
        own = self.probabilities[:, self.classes.index(name)]
        rows = [row for row in np.argsort(-own, kind="stable").tolist() if own[row] > 0.5 and row not in self.given]
        return [row for row in rows if not self.pool.judging[row]][:count]

    def choose_features(self) -> tuple[int, str]:
        """Block and pooling as `fit_probe` chooses them; but the present ones stay unless they are clearly worse.

        That is: by more than a standard error of the loss out of fold. Labels that were asked for where the present
        features are least sure would otherwise speak against these too often.
        """
        pool, present = self.pool, (self.pool.blocks, self.pool.pooling)
        labels = np.array([self.classes.index(name) for name in self.given.values()], dtype=int)
        if np.bincount(labels, minlength=len(self.classes)).min() < MOST_FOLDS:
            return present
        depths = range(1, len(pool.model.backbone.blocks) + 1)
        features = pool.read(list(self.given), depths, TRIED_POOLINGS)
        losses, hits = out_of_fold(features, labels, np.arange(len(labels)), self.classes, 123)
        depth, column, _ = choose(losses, hits)
        smooth = smoothed(losses)
        more = (
            smooth[depths.index(pool.blocks), TRIED_POOLINGS.index(pool.pooling)] - smooth[depth, column]
        )  # (labels,)
        worse = more.mean() > more.std() / len(more) ** 0.5
        return (depths[depth], TRIED_POOLINGS[column]) if worse else present

    def classifier(self) -> TextClassifier:
        """An ordinary classifier, cut after the block whose features it uses, that answers as the lesson does.

        Raises
        ------
        LlmclfError
            A class has no example yet.
        """
        if self.missing:
            raise LlmclfError(f"no example yet of {', '.join(self.missing)}: label one, then save")
        pool = self.pool
        backbone = load_pretrained(pool.backbone)
        model = Classifier(backbone, len(self.classes), pooling=pool.pooling, trainable="head", precision="auto")
        cut_after(backbone, pool.blocks)
        numbers = [self.classes.index(name) for name in self.given.values()]
        set_head(model, self.regression_of(self.given, numbers))
        record = {"method": "probe", "blocks": pool.blocks, "regularisation": STRENGTH, "labels": len(numbers)}
        return TextClassifier(model, pool.tokenizer, self.classes, pool.backbone, training=record)
