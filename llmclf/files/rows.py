"""Tables as other people write them, one row after the other: CSV, JSON Lines, Parquet; every fault with its place."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from llmclf.console import LlmclfError, notice, require_one_of

if TYPE_CHECKING:
    import pyarrow

Row: TypeAlias = tuple[int, list[str]]  # the line where it begins, and its fields
QUOTING = ("standard", "none")
SEPARATORS = (";", "\t", "|", ",")  # those that are proposed where another does not fit


class DataError(LlmclfError):
    """A table that cannot be used as it is."""


@dataclass(frozen=True)
class CsvFormat:
    """How a file of separated fields is written.

    Attributes
    ----------
    encoding
        By Python's names; UTF-8 with or without a byte order mark by default.
    separator
        One character, or "tab"; by default a tab where the file's name ends in `.tsv`, else a comma.
    quoting
        "standard": a field in quotation marks may hold separators and line breaks. "none": they are plain characters.
    header
        `False` where the first row is a row like any other; columns are then named by their numbers, from "1".
    """

    encoding: str = "utf-8"
    separator: str | None = None
    quoting: str = "standard"
    header: bool = True

    def __post_init__(self) -> None:
        require_one_of("quoting", self.quoting, QUOTING)
        if self.separator is not None and self.separator != "tab" and len(self.separator) != 1:
            raise DataError(f'separator must be one character, or "tab", got {self.separator!r}')
        try:
            "".encode(self.encoding)  # also refuses what is no encoding of text, such as hex
        except (LookupError, UnicodeError):
            raise DataError(
                f"unknown encoding {self.encoding!r}; known are utf-8, latin-1, utf-16 and others"
            ) from None

    def separator_of(self, path: Path) -> str:
        if self.separator is None:
            return "\t" if path.suffix.lower() == ".tsv" else ","
        return "\t" if self.separator == "tab" else self.separator


def require_columns(where: str, found: Sequence[str], wanted: Sequence[str], proposal: str = "") -> None:
    """Raise `DataError` unless each column that is wanted is there once; the message ends with the proposal."""
    for column in wanted:
        if list(found).count(column) != 1:
            names = ", ".join(map(repr, found))
            raise DataError(f"{where}: expected one column {column!r}, found {names}{proposal}")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """The system's errors in reading a file, as `DataError`."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def read_rows(path: Path, columns: Sequence[str] = (), form: CsvFormat | None = None) -> tuple[Row, Iterator[Row]]:
    """Header and rows of a CSV file, one after the other: no file is too large.

    Blank lines, and rows in which every field is empty, are left out. Each row comes with the number of the line where
    it begins; a quoted field may run over several.

    Parameters
    ----------
    path
        The file.
    columns
        Must stand in the header, each once. Names lose blanks around them.
    form
        By default `CsvFormat()`.

    Raises
    ------
    DataError
        No such file or column, another encoding, broken quoting, a row with too many or too few fields: naming file
        and line; here for the header, later for each row when it is reached.
    """
    form = form or CsvFormat()
    rows = _rows(path, form)
    line, header = first = next(rows, (0, []))
    if not header:
        raise DataError(f"{path}: the file is empty; expected a header line and rows")
    if form.header:
        header = [name.strip() for name in header]
    else:
        header, rows = [str(number) for number in range(1, len(header) + 1)], chain([first], rows)
    proposal = _other_separator(first[1], form.separator_of(path)) + _other_encoding(first[1])
    require_columns(f"{path}: line {line}", header, columns, proposal)
    return (line, header), _told_if_merged(path, form, _not_empty(rows, len(header)))


def _not_empty(rows: Iterator[Row], width: int) -> Iterator[Row]:
    return (row for row in rows if width == 1 or any(field.strip() for field in row[1]))


