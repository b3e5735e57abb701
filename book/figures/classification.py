"""Draw a classification-tuned model: a message in, one of two labels out; writes classification.svg beside itself."""

from pathlib import Path

from _svg import BLUE, EDGE, INK, QUIET, VERMILION, Drawing

MESSAGE = ("“You are a winner you have been", "specially selected to receive 1000 cash", "or a 2000 award.”")


def draw() -> Drawing:
    drawing = Drawing(
        460,
        344,
        "A classification-tuned model",
        "A message goes in. The model has two outputs, ham and spam, and exactly one of them is chosen: here spam.",
    )
    drawing.box(16, 16, 428, 96, fill="#e5f1f8", edge=BLUE)
    drawing.text(30, 44, "in", color=QUIET)
    for line, words in enumerate(MESSAGE):
        drawing.text(76, 44 + 25 * line, words, bold=True)
    drawing.arrow_down(230, 115, 141)
    drawing.box(16, 144, 428, 74, fill="#f4f4f4", edge=EDGE)
    drawing.text(230, 174, "classification-tuned model", size=17, bold=True, middle=True)
    drawing.text(230, 200, "its last layer has two outputs, one per label", middle=True)
    for middle, label, chosen in ((120, "ham", False), (340, "spam", True)):
        drawing.arrow_down(middle, 221, 251)
        edge, fill = (VERMILION, "#fbe8dc") if chosen else (EDGE, "#ffffff")
        drawing.box(middle - 104, 254, 208, 74, fill=fill, edge=edge)
        color = INK if chosen else QUIET
        drawing.text(middle, 284, label, size=19, bold=chosen, color=color, middle=True)
        drawing.text(middle, 310, "✓ chosen" if chosen else "not chosen", color=color, middle=True)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("classification.svg"))
