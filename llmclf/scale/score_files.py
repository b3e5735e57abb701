"""Chapter 10: score more messages than fit into memory. Files in, files out, part by part.

A part is a run of rows of one file: read, scored and written by itself, in one step. Whatever ends the work early, the
parts that are there are whole, and the same command does the others. In what order, and by how many workers, does not
matter: one engine takes them one after the other, the other leaves them to Ray Data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from llmclf.classify import RECORD, read_record
from llmclf.console import LlmclfError, progress, require_one_of
from llmclf.files.storage import FileError, atomic_write, lock_folder, sha256_of
from llmclf.files.tables import DataError
from llmclf.scale.message_files import KINDS
from llmclf.scale.ray_engine import require_ray, with_ray
from llmclf.scale.scorer import Part, Scorer, kind_of

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
        "stream": this process, one part after the other. "ray": Ray Data, several workers, on this machine or, where
        `RAY_ADDRESS` names one, on a cluster that sees the same files.
    text_column
        Where the messages stand.
    rows_per_part
        What is in memory at a time, and what is lost at most when the work is interrupted.
    workers
        Of the engine "ray"; by default one a GPU of all machines together, or where none has any, one for two processor
        cores.
    device
        See `evaluate.choose_device`.

    Raises
    ------
    DataError
        Naming file and line: what cannot be read. All files are checked before the first message is scored. None holds
        a message.
    FileError
        The output folder belongs to other work, or another process is writing there.
    """
    source, output, classifier = Path(source), Path(output), Path(classifier)
    require_one_of("engine", engine, ENGINES)
    if rows_per_part < 1:
        raise LlmclfError(f"rows_per_part must be at least 1, got {rows_per_part}")
    if engine == "stream" and workers not in (None, 1):
        raise LlmclfError(f"the engine 'stream' is one process, got workers={workers}; the engine 'ray' takes several")
    if engine == "ray":
        require_ray(workers)
    labels = read_record(classifier)["labels"]
    files = find_files(source, output)
    with lock_folder(output):
        hashes = {name: sha256_of(path) for name, path in files.items()}  # first: what grows from here on is noticed
        taken = ["predicted", *(f"probability_{label}" for label in labels)]
        parts = [
            Part(path, cut, output / name / f"{number:05}{path.suffix.lower()}")
            for name, path in files.items()
            for number, cut in enumerate(kind_of(path).cut(path, text_column, taken, rows_per_part))
        ]
        if not parts:
            raise DataError(f"{source}: holds no messages")
        work = {
            "format": FORMAT,
            "classifier": sha256_of(classifier / RECORD),
            "text_column": text_column,
            "rows_per_part": rows_per_part,
            "files": hashes,
        }
        begin(output, work)
        todo = [part for part in parts if not part.target.is_file()]
        total = sum(part.cut.rows for part in parts)
        before = total - sum(part.cut.rows for part in todo)
        with progress(total=total, initial=before, description="scoring", unit=" messages") as bar:
            for rows in ENGINES[engine](Scorer(classifier, work["classifier"], text_column, device), todo, workers):
                bar.update(rows)
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


def begin(output: Path, work: dict) -> None:
    """Note in the output folder what is done there, or raise `FileError` where it is something else."""
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


def stream(scorer: Scorer, parts: list[Part], workers: int | None) -> Iterator[int]:
    """One part after the other, in this process."""
    yield from map(scorer.score, parts)


ENGINES = {"stream": stream, "ray": with_ray}
