"""The ways that are compared: the plain algorithm and `transformers`, on the same messages and layers as ours.

All train the last block, the final norm and the head. Random weights serve for GPT-2: time does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from llmclf.data import Splits
from llmclf.head import Classifier
from llmclf.loaders import Batch, Loaders, make_loaders
from llmclf.models import GPT2Config, LlamaConfig
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings
from llmclf.weights import CONFIGS, load_pretrained

if TYPE_CHECKING:
    import transformers

# Five epochs; losses every 50 steps and accuracies every epoch over 5 batches of each. All ways have the learning rate
# that the library suggests for the backbone.
SETTINGS = TrainingSettings()


THEIR_WORDS = {
    "token_embedding": "embed_tokens",
    "blocks": "layers",
    "norm1": "input_layernorm",
    "attention": "self_attn",
    **{ours: f"{ours[0]}_proj" for ours in ("query", "key", "value", "output")},
    "norm2": "post_attention_layernorm",
    **{ours: f"{ours}_proj" for ours in ("gate", "up", "down")},
    "final_norm": "norm",
}


class Way(NamedTuple):
    """A model, how it is called, and the batches it is given."""

    model: nn.Module
    logits_of: Callable[[Batch], Tensor]
    loaders: Loaders

    def trainable(self) -> list[Tensor]:
        return [weight for weight in self.model.parameters() if weight.requires_grad]


def plain(backbone: str, splits: Splits) -> Way:
    """(a) All messages padded to the longest, every block for every token at every step, the last position read."""
    model = Classifier(load_pretrained(backbone), 2, pooling="last_position", precision="float32").train()
    loaders = make_loaders(splits, load_tokenizer(backbone), padding="fixed")
    return Way(model, lambda batch: model.backbone(batch.input_ids)[:, -1], loaders)


def with_transformers(backbone: str, splits: Splits, *, autocast: bool = False) -> Way:
    """(b) The class that a reader would otherwise use, with dynamic padding and the same layers frozen.

    With `autocast` (b2): matrix products in bfloat16, as `transformers`' trainer has them with `bf16=True`.
    """
    model, last_parts = transformers_model(backbone)
    model.requires_grad_(False).train()
    for part in last_parts:
        part.requires_grad_(True)

    def logits_of(batch: Batch) -> Tensor:
        mask = torch.arange(batch.input_ids.shape[1]) < batch.lengths[:, None]
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return model(batch.input_ids, attention_mask=mask.long()).logits.float()

    return Way(model, logits_of, make_loaders(splits, load_tokenizer(backbone)))


def transformers_model(backbone: str) -> tuple[nn.Module, list[nn.Module]]:
    """A `...ForSequenceClassification` of the backbone's shape, and the parts of it that learn.

    `backbone` may also be a folder that `transformers` wrote, of a GPT-2; then the weights come from there.
    """
    import transformers  # here, because (a) and (c) shall not pay for it

    if Path(backbone).is_dir():
        model = transformers.GPT2ForSequenceClassification.from_pretrained(backbone)
        model.config.pad_token_id = load_tokenizer(backbone).eot_token
        return model, [model.transformer.h[-1], model.transformer.ln_f, model.score]
    config = transformers_config(
        CONFIGS[backbone.removeprefix("random-")], pad_token_id=load_tokenizer(backbone).eot_token
    )
    if isinstance(config, transformers.GPT2Config):
        model = transformers.GPT2ForSequenceClassification(config)
        return model, [model.transformer.h[-1], model.transformer.ln_f, model.score]
    model = transformers.LlamaForSequenceClassification(config)
    weights = dict(load_pretrained(backbone).named_parameters())
    model.model.load_state_dict({in_their_words(name): weights[name] for name in weights if name != "head.weight"})
    return model, [model.model.layers[-1], model.model.norm, model.score]


def in_their_words(name: str) -> str:
    """What `transformers` calls a parameter of a Llama."""
    return ".".join(THEIR_WORDS.get(word, word) for word in name.split("."))


def transformers_config(shape: GPT2Config | LlamaConfig, **options: object) -> transformers.PretrainedConfig:
    """The same shape in the words of `transformers`; the tests' independent models are built by it too."""
    import transformers

    if isinstance(shape, GPT2Config):
        return transformers.GPT2Config(
            vocab_size=shape.vocab_size,
            n_positions=shape.context_length,
            n_embd=shape.hidden_size,
            n_layer=shape.num_layers,
            n_head=shape.num_heads,
            layer_norm_epsilon=shape.norm_epsilon,
            tie_word_embeddings=shape.tied_embeddings,
            **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), shape.dropout),
            **options,
        )
    return transformers.LlamaConfig(
        vocab_size=shape.vocab_size,
        max_position_embeddings=shape.context_length,
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_kv_heads,
        intermediate_size=shape.intermediate_size,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_base},
        rms_norm_eps=shape.norm_epsilon,
        tie_word_embeddings=shape.tied_embeddings,
        **options,
    )
