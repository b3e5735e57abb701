"""Reading and writing files so that nothing half-written, damaged or foreign ever passes for the real thing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmclf.console import LlmclfError

if TYPE_CHECKING:
    from gguf import GGUFReader
    from torch import Tensor


UNFINISHED = ".llmclf-"  # the names of temporary folders begin so
ATTEMPTS = 5  # to remove a folder that a program may still write into, whose master was killed


class FileError(LlmclfError):
    """A file that is missing, damaged or of another kind."""


@contextmanager
def atomic_write(target: str | Path) -> Iterator[Path]:
    """A temporary path that takes the place of `target` when the block ends well, and vanishes when it does not.

    Readers see the old file, the new one, or none, but never a part of one. What a process leaves behind that is killed
    meanwhile, the next one that is `lock_folder` the folder sweeps away.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=target.parent) as folder:
        temporary = Path(folder) / target.name
        yield temporary
        if temporary.is_file():
            os.umask(umask := os.umask(0))  # it can be read only by being set
            if temporary.stat().st_nlink == 1:  # not one that is linked to another's, such as a kit's
                temporary.chmod(0o666 & ~umask)  # as any new file: some libraries write for the owner's eyes alone
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())  # or after a power cut the name could stand for an empty file
        os.replace(temporary, target)


@contextmanager
def lock_folder(folder: str | Path) -> Iterator[None]:
    """Keep other processes out of a folder that this one writes into; a process that dies leaves it free.

    The folder is made where it does not exist, and goes again where nothing has come into it.

    Raises
    ------
    FileError
        Another process is at work there.
    """
    from filelock import FileLock, Timeout

    folder = Path(folder).resolve()
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = FileLock(folder / ".lock", is_singleton=True)  # may be taken once more by the process that has it
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise FileError(f"{folder}: another process is writing here; wait for it, or name another folder") from None
        sweep(folder)
        yield
    finally:
        try:
            if lock.lock_counter == 1:
                sweep(folder)  # a signal may come at the very moment at which a temporary folder is made or removed
        finally:
            with suppress(OSError):  # Windows removes no file that is open
                if lock.lock_counter == 1:
                    os.unlink(lock.lock_file)  # while it is still held: whoever opened it meanwhile tries again
            lock.release()
        with suppress(OSError):
            for path in made:
                path.rmdir()  # only if it is empty


def sweep(folder: Path) -> None:
    """Remove what killed processes have left half-written; only for who holds the folder's lock.

    Folders below that have a lock of their own are left to its holder.
    """
    for place, names, _ in os.walk(folder):
        for name in [name for name in names if name.startswith(UNFINISHED)]:
            remove(Path(place, name))
        names[:] = [
            name for name in names if not name.startswith(UNFINISHED) and not any(Path(place, name).glob(".*lock"))
        ]


def remove(folder: Path) -> None:
    """Remove a folder that a dying process may still write into."""
    for _ in range(ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
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


def write_safetensors(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors and metadata as a safetensors file, in one step.

    Raises
    ------
    FileError
        The file cannot be written: the disk is full, for example. What was there before is there still.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with atomic_write(path) as unfinished:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished, metadata)
    except SafetensorError as error:  # the system's own error, wrapped
        raise FileError(f"{path}: cannot be written ({error})") from None


def write_with_checksum(path: str | Path, tensors: dict[str, Tensor], record: dict) -> None:
    """As `write_safetensors`, with a record, and a checksum by which `read_with_checksum` notices any change."""
    content = json.dumps(record)
    write_safetensors(path, tensors, {"llmclf": content, "seal": checksum(content, tensors)})


def read_with_checksum(path: str | Path, advice: str) -> tuple[dict[str, Tensor], Any]:
    """Tensors, mapped into memory, and record, as `write_with_checksum` wrote them; `advice` ends all messages.

    Raises
    ------
    FileError
        No such file; a folder; cut off; written by something else; a single bit has changed.
    """
    tensors, metadata = read_safetensors(path, advice)
    if metadata.keys() != {"llmclf", "seal"}:
        raise FileError(f"{path}: not written by this version of the library; {advice}")
    if checksum(metadata["llmclf"], tensors) != metadata["seal"]:
        raise FileError(f"{path}: damaged: its content has not the SHA-256 that was noted in it; {advice}")
    return tensors, json.loads(metadata["llmclf"])


def checksum(content: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of a text, and of names, kinds, shapes and values of tensors."""
    from torch import uint8

    digest = hashlib.sha256(content.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(uint8).cpu().numpy())
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
