"""Draw three messages as tokens and as padded rows of token ids; writes padding.svg beside itself."""

from pathlib import Path

from _svg import BLUE, INK, QUIET, Drawing

from llmclf import data
from llmclf.loaders import pad_batch
from llmclf.tokenizer import encode, gpt2_tokenizer

TEXTS = ("Same to u...", "ringtoneking 84484", "On the road so cant txt")  # training messages
LEFT, WIDTH, ROW = 16, 448, 38


def draw() -> Drawing:
    balanced = data.undersample(data.read_sms())
    splits = data.split(data.encode_labels(balanced, data.SMS_LABELS))
    table = splits.train.set_index("text")["label"]
    tokenizer = gpt2_tokenizer()
    examples = [(encode(tokenizer, text), int(table[text])) for text in TEXTS]
    batch = pad_batch(examples, pad_token_id=tokenizer.eot_token)
    columns = batch.input_ids.shape[1]
    cell = WIDTH / columns
    drawing = Drawing(
        480,
        84 + 2 * ROW * len(TEXTS),
        "Padding a batch",
        "Three messages as tokens, and below them as rows of token ids, the shorter ones filled up with "
        f"{tokenizer.eot_token}.",
    )
    drawing.text(LEFT, 30, "three messages, cut into tokens", color=QUIET)
    top = 42
    for place, (message, _) in enumerate(examples):
        for column, number in enumerate(message):
            x, y = LEFT + cell * column, top + ROW * place
            drawing.box(x + 2, y, cell - 4, ROW - 8, fill="#e5f1f8", edge=BLUE)
            drawing.text(x + cell / 2, y + 20, tokenizer.decode([number]).replace(" ", "·"), middle=True)
    bottom = top + ROW * len(TEXTS)
    drawing.arrow_down(240, bottom + 2, bottom + 24)
    drawing.text(LEFT, bottom + 20, "their numbers, padded", color=QUIET)
    top = bottom + 34
    for place, (row, length) in enumerate(zip(batch.input_ids.tolist(), batch.lengths.tolist(), strict=True)):
        for column, number in enumerate(row):
            x, y, real = LEFT + cell * column, top + ROW * place, column < length
            fill, edge, color = ("#e5f1f8", BLUE, INK) if real else ("#f4f4f4", "#b0b0b0", QUIET)
            drawing.box(x + 2, y, cell - 4, ROW - 8, fill=fill, edge=edge, dashed=not real)
            drawing.text(x + cell / 2, y + 20, str(number), color=color, middle=True)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("padding.svg"))
