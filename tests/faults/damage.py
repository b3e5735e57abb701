"""Files that are damaged in many ways, each used afterwards as a reader would use it."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
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
    "something else, or of a newer version": other,
}
ANOTHER = "exchanged for that of another run"


@dataclass
class Target:
    """A file to damage, what is done with it, and what belongs in its place in another run.

    `use` returns how it ended, and raises where the fault went unnoticed and should not have.
    """

    path: Path
    use: Callable[[], str]
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
            else:
                target.path.write_bytes(DAMAGES[damage](whole, random.Random(f"{what} {damage} {seed}")))
            before = target.path.read_bytes()
            end = target.use()
            if (target.path.read_bytes() != before) != target.mended:
                raise LostError(f"{target.path} was {'left' if target.mended else 'changed'}")
            return end

    return trial


def refuses(use: Callable[[], object], path: Path) -> str:
    """A call of the library that must raise an error which names the file."""
    from llmclf.errors import LlmclfError

    try:
        use()
    except LlmclfError as error:
        if str(path) not in str(error):
            raise LostError(f"the file is not named: {error}") from error
        return ERROR
    raise LostError("went unnoticed")


def record(things: Things, folder: Path) -> Target:
    copy = shutil.copytree(things.done["train"], folder / "copy")
    another = things.done["other"] / "classifier.json"
    return Target(copy / another.name, lambda: refused(in_process(["classify", copy, "hello"])), another)


def weights(things: Things, folder: Path) -> Target:
    target = record(things, folder)
    path, another = (next(where.glob("weights-*")) for where in (target.path.parent, things.done["other"]))
    return Target(path, target.use, another)


def manifest(things: Things, folder: Path) -> Target:
    copy = shutil.copytree(things.done["score"], folder / "copy")
    another = folder / "another.json"
    another.write_text((copy / "scoring.json").read_text().replace('"rows_per_part": 20', '"rows_per_part": 21'))
    return Target(copy / "scoring.json", lambda: refused(in_process(things.words("score", copy)[3:])), another)


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
    save_checkpoint(path, {"model": "tiny"}, trainable, optimizer, History(), 1)
    save_checkpoint(another, {"model": "another"}, trainable, optimizer, History(), 1)
    before = {name: weight.clone() for name, weight in trainable.items()}

    def use() -> str:
        end = refuses(lambda: load_checkpoint(path, {"model": "tiny"}, trainable, optimizer), path)
        if not all(before[name].equal(weight) for name, weight in trainable.items()):
            raise LostError("weights were changed")
        return end

    return Target(path, use, another)


def student(things: Things, folder: Path) -> Target:
    from conftest import build_tiny_tokenizer, tiny_gpt2

    from llmclf.head import Classifier
    from llmclf.student import Student

    path = folder / "student.safetensors"
    model = Classifier(tiny_gpt2(tied_embeddings=False), 2)
    Student(model, build_tiny_tokenizer(), ["ham", "spam"], "student").save(path)
    return Target(path, lambda: refuses(lambda: Student.load(path), path))


def training_with(things: Things, folder: Path, backbone: Path) -> Callable[[], str]:
    """Train with a backbone; what fails leaves no output."""

    def use() -> str:
        output = folder / "output"
        words = [*things.words("train", output)[3:], "--backbone", backbone, "--epochs", "1"]
        end = in_process(words)
        if end == ERROR and output.exists():
            raise LostError("an output of a run that failed")
        return end

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
    from llmclf.gguf_file import read_gguf

    path = write_tiny_gguf(folder / "tiny.gguf")

    def tensors() -> dict:
        with mock.patch.dict(os.environ, LLMCLF_CACHE=str(folder / "cache")), contextlib.redirect_stderr(io.StringIO()):
            return read_gguf(path)[0]

    expected = {name: tensor.clone() for name, tensor in tensors().items()}

    def use() -> str:
        found = tensors()
        if not all(tensor.equal(found[name]) for name, tensor in expected.items()):
            raise LostError("went unnoticed")
        return RIGHT

    [kept] = (folder / "cache" / "unpacked").iterdir()
    return Target(kept, use, mended=True)


def kit_alone(things: Things, folder: Path) -> Target:
    """A damaged kit, an empty cache, no network."""
    kit, cache = shutil.copytree(things.done["fetch"], folder / "kit"), folder / "cache"
    environment = NO_NETWORK | {"LLMCLF_KIT": str(kit), "LLMCLF_CACHE": str(cache)}

    def use() -> str:
        done = run(command("fetch", *VOCABULARY), **environment)
        if str(kit) not in done.stderr or contents(cache):
            raise LostError(done.stderr)
        return refused(judge(done))

    return Target(kit / "gpt2-bpe" / "encoder.json", use, kit / "gpt2-bpe" / "vocab.bpe")


def kit_and_cache(things: Things, folder: Path) -> Target:
    """A damaged kit before a cache that is whole."""
    target = kit_alone(things, folder)
    environment = NO_NETWORK | {"LLMCLF_KIT": str(folder / "kit"), "LLMCLF_CACHE": str(things.done["fetch"])}

    def use() -> str:
        done = run(command("fetch", *VOCABULARY), **environment)
        path = things.done["fetch"] / target.path.relative_to(folder / "kit")
        if judge(done) != RIGHT or str(path) not in done.stdout or "is passed over" not in done.stderr:
            raise LostError(done.stderr)
        return RIGHT

    return Target(target.path, use, target.another)


def messages(ending: str) -> Callable[[Things, Path], Target]:
    """A file of messages of this kind, to be scored."""

    def target(things: Things, folder: Path) -> Target:
        import pandas as pd

        table, path, output = pd.read_csv(things.messages), folder / f"messages{ending}", folder / "output"
        if ending == ".parquet":
            table.to_parquet(path, row_group_size=100)
        else:
            table.to_json(path, orient="records", lines=True)

        def use() -> str:
            end = in_process(["classify", things.done["train"], "--engine", "stream", path, output])
            if left_behind(output):
                raise LostError(f"left behind: {left_behind(output)}")
            return end

        return Target(path, use)

    return target


TARGETS: dict[str, Callable[[Things, Path], Target]] = {
    "the record of a classifier": record,
    "the weights of a classifier": weights,
    "a checkpoint": checkpoint,
    "the manifest of scored files": manifest,
    "a student": student,
    "a backbone of one's own, safetensors": own_safetensors,
    "a backbone of one's own, GGUF": own_gguf,
    "the unpacked copy of a GGUF file": unpacked_copy,
    "a kit, without cache and network": kit_alone,
    "a kit, with a whole cache": kit_and_cache,
    "a Parquet file of messages": messages(".parquet"),
    "a JSON Lines file of messages": messages(".jsonl"),
}
MESSAGES = ("a Parquet", "a JSON Lines")  # the beginnings of their names
OWN = "a backbone of one's own"  # of which nobody knows what it should be


def damages(what: str) -> list[str]:
    """The kinds of damage that a kind of file can have."""
    exchangeable = what.startswith((OWN, "a student", "the unpacked", *MESSAGES))  # or of another run, and as good
    return [*DAMAGES] if exchangeable else [*DAMAGES, ANOTHER]
