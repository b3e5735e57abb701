"""LoRA: nothing changes until it learns; only corrections and head do; they can be made part of the weights."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_gpt2
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.head import Classifier
from llmclf.lora import LoRALinear, add_lora, lora_layers, merge_lora

INPUT_IDS, LENGTHS = torch.arange(60).reshape(4, 15), torch.tensor([15, 3, 9, 1])


def disturb(classifier: Classifier) -> None:
    """Give every correction a second half that is not zero."""
    for _, _, layer in lora_layers(classifier):
        nn.init.normal_(layer.B)


def test_answers_are_the_same_before_anything_is_learnt(tiny_backbone):
    classifier = Classifier(tiny_backbone)
    before = classifier(INPUT_IDS, LENGTHS)
    add_lora(classifier, rank=4)
    assert torch.equal(classifier(INPUT_IDS, LENGTHS), before)


def test_every_linear_layer_of_every_block_is_corrected_and_nothing_else_but_the_head_learns(tiny_backbone):
    linear = [name for name, part in tiny_backbone.blocks.named_modules() if isinstance(part, nn.Linear)]
    classifier = Classifier(tiny_backbone, trainable="all")
    add_lora(classifier, rank=4)
    learns = {name for name, weight in classifier.backbone.named_parameters() if weight.requires_grad}
    assert learns == {f"blocks.{name}.{half}" for name in linear for half in "AB"} | {"head.weight", "head.bias"}


def test_corrected_layer_is_the_layer_of_the_summed_matrix():
    linear = nn.Linear(7, 5)
    layer = LoRALinear(linear, rank=3, scale=0.5, generator=torch.Generator().manual_seed(1))
    nn.init.normal_(layer.B)
    states = torch.randn(2, 4, 7)
    summed = linear.weight + 0.5 * layer.B @ layer.A
    torch.testing.assert_close(layer(states), F.linear(states, summed, linear.bias))
    torch.testing.assert_close(layer.weight, summed)


def test_scale_is_alpha_over_rank(tiny_backbone):
    classifier = Classifier(tiny_backbone)
    add_lora(classifier, rank=4, alpha=6.0)
    assert {layer.scale for _, _, layer in lora_layers(classifier)} == {1.5}


def test_gradients_reach_all_corrections(tiny_backbone):
    classifier = Classifier(tiny_backbone)
    add_lora(classifier, rank=4)
    disturb(classifier)
    classifier(INPUT_IDS, LENGTHS).square().sum().backward()
    # GPT-2's shortcut for the one token that is read drops the key's bias, not its weight.
    for _, name, layer in lora_layers(classifier):
        assert layer.A.grad.abs().sum() > 0, name
        assert layer.B.grad.abs().sum() > 0, name
        assert layer.linear.weight.grad is None


def test_merged_classifier_gives_the_same_answers_from_plain_layers(tiny_backbone, tiny_tokenizer, tmp_path):
    classifier = Classifier(tiny_backbone)
    names = set(classifier.state_dict())
    add_lora(classifier, rank=4)
    disturb(classifier)
    before = classifier(INPUT_IDS, LENGTHS)
    merge_lora(classifier)
    assert lora_layers(classifier) == []
    assert set(classifier.state_dict()) == names
    torch.testing.assert_close(classifier(INPUT_IDS, LENGTHS), before, atol=1e-4, rtol=1e-4)
    TextClassifier(classifier, tiny_tokenizer, ["ham", "spam"], "random-tiny").save(tmp_path / "saved")
    with safe_open(next((tmp_path / "saved").glob("*.safetensors")), "pt") as saved:
        assert set(saved.keys()) == {name for name, _ in classifier.backbone.named_parameters()}


def test_merging_leaves_the_first_weights_untouched():
    """They may be a public file that is mapped into memory."""
    classifier = Classifier(tiny_gpt2())
    first = classifier.backbone.blocks[0].mlp.up.weight
    copy = first.detach().clone()
    add_lora(classifier)
    disturb(classifier)
    merge_lora(classifier)
    assert torch.equal(first, copy)
    assert not torch.equal(classifier.backbone.blocks[0].mlp.up.weight, copy)


def test_same_seed_same_corrections_and_the_global_random_numbers_stay_alone():
    def drawn(seed):
        classifier = Classifier(tiny_gpt2())
        add_lora(classifier, seed=seed)
        return torch.cat([layer.A.flatten() for _, _, layer in lora_layers(classifier)])

    state = torch.get_rng_state()
    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert torch.equal(torch.get_rng_state(), state)


def test_corrections_that_are_not_merged_are_not_saved(classifier, tmp_path):
    add_lora(classifier.model)
    with pytest.raises(LlmclfError, match="LoRA corrections beside its weights: call merge_lora, then save"):
        classifier.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_corrections_of_corrections_are_refused(tiny_backbone):
    classifier = Classifier(tiny_backbone)
    add_lora(classifier)
    with pytest.raises(LlmclfError, match="LoRA corrections already: merge_lora makes them part of its weights"):
        add_lora(classifier)
