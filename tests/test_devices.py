"""A GPU gives what the CPU gives. Skipped, with the reason, where there is none; bfloat16 runs on every machine."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_gpt2, tiny_llama

from llmclf.classify import TextClassifier
from llmclf.evaluate import evaluate
from llmclf.feature_cache import cache_features
from llmclf.head import Classifier
from llmclf.loaders import every_message, make_loaders
from llmclf.train import TrainingSettings, train

SETTINGS = TrainingSettings(epochs=2, learning_rate=3e-3, evaluate_every=2, evaluate_batches=None)
FAMILIES = pytest.mark.parametrize("model", [tiny_gpt2, tiny_llama], ids=["gpt2", "llama"])
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def fine_tune(tiny_splits, tiny_tokenizer, model, device="cpu", precision="float32", **options):
    classifier = Classifier(model(), 2, precision=precision).to(device)
    loaders = make_loaders(tiny_splits, tiny_tokenizer)
    history = train(classifier, loaders.train, loaders.validation, SETTINGS, **options)
    return classifier, loaders, history


@FAMILIES
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=cuda)])
@pytest.mark.parametrize("use_feature_cache", [True, False])
def test_bfloat16_trains_to_nearly_the_same_losses(tiny_splits, tiny_tokenizer, model, device, use_feature_cache):
    *_, exact = fine_tune(tiny_splits, tiny_tokenizer, model)
    *_, rough = fine_tune(
        tiny_splits, tiny_tokenizer, model, device, precision="bfloat16", use_feature_cache=use_feature_cache
    )
    assert rough.train_losses != exact.train_losses
    assert rough.train_losses == pytest.approx(exact.train_losses, abs=0.05)
    assert rough.validation_losses == pytest.approx(exact.validation_losses, abs=0.05)


@cuda
@FAMILIES
@pytest.mark.parametrize("use_feature_cache", [True, False])
def test_cuda_trains_to_the_losses_of_the_cpu(tiny_splits, tiny_tokenizer, model, use_feature_cache):
    *_, expected = fine_tune(tiny_splits, tiny_tokenizer, model)
    classifier, _, found = fine_tune(tiny_splits, tiny_tokenizer, model, "cuda", use_feature_cache=use_feature_cache)
    assert classifier.device.type == "cuda"
    assert found.train_losses == pytest.approx(expected.train_losses, rel=1e-3)
    assert found.validation_losses == pytest.approx(expected.validation_losses, rel=1e-3)


@cuda
@FAMILIES
def test_cuda_evaluates_and_classifies_as_the_cpu_does(tiny_splits, tiny_tokenizer, model):
    classifier, loaders, _ = fine_tune(tiny_splits, tiny_tokenizer, model, "cuda")
    (kept,) = cache_features(classifier, loaders.test)
    assert kept.dataset.hidden_states.device.type == "cuda"
    texts, results = tiny_splits.test["text"].tolist(), []
    for device in ("cuda", "cpu"):
        if device == "cuda":
            results.append((evaluate(classifier, every_message(kept)), None))
        moved = TextClassifier(classifier.to(device), tiny_tokenizer, ["ham", "spam"], "random-tiny")
        results.append((evaluate(classifier, every_message(loaders.test)), moved.logits(texts)))
    (on_kept, _), (on_cuda, cuda_logits), (on_cpu, cpu_logits) = results
    assert on_kept.loss == pytest.approx(on_cpu.loss, rel=1e-4)
    assert on_cuda.loss == pytest.approx(on_cpu.loss, rel=1e-4)
    torch.testing.assert_close(cuda_logits, cpu_logits, atol=1e-4, rtol=1e-4)
