"""Chapters 8 and 9: experiments. Each changes one thing in the recipe; one command runs them and keeps the results.

`python -m llmclf.evaluation.experiments --rows last-token mean` goes on where it was
interrupted: what stands in the results file is not done again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from llmclf.cli.exit_status import exit_status
from llmclf.console import notice
from llmclf.data import SEED, SMS_LABELS, Splits, encode_labels, is_fast, read_sms, stratified_sample, undersample
from llmclf.evaluate import choose_device, collect_logits, score
from llmclf.evaluation.ablations import EXPERIMENTS, NATURAL, Experiment, frozen_part
from llmclf.evaluation.baselines import BASELINES
from llmclf.evaluation.lora import add_lora
from llmclf.evaluation.near_duplicates import near_duplicate_groups, stratified_group_split
from llmclf.evaluation.results import COLUMNS, WRONG, ExperimentError, add_result, read_results
from llmclf.feature_cache import FeatureDataset, over, reason_not_cacheable
from llmclf.files.download import AssetError
from llmclf.files.storage import lock_folder
from llmclf.head import Classifier
from llmclf.loaders import Loaders, MessageDataset, make_loaders
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, suggested_learning_rate, train
from llmclf.weights import RANDOM, choose_backbone, load_pretrained

FOLDS = 5
LEAST_STEPS = 100  # a few messages are gone through more often than five times
FAST_TABLE = 140  # messages under LLMCLF_FAST


@dataclass(frozen=True)
class Place:
    """Which model runs an experiment (a GPT, or a key of `BASELINES`), on which device, and how precisely."""

    backbone: str
    device: torch.device
    bfloat16: bool = False

    @property
    def precision(self) -> str:
        return "bfloat16" if self.bfloat16 else "float32"


def experiment_table(experiment: Experiment) -> pd.DataFrame:
    """The messages of an experiment: `label` (0 or 1), `text`, `group` (near copies share one) and `part` (0 to 9).

    Ten parts of equal size and prevalence, groups undivided, make five ways to cut the table (see `fold`).
    """
    table = encode_labels(read_sms(every_row=True), SMS_LABELS)
    table["group"] = near_duplicate_groups(table["text"])
    if experiment.table == "balanced":
        table = undersample(table)
    if is_fast():
        table = stratified_sample(table, FAST_TABLE)
    table = table.reset_index(drop=True).assign(part=0)
    for number, rows in enumerate(stratified_group_split(table["label"], table["group"], [0.1] * 10, seed=SEED)):
        table.loc[rows, "part"] = number
    return table


def check_fold(number: int) -> None:
    """Raise `ExperimentError` where there is no such fold."""
    if not 1 <= number <= FOLDS:
        raise ExperimentError(f"there are the folds 1 to {FOLDS}, not {number}")


def fold(table: pd.DataFrame, number: int, messages: int | None = None) -> Splits:
    """Cut number 1 to 5 of a table of `experiment_table`: two of its ten parts judge, one chooses, seven teach.

    Over the five, every message judges exactly once. `messages` cuts the training set to so many.

    Raises
    ------
    ExperimentError
        There is no fold of this number.
    """
    check_fold(number)
    part = (table["part"] - 2 * (number - 1)) % 10
    training = table[part > 2]
    if messages is not None:
        training = stratified_sample(training, messages, seed=SEED + number)
    return Splits(training, table[part == 2], table[part < 2])


def make_classifier(experiment: Experiment, place: Place, seed: int) -> Classifier:
    """The classifier of one run, untrained."""
    pretrained = load_pretrained(RANDOM * experiment.random + place.backbone, device=place.device, seed=seed)
    for block in pretrained.blocks:
        block.attention.causal = experiment.causal
    settings = {"pooling": experiment.pooling, "trainable": experiment.trainable, "bfloat16": place.bfloat16}
    classifier = Classifier(pretrained, seed=seed, **settings)
    if experiment.lora_rank:
        add_lora(classifier, rank=experiment.lora_rank, seed=seed)
    return classifier


def run(
    name: str, folds: Iterable[int], place: Place, kept: dict[Experiment, FeatureDataset] | None = None
) -> Iterator[dict]:
    """One result a fold; the frozen part is computed once for all of them.

    Parameters
    ----------
    name
        A key of `EXPERIMENTS`.
    folds
        Their numbers, see `fold`.
    place
        Which model, where.
    kept
        Frozen parts of earlier experiments; the one of this experiment takes their place.

    Yields
    ------
    dict
        `experiment`, `backbone`, `precision`, `fold`, `table_messages`; `train_messages`, `epochs`, `learning_rate`,
        `trained` (parameters); `train_right`, `validation_messages`, `validation_right`; `test_messages`, `test_spam`,
        `false_alarms`, `misses`, `loss` (of the test set); `seconds` (the frozen part counts for the first fold);
        `false_alarm_rows` and `missed_rows`, the row number in the table, and the group of near copies, of each test
        message that was answered wrongly, as in "17:3 28:20".
    """
    experiment = EXPERIMENTS[name]
    if place.backbone in BASELINES:
        yield from run_baseline(name, folds, place.backbone)
        return
    table, tokenizer = experiment_table(experiment), load_tokenizer(place.backbone)
    options = {"padding": "dynamic", "batch_size": experiment.batch_size}
    if experiment.pad_to is not None:
        longest = MessageDataset(table, tokenizer).max_length
        options |= {"padding": "fixed", "max_length": experiment.pad_to or longest}
    whole = make_loaders(Splits(table, table[:0], table[:0]), tokenizer, **options).train
    kept, part = {} if kept is None else kept, frozen_part(experiment)
    for number in folds:
        started, seed = time.perf_counter(), SEED + number - 1
        classifier = make_classifier(experiment, place, seed)
        if part not in kept and reason_not_cacheable(classifier, whole) is None:
            kept.clear()
            kept[part] = FeatureDataset(classifier, whole)
        splits = fold(table, number, experiment.messages)
        loaders = make_loaders(splits, tokenizer, **options, seed=seed)
        if part in kept:
            pairs = zip(loaders, splits, strict=True)
            loaders = Loaders(*(over(kept[part].select(rows.index), loader) for loader, rows in pairs))
        settings = settings_for(experiment, classifier, len(loaders.train), seed)
        train(classifier, loaders.train, loaders.validation, settings, use_feature_cache=False)
        found = [collect_logits(classifier, in_order(loader)) for loader in loaders]
        yield {
            "experiment": name,
            "backbone": place.backbone,
            "precision": place.precision,
            "fold": number,
            "table_messages": len(table),
            "epochs": settings.epochs,
            "learning_rate": settings.learning_rate,
            "trained": sum(weight.numel() for weight in classifier.parameters() if weight.requires_grad),
            "loss": round(score(*found[2]).loss, 5),
            "seconds": round(time.perf_counter() - started, 1),
            **judge(splits, [logits.argmax(dim=1).numpy() for logits, _ in found]),
        }


def settings_for(experiment: Experiment, classifier: Classifier, batches: int, seed: int) -> TrainingSettings:
    """Five epochs, or as many as it takes to `LEAST_STEPS`; nothing is measured on the way."""
    return TrainingSettings(
        epochs=max(5, -(-LEAST_STEPS * experiment.accumulate // batches)),
        learning_rate=experiment.learning_rate or suggested_learning_rate(classifier),
        evaluate_every=10**9,
        evaluate_batches=1,
        seed=seed,
        accumulate=experiment.accumulate,
        ignore_index=experiment.ignore_index,
    )


def in_order(loader: DataLoader) -> DataLoader:
    """The loader's messages in their table's order, all of them."""
    return DataLoader(loader.dataset, loader.batch_size, collate_fn=loader.collate_fn)


def run_baseline(name: str, folds: Iterable[int], baseline: str) -> Iterator[dict]:
    """As `run`, with a model of `baselines`, for the rows that change nothing but the messages."""
    experiment = EXPERIMENTS[name]
    if experiment.base != "natural":
        raise ExperimentError(f"{name} changes something in a GPT: {baseline} can run {', '.join(NATURAL)}")
    table = experiment_table(experiment)
    for number in folds:
        started = time.perf_counter()
        splits = fold(table, number, experiment.messages)
        model = BASELINES[baseline]().fit(splits.train["text"].tolist(), splits.train["label"])
        answers = [model.predict(part["text"].tolist()) for part in splits]
        yield {
            "experiment": name,
            "backbone": baseline,
            "precision": "float64",
            "fold": number,
            "table_messages": len(table),
            "seconds": round(time.perf_counter() - started, 1),
            **judge(splits, answers),
        }


def judge(splits: Splits, answers: list[np.ndarray]) -> dict:
    """What `run` says of the answers to the three tables."""
    right = [(found == part["label"]).to_numpy() for found, part in zip(answers, splits, strict=True)]
    wrong, spam = splits.test[~right[2]], splits.test["label"].to_numpy() == 1
    numbered = wrong.index.astype(str) + ":" + wrong["group"].astype(str)
    return {
        "train_messages": len(splits.train),
        "train_right": int(right[0].sum()),
        "validation_messages": len(splits.validation),
        "validation_right": int(right[1].sum()),
        "test_messages": len(splits.test),
        "test_spam": int(spam.sum()),
        "false_alarms": int((~right[2] & ~spam).sum()),
        "misses": int((~right[2] & spam).sum()),
        **{column: " ".join(numbered[wrong["label"] == label]) for label, column in enumerate(WRONG.values())},
    }


def run_missing(names: Iterable[str], folds: Iterable[int], place: Place, path: Path) -> None:
    """Run what the results file lacks, each result written as soon as it is there."""
    kept: dict[Experiment, FeatureDataset] = {}
    lock = path.parent / f".{path.name}"  # the file belongs to one process at a time, its folder does not
    with lock_folder(lock):
        for name in names:
            own = replace(place, backbone=EXPERIMENTS[name].backbone or place.backbone)
            missing = missing_folds(name, folds, own, path)
            try:
                for result in run(name, missing, own, kept) if missing else ():
                    add_result(path, result)
                    right = result["test_messages"] - result["false_alarms"] - result["misses"]
                    answer = f"{right} of {result['test_messages']} right ({result['seconds']:.0f} s)"
                    print(f"{name}, fold {result['fold']}: {answer}", flush=True)
            except AssetError as error:
                notice(f"{name} is left out: {str(error).splitlines()[0]}")
    with suppress(OSError):
        lock.rmdir()  # left by a process that was killed


def missing_folds(name: str, folds: Iterable[int], place: Place, path: Path) -> list[int]:
    """Those of the folds that the results file does not hold yet, each once."""
    done = read_results(path) if path.is_file() else pd.DataFrame(columns=COLUMNS)
    done = done[done["experiment"].eq(name) & done["backbone"].eq(place.backbone)]
    done = set(done["fold"][done["precision"].isin([place.precision, "float64"])])
    return [number for number in dict.fromkeys(folds) if number not in done]


def main(arguments: list[str] | None = None) -> int:
    """Run the command, and return the status to end with (see `exit_status`)."""
    rows = "\n".join(f"  {name:<17}{experiment.what}" for name, experiment in EXPERIMENTS.items())
    parser = argparse.ArgumentParser(
        "python -m llmclf.evaluation.experiments",
        description=f"Run experiments of chapters 8 and 9:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", nargs="+", default=list(EXPERIMENTS), metavar="NAME", help="default: all")
    parser.add_argument("--folds", nargs="+", type=int, default=[1, 2, 3], metavar="N", help="default: 1 2 3")
    parser.add_argument("--backbone", metavar="NAME", help=f"a GPT, or {', '.join(BASELINES)}")
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda, mps (default: the best there is)")
    parser.add_argument("--bfloat16", action="store_true", help="run the blocks in this precision")
    parser.add_argument("--output", type=Path, default=Path("output/experiments.csv"), metavar="FILE")
    options = parser.parse_args(arguments)

    def command() -> None:
        if unknown := [name for name in options.rows if name not in EXPERIMENTS]:
            raise ExperimentError(f"no experiment is called {unknown[0]!r}; known are {', '.join(EXPERIMENTS)}")
        for number in options.folds:
            check_fold(number)
        place = Place(choose_backbone(options.backbone), choose_device(options.device), options.bfloat16)
        run_missing(options.rows, options.folds, place, options.output)

    return exit_status(command, afterwards="the same command goes on after the last result")


if __name__ == "__main__":
    sys.exit(main())
