"""Draw what evaluation adds to the three stages of the project; writes evaluation.svg beside itself."""

from pathlib import Path

from _svg import BLUE, GREEN, ORANGE, RED, Drawing

STAGES = (
    (20, "Prepare", "data and model", BLUE, "#e5f1f8"),
    (202, "Fine-tune", "step by step", ORANGE, "#fdf3dd"),
    (384, "Use", "on new messages", GREEN, "#e2f4ee"),
)
EVALUATIONS = (
    (118, "Before training", "a few batches of each set", "No better than a coin?"),
    (230, "While training", "training and validation set", "Does the loss still fall?"),
    (342, "After training", "the whole test set, once", "How good on new texts?"),
)
MIDDLE = 104  # of the stages' lane


def draw() -> Drawing:
    drawing = Drawing(
        480,
        462,
        "What evaluation adds to the three stages",
        "Before, while and after fine-tuning the model is measured: loss and accuracy, each time on other messages.",
    )
    for number, (top, name, words, edge, fill) in enumerate(STAGES):
        drawing.box(16, top, 176, 58, fill=fill, edge=edge)
        drawing.text(MIDDLE, top + 25, name, size=17, bold=True, middle=True)
        drawing.text(MIDDLE, top + 46, words, size=14, middle=True)
        if number < len(STAGES) - 1:
            drawing.arrow_down(MIDDLE, top + 62, STAGES[number + 1][0] - 3)
    drawing.text(357, 37, "Evaluate", size=17, bold=True, middle=True)
    drawing.text(357, 58, "loss and accuracy", size=14, middle=True)
    for number, (middle, when, messages, question) in enumerate(EVALUATIONS):
        drawing.box(250, middle - 44, 214, 88, fill="#fbe8dc", edge=RED)
        drawing.text(264, middle - 19, when, size=15, bold=True)
        drawing.text(264, middle + 4, messages, size=14)
        drawing.text(264, middle + 28, question, size=15)
        left = 194 if number == 1 else MIDDLE  # beside the stage, or on the way between two
        drawing.path(f"M{left} {middle} H244 M238 {middle - 5} L246 {middle} L238 {middle + 5}")
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("evaluation.svg"))
