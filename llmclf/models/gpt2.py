"""GPT-2 (Radford et al. 2019), from scratch.

Letters in the margin: B messages of a batch, T tokens of a message, D hidden size, H heads, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llmclf.models.common import attend, check_divides, check_input_ids


@dataclass(frozen=True)
class GPT2Config:
    """The shape of a GPT-2. Defaults are the smallest of the four published sizes, 124M parameters.

    Attributes
    ----------
    vocab_size, context_length
        Number of different tokens, and of tokens the model can see at once.
    hidden_size, num_layers, num_heads
        Length of the vector that stands for a token, number of blocks, attention heads in a block.
    dropout
        Share of values dropped in training; 0 here, as in the source.
    qkv_bias
        Whether queries, keys and values have a bias.
    tied_embeddings
        Whether the vocabulary head is the token embedding, used backwards.
    norm_epsilon
        Added to the variance in layer norm.
    causal
        Whether a token sees only itself and the tokens before it; `False` only for an experiment of chapter 10.
    """

    vocab_size: int = 50257
    context_length: int = 1024
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    dropout: float = 0.0
    qkv_bias: bool = True
    tied_embeddings: bool = True
    norm_epsilon: float = 1e-5
    causal: bool = True

    def __post_init__(self) -> None:
        check_divides("num_heads", self.num_heads, "hidden_size", self.hidden_size)


GPT2_SIZES = {
    "gpt2-124M": GPT2Config(),
    "gpt2-355M": GPT2Config(hidden_size=1024, num_layers=24, num_heads=16),
    "gpt2-774M": GPT2Config(hidden_size=1280, num_layers=36, num_heads=20),
    "gpt2-1558M": GPT2Config(hidden_size=1600, num_layers=48, num_heads=25),
}


class Attention(nn.Module):
    """Causal self-attention: every token gathers from itself and the tokens before it."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        size = config.hidden_size
        self.num_heads, self.causal = config.num_heads, config.causal
        self.query = nn.Linear(size, size, bias=config.qkv_bias)
        self.key = nn.Linear(size, size, bias=config.qkv_bias)
        self.value = nn.Linear(size, size, bias=config.qkv_bias)
        self.output = nn.Linear(size, size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_states: Tensor) -> Tensor:
        query, key, value = (
            project(hidden_states).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, H, T, D/H)
            for project in (self.query, self.key, self.value)
        )
        dropout = self.dropout.p if self.training else 0.0
        gathered = attend(query, key, value, causal=self.causal, dropout=dropout)
        return self.output(gathered.transpose(1, 2).flatten(2))  # (B, T, D)


class MLP(nn.Module):
    """Each token by itself: four times wider, a bent line, back again."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.up = nn.Linear(config.hidden_size, 4 * config.hidden_size)
        self.down = nn.Linear(4 * config.hidden_size, config.hidden_size)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(hidden_states), approximate="tanh"))  # (B, T, D)


class Block(nn.Module):
    """Attention, then MLP; each reads a normalised copy and adds what it found."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=config.norm_epsilon)
        self.attention = Attention(config)
        self.norm2 = nn.LayerNorm(config.hidden_size, eps=config.norm_epsilon)
        self.mlp = MLP(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_states: Tensor) -> Tensor:
        hidden_states = hidden_states + self.dropout(self.attention(self.norm1(hidden_states)))
        return hidden_states + self.dropout(self.mlp(self.norm2(hidden_states)))  # (B, T, D)


class GPT2(nn.Module):
    """Token ids in, one row of logits a token out."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.context_length, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.norm_epsilon)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tied_embeddings:
            self.head.weight = self.token_embedding.weight

    def embed(self, input_ids: Tensor) -> Tensor:
        check_input_ids(input_ids, self.config.context_length)
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)  # (T,)
        return self.dropout(self.token_embedding(input_ids) + self.position_embedding(positions))  # (B, T, D)

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden_states = self.embed(input_ids)  # (B, T, D)
        for block in self.blocks:
            hidden_states = block(hidden_states)  # (B, T, D)
        return self.head(self.final_norm(hidden_states))  # (B, T, V)
