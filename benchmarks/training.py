"""Fine-tuning, every way in turn in one process, beside the limit that arithmetic sets."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import islice

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from benchmarks.ways import SETTINGS, Way, plain, with_transformers
from llmclf import data
from llmclf.evaluate import evaluate
from llmclf.evaluation.baselines import tfidf_characters
from llmclf.feature_cache import cache_features
from llmclf.head import Classifier
from llmclf.loaders import Loaders, every_message, make_loaders
from llmclf.precision import choose_precision
from llmclf.probe import fit_probe
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, suggested_learning_rate, train, with_learning_rate
from llmclf.weights import load_pretrained

QUICK_STEPS = 12


def matrix_rate(dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations a second of a large matrix product, the ceiling of every way in that precision."""
    matrix = torch.randn(2048, 2048).to(dtype)
    times = []
    for _ in range(12):
        started = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - started)
    return 2 * 2048**3 / statistics.median(times)


def counted_work(loaders: Loaders) -> tuple[int, int]:
    """Training steps and evaluation batches of the source's recipe: every 50 steps, every epoch, and the whole sets."""
    steps = SETTINGS.epochs * len(loaders.train)
    measurements = -(-steps // SETTINGS.evaluate_every) + SETTINGS.epochs  # of losses, and of accuracies
    whole = sum(len(every_message(loader)) for loader in loaders)
    return steps, measurements * 2 * SETTINGS.evaluate_batches + whole


def time_way(way: Way, learning_rate: float, limit: int | None) -> dict[str, float]:
    """Seconds of all steps and evaluation batches, and how much of the test set is right in the end.

    With a limit, of so many steps and batches, multiplied up; then nothing has been learnt that could be right.
    """
    steps, evaluations = counted_work(way.loaders)
    optimizer = torch.optim.AdamW(way.trainable(), learning_rate, weight_decay=SETTINGS.weight_decay)
    batches = [batch for _ in range(SETTINGS.epochs) for batch in way.loaders.train]
    way.logits_of(batches[0])  # warm up
    step_times, evaluation_times = [], []
    for batch in islice(batches, limit):
        started = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(way.logits_of(batch), batch.labels).backward()
        optimizer.step()
        step_times.append(time.perf_counter() - started)
    with torch.no_grad():
        for batch in islice(batches, limit or evaluations):
            started = time.perf_counter()
            way.logits_of(batch)
            evaluation_times.append(time.perf_counter() - started)
        tested = [] if limit else [(way.logits_of(batch).argmax(dim=1), batch.labels) for batch in way.loaders.test]
    training = statistics.mean(step_times) * steps
    found = {
        "seconds": training + statistics.mean(evaluation_times) * evaluations,
        "epoch": training / SETTINGS.epochs,
        "steps timed": len(step_times),
        "steps in all": steps,
    }
    if tested:
        right = sum((predicted == labels).sum().item() for predicted, labels in tested)
        found |= {"correct": right, "count": sum(len(labels) for _, labels in tested)}
    return found


def ours(backbone: str, splits: data.Splits, precision: str) -> dict[str, float]:
    """(c) and (d), always in full: the frozen part once, five epochs, the measurements, whole sets."""
    model = Classifier(load_pretrained(backbone), 2, precision=precision)
    loaders = make_loaders(splits, load_tokenizer(backbone))
    limit = trunk_operations(model, loaders) / matrix_rate(getattr(torch, model.precision))
    settings = with_learning_rate(TrainingSettings(), model)
    started = time.perf_counter()
    kept = Loaders(*cache_features(model, *loaders))
    trunk = time.perf_counter() - started
    train(model, kept.train, kept.validation, settings)
    trained = time.perf_counter() - started
    tested = [evaluate(model, every_message(loader)) for loader in kept][-1]
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "epoch": epoch_alone(model, kept.train),
        "trunk": trunk,
        "trunk, arithmetic limit": limit,
        "trunk over limit": trunk / limit,
        "training and measurements": trained - trunk,
        "whole sets": seconds - trained,
        "correct": tested.correct,
        "count": tested.count,
    }


