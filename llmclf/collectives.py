"""Chapter 11: what several processes that train together tell each other; in a process of its own, nothing."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from llmclf.console import LlmclfError


class WorkerError(LlmclfError):
    """Processes that cannot train together, or no longer."""


def rank_and_world_size() -> tuple[int, int]:
    """The number of this process, from 0, and how many there are: (0, 1) for a process of its own."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def barrier() -> None:
    """Return when every process has come this far."""
    if dist.is_initialized():
        dist.barrier()


def all_reduce_min(number: float) -> float:
    """The smallest of the numbers that the processes give."""
    if not dist.is_initialized():
        return number
    numbers = torch.tensor([number], dtype=torch.float64)
    dist.all_reduce(numbers, dist.ReduceOp.MIN)
    return numbers.item()


def all_reduce_sum(tensor: Tensor) -> None:
    """Put the sum over all processes in the place of every process's tensor."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
