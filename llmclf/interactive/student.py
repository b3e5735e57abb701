"""Play: a classifier small enough for a web page, as one file. A GPT-2 in small, its weights in four bits each."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import tiktoken
import torch
from torch import Tensor

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.files.storage import FileError, read_with_checksum, write_with_checksum
from llmclf.head import Classifier
from llmclf.models import GPT2Config
from llmclf.models.state import build
from llmclf.tokenizer import SMOLLM2_LACKS

# 256 tokens hold every message of the collection but one; the vocabulary weighs more than all blocks.
STUDENT = GPT2Config(
    vocab_size=8192, context_length=256, hidden_size=128, num_layers=4, num_heads=4, tied_embeddings=False
)
FORMAT = 2  # of the file; raised whenever an older library could misread a newer file
ADVICE = "python -m llmclf distil makes one"
BITS = 4  # of a weight: whole numbers from -7 to 7, a byte each in the file, which compresses well
SCALE = ".scale"  # behind a weight's name: the factors of its rows


def truncate_vocabulary(tokenizer: tiktoken.Encoding, size: int) -> tiktoken.Encoding:
    """The tokenizer with its first `size` tokens only, as if its training had stopped there.

    Byte-pair encoding numbers its merges in the order in which it learnt them, and applies earlier ones first. So the
    small tokenizer cuts any text wherever the large one does, and in some places more. End-of-text keeps its number if
    that is among the first, and is the last one otherwise.
    """
    parts = encoding_parts(tokenizer)
    end = min(tokenizer.eot_token, size - 1)
    ranks = {token: rank for token, rank in parts["mergeable_ranks"].items() if rank < size and rank != end}
    return tiktoken.Encoding(
        tokenizer.name, pat_str=parts["pat_str"], mergeable_ranks=ranks, special_tokens={"<|endoftext|>": end}
    )


def encoding_parts(tokenizer: tiktoken.Encoding) -> dict[str, Any]:
    """The pattern (`pat_str`) and the ranks (`mergeable_ranks`) of an encoding: what a copy of it is made of."""
    return cast(dict[str, Any], tokenizer.__getstate__())


def quantise(weight: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """A matrix as whole numbers, (rows, columns), and a factor for each row, (rows,).

    With 8 bits the whole numbers reach from -127 to 127, and the largest of each row, in size, is one of these.
    """
    scale = (weight.abs().amax(dim=1) / (2 ** (bits - 1) - 1)).clamp(min=1e-12)
    return (weight / scale[:, None]).round().to(torch.int8), scale


def save_student(student: TextClassifier, path: str | Path) -> None:
    """Write a small GPT-2 classifier with its tokenizer into one file, its matrices in whole numbers of `BITS` bits.

    Raises
    ------
    LlmclfError
        The model does not read its last token, or cuts messages before its context ends: `load_student` would not know.
    """
    model = student.model
    if model.pooling != "last_token" or student.max_length != model.backbone.config.context_length:
        raise LlmclfError("only a student that reads the last token of its whole context can be saved")
    tensors: dict[str, Tensor] = {}
    for name, parameter in model.backbone.named_parameters():
        weight = parameter.detach().float().cpu()
        if weight.ndim == 2:
            tensors[name], tensors[name + SCALE] = quantise(weight, BITS)
        else:
            tensors[name] = weight
    parts = encoding_parts(student.tokenizer)
    record = {
        "format": FORMAT,
        "config": asdict(model.backbone.config),
        "labels": student.label_names,
        "tokenizer": student.tokenizer.name,
        "pattern": parts["pat_str"],
        "lacks": SMOLLM2_LACKS.pattern if student.tokenizer.name == "smollm2" else None,
        "tokens": {token.decode("latin-1"): rank for token, rank in parts["mergeable_ranks"].items()},
        "end_of_text": student.tokenizer.eot_token,
        "training": student.training,
    }
    write_with_checksum(path, tensors, record)


def load_student(path: str | Path) -> TextClassifier:
    """The classifier that `save_student` wrote, on the CPU, its weights as floats again.

    Raises
    ------
    FileError
        The file is missing, damaged, or of another kind.
    """
    tensors, record = read_with_checksum(path, ADVICE)
    if record.get("format") != FORMAT or "tokens" not in record:
        raise FileError(f"{path}: not a student of this library, format {FORMAT}; {ADVICE}")
    tokenizer = tiktoken.Encoding(
        record["tokenizer"],
        pat_str=record["pattern"],
        mergeable_ranks={token.encode("latin-1"): rank for token, rank in record["tokens"].items()},
        special_tokens={"<|endoftext|>": record["end_of_text"]},
    )
    backbone = build(GPT2Config(**record["config"]))
    model = Classifier(backbone, len(record["labels"]), precision="float32")
    state = {
        name: weight.float() * tensors[name + SCALE][:, None] if weight.dtype == torch.int8 else weight
        for name, weight in tensors.items()
        if not name.endswith(SCALE)
    }
    backbone.load_state_dict(state, assign=True)
    model.requires_grad_(False).eval()
    return TextClassifier(model, tokenizer, record["labels"], "student", training=record["training"])
