"""Chapter 10: LoRA (Hu and others 2021). Leave every weight matrix as it is, and learn a thin correction beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llmclf.console import LlmclfError
from llmclf.head import Classifier, set_trainable


class LoRALinear(nn.Module):
    """A frozen linear layer and a trained correction of low rank: `W x + b + scale · B (A x)`.

    A maps to `rank` values and B back. B begins as zeros, so at first nothing has changed.

    Parameters
    ----------
    linear
        The layer; its weight is (out, in).
    rank
        Rows of A and columns of B: how many directions the correction can use.
    scale
        How strongly the correction counts; the paper's alpha / rank.
    generator
        Draws A.
    """

    def __init__(self, linear: nn.Linear, rank: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.linear, self.scale = linear.requires_grad_(False), scale
        bound = linear.in_features**-0.5  # as torch.nn.Linear draws a weight of so many inputs
        drawn = torch.empty(rank, linear.in_features).uniform_(-bound, bound, generator=generator)
        dtype = torch.promote_types(linear.weight.dtype, torch.float32)  # what learns needs all digits
        self.A = nn.Parameter(drawn.to(linear.weight.device, dtype))  # (rank, in)
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank).to(self.A))  # (out, rank)

    def forward(self, states: Tensor) -> Tensor:
        return self.linear(states) + self.scale * (states @ self.A.T) @ self.B.T  # (..., out)

    @property
    def weight(self) -> Tensor:
        """(out, in): the matrix that the layer amounts to."""
        return self.linear.weight + self.scale * self.B @ self.A

    @property
    def bias(self) -> Tensor | None:
        return self.linear.bias


def add_lora(classifier: Classifier, *, rank: int = 16, alpha: float = 16.0, seed: int = 123) -> None:
    """Give every linear layer of every block a trained correction; of the rest, only the head learns.

    Parameters
    ----------
    classifier
        Changed in place; its answers are the same as before.
    rank, alpha
        See `LoRALinear`, whose scale is alpha / rank. 16 and 16 are the source's, but it multiplies by alpha itself.
    seed
        Of the random halves of the corrections.

    Raises
    ------
    LlmclfError
        There are corrections already.
    """
    if lora_layers(classifier):
        raise LlmclfError("the classifier has LoRA corrections already: merge_lora makes them part of its weights")
    set_trainable(classifier, "head")
    generator = torch.Generator().manual_seed(seed)
    for module in list(classifier.backbone.blocks.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, LoRALinear(child, rank, alpha / rank, generator))


@torch.no_grad()
def merge_lora(classifier: Classifier) -> None:
    """Add the corrections to the weights: the same answers from plain layers, which can be saved like any other."""
    for module, name, layer in lora_layers(classifier):
        weight = layer.weight
        layer.linear.to(weight.dtype)
        layer.linear.weight = nn.Parameter(weight, requires_grad=False)  # the old one may be a file's own bytes
        setattr(module, name, layer.linear)
    classifier.trainable = "all"  # every block has learnt, so none is rounded when it is loaded again


def lora_layers(classifier: Classifier) -> list[tuple[nn.Module, str, LoRALinear]]:
    """The corrected layers, each with the module that holds it and its name there."""
    return [
        (module, name, child)
        for module in classifier.backbone.blocks.modules()
        for name, child in module.named_children()
        if isinstance(child, LoRALinear)
    ]
