"""Chapter 2: text to token ids, with the two backbones' own vocabularies.

Both are byte-pair encodings, so both become a `tiktoken.Encoding`: the rank of a merge is the id of the token it makes.
Texts are messages from strangers: a message that contains `<|endoftext|>` holds these 13 characters, not the token.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from reprlib import repr as shorten

import tiktoken

from llmclf.console import LlmclfError
from llmclf.files import assets
from llmclf.files.gguf import read_gguf
from llmclf.files.hub_folder import read_description
from llmclf.files.storage import FileError

END_OF_TEXT = "<|endoftext|>"
# How text is cut before merging (GPT-2 paper, section 2.2): contractions, words, numbers, the rest, white space.
# The last space before a word belongs to the word. (tiktoken's engine panics at a million spaces; hence the bound.)
_WORDS, _REST, _SPACES = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+", r" ?[^\s\p{L}\p{N}]+", r"\s{1,262144}"
GPT2_PATTERN = rf"{_WORDS}| ?\p{{N}}+|{_REST}|{_SPACES}(?!\S)|\s+"
# Every digit is a token of its own, and takes no space before it.
SMOLLM2_PATTERN = rf"\p{{N}}|{_WORDS}|{_REST}|{_SPACES}(?![^\s\p{{N}}])|\s+"
# SmolLM2's vocabulary lacks the bytes of these: six control characters, and planes of Unicode with nothing in them.
SMOLLM2_LACKS = re.compile("[\x04\x06\x13\x14\x16\x1d\U00040000-\U000bffff]")

# What `tokenizer.json` says of these.
SMOLLM2_NORMALIZER = {
    "type": "Replace",
    "pattern": {"Regex": SMOLLM2_LACKS.pattern},
    "content": "\N{REPLACEMENT CHARACTER}",
}


def load_tokenizer(backbone: str | Path) -> tiktoken.Encoding:
    """The tokenizer that belongs to a backbone, by the same names and paths as `weights.load_pretrained`.

    Raises
    ------
    AssetError, FileError, LlmclfError
        The vocabulary cannot be had; is damaged; is of another kind, or there is no backbone of this name.
    """
    name, path = str(backbone).removeprefix("random-"), Path(backbone)
    if name == "smollm2-135M":
        return gguf_tokenizer(assets.fetch(name))
    beside = (path if path.is_dir() else path.parent) / "tokenizer.json"
    if path.exists() and path.suffix != ".gguf" and beside.is_file():
        return hub_tokenizer(beside)
    described = beside.with_name("config.json")
    if path.exists() and described.is_file() and read_description(described).get("model_type") != "gpt2":
        raise FileError(f"{beside}: no such file, and only GPT-2 has a tokenizer without it; save it beside the model")
    gguf = [path] if path.suffix == ".gguf" else sorted(path.glob("*.gguf"))
    if not gguf and name == str(backbone) and name not in assets.ASSETS and not path.exists():
        raise LlmclfError(f"{backbone}: neither a backbone nor a file or folder")
    return gguf_tokenizer(gguf[0]) if gguf else gpt2_tokenizer()


def gpt2_tokenizer() -> tiktoken.Encoding:
    """GPT-2's tokenizer (50,257 tokens) from the verified vocabulary file; the same for all four sizes."""
    tokens = json.loads(assets.fetch("gpt2-encoder").read_text(encoding="utf-8"))
    special = {END_OF_TEXT: tokens.pop(END_OF_TEXT)}
    return build_encoding("gpt2", GPT2_PATTERN, tokens, special)


def gguf_tokenizer(path: str | Path) -> tiktoken.Encoding:
    """The tokenizer stored in a SmolLM2 GGUF file (49,152 tokens, 17 of them special).

    Raises
    ------
    FileError, LlmclfError
        The file is damaged, or holds another model's tokenizer or none.
    """
    _, entries = read_gguf(path)
    wanted = [f"tokenizer.ggml.{key}" for key in ("model", "pre", "tokens", "token_type")]
    if missing := [name for name in wanted if name not in entries]:
        raise LlmclfError(f"{path}: no entry {missing[0]!r}, so this file does not hold SmolLM2's tokenizer")
    model, cutter, texts, kinds = (entries[name] for name in wanted)
    if (model, cutter) != ("gpt2", "smollm"):
        raise LlmclfError(f"{path}: tokenizer {model!r} with pre-tokenizer {cutter!r}; only SmolLM2's is understood")
    normal = 1  # the GGUF specification's number for tokens that merges make
    tokens = {text: number for number, (text, kind) in enumerate(zip(texts, kinds, strict=True)) if kind == normal}
    special = {text: number for number, text in enumerate(texts) if text not in tokens}
    return build_encoding("smollm2", SMOLLM2_PATTERN, tokens, special)


