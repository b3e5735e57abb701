"""Builds the book as the Makefile does, but without network: every request would go to a closed port."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"


def toc_entries() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def build_book(output: Path, *options: str) -> Path:
    command = [Path(sys.executable).with_name("jupyter-book"), "build", str(BOOK), "--path-output", str(output)]
    command += ["--config", str(ROOT / "_config.yml"), "--toc", str(ROOT / "_toc.yml"), "-n", "-W", "--keep-going"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    result = subprocess.run([*command, *options], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return output / "_build"
