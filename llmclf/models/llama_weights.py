"""SmolLM2's weights, from a GGUF file, packed in 4 and 8 bits there, or from a Hub folder of any Llama's shape.

Every tensor of a file is accounted for: a missing, surplus or misshapen one is an error, never a silent gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llmclf.files.gguf import read_gguf
from llmclf.files.hub_folder import read_description, read_weights, require_stated
from llmclf.files.storage import FileError
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
HUB_BLOCK = {
    "norm1.weight": "input_layernorm.weight",
    **{f"attention.{part}.weight": f"self_attn.{part[0]}_proj.weight" for part in ("query", "key", "value", "output")},
    "norm2.weight": "post_attention_layernorm.weight",
    **{f"mlp.{part}.weight": f"mlp.{part}_proj.weight" for part in ("gate", "up", "down")},
}
HUB_OUTSIDE = {"token_embedding.weight": "embed_tokens.weight", "final_norm.weight": "norm.weight"}


def gguf_names(config: LlamaConfig) -> dict[str, str]:
    """Our parameter names, each with its name in a GGUF file."""
    head = {} if config.tied_embeddings else {"head.weight": "output.weight"}
    return GGUF_OUTSIDE | head | in_every_block(config, "blk", GGUF_BLOCK)


def hub_names(config: LlamaConfig) -> dict[str, str]:
    """Our parameter names, the head aside, each with its name on the Hub (behind "model.")."""
    return HUB_OUTSIDE | in_every_block(config, "layers", HUB_BLOCK)


def in_every_block(config: LlamaConfig, word: str, names: Mapping[str, str]) -> dict[str, str]:
    """The names of a block's parameters, for all blocks."""
    return {
        f"blocks.{layer}.{ours}": f"{word}.{layer}.{theirs}"
        for layer in range(config.num_layers)
        for ours, theirs in names.items()
    }


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


def load_hub_llama(path: Path, dtype: torch.dtype) -> Llama:
    """A model of the Llama family from the Hub's safetensors (or their index), with `config.json` beside them."""
    config = _stated_config(path.with_name("config.json"))
    tensors = {name.removeprefix("model."): tensor for name, tensor in read_weights(path).items()}
    if config.tied_embeddings:
        head = tensors.pop("lm_head.weight", None)  # stored by some, once more or instead
        if head is not None and not torch.equal(head, tensors.setdefault("embed_tokens.weight", head)):
            raise WeightsError(f"{path}: lm_head.weight is not embed_tokens.weight, though config.json ties them")
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith("rotary_emb.inv_freq")}
    names, model = hub_names(config), build(config)
    if not config.tied_embeddings:
        names["head.weight"] = "lm_head.weight"
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    check_tensors(path, found, {theirs: shapes[ours] for ours, theirs in names.items()})
    fill(model, {ours: tensors[theirs] for ours, theirs in names.items()}, dtype)
    return model


def _stated_config(described: Path) -> LlamaConfig:
    """The shape that a Hub folder's `config.json` states."""
    stated = read_description(described)
    usual = {"model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False}
    require_stated(described, stated, usual | {"rope_scaling": None})
    rope = stated.get("rope_parameters") or {"rope_theta": stated.get("rope_theta", 10_000.0)}
    require_stated(described, rope, {"rope_type": "default"})
    try:
        config = LlamaConfig(
            vocab_size=stated["vocab_size"],
            context_length=stated["max_position_embeddings"],
            hidden_size=stated["hidden_size"],
            num_layers=stated["num_hidden_layers"],
            num_heads=stated["num_attention_heads"],
            num_kv_heads=stated.get("num_key_value_heads") or stated["num_attention_heads"],
            intermediate_size=stated["intermediate_size"],
            rope_base=float(rope["rope_theta"]),
            norm_epsilon=stated["rms_norm_eps"],
            tied_embeddings=bool(stated.get("tie_word_embeddings", False)),
        )
    except (KeyError, TypeError) as error:
        raise FileError(f"{described}: not the description of a Llama ({error!r})") from None
    require_stated(described, stated, {"head_dim": config.head_size})
    return config


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
