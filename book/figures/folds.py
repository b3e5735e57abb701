"""Draw how ten parts of a table make five folds: writes folds.svg."""

from pathlib import Path

from _svg import BLUE, GREEN, PURPLE, Drawing

FOLDS = 5


def draw() -> Drawing:
    drawing = Drawing(
        470,
        292,
        "Ten parts of a table in five folds",
        "Five rows of ten boxes. In each row two boxes judge, the next one chooses, the other seven teach; from row to "
        "row they move on by two, so that every box judges once.",
    )
    styles = {"test": ("#f6eaf2", PURPLE), "choose": ("#e2f4ee", GREEN), "teach": ("#e5f1f8", BLUE)}
    for fold in range(FOLDS):
        top = 20 + 42 * fold
        drawing.text(20, top + 22, f"fold {fold + 1}")
        for part in range(10):
            place = (part - 2 * fold) % 10
            role = "test" if place < 2 else "choose" if place == 2 else "teach"
            fill, edge = styles[role]
            left = 82 + 37 * part
            drawing.box(left, top, 32, 32, fill=fill, edge=edge, radius=4, dashed=role == "choose")
            if role == "test":
                drawing.hatch(left, top, 32, 32, color=edge)
    for left, role, words in ((82, "test", "judges"), (192, "choose", "chooses"), (312, "teach", "teaches")):
        fill, edge = styles[role]
        drawing.box(left, 244, 24, 24, fill=fill, edge=edge, radius=4, dashed=role == "choose")
        if role == "test":
            drawing.hatch(left, 244, 24, 24, color=edge)
        drawing.text(left + 34, 262, words)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("folds.svg"))
