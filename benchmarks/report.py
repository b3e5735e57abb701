"""From the numbers in `results/` to the page `RESULTS.md`; nothing on that page is written by hand."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from pathlib import Path

import psutil
import torch
import transformers

from llmclf.evaluate import wilson_interval
from llmclf.files.storage import atomic_write

FOLDER = Path(__file__).parent / "results"


def machine() -> dict[str, str | int]:
    """When and on what a number was measured."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "date": date.today().isoformat(),
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def save(folder: Path, name: str, backbone: str | None, found: dict) -> None:
    """Keep the numbers of one benchmark, in place of those of an earlier run."""
    how = "in full" if backbone and not found["quick"] else None  # beside a quick run, not in its place
    file = folder / (" ".join(filter(None, [name, backbone, how])) + ".json")
    with atomic_write(file) as unfinished:
        unfinished.write_text(json.dumps({"machine": machine(), **found}, indent=1) + "\n")


def write(folder: Path) -> str:
    """Make `RESULTS.md`, beside the folder of numbers, and return its text."""
    text = page(folder)
    with atomic_write(folder.parent / "RESULTS.md") as unfinished:
        unfinished.write_text(text)
    return text


def page(folder: Path) -> str:
    """The page, a section for each file of numbers."""
    parts = ["# How fast it is\n\nWritten by `python -m benchmarks report` from the numbers in `results/`.\n"]
    for name, section in SECTIONS.items():
        for file in sorted(folder.glob(f"{name}*.json")):
            found = json.loads(file.read_text())
            backbone = file.stem.removeprefix(name).strip()
            words = ", ".join(f"{key} {value}" for key, value in found["machine"].items() if key != "processor")
            parts.append(section(backbone, found) + f"\n{found['machine']['processor']}; {words}.\n")
    return "\n".join(parts)


def table(columns: list[str], rows: list[list]) -> str:
    """A Markdown table; numbers with three digits that count."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *([show(cell) for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def show(value: float | str) -> str:
    """A cell: words as they are, numbers short."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def measured(found: dict) -> str:
    """How it was measured, in words."""
    how = "a few steps of the slow ways, multiplied up" if found["quick"] else "every way in full"
    return f"{'Medians of ' if found['runs'] > 1 else ''}{found['runs']} run{'s' * (found['runs'] > 1)}, {how}.\n"


WAYS = {
    "nothing": "importing PyTorch and `llmclf`",
    "a": "(a) plain: padded to the longest, the whole model every step",
    "b": "(b) `transformers`, dynamic padding, the same layers frozen",
    "b2": "(b2) the same under bfloat16 autocast",
    "c": "(c) ours in float32",
    "d": "(d) ours, precision chosen automatically",
    "e": "(e) a probe: no training, a regression on frozen features",
    "tfidf": "TF-IDF of characters and a logistic regression",
}


def training(backbone: str, found: dict) -> str:
    """A section: the ways, and where our seconds go."""
    medians, trained = found["medians"], not backbone.startswith("random-")
    ways = {name: medians[name] for name in WAYS if name in medians}
    rows = [
        [
            WAYS[name],
            one["seconds"],
            one.get("epoch", "none"),
            one["seconds"] / medians["d"]["seconds"],
            accuracy(one) if trained else "random weights",
        ]
        for name, one in ways.items()
    ]
    parts = ("trunk", "trunk, arithmetic limit", "training and measurements", "whole sets")
    rates = " and ".join(f"{rate / 1e9:.0f} GFLOP/s in {name}" for name, rate in medians["matrix rate"].items())
    return (
        f"## Fine-tuning, {backbone}\n\nFive epochs with all measurements. Here (d) is {found['auto']}. "
        + f"{measured(found)}\n"
        + table(["way", "seconds in all", "seconds an epoch", "times (d)", "test set right (95 % interval)"], rows)
        + "\nWhere the seconds go:\n\n"
        + table(["part", "(c)", "(d)"], [[part, medians["c"][part], medians["d"][part]] for part in parts])
        + f"\nThe frozen part takes {medians['c']['trunk over limit']:.2f} times the arithmetic limit of its precision "
        + f"in (c), {medians['d']['trunk over limit']:.2f} times in (d): its counted operations at the rate that a "
        + f"large matrix product reached beside it (medians: {rates}). "
        + f"An epoch of (b) takes {found['ratios']['epoch b/d']:.1f} times as long as one on cached features.\n"
    )


