"""What both models share: attention's formula, checks of input and shape.

Letters in the margin: B messages, T tokens, H heads of queries, K of keys and values, E size of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from llmclf.console import LlmclfError

# Up to here PyTorch's own attention takes longer than the formula, in bfloat16 on a CPU: at 30, 120 and 160 tokens 2.4,
# 2.3 and 1.8 times as long, with gradients 3.9, 2.1 and 2.9 times (medians, two cores of an AMD EPYC). Beyond, and in
# float32, it is as fast or faster, and needs no (T, T) scores in memory.
SHORT = 160


def attend(query: Tensor, key: Tensor, value: Tensor, *, causal: bool, dropout: float = 0.0) -> Tensor:
    """Scaled dot-product attention (Vaswani et al. 2017), softmax(q kᵀ / √E) v, in every head.

    Parameters
    ----------
    query
        (B, H, T, E).
    key, value
        (B, K, T, E); each of the K heads serves H / K heads of queries.
    causal
        Whether a token sees only itself and the tokens before it.
    dropout
        Share of the weights dropped.

    Returns
    -------
    torch.Tensor
        (B, H, T, E).
    """
    batch, heads, tokens, size = query.shape
    if dropout or tokens > SHORT or query.dtype != torch.bfloat16 or query.device.type != "cpu":
        grouped = heads != key.shape[1]
        return F.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=causal, enable_gqa=grouped
        )
    query = (query * size**-0.5).reshape(batch, key.shape[1], -1, size)  # (B, K, H/K T, E)
    scores = (query @ key.mT).view(batch, heads, tokens, tokens).float()
    if causal:
        scores = scores + torch.full((tokens, tokens), -torch.inf).triu(1)  # minus infinity for all later tokens
    weights = scores.softmax(dim=-1).to(value.dtype)  # (B, H, T, T)
    return (weights.view(batch, key.shape[1], -1, tokens) @ value).view(batch, heads, tokens, size)


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
