"""Fine-tuning, three ways side by side in one process: `python benchmarks/training.py --quick`.

(a) the plain algorithm: all messages padded to the longest, the whole model at every step, evaluation as in the source;
(b) `transformers`' GPT2ForSequenceClassification with dynamic padding and the same layers frozen (GPT-2 shapes only);
(c) ours: dynamic padding, the frozen part computed once, the last block only where it is read.

All train the last block, the final norm and the head for five epochs on the real messages. `--quick` times a few steps
and evaluation batches of (a) and (b), spread over the data, and multiplies; (c) always runs in full. Random weights
serve for GPT-2: time does not depend on them. Writes a table and `output/benchmarks/training-MODEL.json`.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from datetime import date
from itertools import islice
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from llmclf import data
from llmclf.evaluate import evaluate
from llmclf.frozen import keep_frozen
from llmclf.head import Classifier
from llmclf.loaders import Batch, Loaders, every_message, make_loaders
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, train
from llmclf.weights import CONFIGS, load_pretrained

SETTINGS = TrainingSettings()


def matrix_rate() -> float:
    """Floating-point operations a second of a large float32 matrix product, the ceiling of all three."""
    matrix = torch.randn(2048, 2048)
    times = []
    for _ in range(12):
        started = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - started)
    return 2 * 2048**3 / statistics.median(times)


def counted_work(loaders: Loaders) -> tuple[int, int]:
    """Training steps and evaluation batches of the source's recipe: every 50 steps, every epoch, and the whole sets."""
    steps = SETTINGS.epochs * len(loaders.train)
    partial = -(-steps // SETTINGS.evaluate_every) + SETTINGS.epochs  # measurements of losses, and of accuracies
    whole = sum(len(every_message(loader)) for loader in loaders)
    return steps, partial * 2 * SETTINGS.evaluate_batches + whole


def time_steps(
    logits_of: Callable[[Batch], torch.Tensor], weights: Iterable[torch.Tensor], loaders: Loaders, limit: int | None
) -> dict:
    """Seconds of all steps and evaluation batches; with a limit, of so many of each, multiplied up."""
    steps, evaluations = counted_work(loaders)
    optimizer = torch.optim.AdamW(weights, SETTINGS.learning_rate, weight_decay=SETTINGS.weight_decay)
    batches = [batch for _ in range(SETTINGS.epochs) for batch in loaders.train]
    logits_of(batches[0])  # warm up
    step_times = []
    for batch in islice(batches, limit):
        started = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(logits_of(batch), batch.labels).backward()
        optimizer.step()
        step_times.append(time.perf_counter() - started)
    evaluation_times = []
    with torch.no_grad():
        for batch in islice(batches, limit or evaluations):
            started = time.perf_counter()
            logits_of(batch)
            evaluation_times.append(time.perf_counter() - started)
    training = statistics.mean(step_times) * steps
    return {
        "epoch": training / SETTINGS.epochs,
        "seconds": training + statistics.mean(evaluation_times) * evaluations,
        "measured_steps": len(step_times),
    }


def plain(backbone: str, splits: data.Splits, limit: int | None) -> dict:
    """(a): fixed padding, every block for every token at every step, the last position read."""
    model = Classifier(load_pretrained(backbone), 2, pooling="last_position").train()
    loaders = make_loaders(splits, load_tokenizer(backbone), padding="fixed")
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return time_steps(lambda batch: model.backbone(batch.input_ids)[:, -1], weights, loaders, limit)


def with_transformers(backbone: str, splits: data.Splits, limit: int | None) -> dict:
    """(b): the class that a reader would otherwise use."""
    from transformers import GPT2Config, GPT2ForSequenceClassification

    shape = CONFIGS[backbone.removeprefix("random-")]
    sizes = {"n_embd": shape.hidden_size, "n_layer": shape.num_layers, "n_head": shape.num_heads}
    dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    tokenizer = load_tokenizer(backbone)
    model = GPT2ForSequenceClassification(GPT2Config(**sizes, **dropout, pad_token_id=tokenizer.eot_token)).train()
    model.requires_grad_(False)
    for part in (model.transformer.h[-1], model.transformer.ln_f, model.score):
        part.requires_grad_(True)

    def logits_of(batch: Batch) -> torch.Tensor:
        mask = torch.arange(batch.input_ids.shape[1]) < batch.lengths[:, None]
        return model(batch.input_ids, attention_mask=mask.long()).logits

    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return time_steps(logits_of, weights, make_loaders(splits, tokenizer), limit)


def ours(backbone: str, splits: data.Splits) -> dict:
    """(c): in full, the whole-set accuracies included."""
    model = Classifier(load_pretrained(backbone), 2)
    loaders = make_loaders(splits, load_tokenizer(backbone))
    started = time.perf_counter()
    kept = Loaders(*keep_frozen(model, *loaders))
    trunk = time.perf_counter() - started
    train(model, kept.train, kept.validation, SETTINGS)
    trained = time.perf_counter()
    for loader in kept:
        evaluate(model, every_message(loader))
    finished = time.perf_counter()
    epoch = epoch_alone(model, kept.train)
    limit = trunk_operations(model, kept) / matrix_rate()
    return {"trunk": trunk, "trunk_limit": limit, "trunk_over_limit": trunk / limit, "epoch": epoch} | {
        "training_and_measurements": trained - started - trunk,
        "whole_sets": finished - trained,
        "seconds": finished - started,
    }


def epoch_alone(model: Classifier, loader: DataLoader) -> float:
    """Seconds of one epoch on kept states, without any measurement but the one after the first step and at the end."""
    settings = TrainingSettings(epochs=1, evaluate_every=10**9, evaluate_batches=0)
    started = time.perf_counter()
    train(model, loader, loader, settings)
    return time.perf_counter() - started


def trunk_operations(model: Classifier, kept: Loaders) -> float:
    """Floating-point operations of the frozen blocks' matrices for every token that was computed (two a weight)."""
    states = kept.train.dataset
    weights = sum(weight.numel() for weight in model.backbone.blocks[: states.depth].parameters() if weight.ndim == 2)
    return 2 * weights * sum(len(loader.dataset.states) for loader in kept)


def main() -> None:
    """Run the arms in turn, several times; print and write medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="random-gpt2-124M", help="or smollm2-135M")
    parser.add_argument("--quick", action="store_true", help="time a few steps of (a) and (b) and multiply")
    parser.add_argument("--runs", type=int, default=3, help="repetitions; medians are reported (default 3)")
    options = parser.parse_args()
    splits, limit = data.prepare_sms(), 12 if options.quick else None
    arms = {"a": lambda: plain(options.backbone, splits, limit)}
    if options.backbone.endswith("gpt2-124M"):
        arms["b"] = lambda: with_transformers(options.backbone, splits, limit)
    arms["c"] = lambda: ours(options.backbone, splits)

    runs = [{"matrix_rate": matrix_rate()} | {arm: run() for arm, run in arms.items()} for _ in range(options.runs)]
    results = {arm: {name: statistics.median(run[arm][name] for run in runs) for name in runs[0][arm]} for arm in arms}
    ratios = {f"{arm}/c": results[arm]["seconds"] / results["c"]["seconds"] for arm in arms if arm != "c"}
    report = {"date": date.today().isoformat(), "machine": f"{platform.machine()}, {torch.get_num_threads()} threads"}
    report |= {"backbone": options.backbone, "quick": options.quick, "runs": options.runs, "torch": torch.__version__}
    report |= {"matrix_rate": statistics.median(run["matrix_rate"] for run in runs)}
    report |= {"results": results, "ratios": ratios}
    path = Path("output", "benchmarks", f"training-{options.backbone}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report | {"every_run": runs}, indent=2) + "\n")
    for arm, numbers in results.items():
        print(f"({arm}) " + ", ".join(f"{name} {value:.2f}" for name, value in numbers.items()))
    print(", ".join(f"{name} {value:.1f}" for name, value in ratios.items()), f"({path})")


if __name__ == "__main__":
    main()
