"""Chapter 1: from a text file to three balanced, labelled tables.

Every table is a pandas DataFrame with the columns `label` and `text`.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from llmclf.files import assets
from llmclf.files.storage import atomic_write
from llmclf.files.tables import DataError, read_table

SEED = 123  # the source's; with it the split of the reference results is recreated row for row
SMS_LABELS = ("ham", "spam")
FAST_SIZES = (48, 8, 16)  # messages of train, validation and test under LLMCLF_FAST


class Splits(NamedTuple):
    """Three tables that share no row: to learn from, to choose with, to judge by."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


def read_sms(path: Path | None = None, *, every_row: bool = False) -> pd.DataFrame:
    """The SMS Spam Collection: one message a line, label and text separated by a tab, no header.

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


def label_names(table: pd.DataFrame) -> list[str]:
    """The distinct labels in alphabetical order; a label's place in this list is its number.

    Raises
    ------
    DataError
        There are fewer than two, or some differ only in letter case or blanks (see `merge_labels`).
    """
    labels = table["label"].astype(str)
    counts = labels.value_counts()
    for _, alike in counts.groupby(counts.index.map(_reduced)):
        if len(alike) > 1:
            found = ", ".join(f"{name!r} ({count})" for name, count in alike.items())
            raise DataError(f"labels that differ only in letter case or blanks: {found}; add --merge-labels")
    names = sorted(counts.index)
    if len(names) < 2:
        raise DataError(f"expected at least two different labels, found only {names}; there is nothing to tell apart")
    return names


def merge_labels(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with labels that differ only in letter case or blanks made one: the most frequent of them."""
    labels = table["label"].astype(str)
    most_frequent = labels.groupby(labels.map(_reduced)).agg(lambda alike: alike.value_counts().index[0])
    return table.assign(label=labels.map(_reduced).map(most_frequent))


def _reduced(label: str) -> str:
    return " ".join(label.split()).casefold()


