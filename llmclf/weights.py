"""Chapter 3: a pretrained model by its name, or from a file of one's own."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from llmclf.console import notice
from llmclf.files import assets
from llmclf.files.gguf import quantisation_of
from llmclf.files.hub_folder import INDEX, read_description
from llmclf.files.storage import FileError
from llmclf.models import GPT2_SIZES, SMOLLM2_135M, Backbone, GPT2Config, LlamaConfig
from llmclf.models.gpt2_weights import load_gpt2
from llmclf.models.llama_weights import load_gguf, load_hub_llama
from llmclf.models.state import build, initialise

CONFIGS: dict[str, GPT2Config | LlamaConfig] = {**GPT2_SIZES, "smollm2-135M": SMOLLM2_135M}
RANDOM = "random-"  # "random-gpt2-124M" is that model before any training


def choose_backbone(name: str | Path | None = None) -> str:
    """The backbone to use: `name`, else `LLMCLF_BACKBONE`, else GPT-2 124M where it can be had, else SmolLM2."""
    name = name or os.environ.get("LLMCLF_BACKBONE")
    if name:
        return str(name)
    try:
        assets.fetch("gpt2-124M")
    except assets.AssetError:
        notice("GPT-2 124M is not available here; using SmolLM2-135M, about as large")
        return "smollm2-135M"
    return "gpt2-124M"


def load_pretrained(
    name: str | Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, seed: int = 123
) -> Backbone:
    """A pretrained model, in evaluation mode.

    Parameters
    ----------
    name
        "gpt2-124M", "gpt2-355M", "gpt2-774M", "gpt2-1558M" or "smollm2-135M", fetched once; or a folder as the Hub has
        it, of a GPT-2 or of the Llama family: safetensors, in one file or several, in any precision, and `config.json`;
        or a single file: GPT-2 as safetensors, SmolLM2 as GGUF. With "random-" before a name, the same architecture
        with random weights (see `initialise`).
    device, dtype
        Where the weights go, and in which precision.
    seed
        Of random weights.

    Raises
    ------
    AssetError, FileError, WeightsError
        The file cannot be had; is damaged or of another kind; holds other tensors than the model needs.
    """
    config = CONFIGS.get(str(name).removeprefix(RANDOM))
    if str(name).startswith(RANDOM) and config is not None:
        model = build(config, device="cpu").to(dtype)
        initialise(model, seed)
    else:
        path = locate(name)
        load = load_gguf if path.suffix == ".gguf" else load_hub_llama if is_hub_llama(path) else load_gpt2
        model = load(path, dtype)
    return model.to(device).eval()


def locate(name: str | Path) -> Path:
    """The weights file of a registered name, or the one that a local path (file or folder) leads to."""
    if name in CONFIGS:
        return assets.fetch(str(name))
    path = Path(name)
    if (path / INDEX).is_file():
        return path / INDEX
    if path.is_dir():
        found = sorted([*path.glob("*.safetensors"), *path.glob("*.gguf")])
        if len(found) != 1:
            raise FileError(f"{path}: expected one .safetensors or .gguf file in this folder, found {len(found)}")
        path = found[0]
    if not path.is_file():
        raise FileError(f"{name}: neither a backbone ({', '.join(CONFIGS)}) nor a file or folder")
    return path


def quantisation_of_backbone(name: str | Path) -> str | None:
    """How a backbone's weights were packed in its file, such as "MOSTLY_Q4_1"; `None` for full precision."""
    if str(name).startswith(RANDOM):
        return None
    try:
        path = locate(name)
    except (assets.AssetError, FileError):
        return "not known"
    return quantisation_of(path) if path.suffix == ".gguf" else None


def is_hub_llama(path: Path) -> bool:
    """Whether `config.json` beside these weights says that they are a Llama's."""
    described = path.with_name("config.json")
    return described.is_file() and read_description(described).get("model_type") == "llama"
