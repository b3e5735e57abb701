"""Chapters 8 to 10: experiments. One command runs them and keeps the predictions.

`python -m llmclf experiments --rows last-token mean` goes on where it was interrupted: a run that lies in the output
folder is not done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch.utils.data import DataLoader

from llmclf.console import notice
from llmclf.data import Splits, training_only
from llmclf.evaluate import collect_logits
from llmclf.evaluation.ablations import EXPERIMENTS, FOLDS, Experiment, features_key
from llmclf.evaluation.baselines import BASELINES, balanced_regression, choose_strength
from llmclf.evaluation.predictions import PREDICTION_COLUMNS, RUN, Run, add_runs, pooled, runs_in
from llmclf.evaluation.sentence_encoder import encode_sentences
from llmclf.evaluation.tasks import SEED, ExperimentError, fold, judged_parts, label_names_of, task_table
from llmclf.feature_cache import FeatureDataset, with_features
from llmclf.files.download import AssetError
from llmclf.files.storage import lock_folder
from llmclf.finetune import finetune
from llmclf.head import Classifier
from llmclf.loaders import Loaders, MessageDataset, collate_of, dataset_of, make_loaders
from llmclf.lora import add_lora
from llmclf.models.state import cut_after
from llmclf.probe import (
    REGULARISATION,
    TRIED_POOLINGS,
    block_features,
    choose,
    out_of_fold,
    regression,
    rows_to_choose_by,
)
from llmclf.single_query import Block
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, try_to_cache
from llmclf.weights import RANDOM, load_pretrained

MINIMUM_STEPS = 100  # a few messages are gone through more often than five times
SAVE_EVERY = 60  # seconds, at most, of finished runs that are not yet in the files

# Predicts the classes of the rows of a task's table, (rows, 2).
Predict = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class ModelSettings:
    """Which GPT runs an experiment, on which device, in which precision."""

    backbone: str
    device: torch.device
    precision: str


class Runner:
    """Does the runs of one task; what several of them share is computed once.

    Parameters
    ----------
    task
        A key of `TASKS`.
    model
        Which GPT, where.
    """

    def __init__(self, task: str, model: ModelSettings) -> None:
        self.task, self.model = task, model
        self.names = label_names_of(task)
        self.table = task_table(task)
        self.features: dict[Any, Any] = {}  # those of the last experiment, see `shared`

    def run(self, name: str, labels: int, draws: Iterable[int]) -> Iterator[Run]:
        """One run for each draw, which decides the fold, the training texts and the luck of training.

        Parameters
        ----------
        name
            A key of `EXPERIMENTS` or `OPPONENTS`.
        labels
            How many training texts are learnt from; 0 for all.
        draws
            Numbers from 1. Draws 1 to 5 test on folds 1 to 5, and so do 6 to 10.

        Raises
        ------
        ExperimentError
            A draw of all labels after the fifth.
        """
        for draw in draws:
            if draw < 1 or (labels == 0 and draw > FOLDS):
                raise ExperimentError(f"of all labels there are the draws 1 to {FOLDS}, not {draw}")
            started, seed, number = time.perf_counter(), SEED + draw - 1, (draw - 1) % FOLDS + 1
            splits = fold(self.table, number, labels, seed=seed)
            if name in EXPERIMENTS:
                predict, record = self.finetuned(EXPERIMENTS[name], splits, seed)
            elif name in BASELINES:
                predict, record = self.baseline(name, splits, seed)
            else:
                predict, record = self.probed(splits, seed) if name == "probe" else self.encoded(splits, seed)
            run_name = (self.task, name, *read_by(name, self.model), labels, seed, number)
            seconds = round(time.perf_counter() - started, 1)
            yield make_run(run_name, self.table, splits, predict, **record, seconds=seconds)

    # Each method learns from the splits, and returns how to predict and what to note about the run.

    def baseline(self, name: str, splits: Splits, seed: int) -> tuple[Predict, dict[str, Any]]:
        """A model of `BASELINES`; where it has a C, that is chosen by cross-validation."""
        train, note = splits.train, {}
        texts, numbers = train["text"].tolist(), train["label"].tolist()
        model = BASELINES[name]()
        if name.startswith("tfidf"):
            model = choose_strength(model, texts, numbers, train["group"].tolist(), seed=seed)
            note = {"choice": choice_of(model)}
        else:
            model.fit(texts, numbers)
        return lambda rows: model.predict_proba(rows["text"].tolist()), note

    def encoded(self, splits: Splits, seed: int) -> tuple[Predict, dict[str, Any]]:
        """Logistic regression over the vectors of a sentence encoder."""
        vectors = self.shared("sentence-encoder", lambda: encode_sentences(self.table["text"].tolist()))
        train = splits.train
        options = train["label"].tolist(), train["group"].tolist()
        model = choose_strength(make_pipeline(balanced_regression()), vectors[train.index], *options, seed=seed)
        return lambda rows: model.predict_proba(vectors[rows.index]), {"choice": choice_of(model)}

    def probed(self, splits: Splits, seed: int) -> tuple[Predict, dict[str, Any]]:
        """As `fit_probe`, over features of all texts that all runs share."""
        features = self.shared("probe", self.features_of_every_block)  # (blocks, poolings, texts, n)
        rows, labels, groups = splits.train.index, *(splits.train[name].to_numpy() for name in ("label", "group"))
        chosen_by = rows_to_choose_by(labels, seed)
        some = features[:, :, rows[chosen_by]]
        depth, column, strength = choose(*out_of_fold(some, labels[chosen_by], groups[chosen_by], self.names, seed))
        model = regression(REGULARISATION[strength]).fit(features[depth, column, rows].astype(float), labels)
        choice = f"{depth + 1} blocks, {TRIED_POOLINGS[column]}, C = {REGULARISATION[strength]:g}"
        return lambda some: model.predict_proba(features[depth, column, some.index].astype(float)), {"choice": choice}

    def features_of_every_block(self) -> np.ndarray:
        backbone = load_pretrained(self.model.backbone, device=self.model.device, seed=SEED)
        classifier = Classifier(backbone, trainable="head", precision=self.model.precision)
        loader = make_loaders(training_only(self.table), load_tokenizer(self.model.backbone)).train
        depths = range(1, len(backbone.blocks) + 1)
        return block_features(classifier, dataset_of(loader).messages, collate_of(loader), depths, TRIED_POOLINGS)

    def finetuned(self, experiment: Experiment, splits: Splits, seed: int) -> tuple[Predict, dict[str, Any]]:
        """Fine-tuning as the experiment says; what is frozen is computed once for all runs that freeze the same."""
        model, tokenizer = self.model, load_tokenizer(self.model.backbone)
        backbone = RANDOM * experiment.random + model.backbone
        options: dict[str, Any] = {"padding": "dynamic", "batch_size": experiment.batch_size}
        if experiment.pad_to is not None:
            longest = MessageDataset(self.table, tokenizer).max_length
            options |= {"padding": "fixed", "max_length": experiment.pad_to or longest}
        features = self.shared(features_key(experiment), lambda: self.frozen_features(experiment, backbone, options))
        classifier = finetune(
            splits,
            self.names,
            backbone,
            settings_for(experiment, self.task, len(splits.train), seed),
            trainable=experiment.trainable,
            pooling=experiment.pooling,
            blocks=experiment.blocks,
            precision=model.precision,
            device=str(model.device),
            features=features,
            before_training=partial(adapt, experiment, seed),
            quiet=True,
            **options,
        ).classifier

        def predict(rows: pd.DataFrame) -> np.ndarray:
            few = options | {"batch_size": min(experiment.batch_size, len(rows))}
            loader = make_loaders(training_only(rows), tokenizer, **few).train
            if features is not None:
                loader = with_features(loader, features.select(rows.index))
            return collect_logits(classifier.model, unshuffled(loader))[0].double().softmax(dim=1).numpy()

        network, settings = classifier.model, classifier.training["settings"]
        learning = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
        record = {name: settings[name] for name in ("epochs", "learning_rate")}
        return predict, record | {"trained_parameters": learning}

    def frozen_features(self, experiment: Experiment, backbone: str, options: dict[str, Any]) -> FeatureDataset | None:
        """The features of the whole table; `None` where they would be wrong or do not fit."""
        pretrained = load_pretrained(backbone, device=self.model.device, seed=SEED)
        if experiment.blocks is not None:
            cut_after(pretrained, experiment.blocks)
        classifier = Classifier(
            pretrained, pooling=experiment.pooling, trainable=experiment.trainable, precision=self.model.precision
        )
        adapt(experiment, SEED, classifier)
        loader = make_loaders(training_only(self.table), load_tokenizer(self.model.backbone), **options).train
        [loader] = try_to_cache(classifier, loader, quiet=True)
        return loader.dataset if isinstance(loader.dataset, FeatureDataset) else None

    def shared(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` returns, made once for runs of the same key in a row."""
        if key not in self.features:
            self.features.clear()
            self.features[key] = make()
        return self.features[key]


