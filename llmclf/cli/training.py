"""The command `train`: tables in, a saved classifier out; what was understood is printed before training begins."""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from llmclf import data
from llmclf.classify import CLASSIFIER_FILE
from llmclf.console import LlmclfError, is_main_process, notice
from llmclf.data import DataError, Splits
from llmclf.evaluate import Evaluation, choose_device, evaluate
from llmclf.evaluation.near_duplicates import near_duplicate_groups, split_by_groups
from llmclf.files.storage import atomic_write, lock_folder, sha256_of
from llmclf.finetune import finetune, sweep_learning_rates
from llmclf.head import Classifier, parameter_table
from llmclf.loaders import Loaders, dataset_of, every_message
from llmclf.probe import Probe
from llmclf.scale.distributed import workers
from llmclf.train import History, TrainingSettings
from llmclf.weights import choose_backbone

OF_FINETUNING = (
    *("epochs", "learning_rate", "batch_size", "trainable", "validation", "class_weights", "patience", "schedule"),
    *("warmup", "max_gradient_norm", "weight_decay", "gradient_accumulation", "no_head_bias"),
)
OF_TABLE = (
    *("text_column", "label_column", "encoding", "separator", "quoting", "no_header"),
    *("drop_incomplete", "merge_labels", "validation", "test"),
)
ENOUGH_FOR_A_TEST = 100  # rows of a table from which on a probe sets a part of them aside
CHECKPOINT = "checkpoint.safetensors"  # lies in the output folder until the run is finished


def train(options: Namespace) -> None:
    """Prepare the data, fine-tune, evaluate on all three tables, save; several workers, where torchrun started them."""
    output = Path(options.output)
    finished = (output / CLASSIFIER_FILE).exists() and not any(output.glob(f"*{CHECKPOINT}"))
    if finished and not options.overwrite:
        raise LlmclfError(f"{output} holds a classifier already; name another --output, or add --overwrite")
    given = [Path(path).resolve() for path in (options.table, options.validation, options.test) if path]
    for part in Splits._fields:
        if (output / f"{part}.csv").resolve() in given:
            raise LlmclfError(f"{output / part}.csv would be written over, and is read; name another --output")
    with workers(choose_device(options.device)) as device, lock_folder(output) if is_main_process() else nullcontext():
        train_on(str(device), options, output)


def train_on(device: str, options: Namespace, output: Path) -> None:
    """`train` on a device of its own; what is printed and written, the first of several workers prints and writes."""
    splits, names = prepare_data(options)
    backbone = choose_backbone(options.backbone)
    begun = False

    def begin(model: Classifier, loaders: Loaders) -> None:
        nonlocal begun
        if begun:  # a sweep begins with every rate
            return
        begun = True
        if is_main_process():
            # Only now: a backbone that cannot be loaded leaves nothing behind. With names, which need no key.
            named = (table.assign(label=table["label"].map(dict(enumerate(names)))) for table in splits)
            data.save_splits(Splits(*named), output)
            print(describe_tables(splits, names, loaders))
        table = parameter_table(model)
        trained, weights = table.trainable["sum"], table.loc["sum"].sum()
        where = f"{backbone} on {device}, frozen blocks in {model.precision}"
        print(f"backbone: {where}; training {trained:,} of {weights:,} weights", flush=True)

    common: dict[str, Any] = {
        "method": options.method,
        "trainable": options.trainable,
        "pooling": options.pooling,
        "blocks": options.blocks,
        "groups": near_duplicate_groups(splits.train["text"]) if options.method == "probe" else None,
        "padding": options.padding,
        "max_length": options.max_length,
        "batch_size": options.batch_size,
        "head_bias": not options.no_head_bias,
        "precision": options.precision,
        "device": device,
        "before_training": begin,
        "on_measurement": print_measurement,
        "checkpoint": output / CHECKPOINT,
    }
    settings, rates = settings_of(options, names), options.learning_rate or []
    if len(rates) > 1:
        sweep, trained = sweep_learning_rates(rates, splits, names, backbone, settings, **common)
        if is_main_process():
            print(sweep.round(4).to_string())
    else:
        trained = finetune(splits, names, backbone, settings, **common)
    if not is_main_process():
        return
    classifier, history, loaders, probe = trained
    if probe:
        print_probe(probe)
    print(f"{'fitted' if probe else 'fine-tuned'} in {history.seconds:.0f} s")
    if history.best_epoch:
        best = f"{history.best_epoch} of {len(history.epoch_losses)}"
        print(f"kept: epoch {best}, validation loss {min(history.epoch_losses):.3f}")
    classifier.training["results"] = evaluate_splits(classifier.model, loaders, names)
    classifier.training |= {"data": describe_data(splits, names, options), "command": options.command_line}
    if len(rates) > 1:
        classifier.training["sweep"] = sweep.reset_index().to_dict("records")
    if not probe:
        save_curves(history, output, examples_per_epoch=len(loaders.train) * options.batch_size)
    classifier.save(output, complete=options.complete)
    for checkpoint in output.glob(f"*{CHECKPOINT}"):
        checkpoint.unlink()  # from here on the run is finished
    print(f"saved in {output}")


