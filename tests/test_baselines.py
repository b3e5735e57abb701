"""The baselines learn what they can learn, and the keyword rule is as simple as it says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score

from llmclf.data import SMS_LABELS, encode_labels, read_sms
from llmclf.evaluation.baselines import (
    BASELINES,
    STRENGTHS,
    KeywordRule,
    choose_strength,
    tfidf_characters,
    tfidf_words,
)
from llmclf.evaluation.near_duplicates import near_duplicate_groups, split_by_groups
from llmclf.probe import make_folds

TEXTS = ["Win 100 now", "WIN a prize", "call 0800", "see you", "call me", "you win, love", "ok"]
LABELS = [1, 1, 1, 0, 0, 0, 0]


def test_keyword_rule_takes_the_words_that_mend_most():
    rule = KeywordRule(count=5).fit(TEXTS, LABELS)
    assert rule.words_[0] == "0"  # any number
    assert set(rule.words_) <= {"0", "a", "prize"}
    assert rule.predict(["I have 3 cats", "nothing", "see you", ""]).tolist() == [1, 0, 0, 0]


def test_keyword_rule_stops_where_a_word_would_do_harm():
    assert KeywordRule(count=50).fit(["a b", "b"], [0, 1]).words_ == []
    assert len(KeywordRule(count=1).fit(TEXTS, LABELS).words_) == 1


def test_keyword_rule_keeps_the_names_of_labels_and_is_an_estimator():
    rule = clone(KeywordRule(count=3)).fit(TEXTS, np.where(LABELS, "spam", "ham"))
    assert rule.predict(["win 5", "see you"]).tolist() == ["spam", "ham"]
    with pytest.raises(NotFittedError):
        KeywordRule().predict(["a"])


def test_keyword_rule_has_no_doubts():
    rule = KeywordRule(count=5).fit(TEXTS, LABELS)
    assert rule.predict_proba(["I have 3 cats", "nothing"]).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_majority_says_the_same_of_everything():
    assert BASELINES["majority"]().fit(TEXTS, LABELS).predict(["win 100"] * 3).tolist() == [0, 0, 0]


def test_all_classes_weigh_the_same(any_sms_path):
    table = encode_labels(read_sms(any_sms_path, every_row=True), SMS_LABELS)
    few, rest = table[:60], table[60:1060]
    spam = rest["text"][rest["label"] == 1]
    balanced = tfidf_characters()
    plain = clone(balanced).set_params(logisticregression__class_weight=None)
    shares = [model.fit(few["text"], few["label"]).predict(spam).mean() for model in (plain, balanced)]
    assert shares[1] > shares[0] + 0.1


def test_the_strength_is_the_one_of_least_balanced_loss_with_copies_together():
    texts = [f"{word} {number}" for number in range(6) for word in ("win", "prize", "see", "you", "ok")]
    labels = [int(text.split()[0] in ("win", "prize")) for text in texts]
    groups = [number // 2 for number in range(len(texts))]
    found = choose_strength(tfidf_words(), texts, labels, groups)
    folds = make_folds(np.array(labels), np.array(groups), ["ham", "spam"], 123)
    scores = {}
    for strength in STRENGTHS:
        model = tfidf_words().set_params(logisticregression__C=strength)
        losses = []
        for learn, judge in folds:
            model.fit([texts[row] for row in learn], [labels[row] for row in learn])
            chances, truth = model.predict_proba([texts[row] for row in judge]), np.array(labels)[judge]
            by_class = [-np.log(chances[truth == label, label]).mean() for label in (0, 1)]
            losses.append(np.mean(by_class))
        scores[strength] = np.mean(losses)
    assert found.best_params_ == {"logisticregression__C": min(scores, key=scores.get)}
    assert -found.best_score_ == pytest.approx(min(scores.values()))


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "majority"])
def test_baseline_learns_the_sms_collection(name, any_sms_path):
    table = encode_labels(read_sms(any_sms_path, every_row=True), SMS_LABELS)
    splits = split_by_groups(table, near_duplicate_groups(table["text"]))
    baseline = BASELINES[name]().fit(splits.train["text"], splits.train["label"])
    accuracy = accuracy_score(splits.test["label"], baseline.predict(splits.test["text"]))
    assert accuracy > (splits.test["label"] == 0).mean() + 0.05
