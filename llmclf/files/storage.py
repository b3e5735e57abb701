"""Reading and writing files so that nothing half-written, damaged or foreign ever passes for the real thing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmclf.console import LlmclfError, notice

if TYPE_CHECKING:
    from gguf import GGUFReader
    from torch import Tensor


class FileError(LlmclfError):
    """A file that is missing, damaged or of another kind."""


@contextmanager
def atomic_write(target: str | Path) -> Iterator[Path]:
    """A temporary path that takes the place of `target` when the block ends well, and vanishes when it does not.

    Readers see the old file or the new one, never a part of one. One process at a time may write a file: see
    `lock_folder`. The path lies in a folder of its own beside the target, because some libraries write further files
    beside theirs. What a killed process leaves in that folder goes when the same file is written again.
    """
    target = Path(target)
    folder = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    unfinished = folder / target.name
    try:
        unfinished.touch()
        usual = unfinished.stat().st_mode  # safetensors makes files that only their owner may read
        yield unfinished
        unfinished.chmod(usual)
        with open(unfinished, "r+b") as file:
            os.fsync(file.fileno())  # or after a power cut the name could stand for an empty file
        os.replace(unfinished, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def lock_folder(folder: str | Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes out of a folder that this one writes into; a process that dies leaves it free.

    Parameters
    ----------
    folder
        Is made where it does not exist, and goes again where nothing has come into it. The process that has locked it
        may lock it again.
    wait
        Wait for the process that is at work there, after a notice, instead of refusing.

    Raises
    ------
    FileError
        Another process is at work there, and `wait` is `False`.
    """
    from filelock import FileLock, Timeout

    folder = Path(folder).resolve()
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", is_singleton=True)
    try:
        lock.acquire(timeout=1 if wait else 0)
    except Timeout:
        if not wait:
            raise FileError(f"{folder}: another process is writing here; wait for it, or name another folder") from None
        notice(f"another process is writing into {folder}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        if lock.lock_counter == 1:  # not locked again further out
            with suppress(OSError):  # Windows removes no open file
                os.unlink(lock.lock_file)  # while it is held: a process that has just opened it tries again
        lock.release()
        if is_new:
            with suppress(OSError):
                folder.rmdir()  # only if it is empty


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes; a process reads them once, as long as the file stays as it is."""
    found = os.stat(path)
    return _sha256(os.path.abspath(path), found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache
def _sha256(path: str, inode: int, size: int, modified: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_safetensors(
    path: str | Path, advice: str = "fetch or save it again"
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a safetensors file, mapped into memory, and its metadata.

    Parameters
    ----------
    path
        The file.
    advice
        What to do where it is damaged; ends the message.

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
        raise FileError(f"{path}: not a complete safetensors file ({error}); {advice}") from None


def write_with_checksum(path: str | Path, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Write tensors and a record as one safetensors file, in one step, with a checksum of both.

    Raises
    ------
    FileError
        The file cannot be written: the disk is full, for example. What was there before is there still.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    content = json.dumps(record)
    metadata = {"llmclf": content, "checksum": checksum(content, tensors)}
    try:
        with atomic_write(path) as unfinished:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished, metadata)
    except SafetensorError as error:  # the system's own error, wrapped
        raise FileError(f"{path}: cannot be written ({error})") from None


def read_with_checksum(path: str | Path, advice: str) -> tuple[dict[str, Tensor], Any]:
    """Tensors, mapped into memory, and record, as `write_with_checksum` wrote them; `advice` ends all messages.

    Raises
    ------
    FileError
        No such file; a folder; cut off; written by something else; a single bit has changed.
    """
    tensors, metadata = read_safetensors(path, advice)
    if metadata.keys() != {"llmclf", "checksum"}:
        raise FileError(f"{path}: not written by this version of the library; {advice}")
    if checksum(metadata["llmclf"], tensors) != metadata["checksum"]:
        raise FileError(f"{path}: damaged: its content has not the SHA-256 that was noted in it; {advice}")
    return tensors, json.loads(metadata["llmclf"])


def checksum(content: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of a text, and of names, kinds, shapes and values of tensors."""
    from torch import uint8

    digest = hashlib.sha256(content.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(uint8).cpu().numpy().data)
    return digest.hexdigest()


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
