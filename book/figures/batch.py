"""Draw the first training batch: eight rows, what is message and what padding; writes batch.svg beside itself."""

from pathlib import Path

from _svg import BLUE, INK, PURPLE, QUIET, VERMILION, Drawing

from llmclf import data
from llmclf.loaders import make_loaders
from llmclf.tokenizer import gpt2_tokenizer

LEFT, WIDTH, TOP, ROW, BAR = 90, 324, 76, 30, 22
FRAME, GAP = "#b0b0b0", "#ffffff"


def draw() -> Drawing:
    balanced = data.undersample(data.read_sms())
    splits = data.split(data.encode_labels(balanced, data.SMS_LABELS))
    batch = next(iter(make_loaders(splits, gpt2_tokenizer(), padding="fixed").train))
    rows, width = batch.input_ids.shape
    longest = max(batch.lengths.tolist())
    unit, bottom = WIDTH / width, TOP + ROW * rows
    drawing = Drawing(
        480,
        bottom + 68,
        "One batch of eight",
        f"{rows} rows of {width} token ids: filled bars are messages, empty frames padding; label and length.",
    )
    drawing.text(16, 30, "labels", bold=True)
    drawing.text(16, 52, f"({rows},)", color=QUIET)
    drawing.text(LEFT, 30, "input_ids", bold=True)
    drawing.text(LEFT, 52, f"({rows}, {width})", color=QUIET)
    drawing.text(464, 30, "lengths", bold=True, end=True)
    drawing.text(464, 52, f"({rows},)", color=QUIET, end=True)
    for row, (label, length) in enumerate(zip(batch.labels.tolist(), batch.lengths.tolist(), strict=True)):
        top = TOP + ROW * row
        name, fill, edge = ("spam", "#fbe8dc", VERMILION) if label else ("ham", "#e5f1f8", BLUE)
        drawing.box(14, top, 64, BAR, fill=fill, edge=edge, radius=4)
        drawing.text(46, top + 16, f"{label} {name}", middle=True)
        drawing.box(LEFT, top, WIDTH, BAR, fill="#ffffff", edge=FRAME, radius=2)
        bar(drawing, LEFT, top, length, unit)
        drawing.text(464, top + 16, str(length), color=INK, end=True)
    line = LEFT + unit * longest
    dashes = " ".join(f"M{line:.1f} {top} v7" for top in range(TOP - 6, bottom - 4, 12))
    drawing.path(dashes, PURPLE)
    drawing.text(line, bottom + 16, "longest of these eight", color=INK, middle=True)
    bar(drawing, LEFT, bottom + 40, 20 / unit, unit)
    drawing.text(LEFT + 28, bottom + 56, "message")
    drawing.box(LEFT + 110, bottom + 40, 20, BAR, fill="#ffffff", edge=FRAME, radius=2)
    drawing.text(LEFT + 138, bottom + 56, "padding")
    return drawing


def bar(drawing: Drawing, left: float, top: float, length: float, unit: float) -> None:
    """The tokens of one message, told apart by fine lines."""
    drawing.box(left, top, length * unit, BAR, fill=BLUE, edge=BLUE, radius=2)
    cuts = (left + unit * token for token in range(1, round(length)))
    drawing.path(" ".join(f"M{cut:.1f} {top + 1} v{BAR - 2}" for cut in cuts), GAP, width=0.6)


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("batch.svg"))
