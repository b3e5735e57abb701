"""Decisions: temperature, threshold, offsets and "unsure" are fitted, kept, and heeded wherever answers are given."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from llmclf.classify import TextClassifier, read_classifier, save_decision
from llmclf.cli.parser import main
from llmclf.console import LlmclfError
from llmclf.decision import Decision
from llmclf.evaluate import score
from llmclf.evaluation.estimator import LLMClassifier
from llmclf.evaluation.tuning import fit_offsets, tune
from llmclf.interactive.demo import ClassifierDemo
from llmclf.interactive.token_probabilities import token_probabilities
from llmclf.scale.score_files import score_files

TEXTS = [f"WIN {n} CASH" for n in range(20)] + [f'hello, "friend" {n}' for n in range(20)] + ["", "hm"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_files) -> Path:
    folder = tmp_path_factory.mktemp("decision") / "classifier"
    backbone, table = tiny_files
    options = ["--text-column", "body", "--label-column", "kind", "--epochs", "1", "--learning-rate", "0.001"]
    assert main(["train", "--output", str(folder), "--backbone", str(backbone), "--table", str(table), *options]) == 0
    return folder


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    (tmp_path / "classifier").mkdir()
    (tmp_path / "classifier" / "classifier.safetensors").write_bytes((trained / "classifier.safetensors").read_bytes())
    return tmp_path / "classifier"


# What a decision does -------------------------------------------------------------------------------------------------

LOGITS = torch.tensor([[2.0, 0.0], [0.0, 0.1], [-1.0, 3.0]])


def test_without_a_decision_the_most_probable_class_is_the_answer():
    plain = Decision()
    torch.testing.assert_close(plain.probabilities(LOGITS), LOGITS.softmax(dim=1))
    assert plain.answers(plain.probabilities(LOGITS), ["ham", "spam"]) == ["ham", "spam", "spam"]


def test_a_temperature_divides_logits_and_leaves_the_answers():
    cooled = Decision(temperature=4.0)
    assert cooled.probabilities(LOGITS).numpy() == pytest.approx(softmax(LOGITS.numpy() / 4, axis=1))
    assert cooled.choose(cooled.probabilities(LOGITS)).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("decision", "answers"),
    [
        (Decision(threshold=0.6), ["ham", "ham", "spam"]),
        (Decision(threshold=0.05), ["spam", "spam", "spam"]),
        (Decision(threshold=float("inf")), ["ham", "ham", "ham"]),
        (Decision(offsets=(0.2, 0.0)), ["ham", "ham", "spam"]),
        (Decision(abstain_below=0.6), ["ham", "unsure", "spam"]),
        (Decision(threshold=0.05, abstain_below=0.6), ["unsure", "unsure", "spam"]),
    ],
)
def test_a_decision_moves_the_answers(decision, answers):
    assert decision.answers(decision.probabilities(LOGITS), ["ham", "spam"]) == answers


def test_unsure_messages_are_counted_by_themselves():
    result = score(LOGITS, torch.tensor([0, 0, 1]), Decision(abstain_below=0.6))
    assert (result.correct, result.count, result.unsure) == (2, 2, 1)
    assert str(result).endswith("; unsure about 1 more")


@pytest.mark.parametrize(
    ("changes", "classes", "words"),
    [
        ({"temperature": 0.0}, 2, "temperature must be above 0, got 0.0"),
        ({"threshold": -0.1}, 2, "threshold must be at least 0, got -0.1"),
        ({"abstain_below": 1.5}, 2, "abstain_below must lie between 0 and 1, got 1.5"),
        ({"threshold": 0.3}, 3, "a threshold separates two classes, not 3; use offsets"),
        ({"offsets": (1.0, 2.0)}, 3, "2 offsets for 3 classes"),
    ],
)
def test_a_decision_that_cannot_be_is_refused(changes, classes, words):
    with pytest.raises(LlmclfError, match=words):
        Decision(**changes).check(classes)


# Fitting --------------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-4, 4, width=32), st.integers(0, 1)), min_size=4, max_size=30), st.integers(1, 9))
def test_no_threshold_costs_less_than_the_one_that_is_found(rows, price):
    rows += [(0.5, 0), (-0.5, 1)]
    logits = torch.tensor([[0.0, logit] for logit, _ in rows])
    labels = np.array([label for _, label in rows])
    decision = tune(logits, labels, false_positive=price)
    spam = decision.probabilities(logits)[:, 1].numpy()

    def cost(called: np.ndarray) -> int:
        return int((called & (labels == 0)).sum() * price + (~called & (labels == 1)).sum())

    found = cost(decision.choose(decision.probabilities(logits)) == 1)
    assert found == min(cost(spam >= threshold) for threshold in [*spam, 2.0])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
@example(10_000)  # class after class in their order ends at 18 mistakes, and 17 can be had
def test_offsets_make_as_few_mistakes_as_a_fine_grid_in_one_class(seed):
    generator = np.random.default_rng(seed)
    shares = softmax(generator.normal(size=(30, 3)), axis=1)
    labels = generator.integers(3, size=30)

    def mistakes(offsets) -> int:
        return int(((np.log(shares) + offsets).argmax(axis=1) != labels).sum())

    found = fit_offsets(shares, labels)
    grid = np.linspace(-4, 4, 200)
    assert mistakes(found) <= min(mistakes(np.eye(3)[number] * offset) for number in range(3) for offset in grid)


def test_offsets_stay_at_zero_where_nothing_is_gained():
    assert fit_offsets(np.eye(3) * 0.8 + 0.1, np.arange(3)) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("logits", "labels", "costs", "words"),
    [
        (torch.zeros(2, 2), [0, 0], {}, "no text of class 1: a decision is tuned on texts of every class"),
        (torch.zeros(2, 2), [0, 1], {"false_positive": 0.0}, "costs must be above 0, got 0.0 and 1.0"),
        (torch.zeros(3, 3), [0, 1, 2], {"false_negative": 2.0}, "of two classes; this classifier has 3"),
    ],
)
def test_what_cannot_be_tuned_is_refused(logits, labels, costs, words):
    with pytest.raises(LlmclfError, match=words):
        tune(logits, labels, **costs)


# Keeping and heeding --------------------------------------------------------------------------------------------------


def test_a_decision_is_kept_and_heeded_everywhere(folder, tmp_path, capsys):
    plain = TextClassifier.load(folder)
    second = plain.predict_proba(TEXTS)[:, 1]
    threshold = float(np.sort(second)[-3:].mean())
    decision = Decision(temperature=2.0, threshold=None, evidence={"table": "mine.csv"})
    cooled = replace(plain, decision=decision).predict_proba(TEXTS)[:, 1]
    decision = replace(decision, threshold=float((cooled.max() + np.sort(cooled)[-5]) / 2))
    save_decision(folder, decision)
    loaded = TextClassifier.load(folder)
    assert loaded.decision == decision
    assert all(torch.equal(*pair) for pair in zip(plain.model.parameters(), loaded.model.parameters(), strict=True))
    probabilities = loaded.predict_proba(TEXTS)
    assert probabilities == pytest.approx(softmax(plain.logits(TEXTS).numpy() / 2, axis=1), abs=1e-6)
    expected = [loaded.label_names[int(row[1] >= decision.threshold)] for row in probabilities]
    assert len(set(expected)) == 2
    assert expected != plain.predict(TEXTS)
    assert loaded.predict(TEXTS) == expected
    assert threshold > 0

    table = tmp_path / "texts.csv"
    pd.DataFrame({"text": TEXTS, "label": plain.label_names * 21}).to_csv(table, index=False)
    assert main(["classify", str(folder), "--table", str(table), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["label"] for row in rows] == expected
    assert main(["evaluate", str(folder), str(table), "--format", "json"]) == 0
    right = sum(answer == label for answer, label in zip(expected, plain.label_names * 21, strict=True))
    assert json.loads(capsys.readouterr().out)["correct"] == right
    score_files(folder, table, tmp_path / "out")
    scored = pd.concat(pd.read_csv(path) for path in sorted((tmp_path / "out" / "texts.csv").iterdir()))
    assert scored["predicted"].tolist() == expected
    for text, label, row in zip(TEXTS[:3], expected, probabilities, strict=False):
        reading = token_probabilities(loaded, text)
        assert reading.label == label
        assert reading.probabilities[-1] == pytest.approx(row, abs=1e-5)
    demo = ClassifierDemo(loaded)
    assert demo.threshold.value == pytest.approx(min(max(decision.threshold, 0.01), 0.99), abs=0.01)

    estimator = LLMClassifier()
    estimator.text_classifier_, estimator.classes_ = loaded, np.array(loaded.label_names)
    assert estimator.predict(TEXTS).tolist() == expected


def test_the_command_line_decides_otherwise_for_once(folder, capsys):
    before = (folder / "classifier.safetensors").read_bytes()
    for option, answers in (
        (["--threshold", "0"], {"private"}),
        (["--threshold", "1.1"], {"advert"}),
        (["--abstain-below", "1"], {"unsure"}),
    ):
        assert main(["classify", str(folder), *option, "--format", "json", *TEXTS[:5]]) == 0
        assert {row["label"] for row in json.loads(capsys.readouterr().out)} == answers
    assert (folder / "classifier.safetensors").read_bytes() == before


def test_tune_saves_what_costs_least_and_says_on_what(folder, trained, capsys):
    table = trained / "train.csv"
    arguments = ["tune", str(folder), str(table), "--cost-false-positive", "10", "--abstain-below", "0.55"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "private from a probability of" in printed
    decision = TextClassifier.load(folder).decision
    assert decision.abstain_below == 0.55
    assert decision.evidence["texts"] == 84
    assert decision.evidence["cost of a false positive"] == 10
    assert decision.evidence["after"]["log loss"] <= decision.evidence["before"]["log loss"]
    assert f"temperature {decision.temperature:.3f}" in printed
    assert main(["evaluate", str(folder), str(table)]) == 0


def test_what_cannot_be_tuned_is_refused_before_anything_is_classified(folder, trained, capsys, monkeypatch):
    monkeypatch.setattr(TextClassifier, "logits", lambda *_: pytest.fail("classified"))
    assert main(["tune", str(folder), str(trained / "train.csv"), "--cost-false-positive", "0"]) == 2
    assert "costs must be above 0, got 0.0 and 1.0" in capsys.readouterr().err


def test_info_prints_a_model_card(folder, trained, capsys):
    assert main(["tune", str(folder), str(trained / "validation.csv")]) == 0
    capsys.readouterr()
    assert main(["info", str(folder)]) == 0
    card = capsys.readouterr().out
    record = read_classifier(folder)[1]
    assert card.startswith("# A text classifier\n")
    for words in (
        "classes: advert, private",
        "precision of frozen blocks: float32",
        f"temperature: {record['decision']['temperature']:.4g}",
        "| advert | 42 | 6 | 12 |",
        "- command: llmclf train --output",
        "- learning_rate: 0.001",
        f"SHA-256 {record['training']['data']['files'].popitem()[1]}",
    ):
        assert words in card, words
    found = record["training"]["results"]["test"]
    assert f"| test | {found['correct']} of {found['count']} | {found['correct'] / found['count']:.2%} |" in card
