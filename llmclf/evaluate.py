"""Chapter 5: how wrong the classifier is (loss), and how often it is right (accuracy)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from statistics import NormalDist

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from llmclf.console import LlmclfError, progress
from llmclf.decision import Decision
from llmclf.feature_cache import FeatureBatch, check_features
from llmclf.head import Classifier
from llmclf.loaders import Batch


def choose_device(name: str = "auto") -> torch.device:
    """The device of this name; "auto" takes CUDA, else Apple's MPS, else the CPU.

    Raises
    ------
    LlmclfError
        For a name that is no device, or one that is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, ImportError) as error:  # torch raises one of these, as it likes
        reason = str(error).splitlines()[0].split(". ")[0]  # what follows is for torch's own developers
        raise LlmclfError(f"device {name!r} cannot be used: {reason}") from None


@dataclass(frozen=True)
class Evaluation:
    """What a classifier did on a set of messages.

    Attributes
    ----------
    loss
        Mean cross-entropy a message, in nats; NaN when there was no message.
    confusion
        (classes, classes) counts: row the true class, column the predicted one.
    unsure
        Messages that it gave no answer to; they are not in the table.
    """

    loss: float
    confusion: np.ndarray
    unsure: int = 0

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        return self.correct / self.count if self.count else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy."""
        return wilson_interval(self.correct, self.count)

    def by_class(self, label_names: Iterable[str]) -> pd.DataFrame:
        """Precision, recall and F1 of each class, with the number of its messages; NaN where nothing was counted."""
        hits = self.confusion.diagonal()
        predicted, true = self.confusion.sum(axis=0), self.confusion.sum(axis=1)
        with np.errstate(invalid="ignore"):
            columns = {
                "precision": hits / predicted,
                "recall": hits / true,
                "f1": 2 * hits / (predicted + true),
                "messages": true,
            }
        return pd.DataFrame(columns, index=list(label_names))

    def __str__(self) -> str:
        low, high = self.interval
        unsure = f"; unsure about {self.unsure} more" if self.unsure else ""
        return (
            f"accuracy {self.accuracy:.2%} ({self.correct} of {self.count}; "
            f"95 % interval {low:.1%} to {high:.1%}), loss {self.loss:.3f}{unsure}"
        )


@torch.inference_mode()
def evaluate(
    classifier: Classifier,
    loader: Iterable[Batch | FeatureBatch],
    *,
    max_batches: int | None = None,
    description: str = "evaluating",
) -> Evaluation:
    """Loss and confusion over a loader's messages, without dropout, leaving the classifier's mode as it was.

    Parameters
    ----------
    classifier
        Moves each batch to its own device.
    loader
        Yields batches, each a `Batch`, or a `FeatureBatch` as the loaders of `cache_features` do.
    max_batches
        Only the first so many; `None` takes all.
    description
        Of the progress bar.
    """
    return score(*collect_logits(classifier, loader, max_batches=max_batches, description=description))


@torch.inference_mode()
def collect_logits(
    classifier: Classifier,
    loader: Iterable[Batch | FeatureBatch],
    *,
    max_batches: int | None = None,
    description: str = "evaluating",
) -> tuple[Tensor, Tensor]:
    """Logits (messages, classes) and labels (messages,) of a loader's messages; parameters as in `evaluate`."""
    check_features(classifier, loader)
    was_training = classifier.training
    classifier.eval()
    try:
        batches = loader if max_batches is None else list(islice(loader, max_batches))
        found = [
            (batch.logits(classifier).float().cpu(), batch.labels.cpu())
            for batch in (batch.to(classifier.device) for batch in progress(batches, description=description))
        ]
    finally:
        classifier.train(was_training)
    num_classes = classifier.backbone.head.out_features
    logits = torch.cat([torch.empty(0, num_classes), *(logits for logits, _ in found)])
    return logits, torch.cat([torch.empty(0, dtype=torch.int64), *(labels for _, labels in found)])


def score(logits: Tensor, labels: Tensor, decision: Decision | None = None) -> Evaluation:
    """Evaluate logits (messages, classes) against labels (messages,); each message counts the same.

    `decision` says how they become answers: by default the most probable class.
    """
    decision, num_classes = decision or Decision(), logits.shape[1]
    if not all(0 <= label < num_classes for label in labels.unique().tolist()):
        raise LlmclfError(f"labels from {labels.min()} to {labels.max()}, but there are only {num_classes} classes")
    chosen = torch.from_numpy(decision.choose(decision.probabilities(logits)))
    answered = chosen >= 0
    pairs = labels[answered] * num_classes + chosen[answered]
    confusion = torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    loss = F.cross_entropy(logits / decision.temperature, labels).item()
    return Evaluation(loss, confusion.numpy(), int((~answered).sum()))


def wilson_interval(correct: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Where the true share lies, given `correct` of `count` (Wilson 1927); (0, 1) when nothing was counted.

    Unlike the textbook's ± it never leaves 0 to 1, and is honest for few messages and for shares near 1.
    """
    if not 0 <= correct <= count:
        raise LlmclfError(f"expected 0 <= correct <= count, got {correct} of {count}")
    if not 0 < confidence < 1:
        raise LlmclfError(f"confidence must lie between 0 and 1, got {confidence}")
    if count == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = correct / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    low = 0.0 if correct == 0 else middle - half  # exactly, where rounding would leave 3e-17
    high = 1.0 if correct == count else middle + half
    return low, high