def _told_if_merged(path: Path, form: CsvFormat, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows; and in the end a notice where a text in quotation marks seems to have swallowed rows.

    Only of tab-separated files: a tab behind a line break within a text is a row more often than not.
    """
    tab, suspicious = form.separator_of(path) == "\t", []
    for line, fields in rows:
        if tab and any("\t" in field.partition("\n")[2] for field in fields):
            suspicious.append(line)
        yield line, fields
    if suspicious:
        notice(
            f"{path}: {len(suspicious)} texts in quotation marks run over several lines that look like rows, the first "
            f"in line {suspicious[0]}; if marks are plain characters here, add --quoting none"
        )


def _other_separator(header: list[str], separator: str) -> str:
    """What to do where the whole header is one field, but holds another separator."""
    if len(header) == 1:
        for other in SEPARATORS:
            if other != separator and other in header[0]:
                name = "tab" if other == "\t" else f'"{other}"'
                return f"; if {name} parts the columns, add --separator {name}"
    return ""


def _other_encoding(header: list[str]) -> str:
    if "\0" in header[0]:
        return f"; add --encoding utf-16-{'be' if header[0].startswith(chr(0)) else 'le'}"
    return ""


def _rows(path: Path, form: CsvFormat) -> Iterator[Row]:
    """Every row that is not blank, all as wide as the first.

    Python's own reader, because pandas mends what it should report: it fills up short rows, shifts the columns of long
    ones, renames doubled columns, and counts rows instead of lines.
    """
    encoding = "utf-8-sig" if codecs.lookup(form.encoding).name == "utf-8" else form.encoding
    try:
        with readable(path), open(path, encoding=encoding, newline="") as file:
            csv.field_size_limit(2**31 - 1)  # else no long text
            reader = csv.reader(
                file,
                delimiter=form.separator_of(path),
                strict=True,
                quoting=csv.QUOTE_NONE if form.quoting == "none" else csv.QUOTE_MINIMAL,
            )
            first, width = 1, 0
            for fields in reader:
                if fields:
                    width = width or len(fields)
                    if len(fields) != width:
                        model = "header" if form.header else "first row"
                        raise DataError(
                            f"{path}: line {first}: expected {width} fields as in the {model}, found {len(fields)}; "
                            f"a text that holds the separator or a line break needs quotation marks around it"
                        )
                    yield first, fields
                first = reader.line_num + 1
    except UnicodeError as error:
        line, reason = undecodable_line(path, form.encoding), getattr(error, "reason", error)
        fault = f"{path}: line {line}: not {form.encoding.upper()} ({reason})"
        proposal = likely_encoding(path, form.encoding)
        raise DataError(f"{fault}; it is probably {proposal}: add --encoding {proposal}") from None
    except csv.Error as error:
        raise DataError(
            f"{path}: line {first}: broken quoting ({error}); quotation marks stand around a whole field, and one "
            f"inside it is written twice; where they are plain characters, add --quoting none"
        ) from None


def undecodable_line(path: Path, encoding: str) -> int:
    """The first line that is not of this encoding; 1 where lines cannot be told apart before they are decoded."""
    if encoding.replace("_", "-").lower().startswith("utf-16"):
        return 1
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeError:
                return number
    return 1


def likely_encoding(path: Path, failed: str) -> str:
    """A guess, not the one that has failed: UTF-16 by its mark, UTF-8, the code page of Western Windows, or Latin-1.

    Latin-1 comes first where the bytes that it leaves to Windows do not occur, and last because it reads anything.
    """
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    beyond = any(0x80 <= byte <= 0x9F for byte in content)
    for name in ("utf-8", *(["windows-1252"] if beyond else [])):
        try:
            content.decode(name)
        except UnicodeDecodeError:
            continue
        if name != failed:
            return name
    return "latin-1"


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file, in UTF-8, each with the number of its line; blank lines are left out."""
    with readable(path), open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: line {number}: not a JSON object in UTF-8 ({error})") from None
            if not isinstance(record, dict):
                raise DataError(f"{path}: line {number}: a JSON {type(record).__name__}; expected an object")
            yield number, record


def read_parquet(
    path: Path, columns: Sequence[str], size: int = 10_000
) -> tuple[list[str], Iterator[tuple[pyarrow.RecordBatch, list[list]]]]:
    """The names of all columns of a Parquet file, and its rows in parts, each with the values of some columns.

    Parameters
    ----------
    path
        The file.
    columns
        Those whose values are wanted; each must be there once.
    size
        Rows of a part; no file is too large.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{path}: Parquet files need pyarrow; install the extra: pip install llmclf[ray]") from None
    faults = (OSError, UnicodeDecodeError, pyarrow.ArrowException)
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except faults as error:
        raise DataError(f"{path}: damaged, or not a Parquet file ({error})") from None
    names = file.schema_arrow.names
    require_columns(str(path), names, columns)

    def parts() -> Iterator[tuple[pyarrow.RecordBatch, list[list]]]:
        try:
            for batch in file.iter_batches(size):
                yield batch, [batch.column(column).to_pylist() for column in columns]
        except faults as error:
            raise DataError(f"{path}: damaged, or not a Parquet file ({error})") from None

    return names, parts()
