"""Draw what evaluation adds to the three stages of the project; writes evaluation.svg beside itself."""

from pathlib import Path

from _svg import BLUE, GREEN, PURPLE, VERMILION, Drawing

STAGES = (
    (20, "Prepare", "data and model", BLUE, "#e5f1f8"),
    (202, "Fine-tune", "step by step", VERMILION, "#fbe8dc"),
    (384, "Use", "on new messages", GREEN, "#e2f4ee"),
)
EVALUATIONS = (
    (118, "Before training", "a few batches of each set", "No better than a coin?"),
    (230, "During training", "training and validation set", "Does the loss still fall?"),
    (342, "After training", "the whole test set, once", "How good on new texts?"),
)
MIDDLE = 104  # of the stages' lane


def draw() -> Drawing:
    drawing = Drawing(
        480,
        462,
        "What evaluation adds to the three stages",
        "The model is measured before, during and after fine-tuning: loss and accuracy, each time on other messages.",
    )
    for number, (top, name, words, edge, fill) in enumerate(STAGES):
        drawing.box(16, top, 176, 58, fill=fill, edge=edge)
        drawing.text(MIDDLE, top + 25, name, size=17, bold=True, middle=True)
        drawing.text(MIDDLE, top + 46, words, middle=True)
        if number < len(STAGES) - 1:
            drawing.arrow_down(MIDDLE, top + 62, STAGES[number + 1][0] - 3)
    drawing.text(357, 37, "Evaluate", size=17, bold=True, middle=True)
    drawing.text(357, 58, "loss and accuracy", middle=True)
    for number, (middle, when, messages, question) in enumerate(EVALUATIONS):
        drawing.box(246, middle - 44, 222, 88, fill="#f6eaf2", edge=PURPLE)
        drawing.text(256, middle - 19, when, bold=True)
        drawing.text(256, middle + 4, messages)
        drawing.text(256, middle + 28, question)
        left = 194 if number == 1 else MIDDLE  # beside the stage, or on the way between two
        drawing.path(f"M{left} {middle} H241 M235 {middle - 5} L243 {middle} L235 {middle + 5}")
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("evaluation.svg"))
