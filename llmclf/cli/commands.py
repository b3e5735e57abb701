"""What each command of the command line does. Heavy libraries are imported by the command that needs them."""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import sys
import time
from argparse import Namespace
from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from llmclf import __version__
from llmclf.console import LlmclfError, is_main_process
from llmclf.files import assets
from llmclf.files.storage import atomic_write, lock_folder

if TYPE_CHECKING:
    from llmclf.data import Splits
    from llmclf.head import Classifier
    from llmclf.loaders import Loaders
    from llmclf.probe import Probe
    from llmclf.train import History


# Options that the other method does not heed, and their defaults.
OF_ONE_METHOD: dict[str, dict[str, object]] = {
    "finetune": {"epochs": 5, "learning_rate": None, "batch_size": 8, "trainable": "last_block"},
    "probe": {"blocks": None},
}
ENOUGH_FOR_A_TEST = 100  # rows of a table from which on a probe sets a part of them aside
CHECKPOINT = "checkpoint.safetensors"  # lies in the output folder until the run is finished


def fetch(options: Namespace) -> None:
    """Fetch named files, or list them all."""
    if options.list:
        for line in describe_assets():
            print(line)
        return
    names = list(assets.ASSETS) if options.all else options.names
    if not names:
        raise LlmclfError("name at least one file, or use --all or --list")
    failures = []
    for name in names:
        try:
            asset, path = assets.resolve(name)
            if options.to:
                target = Path(options.to) / asset.path
                with lock_folder(target.parent, wait=True), atomic_write(target) as unfinished:
                    shutil.copyfile(path, unfinished)
                path = target
            print(path)
        except (assets.AssetError, OSError) as error:
            failures.append(str(error))
    if failures:
        raise LlmclfError("\n".join(failures))


def describe_assets() -> list[str]:
    """One line a file: name, size, licence, and the place where a file of that name lies already."""
    lines = []
    for asset in assets.ASSETS.values():
        places = [folder / asset.path for folder in assets.local_folders()]
        here = next((str(path) for path in places if path.is_file()), "not here yet")
        lines.append(f"{asset.name:<18}{asset.size_text:>14}  {asset.licence:<31}  {here}")
    return lines


def info(options: Namespace) -> None:
    """Print versions, device, settings and files: what a bug report needs."""
    from llmclf.evaluate import choose_device
    from llmclf.precision import choose_precision

    print(f"llmclf {__version__}, Python {platform.python_version()}, {platform.platform()}")
    print(", ".join(f"{name} {version(name)}" for name in ("torch", "tiktoken", "pandas", "safetensors", "gguf")))
    print(f"device: {choose_device()}, frozen blocks in {choose_precision(device=choose_device())}")
    for name in ("LLMCLF_KIT", "LLMCLF_CACHE", "LLMCLF_BACKBONE", "LLMCLF_PRECISION", "LLMCLF_FAST"):
        print(f"{name}: {os.environ.get(name, 'not set')}")
    print(f"cache folder: {assets.cache_folder()}")
    print("\n".join(describe_assets()))


def train(options: Namespace) -> None:
    """Prepare the data, fine-tune, evaluate on all three tables, save; several workers, where torchrun started them."""
    from llmclf.classify import CLASSIFIER_FILE
    from llmclf.evaluate import choose_device
    from llmclf.scale.distributed import workers

    output = Path(options.output)
    finished = (output / CLASSIFIER_FILE).exists() and not (output / CHECKPOINT).exists()
    if finished and not options.overwrite:
        raise LlmclfError(f"{output} holds a classifier already; name another --output, or add --overwrite")
    with workers(choose_device(options.device)) as device, lock_folder(output) if is_main_process() else nullcontext():
        train_on(str(device), options, output)


def train_on(device: str, options: Namespace, output: Path) -> None:
    """`train` on a device of its own; what is printed and written, the first of several workers prints and writes."""
    from llmclf import data
    from llmclf.evaluation.near_duplicates import near_duplicate_groups
    from llmclf.finetune import finetune
    from llmclf.head import parameter_table
    from llmclf.train import TrainingSettings
    from llmclf.weights import choose_backbone

    splits, names = prepare_data(options)
    print(f"messages: {len(splits.train)} to train, {len(splits.validation)} to validate, {len(splits.test)} to test")
    backbone, checkpoint = choose_backbone(options.backbone), output / CHECKPOINT

    def begin(model: Classifier) -> None:
        if is_main_process():
            data.save_splits(splits, output)  # only now: a backbone that cannot be loaded leaves nothing behind
        table = parameter_table(model)
        trained, weights = table.trainable["sum"], table.loc["sum"].sum()
        where = f"{backbone} on {device}, frozen blocks in {model.precision}"
        print(f"backbone: {where}; training {trained:,} of {weights:,} weights", flush=True)

    classifier, history, loaders, probe = finetune(
        splits,
        names,
        backbone,
        TrainingSettings(epochs=options.epochs, learning_rate=options.learning_rate, seed=options.seed),
        method=options.method,
        trainable=options.trainable,
        pooling=options.pooling,
        blocks=options.blocks,
        groups=near_duplicate_groups(splits.train["text"]) if options.method == "probe" else None,
        padding=options.padding,
        max_length=options.max_length,
        batch_size=options.batch_size,
        precision=options.precision,
        device=device,
        before_training=begin,
        on_measurement=print_measurement,
        checkpoint=checkpoint,
    )
    if not is_main_process():
        return
    if probe:
        print_probe(probe)
    print(f"{'fitted' if probe else 'fine-tuned'} in {history.seconds:.0f} s")
    classifier.training["results"] = evaluate_splits(classifier.model, loaders)
    if not probe:
        save_curves(history, output, examples_per_epoch=len(loaders.train) * options.batch_size)
    classifier.save(output, complete=options.complete)
    checkpoint.unlink(missing_ok=True)  # from here on the run is finished
    print(f"saved in {output}")


