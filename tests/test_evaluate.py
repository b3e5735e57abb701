"""Chapter 5's measures, against sums done by hand and published intervals."""

import math
from statistics import mean

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_gpt2
from hypothesis import given, settings
from hypothesis import strategies as st

from llmclf.console import LlmclfError
from llmclf.evaluate import choose_device, evaluate, score, wilson_interval
from llmclf.head import Classifier
from llmclf.loaders import every_message, make_loaders, pad_batch

quickly = settings(max_examples=100)

MESSAGES = [([place + 1] * (1 + place * 3 % 7), place % 3) for place in range(11)]


def batches_of(*sizes: int, messages: list = MESSAGES) -> list:
    """The messages in order, cut into batches of these sizes."""
    places = iter(messages)
    return [pad_batch([next(places) for _ in range(size)], pad_token_id=256) for size in sizes]


@pytest.fixture
def classifier(tiny_backbone) -> Classifier:
    model = Classifier(tiny_backbone, 3)
    with torch.no_grad():
        model.backbone.head.weight *= 20  # opinions strong enough to differ visibly from message to message
    return model.eval()


@torch.no_grad()
def losses_and_hits(classifier: Classifier) -> list[tuple[float, bool]]:
    """Loss and success of each message, computed one by one."""
    results = []
    for input_ids, label in MESSAGES:
        logits = classifier(torch.tensor([input_ids]), torch.tensor([len(input_ids)]))[0].tolist()
        loss = math.log(sum(map(math.exp, logits))) - logits[label]
        results.append((loss, logits[label] == max(logits)))
    return results


# A set of messages ----------------------------------------------------------------------------------------------------


def test_evaluate_averages_over_messages_not_over_batches(classifier):
    losses, hits = zip(*losses_and_hits(classifier), strict=True)
    result = evaluate(classifier, batches_of(8, 2, 1))
    assert result.loss == pytest.approx(mean(losses), abs=1e-5)
    assert (result.correct, result.count) == (sum(hits), 11)
    assert result.accuracy == sum(hits) / 11
    per_batch = mean([mean(losses[:8]), mean(losses[8:10]), losses[10]])
    assert abs(result.loss - per_batch) > 0.01  # the two would not be mistaken for each other


@pytest.mark.parametrize("sizes", [(11,), (1,) * 11, (4, 4, 3)])
@pytest.mark.parametrize("order", [1, -1])
def test_batch_size_and_order_change_nothing(classifier, sizes, order):
    expected = evaluate(classifier, batches_of(5, 6))
    result = evaluate(classifier, batches_of(*sizes, messages=MESSAGES[::order]))
    assert result.loss == pytest.approx(expected.loss, abs=1e-5)
    assert np.array_equal(result.confusion, expected.confusion)


def test_a_whole_training_set_is_measured_to_the_last_message(tiny_splits, tiny_tokenizer):
    loader = make_loaders(tiny_splits, tiny_tokenizer).train
    classifier = Classifier(tiny_gpt2())
    assert evaluate(classifier, loader).count == 48
    assert evaluate(classifier, every_message(loader)).count == 50


@pytest.mark.parametrize(("max_batches", "count"), [(None, 11), (1, 4), (2, 8), (3, 11), (9, 11)])
def test_only_the_first_batches_are_used_if_asked(classifier, max_batches, count):
    losses = [loss for loss, _ in losses_and_hits(classifier)]
    result = evaluate(classifier, batches_of(4, 4, 3), max_batches=max_batches)
    assert result.count == count
    assert result.loss == pytest.approx(mean(losses[:count]), abs=1e-5)


def test_no_batch_beyond_the_last_one_used_is_taken_from_the_loader(classifier):
    batches = iter(batches_of(4, 4, 3))
    evaluate(classifier, batches, max_batches=1)
    assert len(list(batches)) == 2


