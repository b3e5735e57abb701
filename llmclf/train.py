"""Chapter 6: fine-tuning. Forward, loss, backward, step; and a checkpoint after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from llmclf.checkpoint import describe_run, load_checkpoint, save_checkpoint
from llmclf.console import LlmclfError, notice, progress
from llmclf.data import SEED
from llmclf.evaluate import Evaluation, evaluate
from llmclf.feature_cache import FeatureBatch, FeatureDataset, cache_features, check_features, reason_not_cacheable
from llmclf.head import Classifier
from llmclf.loaders import Batch
from llmclf.models import GPT2
from llmclf.scale.distributed import WorkerError, all_reduce_min, parallel, rank_and_world_size


@dataclass(frozen=True)
class TrainingSettings:
    """How to train. The defaults are the source's, for GPT-2.

    Attributes
    ----------
    epochs
        Passes over the training messages.
    learning_rate, weight_decay
        Of AdamW (Loshchilov and Hutter 2019).
    evaluate_every
        Steps between two measurements of the losses.
    evaluate_batches
        How many batches of training and validation set such a measurement uses; `None` for all.
    seed
        Of order and dropout: epoch e draws from `seed + e`, so that a continued run draws the same.
    accumulate
        Batches whose gradients are added up for one step; those that are too few for a last step are left out.
    ignore_index
        Messages with this label do not count for the loss. By default PyTorch's own number, which no label has.
    """

    epochs: int = 5
    learning_rate: float = 5e-5
    weight_decay: float = 0.1
    evaluate_every: int = 50
    evaluate_batches: int | None = 5
    seed: int = SEED
    accumulate: int = 1
    ignore_index: int = -100

    def __post_init__(self) -> None:
        if min(self.epochs, self.evaluate_every, self.accumulate) < 1 or self.learning_rate <= 0:
            raise LlmclfError(
                f"epochs, evaluate_every and accumulate must be at least 1, learning_rate above 0, got {self}"
            )


@dataclass
class History:
    """What happened. The first four lists grow together, one entry a measurement; the next two, one an epoch.

    Attributes
    ----------
    steps, examples_seen
        Optimizer steps and messages trained on, at each measurement (step 0: after the first step).
    train_losses, validation_losses
        Mean cross-entropy a message over `evaluate_batches` batches.
    train_accuracies, validation_accuracies
        Shares, over `evaluate_batches` batches, after each epoch.
    seconds
        Time spent in training, measurements included; a continued run adds up.
    """

    steps: list[int] = field(default_factory=list)
    examples_seen: list[int] = field(default_factory=list)
    train_losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    train_accuracies: list[float] = field(default_factory=list)
    validation_accuracies: list[float] = field(default_factory=list)
    seconds: float = 0.0


def suggested_learning_rate(classifier: Classifier) -> float:
    """5e-5 for GPT-2 (the source's), 2e-4 for SmolLM2 (found on its validation set)."""
    return 5e-5 if isinstance(classifier.backbone, GPT2) else 2e-4


def train(
    classifier: Classifier,
    train_loader: DataLoader,
    validation_loader: DataLoader,
    settings: TrainingSettings | None = None,
    *,
    checkpoint: str | Path | None = None,
    on_measurement: Callable[[History], None] | None = None,
    use_feature_cache: bool = True,
    quiet: bool = False,
) -> History:
    """Fine-tune in place whatever `set_trainable` has left trainable; of several workers each does a share.

    Parameters
    ----------
    classifier
        On the device where it shall be trained, or dealt to several workers by `distributed.shard`.
    train_loader, validation_loader
        From `make_loaders`.
    settings
        By default `TrainingSettings()`.
    checkpoint
        A file written after every epoch. Where it exists, training goes on from it, to the same weights as if it had
        never stopped (to the last bit on the same machine with the same number of threads).
    on_measurement
        Called after every measurement with the history so far.
    use_feature_cache
        Compute the frozen blocks once and train on their kept output (see `frozen`): the same mathematics, many times
        faster. Is left out by itself where it would be wrong. Loaders of `cache_features` are used as they are.
    quiet
        Leave out the line that tells of the frozen blocks.

    Raises
    ------
    CheckpointError
        The checkpoint was written with other settings, other messages or another model, or after more epochs.
    FeatureCacheError
        The loaders hold states that were kept of another model.
    WorkerError
        Of several workers some found the checkpoint, others did not.
    """
    settings = settings or TrainingSettings()
    identity = describe_run(classifier, train_loader, settings)
    trainable = {name: weight for name, weight in classifier.named_parameters() if weight.requires_grad}
    for weight in trainable.values():  # GPT-2's are transposed views of a file, which the fused step would garble
        weight.data = weight.data.contiguous()
    on_cpu = classifier.device.type == "cpu"
    optimizer = torch.optim.AdamW(
        trainable.values(),
        settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=on_cpu,  # one pass over the weights instead of ten; elsewhere PyTorch chooses well by itself
    )
    history, first_epoch = History(), 0
    found = checkpoint is not None and Path(checkpoint).is_file()
    if all_reduce_min(found) < found:
        raise WorkerError(f"{checkpoint}: not every worker finds this file; all must see the same output folder")
    if found:
        past, first_epoch = load_checkpoint(checkpoint, identity, trainable, optimizer, settings.epochs)
        history = History(**past)
        notice(f"continuing after epoch {first_epoch} of {settings.epochs} from {checkpoint}")

    if first_epoch >= settings.epochs:
        return history
    started = time.perf_counter()
    already_kept = isinstance(train_loader.dataset, FeatureDataset)
    if use_feature_cache and not already_kept and reason_not_cacheable(classifier, train_loader) is None:
        train_loader, validation_loader = cache_features(classifier, train_loader, validation_loader, quiet=quiet)
    check_features(classifier, train_loader)
    history.seconds += time.perf_counter() - started

    def measure() -> list[Evaluation]:
        loaders = (train_loader, validation_loader)
        return [evaluate(classifier, loader, max_batches=settings.evaluate_batches) for loader in loaders]

    forward = parallel(classifier)
    steps_per_epoch = len(train_loader) // settings.accumulate
    if steps_per_epoch == 0:
        raise LlmclfError(f"{len(train_loader)} batches are too few to accumulate {settings.accumulate} for a step")
    for epoch in range(first_epoch, settings.epochs):
        started, before = time.perf_counter(), history.seconds
        torch.manual_seed(settings.seed + epoch)
        if train_loader.generator is not None:
            train_loader.generator.manual_seed(settings.seed + epoch)
        classifier.train()
        optimizer.zero_grad()  # of what was too little for a last step
        batches = progress(train_loader, description=f"epoch {epoch + 1} of {settings.epochs}")
        for number, batch in enumerate(batches, start=1):
            add_gradients(forward, batch, settings, classifier.device)
            if number % settings.accumulate:
                continue
            optimizer.step()
            optimizer.zero_grad()
            step = epoch * steps_per_epoch + number // settings.accumulate - 1
            if step % settings.evaluate_every == 0:
                on_train, on_validation = measure()
                history.steps.append(step)
                history.examples_seen.append((step + 1) * train_loader.batch_size * settings.accumulate)
                history.train_losses.append(on_train.loss)
                history.validation_losses.append(on_validation.loss)
                history.seconds = before + time.perf_counter() - started
                if on_measurement is not None:
                    on_measurement(history)
        on_train, on_validation = measure()
        history.train_accuracies.append(on_train.accuracy)
        history.validation_accuracies.append(on_validation.accuracy)
        history.seconds = before + time.perf_counter() - started
        if checkpoint is not None:
            save_checkpoint(checkpoint, identity, trainable, optimizer, history, epoch + 1)
    return history


def add_gradients(
    forward: Callable[[Batch | FeatureBatch], Tensor],
    batch: Batch | FeatureBatch,
    settings: TrainingSettings,
    device: torch.device,
) -> None:
    """One batch forward and backward; of several workers each computes its rows, and all get the same gradients."""
    number, count = rank_and_world_size()
    if len(batch.labels) < count:
        raise WorkerError(f"a batch of {len(batch.labels)} cannot be shared by {count} workers; raise the batch size")
    counted = (batch.labels != settings.ignore_index).sum().item()  # before the labels go to a GPU, which would wait
    batch = batch.share(number, count).to(device)
    logits = forward(batch)  # (rows, classes)
    loss = F.cross_entropy(logits, batch.labels, ignore_index=settings.ignore_index, reduction="sum") / counted
    # The sum over all workers is the mean over the batch; but they take the mean of their gradients, not the sum.
    (loss * count / settings.accumulate).backward()
