"""What both models share: checks of input and shape."""

from __future__ import annotations

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
