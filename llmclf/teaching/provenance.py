"""Every chapter: what a page was made with, so that a reader can tell whether her numbers must be the same."""

from __future__ import annotations

import hashlib
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

from llmclf import __version__
from llmclf.data import is_fast, read_sms
from llmclf.files import assets
from llmclf.precision import choose_precision
from llmclf.weights import quantisation_of_backbone


def library_fingerprint() -> str:
    """Twelve hexadecimal digits that change with any line of the library's code."""
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\n" + path.read_bytes())
    return digest.hexdigest()[:12]


def provenance(backbone: str | None = None, device: str | torch.device = "cpu") -> str:
    """A few lines: versions, data source and row count, backbone and device where a chapter has one, date.

    Parameters
    ----------
    backbone
        The name that `weights.choose_backbone` gave.
    device
        Where the chapter computes.
    """
    dataset, path = assets.resolve("sms-spam")
    extent = "of which models see a few (LLMCLF_FAST)" if is_fast() else "in full"
    lines = [
        f"library:  llmclf {__version__}, code {library_fingerprint()}",
        f"with:     Python {platform.python_version()}, torch {version('torch')}, pandas {version('pandas')}",
        f"dataset:  {dataset.name} ({dataset.licence}), {len(read_sms(path)):,} rows, {extent}",
    ]
    if backbone is not None:
        packed = quantisation_of_backbone(backbone)
        words = f", weights from {packed.removeprefix('MOSTLY_')}" if packed else ""
        lines.append(
            f"backbone: {backbone}{words}, frozen blocks in {choose_precision(device=device)}, "
            f"on {device}, threads: {torch.get_num_threads()}"
        )
    return "\n".join([*lines, f"date:     {date.today().isoformat()}"])
