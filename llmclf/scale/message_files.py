"""Chapter 10: files of messages that may be larger than memory: CSV, JSON Lines and Parquet.

Each kind can be cut into parts; a part is read without what stands before it (in a Parquet file: without the groups of
rows before its own), and written with further columns.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from llmclf.files.tables import DataError, Position, read_rows

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet


class Cut(NamedTuple):
    """A run of rows: where it begins (in Parquet files `byte` counts the rows before it), and how many they are."""

    start: Position
    rows: int


class MessageFile(Protocol):
    """A kind of file. All raise `DataError`, naming file and line, for what cannot be used."""

    def cut(self, path: Path, text_column: str, taken: Sequence[str], size: int) -> Iterator[Cut]:
        """Check the whole file, and cut it into parts of `size` rows; `taken` are names that no column may have."""

    def read(self, path: Path, cut: Cut, text_column: str) -> tuple[Any, list[str]]:
        """A part's content, to be handed to `write`, and its texts."""

    def write(self, path: Path, content: Any, columns: dict[str, list]) -> None:
        """The content with further columns."""


class CsvFile:
    """Values parted by commas, or by tabs where the name ends in `.tsv`; a header; UTF-8."""

    def cut(self, path: Path, text_column: str, taken: Sequence[str], size: int) -> Iterator[Cut]:
        header, rows = read_rows(path, [text_column])
        refuse_taken(f"{path}: line {header.line}", header.fields, taken)
        start = header.behind
        while chunk := list(islice(rows, size)):
            yield Cut(start, len(chunk))
            start = chunk[-1].behind

    def read(self, path: Path, cut: Cut, text_column: str) -> tuple[Any, list[str]]:
        header, rows = read_rows(path, [text_column], start=cut.start)
        records = [row.fields for row in islice(rows, cut.rows)]
        place = header.fields.index(text_column)
        return (header.fields, records), [record[place] for record in records]

    def write(self, path: Path, content: Any, columns: dict[str, list]) -> None:
        header, records = content
        separator = "\t" if path.suffix == ".tsv" else ","
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
            writer.writerow([*header, *columns])
            writer.writerows([*record, *new] for record, *new in zip(records, *columns.values(), strict=True))


class JsonLinesFile:
    """A JSON object a line, in UTF-8."""

    def cut(self, path: Path, text_column: str, taken: Sequence[str], size: int) -> Iterator[Cut]:
        records = self.records(path, text_column, Position(1, 0))
        start = Position(1, 0)
        while chunk := list(islice(records, size)):
            for record, place in chunk:
                refuse_taken(f"{path}: line {place.line - 1}", record, taken)
            yield Cut(start, len(chunk))
            start = chunk[-1][1]

    def read(self, path: Path, cut: Cut, text_column: str) -> tuple[Any, list[str]]:
        records = [record for record, _ in islice(self.records(path, text_column, cut.start), cut.rows)]
        return records, [record[text_column] for record in records]

    def write(self, path: Path, content: Any, columns: dict[str, list]) -> None:
        with open(path, "w", encoding="utf-8") as file:
            for record, *new in zip(content, *columns.values(), strict=True):
                # Escapes beyond ASCII: half a character, which JSON may hold and UTF-8 may not, stays what it is.
                file.write(json.dumps(record | dict(zip(columns, new, strict=True))) + "\n")

    def records(self, path: Path, text_column: str, start: Position) -> Iterator[tuple[dict, Position]]:
        """The objects from a place on, each with the place behind it; blank lines are left out."""
        number, byte = start
        with readable(path), open(path, "rb") as file:
            file.seek(byte)
            for line in file:
                byte += len(line)
                where = f"{path}: line {number}"
                number += 1
                if not line.strip():
                    continue
                try:
                    record = json.loads(line.decode("utf-8"), parse_float=finite, parse_constant=finite)
                except (ValueError, RecursionError) as error:
                    raise DataError(f"{where}: not a JSON object in UTF-8 ({error})") from None
                if not isinstance(record, dict) or not isinstance(record.get(text_column), str):
                    raise DataError(f"{where}: expected an object with a string under {text_column!r}")
                yield record, Position(number, byte)


class ParquetFile:
    """Apache Parquet, with the extra `ray` (or with pyarrow alone)."""

    def cut(self, path: Path, text_column: str, taken: Sequence[str], size: int) -> Iterator[Cut]:
        with readable(path):
            file = self.open(path)
            names = file.schema_arrow.names
            if names.count(text_column) != 1 or not holds_strings(file.schema_arrow.field(text_column).type):
                kinds = ", ".join(f"{field.name!r} ({field.type})" for field in file.schema_arrow)
                raise DataError(f"{path}: expected one column {text_column!r} of strings, found {kinds}")
            refuse_taken(str(path), names, taken)
            rows = 0
            for batch in file.iter_batches(size, columns=[text_column]):
                batch.validate(full=True)  # of the texts that they are UTF-8
                if batch.column(0).null_count:
                    row = rows + batch.column(0).is_null().to_pylist().index(True) + 1
                    raise DataError(f"{path}: row {row}: no text in column {text_column!r}; fill it in")
                rows += len(batch)
        yield from (Cut(Position(start + 1, start), min(size, rows - start)) for start in range(0, rows, size))

    def read(self, path: Path, cut: Cut, text_column: str) -> tuple[Any, list[str]]:
        import pyarrow

        with readable(path):
            file = self.open(path)
            start, stop = cut.start.byte, cut.start.byte + cut.rows
            found, passed = [], 0
            for number in range(file.num_row_groups):
                rows = file.metadata.row_group(number).num_rows
                if passed + rows <= start:
                    passed += rows
                    continue
                for batch in file.iter_batches(max(cut.rows, 1024), row_groups=[number]):  # a group may be large
                    if wanted := batch[max(start - passed, 0) : max(stop - passed, 0)]:
                        found.append(wanted)
                    passed += len(batch)
                    if passed >= stop:
                        break
                if passed >= stop:
                    break
            table = pyarrow.Table.from_batches(found, file.schema_arrow)
            return table, table.column(text_column).to_pylist()

    def write(self, path: Path, content: Any, columns: dict[str, list]) -> None:
        import pyarrow.parquet

        for name, values in columns.items():
            content = content.append_column(name, pyarrow.array(values))
        pyarrow.parquet.write_table(content, path)

    def open(self, path: Path) -> pyarrow.parquet.ParquetFile:
        try:
            import pyarrow.parquet
        except ImportError:
            raise DataError(f"{path}: Parquet files need pyarrow; install the extra: pip install llmclf[ray]") from None
        try:
            return pyarrow.parquet.ParquetFile(path)
        except pyarrow.ArrowInvalid as error:
            raise DataError(f"{path}: not a complete Parquet file ({error})") from None


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


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn the system's errors into one that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: a text is not UTF-8 ({error}); convert the file") from None
    except Exception as error:
        if type(error).__module__.startswith("pyarrow"):  # which need not be installed
            raise DataError(f"{path}: damaged ({error})") from None
        raise