def adapt(experiment: Experiment, seed: int, classifier: Classifier, loaders: Loaders | None = None) -> None:
    """Change what an experiment changes in an untrained classifier that `finetune` has no option for."""
    if not experiment.causal:
        classifier.backbone.config = replace(classifier.backbone.config, causal=False)
        for block in classifier.backbone.blocks:
            cast(Block, block).attention.causal = False
    if experiment.lora_rank:
        add_lora(classifier, rank=experiment.lora_rank, seed=seed)


def settings_for(experiment: Experiment, task: str, messages: int, seed: int) -> TrainingSettings:
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
        class_weights=None if task == "balanced" else "balanced",  # as for all who can have them
    )


def unshuffled(loader: DataLoader) -> DataLoader:
    """The loader's messages in their table's order, all of them."""
    return DataLoader(loader.dataset, loader.batch_size, collate_fn=loader.collate_fn)


def make_run(name: tuple[str | int, ...], table: pd.DataFrame, splits: Splits, predict: Predict, **record: Any) -> Run:
    """The run (its name as in `RUN`) of a model that predicts like this."""
    named = dict(zip(RUN, name, strict=True))
    parts = []
    for part, rows in judged_parts(table, splits, int(named["labels"])).items():
        chances = predict(rows)
        predicted = rows.assign(**named, part=part, row=rows.index, predicted=chances.argmax(axis=1))
        parts.append(predicted.assign(probability_1=chances[:, 1].astype(np.float32))[PREDICTION_COLUMNS])
    train_correct = int((predict(splits.train).argmax(axis=1) == splits.train["label"]).sum())
    counts = {"table_messages": len(table), "train_messages": len(splits.train)}
    counts |= {"train_positive": int(splits.train["label"].sum()), "train_correct": train_correct}
    return Run(named | counts | record, pd.concat(parts, ignore_index=True))


