"""Chapters 1 to 7 in one call: the whole recipe, from three tables to a classifier that can be used and saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from llmclf.classify import LONGEST_MESSAGE, TextClassifier
from llmclf.console import LlmclfError, require_one_of
from llmclf.data import Splits
from llmclf.evaluate import choose_device, evaluate
from llmclf.feature_cache import FeatureDataset, with_features
from llmclf.head import TRAINABLE, Classifier
from llmclf.loaders import Loaders, dataset_of, every_message, make_loaders
from llmclf.lora import add_lora, merge_lora
from llmclf.models.state import cut_after
from llmclf.probe import Probe, fit_probe
from llmclf.tokenizer import load_tokenizer
from llmclf.train import History, TrainingSettings, train, try_to_cache, with_learning_rate
from llmclf.weights import choose_backbone, load_pretrained

METHODS = ("finetune", "probe")
LORA = "lora"


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
    head_bias: bool = True,
    precision: str = "auto",
    device: str = "auto",
    features: FeatureDataset | Loaders | None = None,
    before_training: Callable[[Classifier, Loaders], None] | None = None,
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
    trainable
        See `set_trainable`; or "lora", which teaches every block a correction and adds it in the end (`add_lora`). A
        probe trains nothing.
    head_bias, precision
        See `Classifier`; a probe has a bias.
    pooling
        See `Classifier`; by default "last_token", or what the probe chooses.
    blocks
        Keep so many of the backbone's blocks; by default all, or what the probe chooses.
    groups
        Of the method "probe", see `fit_probe`.
    padding, batch_size
        See `make_loaders`.
    max_length
        Longer messages are cut to this many tokens. `None` cuts at 1,024 tokens or at the model's context; with fixed
        padding at the longest training message.
    device
        See `choose_device`.
    features
        What several calls can share: the loaders that an earlier one returned for the same splits, or the features of
        one table, of which the splits are rows (by their index), say the folds of a cross-validation. By default they
        are computed where that is right.
    before_training
        Is called with the untrained classifier and the loaders: to look at them, or to change the classifier.
    on_measurement, checkpoint, quiet
        See `train`.
    """
    require_one_of("method", method, METHODS)
    require_one_of("trainable", trainable, (*TRAINABLE, LORA))
    settings = settings or TrainingSettings()
    name = choose_backbone(backbone)
    pretrained = load_pretrained(name, device=choose_device(device), seed=settings.seed)
    tokenizer = load_tokenizer(name)
    is_probe = method == "probe"
    if blocks is not None and not is_probe:
        cut_after(pretrained, blocks)
    model = Classifier(
        pretrained,
        len(label_names),
        pooling=pooling or "last_token",
        trainable="head" if is_probe or trainable == LORA else trainable,
        seed=settings.seed,
        head_bias=head_bias,
        precision=precision,
    )
    if trainable == LORA and not is_probe:
        add_lora(model, seed=settings.seed)
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
        before_training(model, loaders)
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
        if trainable == LORA:
            merge_lora(model)
    classifier = TextClassifier(
        model, tokenizer, list(label_names), name, max_length=pad_to or limit, pad_to=pad_to, training=record
    )
    return FineTuned(classifier, history, loaders, probe)


def sweep_learning_rates(
    rates: Sequence[float],
    splits: Splits,
    label_names: Sequence[str],
    backbone: str | Path | None = None,
    settings: TrainingSettings | None = None,
    **options: Any,
) -> tuple[pd.DataFrame, FineTuned]:
    """Train once with every learning rate, and choose by the loss of the whole validation set.

    Parameters
    ----------
    rates
        At least one.
    splits, label_names, backbone, settings, options
        Of `finetune`; a checkpoint is written for each rate, beside the one that is named.

    Returns
    -------
    pandas.DataFrame, FineTuned
        For each rate validation loss and accuracy (the test set is not touched); and the best of what was trained.
    """
    settings, checkpoint = settings or TrainingSettings(), options.pop("checkpoint", None)
    rows: dict[float, dict[str, float]] = {}
    best, least, features = None, float("inf"), None
    for rate in rates:
        own = None if checkpoint is None else Path(checkpoint).with_name(f"{rate:g}-{Path(checkpoint).name}")
        one = finetune(
            splits,
            label_names,
            backbone,
            replace(settings, learning_rate=rate),
            features=features,
            checkpoint=own,
            **options,
        )
        options["quiet"] = True  # once is enough
        if isinstance(one.loaders.train.dataset, FeatureDataset):
            features = one.loaders
        result = evaluate(one.classifier.model, every_message(one.loaders.validation))
        rows[rate] = {"validation loss": result.loss, "validation accuracy": result.accuracy}
        if result.loss < least:  # not where it is no number
            best, least = one, result.loss
    if best is None:
        raise LlmclfError("no learning rate gave a validation loss: name one or more, and validation messages")
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("learning rate"), best


def train_over_features(
    model: Classifier,
    loaders: Loaders,
    splits: Splits,
    features: FeatureDataset | Loaders | None,
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
    if isinstance(features, Loaders):
        earlier = [cast(FeatureDataset, loader.dataset) for loader in features]
        loaders = Loaders(*map(with_features, loaders, earlier))
    elif features is not None:
        selected = [features.select(table.index) for table in splits]
        loaders = Loaders(*map(with_features, loaders, selected))
    else:
        loaders = Loaders(*try_to_cache(model, *loaders, quiet=quiet))
    seconds = time.perf_counter() - started
    options |= {"use_feature_cache": False, "quiet": quiet}
    history = train(model, loaders.train, loaders.validation, settings, **options)
    history.seconds += seconds
    return history, loaders
