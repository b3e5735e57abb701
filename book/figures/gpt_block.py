"""Draw the parts of a GPT, and what differs between GPT-2 and SmolLM2; writes gpt_block.svg beside itself."""

from pathlib import Path

from _svg import BLUE, EDGE, GREEN, INK, PURPLE, QUIET, VERMILION, Drawing

from llmclf.models import GPT2_SIZES, SMOLLM2_135M

MODEL, BLOCK = 98, 338  # the middles of the two columns
PATH = 238  # where the residual path runs
DIFFERENCES = (  # part, GPT-2, SmolLM2
    ("A position", "is added here", "inside attention"),
    ("B norm", "LayerNorm", "RMSNorm"),
    ("C attention", "keys, values for", "heads share them,"),
    ("", "every head", "turned by position"),
    ("D MLP", "GELU", "SwiGLU, a gate"),
)


def draw() -> Drawing:
    layers = [size.num_layers for size in GPT2_SIZES.values()]
    blocks = ("blocks", f"{min(layers)} to {max(layers)}", str(SMOLLM2_135M.num_layers))
    drawing = Drawing(
        480,
        616,
        "What is inside a GPT",
        "Token ids become vectors, pass through a row of equal blocks and a final norm, and the vocabulary head gives "
        "the logits. In a block, attention and then the MLP each read a normalised copy and add what they found. "
        "A table below names what differs between GPT-2 and SmolLM2.",
    )
    drawing.text(MODEL, 30, "The model", size=17, bold=True, middle=True)
    drawing.text(BLOCK, 30, "One block", size=17, bold=True, middle=True)
    draw_model(drawing)
    draw_block(drawing)
    draw_table(drawing, 428, (blocks, *DIFFERENCES))
    return drawing


def draw_model(drawing: Drawing) -> None:
    drawing.text(MODEL, 60, "token ids", middle=True)
    part(drawing, MODEL, 82, 156, "embeddings", "A", BLUE, "#e5f1f8")
    for shift in (10, 5, 0):  # a pile
        drawing.box(20 + shift, 152 - shift, 156, 44, fill="#f4f4f4", edge=INK)
    drawing.text(MODEL, 179, "N blocks", size=16, bold=True, middle=True)
    part(drawing, MODEL, 222, 156, "final norm", "B", GREEN, "#e2f4ee")
    part(drawing, MODEL, 284, 156, "vocabulary head", "", PURPLE, "#f6eaf2")
    drawing.text(MODEL, 362, "logits: a score for", middle=True)
    drawing.text(MODEL, 382, "every token there is", middle=True)
    for top, bottom in ((66, 80), (120, 140), (198, 220), (260, 282), (322, 344)):
        drawing.arrow_down(MODEL, top, bottom)
    drawing.path("M188 150 L206 46 M188 196 L206 398", EDGE)  # what lies between the lines is one block


def draw_block(drawing: Drawing) -> None:
    drawing.box(206, 44, 258, 356, fill="#fafafa", edge=INK)
    drawing.path(f"M{PATH} 52 V382", INK, width=3)
    drawing.path(f"M{PATH - 6} 382 L{PATH} 392 L{PATH + 6} 382", INK, width=3)
    for top, name, letter, edge, fill in (
        (64, "attention", "C", VERMILION, "#fbe8dc"),
        (226, "MLP", "D", BLUE, "#e5f1f8"),
    ):
        drawing.path(f"M{PATH} {top + 2} H350 V{top + 14}")
        part(drawing, 350, top + 14, 170, "norm", "B", GREEN, "#e2f4ee")
        drawing.arrow_down(350, top + 54, top + 72)
        part(drawing, 350, top + 74, 170, name, letter, edge, fill)
        drawing.path(f"M350 {top + 112} V{top + 132} H{PATH + 15}")
        drawing.box(PATH - 12, top + 120, 24, 24, fill="#ffffff", edge=INK, radius=12)
        drawing.text(PATH, top + 138, "+", size=20, bold=True, middle=True)


def part(drawing: Drawing, middle: float, top: float, width: float, name: str, mark: str, edge: str, fill: str) -> None:
    drawing.box(middle - width / 2, top, width, 38, fill=fill, edge=edge)
    drawing.text(middle, top + 25, name, size=16, middle=True)
    drawing.text(middle + width / 2 - 18, top + 25, mark, bold=True, color=QUIET)


def draw_table(drawing: Drawing, top: float, rows: tuple[tuple[str, str, str], ...]) -> None:
    for x, words in ((140, "GPT-2"), (306, "SmolLM2")):
        drawing.text(x, top + 12, words, bold=True)
    for place, row in enumerate(rows):
        y = top + 40 + 26 * place
        if row[0]:
            drawing.path(f"M20 {y - 19} H460", EDGE, width=1)
        for x, words in zip((20, 140, 306), row, strict=True):
            drawing.text(x, y, words, color=INK if x > 20 else QUIET)


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("gpt_block.svg"))
