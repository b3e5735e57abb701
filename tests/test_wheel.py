"""What `pip install .` puts into place works by itself, outside the project's folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import build_tiny_tokenizer, tiny_gpt2

from llmclf.classify import TextClassifier
from llmclf.head import Classifier

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder that holds the library alone, from a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(ROOT / "llmclf", folder / "source" / "llmclf").parent  # setuptools writes beside it
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    quietly = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "wheel", *quietly, "--wheel-dir", folder, source], check=True)
    [wheel] = folder.glob("llmclf-*.whl")
    subprocess.run([*pip, "install", *quietly, "--target", folder / "site", wheel], check=True)
    return folder / "site"


def run(installed: Path, *words: str | Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    words = list(map(str, words))
    return subprocess.run(words, capture_output=True, text=True, env=environment, cwd=installed, timeout=120)


@pytest.mark.slow
def test_command_and_library_work_outside_the_checkout(installed, tmp_path):
    helped = run(installed, sys.executable, installed / "bin" / "llmclf", "--help")
    assert helped.returncode == 0, helped.stderr
    assert "Turn a pretrained GPT into a text classifier" in helped.stdout
    assert (installed / "llmclf" / "py.typed").is_file()

    classifier = TextClassifier(Classifier(tiny_gpt2(), 2), build_tiny_tokenizer(), ["ham", "spam"], "random-tiny")
    classifier.save(tmp_path / "saved")
    script = """
import sys
import conftest
import llmclf.classify
llmclf.classify.load_tokenizer = lambda name: conftest.build_tiny_tokenizer()
print(llmclf.classify.__file__)
print(llmclf.classify.TextClassifier.load(sys.argv[1], device="cpu").predict("hello"))
"""
    script = f"import sys; sys.path.append({str(ROOT / 'tests')!r})" + script
    done = run(installed, sys.executable, "-c", script, tmp_path / "saved")
    assert done.returncode == 0, done.stderr
    where, label = done.stdout.split()
    assert Path(where).is_relative_to(installed)
    assert label == classifier.predict("hello")
