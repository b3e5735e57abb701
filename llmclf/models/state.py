"""What happens to a model's parameters as a whole: made without memory, filled, checked, tied, drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import overload

import torch
from torch import Tensor, nn

from llmclf.console import LlmclfError
from llmclf.models import GPT2, Backbone, GPT2Config, Llama, LlamaConfig


class WeightsError(LlmclfError):
    """A file whose tensors are not those of the model."""


@overload
def build(config: GPT2Config, device: torch.device | str = "meta") -> GPT2: ...
@overload
def build(config: LlamaConfig, device: torch.device | str = "meta") -> Llama: ...
def build(config: GPT2Config | LlamaConfig, device: torch.device | str = "meta") -> Backbone:
    """The model of this shape, its weights not yet set (on the meta device, without memory for them)."""
    with torch.device("meta"):
        model = GPT2(config) if isinstance(config, GPT2Config) else Llama(config)
    if device != "meta":
        model.to_empty(device=device)
        tie(model)
    return model


def check_blocks(model: Backbone, blocks: int) -> None:
    """Raise `LlmclfError` unless the model has so many blocks."""
    if not 1 <= blocks <= len(model.blocks):
        raise LlmclfError(f"blocks must be from 1 to {len(model.blocks)}, got {blocks}")


def cut_after(model: Backbone, blocks: int) -> None:
    """Leave the first so many blocks of a model, in place; what they compute stays the same. See `check_blocks`."""
    check_blocks(model, blocks)
    model.blocks = model.blocks[:blocks]
    model.config = replace(model.config, num_layers=blocks)


def tie(model: Backbone) -> None:
    """Make the vocabulary head the token embedding again, after parameters were exchanged."""
    if model.config.tied_embeddings:
        model.head.weight = model.token_embedding.weight


@torch.no_grad()
def initialise(model: Backbone, seed: int) -> None:
    """Random weights as GPT began: normal with deviation 0.02, biases 0, norms 1 (Radford et al. 2018, section 4.1)."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "norm" in name and name.endswith("weight"):
            nn.init.ones_(parameter)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, std=0.02, generator=generator)


def check_tensors(path: Path, found: Mapping[str, tuple], expected: Mapping[str, tuple]) -> None:
    """Raise `WeightsError`, naming file and tensors, unless names and shapes are exactly the expected ones."""
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "surplus": sorted(found.keys() - expected.keys()),
        "wrong shape": [
            f"{name} {found[name]} instead of {shape}"
            for name, shape in expected.items()
            if name in found and found[name] != shape
        ],
    }
    for problem, names in problems.items():
        if names:
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            raise WeightsError(f"{path}: {problem} tensors: {shown}; this is not a file of the expected model")


def fill(model: Backbone, state: dict[str, Tensor], dtype: torch.dtype) -> None:
    """Give a model from `build` its weights: every parameter, once, in this precision.

    Where the file has that precision, they stay in the mapped file until they are used; a transposed one stays so.
    """
    if model.config.tied_embeddings:
        state["head.weight"] = state["token_embedding.weight"]
    model.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()}, assign=True)
    tie(model)
