"""Chapter 6: of the last block, only the one token matters that the classifier reads; so compute only that one.

What the block makes of the other tokens is not used. `block_at` gives what `block(hidden_states)` holds at one position
of each message. Letters in the margin: B messages, T tokens, D hidden size, H heads.
"""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor, nn

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


def token_weights(scores: Tensor, position: Tensor, causal: bool) -> Tensor:
    """How much the one token attends to each: softmax of the scores (B, H, T) of those it may see."""
    if causal:
        scores = scores.masked_fill(~causal_mask(position, scores.shape[-1]), -torch.inf)
    return scores.softmax(dim=-1)


def weighted_values(weights: Tensor, hidden_states: Tensor, value: Tensor) -> Tensor:
    """What the token gathers, (B, H, D/H): the sum of the values V x, weighted by w, is V (sum of w x).

    So V, (H, D/H, D), is applied once a message, not once a token; `weights` are (B, H, T), the states (B, T, D).
    """
    return torch.einsum("bhd,hed->bhe", weights @ hidden_states, value)


@attention_at.register
def _(attention: gpt2.Attention, hidden_states: Tensor, position: Tensor) -> Tensor:
    """Without the key of a single token: for one query q, q · (K x + b) = (q K) · x + q · b."""
    heads = (attention.num_heads, -1)
    query = attention.query(select_position(hidden_states, position)[:, 0]).unflatten(-1, heads)  # (B, H, D/H)
    query_key = torch.einsum("bhe,hed->bhd", query, attention.key.weight.unflatten(0, heads))  # (B, H, D)
    scores = query_key @ hidden_states.mT  # (B, H, T)
    if attention.key.bias is not None:  # the same for every token, so softmax undoes it; its gradient is 0
        scores = scores + (query * attention.key.bias.unflatten(0, heads)).sum(dim=-1, keepdim=True)
    weights = token_weights(scores * query.shape[-1] ** -0.5, position, attention.causal)
    weights = attention.dropout(weights)
    gathered = weighted_values(weights, hidden_states, attention.value.weight.unflatten(0, heads))
    if attention.value.bias is not None:
        gathered = gathered + weights.sum(dim=-1, keepdim=True) * attention.value.bias.unflatten(0, heads)
    return attention.output(gathered.flatten(1))[:, None]


@attention_at.register
def _(attention: llama.Attention, hidden_states: Tensor, position: Tensor) -> Tensor:
    """With all keys: each is turned by an angle of its own, so GPT-2's short way is barred."""
    size, base = attention.head_size, attention.rope_base
    positions = torch.arange(hidden_states.shape[1], device=hidden_states.device)  # (T,)
    query = attention.split_heads(attention.query(select_position(hidden_states, position)))  # (B, H, 1, D/H)
    query = llama.rotate(query, *llama.rotary_angles(position[:, None, None], size, base, query.dtype))
    key = attention.split_heads(attention.key(hidden_states))  # (B, K, T, D/H), of K key-value heads
    key = llama.rotate(key, *llama.rotary_angles(positions, size, base, key.dtype))
    shared = query.shape[1] // key.shape[1]  # heads of queries that one head of keys and values serves
    scores = (query.squeeze(2).unflatten(1, (-1, shared)) @ key.mT).flatten(1, 2)  # (B, H, T)
    weights = token_weights(scores * size**-0.5, position, attention.causal)
    value = attention.value.weight.unflatten(0, (-1, size)).repeat_interleave(shared, dim=0)  # (H, D/H, D)
    return attention.output(weighted_values(weights, hidden_states, value).flatten(1))[:, None]
