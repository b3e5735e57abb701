"""How time and memory grow with the number of messages, and with their length.

A small GPT-2 shape (6 blocks of 256, random weights) keeps fifty thousand messages within minutes. The corpus is
repeated; a number before each message makes it a new one, as copies would be computed once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pandas as pd
import psutil

from llmclf import data
from llmclf.classify import TextClassifier
from llmclf.data import Splits
from llmclf.evaluate import evaluate
from llmclf.feature_cache import cache_features
from llmclf.head import Classifier
from llmclf.loaders import every_message, make_loaders
from llmclf.models import GPT2Config
from llmclf.models.state import build, initialise
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, train

COUNTS = (500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
LENGTHS = (8, 16, 32, 64, 128, 256, 512, 1024)
TOKENS = 2**18  # in all, for each length


def run(backbone: None, *, quick: bool, runs: int) -> dict:
    """Each number and each length in a process of its own, once."""
    counts, lengths = (COUNTS[:4], LENGTHS[:4]) if quick else (COUNTS, LENGTHS)
    return {
        "quick": quick,
        "by number": [in_own_process("number", count) for count in counts],
        "by length": [in_own_process("length", length) for length in lengths],
    }


def in_own_process(kind: str, size: int) -> dict:
    """What this module, run as a program, prints."""
    command = [sys.executable, "-m", "benchmarks.growth", kind, str(size)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def numbered_messages(count: int) -> pd.DataFrame:
    """The collection, over and over."""
    table = data.encode_labels(data.read_sms(every_row=True), list(data.SMS_LABELS))
    rows = [table.iloc[number % len(table)] for number in range(count)]
    texts = [f"{number} {row['text']}" for number, row in enumerate(rows)]
    return pd.DataFrame({"label": [int(row["label"]) for row in rows], "text": texts})


def messages_of_length(length: int) -> pd.DataFrame:
    """So many messages of just this many tokens that all together have `TOKENS`; no two alike."""
    texts = [" the" * (length - 1) + chr(ord("A") + number % 26) for number in range(TOKENS // length)]
    return pd.DataFrame({"label": [number % 2 for number in range(len(texts))], "text": texts})


def measure(kind: str, size: int) -> dict:
    """Seconds of the frozen part, an epoch, an evaluation and a classification; memory that is the process's own."""
    table = numbered_messages(size) if kind == "number" else messages_of_length(size)
    tokenizer = load_tokenizer("random-gpt2-124M")
    backbone = build(GPT2Config(hidden_size=256, num_layers=6, num_heads=4), device="cpu")
    initialise(backbone, seed=123)
    model = Classifier(backbone, 2)
    empty = table.head(8)
    found = {"messages": len(table)}
    with OwnMemory() as memory:
        loaders = make_loaders(Splits(table, empty, empty), tokenizer)
        found["tokens"] = sum(map(len, loaders.train.dataset.messages))
        settings = TrainingSettings(epochs=1, evaluate_every=10**9, evaluate_batches=0)
        if kind == "number":
            (cached,) = timed(found, "frozen part", lambda: cache_features(model, loaders.train))
            found["feature bytes"] = cached.dataset.hidden_states.nbytes
            timed(found, "epoch", lambda: train(model, cached, cached, settings))
            timed(found, "evaluation", lambda: evaluate(model, every_message(cached)))
        classifier = TextClassifier(model, tokenizer, ["ham", "spam"], "random-gpt2-124M")
        timed(found, "classification", lambda: classifier.predict_proba(table["text"].tolist()))
    return found | {"own memory": memory.peak}


def timed(found: dict, name: str, call: Callable) -> object:
    """Call, and write down the seconds it took."""
    started = time.perf_counter()
    result = call()
    found[name] = time.perf_counter() - started
    return result


class OwnMemory:
    """Peak of the memory that a process cannot give back: resident, without pages that belong to a file (Linux)."""

    def __enter__(self) -> OwnMemory:
        self.peak, self.done = 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.done.wait(0.02):
            self.look()

    def look(self) -> None:
        now = psutil.Process().memory_info()
        self.peak = max(self.peak, now.rss - now.shared)

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()
        self.look()


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
