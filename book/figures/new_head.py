"""Draw the vocabulary head going out and the 2-class head coming in; writes new_head.svg beside itself."""

from pathlib import Path

import torch
from _svg import BLUE, QUIET, VERMILION, Drawing

from llmclf.head import new_head
from llmclf.tokenizer import encode, load_tokenizer
from llmclf.weights import load_pretrained

BACKBONE, TEXT = "smollm2-135M", "Do you have time"
LEFT, RIGHT, WIDTH = 14, 250, 216  # where the two heads stand, and how wide they are


def draw() -> Drawing:
    model, tokenizer = load_pretrained(BACKBONE), load_tokenizer(BACKBONE)
    with torch.inference_mode():
        likely = model(torch.tensor([encode(tokenizer, TEXT)]))[0, -1].topk(3).indices.tolist()
    old, new = model.head, new_head(model, 2, seed=123)
    drawing = Drawing(
        480,
        374,
        "Replacing the output layer",
        f"Embedding, {len(model.blocks)} blocks and final norm stay. The vocabulary head with {old.out_features:,} "
        f"outputs is removed, a head with {new.out_features} outputs is added.",
    )
    drawing.box(LEFT, 14, 452, 62, fill="#f4f4f4", edge=QUIET)
    drawing.text(240, 40, f"embedding, {len(model.blocks)} blocks, final norm", size=17, bold=True, middle=True)
    drawing.text(240, 63, f"stay: {new.in_features} numbers for each token", color=QUIET, middle=True)
    heads = (
        (LEFT, "is removed", "vocabulary head", old, "one for each token", BLUE, "#e5f1f8"),
        (RIGHT, "is added", "new head", new, "one for each class", VERMILION, "#fbe8dc"),
    )
    outputs = ([tokenizer.decode([number]).strip() for number in likely] + ["…"], ["ham", "spam"])
    for (x, fate, name, head, meaning, edge, fill), words in zip(heads, outputs, strict=True):
        middle, leaves = x + WIDTH / 2, head is old
        drawing.text(middle + 12, 104, fate, bold=True)
        drawing.arrow_down(middle, 80, 116)
        drawing.box(x, 120, WIDTH, 96, fill=fill, edge=edge, dashed=leaves)
        drawing.text(middle, 147, name, size=17, bold=True, middle=True)
        drawing.text(middle, 172, f"{head.in_features} → {head.out_features:,} logits", size=16, middle=True)
        drawing.text(middle, 199, meaning, color=QUIET, middle=True)
        drawing.arrow_down(middle, 220, 248)
        room = WIDTH / len(words)
        for place, word in enumerate(words):
            drawing.box(x + place * room + 2, 252, room - 4, 36, fill="#ffffff", edge=edge, dashed=leaves)
            drawing.text(x + (place + 0.5) * room, 275, word, middle=True)
    drawing.text(LEFT + WIDTH / 2, 314, "the most likely next tokens", color=QUIET, middle=True)
    drawing.text(RIGHT + WIDTH / 2, 314, "the two classes", color=QUIET, middle=True)
    drawing.text(240, 352, f"{BACKBONE} after “{TEXT}”", color=QUIET, middle=True)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("new_head.svg"))
