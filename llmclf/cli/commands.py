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
from dataclasses import replace
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from llmclf import __version__
from llmclf.console import LlmclfError
from llmclf.files import assets
from llmclf.files.storage import atomic_write, lock_folder

if TYPE_CHECKING:
    from llmclf.classify import TextClassifier


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
    """Print versions, device, settings and files, which a bug report needs; or the model card of a classifier."""
    if options.folder:
        from llmclf.classify import read_classifier
        from llmclf.cli.model_card import model_card

        print(model_card(read_classifier(options.folder)[1]))
        return
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
    from llmclf.cli.training import train

    train(options)


def load_for(options: Namespace) -> TextClassifier:
    """The saved classifier that the command line names, with what is decided anew for this once."""
    from llmclf.classify import TextClassifier

    classifier = TextClassifier.load(options.folder, device=options.device, precision=options.precision)
    changes = {name: getattr(options, name) for name in ("threshold", "abstain_below")}
    decision = replace(classifier.decision, **{name: value for name, value in changes.items() if value is not None})
    decision.check(len(classifier.label_names))
    classifier.decision = decision
    return classifier


def tune(options: Namespace) -> None:
    """Fit a decision to a labelled table, keep it with the classifier, and print what it changed."""
    from llmclf.classify import TextClassifier, save_decision
    from llmclf.cli.training import table_options
    from llmclf.data import encode_labels, read_table
    from llmclf.evaluation.tuning import check_tunable, evidence, tune
    from llmclf.files.storage import sha256_of

    table = read_table(options.table, **table_options(options))
    classifier = TextClassifier.load(options.folder, device=options.device, precision=options.precision)
    labels = encode_labels(table, classifier.label_names)["label"].tolist()
    costs = {"false_positive": options.cost_false_positive, "false_negative": options.cost_false_negative}
    check_tunable(labels, len(classifier.label_names), **costs)
    logits = classifier.logits(table["text"].tolist())
    decision = replace(tune(logits, labels, **costs), abstain_below=options.abstain_below)
    found = evidence(logits, labels, decision, **costs)
    source = {"table": str(options.table), "sha256": sha256_of(options.table)}
    save_decision(options.folder, replace(decision, evidence=source | found))
    print(f"temperature {decision.temperature:.3f}", end="")
    if decision.threshold is not None:
        print(f"; {classifier.label_names[1]} from a probability of {decision.threshold:.4f} on", end="")
    if decision.offsets is not None:
        pairs = zip(classifier.label_names, decision.offsets, strict=True)
        print("; offsets " + ", ".join(f"{name} {offset:+.3f}" for name, offset in pairs), end="")
    print(f"\nfitted on {len(labels):,} texts (so they flatter it):")
    for when in ("before", "after"):
        print(f"  {when:<7}" + ", ".join(f"{name} {value:.6g}" for name, value in found[when].items()))
    print(f"saved in {options.folder}")


def evaluate(options: Namespace) -> None:
    """Measure a saved classifier on a labelled table."""
    import torch

    from llmclf.cli.training import table_options
    from llmclf.data import encode_labels, read_table
    from llmclf.evaluate import score

    table = read_table(options.table, **table_options(options))
    classifier = load_for(options)
    table = encode_labels(table, classifier.label_names)
    logits, labels = classifier.logits(table["text"].tolist()), torch.tensor(table["label"].tolist())
    result = score(logits, labels, classifier.decision)
    by_class = result.by_class(classifier.label_names)
    if options.format == "json":
        report = {
            "count": result.count,
            "correct": result.correct,
            "accuracy": result.accuracy,
            "loss": result.loss,
            "interval": result.interval,
            "unsure": result.unsure,
            "confusion": result.confusion.tolist(),
            "classes": by_class.astype(object).where(by_class.notna(), None).to_dict(orient="index"),
        }
        report = {name: None if value != value else value for name, value in report.items()}  # JSON has no NaN
        print(json.dumps(report, indent=2))
    else:
        print(result)
        print(by_class.round(3).to_string())


def classify(options: Namespace) -> None:
    """Label texts from arguments, a table or standard input, and print them in their order; or files, into files."""
    if options.engine:
        classify_files(options)
        return
    from llmclf.cli.training import table_options
    from llmclf.data import read_table

    if options.table and options.texts:
        raise LlmclfError("give either texts or --table, not both")
    if options.table:
        texts = read_table(options.table, label_column=None, **table_options(options))["text"].tolist()
    elif options.texts:
        texts = [utf_8(text, f"text {number}") for number, text in enumerate(options.texts, start=1)]
    else:  # whatever the terminal is set to
        lines = enumerate(TextIOWrapper(sys.stdin.buffer, "utf-8", "surrogateescape"), start=1)
        texts = [utf_8(line.rstrip("\n"), f"standard input: line {number}") for number, line in lines]
    if options.format != "text" and isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # for programs, which do not ask for the terminal's
    classifier = load_for(options)
    probabilities = classifier.predict_proba(texts)
    names, labels = classifier.label_names, classifier.answers(probabilities)
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
            print(f"{label} ({row[names.index(label)] if label in names else max(row):.1%})\t{text}")


def utf_8(text: str, where: str) -> str:
    """The text, or `LlmclfError` that names the place where bytes stand that are none."""
    try:  # in a terminal that is set to ASCII, all that is beyond it comes as escaped bytes
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        raise LlmclfError(f"{where}: not UTF-8: {text!r}; convert it") from None


def classify_files(options: Namespace) -> None:
    """Label files, of any size, into a folder, and tell how fast it went."""
    from llmclf.cli.training import refuse_without_effect
    from llmclf.scale.score_files import score_files

    if len(options.texts) != 2 or options.table:
        raise LlmclfError("with --engine give two names: the file or folder to read, and the folder to write")
    fixed = ("threshold", "abstain_below", "encoding", "separator", "quoting", "no_header")
    refuse_without_effect(options, fixed, "with --engine")
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


def export(options: Namespace) -> None:
    """Write a classifier in a form that other programs read."""
    from llmclf.classify import TextClassifier
    from llmclf.cli.training import refuse_without_effect
    from llmclf.exchange.to_onnx import export_onnx
    from llmclf.exchange.to_transformers import export_transformers

    classifier = TextClassifier.load(options.folder, device="cpu", precision="float32")
    output, own = Path(options.output), ("model.onnx", "model.safetensors")
    if output.is_dir() and any(output.iterdir()) and not any((output / name).exists() for name in own):
        raise LlmclfError(f"{output} holds other files; name another folder")
    if options.format == "onnx":
        export_onnx(classifier, options.output, int8=options.int8)
    else:
        refuse_without_effect(options, ["int8"], "with --format transformers")
        export_transformers(classifier, options.output)
    for path in sorted(Path(options.output).iterdir()):
        print(f"{path}: {path.stat().st_size:,} bytes")


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
    from llmclf.evaluation.ablations import COMPARED, EXPERIMENTS
    from llmclf.evaluation.experiments import ModelSettings, run_missing
    from llmclf.precision import choose_precision
    from llmclf.weights import choose_backbone

    backbone, device = choose_backbone(options.backbone), choose_device(options.device)
    model = ModelSettings(backbone, device, choose_precision(options.precision, device))
    rows = options.rows or list(EXPERIMENTS if options.task == "balanced" else COMPARED)
    run_missing(options.task, rows, options.labels, options.draws, model, Path(options.output))
