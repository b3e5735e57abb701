"""Chapters 1 and 10: tables as other people write them, read line by line, and every fault named with its place."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from llmclf.console import LlmclfError

Row: TypeAlias = tuple[int, list[str]]  # the line where it begins, and its fields


class DataError(LlmclfError):
    """A table that cannot be used as it is."""


def read_table(path: str | Path, *, text_column: str = "text", label_column: str | None = "label") -> pd.DataFrame:
    """Any table with a text and a label column: CSV, or tab-separated where the name ends in `.tsv`; UTF-8.

    Parameters
    ----------
    path
        The file.
    text_column, label_column
        Names in the header; `label_column=None` where there are no labels.

    Returns
    -------
    pandas.DataFrame
        Columns `label` (strings, unless left out) and `text`.

    Raises
    ------
    DataError
        Naming file, line and column: no such file or column, not UTF-8, broken quoting, a row with too many or too few
        fields, an empty label, no rows. An empty text is a message like any other.
    """
    path = Path(path)
    wanted = [text_column] if label_column is None else [label_column, text_column]
    (_, header), rows = read_rows(path, wanted)
    places = [header.index(column) for column in wanted]
    records = []
    for line, fields in rows:
        if label_column is not None and not fields[places[0]].strip():
            raise DataError(f"{path}: line {line}: no label in column {label_column!r}; fill it in or remove the line")
        records.append([fields[place] for place in places])
    if not records:
        raise DataError(f"{path}: a header but no rows")
    return pd.DataFrame(records, columns=["label", "text"][-len(wanted) :])


def read_rows(path: Path, columns: Sequence[str] = ()) -> tuple[Row, Iterator[Row]]:
    """Header and rows of a CSV file (blank lines left out), one after the other: no file is too large.

    Each comes with the number of the line where it begins; a quoted field may run over several.

    Parameters
    ----------
    path
        The file; fields are parted by tabs where its name ends in `.tsv`, by commas otherwise.
    columns
        Must stand in the header, each once.

    Raises
    ------
    DataError
        As `read_table`; here for the header, later for each row when it is reached.
    """
    rows = _rows(path)
    line, header = next(rows, (0, []))
    if not header:
        raise DataError(f"{path}: the file is empty; expected a header line and rows")
    for column in columns:
        if header.count(column) != 1:
            found = ", ".join(map(repr, header))
            raise DataError(f"{path}: line {line}: expected one column {column!r}, found {found}")
    return (line, header), rows


def _rows(path: Path) -> Iterator[Row]:
    """Every row that is not blank, all as wide as the first.

    Python's own reader, because pandas mends what it should report: it fills up short rows, shifts the columns of long
    ones, renames doubled columns, and counts rows instead of lines.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:  # spreadsheets begin a file with a byte order mark
            csv.field_size_limit(2**31 - 1)  # else no long text
            separator = "\t" if path.suffix.lower() == ".tsv" else ","
            reader = csv.reader(file, delimiter=separator, strict=True)
            first, width = 1, 0
            for fields in reader:
                if fields:
                    width = width or len(fields)
                    if len(fields) != width:
                        raise DataError(
                            f"{path}: line {first}: expected {width} fields as in the header, found {len(fields)}; "
                            f"a text that holds the separator or a line break needs quotation marks around it"
                        )
                    yield first, fields
                first = reader.line_num + 1
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        line, reason = _undecodable(path)
        raise DataError(f"{path}: line {line}: not UTF-8 ({reason}); save it as UTF-8") from None
    except csv.Error as error:
        raise DataError(
            f"{path}: line {first}: broken quoting ({error}); "
            f"quotation marks stand around a whole field, and one inside it is written twice"
        ) from None


def _undecodable(path: Path) -> tuple[int, str]:
    """The first line that is not UTF-8, and why."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, error.reason
    return 1, "but it is now: it was changed while it was read"
