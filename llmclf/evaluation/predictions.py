"""Chapters 8 to 10: what every run of an experiment has predicted, a row for each text, and what counts of that say.

Two files hold them: `predictions.parquet`, and `runs.csv` with a row for each run. Everything else is a `groupby`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from sklearn.metrics import f1_score

from llmclf.evaluation.statistics import (
    Comparison,
    cost_optimal_threshold,
    grouped_interval,
    mcnemar,
    share_threshold,
)
from llmclf.evaluation.tasks import ExperimentError
from llmclf.files.storage import atomic_write

PREDICTIONS, RUNS = "predictions.parquet", "runs.csv"
RUN = ["task", "experiment", "backbone", "precision", "labels", "seed", "fold"]  # what names a run
PREDICTION_COLUMNS = [*RUN, "part", "row", "group", "label", "predicted", "probability_1"]
RUN_COLUMNS = [*RUN, "table_messages", "train_messages", "train_positive", "train_correct"]
RUN_COLUMNS += ["epochs", "learning_rate", "trained_parameters", "choice", "seconds"]


class Run(NamedTuple):
    """One experiment on one fold: its row of `runs.csv`, and its rows of `predictions.parquet`."""

    record: dict[str, Any]
    predictions: pd.DataFrame


def read_predictions(path: str | Path, part: str | None = "test") -> pd.DataFrame:
    """The predictions that the runs made for texts of one part, such as "test" or "validation", or for all (`None`).

    Returns
    -------
    pandas.DataFrame
        `task`, `experiment`, `backbone` (a GPT, or "none"), `precision`, `labels` (how many were learnt from, 0 for
        all), `seed` and `fold` name the run; `part`, `row` (its number in the task's table), `group` (near copies share
        one) and `label` (0 or 1) the text; `predicted` is the label at a threshold of one half, `probability_1` that of
        label 1, which leaves the rest for label 0; it is missing where only the label was kept.
    """
    predictions = pd.read_parquet(path)
    return predictions if part is None else predictions[predictions["part"] == part].reset_index(drop=True)


def read_runs(path: str | Path) -> pd.DataFrame:
    """The runs, a row for each.

    Returns
    -------
    pandas.DataFrame
        The first columns name the run, as in `read_predictions`; `table_messages` are those of all parts together,
        `train_positive` those of the `train_messages` whose label is 1, `train_correct` those that it labels correctly
        in the end. `epochs`, `learning_rate` and `trained_parameters` are missing for what is not trained step by step;
        `choice` is what was chosen by a cross-validation on the training texts. In `seconds` the first run of several
        computes what they share.
    """
    return pd.read_csv(path, dtype={"epochs": "Int64", "trained_parameters": "Int64"})  # which may be missing


def runs_in(folder: Path) -> pd.DataFrame:
    """The runs whose predictions lie in a folder; an empty table where there are none."""
    there = (folder / RUNS).is_file() and (folder / PREDICTIONS).is_file()
    return read_runs(folder / RUNS) if there else pd.DataFrame(columns=RUN_COLUMNS)


def add_runs(folder: Path, new: Sequence[Run]) -> None:
    """Add runs to the two files of a folder, each replaced in one step.

    Raises
    ------
    ExperimentError
        The files hold runs of the same task on another table.
    """
    if not new:
        return
    runs, path = runs_in(folder), folder / PREDICTIONS
    for run in new:
        tables = runs["table_messages"][runs["task"] == run.record["task"]]
        if (tables != run.record["table_messages"]).any():
            raise ExperimentError(f"{folder}: holds runs on another table of messages; name another --output")
    predictions = pd.concat([run.predictions for run in new], ignore_index=True)
    if path.is_file():
        older = read_predictions(path, part=None)
        # Without those of the same runs: a process may have been killed between the two files.
        known = pd.MultiIndex.from_frame(older[RUN]).isin(pd.MultiIndex.from_frame(predictions[RUN].drop_duplicates()))
        predictions = pd.concat([older[~known], predictions], ignore_index=True)
    with atomic_write(path) as unfinished:
        # Runs on the same fold repeat its rows, which dictionaries would hide.
        predictions.to_parquet(
            unfinished,
            index=False,
            compression="zstd",
            compression_level=9,
            use_dictionary=False,
            use_byte_stream_split=["probability_1"],
        )
    records = pd.DataFrame([run.record for run in new], columns=RUN_COLUMNS)
    with atomic_write(folder / RUNS) as unfinished:
        (pd.concat([runs, records]) if len(runs) else records).to_csv(unfinished, index=False, lineterminator="\n")


def decide_alike(predictions: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The same predictions with labels by one rule for everybody, without the rows of the validation sets.

    The threshold of a run is the one with the fewest mistakes on its validation set. A run without one calls as large a
    share of its test positive as of its training texts: this looks at the texts that are judged, not at their labels. A
    model that is always sure, such as a rule, keeps its answers.

    Parameters
    ----------
    predictions
        From `read_predictions`, of all parts, with probabilities.
    runs
        From `read_runs`.
    """
    shares = runs.set_index(RUN)["train_positive"] / runs.set_index(RUN)["train_messages"]
    decided = []
    for run, rows in predictions.groupby(RUN, sort=False):
        validation, judged = rows[rows["part"] == "validation"], rows[rows["part"] != "validation"]
        if judged["probability_1"].nunique() <= 2:  # without doubts there is nothing to cut
            decided.append(judged)
            continue
        if len(validation):
            threshold = cost_optimal_threshold(validation["probability_1"], validation["label"])
        else:
            threshold = share_threshold(judged["probability_1"], shares[run])
        decided.append(judged.assign(predicted=(judged["probability_1"] >= threshold).astype(int)))
    return pd.concat(decided, ignore_index=True)


