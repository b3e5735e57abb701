"""Draw the stages of a whole LLM project, and which of them this book does; writes project.svg beside itself."""

from pathlib import Path

from _svg import BLUE, EDGE, INK, QUIET, VERMILION, Drawing

STAGE, GAP = 68, 42  # heights of a stage and of the arrow below it
PARTS = (
    (
        "Done by others, before you begin",
        BLUE,
        "#e5f1f8",
        (
            ("Collect text", "web pages, books, code: as much as can be had", "text"),
            ("Pretrain", "guess the next token, over and over", "pretrained model"),
        ),
    ),
    (
        "Done by you, in this book",
        VERMILION,
        "#fbe8dc",
        (
            ("Fine-tune", "learn one task from examples with answers", "classifier"),
            ("Use", "read new messages and label each of them", ""),
        ),
    ),
)


def draw() -> Drawing:
    part_height = 46 + 2 * STAGE + GAP + 12
    drawing = Drawing(
        460,
        24 + 2 * part_height + GAP,
        "The stages of a whole LLM project",
        "Others collect text and pretrain a model on it. This book fine-tunes the pretrained model and uses it.",
    )
    top = 12
    for who, edge, fill, stages in PARTS:
        drawing.box(14, top, 432, part_height, fill=fill, edge=edge)
        drawing.text(30, top + 30, who, size=16, bold=True, color=INK)
        stage_top = top + 46
        for name, what, result in stages:
            drawing.box(28, stage_top, 404, STAGE, fill="#ffffff", edge=EDGE)
            drawing.text(44, stage_top + 28, name, size=18, bold=True)
            drawing.text(44, stage_top + 52, what)
            stage_top += STAGE
            if result:
                below = stage_top + 3, stage_top + GAP - 4
                if name == "Pretrain":  # from one part to the next
                    below = top + part_height + 3, top + part_height + GAP - 4
                drawing.arrow_down(100, *below)
                drawing.text(120, (below[0] + below[1]) / 2 + 5, result, color=QUIET)
            stage_top += GAP
        top += part_height + GAP
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("project.svg"))
