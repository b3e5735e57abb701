"""Chapter 10: files of messages that may be larger than memory: CSV, JSON Lines and Parquet.

Each kind is read forward, some rows at a time, and such a part can be written again with further columns.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from llmclf.files.tables import DataError, read_rows

if TYPE_CHECKING:
    import pyarrow


class Part(NamedTuple):
    """A run of rows of one file.

    Attributes
    ----------
    target
        The file that they are written to, with their scores.
    content, texts
        As `MessageFile.parts` gives them.
    """

    target: Path
    content: Any
    texts: list[str]


class MessageFile(Protocol):
    """A kind of file."""

    def parts(self, path: Path, text_column: str, size: int, added: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
        """The rows in their order, `size` at a time (at the end fewer): the content for `write`, and its texts.

        Raises `DataError`, naming file and line, for what cannot be used; a column with a name of `added` is such.
        """

    def write(self, path: Path, content: Any, columns: Mapping[str, list]) -> None:
        """A file of such content with further columns."""


class CsvFile:
    """Values separated by commas, or by tabs where the name ends in `.tsv`; a header; UTF-8."""

    def parts(self, path: Path, text_column: str, size: int, added: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
        (line, header), rows = read_rows(path, [text_column])
        refuse_taken(f"{path}: line {line}", header, added)
        place = header.index(text_column)
        while records := [fields for _, fields in islice(rows, size)]:
            yield (header, records), [record[place] for record in records]

    def write(self, path: Path, content: Any, columns: Mapping[str, list]) -> None:
        header, records = content
        separator = "\t" if path.suffix == ".tsv" else ","
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
            writer.writerow([*header, *columns])
            writer.writerows([*record, *new] for record, *new in zip(records, *columns.values(), strict=True))


class JsonLinesFile:
    """A JSON object a line, in UTF-8."""

    def parts(self, path: Path, text_column: str, size: int, added: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
        records = self._records(path, text_column, added)
        while chunk := list(islice(records, size)):
            yield chunk, [record[text_column] for record in chunk]

    def write(self, path: Path, content: Any, columns: Mapping[str, list]) -> None:
        with open(path, "w", encoding="utf-8") as file:
            for record, *new in zip(content, *columns.values(), strict=True):
                # Escapes beyond ASCII: half a character, which JSON may hold and UTF-8 may not, stays what it is.
                file.write(json.dumps(record | dict(zip(columns, new, strict=True))) + "\n")

    def _records(self, path: Path, text_column: str, added: Sequence[str]) -> Iterator[dict]:
        """The objects, one after the other; blank lines are left out."""
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                where = f"{path}: line {number}"
                if not line.strip():
                    continue
                try:
                    record = json.loads(line.decode("utf-8"), parse_float=finite, parse_constant=finite)
                except (ValueError, RecursionError) as error:
                    raise DataError(f"{where}: not a JSON object in UTF-8 ({error})") from None
                if not isinstance(record, dict) or not isinstance(record.get(text_column), str):
                    raise DataError(f"{where}: expected an object with a string under {text_column!r}")
                refuse_taken(where, record, added)
                yield record


class ParquetFile:
    """Apache Parquet, with the extra `ray` (or with pyarrow alone)."""

    def parts(self, path: Path, text_column: str, size: int, added: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
        with parquet_library(path) as pyarrow:
            file = pyarrow.parquet.ParquetFile(path)
            names = file.schema_arrow.names
            if names.count(text_column) != 1 or not holds_strings(file.schema_arrow.field(text_column).type):
                kinds = ", ".join(f"{field.name!r} ({field.type})" for field in file.schema_arrow)
                raise DataError(f"{path}: expected one column {text_column!r} of strings, found {kinds}")
            refuse_taken(str(path), names, added)
            before = 0
            for table in tables_of_size(file.iter_batches(size), size):
                texts = table.column(text_column)
                texts.validate(full=True)  # that they are UTF-8
                if texts.null_count:
                    row = before + texts.is_null().to_pylist().index(True) + 1
                    raise DataError(f"{path}: row {row}: no text in column {text_column!r}; fill it in")
                before += len(table)
                yield table, texts.to_pylist()

    def write(self, path: Path, content: Any, columns: Mapping[str, list]) -> None:
        import pyarrow.parquet

        for name, values in columns.items():
            content = content.append_column(name, pyarrow.array(values))
        pyarrow.parquet.write_table(content, path)


@contextmanager
def parquet_library(path: Path) -> Iterator[Any]:
    """pyarrow, whose errors, or whose absence, become one that names the file."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{path}: Parquet files need pyarrow; install the extra: pip install llmclf[ray]") from None
    try:
        yield pyarrow
    except (OSError, UnicodeDecodeError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: damaged, or not a Parquet file ({error})") from None


def tables_of_size(batches: Iterable[pyarrow.RecordBatch], size: int) -> Iterator[pyarrow.Table]:
    """The rows of batches, `size` at a time; with some types of columns a batch ends where a row group ends."""
    from pyarrow import Table

    waiting: list[pyarrow.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += len(batch)
        if rows >= size:
            table = Table.from_batches(waiting)
            yield table[:size]
            waiting, rows = table[size:].to_batches(), rows - size
    if rows:
        yield Table.from_batches(waiting)


KINDS: dict[str, MessageFile] = {
    ".csv": CsvFile(),
    ".tsv": CsvFile(),
    ".jsonl": JsonLinesFile(),
    ".parquet": ParquetFile(),
}


def holds_strings(kind: pyarrow.DataType) -> bool:
    """Whether a column of this type holds strings, perhaps by way of a dictionary."""
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def refuse_taken(where: str, names: Sequence[str] | dict, taken: Sequence[str]) -> None:
    """Raise `DataError` where a column has the name of one that is to be added."""
    for name in taken:
        if name in names:
            raise DataError(f"{where}: there is a column {name!r} already, which scoring would add; rename it")


def finite(text: str) -> float:
    """A number of a JSON file; `ValueError` for one that could not be written as JSON again."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the number {text} has no place in JSON")
    return number
