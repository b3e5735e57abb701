"""Reading and writing files so that nothing half-written, damaged or foreign ever passes for the real thing."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llmclf.errors import LlmclfError

if TYPE_CHECKING:
    from gguf import GGUFReader
    from torch import Tensor


class FileError(LlmclfError):
    """A file that is missing, damaged or of another kind."""


@contextmanager
def replacing(target: str | Path) -> Iterator[Path]:
    """A temporary path that takes the place of `target` when the block ends well, and vanishes when it does not.

    Readers see the old file, the new one, or none, but never a part of one.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        temporary = Path(folder) / target.name
        yield temporary
        if temporary.is_file():
            os.umask(umask := os.umask(0))  # it can be read only by being set
            temporary.chmod(0o666 & ~umask)  # as any new file: some libraries write for the owner's eyes alone
        os.replace(temporary, target)


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a safetensors file, mapped into memory, and its metadata.

    Raises
    ------
    FileError
        No such file; a folder; cut off; not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()  # not a mapping: it cannot be walked through itself
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except OSError as error:
        raise _unreadable(path, error) from None
    except SafetensorError as error:
        raise FileError(f"{path}: not a complete safetensors file ({error}); fetch or save it again") from None


def open_gguf(path: str | Path) -> GGUFReader:
    """A GGUF file, mapped into memory.

    Raises
    ------
    FileError
        No such file; a folder; cut off; not GGUF.
    """
    from gguf import GGUFReader

    try:
        return GGUFReader(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    except Exception as error:  # the reader has no error of its own: a cut file fails anywhere inside it
        raise FileError(f"{path}: not a complete GGUF file ({error}); fetch it again") from error


def _unreadable(path: str | Path, error: OSError) -> FileError:
    if isinstance(error, FileNotFoundError):
        return FileError(f"{path}: no such file")
    if os.path.isdir(path):
        return FileError(f"{path}: a folder, where one file was expected")
    return FileError(f"{path}: cannot be read ({error})")
