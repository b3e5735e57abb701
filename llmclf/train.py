"""Chapter 6: fine-tuning. Forward, loss, backward, step; and a checkpoint after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from llmclf.checkpoint import describe_run, hash_of_messages, load_checkpoint, save_checkpoint
from llmclf.collectives import WorkerError, all_reduce_min, rank_and_world_size
from llmclf.console import LlmclfError, notice, progress, require_one_of
from llmclf.evaluate import Evaluation, evaluate
from llmclf.feature_cache import (
    FeatureBatch,
    FeatureDataset,
    cache_features,
    check_features,
    features_fit,
    reason_not_cacheable,
)
from llmclf.head import Classifier
from llmclf.loaders import Batch, dataset_of, every_message
from llmclf.models import GPT2
from llmclf.practice import SCHEDULES, BestEpoch, class_weight_tensor, learning_rate_factor


@dataclass(frozen=True)
class TrainingSettings:
    """How to train. The defaults are the source's, for GPT-2.

    Attributes
    ----------
    epochs
        Passes over the training messages.
    learning_rate, weight_decay
        Of AdamW (Loshchilov and Hutter 2019); the rate `None` is that of `suggested_learning_rate`.
    evaluate_every
        Steps between two measurements of the losses.
    evaluate_batches
        How many batches of training and validation set such a measurement uses; `None` for all.
    seed
        Of order and dropout: epoch e draws from `seed + e`, so that a continued run draws the same.
    gradient_accumulation_steps
        Batches whose gradients are added up for one step; those that are too few for a last step are left out.
    ignore_index
        Messages with this label do not count for the loss. By default PyTorch's own number, which no label has.
    class_weights
        How much each class counts for the loss that is trained on, see `class_weight_tensor`; measurements count all
        messages the same.
    patience
        Measure the loss of the whole validation set after each epoch, stop when it has not fallen for so many epochs,
        and keep the weights of the best one. `None` trains all epochs and keeps the last.
    schedule, warmup
        Of the learning rate, see `learning_rate_factor`.
    max_gradient_norm
        Gradients that are longer, taken together, are shortened to this length (Pascanu et al. 2013).
    """

    epochs: int = 5
    learning_rate: float | None = None
    weight_decay: float = 0.1
    evaluate_every: int = 50
    evaluate_batches: int | None = 5
    seed: int = 123
    gradient_accumulation_steps: int = 1
    ignore_index: int = -100
    class_weights: str | tuple[float, ...] | None = None
    patience: int | None = None
    schedule: str = "constant"
    warmup: float = 0.0
    max_gradient_norm: float | None = None

    def __post_init__(self) -> None:
        require_one_of("schedule", self.schedule, SCHEDULES)
        for name in ("patience", "max_gradient_norm"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise LlmclfError(f"{name} must be above 0, got {value}")
        if not 0 <= self.warmup < 1 or not self.weight_decay >= 0:
            raise LlmclfError(f"warmup must be a share below 1 and weight_decay at least 0, got {self}")
        at_least_one = self.epochs, self.evaluate_every, self.gradient_accumulation_steps
        if min(at_least_one) < 1 or (self.learning_rate is not None and not self.learning_rate > 0):
            raise LlmclfError(
                "epochs, evaluate_every and gradient_accumulation_steps must be at least 1, learning_rate above 0, "
                f"got {self}"
            )


@dataclass
class History:
    """What happened. The first four lists grow together, one entry a measurement; the others, one an epoch.

    Attributes
    ----------
    steps, examples_seen
        Optimizer steps and messages trained on, at each measurement (step 0: after the first step).
    train_losses, validation_losses
        Mean cross-entropy a message over `evaluate_batches` batches.
    train_accuracies, validation_accuracies
        Shares, over `evaluate_batches` batches, after each epoch.
    epoch_losses
        Mean cross-entropy a message over the whole validation set, after each epoch; only with `patience`.
    seconds
        Time spent in training, measurements included; a continued run adds up.
    """

    steps: list[int] = field(default_factory=list)
    examples_seen: list[int] = field(default_factory=list)
    train_losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    train_accuracies: list[float] = field(default_factory=list)
    validation_accuracies: list[float] = field(default_factory=list)
    epoch_losses: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def best_epoch(self) -> int | None:
        """The epoch, from 1, whose weights were kept; `None` where the last were."""
        return 1 + self.epoch_losses.index(min(self.epoch_losses)) if self.epoch_losses else None


def suggested_learning_rate(classifier: Classifier) -> float:
    """5e-5 for GPT-2 (the source's); for SmolLM2 2e-4, or 5e-5 where all of it learns.

    SmolLM2's were found on the validation set of chapter 1: `benchmarks/results/sweep.json`.
    """
    return 5e-5 if isinstance(classifier.backbone, GPT2) or classifier.trainable == "all" else 2e-4


def with_learning_rate(settings: TrainingSettings, classifier: Classifier) -> TrainingSettings:
    """The settings, with the suggested learning rate where they name none."""
    return replace(settings, learning_rate=settings.learning_rate or suggested_learning_rate(classifier))


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
    """Fine-tune in place whatever `set_trainable` has left trainable; of several processes each does a share.

    Parameters
    ----------
    classifier
        On the device where it shall be trained.
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
        Compute the frozen blocks once and train on their output (see `feature_cache`): the same mathematics, many times
        faster. Is left out by itself where it would be wrong, and with a line that says so where memory is short.
        Loaders of `cache_features` are used as they are.
    quiet
        Leave out the line that tells of the frozen blocks.

    Raises
    ------
    CheckpointError
        The checkpoint was written with other settings, other messages or another model, or after more epochs.
    FeatureCacheError
        The loaders hold features of another model.
    WorkerError
        Of several processes some found the checkpoint, others did not.
    """
    settings = with_learning_rate(settings or TrainingSettings(), classifier)
    steps_per_epoch = len(train_loader) // settings.gradient_accumulation_steps
    if steps_per_epoch == 0:
        wanted = settings.gradient_accumulation_steps
        raise LlmclfError(f"{len(train_loader)} batches are too few to accumulate {wanted} for a step")
    identity = describe_run(classifier, train_loader, asdict(settings))
    if settings.patience is not None:
        identity["validation messages"] = hash_of_messages(validation_loader)
    trainable = {name: weight for name, weight in classifier.named_parameters() if weight.requires_grad}
    optimizer = make_optimizer(trainable.values(), settings)
    if settings.patience is not None and not len(validation_loader):
        raise LlmclfError("patience needs validation messages: without them no epoch is better than another")
    labels, num_classes = dataset_of(train_loader).labels, classifier.backbone.head.out_features
    class_weights = class_weight_tensor(settings.class_weights, labels, num_classes)
    history, first_epoch, kept = History(), 0, None
    if checkpoint is not None and every_process_finds(checkpoint):
        past, first_epoch, kept = load_checkpoint(checkpoint, identity, trainable, optimizer, settings.epochs)
        history = History(**past)
        notice(f"continuing after epoch {first_epoch} of {settings.epochs} from {checkpoint}")
    best = BestEpoch(trainable, history.epoch_losses, settings.patience, kept)
    if first_epoch >= settings.epochs or best.stops():
        best.restore()
        return history

    started = time.perf_counter()
    if use_feature_cache:
        train_loader, validation_loader = try_to_cache(classifier, train_loader, validation_loader, quiet=quiet)
    check_features(classifier, train_loader)
    history.seconds += time.perf_counter() - started

    def measure() -> list[Evaluation]:
        loaders = (train_loader, validation_loader)
        return [evaluate(classifier, loader, max_batches=settings.evaluate_batches) for loader in loaders]

    for epoch in range(first_epoch, settings.epochs):
        started, before = time.perf_counter(), history.seconds
        torch.manual_seed(settings.seed + epoch)
        if train_loader.generator is not None:
            train_loader.generator.manual_seed(settings.seed + epoch)
        classifier.train()
        batches = progress(train_loader, description=f"epoch {epoch + 1} of {settings.epochs}")
        steps = range(epoch * steps_per_epoch, settings.epochs * steps_per_epoch)
        for step in optimizer_steps(classifier, optimizer, batches, settings, steps, class_weights):
            if step % settings.evaluate_every:
                continue
            on_train, on_validation = measure()
            history.steps.append(step)
            examples_per_step = (train_loader.batch_size or 1) * settings.gradient_accumulation_steps
            history.examples_seen.append((step + 1) * examples_per_step)
            history.train_losses.append(on_train.loss)
            history.validation_losses.append(on_validation.loss)
            history.seconds = before + time.perf_counter() - started
            if on_measurement is not None:
                on_measurement(history)
        on_train, on_validation = measure()
        history.train_accuracies.append(on_train.accuracy)
        history.validation_accuracies.append(on_validation.accuracy)
        if settings.patience is not None:
            # Of several processes all take the same number, or one might stop and the others go on.
            best.note(all_reduce_min(evaluate(classifier, every_message(validation_loader)).loss))
        history.seconds = before + time.perf_counter() - started
        if checkpoint is not None:
            save_checkpoint(checkpoint, identity, trainable, optimizer, asdict(history), epoch + 1, best.kept)
        if best.stops():
            break
    best.restore()
    return history


def make_optimizer(weights: Iterable[nn.Parameter], settings: TrainingSettings) -> torch.optim.AdamW:
    """AdamW over these weights; on a CPU in one pass over them instead of ten."""
    weights = list(weights)
    for weight in weights:  # GPT-2's are transposed views of a file, which the fused step would garble
        weight.data = weight.data.contiguous()
    fused = all(weight.device.type == "cpu" for weight in weights)  # elsewhere PyTorch chooses well by itself
    rate = cast(float, settings.learning_rate)
    return torch.optim.AdamW(weights, rate, weight_decay=settings.weight_decay, fused=fused)


def every_process_finds(checkpoint: str | Path) -> bool:
    """Whether there is a checkpoint; `WorkerError` where only some of several processes see it."""
    found = Path(checkpoint).is_file()
    if all_reduce_min(found) < found:
        raise WorkerError(f"{checkpoint}: not every worker finds this file; all must see the same output folder")
    return found


def try_to_cache(classifier: Classifier, *loaders: DataLoader, quiet: bool) -> list[DataLoader]:
    """The loaders over cached features where that is right and memory allows it, else as they are."""
    if isinstance(loaders[0].dataset, FeatureDataset) or reason_not_cacheable(classifier, loaders[0]):
        return list(loaders)
    if not features_fit(classifier, *loaders):
        notice("the output of the frozen blocks does not fit into memory: it is computed again in every epoch")
        return list(loaders)
    return cache_features(classifier, *loaders, quiet=quiet)


def optimizer_steps(
    classifier: Classifier,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch | FeatureBatch],
    settings: TrainingSettings,
    steps: range,
    class_weights: Tensor | None,
) -> Iterator[int]:
    """Forward, loss, backward, step over an epoch's batches; yields the number of each step that has been taken.

    `steps` are the numbers of all steps from the epoch's first to the last epoch's last.
    """
    forward = parallel(classifier)
    optimizer.zero_grad()  # of what was too little for a last step
    for number, batch in enumerate(batches, start=1):
        add_gradients(forward, batch, settings, classifier.device, class_weights)
        if number % settings.gradient_accumulation_steps == 0:
            step = steps[number // settings.gradient_accumulation_steps - 1]
            factor = learning_rate_factor(step, steps.stop, settings.schedule, settings.warmup)
            for group in optimizer.param_groups:
                group["lr"] = cast(float, settings.learning_rate) * factor
                if settings.max_gradient_norm is not None:
                    nn.utils.clip_grad_norm_(group["params"], settings.max_gradient_norm)
            optimizer.step()
            optimizer.zero_grad()
            yield step


def add_gradients(
    forward: Callable[[Batch | FeatureBatch], Tensor],
    batch: Batch | FeatureBatch,
    settings: TrainingSettings,
    device: torch.device,
    class_weights: Tensor | None = None,
) -> None:
    """One batch forward and backward; of several processes each computes its rows, and all get the same gradients."""
    rank, world_size = rank_and_world_size()
    if len(batch.labels) < world_size:
        raise WorkerError(
            f"a batch of {len(batch.labels)} cannot be shared by {world_size} workers; raise the batch size"
        )
    counted = batch.labels[batch.labels != settings.ignore_index]  # before the labels go to a GPU, which would wait
    whole = len(counted) if class_weights is None else class_weights[counted].sum().item()
    batch = batch.share(rank, world_size).to(device)
    logits = forward(batch)  # (rows, classes)
    weights = None if class_weights is None else class_weights.to(logits)
    loss = F.cross_entropy(logits, batch.labels, weights, ignore_index=settings.ignore_index, reduction="sum") / whole
    # The sum over all processes is the mean over the batch; but they take the mean of their gradients, not the sum.
    (loss * world_size / settings.gradient_accumulation_steps).backward()


def parallel(classifier: Classifier) -> Callable[[Batch | FeatureBatch], Tensor]:
    """What computes logits in training; with several processes, so that their gradients are averaged."""

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = classifier

        def forward(self, batch: Batch | FeatureBatch) -> Tensor:
            return batch.logits(self.classifier)

    return Logits() if rank_and_world_size()[1] == 1 else nn.parallel.DistributedDataParallel(Logits())
