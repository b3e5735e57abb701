"""Chapter 11: files of messages that may be larger than memory: CSV, JSON Lines and Parquet.

Each kind is read forward, some rows at a time, and such a part can be written again with further columns.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from llmclf.files.rows import DataError, read_json_lines, read_parquet, read_rows


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
        """The rows in their order, up to `size` at a time: the content for `write`, and its texts.

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
        for line, record in read_json_lines(path):
            where = f"{path}: line {line}"
            if not isinstance(record.get(text_column), str):
                raise DataError(f"{where}: expected an object with a string under {text_column!r}")
            refuse_taken(where, record, added)
            yield record


class ParquetFile:
    """Apache Parquet, with the extra `ray` (or with pyarrow alone)."""

    def parts(self, path: Path, text_column: str, size: int, added: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
        names, parts = read_parquet(path, [text_column], size)
        refuse_taken(str(path), names, added)
        before = 0
        for batch, (texts,) in parts:
            for row, text in enumerate(texts, start=before + 1):
                if not isinstance(text, str):
                    raise DataError(f"{path}: row {row}: expected a string under {text_column!r}")
            before += len(texts)
            yield batch, texts

    def write(self, path: Path, content: Any, columns: Mapping[str, list]) -> None:
        import pyarrow.parquet

        table = pyarrow.Table.from_batches([content])
        for name, values in columns.items():
            table = table.append_column(name, pyarrow.array(values))
        pyarrow.parquet.write_table(table, path)


KINDS: dict[str, MessageFile] = {
    ".csv": CsvFile(),
    ".tsv": CsvFile(),
    ".jsonl": JsonLinesFile(),
    ".parquet": ParquetFile(),
}


def refuse_taken(where: str, names: Sequence[str] | dict, taken: Sequence[str]) -> None:
    """Raise `DataError` where a column has the name of one that is to be added."""
    for name in taken:
        if name in names:
            raise DataError(f"{where}: there is a column {name!r} already, which scoring would add; rename it")
