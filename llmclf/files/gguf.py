"""Reading a GGUF file, unpacked: weights of 4 and 8 bits become floats, once, and are kept in the cache.

Unpacking SmolLM2 and reading its tables takes some seconds; mapping the unpacked copy into memory takes none.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from llmclf.console import notice, progress
from llmclf.files.assets import cache_folder
from llmclf.files.storage import FileError, lock_folder, open_gguf, read_with_checksum, sha256_of, write_with_checksum

WORTH_KEEPING = 1_000_000  # bytes: a smaller file is unpacked before anyone notices


def read_gguf(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """All tensors of a GGUF file as float32, and its entries (the list of merges aside).

    The unpacked copy in the cache is used only while it is whole.

    Raises
    ------
    FileError
        No such file; cut off; not GGUF.
    """
    if not Path(path).is_file() or Path(path).stat().st_size < WORTH_KEEPING:
        return unpack(path)
    unpacked = cache_folder() / "unpacked" / f"{sha256_of(path)[:32]}.safetensors"
    if unpacked.is_file():
        try:
            return read_with_checksum(unpacked, f"unpacking {path} again")
        except FileError as error:
            notice(str(error))
    tensors, entries = unpack(path)
    try:
        with lock_folder(unpacked.parent, wait=True):
            write_with_checksum(unpacked, tensors, entries)
    except (OSError, FileError) as error:  # a full disk or a read-only cache costs some seconds next time
        notice(f"the unpacked {Path(path).name} could not be kept: {error}")
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


def quantisation_of(path: str | Path) -> str | None:
    """How most of a GGUF file's weights are packed, such as "MOSTLY_Q4_1"; `None` where the file does not say."""
    from gguf import LlamaFileType

    number = read_gguf(path)[1].get("general.file_type")
    return LlamaFileType(number).name if number in list(LlamaFileType) else None