def hub_tokenizer(path: Path) -> tiktoken.Encoding:
    """The tokenizer of a `tokenizer.json`, if it cuts texts as GPT-2 or SmolLM2 do.

    Raises
    ------
    FileError
        It is damaged, of another kind, or without `<|endoftext|>`; or its tokens are not numbered in the order of their
        merges, as tiktoken needs them.
    """
    found = read_description(path)
    try:
        model, steps = found["model"], found["pre_tokenizer"]
        steps = steps.get("pretokenizers", [steps])
        kinds = [step["type"] for step in steps]
        usual = {"add_prefix_space": False, "use_regex": True, "individual_digits": True}
        changed = [name for step in steps for name, value in usual.items() if step.get(name, value) != value]
        pattern = {("ByteLevel",): GPT2_PATTERN, ("Digits", "ByteLevel"): SMOLLM2_PATTERN}.get(tuple(kinds))
        merges = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]
        made = {"".join(merge) for merge in merges}
        special = {token["content"]: token["id"] for token in found["added_tokens"]}
        # What no merge makes, single bytes aside, never comes out of a text.
        special |= {text: number for text, number in model["vocab"].items() if len(text) > 1 and text not in made}
        tokens = {text: number for text, number in model["vocab"].items() if text not in special}
        ranks = [tokens["".join(merge)] for merge in merges]
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{path}: not the description of a byte-pair tokenizer ({error!r})") from None
    known = found.get("normalizer") in (None, SMOLLM2_NORMALIZER)
    if pattern is None or END_OF_TEXT not in special or not merges or changed or not known:
        raise FileError(
            f"{path}: only tokenizers that cut as GPT-2's or SmolLM2's do, with {END_OF_TEXT}, are understood"
        )
    if ranks != sorted(ranks):
        raise FileError(f"{path}: tokens are not numbered in the order of their merges")
    digest = hashlib.sha256(json.dumps([sorted(tokens.items()), kinds]).encode()).hexdigest()[:12]
    name = "smollm2" if pattern == SMOLLM2_PATTERN else "gpt2"
    return build_encoding(f"{name}-{digest}", pattern, tokens, special)


def build_encoding(
    name: str, pattern: str, tokens: dict[str, int], special_tokens: dict[str, int]
) -> tiktoken.Encoding:
    """A `tiktoken.Encoding` from a vocabulary whose tokens are written in GPT-2's printable form of bytes."""
    byte_of = printable_bytes()
    ranks = {bytes(byte_of[character] for character in text): number for text, number in tokens.items()}
    return tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=special_tokens)


def printable_bytes() -> dict[str, int]:
    """GPT-2's way to write any byte as one visible character: itself, or one from U+0100 on (a space becomes Ġ)."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    invisible = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + rank): byte for rank, byte in enumerate(invisible)}


def list_of_texts(texts: Iterable[object]) -> list[str]:
    """Many texts as a list; `LlmclfError` names the first that is no string, or says that these are not many texts."""
    if isinstance(texts, str):
        raise LlmclfError(f"expected a list or column of texts, got one: {shorten(texts)}; put it into a list")
    if getattr(texts, "ndim", 1) != 1:
        shape = getattr(texts, "shape", None)
        raise LlmclfError(f"expected a list or column of texts, got a {type(texts).__name__} of shape {shape}")
    strings = []
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            found = f"{shorten(text)}, a {type(text).__name__}"
            raise LlmclfError(f"text {number} is {found}; expected a string: fill in or leave out what is missing")
        strings.append(text)
    return strings


def encode(tokenizer: tiktoken.Encoding, text: str, max_length: int | None = None) -> list[int]:
    """Token ids of a message, cut after `max_length`; an empty message is one end-of-text token.

    A row of a batch needs at least one real token for the model to read.
    """
    # A lone surrogate (half a character) has no UTF-8 form; it becomes the replacement character, as does what has no
    # token (a byte that is not in the vocabulary makes tiktoken panic).
    clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if tokenizer.name.startswith("smollm2"):
        clean = SMOLLM2_LACKS.sub("\N{REPLACEMENT CHARACTER}", clean)
    input_ids = tokenizer.encode_ordinary(clean)[:max_length]
    return input_ids or [tokenizer.eot_token]
