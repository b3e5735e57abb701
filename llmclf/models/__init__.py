"""Chapter 3: the two pretrained models, from scratch, behind one interface.

Both classes have `config`, `embed(input_ids)`, `blocks`, `final_norm` and `head`, and `forward` strings them together:
token ids (batch, tokens) in, one row of logits a token out.
"""

from llmclf.models.gpt2 import GPT2, GPT2_SIZES, GPT2Config
from llmclf.models.llama import SMOLLM2_135M, Llama, LlamaConfig

Backbone = GPT2 | Llama

__all__ = ["GPT2", "GPT2_SIZES", "SMOLLM2_135M", "Backbone", "GPT2Config", "Llama", "LlamaConfig"]
