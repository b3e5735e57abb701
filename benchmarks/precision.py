"""What bfloat16 changes against float32: accuracies of SmolLM2 trained in each, answers over the whole collection."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmclf import data
from llmclf.classify import TextClassifier
from llmclf.evaluate import Evaluation, evaluate
from llmclf.feature_cache import cache_features
from llmclf.head import Classifier
from llmclf.loaders import Loaders, every_message, make_loaders
from llmclf.precision import PRECISIONS
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, train
from llmclf.weights import load_pretrained

BACKBONE = "smollm2-135M"
SEEDS = (123, 1, 2)


def trained(seed: int, precision: str, kept: Loaders) -> Classifier:
    """The recipe of chapter 6 on cached features."""
    model = Classifier(load_pretrained(BACKBONE), 2, seed=seed, precision=precision)
    train(model, kept.train, kept.validation, TrainingSettings(seed=seed))
    return model


def features_of(loaders: Loaders, precision: str) -> Loaders:
    """The output of the frozen blocks, which no seed changes, computed in this precision."""
    return Loaders(*cache_features(Classifier(load_pretrained(BACKBONE), 2, precision=precision), *loaders))


def read_again(model: Classifier, texts: list[str]) -> Iterator[np.ndarray]:
    """Probabilities (texts, 2) that the same weights give, read in float32 and in bfloat16."""
    learnt = {name: weight for name, weight in model.backbone.named_parameters() if weight.requires_grad}
    for precision in PRECISIONS[1:]:
        reader = Classifier(load_pretrained(BACKBONE), 2, precision=precision)
        reader.backbone.load_state_dict(learnt, strict=False)
        yield TextClassifier(reader, load_tokenizer(BACKBONE), list(data.SMS_LABELS), BACKBONE).predict_proba(texts)


def row(seed: int, precision: str, tested: Evaluation) -> dict:
    """One training in the table."""
    return {
        "seed": seed,
        "precision": precision,
        "test correct": tested.correct,
        "test count": tested.count,
        "test loss": tested.loss,
    }


def run(backbone: None, *, quick: bool, runs: int) -> dict:
    """Each seed trained in full in both precisions; `quick` takes one seed, and every tenth message to read again."""
    loaders = make_loaders(data.prepare_sms(), load_tokenizer(BACKBONE))
    rows = []
    for precision in PRECISIONS[1:]:
        kept = features_of(loaders, precision)
        for seed in SEEDS[:1] if quick else SEEDS:
            model = trained(seed, precision, kept)
            rows.append(row(seed, precision, evaluate(model, every_message(kept.test))))
    texts = data.read_sms(every_row=True)["text"].tolist()[:: 10 if quick else 1]
    exact, rounded = read_again(model, texts)
    changes = np.abs(exact - rounded)[:, 1]
    return {
        "quick": quick,
        "rows": rows,
        "messages": len(texts),
        "other answers": int((exact.argmax(axis=1) != rounded.argmax(axis=1)).sum()),
        "median change of a probability": float(np.median(changes)),
        "largest change of a probability": float(changes.max()),
    }
