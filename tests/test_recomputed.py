"""A referee's work: main tables of chapters 8 and 9, from the kept predictions, with pandas, scikit-learn and scipy.

Nothing of our library is used here, and every number must agree to the last digit that the page prints.
"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy.signal import fftconvolve
from scipy.stats import ttest_1samp
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

BOOK = Path(__file__).parents[1] / "book"
RUN = ["task", "experiment", "backbone", "precision", "labels", "seed", "fold"]


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    return pd.read_parquet(BOOK / "predictions.parquet").query("task != 'balanced'")


@pytest.fixture(scope="module")
def decided(predictions) -> pd.DataFrame:
    """Labels by the rule of chapter 8: the fewest mistakes in validation, or the share of the training texts."""
    return decide(predictions)


@pytest.fixture(scope="module")
def by_share(predictions) -> pd.DataFrame:
    """Labels of the learning curves: one rule for all sizes, the share of the training texts."""
    return decide(predictions.query("part == 'test'"))


def decide(predictions: pd.DataFrame) -> pd.DataFrame:
    runs = pd.read_csv(BOOK / "runs.csv").set_index(RUN)
    parts = []
    for run, rows in predictions.groupby(RUN):
        validation, judged = rows.query("part == 'validation'"), rows.query("part != 'validation'").copy()
        chances = judged["probability_1"]
        if chances.nunique() > 2:
            if len(validation):
                candidates = [np.inf, *sorted(validation["probability_1"].unique(), reverse=True)]
                called = validation["probability_1"].to_numpy()[None] >= np.array(candidates)[:, None]
                mistakes = (called != (validation["label"] == 1).to_numpy()).sum(axis=1)
                threshold = candidates[mistakes.argmin()]
            else:
                share = runs.loc[run, "train_positive"] / runs.loc[run, "train_messages"]
                threshold = chances.sort_values(ascending=False).iloc[round(share * len(judged)) - 1]
            judged["predicted"] = (chances >= threshold).astype(int)
        parts.append(judged)
    return pd.concat(parts)


def table_of(page: str, ending: str) -> pd.DataFrame:
    """The table that is shown by the cell whose code ends so."""
    cells = nbformat.read(BOOK / f"{page}.ipynb", as_version=4).cells
    (cell,) = (cell for cell in cells if cell.cell_type == "code" and cell.source.rstrip().endswith(ending))
    (html,) = (output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {}))
    lines = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    fields = [
        [unescape(one).strip() for one in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL)] for line in lines
    ]
    head, *rows = [line for line in fields if len(line) == len(fields[-1])]
    rows = [row for row in rows if any(row[1:])]  # the second head row names the index
    return pd.DataFrame([row[1:] for row in rows], index=[row[0] for row in rows], columns=head[1:])


def test_threshold_free_measures_of_chapter_8(predictions):
    shown = table_of("08_how_good", 'pd.DataFrame(table).T.style.format("{:.4f}")')
    whole = predictions.query("task == 'spam' and labels == 0 and part == 'test'")
    for name, rows in whole.groupby("experiment"):
        if name in shown.index:
            measured = [one(rows["label"], rows["probability_1"]) for one in (roc_auc_score, average_precision_score)]
            is_rule = rows["probability_1"].isin([0, 1]).all()
            measured.append(np.inf if is_rule else log_loss(rows["label"], rows["probability_1"]))
            assert shown.loc[name].tolist() == [f"{value:.4f}" for value in measured], name
    assert len(shown) >= 10


def test_mistakes_of_chapter_8(decided):
    shown = table_of(
        "08_how_good",
        '"misses", "right", "interval", "F1"]\npd.DataFrame.from_dict(rows, orient="index", columns=columns)',
    )
    whole = decided.query("task == 'spam' and labels == 0 and part == 'test'")
    for name, row in shown.iterrows():
        mine = whole[whole["experiment"] == name]
        assert len(mine) == 5574
        alarms = ((mine["predicted"] == 1) & (mine["label"] == 0)).sum()
        misses = ((mine["predicted"] == 0) & (mine["label"] == 1)).sum()
        counted = row[["mistakes", "false alarms", "misses"]].astype(int).tolist()
        assert counted == [alarms + misses, alarms, misses]
        assert row["right"] == f"{1 - (alarms + misses) / 5574:.2%}"


@pytest.mark.parametrize(("page", "task"), [("08_how_good", "spam"), ("09_another_task", "films")])
def test_learning_curves(by_share, page, task):
    shown = table_of(page, 'means.style.format("{:.1%}"' + (")" if task == "spam" else ', na_rep="")'))
    rows = by_share.query("task == @task")
    wrong = (rows["predicted"] != rows["label"]).groupby([rows["labels"], rows["experiment"], rows["seed"]]).mean()
    means = wrong.groupby(["labels", "experiment"]).mean().unstack()
    means = means.loc[[*means.index[1:], 0]]  # all labels come last
    for column in shown.columns:
        if column not in means:  # the probe once more, on fewer draws
            continue
        printed = [text for text in shown[column].astype(str) if text.endswith("%")]
        assert printed == [f"{value:.1%}" for value in means[column].dropna()], column


@pytest.mark.parametrize(("page", "task"), [("08_how_good", "spam"), ("09_another_task", "films")])
def test_paired_comparisons(decided, page, task):
    shown = table_of(page, 'table.style.format({"p": "{:.2g}"}, na_rep="")')
    not_run = shown["better"] == "not run yet"
    assert (~not_run).sum() >= 10
    assert (shown[not_run].drop(columns="better") == "").all(axis=None)
    bars = 0.05 / np.arange(len(shown), 0, -1)
    shown = shown[~not_run]
    # Holm's rule, over all questions
    passed = (np.sort(shown["p"].astype(float)) <= bars[: len(shown)]).cumprod().sum()
    certain = set(shown.index[shown["p"].astype(float).argsort()][:passed])
    mine = decided[decided["task"] == task]
    rows = mine[mine["seed"] < 128]
    for name, row in shown.iterrows():
        first, second, labels, part = name.split(", ")
        of_size = mine[(mine["labels"] == (0 if labels == "all" else int(labels))) & (mine["part"] == part)]
        wrong = (
            (of_size["predicted"] != of_size["label"])
            .groupby([of_size["seed"], of_size["experiment"]])
            .mean()
            .unstack()
        )
        ahead = (wrong[second] - wrong[first]).dropna()
        assert row["draws ahead"] == f"{(ahead > 0).sum()} of {len(ahead)}", name
        same = rows[(rows["labels"] == (0 if labels == "all" else int(labels))) & (rows["part"] == part)]
        keys = ["fold", "row"]
        two = [same[same["experiment"] == one].set_index(keys) for one in (first, second)]
        right = [(one["predicted"] == one["label"]).astype(int) for one in two]
        lead = right[0] - right[1].reindex(right[0].index)
        assert row.iloc[:2].astype(int).tolist() == [(lead == 1).sum(), (lead == -1).sum()], name
        by_group = lead.groupby(two[0]["group"]).sum()
        p_value = permutation_p(by_group[by_group != 0].to_numpy())
        assert float(row["p"]) == pytest.approx(float(f"{p_value:.2g}"), abs=1e-12), name
        better = first if lead.sum() > 0 else second
        is_certain = name in certain and ttest_1samp(ahead, 0).pvalue < 0.05
        assert row["better"] == (better if is_certain else "not certain"), name


def permutation_p(leads: np.ndarray) -> float:
    """How often random signs of the groups' leads give a sum at least as far from 0."""
    most = np.abs(leads).sum()
    chances = np.ones(1)
    for size in np.abs(leads):
        step = np.zeros(2 * size + 1)
        step[[0, -1]] = 0.5
        chances = fftconvolve(chances, step) if size > 50 else np.convolve(chances, step)
    sums = np.arange(-most, most + 1)
    return min(1.0, chances[np.abs(sums) >= abs(leads.sum())].sum())


def test_ladder_of_chapter_9(decided):
    shown = table_of("09_another_task", 'steps.sort_values("right").style.format({"right": "{:.1%}"})')
    whole = decided.query("task == 'films' and labels == 0 and part == 'test'")
    right = (whole["predicted"] == whole["label"]).groupby(whole["experiment"]).mean()
    assert whole.groupby("experiment").size().eq(10041).all()
    for name, words in {
        "tfidf-words": "counted words",
        "tfidf-characters": "counted characters",
        "sentence-encoder": "sentence encoder",
        "probe": "frozen features",
        "last-token": "fine-tuned, last token",
        "mean": "fine-tuned, mean over tokens",
        "two-blocks": "fine-tuned, two blocks",
        "sixteen-blocks": "fine-tuned, sixteen blocks kept",
    }.items():
        assert shown.loc[words, "right"] == f"{right[name]:.1%}"
    assert shown["right"].iloc[-1] == shown.loc["one person", "right"]  # the top of the ladder
