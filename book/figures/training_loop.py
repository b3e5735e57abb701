"""Draw the training loop: writes training_loop.svg beside itself."""

from pathlib import Path

from _svg import BLUE, GREEN, PURPLE, QUIET, VERMILION, Drawing

STEPS = (
    ("1  Forward", "the model gives logits for a batch", BLUE, "#e5f1f8"),
    ("2  Loss", "how far they are from the labels", VERMILION, "#fbe8dc"),
    ("3  Backward", "clear old gradients, compute new ones", PURPLE, "#f6eaf2"),
    ("4  Step", "the optimizer moves the weights", GREEN, "#e2f4ee"),
)


def draw() -> Drawing:
    drawing = Drawing(
        470,
        464,
        "The training loop",
        "Forward, loss, backward, step; then the next batch. Losses are measured every fifty steps.",
    )
    drawing.text(204, 34, "a batch of messages and labels", color=QUIET, middle=True)
    drawing.arrow_down(204, 44, 66)
    for number, (name, words, edge, fill) in enumerate(STEPS):
        top = 70 + 80 * number
        drawing.box(44, top, 320, 56, fill=fill, edge=edge)
        drawing.text(60, top + 24, name, size=16, bold=True)
        drawing.text(60, top + 45, words)
        if number < len(STEPS) - 1:
            drawing.arrow_down(204, top + 58, top + 78)
    drawing.path("M366 338 H388 V98 H370")
    drawing.path("M376 92 L368 98 L376 104")
    drawing.text(396, 212, "next", color=QUIET)
    drawing.text(396, 232, "batch", color=QUIET)
    for line, words in enumerate(
        (
            "every fifty steps: measure the losses",
            "after each epoch: measure the accuracies",
            "after five epochs: stop",
        )
    ):
        drawing.text(235, 400 + 23 * line, words, color=QUIET, middle=True)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("training_loop.svg"))
