"""The exercises: `check(your_function)` tries it on cases with a known answer and says, kindly, what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from llmclf.console import LlmclfError


class Exercise(NamedTuple):
    """A function that the reader writes.

    Attributes
    ----------
    cases
        Makes pairs of arguments and the right answer, easy ones first.
    hint
        What to think of when an answer is wrong.
    """

    cases: Callable[[], Sequence[tuple[tuple, Any]]]
    hint: str


def check(function: Callable) -> None:
    """Print whether the function of an exercise gives the right answers; if not, the first wrong one and a hint.

    Raises
    ------
    LlmclfError
        What is given is not a function, or no exercise has a function of this name.
    """
    if not callable(function):
        raise LlmclfError(f"check got {show(function)}: give it the function itself, without brackets and arguments")
    name = getattr(function, "__name__", repr(function))
    if name not in EXERCISES:
        raise LlmclfError(
            f"no exercise asks for a function {name!r}: define yours with def, under the name that the exercise gives"
        )
    exercise = EXERCISES[name]
    cases = exercise.cases()
    for arguments, expected in cases:
        called = f"{name}({', '.join(map(show, arguments))})"
        try:
            found = function(*deepcopy(arguments))
        except Exception as error:
            return print(f"Not yet: {called} raised {type(error).__name__}: {error}\nHint: {exercise.hint}")
        if found is None:
            return print(f"Not yet: {called} gives nothing back. Replace the dots, and return the answer.")
        if not same(found, expected):
            return print(f"Not yet: {called} gave {show(found)}, expected {show(expected)}\nHint: {exercise.hint}")
    return print(f"Right: {name} gave the expected answer in all {len(cases)} cases.")


def same(found: object, expected: object) -> bool:
    """Whether two answers agree: fractions and tensors to about five digits, everything else exactly."""
    found = plain(found)
    if isinstance(expected, torch.Tensor):
        return (
            isinstance(found, torch.Tensor)
            and found.shape == expected.shape
            and torch.allclose(found.to(expected.dtype), expected, rtol=1e-4, atol=1e-6)
        )
    if isinstance(expected, int | float):
        if not isinstance(found, int | float) or isinstance(found, bool):
            return False
        if isinstance(expected, int):
            return found == expected
        return bool(np.isclose(found, expected, rtol=1e-4, atol=1e-6, equal_nan=True))
    return type(found) is type(expected) and found == expected


def plain(value: Any) -> Any:
    """A number as NumPy, pandas or PyTorch give it becomes Python's own."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    is_single = isinstance(value, np.generic | np.ndarray | torch.Tensor) and not value.shape
    return value.item() if is_single else value


def show(value: object) -> str:
    """A value in one short line."""
    text = f"pd.Series({value.tolist()})" if isinstance(value, pd.Series) else " ".join(repr(value).split())
    return text if len(text) <= 120 else f"{text[:117]}…"


