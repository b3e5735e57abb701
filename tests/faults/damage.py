"""Files that are damaged in many ways, each used afterwards as a reader would use it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple
from unittest import mock

from things import (
    ERROR,
    NO_NETWORK,
    RIGHT,
    VOCABULARY,
    LostError,
    Things,
    Trial,
    command,
    contents,
    in_process,
    judge,
    left_behind,
    refused,
    run,
)


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
    "a bit near the beginning flipped": flip_early,
    "bytes appended": append,
    "empty": empty,
    "something else": other,
}
NEWER = "of a newer version"
ANOTHER = "exchanged for that of another run"
End = tuple[str, str]  # how the use of a file ended, and what was told of it


@dataclass
class Target:
    """A file to damage, what is done with it, and what belongs in its place in another run.

    `use` raises where the fault went unnoticed and should not have.
    """

    path: Path
    use: Callable[[], End]
    another: Path | None = None
    mended: bool = False  # a damaged one is replaced


def damaged(things: Things, what: str, damage: str, seed: int) -> Trial:
    """Damage one file, use it, and compare."""

    def trial() -> str:
        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            target = TARGETS[what](things, Path(folder))
            whole = target.path.read_bytes()
            if damage == ANOTHER:
                target.path.write_bytes(target.another.read_bytes())
            elif damage == NEWER:
                NEWER_VERSIONS[what].write(target.path)
            else:
                target.path.write_bytes(DAMAGES[damage](whole, random.Random(f"{what} {damage} {seed}")))
            before = target.path.read_bytes()
            end, told = target.use()
            if damage == NEWER and NEWER_VERSIONS[what].told not in told:
                raise LostError(f"{end}, and the version is not named: {told}")
            if (target.path.read_bytes() != before) != target.mended:
                raise LostError(f"{target.path} was {'left' if target.mended else 'changed'}")
            return end

    return trial


def refusal(done: CompletedProcess) -> End:
    """A command that must end in an error."""
    return refused(judge(done)), done.stderr


def refuses(use: Callable[[], object], path: Path) -> End:
    """A call of the library that must raise an error which names the file."""
    from llmclf.console import LlmclfError

    try:
        use()
    except LlmclfError as error:
        if str(path) not in str(error):
            raise LostError(f"the file is not named: {error}") from error
        return ERROR, str(error)
    raise LostError("went unnoticed")


def classifier(things: Things, folder: Path) -> Target:
    copy = shutil.copytree(things.done["train"], folder / "copy")
    return Target(copy / "classifier.safetensors", lambda: refusal(in_process(["classify", copy, "hello"])))


def manifest(things: Things, folder: Path) -> Target:
    copy = shutil.copytree(things.done["score"], folder / "copy")
    another = folder / "another.json"
    another.write_text((copy / "scoring.json").read_text().replace('"rows_per_part": 20', '"rows_per_part": 21'))
    return Target(copy / "scoring.json", lambda: refusal(in_process(things.words("score", copy)[3:])), another)


def checkpoint(things: Things, folder: Path) -> Target:
    import torch
    from conftest import tiny_gpt2

    from llmclf.checkpoint import load_checkpoint, save_checkpoint
    from llmclf.train import History

    model = tiny_gpt2()
    trainable = dict(model.named_parameters())
    optimizer = torch.optim.AdamW(trainable.values())
    for weight in trainable.values():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    path, another = folder / "checkpoint.safetensors", folder / "another.safetensors"
    save_checkpoint(path, {"model": "tiny"}, trainable, optimizer, asdict(History()), 1)
    save_checkpoint(another, {"model": "another"}, trainable, optimizer, asdict(History()), 1)
    before = {name: weight.clone() for name, weight in trainable.items()}

    def use() -> End:
        end = refuses(lambda: load_checkpoint(path, {"model": "tiny"}, trainable, optimizer, 1), path)
        if not all(before[name].equal(weight) for name, weight in trainable.items()):
            raise LostError("weights were changed")
        return end

    return Target(path, use, another)


def training_with(things: Things, folder: Path, backbone: Path) -> Callable[[], End]:
    """Train with a backbone; what fails leaves no output."""

    def use() -> End:
        output = folder / "output"
        done = in_process([*things.words("train", output)[3:], "--backbone", backbone, "--epochs", "1"])
        end = judge(done)
        if end == ERROR and output.exists():
            raise LostError("an output of a run that failed")
        return end, done.stderr

    return use


def own_safetensors(things: Things, folder: Path) -> Target:
    path = Path(shutil.copy(things.backbone, folder))
    return Target(path, training_with(things, folder, path))


def own_gguf(things: Things, folder: Path) -> Target:
    path = write_tiny_gguf(folder / "tiny.gguf")
    return Target(path, training_with(things, folder, path))


def write_tiny_gguf(path: Path) -> Path:
    """A Llama of a megabyte and a half, which reads bytes."""
    from reference import gguf_fields, gguf_tensors, llama_pair, write_gguf

    from llmclf.tokenizer import printable_bytes

    shape = {"hidden_size": 96, "num_layers": 4, "num_heads": 6, "num_kv_heads": 2, "intermediate_size": 192}
    ours, theirs = llama_pair(vocab_size=257, **shape)
    fields = gguf_fields(ours.config)
    fields["tokenizer.ggml.tokens"] = [*printable_bytes(), "<|endoftext|>"]
    fields["tokenizer.ggml.token_type"] = [1] * 256 + [3]
    return write_gguf(path, fields, gguf_tensors(theirs))


def unpacked_copy(things: Things, folder: Path) -> Target:
    from llmclf.files.gguf import read_gguf

    path = write_tiny_gguf(folder / "tiny.gguf")

    def tensors() -> dict:
        with mock.patch.dict(os.environ, LLMCLF_CACHE=str(folder / "cache")), contextlib.redirect_stderr(io.StringIO()):
            return read_gguf(path)[0]

    expected = {name: tensor.clone() for name, tensor in tensors().items()}

    def use() -> End:
        found = tensors()
        if not all(tensor.equal(found[name]) for name, tensor in expected.items()):
            raise LostError("went unnoticed")
        return RIGHT, ""

    [kept] = (folder / "cache" / "unpacked").iterdir()
    return Target(kept, use, mended=True)


def kit_alone(things: Things, folder: Path) -> Target:
    """A damaged kit, an empty cache, no network."""
    kit, cache = shutil.copytree(things.done["fetch"], folder / "kit"), folder / "cache"
    environment = NO_NETWORK | {"LLMCLF_KIT": str(kit), "LLMCLF_CACHE": str(cache)}

    def use() -> End:
        done = run(command("fetch", *VOCABULARY), **environment)
        if str(kit) not in done.stderr or contents(cache):
            raise LostError(done.stderr)
        return refusal(done)

    return Target(kit / "gpt2-bpe" / "encoder.json", use, kit / "gpt2-bpe" / "vocab.bpe")


def messages(ending: str) -> Callable[[Things, Path], Target]:
    """A file of messages of this kind, to be scored."""

    def target(things: Things, folder: Path) -> Target:
        import pandas as pd

        table, path, output = pd.read_csv(things.messages), folder / f"messages{ending}", folder / "output"
        table.insert(0, "number", range(len(table)))
        if ending == ".parquet":
            table.to_parquet(path, row_group_size=100)
        else:
            table.to_json(path, orient="records", lines=True)

        def use() -> End:
            engine = ["--engine", "stream", "--rows-per-part", 150]
            done = in_process(["classify", things.done["train"], *engine, path, output])
            end = judge(done)
            if left_behind(output):
                raise LostError(f"left behind: {left_behind(output)}")
            if end == RIGHT:
                check_scored(things, path, sorted((output / path.name).glob("*")))
            return end, done.stderr

        return Target(path, use)

    return target


def check_scored(things: Things, path: Path, parts: list[Path]) -> None:
    """The parts hold the rows that the file holds, damaged as it is, all columns in order, and what is said of each."""
    rows, scored = all_rows(path), [row for part in parts for row in all_rows(part)]
    if not rows or len(scored) != len(rows):
        raise LostError(f"{len(scored)} rows of {len(rows)}")
    labels = things.classifier.label_names
    expected = things.classifier.predict_proba([dict(row)["text"] for row in rows])
    for row, found, probabilities in zip(rows, scored, expected, strict=True):
        kept, added = found[: len(row)], dict(found[len(row) :])
        if repr(kept) != repr(row) or [*added] != ["predicted", *(f"probability_{label}" for label in labels)]:
            raise LostError(f"{row} became {found}")
        label, *values = added.values()
        if not abs(values - probabilities).max() <= 1e-4 or label != labels[values.index(max(values))]:
            raise LostError(f"{found}, where {probabilities} was expected")


def all_rows(path: Path) -> list[list[tuple[str, object]]]:
    """Names and values of every row, as read by others than the library."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return [[*row.items()] for row in pyarrow.parquet.read_table(path).to_pylist()]
    lines = path.read_bytes().decode("utf-8").split("\n")
    return [[*json.loads(line).items()] for line in lines if line.strip()]


