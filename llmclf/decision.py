"""Chapters 7 and 8: from probabilities to an answer. What was decided about that is kept with the classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llmclf.console import LlmclfError

UNSURE = "unsure"  # the answer where none is sure enough


@dataclass(frozen=True)
class Decision:
    """How logits become probabilities, and these an answer. The default is the most probable class.

    Attributes
    ----------
    temperature
        Logits are divided by it before the softmax (Guo et al. 2017); see `fit_temperature`.
    threshold
        Of two classes: the second is the answer from this probability on, the first below it.
    offsets
        Of more classes: one number a class, added to the logarithms of the probabilities before the largest is taken.
    abstain_below
        An answer of a smaller probability is "unsure".
    evidence
        On what this was fitted, and what it changed there.
    """

    temperature: float = 1.0
    threshold: float | None = None
    offsets: tuple[float, ...] | None = None
    abstain_below: float = 0.0
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise LlmclfError(f"temperature must be above 0, got {self.temperature}")
        if self.threshold is not None and not self.threshold >= 0:
            raise LlmclfError(f"threshold must be at least 0, got {self.threshold}")
        if not 0 <= self.abstain_below <= 1:
            raise LlmclfError(f"abstain_below must lie between 0 and 1, got {self.abstain_below}")

    def check(self, num_classes: int) -> None:
        """Raise `LlmclfError` where this decision is one of another number of classes."""
        if self.threshold is not None and num_classes != 2:
            raise LlmclfError(f"a threshold separates two classes, not {num_classes}; use offsets")
        if self.offsets is not None and len(self.offsets) != num_classes:
            raise LlmclfError(f"{len(self.offsets)} offsets for {num_classes} classes")

    def probabilities(self, logits: Tensor) -> Tensor:
        """(texts, classes) of logits (texts, classes)."""
        return (logits / self.temperature).softmax(dim=-1)

    def choose(self, probabilities: np.ndarray | Tensor) -> np.ndarray:
        """The number of each text's class, (texts,), from probabilities (texts, classes); -1 where it is unsure."""
        shares = probabilities if isinstance(probabilities, Tensor) else torch.tensor(probabilities)
        if self.threshold is not None:
            chosen = (shares[:, 1] >= self.threshold).long()
        elif self.offsets is not None:
            chosen = (shares.log() + torch.tensor(self.offsets)).argmax(dim=1)
        else:
            chosen = shares.argmax(dim=1)
        confidence = shares.gather(1, chosen[:, None])[:, 0]
        return torch.where(confidence < self.abstain_below, -1, chosen).numpy()

    def answers(self, probabilities: np.ndarray | Tensor, label_names: Sequence[str]) -> list[str]:
        """The name of each text's class, or "unsure"."""
        return [UNSURE if number < 0 else label_names[number] for number in self.choose(probabilities).tolist()]

    def threshold_of(self, number: int) -> float:
        """From which probability on a class is the answer, where a slider shows one; one half where none is set."""
        if self.threshold is None:
            return 0.5
        return self.threshold if number == 1 else 1 - self.threshold