def probe(backbone: str, splits: data.Splits) -> dict[str, float]:
    """(e): features of all blocks once, one of them chosen, a logistic regression; whole sets."""
    model = Classifier(load_pretrained(backbone), 2, trainable="head")
    loaders = make_loaders(splits, load_tokenizer(backbone))
    started = time.perf_counter()
    found = fit_probe(model, loaders.train)
    fitted = time.perf_counter() - started
    tested = [evaluate(model, every_message(loader)) for loader in loaders][-1]
    return {
        "seconds": time.perf_counter() - started,
        "fit": fitted,
        "blocks": found.blocks,
        "correct": tested.correct,
        "count": tested.count,
    }


def tfidf(splits: data.Splits) -> dict[str, float]:
    """Chapter 8's best without a GPT: runs of characters counted, and a logistic regression."""
    started = time.perf_counter()
    model = tfidf_characters().fit(splits.train["text"], splits.train["label"])
    predicted = [model.predict(table["text"]) for table in splits][-1]
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "correct": int((predicted == splits.test["label"]).sum()),
        "count": len(splits.test),
    }


def epoch_alone(model: Classifier, loader: DataLoader) -> float:
    """Seconds of one epoch on cached features, without measurements."""
    settings = TrainingSettings(epochs=1, evaluate_every=10**9, evaluate_batches=0)
    started = time.perf_counter()
    train(model, loader, loader, settings)
    return time.perf_counter() - started


def trunk_operations(model: Classifier, loaders: Loaders) -> float:
    """Operations of the frozen blocks' matrices (two a weight and token), over each table's texts, each once."""
    frozen = [weight for weight in model.backbone.blocks.parameters() if not weight.requires_grad and weight.ndim == 2]
    texts = [set(map(tuple, loader.dataset.messages)) for loader in loaders]
    return 2 * sum(weight.numel() for weight in frozen) * sum(len(text) for table in texts for text in table)


def run(backbone: str, *, quick: bool, runs: int) -> dict:
    """Every way in every run, one after the other; medians, and ratios of medians."""
    splits, limit = data.prepare_sms(), QUICK_STEPS if quick else None
    rate = suggested_learning_rate(Classifier(load_pretrained(backbone), 2))
    ways: dict[str, Callable[[], dict]] = {
        "a": lambda: time_way(plain(backbone, splits), rate, limit),
        "b": lambda: time_way(with_transformers(backbone, splits), rate, limit),
        "b2": lambda: time_way(with_transformers(backbone, splits, autocast=True), rate, limit),
        "c": lambda: ours(backbone, splits, "float32"),
        "d": lambda: ours(backbone, splits, "auto"),
        "e": lambda: probe(backbone, splits),
        "tfidf": lambda: tfidf(splits),
    }
    rates = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    every_run = [
        {"matrix rate": {name: matrix_rate(dtype) for name, dtype in rates.items()}}
        | {name: way() for name, way in ways.items()}
        for _ in range(runs)
    ]
    medians = {
        part: {name: statistics.median(one[part][name] for one in every_run) for name in numbers}
        for part, numbers in every_run[0].items()
    }
    seconds = {name: medians[name]["seconds"] for name in ways}
    ratios = {
        "a/c": seconds["a"] / seconds["c"],
        "b/c": seconds["b"] / seconds["c"],
        "a/d": seconds["a"] / seconds["d"],
        "b2/d": seconds["b2"] / seconds["d"],
        "epoch b/d": medians["b"]["epoch"] / medians["d"]["epoch"],
    }
    return {
        "quick": quick,
        "runs": runs,
        "auto": choose_precision(),
        "medians": medians,
        "ratios": ratios,
        "every run": every_run,
    }
