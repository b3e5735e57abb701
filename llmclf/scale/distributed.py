"""Chapter 11: several processes train one model. `torchrun` starts them; each takes its share of every batch.

All workers hold the same weights and walk through the same batches in the same order. Of each batch a worker computes
only some rows; PyTorch's DistributedDataParallel adds up the gradients, so that every worker takes the same step.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta

import torch
import torch.distributed as dist

from llmclf.collectives import WorkerError
from llmclf.console import is_main_process, launched_by_torchrun

PATIENCE = timedelta(minutes=10)  # with a process that neither answers nor ends: one whose computer sleeps, say


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
    device = own_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(sys.stdout if is_main_process() else nowhere):
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
    if device.type == "cuda":
        place = int(os.environ["LOCAL_RANK"])
        if place >= torch.cuda.device_count():
            raise WorkerError(f"{torch.cuda.device_count()} CUDA devices are too few; start one worker for each")
        torch.cuda.set_device(place)
        return torch.device("cuda", place)
    if device.type != "cpu":
        raise WorkerError(f"workers cannot share the device {device}; start one process, or add --device cpu")
    return device
