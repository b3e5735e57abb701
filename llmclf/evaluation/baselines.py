"""Chapter 8: what a classifier must beat. Each takes texts and labels as scikit-learn's estimators do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted

from llmclf.probe import make_folds

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)  # scikit-learn's C: how much the data weighs against small weights


class KeywordRule(ClassifierMixin, BaseEstimator):
    """Spam is what holds one of a few words: those whose presence alone would make fewest mistakes in training.

    Parameters
    ----------
    count
        Of words to look for.

    Attributes
    ----------
    words_
        The words, found greedily: each is the one that mends most mistakes of those before it.
    """

    def __init__(self, count: int = 10) -> None:
        self.count = count

    def fit(self, texts: Sequence[str], labels: Sequence[int]) -> KeywordRule:
        self.classes_ = np.unique(labels)
        left = [(self.words_in(text), label == self.classes_[-1]) for text, label in zip(texts, labels, strict=True)]
        self.words_: list[str] = []
        for _ in range(self.count):
            gain: Counter[str] = Counter()
            for words, is_spam in left:
                gain.update(dict.fromkeys(words, 1 if is_spam else -1))
            word, mended = max(gain.items(), key=lambda item: (item[1], item[0]), default=("", 0))
            if mended <= 0:
                break
            self.words_.append(word)
            left = [(words, is_spam) for words, is_spam in left if word not in words]
        return self

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        check_is_fitted(self)
        found = [bool(self.words_in(text) & set(self.words_)) for text in texts]
        return np.where(found, self.classes_[-1], self.classes_[0])

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        is_spam = self.predict(texts) == self.classes_[-1]
        return np.stack([~is_spam, is_spam], axis=1).astype(float)  # (texts, 2): a rule has no doubts

    @staticmethod
    def words_in(text: str) -> set[str]:
        """Distinct words, small letters; any number counts as the same word."""
        return {"0" if word.isdigit() else word for word in re.findall(r"\w+", text.lower())}


def tfidf_words() -> Pipeline:
    """Counted words and pairs of words, rare ones weighing more, and a straight line between the classes."""
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), balanced_regression())


def tfidf_characters() -> Pipeline:
    """The same with runs of two to five characters inside words: it sees through some misspellings."""
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    return make_pipeline(vectorizer, balanced_regression())


def balanced_regression() -> LogisticRegression:
    """Logistic regression to which all classes weigh the same, however rare one is."""
    return LogisticRegression(C=100, class_weight="balanced", max_iter=1000)


def choose_strength(
    pipeline: Pipeline,
    features: Sequence[str] | np.ndarray,
    labels: Sequence[int] | np.ndarray,
    groups: Sequence[int] | np.ndarray,
    *,
    seed: int = 123,
) -> GridSearchCV:
    """Fit a pipeline that ends in `balanced_regression`, with the C of `STRENGTHS` that serves it best.

    Parameters
    ----------
    pipeline
        Such as `tfidf_words()`.
    features
        (texts,) what the pipeline reads: texts, or a row of numbers each.
    labels, groups
        (texts,); near copies, of one group, stay together in the cross-validation (see `make_folds`).
    seed
        Of its folds.
    """
    labels = np.asarray(labels)
    folds = make_folds(labels, np.asarray(groups), range(labels.max() + 1), seed)
    grid = {"logisticregression__C": STRENGTHS}
    search = GridSearchCV(pipeline, grid, scoring=balanced_log_loss, cv=folds)
    return search.fit(np.asarray(features, dtype=object) if isinstance(features[0], str) else features, labels)


def balanced_log_loss(model: Any, features: Any, labels: np.ndarray) -> float:
    """Minus the loss in nats, in which all classes weigh the same, as they do in training."""
    weights = compute_sample_weight("balanced", labels)
    return -log_loss(labels, model.predict_proba(features), sample_weight=weights, labels=model.classes_)


BASELINES: dict[str, Callable[[], Any]] = {
    "majority": partial(DummyClassifier, strategy="most_frequent"),
    "keywords": KeywordRule,
    "tfidf-words": tfidf_words,
    "tfidf-characters": tfidf_characters,
}
