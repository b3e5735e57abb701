"""Draw a fine-tuned classifier reading two messages token by token; writes finished_classifier.svg beside itself.

The classifier is the one that chapter 6 saves: the picture shows its real probabilities.
"""

import sys
from pathlib import Path

from _svg import EDGE, INK, QUIET, VERMILION, Drawing

from llmclf.classify import TextClassifier
from llmclf.interactive.token_probabilities import TokenProbabilities, token_probabilities

FOLDER = Path(__file__).parents[1] / "output" / "full" / "classifier"
MESSAGES = (
    "You are a winner you have been specially selected to receive 1000 cash or a 2000 award.",
    "Hey, just wanted to check if we're still on for dinner tonight? Let me know!",
)
LETTER, ROW, RIGHT = 8.4, 54, 462  # widths and heights in the drawing's units


def describe(reading: TokenProbabilities) -> str:
    """The answer, its percentage never rounded to certainty."""
    probability = reading.probability_of(reading.label)[-1]
    return f"{reading.label}, {'over 99.9%' if probability > 0.999 else f'{probability:.1%}'}"


def draw(classifier: TextClassifier) -> Drawing:
    readings = [token_probabilities(classifier, text) for text in MESSAGES]
    answers = [describe(reading) for reading in readings]
    title = "The finished classifier reads two messages"
    summary = "; ".join(f"'{text}' is {answer}" for text, answer in zip(MESSAGES, answers, strict=True))
    drawing = Drawing(480, 346, title, f"{summary}. A bar under each token shows the probability of spam so far.")
    top = 34
    for reading, answer in zip(readings, answers, strict=True):
        x = 18.0
        for token, probability in zip(reading.pieces, map(float, reading.probability_of("spam")), strict=True):
            width = LETTER * len(token)
            if x + width > RIGHT:
                x, top, token = 18.0, top + ROW, token.lstrip()
                width = LETTER * len(token)
            drawing.monospace(x, top, token, width)
            drawing.box(x, top + 8, width - 1, 22, fill="#f4f4f4", edge="none", radius=0)
            drawing.box(
                x, top + 8 + 22 * (1 - probability), width - 1, 22 * probability, fill=VERMILION, edge="none", radius=0
            )
            x += width
        drawing.text(18, top + 54, f"→ {answer}", size=17, bold=True, color=INK)
        top += 104
    drawing.box(18, 314, 14, 14, fill=VERMILION, edge=EDGE, radius=0)
    drawing.text(40, 326, f"probability of spam after each token ({classifier.backbone})", color=QUIET)
    return drawing


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    trained = TextClassifier.load(folder, device="cpu", precision="float32")
    draw(trained).save(Path(__file__).with_name("finished_classifier.svg"))
