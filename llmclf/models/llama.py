"""SmolLM2 (Allal et al. 2025), a model of the Llama family (Touvron et al. 2023), from scratch.

Against GPT-2 four things are new: RMS norm, rotary positions, grouped-query attention, and the gated MLP (SwiGLU).
Letters in the margin: B messages, T tokens, D hidden size, H heads, K key-value heads, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmclf.models.common import check_divides, check_input_ids


@dataclass(frozen=True)
class LlamaConfig:
    """The shape of a Llama model. Defaults are SmolLM2-135M's, as its GGUF file states them.

    Attributes
    ----------
    vocab_size, context_length, hidden_size, num_layers, num_heads
        As in `GPT2Config`.
    num_kv_heads
        Heads of keys and values; each serves `num_heads / num_kv_heads` heads of queries.
    intermediate_size
        Width of the MLP.
    rope_base
        The slowest rotary angle turns once in about `2π · rope_base` tokens.
    norm_epsilon
        Added to the mean square in RMS norm.
    tied_embeddings
        Whether the vocabulary head is the token embedding, used backwards.
    causal
        As in `GPT2Config`.
    """

    vocab_size: int = 49152
    context_length: int = 8192
    hidden_size: int = 576
    num_layers: int = 30
    num_heads: int = 9
    num_kv_heads: int = 3
    intermediate_size: int = 1536
    rope_base: float = 100_000.0
    norm_epsilon: float = 1e-5
    tied_embeddings: bool = True
    causal: bool = True

    def __post_init__(self) -> None:
        check_divides("num_heads", self.num_heads, "hidden_size", self.hidden_size)
        check_divides("num_kv_heads", self.num_kv_heads, "num_heads", self.num_heads)
        check_divides("the values that rotate together", 2, "head_size", self.head_size)

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_heads


SMOLLM2_135M = LlamaConfig()


def rotate(states: Tensor, positions: Tensor, base: float) -> Tensor:
    """Rotary positions (Su et al. 2021): turn each pair of values by an angle that grows with the token's position.

    The product of a query and a key then depends on how far apart they stand, not on where.

    Parameters
    ----------
    states
        (B, H, T, size of a head); value i is paired with value i + half the size, as in the Llama reference weights.
    positions
        Where in its message each token stands: (T,), or (B, 1, T) where that differs from message to message.
    base
        `LlamaConfig.rope_base`.
    """
    size = states.shape[-1]
    frequency = base ** -(torch.arange(0, size, 2, device=states.device, dtype=torch.float32) / size)  # (size/2,)
    angle = positions[..., None] * frequency  # (T, size/2) or (B, 1, T, size/2)
    cosine, sine = angle.cos().to(states.dtype), angle.sin().to(states.dtype)
    first, second = states.chunk(2, dim=-1)  # (B, H, T, size/2) each
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


class Attention(nn.Module):
    """Causal self-attention in which several query heads share one key-value head."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        kv_size = config.num_kv_heads * config.head_size
        self.head_size, self.rope_base, self.causal = config.head_size, config.rope_base, config.causal
        self.query = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.key = nn.Linear(config.hidden_size, kv_size, bias=False)
        self.value = nn.Linear(config.hidden_size, kv_size, bias=False)
        self.output = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, hidden_states: Tensor) -> Tensor:
        positions = torch.arange(hidden_states.shape[1], device=hidden_states.device)  # (T,)
        query = rotate(self.split_heads(self.query(hidden_states)), positions, self.rope_base)  # (B, H, T, D/H)
        key = rotate(self.split_heads(self.key(hidden_states)), positions, self.rope_base)  # (B, K, T, D/H)
        value = self.split_heads(self.value(hidden_states))  # (B, K, T, D/H)
        key, value = (
            states.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for states in (key, value)
        )  # (B, H, T, D/H)
        gathered = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.output(gathered.transpose(1, 2).flatten(2))  # (B, T, D)

    def split_heads(self, states: Tensor) -> Tensor:
        return states.unflatten(-1, (-1, self.head_size)).transpose(1, 2)  # (B, T, D) -> (B, H, T, D/H)


class MLP(nn.Module):
    """SwiGLU (Shazeer 2020): one path decides how much of the other passes."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(hidden_states)) * self.up(hidden_states))  # (B, T, D)


class Block(nn.Module):
    """Attention, then MLP; each reads a normalised copy and adds what it found."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.norm1 = nn.RMSNorm(config.hidden_size, eps=config.norm_epsilon)
        self.attention = Attention(config)
        self.norm2 = nn.RMSNorm(config.hidden_size, eps=config.norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, hidden_states: Tensor) -> Tensor:
        hidden_states = hidden_states + self.attention(self.norm1(hidden_states))
        return hidden_states + self.mlp(self.norm2(hidden_states))  # (B, T, D)


class Llama(nn.Module):
    """Token ids in, one row of logits a token out."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.final_norm = nn.RMSNorm(config.hidden_size, eps=config.norm_epsilon)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tied_embeddings:
            self.head.weight = self.token_embedding.weight

    def embed(self, input_ids: Tensor) -> Tensor:
        check_input_ids(input_ids, self.config.context_length)
        return self.token_embedding(input_ids)  # (B, T, D)

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden_states = self.embed(input_ids)  # (B, T, D)
        for block in self.blocks:
            hidden_states = block(hidden_states)  # (B, T, D)
        return self.head(self.final_norm(hidden_states))  # (B, T, V)
