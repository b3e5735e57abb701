"""Draw the attention that a pretrained model pays within a short message; writes causal_mask.svg beside itself."""

from pathlib import Path
from unittest.mock import patch

import torch
from _svg import BLUE, EDGE, INK, QUIET, Drawing
from torch import Tensor
from torch.nn import functional as F

from llmclf.tokenizer import encode, load_tokenizer
from llmclf.weights import load_pretrained

BACKBONE, TEXT = "smollm2-135M", "Do you have time"
LEFT, TOP, WIDTH, HEIGHT = 104, 76, 88, 50


def attention_weights(model: torch.nn.Module, input_ids: list[int]) -> Tensor:
    """How much each token takes from each, (tokens, tokens): the mean over all heads and blocks.

    The model's own attention is asked, mask and all. With the rows of the identity as values it hands out its weights.
    """
    attend, found = F.scaled_dot_product_attention, []

    def spy(query: Tensor, key: Tensor, value: Tensor, *others: object, **options: object) -> Tensor:
        identity = torch.eye(key.shape[-2]).expand(*key.shape[:-1], -1)
        found.append(attend(query, key, identity, *others, **options)[0].mean(dim=0))
        return attend(query, key, value, *others, **options)

    with torch.inference_mode(), patch.object(F, "scaled_dot_product_attention", spy):
        model(torch.tensor([input_ids]))
    return torch.stack(found).mean(dim=0)


def draw() -> Drawing:
    tokenizer = load_tokenizer(BACKBONE)
    input_ids = encode(tokenizer, TEXT)
    weights = attention_weights(load_pretrained(BACKBONE), input_ids).tolist()
    tokens = [tokenizer.decode([number]).strip() for number in input_ids]
    drawing = Drawing(
        480,
        TOP + HEIGHT * len(tokens) + 58,
        "The causal mask",
        "A grid of four rows and four columns. Each token attends to itself and to the tokens before it. All fields "
        "above the diagonal are masked.",
    )
    drawing.text(16, TOP - 14, "the row of", color=QUIET)
    drawing.text(LEFT + 2 * WIDTH, 30, "looks at", color=QUIET, middle=True)
    for column, token in enumerate(tokens):
        drawing.text(LEFT + (column + 0.5) * WIDTH, TOP - 14, token, bold=True, middle=True)
    for row, token in enumerate(tokens):
        drawing.text(16, TOP + row * HEIGHT + 31, token, bold=True)
    fields = [(weight, row, column) for row, line in enumerate(weights) for column, weight in enumerate(line)]
    for weight, row, column in sorted(fields):  # the masked ones, of weight 0, lie beneath the others' edges
        x, top = LEFT + column * WIDTH, TOP + row * HEIGHT
        if weight == 0:
            drawing.box(x, top, WIDTH, HEIGHT, fill="#f4f4f4", edge=EDGE, radius=0)
            drawing.hatch(x, top, WIDTH, HEIGHT, color="#b0b0b0")
        else:
            drawing.box(x, top, WIDTH, HEIGHT, fill="#e5f1f8", edge=BLUE, radius=0)
            drawing.text(x + WIDTH / 2, top + 31, f"{weight:.0%}", color=INK, middle=True)
    bottom = TOP + HEIGHT * len(tokens)
    drawing.box(16, bottom + 18, 22, 22, fill="#f4f4f4", edge=EDGE, radius=0)
    drawing.hatch(16, bottom + 18, 22, 22, color="#b0b0b0")
    drawing.text(46, bottom + 34, "masked: a token that comes later")
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("causal_mask.svg"))
