"""Draw the untrained head's logits for a short message, the row that is read marked; writes output_row.svg."""

from pathlib import Path

import torch
from _svg import EDGE, QUIET, VERMILION, Drawing

from llmclf.head import Classifier
from llmclf.tokenizer import encode, load_tokenizer
from llmclf.weights import load_pretrained

BACKBONE, TEXT = "smollm2-135M", "Do you have time"
ROW, TOP = 44, 50


def draw() -> Drawing:
    tokenizer = load_tokenizer(BACKBONE)
    input_ids = encode(tokenizer, TEXT)
    with torch.inference_mode():
        classifier = Classifier(load_pretrained(BACKBONE), precision="float32")
        logits = classifier.token_logits(torch.tensor([input_ids]))[0]  # (tokens, classes)
    last = len(input_ids) - 1
    drawing = Drawing(
        480,
        TOP + ROW * len(input_ids) + 66,
        "The row of the output that is read",
        f"A row of two logits for each token of '{TEXT}'. The last row, whose token has seen all the others, is read.",
    )
    for x, words, end in ((24, "token", False), (164, "ham", True), (250, "spam", True), (284, "has seen", False)):
        drawing.text(x, 34, words, color=QUIET, end=end)
    for place, row in enumerate(logits.tolist()):
        top, read = TOP + ROW * place, place == last
        edge, fill = (VERMILION, "#fbe8dc") if read else (EDGE, "#fafafa")
        drawing.box(14, top, 452, 36, fill=fill, edge=edge)
        drawing.text(24, top + 24, tokenizer.decode([input_ids[place]]).strip(), bold=True)
        for x, logit in zip((164, 250), row, strict=True):
            drawing.text(x, top + 24, f"{logit:.2f}".replace("-", "−"), bold=read, end=True)
        drawing.text(284, top + 24, tokenizer.decode(input_ids[: place + 1]), color=QUIET)
    bottom = TOP + ROW * len(input_ids)
    drawing.text(38, bottom + 28, "↑ this row is read: it has seen every token", bold=True)
    drawing.text(38, bottom + 50, f"logits of {BACKBONE} with an untrained head", color=QUIET)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("output_row.svg"))