def error_rates(decided: pd.DataFrame, runs: pd.DataFrame) -> pd.Series:
    """Shares of wrong answers on the test, of each run: the index is `experiment`, number of labels and `seed`.

    Parameters
    ----------
    decided
        From `decide_alike`, of one task.
    runs
        From `read_runs`, of that task; they say how many labels "all" are.
    """
    tested = decided[decided["part"] == "test"]
    wrong = (tested["predicted"] != tested["label"]).groupby([tested[n] for n in ("experiment", "labels", "seed")])
    most = runs.groupby("labels")["train_messages"].max()
    return wrong.mean().rename(index=most.to_dict(), level="labels").rename("wrong")


def confusion_counts(predictions: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Count the messages and the mistakes of each group of predictions.

    Parameters
    ----------
    predictions
        From `read_predictions`.
    by
        Columns to group by, such as `["backbone", "fold"]`.

    Returns
    -------
    pandas.DataFrame
        A row for each group, in the order of their first predictions: `messages`, `spam` (those that are spam),
        `false_positives` (ham that was called spam) and `false_negatives` (spam that was called ham).
    """
    wrong, spam = predictions["predicted"] != predictions["label"], predictions["label"] == 1
    counted = {"messages": 1, "spam": spam, "false_positives": wrong & ~spam, "false_negatives": wrong & spam}
    return predictions[[*by]].assign(**counted).groupby([*by], sort=False)[[*counted]].sum()


def pooled(predictions: pd.DataFrame) -> dict[str, float]:
    """Accuracy over all of the predictions, its interval (`low`, `high`, see `grouped_interval`), and F1 of label 1."""
    correct = predictions["predicted"] == predictions["label"]
    low, high = grouped_interval(correct, predictions["group"])
    f1 = f1_score(predictions["label"], predictions["predicted"], zero_division=float("nan"))
    return {"accuracy": float(correct.mean()), "low": low, "high": high, "f1": f1}


def tell_experiment(name: str, path: str | Path = "predictions.parquet") -> str:
    """What chapter 10 found for one of its experiments, in words; `path` leads to the book's predictions."""
    predictions = read_predictions(path).query("task == 'balanced' and precision == 'bfloat16'")
    found = pooled(predictions[predictions["experiment"] == name])
    return f"{name}: {found['accuracy']:.2%} ({found['low']:.1%} to {found['high']:.1%})"


def compare(first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    """Test two lots of predictions in pairs, on the messages that both have; near copies count as one.

    Parameters
    ----------
    first, second
        From `read_predictions`: of one experiment and one model each, on the same table, all or some of their messages.

    Raises
    ------
    ExperimentError
        The predictions are of different tables, or there are several of one message.
    """
    message = ["fold", "part", "row"]
    if first.duplicated(message).any() or second.duplicated(message).any():
        raise ExperimentError("several predictions of one message: compare one run of a fold with one other")
    pairs = first.merge(second, on=message, suffixes=("", "_second"))
    if (pairs["label"] != pairs["label_second"]).any() or (pairs["group"] != pairs["group_second"]).any():
        raise ExperimentError("the predictions are of different tables of messages: they make no pairs")
    correct, second_correct = (pairs["label"] == pairs[name] for name in ("predicted", "predicted_second"))
    return mcnemar(correct, second_correct, pairs["group"])


def leads(first: pd.DataFrame, second: pd.DataFrame) -> pd.Series:
    """How many more messages `first` got right than `second`, for each fold that both have."""
    correct = [(some["predicted"] == some["label"]).groupby(some["fold"]).sum() for some in (first, second)]
    return (correct[0] - correct[1]).dropna().astype(int)
