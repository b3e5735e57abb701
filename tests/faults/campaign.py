"""The fault campaign: break things on purpose, and see that each ends in the right result or in one clear error.

`python tests/faults/campaign.py` tries everything in full (a quarter of an hour or more) and writes the page
`book/faults.md`; `test_campaign.py` beside it tries a few of each kind.

A trial is a function that returns how it ended, "right result" or "clear error", and raises where anything was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
RIGHT, ERROR = "right result", "clear error"
ENVIRONMENT = os.environ | {"CI": "true", "OMP_NUM_THREADS": "1"}
EPOCHS = 30  # of a tiny model, some seconds


class LostError(AssertionError):
    """Something was lost, half-written, left behind, or told unclearly."""


@dataclass
class Things:
    """What is broken: a tiny backbone, a table, a trained classifier, and what it says."""

    folder: Path
    backbone: Path = field(init=False)
    table: Path = field(init=False)
    trained: Path = field(init=False)
    messages: list[str] = field(init=False)
    file: Path = field(init=False)
    scored: Path = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import torch
        from conftest import write_tiny_files

        torch.set_num_threads(1)
        self.backbone, self.table = write_tiny_files(self.folder)
        self.trained = self.folder / "trained"
        started = time.monotonic()
        expect_success(self.train(self.trained))
        self.seconds["train"] = time.monotonic() - started
        self.messages = [f"WIN {number} CASH now" if number % 2 else f"hello friend {number}" for number in range(400)]
        self.file = self.folder / "messages.csv"
        with open(self.file, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([["text"], *([message] for message in self.messages)])
        self.scored = self.folder / "scored"
        started = time.monotonic()
        expect_success(self.score(self.scored))
        self.seconds["score"] = time.monotonic() - started

    def train(self, output: Path) -> list[str]:
        columns = ["--text-column", "body", "--label-column", "kind", "--device", "cpu"]
        recipe = ["--epochs", str(EPOCHS), "--learning-rate", "0.003", "--backbone", str(self.backbone)]
        return command("train", "--table", self.table, *columns, *recipe, "--output", output)

    def score(self, output: Path) -> list[str]:
        return command("classify", self.trained, "--engine", "stream", "--rows-per-part", "20", self.file, output)

    def check_trained(self, folder: Path) -> None:
        """The weights to the last bit, and no file too many."""
        from safetensors.torch import load_file

        names = [{path.name.split("-")[0] for path in where.iterdir()} for where in (folder, self.trained)]
        if names[0] != names[1]:
            raise LostError(f"{folder} holds {sorted(names[0])}")
        weights = [load_file(next(where.glob("weights-*"))) for where in (folder, self.trained)]
        for name, tensor in weights[1].items():
            if not tensor.equal(weights[0][name]):
                raise LostError(f"{folder}: {name} differs from the uninterrupted run's")

    def check_scored(self, folder: Path) -> None:
        """Every file as the uninterrupted run wrote it, and no other."""
        contents = [
            {path.relative_to(where): path.read_bytes() for path in where.rglob("*") if path.is_file()}
            for where in (folder, self.scored)
        ]
        if contents[0] != contents[1]:
            raise LostError(f"{folder} differs from the uninterrupted run's: {sorted(map(str, contents[0]))}")


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "llmclf", *map(str, words)]


def run(words: list[str], **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT | environment, cwd=ROOT, timeout=300)


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


Trial = Callable[[], str]


# Ended early ----------------------------------------------------------------------------------------------------------


def ended_early(things: Things, kind: str, how: signal.Signals, seed: int) -> Trial:
    """Start, send a signal at a random moment, start again, compare with the run that nothing disturbed."""

    def trial() -> str:
        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            output = Path(folder) / "output"
            words = things.train(output) if kind == "train" else things.score(output)
            moment = random.Random(seed).uniform(0, things.seconds[kind])
            pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
            process = subprocess.Popen(words, env=ENVIRONMENT, cwd=ROOT, **pipes)
            time.sleep(moment)
            process.send_signal(how)
            told = process.communicate(timeout=120)[1].decode()
            if how != signal.SIGKILL and process.returncode not in (0, 128 + how, -how):
                raise LostError(f"exit code {process.returncode} after {moment:.1f} s: {told}")
            if how != signal.SIGKILL and output.exists() and list(output.rglob(".*")):
                raise LostError(f"left behind: {list(output.rglob('.*'))}")
            if process.returncode != 0:
                again = run(words)
                if judge(again) == ERROR and "holds a classifier already" not in again.stderr:
                    raise LostError(again.stderr)
            (things.check_trained if kind == "train" else things.check_scored)(output)
            return RIGHT

    return trial


def worker_killed(things: Things, seed: int) -> Trial:
    """SIGKILL for one of two workers that train together, at a random moment after the first step; then go on."""

    def trial() -> str:
        import psutil

        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            output, chance = Path(folder) / "output", random.Random(seed)
            words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
            words += things.train(output)[1:]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            with subprocess.Popen(words, env=ENVIRONMENT, cwd=ROOT, **pipes) as launcher:
                while not launcher.stdout.readline().startswith("step") and launcher.poll() is None:
                    pass
                time.sleep(chance.uniform(0, things.seconds["train"] / 4))
                with contextlib.suppress(psutil.Error, IndexError):  # it may be done already
                    psutil.Process(launcher.pid).children()[chance.randrange(2)].kill()
                told = launcher.communicate(timeout=120)[1]
            if launcher.returncode != 0:
                if "the same command" not in told and not (output / "classifier.json").exists():
                    raise LostError(told)
                again = run(words)
                if again.returncode != 0 and "holds a classifier already" not in again.stderr:
                    raise LostError(again.stderr)
            losses = [
                json.loads((where / "history.json").read_text())["train_losses"] for where in (output, things.trained)
            ]
            if max(abs(ours - theirs) for ours, theirs in zip(*losses, strict=True)) > 1e-4:
                raise LostError(f"losses {losses}")
            return RIGHT

    return trial


# Damaged --------------------------------------------------------------------------------------------------------------


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def flip(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]


def flip_early(content: bytes, chance: random.Random) -> bytes:
    return flip(content[:200], chance) + content[200:]


def append(content: bytes, chance: random.Random) -> bytes:
    return content + b"more"


def empty(content: bytes, chance: random.Random) -> bytes:
    return b""


def other(content: bytes, chance: random.Random) -> bytes:
    return b'{"format": 99, "library": "9.9"}'


DAMAGES = {
    "cut": cut,
    "a bit flipped": flip,
    "a bit of its beginning flipped": flip_early,
    "bytes appended": append,
    "empty": empty,
    "of a newer version, or another kind": other,
}


def damaged(things: Things, what: str, damage: str, seed: int) -> Trial:
    """Damage one file of a kind, use it, and compare."""

    def trial() -> str:
        chance = random.Random(f"{what} {damage} {seed}")
        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            copy = Path(folder) / "copy"
            shutil.copytree(things.scored if what == "scoring.json" else things.trained, copy)
            backbone = Path(folder) / "model.safetensors"
            if what == "backbone":
                shutil.copy(things.backbone, backbone)
                path = backbone
            elif what == "weights":
                path = next(copy.glob("weights-*"))
            else:
                path = copy / what
            path.write_bytes(DAMAGES[damage](path.read_bytes(), chance))
            before = path.read_bytes()
            if what == "scoring.json":
                end = in_process(things.score(copy)[3:])
            elif what == "backbone":
                table = ["--table", things.table, "--text-column", "body", "--label-column", "kind", "--epochs", "1"]
                output = Path(folder) / "output"
                end = in_process(["train", "--backbone", backbone, *table, "--output", output])
                if end == ERROR and output.exists():
                    raise LostError("an output of a run that failed")
                return end  # a bit of a weight makes another model, and nobody could know
            else:
                end = in_process(["classify", copy, *things.messages[:3]])
            if path.read_bytes() != before:
                raise LostError(f"{path} was changed")
            if end == RIGHT:
                raise LostError(f"{what}, {damage}, went unnoticed")
            return end

    return trial


def damaged_checkpoint(things: Things, damage: str, seed: int) -> Trial:
    """Damage the checkpoint of an unfinished run, and go on."""

    def trial() -> str:
        import torch
        from conftest import tiny_gpt2

        from llmclf.checkpoint import load_checkpoint, save_checkpoint
        from llmclf.errors import LlmclfError
        from llmclf.train import History

        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            path = Path(folder) / "checkpoint.safetensors"
            model = tiny_gpt2()
            trainable = dict(model.named_parameters())
            optimizer = torch.optim.AdamW(trainable.values())
            for weight in trainable.values():
                weight.grad = torch.ones_like(weight)
            optimizer.step()
            save_checkpoint(path, {"model": "tiny"}, trainable, optimizer, History(), 1)
            path.write_bytes(DAMAGES[damage](path.read_bytes(), random.Random(f"{damage} {seed}")))
            before = {name: weight.clone() for name, weight in trainable.items()}
            try:
                load_checkpoint(path, {"model": "tiny"}, trainable, optimizer)
            except LlmclfError as error:
                if str(path) not in str(error):
                    raise LostError(f"the file is not named: {error}") from error
                if not all(before[name].equal(weight) for name, weight in trainable.items()):
                    raise LostError("weights were changed") from error
                return ERROR
            raise LostError(f"{damage} went unnoticed")

    return trial


def in_process(words: list) -> str:
    """A command, in this process: how it ended."""
    from llmclf.__main__ import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*map(str, words)])
    return judge(subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue()))


# Tables and texts -----------------------------------------------------------------------------------------------------


def broken_table(things: Things, seed: int) -> Trial:
    """A table that something has happened to, read by `read_table`, and cut into parts for scoring."""

    def trial() -> str:
        from llmclf.data import label_names, read_table
        from llmclf.errors import LlmclfError
        from llmclf.message_files import KINDS

        chance = random.Random(seed)
        content, suffix = spoil(chance)
        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            path = Path(folder) / f"table{suffix}"
            path.write_bytes(content)
            try:
                table = read_table(path)
                label_names(table)
                cuts = list(KINDS[path.suffix].cut(path, "text", [], 7))
            except LlmclfError as error:
                if str(path) not in str(error) and "labels" not in str(error):
                    raise LostError(f"the file is not named: {error}") from error
                return ERROR
            texts = [text for part in cuts for text in KINDS[path.suffix].read(path, part, "text")[1]]
            if texts != table["text"].tolist():
                raise LostError(f"two readings of one table: {content!r}")
            return RIGHT

    return trial


def spoil(chance: random.Random) -> tuple[bytes, str]:
    """The bytes of a small table, spoilt in up to two ways or not at all, and the end of its name."""
    texts = ["hello", 'say "no"', "a, b", "two\nlines", "caf\xe9 漢字", "", " ", "x" * chance.choice([3, 200_000])]
    labels = ["ham", "spam", "Spam", "ham "]
    rows = [[chance.choice(labels), chance.choice(texts)] for _ in range(chance.randrange(1, 30))]
    header = chance.choice([["label", "text"]] * 6 + [["label", "label", "text"], ["text"], ["Label", "Text"], []])
    lines = [header, *rows]
    separator, suffix = chance.choice([(",", ".csv")] * 6 + [("\t", ".tsv")] * 3 + [(";", ".csv"), (",", ".tsv")])
    out = "\n".join(separator.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines)
    content = out.encode(chance.choice(["utf-8"] * 5 + ["utf-8-sig", "utf-16", "latin-1"]), errors="replace")
    for _ in range(chance.randrange(3)):
        content = chance.choice(
            [
                lambda b: flip(b, chance),
                lambda b: cut(b, chance) or b"x",
                lambda b: b.replace(b'"', b"", chance.randrange(1, 4)),
                lambda b: b.replace(b"\n", b"\r\n"),
                lambda b: b.replace(b"\n", b"\r"),
                lambda b: b.replace(b"\n", b"\n\n"),
                lambda b: b + b"\0",
                lambda b: b + b'\n"ham","' + b"y" * 1_000_000 + b'"\n',
                lambda b: b + b"\nham,one,too,many\n",
                lambda b: b * 2,
                lambda b: b.replace(b"spam", b"ham").replace(b"Spam", b"ham"),
            ]
        )(content)
    return content, suffix


STRANGE = "\0\r\n\t \u200f\u202e\ufeff\u0301<>&'\"{}$\\/"


def fuzzed_text(chance: random.Random) -> str:
    """A text that nobody would send, or everybody."""
    kinds = [
        lambda: "".join(chr(chance.randrange(0x110000)) for _ in range(chance.randrange(40))),  # surrogates among them
        lambda: "".join(chance.choice(STRANGE) for _ in range(chance.randrange(30))),
        lambda: chance.choice(["<|endoftext|>", "<|im_start|>", "<script>alert(1)</script>", "{{7*7}}", "../../x"]),
        lambda: chance.choice("aé漢🎉") * chance.choice([1, 100, 5_000]),
        lambda: " ".join(chance.choice(["WIN", "cash", "hello", "you", "now"]) for _ in range(chance.randrange(60))),
        lambda: "",
    ]
    return chance.choice(kinds)()


def fuzzed_texts(things: Things, seed: int, count: int) -> Iterator[Trial]:
    """Each text alone gets the probabilities that it gets among others, and no mark of it comes through as markup."""
    from llmclf.classify import TextClassifier

    chance = random.Random(seed)
    classifier = TextClassifier.load(things.trained, device="cpu")
    texts = [fuzzed_text(chance) for _ in range(count)]
    together = classifier.predict_proba(texts)

    def trial(number: int) -> str:
        alone = classifier.predict_proba([texts[number]])[0]
        if abs(alone - together[number]).max() > 1e-4 or abs(alone.sum() - 1) > 1e-5:
            raise LostError(f"{texts[number]!r}: {alone} alone, {together[number]} among others")
        return RIGHT

    return (lambda number=number: trial(number) for number in range(count))


def typed_text(things: Things, seed: int) -> Trial:
    """A text on the command line, and in the shaded HTML of the demo."""

    def trial() -> str:
        from llmclf.classify import TextClassifier
        from llmclf.reading import read, render

        chance = random.Random(seed)
        text = fuzzed_text(chance)
        classifier = TextClassifier.load(things.trained, device="cpu")
        if "<script" in render(read(classifier, text), "advert"):
            raise LostError(f"{text!r} became markup")
        if text.startswith("-") or "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            return RIGHT  # which no shell can pass on
        return in_process(["classify", things.trained, "--format", "json", text])

    return trial


# Many at once ---------------------------------------------------------------------------------------------------------


def at_once(things: Things, what: str, count: int) -> Trial:
    """Several processes do the same in the same place."""

    def trial() -> str:
        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            output = Path(folder) / "output"
            words = {
                "train": things.train(output),
                "score": things.score(output),
                "load": command("classify", things.trained, *things.messages[:3]),
            }[what]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            processes = [subprocess.Popen(words, env=ENVIRONMENT, cwd=ROOT, **pipes) for _ in range(count)]
            ends = [process.communicate(timeout=300) for process in processes]
            codes = [process.returncode for process in processes]
            for code, (out, err) in zip(codes, ends, strict=True):
                judge(subprocess.CompletedProcess(words, code, out, err))
            if what == "load":
                if set(codes) != {0} or len({out for out, _ in ends}) != 1:
                    raise LostError(f"exit codes {codes}")
            elif what == "train":
                if codes.count(0) != 1:
                    raise LostError(f"exit codes {codes}: {ends}")
                things.check_trained(output)
            else:  # whoever comes when another is done finds that nothing is left to do
                things.check_scored(output)
            return RIGHT if set(codes) == {0} else ERROR

    return trial


# Disks ----------------------------------------------------------------------------------------------------------------


def can_mount() -> bool:
    """Whether this process may make a small file system of its own."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
        return mounted.returncode == 0 and subprocess.run(["umount", folder]).returncode == 0


