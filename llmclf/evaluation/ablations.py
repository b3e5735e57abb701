"""Chapters 8 and 9: what is tried. Each experiment changes one thing in the library's recipe, or in the source's."""

from __future__ import annotations

from dataclasses import dataclass, replace


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
    learning_rate
        Of AdamW; `None` for `suggested_learning_rate`, which was chosen for the last block.
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
    learning_rate: float | None = None
    causal: bool = True
    lora_rank: int = 0
    pad_to: int | None = None
    batch_size: int = 8
    accumulate: int = 1
    ignore_index: int = -100


def frozen_part(experiment: Experiment) -> Experiment:
    """The experiment without what the frozen part does not depend on: where two agree in this, they can share it."""
    same = {"what": "", "reference": None, "base": "", "messages": None, "learning_rate": None}
    return replace(experiment, **same, batch_size=8, accumulate=1, ignore_index=-100)


SOURCE = {"pooling": "last_position", "pad_to": 0, "base": "last-position"}
LEARNING_CURVE = (16, 32, 64, 128, 256, 512, 1024, 2048)

EXPERIMENTS: dict[str, Experiment] = {
    "last-position": Experiment("last position of one length, the source's way", 95.00, **SOURCE),
    "last-token": Experiment("last real token, the library's way", 98.33, base="last-position"),
    "first-token": Experiment("first token", 75.00, pooling="first_token"),
    "mean": Experiment("mean over all tokens", 96.33, pooling="mean"),
    "head": Experiment("only the head learns", 72.00, trainable="head"),
    "two-blocks": Experiment("the last two blocks learn", 98.33, trainable="last_two_blocks"),
    "all": Experiment("everything learns", 96.67, trainable="all"),
    "all-slower": Experiment("everything learns, at 5e-5", trainable="all", learning_rate=5e-5, base="all"),
    "random": Experiment("everything learns, from random weights", 93.67, trainable="all", random=True, base="all"),
    "lora": Experiment("LoRA of rank 16 in every block", 96.67, lora_rank=16),
    "context": Experiment("padded to 1,024 tokens", 78.33, **SOURCE | {"pad_to": 1024}),
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
NATURAL = [name for name, experiment in EXPERIMENTS.items() if experiment.base == "natural"]
