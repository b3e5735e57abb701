"""How fast files are scored, and in how much memory, as the work grows: in one process, and by workers of Ray.

A very small GPT-2 shape, so that a million messages take minutes, and reading and writing are measured as much as the
model; and GPT-2 in its smallest real size, for fewer messages. Both have random weights. The collection is
repeated with a number before each message. Each way is run for two numbers of messages: what the larger one takes
longer is what messages take; the rest is loading, and the start of Ray.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch

from benchmarks.growth import OwnMemory
from llmclf import data
from llmclf.classify import TextClassifier
from llmclf.head import Classifier
from llmclf.models import GPT2Config
from llmclf.models.state import build, initialise
from llmclf.scale.score_files import ROWS_PER_PART, score_files
from llmclf.tokenizer import load_tokenizer

COUNTS = (10_000, 100_000, 1_000_000)  # messages; the ways are compared by the last two
SHAPES = {"small": GPT2Config(hidden_size=32, num_layers=1, num_heads=1), "real": GPT2Config()}
REAL_COUNTS = (300, 1_500)  # messages for the real size
ROWS = {"small": ROWS_PER_PART, "real": 150}  # in a part
WAYS = {"predict": None, "stream": None, "ray, 1 worker": 1, "ray, 2 workers": 2}


def run(backbone: None, *, quick: bool, runs: int) -> dict:
    """Each number of messages and each way in a process of its own, once."""
    counts = COUNTS[:2] if quick else COUNTS
    sizes = {"small": counts[-2:], "real": REAL_COUNTS}
    with tempfile.TemporaryDirectory() as folder:
        for name, config in SHAPES.items():
            make_classifier(Path(folder) / name, config)
        for count in {*counts, *REAL_COUNTS}:
            write_messages(Path(folder) / f"{count}.csv", count)
        found = {
            name: {way: [in_own_process(Path(folder), name, way, count) for count in two] for way in WAYS}
            for name, two in sizes.items()
        }
        first = [in_own_process(Path(folder), "small", "stream", count) for count in counts[:-2]]
    return {"quick": quick, "ways": found, "by number": first + found["small"]["stream"]}


def make_classifier(folder: Path, config: GPT2Config) -> None:
    """A classifier that has learnt nothing."""
    backbone = build(config, device="cpu")
    initialise(backbone, seed=123)
    model, name = Classifier(backbone, 2), "random-gpt2-124M"
    TextClassifier(model, load_tokenizer(name), list(data.SMS_LABELS), name).save(folder)


def write_messages(path: Path, count: int) -> None:
    """The collection, over and over; no two messages alike."""
    texts = data.read_sms(every_row=True)["text"].tolist()
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        writer.writerows([f"{number} {texts[number % len(texts)]}"] for number in range(count))


def in_own_process(folder: Path, name: str, way: str, count: int) -> dict:
    """What this module, run as a program, prints."""
    command = [sys.executable, "-m", "benchmarks.scoring", str(folder), name, way, str(count)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def measure(folder: Path, name: str, way: str, count: int) -> dict:
    """Seconds, and memory that is this process's own (the workers of Ray have theirs)."""
    source = folder / f"{count}.csv"
    with OwnMemory() as memory, tempfile.TemporaryDirectory(dir=folder) as output:
        started = time.perf_counter()
        if way == "predict":
            texts = pd.read_csv(source, dtype=str, keep_default_na=False)["text"].tolist()
            TextClassifier.load(folder / name, device="cpu").predict_proba(texts)
        else:
            work = {"engine": way.split(",")[0], "workers": WAYS[way], "device": "cpu"}
            score_files(folder / name, source, Path(output) / "scored", rows_per_part=ROWS[name], **work)
        seconds = time.perf_counter() - started
    return {"messages": count, "seconds": seconds, "own memory": memory.peak, "threads": torch.get_num_threads()}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4]))))
