"""A model's folder as the Hugging Face Hub has it: safetensors, in one file or several, and `config.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmclf.files.storage import FileError, read_safetensors

if TYPE_CHECKING:
    from torch import Tensor

INDEX = "model.safetensors.index.json"  # of weights in several files: which tensor is in which


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, or of all the files that an index names.

    Raises
    ------
    FileError
        See `read_safetensors`; or the index is damaged, or names a file that is not beside it.
    """
    if path.name != INDEX:
        return read_safetensors(path)[0]
    places = read_description(path).get("weight_map")
    names = sorted(set(places.values())) if isinstance(places, dict) else []
    if not names or any(not isinstance(name, str) or Path(name).name != name for name in names):
        raise FileError(f"{path}: expected a weight_map that names files in the same folder")
    tensors: dict[str, Tensor] = {}
    for name in names:
        tensors |= read_safetensors(path.with_name(name))[0]
    return tensors


def read_description(path: Path) -> dict[str, Any]:
    """A JSON object, such as `config.json`.

    Raises
    ------
    FileError
        No such file; not JSON, or not an object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(found, dict):
        raise FileError(f"{path}: expected a JSON object, found a {type(found).__name__}")
    return found


def require_stated(path: Path, stated: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise `FileError` where an entry says something else than what our models do; a missing one says the usual."""
    for name, value in wanted.items():
        if (found := stated.get(name, value)) != value:
            raise FileError(f"{path}: {name} is {found!r}, and only {value!r} is understood")