def full_disk(things: Things, kind: str, kilobytes: int) -> Trial:
    """Write on a disk that is too small, then with room enough: the same command does the rest."""

    def trial() -> str:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True)
            try:
                output = Path(folder) / "output"
                words = things.train(output) if kind == "train" else things.score(output)
                done = run(words)
                end = judge(done)
                if end == ERROR and "No space left" not in done.stderr:
                    raise LostError(f"the full disk is not named: {done.stderr}")
                if output.exists() and list(output.rglob(".*")):
                    raise LostError(f"left behind: {list(output.rglob('.*'))}")
                subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
                if end == ERROR:
                    expect_success(words)
                (things.check_trained if kind == "train" else things.check_scored)(output)
                return end
            finally:
                subprocess.run(["umount", folder], check=True)

    return trial


def read_only_disk(things: Things, kind: str) -> Trial:
    """Write where nothing can be written."""

    def trial() -> str:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=True)
            try:
                output = Path(folder) / "output"
                words = {"train": things.train(output), "score": things.score(output)}.get(kind)
                done = run(words) if words else run(command("fetch", "sms-spam", "--to", output), LLMCLF_CACHE=folder)
                end = judge(done)
                if words and (end != ERROR or "Read-only file system" not in done.stderr):
                    raise LostError(f"the read-only disk is not named: {done.stderr}")
                return end
            finally:
                subprocess.run(["umount", folder], check=True)

    return trial


