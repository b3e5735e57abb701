"""Reading a GGUF file, unpacked: weights of 4 and 8 bits become floats, once, and are kept in the cache.

Unpacking SmolLM2 and reading its tables takes some seconds; mapping the unpacked copy into memory takes none.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from llmclf.assets import cache_folder
from llmclf.files import FileError, open_gguf, read_safetensors, replacing, sha256_of, write_safetensors
from llmclf.progress import notice, progress

WORTH_KEEPING = 1_000_000  # bytes: a smaller file is unpacked before anyone notices


def read_gguf(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """All tensors of a GGUF file as float32, and its entries (the list of merges aside).

    The unpacked copy in the cache is used only while it is whole: its own SHA-256 is kept beside it.

    Raises
    ------
    FileError
        No such file; cut off; not GGUF.
    """
    if not Path(path).is_file() or Path(path).stat().st_size < WORTH_KEEPING:
        return unpack(path)
    unpacked = cache_folder() / "unpacked" / f"{sha256_of(path)[:32]}.safetensors"
    kept_digest = unpacked.with_suffix(".sha256")
    try:
        if kept_digest.read_text() == sha256_of(unpacked):
            tensors, metadata = read_safetensors(unpacked)
            return tensors, json.loads(metadata["entries"])
        notice(f"{unpacked} is damaged; unpacking {path} again")
    except OSError:  # not unpacked yet
        pass
    tensors, entries = unpack(path)
    try:
        keep(tensors, entries, unpacked, kept_digest)
    except OSError as error:  # a full disk or a read-only cache costs some seconds next time, and nothing else
        notice(f"the unpacked {Path(path).name} could not be kept in {unpacked.parent}: {error}")
    return tensors, entries


def unpack(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """As `read_gguf`, without the cache."""
    from gguf.quants import dequantize

    reader = open_gguf(path)
    entries = {name: field.contents() for name, field in reader.fields.items() if name != "tokenizer.ggml.merges"}
    tensors = {}
    for tensor in progress(reader.tensors, description="unpacking weights"):
        try:
            tensors[tensor.name] = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        except NotImplementedError:
            raise FileError(f"{path}: tensor {tensor.name} is packed as {tensor.tensor_type.name}, which gguf cannot "
                            "unpack; use a file of another quantisation") from None  # fmt: skip
    return tensors, entries


def keep(tensors: dict[str, Tensor], entries: dict, unpacked: Path, kept_digest: Path) -> None:
    """Write the unpacked copy, then its digest: a copy without the right digest does not count."""
    write_safetensors(unpacked, tensors, {"entries": json.dumps(entries)})
    with replacing(kept_digest) as unfinished:
        unfinished.write_text(sha256_of(unpacked))