def prepare_data(options: Namespace) -> tuple[Splits, list[str]]:
    """The three tables and the label names: of the SMS collection, or of the reader's own table.

    A probe needs no validation, and sets a test aside only where there are texts enough.
    """
    import pandas as pd

    from llmclf import data
    from llmclf.evaluation.near_duplicates import near_duplicate_groups, split_by_groups

    check_method(options)
    columns = {"text_column": options.text_column, "label_column": options.label_column}
    if options.table:
        table = data.read_table(options.table, **columns)
    elif options.test:
        raise LlmclfError("--test needs --table: the SMS collection has a test set of its own")
    elif options.keep_copies_together:
        table = data.read_sms(every_row=True)
    else:
        return shortened(data.prepare_sms(), options), list(data.SMS_LABELS)
    names = data.label_names(table)
    test = data.encode_labels(data.read_table(options.test, **columns), names) if options.test else None
    if options.balance:
        table = data.undersample(table)
    table = data.encode_labels(table, names)
    is_probe = options.method == "probe"
    if is_probe and (options.test or len(table) < ENOUGH_FOR_A_TEST):
        splits = data.Splits(table, table[:0], table[:0])
    elif options.keep_copies_together:
        splits = split_by_groups(table, near_duplicate_groups(table["text"]))
    else:
        splits = data.split(table)
    if test is not None:
        splits = data.Splits(pd.concat([splits.train, splits.test]), splits.validation, test)
    if is_probe:
        splits = data.Splits(pd.concat(splits[:2]), table[:0], splits.test)
    return shortened(data.shorten_if_fast(splits), options), names


def check_method(options: Namespace) -> None:
    """Raise `LlmclfError` where an option is given that the method does not heed."""
    other = "finetune" if options.method == "probe" else "probe"
    for name, default in OF_ONE_METHOD[other].items():
        if getattr(options, name) != default:
            raise LlmclfError(f"--{name.replace('_', '-')} has no effect with --method {options.method}; leave it out")


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


def evaluate_splits(model: Classifier, loaders: Loaders) -> dict[str, dict]:
    """Evaluate on every message of each table; print, and return what belongs into the training record."""
    from llmclf.evaluate import evaluate
    from llmclf.loaders import every_message

    results = {}
    for name, loader in loaders._asdict().items():
        if not len(loader.dataset):
            continue
        result = evaluate(model, every_message(loader), description=f"evaluating on {name}")
        print(f"{name:<10} {result}", flush=True)
        results[name] = {"correct": result.correct, "count": result.count, "loss": result.loss}
    return results


def save_curves(history: History, output: Path, examples_per_epoch: int) -> None:
    """Write the history as JSON and its two pictures as SVG."""
    from llmclf.teaching.plots import plot_accuracies, plot_losses

    accuracies = plot_accuracies(history, examples_per_epoch=examples_per_epoch)
    with atomic_write(output / "history.json") as unfinished:
        unfinished.write_text(json.dumps(asdict(history), indent=2) + "\n", encoding="utf-8")
    for name, figure in (("loss", plot_losses(history)), ("accuracy", accuracies)):
        with atomic_write(output / f"{name}.svg") as unfinished:
            figure.savefig(unfinished, metadata={"Date": None})


def evaluate(options: Namespace) -> None:
    """Measure a saved classifier on a labelled table."""
    import torch

    from llmclf.classify import TextClassifier
    from llmclf.data import encode_labels, read_table
    from llmclf.evaluate import score

    table = read_table(options.table, text_column=options.text_column, label_column=options.label_column)
    classifier = TextClassifier.load(options.folder, device=options.device, precision=options.precision)
    table = encode_labels(table, classifier.label_names)
    result = score(classifier.logits(table["text"].tolist()), torch.tensor(table["label"].tolist()))
    by_class = result.by_class(classifier.label_names)
    if options.format == "json":
        report = {
            "count": result.count,
            "correct": result.correct,
            "accuracy": result.accuracy,
            "loss": result.loss,
            "interval": result.interval,
            "confusion": result.confusion.tolist(),
            "classes": by_class.to_dict(orient="index"),
        }
        print(json.dumps(report, indent=2))
    else:
        print(result)
        print(by_class.round(3).to_string())


