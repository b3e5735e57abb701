"""Chapter 10: several processes train one model. `torchrun` starts them; each takes its share of every batch.

All workers hold the same weights and walk through the same batches in the same order. Of each batch a worker computes
only some rows; PyTorch's DistributedDataParallel adds up the gradients, so that every worker takes the same step.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from llmclf.console import LlmclfError, is_main_process, launched_by_torchrun

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from llmclf.feature_cache import FeatureBatch
    from llmclf.head import Classifier
    from llmclf.loaders import Batch


PATIENCE = timedelta(minutes=10)  # with a worker that neither answers nor ends: one whose computer sleeps, say


class WorkerError(LlmclfError):
    """Workers that cannot train together, or no longer."""


def rank_and_world_size() -> tuple[int, int]:
    """The number of this worker, from 0, and how many there are: (0, 1) for a process of its own."""
    import torch.distributed as dist

    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


@contextmanager
def workers(device: torch.device) -> Iterator[torch.device]:
    """Join the workers that torchrun has started, if it has; only the first one's standard output is seen.

    Parameters
    ----------
    device
        Where to train. Of several CUDA devices each worker of a computer takes its own.

    Yields
    ------
    torch.device
        This worker's device.

    Raises
    ------
    WorkerError
        Another worker has ended, or has not answered for ten minutes; the device cannot be shared.
    """
    if not launched_by_torchrun():
        yield device
        return
    import torch.distributed as dist

    device = own_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        with (
            open(os.devnull, "w") as nowhere,
            redirect_stdout(sys.stdout if is_main_process() else nowhere),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", "FSDP2-wrapped module")  # returns a view, which nothing here writes into
            all_of_us = dist.new_group(backend="gloo", timeout=timedelta(days=30))
            yield device
            dist.barrier(all_of_us)  # the first worker evaluates and saves alone; if it dies, another one must say so
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, on its way: we are stopping, and tidy up first
        raise WorkerError(
            f"worker {os.environ['RANK']} stops, because another one has ended or no longer answers (its own message, "
            f"if it left one, says why). What the last epoch saved is whole: the same command continues from there"
        ) from error
    finally:
        dist.destroy_process_group()


def own_device(device: torch.device) -> torch.device:
    """The device of this worker among those of its computer."""
    import torch

    if device.type == "cuda":
        place = int(os.environ["LOCAL_RANK"])
        if place >= torch.cuda.device_count():
            raise WorkerError(f"{torch.cuda.device_count()} CUDA devices are too few; start one worker for each")
        torch.cuda.set_device(place)
        return torch.device("cuda", place)
    if device.type != "cpu":
        raise WorkerError(f"workers cannot share the device {device}; start one process, or add --device cpu")
    return device


def parallel(classifier: Classifier) -> Callable[[Batch | FeatureBatch], Tensor]:
    """What computes logits in training: `logits_of`, or with several workers the same, its gradients averaged."""
    from torch import nn
    from torch.distributed.fsdp import FSDPModule

    from llmclf.feature_cache import logits_of

    if rank_and_world_size()[1] == 1 or isinstance(classifier, FSDPModule):
        return partial(logits_of, classifier)

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = classifier

        def forward(self, batch: Batch | FeatureBatch) -> Tensor:
            return logits_of(self.classifier, batch)

    return nn.parallel.DistributedDataParallel(Logits())


def shard(classifier: Classifier) -> Classifier:
    """The same classifier with its weights dealt to the workers (FSDP), to be put together by `unshard`.

    Every worker holds, besides the block it computes, only its part of the weights, of their gradients and of the
    optimizer's state; without sharding it holds all three whole. The classifier given keeps none of its memory.

    Raises
    ------
    WorkerError
        There are no workers to deal them to.
    """
    from torch.distributed.fsdp import fully_shard

    if rank_and_world_size()[1] == 1:
        raise WorkerError("one process cannot share its weights with others; start several workers with torchrun")
    weights = {name: weight.contiguous() for name, weight in classifier.state_dict().items()}
    parts = deepcopy(classifier.to("meta"))
    parts.load_state_dict(weights, assign=True)
    for block in parts.backbone.blocks:
        fully_shard(block)
    return fully_shard(parts)


def unshard(parts: Classifier, classifier: Classifier) -> None:
    """Give a classifier that `shard` has emptied the weights that its parts have by now."""
    classifier.load_state_dict({name: gathered(weight) for name, weight in parts.state_dict().items()}, assign=True)


def gathered(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be dealt to several workers, all of whom must ask."""
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).detach()


def scattered(tensor: Tensor, like: Tensor) -> Tensor:
    """A copy of a tensor on the device of another, and dealt to the workers where the other is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    tensor = tensor.to(like.device, copy=True)
    return distribute_tensor(tensor, like.device_mesh, like.placements) if isinstance(like, DTensor) else tensor


def barrier() -> None:
    """Return when every worker has come this far."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.barrier()


def all_reduce_min(number: float) -> float:
    """The smallest of the numbers that the workers give."""
    import torch
    import torch.distributed as dist

    if not dist.is_initialized():
        return number
    numbers = torch.tensor([number], dtype=torch.float64)
    dist.all_reduce(numbers, dist.ReduceOp.MIN)
    return numbers.item()


def all_reduce_sum(tensor: Tensor) -> None:
    """Put the sum over all workers in the place of every worker's tensor."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.all_reduce(tensor)
