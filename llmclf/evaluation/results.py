"""Chapters 8 and 9: the results of experiments, kept in a file and compared message by message."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from llmclf.console import LlmclfError
from llmclf.evaluate import wilson_interval
from llmclf.evaluation.statistics import Comparison, mcnemar
from llmclf.files.storage import atomic_write

COLUMNS = [
    "experiment", "backbone", "precision", "fold", "table_messages", "train_messages", "epochs", "learning_rate",
    "trained", "train_right", "validation_messages", "validation_right", "test_messages", "test_spam", "false_alarms",
    "misses", "loss", "seconds", "false_alarm_rows", "missed_rows",
]  # fmt: skip
WRONG = {"ham": "false_alarm_rows", "spam": "missed_rows"}  # where the wrong answers to each class stand


class ExperimentError(LlmclfError):
    """An experiment that is not known, or results that do not belong together."""


def read_results(path: str | Path) -> pd.DataFrame:
    """The results that `main` keeps: a row for each experiment and fold, with the columns that `run` describes.

    Raises
    ------
    ExperimentError
        There is no such file, or it is not one of results.
    """
    try:
        kinds = dict.fromkeys(WRONG.values(), str) | dict.fromkeys(("epochs", "trained"), "Int64")
        results = pd.read_csv(path, dtype=kinds)
    except FileNotFoundError:
        raise ExperimentError(f"{path}: no such file; python -m llmclf.evaluation.experiments makes it") from None
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise ExperimentError(f"{path}: cannot be read: {error}; name another --output") from None
    if list(results.columns) != COLUMNS:
        raise ExperimentError(f"{path}: not a file of results (expected the columns {', '.join(COLUMNS)})")
    return results.fillna(dict.fromkeys(WRONG.values(), ""))


def add_result(path: Path, result: dict) -> None:
    """Add a row to the file, in one step.

    Raises
    ------
    ExperimentError
        The file is not one of results, or holds some of the same experiment on another table.
    """
    rows = [read_results(path)] if path.is_file() else []
    if rows and {*rows[0].query("experiment == @result['experiment']")["table_messages"]} - {result["table_messages"]}:
        raise ExperimentError(f"{path}: holds results of another table of messages; name another --output")
    with atomic_write(path) as unfinished:
        new = pd.DataFrame([result]).reindex(columns=COLUMNS)
        pd.concat([*rows, new]).to_csv(unfinished, index=False, lineterminator="\n")


def wrong_answers(rows: pd.DataFrame, classes: Iterable[str] = tuple(WRONG)) -> dict[int, int]:
    """Row number in the table, and group of near copies, of every test message that was answered wrongly."""
    lists = [text for name in classes for text in rows[WRONG[name]]]
    pairs = [pair.split(":") for text in lists for pair in text.split()]
    return {int(row): int(group) for row, group in pairs}


def compare(rows: pd.DataFrame, others: pd.DataFrame, classes: Iterable[str] = tuple(WRONG)) -> Comparison:
    """Test two lots of results (one row a fold each) in pairs, over the folds that both have; near copies count as one.

    Parameters
    ----------
    rows, others
        From `read_results`, of experiments on the same table.
    classes
        Restricts it to "ham", or to "spam".

    Raises
    ------
    ExperimentError
        The results are of different tables, so that a row number means two messages.
    """
    if len(tables := {*rows["table_messages"], *others["table_messages"]}) > 1:
        raise ExperimentError(f"results of tables of {' and '.join(map(str, sorted(tables)))} messages: no pairs")
    both = set(rows["fold"]) & set(others["fold"])
    first, second = (wrong_answers(some[some["fold"].isin(both)], classes) for some in (rows, others))
    groups = first | second  # where both are right nothing is told
    right = [[message not in wrong for message in groups] for wrong in (first, second)]
    return mcnemar(*right, list(groups.values()))


def leads(rows: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """How many more messages `rows` got right than `others`, for each fold that both have."""
    wrong = [(some["false_alarms"] + some["misses"]).set_axis(some["fold"]) for some in (others, rows)]
    return (wrong[0] - wrong[1]).dropna().astype(int)


def pooled(rows: pd.DataFrame) -> dict[str, float]:
    """Accuracy over all folds of some results with its 95 % Wilson interval (`low`, `high`), and F1 of spam."""
    count, spam, alarms, misses = rows[["test_messages", "test_spam", "false_alarms", "misses"]].sum().tolist()
    low, high = wilson_interval(count - alarms - misses, count)
    found = spam - misses
    f1 = 2 * found / (2 * found + alarms + misses) if spam or alarms else float("nan")
    return {"accuracy": (count - alarms - misses) / count, "low": low, "high": high, "f1": f1}