def settings_of(options: Namespace, names: Sequence[str]) -> TrainingSettings:
    """The training settings that the command line names."""
    rates = options.learning_rate or [None]
    return TrainingSettings(
        epochs=options.epochs,
        learning_rate=rates[0],
        weight_decay=options.weight_decay,
        seed=options.seed,
        gradient_accumulation_steps=options.gradient_accumulation,
        class_weights=class_weights_of(options.class_weights, names),
        patience=options.patience,
        schedule=options.schedule,
        warmup=options.warmup,
        max_gradient_norm=options.max_gradient_norm,
    )


def class_weights_of(words: Sequence[str] | None, names: Sequence[str]) -> str | tuple[float, ...] | None:
    """`--class-weights` as `TrainingSettings` takes it.

    Raises
    ------
    LlmclfError
        Neither "balanced" nor a number for each label.
    """
    if words is None or list(words) == ["balanced"]:
        return None if words is None else "balanced"
    try:
        given = {name: float(weight) for name, weight in (word.rsplit("=", 1) for word in words)}
    except ValueError:
        given = {}
    if given.keys() != set(names):
        example = " ".join(f"{name}=1" for name in names)
        raise LlmclfError(f"--class-weights takes balanced, or a number for every label, such as {example}")
    return tuple(given[name] for name in names)


# Tables ---------------------------------------------------------------------------------------------------------------


def prepare_data(options: Namespace) -> tuple[Splits, list[str]]:
    """The three tables and the label names: of the SMS collection, or of the reader's own table."""
    if options.method == "probe":
        refuse_without_effect(options, OF_FINETUNING, "with --method probe")
    if options.table:
        splits, names = read_own(options)
    else:
        refuse_without_effect(options, OF_TABLE, "without --table")
        names = list(data.SMS_LABELS)
        if not options.keep_copies_together:
            return shortened(data.prepare_sms(), options), names
        splits = divide(data.read_sms(every_row=True), options)
    splits = Splits(*(data.encode_labels(part, names) for part in splits))
    return shortened(data.shorten_if_fast(splits), options), names


def refuse_without_effect(options: Namespace, names: Sequence[str], where: str) -> None:
    """Raise `LlmclfError` where one of these options is given."""
    for name in names:
        if getattr(options, name) != options.defaults[name]:
            raise LlmclfError(f"--{name.replace('_', '-')} has no effect {where}; leave it out")


def table_options(options: Namespace) -> dict[str, Any]:
    """What the command line says of a table, as `read_table` takes it; commands without labels name no label column."""
    names = ("text_column", "label_column", "drop_incomplete", "encoding", "separator", "quoting")
    given = {name: getattr(options, name) for name in names if hasattr(options, name)}
    return given | {"header": not options.no_header}


def read_own(options: Namespace) -> tuple[Splits, list[str]]:
    """The reader's table, divided, or the parts that were given; labels still as names.

    Raises
    ------
    DataError
        See `read_table` and `label_names`; or a part has a label that the table lacks.
    """
    paths = {"table": options.table, "validation": options.validation, "test": options.test}
    tables = {part: data.read_table(path, **table_options(options)) for part, path in paths.items() if path}
    together = pd.concat(tables)
    if options.merge_labels:
        together = data.merge_labels(together)
        tables = {part: together.loc[part] for part in tables}
    data.label_names(together)  # raises where labels of two parts differ only in case
    names = data.label_names(tables["table"])
    for part, table in tables.items():
        if unknown := sorted(set(table["label"]) - set(names)):
            raise DataError(f"{paths[part]}: label {unknown[0]!r} is not in {options.table}, so it is not learnt")
    return divide(tables["table"], options, tables.get("validation"), tables.get("test")), names


def divide(
    table: pd.DataFrame,
    options: Namespace,
    validation: pd.DataFrame | None = None,
    test: pd.DataFrame | None = None,
) -> Splits:
    """A table divided 70/10/20, each label by itself; what is given ready-made is not cut off the table.

    A probe needs no validation, and sets a test aside only where there are texts enough.
    """
    if options.balance:
        table = data.undersample(table)
    is_probe = options.method == "probe"
    no_validation, no_test = is_probe or validation is not None, test is not None
    if (no_validation and no_test) or (is_probe and len(table) < ENOUGH_FOR_A_TEST):
        splits = Splits(table, table[:0], table[:0])
    elif options.keep_copies_together:
        splits = split_by_groups(table, near_duplicate_groups(table["text"]))
    else:
        splits = data.split(table, stratify=True)
    if no_validation:
        splits = Splits(pd.concat(splits[:2]), table[:0] if validation is None else validation, splits.test)
    if no_test:
        splits = Splits(pd.concat([splits.train, splits.test]), splits.validation, table[:0] if test is None else test)
    if options.keep_copies_together:
        require_every_label(splits)
    return splits


def require_every_label(splits: Splits) -> None:
    """Raise `DataError` where a part lacks a label that another has."""
    every = set(pd.concat(splits)["label"])
    for part, table in splits._asdict().items():
        if len(table) and (missing := sorted(every - set(table["label"]))):
            raise DataError(
                f"label {missing[0]!r}: nothing is left of it for {part}, because near copies stay together; it needs "
                f"more different texts, or ready-made parts (--validation, --test)"
            )


