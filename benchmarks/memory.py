"""Peak memory of loading and fine-tuning, each way in a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path

import torch
from torch.nn import functional as F

WAYS = ("nothing", "a", "b", "b2", "c", "d", "e")


def run(backbone: str, *, quick: bool, runs: int) -> dict:
    """Largest resident size in GB, medians. A few steps of (a), (b) and (b2) reach it; ours run in full.

    GPT-2 is loaded from a file as the Hub has it, with random numbers in it.
    """
    import transformers  # not in the processes that are measured

    with tempfile.TemporaryDirectory() as folder:
        if backbone == "random-gpt2-124M":
            transformers.GPT2LMHeadModel(transformers.GPT2Config()).save_pretrained(folder)
        source = folder if backbone == "random-gpt2-124M" else backbone
        every_run = [{way: in_own_process(way, source) for way in WAYS} for _ in range(runs)]
    medians = {way: statistics.median(one[way] for one in every_run) for way in WAYS}
    return {"quick": quick, "runs": runs, "medians": medians, "every run": every_run}


def in_own_process(way: str, backbone: str) -> float:
    """What this module, run as a program, prints."""
    command = [sys.executable, "-m", "benchmarks.memory", way, backbone]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def fine_tune(way: str, backbone: str) -> None:
    """Load and train; "nothing" only imports."""
    from benchmarks import training, ways
    from llmclf import data

    splits = data.prepare_sms()
    if way in ("c", "d"):
        training.ours(backbone, splits, "float32" if way == "c" else "auto")
    elif way == "e":
        training.probe(backbone, splits)
    elif way != "nothing":
        if way == "a":
            chosen = ways.plain(backbone, splits)
        else:
            chosen = ways.with_transformers(backbone, splits, autocast=way == "b2")
        optimizer = torch.optim.AdamW(chosen.trainable())
        for batch in islice(chosen.loaders.train, 10):
            optimizer.zero_grad()
            F.cross_entropy(chosen.logits_of(batch), batch.labels).backward()
            optimizer.step()


def peak() -> float:
    """GB that were resident at most (Linux; `ru_maxrss` would count in what the parent process once had)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


if __name__ == "__main__":
    fine_tune(*sys.argv[1:])
    print(peak())
