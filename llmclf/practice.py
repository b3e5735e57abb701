"""Chapter 6, for a table of one's own: what people add to the training loop. Nothing here is used unasked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from llmclf.console import LlmclfError

SCHEDULES = ("constant", "linear", "cosine")


def learning_rate_factor(step: int, total_steps: int, schedule: str = "constant", warmup: float = 0.0) -> float:
    """By how much the learning rate is multiplied at a step, counted from 0.

    Parameters
    ----------
    step, total_steps
        The step that is about to be taken, and how many there will be.
    schedule
        After the warm-up: "constant", or "linear" or "cosine" on the way from 1 to 0 (Loshchilov and Hutter 2017).
    warmup
        Share of all steps in which the rate rises evenly to its full height.
    """
    rising = round(warmup * total_steps)
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    done = (step - rising) / max(1, total_steps - rising)  # from 0 to just below 1
    return 1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2


def class_weight_tensor(
    weights: str | Sequence[float] | None, labels: Sequence[int], num_classes: int
) -> Tensor | None:
    """How much a message of each class counts for the loss, (classes,); `None` where all count the same.

    Parameters
    ----------
    weights
        "balanced" gives every class the same weight altogether, messages / (classes · messages of the class), as in
        scikit-learn; or one number a class.
    labels, num_classes
        Of the training messages.

    Raises
    ------
    LlmclfError
        Not one positive number a class; "balanced", and a class has no training message.
    """
    if weights is None:
        return None
    if weights == "balanced":
        counts = torch.bincount(torch.tensor([label for label in labels if label >= 0]), minlength=num_classes)
        if counts.min() == 0:
            raise LlmclfError(f"class {counts.argmin().item()} has no training message, so it cannot be balanced")
        return counts.sum() / (num_classes * counts)
    if isinstance(weights, str) or len(weights) != num_classes or not min(weights) > 0:
        raise LlmclfError(f'class_weights must be "balanced" or {num_classes} positive numbers, got {weights!r}')
    return torch.tensor(weights, dtype=torch.float32)


class BestEpoch:
    """Keeps the weights of the epoch with the least validation loss, and says when to stop.

    Parameters
    ----------
    weights
        What learns, by name.
    losses
        Of the validation set after each epoch so far; `note` adds to them.
    patience
        Stop after so many epochs without a lesser loss; `None` keeps nothing and never stops.
    kept
        The weights after the best of these epochs, as an earlier run left them.
    """

    def __init__(
        self,
        weights: dict[str, nn.Parameter],
        losses: list[float],
        patience: int | None,
        kept: dict[str, Tensor] | None = None,
    ) -> None:
        self.weights, self.losses, self.patience, self.kept = weights, losses, patience, kept or {}

    def note(self, loss: float) -> None:
        """Take the validation loss after an epoch, and keep the weights if it is the least."""
        self.losses.append(loss)
        if self.losses.index(min(self.losses)) == len(self.losses) - 1:
            self.kept = {name: weight.detach().to("cpu", copy=True) for name, weight in self.weights.items()}

    def stops(self) -> bool:
        """Whether there have been too many epochs since the best."""
        if self.patience is None or not self.losses:
            return False
        return len(self.losses) - 1 - self.losses.index(min(self.losses)) >= self.patience

    @torch.no_grad()
    def restore(self) -> None:
        """Put the kept weights back."""
        for name, weight in self.kept.items():
            self.weights[name].copy_(weight)