def accuracy(one: dict) -> str:
    """Right of how many, with the Wilson interval; nothing where a way was not trained to its end."""
    if "correct" not in one:
        return "not trained to the end"
    low, high = wilson_interval(int(one["correct"]), int(one["count"]))
    return f"{one['correct']:.0f} of {one['count']:.0f} ({low:.1%} to {high:.1%})"


def classifying(backbone: str, found: dict) -> str:
    """A section: messages a second."""
    medians, best = found["medians"], found["pipeline batch size"]
    words = {
        "one padded message": "one padded message at a time",
        "pipeline": f"`transformers`' pipeline, batches of {best['float32']} (its best)",
        "pipeline in bfloat16": f"the same in bfloat16, batches of {best['bfloat16']} (its best)",
        "ours": f"ours, precision chosen automatically ({found['auto']})",
    }
    rows = [[words.get(name, name), rate, medians["ours"] / rate] for name, rate in medians.items()]
    sizes = "; ".join(
        f"in {name} " + ", ".join(f"{size}: {rate:.1f}" for size, rate in rates.items())
        for name, rates in found["pipeline, messages a second by batch size"].items()
    )
    single = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in found["one message, seconds"].items())
    return (
        f"## Classifying, {backbone}\n\n{found['messages']:,} messages. {measured(found)}\n"
        + table(["way", "messages a second", "ours is faster, times"], rows)
        + f"\nThe pipeline by batch size, messages a second: {sizes}. A single message (median of 60): {single}.\n"
    )


def memory(backbone: str, found: dict) -> str:
    """A section: gigabytes."""
    rows = [[WAYS[way], gigabytes] for way, gigabytes in found["medians"].items()]
    return (
        f"## Peak memory, {backbone}\n\nLoading and fine-tuning, each way in a process of its own, medians of "
        + f"{found['runs']} runs.\n\n"
        + table(["way", "GB"], rows)
    )


