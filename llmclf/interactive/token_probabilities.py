"""Chapter 7: reading along. What the classifier would say after each token of a text, and how to show that.

The page "Play" draws the same picture in the browser, with `book/play/play.js`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import torch

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.tokenizer import encode

EXAMPLES = {
    "an advertisement": "Congratulations! You have won a free holiday for two. Call 08000 123456 to claim it.",
    "a short code": "Your verification code is 482913. Never share it with anyone.",
    "a note to a friend": "Hey, are we still on for dinner tonight? Let me know!",
    "a reminder": "Don't forget to buy milk and bread on your way home, love you",
    # What people receive today. Models that have learnt from messages of before 2011 are wrong about some.
    "a parcel": "Your parcel is held at customs. Pay the fee of 1.99 at post-track.example/id to receive it.",
    "mum, my phone": "Hi mum, my phone broke, this is my new number. Can you send me money for the rent today?",
    "crypto": "Our AI trading bot doubled 0.4 BTC in a week. Join now, only 20 places left!",
    "a bank's alert": "ALERT: 250.00 was paid from your account. Not you? Call us on the number on your card.",
    "a dentist": "Reminder: dentist on Tuesday 9:30. Reply C to cancel.",
}
RAISES, LOWERS = "#d55e00", "#0072b2"  # as in the book's plots
CALLED, PASSED = "#b34700", LOWERS  # grounds on which white words can be read
STRONGEST = 3  # moves that get an arrow, where they are ten percentage points or more
SVG = 'xmlns="http://www.w3.org/2000/svg" width="100%"'
THIN = 'vector-effect="non-scaling-stroke"'  # however wide the picture is drawn
# Without width, or marks that turn the direction of what follows. (Emoji and Persian need U+200C and U+200D.)
UNSEEN = [0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF]
SIGNS = {number: chr(0x2400 + number) for number in range(32)} | {127: "\u2421", 10: "↵\n"}
SIGNS |= {number: f"[U+{number:04X}]" for number in UNSEEN}


@dataclass(frozen=True)
class TokenProbabilities:
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

    def probability_of(self, name: str) -> np.ndarray:
        """(pieces,): the probability of one class as the message unfolds."""
        return self.probabilities[:, self.names.index(name)]


@torch.inference_mode()
def token_probabilities(classifier: TextClassifier, text: str) -> TokenProbabilities:
    """Read a text token by token, in one pass: because attention is causal, each row knows only what stands before it.

    A classifier that reads the mean over the tokens is shown with the mean so far.

    Raises
    ------
    LlmclfError
        The classifier reads neither at the last token nor the mean, so the rows before the last say nothing about it.
    """
    if classifier.model.pooling not in ("last_token", "mean"):
        raise LlmclfError(f"a classifier that reads at {classifier.model.pooling!r} cannot be read along")
    tokenizer, model = classifier.tokenizer, classifier.model.eval()
    input_ids = encode(tokenizer, text)
    kept = input_ids[: classifier.max_length]
    logits = model.token_logits(torch.tensor([kept], device=model.device))[0].float().cpu()  # (tokens, classes)
    if classifier.model.pooling == "mean":
        logits = logits.cumsum(dim=0) / torch.arange(1, len(kept) + 1)[:, None]
    probabilities = classifier.decision.probabilities(logits).numpy()
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
    [label] = classifier.answers(probabilities[-1:])
    return TokenProbabilities(
        text, label, list(classifier.label_names), pieces, probabilities[last], len(input_ids) - len(kept)
    )


def render(reading: TokenProbabilities, name: str, threshold: float = 0.5) -> str:
    """A reading as HTML that needs no style sheet and no script; user text in it is text, whatever it says.

    Parameters
    ----------
    reading
        From `token_probabilities`.
    name
        The class whose probability is shown, such as "spam".
    threshold
        From this probability on the text is called `name`.
    """
    course = reading.probability_of(name)
    verdict = verdict_of(reading, name, threshold)
    rest = describe(reading, name, threshold).removeprefix(verdict)
    ground = CALLED if verdict == name else PASSED
    style = f"display:inline-block;padding:0 0.4em;border-radius:0.2em;font-size:1.6em;color:#fff;background:{ground}"
    words = f'<p style="margin:0.6em 0 0.3em"><strong style="{style}">{escape(verdict)}</strong>{escape(rest)}</p>'
    text = highlight(reading, course) + legend(name, other_than(reading, name))
    pictures = f"{bar(float(course[-1]), threshold)}{text}{curve(course, name, threshold)}"
    return f'<div style="max-width:44em;margin-bottom:2em">{words}{pictures}</div>'


def describe(reading: TokenProbabilities, name: str, threshold: float = 0.5) -> str:
    """A reading as a sentence, for the eye and for a screen reader: "spam: probability of spam 98.0 %, …"."""
    chance = percent(float(reading.probability_of(name)[-1]))
    cut = f" The last {reading.left_out:,} tokens were not read: the text is too long." if reading.left_out else ""
    verdict = verdict_of(reading, name, threshold)
    return f"{verdict}: probability of {name} {chance}, threshold {100 * threshold:.0f} %.{cut}"


def verdict_of(reading: TokenProbabilities, name: str, threshold: float) -> str:
    """The name, or what a text is that is not called so."""
    return name if reading.probability_of(name)[-1] >= threshold else other_than(reading, name)


def other_than(reading: TokenProbabilities, name: str) -> str:
    """The other class; with more than two, "not" this one."""
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
        f'<svg {SVG} viewBox="0 0 440 28" height="28" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="440" height="28" fill="#e6e6e6"/>'
        f'<rect width="{440 * share:.1f}" height="28" fill="{RAISES}"/>'
        f'<path d="M{440 * threshold:.1f} 0V28" stroke="#000" stroke-width="4" {THIN}/></svg>'
    )


def highlight(reading: TokenProbabilities, course: np.ndarray) -> str:
    """The text, each piece on a ground that tells how it moved the probability; arrows behind the strongest moves."""
    moves = np.diff(course, prepend=course[:1])
    signs = arrows(reading.pieces, moves)
    spans = []
    for place, (piece, move, so_far) in enumerate(zip(reading.pieces, moves, course, strict=True)):
        color = f"rgba({'213,94,0' if move > 0 else '0,114,178'},{min(0.6, abs(move)):.2f})"
        mark = f"<sup>{signs[place]}</sup>" if place in signs else ""
        spans.append(
            f'<span style="background:{color}" title="{percent(float(so_far))}">{printable(piece)}</span>{mark}'
        )
    return (
        '<p dir="auto" style="line-height:1.9;font-size:1.05em;overflow-wrap:anywhere;white-space:pre-wrap;color:#000;'
        f'background:#fff;padding:0.4em">{"".join(spans)}</p>'
    )


def legend(name: str, other: str) -> str:
    """What the two grounds mean."""
    keys = "".join(
        f'<span style="display:inline-block;width:0.9em;height:0.9em;margin:0 0.3em 0 0.6em;background:{color}"></span>'
        f"towards {escape(label)}"
        for color, label in ((RAISES, name), (LOWERS, other))
    )
    return f'<p style="font-size:0.85em">{keys}</p>'


def arrows(pieces: Sequence[str], moves: np.ndarray) -> dict[int, str]:
    """Behind which pieces an arrow stands: of the strongest moves, at the end of their word, and never inside one."""
    signs = {}
    for place in np.argsort(-abs(moves), kind="stable")[:STRONGEST]:
        if abs(moves[place]) >= 0.1:
            end = int(place)
            while end + 1 < len(pieces) and pieces[end + 1][:1].isalnum():
                end += 1
            signs[end] = "▲" if moves[place] > 0 else "▼"
    return signs


def printable(piece: str) -> str:
    """Escaped for HTML; what would be invisible or turn the text round becomes signs that can be seen."""
    return escape(piece.translate(SIGNS))


def token_table(reading: TokenProbabilities, name: str) -> str:
    """The same in numbers: each piece, the probability after it, and how it moved that, in percentage points."""
    course = reading.probability_of(name)
    moves = ["", *(f"{100 * move:+.1f}" for move in np.diff(course))]
    rows = ""
    for piece, share, move in zip(reading.pieces, course, moves, strict=True):
        token = printable(piece) if piece.strip() else "(space)"
        rows += f'<tr><th scope="row">{token}</th><td>{percent(float(share))}</td><td>{move}</td></tr>'
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in ("token", f"{name} so far", "moved by, points"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def curve(course: np.ndarray, name: str, threshold: float) -> str:
    """The probability over the pieces of the text, with its axis; dashed the threshold."""
    course_or_level = course if len(course) > 1 else course.repeat(2)
    across = np.linspace(0, 440, len(course_or_level))
    points = " ".join(f"{x:.1f},{100 - 100 * y:.1f}" for x, y in zip(across, course_or_level, strict=True))
    words = (
        f"Probability of {escape(name)} from the first token to the last: begins at {percent(float(course[0]))}, "
        f"highest {percent(float(course.max()))}, ends at {percent(float(course[-1]))}."
    )
    column = "display:flex;flex-direction:column;justify-content:space-between;flex:none;width:4em;text-align:right"
    return (
        '<div style="display:flex;gap:0.4em;height:7.5em">'
        f'<div aria-hidden="true" style="{column};font-size:0.85em;line-height:1">'
        "<span>100 %</span><span>50 %</span><span>0 %</span></div>"
        f'<svg {SVG} viewBox="0 0 440 100" preserveAspectRatio="none" role="img" aria-label="{words}" '
        'style="flex:1;min-width:0;height:100%;overflow:visible">'
        f'<path d="M0 0H440M0 50H440M0 100H440" stroke="currentColor" stroke-opacity="0.25" {THIN}/>'
        f'<path d="M0 {100 - 100 * threshold:.1f}H440" stroke="currentColor" stroke-dasharray="3 4" {THIN}/>'
        f'<polyline points="{points}" fill="none" stroke="{RAISES}" stroke-width="3" {THIN}/></svg></div>'
    )