# The campaign ---------------------------------------------------------------------------------------------------------


def plan(things: Things, full: bool) -> Iterator[tuple[str, list[Trial]]]:
    """Every kind of fault with its trials; a few of each where not in full."""

    def some(many: int, few: int) -> range:
        return range(many if full else few)

    for kind in ("train", "score"):
        work = {"train": "training", "score": "scoring files"}[kind]
        for how in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
            trials = [ended_early(things, kind, how, seed) for seed in some(20 if how == signal.SIGKILL else 10, 1)]
            yield f"{how.name} at a random moment while {work}; then the same command again", trials
    trials = [worker_killed(things, seed) for seed in some(10, 1)]
    yield "SIGKILL for one of two workers that train together; then the same command again", trials
    for damage in DAMAGES:
        what = ("classifier.json", "weights", "scoring.json", "backbone")
        trials = [damaged(things, one, damage, seed) for one in what for seed in some(3, 1)]
        yield f"a file {damage}: record, weights, manifest, backbone", trials
        yield f"a checkpoint {damage}", [damaged_checkpoint(things, damage, seed) for seed in some(10, 2)]
    yield "a table broken at random", [broken_table(things, seed) for seed in some(200, 60)]
    yield (
        "a random text, alone and among others, through `predict`",
        [*fuzzed_texts(things, 0, 10_000 if full else 300)],
    )
    yield "a random text on the command line and in the demo", [typed_text(things, seed) for seed in some(500, 20)]
    for what in ("load", "train", "score"):
        work = {
            "load": "loading one classifier",
            "train": "training into one folder",
            "score": "scoring into one folder",
        }
        for count in (2, 8) if full else (2,):
            yield f"{count} processes at once {work[what]}", [at_once(things, what, count)]
    if can_mount():
        for kind in ("train", "score"):
            sizes = (16, 100, 400, 800, 1200, 2000, 4000, 30_000) if full else (400,)
            work = {"train": "training", "score": "scoring files"}[kind]
            yield f"a disk that is too small while {work}; then room", [full_disk(things, kind, size) for size in sizes]
        kinds = ("train", "score", "fetch")
        yield "a disk that is read-only, for results or for the cache", [read_only_disk(things, kind) for kind in kinds]