EXERCISES: dict[str, Exercise] = {  # by the name of the function, in the order of the chapters
    # Chapter 1
    "copies_within": Exercise(
        lambda: [
            ((pd.Series(["a", "b", "c"]),), 0),
            ((pd.Series(["ok", "call me", "ok"]),), 1),
            ((pd.Series(["ok", "ok", "no", "ok", "no"], index=[7, 3, 9, 1, 5]),), 3),
            ((pd.Series(["ok", "OK", "ok "]),), 0),
            ((pd.Series([], dtype=object),), 0),
        ],
        "pandas has a method that marks every value which stood above it already.",
    ),
    "expected_overlap": Exercise(
        lambda: [((747, 747), 747.0), ((500, 1000), 250.0), ((100, 4000), 2.5)],
        "a second draw takes the same share of everything, of the first draw too.",
    ),
    # Chapter 2
    "share_of_padding": Exercise(
        lambda: [
            (([1, 3],), 1 / 3),
            (([4, 4, 4],), 0.0),
            (([2, 5, 5, 8],), 12 / 32),
            (([7],), 0.0),
            (([1, 1, 1, 9],), 24 / 36),
            (([5, 2, 3],), 5 / 15),
        ],
        "the batch is a rectangle, as wide as its longest message; how many of its numbers belong to no message?",
    ),
    "truncate_or_pad": Exercise(
        lambda: [
            (([11, 12, 13], 5, 0), [11, 12, 13, 0, 0]),
            (([11, 12, 13, 14], 2, 0), [11, 12]),
            (([11, 12, 13], 3, 50256), [11, 12, 13]),
            (([21], 4, 50256), [21, 50256, 50256, 50256]),
            (([0, 21, 0], 4, 9), [0, 21, 0, 9]),
            (([], 3, 9), [9, 9, 9]),
        ],
        "what is cut and what is added stands on the right. Return a list; it is always `width` long.",
    ),
    "count_batches": Exercise(
        lambda: [
            ((20, 8, True), 2),
            ((20, 8, False), 3),
            ((16, 8, True), 2),
            ((16, 8, False), 2),
            ((5, 8, True), 0),
            ((5, 8, False), 1),
        ],
        "divide, and look at the rest: is there one, and is it dropped or kept?",
    ),
    # Chapter 3
    "parameters_of_block": Exercise(
        lambda: [((1,), 25), ((2,), 74), ((64,), 49_984), ((768,), 7_087_872)],
        "four square layers in attention, two layers in the MLP (to four times the size, and back), two norms. A "
        "layer has a bias for each of its outputs, a norm has two numbers for each value.",
    ),
    "most_likely": Exercise(
        lambda: [
            ((torch.tensor([[0.1, 0.9, 0.5]]), 1), [1]),
            ((torch.tensor([[9.0, 1.0, 0.0], [0.0, 1.0, 2.0]]), 2), [2, 1]),
            ((torch.tensor([[7.0, 8.0, 9.0, 6.0], [-3.0, -1.0, -2.0, -9.0]]), 3), [1, 2, 0]),
        ],
        "which row scores the token after the whole text? Return a list of numbers, the best one first.",
    ),
    "causal_weights": Exercise(
        lambda: [
            ((torch.zeros(2, 2),), torch.tensor([[1.0, 0.0], [0.5, 0.5]])),
            ((torch.tensor([[0.0, 9.0], [0.0, 1.0986123]]),), torch.tensor([[1.0, 0.0], [0.25, 0.75]])),
            ((torch.ones(3, 3),), torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]])),
        ],
        "first minus infinity above the diagonal (triu with 1 marks it), then softmax along each line.",
    ),
    # Chapter 4
    "head_parameters": Exercise(
        lambda: [((768, 2), 1538), ((576, 2), 1154), ((576, 3), 1731), ((1, 5), 10), ((10, 10), 110)],
        "each output has one weight for each input, and one bias.",
    ),
    "changed_rows": Exercise(
        lambda: [((4, 3), [3]), ((4, 0), [0, 1, 2, 3]), ((5, 2), [2, 3, 4]), ((1, 0), [0])],
        "a row depends on its own token and on all tokens before it. Return a list of places, the first being 0.",
    ),
    "last_token_rows": Exercise(
        lambda: [
            ((torch.arange(12.0).reshape(2, 3, 2), torch.tensor([3, 3])), torch.tensor([[4.0, 5.0], [10.0, 11.0]])),
            ((torch.arange(12.0).reshape(2, 3, 2) / 8, torch.tensor([1, 2])), torch.tensor([[0, 1], [8, 9]]) / 8),
            ((torch.arange(6.0).reshape(1, 2, 3), torch.tensor([1])), torch.tensor([[0.0, 1.0, 2.0]])),
            ((torch.arange(9.0).reshape(3, 3, 1), torch.tensor([2, 3, 1])), torch.tensor([[1.0], [5.0], [6.0]])),
        ],
        "index with two tensors at once: the number of each message, and the place of its last token, counted from 0. "
        "Return a tensor.",
    ),
    # Chapter 5
    "balanced_accuracy": Exercise(
        lambda: [
            ((np.array([[90, 10], [5, 5]]),), 0.7),
            ((np.array([[4825, 0], [747, 0]]),), 0.5),
            ((np.array([[6, 2, 0], [1, 3, 0], [5, 0, 5]]),), 2 / 3),
        ],
        "divide each number on the diagonal by the sum of its row, the messages of that class; then take the mean.",
    ),
    "cross_entropy": Exercise(
        lambda: [
            ((torch.tensor([[0.0, 0.0]]), torch.tensor([1])), 0.6931472),
            ((torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])), 1.1269280),
            ((torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), torch.tensor([2, 0])), 0.7531092),
            ((torch.tensor([[1000.0, 1001.0], [-1000.0, -1001.0]]), torch.tensor([0, 0])), 0.8132617),
            ((torch.tensor([[1000.0, 0.0], [0.0, 1000.0], [0.0, 300.0]]), torch.tensor([0, 1, 0])), 100.0),
            ((torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)), float("nan")),
        ],
        "take the largest logit of each message away from all its logits; compute the logarithm of the sum, never the "
        "quotient, which may be too small for a float. Then the mean over the messages.",
    ),
    "messages_needed": Exercise(
        lambda: [((0.25,), 12), ((0.1,), 94), ((0.05,), 382), ((0.02,), 2398)],
        "with half of `count` messages right, 0.5 minus the lower end of the interval must not exceed half_width.",
    ),
    # Chapter 6
    "number_of_steps": Exercise(
        lambda: [((16, 8, 1), 2), ((16, 8, 5), 10), ((1045, 8, 5), 650), ((15, 8, 3), 3), ((5, 8, 3), 0)],
        "how many full batches has one epoch? What does not fill a batch is dropped in every epoch.",
    ),
    "times_less_work": Exercise(
        lambda: [((1.0, 1.0, 1), 1.0), ((9.0, 1.0, 5), 50 / 14), ((11.0, 1.0, 5), 60 / 16)],
        "count the operations of all epochs the plain way, then the frozen part once and the rest in each epoch.",
    ),
    # Chapter 7
    "flag": Exercise(
        lambda: [
            (([0.2, 0.9, 0.7], 0.5), [1, 2]),
            (([0.99, 0.1, 0.97, 0.6], 0.9), [0, 2]),
            (([0.5, 0.49], 0.5), [0]),
            (([0.9, 0.2, 0.9], 0.5), [0, 2]),
            (([0.7, 0.9], 0.5), [0, 1]),
            (([0.2, 0.9], 0.95), []),
            (([], 0.5), []),
        ],
        "return a list of places, counted from 0; the threshold itself is enough, and where nothing is suspicious the "
        "list is empty.",
    ),
    "adjust": Exercise(
        lambda: [
            ((0.9, 0.5), 0.9),
            ((0.5, 0.2), 0.2),
            ((0.9, 0.1), 0.5),
            ((0.8, 0.02), 0.016 / 0.212),
            ((0.0, 0.3), 0.0),
            ((1.0, 0.3), 1.0),
        ],
        "weigh both answers, p by s and 1 - p by 1 - s, then divide by the sum of the two.",
    ),
    # Chapter 8
    "precision_at": Exercise(
        lambda: [
            ((1.0, 0.0, 0.5), 1.0),
            ((0.9, 0.1, 0.5), 0.9),
            ((0.9, 0.1, 0.1), 0.5),
            ((0.8, 0.02, 0.2), 0.16 / 0.176),
            ((0.5, 0.5, 0.0), 0.0),
            ((0.0, 0.0, 0.3), 0.0),
        ],
        "of a hundred messages, how many are spam and found, and how many are ham and called spam? Divide the first by "
        "the sum of the two; where that sum is nothing, the answer is 0.",
    ),
    "cost": Exercise(
        lambda: [
            (([0.9, 0.2], [1, 0], 0.5, 10.0, 1.0), 0),
            (([0.9, 0.2], [0, 1], 0.5, 10.0, 1.0), 11.0),
            (([0.9, 0.6, 0.4, 0.3], [0, 0, 1, 1], 0.5, 10.0, 1.0), 22.0),
            (([0.5, 0.5], [0, 1], 0.5, 3.0, 2.0), 3.0),
            (([0.5, 0.49], [1, 1], 0.6, 3.0, 2.0), 4.0),
            (([], [], 0.5, 10.0, 1.0), 0),
        ],
        "two kinds of mistakes: spam is called from the threshold on (the threshold itself is enough) but the label is "
        "0, or it is not called and the label is 1.",
    ),
    # Chapter 9
    "majority_side": Exercise(
        lambda: [(([1, 2, -1],), 1), (([0, 0, -3],), -1), (([1, -1, 0],), 0), (([],), 0), (([4, -1, -1, -2],), -1)],
        "count those above zero and those below; how far they are from zero does not matter.",
    ),
    "agreement": Exercise(
        lambda: [
            (([1, 2, -1, 0],), 2 / 3),
            (([-3, -1],), 1.0),
            (([0, 0],), 1),
            (([2, -2],), 0.5),
            (([0, 4, 0],), 1.0),
        ],
        "count those above and below zero; the larger count, divided by both. Take care where nobody took a side.",
    ),
    # Chapter 10
    "lora_parameters": Exercise(
        lambda: [((576, 576, 16), 18432), ((576, 1536, 16), 33792), ((10, 4, 1), 14), ((768, 3072, 8), 30720)],
        "A maps the inputs to as many values as the rank, B maps these to the outputs: count both.",
    ),
    "only_right": Exercise(
        lambda: [
            (({1, 2}, {2, 3, 4}), (2, 1)),
            ((set(), {5}), (1, 0)),
            (({5}, set()), (0, 1)),
            (({7, 8}, {7, 8}), (0, 0)),
        ],
        "only the first got right what the second got wrong and the first did not: a difference of two sets.",
    ),
    # Chapter 11
    "rate_of_all": Exercise(
        lambda: [(([100.0],), 100.0), (([100.0, 100.0],), 50.0), (([10.0, 40.0],), 8.0), (([5.0, 1e9],), 5.0)],
        "how long does one message take in each stage? Add these times up, and turn the sum round.",
    ),
    "mean_gradient": Exercise(
        lambda: [
            (([torch.tensor([1.0, -2.0]), torch.tensor([3.0, 2.0])], [4, 4]), torch.tensor([2.0, 0.0])),
            (([torch.tensor([1.0, -2.0]), torch.tensor([3.0, 2.0])], [3, 1]), torch.tensor([1.5, -1.0])),
            (([torch.tensor([0.5])], [8]), torch.tensor([0.5])),
            (([torch.tensor([6.0]), torch.tensor([0.0]), torch.tensor([3.0])], [1, 2, 3]), torch.tensor([2.5])),
        ],
        "a share of more messages counts for more: multiply each gradient by its count, and divide by all messages.",
    ),
    # Play
    "soft_cross_entropy": Exercise(
        lambda: [
            ((torch.tensor([[0.0, 0.0]]), torch.tensor([[0.5, 0.5]])), 0.6931472),
            ((torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.2, 0.8]])), 0.4100376),
            ((torch.tensor([[2.0, 0.0]]), torch.tensor([[0.25, 0.75]])), 1.6269280),
            ((torch.tensor([[1000.0, 0.0]]), torch.tensor([[0.5, 0.5]])), 500.0),
        ],
        "log_softmax along the classes, times the targets, summed; the minus sign, and the mean over the messages.",
    ),
    "to_bytes": Exercise(
        lambda: [
            (([1.0, 0.3, 0.0],), [127, 38, 0]),
            (([0.5, -0.26, 0.013, -0.004],), [127, -66, 3, -1]),
            (([-4.0, 1.9, 1.0],), [-127, 60, 32]),
            (([0.001],), [127]),
        ],
        "the step is the largest size divided by 127; divide by it, and round.",
    ),
    # Teach
    "least_sure": Exercise(
        lambda: [
            (([[0.9, 0.1], [0.45, 0.55], [0.2, 0.8]],), 1),
            (([[0.5, 0.3, 0.2], [0.34, 0.33, 0.33], [0.1, 0.8, 0.1]],), 1),
            (([[0.1, 0.2, 0.7], [0.49, 0.02, 0.49]],), 1),
            (([[0.6, 0.4]],), 0),
        ],
        "sort each row; how far is the largest number from the one after it? The row where that is least.",
    ),
    "changed_share": Exercise(
        lambda: [
            (([[0.9, 0.1], [0.4, 0.6]], [[0.8, 0.2], [0.6, 0.4]]), 0.5),
            (([[0.2, 0.8]], [[0.3, 0.7]]), 0.0),
            (([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]], [[0.2, 0.5, 0.3], [0, 0, 1], [1, 0, 0]]), 2 / 3),
        ],
        "find the place of the largest number in each row, before and after, and count where it is not the same.",
    ),
}
