"""Draw two instruction-tuning examples: question and answer are both text; writes instruction.svg beside itself."""

from pathlib import Path

from _svg import BLUE, GREEN, QUIET, Drawing

EXAMPLES = (
    (
        ("Is this message an advertisement?", "Answer with yes or no.", "“Win 1000 cash now, just call us”"),
        "“Yes.”",
    ),
    (
        ("Write this message in plain English,", "with every word spelt out.", "“c u l8r @ the stn”"),
        "“See you later at the station.”",
    ),
)


def draw() -> Drawing:
    drawing = Drawing(
        460,
        408,
        "Two instruction-tuning examples",
        "First: Is this message an advertisement? Answer: Yes. Second: Write this message in plain English. "
        "Answer: See you later at the station.",
    )
    top = 16
    for (*task, message), answer in EXAMPLES:
        drawing.box(16, top, 428, 98, fill="#e5f1f8", edge=BLUE)
        drawing.text(30, top + 28, "in", color=QUIET)
        for line, words in enumerate(task):
            drawing.text(76, top + 28 + 24 * line, words)
        drawing.text(76, top + 82, message, bold=True)
        drawing.arrow_down(100, top + 101, top + 129)
        drawing.text(120, top + 121, "instruction-tuned model", color=QUIET)
        drawing.box(16, top + 132, 428, 44, fill="#e2f4ee", edge=GREEN)
        drawing.text(30, top + 159, "out", color=QUIET)
        drawing.text(76, top + 159, answer, bold=True)
        top += 200
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("instruction.svg"))
