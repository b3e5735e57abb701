"""Chapter 3: let the pretrained model continue a text, as proof that its weights are in the right places."""

from __future__ import annotations

import tiktoken
import torch
from torch import Tensor

from llmclf.models import Backbone
from llmclf.tokenizer import encode


@torch.inference_mode()
def generate(model: Backbone, input_ids: Tensor, new_tokens: int) -> Tensor:
    """Append the most likely next token, again and again (greedy decoding).

    Parameters
    ----------
    model
        With its vocabulary head.
    input_ids
        (batch, tokens), all rows of one length, without padding.
    new_tokens
        How many to append; where the context is full, the model sees the last `context_length` tokens.

    Returns
    -------
    torch.Tensor
        (batch, tokens + new_tokens).
    """
    for _ in range(new_tokens):
        visible = input_ids[:, -model.config.context_length :]
        next_id = model(visible)[:, -1].argmax(dim=-1, keepdim=True)  # (batch, 1)
        input_ids = torch.cat([input_ids, next_id], dim=1)
    return input_ids


def continue_text(model: Backbone, tokenizer: tiktoken.Encoding, text: str, new_tokens: int) -> str:
    """A text and its greedy continuation, as text."""
    device = model.token_embedding.weight.device
    input_ids = torch.tensor([encode(tokenizer, text)], device=device)
    return tokenizer.decode(generate(model, input_ids, new_tokens)[0].tolist())