def classify(options: Namespace) -> None:
    """Label texts from arguments, a table or standard input, and print them in their order; or files, into files."""
    if options.engine:
        classify_files(options)
        return
    from llmclf.classify import TextClassifier
    from llmclf.data import read_table

    if options.table and options.texts:
        raise LlmclfError("give either texts or --table, not both")
    if options.table:
        texts = read_table(options.table, text_column=options.text_column, label_column=None)["text"].tolist()
    elif options.texts:
        texts = [utf_8(text, f"text {number}") for number, text in enumerate(options.texts, start=1)]
    else:  # whatever the terminal is set to
        lines = enumerate(TextIOWrapper(sys.stdin.buffer, "utf-8", "surrogateescape"), start=1)
        texts = [utf_8(line.rstrip("\n"), f"standard input: line {number}") for number, line in lines]
    if options.format != "text" and isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # for programs, which do not ask for the terminal's
    classifier = TextClassifier.load(options.folder, device=options.device, precision=options.precision)
    probabilities = classifier.predict_proba(texts)
    names = classifier.label_names
    labels = [names[row.argmax()] for row in probabilities]
    rows = zip(texts, labels, probabilities.tolist(), strict=True)
    if options.format == "json":
        report = [
            {"text": text, "label": label, "probabilities": dict(zip(names, row, strict=True))}
            for text, label, row in rows
        ]
        print(json.dumps(report, indent=2, ensure_ascii=False))
    elif options.format == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(["text", "label", *(f"probability_{name}" for name in names)])
        writer.writerows([text, label, *row] for text, label, row in rows)
    else:
        for text, label, row in rows:
            print(f"{label} ({max(row):.1%})\t{text}")


def utf_8(text: str, where: str) -> str:
    """The text, or `LlmclfError` that names the place where bytes stand that are none."""
    try:  # in a terminal that is set to ASCII, all that is beyond it comes as escaped bytes
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        raise LlmclfError(f"{where}: not UTF-8: {text!r}; convert it") from None


def classify_files(options: Namespace) -> None:
    """Label files, of any size, into a folder, and tell how fast it went."""
    from llmclf.scale.score_files import score_files

    if len(options.texts) != 2 or options.table:
        raise LlmclfError("with --engine give two names: the file or folder to read, and the folder to write")
    started = time.perf_counter()
    scored = score_files(
        options.folder,
        *options.texts,
        engine=options.engine,
        text_column=options.text_column,
        rows_per_part=options.rows_per_part,
        workers=options.workers,
        device=options.device,
        precision=options.precision,
    )
    seconds = time.perf_counter() - started
    print(f"scored {scored.now:,} messages in {seconds:.0f} s, {scored.now / seconds:,.0f} a second", end="")
    print(f"; {scored.before:,} had been scored before" if scored.before else "")
    print(f"saved in {options.texts[1]}")


def distil(options: Namespace) -> None:
    """Train a small model on what a classifier says of the SMS collection, and write it into one file."""
    from llmclf.classify import TextClassifier
    from llmclf.data import SMS_LABELS
    from llmclf.interactive.distillation import distil, sms_texts
    from llmclf.interactive.student import save_student

    teacher = TextClassifier.load(options.folder, device=options.device, precision=options.precision)
    if teacher.label_names != list(SMS_LABELS):
        raise LlmclfError(f"{options.folder} labels {teacher.label_names}; only a classifier of SMS has texts to teach")
    texts, held_out = sms_texts()
    student = distil(teacher, texts, held_out, epochs=options.epochs)
    save_student(student, options.output)
    for name, value in student.training.items():
        print(f"{name}: {value}")
    print(f"{options.output}: {os.path.getsize(options.output):,} bytes")


def experiments(options: Namespace) -> None:
    """Do those runs of the experiments that the output folder lacks."""
    from llmclf.evaluate import choose_device
    from llmclf.evaluation.ablations import EXPERIMENTS
    from llmclf.evaluation.baselines import BASELINES
    from llmclf.evaluation.experiments import ModelSettings, run_missing
    from llmclf.precision import choose_precision
    from llmclf.weights import choose_backbone

    backbone, device = choose_backbone(options.backbone), choose_device(options.device)
    precision = "float64" if backbone in BASELINES else choose_precision(options.precision, device)
    model = ModelSettings(backbone, device, precision)
    run_missing(options.rows or list(EXPERIMENTS), options.folds, model, Path(options.output))
