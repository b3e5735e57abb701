"""Run benchmarks one after the other and write their numbers: `python -m benchmarks speed --quick`."""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path

from llmclf.cli.parser import share_the_processor

BACKBONES = ("random-gpt2-124M", "smollm2-135M")
NAMES = {
    "training": "fine-tuning (a) plain, (b) transformers, (b2) with autocast, (c) ours in float32, (d) auto, (e) probe",
    "classifying": "classifying one padded message at a time, by transformers' pipeline, by ours",
    "memory": "peak memory of fine-tuning, each way in a process of its own",
    "growth": "time and memory by number and by length of messages",
    "scoring": "files of messages, up to a million, in one process and by Ray's workers",
    "precision": "what bfloat16 changes in SmolLM2's accuracy and answers",
    "sweep": "learning rates of SmolLM2, by the loss of the validation set",
    "exporting": "accuracy, size and speed in ONNX Runtime, in float32 and in eight bits",
    "playing": "reading one message for the demo, in a kernel and in a browser",
}
SPEED = ("training", "classifying", "memory")  # these compare, for one backbone after the other


def main() -> None:
    """Parse, run, write `RESULTS.md` anew."""
    share_the_processor()
    from benchmarks import report  # only now, because it imports PyTorch

    lines = "\n".join(f"  {name:<12} {text}" for name, text in NAMES.items())
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\n\n  speed        the first three of these\n{lines}\n  report       only RESULTS.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="+", choices=["speed", *NAMES, "report"], metavar="NAME")
    parser.add_argument("--backbone", choices=BACKBONES, help="for the first three; both by default")
    parser.add_argument("--quick", action="store_true", help="a few steps of the slow ways, multiplied up")
    parser.add_argument("--runs", type=int, default=3, help="repetitions; medians are reported (default 3)")
    parser.add_argument("--folder", type=Path, default=report.FOLDER, help="where the numbers go")
    options = parser.parse_args()
    os.environ["CI"] = "1"  # no progress bars
    wanted = [name for word in options.names for name in (SPEED if word == "speed" else [word]) if name != "report"]
    for name in wanted:
        benchmark = importlib.import_module(f"benchmarks.{name}")
        for backbone in ([options.backbone] if options.backbone else BACKBONES) if name in SPEED else [None]:
            found = benchmark.run(backbone, quick=options.quick, runs=options.runs)
            report.save(options.folder, name, backbone, found)
    print(report.write(options.folder))


if __name__ == "__main__":
    main()
