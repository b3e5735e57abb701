"""Chapters 8 and 9: the comparisons that count, written down before the runs that answer them were made.

That was on 30 November 2026. Earlier looks at other runs had suggested most of the answers, so these runs confirm or
refute; whatever else the tables show was looked at afterwards, and is called so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from llmclf.evaluation.predictions import compare
from llmclf.evaluation.statistics import Comparison, holm
from llmclf.evaluation.tasks import FOLDS, SEED


class Question(NamedTuple):
    """Whether the first makes fewer mistakes than the second.

    Attributes
    ----------
    task
        A key of `TASKS`.
    labels
        How many texts were learnt from; 0 stands for all.
    first, second
        Names of `EXPERIMENTS` or `OPPONENTS`.
    part
        Which texts judge: those of the test, or another kind of text.
    """

    task: str
    labels: int
    first: str
    second: str
    part: str = "test"

    def __str__(self) -> str:
        return f"{self.first}, {self.second}, {self.labels or 'all'}, {self.part}"


def with_few_labels(task: str, counted: str) -> tuple[Question, ...]:
    """Whether the probe is ahead of counting, of the sentence encoder and of fine-tuning."""
    rivals = (counted, "sentence-encoder", "last-token")
    return tuple(Question(task, labels, "probe", rival) for labels in (16, 64, 256) for rival in rivals)


SPAM = (
    Question("spam", 0, "last-token", "tfidf-characters"),
    Question("spam", 0, "mean", "tfidf-characters"),
    Question("spam", 0, "two-blocks", "tfidf-characters"),
    Question("spam", 1024, "lora", "tfidf-characters"),
    *with_few_labels("spam", "tfidf-characters"),
)
FILMS = (
    Question("films", 0, "last-token", "tfidf-words"),
    Question("films", 0, "two-blocks", "tfidf-words"),
    Question("films", 0, "last-token", "probe"),
    Question("films", 0, "last-token", "mean"),
    Question("films", 1024, "lora", "tfidf-words"),
    *with_few_labels("films", "tfidf-words"),
    *(Question("films", 0, "last-token", "tfidf-words", kind) for kind in ("tweets", "products", "editorials")),
)


def answer(questions: Sequence[Question], decided: pd.DataFrame) -> pd.DataFrame:
    """Compare the pairs message by message, near copies together, and say which differences luck does not explain.

    Two kinds of luck are asked about: which messages judge (McNemar's test, with Holm's rule for all questions, run or
    not), and which texts were learnt from (a paired t-test over the draws). The second was added when the runs had been
    made; it can only take a verdict away.

    Parameters
    ----------
    questions
        All that are asked together, for Holm's rule.
    decided
        From `decide_alike`. For p the first five draws count, in which every text of the test is judged once; for the
        draws all that both have.

    Returns
    -------
    pandas.DataFrame
        A row for each question: how many only the first got right, and only the second, p, on how many groups they
        disagree, on how many draws the first is ahead, and which is `better`. What was not run has empty cells.
    """
    answers: dict[Question, Answer] = {}
    for asked in questions:
        same = (decided["task"] == asked.task) & (decided["labels"] == asked.labels) & (decided["part"] == asked.part)
        first, second = (decided[same & (decided["experiment"] == name)] for name in (asked.first, asked.second))
        if len(first) and len(second):
            pair = compare(*(some[some["seed"] < SEED + FOLDS] for some in (first, second)))
            answers[asked] = Answer(pair, *over_draws(first, second))
    certain = holm({str(asked): answers[asked].pair.p_value if asked in answers else 1.0 for asked in questions})
    rows: dict[str, list[Any]] = {}
    for asked in questions:
        if (found := answers.get(asked)) is None:
            rows[str(asked)] = [None, None, None, None, "", "not run yet"]
            continue
        verdict = "too few to tell" if found.pair.too_few else "not certain"
        if str(asked) in certain and found.p_of_draws < 0.05:
            verdict = asked.first if found.pair.only_first > found.pair.only_second else asked.second
        rows[str(asked)] = [*found.pair, f"{found.ahead} of {found.draws}", verdict]
    columns = ["only the first right", "only the second", "p", "groups", "draws ahead", "better"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.astype({"only the first right": "Int64", "only the second": "Int64", "groups": "Int64", "p": float})


class Answer(NamedTuple):
    """What the runs say to one question: over the messages, and over the draws."""

    pair: Comparison
    ahead: int
    draws: int
    p_of_draws: float


def over_draws(first: pd.DataFrame, second: pd.DataFrame) -> tuple[int, int, float]:
    """On how many draws the first makes fewer mistakes, of how many, and the p of a paired t-test over their shares."""
    from scipy.stats import ttest_1samp

    wrong = [(some["predicted"] != some["label"]).groupby(some["seed"]).mean() for some in (first, second)]
    differences = (wrong[1] - wrong[0]).dropna()
    p_value = ttest_1samp(differences, 0).pvalue if differences.nunique() > 1 else 1.0
    return int((differences > 0).sum()), len(differences), float(p_value)
