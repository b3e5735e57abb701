"""The finished classifier: any text gets a label, alone or among many, today and after loading."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_gpt2, tiny_llama
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from llmclf import classify, loaders
from llmclf.classify import CLASSIFIER_FILE, TextClassifier
from llmclf.console import LlmclfError
from llmclf.files import assets
from llmclf.files.assets import Asset
from llmclf.files.storage import FileError, write_with_checksum
from llmclf.head import Classifier
from llmclf.models.gpt2_weights import hub_layout
from llmclf.models.state import WeightsError
from llmclf.weights import load_pretrained

STRANGE_TEXTS = [
    "",
    " ",
    "\n\n",
    "👩‍👩‍👧 🎉",
    "<|endoftext|>",
    "<|endoftext|>" * 50,
    "مرحبا",
    "\x00\x1f",
    "half a character: \ud83d",
    "a" * 10_000,
    "word " * 5_000,
]


@pytest.fixture(autouse=True)
def tiny_tokenizer_by_any_name(monkeypatch, tiny_tokenizer):
    monkeypatch.setattr(classify, "load_tokenizer", lambda backbone: tiny_tokenizer)


@pytest.fixture
def public_backbone(tmp_path, monkeypatch) -> str:
    """A tiny GPT-2 in the Hub's layout, in place of the public 124M file."""
    path = tmp_path / "kit" / "gpt2-124M" / "model.safetensors"
    path.parent.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    layout = hub_layout(tiny_gpt2(num_heads=1, hidden_size=64).config)
    save_file({name: torch.randn(shape, generator=generator) / 8 for name, shape in layout.items()}, path)
    asset = Asset("gpt2-124M", "gpt2-124M/model.safetensors", "MIT", None, None, sources=())
    monkeypatch.setitem(assets.ASSETS, "gpt2-124M", asset)
    monkeypatch.setenv("LLMCLF_KIT", str(tmp_path / "kit"))
    monkeypatch.setenv("LLMCLF_CACHE", str(tmp_path / "cache"))
    return "gpt2-124M"


@pytest.fixture
def trained(public_backbone, tiny_tokenizer, request) -> TextClassifier:
    """A classifier on the public backbone whose trainable weights have moved; as parameter, its precision."""
    model = Classifier(load_pretrained(public_backbone), 2, precision=getattr(request, "param", "auto"))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight += 0.1
    return TextClassifier(model, tiny_tokenizer, ["ham", "spam"], public_backbone, training={"epochs": 3})


# Prediction -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", STRANGE_TEXTS, ids=lambda text: ascii(text[:12]))
def test_any_text_gets_a_label_and_probabilities(classifier, text):
    assert classifier.predict(text) in ("ham", "spam")
    probabilities = classifier.predict_proba(text)
    assert probabilities.shape == (2,)
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)


def test_many_texts_are_answered_in_their_order(classifier):
    alone = np.stack([classifier.predict_proba(text) for text in STRANGE_TEXTS])
    np.testing.assert_allclose(classifier.predict_proba(STRANGE_TEXTS), alone, atol=1e-5)
    labels = [["ham", "spam"][row.argmax()] for row in alone]
    assert classifier.predict(STRANGE_TEXTS) == labels


def test_no_texts_give_no_answers(classifier):
    assert classifier.predict([]) == []
    assert classifier.predict_proba([]).shape == (0, 2)


def test_prediction_is_softmax_of_the_model_read_at_the_last_token(classifier, tiny_tokenizer):
    input_ids = torch.tensor([tiny_tokenizer.encode_ordinary("Win a prize")])
    with torch.no_grad():
        expected = classifier.model.backbone(input_ids)[0, -1].softmax(dim=0)
    np.testing.assert_allclose(classifier.predict_proba("Win a prize"), expected, atol=1e-5)


def test_training_mode_of_the_model_does_not_leak_into_predictions(tiny_tokenizer):
    model = Classifier(tiny_gpt2(dropout=0.5), 2)
    classifier = TextClassifier(model.train(), tiny_tokenizer, ["ham", "spam"], "random-tiny")
    assert np.array_equal(classifier.predict_proba("hello"), classifier.predict_proba("hello"))


