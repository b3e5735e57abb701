"""What happens to SmolLM2's accuracy when the features are rounded to half precision."""

from __future__ import annotations

import copy

import torch
from torch.utils.data import DataLoader

from llmclf import data
from llmclf.evaluate import evaluate
from llmclf.feature_cache import cache_features
from llmclf.head import Classifier
from llmclf.loaders import Loaders, every_message, make_loaders
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, suggested_learning_rate, train
from llmclf.weights import load_pretrained

BACKBONE = "smollm2-135M"
SEEDS = (123, 1, 2)


def run(backbone: None, *, quick: bool, runs: int) -> dict:
    """Test accuracy and loss by seed and precision; `quick` takes one seed. Each is trained anew, in full."""
    loaders = make_loaders(data.prepare_sms(), load_tokenizer(BACKBONE))
    kept = cache_features(Classifier(load_pretrained(BACKBONE), 2), *loaders)
    rows = []
    for seed in SEEDS[:1] if quick else SEEDS:
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            model = Classifier(load_pretrained(BACKBONE), 2, seed=seed)
            rounded = Loaders(*(round_states(loader, dtype) for loader in kept))
            settings = TrainingSettings(learning_rate=suggested_learning_rate(model), seed=seed)
            history = train(model, rounded.train, rounded.validation, settings)
            exact = evaluate(model, every_message(loaders.test))  # as it will be used: from token ids
            rows.append(
                {
                    "seed": seed,
                    "dtype": str(dtype).removeprefix("torch."),
                    "kept bytes": sum(loader.dataset.hidden_states.nbytes for loader in rounded),
                    "last training loss": history.train_losses[-1],
                    "test correct": exact.correct,
                    "test count": exact.count,
                    "test interval": exact.interval,
                    "test loss": exact.loss,
                    "test loss on kept states": evaluate(model, every_message(rounded.test)).loss,
                }
            )
    return {"quick": quick, "rows": rows}


def round_states(loader: DataLoader, dtype: torch.dtype) -> DataLoader:
    """The same loader as if `cache_features` had been asked for this precision."""
    states = copy.copy(loader.dataset)
    states.hidden_states = states.hidden_states.to(dtype)
    options = {"sampler": loader.sampler, "drop_last": loader.drop_last, "generator": loader.generator}
    return DataLoader(states, loader.batch_size, collate_fn=states.collate, **options)
