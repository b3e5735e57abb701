"""The student: its vocabulary is the beginning of a larger one, and its file gives back what was put in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_gpt2
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.data import SMS_LABELS, encode_labels, read_sms, split, undersample
from llmclf.evaluate import score
from llmclf.files.storage import FileError, read_with_checksum, write_with_checksum
from llmclf.head import Classifier
from llmclf.interactive.distillation import token_ends
from llmclf.interactive.student import STUDENT, load_student, quantise, save_student, truncate_vocabulary
from llmclf.tokenizer import encode

FILE = Path(__file__).parents[1] / "book" / "play" / "student.safetensors"


@pytest.fixture(params=["gpt2_encoding", "smollm2_encoding"])
def large(request):
    return request.getfixturevalue(request.param)


@given(text=st.text(max_size=60))
@example("unsubscribe antidisestablishmentarianism  \n\n 12345 🎉é")
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_small_tokenizer_cuts_wherever_the_large_one_does(large, text):
    small = truncate_vocabulary(large, 2000)
    ours, theirs = encode(small, text), encode(large, text)
    assert small.decode(ours) == large.decode(theirs) or not text
    assert set(token_ends(large, theirs)) <= set(token_ends(small, ours))
    assert max(ours) < 2000


def test_tokens_that_stay_keep_their_numbers(large):
    small = truncate_vocabulary(large, 2000)
    kept = set(range(2000)) - {large.eot_token, small.eot_token}
    assert all(small.decode_single_token_bytes(n) == large.decode_single_token_bytes(n) for n in kept if n >= 300)
    assert small.n_vocab == 2000


def test_end_of_text_keeps_its_number_or_is_the_last(gpt2_encoding, smollm2_encoding):
    assert truncate_vocabulary(smollm2_encoding, 500).eot_token == smollm2_encoding.eot_token == 0
    assert truncate_vocabulary(gpt2_encoding, 500).eot_token == 499
    assert encode(truncate_vocabulary(gpt2_encoding, 500), "") == [499]


def test_quantised_row_is_off_by_half_a_step_at_most():
    weight = torch.randn(40, 30) * torch.logspace(-4, 4, 40)[:, None]
    whole, scale = quantise(weight)
    assert whole.dtype == torch.int8
    assert whole.abs().amax(dim=1).tolist() == [127] * 40
    assert ((whole * scale[:, None] - weight).abs() <= 0.5001 * scale[:, None]).all()


def test_row_of_zeros_stays_zero():
    whole, scale = quantise(torch.zeros(2, 5))
    assert not whole.any()
    assert (scale > 0).all()  # nothing is ever divided by zero


@pytest.fixture
def small_classifier(tiny_tokenizer):
    model = Classifier(tiny_gpt2(tied_embeddings=False), 3)
    torch.nn.init.normal_(model.backbone.head.weight)
    return TextClassifier(model, tiny_tokenizer, ["bill", "offer", "private"], "student", training={"epochs": 1})


def test_file_gives_back_labels_tokens_and_nearly_the_weights(small_classifier, tmp_path):
    save_student(small_classifier, tmp_path / "student.safetensors")
    loaded = load_student(tmp_path / "student.safetensors")
    assert loaded.label_names == ["bill", "offer", "private"]
    assert loaded.training == {"epochs": 1}
    texts = ["", "Win é", "a longer message 🎉"]
    assert [encode(loaded.tokenizer, text) for text in texts] == [
        encode(small_classifier.tokenizer, text) for text in texts
    ]
    np.testing.assert_allclose(loaded.predict_proba(texts), small_classifier.predict_proba(texts), atol=0.1)


def test_file_written_again_is_the_same(small_classifier, tmp_path):
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    save_student(small_classifier, one)
    save_student(load_student(one), other)
    ours, theirs = load_file(one), load_file(other)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-6, atol=0)


def test_matrices_are_whole_numbers_of_four_bits(small_classifier, tmp_path):
    save_student(small_classifier, tmp_path / "student.safetensors")
    tensors, _ = read_with_checksum(tmp_path / "student.safetensors", "")
    matrices = [tensor for tensor in tensors.values() if tensor.ndim == 2]
    assert {tensor.dtype for tensor in matrices} == {torch.int8}
    assert max(tensor.abs().max() for tensor in matrices) == 7


@pytest.mark.parametrize("pooling", ["mean", "last_token"])
def test_student_that_would_come_back_another_is_not_saved(small_classifier, tmp_path, pooling):
    small_classifier.model.pooling = pooling
    small_classifier.max_length = 5
    with pytest.raises(LlmclfError, match="only a student that reads the last token of its whole context can be saved"):
        save_student(small_classifier, tmp_path / "student.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("record", [{}, {"format": 1}, {"format": 2}, {"tokens": {}}])
def test_other_file_is_refused(tmp_path, record):
    path = tmp_path / "other.safetensors"
    write_with_checksum(path, {"weight": torch.zeros(1)}, record)
    with pytest.raises(FileError, match=r"other\.safetensors: not a student of this library, format 2; python -m"):
        load_student(path)


def test_missing_file_is_told(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        load_student(tmp_path / "none.safetensors")


def test_fewer_bits_are_coarser():
    weight = torch.randn(5, 50)
    errors = []
    for bits in (8, 6, 4, 2):
        whole, scale = quantise(weight, bits)
        assert whole.abs().max() == 2 ** (bits - 1) - 1
        errors.append((whole * scale[:, None] - weight).abs().mean().item())
    assert errors == sorted(errors)


# The student of the book ----------------------------------------------------------------------------------------------


def test_student_of_the_book_has_the_shape_that_the_command_makes():
    student = load_student(FILE)
    assert student.model.backbone.config == STUDENT
    assert FILE.stat().st_size < 2_500_000


def test_student_of_the_book_is_a_classifier(sms_path):
    """Far better than chance on the test set; the page says exactly how good."""
    test = split(encode_labels(undersample(read_sms(sms_path)), SMS_LABELS)).test
    logits = load_student(FILE).logits(test["text"].tolist())
    assert score(logits, torch.tensor(test["label"].tolist())).interval[0] > 0.9
