"""Chapter 7: the classifier to play with. It reads a message while it is typed and shows how its opinion moves."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import ipywidgets as widgets
import numpy as np
import torch

from llmclf.classify import TextClassifier
from llmclf.errors import LlmclfError
from llmclf.tokenizer import encode

EXAMPLES = {
    "an advertisement": "Congratulations! You have won a free holiday for two. Call 08000 123456 to claim it.",
    "a short code": "Your verification code is 482913. Never share it with anyone.",
    "a note to a friend": "Hey, are we still on for dinner tonight? Let me know!",
    "a reminder": "Don't forget to buy milk and bread on your way home, love you",
}
WHY_WRONG = """<ul>
<li>It has learnt from about a thousand messages of before 2011. Today's advertising, other languages and other kinds of
text are new to it.</li>
<li>It was trained on as much spam as ham. Where spam is rarer, more of what it calls spam is ham.</li>
<li>Its probabilities are often too near to 0 and 100 %: they say how sure it is, not how often it is right.</li>
<li>In the middle of a message it answers for a text that breaks off there. The shading shows how its answer moved, not
how suspicious a word is.</li></ul>"""
SVG = 'xmlns="http://www.w3.org/2000/svg" width="100%"'
QUIET_TIME = 0.15  # seconds without a key before a text is read
LONG_TEXT = 2000  # characters: from here on reading takes long enough to say so


@dataclass(frozen=True)
class Reading:
    """What a classifier makes of one text.

    Attributes
    ----------
    text
        As it was given.
    label
        The most probable class.
    names
        Of the classes, in the order of the columns.
    pieces
        The text that was read, cut at tokens; tokens that share a character stand together.
    probabilities
        (pieces, classes), if the message ended with that piece; the last row is the answer.
    left_out
        Tokens beyond the limit, which were not read.
    """

    text: str
    label: str
    names: list[str]
    pieces: list[str]
    probabilities: np.ndarray
    left_out: int

    def course(self, name: str) -> np.ndarray:
        """(pieces,): the probability of one class as the message unfolds."""
        return self.probabilities[:, self.names.index(name)]


@torch.inference_mode()
def read(classifier: TextClassifier, text: str) -> Reading:
    """Read a text token by token, in one pass: because attention is causal, each row knows only what stands before it.

    Raises
    ------
    LlmclfError
        The classifier does not read at the last token, so the rows before it say nothing about it.
    """
    if classifier.model.pooling != "last_token":
        raise LlmclfError(f"a classifier that reads at {classifier.model.pooling!r} cannot be read along")
    tokenizer, model = classifier.tokenizer, classifier.model.eval()
    input_ids = encode(tokenizer, text)
    kept = input_ids[: classifier.max_length]
    logits = model.backbone(torch.tensor([kept], device=model.device))[0].float().cpu()  # (tokens, classes)
    probabilities = logits.softmax(dim=1).numpy()
    pieces, last, unfinished = [], [], b""
    for place, number in enumerate(kept):
        unfinished += b"" if number == tokenizer.eot_token else tokenizer.decode_single_token_bytes(number)
        try:
            piece = unfinished.decode("utf-8")
        except UnicodeDecodeError:
            if place < len(kept) - 1:
                continue
            piece = unfinished.decode("utf-8", "replace")
        pieces.append(piece)
        last.append(place)
        unfinished = b""
    label = classifier.label_names[int(probabilities[-1].argmax())]
    return Reading(text, label, list(classifier.label_names), pieces, probabilities[last], len(input_ids) - len(kept))


def show(reading: Reading, name: str, threshold: float = 0.5) -> str:
    """A reading as HTML that needs no style sheet and no script; user text in it is text, whatever it says.

    Parameters
    ----------
    reading
        From `read`.
    name
        The class whose probability is shown, such as "spam".
    threshold
        From this probability on the text is called `name`.
    """
    course = reading.course(name)
    final = float(course[-1])
    verdict = name if final >= threshold else other_names(reading, name)
    cut = f" The last {reading.left_out:,} tokens were not read: the text is too long." if reading.left_out else ""
    words = f"probability of {escape(name)} {percent(final)}, threshold {threshold:.0%}.{cut}"
    status = f'<p role="status" style="font-size:1.15em"><strong>{escape(verdict)}</strong> – {words}</p>'
    pictures = f"{bar(final, threshold)}{shaded(reading, course)}{curve(course, name)}"
    return f'<div style="max-width:44em">{status}{pictures}</div>'


def other_names(reading: Reading, name: str) -> str:
    """What a text is that is not called `name`."""
    others = [other for other in reading.names if other != name]
    return others[0] if len(others) == 1 else f"not {name}"


def percent(share: float) -> str:
    """A percentage that is never rounded to certainty."""
    if share > 0.999:
        return "over 99.9 %"
    return "under 0.1 %" if share < 0.001 else f"{share:.1%}".replace("%", " %")


def bar(share: float, threshold: float) -> str:
    """A bar with a mark at the threshold; the words above say the same."""
    return (
        f'<svg {SVG} viewBox="0 0 440 16" height="16" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="440" height="16" fill="#e6e6e6"/>'
        f'<rect width="{440 * share:.1f}" height="16" fill="#d55e00"/>'
        f'<path d="M{440 * threshold:.1f} 0V16" stroke="#000" stroke-width="2"/></svg>'
    )


def shaded(reading: Reading, course: np.ndarray) -> str:
    """The text, each piece on a ground that tells how it moved the probability, with a sign where it moved much."""
    moves = np.diff(course, prepend=course[:1])
    spans = []
    for piece, move, so_far in zip(reading.pieces, moves, course, strict=True):
        color = f"rgba({'213,94,0' if move > 0 else '0,114,178'},{min(0.6, abs(move)):.2f})"
        sign = ("▲" if move > 0 else "▼") if abs(move) >= 0.1 else ""
        mark = f"<sup>{sign}</sup>" if sign else ""
        spans.append(f'<span style="background:{color}" title="{percent(float(so_far))}">{visible(piece)}</span>{mark}')
    return (
        '<p dir="auto" style="line-height:1.9;font-size:1.05em;overflow-wrap:anywhere;white-space:pre-wrap;color:#000;'
        f'background:#fff;padding:0.4em">{"".join(spans)}</p>'
    )


def visible(piece: str) -> str:
    """Escaped for HTML; control characters become signs that can be seen."""
    signs = {number: chr(0x2400 + number) for number in range(32)} | {127: "\u2421", 10: "↵\n"}
    return escape(piece.translate(signs))


def curve(course: np.ndarray, name: str) -> str:
    """A small line of the probability over the pieces of the text."""
    across = np.linspace(4, 436, len(course)) if len(course) > 1 else np.array([220.0])
    points = " ".join(f"{x:.1f},{44 - 40 * y:.1f}" for x, y in zip(across, course, strict=True))
    words = (
        f"Probability of {escape(name)} from the first token to the last: begins at {percent(float(course[0]))}, "
        f"highest {percent(float(course.max()))}, ends at {percent(float(course[-1]))}."
    )
    return (
        f'<svg {SVG} viewBox="0 0 440 48" style="max-height:60px" role="img" aria-label="{words}">'
        '<path d="M0 24H440" stroke="#999" stroke-dasharray="3 4"/>'
        f'<polyline points="{points}" fill="none" stroke="#0072b2" stroke-width="2"/></svg>'
    )


class ClassifierDemo(widgets.VBox):
    """A text to type, and what one or two classifiers make of it; display it as the last line of a cell.

    Parameters
    ----------
    classifier
        Reads what is typed.
    other
        A second one, shown beside it.
    name
        The class whose probability is shown; by default the last label.
    examples
        Texts to pick from, by their names in the list.

    Raises
    ------
    LlmclfError
        A classifier that cannot be read along, or that does not know `name`.
    """

    def __init__(
        self,
        classifier: TextClassifier,
        other: TextClassifier | None = None,
        *,
        name: str | None = None,
        examples: Mapping[str, str] = EXAMPLES,
    ) -> None:
        self.classifiers = [classifier] if other is None else [classifier, other]
        self.name = name or classifier.label_names[-1]
        for one in self.classifiers:
            if self.name not in one.label_names:
                raise LlmclfError(f"no label {self.name!r}; this classifier knows {one.label_names}")
        self.history: list[dict[str, object]] = []
        self.readings: list[Reading] = []
        self._waiting: asyncio.TimerHandle | None = None
        wide = widgets.Layout(width="auto")
        self.text = widgets.Textarea(
            next(iter(examples.values()), ""), description="message", rows=3, layout=wide, continuous_update=True
        )
        self.example = widgets.Dropdown(
            options=[("pick an example", ""), *examples.items()], description="example", layout=wide
        )
        self.threshold = widgets.FloatSlider(
            0.5, min=0.01, max=0.99, step=0.01, description="threshold", readout_format=".0%", layout=wide
        )
        self.keep = widgets.Button(
            description="keep in history", tooltip="Add this message and its result to the table"
        )
        self.results = [widgets.HTML(layout=widgets.Layout(flex="1 1 20em")) for _ in self.classifiers]
        self.table = widgets.HTML()
        why = widgets.Accordion([widgets.HTML(WHY_WRONG)], titles=("Why might this be wrong?",))
        side_by_side = widgets.Box(self.results, layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([self.example, self.text, self.threshold, side_by_side, self.keep, self.table, why])
        self.example.observe(self._pick, "value")
        self.text.observe(self._wait_and_read, "value")
        self.threshold.observe(lambda change: self._show(), "value")
        self.keep.on_click(self._keep)
        self._read()

    def _pick(self, change: dict) -> None:
        if change["new"]:
            self.text.value = change["new"]

    def _wait_and_read(self, change: dict) -> None:
        """Read when the typing pauses; without a running kernel at once."""
        if self._waiting:
            self._waiting.cancel()
        try:
            self._waiting = asyncio.get_running_loop().call_later(QUIET_TIME, self._read)
        except RuntimeError:
            self._read()

    def _read(self) -> None:
        self._waiting = None
        if len(self.text.value) > LONG_TEXT:
            for result in self.results:
                result.value = '<p role="status">Reading a long text …</p>'
        self.readings = [read(classifier, self.text.value) for classifier in self.classifiers]
        self._show()

    def _show(self) -> None:
        for classifier, result, reading in zip(self.classifiers, self.results, self.readings, strict=True):
            title = f"<h4>{escape(str(classifier.backbone))}</h4>" if len(self.classifiers) > 1 else ""
            result.value = title + show(reading, self.name, self.threshold.value)

    def _keep(self, button: widgets.Button) -> None:
        self._read()  # what stands in the field now, also where the pause is not over
        for classifier, reading in zip(self.classifiers, self.readings, strict=True):
            probability = float(reading.course(self.name)[-1])
            self.history.append(
                {
                    "message": reading.text,
                    "classifier": str(classifier.backbone),
                    f"probability of {self.name}": round(probability, 4),
                    "threshold": self.threshold.value,
                    "tokens not read": reading.left_out,
                }
            )
        self.table.value = history_table(self.history)


def history_table(history: list[dict[str, object]]) -> str:
    """The history as a table of HTML, with a link that downloads it as CSV."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in history[0])
    rows = "".join(
        f"<tr>{''.join(f'<td>{visible(str(value))}</td>' for value in row.values())}</tr>" for row in history[::-1]
    )
    file = io.StringIO()
    writer = csv.DictWriter(file, history[0].keys())
    writer.writeheader()
    writer.writerows(history)
    data = base64.b64encode(file.getvalue().encode("utf-8", "replace")).decode("ascii")
    address = f'href="data:text/csv;charset=utf-8;base64,{data}"'
    link = f'<a style="text-decoration:underline" download="history.csv" {address}>Download as CSV</a>'
    head = f"<caption>History, the latest first</caption><thead><tr>{head}</tr></thead>"
    return f"<table>{head}<tbody>{rows}</tbody></table><p>{link}</p>"
