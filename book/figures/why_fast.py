"""Draw the measured seconds of fine-tuning, five ways, from `benchmarks/results`: writes why_fast.svg."""

import json
from pathlib import Path

from _svg import BLUE, GREEN, INK, QUIET, VERMILION, Drawing

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "training smollm2-135M.json"
WIDTH = 350  # of the longest bar


def draw() -> Drawing:
    found = json.loads(RESULTS.read_text())["medians"]
    seconds = {way: found[way]["seconds"] for way in ("a", "b", "b2", "c", "d")}
    drawing = Drawing(
        470,
        460,
        "Seconds of fine-tuning, five ways",
        f"Plain {seconds['a']:.0f} seconds, transformers {seconds['b']:.0f}, with bfloat16 {seconds['b2']:.0f}, ours "
        f"in float32 {seconds['c']:.0f} and in the processor's own precision {seconds['d']:.0f}.",
    )
    bars = (
        ("(a) plain: all padded, the whole model", "a", "#fbe8dc", VERMILION),
        ("(b) transformers, dynamic padding", "b", "#e2f4ee", GREEN),
        ("(b2) the same with bfloat16", "b2", "#e2f4ee", GREEN),
        ("(c) ours in float32", "c", "#e5f1f8", BLUE),
        ("(d) ours, precision chosen automatically", "d", "#e5f1f8", BLUE),
    )
    for number, (words, way, fill, edge) in enumerate(bars):
        top, width = 22 + 80 * number, WIDTH / seconds["a"]
        drawing.text(24, top + 16, words, size=16, bold=True)
        drawing.box(24, top + 26, width * seconds[way], 30, fill=fill, edge=edge, radius=3)
        if "trunk" in found[way]:
            drawing.box(24, top + 26, width * found[way]["trunk"], 30, fill=BLUE, edge=BLUE, radius=3)
        drawing.text(32 + width * seconds[way], top + 47, f"{seconds[way]:,.0f} s", size=16, color=INK)
    drawing.text(24, 436, "dark: the frozen part, computed once", color=QUIET)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("why_fast.svg"))
