"""The frozen part computed once: the same training, refused where it would not be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import tiny_gpt2, tiny_llama

from llmclf import feature_cache
from llmclf.evaluate import evaluate
from llmclf.feature_cache import FeatureCacheError, FeatureDataset, cache_features, frozen_depth
from llmclf.head import POOLINGS, Classifier, pool, pooling_position
from llmclf.loaders import every_message, make_loaders
from llmclf.single_query import attention_at, block_at
from llmclf.train import TrainingSettings, train

SETTINGS = TrainingSettings(epochs=2, learning_rate=3e-3, evaluate_every=2, evaluate_batches=2)
FAMILIES = pytest.mark.parametrize("model", [tiny_gpt2, tiny_llama], ids=["gpt2", "llama"])


def loaders_of(tiny_splits, tiny_tokenizer, padding="dynamic"):
    return make_loaders(tiny_splits, tiny_tokenizer, batch_size=8, padding=padding)


@pytest.fixture
def loaders(tiny_splits, tiny_tokenizer):
    return loaders_of(tiny_splits, tiny_tokenizer)


# The same mathematics -------------------------------------------------------------------------------------------------


@FAMILIES
@pytest.mark.parametrize("trainable", ["head", "last_block", "last_two_blocks"])
@pytest.mark.parametrize(
    ("pooling", "padding"),
    [*((pooling, "fixed") for pooling in POOLINGS), ("last_token", "dynamic"), ("mean", "dynamic")],
)
def test_training_is_the_same_with_kept_states(tiny_splits, tiny_tokenizer, model, trainable, pooling, padding):
    runs = []
    for use_feature_cache in (True, False):
        loaders = loaders_of(tiny_splits, tiny_tokenizer, padding)
        classifier = Classifier(model(), 2, pooling=pooling, trainable=trainable)
        history = train(classifier, loaders.train, loaders.validation, SETTINGS, use_feature_cache=use_feature_cache)
        runs.append((classifier, history))
    (with_states, fast), (without, slow) = runs
    for losses in ("train_losses", "validation_losses"):
        assert getattr(fast, losses) == pytest.approx(getattr(slow, losses), rel=1e-5)
    assert (fast.steps, fast.examples_seen) == (slow.steps, slow.examples_seen)
    assert fast.train_accuracies == slow.train_accuracies
    for (name, ours), theirs in zip(with_states.named_parameters(), without.parameters(), strict=True):
        # AdamW divides by the size of a gradient: where that is nearly 0, rounding shows in the step.
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


@FAMILIES
@pytest.mark.parametrize("trainable", ["head", "last_block"])
def test_evaluation_is_the_same_with_kept_states(loaders, model, trainable):
    classifier = Classifier(model(), 2, trainable=trainable)
    (kept,) = cache_features(classifier, loaders.test)
    plain = evaluate(classifier, every_message(loaders.test))
    again = evaluate(classifier, every_message(kept))
    assert again.loss == pytest.approx(plain.loss, rel=1e-5)
    assert (again.confusion == plain.confusion).all()


@pytest.mark.parametrize("make", [tiny_gpt2, lambda: tiny_gpt2(qkv_bias=False), tiny_llama])
def test_block_that_is_computed_at_one_position_gives_that_row_of_the_whole_and_its_gradients(make):
    block = make().blocks[1]
    for parameter in block.parameters():  # the biases too, which begin at 0
        torch.nn.init.normal_(parameter, std=0.3)
    hidden_states = torch.randn(5, 11, block.norm1.weight.shape[0], requires_grad=True)
    position = torch.tensor([0, 10, 3, 7, 5])
    whole, row = block(hidden_states)[range(5), position], block_at(block, hidden_states, position)[:, 0]
    torch.testing.assert_close(row, whole, atol=1e-4, rtol=1e-4)
    inputs = [hidden_states, *block.parameters()]
    weighting = torch.randn_like(row)
    theirs, ours = (torch.autograd.grad((rows * weighting).sum(), inputs) for rows in (whole, row))
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_dropout_of_attention_reaches_the_bias_of_the_values():
    attention = tiny_gpt2(dropout=0.5).blocks[0].attention.train()
    with torch.no_grad():
        for parameter in (attention.value.weight, attention.output.bias):
            parameter.zero_()
        attention.value.bias.fill_(1)
        attention.output.weight.copy_(torch.eye(32))
        found = attention_at(attention, torch.randn(2, 9, 32), torch.tensor([8, 8]))
    assert found.unique().numel() > 2  # the sum of what dropout left of the weights
    assert torch.equal(found[0, 0, :8], found[0, 0, :1].expand(8))  # one sum a head


@FAMILIES
@pytest.mark.parametrize("pooling", POOLINGS)
def test_classifier_that_computes_only_what_is_read_agrees_with_reading_everything(model, pooling):
    classifier = Classifier(model(), 2, pooling=pooling).eval()
    input_ids, lengths = torch.randint(0, 256, (6, 13)), torch.tensor([1, 13, 5, 8, 2, 13])
    with torch.no_grad():
        everything = pool(classifier.backbone(input_ids), lengths, pooling)
        torch.testing.assert_close(classifier(input_ids, lengths), everything, atol=1e-5, rtol=1e-5)


def test_position_is_none_only_where_all_tokens_count():
    lengths = torch.tensor([3, 1])
    assert pooling_position(lengths, 5, "last_token").tolist() == [2, 0]
    assert pooling_position(lengths, 5, "last_position").tolist() == [4, 4]
    assert pooling_position(lengths, 5, "first_token").tolist() == [0, 0]
    assert pooling_position(lengths, 5, "mean") is None


def test_checkpoint_of_a_plain_run_is_continued_with_kept_states(tiny_splits, tiny_tokenizer, tmp_path):
    def run(epochs, use_feature_cache, checkpoint=None):
        loaders = loaders_of(tiny_splits, tiny_tokenizer)
        classifier, settings = Classifier(tiny_gpt2(), 2), replace(SETTINGS, epochs=epochs)
        return train(
            classifier,
            loaders.train,
            loaders.validation,
            settings,
            checkpoint=checkpoint,
            use_feature_cache=use_feature_cache,
        )

    run(1, False, tmp_path / "checkpoint")
    continued = run(2, True, tmp_path / "checkpoint")
    assert continued.train_losses == pytest.approx(run(2, False).train_losses, rel=1e-5)


# Where the boundary lies ----------------------------------------------------------------------------------------------


@FAMILIES
@pytest.mark.parametrize(("trainable", "depth"), [("head", 3), ("last_block", 2), ("last_two_blocks", 1), ("all", 0)])
def test_depth_follows_from_what_may_learn(model, trainable, depth):
    assert frozen_depth(Classifier(model(), 2, trainable=trainable)) == depth


def test_one_weight_that_may_learn_ends_the_frozen_part():
    classifier = Classifier(tiny_gpt2(), 2)
    classifier.backbone.blocks[1].mlp.up.bias.requires_grad_(True)
    assert frozen_depth(classifier) == 1
    classifier.backbone.position_embedding.weight.requires_grad_(True)
    assert frozen_depth(classifier) == 0


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Classifier(tiny_gpt2(), 2, trainable="all"), "learns or drops values at random"),
        (lambda: Classifier(tiny_gpt2(dropout=0.1), 2), "learns or drops values at random"),
        (lambda: Classifier(tiny_gpt2(), 2, pooling="last_position"), "depends on the other messages of a batch"),
    ],
)
def test_kept_states_are_refused_where_they_would_be_wrong(loaders, make, reason, capsys):
    classifier = make()
    with pytest.raises(FeatureCacheError, match=reason):
        cache_features(classifier, loaders.train)
    train(classifier, loaders.train, loaders.validation, replace(SETTINGS, epochs=1))  # does without
    assert "kept" not in capsys.readouterr().err


def test_training_says_in_one_line_that_it_keeps_states_and_can_be_told_not_to(loaders, capsys):
    train(Classifier(tiny_gpt2(), 2), loaders.train, loaders.validation, SETTINGS)
    line = "llmclf: 2 of 3 blocks are frozen; their output was computed once and kept (0 MB)\n"
    assert capsys.readouterr().err == line
    train(Classifier(tiny_gpt2(), 2), loaders.train, loaders.validation, SETTINGS, use_feature_cache=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda classifier: classifier.backbone.blocks[0].mlp.up.weight.data.add_(1),
        lambda classifier: classifier.backbone.token_embedding.weight.data.add_(1),
        lambda classifier: classifier.requires_grad_(True),
    ],
)
def test_states_are_refused_once_the_model_below_them_has_changed(loaders, change):
    classifier = Classifier(tiny_gpt2(), 2)
    kept = cache_features(classifier, loaders.train, loaders.validation)
    train(classifier, *kept, SETTINGS)  # training itself does not spoil them
    change(classifier)
    with pytest.raises(FeatureCacheError, match="of another model, or their blocks are no longer frozen"):
        evaluate(classifier, kept[0])
    with pytest.raises(FeatureCacheError, match="compute them anew"):
        train(classifier, *kept, SETTINGS)


def test_states_of_another_model_are_refused(loaders):
    (kept,) = cache_features(Classifier(tiny_gpt2(seed=1), 2), loaders.test)
    with pytest.raises(FeatureCacheError, match="of another model"):
        evaluate(Classifier(tiny_gpt2(seed=2), 2), kept)


@pytest.mark.parametrize("trainable", ["head", "last_block"])
def test_kept_states_are_refused_when_another_place_is_read(loaders, trainable):
    classifier = Classifier(tiny_gpt2(), 2, trainable=trainable)
    (kept,) = cache_features(classifier, loaders.test)
    classifier.pooling = "first_token"
    with pytest.raises(FeatureCacheError, match="computed for last_token, not first_token"):
        evaluate(classifier, kept)


# Memory ---------------------------------------------------------------------------------------------------------------


def test_text_that_occurs_twice_is_computed_once(loaders):
    dataset = loaders.train.dataset
    dataset.messages = [*dataset.messages[:-1], dataset.messages[0]]
    states = FeatureDataset(Classifier(tiny_gpt2(), 2), loaders.train)
    assert len(states.hidden_states) == sum(map(len, set(map(tuple, dataset.messages))))
    assert torch.equal(states[0][0], states[len(dataset) - 1][0])


def test_of_a_frozen_model_only_the_token_that_is_read_is_kept(loaders):
    states = FeatureDataset(Classifier(tiny_gpt2(), 2, trainable="head"), loaders.train)
    assert states.hidden_states.shape == (len(set(map(tuple, loaders.train.dataset.messages))), 32)


def test_half_precision_halves_the_memory_and_hardly_moves_the_logits(loaders):
    batches = []
    for precision in ("float32", "bfloat16"):
        classifier = Classifier(tiny_gpt2(), 2, precision=precision)
        (kept,) = cache_features(classifier, loaders.test)
        batches.append((kept.dataset.hidden_states.nbytes, next(iter(kept)).logits(classifier).detach()))
    (bytes_full, full), (bytes_half, half) = batches
    assert bytes_half * 2 == bytes_full
    assert not torch.equal(half, full)
    torch.testing.assert_close(half, full, atol=2e-2, rtol=0)


def test_features_that_memory_cannot_hold_are_not_cached_and_a_line_says_so(loaders, monkeypatch, capsys):
    tokens = sum(len(message) for part in loaders[:2] for message in set(map(tuple, part.dataset.messages)))
    needed = 4 * tokens * 32 * 4  # float32, hidden size; they may take a quarter of the memory
    for memory, fits in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr(feature_cache, "physical_memory", lambda memory=memory: memory)
        train(Classifier(tiny_gpt2(), 2), loaders.train, loaders.validation, replace(SETTINGS, epochs=1))
        said = capsys.readouterr().err
        assert ("was computed once and kept" in said) == fits
        assert ("does not fit into memory: it is computed again in every epoch" in said) != fits


def test_selected_rows_are_those_messages_and_share_the_states(loaders):
    classifier = Classifier(tiny_gpt2())
    states = FeatureDataset(classifier, loaders.validation)
    rows = [*reversed(range(len(states))), 0]
    assert [states.labels[row] for row in rows] != states.labels[: len(rows)]
    chosen = states.select(rows)
    assert chosen.hidden_states is states.hidden_states
    assert len(chosen) == len(rows)
    for place, row in enumerate(rows):
        assert torch.equal(chosen[place][0], states[row][0])
        assert chosen[place][1:] == states[row][1:]
    assert len(states) == len(loaders.validation.dataset)
