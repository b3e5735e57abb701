"""Draw the measured seconds of fine-tuning, three ways, from `benchmarks/results`: writes why_fast.svg."""

import json
from pathlib import Path

from _svg import BLUE, GREEN, INK, ORANGE, QUIET, Drawing

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "training random-gpt2-124M.json"
WIDTH = 350  # of the longest bar


def draw() -> Drawing:
    found = json.loads(RESULTS.read_text())["medians"]
    a, b, c = (found[way]["seconds"] for way in "abc")
    trunk = found["c"]["trunk"]
    drawing = Drawing(
        470,
        300,
        "Seconds of fine-tuning, three ways",
        f"Plain {a:.0f} seconds, transformers {b:.0f}, ours {c:.0f}, of which {trunk:.0f} for the frozen part.",
    )
    bars = (
        ("(a) plain: all padded, the whole model", a, "#fdf3dd", ORANGE),
        ("(b) transformers, dynamic padding", b, "#e2f4ee", GREEN),
        ("(c) ours", c, "#e5f1f8", BLUE),
    )
    for number, (words, seconds, fill, edge) in enumerate(bars):
        top = 22 + 80 * number
        drawing.text(24, top + 16, words, size=16, bold=True)
        drawing.box(24, top + 26, WIDTH * seconds / a, 30, fill=fill, edge=edge, radius=3)
        drawing.text(32 + WIDTH * seconds / a, top + 47, f"{seconds:,.0f} s", size=16, color=INK)
    drawing.box(24, 208, WIDTH * trunk / a, 30, fill=BLUE, edge=BLUE, radius=3)
    drawing.text(24, 268, f"dark: the frozen part, computed once, {trunk:.0f} s", color=QUIET)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("why_fast.svg"))
