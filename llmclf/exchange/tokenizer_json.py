"""A tokenizer as `tokenizer.json`, which the `tokenizers` library reads, in Python, Rust, JavaScript and others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import tiktoken

from llmclf.tokenizer import END_OF_TEXT, SMOLLM2_NORMALIZER, printable_bytes

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}  # SmolLM2's: each digit is a token of its own


def write_tokenizer_json(
    tokenizer: tiktoken.Encoding, path: str | Path, *, max_length: int, pad_to: int | None = None
) -> None:
    """Write a file that gives the same token ids, cut and padded as the classifier needs them.

    `<|endoftext|>` in a text is text there, too: the file names no special tokens.

    Parameters
    ----------
    tokenizer
        GPT-2's or SmolLM2's, see `load_tokenizer`.
    path
        Of the file.
    max_length, pad_to
        As in `TextClassifier`.
    """
    is_smollm2 = tokenizer.name.startswith("smollm2")
    names = {number: character for character, number in printable_bytes().items()}

    def written(token: bytes) -> str:
        return "".join(names[byte] for byte in token)

    ranks = tokenizer._mergeable_ranks
    content: dict[str, Any] = {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": max_length, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": "BatchLongest" if pad_to is None else {"Fixed": pad_to},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": tokenizer.eot_token,
            "pad_type_id": 0,
            "pad_token": END_OF_TEXT,
        },
        "added_tokens": [],
        "normalizer": SMOLLM2_NORMALIZER if is_smollm2 else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [DIGITS, BYTES]} if is_smollm2 else BYTES,
        "post_processor": None,
        "decoder": BYTES,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,
            "vocab": {written(token): rank for token, rank in ranks.items()} | dict(tokenizer._special_tokens),
            "merges": [[written(part) for part in pair] for pair in merges_of(ranks)],
        },
    }
    Path(path).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def merges_of(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The pairs that byte-pair encoding merges, in their order: tiktoken keeps only what they make."""
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            first, second = parts_before(token, rank, ranks)
            merges.append((first, second))
    return merges


def parts_before(token: bytes, rank: int, ranks: Mapping[bytes, int]) -> list[bytes]:
    """What is left of a token's bytes after all merges of a lower rank: the two parts that make it."""
    parts = [bytes([byte]) for byte in token]
    while True:
        pairs = [ranks.get(one + other, rank) for one, other in pairwise(parts)]
        if not pairs or (lowest := min(pairs)) >= rank:
            return parts
        place = pairs.index(lowest)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