@settings(max_examples=25)
@given(texts=st.lists(st.text(max_size=120), min_size=1, max_size=12), data=st.data())
def test_neither_company_nor_order_nor_batch_size_changes_an_answer(tiny_tokenizer, texts, data):
    classifier = TextClassifier(Classifier(tiny_llama(), 2), tiny_tokenizer, ["ham", "spam"], "random-tiny")
    order = data.draw(st.permutations(range(len(texts))))
    together = classifier.logits(texts)
    shuffled = classifier.logits([texts[place] for place in order])
    torch.testing.assert_close(shuffled, together[list(order)], atol=1e-5, rtol=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(loaders.TOKENS_PER_BATCH, "cpu", 1)
        torch.testing.assert_close(classifier.logits(texts), together, atol=1e-5, rtol=0)


def test_message_longer_than_the_context_is_cut_at_the_end(classifier):
    long = "x" * 96 + "y" * 500
    np.testing.assert_array_equal(classifier.predict_proba(long), classifier.predict_proba("x" * 96))
    assert classifier.max_length == 96


def test_classifier_of_the_last_position_pads_as_it_was_trained(tiny_tokenizer):
    model = Classifier(tiny_gpt2(), 2, pooling="last_position")
    classifier = TextClassifier(model, tiny_tokenizer, ["ham", "spam"], "random-tiny", pad_to=40)
    padded = [*tiny_tokenizer.encode_ordinary("hello"), *[tiny_tokenizer.eot_token] * 35]
    with torch.no_grad():
        expected = model.backbone(torch.tensor([padded]))[0, -1].softmax(dim=0)
    np.testing.assert_allclose(classifier.predict_proba("hello"), expected, atol=1e-5)


@pytest.mark.parametrize("wrong", [None, 5, b"bytes"])
def test_what_is_not_a_string_is_named(classifier, wrong):
    with pytest.raises(LlmclfError, match=r"text 2 is .* expected a string"):
        classifier.predict(["fine", wrong])


def test_label_names_must_fit_the_outputs(tiny_tokenizer):
    with pytest.raises(LlmclfError, match="3 label names for 2 outputs"):
        TextClassifier(Classifier(tiny_gpt2(), 2), tiny_tokenizer, ["a", "b", "c"], "random-tiny")


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ("hello", "one: 'hello'; put it into a list"),
        (pd.DataFrame({"text": ["a"], "more": ["b"]}), r"a DataFrame of shape \(1, 2\)"),
        (np.array("a"), r"a ndarray of shape \(\)"),
    ],
)
def test_what_is_not_many_texts_is_refused(classifier, texts, found):
    with pytest.raises(LlmclfError, match=f"expected a list or column of texts, got {found}"):
        classifier.logits(texts)


def test_texts_may_come_one_by_one(classifier):
    expected = classifier.predict(["Win", "hello"])
    assert classifier.predict(text for text in ["Win", "hello"]) == expected
    assert classifier.predict(pd.Series(["Win", "hello"])) == expected


# Saving and loading ---------------------------------------------------------------------------------------------------


def assert_same(loaded: TextClassifier, saved: TextClassifier) -> None:
    """The same weights exactly; the same logits but for rounding, which depends on where in memory the weights lie."""
    assert all(map(torch.equal, loaded.model.state_dict().values(), saved.model.state_dict().values()))
    assert loaded.model.precision == saved.model.precision
    torch.testing.assert_close(loaded.logits(STRANGE_TEXTS), saved.logits(STRANGE_TEXTS), atol=1e-5, rtol=0)


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("trained", ["float32", "bfloat16"], indirect=True)
def test_loaded_classifier_gives_the_same_answers(trained, tmp_path, complete):
    trained.save(tmp_path / "saved", complete=complete)
    loaded = TextClassifier.load(tmp_path / "saved", precision=trained.model.precision)
    assert_same(loaded, trained)
    for name in ("label_names", "backbone", "max_length", "pad_to", "training"):
        assert getattr(loaded, name) == getattr(trained, name)
    assert loaded.model.pooling == trained.model.pooling


@pytest.mark.parametrize("trained", ["bfloat16"], indirect=True)
@pytest.mark.parametrize("complete", [False, True])
def test_classifier_is_loaded_in_float32_where_bfloat16_is_slow(trained, tmp_path, complete):
    trained.save(tmp_path / "saved", complete=complete)
    loaded = TextClassifier.load(tmp_path / "saved", precision="float32")
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.logits(STRANGE_TEXTS), trained.logits(STRANGE_TEXTS), atol=0.05, rtol=0)


