"""Chapter 1: from a text file to three balanced, labelled tables.

Every table is a pandas DataFrame with the columns `label` and `text`.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from llmclf import assets
from llmclf.errors import LlmclfError
from llmclf.files import replacing

SEED = 123  # the source's; with it the split of the reference results is recreated row for row
SMS_LABELS = ("ham", "spam")
FAST_SIZES = (80, 20, 40)  # messages of train, validation and test under LLMCLF_FAST


class DataError(LlmclfError):
    """A table that cannot be used as it is."""


class Splits(NamedTuple):
    """Three tables that share no row: to learn from, to choose with, to judge by."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


def read_sms(path: Path | None = None, *, every_row: bool = False) -> pd.DataFrame:
    """The SMS Spam Collection: one message a line, label and text parted by a tab, no header.

    Parameters
    ----------
    path
        The file; by default it is fetched (once).
    every_row
        `False` reads as the source does: one unbalanced quotation mark swallows two lines, 5,572 rows remain.
        `True` takes quotation marks as plain characters: all 5,574 messages.

    Returns
    -------
    pandas.DataFrame
        Columns `label` ("ham" or "spam") and `text`; a message like "NA" stays text.
    """
    path = assets.fetch("sms-spam") if path is None else Path(path)
    quoting = csv.QUOTE_NONE if every_row else csv.QUOTE_MINIMAL
    return pd.read_csv(
        path, sep="\t", header=None, names=["label", "text"], quoting=quoting, dtype=str, keep_default_na=False
    )


def swallowed_lines(table: pd.DataFrame) -> list[int]:
    """Numbers (from 1) of the file's lines that ended up inside the text of the row before them.

    Parameters
    ----------
    table
        As `read_sms` returns it: one row a line, except where a quotation mark was left open.
    """
    lost, line = [], 0
    for text in table["text"]:
        line += 1
        inside = text.count("\n")
        lost += range(line + 1, line + 1 + inside)
        line += inside
    return lost


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
        Naming file, line and column: no such file or column, not UTF-8, broken quoting, an empty label, no rows.
    """
    path = Path(path)
    separator = "\t" if path.suffix == ".tsv" else ","
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: the file is empty; expected a header line and rows") from None
    except (pd.errors.ParserError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table: {' '.join(str(error).split())}") from None
    wanted = [text_column] if label_column is None else [label_column, text_column]
    for column in wanted:
        if list(table.columns).count(column) != 1:
            found = ", ".join(map(repr, table.columns))
            raise DataError(f"{path}: line 1: expected one column {column!r}, found {found}")
    lines = _first_lines(table)
    table = table[wanted].set_axis(["label", "text"][-len(wanted) :], axis="columns")
    blank = (table.isna() | (table == "")).all(axis="columns")
    table, lines = table[~blank], lines[~blank]
    if table.empty:
        raise DataError(f"{path}: a header but no rows")
    for column in table.columns:
        missing = table[column].isna() | ((table[column].str.strip() == "") if column == "label" else False)
        if missing.any():
            raise DataError(f"{path}: line {lines[missing].iloc[0]}: no {column}; fill it in or remove the line")
    return table.reset_index(drop=True)


def _first_lines(table: pd.DataFrame) -> pd.Series:
    """The line (from 1) on which each row begins: a quoted field may run over several."""
    breaks = table.fillna("").apply(lambda column: column.str.count("\n")).sum(axis="columns")
    return 2 + pd.Series(range(len(table)), index=table.index) + breaks.cumsum() - breaks


def label_names(table: pd.DataFrame) -> list[str]:
    """The distinct labels in alphabetical order; a label's place in this list is its number."""
    names = sorted(table["label"].unique())
    if len(names) < 2:
        raise DataError(f"expected at least two different labels, found only {names}; there is nothing to tell apart")
    return names


