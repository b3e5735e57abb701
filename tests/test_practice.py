"""What people add to the training loop: each thing agrees with an independent implementation, and has its effect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_tiny_splits, tiny_llama
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

import llmclf.train as training
from llmclf.console import LlmclfError
from llmclf.evaluate import evaluate
from llmclf.head import Classifier
from llmclf.loaders import every_message, make_loaders
from llmclf.practice import BestEpoch, class_weight_tensor, learning_rate_factor
from llmclf.train import History, TrainingSettings, add_gradients, train

STEPS = 40


@pytest.fixture
def loaders(tiny_tokenizer):
    return make_loaders(make_tiny_splits(), tiny_tokenizer)


def classifier() -> Classifier:
    return Classifier(tiny_llama(), 2)


def trained_with(loaders, **changes) -> dict[str, torch.Tensor]:
    model = classifier()
    train(model, loaders.train, loaders.validation, replace(TrainingSettings(epochs=2, learning_rate=1e-3), **changes))
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


# The learning rate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_the_rate_follows_the_schedule_of_transformers(schedule, warmup):
    transformers = pytest.importorskip("transformers")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    theirs = transformers.get_scheduler(name, optimizer, round(warmup * STEPS), STEPS)
    for step in range(STEPS):
        ours = learning_rate_factor(step, STEPS, schedule, warmup)
        if step < warmup * STEPS:  # theirs begins at 0, with a step that changes nothing
            assert ours == pytest.approx(theirs.get_last_lr()[0] + 1 / (warmup * STEPS))
        else:
            assert ours == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


def test_the_optimizer_gets_the_rate_of_each_step(loaders, monkeypatch):
    rates = []
    step = torch.optim.AdamW.step

    def note(self, *arguments, **options):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", note)
    trained_with(loaders, schedule="cosine", warmup=0.25, gradient_accumulation_steps=2)
    assert rates == [1e-3 * learning_rate_factor(number, 6, "cosine", 0.25) for number in range(6)]


# The loss -------------------------------------------------------------------------------------------------------------


def test_balanced_weights_are_those_of_scikit_learn():
    labels = [0] * 7 + [1] * 2 + [2] * 21
    expected = compute_class_weight("balanced", classes=np.arange(3), y=np.array(labels))
    assert class_weight_tensor("balanced", labels, 3).tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("weights", [None, (1.0, 5.0)])
def test_the_gradient_is_that_of_pytorch_s_weighted_mean(loaders, weights):
    model = classifier()
    batch = next(iter(loaders.train))
    tensor = class_weight_tensor(weights, [0, 1], 2)
    add_gradients(lambda batch: batch.logits(model), batch, TrainingSettings(), torch.device("cpu"), tensor)
    found = model.backbone.head.weight.grad.clone()
    model.zero_grad()
    F.cross_entropy(batch.logits(model), batch.labels, tensor).backward()
    torch.testing.assert_close(found, model.backbone.head.weight.grad)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ((1.0, 2.0, 3.0), r'class_weights must be "balanced" or 2 positive numbers, got \(1.0, 2.0, 3.0\)'),
        ((1.0, 0.0), "2 positive numbers"),
        ("heavy", "2 positive numbers, got 'heavy'"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights, words):
    with pytest.raises(LlmclfError, match=words):
        class_weight_tensor(weights, [0, 1], 2)


def test_a_class_without_a_message_cannot_be_balanced():
    with pytest.raises(LlmclfError, match="class 1 has no training message"):
        class_weight_tensor("balanced", [0, 0], 2)


# Steps ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"weight_decay": 0.5}, {"max_gradient_norm": 1e-3}, {"class_weights": (1.0, 9.0)}, {"schedule": "linear"}],
    ids=str,
)
def test_what_is_asked_for_changes_what_is_learnt(loaders, change):
    plain, changed = trained_with(loaders), trained_with(loaders, **change)
    assert any(not torch.equal(plain[name], changed[name]) for name in plain)


def test_gradients_are_shortened_all_together(loaders, monkeypatch):
    norms = []
    step = torch.optim.AdamW.step

    def note(self, *arguments, **options):
        gradients = [weight.grad.flatten() for weight in self.param_groups[0]["params"]]
        norms.append(torch.cat(gradients).norm().item())
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", note)
    trained_with(loaders)
    free = list(norms)
    norms.clear()
    trained_with(loaders, max_gradient_norm=0.01)
    assert max(free) > 0.01
    assert norms == pytest.approx([0.01] * len(free), rel=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patience": 0}, "patience must be above 0, got 0"),
        ({"max_gradient_norm": 0.0}, "max_gradient_norm must be above 0"),
        ({"warmup": 1.0}, "warmup must be a share below 1 and weight_decay at least 0"),
        ({"weight_decay": -1.0}, "weight_decay at least 0"),
        ({"schedule": "zigzag"}, "schedule must be one of constant, linear, cosine, got 'zigzag'"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, words):
    with pytest.raises(LlmclfError, match=words):
        TrainingSettings(**change)


# The best epoch -------------------------------------------------------------------------------------------------------


def test_the_epoch_with_the_least_loss_is_kept():
    weight, history = torch.nn.Parameter(torch.zeros(2)), History()
    best = BestEpoch({"weight": weight}, history.epoch_losses, 2)
    stops = []
    for loss in (3.0, 1.0, 1.5, 1.0):
        best.note(loss)
        stops.append(best.stops())
        with torch.no_grad():
            weight += 1
    assert stops == [False, False, False, True]
    assert history.best_epoch == 2
    best.restore()
    assert weight.tolist() == [1.0, 1.0]


def losses_that_rise(monkeypatch, loaders, rises_after: int) -> None:
    """The whole validation set seems worse after each epoch from this one on."""
    measured, real = [], evaluate

    def fake(model, loader, **options):
        result = real(model, loader, **options)
        if options:  # only a part of it
            return result
        measured.append(result)
        return replace(result, loss=abs(len(measured) - rises_after) + 1.0)

    monkeypatch.setattr(training, "evaluate", fake)


def test_training_stops_and_goes_back_to_the_best_epoch(loaders, monkeypatch, tmp_path):
    settings = TrainingSettings(epochs=2, learning_rate=1e-3)
    expected = trained_with(loaders, epochs=2)
    losses_that_rise(monkeypatch, loaders, 2)
    model = classifier()
    settings = replace(settings, epochs=9, patience=3)
    history = train(model, loaders.train, loaders.validation, settings, checkpoint=tmp_path / "checkpoint")
    assert history.epoch_losses == [2.0, 1.0, 2.0, 3.0, 4.0]
    for name, weight in expected.items():
        assert torch.equal(model.get_parameter(name), weight)
    again = classifier()  # the run is over, and its checkpoint knows it
    assert train(again, loaders.train, loaders.validation, settings, checkpoint=tmp_path / "checkpoint") == history
    for name, weight in expected.items():
        assert torch.equal(again.get_parameter(name), weight)


def test_the_best_epoch_survives_an_interruption(loaders, monkeypatch, tmp_path):
    losses_that_rise(monkeypatch, loaders, 1)
    settings = TrainingSettings(epochs=2, learning_rate=1e-3, patience=3)
    first = classifier()
    train(first, loaders.train, loaders.validation, settings, checkpoint=tmp_path / "checkpoint")
    second = classifier()
    more = replace(settings, epochs=3)
    history = train(second, loaders.train, loaders.validation, more, checkpoint=tmp_path / "checkpoint")
    assert history.best_epoch == 1
    for name, weight in first.named_parameters():
        assert torch.equal(second.get_parameter(name), weight)


def test_patience_needs_validation_messages(loaders):
    loaders.validation.dataset.messages.clear()
    with pytest.raises(LlmclfError, match="patience needs validation messages"):
        train(classifier(), loaders.train, every_message(loaders.validation), TrainingSettings(patience=1))
