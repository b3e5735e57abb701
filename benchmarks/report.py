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


def training(backbone: str, found: dict) -> str:
    """A section: the three ways, and where our seconds go."""
    a, b, c = (found["medians"][way] for way in "abc")
    rows = [
        ["(a) plain: padded to the longest, the whole model every step", a["seconds"], a["epoch"], a["seconds"]],
        ["(b) `transformers`, dynamic padding, the same layers frozen", b["seconds"], b["epoch"], b["seconds"]],
        ["(c) ours", c["seconds"], c["epoch"], c["seconds"]],
    ]
    rows = [[*row[:3], row[3] / c["seconds"]] for row in rows]
    parts = [[name, c[name]] for name in c if name not in ("seconds", "epoch", "trunk over limit")]
    rate = found["medians"]["matrix rate"]["operations a second"] / 1e9
    return (
        f"## Fine-tuning, {backbone}\n\nFive epochs with all measurements. {measured(found)}\n"
        + table(["way", "seconds in all", "seconds an epoch", "times (c)"], rows)
        + "\nWhere the seconds of (c) go:\n\n"
        + table(["part", "seconds"], parts)
        + f"\nThe frozen part takes {c['trunk over limit']:.2f} times the arithmetic limit: its counted operations "
        + f"at the {rate:.0f} GFLOP/s that a large matrix product reached in the same process. An epoch of (b) takes "
        + f"{found['ratios']['epoch b/c']:.1f} times as long as one on cached features.\n"
    )


def classifying(backbone: str, found: dict) -> str:
    """A section: messages a second."""
    medians = found["medians"]
    words = {"pipeline": f"`transformers`' pipeline, batches of {found['pipeline batch size']} (its best)"}
    rows = [[words.get(name, name), rate, rate / medians["one padded message"]] for name, rate in medians.items()]
    sizes = found["pipeline, messages a second by batch size"]
    return (
        f"## Classifying, {backbone}\n\n{found['messages']:,} messages. {measured(found)}\n"
        + table(["way", "messages a second", "ratio"], rows)
        + f"\nOurs over the pipeline: {found['ratios']['ours/pipeline']:.2f}. The pipeline by batch size, messages a "
        + "second: "
        + ", ".join(f"{size}: {rate:.1f}" for size, rate in sizes.items())
        + ".\n"
    )


def memory(backbone: str, found: dict) -> str:
    """A section: gigabytes."""
    words = {"nothing": "importing PyTorch and `llmclf`", "a": "(a)", "b": "(b)", "c": "(c)"}
    rows = [[words[way], gigabytes] for way, gigabytes in found["medians"].items()]
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
    """A section: accuracy by seed and precision."""

    def accuracy(row: dict) -> str:
        low, high = row["test interval"]
        return f"{row['test correct']} of {row['test count']} ({low:.1%} to {high:.1%})"

    rows = [
        [
            str(row["seed"]),
            row["dtype"],
            row["kept bytes"] / 1e6,
            accuracy(row),
            row["test loss"],
        ]
        for row in found["rows"]
    ]
    return "## Kept states in half precision, SmolLM2-135M\n\nTest set of the source's split.\n\n" + table(
        ["seed", "kept as", "MB", "test accuracy (95 % interval)", "test loss"], rows
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
    "playing": playing,
}
