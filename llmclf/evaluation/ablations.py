"""Chapters 8 to 10: what is tried. Each experiment changes one thing in the library's recipe, or in the source's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Experiment:
    """What one row changes; the defaults are the library's recipe.

    Attributes
    ----------
    description
        In words.
    reference
        GPT-2's test accuracy in percent as the source's author published it (one run, another split), or `None`.
    base
        The row that it is to be compared with.
    backbone, random
        A model of its own instead of the one asked for; whether its weights are random instead of pretrained.
    pooling, trainable
        See `Classifier`.
    learning_rate
        Of AdamW; `None` for `suggested_learning_rate`.
    blocks
        How many blocks the model keeps; `None` for all.
    causal
        Whether a token sees only itself and those before it.
    lora_rank
        Of LoRA (see `add_lora`); 0 trains without it.
    pad_to
        Tokens of every message, padding included; 0 pads to the longest of the table, `None` to that of the batch.
    batch_size, gradient_accumulation_steps
        Messages of a batch, and batches of a step.
    ignore_index
        See `TrainingSettings`.
    """

    description: str
    reference: float | None = None
    base: str = "last-token"
    backbone: str | None = None
    random: bool = False
    pooling: str = "last_token"
    trainable: str = "last_block"
    learning_rate: float | None = None
    blocks: int | None = None
    causal: bool = True
    lora_rank: int = 0
    pad_to: int | None = None
    batch_size: int = 8
    gradient_accumulation_steps: int = 1
    ignore_index: int = -100


def features_key(experiment: Experiment) -> Experiment:
    """The experiment without what its features do not depend on: where two agree in this, they can share them."""
    same = replace(experiment, description="", reference=None, base="", learning_rate=None)
    return replace(same, batch_size=8, gradient_accumulation_steps=1, ignore_index=-100)


def padded(description: str, reference: float, **changes: Any) -> Experiment:
    """A row that changes the source's way: all messages padded to one length, and the last position read."""
    settings: dict[str, Any] = {"pooling": "last_position", "pad_to": 0, "base": "last-position"}
    return Experiment(description, reference, **settings | changes)


FOLDS = 5
SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048)  # numbers of labels on the way to all
TASKS = {
    "balanced": "half ham, half spam, as in chapter 1 (the experiments of chapter 10)",
    "spam": "every message of the collection (chapter 8)",
    "films": "sentences of film reviews, positive or negative (chapter 9)",
}

EXPERIMENTS: dict[str, Experiment] = {
    "last-position": padded("last position of one length, the source's way", 95.00),
    "last-token": Experiment("last real token, the library's way", 98.33, base="last-position"),
    "first-token": Experiment("first token", 75.00, pooling="first_token"),
    "mean": Experiment("mean over all tokens", 96.33, pooling="mean"),
    "head": Experiment("only the head learns", 72.00, trainable="head"),
    "two-blocks": Experiment("the last two blocks learn", 98.33, trainable="last_two_blocks"),
    "all": Experiment("everything learns, at 2e-4", 96.67, trainable="all", learning_rate=2e-4),
    "all-slower": Experiment("everything learns, at 5e-5", trainable="all", learning_rate=5e-5, base="all"),
    "random": Experiment(
        "everything learns, from random weights", 93.67, trainable="all", learning_rate=2e-4, random=True, base="all"
    ),
    "lora": Experiment("LoRA of rank 16 in every block", 96.67, lora_rank=16),
    "sixteen-blocks": Experiment("sixteen blocks kept, the last of them learns", blocks=16),
    "context": padded("padded to 1,024 tokens", 78.33, pad_to=1024),
    "one-by-one": Experiment("no padding: batches of one message", 98.00, batch_size=1),
    "accumulated": Experiment(
        "no padding: eight messages accumulated", 98.33, batch_size=1, gradient_accumulation_steps=8
    ),
    "no-mask": padded("without the causal mask", 95.33, causal=False),
    "ignore-index": padded("cross-entropy with ignore_index", 95.00, ignore_index=50256),
    "gpt2-355M": padded("the source's way with GPT-2 355M", 84.67, backbone="gpt2-355M"),
    "gpt2-774M": padded("the source's way with GPT-2 774M", 96.67, backbone="gpt2-774M"),
    "gpt2-1558M": padded("the source's way with GPT-2 1558M", 98.33, backbone="gpt2-1558M"),
    "gpt2-1558M-all": padded("GPT-2 1558M, everything learns", 98.67, backbone="gpt2-1558M", trainable="all"),
    "gpt2-1558M-lora": padded("GPT-2 1558M with LoRA of rank 16", 98.33, backbone="gpt2-1558M", lora_rank=16),
}  # fmt: skip
OPPONENTS = {
    "majority": "always the commonest class",
    "keywords": "ten words",
    "tfidf-words": "TF-IDF of words and pairs of words, logistic regression",
    "tfidf-characters": "TF-IDF of runs of two to five characters, logistic regression",
    "sentence-encoder": "all-MiniLM-L6-v2, logistic regression",
    "probe": "frozen features of the GPT after a chosen block, logistic regression",
}
# On the tasks of chapters 8 and 9.
COMPARED = [*OPPONENTS, "last-token", "mean", "two-blocks", "sixteen-blocks", "lora"]
