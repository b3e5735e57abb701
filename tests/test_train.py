"""Training: it learns, repeats exactly, and continues after an interruption as if there had been none."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import tiny_gpt2, tiny_llama
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from llmclf.checkpoint import CheckpointError
from llmclf.console import LlmclfError
from llmclf.evaluate import evaluate
from llmclf.files.storage import FileError, read_with_checksum, write_with_checksum
from llmclf.head import Classifier
from llmclf.loaders import Batch, every_message, make_loaders
from llmclf.train import TrainingSettings, suggested_learning_rate, train

SETTINGS = TrainingSettings(epochs=3, learning_rate=3e-3, evaluate_every=2, evaluate_batches=2)


@pytest.fixture
def loaders(tiny_splits, tiny_tokenizer):
    return make_loaders(tiny_splits, tiny_tokenizer, batch_size=8)


def same_weights(one: Classifier, other: Classifier) -> bool:
    return all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))


def run(loaders, settings=SETTINGS, model=tiny_gpt2, precision="float32", **options):
    classifier = Classifier(model(), 2, precision=precision)
    history = train(classifier, loaders.train, loaders.validation, settings, **options)
    return classifier, history


@pytest.mark.parametrize("model", [tiny_gpt2, tiny_llama])
def test_training_learns_to_tell_unseen_messages_apart(loaders, model):
    classifier, history = run(loaders, replace(SETTINGS, epochs=8), model)
    assert history.train_losses[-1] < history.train_losses[0] / 2
    assert evaluate(classifier, every_message(loaders.test)).accuracy > 0.9


def test_weights_that_are_views_of_a_hub_file_learn_the_same(loaders):
    def views():
        model = tiny_gpt2()
        parts = model.blocks[-1].attention.query, model.blocks[-1].attention.key, model.blocks[-1].attention.value
        stored = torch.cat([part.weight.data.T for part in parts], dim=1)  # (D, 3 D), as the Hub has it
        for part, weight in zip(parts, stored.T.chunk(3), strict=True):
            part.weight.data = weight
            assert not part.weight.is_contiguous()
        return model

    classifier, history = run(loaders, model=views)
    expected, expected_history = run(loaders)
    assert history.train_losses == pytest.approx(expected_history.train_losses, rel=1e-5)
    for ours, theirs in zip(classifier.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_only_what_is_trainable_changes(loaders):
    before, (after, _) = Classifier(tiny_gpt2(), 2), run(loaders)
    for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        assert torch.equal(old, new) != old.requires_grad, name


def test_history_counts_steps_and_examples(loaders):
    _, history = run(loaders)
    assert history.steps == [0, 2, 4, 6, 8, 10, 12, 14, 16]  # 6 batches an epoch, 3 epochs, every second step
    assert history.examples_seen == [8 * (step + 1) for step in history.steps]
    assert len(history.train_losses) == len(history.validation_losses) == len(history.steps)
    assert len(history.train_accuracies) == len(history.validation_accuracies) == 3
    assert history.seconds > 0


def test_first_step_is_adamw_on_the_mean_cross_entropy(loaders):
    classifier, twin = Classifier(tiny_gpt2(), 2), Classifier(tiny_gpt2(), 2)
    loaders.train.generator.manual_seed(SETTINGS.seed)
    batch = next(iter(loaders.train))
    weights = [weight for weight in twin.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=3e-3, weight_decay=0.1)
    log_probabilities = twin(batch.input_ids, batch.lengths).log_softmax(dim=1)
    (-log_probabilities[range(8), batch.labels].mean()).backward()
    optimizer.step()
    one_step = loader_of_one_batch(loaders.train, batch)
    train(classifier, one_step, loaders.validation, replace(SETTINGS, epochs=1))
    for (name, ours), theirs in zip(classifier.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, msg=name, rtol=1e-5, atol=1e-7)


def loader_of_one_batch(loader: DataLoader, batch: Batch) -> DataLoader:
    dataset = loader.dataset
    dataset.messages = [row[:length].tolist() for row, length in zip(batch.input_ids, batch.lengths, strict=True)]
    dataset.labels = batch.labels.tolist()
    return DataLoader(dataset, len(dataset), collate_fn=loader.collate_fn)


def test_same_seed_same_weights_and_another_seed_others(loaders):
    (first, history), (second, again) = run(loaders), run(loaders)
    other, _ = run(loaders, replace(SETTINGS, seed=1))
    assert same_weights(first, second)
    assert history.train_losses == again.train_losses
    assert not same_weights(first, other)


def test_how_often_we_measure_does_not_change_what_is_learnt(loaders):
    often, _ = run(loaders, replace(SETTINGS, evaluate_every=1))
    rarely, _ = run(loaders, replace(SETTINGS, evaluate_every=100, evaluate_batches=None))
    assert same_weights(often, rarely)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_run_that_was_stopped_after_any_epoch_continues_to_the_same_weights(loaders, tmp_path, dropout):
    def model():
        return tiny_gpt2(dropout=dropout)

    whole, history = run(loaders, model=model)
    for epochs_before in (1, 2):
        checkpoint = tmp_path / f"{epochs_before}.safetensors"
        run(loaders, replace(SETTINGS, epochs=epochs_before), model, checkpoint=checkpoint)
        continued, joined = run(loaders, model=model, checkpoint=checkpoint)
        assert same_weights(whole, continued)
        assert replace(joined, seconds=0) == replace(history, seconds=0)
        assert joined.seconds > 0


def test_run_that_is_interrupted_within_an_epoch_continues_from_the_last_one(loaders, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    whole, history = run(loaders)

    def interrupt(history):
        if history.steps[-1] == 14:  # within the third epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(loaders, checkpoint=checkpoint, on_measurement=interrupt)
    continued, joined = run(loaders, checkpoint=checkpoint)
    assert same_weights(whole, continued)
    assert joined.train_losses == history.train_losses


def test_run_that_is_killed_continues_to_the_same_weights(loaders, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import torch
        from conftest import tiny_gpt2, tiny_splits, tiny_tokenizer
        from llmclf.loaders import make_loaders
        from test_train import SETTINGS, run
        torch.set_num_threads(1)  # as here: the last bit of a sum depends on it
        loaders = make_loaders(tiny_splits.__wrapped__(), tiny_tokenizer.__wrapped__(), batch_size=8)
        def kill(history):
            if history.steps[-1] == 8:
                os.kill(os.getpid(), signal.SIGKILL)
        run(loaders, checkpoint={str(checkpoint)!r}, on_measurement=kill)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    whole, _ = run(loaders)
    continued, _ = run(loaders, checkpoint=checkpoint)
    assert same_weights(whole, continued)


def test_finished_run_is_not_trained_again(loaders, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    first, history = run(loaders, checkpoint=checkpoint)
    second, again = run(loaders, checkpoint=checkpoint, on_measurement=pytest.fail)
    assert same_weights(first, second)
    assert again == history


def test_more_epochs_go_on_where_fewer_ended(loaders, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    run(loaders, checkpoint=checkpoint)
    longer, history = run(loaders, replace(SETTINGS, epochs=4), checkpoint=checkpoint)
    assert same_weights(longer, run(loaders, replace(SETTINGS, epochs=4))[0])
    assert len(history.train_accuracies) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": replace(SETTINGS, learning_rate=1e-4)}, "learning_rate: 0.003 there, 0.0001 here"),
        ({"settings": replace(SETTINGS, seed=7)}, "seed: 123 there, 7 here"),
        ({"model": lambda: tiny_gpt2(seed=5)}, "frozen weights: .*"),
        ({"model": lambda: tiny_gpt2(hidden_size=64)}, "model: .*hidden_size=32.* there, .*hidden_size=64.* here.*"),
        ({"model": tiny_llama}, "number of trained tensors.*"),
        ({"padding": "fixed"}, r"padding: each batch to its longest message there, all to \d+ tokens here"),
        ({"precision": "bfloat16"}, "precision: float32 there, bfloat16 here"),
    ],
)
def test_checkpoint_of_another_run_is_refused_and_says_how(
    loaders, tiny_splits, tiny_tokenizer, tmp_path, change, words
):
    checkpoint = tmp_path / "checkpoint.safetensors"
    run(loaders, checkpoint=checkpoint)
    before = checkpoint.read_bytes()
    with pytest.raises(
        CheckpointError, match=f"{checkpoint}: from a run with other {words}; remove .* to start afresh"
    ):
        if "padding" in change:
            run(make_loaders(tiny_splits, tiny_tokenizer, batch_size=8, **change), checkpoint=checkpoint)
        run(loaders, checkpoint=checkpoint, **change)
    assert checkpoint.read_bytes() == before


def test_checkpoint_of_other_messages_is_refused(loaders, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    run(loaders, checkpoint=checkpoint)
    loaders.train.dataset.labels[3] = 1 - loaders.train.dataset.labels[3]
    with pytest.raises(CheckpointError, match="other training messages"):
        run(loaders, checkpoint=checkpoint)


def test_checkpoint_of_other_trainable_weights_is_refused(loaders, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    run(loaders, checkpoint=checkpoint)
    classifier = Classifier(tiny_gpt2(), 2, trainable="head")
    with pytest.raises(CheckpointError, match="other number of trained tensors"):
        train(classifier, loaders.train, loaders.validation, SETTINGS, checkpoint=checkpoint)


def test_checkpoint_after_more_epochs_than_asked_for_is_refused(loaders, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    run(loaders, checkpoint=checkpoint)
    classifier = Classifier(tiny_gpt2(), 2)
    before = {name: weight.clone() for name, weight in classifier.state_dict().items()}
    shorter = replace(SETTINGS, epochs=SETTINGS.epochs - 1)
    with pytest.raises(CheckpointError, match=r"after 3 epochs, more than the 2 asked for; remove .* to start afresh"):
        train(classifier, loaders.train, loaders.validation, shorter, checkpoint=checkpoint)
    assert all(weight.equal(before[name]) for name, weight in classifier.state_dict().items())


def test_checkpoint_of_another_version_is_refused(loaders, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    run(loaders, checkpoint=checkpoint)
    tensors, record = read_with_checksum(checkpoint, "")
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    write_with_checksum(checkpoint, tensors, record | {"format": record["format"] + 1})
    with pytest.raises(FileError, match=f"{checkpoint}: written by another version of the library; remove "):
        run(loaders, checkpoint=checkpoint)


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"not a checkpoint"])
def test_damaged_checkpoint_is_named_and_kept(loaders, tmp_path, damage):
    checkpoint = tmp_path / "checkpoint.safetensors"
    run(loaders, checkpoint=checkpoint)
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(
        FileError, match=rf"{checkpoint}: not a complete safetensors file \(.*\); remove {checkpoint} to"
    ):
        run(loaders, checkpoint=checkpoint)
    assert checkpoint.exists()


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, 0.999])
def test_checkpoint_in_which_a_single_bit_was_exchanged_is_not_continued(loaders, tmp_path, place):
    checkpoint = tmp_path / "checkpoint.safetensors"
    run(loaders, replace(SETTINGS, epochs=1), checkpoint=checkpoint)
    content = bytearray(checkpoint.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    content[header + int(place * (len(content) - header))] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(FileError, match=f"{checkpoint}: damaged: .* remove {checkpoint} to start afresh"):
        run(loaders, checkpoint=checkpoint)


def test_foreign_safetensors_file_is_no_checkpoint(loaders, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    save_file({"a": torch.zeros(1)}, checkpoint)
    with pytest.raises(FileError, match=f"not written by this version of the library; remove {checkpoint} to start"):
        run(loaders, checkpoint=checkpoint)


def test_failed_write_of_a_checkpoint_leaves_the_one_before(loaders, tmp_path, monkeypatch):
    checkpoint = tmp_path / "checkpoint.safetensors"
    run(loaders, replace(SETTINGS, epochs=1), checkpoint=checkpoint)
    before = checkpoint.read_bytes()

    def full_disk(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full_disk)
    with pytest.raises(FileError, match=f"{checkpoint}: cannot be written .*No space left"):
        run(loaders, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.name]


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"evaluate_every": 0}, {"learning_rate": 0.0}])
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingSettings(**wrong)


def test_learning_rate_that_is_suggested_depends_on_the_family():
    assert suggested_learning_rate(Classifier(tiny_gpt2())) == 5e-5
    assert suggested_learning_rate(Classifier(tiny_llama())) == 2e-4
    assert suggested_learning_rate(Classifier(tiny_llama(), trainable="all")) == 5e-5


def test_history_survives_json(loaders):
    _, history = run(loaders)
    again = json.loads(json.dumps(history.__dict__))
    assert again == history.__dict__
    assert not any(math.isnan(loss) for loss in history.train_losses)


def test_accumulated_batches_learn_what_one_large_batch_does(tiny_splits, tiny_tokenizer):
    large = make_loaders(tiny_splits, tiny_tokenizer, batch_size=8)
    small = make_loaders(tiny_splits, tiny_tokenizer, batch_size=2)
    settings = replace(SETTINGS, evaluate_batches=None)
    one, first = run(large, settings)
    other, second = run(small, replace(settings, gradient_accumulation_steps=4))
    assert first.steps == second.steps
    assert first.examples_seen == second.examples_seen
    for weight, same in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(weight, same, atol=1e-4, rtol=1e-3)
    plain, _ = run(small, settings)
    assert not torch.allclose(plain.backbone.head.weight, other.backbone.head.weight, atol=1e-3)


def test_messages_left_over_by_one_epoch_do_not_count_in_the_next(tiny_splits, tiny_tokenizer):
    """50 messages, 16 a step: in each epoch the last two are left out, accumulated or not."""
    one, first = run(make_loaders(tiny_splits, tiny_tokenizer, batch_size=16))
    other, second = run(
        make_loaders(tiny_splits, tiny_tokenizer, batch_size=1), replace(SETTINGS, gradient_accumulation_steps=16)
    )
    assert first.steps == second.steps
    torch.testing.assert_close(one.backbone.head.weight, other.backbone.head.weight, atol=1e-4, rtol=1e-3)


def test_more_to_accumulate_than_there_is_is_refused(loaders):
    with pytest.raises(LlmclfError, match="6 batches are too few to accumulate 7 for a step"):
        run(loaders, replace(SETTINGS, gradient_accumulation_steps=7))


def test_ignored_label_does_not_count_and_a_number_that_no_label_has_changes_nothing(loaders):
    usual, _ = run(loaders)
    assert same_weights(run(loaders, replace(SETTINGS, ignore_index=256))[0], usual)
    without_spam, _ = run(loaders, replace(SETTINGS, ignore_index=1))
    confusion = evaluate(without_spam, every_message(loaders.test)).confusion
    assert confusion[:, 1].sum() == 0  # it has learnt that there is nothing but ham


def test_line_about_frozen_blocks_can_be_left_out(loaders, capsys):
    run(loaders, quiet=True)
    assert capsys.readouterr().err == ""
