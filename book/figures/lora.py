"""Draw LoRA: a frozen matrix and a correction through a bottleneck beside it: writes lora.svg."""

from pathlib import Path

from _svg import BLUE, QUIET, VERMILION, Drawing


def draw() -> Drawing:
    drawing = Drawing(
        470,
        330,
        "A linear layer with a LoRA correction",
        "The input goes two ways: through the large frozen matrix W, and through the narrow trained matrices A and B. "
        "Both results are added.",
    )
    drawing.box(140, 18, 190, 36, fill="#ffffff", edge=QUIET)
    drawing.text(235, 42, "input, n values", middle=True)
    drawing.path("M180 54 V86 M175 78 L180 86 L185 78")
    drawing.path("M330 36 H365 V86 M360 78 L365 86 L370 78")
    drawing.box(40, 88, 240, 130, fill="#eef1f3", edge=QUIET)
    drawing.text(160, 148, "W, frozen", middle=True, bold=True)
    drawing.text(160, 172, "n × m weights", middle=True)
    drawing.box(310, 88, 110, 36, fill="#e5f1f8", edge=BLUE)
    drawing.text(365, 112, "A, trained", middle=True)
    drawing.path("M365 124 V138 M360 130 L365 138 L370 130")
    drawing.box(341, 140, 48, 26, fill="#fbe8dc", edge=VERMILION)
    drawing.text(365, 158, "rank", middle=True)
    drawing.path("M365 166 V180 M360 172 L365 180 L370 172")
    drawing.box(310, 182, 110, 36, fill="#e5f1f8", edge=BLUE)
    drawing.text(365, 206, "B, trained", middle=True)
    drawing.path("M160 218 V262 H226")
    drawing.path("M365 218 V262 H244")
    drawing.box(220, 247, 30, 30, fill="#ffffff", edge=QUIET, radius=15)
    drawing.text(235, 268, "+", size=20, middle=True)
    drawing.path("M235 277 V290 M230 283 L235 291 L240 283")
    drawing.text(235, 312, "output, m values", middle=True)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("lora.svg"))
