"""The code as its tools want it: lint, format, types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("command", ["mypy", "ruff check", "ruff format --check"])
def test_code_is_clean(command):
    words = [sys.executable, "-m", *command.split()]
    done = subprocess.run(words, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
