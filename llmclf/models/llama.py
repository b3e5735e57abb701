"""SmolLM2 (Allal et al. 2025), a model of the Llama family (Touvron et al. 2023), from scratch.

Against GPT-2 four things are new: RMS norm, rotary positions, grouped-query attention, and the gated MLP (SwiGLU).
Letters in the margin: B messages, T tokens, D hidden size, H heads, K key-value heads, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmclf.models.common import attend, check_divides, check_input_ids


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


def rotary_angles(positions: Tensor, size: int, base: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angles by which `rotate` turns the values of a head.

    Parameters
    ----------
    positions
        Where in its message each token stands: (T,), or (B, 1, T) where that differs from message to message.
    size
        Of a head; value i is paired with value i + size/2, as in the Llama reference weights.
    base
        `LlamaConfig.rope_base`.
    dtype
        Of the states that are to be turned.

    Returns
    -------
    torch.Tensor, torch.Tensor
        (T, size) or (B, 1, T, size) each; the sines of the first half are negative.
    """
    frequency = base ** -(torch.arange(0, size, 2, device=positions.device, dtype=torch.float32) / size)  # (size/2,)
    angle = positions[..., None] * frequency  # (T, size/2) or (B, 1, T, size/2)
    cosine, sine = angle.cos(), angle.sin()
    return torch.cat([cosine, cosine], dim=-1).to(dtype), torch.cat([-sine, sine], dim=-1).to(dtype)


def rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021): turn each pair of values by an angle that grows with the token's position.

    The product of a query and a key then depends on how far apart they stand, not on where. A pair (a, b) becomes
    (a cos - b sin, b cos + a sin); `states` are (B, H, T, size), the rest is of `rotary_angles`.
    """
    other = states.roll(states.shape[-1] // 2, dims=-1)  # (b, a) of every pair
    return torch.addcmul(states * cosine, other, sine)


class RMSNorm(nn.Module):
    """Divide each token's values by their root mean square (Zhang and Sennrich 2019); the sum is taken in float32."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(size)), epsilon

    def forward(self, hidden_states: Tensor) -> Tensor:
        dtype = torch.promote_types(hidden_states.dtype, torch.float32)
        length = torch.linalg.vector_norm(hidden_states, dim=-1, keepdim=True, dtype=dtype)  # (B, T, 1)
        scale = torch.rsqrt(length**2 / hidden_states.shape[-1] + self.epsilon)
        return (hidden_states * scale * self.weight).to(hidden_states.dtype)  # (B, T, D)


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
        query, key = self.split_heads(self.query(hidden_states)), self.split_heads(self.key(hidden_states))
        angles = rotary_angles(positions, self.head_size, self.rope_base, query.dtype)
        query, key = rotate(query, *angles), rotate(key, *angles)  # (B, H, T, D/H), (B, K, T, D/H)
        value = self.split_heads(self.value(hidden_states))  # (B, K, T, D/H)
        gathered = attend(query, key, value, causal=self.causal)  # (B, H, T, D/H)
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
        self.norm1 = RMSNorm(config.hidden_size, config.norm_epsilon)
        self.attention = Attention(config)
        self.norm2 = RMSNorm(config.hidden_size, config.norm_epsilon)
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
        self.final_norm = RMSNorm(config.hidden_size, config.norm_epsilon)
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
