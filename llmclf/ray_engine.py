"""Chapter 10: the engine "ray". Ray Data starts workers, hands them parts of files, and replaces those that die."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from llmclf.errors import LlmclfError
from llmclf.exits import postponed

if TYPE_CHECKING:
    from llmclf.scoring import Part, Scorer

RETRIES = 2  # of a part during which a worker has died


def with_ray(scorer: Scorer, parts: list[Part], workers: int | None) -> Iterator[int]:
    """Parts as rows of a Ray dataset, one classifier in each of its actors.

    Ray Data hands out parts as actors become free, a few at a time, and gives the part of one that died to another;
    one that ends its actor three times ends the work.
    """
    import ray.data

    if not parts:
        return
    cores = max(os.cpu_count() or 1, workers or 1)  # where there are more workers than cores they take turns
    here = {"address": "local", "include_dashboard": False, "num_cpus": cores, "_node_ip_address": "127.0.0.1"}
    cluster = {} if os.environ.get("RAY_ADDRESS") else here
    try:
        start(log_to_driver=False, logging_level=logging.ERROR, **cluster)
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        workers, each = shares(nodes, workers, scorer.device)
        each["ray_remote_args_fn"] = partial(dict, max_restarts=RETRIES, max_task_retries=RETRIES)
        ray.data.DataContext.get_current().enable_progress_bars = False  # ours counts messages
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of its plans at length
        scorer.threads = each["num_cpus"]
        numbers = ray.data.from_items([{"part": n} for n in range(len(parts))], override_num_blocks=len(parts))
        pool = ray.data.ActorPoolStrategy(size=workers)
        for row in numbers.map(Actor, fn_constructor_args=(scorer, parts), compute=pool, **each).iter_rows():
            if row["fault"]:
                raise LlmclfError(row["fault"])
            yield row["rows"]
    except ray.exceptions.RayError as error:
        raise LlmclfError(
            f"a worker ended {RETRIES + 1} times over the same part ({type(error).__name__}), perhaps for want of "
            f"memory: the same command does the rest, with fewer --workers"
        ) from error
    finally:
        ray.shutdown()


def start(**options: object) -> None:
    """`ray.init`; a SIGTERM waits for its end, since Ray crashes where it is ended half-way."""
    import ray
    from ray._private import utils

    takes_signal, utils.set_sigterm_handler = utils.set_sigterm_handler, lambda handler: None
    try:
        with postponed(signal.SIGTERM):
            ray.init(**options)
    finally:
        utils.set_sigterm_handler = takes_signal


def require_ray(workers: int | None) -> None:
    """Raise `LlmclfError` where the engine "ray" cannot be started."""
    try:
        import ray.data
    except ImportError:
        raise LlmclfError("the engine 'ray' needs Ray Data; install the extra: pip install llmclf[ray]") from None
    if ray.is_initialized():
        raise LlmclfError("Ray is running in this process already; call ray.shutdown(), or use the command")
    if workers is not None and workers < 1:
        raise LlmclfError(f"workers must be at least 1, got {workers}")


def shares(nodes: list[Mapping[str, float]], workers: int | None, device: str) -> tuple[int, dict[str, float]]:
    """How many workers, and what each asks Ray for, on machines with so many cores ("CPU") and GPUs."""
    cores = [int(node.get("CPU", 0)) for node in nodes]
    gpus = int(sum(node.get("GPU", 0) for node in nodes)) if device == "auto" or device.startswith("cuda") else 0
    workers = workers or min(gpus, sum(cores)) or max(1, sum(cores) // 2)
    if workers > sum(cores):
        raise LlmclfError(f"workers must be at most {sum(cores)}, one for each processor core, got {workers}")
    smallest = min(count for count in cores if count)  # a worker must find its cores on one machine
    return workers, {"num_cpus": min(smallest, sum(cores) // workers), "num_gpus": min(1.0, gpus / workers)}


class Actor:
    """What Ray Data calls, in a process of its own, for the number of each part."""

    def __init__(self, scorer: Scorer, parts: list[Part]) -> None:
        self.scorer, self.parts = scorer, parts

    def __call__(self, row: dict) -> dict:
        try:
            return {"rows": self.scorer.score(self.parts[row["part"]]), "fault": ""}
        except (LlmclfError, OSError) as error:  # as a value: Ray would bury it under its own traces
            return {"rows": 0, "fault": str(error)}
