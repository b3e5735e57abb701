"""Chapters 1 and 11: any table with a text and a label column, whatever file it comes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from llmclf.console import notice
from llmclf.files.rows import CsvFormat, DataError, read_json_lines, read_parquet, read_rows, require_columns

Record: TypeAlias = tuple[str, list[Any]]  # where it stands, and its values in the columns that are wanted


def read_table(
    source: str | Path | pd.DataFrame,
    *,
    text_column: str = "text",
    label_column: str | None = "label",
    drop_incomplete: bool = False,
    encoding: str = "utf-8",
    separator: str | None = None,
    quoting: str = "standard",
    header: bool = True,
) -> pd.DataFrame:
    """The texts and labels of a table: CSV, tab-separated (`.tsv`), JSON Lines (`.jsonl`), Parquet, or a DataFrame.

    Parameters
    ----------
    source
        The file, of a kind that its suffix tells (CSV by default); or the table itself.
    text_column, label_column
        Names of columns; `label_column=None` where there are no labels.
    drop_incomplete
        Leave out rows without a label or a text, and say how many, instead of refusing the table.
    encoding, separator, quoting, header
        Of a CSV file, see `CsvFormat`.

    Returns
    -------
    pandas.DataFrame
        Columns `label` (strings without blanks around them, unless left out) and `text`.

    Raises
    ------
    DataError
        Naming file, line and column, and the option that helps: no such file or column, another encoding, broken
        quoting, a row with too many or too few fields, no label, no rows. An empty text is a message like any other.
    """
    wanted = [text_column] if label_column is None else [label_column, text_column]
    name, records = _records(source, wanted, CsvFormat(encoding, separator, quoting, header))
    found, dropped, seen = [], 0, False
    for place, values in records:
        seen = True
        label, text = (values[0] if label_column is not None else ""), values[-1]
        label = None if _is_missing(label) else _written(label)
        if label_column is not None and not label:
            missing, column = "label", label_column
        elif _is_missing(text):
            missing, column = "text", text_column
        else:
            if not isinstance(text, str):
                kind = type(text).__name__
                raise DataError(f"{name}: {place}: expected a string in column {text_column!r}, found a {kind}")
            if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
                raise DataError(f"{name}: {place}: half a character in column {text_column!r}; remove it, or its row")
            found.append([label, text][-len(wanted) :])
            continue
        if not drop_incomplete:
            advice = "" if label_column is None else ", or add --drop-incomplete"
            raise DataError(f"{name}: {place}: no {missing} in column {column!r}; fill it in{advice}")
        dropped += 1
    if dropped:
        notice(f"{name}: {dropped} rows without a label or a text were left out")
    if not found:
        raise DataError(f"{name}: " + ("no complete row" if seen else "a header but no rows"))
    return pd.DataFrame(found, columns=["label", "text"][-len(wanted) :])


def _records(source: str | Path | pd.DataFrame, columns: list[str], form: CsvFormat) -> tuple[str, Iterator[Record]]:
    """What the table is called in messages, and its records."""
    if isinstance(source, pd.DataFrame):
        return "the table", _of_frame(source, columns)
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".parquet"):
        if form != CsvFormat():
            raise DataError(f"{path}: encoding, separator, quoting and header are of CSV files only; leave them out")
        return str(path), (_of_json_lines if suffix == ".jsonl" else _of_parquet)(path, columns)
    return str(path), _of_csv(path, columns, form)


def _of_csv(path: Path, columns: list[str], form: CsvFormat) -> Iterator[Record]:
    (_, header), rows = read_rows(path, columns, form)
    places = [header.index(column) for column in columns]
    for line, fields in rows:
        yield f"line {line}", [fields[place] for place in places]


def _of_json_lines(path: Path, columns: list[str]) -> Iterator[Record]:
    records = list(read_json_lines(path))
    for column in columns:
        if records and not any(column in record for _, record in records):
            found = ", ".join(map(repr, records[0][1]))
            raise DataError(f"{path}: no object has {column!r}; the first has {found}")
    for line, record in records:
        yield f"line {line}", [record.get(column) for column in columns]


def _of_parquet(path: Path, columns: list[str]) -> Iterator[Record]:
    rows = (row for _, values in read_parquet(path, columns)[1] for row in zip(*values, strict=True))
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", list(row)


def _of_frame(table: pd.DataFrame, columns: list[str]) -> Iterator[Record]:
    require_columns("the table", table.columns, columns)
    values = zip(*(table[column].astype(object) for column in columns), strict=True)
    for number, row in enumerate(values, start=1):
        yield f"row {number}", list(row)


def _written(label: Any) -> str:
    """A label as a string; pandas makes whole numbers floats where one of them is missing."""
    return str(int(label) if isinstance(label, float) and label.is_integer() else label).strip()


def _is_missing(value: Any) -> bool:
    """Whether there is no value: JSON's null, Parquet's, or pandas' NaN."""
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))