def encode_labels(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The same table with each label replaced by its number: ham 0, spam 1.

    Labels that are all such numbers already (as in the split files) are taken as they are.
    """
    numbers = {name: number for number, name in enumerate(names)}
    labels = table["label"].astype(str)
    unknown = ~labels.isin(numbers.keys())
    done = {str(number): number for number in numbers.values()}
    if unknown.any() and labels.isin(done.keys()).all():
        numbers = done
    elif unknown.any():
        row = int(unknown.to_numpy().argmax())
        raise DataError(f"row {row + 1}: unknown label {labels.iloc[row]!r}; expected one of {', '.join(names)}")
    return table.assign(label=labels.map(numbers).astype("int64"))


def undersample(table: pd.DataFrame, *, seed: int = SEED) -> pd.DataFrame:
    """Under-sample: as many messages of each label as the rarest has, labels one after the other.

    The rarest label is kept whole and in order. Row numbers (the index) are those of `table`.
    """
    label_names(table)  # raises where there is only one
    smallest = table["label"].value_counts().min()
    parts = [part for _, part in table.groupby("label")]
    return pd.concat(part if len(part) == smallest else part.sample(smallest, random_state=seed) for part in parts)


def training_only(table: pd.DataFrame) -> Splits:
    """All rows to train on, none to validate or to test."""
    return Splits(table, table[:0], table[:0])


def split(
    table: pd.DataFrame,
    *,
    train_share: float = 0.7,
    validation_share: float = 0.1,
    seed: int = SEED,
    stratify: bool = False,
) -> Splits:
    """Shuffle, then cut: 70 % to learn from, 10 % to choose with, the rest to judge by.

    Parameters
    ----------
    table
        Columns `label` and `text`.
    train_share, validation_share
        What remains is for the test.
    seed
        Of the order.
    stratify
        Cut each label's texts by these shares, so that every part has all labels. The source does not.

    Raises
    ------
    DataError
        Shares that leave nothing for one part; with `stratify`, a label of fewer than three texts.
    """
    check_shares(train_share, validation_share)
    if stratify:
        return _stratified(table, train_share, validation_share, seed)
    shuffled = table.sample(frac=1, random_state=seed).reset_index(drop=True)
    train_end = int(len(shuffled) * train_share)
    validation_end = train_end + int(len(shuffled) * validation_share)
    return check_splits(Splits(shuffled[:train_end], shuffled[train_end:validation_end], shuffled[validation_end:]))


def _stratified(table: pd.DataFrame, train_share: float, validation_share: float, seed: int) -> Splits:
    """Each label's shuffled texts cut by the shares, at least one text for each part; every part shuffled again."""
    parts: list[list[pd.DataFrame]] = [[], [], []]
    for label, rows in table.groupby("label"):
        if (count := len(rows)) < len(parts):
            raise DataError(
                f"label {label!r}: {count} texts are too few for a part to learn from, one to choose with and one to "
                f"judge by; add texts, leave the label out, or give the parts with --validation and --test"
            )
        validation = max(1, round(count * validation_share))
        test = max(1, round(count * (1 - train_share - validation_share)))
        train = max(1, count - validation - test)
        ends = (0, train, min(train + validation, count - 1), count)
        shuffled = rows.sample(frac=1, random_state=seed)
        for part, start, end in zip(parts, ends, ends[1:], strict=False):
            part.append(shuffled[start:end])
    return Splits(*(pd.concat(part).sample(frac=1, random_state=seed).reset_index(drop=True) for part in parts))


def check_shares(train_share: float, validation_share: float) -> None:
    """Raise `DataError` where the shares of a split leave nothing for one part."""
    if min(train_share, validation_share) <= 0 or train_share + validation_share >= 1:
        raise DataError(f"shares must be positive and leave some for the test, got {train_share}, {validation_share}")


def check_splits(splits: Splits) -> Splits:
    """The splits themselves, or `DataError` where one of them has no row."""
    for name, part in splits._asdict().items():
        if part.empty:
            raise DataError(f"{sum(map(len, splits))} rows are too few: nothing is left for {name}")
    return splits


def stratified_sample(table: pd.DataFrame, size: int, *, seed: int = SEED) -> pd.DataFrame:
    """About `size` rows, drawn so that every label keeps its share (and at least one row); the order stays."""
    if size >= len(table):
        return table
    share = size / len(table)
    parts = table.reset_index(drop=True).groupby("label")
    drawn = [part.sample(max(1, round(len(part) * share)), random_state=seed) for _, part in parts]
    return table.iloc[sorted(pd.concat(drawn).index)]


def is_fast() -> bool:
    """Whether `LLMCLF_FAST` asks for short runs on few messages (any value but the empty one and 0)."""
    return os.environ.get("LLMCLF_FAST", "0") not in ("", "0")


def shorten_if_fast(splits: Splits) -> Splits:
    """The splits as they are, or truncated to `FAST_SIZES` under `LLMCLF_FAST`."""
    return Splits(*map(stratified_sample, splits, FAST_SIZES)) if is_fast() else splits


def save_splits(splits: Splits, folder: str | Path) -> None:
    """Write `train.csv`, `validation.csv` and `test.csv`; none replaces an older one before all are written."""
    with ExitStack() as replacements:
        for name, part in splits._asdict().items():
            unfinished = replacements.enter_context(atomic_write(Path(folder) / f"{name}.csv"))
            # Every text in quotation marks: without them a lone carriage return would read as the end of a row.
            part.to_csv(unfinished, index=False, encoding="utf-8", quoting=csv.QUOTE_NONNUMERIC)


def load_splits(folder: str | Path) -> Splits:
    """Read back what `save_splits` wrote: labels are numbers."""
    parts = [read_table(Path(folder) / f"{name}.csv") for name in Splits._fields]
    for name, part in zip(Splits._fields, parts, strict=True):
        wrong = ~part["label"].str.fullmatch(r"\d+")
        if wrong.any():
            path, found = Path(folder) / f"{name}.csv", part["label"][wrong].iloc[0]
            raise DataError(f"{path}: expected label numbers, as save_splits writes them, found {found!r}")
    return Splits(*(part.assign(label=part["label"].astype("int64")) for part in parts))


def prepare_sms() -> Splits:
    """Chapter 1 in one call: read, number, balance, split; short under `LLMCLF_FAST`."""
    table = read_sms()
    return shorten_if_fast(split(encode_labels(undersample(table), SMS_LABELS)))


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, digits, case and punctuation aside."""
    return tuple(re.findall(r"[^\W\d_]+", text.lower()))


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
    reduce = words_of if ignore_details else str
    known = set(train["text"].map(reduce))
    return other[other["text"].map(reduce).isin(known)]
