"""The exercises' examiner: right answers pass, wrong ones are told kindly, and nothing makes it fall over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from llmclf.console import LlmclfError
from llmclf.teaching import exercises
from llmclf.teaching.exercises import EXERCISES, Exercise, check, same


@pytest.fixture
def doubled(monkeypatch):
    exercise = Exercise(lambda: [((1,), 2), (([3],), [3, 3])], "twice the same.")
    monkeypatch.setitem(exercises.EXERCISES, "doubled", exercise)


def named_doubled(body):
    body.__name__ = "doubled"
    return body


def test_right_answers_pass(doubled, capsys):
    check(named_doubled(lambda value: value * 2))
    assert capsys.readouterr().out == "Right: doubled gave the expected answer in all 2 cases.\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda value: None, "Not yet: doubled(1) gives nothing back. Replace the dots, and return the answer."),
        (lambda value: 3, "Not yet: doubled(1) gave 3, expected 2\nHint: twice the same."),
        (lambda value: "2", "Not yet: doubled(1) gave '2', expected 2\n"),
        (lambda value: value + value if value == 1 else [6], "Not yet: doubled([3]) gave [6], expected [3, 3]\n"),
        (lambda value: 1 / 0, "Not yet: doubled(1) raised ZeroDivisionError: division by zero\nHint: twice"),
        (lambda: 2, "Not yet: doubled(1) raised TypeError: "),
    ],
)
def test_wrong_answer_is_told_with_the_case_and_a_hint(doubled, capsys, body, words):
    check(named_doubled(body))
    assert capsys.readouterr().out.startswith(words)


def test_a_function_that_changes_its_argument_does_not_change_the_case(doubled, capsys):
    def doubled(value):
        if value == 1:
            return 2
        value.append(3)
        return value

    check(doubled)
    assert capsys.readouterr().out.startswith("Right")
    check(named_doubled(lambda value: 0 if value == 1 else None))
    assert "doubled(1) gave 0" in capsys.readouterr().out


def test_function_of_an_unknown_name_is_refused():
    with pytest.raises(LlmclfError, match="no exercise asks for a function 'nonsense': define yours with def, under"):
        check(nonsense)


def test_what_is_not_a_function_is_refused_with_the_way_to_do_it():
    with pytest.raises(LlmclfError, match=r"check got 2\.5: give it the function itself, without brackets"):
        check(2.5)


def nonsense():
    return None


@pytest.mark.parametrize(
    ("found", "expected", "verdict"),
    [
        (1.00001, 1.0, True),
        (1.01, 1.0, False),
        ("x", 1.0, False),
        (torch.tensor(1.0), 1.0, True),
        (float("nan"), float("nan"), True),
        (np.float64(0.5), 0.5, True),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]), True),
        ([1.0, 2.0], torch.tensor([1.0, 2.0]), False),
        ("1.0", 1.0, False),
        (np.int64(2), 2, True),
        (2.0, 2, True),
        (torch.tensor(3), 2, False),
        ([np.int64(1), torch.tensor(2)], [1, 2], True),
        (np.str_("ham"), "ham", True),
        (torch.tensor([1.0]), torch.tensor([1.0, 2.0]), False),
        (True, 1, False),
        (2, 2, True),
        ((1, 2), [1, 2], False),
    ],
)
def test_answers_agree_within_rounding_and_no_further(found, expected, verdict):
    assert same(found, expected) is verdict


@pytest.mark.parametrize("name", EXERCISES)
def test_exercise_has_several_cases_with_more_than_one_answer(name):
    cases = EXERCISES[name].cases()
    assert len(cases) >= 2
    assert not all(same(answer, cases[0][1]) for _, answer in cases)
    assert EXERCISES[name].hint.endswith((".", "?"))


def test_long_values_are_shown_short():
    assert exercises.show(list(range(1000))).endswith("…")
    assert len(exercises.show(list(range(1000)))) == 118
    assert exercises.show(pd.Series(["a", "b"])) == "pd.Series(['a', 'b'])"
    assert exercises.show(torch.zeros(2, 2)) == "tensor([[0., 0.], [0., 0.]])"