def number_labels(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The same table with each label replaced by its number: ham 0, spam 1.

    Labels that are already such numbers (as in the split files) are taken as they are.
    """
    numbers = {str(number): number for number in range(len(names))}
    numbers |= {name: number for number, name in enumerate(names)}
    labels = table["label"].astype(str)
    unknown = ~labels.isin(numbers.keys())
    if unknown.any():
        row = int(unknown.to_numpy().argmax())
        raise DataError(f"row {row + 1}: unknown label {labels.iloc[row]!r}; expected one of {', '.join(names)}")
    return table.assign(label=labels.map(numbers).astype("int64"))


def balance(table: pd.DataFrame, *, seed: int = SEED) -> pd.DataFrame:
    """Under-sample: as many messages of each label as the rarest has, labels one after the other.

    The rarest label is kept whole and in order. Row numbers (the index) are those of `table`.
    """
    smallest = table["label"].value_counts().min()
    parts = []
    for name in label_names(table):
        part = table[table["label"] == name]
        parts.append(part if len(part) == smallest else part.sample(smallest, random_state=seed))
    return pd.concat(parts)


def split(table: pd.DataFrame, *, train_share: float = 0.7, validation_share: float = 0.1, seed: int = SEED) -> Splits:
    """Shuffle, then cut: 70 % to learn from, 10 % to choose with, the rest to judge by."""
    if min(train_share, validation_share) <= 0 or train_share + validation_share >= 1:
        raise DataError(f"shares must be positive and leave some for the test, got {train_share}, {validation_share}")
    shuffled = table.sample(frac=1, random_state=seed).reset_index(drop=True)
    train_end = int(len(shuffled) * train_share)
    validation_end = train_end + int(len(shuffled) * validation_share)
    splits = Splits(shuffled[:train_end], shuffled[train_end:validation_end], shuffled[validation_end:])
    for name, part in splits._asdict().items():
        if part.empty:
            raise DataError(f"{len(table)} rows are too few: nothing is left for {name}")
    return splits


def truncate(table: pd.DataFrame, size: int, *, seed: int = SEED) -> pd.DataFrame:
    """About `size` rows, drawn so that every label keeps its share (and at least one row); the order stays."""
    if size >= len(table):
        return table
    share = size / len(table)
    parts = [part.sample(max(1, round(len(part) * share)), random_state=seed) for _, part in table.groupby("label")]
    return pd.concat(parts).sort_index()


def is_fast() -> bool:
    """Whether `LLMCLF_FAST` asks for short runs on few messages (any value but the empty one and 0)."""
    return os.environ.get("LLMCLF_FAST", "0") not in ("", "0")


def shorten_if_fast(splits: Splits) -> Splits:
    """The splits as they are, or truncated to `FAST_SIZES` under `LLMCLF_FAST`."""
    return Splits(*map(truncate, splits, FAST_SIZES)) if is_fast() else splits


def save_splits(splits: Splits, folder: str | Path) -> None:
    """Write `train.csv`, `validation.csv` and `test.csv`, each in one step."""
    for name, part in splits._asdict().items():
        with replacing(Path(folder) / f"{name}.csv") as unfinished:
            part.to_csv(unfinished, index=False, encoding="utf-8")


def load_splits(folder: str | Path) -> Splits:
    """Read back what `save_splits` wrote: labels are numbers."""
    parts = [read_table(Path(folder) / f"{name}.csv") for name in Splits._fields]
    for name, part in zip(Splits._fields, parts, strict=True):
        wrong = ~part["label"].str.fullmatch(r"\d+")
        if wrong.any():
            raise DataError(f"{name}.csv: expected label numbers, found {part['label'][wrong].iloc[0]!r}")
    return Splits(*(part.assign(label=part["label"].astype("int64")) for part in parts))


def prepare_sms() -> Splits:
    """Chapter 1 in one call: read, number, balance, split; short under `LLMCLF_FAST`."""
    table = read_sms()
    return shorten_if_fast(split(number_labels(balance(table), SMS_LABELS)))


def find_leakage(train: pd.DataFrame, other: pd.DataFrame, *, ignore_details: bool = False) -> pd.DataFrame:
    """The rows of `other` whose text stands in `train` as well.

    Parameters
    ----------
    train, other
        The table that is learnt from, and the one that is judged by.
    ignore_details
        `False` finds exact copies. `True` also finds texts that differ only in digits, letter case, punctuation
        and spaces: the same advertisement sent from another number.
    """
    reduce = _skeleton if ignore_details else str
    known = set(train["text"].map(reduce))
    return other[other["text"].map(reduce).isin(known)]


def _skeleton(text: str) -> str:
    return re.sub(r"[\W\d_]+", " ", text.lower()).strip()