def test_classifier_is_used_again_in_a_fresh_process(trained, tmp_path):
    trained.save(tmp_path / "saved")
    script = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from conftest import tiny_tokenizer
        from llmclf import classify, loaders
        from llmclf.files import assets
        classify.load_tokenizer = lambda backbone: tiny_tokenizer.__wrapped__()
        asset = assets.Asset("gpt2-124M", "gpt2-124M/model.safetensors", "MIT", None, None, sources=())
        assets.ASSETS["gpt2-124M"] = asset
        print(classify.TextClassifier.load({str(tmp_path / "saved")!r}).predict_proba("Win now").tolist())
    """
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert json.loads(process.stdout) == pytest.approx(trained.predict_proba("Win now"), abs=1e-6), process.stderr


def test_only_what_differs_from_the_public_backbone_is_stored(trained, tmp_path):
    trained.save(tmp_path / "small")
    trained.save(tmp_path / "whole", complete=True)
    small, whole = (load_file(tmp_path / name / CLASSIFIER_FILE) for name in ("small", "whole"))
    assert {name.split(".")[0] + name.split(".")[1] for name in small} == {
        *("blocks2", "final_normweight", "final_normbias", "headweight", "headbias"),
    }
    assert set(whole) == {name for name, _ in trained.model.backbone.named_parameters()}


def test_weight_that_was_changed_by_hand_is_stored_though_it_is_frozen(trained, tmp_path):
    with torch.no_grad():
        trained.model.backbone.token_embedding.weight[7] += 1
    trained.save(tmp_path / "saved")
    loaded = TextClassifier.load(tmp_path / "saved")
    assert torch.equal(loaded.model.backbone.token_embedding.weight, trained.model.backbone.token_embedding.weight)


def test_without_public_weights_everything_is_stored_and_said(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LLMCLF_KIT", str(tmp_path / "empty"))
    trained.save(tmp_path / "saved")
    assert "storing all weights" in capsys.readouterr().err
    assert_same(TextClassifier.load(tmp_path / "saved"), trained)


def test_classifier_is_not_read_with_another_tokenizer(trained, tmp_path, monkeypatch, gpt2_encoding):
    trained.save(tmp_path / "saved", complete=True)
    monkeypatch.setattr(classify, "load_tokenizer", lambda backbone: gpt2_encoding)
    name = trained.tokenizer.name
    with pytest.raises(
        FileError,
        match=f"classifier.safetensors: was trained with the tokenizer {name}, but .* leads to gpt2; put that",
    ):
        TextClassifier.load(tmp_path / "saved")


def test_random_backbone_is_stored_whole(classifier, tmp_path):
    classifier.save(tmp_path / "saved")
    assert_same(TextClassifier.load(tmp_path / "saved"), classifier)


def test_saving_again_replaces_the_old_classifier_and_leaves_nothing_of_it(trained, tmp_path):
    trained.save(tmp_path / "saved")
    trained.label_names = ["no", "yes"]
    trained.save(tmp_path / "saved")
    assert TextClassifier.load(tmp_path / "saved").label_names == ["no", "yes"]
    assert [path.name for path in (tmp_path / "saved").iterdir()] == [CLASSIFIER_FILE]


def test_failed_save_leaves_the_old_classifier(trained, tmp_path, monkeypatch):
    trained.save(tmp_path / "saved")
    before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "saved").iterdir())

    def full_disk(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        trained.save(tmp_path / "saved")
    assert sorted((path.name, path.read_bytes()) for path in (tmp_path / "saved").iterdir()) == before


def test_nothing_is_unpickled(trained, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something was unpickled")

    trained.save(tmp_path / "saved")
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(torch, "load", refuse)
    assert TextClassifier.load(tmp_path / "saved").predict("hello") in ("ham", "spam")


def edit_record(folder: Path, **changes) -> None:
    weights, record = classify.read_classifier(folder)
    record |= changes
    record = {name: value for name, value in record.items() if value != "removed"}
    weights = {name: weight.clone() for name, weight in weights.items()}
    write_with_checksum(folder / CLASSIFIER_FILE, weights, record)


def test_folder_without_a_classifier_is_named(tmp_path):
    with pytest.raises(FileError, match=f"{tmp_path}: no classifier.safetensors in this folder"):
        TextClassifier.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 99, "library": "9.9"}, r"format 99, written by llmclf 9\.9; this is llmclf .* reads format 5"),
        ({"format": "removed"}, "not the file of a classifier"),
        ({"backbone_sha256": "0" * 64}, "trained on the backbone with 0000"),
    ],
)
def test_record_that_does_not_fit_is_refused(trained, tmp_path, changes, words):
    trained.save(tmp_path / "saved")
    edit_record(tmp_path / "saved", **changes)
    with pytest.raises(FileError, match=words):
        TextClassifier.load(tmp_path / "saved")


def test_record_in_which_a_letter_was_exchanged_is_refused(trained, tmp_path):
    trained.save(tmp_path / "saved")
    path = tmp_path / "saved" / CLASSIFIER_FILE
    path.write_bytes(path.read_bytes().replace(b"ham", b"hat", 1))
    with pytest.raises(FileError, match=r"classifier\.safetensors: damaged: .*; save .* again"):
        TextClassifier.load(tmp_path / "saved")


def flip_a_bit(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_a_bit, "damaged: "),
        (lambda content: content[:-100], "not a complete safetensors file"),
        (lambda content: b"", "not a complete safetensors file"),
    ],
)
def test_damaged_weights_are_refused(trained, tmp_path, damage, words):
    trained.save(tmp_path / "saved")
    path = tmp_path / "saved" / CLASSIFIER_FILE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FileError, match=f"{path.name}: .*{words}"):
        TextClassifier.load(tmp_path / "saved")


def test_weights_of_another_shape_are_refused(trained, tmp_path):
    trained.save(tmp_path / "saved")
    edit_record(tmp_path / "saved", labels=["a", "b", "c"])
    with pytest.raises(WeightsError, match=r"wrong shape tensors: head\.weight \(2, 64\) instead of \(3, 64\)"):
        TextClassifier.load(tmp_path / "saved")


def test_three_classes_are_saved_and_loaded(public_backbone, tiny_tokenizer, tmp_path):
    names = ["bill", "offer", "private"]
    classifier = TextClassifier(Classifier(load_pretrained(public_backbone), 3), tiny_tokenizer, names, public_backbone)
    classifier.save(tmp_path / "saved")
    loaded = TextClassifier.load(tmp_path / "saved")
    assert loaded.predict(STRANGE_TEXTS) == classifier.predict(STRANGE_TEXTS)
    assert loaded.predict_proba("hello").shape == (3,)
