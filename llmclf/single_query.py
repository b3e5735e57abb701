"""Chapter 6: of the last block, only the one token matters that the classifier reads; so compute only that one.

What the block makes of the other tokens is not used. `block_at` gives what `block(hidden_states)` holds at one position
of each message. Letters in the margin: B messages, T tokens, D hidden size, H heads.
"""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmclf.models import gpt2, llama

Block = gpt2.Block | llama.Block


def select_position(states: Tensor, position: Tensor) -> Tensor:
    """Of each message the one token at its position: (B, T, D) and (B,) give (B, 1, D)."""
    return states[torch.arange(len(states), device=states.device), position][:, None]


def causal_mask(position: Tensor, tokens: int) -> Tensor:
    """What the token at a position may attend to, itself and all before: (B,) gives (B, 1, T), for every head."""
    return (torch.arange(tokens, device=position.device) <= position[:, None])[:, None]


def block_at(block: Block, hidden_states: Tensor, position: Tensor) -> Tensor:
    """The output of one block at one position of each message.

    Parameters
    ----------
    block
        Of a GPT-2 or a Llama.
    hidden_states
        (B, T, D), what the block reads.
    position
        (B,), of the token that is wanted.

    Returns
    -------
    torch.Tensor
        (B, 1, D).
    """
    dropout = block.dropout if isinstance(block, gpt2.Block) else nn.Identity()
    gathered = attention_at(block.attention, block.norm1(hidden_states), position)  # (B, 1, D)
    hidden_states = select_position(hidden_states, position) + dropout(gathered)
    return hidden_states + dropout(block.mlp(block.norm2(hidden_states)))


@singledispatch
def attention_at(attention: nn.Module, hidden_states: Tensor, position: Tensor) -> Tensor:
    """What an attention layer gives at one position of each message, (B, 1, D)."""
    raise NotImplementedError(type(attention).__name__)


@attention_at.register
def _(attention: gpt2.Attention, hidden_states: Tensor, position: Tensor) -> Tensor:
    """Without the key or the value of a single token.

    For one query q the order of the products is free: q · (K x + b) = (q K) · x + q · b, and the sum of the values
    V x + b, weighted by w, is V (sum of w x) + b (sum of w). So K and V are applied once a message, not once a token.
    """
    heads = (attention.num_heads, -1)
    query = attention.query(select_position(hidden_states, position)[:, 0]).unflatten(-1, heads)  # (B, H, D/H)
    query_key = torch.einsum("bhe,hed->bhd", query, attention.key.weight.unflatten(0, heads))  # (B, H, D)
    scores = query_key @ hidden_states.mT  # (B, H, T)
    if attention.key.bias is not None:  # the same for every token, so softmax undoes it; its gradient is 0
        scores = scores + (query * attention.key.bias.unflatten(0, heads)).sum(dim=-1, keepdim=True)
    if attention.causal:
        scores = scores.masked_fill(~causal_mask(position, scores.shape[-1]), -torch.inf)
    weights = attention.dropout((scores * query.shape[-1] ** -0.5).softmax(dim=-1))  # (B, H, T)
    values = attention.value.weight.unflatten(0, heads)  # (H, D/H, D)
    gathered = torch.einsum("bhd,hed->bhe", weights @ hidden_states, values)  # (B, H, D/H)
    if attention.value.bias is not None:
        gathered = gathered + weights.sum(dim=-1, keepdim=True) * attention.value.bias.unflatten(0, heads)
    return attention.output(gathered.flatten(1))[:, None]


@attention_at.register
def _(attention: llama.Attention, hidden_states: Tensor, position: Tensor) -> Tensor:
    """With one query, but all keys: each is turned by an angle of its own, so GPT-2's short way is barred."""
    positions = torch.arange(hidden_states.shape[1], device=hidden_states.device)  # (T,)
    query = attention.split_heads(attention.query(select_position(hidden_states, position)))  # (B, H, 1, D/H)
    query = llama.rotate(query, position[:, None, None], attention.rope_base)
    key = llama.rotate(attention.split_heads(attention.key(hidden_states)), positions, attention.rope_base)
    value = attention.split_heads(attention.value(hidden_states))  # (B, K, T, D/H), of K key-value heads
    key, value = (states.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for states in (key, value))
    mask = causal_mask(position, len(positions))[:, None] if attention.causal else None  # (B, 1, 1, T)
    gathered = F.scaled_dot_product_attention(query, key, value, mask)
    return attention.output(gathered.transpose(1, 2).flatten(2))