# Newer versions: the true content, with a higher number of the format, and a checksum of its own ----------------------


def newer_json(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    record["format"] += 1
    path.write_text(json.dumps(record, indent=2), encoding="utf-8")


def newer_with_checksum(path: Path) -> None:
    from llmclf.files.storage import read_with_checksum, write_with_checksum

    tensors, record = read_with_checksum(path, "")
    record["format"] += 1
    write_with_checksum(path, tensors, record)


def newer_gguf(path: Path) -> None:
    content = path.read_bytes()
    version = int.from_bytes(content[4:8], "little") + 1
    path.write_bytes(content[:4] + version.to_bytes(4, "little") + content[8:])


class NewerVersion(NamedTuple):
    """How it is written in place of a file, and what must be told of it."""

    write: Callable[[Path], None]
    told: str


NEWER_VERSIONS = {
    "a classifier": NewerVersion(newer_with_checksum, "written by llmclf"),
    "a checkpoint": NewerVersion(newer_with_checksum, "written by another version"),
    "the manifest of scored files": NewerVersion(newer_json, "other format"),
    "a backbone of one's own, GGUF": NewerVersion(newer_gguf, "version 4"),
}

TARGETS: dict[str, Callable[[Things, Path], Target]] = {
    "a classifier": classifier,
    "a checkpoint": checkpoint,
    "the manifest of scored files": manifest,
    "a backbone of one's own, safetensors": own_safetensors,
    "a backbone of one's own, GGUF": own_gguf,
    "the unpacked copy of a GGUF file": unpacked_copy,
    "a kit, without cache and network": kit_alone,
    "a Parquet file of messages": messages(".parquet"),
    "a JSON Lines file of messages": messages(".jsonl"),
}
MESSAGES = ("a Parquet", "a JSON Lines")  # the beginnings of their names
OWN = "a backbone of one's own"  # of which nobody knows what it should be


def damages(what: str) -> list[str]:
    """The kinds of damage that a kind of file can have."""
    # Of another run they are as good.
    exchangeable = what.startswith((OWN, "a classifier", "the unpacked", *MESSAGES))
    return [*DAMAGES, *([NEWER] if what in NEWER_VERSIONS else []), *([] if exchangeable else [ANOTHER])]
