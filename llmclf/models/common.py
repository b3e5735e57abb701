"""What both models share: checks of input and shape, and computing one token of a message instead of all."""

from __future__ import annotations

import torch
from torch import Tensor

from llmclf.console import LlmclfError


def check_input_ids(input_ids: Tensor, context_length: int) -> None:
    """Raise unless `input_ids` is (batch, tokens) with 1 to `context_length` tokens."""
    if input_ids.ndim != 2 or not 1 <= input_ids.shape[1] <= context_length:
        raise LlmclfError(
            f"input_ids must be (batch, tokens) with 1 to {context_length} tokens, the context of the model; "
            f"got shape {tuple(input_ids.shape)}: shorten the messages with max_length"
        )


def check_divides(part_name: str, part: int, whole_name: str, whole: int) -> None:
    """Raise unless the named part divides the named whole."""
    if part < 1 or whole % part:
        raise LlmclfError(f"{part_name} ({part}) must divide {whole_name} ({whole})")


def take(states: Tensor, read: Tensor) -> Tensor:
    """Of each message the one token at place `read`: (B, T, D) and (B,) give (B, 1, D)."""
    return states[torch.arange(len(states), device=states.device), read][:, None]


def visible(read: Tensor, tokens: int) -> Tensor:
    """What the token at place `read` may attend to, itself and all before: (B,) gives (B, 1, T), for every head."""
    return (torch.arange(tokens, device=read.device) <= read[:, None])[:, None]
