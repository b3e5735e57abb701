"""What bfloat16 changes, and what it leaves as it is."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_gpt2, tiny_llama
from torch import nn

from llmclf import precision
from llmclf.console import LlmclfError
from llmclf.feature_cache import cache_features
from llmclf.head import POOLINGS, TRAINABLE, Classifier, set_trainable
from llmclf.loaders import make_loaders
from llmclf.lora import add_lora, merge_lora
from llmclf.models.llama import RMSNorm
from llmclf.precision import choose_precision

FAMILIES = pytest.mark.parametrize("family", [tiny_gpt2, tiny_llama], ids=["gpt2", "llama"])
INPUT_IDS, LENGTHS = torch.randint(0, 256, (6, 13), generator=torch.Generator().manual_seed(1)), [1, 13, 5, 8, 2, 13]


def both(family, **options) -> tuple[Classifier, Classifier]:
    """The same classifier in both precisions."""
    exact, rounded = (Classifier(family(), 2, precision=name, **options).eval() for name in ("float32", "bfloat16"))
    return exact, rounded


def test_auto_asks_the_environment_then_the_device(monkeypatch):
    assert choose_precision("bfloat16") == "bfloat16"
    monkeypatch.setenv("LLMCLF_PRECISION", "bfloat16")
    assert (choose_precision(), choose_precision("float32")) == ("bfloat16", "float32")
    for value in ("", "auto"):
        monkeypatch.setenv("LLMCLF_PRECISION", value)
        for able, expected in ((True, "bfloat16"), (False, "float32")):
            monkeypatch.setattr(precision, "multiplies_bfloat16", lambda device, able=able: able)
            assert choose_precision() == expected
    monkeypatch.setenv("LLMCLF_PRECISION", "float16")
    with pytest.raises(LlmclfError, match="LLMCLF_PRECISION must be one of auto, float32, bfloat16, got 'float16'"):
        choose_precision()
    with pytest.raises(LlmclfError, match="precision must be one of auto, float32, bfloat16, got 'half'"):
        choose_precision("half")


@pytest.mark.parametrize(("machine", "asked"), [("x86_64", "avx512_bf16"), ("AMD64", "avx512_bf16"), ("arm64", "arm")])
def test_pytorch_is_asked_what_the_processor_can(monkeypatch, machine, asked):
    monkeypatch.setattr(precision.platform, "machine", lambda: machine)
    for able in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda able=able: able and asked == "avx512_bf16")
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda able=able: able and asked == "arm")
        assert precision.multiplies_bfloat16(torch.device("cpu")) == able
    assert not precision.multiplies_bfloat16(torch.device("mps"))


@FAMILIES
@pytest.mark.parametrize("part", TRAINABLE)
def test_only_matrices_of_frozen_blocks_are_in_bfloat16(family, part):
    _, classifier = both(family, trainable=part)
    for block in classifier.backbone.blocks:
        for module in block.modules():
            for weight in module.parameters(recurse=False):
                rounded = isinstance(module, nn.Linear) and not weight.requires_grad
                assert weight.dtype == (torch.bfloat16 if rounded else torch.float32)
    backbone = classifier.backbone
    others = [backbone.token_embedding, backbone.final_norm, backbone.head]
    assert {weight.dtype for part in others for weight in part.parameters()} == {torch.float32}


@FAMILIES
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("part", TRAINABLE)
def test_logits_change_a_little_and_gradients_are_exact_numbers(family, pooling, part):
    exact, rounded = both(family, pooling=pooling, trainable=part)
    expected, found = (model(INPUT_IDS, torch.tensor(LENGTHS)) for model in (exact, rounded))
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)
    found.sum().backward()
    gradients = [weight.grad for weight in rounded.parameters() if weight.requires_grad]
    assert all(gradient.dtype == torch.float32 for gradient in gradients)


def test_what_learns_later_learns_in_float32():
    _, classifier = both(tiny_gpt2, trainable="head")
    set_trainable(classifier, "all")
    assert {weight.dtype for weight in classifier.parameters()} == {torch.float32}


@FAMILIES
def test_cached_features_give_the_same_logits_in_bfloat16(family, tiny_splits, tiny_tokenizer):
    _, classifier = both(family)
    loader = make_loaders(tiny_splits, tiny_tokenizer).test
    (kept,) = cache_features(classifier, loader)
    assert kept.dataset.hidden_states.dtype == torch.bfloat16
    for batch, features in zip(loader, kept, strict=True):
        torch.testing.assert_close(features.logits(classifier), batch.logits(classifier), atol=0.02, rtol=0.02)


def test_token_logits_end_with_those_of_the_last_token():
    for classifier in both(tiny_llama):
        rows = classifier.token_logits(INPUT_IDS)  # (messages, tokens, classes)
        last = rows[torch.arange(6), torch.tensor(LENGTHS) - 1]
        torch.testing.assert_close(last, classifier(INPUT_IDS, torch.tensor(LENGTHS)), atol=0.02, rtol=0.02)


@FAMILIES
def test_lora_corrects_rounded_matrices_in_float32(family):
    _, classifier = both(family)
    add_lora(classifier, rank=2)
    learning = [weight for weight in classifier.parameters() if weight.requires_grad]
    assert {weight.dtype for weight in learning} == {torch.float32}
    with torch.no_grad():
        for weight in learning:
            weight += 0.01
    before = classifier(INPUT_IDS, torch.tensor(LENGTHS))
    before.sum().backward()
    assert all(weight.grad is not None for weight in learning)
    merge_lora(classifier)
    torch.testing.assert_close(classifier(INPUT_IDS, torch.tensor(LENGTHS)), before, atol=0.05, rtol=0.05)


def test_rms_norm_sums_in_float32():
    states = torch.randn(3, 4000, generator=torch.Generator().manual_seed(2)) * 100
    norm, theirs = RMSNorm(4000, 1e-5), nn.RMSNorm(4000, eps=1e-5)
    torch.testing.assert_close(norm(states), theirs(states))
    rounded = norm(states.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), theirs(states.bfloat16().float()), atol=0, rtol=0.004)
