"""What `test_distributed` lets one or several workers do: train tiny models in many ways, and tell how it went.

Usage: python tests/worker.py OUTPUT [NAME …], or the same behind torchrun.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from conftest import build_tiny_tokenizer, make_tiny_splits, tiny_gpt2, tiny_llama

from llmclf.collectives import rank_and_world_size
from llmclf.feature_cache import FeatureDataset
from llmclf.head import Classifier
from llmclf.loaders import every_message, make_loaders
from llmclf.scale.distributed import workers
from llmclf.train import TrainingSettings, train

WAYS = {
    "gpt2": {},
    "llama": {"model": tiny_llama},
    "features are not cached": {"use_feature_cache": False},
    "accumulated": {"settings": {"gradient_accumulation_steps": 2}},
    "labels ignored": {"settings": {"ignore_index": 1}},
    "bfloat16": {"precision": "bfloat16"},
    "everything learns": {"trainable": "all"},
    "a batch that workers cannot share evenly": {"batch_size": 5},
}


def run(
    folder: Path,
    *,
    model=tiny_gpt2,
    settings=None,
    precision="float32",
    trainable="last_block",
    batch_size=8,
    **options,
):
    """Train, stop after the first epoch and go on from the checkpoint; what was learnt."""
    loaders = make_loaders(make_tiny_splits(), build_tiny_tokenizer(), batch_size=batch_size)
    for epochs in (1, 2):
        classifier = Classifier(model(), 2, precision=precision, trainable=trainable)
        recipe = TrainingSettings(epochs, 3e-3, evaluate_every=2, evaluate_batches=2, **(settings or {}))
        history = train(
            classifier, loaders.train, loaders.validation, recipe, checkpoint=folder / "checkpoint.safetensors",
            quiet=True, **options,
        )  # fmt: skip
    classifier_of_features, computed = Classifier(model(), 2), []
    classifier_of_features.backbone.blocks[0].register_forward_hook(lambda block, inputs, _: computed.extend(inputs[0]))
    features = FeatureDataset(classifier_of_features, every_message(loaders.train)).hidden_states
    weights = torch.cat([weight.flatten() for weight in classifier.parameters()]).double()
    return {
        "train_losses": history.train_losses,
        "validation_losses": history.validation_losses,
        "weights": [weights.sum().item(), weights.square().sum().item()],
        "features": [features.double().sum().item(), features.double().square().sum().item()],
        "computed": len(computed),  # messages, by this worker
    }


def main(output: str, *names: str) -> None:
    torch.set_num_threads(1)
    with workers(torch.device("cpu")):
        print(f"worker {rank_and_world_size()}")
        for name in names or WAYS:
            folder = Path(output) / name
            result = run(folder, **WAYS[name])
            (folder / f"result-{rank_and_world_size()[0]}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
