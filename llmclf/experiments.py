"""Chapters 8 and 9: experiments. Each changes one thing in the recipe; one command runs them and keeps the results.

`python -m llmclf.experiments --rows last-token mean` goes on where it was interrupted: what stands in the results file
is not done again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from llmclf.assets import AssetError
from llmclf.data import SEED, SMS_LABELS, Splits, balance, is_fast, number_labels, read_sms, truncate
from llmclf.errors import LlmclfError
from llmclf.evaluate import choose_device, evaluate, outputs, score
from llmclf.files import replacing
from llmclf.frozen import KeptStates, over, why_not
from llmclf.head import Classifier
from llmclf.leakage import deal_groups, near_duplicate_groups
from llmclf.loaders import Loaders, MessageDataset, every_message, make_loaders
from llmclf.lora import add_lora
from llmclf.progress import notice
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, suggested_learning_rate, train
from llmclf.weights import RANDOM, choose_backbone, load_pretrained

FOLDS = 5
FAST_TABLE = 140  # messages under LLMCLF_FAST


class ExperimentError(LlmclfError):
    """An experiment that is not known, or results that do not belong together."""


@dataclass(frozen=True)
class Experiment:
    """What one row changes; the defaults are the library's recipe.

    Attributes
    ----------
    what
        In words.
    reference
        GPT-2's test accuracy in percent as the source's author published it (one run, another split), or `None`.
    base
        The row that it is to be compared with.
    table
        "balanced": half ham, half spam, as in chapter 1. "all": every message of the collection.
    messages
        How many of the training messages are used; `None` for all.
    backbone, random
        A model of its own instead of the one asked for; whether its weights are random instead of pretrained.
    pooling, trainable
        See `Classifier`.
    causal
        Whether a token sees only itself and those before it.
    lora_rank
        Of LoRA (see `add_lora`); 0 trains without it.
    pad_to
        Tokens of every message, padding included; 0 pads to the longest of the table, `None` to that of the batch.
    batch_size, accumulate
        Messages of a batch, and batches of a step.
    ignore_index
        See `TrainingSettings`.
    learning_rate
        Instead of the suggested one.
    bfloat16
        See `Classifier`.
    """

    what: str
    reference: float | None = None
    base: str = "last-token"
    table: str = "balanced"
    messages: int | None = None
    backbone: str | None = None
    random: bool = False
    pooling: str = "last_token"
    trainable: str = "last_block"
    causal: bool = True
    lora_rank: int = 0
    pad_to: int | None = None
    batch_size: int = 8
    accumulate: int = 1
    ignore_index: int = -100
    learning_rate: float | None = None
    bfloat16: bool = False


SOURCE = {"pooling": "last_position", "pad_to": 0, "base": "last-position"}
LEARNING_CURVE = (16, 32, 64, 128, 256, 512, 1024, 2048)
COLUMNS = [
    "experiment", "backbone", "fold", "table_messages", "train_messages", "epochs", "learning_rate", "trained",
    "train_right", "validation_messages", "validation_right", "test_messages", "test_spam", "false_alarms", "misses",
    "loss", "seconds", "wrong",
]  # fmt: skip
LEAST_STEPS = 100  # a few messages are gone through more often than five times

EXPERIMENTS: dict[str, Experiment] = {
    "last-position": Experiment("last position of one length, the source's way", 95.00, **SOURCE),
    "last-token": Experiment("last real token, the library's way", 98.33),
    "first-token": Experiment("first token", 75.00, pooling="first_token"),
    "mean": Experiment("mean over all tokens", 96.33, pooling="mean"),
    "head": Experiment("only the head learns", 72.00, trainable="head"),
    "two-blocks": Experiment("the last two blocks learn", 98.33, trainable="last_two_blocks"),
    "all": Experiment("everything learns", 96.67, trainable="all"),
    "random": Experiment("everything learns, from random weights", 93.67, trainable="all", random=True, base="all"),
    "lora": Experiment("LoRA of rank 16 in every block", 96.67, lora_rank=16),
    "context": Experiment("padded to 1,024 tokens", 78.33, **SOURCE | {"pad_to": 1024}, bfloat16=True),
    "one-by-one": Experiment("no padding: batches of one message", 98.00, batch_size=1),
    "accumulated": Experiment("no padding: eight messages accumulated", 98.33, batch_size=1, accumulate=8),
    "no-mask": Experiment("without the causal mask", 95.33, causal=False, **SOURCE),
    "ignore-index": Experiment("cross-entropy with ignore_index", 95.00, ignore_index=50256, **SOURCE),
    "gpt2-355M": Experiment("the source's way with GPT-2 355M", 84.67, backbone="gpt2-355M", **SOURCE),
    "gpt2-774M": Experiment("the source's way with GPT-2 774M", 96.67, backbone="gpt2-774M", **SOURCE),
    "gpt2-1558M": Experiment("the source's way with GPT-2 1558M", 98.33, backbone="gpt2-1558M", **SOURCE),
    "gpt2-1558M-all": Experiment(
        "GPT-2 1558M, everything learns", 98.67, backbone="gpt2-1558M", trainable="all", **SOURCE
    ),
    "gpt2-1558M-lora": Experiment(
        "GPT-2 1558M with LoRA of rank 16", 98.33, backbone="gpt2-1558M", lora_rank=16, **SOURCE
    ),
    "natural": Experiment("every message, at natural prevalence", base="natural", table="all"),
}  # fmt: skip
EXPERIMENTS |= {
    f"natural-{count}": Experiment(f"{count:,} training messages", base="natural", table="all", messages=count)
    for count in LEARNING_CURVE
}


def table_of(experiment: Experiment) -> pd.DataFrame:
    """The messages of an experiment: `label` (0 or 1), `text`, `group` (near copies share one) and `part` (0 to 9).

    Ten parts of equal size and prevalence, groups undivided, make five ways to cut the table (see `fold`).
    """
    table = number_labels(read_sms(every_row=True), SMS_LABELS)
    table["group"] = near_duplicate_groups(table["text"])
    if experiment.table == "balanced":
        table = balance(table)
    if is_fast():
        table = truncate(table, FAST_TABLE)
    table = table.reset_index(drop=True).assign(part=0)
    for number, rows in enumerate(deal_groups(table["label"], table["group"], [0.1] * 10, seed=SEED)):
        table.loc[rows, "part"] = number
    return table


def fold(table: pd.DataFrame, number: int, messages: int | None = None) -> Splits:
    """Cut number 1 to 5 of a table of `table_of`: two of its ten parts judge, one chooses, seven teach.

    Over the five, every message judges exactly once. `messages` cuts the training set to so many.
    """
    if not 1 <= number <= FOLDS:
        raise ExperimentError(f"there are the folds 1 to {FOLDS}, not {number}")
    part = (table["part"] - 2 * (number - 1)) % 10
    training = table[part > 2]
    if messages is not None:
        training = truncate(training, messages, seed=SEED + number)
    return Splits(training, table[part == 2], table[part < 2])


def make_classifier(experiment: Experiment, backbone: str, device: torch.device, seed: int) -> Classifier:
    """The classifier of one run, untrained."""
    pretrained = load_pretrained(RANDOM * experiment.random + backbone, device=device, seed=seed)
    for block in pretrained.blocks:
        block.attention.causal = experiment.causal
    settings = {"pooling": experiment.pooling, "trainable": experiment.trainable, "bfloat16": experiment.bfloat16}
    classifier = Classifier(pretrained, seed=seed, **settings)
    if experiment.lora_rank:
        add_lora(classifier, rank=experiment.lora_rank, seed=seed)
    return classifier


def run(name: str, folds: Iterable[int], backbone: str, device: torch.device) -> Iterator[dict]:
    """One result a fold; the frozen part is computed once for all of them.

    Yields
    ------
    dict
        `experiment`, `backbone`, `fold`, `table_messages`; `train_messages`, `epochs`, `learning_rate`, `trained`
        (parameters); `train_right`, `validation_messages`, `validation_right`; `test_messages`, `test_spam`,
        `false_alarms`, `misses`, `loss` (of the test set); `seconds` (the frozen part counts for the first fold);
        `wrong`, the row numbers in the table of the test messages that were answered wrongly.
    """
    experiment = EXPERIMENTS[name]
    table, tokenizer = table_of(experiment), load_tokenizer(backbone)
    longest = MessageDataset(table, tokenizer).max_length
    options = {"padding": "dynamic", "batch_size": experiment.batch_size}
    if experiment.pad_to is not None:
        options |= {"padding": "fixed", "max_length": experiment.pad_to or longest}
    whole = make_loaders(Splits(table, table[:0], table[:0]), tokenizer, **options).train
    kept: KeptStates | None = None
    for number in folds:
        started = time.perf_counter()
        seed = SEED + number - 1
        classifier = make_classifier(experiment, backbone, device, seed)
        if kept is None and why_not(classifier, whole) is None:
            kept = KeptStates(classifier, whole)
        splits = fold(table, number, experiment.messages)
        loaders = make_loaders(splits, tokenizer, **options, seed=seed)
        if kept is not None:
            parts = zip(loaders, splits, strict=True)
            loaders = Loaders(*(over(kept.select(part.index), loader) for loader, part in parts))
        steps = len(loaders.train) // experiment.accumulate
        settings = TrainingSettings(
            epochs=max(5, -(-LEAST_STEPS // steps)),
            learning_rate=experiment.learning_rate or suggested_learning_rate(classifier),
            evaluate_every=10**9,
            evaluate_batches=1,
            seed=seed,
            accumulate=experiment.accumulate,
            ignore_index=experiment.ignore_index,
        )
        train(classifier, loaders.train, loaders.validation, settings, reuse_frozen=False)
        logits, labels = outputs(classifier, loaders.test)
        test, validation = score(logits, labels), evaluate(classifier, loaders.validation)
        wrong = splits.test.index[(logits.argmax(dim=1) != labels).numpy()]
        yield {
            "experiment": name,
            "backbone": backbone,
            "fold": number,
            "table_messages": len(table),
            "train_messages": len(splits.train),
            "epochs": settings.epochs,
            "learning_rate": settings.learning_rate,
            "trained": sum(weight.numel() for weight in classifier.parameters() if weight.requires_grad),
            "train_right": evaluate(classifier, every_message(loaders.train)).correct,
            "validation_messages": validation.count,
            "validation_right": validation.correct,
            "test_messages": test.count,
            "test_spam": int(labels.sum()),
            "false_alarms": int(test.confusion[0, 1]),
            "misses": int(test.confusion[1, 0]),
            "loss": round(test.loss, 5),
            "seconds": round(time.perf_counter() - started, 1),
            "wrong": " ".join(map(str, wrong)),
        }


def read_results(path: str | Path) -> pd.DataFrame:
    """The results that `main` keeps: a row for each experiment and fold, with the columns that `run` describes.

    Raises
    ------
    ExperimentError
        There is no such file, or it is not one of results.
    """
    try:
        results = pd.read_csv(path, dtype={"wrong": str}, keep_default_na=False)
    except FileNotFoundError:
        raise ExperimentError(f"{path}: no such file; python -m llmclf.experiments makes it") from None
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise ExperimentError(f"{path}: cannot be read: {error}; name another --output") from None
    if list(results.columns) != COLUMNS:
        raise ExperimentError(f"{path}: not a file of results (expected the columns {', '.join(COLUMNS)})")
    return results


def add_result(path: Path, result: dict) -> None:
    """Add a row to the file, in one step."""
    rows = [read_results(path)] if path.is_file() else []
    if rows and {*rows[0].query("experiment == @result['experiment']")["table_messages"]} - {result["table_messages"]}:
        raise ExperimentError(f"{path}: holds results of another table of messages; name another --output")
    with replacing(path) as unfinished:
        pd.concat([*rows, pd.DataFrame([result])]).to_csv(unfinished, index=False, lineterminator="\n")


def run_missing(names: Iterable[str], folds: Iterable[int], backbone: str, device: torch.device, path: Path) -> None:
    """Run what the results file lacks, each result written as soon as it is there."""
    for name in names:
        own = EXPERIMENTS[name].backbone or backbone
        done = read_results(path).query("experiment == @name and backbone == @own")["fold"] if path.is_file() else []
        missing = [number for number in folds if number not in set(done)]
        try:
            for result in run(name, missing, own, device):
                add_result(path, result)
                right = result["test_messages"] - result["false_alarms"] - result["misses"]
                answer = f"{right} of {result['test_messages']} right ({result['seconds']:.0f} s)"
                print(f"{name}, fold {result['fold']}: {answer}", flush=True)
        except AssetError as error:
            notice(f"{name} is left out: {str(error).splitlines()[0]}")


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 when it went well, 2 after an error, 130 when interrupted."""
    rows = "\n".join(f"  {name:<17}{experiment.what}" for name, experiment in EXPERIMENTS.items())
    parser = argparse.ArgumentParser(
        "python -m llmclf.experiments",
        description=f"Run experiments of chapters 8 and 9:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", nargs="+", default=list(EXPERIMENTS), metavar="NAME", help="default: all")
    parser.add_argument("--folds", nargs="+", type=int, default=[1, 2, 3], metavar="N", help="default: 1 2 3")
    parser.add_argument("--backbone", metavar="NAME", help="default: GPT-2 124M where it can be had, else SmolLM2")
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda, mps (default: the best there is)")
    parser.add_argument("--output", type=Path, default=Path("output/experiments.csv"), metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        if unknown := [name for name in options.rows if name not in EXPERIMENTS]:
            raise ExperimentError(f"no experiment is called {unknown[0]!r}; known are {', '.join(EXPERIMENTS)}")
        device = choose_device(options.device)
        run_missing(options.rows, options.folds, choose_backbone(options.backbone), device, options.output)
    except KeyboardInterrupt:
        print("llmclf: interrupted; the same command goes on after the last result", file=sys.stderr)
        return 130
    except (LlmclfError, OSError) as error:
        print(f"llmclf: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
