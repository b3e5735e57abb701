"""The command line: `python -m llmclf --help`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from io import TextIOWrapper

from llmclf import __version__
from llmclf.cli.exit_status import exit_status
from llmclf.evaluation.ablations import EXPERIMENTS, FOLDS, OPPONENTS, TASKS

TABLE = "CSV, TSV, JSON Lines (.jsonl) or Parquet"
ABSTAIN = "an answer of a smaller probability is: unsure"
AFTERWARDS = {
    "train": "training continues from its last epoch with the same command",
    "classify": "with --engine, the same command does the rest",
    "fetch": "the same command fetches what is missing",
    "experiments": "the same command goes on after the last run",
}


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser("llmclf", description="Turn a pretrained GPT into a text classifier.")
    parser.add_argument("--version", action="version", version=f"llmclf {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    fetch = commands.add_parser("fetch", help="download and verify files, or make a kit of them")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="files to fetch, by the names that --list shows")
    fetch.add_argument("--all", action="store_true", help="every file (some are gigabytes: see --list)")
    fetch.add_argument("--list", action="store_true", help="show every file, its size, licence and whether it is here")
    fetch.add_argument("--to", metavar="DIR", help="also copy the files there: a kit that LLMCLF_KIT can point to")

    train = commands.add_parser("train", help="make a classifier of a pretrained model, and save it")
    train.add_argument("--output", required=True, metavar="DIR", help="folder for classifier, tables and curves")
    train.add_argument("--overwrite", action="store_true", help="replace a classifier that is in DIR")
    train.add_argument("--backbone", metavar="NAME", help="gpt2-124M, smollm2-135M, a file … (else LLMCLF_BACKBONE)")
    train.add_argument("--complete", action="store_true", help="store all weights, not only what was trained")
    data = train.add_argument_group("data (default: the SMS Spam Collection)")
    data.add_argument("--table", metavar="FILE", help=f"{TABLE}; to be split 70/10/20")
    data.add_argument("--validation", metavar="FILE", help="a table to choose by, instead of a part of --table")
    data.add_argument("--test", metavar="FILE", help="a table to judge by, instead of a part of --table")
    add_table_options(data)
    data.add_argument("--balance", action="store_true", help="use as many messages of each label as the rarest has")
    data.add_argument("--keep-copies-together", action="store_true", help="split so that near copies stay on one side")
    data.add_argument("--merge-labels", action="store_true", help="make labels one that differ only in letter case")
    data.add_argument("--sample", type=int, metavar="N", help="train on N texts, as many of each label (see --seed)")
    recipe = train.add_argument_group("recipe")
    recipe.add_argument(
        "--method",
        choices=("finetune", "probe"),
        default="finetune",
        help="finetune (default), or probe: a head for frozen features, in seconds, from four texts of each label on",
    )
    recipe.add_argument(
        "--blocks", type=int, metavar="N", help="keep N blocks (default: all; a probe: the best number)"
    )
    recipe.add_argument("--epochs", type=int, default=5, metavar="N", help="passes over the data (default 5)")
    recipe.add_argument(
        "--learning-rate",
        type=float,
        nargs="+",
        metavar="X",
        help="default 5e-5 for GPT-2, 2e-4 for SmolLM2; of several the best on the validation set is kept",
    )
    recipe.add_argument("--batch-size", type=int, default=8, metavar="N", help="messages a step (default 8)")
    recipe.add_argument(
        "--trainable", default="last_block", metavar="PART", help="head, last_block (default), lora, all"
    )
    recipe.add_argument(
        "--pooling", metavar="WHERE", help="last_token (default), last_position, mean, … (a probe chooses)"
    )
    recipe.add_argument("--padding", default="dynamic", metavar="HOW", help="dynamic (default) or fixed")
    recipe.add_argument("--max-length", type=int, metavar="N", help="cut longer messages to N tokens")
    recipe.add_argument("--seed", type=int, default=123, metavar="N", help="of head, order and dropout (default 123)")
    add_device(recipe)
    practice = train.add_argument_group("for work (the book's numbers are without)")
    practice.add_argument(
        "--class-weights", nargs="+", metavar="W", help="balanced, or a weight for every label: ham=1 spam=4"
    )
    practice.add_argument(
        "--patience",
        type=int,
        metavar="N",
        help="keep the best epoch; stop N epochs after the validation loss was least",
    )
    practice.add_argument(
        "--schedule", default="constant", metavar="NAME", help="of the rate: constant, linear, cosine"
    )
    practice.add_argument("--warmup", type=float, default=0.0, metavar="SHARE", help="of all steps, in which it rises")
    practice.add_argument(
        "--max-gradient-norm", type=float, metavar="X", help="shorten longer gradients to this length"
    )
    practice.add_argument("--weight-decay", type=float, default=0.1, metavar="X", help="of AdamW (default 0.1)")
    practice.add_argument(
        "--gradient-accumulation", type=int, default=1, metavar="N", help="batches that make one step (default 1)"
    )

    practice.add_argument("--no-head-bias", action="store_true", help="so that SmolLM2 can be exported to transformers")

    evaluate = commands.add_parser("evaluate", help="measure a saved classifier on a labelled table")
    evaluate.add_argument("folder", metavar="CLASSIFIER", help="folder that train wrote")
    evaluate.add_argument("table", metavar="FILE", help=TABLE)
    add_table_options(evaluate)
    evaluate.add_argument("--format", choices=("text", "json"), default="text")
    add_decision(evaluate)
    add_device(evaluate)

    classify = commands.add_parser("classify", help="label texts: arguments, a table, or lines of standard input")
    classify.add_argument("folder", metavar="CLASSIFIER", help="folder that train wrote")
    classify.add_argument("texts", nargs="*", metavar="TEXT", help="messages")
    classify.add_argument("--table", metavar="FILE", help=f"{TABLE}; one message a row")
    add_table_options(classify, labels=False)
    classify.add_argument("--format", choices=("text", "csv", "json"), default="text")
    add_decision(classify)
    files = classify.add_argument_group("files of any size (CSV, JSON Lines, Parquet; continued where it was stopped)")
    files.add_argument(
        "--engine", choices=("stream", "ray"), help="the two TEXTs are a file or folder to read, a folder to write"
    )
    files.add_argument("--workers", type=int, metavar="N", help="of the engine ray")
    files.add_argument("--rows-per-part", type=int, default=10_000, metavar="N", help="of a file written (10000)")
    add_device(classify)

    tune = commands.add_parser("tune", help="fit temperature and threshold to a labelled table, and keep them")
    tune.add_argument("folder", metavar="CLASSIFIER", help="folder that train wrote; is changed")
    tune.add_argument("table", metavar="FILE", help=f"{TABLE}; not the one that will judge: validation.csv")
    add_table_options(tune)
    tune.add_argument(
        "--cost-false-positive", type=float, default=1.0, metavar="X", help="of calling the first class the second"
    )
    tune.add_argument(
        "--cost-false-negative", type=float, default=1.0, metavar="X", help="of calling the second class the first"
    )
    tune.add_argument("--abstain-below", type=float, default=0.0, metavar="P", help=ABSTAIN)
    add_device(tune)

    export = commands.add_parser("export", help="write a classifier for ONNX Runtime, or for transformers")
    export.add_argument("folder", metavar="CLASSIFIER", help="folder that train wrote")
    export.add_argument("output", metavar="DIR", help="folder to write")
    export.add_argument("--format", choices=("onnx", "transformers"), default="onnx", help="default onnx")
    export.add_argument("--int8", action="store_true", help="of onnx: matrices in eight bits")

    distil = commands.add_parser("distil", help="teach a small model, for a web page, to answer as a classifier does")
    distil.add_argument("folder", metavar="CLASSIFIER", help="folder that train wrote, of SMS messages")
    distil.add_argument("--output", required=True, metavar="FILE", help="such as student.safetensors")
    distil.add_argument("--epochs", type=int, default=10, metavar="N", help="passes over the texts (default 10)")
    add_device(distil)

    rows = {name: one.description for name, one in EXPERIMENTS.items()} | OPPONENTS
    experiments = commands.add_parser(
        "experiments",
        help="run experiments of chapters 8 to 10",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="\n".join(f"{name:<17}{what}" for name, what in rows.items()),
    )
    add = experiments.add_argument
    tasks = "; ".join(f"{name}: {what}" for name, what in TASKS.items())
    add("--task", choices=TASKS, default="balanced", help=f"{tasks} (default balanced)")
    add("--rows", nargs="+", choices=rows, metavar="NAME", help="some of those above (default: all, for hours)")
    add("--labels", nargs="+", type=int, default=[0], metavar="N", help="training texts; 0, the default, takes all")
    draws = range(1, 2 * FOLDS + 1)
    add("--draws", nargs="+", type=int, choices=draws, default=[1, 2, 3], metavar="N", help="default 1 2 3")
    add("--backbone", metavar="NAME", help="which GPT (else LLMCLF_BACKBONE)")
    experiments.add_argument("--output", default="output/experiments", metavar="DIR", help="default output/experiments")
    add_device(experiments)

    info = commands.add_parser("info", help="what is installed and where; or the model card of a saved classifier")
    info.add_argument("folder", metavar="CLASSIFIER", nargs="?", help="folder that train wrote")
    for command in commands.choices.values():
        command.add_argument("--debug", action="store_true", help="show the trace of an error")
        command.set_defaults(defaults={action.dest: action.default for action in command._actions})
    return parser


def add_table_options(parser: argparse._ActionsContainer, *, labels: bool = True) -> None:
    """How a table is to be read, see `llmclf.files.tables.read_table`."""
    add = parser.add_argument
    add("--text-column", default="text", metavar="NAME", help="default text")
    if labels:
        add("--label-column", default="label", metavar="NAME", help="default label")
        add("--drop-incomplete", action="store_true", help="leave out rows without a label or a text, and count them")
    add("--encoding", default="utf-8", metavar="NAME", help="of a CSV file: utf-8 (default), latin-1, utf-16, …")
    add("--separator", metavar="SIGN", help='of a CSV file: a character, or tab (default "," and in .tsv files tab)')
    add("--quoting", default="standard", metavar="HOW", help="of a CSV file: standard, or none: marks are plain signs")
    add("--no-header", action="store_true", help="a CSV file begins with a row; columns have the names 1, 2, …")


def add_decision(parser: argparse._ActionsContainer) -> None:
    """What is decided anew for this once, see `llmclf.decision`."""
    parser.add_argument(
        "--threshold", type=float, metavar="P", help="of two classes: the second from this probability on"
    )
    parser.add_argument("--abstain-below", type=float, metavar="P", help=ABSTAIN)


def add_device(parser: argparse._ActionsContainer) -> None:
    """Where to compute, and how precisely."""
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda, mps (default: the best there is)")
    parser.add_argument(
        "--precision", default="auto", metavar="NAME", help="of frozen blocks: float32, bfloat16 (default: the faster)"
    )


def share_the_processor() -> None:
    """Let waiting threads sleep soon, unless the user has decided that; has to come before PyTorch is imported.

    They wait for each other some thousand times a second. By default they do so awake for milliseconds (GNU OpenMP
    turns 300,000 rounds), and beside another program take away the very core on which the awaited thread would run.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def main(arguments: list[str] | None = None) -> int:
    """Run one command, and return the status to end with (see `exit_status`)."""
    share_the_processor()
    parser = build_parser()
    words = sys.argv[1:] if arguments is None else arguments
    end = words.index("--") if words[:1] == ["classify"] and "--" in words else len(words)
    options, rest = parser.parse_known_args(words[:end])
    if options.command == "classify" and not any(word.startswith("-") for word in rest):
        options.texts += rest + words[end + 1 :]  # argparse expects no texts behind an option, and loses a second "--"
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")

    options.command_line = f"llmclf {shlex.join(words)}"

    def command() -> None:
        from llmclf.cli import commands  # only now: --help must not wait for it

        getattr(commands, options.command)(options)

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a message may hold what the terminal cannot show
    afterwards = AFTERWARDS.get(options.command, "nothing was left half-done")
    return exit_status(command, afterwards=afterwards, debug=options.debug)
