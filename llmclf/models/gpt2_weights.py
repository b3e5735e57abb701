"""GPT-2's weights, from the Hub's file: its linear layers are stored transposed, its causal masks as if learnt.

Every tensor of a file is accounted for: a missing, surplus or misshapen one is an error, never a silent gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from llmclf.files.hub_folder import read_description, read_weights, require_stated
from llmclf.files.storage import FileError
from llmclf.models import GPT2, GPT2Config
from llmclf.models.state import WeightsError, build, check_tensors, fill

HEAD_SIZE = 64  # in all four published sizes; the number of heads leaves no trace in the tensors

# Ours: (the Hub's, whether it is stored transposed: OpenAI's linear layers keep (in, out), PyTorch's (out, in)).
HUB_BLOCK = {
    "norm1.weight": ("ln_1.weight", False),
    "norm1.bias": ("ln_1.bias", False),
    "attention.output.weight": ("attn.c_proj.weight", True),
    "attention.output.bias": ("attn.c_proj.bias", False),
    "norm2.weight": ("ln_2.weight", False),
    "norm2.bias": ("ln_2.bias", False),
    "mlp.up.weight": ("mlp.c_fc.weight", True),
    "mlp.up.bias": ("mlp.c_fc.bias", False),
    "mlp.down.weight": ("mlp.c_proj.weight", True),
    "mlp.down.bias": ("mlp.c_proj.bias", False),
}
HUB_OUTSIDE = {
    "token_embedding.weight": "wte.weight",
    "position_embedding.weight": "wpe.weight",
    "final_norm.weight": "ln_f.weight",
    "final_norm.bias": "ln_f.bias",
}


def hub_layout(config: GPT2Config) -> dict[str, tuple]:
    """Names and shapes of the tensors in the Hub's file of a GPT-2 of this shape, its mask buffers aside."""
    shapes = {name: tuple(parameter.shape) for name, parameter in build(config).named_parameters()}
    layout = {theirs: shapes[ours] for ours, theirs in HUB_OUTSIDE.items()}
    for layer in range(config.num_layers):
        for ours, (theirs, transposed) in HUB_BLOCK.items():
            shape = shapes[f"blocks.{layer}.{ours}"]
            layout[f"h.{layer}.{theirs}"] = shape[::-1] if transposed else shape
        layout[f"h.{layer}.attn.c_attn.weight"] = (config.hidden_size, 3 * config.hidden_size)
        layout[f"h.{layer}.attn.c_attn.bias"] = (3 * config.hidden_size,)
    return layout


def load_gpt2(path: Path, dtype: torch.dtype) -> GPT2:
    """A GPT-2 of any size from the Hub's `model.safetensors`; a `config.json` beside it may state the heads."""
    stored = read_weights(path)
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in stored.items()}
    if len(tensors) < len(stored):
        raise WeightsError(f"{path}: some tensors are there twice, with and without 'transformer.' before the name")
    head = tensors.pop("lm_head.weight", None)  # where it is stored at all, it is the token embedding once more
    masks = [name for name in tensors if name.endswith((".attn.bias", ".attn.masked_bias"))]
    for name in masks:  # the causal mask, stored as if it were a weight
        del tensors[name]
    config = _gpt2_config(path, tensors)
    check_tensors(path, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, hub_layout(config))
    if head is not None and not torch.equal(head, tensors["wte.weight"]):
        raise WeightsError(f"{path}: lm_head.weight is not wte.weight once more, as it is in GPT-2")

    state = {ours: tensors[theirs] for ours, theirs in HUB_OUTSIDE.items()}
    for layer in range(config.num_layers):
        for ours, (theirs, transposed) in HUB_BLOCK.items():
            tensor = tensors[f"h.{layer}.{theirs}"]
            state[f"blocks.{layer}.{ours}"] = tensor.T if transposed else tensor
        weights = tensors[f"h.{layer}.attn.c_attn.weight"].T.chunk(3)
        biases = tensors[f"h.{layer}.attn.c_attn.bias"].chunk(3)
        for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            state[f"blocks.{layer}.attention.{part}.weight"] = weight
            state[f"blocks.{layer}.attention.{part}.bias"] = bias
    model = build(config)
    fill(model, state, dtype)
    return model


def gpt2_for_hub(config: GPT2Config, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our parameters, head aside, by the Hub's names and as they are stored there: `load_gpt2` the other way round."""
    tensors = {theirs: state[ours] for ours, theirs in HUB_OUTSIDE.items()}
    for layer in range(config.num_layers):
        for ours, (theirs, transposed) in HUB_BLOCK.items():
            tensor = state[f"blocks.{layer}.{ours}"]
            tensors[f"h.{layer}.{theirs}"] = tensor.T if transposed else tensor
        for kind in ("weight", "bias"):
            parts = [state[f"blocks.{layer}.attention.{part}.{kind}"] for part in ("query", "key", "value")]
            joined = torch.cat(parts)
            tensors[f"h.{layer}.attn.c_attn.{kind}"] = joined.T if kind == "weight" else joined
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _gpt2_config(path: Path, tensors: Mapping[str, Tensor]) -> GPT2Config:
    """Read the shape off the tensors; only the number of heads leaves no trace in them."""
    try:
        vocab_size, hidden_size = tensors["wte.weight"].shape
        context_length = tensors["wpe.weight"].shape[0]
    except (KeyError, ValueError, IndexError):
        raise WeightsError(f"{path}: no wte.weight and wpe.weight as matrices, so this is not a GPT-2 file") from None
    num_layers = len({name.split(".")[1] for name in tensors if name.startswith("h.")})
    described = path.with_name("config.json")
    stated = read_description(described) if described.is_file() else {}
    if described.is_file():
        num_heads = _stated_heads(described, stated, hidden_size)
    elif hidden_size % HEAD_SIZE == 0:
        num_heads = hidden_size // HEAD_SIZE
    else:
        raise WeightsError(f"{path}: number of attention heads unknown; put the model's config.json (n_head) beside it")
    epsilon = stated.get("layer_norm_epsilon", GPT2Config.norm_epsilon)
    return GPT2Config(vocab_size, context_length, hidden_size, num_layers, num_heads, norm_epsilon=epsilon)


def _stated_heads(described: Path, stated: Mapping, hidden_size: int) -> int:
    require_stated(described, stated, {"activation_function": "gelu_new", "scale_attn_by_inverse_layer_idx": False})
    num_heads = stated.get("n_head")
    if not isinstance(num_heads, int) or num_heads < 1 or hidden_size % num_heads:
        raise FileError(f"{described}: n_head is {num_heads!r}, which does not divide the hidden size {hidden_size}")
    return num_heads