def growth(_: str, found: dict) -> str:
    """A section: by number of messages, and by their length."""

    def rates(one: dict, *names: str) -> list[float]:
        return [one[name] / one["tokens"] * 1e6 for name in names]

    parts = ("frozen part", "epoch", "evaluation", "classification")
    by_number = [
        [one["messages"], one["tokens"], *rates(one, *parts), one["feature bytes"] / 1e6, one["own memory"] / 1e6]
        for one in found["by number"]
    ]
    by_length = [
        [one["tokens"] // one["messages"], one["messages"], *rates(one, "classification"), one["own memory"] / 1e6]
        for one in found["by length"]
    ]
    columns = [f"{part}, s a million tokens" for part in parts]
    return (
        "## Growth\n\nA GPT-2 of 6 blocks of 256"
        + (", measured when features beyond 67 MB still went to a file" if "budget" in found else "")
        + ". Memory is the process's own, the model and "
        + "PyTorch included. Time grows with the tokens as long as the columns stay level.\n\n"
        + table(["messages", "tokens", *columns, "features, MB", "memory, MB"], by_number)
        + "\nMessages of one length, a quarter of a million tokens each time:\n\n"
        + table(["tokens a message", "messages", columns[-1], "memory, MB"], by_length)
    )


def scoring(_: str, found: dict) -> str:
    """A section: the ways side by side, and one of them as the work grows."""
    words = {"predict": "`predict_proba`, all in memory", "stream": "`classify --engine stream`"}
    columns = ["messages", "seconds", "messages a second", "own memory, MB"]

    def row(name: str, one: dict) -> list:
        return [name, one["messages"], one["seconds"], one["messages"] / one["seconds"], one["own memory"] / 1e6]

    def side_by_side(ways: dict) -> str:
        base = ways["predict"]
        rows = [
            [*row(words.get(way, way), two[1]), base[1]["seconds"] / two[1]["seconds"], longer(base) / longer(two)]
            for way, two in ways.items()
        ]
        return table(["way", *columns, "speed, times the first", "without loading and start"], rows)

    def longer(two: list[dict]) -> float:
        return two[1]["seconds"] - two[0]["seconds"]

    grown = [row("stream", one)[1:] for one in found["by number"]]
    return (
        "## Scoring files\n\nA GPT-2 of 1 block of 32, so that reading and writing count; each way in a process of its "
        + "own, loading and checking included, for Ray also its start. The last column leaves loading and start out: "
        + "it compares how much longer a way takes than for fewer messages. Memory is that process's alone.\n\n"
        + side_by_side(found["ways"]["small"])
        + "\nAs the work grows:\n\n"
        + table(columns, grown)
        + "\nGPT-2 in its smallest real size, random weights:\n\n"
        + side_by_side(found["ways"]["real"])
    )


def precision(_: str, found: dict) -> str:
    """A section: accuracy by seed and precision, and what changes when the same weights read."""
    rows = [
        [str(row["seed"]), row["precision"], accuracy({"correct": row["test correct"], "count": row["test count"]})]
        for row in found["rows"]
    ]
    return (
        "## Precision, SmolLM2-135M\n\nTest set of the source's split, trained and read in one precision.\n\n"
        + table(["seed", "frozen blocks in", "test set right (95 % interval)"], rows)
        + "\nThe same trained weights, read once with frozen blocks in float32 and once in bfloat16, over "
        + f"{found['messages']:,} messages: {found['other answers']} other answers; the probability of spam changes by "
        + f"{found['median change of a probability']:.1g} in the median and by at most "
        + f"{found['largest change of a probability']:.2g}.\n"
    )


def sweep(_: str, found: dict) -> str:
    """A section: loss and accuracy of the validation set by learning rate; means over seeds."""
    kinds = {(row["trainable"], row["learning rate"]): [] for row in found["rows"]}
    for row in found["rows"]:
        kinds[row["trainable"], row["learning rate"]].append(row)
    columns = ["what learns", "learning rate", "seeds", "validation loss", "each seed", "validation set right"]
    rows = []
    for (trainable, rate), ones in kinds.items():
        losses = [one["validation loss"] for one in ones]
        right = sum(one["validation accuracy"] for one in ones) / len(ones)
        each = ", ".join(f"{loss:.3f}" for loss in losses)
        rows.append([trainable, f"{rate:g}", len(ones), sum(losses) / len(losses), each, f"{right:.1%}"])
    return "## Learning rates, SmolLM2-135M\n\nFive epochs on the source's tables.\n\n" + table(columns, rows)


def exporting(_: str, found: dict) -> str:
    """A section: accuracy, size and speed of an exported classifier."""
    columns = ["way", "test set right (95 % interval)", "MB", "messages a second, one by one", "largest change"]
    rows = [
        [row["way"], accuracy(row), row["MB"], row["messages a second"], row.get("largest change", "none")]
        for row in found["rows"]
    ]
    return (
        "## Exported to ONNX, SmolLM2-135M\n\nTrained and exported in float32; the change is that of a probability, "
        "against ours.\n\n" + table(columns, rows)
    )


def playing(_: str, found: dict) -> str:
    """A section: milliseconds a message, and the first answer."""
    medians = found["medians"]
    rows = [[name, value, value / medians["student, in a browser"]] for name, value in medians.items()]
    first = ", ".join(f"{seconds:.2f}" for seconds in found["first answer"])
    return (
        f"## Reading one message for the demo\n\n{found['messages']} messages of the test set, one by one.\n\n"
        + table(["way", "median, ms", "times the student in a browser"], rows)
        + f"\nFrom opening the page to the first answer, page and model loaded from a disk, seconds: {first}.\n"
    )


SECTIONS = {
    "training": training,
    "classifying": classifying,
    "memory": memory,
    "growth": growth,
    "scoring": scoring,
    "precision": precision,
    "sweep": sweep,
    "exporting": exporting,
    "playing": playing,
}
