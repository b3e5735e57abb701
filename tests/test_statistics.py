"""Intervals, comparisons, thresholds and calibration agree with what other libraries or plain counting give."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.calibration import calibration_curve
from torch.nn import functional as F

from llmclf.evaluate import wilson_interval
from llmclf.evaluation.statistics import (
    bootstrap_interval,
    calibration_table,
    cost_optimal_threshold,
    expected_calibration_error,
    fit_temperature,
    grouped_interval,
    holm,
    mcnemar,
)


def test_bootstrap_of_a_share_is_near_wilsons_interval():
    right = np.arange(400) < 340
    assert bootstrap_interval(np.mean, right, samples=4000) == pytest.approx(wilson_interval(340, 400), abs=0.01)


def test_bootstrap_is_wider_where_copies_are_drawn_together():
    right = np.repeat(np.arange(100) < 80, 5)  # every message five times
    alone = bootstrap_interval(np.mean, right)
    together = bootstrap_interval(np.mean, right, groups=np.repeat(np.arange(100), 5))
    assert together == pytest.approx(wilson_interval(80, 100), abs=0.03)
    assert together[1] - together[0] > 1.8 * (alone[1] - alone[0])


def test_bootstrap_draws_columns_together_and_the_seed_decides():
    one, other = np.arange(50.0), np.arange(50.0) + 7
    assert bootstrap_interval(lambda x, y: float((y - x).mean()), one, other) == (7.0, 7.0)
    same, again, different = (bootstrap_interval(np.mean, one, seed=seed) for seed in (1, 1, 2))
    assert same == again != different


def test_bootstrap_corrects_for_skew_as_scipy_does():
    values = np.random.default_rng(0).exponential(size=30)
    expected = scipy_bootstrap((values,), np.mean, method="BCa", n_resamples=1000, rng=123).confidence_interval
    assert bootstrap_interval(np.mean, values) == pytest.approx((expected.low, expected.high))


def test_bootstrap_leaves_out_samples_without_a_number():
    low, high = bootstrap_interval(lambda x: x.mean() if x.any() else float("nan"), [1, 0])
    assert (low, high) == (0.5, 1.0)


def test_a_share_of_groups_of_one_has_wilsons_interval():
    right = np.arange(400) < 390
    assert grouped_interval(right, range(400)) == pytest.approx(wilson_interval(390, 400), abs=2e-4)


def test_a_share_of_copies_has_the_interval_of_the_originals():
    right, groups = np.repeat(np.arange(100) < 90, 5), np.repeat(np.arange(100), 5)
    assert grouped_interval(right, groups) == pytest.approx(wilson_interval(90, 100), abs=2e-3)
    assert grouped_interval([True] * 50, [*range(10)] * 5) == wilson_interval(10, 10)


def test_a_grouped_interval_is_near_the_grouped_bootstrap():
    generator = np.random.default_rng(1)
    groups = generator.integers(300, size=2000)
    right = generator.random(2000) < np.where(generator.random(300) < 0.1, 0.3, 0.97)[groups]
    drawn = bootstrap_interval(np.mean, right, groups=groups)
    assert grouped_interval(right, groups) == pytest.approx(drawn, abs=0.006)
    alone = wilson_interval(int(right.sum()), 2000)
    assert drawn[1] - drawn[0] > 1.3 * (alone[1] - alone[0])


@pytest.mark.parametrize(("groups", "too_few"), [(5, True), (6, False)])
def test_so_few_groups_cannot_tell_two_classifiers_apart(groups, too_few):
    found = mcnemar([True] * groups, [False] * groups)
    assert found.groups == groups
    assert found.too_few == too_few == (found.p_value > 0.05)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
@settings(max_examples=60)
def test_mcnemar_is_the_exact_binomial_test_on_the_messages_they_part_on(one, other, both):
    first = [True] * one + [False] * other + [True] * both + [False] * both
    second = [False] * one + [True] * other + [True] * both + [False] * both
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (one, other)
    expected = binomtest(one, one + other).pvalue if one + other else 1.0
    assert found.p_value == pytest.approx(expected)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 7)), max_size=14))
@settings(max_examples=100)
def test_copies_are_one_piece_of_evidence_that_falls_to_one_side_as_a_whole(messages):
    first, second, groups = ([message[part] for message in messages] for part in range(3))
    found = mcnemar(first, second, groups)
    assert found[:2] == mcnemar(first, second)[:2]
    leads = [sum(one - other for one, other, own in messages if own == group) for group in set(groups)]
    outcomes = [sum(way) for way in itertools.product(*((lead, -lead) for lead in leads))]
    as_uneven = [abs(outcome) >= abs(sum(leads)) for outcome in outcomes]
    assert found.p_value == pytest.approx(sum(as_uneven) / len(outcomes))


def test_a_message_copied_ten_times_says_as_much_as_one():
    one, other = [True] * 6 + [False], [False] * 6 + [True]
    once = mcnemar(one, other)
    copied = mcnemar(one * 10, other * 10, groups=[*range(7)] * 10)
    assert copied == (60, 10, pytest.approx(once.p_value), 7)
    assert mcnemar(one * 10, other * 10).p_value < 1e-6 < once.p_value


@given(st.dictionaries(st.text(max_size=3), st.sampled_from([0.0, 0.001, 0.01, 0.012, 0.02, 0.05, 0.3]), max_size=8))
def test_holm_passes_what_its_adjusted_p_values_pass(p_values):
    ordered = sorted(p_values.values())
    adjusted = np.maximum.accumulate([p * (len(ordered) - place) for place, p in enumerate(ordered)])
    passed = {p for p, own in zip(ordered, adjusted, strict=True) if own <= 0.05}
    assert holm(p_values) == {name for name, p in p_values.items() if p in passed}


def test_holm_stops_at_the_first_that_fails():
    p_values = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}  # limits 0.0125, 0.0167, 0.025, 0.05
    assert holm(p_values) == {"a", "d"}
    assert holm(p_values, level=0.2) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    "work",
    [
        lambda: mcnemar([True] * 3, [True] * 2),
        lambda: mcnemar([True] * 3, [True] * 3, groups=[1, 2]),
        lambda: bootstrap_interval(np.mean, [1.0] * 3, groups=[1, 2]),
        lambda: bootstrap_interval(max, [1.0] * 3, [1.0] * 2),
        lambda: cost_optimal_threshold([0.5] * 3, [1, 0]),
        lambda: calibration_table([0.5] * 3, [1, 0]),
        lambda: fit_temperature(np.zeros((3, 2)), [1, 0]),
    ],
)
def test_columns_of_different_lengths_are_refused(work):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        work()


def test_nothing_is_said_of_no_messages():
    assert mcnemar([], []) == (0, 0, 1.0, 0)
    assert cost_optimal_threshold([], []) == math.inf


def cost_at(threshold: float, probabilities, labels, false_positive: float, false_negative: float) -> float:
    called = np.asarray(probabilities) >= threshold
    spam = np.asarray(labels) == 1
    return (called & ~spam).sum() * false_positive + (~called & spam).sum() * false_negative


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.5, 0.9, 1.0]), st.integers(0, 1)), max_size=12),
    st.sampled_from([0.5, 1.0, 10.0]),
)
@settings(max_examples=200)
def test_no_threshold_costs_less(pairs, false_positive):
    probabilities, labels = [share for share, _ in pairs], [label for _, label in pairs]
    found = cost_optimal_threshold(probabilities, labels, false_positive=false_positive, false_negative=2.0)
    candidates = [*probabilities, math.inf]
    least = min(cost_at(one, probabilities, labels, false_positive, 2.0) for one in candidates)
    assert cost_at(found, probabilities, labels, false_positive, 2.0) == least
    assert found == max(one for one in candidates if cost_at(one, probabilities, labels, false_positive, 2.0) == least)


def test_calibration_table_is_scikit_learns_curve_with_counts():
    generator = np.random.default_rng(1)
    probabilities = generator.random(500) ** 2
    labels = (generator.random(500) < probabilities**1.5).astype(int)
    table = calibration_table(probabilities, labels, bins=8)
    observed, predicted = calibration_curve(labels, probabilities, n_bins=8)
    np.testing.assert_allclose(table["observed"], observed)
    np.testing.assert_allclose(table["predicted"], predicted)
    assert table["messages"].sum() == 500
    assert (table["low"] <= table["observed"]).all()
    assert (table["observed"] <= table["high"]).all()


def test_certainty_belongs_to_the_last_bin():
    assert calibration_table([0.95, 1.0], [1, 1])["messages"].tolist() == [2]


def test_calibration_error_of_the_honest_and_of_the_boastful():
    labels = np.array([0, 1] * 500)
    assert expected_calibration_error(np.full(1000, 0.5), labels) == 0
    assert expected_calibration_error(np.full(1000, 1.0), labels) == pytest.approx(0.5)
    assert expected_calibration_error([0.2] * 10 + [0.9] * 30, [0] * 10 + [1] * 30) == pytest.approx(
        0.25 * 0.2 + 0.75 * 0.1
    )


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_temperature_is_what_pytorch_finds_by_gradients(true_temperature):
    torch.manual_seed(3)
    honest = torch.randn(4000, 3, dtype=torch.float64)
    labels = torch.distributions.Categorical(logits=honest).sample()
    logits = honest * true_temperature
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_temperature.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    found = fit_temperature(logits.numpy(), labels.numpy())
    assert found == pytest.approx(log_temperature.exp().item(), rel=1e-4)
    assert found == pytest.approx(true_temperature, rel=0.1)


def test_messages_without_a_mistake_cannot_tell_the_temperature():
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    assert fit_temperature(logits, [0, 1, 0]) == 1.0
    assert fit_temperature(logits, [0, 1, 1]) > 1.0
