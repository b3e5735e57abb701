"""Chapter 11: score more messages than fit into memory. Files in, files out, part by part.

A part is a run of rows of one file, and is written in one step. Whatever ends the work early, the parts that are there
are whole, and the same command does the others. An engine takes parts and gives their probabilities: this process, one
part after the other, or several workers of Ray.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from llmclf.classify import CLASSIFIER_FILE, TextClassifier, decision_in, read_classifier
from llmclf.console import LlmclfError, progress, require_one_of
from llmclf.decision import Decision
from llmclf.files.storage import FileError, atomic_write, lock_folder, sha256_of
from llmclf.files.tables import DataError
from llmclf.scale.message_files import KINDS, Part
from llmclf.scale.ray_engine import require_ray, with_ray

MANIFEST = "scoring.json"
ROWS_PER_PART = 10_000
FORMAT = 1  # of the output folder


class Scored(NamedTuple):
    """Messages scored now, and those that were scored before."""

    now: int
    before: int


def score_files(
    classifier: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    engine: str = "stream",
    text_column: str = "text",
    rows_per_part: int = ROWS_PER_PART,
    workers: int | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Scored:
    """Label every message of a file, or of all files below a folder; what an earlier call has done stays done.

    `OUTPUT/a/b.csv/00000.csv` and the files that follow hold the rows of `SOURCE/a/b.csv` in their order, with the
    columns `predicted` and `probability_…` (one a label) added.

    Parameters
    ----------
    classifier
        The folder that `TextClassifier.save` wrote.
    source
        A file, or a folder that is searched through: `.csv`, `.tsv`, `.jsonl`, `.parquet`.
    output
        A folder; is made where it does not exist.
    engine
        "stream": this process does all. "ray": this process reads and writes, and workers of Ray classify, on this
        machine or on the cluster that `RAY_ADDRESS` names, whose machines must find the classifier under the same path.
    text_column
        Where the messages stand.
    rows_per_part
        How many rows are read at a time, and lost at most, for each worker, when the work is interrupted. (Of some
        Parquet files fewer are: with lists or categories among the columns a part ends where a row group ends.)
    workers
        Of the engine "ray"; by default one for each GPU, or where there is none, one for two processor cores.
    device, precision
        See `evaluate.choose_device` and `precision.choose_precision`.

    Raises
    ------
    DataError
        Naming file and line: what cannot be read. All files are checked before the first message is scored. None holds
        a message.
    FileError
        The output folder belongs to other work, or another process is writing there.
    LlmclfError
        Options that make no sense; a worker of Ray that fails.
    """
    classifier, source, output = Path(classifier).absolute(), Path(source), Path(output)
    require_one_of("engine", engine, ("stream", "ray"))
    if rows_per_part < 1:
        raise LlmclfError(f"rows_per_part must be at least 1, got {rows_per_part}")
    if engine == "ray":
        require_ray(workers)
    elif workers not in (None, 1):
        raise LlmclfError(f"the engine 'stream' is one process, got workers={workers}; the engine 'ray' takes several")
    record = read_classifier(classifier)[1]
    labels, decision = record["labels"], decision_in(record)
    added = ["predicted", *(f"probability_{label}" for label in labels)]
    files = find_files(source, output)
    with lock_folder(output):
        sources = {name: Source(path, output / name, text_column, rows_per_part, added) for name, path in files.items()}
        total = sum(sum(file.sizes) for file in sources.values())
        if not total:
            raise DataError(f"{source}: holds no messages")
        sha256, hashes = sha256_of(classifier / CLASSIFIER_FILE), {name: file.sha256 for name, file in sources.items()}
        work = {"classifier": sha256, "text_column": text_column, "rows_per_part": rows_per_part, "files": hashes}
        begin(output, work)
        before = sum(file.rows_done() for file in sources.values())
        if before < total:
            load = partial(load_unchanged, classifier, sha256, device, precision)
            parts = chain.from_iterable(file.parts_to_do() for file in sources.values())
            answers = stream(load, parts) if engine == "stream" else with_ray(load, parts, workers, device)
            bar = progress(total=total, initial=before, description="scoring", unit=" messages")
            with closing(answers), bar:
                for part, probabilities in answers:
                    write_part(part, labels, decision, probabilities)
                    bar.update(len(part.texts))
    return Scored(total - before, before)


def find_files(source: Path, output: Path) -> dict[str, Path]:
    """The files to score, by their names below the source; hidden ones, and those of other kinds, are left out."""
    if source.is_file():
        if source.suffix.lower() not in KINDS:
            raise DataError(f"{source}: expected a file that ends in {', '.join(KINDS)}")
        return {source.name: source}
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder")
    if output.resolve().is_relative_to(source.resolve()):
        raise DataError(f"{output} lies in {source}, whose files are to be scored; name another folder")
    found = {path.relative_to(source).as_posix(): path for path in sorted(source.rglob("*")) if path.is_file()}
    files = {
        name: path
        for name, path in found.items()
        if path.suffix.lower() in KINDS and not any(word.startswith(".") for word in name.split("/"))
    }
    if not files:
        raise DataError(f"{source}: no file in this folder ends in {', '.join(KINDS)}")
    return files


class Source:
    """A file to score; it is read once when this is made, to find every fault and count the rows, and once to score it.

    Parameters
    ----------
    path, folder
        The file, and where its parts go.
    text_column, rows_per_part
        As in `score_files`.
    added
        The columns that its parts will have besides its own.
    """

    def __init__(self, path: Path, folder: Path, text_column: str, rows_per_part: int, added: Sequence[str]) -> None:
        self.path, self.folder = path, folder
        self.read = partial(KINDS[path.suffix.lower()].parts, path, text_column, rows_per_part, added)
        self.modified = path.stat().st_mtime_ns  # first: whatever changes from here on is noticed
        self.sha256 = sha256_of(path)
        self.sizes = [len(texts) for _, texts in self.read()]  # of its parts

    def target(self, number: int) -> Path:
        """The file of the part of this number."""
        return self.folder / f"{number:05}{self.path.suffix.lower()}"

    def rows_done(self) -> int:
        """How many rows are in parts that are there."""
        return sum(size for number, size in enumerate(self.sizes) if self.target(number).is_file())

    def parts_to_do(self) -> Iterator[Part]:
        """The parts that are not there, in order; `DataError` where the file is another one in the end."""
        for number, (content, texts) in enumerate(self.read()):
            if not (target := self.target(number)).is_file():
                yield Part(target, content, texts)
        if self.path.stat().st_mtime_ns != self.modified:
            raise DataError(f"{self.path}: was changed while it was scored; name another output folder")


def begin(output: Path, work: dict) -> None:
    """Note in the output folder what is done there, or raise `FileError` where it is something else."""
    work = {"format": FORMAT, **work}
    path = output / MANIFEST
    advice = "name another folder, or remove this one"
    if not path.exists():
        if any(not entry.name.startswith(".") for entry in output.iterdir()):  # a lock, or what a killed run left
            raise FileError(f"{output}: not empty, and nothing was scored here before; {advice}")
        with atomic_write(path) as unfinished:
            unfinished.write_text(json.dumps(work, indent=2) + "\n", encoding="utf-8")
        return
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        differing = [name for name, value in work.items() if noted[name] != value]
    except (ValueError, TypeError, KeyError):
        raise FileError(f"{path}: damaged; {advice}") from None
    if differing:
        raise FileError(f"{output}: was begun with other {differing[0].replace('_', ' ')}; {advice}")


def load_unchanged(folder: Path, sha256: str, device: str, precision: str) -> TextClassifier:
    """The classifier, or `FileError` where it is another one by now: each worker loads it for itself."""
    classifier = TextClassifier.load(folder, device=device, precision=precision)
    if sha256_of(folder / CLASSIFIER_FILE) != sha256:
        raise FileError(f"{folder}: was changed while it scored; name another output folder")
    return classifier


def stream(load: Callable[[], TextClassifier], parts: Iterable[Part]) -> Generator[tuple[Part, np.ndarray]]:
    """Parts with the probabilities of their texts, (texts, classes), one after the other in this process."""
    classifier = load()
    for part in parts:
        yield part, classifier.predict_proba(part.texts)


def write_part(part: Part, labels: Sequence[str], decision: Decision, probabilities: np.ndarray) -> None:
    """Write a part's rows with their labels and (rows, classes) probabilities, in one step."""
    columns = {"predicted": decision.answers(probabilities, labels)}
    columns |= {f"probability_{label}": probabilities[:, number].tolist() for number, label in enumerate(labels)}
    with atomic_write(part.target) as unfinished:
        KINDS[part.target.suffix].write(unfinished, part.content, columns)