def shortened(splits: Splits, options: Namespace) -> Splits:
    """The splits, with only so many training texts as `--sample` says, as many of each label."""
    if options.sample is None:
        return splits
    by_label = splits.train.groupby("label")
    each = options.sample // by_label.ngroups
    if each > (rarest := by_label.size().min()) or each < 1:
        raise LlmclfError(
            f"--sample {options.sample}: that is {each} texts of each of {by_label.ngroups} labels, "
            f"and must be from 1 to {rarest}, as many as the rarest has"
        )
    return splits._replace(train=by_label.sample(each, random_state=options.seed))


def label_counts(splits: Splits, names: Sequence[str]) -> pd.DataFrame:
    """Texts of each label, a row, in each part, a column."""
    counts = pd.DataFrame({part: table["label"].value_counts() for part, table in splits._asdict().items()})
    return counts.reindex(range(len(names))).fillna(0).astype(int).set_axis(list(names))


def describe_tables(splits: Splits, names: Sequence[str], loaders: Loaders) -> str:
    """What was understood: texts of each label in each part, their lengths, how many are cut, and copies."""
    counts = label_counts(splits, names)
    counts.loc["sum"] = counts.sum()
    lengths = pd.Series([length for loader in loaders for length in dataset_of(loader).whole_lengths])
    lines = [counts.to_string(), f"tokens of a text: median {lengths.median():.0f}, longest {lengths.max():,}"]
    limit = dataset_of(loaders.train).max_length
    cut = sum(
        whole > len(message)
        for loader in loaders
        for whole, message in zip(dataset_of(loader).whole_lengths, dataset_of(loader).messages, strict=True)
    )
    if cut:
        lines.append(f"{cut:,} of {len(lengths):,} texts are longer than {limit:,} tokens and are cut there")
    for part in ("validation", "test"):
        if copies := len(data.find_leakage(splits.train, getattr(splits, part))):
            lines.append(f"{copies:,} texts to {'validate' if part == 'validation' else part} stand in train as well")
    return "\n".join(lines)


def describe_data(splits: Splits, names: Sequence[str], options: Namespace) -> dict[str, Any]:
    """What belongs into the training record: files and their hashes, texts of each label in each part."""
    paths = [path for path in (options.table, options.validation, options.test) if path]
    every = pd.concat(splits)
    content = "".join(f"{label}\t{text}\n" for label, text in zip(every["label"], every["text"], strict=True))
    return {
        "files": {path: sha256_of(path) for path in paths} or "SMS Spam Collection",
        "counts": label_counts(splits, names).to_dict(),
        "sha256 of all texts": hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest(),
    }


# What is printed and written on the way -------------------------------------------------------------------------------


def print_probe(probe: Probe) -> None:
    """What was tried, what was chosen, and how good that is where no test says it."""
    print(probe.table.round(3).to_string())
    print(f"chosen: after {probe.blocks} blocks, {probe.pooling}, C = {probe.regularisation}")
    low, high = probe.interval
    print(f"cross-validated accuracy {probe.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}), choice included")


def print_measurement(history: History) -> None:
    """One line a measurement, as training goes on."""
    print(
        f"step {history.steps[-1]:>4}: training loss {history.train_losses[-1]:.3f}, "
        f"validation loss {history.validation_losses[-1]:.3f}",
        flush=True,
    )


def evaluate_splits(model: Classifier, loaders: Loaders, names: Sequence[str]) -> dict[str, dict]:
    """Evaluate on every message of each table; print, and return what belongs into the training record."""
    results = {}
    for name, loader in loaders._asdict().items():
        if not len(loader.dataset):
            continue
        result = evaluate(model, every_message(loader), description=f"evaluating on {name}")
        print(f"{name:<10} {result}", flush=True)
        if name == "validation":
            tell_what_is_never_predicted(result, names)
        results[name] = {"correct": result.correct, "count": result.count, "loss": result.loss}
    return results


def tell_what_is_never_predicted(result: Evaluation, names: Sequence[str]) -> None:
    """A notice for each class that occurs and is never predicted, as happens to a rare one."""
    for name, true, predicted in zip(names, result.confusion.sum(axis=1), result.confusion.sum(axis=0), strict=True):
        if true and not predicted:
            notice(f"{name!r} is never predicted for {result.count} validation texts; try --class-weights balanced")


def save_curves(history: History, output: Path, examples_per_epoch: int) -> None:
    """Write the history as JSON and its two pictures as SVG."""
    from llmclf.teaching.plots import plot_accuracies, plot_losses

    accuracies = plot_accuracies(history, examples_per_epoch=examples_per_epoch)
    with atomic_write(output / "history.json") as unfinished:
        unfinished.write_text(json.dumps(asdict(history), indent=2) + "\n", encoding="utf-8")
    for name, figure in (("loss", plot_losses(history)), ("accuracy", accuracies)):
        with atomic_write(output / f"{name}.svg") as unfinished:
            figure.savefig(unfinished, metadata={"Date": None})