@pytest.mark.parametrize(("sizes", "max_batches"), [((), None), ((), 5), ((4, 4), 0)])
def test_no_messages_give_no_number(classifier, sizes, max_batches):
    result = evaluate(classifier, batches_of(*sizes), max_batches=max_batches)
    assert math.isnan(result.loss)
    assert math.isnan(result.accuracy)
    assert (result.count, result.correct, result.interval) == (0, 0, (0, 1))
    assert result.confusion.shape == (3, 3)
    assert "nan" in str(result)


# What evaluating must not do ------------------------------------------------------------------------------------------


def broken(hidden_states):
    raise RuntimeError("broken block")


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_stays_as_it_was(classifier, training):
    classifier.train(training)
    evaluate(classifier, batches_of(3))
    assert all(module.training == training for module in classifier.modules())


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_stays_as_it_was_even_after_an_error(classifier, training):
    classifier.backbone.blocks[1].forward = broken
    classifier.train(training)
    with pytest.raises(RuntimeError, match="broken block"):
        evaluate(classifier, batches_of(3))
    assert all(module.training == training for module in classifier.modules())


def test_dropout_is_off():
    classifier = Classifier(tiny_gpt2(dropout=0.5), 3).train()
    result, again = evaluate(classifier, batches_of(11)), evaluate(classifier, batches_of(11))
    assert result.loss == again.loss == pytest.approx(mean(loss for loss, _ in losses_and_hits(classifier.eval())))


def test_nothing_is_kept_for_a_backward_pass(classifier):
    grad_enabled = []
    classifier.backbone.head.register_forward_hook(lambda *_: grad_enabled.append(torch.is_grad_enabled()))
    evaluate(classifier, batches_of(3, 3))
    assert grad_enabled == [False, False]
    assert torch.is_grad_enabled()
    classifier(torch.tensor([[1]]), torch.tensor([1])).sum().backward()  # and training can go on


def test_low_precision_is_measured_in_full():
    classifier = Classifier(tiny_gpt2().to(torch.bfloat16), 3).eval()
    losses = [loss for loss, _ in losses_and_hits(classifier)]
    assert evaluate(classifier, batches_of(*[1] * 11)).loss == pytest.approx(mean(losses), abs=1e-6)


# Scores by hand -------------------------------------------------------------------------------------------------------

# True classes 0 0 0 1 1 2; predicted 0 1 0 1 1 0. Nobody predicts class 2.
LABELS = torch.tensor([0, 0, 0, 1, 1, 2])
LOGITS = torch.tensor([[2.0, 0, 0], [0, 2, 0], [2, 0, 0], [0, 2, 0], [0, 2, 0], [2, 0, 0]])


def test_rows_of_the_confusion_are_true_classes_and_columns_predicted_ones():
    result = score(LOGITS, LABELS)
    assert result.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert (result.count, result.correct, result.accuracy) == (6, 4, 4 / 6)


def test_the_loss_is_the_mean_surprise_in_nats():
    right, wrong = math.log(math.exp(2) + 2) - 2, math.log(math.exp(2) + 2)
    assert score(LOGITS, LABELS).loss == pytest.approx((4 * right + 2 * wrong) / 6)


def test_knowing_nothing_costs_the_logarithm_of_the_number_of_classes():
    assert score(torch.zeros(5, 4), torch.tensor([0, 1, 2, 3, 3])).loss == pytest.approx(math.log(4))


def test_precision_recall_and_f1_of_each_class():
    table = score(LOGITS, LABELS).by_class(["ham", "spam", "offer"])
    expected = pd.DataFrame(
        {
            "precision": [2 / 3, 2 / 3, math.nan],  # nobody was predicted to be an offer
            "recall": [2 / 3, 1, 0],
            "f1": [2 / 3, 4 / 5, 0],
            "messages": [3, 2, 1],
        },
        index=["ham", "spam", "offer"],
    )
    pd.testing.assert_frame_equal(table, expected)


