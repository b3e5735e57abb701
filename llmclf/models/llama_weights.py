"""SmolLM2's weights, from a GGUF file: packed in 4 and 8 bits there, unpacked to floats here.

Every tensor of a file is accounted for: a missing, surplus or misshapen one is an error, never a silent gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llmclf.files.gguf import read_gguf
from llmclf.models import Llama, LlamaConfig
from llmclf.models.state import WeightsError, build, check_tensors, fill

GGUF_BLOCK = {
    "norm1.weight": "attn_norm.weight",
    "attention.query.weight": "attn_q.weight",
    "attention.key.weight": "attn_k.weight",
    "attention.value.weight": "attn_v.weight",
    "attention.output.weight": "attn_output.weight",
    "norm2.weight": "ffn_norm.weight",
    "mlp.gate.weight": "ffn_gate.weight",
    "mlp.up.weight": "ffn_up.weight",
    "mlp.down.weight": "ffn_down.weight",
}
GGUF_OUTSIDE = {"token_embedding.weight": "token_embd.weight", "final_norm.weight": "output_norm.weight"}


def gguf_names(config: LlamaConfig) -> dict[str, str]:
    """Our parameter names, each with its name in a GGUF file."""
    names = dict(GGUF_OUTSIDE) if config.tied_embeddings else {**GGUF_OUTSIDE, "head.weight": "output.weight"}
    for layer in range(config.num_layers):
        names |= {f"blocks.{layer}.{ours}": f"blk.{layer}.{theirs}" for ours, theirs in GGUF_BLOCK.items()}
    return names


def load_gguf(path: Path, dtype: torch.dtype) -> Llama:
    """A model of the Llama family from a GGUF file, whatever its quantisation."""
    stored, entries = read_gguf(path)
    config = _llama_config(path, entries, tied="output.weight" not in stored)
    names, model = gguf_names(config), build(config)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    found = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    check_tensors(path, found, {theirs: shapes[ours] for ours, theirs in names.items()})

    state = {}
    for ours, theirs in names.items():
        tensor = stored[theirs]
        if ours.endswith((".query.weight", ".key.weight")):
            tensor = _halves_apart(tensor, config.head_size)
        state[ours] = tensor
    fill(model, state, dtype)
    return model


def _llama_config(path: Path, entries: Mapping, *, tied: bool) -> LlamaConfig:
    def field(name: str) -> Any:
        if name not in entries:
            raise WeightsError(f"{path}: no entry {name!r}, so this is not a GGUF file of a Llama model")
        return entries[name]

    if field("general.architecture") != "llama":
        raise WeightsError(f"{path}: architecture {field('general.architecture')!r}; only 'llama' is understood")
    return LlamaConfig(
        vocab_size=len(field("tokenizer.ggml.tokens")),
        context_length=field("llama.context_length"),
        hidden_size=field("llama.embedding_length"),
        num_layers=field("llama.block_count"),
        num_heads=field("llama.attention.head_count"),
        num_kv_heads=field("llama.attention.head_count_kv"),
        intermediate_size=field("llama.feed_forward_length"),
        rope_base=field("llama.rope.freq_base"),
        norm_epsilon=field("llama.attention.layer_norm_rms_epsilon"),
        tied_embeddings=tied,
    )


def _halves_apart(weight: Tensor, head_size: int) -> Tensor:
    """GGUF stores the rows that are rotated together side by side; `rotate` wants them half a head apart."""
    pairs = weight.unflatten(0, (-1, head_size // 2, 2))  # (heads, pairs, 2, D)
    return pairs.transpose(1, 2).flatten(0, 2)  # (heads · head_size, D)
