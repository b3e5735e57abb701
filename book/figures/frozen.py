"""Draw what has to be computed in five epochs, plainly and with cached features: writes frozen.svg."""

from pathlib import Path

from _svg import BLUE, QUIET, VERMILION, Drawing

BLOCKS, EPOCHS, CELL, TOP = 12, 5, 22, 92
FROZEN, LEARNING, EMPTY = "#cfe3f0", "#f0a67c", "#ffffff"


def draw() -> Drawing:
    drawing = Drawing(
        470,
        468,
        "What has to be computed in five epochs",
        "Plainly, twelve blocks in each of five epochs. With cached features, eleven blocks once and the last one in "
        "each epoch.",
    )
    drawing.text(118, 34, "the whole model,", size=16, bold=True, middle=True)
    drawing.text(118, 56, "five times", size=16, bold=True, middle=True)
    drawing.text(340, 34, "the frozen part once,", size=16, bold=True, middle=True)
    drawing.text(340, 56, "then only the last", size=16, bold=True, middle=True)
    for epoch in range(EPOCHS):
        for block in range(BLOCKS):
            cell(drawing, 64 + epoch * CELL, block, LEARNING if block == BLOCKS - 1 else FROZEN)
    for block in range(BLOCKS - 1):
        cell(drawing, 250, block, FROZEN)
    for epoch in range(EPOCHS):
        cell(drawing, 290 + epoch * CELL, BLOCKS - 1, LEARNING)
    for left in (64, 290):
        for epoch in range(EPOCHS):
            drawing.text(left + epoch * CELL + 10, TOP + BLOCKS * CELL + 20, str(epoch + 1), color=QUIET, middle=True)
        drawing.text(left + EPOCHS * CELL / 2, TOP + BLOCKS * CELL + 40, "epoch", color=QUIET, middle=True)
    drawing.text(260, TOP + BLOCKS * CELL + 20, "once", color=QUIET, middle=True)
    for block in (0, BLOCKS - 1):
        drawing.text(52, TOP + (block + 1) * CELL - 6, str(block), color=QUIET, middle=True)
    drawing.text(20, TOP + 6 * CELL, "block", color=QUIET)
    drawing.box(64, 422, 18, 18, fill=FROZEN, edge=BLUE, radius=3)
    drawing.text(90, 437, "frozen block")
    drawing.box(230, 422, 18, 18, fill=LEARNING, edge=VERMILION, radius=3)
    drawing.text(239, 436, "•", middle=True)
    drawing.text(256, 437, "last block, which learns")
    return drawing


def cell(drawing: Drawing, left: float, block: int, fill: str) -> None:
    """One block in one epoch; what learns carries a dot, so that colour is not the only sign."""
    top = TOP + block * CELL
    drawing.box(left, top, CELL - 3, CELL - 3, fill=fill, edge=VERMILION if fill == LEARNING else BLUE, radius=3)
    if fill == LEARNING:
        drawing.text(left + (CELL - 3) / 2, top + 15, "•", middle=True)


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("frozen.svg"))
