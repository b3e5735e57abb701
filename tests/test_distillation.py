"""Distillation: the lessons say what the teacher says, where it says it; and the student comes to say the same."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny_gpt2, tiny_llama

from llmclf import data
from llmclf.classify import TextClassifier
from llmclf.cli.parser import main
from llmclf.console import LlmclfError
from llmclf.evaluation.near_duplicates import HeldOutOverlap
from llmclf.feature_cache import fingerprint
from llmclf.head import Classifier
from llmclf.interactive import distillation as module
from llmclf.interactive.distillation import (
    DistillationExample,
    distil,
    distillation_example,
    draw_batches,
    mix_texts,
    new_student,
    sms_texts,
    teacher_probabilities,
    train_student,
    whole_words,
)
from llmclf.interactive.student import load_student, truncate_vocabulary
from llmclf.interactive.token_probabilities import token_probabilities
from llmclf.models import GPT2Config
from llmclf.tokenizer import encode

SMALL = GPT2Config(vocab_size=257, context_length=32, hidden_size=32, num_layers=2, num_heads=2, tied_embeddings=False)
TEXTS = [f"{word} {number}" for word in ("see you", "WIN", "call", "ok") for number in range(10)]


@pytest.fixture(params=[tiny_gpt2, tiny_llama], ids=["gpt2", "llama"])
def teacher(request, tiny_tokenizer):
    """Has strong opinions, if no good ones."""
    model = Classifier(request.param(), 2)
    torch.nn.init.normal_(model.backbone.head.weight, generator=torch.Generator().manual_seed(1))
    return TextClassifier(model.requires_grad_(False), tiny_tokenizer, ["ham", "spam"], "random-tiny")


def test_teacher_answers_as_in_reading_along(teacher):
    texts = ["WIN now", "a", "", "see you at eight then"]
    answers = teacher_probabilities(teacher, [encode(teacher.tokenizer, text) for text in texts])
    for text, answer in zip(texts, answers, strict=True):
        np.testing.assert_allclose(answer, token_probabilities(teacher, text).probabilities, atol=1e-5)


def test_teacher_answers_without_dropout_though_it_was_trained_just_now(tiny_tokenizer):
    model = Classifier(tiny_gpt2(dropout=0.5), 2).train()
    teacher = TextClassifier(model, tiny_tokenizer, ["ham", "spam"], "random-tiny")
    one, other = (teacher_probabilities(teacher, [[1, 2, 3]])[0] for _ in range(2))
    assert torch.equal(one, other)


def test_target_is_what_the_teacher_said_last(smollm2_encoding):
    small = truncate_vocabulary(smollm2_encoding, 280)
    text = "unsubscribe tomorrow"
    heard = encode(smollm2_encoding, text)
    whole = [smollm2_encoding.decode(heard[: end + 1]) for end in range(len(heard))]
    answer = torch.rand(len(heard), 2)
    input_ids, targets, weights = distillation_example(text, answer, smollm2_encoding, small, 64)
    assert len(input_ids) > len(heard)
    for place in range(len(input_ids)):
        beginning = small.decode(input_ids[: place + 1])
        said = [number for number, words in enumerate(whole) if beginning.startswith(words)]
        assert (weights[place] > 0) == bool(said)
        if said:
            torch.testing.assert_close(targets[place], answer[said[-1]])
    assert weights[0] == 0  # "un" is one token for the teacher, two for the student
    assert weights.sum().item() == pytest.approx(1)
    assert weights[-1].item() == pytest.approx(0.5 + 0.5 / (weights > 0).sum().item())


def test_text_longer_than_the_context_is_cut_for_the_student(tiny_tokenizer):
    input_ids, targets, weights = distillation_example("abcdefgh", torch.rand(5, 2), tiny_tokenizer, tiny_tokenizer, 4)
    assert len(input_ids) == len(targets) == len(weights) == 4
    assert weights.tolist() == [0.125, 0.125, 0.125, 0.625]
    input_ids, _, weights = distillation_example("abcdefgh", torch.rand(3, 2), tiny_tokenizer, tiny_tokenizer, 6)
    assert weights.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6 + 1 / 2, 0, 0, 0])


def test_empty_text_is_a_lesson_of_one_token(tiny_tokenizer):
    input_ids, targets, weights = distillation_example(
        "", torch.tensor([[0.2, 0.8]]), tiny_tokenizer, tiny_tokenizer, 4
    )
    assert (input_ids, weights.tolist()) == ([256], [1.0])
    torch.testing.assert_close(targets, torch.tensor([[0.2, 0.8]]))


def test_epoch_brings_every_lesson_once_with_padding_that_weighs_nothing(tiny_tokenizer, monkeypatch):
    monkeypatch.setattr(module, "TOKENS_PER_BATCH", 40)
    lessons = [
        distillation_example(text, torch.rand(len(text), 2), tiny_tokenizer, tiny_tokenizer, 32) for text in TEXTS
    ]
    seen = []
    for input_ids, targets, weights in draw_batches(lessons, random.Random(1)):
        assert input_ids.numel() <= 40 + 6 * len(input_ids)
        assert input_ids.shape == weights.shape == targets.shape[:2]
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(weights)))
        for row, weight in zip(input_ids.tolist(), weights.tolist(), strict=True):
            seen.append(tiny_tokenizer.decode([number for number, share in zip(row, weight, strict=True) if share]))
    assert sorted(seen) == sorted(TEXTS)


def test_batches_come_in_another_order_each_time(monkeypatch):
    monkeypatch.setattr(module, "TOKENS_PER_BATCH", 1)
    lessons = [DistillationExample([1] * size, torch.zeros(size, 2), torch.ones(size)) for size in range(10, 100, 10)]
    generator = random.Random(1)
    orders = [[ids.shape[1] for ids, _, _ in draw_batches(lessons, generator)] for _ in range(2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10, 100, 10))
    assert list(range(10, 100, 10)) != orders[0] != orders[1]


def test_answer_without_weight_is_not_learnt(teacher):
    """The first token means one thing at the end of a text, and another, of no weight, in the middle."""
    shares = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    lessons = [
        DistillationExample([1, 2], shares, torch.tensor([0.0, 1.0])),
        DistillationExample([1], shares[1:], torch.ones(1)),
    ] * 8
    student = new_student(teacher, SMALL, 0.0, seed=1)
    train_student(student, lessons, epochs=10, learning_rate=5e-3, seed=1)
    assert student.backbone(torch.tensor([[1]])).softmax(dim=2)[0, 0, 1] > 0.8


def test_mixtures_are_made_of_the_texts_and_the_words():
    generator = random.Random(0)
    mixed = [mix_texts(["one two three", "Four"], ["five"], generator) for _ in range(200)]
    assert {word.lower() for text in mixed for word in text.split()} == {"one", "two", "three", "four", "five"}
    assert {text.isupper() for text in mixed} == {True, False}
    assert len(set(mixed)) > 50


def test_whole_words_are_words_that_follow_a_space(smollm2_encoding):
    words = whole_words(smollm2_encoding)
    assert {"the", "number"} <= set(words)
    assert all(word.isalpha() for word in words)


HELD_OUT = ["Call 0800 now to claim your prize!", "Sorry, I'll be late", "See you soon", "Ok..", ":)"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CALL NOW: to claim your... prize", True),
        ("You won? Then call, now to claim your holiday", True),
        ("call to claim your prize", False),
        ("oh. See you soon. love", True),
        ("see you very soon", False),
        ("ok", True),
        ("ok then", False),
        ("?!", True),
        ("sorry I ll be", False),
        ("", True),
    ],
)
def test_text_that_would_give_away_a_held_out_one_is_found(text, found):
    assert (text in HeldOutOverlap(HELD_OUT)) is found


def test_nothing_resembles_no_text():
    assert "anything" not in HeldOutOverlap([])


def test_held_out_texts_are_taught_neither_whole_nor_in_mixtures(teacher, monkeypatch):
    heard = []
    monkeypatch.setattr(
        module,
        "teacher_probabilities",
        lambda teacher, texts: heard.extend(texts) or teacher_probabilities(teacher, texts),
    )
    texts = ["one two three", "four five six", "red", "Red!", "blue"]
    student = distil(teacher, texts, ["One, two, three", "red", "three four five"], config=SMALL, epochs=1)
    taught = [teacher.tokenizer.decode(text) for text in heard[:-1]]
    assert taught[:2] == ["four five six", "blue"]
    assert student.training["texts"] == 2
    assert student.training["mixtures"] == len(taught) - 2 == 2 * module.MIXTURES
    assert not [text for text in taught if text in HeldOutOverlap(["One, two, three", "red", "three four five"])]


def test_validation_and_test_set_are_held_out(any_sms_path, monkeypatch):
    monkeypatch.setattr(data.assets, "fetch", lambda name: any_sms_path)
    texts, held_out = sms_texts()
    splits = data.split(data.encode_labels(data.undersample(data.read_sms(any_sms_path)), data.SMS_LABELS))
    assert held_out == [*splits.validation["text"], *splits.test["text"]]
    assert len(texts) == len(set(texts)) > 4000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "nothing to learn from 40 texts in 0 epochs: give at least one of both"),
        ({"texts": []}, "nothing to learn from 0 texts in 1 epochs"),
        ({"held_out": TEXTS}, "nothing to learn from 0 texts"),
    ],
)
def test_what_would_make_a_useless_student_is_refused(teacher, changes, words):
    with pytest.raises(LlmclfError, match=words):
        distil(**({"teacher": teacher, "texts": TEXTS, "config": SMALL, "epochs": 1} | changes))


def test_teacher_that_reads_elsewhere_is_refused(teacher):
    teacher.model.pooling = "mean"
    with pytest.raises(LlmclfError, match="a teacher that reads at 'mean' has no answer after each token"):
        distil(teacher, TEXTS, config=SMALL)


def test_end_of_text_keeps_its_meaning_where_its_number_changes(gpt2_encoding):
    backbone = tiny_gpt2(vocab_size=gpt2_encoding.n_vocab)
    teacher = TextClassifier(Classifier(backbone, 2), gpt2_encoding, ["ham", "spam"], "random-tiny")
    known, _ = new_student(teacher, replace(SMALL, vocab_size=500), 0.0, seed=1).backbone.token_embedding
    theirs = backbone.token_embedding.weight
    rows = torch.cat([theirs[:499], theirs[gpt2_encoding.eot_token :]])
    torch.testing.assert_close(known.weight, rows / rows.std())


def test_student_knows_words_of_the_teacher_that_it_was_never_shown(teacher):
    student = new_student(teacher, SMALL, 0.0, seed=1)
    known, shrink = student.backbone.token_embedding
    assert not known.weight.requires_grad
    assert shrink.weight.requires_grad
    theirs = teacher.model.backbone.token_embedding.weight
    torch.testing.assert_close(known.weight * theirs.std(), theirs)


def test_student_learns_to_say_what_the_teacher_says_after_every_token(teacher, monkeypatch):
    monkeypatch.setattr(module, "TOKENS_PER_BATCH", 200)
    before = [weight.clone() for weight in teacher.model.parameters()]
    apart = []
    for epochs in (1, 25):
        student = distil(teacher, TEXTS, config=SMALL, epochs=epochs, learning_rate=5e-3, dropout=0.0)
        pairs = [
            (token_probabilities(teacher, text).probabilities, token_probabilities(student, text).probabilities)
            for text in TEXTS
        ]
        apart.append(np.mean([np.abs(ours - theirs).mean() for ours, theirs in pairs]))
    assert apart[1] < 0.06
    assert apart[1] < 0.5 * apart[0]
    assert student.label_names == teacher.label_names
    assert student.max_length == SMALL.context_length
    assert all(torch.equal(*pair) for pair in zip(before, teacher.model.parameters(), strict=True))


def test_same_seed_gives_the_same_student(teacher):
    logits = [distil(teacher, TEXTS, config=SMALL, epochs=1, seed=seed).logits(TEXTS) for seed in (1, 1, 2)]
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])


def test_command_writes_a_student(teacher, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(TextClassifier, "load", lambda folder, **options: teacher)
    monkeypatch.setattr(module, "sms_texts", lambda: (TEXTS, ["ok 1"]))
    monkeypatch.setitem(module.distil.__kwdefaults__, "config", SMALL)
    path = tmp_path / "new" / "student.safetensors"
    assert main(["distil", "folder", "--output", str(path), "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "texts: 30\nmixtures: 90\nepochs: 1\n" in printed
    assert f"{path}: {path.stat().st_size:,} bytes" in printed
    student = load_student(path)
    assert student.label_names == ["ham", "spam"]
    assert student.model.backbone.config == SMALL
    assert student.training["teacher's weights"] == fingerprint(teacher.model.parameters())


def test_command_refuses_a_classifier_of_other_texts(teacher, monkeypatch, capsys):
    teacher.label_names = ["bill", "offer"]
    monkeypatch.setattr(TextClassifier, "load", lambda folder, **options: teacher)
    assert main(["distil", "folder", "--output", "never"]) == 2
    assert "folder labels ['bill', 'offer']; only a classifier of SMS has texts to teach" in capsys.readouterr().err
