"""Chapters 8 to 10: what is judged. Three tables, each cut into the same five folds for all who are compared on it."""

from __future__ import annotations

import pandas as pd

from llmclf.console import LlmclfError, require_one_of
from llmclf.data import SMS_LABELS, Splits, encode_labels, is_fast, read_sms, stratified_sample, undersample
from llmclf.evaluation.ablations import FOLDS, TASKS
from llmclf.evaluation.near_duplicates import near_duplicate_groups, stratified_group_split
from llmclf.evaluation.sentiment import KINDS, SENTIMENTS, read_sentiment, take_sides

SEED = 123  # of the cut into ten parts
FAST_ROWS = 80  # of each kind of text, under LLMCLF_FAST


class ExperimentError(LlmclfError):
    """An experiment that is not known, or predictions that do not belong together."""


def label_names_of(task: str) -> tuple[str, ...]:
    """The names of the labels 0 and 1."""
    return SENTIMENTS if task == "films" else SMS_LABELS


def task_table(task: str) -> pd.DataFrame:
    """The texts of a task.

    Returns
    -------
    pandas.DataFrame
        `label` (0 or 1), `text`, `group` (near copies share one), `tenth` and `kind`. Ten parts of equal size and
        prevalence, 0 to 9, groups undivided, make five ways to cut the table (see `fold`). Other kinds of text, which
        only judge, have the tenth -1.
    """
    require_one_of("task", task, TASKS)
    if task == "films":
        tables = [take_sides(read_sentiment(kind)).assign(kind=kind) for kind in KINDS]
    else:
        table = encode_labels(read_sms(every_row=True), SMS_LABELS).assign(kind="messages")
        table["group"] = near_duplicate_groups(table["text"])
        tables = [undersample(table) if task == "balanced" else table]
    if is_fast():
        tables = [stratified_sample(table, FAST_ROWS) for table in tables]
    first, *others = (table.reset_index(drop=True).assign(tenth=-1) for table in tables)
    for number, rows in enumerate(stratified_group_split(first["label"], first["group"], [0.1] * 10, seed=SEED)):
        first.loc[rows, "tenth"] = number
    columns = ["label", "text", "group", "tenth", "kind"]
    return pd.concat([first, *others], ignore_index=True)[columns]


def fold(table: pd.DataFrame, number: int, labels: int = 0, *, seed: int = SEED) -> Splits:
    """Cut number 1 to 5 of a table of `task_table`: two of its ten parts test, one validates, seven train.

    Over the five, every text is tested exactly once. `labels` draws so many of the training texts, 0 takes all.

    Raises
    ------
    ExperimentError
        There is no fold of this number.
    """
    if not 1 <= number <= FOLDS:
        raise ExperimentError(f"there are the folds 1 to {FOLDS}, not {number}")
    tenth = (table["tenth"] - 2 * (number - 1)) % 10
    mine = table["tenth"] >= 0
    training = table[mine & (tenth > 2)]
    if labels:
        training = stratified_sample(training, labels, seed=seed)
    return Splits(training, table[mine & (tenth == 2)], table[mine & (tenth < 2)])


def judged_parts(table: pd.DataFrame, splits: Splits, labels: int) -> dict[str, pd.DataFrame]:
    """What a run predicts: the test; of all labels also the validation set, and the other kinds of text."""
    parts = {"test": splits.test}
    if labels == 0:
        others = table[table["tenth"] < 0]
        parts |= {"validation": splits.validation, **dict(iter(others.groupby("kind", sort=False)))}
    return parts
