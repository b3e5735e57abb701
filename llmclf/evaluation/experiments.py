"""Chapters 8 and 9: experiments. Each changes one thing in the recipe; one command runs them and keeps the predictions.

`python -m llmclf experiments --rows last-token mean` goes on where it was interrupted: a run that lies in the output
folder is not done again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from llmclf.console import notice
from llmclf.data import SMS_LABELS, Splits, encode_labels, is_fast, read_sms, stratified_sample, undersample
from llmclf.evaluate import collect_logits
from llmclf.evaluation.ablations import EXPERIMENTS, FOLDS, NATURAL, Experiment, features_key
from llmclf.evaluation.baselines import BASELINES
from llmclf.evaluation.near_duplicates import near_duplicate_groups, stratified_group_split
from llmclf.evaluation.predictions import PREDICTION_COLUMNS, RUN, ExperimentError, Run, add_run, pooled, runs_in
from llmclf.feature_cache import FeatureDataset
from llmclf.files.download import AssetError
from llmclf.files.storage import lock_folder
from llmclf.finetune import finetune
from llmclf.head import Classifier
from llmclf.loaders import Loaders, MessageDataset, make_loaders
from llmclf.lora import add_lora
from llmclf.single_query import Block
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, try_to_cache
from llmclf.weights import RANDOM, load_pretrained

SEED = 123  # of the cut into ten parts and of the first fold; each later fold has the next one
MINIMUM_STEPS = 100  # a few messages are gone through more often than five times
FAST_TABLE = 80  # messages under LLMCLF_FAST


@dataclass(frozen=True)
class ModelSettings:
    """Which model runs an experiment (a GPT, or a key of `BASELINES`), on which device, in which precision."""

    backbone: str
    device: torch.device
    precision: str


def experiment_table(experiment: Experiment) -> pd.DataFrame:
    """The messages of an experiment: `label` (0 or 1), `text`, `group` (near copies share one) and `tenth` (0 to 9).

    Ten parts of equal size and prevalence, groups undivided, make five ways to cut the table (see `fold`).
    """
    table = encode_labels(read_sms(every_row=True), SMS_LABELS)
    table["group"] = near_duplicate_groups(table["text"])
    if experiment.table == "balanced":
        table = undersample(table)
    if is_fast():
        table = stratified_sample(table, FAST_TABLE)
    table = table.reset_index(drop=True).assign(tenth=0)
    for number, rows in enumerate(stratified_group_split(table["label"], table["group"], [0.1] * 10, seed=SEED)):
        table.loc[rows, "tenth"] = number
    return table


def fold(table: pd.DataFrame, number: int, messages: int | None = None) -> Splits:
    """Cut number 1 to 5 of a table of `experiment_table`: two of its ten parts test, one validates, seven train.

    Over the five, every message is tested exactly once. `messages` cuts the training set to so many.

    Raises
    ------
    ExperimentError
        There is no fold of this number.
    """
    if not 1 <= number <= FOLDS:
        raise ExperimentError(f"there are the folds 1 to {FOLDS}, not {number}")
    tenth = (table["tenth"] - 2 * (number - 1)) % 10
    training = table[tenth > 2]
    if messages is not None:
        training = stratified_sample(training, messages, seed=SEED + number)
    return Splits(training, table[tenth == 2], table[tenth < 2])


def adapt(experiment: Experiment, seed: int, classifier: Classifier, loaders: Loaders | None = None) -> None:
    """Change what an experiment changes in an untrained classifier that `finetune` has no option for."""
    if not experiment.causal:
        classifier.backbone.config = replace(classifier.backbone.config, causal=False)
        for block in classifier.backbone.blocks:
            cast(Block, block).attention.causal = False
    if experiment.lora_rank:
        add_lora(classifier, rank=experiment.lora_rank, seed=seed)


def shared_features(
    experiment: Experiment, model: ModelSettings, table: pd.DataFrame, options: dict[str, Any]
) -> FeatureDataset | None:
    """The features of the whole table, which all folds share; `None` where they would be wrong or do not fit."""
    backbone = load_pretrained(RANDOM * experiment.random + model.backbone, device=model.device, seed=SEED)
    classifier = Classifier(
        backbone, pooling=experiment.pooling, trainable=experiment.trainable, precision=model.precision
    )
    adapt(experiment, SEED, classifier)
    loader = make_loaders(Splits(table, table[:0], table[:0]), load_tokenizer(model.backbone), **options).train
    [loader] = try_to_cache(classifier, loader, quiet=True)
    return loader.dataset if isinstance(loader.dataset, FeatureDataset) else None


def run(
    name: str,
    folds: Iterable[int],
    model: ModelSettings,
    features: dict[Experiment, FeatureDataset | None] | None = None,
) -> Iterator[Run]:
    """One run a fold; the output of the frozen blocks is computed once for all of them.

    Parameters
    ----------
    name
        A key of `EXPERIMENTS`.
    folds
        Their numbers, see `fold`.
    model
        Which model, where.
    features
        Of earlier experiments (see `features_key`); those of this experiment replace them.

    Raises
    ------
    ExperimentError
        There is no such fold; a baseline cannot run this experiment.
    """
    experiment = EXPERIMENTS[name]
    if model.backbone in BASELINES:
        yield from run_baseline(name, folds, model)
        return
    table = experiment_table(experiment)
    options: dict[str, Any] = {"padding": "dynamic", "batch_size": experiment.batch_size}
    if experiment.pad_to is not None:
        longest = MessageDataset(table, load_tokenizer(model.backbone)).max_length
        options |= {"padding": "fixed", "max_length": experiment.pad_to or longest}
    features, key = {} if features is None else features, features_key(experiment)
    for number in folds:
        started, seed = time.perf_counter(), SEED + number - 1
        if key not in features:
            features.clear()
            features[key] = shared_features(experiment, model, table, options)
        splits = fold(table, number, experiment.messages)
        classifier, _, loaders, _ = finetune(
            splits,
            SMS_LABELS,
            RANDOM * experiment.random + model.backbone,
            settings_for(experiment, len(splits.train), seed),
            trainable=experiment.trainable,
            pooling=experiment.pooling,
            precision=model.precision,
            device=str(model.device),
            features=features[key],
            before_training=partial(adapt, experiment, seed),
            quiet=True,
            **options,
        )
        network, settings = classifier.model, classifier.training["settings"]
        logits = [collect_logits(network, unshuffled(loader))[0] for loader in loaders]
        yield make_run(
            (name, model.backbone, model.precision, number),
            table,
            splits,
            [part.double().softmax(dim=1).numpy() for part in logits],
            epochs=settings["epochs"],
            learning_rate=settings["learning_rate"],
            trained_parameters=sum(weight.numel() for weight in network.parameters() if weight.requires_grad),
            seconds=round(time.perf_counter() - started, 1),
        )


def settings_for(experiment: Experiment, messages: int, seed: int) -> TrainingSettings:
    """Five epochs, or as many as it takes to `MINIMUM_STEPS`; nothing is measured on the way."""
    batches = messages // experiment.batch_size
    return TrainingSettings(
        epochs=max(5, -(-MINIMUM_STEPS * experiment.gradient_accumulation_steps // batches)),
        learning_rate=experiment.learning_rate,
        evaluate_every=10**9,
        evaluate_batches=1,
        seed=seed,
        gradient_accumulation_steps=experiment.gradient_accumulation_steps,
        ignore_index=experiment.ignore_index,
    )


def unshuffled(loader: DataLoader) -> DataLoader:
    """The loader's messages in their table's order, all of them."""
    return DataLoader(loader.dataset, loader.batch_size, collate_fn=loader.collate_fn)


def run_baseline(name: str, folds: Iterable[int], model: ModelSettings) -> Iterator[Run]:
    """As `run`, with a model of `BASELINES`, for the rows that change nothing but the messages."""
    experiment = EXPERIMENTS[name]
    if experiment.base != "natural":
        raise ExperimentError(f"{name} changes something in a GPT: {model.backbone} can run {', '.join(NATURAL)}")
    table = experiment_table(experiment)
    for number in folds:
        started = time.perf_counter()
        splits = fold(table, number, experiment.messages)
        baseline = BASELINES[model.backbone]().fit(splits.train["text"].tolist(), splits.train["label"])
        probabilities = [baseline.predict_proba(part["text"].tolist()) for part in splits]
        run_name = (name, model.backbone, model.precision, number)
        yield make_run(run_name, table, splits, probabilities, seconds=round(time.perf_counter() - started, 1))


def make_run(
    name: tuple[str, str, str, int], table: pd.DataFrame, splits: Splits, probabilities: list[np.ndarray], **record: Any
) -> Run:
    """The run (its name as in `RUN`) in which a model gave the three splits these probabilities, (messages, 2) each."""
    named = dict(zip(RUN, name, strict=True))
    parts = []
    for part, rows, chances in zip(splits._fields, splits, probabilities, strict=True):
        predicted = rows.assign(**named, part=part, row=rows.index, predicted=chances.argmax(axis=1))
        predicted[["probability_ham", "probability_spam"]] = chances.astype(np.float32)
        parts.append(predicted[PREDICTION_COLUMNS])
    train_correct = int((parts[0]["predicted"] == parts[0]["label"]).sum())
    counts = {"table_messages": len(table), "train_messages": len(splits.train), "train_correct": train_correct}
    return Run(named | counts | record, pd.concat(parts[1:], ignore_index=True))


def run_missing(names: Sequence[str], folds: Sequence[int], model: ModelSettings, folder: Path) -> None:
    """Do the runs that the folder lacks; each goes into its files as soon as it is done.

    Raises
    ------
    ExperimentError
        See `run` and `add_run`.
    """
    features: dict[Experiment, FeatureDataset | None] = {}
    with lock_folder(folder):
        for name in names:
            own = replace(model, backbone=EXPERIMENTS[name].backbone or model.backbone)
            done = set(runs_in(folder)[RUN].itertuples(index=False, name=None))
            missing = [n for n in dict.fromkeys(folds) if (name, own.backbone, own.precision, n) not in done]
            try:
                for finished in run(name, missing, own, features) if missing else ():
                    add_run(folder, finished)
                    accuracy = pooled(finished.predictions.query("part == 'test'"))["accuracy"]
                    answer = f"{accuracy:.2%} of the test set right ({finished.record['seconds']:.0f} s)"
                    print(f"{name}, fold {finished.record['fold']}: {answer}", flush=True)
            except AssetError as error:
                notice(f"{name} is left out: {str(error).splitlines()[0]}")
