"""Tables that are broken at random, and texts that nobody would send, or everybody."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

from damage import cut, flip
from things import ERROR, RIGHT, LostError, Things, Trial, in_process


def broken_table(things: Things, seed: int) -> Trial:
    """A table that something has happened to, read by `read_table`, and cut into parts for scoring."""

    def trial() -> str:
        from llmclf.data import label_names, read_table
        from llmclf.errors import LlmclfError
        from llmclf.message_files import KINDS

        chance = random.Random(seed)
        content, suffix = spoil(chance)
        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            path = Path(folder) / f"table{suffix}"
            path.write_bytes(content)
            try:
                table = read_table(path)
                label_names(table)
                cuts = list(KINDS[path.suffix].cut(path, "text", [], 7))
            except LlmclfError as error:
                if str(path) not in str(error) and "labels" not in str(error):
                    raise LostError(f"the file is not named: {error}") from error
                return ERROR
            texts = [text for part in cuts for text in KINDS[path.suffix].read(path, part, "text")[1]]
            if texts != table["text"].tolist():
                raise LostError(f"two readings of one table: {content!r}")
            return RIGHT

    return trial


def spoil(chance: random.Random) -> tuple[bytes, str]:
    """The bytes of a small table, spoilt in up to two ways or not at all, and the end of its name."""
    texts = ["hello", 'say "no"', "a, b", "two\nlines", "caf\xe9 漢字", "", " ", "x" * chance.choice([3, 200_000])]
    labels = ["ham", "spam", "Spam", "ham "]
    rows = [[chance.choice(labels), chance.choice(texts)] for _ in range(chance.randrange(1, 30))]
    header = chance.choice([["label", "text"]] * 6 + [["label", "label", "text"], ["text"], ["Label", "Text"], []])
    lines = [header, *rows]
    separator, suffix = chance.choice([(",", ".csv")] * 6 + [("\t", ".tsv")] * 3 + [(";", ".csv"), (",", ".tsv")])
    out = "\n".join(separator.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines)
    content = out.encode(chance.choice(["utf-8"] * 5 + ["utf-8-sig", "utf-16", "latin-1"]), errors="replace")
    for _ in range(chance.randrange(3)):
        content = chance.choice(
            [
                lambda b: flip(b, chance),
                lambda b: cut(b, chance) or b"x",
                lambda b: b.replace(b'"', b"", chance.randrange(1, 4)),
                lambda b: b.replace(b"\n", b"\r\n"),
                lambda b: b.replace(b"\n", b"\r"),
                lambda b: b.replace(b"\n", b"\n\n"),
                lambda b: b + b"\0",
                lambda b: b + b'\n"ham","' + b"y" * 1_000_000 + b'"\n',
                lambda b: b + b"\nham,one,too,many\n",
                lambda b: b * 2,
                lambda b: b.replace(b"spam", b"ham").replace(b"Spam", b"ham"),
            ]
        )(content)
    return content, suffix


STRANGE = "\0\r\n\t \u200f\u202e\ufeff\u0301<>&'\"{}$\\/"


def fuzzed_text(chance: random.Random) -> str:
    """A text that nobody would send, or everybody."""
    kinds = [
        lambda: "".join(chr(chance.randrange(0x110000)) for _ in range(chance.randrange(40))),  # surrogates among them
        lambda: "".join(chance.choice(STRANGE) for _ in range(chance.randrange(30))),
        lambda: chance.choice(["<|endoftext|>", "<|im_start|>", "<script>alert(1)</script>", "{{7*7}}", "../../x"]),
        lambda: chance.choice("aé漢🎉") * chance.choice([1, 100, 5_000]),
        lambda: " ".join(chance.choice(["WIN", "cash", "hello", "you", "now"]) for _ in range(chance.randrange(60))),
        lambda: "",
    ]
    return chance.choice(kinds)()


def fuzzed_texts(things: Things, seed: int, count: int) -> Iterator[Trial]:
    """Each text alone gets the probabilities that it gets among others, and no mark of it comes through as markup."""
    from llmclf.classify import TextClassifier

    chance = random.Random(seed)
    classifier = TextClassifier.load(things.done["train"], device="cpu")
    texts = [fuzzed_text(chance) for _ in range(count)]
    together = classifier.predict_proba(texts)

    def trial(number: int) -> str:
        alone = classifier.predict_proba([texts[number]])[0]
        if abs(alone - together[number]).max() > 1e-4 or abs(alone.sum() - 1) > 1e-5:
            raise LostError(f"{texts[number]!r}: {alone} alone, {together[number]} among others")
        return RIGHT

    return (lambda number=number: trial(number) for number in range(count))


class Tags(HTMLParser):
    """The tags and their attributes in a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(f"{tag} {name}" for name, _ in attrs)}


def typed_texts(things: Things, seed: int, count: int) -> Iterator[Trial]:
    """Each text on the command line, and typed into the demo, which shows it with no tag that other texts lack."""
    from llmclf.classify import TextClassifier
    from llmclf.demo import ClassifierDemo

    chance = random.Random(seed)
    classifier = TextClassifier.load(things.done["train"], device="cpu")
    demo = ClassifierDemo(classifier)
    demo.numbers.value = True

    def typed(text: str) -> str:
        demo.text.value = text
        demo.keep.click()
        demo.history.clear()
        return demo.results[0].value + demo.table.value

    usual = Tags(typed("a usual text")).found | Tags(typed("a long one " * 999)).found | Tags(typed("\0")).found

    def trial(text: str) -> str:
        if surplus := Tags(typed(text)).found - usual:
            raise LostError(f"{text!r} became markup: {surplus}")
        shown = demo.readings[0].course(demo.name)[-1]
        if abs(shown - classifier.predict_proba(text)[-1]) > 1e-4:
            raise LostError(f"{text!r}: the demo shows {shown}")
        if text.startswith("-") or "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            return RIGHT  # which no shell can pass on
        return in_process(["classify", things.done["train"], "--format", "json", text])

    return (partial(trial, fuzzed_text(chance)) for _ in range(count))
