"""Tables that are broken at random, and texts that nobody would send, or everybody."""

from __future__ import annotations

import csv
import io
import json
import random
import tempfile
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from subprocess import CompletedProcess

from damage import cut, flip
from things import ERROR, RIGHT, LostError, Things, Trial, command, in_process, judge, refused, run


def broken_table(things: Things, seed: int) -> Trial:
    """A table that something has happened to, read by `read_table`, and cut into parts for scoring.

    What they read must be the true rows; where nobody can know these any more, those that Python's own reader finds.
    """

    def trial() -> str:
        from llmclf.console import LlmclfError
        from llmclf.data import label_names, read_table
        from llmclf.scale.message_files import KINDS

        chance = random.Random(seed)
        content, suffix, rows = spoil(chance)
        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            path = Path(folder) / f"table{suffix}"
            path.write_bytes(content)
            try:
                table = read_table(path)
                label_names(table)
                texts = [text for _, some in KINDS[path.suffix].parts(path, "text", 7, []) for text in some]
            except LlmclfError as error:
                if str(path) not in str(error) and "labels" not in str(error):
                    raise LostError(f"the file is not named: {error}") from error
                return ERROR
        rows = [[label.strip(), text] for label, text in rows or rows_of(content, suffix)]
        if table[["label", "text"]].to_numpy().tolist() != rows or texts != [text for _, text in rows]:
            raise LostError(f"not the rows of the table: {content!r}")
        return RIGHT

    return trial


def rows_of(content: bytes, suffix: str) -> list[list[str]]:
    """Label and text of every row."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    header, *rows = filter("".join, csv.reader(text, delimiter="\t" if suffix == ".tsv" else ","))
    return [[row[header.index(name)] for name in ("label", "text")] for row in rows]


def spoil(chance: random.Random) -> tuple[bytes, str, list[list[str]] | None]:
    """The bytes of a small table, spoilt in up to two ways or not at all, the end of its name, and its true rows.

    Other line ends change the texts as well; what is spoilt in another way has no true rows.
    """
    texts = ["hello", 'say "no"', "a, b", "two\nlines", "caf\xe9 漢字", "", " ", "x" * chance.choice([3, 200_000])]
    labels = ["ham", "spam", "Spam", "ham "]
    rows = [[chance.choice(labels), chance.choice(texts)] for _ in range(chance.randrange(1, 30))]
    header = chance.choice([["label", "text"]] * 6 + [["label", "label", "text"], ["text"], ["Label", "Text"], []])
    lines = [header, *rows]
    separator, suffix = chance.choice([(",", ".csv")] * 6 + [("\t", ".tsv")] * 3 + [(";", ".csv"), (",", ".tsv")])
    out = "\n".join(separator.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines)
    content = out.encode(chance.choice(["utf-8"] * 5 + ["utf-8-sig", "utf-16", "latin-1"]), errors="replace")
    for _ in range(chance.randrange(3)):
        if chance.randrange(4) == 0:
            line_end = chance.choice(["\r\n", "\r", "\n\n"])
            content = content.replace(b"\n", line_end.encode())
            rows = rows and [[label, text.replace("\n", line_end)] for label, text in rows]
            continue
        rows = None
        content = chance.choice(
            [
                lambda b: flip(b, chance),
                lambda b: cut(b, chance) or b"x",
                lambda b: b.replace(b'"', b"", chance.randrange(1, 4)),
                lambda b: b + b"\0",
                lambda b: b + b'\n"ham","' + b"y" * 1_000_000 + b'"\n',
                lambda b: b + b"\nham,one,too,many\n",
                lambda b: b * 2,
                lambda b: b.replace(b"spam", b"ham").replace(b"Spam", b"ham"),
            ]
        )(content)
    return content, suffix, rows


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
    """Each text alone gets the probabilities that it gets among others, and they add up to one."""
    chance, classifier = random.Random(seed), things.classifier
    texts = [fuzzed_text(chance) for _ in range(count)]
    together = classifier.predict_proba(texts)

    def trial(number: int) -> str:
        alone = classifier.predict_proba([texts[number]])[0]
        if not abs(alone - together[number]).max() <= 1e-4 or not abs(alone.sum() - 1) <= 1e-5:  # NaN neither
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
    from llmclf.interactive.demo import ClassifierDemo

    chance, demo = random.Random(seed), ClassifierDemo(things.classifier)
    demo.numbers.value = True

    def typed(text: str) -> str:
        demo.text.value = text
        demo.keep.click()
        demo.history.clear()
        shown = demo.results[0].value + demo.table.value
        return shown.replace("<sup>▲</sup>", "").replace("<sup>▼</sup>", "")  # where a token moved the answer much

    usual = Tags(typed("a usual text")).found | Tags(typed("a long one " * 999)).found | Tags(typed("\0")).found

    def trial(text: str) -> str:
        if surplus := Tags(typed(text)).found - usual:
            raise LostError(f"{text!r} became markup: {surplus}")
        shown = demo.readings[0].probability_of(demo.name)[-1]
        if not abs(shown - things.classifier.predict_proba(text)[-1]) <= 1e-4:
            raise LostError(f"{text!r}: the demo shows {shown}")
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            return RIGHT  # which no shell can pass on; of bytes that are not UTF-8 see `any_bytes`
        dashes = ["--"] if text.startswith("-") else []
        done = in_process(["classify", things.done["train"], "--format", "json", *dashes, text])
        return check_answers(things, done, [text])

    return (partial(trial, chance.choice(["", "", "-", "--"]) + fuzzed_text(chance)) for _ in range(count))


def any_bytes(things: Things, seed: int) -> Trial:
    """Bytes of any kind, as an argument or by standard input, where the terminal has another encoding.

    UTF-8 must be labelled as anywhere else, and what is not UTF-8 must be refused.
    """

    def trial() -> str:
        chance = random.Random(seed)
        strange = [chance.randbytes(40), "caf\xe9 漢字 🎉".encode(), b"--format", b"hello\0you"][seed // 2 % 4]
        content = strange + b"\nhello"
        environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # else Python asks no locale
        environment["PYTHONIOENCODING"] = chance.choice(["", "ascii", "latin-1"])
        words = command("classify", things.done["train"], "--format", "json")
        if seed % 2:
            done = run(words, content, **environment)
        else:
            content = content.replace(b"\0", b"")  # which no argument can hold
            done = run([*words, "--", content], **environment)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            if "not UTF-8" not in done.stderr:
                raise LostError(f"{content!r}: {done.stderr}") from None
            return refused(judge(done))
        return check_answers(things, done, text.split("\n") if seed % 2 else [text])

    return trial


def check_answers(things: Things, done: CompletedProcess, texts: list[str]) -> str:
    """What `classify --format json` told of each text must be what the library says of it."""
    if judge(done) != RIGHT:
        raise LostError(f"{texts!r}: {done.stderr}")
    names, rows = things.classifier.label_names, json.loads(done.stdout)
    found = [[row["probabilities"][name] for name in names] for row in rows]
    if [row["text"] for row in rows] != texts or not abs(found - things.classifier.predict_proba(texts)).max() <= 1e-4:
        raise LostError(f"{texts!r} became {done.stdout!r}")
    return RIGHT
