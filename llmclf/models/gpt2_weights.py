"""GPT-2's weights: from the Hub's file, and from a state dict that the source's own code has saved.

Every tensor of a file is accounted for: a missing, surplus or misshapen one is an error, never a silent gap.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from llmclf.files.storage import FileError, read_safetensors
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
    stored, _ = read_safetensors(path)
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


def _gpt2_config(path: Path, tensors: Mapping[str, Tensor]) -> GPT2Config:
    """Read the shape off the tensors; only the number of heads leaves no trace in them."""
    try:
        vocab_size, hidden_size = tensors["wte.weight"].shape
        context_length = tensors["wpe.weight"].shape[0]
    except (KeyError, ValueError, IndexError):
        raise WeightsError(f"{path}: no wte.weight and wpe.weight as matrices, so this is not a GPT-2 file") from None
    num_layers = len({name.split(".")[1] for name in tensors if name.startswith("h.")})
    described = path.with_name("config.json")
    if described.is_file():
        num_heads = _stated_heads(described, hidden_size)
    elif hidden_size % HEAD_SIZE == 0:
        num_heads = hidden_size // HEAD_SIZE
    else:
        raise WeightsError(f"{path}: number of attention heads unknown; put the model's config.json (n_head) beside it")
    shape = {"hidden_size": hidden_size, "num_layers": num_layers, "num_heads": num_heads}
    return GPT2Config(vocab_size=vocab_size, context_length=context_length, **shape)


def _stated_heads(described: Path, hidden_size: int) -> int:
    try:
        num_heads = json.loads(described.read_text(encoding="utf-8"))["n_head"]
    except (ValueError, KeyError, TypeError):  # not JSON; no such entry; no entries at all
        raise FileError(f"{described}: expected the model's description, JSON with an entry n_head") from None
    if not isinstance(num_heads, int) or num_heads < 1 or hidden_size % num_heads:
        raise FileError(f"{described}: n_head is {num_heads!r}, which does not divide the hidden size {hidden_size}")
    return num_heads


# The source's own names, for classifiers that were fine-tuned with its code.
SOURCE_BLOCK = {
    "norm1.weight": "norm1.scale",
    "norm1.bias": "norm1.shift",
    "attention.query.weight": "att.W_query.weight",
    "attention.query.bias": "att.W_query.bias",
    "attention.key.weight": "att.W_key.weight",
    "attention.key.bias": "att.W_key.bias",
    "attention.value.weight": "att.W_value.weight",
    "attention.value.bias": "att.W_value.bias",
    "attention.output.weight": "att.out_proj.weight",
    "attention.output.bias": "att.out_proj.bias",
    "norm2.weight": "norm2.scale",
    "norm2.bias": "norm2.shift",
    "mlp.up.weight": "ff.layers.0.weight",
    "mlp.up.bias": "ff.layers.0.bias",
    "mlp.down.weight": "ff.layers.2.weight",
    "mlp.down.bias": "ff.layers.2.bias",
}
SOURCE_OUTSIDE = {
    "token_embedding.weight": "tok_emb.weight",
    "position_embedding.weight": "pos_emb.weight",
    "final_norm.weight": "final_norm.scale",
    "final_norm.bias": "final_norm.shift",
    "head.weight": "out_head.weight",
    "head.bias": "out_head.bias",
}


def read_source_state(path: str | Path) -> tuple[GPT2Config, dict[str, Tensor]]:
    """The shape, and the parameters under our names, of a classifier saved by the source's code (`.pth`).

    The file is read with `weights_only=True`: tensors come out of it, code does not run.

    Raises
    ------
    FileError, WeightsError
        No such file, or not a state dict of tensors; other tensors than the source's GPT-2 classifier has.
    """
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except Exception as error:  # unpickling fails in many ways, all of which mean the same to the reader
        raise FileError(f"{path}: not a state dict that holds tensors alone ({type(error).__name__})") from None
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in tensors.items()
    ):
        raise FileError(f"{path}: expected a state dict, names with tensors")
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items() if not name.endswith(".att.mask")}
    matrices = ("tok_emb.weight", "pos_emb.weight", "out_head.weight")
    if any(len(found.get(name, ())) != 2 for name in matrices):
        raise WeightsError(f"{path}: no {', '.join(matrices)} as matrices, so this is not the source's GPT-2")
    vocab_size, hidden_size = found["tok_emb.weight"]
    config = GPT2Config(
        vocab_size=vocab_size,
        context_length=found["pos_emb.weight"][0],
        hidden_size=hidden_size,
        num_layers=len({name.split(".")[1] for name in found if name.startswith("trf_blocks.")}),
        num_heads=max(1, hidden_size // HEAD_SIZE),
    )
    names = dict(SOURCE_OUTSIDE)
    for layer in range(config.num_layers):
        names |= {f"blocks.{layer}.{ours}": f"trf_blocks.{layer}.{theirs}" for ours, theirs in SOURCE_BLOCK.items()}
    shapes = {name: tuple(parameter.shape) for name, parameter in build(config).named_parameters()}
    classes = found["out_head.weight"][0]
    shapes |= {"head.weight": (classes, hidden_size), "head.bias": (classes,)}
    check_tensors(Path(path), found, {theirs: shapes[ours] for ours, theirs in names.items()})
    return config, {ours: tensors[theirs] for ours, theirs in names.items()}
