"""Draw how the two logits of a real message become a label; writes logits_to_label.svg beside itself.

The model is the one of chapter 5: pretrained, its head still random. The picture shows its real numbers.
"""

from pathlib import Path

import torch
from _svg import BLUE, EDGE, QUIET, VERMILION, Drawing

from llmclf.data import SMS_LABELS
from llmclf.head import Classifier
from llmclf.loaders import pad_batch
from llmclf.tokenizer import encode, load_tokenizer
from llmclf.weights import choose_backbone, load_pretrained

MESSAGE = "Win a £1000 cash prize or a prize worth £5000"
COLUMNS = ((138, BLUE, "#e5f1f8"), (264, VERMILION, "#fbe8dc"))
WIDTH, MIDDLE = 114, 258  # of a column, and between the two


@torch.inference_mode()
def logits_of(backbone: str) -> torch.Tensor:
    """The message's logits, (classes,)."""
    tokenizer = load_tokenizer(backbone)
    model = Classifier(load_pretrained(backbone), precision="float32").eval()
    batch = pad_batch([(encode(tokenizer, MESSAGE), 1)], pad_token_id=tokenizer.eot_token)
    return model(batch.input_ids, batch.lengths)[0]


def draw() -> Drawing:
    backbone = choose_backbone()
    logits = logits_of(backbone)
    probabilities, winner = logits.softmax(dim=0).tolist(), int(logits.argmax())
    answer = SMS_LABELS[winner]
    drawing = Drawing(
        480,
        424,
        "From logits to label",
        f"The message '{MESSAGE}' gets two logits; softmax makes probabilities of them; the place of the larger one, "
        f"{winner}, means {answer}.",
    )
    drawing.box(16, 16, 448, 42, fill="#fafafa", edge=EDGE)
    drawing.text(240, 42, MESSAGE, middle=True)
    drawing.arrow_down(MIDDLE, 62, 94)
    drawing.text(MIDDLE + 14, 83, "model with untrained head", color=QUIET)

    drawing.text(18, 126, "logits", bold=True)
    drawing.text(18, 222, "probabilities", bold=True)
    drawing.text(18, 324, "label", bold=True)
    for place, (left, edge, fill) in enumerate(COLUMNS):
        name = f"{place} {SMS_LABELS[place]}"
        drawing.box(left, 98, WIDTH, 52, fill=fill, edge=edge)
        drawing.text(left + WIDTH / 2, 118, name, color=QUIET, middle=True)
        logit = f"{logits[place]:.2f}".replace("-", "\N{MINUS SIGN}")
        drawing.text(left + WIDTH / 2, 140, logit, size=17, bold=place == winner, middle=True)
        drawing.box(left, 192, WIDTH * probabilities[place], 52, fill=fill, edge="none")
        drawing.box(left, 192, WIDTH, 52, fill="none", edge=edge)
        drawing.text(left + WIDTH / 2, 224, f"{probabilities[place]:.1%}", size=17, bold=place == winner, middle=True)
    drawing.arrow_down(MIDDLE, 154, 188)
    drawing.text(MIDDLE + 14, 176, "softmax", color=QUIET)
    drawing.arrow_down(MIDDLE, 248, 288)
    drawing.text(MIDDLE + 14, 272, "argmax", color=QUIET)

    left, edge, fill = COLUMNS[winner]
    drawing.box(MIDDLE - 66, 292, 132, 52, fill=fill, edge=edge)
    drawing.text(MIDDLE, 324, f"{winner} → {answer}", size=19, bold=True, middle=True)
    drawing.path("M382 124 H394 V318 H330 M338 313 L328 318 L338 323")
    for line, words in enumerate(("argmax", "gives the", "same", "place")):
        drawing.text(402, 194 + 20 * line, words, color=QUIET)
    drawing.text(18, 376, "This message is spam. The head was never trained:", color=QUIET)
    drawing.text(18, 398, f"its answer is chance ({backbone}).", color=QUIET)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("logits_to_label.svg"))
