"""Draw the four stages of the book and the chapters in each: run from anywhere, writes stages.svg beside itself."""

from pathlib import Path

from _svg import BLUE, GREEN, INK, PURPLE, QUIET, VERMILION, Drawing

STAGES = (
    (
        "1",
        "Prepare",
        BLUE,
        "#e5f1f8",
        ("1 The dataset", "2 Loaders", "3 The pretrained model", "4 The classification head"),
    ),
    ("2", "Fine-tune", VERMILION, "#fbe8dc", ("5 Loss and accuracy", "6 Fine-tuning")),
    ("3", "Use", GREEN, "#e2f4ee", ("7 Classifying messages",)),
    ("4", "Doubt", PURPLE, "#f6eaf2", ("8 How good is it really?", "9 Another task", "10 Experiments")),
    ("5", "Grow", BLUE, "#e5f1f8", ("11 Growing up",)),
)


def draw() -> Drawing:
    height = 24 + sum(52 + 24 * len(chapters) for *_, chapters in STAGES) + 26 * (len(STAGES) - 1)
    drawing = Drawing(
        440,
        height,
        "The five stages of this book",
        "Prepare data and model in chapters 1 to 4, fine-tune in chapters 5 and 6, use the classifier in chapter 7, "
        "judge it and its recipe in chapters 8 to 10, and leave the laptop in chapter 11.",
    )
    top = 12
    for number, title, edge, fill, chapters in STAGES:
        box_height = 52 + 24 * len(chapters)
        drawing.box(14, top, 412, box_height, fill=fill, edge=edge)
        drawing.text(32, top + 30, f"Stage {number}", color=QUIET)
        drawing.text(102, top + 30, title, size=19, bold=True)
        for line, chapter in enumerate(chapters):
            drawing.text(102, top + 58 + 24 * line, chapter, size=16, color=INK)
        top += box_height
        if number != STAGES[-1][0]:
            drawing.arrow_down(220, top + 3, top + 24)
        top += 26
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("stages.svg"))
