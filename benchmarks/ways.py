"""The ways that are compared: the plain algorithm and `transformers`, on the same messages and layers as ours.

All train the last block, the final norm and the head. Random weights serve for GPT-2: time does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from llmclf.data import Splits
from llmclf.exchange.to_transformers import transformers_config
from llmclf.head import Classifier
from llmclf.loaders import Batch, Loaders, make_loaders
from llmclf.models import GPT2Config
from llmclf.models.llama_weights import hub_names
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings
from llmclf.weights import CONFIGS, load_pretrained

# Five epochs; losses every 50 steps and accuracies every epoch over 5 batches of each. All ways have the learning rate
# that the library suggests for the backbone.
SETTINGS = TrainingSettings()


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
    shape = CONFIGS[backbone.removeprefix("random-")]
    config = transformers_config(shape, pad_token_id=load_tokenizer(backbone).eot_token)
    if isinstance(shape, GPT2Config):
        model = transformers.GPT2ForSequenceClassification(config)
        return model, [model.transformer.h[-1], model.transformer.ln_f, model.score]
    model = transformers.LlamaForSequenceClassification(config)
    weights = dict(load_pretrained(backbone).named_parameters())
    model.model.load_state_dict({theirs: weights[ours] for ours, theirs in hub_names(shape).items()})
    return model, [model.model.layers[-1], model.model.norm, model.score]
