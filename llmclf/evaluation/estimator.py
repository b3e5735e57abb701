"""After chapter 7: the same classifier with scikit-learn's interface, for cross-validation, grids and pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from operator import index
from pathlib import Path
from reprlib import repr as shorten
from typing import TypeAlias

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Tags, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from llmclf.console import LlmclfError
from llmclf.data import SEED, Splits
from llmclf.evaluation.near_duplicates import near_duplicate_groups
from llmclf.finetune import finetune
from llmclf.tokenizer import list_of_texts
from llmclf.train import TrainingSettings

Texts: TypeAlias = Sequence[str] | np.ndarray | pd.Series | pd.DataFrame


class LLMClassifier(ClassifierMixin, BaseEstimator):
    """A pretrained GPT, fine-tuned by `fit` to classify texts.

    Every `fit` begins with the backbone as it was published. A fitted estimator holds the whole model, so a pickle of
    one (as joblib makes for another process) has its size; to keep one, save its `text_classifier_`.

    Parameters
    ----------
    backbone
        Name or path, as `load_pretrained` takes it; `None` leaves the choice to `choose_backbone`.
    method
        "finetune" trains the parts named by `trainable`; "probe" fits a head to frozen features in seconds, chosen by a
        cross-validation that keeps near copies together (see `fit_probe`), and heeds no setting of training.
    blocks
        Keep so many of the backbone's blocks; `None` keeps all, or what a probe chooses.
    epochs
        Passes over the training texts.
    learning_rate
        Of AdamW; `None` takes `suggested_learning_rate`.
    batch_size
        Texts of a training step. In each epoch those that do not fill a last batch are left out, other ones each time.
    class_weight
        How much each class counts for the loss: "balanced", or a number for each label, as scikit-learn takes them
        (`compute_class_weight`); `None` counts every text the same. A probe balances by itself.
    trainable
        What learns, see `set_trainable`.
    pooling
        Where the classifier reads, see `pool`; by default "last_token", or what a probe chooses. With "last_position"
        all texts are padded to one length.
    max_length
        Longer texts are cut to this many tokens; `None` cuts only at 1024, or at the model's context. With
        "last_position" `None` cuts nothing: the longest text must fit into the context.
    precision
        "auto", "float32" or "bfloat16", see `choose_precision`.
    random_state
        Of the new head, the order of the texts and dropout. A whole number repeats a fit exactly, and is the `seed` of
        the library's other parts.
    device
        See `choose_device`.

    Attributes
    ----------
    classes_
        (classes,) the distinct labels, sorted.
    n_features_in_
        Always 1: the text.
    text_classifier_
        The `TextClassifier`, to save, or to read along with. Its labels are those of `classes_` as strings.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> scores = cross_val_score(LLMClassifier(epochs=2), texts, labels, cv=3)  # doctest: +SKIP
    """

    def __init__(
        self,
        backbone: str | Path | None = None,
        *,
        method: str = "finetune",
        blocks: int | None = None,
        epochs: int = 5,
        learning_rate: float | None = None,
        batch_size: int = 8,
        class_weight: str | dict | None = None,
        trainable: str = "last_block",
        pooling: str | None = None,
        max_length: int | None = None,
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = SEED,
        device: str = "auto",
    ) -> None:
        self.backbone = backbone
        self.method = method
        self.blocks = blocks
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.trainable = trainable
        self.pooling = pooling
        self.max_length = max_length
        self.precision = precision
        self.random_state = random_state
        self.device = device

    def fit(self, X: Texts, y: Sequence | np.ndarray | pd.Series) -> LLMClassifier:
        """Fine-tune a fresh copy of the backbone.

        Parameters
        ----------
        X
            (texts,) strings, or (texts, 1) as a table with one column.
        y
            (texts,) labels, at least two different ones: strings or whole numbers.

        Raises
        ------
        LlmclfError
            X is one text, a table of several columns, or holds something that is no string; y lacks a label, or holds
            one class only or none; a setting cannot be used. Nothing has been trained then.
        ValueError, TypeError
            From scikit-learn: y has several columns or another length, or holds measurements, or numbers and strings
            at once; a setting is no whole number.
        """
        texts, labels = _texts(X), _labels(y)
        check_consistent_length(texts, labels)
        encoder = LabelEncoder()
        numbers = encoder.fit_transform(labels)  # first, because it says it best where numbers and strings are mixed
        check_classification_targets(labels)
        messages = pd.Series(texts, dtype=object)  # pandas' own strings may be PyArrow's, which hold no half characters
        table = pd.DataFrame({"label": numbers, "text": messages})
        names = [str(label) for label in encoder.classes_]
        if len(names) < 2:
            raise LlmclfError(f"y holds one class or none: {names}; expected two or more (in every fold: stratify)")

        # Grids hand over NumPy's numbers, which neither PyTorch's loaders nor JSON take for whole numbers.
        max_length = None if self.max_length is None else index(self.max_length)
        batch_size, epochs = index(self.batch_size), index(self.epochs)
        given = self.random_state
        seed = int(given if isinstance(given, Integral) else check_random_state(given).randint(2**31 - 1))
        rate = None if self.learning_rate is None else float(self.learning_rate)
        weights = compute_class_weight(self.class_weight, classes=encoder.classes_, y=labels)
        self.text_classifier_ = finetune(
            Splits(table, table[:1], table[:0]),  # `train` wants to measure on something; scikit-learn judges by itself
            names,
            self.backbone,
            TrainingSettings(
                epochs,
                rate,
                evaluate_batches=1,
                seed=seed,
                class_weights=None if self.class_weight is None else tuple(weights.tolist()),
            ),
            method=self.method,
            blocks=self.blocks,
            groups=near_duplicate_groups(texts) if self.method == "probe" else None,
            trainable=self.trainable,
            pooling=self.pooling,
            # What stands at the last position must not depend on the other texts of a batch.
            padding="fixed" if self.pooling == "last_position" else "dynamic",
            max_length=max_length,
            batch_size=batch_size,
            precision=self.precision,
            device=self.device,
            quiet=True,
        ).classifier
        self.classes_, self.n_features_in_ = encoder.classes_, 1
        return self

    def predict(self, X: Texts) -> np.ndarray:
        """The label of each text, (texts,), as it was in `y`, by the decision of `text_classifier_`; see `fit`."""
        check_is_fitted(self)
        always = replace(self.text_classifier_.decision, abstain_below=0.0)  # scikit-learn knows no "unsure"
        return self.classes_[always.choose(self.text_classifier_.predict_proba(_texts(X)))]

    def predict_proba(self, X: Texts) -> np.ndarray:
        """Probabilities (texts, classes), in the order of `classes_`; for X and errors see `fit`."""
        check_is_fitted(self)
        return self.text_classifier_.predict_proba(_texts(X))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False  # says to scikit-learn: no matrix of numbers
        return tags


def _texts(X: Texts) -> list[str]:
    """The texts as a list, if all of them are texts."""
    array = np.asarray(X, dtype=object)
    if array.ndim == 0:
        raise LlmclfError(f"X is {shorten(X)}, a {type(X).__name__}; expected many texts: put a single one into a list")
    return list_of_texts(array[:, 0] if array.shape[1:] == (1,) else array)


def _labels(y: Sequence | np.ndarray | pd.Series) -> np.ndarray:
    """The labels as an array (texts,), if none is missing."""
    labels = column_or_1d(y, warn=True)
    if (missing := pd.isna(labels)).any():
        place = int(missing.argmax())
        raise LlmclfError(f"label {place + 1} of y is {labels[place]}; expected a class: fill it in or drop its text")
    return labels
