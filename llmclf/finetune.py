"""Chapters 1 to 7 in one call: the whole recipe, from three tables to a classifier that can be used and saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llmclf.classify import LONGEST_MESSAGE, TextClassifier
from llmclf.console import require_one_of
from llmclf.data import Splits
from llmclf.evaluate import choose_device
from llmclf.feature_cache import FeatureDataset, with_features
from llmclf.head import Classifier
from llmclf.loaders import Loaders, dataset_of, make_loaders
from llmclf.probe import Probe, fit_probe
from llmclf.tokenizer import load_tokenizer
from llmclf.train import History, TrainingSettings, train, try_to_cache, with_learning_rate
from llmclf.weights import choose_backbone, load_pretrained

METHODS = ("finetune", "probe")


class FineTuned(NamedTuple):
    """What `finetune` returns.

    Attributes
    ----------
    classifier
        Ready to use and to save.
    history
        How training went; its seconds include those of the cached features.
    loaders
        The three tables as they were used, over cached features where there are some: to evaluate on.
    probe
        What the method "probe" chose, and how good that is; else `None`.
    """

    classifier: TextClassifier
    history: History
    loaders: Loaders
    probe: Probe | None = None


def finetune(
    splits: Splits,
    label_names: Sequence[str],
    backbone: str | Path | None = None,
    settings: TrainingSettings | None = None,
    *,
    method: str = "finetune",
    trainable: str = "last_block",
    pooling: str | None = None,
    blocks: int | None = None,
    groups: Sequence[int] | np.ndarray | None = None,
    padding: str = "dynamic",
    max_length: int | None = None,
    batch_size: int = 8,
    precision: str = "auto",
    device: str = "auto",
    features: FeatureDataset | None = None,
    before_training: Callable[[Classifier], None] | None = None,
    on_measurement: Callable[[History], None] | None = None,
    checkpoint: str | Path | None = None,
    quiet: bool = False,
) -> FineTuned:
    """Load a pretrained model, give it a new head, and teach it a table.

    Parameters
    ----------
    splits
        Three tables with the columns `label` (numbers) and `text`; validation and test may be short or empty.
    label_names
        The name of each label number.
    backbone
        As for `choose_backbone`: `None` takes GPT-2 where it can be had, else SmolLM2.
    settings
        By default `TrainingSettings()`; its seed is that of the head and of the loaders too.
    method
        "finetune" trains (chapter 6); "probe" fits a head to frozen features, in seconds: see `fit_probe`.
    trainable, precision
        See `Classifier`; a probe trains nothing.
    pooling
        See `Classifier`; by default "last_token", or what the probe chooses.
    blocks, groups
        Of the method "probe", see `fit_probe`.
    padding, batch_size
        See `make_loaders`.
    max_length
        Longer messages are cut to this many tokens. `None` cuts at 1,024 tokens or at the model's context; with fixed
        padding at the longest training message.
    device
        See `choose_device`.
    features
        Of one table, of which the splits are rows (by their index): what several calls, say for the folds of a
        cross-validation, can share. By default they are computed where that is right.
    before_training
        Is called with the untrained classifier: to look at it or to change it, for example by `add_lora`.
    on_measurement, checkpoint, quiet
        See `train`.
    """
    require_one_of("method", method, METHODS)
    settings = settings or TrainingSettings()
    name = choose_backbone(backbone)
    pretrained = load_pretrained(name, device=choose_device(device), seed=settings.seed)
    tokenizer = load_tokenizer(name)
    is_probe = method == "probe"
    model = Classifier(
        pretrained,
        len(label_names),
        pooling=pooling or "last_token",
        trainable="head" if is_probe else trainable,
        seed=settings.seed,
        precision=precision,
    )
    limit = min(LONGEST_MESSAGE if max_length is None else max_length, pretrained.config.context_length)
    loaders = make_loaders(
        splits,
        tokenizer,
        batch_size=max(1, min(batch_size, len(splits.train))) if is_probe else batch_size,
        padding=padding,
        max_length=max_length if padding == "fixed" else limit,
        seed=settings.seed,
    )
    pad_to = dataset_of(loaders.train).max_length if padding == "fixed" else None
    if before_training is not None:
        before_training(model)
    record: dict[str, Any] = {"method": method, "padding": padding}
    if is_probe:
        started = time.perf_counter()
        options: Any = {"blocks": blocks, "pooling": pooling, "groups": groups, "label_names": label_names}
        probe = fit_probe(model, loaders.train, seed=settings.seed, **options)
        history = History(seconds=time.perf_counter() - started)
        record |= {"blocks": probe.blocks, "regularisation": probe.regularisation}
    else:
        probe, settings = None, with_learning_rate(settings, model)
        options = {"checkpoint": checkpoint, "on_measurement": on_measurement, "quiet": quiet}
        history, loaders = train_over_features(model, loaders, splits, features, settings, **options)
        record |= {"settings": asdict(settings), "batch_size": batch_size, "trainable": trainable}
    classifier = TextClassifier(
        model, tokenizer, list(label_names), name, max_length=pad_to or limit, pad_to=pad_to, training=record
    )
    return FineTuned(classifier, history, loaders, probe)


def train_over_features(
    model: Classifier,
    loaders: Loaders,
    splits: Splits,
    features: FeatureDataset | None,
    settings: TrainingSettings,
    *,
    quiet: bool,
    **options: Any,
) -> tuple[History, Loaders]:
    """`train`, over cached features where that is right.

    Parameters
    ----------
    model, settings, quiet, options
        See `train`.
    loaders, splits, features
        See `finetune`.

    Returns
    -------
    History, Loaders
        How training went, its seconds with those of the features; and all three loaders over these, for evaluation
        needs them too.
    """
    started = time.perf_counter()
    if features is not None:
        pairs = zip(loaders, splits, strict=True)
        loaders = Loaders(*(with_features(loader, features.select(table.index)) for loader, table in pairs))
    else:
        loaders = Loaders(*try_to_cache(model, *loaders, quiet=quiet))
    seconds = time.perf_counter() - started
    options |= {"use_feature_cache": False, "quiet": quiet}
    history = train(model, loaders.train, loaders.validation, settings, **options)
    history.seconds += seconds
    return history, loaders
