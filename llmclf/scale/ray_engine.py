"""Chapter 11: the engine "ray". This process reads and writes; workers of Ray, each with a classifier, do the rest.

Ray starts the workers, on this machine or on the cluster that `RAY_ADDRESS` names, and replaces those that die.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch

from llmclf.console import LlmclfError
from llmclf.scale.message_files import Part

if TYPE_CHECKING:
    from llmclf.classify import TextClassifier

RETRIES = 2  # how often a worker that has died is replaced, and its part tried again


def require_ray(workers: int | None) -> None:
    """Raise `LlmclfError` where the engine "ray" cannot be started."""
    if not find_spec("ray"):
        raise LlmclfError("the engine 'ray' needs Ray; install the extra: pip install llmclf[ray]")
    if workers is not None and workers < 1:
        raise LlmclfError(f"workers must be at least 1, got {workers}")


def with_ray(
    load: Callable[[], TextClassifier], parts: Iterable[Part], workers: int | None, device: str
) -> Generator[tuple[Part, np.ndarray]]:
    """Parts with the probabilities of their texts, (texts, classes), in the order in which they are done.

    Parameters
    ----------
    load
        Makes the classifier, once in each worker.
    parts
        Are taken one by one, as workers become free.
    workers, device
        As in `score_files`.

    Raises
    ------
    LlmclfError
        A worker fails, or dies again and again; more workers than processor cores.
    """
    import ray

    ours = not ray.is_initialized()  # otherwise the caller has started it, and may go on using it
    actors: list = []
    try:
        if ours:
            start()
        workers, gpu, threads = divide(ray.cluster_resources(), workers, device)
        options = {"num_cpus": 1, "num_gpus": gpu, "max_restarts": RETRIES, "max_task_retries": RETRIES}
        actors = [ray.remote(Worker).options(**options).remote(load, threads) for _ in range(workers)]
        yield from share_out(actors, parts)
    except ray.exceptions.RayTaskError as error:  # what a worker raised
        if isinstance(error.cause, LlmclfError):
            raise LlmclfError(str(error.cause)) from None
        raise LlmclfError(f"a worker failed: {error.cause!r}; the same command does the rest") from error
    except ray.exceptions.RayError as error:
        raise LlmclfError(
            f"a worker has died {RETRIES + 1} times ({type(error).__name__}), perhaps for want of memory; "
            f"the same command does the rest, with fewer --workers"
        ) from error
    finally:
        for actor in actors:
            ray.kill(actor)
        if ours:
            ray.shutdown()


def start() -> None:
    """A Ray on this machine, or the cluster that `RAY_ADDRESS` names."""
    import ray

    try:
        address = os.environ.get("RAY_ADDRESS") or "local"  # not one that a Ray that was killed has left behind
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # of many kinds, as Ray likes
        raise LlmclfError(f"Ray could not be started ({error}); the same command tries again") from error


def share_out(actors: list, parts: Iterable[Part]) -> Generator[tuple[Part, np.ndarray]]:
    """Give each worker one part at a time, so that no more of them are in memory than there are workers, and one."""
    from ray.util import ActorPool

    pool, waiting = ActorPool(actors), {}
    for number, part in enumerate(parts):
        done = [] if pool.has_free() else [pool.get_next_unordered()]
        waiting[number] = part
        pool.submit(lambda actor, job: actor.score.remote(*job), (number, part.texts))
        yield from ((waiting.pop(number), probabilities) for number, probabilities in done)
    while pool.has_next():
        number, probabilities = pool.get_next_unordered()
        yield waiting.pop(number), probabilities


def divide(resources: Mapping[str, float], workers: int | None, device: str) -> tuple[int, float, int]:
    """How many workers, which share of a GPU each gets, and how many processor threads, of what Ray has to give."""
    cores = int(resources.get("CPU", 0))
    gpus = int(resources.get("GPU", 0)) if device == "auto" or device.startswith("cuda") else 0
    workers = workers or min(gpus, cores) or max(1, cores // 2)
    if workers > cores:
        raise LlmclfError(f"workers must be at most {cores}, one for each processor core, got {workers}")
    return workers, 1 / math.ceil(workers / gpus) if gpus else 0, cores // workers


class Worker:
    """What runs in each of Ray's processes.

    Parameters
    ----------
    load
        Makes the classifier; called for the first part, as Ray tells what fails then better than before.
    threads
        Processor threads to use.
    """

    def __init__(self, load: Callable[[], TextClassifier], threads: int) -> None:
        torch.set_num_threads(threads)
        self.load = load

    @cached_property
    def classifier(self) -> TextClassifier:
        return self.load()

    def score(self, number: int, texts: list[str]) -> tuple[int, np.ndarray]:
        """The part's number, and (texts, classes) probabilities."""
        return number, self.classifier.predict_proba(texts)