def run_missing(
    task: str, names: Sequence[str], sizes: Sequence[int], draws: Sequence[int], model: ModelSettings, folder: Path
) -> None:
    """Do the runs that the folder lacks; they go into its files within a minute after they are done.

    Raises
    ------
    ExperimentError
        See `Runner.run` and `add_runs`.
    """
    with lock_folder(folder):
        runner = Runner(task, model)
        for name in names:
            own = EXPERIMENTS[name].backbone if name in EXPERIMENTS else None
            runner.model = replace(model, backbone=own or model.backbone)
            finished: list[Run] = []
            saved = time.monotonic()
            try:
                for labels in sizes:
                    known = runs_in(folder)
                    same = (known[RUN[:5]] == [task, name, *read_by(name, runner.model), labels]).all(axis=1)
                    done = set(known["seed"][same] - SEED + 1)
                    # Of all labels, a later draw would only repeat a fold.
                    missing = [n for n in dict.fromkeys(draws) if n not in done and (labels or n <= FOLDS)]
                    for one in runner.run(name, labels, missing):
                        finished.append(one)
                        tell(one)
                        if time.monotonic() - saved > SAVE_EVERY:
                            add_runs(folder, finished)
                            finished, saved = [], time.monotonic()
            except AssetError as error:
                notice(f"{name} is left out: {str(error).splitlines()[0]}")
            finally:
                add_runs(folder, finished)


def read_by(name: str, model: ModelSettings) -> tuple[str, str]:
    """Which pretrained model, in which precision, reads the texts for an experiment or opponent."""
    if name in BASELINES:
        return "none", "float64"
    return ("all-MiniLM-L6-v2", "float32") if name == "sentence-encoder" else (model.backbone, model.precision)


def tell(one: Run) -> None:
    """One line about a finished run."""
    accuracy = pooled(one.predictions.query("part == 'test'"))["accuracy"]
    record = one.record
    which = f"{record['experiment']}, {record['train_messages']} labels, seed {record['seed']}"
    print(f"{which}: {accuracy:.2%} of the test set right ({record['seconds']:.0f} s)", flush=True)


def choice_of(search: GridSearchCV) -> str:
    """The C that a cross-validation chose."""
    [strength] = search.best_params_.values()
    return f"C = {strength:g}"