def test_a_class_that_does_not_occur_has_no_recall():
    table = score(LOGITS[:2], LABELS[:2]).by_class("abc")
    assert table["recall"].isna().tolist() == [False, True, True]
    assert table["f1"].isna().tolist() == [False, False, True]


def test_an_evaluation_reads_as_a_sentence():
    logits = torch.tensor([[0.0, 0.0]] * 285 + [[0.0, 1.0]] * 15)
    text = str(score(logits, torch.zeros(300, dtype=torch.int64)))
    assert text == "accuracy 95.00% (285 of 300; 95 % interval 91.9% to 96.9%), loss 0.724"


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_without_an_output_is_reported(label):
    with pytest.raises(LlmclfError, match=rf"labels from .*{label}.*, but there are only 3 classes"):
        score(torch.zeros(2, 3), torch.tensor([0, label]))


# Intervals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"),
    [
        (0, 10, 0, 0.2775),
        (10, 10, 0.7225, 1),
        (50, 100, 0.4038, 0.5962),
        # R. G. Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_are_the_published_ones(correct, count, low, high):
    assert wilson_interval(correct, count) == pytest.approx((low, high), abs=5e-5)


def test_300_messages_leave_two_and_a_half_points_of_doubt():
    low, high = wilson_interval(285, 300)
    assert (high - low) / 2 == pytest.approx(0.025, abs=0.001)


@quickly
@given(count=st.integers(1, 10_000), data=st.data(), confidence=st.sampled_from([(0.95, 1.959964), (0.99, 2.575829)]))
def test_at_its_ends_a_wilson_interval_is_z_deviations_away(count, data, confidence):
    correct = data.draw(st.integers(0, count))
    level, z = confidence
    low, high = wilson_interval(correct, count, level)
    assert 0 <= low <= correct / count <= high <= 1
    for end in (low, high):  # the definition: the observed share is just not surprising yet
        assert abs(correct / count - end) == pytest.approx(z * (end * (1 - end) / count) ** 0.5, abs=1e-6)


@quickly
@given(count=st.integers(1, 1000), data=st.data())
def test_errors_and_successes_mirror_each_other(count, data):
    correct = data.draw(st.integers(0, count))
    low, high = wilson_interval(correct, count)
    assert wilson_interval(count - correct, count) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("count", [10, 13, 15, 300])
def test_an_extreme_result_has_an_exact_end(count):
    assert wilson_interval(0, count)[0] == 0
    assert wilson_interval(count, count)[1] == 1


def test_nothing_counted_says_nothing():
    assert wilson_interval(0, 0) == (0, 1)


@pytest.mark.parametrize(("correct", "count"), [(3, 2), (-1, 2), (0, -1)])
def test_impossible_counts_are_refused(correct, count):
    with pytest.raises(LlmclfError, match=f"expected 0 <= correct <= count, got {correct} of {count}"):
        wilson_interval(correct, count)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5])
def test_a_confidence_is_a_share(confidence):
    with pytest.raises(LlmclfError, match=f"confidence must lie between 0 and 1, got {confidence}"):
        wilson_interval(1, 2, confidence)


# Devices --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_best_device_is_chosen(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device() == choose_device("auto") == torch.device(chosen)


def test_the_cpu_is_always_there():
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["nonsense", "", "cpu:x", "hpu"])
def test_a_name_that_is_no_device_is_refused(name):
    with pytest.raises(LlmclfError, match=f"device '{name}' cannot be used: .+"):
        choose_device(name)


@pytest.mark.parametrize(("name", "backend"), [("cuda", torch.cuda), ("cuda:99", torch.cuda), ("mps", torch.mps)])
def test_a_device_that_is_not_there_is_refused_in_one_short_line(name, backend):
    if name != "cuda:99" and backend.is_available():
        pytest.skip(f"{name} is there")
    with pytest.raises(LlmclfError, match=f"device '{name}' cannot be used: .+") as caught:
        choose_device(name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