def attempt(trials: list[Trial]) -> tuple[Counter, list[str]]:
    """How they ended, and what was lost."""
    ends: Counter[str] = Counter()
    losses = []
    for trial in trials:
        try:
            ends[trial()] += 1
        except Exception as error:  # whatever it is: a campaign that stops at the first loss finds one
            losses.append(f"{type(error).__name__}: {error}")
    return ends, losses


HEAD = """# When things go wrong

A laptop runs out of battery in the middle of a training, a disk fills up, somebody edits a table with the wrong
program. This page is the record of breaking such things on purpose. Every trial had to end in the *right result*, the
same as without the fault, or in *one clear error*; anything else counts as *lost*.

The commands ran on a tiny model, so that thousands of trials take minutes. After every signal and every full disk the
same command was started again, and what it left was compared with an undisturbed run: weights to the last bit, files
byte by byte.

| fault | tried | right result | clear error | lost |
| --- | ---: | ---: | ---: | ---: |
"""

TAIL = """
The table was written by `python tests/faults/campaign.py`, which runs the whole campaign again ({seconds:.0f} s here,
with {cores} processor cores); `make test` tries a few of each kind. Two limits are known. A bit that flips in the
weights of a *backbone of your own* makes another model, which nothing can tell from the one that was meant: only
registered files have a known {{term}}`SHA-256`; above such a bit counts as a right result. And after a `SIGKILL` hidden
files may stay until the next command sweeps them away.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the whole fault campaign and write its page.")
    parser.add_argument("--page", type=Path, default=ROOT / "book" / "faults.md")
    parser.add_argument("--few", action="store_true", help="a few of each kind")
    options = parser.parse_args()
    started, lost, lines = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory() as folder:
        for name, trials in plan(Things(Path(folder)), not options.few):
            ends, losses = attempt(trials)
            lines.append(f"| {name} | {len(trials)} | {ends[RIGHT]} | {ends[ERROR]} | {len(losses)} |")
            print(lines[-1], *losses[:3], sep="\n   ", flush=True)
            lost += len(losses)
    tail = TAIL.format(seconds=time.monotonic() - started, cores=os.cpu_count())
    options.page.write_text(HEAD + "\n".join(lines) + "\n" + tail, encoding="utf-8")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
