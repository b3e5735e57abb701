"""Draw how lines of the file become rows of a table; writes raw_table.svg beside itself."""

from pathlib import Path

from _svg import BLUE, INK, QUIET, VERMILION, Drawing

from llmclf import data


def draw() -> Drawing:
    table = data.read_sms()
    rows = table.index[:3]
    drawing = Drawing(
        480,
        214,
        "The raw table",
        "Three messages as rows of a table with the columns row number, label and text.",
    )
    drawing.text(20, 34, "row", color=QUIET)
    drawing.text(72, 34, "label", color=QUIET)
    drawing.text(140, 34, "text", color=QUIET)
    for place, row in enumerate(rows):
        label, text = table.loc[row, ["label", "text"]]
        spam = label == "spam"
        top = 48 + 52 * place
        drawing.box(62, top, 60, 40, fill="#fbe8dc" if spam else "#e5f1f8", edge=VERMILION if spam else BLUE)
        drawing.box(130, top, 334, 40, fill="#fafafa", edge="#d0d0d0")
        drawing.text(20, top + 26, str(row), color=QUIET)
        drawing.text(92, top + 26, label, bold=True, middle=True)
        drawing.text(142, top + 26, text if len(text) <= 36 else text[:36].rstrip(" .") + " …", color=INK)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("raw_table.svg"))
