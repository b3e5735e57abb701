"""The classifier as scikit-learn wants it: its tools work with texts, its own checks pass, what is wrong is named."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_gpt2, tiny_llama, tiny_tokenizer
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.evaluation.estimator import LLMClassifier
from llmclf.head import Classifier
from llmclf.loaders import make_loaders
from llmclf.precision import PRECISIONS
from llmclf.train import TrainingSettings, train

LEARNING = {"epochs": 6, "learning_rate": 3e-3, "device": "cpu"}

pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # inf among labels


def put_tiny_models(patch: pytest.MonkeyPatch, model=tiny_gpt2) -> None:
    """Every `fit` begins with the same tiny model, whatever name the backbone has."""
    tokenizer = tiny_tokenizer.__wrapped__()
    patch.setenv("LLMCLF_BACKBONE", "random-tiny")
    patch.setattr("llmclf.finetune.load_tokenizer", lambda backbone: tokenizer)
    patch.setattr("llmclf.finetune.load_pretrained", lambda name, device, seed: model().to(device))


@pytest.fixture(autouse=True)
def tiny_models(monkeypatch):
    put_tiny_models(monkeypatch)


@pytest.fixture
def texts(tiny_splits) -> list[str]:
    return tiny_splits.train["text"].tolist()


@pytest.fixture
def labels(tiny_splits) -> list[str]:
    return tiny_splits.train["label"].map(["ham", "spam"].__getitem__).tolist()


@pytest.fixture
def fitted(texts, labels) -> LLMClassifier:
    return LLMClassifier(**LEARNING).fit(texts, labels)


# Learning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trainable", ["last_block", "all"])
@pytest.mark.parametrize("pooling", ["last_token", "last_position", "mean"])
def test_unseen_texts_are_told_apart(tiny_splits, pooling, trainable):
    classifier = LLMClassifier(**LEARNING | {"epochs": 10}, pooling=pooling, trainable=trainable)
    classifier.fit(tiny_splits.train["text"], tiny_splits.train["label"])
    assert classifier.score(tiny_splits.test["text"], tiny_splits.test["label"]) > 0.9


@pytest.mark.parametrize(("pooling", "padding"), [("last_token", "dynamic"), ("last_position", "fixed")])
def test_it_is_the_training_of_the_book(tiny_splits, tiny_tokenizer, texts, labels, pooling, padding):
    model = Classifier(tiny_gpt2(), 2, pooling=pooling, trainable="last_two_blocks", seed=7)
    loaders = make_loaders(tiny_splits, tiny_tokenizer, batch_size=4, padding=padding, max_length=30, seed=7)
    train(model, loaders.train, loaders.validation, TrainingSettings(epochs=2, learning_rate=3e-3, seed=7))
    settings = {"epochs": 2, "learning_rate": 3e-3, "batch_size": 4, "max_length": 30, "pooling": pooling}
    classifier = LLMClassifier(**settings, trainable="last_two_blocks", random_state=7, device="cpu")
    found = classifier.fit(texts, labels).text_classifier_.model.state_dict()
    assert found.keys() == model.state_dict().keys()
    assert all(torch.equal(found[name], weight) for name, weight in model.state_dict().items())


@pytest.mark.parametrize(("model", "expected"), [(tiny_gpt2, 5e-5), (tiny_llama, 2e-4)])
def test_settings_are_the_ones_recommended_for_the_backbone(monkeypatch, texts, labels, model, expected):
    put_tiny_models(monkeypatch, model)
    found = LLMClassifier(epochs=1, device="cpu").fit(texts, labels).text_classifier_
    assert found.backbone == "random-tiny"
    assert found.training["settings"]["learning_rate"] == expected
    assert found.max_length == 96


def test_named_backbone_is_taken_and_put_on_the_device(monkeypatch, texts, labels):
    asked = []

    def load_pretrained(name, device, seed):
        asked.append((name, device))
        return tiny_gpt2()

    monkeypatch.setattr("llmclf.finetune.load_pretrained", load_pretrained)
    monkeypatch.setattr("llmclf.finetune.choose_device", lambda name: torch.device("cpu", {"mine": 0}[name]))
    classifier = LLMClassifier("random-other", epochs=1, device="mine").fit(texts, labels)
    assert asked == [("random-other", torch.device("cpu", 0))]
    assert classifier.text_classifier_.backbone == "random-other"


def test_the_same_random_state_gives_the_same_weights_and_another_does_not(texts, labels):
    def weights(random_state) -> torch.Tensor:
        torch.rand(3)  # something else drew random numbers meanwhile
        classifier = LLMClassifier(**LEARNING | {"epochs": 1}, random_state=random_state)
        return classifier.fit(texts, labels).text_classifier_.model.backbone.head.weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    assert torch.equal(weights(np.random.RandomState(1)), weights(np.random.RandomState(1)))
    assert not torch.equal(weights(None), weights(None))


def test_fitting_again_begins_anew(fitted, texts, labels):
    before = fitted.predict_proba(texts)
    assert np.array_equal(fitted.fit(texts, labels).predict_proba(texts), before)


def test_failed_fit_leaves_what_was_learnt(fitted, texts, labels):
    before = fitted.predict_proba(texts)
    with pytest.raises(LlmclfError):
        fitted.fit(texts, ["spam"] * len(texts))
    assert np.array_equal(fitted.predict_proba(texts), before)


def test_with_last_position_texts_are_read_as_long_as_they_were_learnt(texts, labels, monkeypatch):
    monkeypatch.setattr("llmclf.finetune.LONGEST_MESSAGE", 10)  # in place of 1024, which the tiny model cannot read
    fitted = LLMClassifier(epochs=1, pooling="last_position", device="cpu").fit(texts, labels).text_classifier_
    assert fitted.max_length == fitted.pad_to == max(map(len, texts)) > 10


def test_texts_are_cut_to_max_length(texts, labels):
    classifier = LLMClassifier(epochs=1, max_length=5, device="cpu").fit(texts, labels)
    assert np.array_equal(classifier.predict_proba(["abcde" + "f" * 30]), classifier.predict_proba(["abcde"]))
    assert not np.array_equal(classifier.predict_proba(["abcd" + "f" * 30]), classifier.predict_proba(["abcde"]))


@pytest.mark.parametrize("pooling", ["last_token", "last_position", "first_token", "mean"])
def test_answer_does_not_depend_on_the_other_texts(texts, labels, pooling):
    classifier = LLMClassifier(epochs=1, pooling=pooling, device="cpu").fit(texts, labels)
    alone = np.concatenate([classifier.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(classifier.predict_proba(texts), alone, atol=1e-5)


def test_classes_may_count_differently(texts, labels):
    def spam(class_weight):
        classifier = LLMClassifier(**LEARNING | {"epochs": 2}, class_weight=class_weight)
        return classifier.fit(texts, labels).predict_proba(texts)[:, 1].mean()

    assert spam({"ham": 1, "spam": 20}) > spam("balanced") > spam({"ham": 20})
    assert spam({"ham": 1, "spam": 1}) == spam(None)


def test_frozen_blocks_are_in_bfloat16_where_asked(texts, labels):
    exact, rounded = (
        LLMClassifier(**LEARNING, precision=wanted).fit(texts, labels).text_classifier_ for wanted in PRECISIONS[1:]
    )
    assert (exact.model.precision, rounded.model.precision) == PRECISIONS[1:]
    assert {weight.dtype for weight in rounded.model.parameters() if weight.requires_grad} == {torch.float32}
    difference = (exact.logits(texts) - rounded.logits(texts)).abs().max()
    assert 0 < difference < 0.5


def test_numpys_random_numbers_go_on_as_if_nothing_had_been_trained(texts, labels):
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    LLMClassifier(epochs=1, device="cpu").fit(texts, labels)
    assert np.random.rand() == expected


# Texts and labels of every kind ---------------------------------------------------------------------------------------


def column(texts: list[str]) -> np.ndarray:
    return np.array(texts, dtype=object)[:, np.newaxis]


@pytest.mark.parametrize(
    "kind",
    [
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: pd.Series(texts, index=range(100, 100 + len(texts))),
        lambda texts: pd.Series(texts, dtype="string"),
        lambda texts: pd.Series(texts, dtype=object),
        lambda texts: pd.DataFrame({"text": texts}),
        column,
        lambda texts: column(texts).tolist(),
    ],
    ids=["tuple", "array", "objects", "series", "strings", "object-series", "frame", "column", "lists"],
)
def test_texts_may_come_in_any_container(kind, fitted, texts, labels):
    expected = fitted.predict_proba(texts)
    assert np.array_equal(fitted.predict_proba(kind(texts)), expected)
    assert np.array_equal(clone(fitted).fit(kind(texts), labels).predict_proba(texts), expected)


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        (["no", "yes"], list),
        (["no", "yes"], lambda labels: pd.Series(labels, index=range(100, 150))),
        (["no", "yes"], lambda labels: pd.Series(labels, dtype="category")),
        ([7, -3], np.array),
        ([False, True], np.array),
        ([1.0, 0.0], np.array),
        (["b", "c", "a"], np.array),
        ([10, 2, 1], list),
    ],
)
def test_labels_come_back_as_they_were(tiny_splits, classes, kind):
    texts = tiny_splits.train["text"]
    labels = kind([classes[place % len(classes)] for place in range(len(texts))])
    classifier = LLMClassifier(epochs=1, device="cpu").fit(texts, labels)
    assert classifier.classes_.tolist() == sorted(classes)
    answers = classifier.predict(texts)
    assert isinstance(answers, np.ndarray)
    assert type(answers[0]) is type(classifier.classes_[0])
    probabilities = classifier.predict_proba(texts)
    assert probabilities.shape == (50, len(classes))
    assert answers.tolist() == [sorted(classes)[row.argmax()] for row in probabilities]
    assert [str(answer) for answer in answers] == classifier.text_classifier_.predict(texts.tolist())


def test_strange_texts_are_learnt_from_and_classified():
    strange = ["", "\n", "👩‍👩‍👧 🎉", "<|endoftext|>", "\x00\x1f", "half a character: \ud83d", "a" * 10_000, "مرحبا"]
    classifier = LLMClassifier(epochs=1, device="cpu").fit(strange, [0, 1] * 4)
    assert classifier.predict_proba(strange).sum(axis=1) == pytest.approx(1, abs=1e-6)


# What scikit-learn does with a classifier -----------------------------------------------------------------------------


def test_cross_validation_scores_every_fold(texts, labels):
    assert cross_val_score(LLMClassifier(**LEARNING), texts, labels, cv=2).min() > 0.8


class TinyInAnyProcess(LLMClassifier):
    """Finds its tiny model in another process too, where no fixture has put it."""

    def fit(self, X, y):
        torch.set_num_threads(1)
        with pytest.MonkeyPatch.context() as patch:
            put_tiny_models(patch)
            return super().fit(X, y)


@pytest.mark.slow
def test_folds_run_in_other_processes_with_the_same_result(texts, labels):
    folds = StratifiedKFold(2)
    here, there = (
        cross_val_predict(TinyInAnyProcess(**LEARNING), texts, labels, cv=folds, method="predict_proba", n_jobs=n_jobs)
        for n_jobs in (1, 2)
    )
    np.testing.assert_allclose(there, here, atol=1e-5)


def test_grid_search_finds_the_rate_that_learns(texts, labels):
    grid = {"learning_rate": [1e-9, 3e-3], "epochs": np.array([6]), "max_length": np.array([40])}
    search = GridSearchCV(LLMClassifier(batch_size=np.int64(8), device="cpu"), grid, cv=2).fit(texts, labels)
    assert search.best_params_["learning_rate"] == 3e-3
    assert search.predict(["WIN 5 NOW!!!"]).tolist() == ["spam"]


def test_found_classifier_is_saved_and_loaded_without_scikit_learn(
    texts, labels, tmp_path, monkeypatch, tiny_tokenizer
):
    monkeypatch.setattr("llmclf.classify.load_tokenizer", lambda backbone: tiny_tokenizer)
    settings = {"epochs": np.int64(1), "batch_size": np.int64(8), "max_length": np.int64(30)}
    for pooling in ("last_token", "last_position"):
        found = LLMClassifier(**settings, pooling=pooling, random_state=np.int64(3), device="cpu").fit(texts, labels)
        found.text_classifier_.save(tmp_path)
        loaded = TextClassifier.load(tmp_path)
        np.testing.assert_allclose(loaded.predict_proba(texts), found.predict_proba(texts), atol=1e-5)
        assert loaded.training["settings"]["seed"] == 3


def test_pipeline_cleans_before_it_classifies(texts, labels):
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = make_pipeline(lower, LLMClassifier(**LEARNING)).set_params(llmclassifier__epochs=2)
    pipeline.fit(texts, labels)
    assert np.array_equal(pipeline.predict_proba(["Win Now"]), pipeline.predict_proba(["wIN nOW"]))
    assert pipeline[-1].text_classifier_.training["settings"]["epochs"] == 2


def test_probabilities_can_be_calibrated(texts, labels):
    calibrated = CalibratedClassifierCV(LLMClassifier(**LEARNING), cv=2).fit(texts, labels)
    probabilities = calibrated.predict_proba(["see you at 5, ok", "WIN 5 NOW!!!"])
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert probabilities.argmax(axis=1).tolist() == [0, 1]


def test_clone_has_the_settings_and_nothing_that_was_learnt(fitted):
    copy = clone(fitted.set_params(pooling="mean"))
    assert copy.get_params() == fitted.get_params()
    assert copy.pooling == "mean"
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)


def test_fitted_estimator_goes_to_another_process_and_back(fitted, texts):
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(copy.predict_proba(texts), fitted.predict_proba(texts), atol=1e-5)


def test_scikit_learn_is_told_that_it_reads_texts():
    tags = get_tags(LLMClassifier())
    assert (tags.input_tags.string, tags.input_tags.one_d_array, tags.input_tags.two_d_array) == (True, True, False)
    assert (tags.estimator_type, tags.target_tags.required) == ("classifier", True)


# What is wrong is named -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["fine", None], r"text 2 is None, a NoneType; expected a string: fill in or leave out"),
        (["fine", "fine", float("nan")], r"text 3 is nan, a float; expected a string"),
        (pd.Series(["fine", None], dtype="string"), r"text 2 is <NA>, a NAType; expected a string"),
        (pd.Series(["fine", None]), r"text 2 is (nan|None), a (float|NoneType); expected a string"),
        (np.array([b"bytes"]), r"text 1 is b'bytes', a bytes; expected a string"),
        (np.array([1.5, 2.5]), r"text 1 is 1\.5, a float; expected a string"),
        ([["a"], ["b", "c"]], r"text 1 is \['a'\], a list; expected a string"),
        ("free money", r"X is 'free money', a str; expected many texts: put a single one into a list"),
        ("x" * 10_000, r"X is '.{,40}', a str; expected many texts"),
        ({"a", "b"}, r"X is .*, a set; expected many texts"),
        (None, r"X is None, a NoneType; expected many texts"),
        (
            pd.DataFrame({"label": ["a"], "text": ["b"]}),
            r"expected a list or column of texts, got a ndarray of shape \(1, 2\)",
        ),
    ],
)
def test_what_cannot_be_read_is_named(fitted, wrong, words):
    for act in (fitted.predict, fitted.predict_proba, lambda X: LLMClassifier().fit(X, [0, 1])):
        with pytest.raises(LlmclfError, match=words):
            act(wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["a"] * 4, r"y holds one class or none: \['a'\]; expected two or more"),
        (["a", "b", None, "b"], "label 3 of y is None; expected a class: fill it in or drop its text"),
        ([0, 1, 1, float("nan")], "label 4 of y is nan; expected a class"),
    ],
)
def test_label_that_cannot_be_learnt_is_named(wrong, words):
    with pytest.raises(LlmclfError, match=words):
        LLMClassifier().fit(["one", "two", "three", "four"], wrong)


def test_nothing_cannot_be_learnt():
    with pytest.raises(LlmclfError, match=r"y holds one class or none: \[\]; expected two or more"):
        LLMClassifier().fit([], [])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([0.1, 0.2, 0.3, 0.4], "continuous"),
        ([0, 1, 0, float("inf")], "infinity"),
        (np.eye(4), "y should be a 1d array"),
        (None, "y should be a 1d array"),
        (["a", "b"], r"inconsistent numbers of samples: \[4, 2\]"),
        (np.array(["a", 1, "a", 1], dtype=object), "uniformly strings or numbers"),
    ],
)
def test_labels_that_are_no_classes_are_refused_in_the_words_of_scikit_learn(wrong, words):
    with pytest.raises((ValueError, TypeError), match=words):
        LLMClassifier().fit(["one", "two", "three", "four"], wrong)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pooling": "middle"}, "pooling must be one of"),
        ({"trainable": "nothing"}, "trainable must be one of"),
        ({"max_length": 0}, "max_length must be at least 1"),
        ({"max_length": 0, "pooling": "last_position"}, "max_length must be at least 1"),
        ({"batch_size": 51}, "50 training messages do not fill one batch of 51"),
        ({"epochs": 0}, "epochs, evaluate_every and gradient_accumulation_steps must be at least 1"),
        ({"learning_rate": 0}, "learning_rate above 0"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
    ],
)
def test_setting_that_cannot_be_is_named_by_fit(texts, labels, settings, words):
    with pytest.raises(LlmclfError, match=words):
        LLMClassifier(**{"device": "cpu"} | settings).fit(texts, labels)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_without_fit_there_is_no_answer(method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(LLMClassifier(), method)(["hello"])


# scikit-learn's own checks --------------------------------------------------------------------------------------------


class ReadsNumbers(LLMClassifier):
    """Reads rows of numbers, one letter for each: scikit-learn's checks have nothing else to offer.

    What they ask of matrices (dimensions, sparse ones, infinity) scikit-learn's `validate_data` answers; the same
    questions about texts are asked above. Labels, parameters, learning, answers and pickles are those of LLMClassifier.
    """

    def fit(self, X, y):
        letters = self.letters(X, reset=True)
        super().fit(letters, y)
        self.n_features_in_ = len(letters[0])
        return self

    def predict(self, X):
        check_is_fitted(self)
        return super().predict(self.letters(X))

    def predict_proba(self, X):
        check_is_fitted(self)
        return super().predict_proba(self.letters(X))

    def letters(self, X, reset: bool = False) -> list[str]:
        rows = np.asarray(validate_data(self, X, reset=reset), dtype=float)
        return ["".join(chr(round(float(number)) + 77) for number in np.clip(row * 4, -12, 12)) for row in rows]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = type(tags.input_tags)()  # as of any classifier of numbers
        return tags


@parametrize_with_checks([ReadsNumbers(epochs=4, learning_rate=3e-3, batch_size=4, device="cpu")])
def test_conventions_of_scikit_learn_are_kept_without_exception(estimator, check, monkeypatch):
    put_tiny_models(monkeypatch, lambda: tiny_gpt2(num_layers=1, hidden_size=16))
    check(estimator)


def test_without_the_letters_scikit_learn_would_check_next_to_nothing():
    with pytest.warns(SkipTestWarning, match="Can't test estimator LLMClassifier which requires input"):
        results = check_estimator(LLMClassifier(device="cpu"))
    assert [(result["check_name"], result["status"]) for result in results] == [("check_estimator_cloneable", "passed")]
