"""Draw which parts of the two smaller models learn, with their counts; writes trainable.svg beside itself."""

from pathlib import Path

import pandas as pd
from _svg import INK, QUIET, VERMILION, Drawing

from llmclf.head import Classifier, parameter_table
from llmclf.models.state import build
from llmclf.weights import CONFIGS

MODELS = {"gpt2-124M": 346, "smollm2-135M": 470}  # with the right edge of its column
ROW, TOP = 46, 54


def counts(name: str) -> pd.DataFrame:
    """Frozen and trainable parameters of each part, the blocks before the last one taken together."""
    table = parameter_table(Classifier(build(CONFIGS[name])))
    blocks = [part for part in table.index if part.startswith("block ")]
    table.loc["all other blocks"] = table.loc[blocks[:-1]].sum()
    return table.drop(index=blocks[:-1]).rename(index={blocks[-1]: "last block"})


def draw() -> Drawing:
    tables = {name: counts(name) for name in MODELS}
    parts = ["token embedding", "position embedding", "all other blocks", "last block", "final norm", "head"]
    learns = {part: tables["gpt2-124M"].loc[part, "trainable"] > 0 for part in parts}
    drawing = Drawing(
        480,
        TOP + ROW * len(parts) + 84,
        "Which parts are trainable",
        "Embeddings and all blocks but the last are frozen. Last block, final norm and head learn.",
    )
    for name, right in MODELS.items():
        drawing.text(right, 36, name, color=QUIET, end=True)
    drawing.text(16, 36, "part", color=QUIET)
    for place, part in enumerate(parts):
        top = TOP + ROW * place
        if learns[part]:
            drawing.box(14, top, 240, 38, fill="#fbe8dc", edge=VERMILION)
            drawing.box(14, top, 16, 38, fill=VERMILION, edge=VERMILION, radius=4)
        else:
            drawing.box(14, top, 240, 38, fill="#f4f4f4", edge=QUIET, dashed=True)
            drawing.hatch(14, top, 16, 38, color=QUIET)
        drawing.text(38, top + 24, part)
        drawing.text(246, top + 24, "learns" if learns[part] else "frozen", bold=True, end=True)
        for name, right in MODELS.items():
            count = tables[name].loc[part].sum() if part in tables[name].index else 0
            drawing.text(right, top + 24, f"{count:,}" if count else "none", end=True)
    top = TOP + ROW * len(parts) + 22
    for line, (column, words) in enumerate({"frozen": "frozen, in all", "trainable": "learns, in all"}.items()):
        drawing.text(38, top + 28 * line, words, bold=True)
        for name, right in MODELS.items():
            drawing.text(right, top + 28 * line, f"{tables[name].loc['sum', column]:,}", bold=True, color=INK, end=True)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("trainable.svg"))
