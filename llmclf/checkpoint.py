"""Chapter 6: a checkpoint, from which an interrupted training goes on to the same weights.

One safetensors file holds what has been learnt, the optimizer's memory, the history, and the run's identity.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from llmclf.collectives import barrier
from llmclf.console import LlmclfError, is_main_process
from llmclf.feature_cache import FeatureDataset, fingerprint
from llmclf.files.storage import FileError, read_with_checksum, write_with_checksum
from llmclf.head import Classifier
from llmclf.loaders import collate_of, dataset_of

FORMAT = 2  # of the file; raised whenever another version of the library could misread it


class CheckpointError(LlmclfError):
    """A checkpoint that does not belong to this run."""


def describe_run(classifier: Classifier, train_loader: DataLoader, settings: dict[str, Any]) -> dict[str, Any]:
    """What must be the same for a checkpoint to be continued: settings, messages, model."""
    dataset: Any = dataset_of(train_loader)
    pad_to = dataset.pad_to if isinstance(dataset, FeatureDataset) else collate_of(train_loader).pad_to
    falls = settings["schedule"] != "constant" or settings["warmup"] > 0
    return {
        # More epochs may be added later, except where the learning rate falls towards the last.
        **{name: value for name, value in settings.items() if name != "epochs" or falls},
        "number of trained tensors": sum(parameter.requires_grad for parameter in classifier.parameters()),
        "model": f"{classifier.backbone.config}, read at {classifier.pooling}",
        "padding": "each batch to its longest message" if pad_to is None else f"all to {pad_to} tokens",
        "precision": classifier.precision,
        "frozen weights": fingerprint(weight for weight in classifier.parameters() if not weight.requires_grad),
        "training messages": hash_of_messages(train_loader),
    }


def hash_of_messages(loader: DataLoader) -> str:
    """SHA-256 of a loader's messages, their labels and its batch size."""
    dataset: Any = dataset_of(loader)
    content = json.dumps([dataset.messages, dataset.labels, loader.batch_size])
    return hashlib.sha256(content.encode()).hexdigest()


def save_checkpoint(
    path: str | Path,
    identity: dict[str, Any],
    trainable: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    history: dict[str, Any],
    epochs_done: int,
    kept: dict[str, Tensor] | None = None,
) -> None:
    """Write weights, optimizer state, history and identity as one safetensors file; of several processes the first.

    `kept` are the weights of the best epoch so far, if they are wanted.
    """
    if is_main_process():
        tensors = {f"best/{name}": weight for name, weight in (kept or {}).items()}
        for name, weight in trainable.items():
            state = {"weight": weight, **optimizer.state[weight]}
            tensors |= {f"{key}/{name}": torch.as_tensor(value).detach() for key, value in state.items()}
        record = {"format": FORMAT, "identity": identity, "history": history, "epochs_done": epochs_done}
        write_with_checksum(path, tensors, record)
    barrier()  # no process may look for the file before it is there


def load_checkpoint(
    path: str | Path,
    identity: dict[str, Any],
    trainable: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    epochs: int,
) -> tuple[dict[str, Any], int, dict[str, Tensor]]:
    """Put weights and optimizer back as they were; return history, number of epochs done, and the best epoch's weights.

    Raises
    ------
    FileError, CheckpointError
        The file is damaged, or was written by another version or by another run, or after more than so many epochs;
        nothing has been changed then.
    """
    advice = f"remove {path} to start afresh, or name another output"
    tensors, record = read_with_checksum(path, advice)
    if record.get("format") != FORMAT:
        raise FileError(f"{path}: written by another version of the library; {advice}")
    for part, ours in json.loads(json.dumps(identity)).items():  # as the file has it: a tuple becomes a list
        theirs = record["identity"].get(part)
        if theirs != ours:
            raise CheckpointError(f"{path}: from a run with other {part}: {theirs} there, {ours} here; {advice}")
    if record["epochs_done"] > epochs:
        raise CheckpointError(
            f"{path}: after {record['epochs_done']} epochs, more than the {epochs} asked for; {advice}"
        )
    with torch.no_grad():
        for name, weight in trainable.items():
            weight.copy_(tensors[f"weight/{name}"])
            optimizer.state[weight] = {
                "step": tensors[f"step/{name}"].clone(),
                **{key: tensors[f"{key}/{name}"].to(weight.device, copy=True) for key in ("exp_avg", "exp_avg_sq")},
            }
    best = {name.removeprefix("best/"): tensor.clone() for name, tensor in tensors.items() if name.startswith("best/")}
    return record["history"], record["epochs_done"], best
