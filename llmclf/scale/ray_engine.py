"""Chapter 10: the engine "ray". Ray Data starts workers, hands them parts of files, and replaces those that die.

Ray lives in a process of its own, which `with_ray` starts: it takes signals for itself, keeps a log of its own, and may
crash where it is interrupted. The two talk in lines of JSON: the job goes in, a count of rows for every part comes out.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from llmclf.console import LlmclfError
from llmclf.files.tables import Position
from llmclf.scale.message_files import Cut
from llmclf.scale.scorer import Part, Scorer

PROGRAM = (
    "from llmclf.scale.ray_engine import main; main()"  # not `-m`: what Ray sends to its workers has this module's name
)
RETRIES = 2  # of a part during which a worker has died
PATIENCE = 20.0  # seconds that Ray has for its own tidying
SHORT = "/tmp" if os.path.isdir("/tmp") else None  # sockets have names of at most some hundred characters


def with_ray(scorer: Scorer, parts: list[Part], workers: int | None) -> Iterator[int]:
    """How many rows were scored, part by part; whatever ends this ends Ray too.

    Raises
    ------
    LlmclfError
        A worker cannot read, score or write a part; ends again and again; Ray itself has died.
    """
    if not parts:
        return
    job = {
        "classifier": os.path.abspath(scorer.folder),  # workers of a cluster stand in another folder
        "sha256": scorer.sha256,
        "text_column": scorer.text_column,
        "device": scorer.device,
        "workers": workers,
        "parts": [
            [os.path.abspath(part.source), *part.cut.start, part.cut.rows, os.path.abspath(part.target)]
            for part in parts
        ],
    }
    with tempfile.TemporaryFile() as log, ray_process(log.fileno()) as process:
        with suppress(BrokenPipeError):  # it has died: told below
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        for line in process.stdout:
            answer = json.loads(line)
            if isinstance(answer, str):
                raise LlmclfError(answer)
            yield answer
        if process.wait() != 0:
            log.seek(0)
            lines = [line.strip() for line in log.read().decode(errors="replace").split("\n") if line.strip()]
            last = f": {lines[-1]}" if lines and process.returncode > 0 else ""  # of who is killed it tells nothing
            status = f"status {process.returncode}{last}"
            raise LlmclfError(f"Ray has ended ({status}); the same command tries the rest again")


@contextmanager
def ray_process(log: int) -> Iterator[subprocess.Popen]:
    """The process that Ray runs in, for the time of the block; what it logs goes into an open file."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,  # Ctrl-C in a terminal reaches us, and we end it
    )
    try:
        yield process
    finally:
        try:
            with suppress(BrokenPipeError):
                process.stdin.close()  # see `end_with_parent`
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError, PermissionError):  # all of its group have ended, as they should
                os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
            process.wait()
            process.stdout.close()


def require_ray(workers: int | None) -> None:
    """Raise `LlmclfError` where the engine "ray" cannot be started."""
    if not find_spec("ray") or not find_spec("pyarrow"):
        raise LlmclfError("the engine 'ray' needs Ray Data; install the extra: pip install llmclf[ray]")
    if workers is not None and workers < 1:
        raise LlmclfError(f"workers must be at least 1, got {workers}")


# In the process of its own --------------------------------------------------------------------------------------------


def main() -> None:
    """Read a job, do it, and write a line for every part: its rows, or as a string why the work cannot go on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without it
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    scorer = Scorer(Path(job["classifier"]), job["sha256"], job["text_column"], job["device"])
    parts = [
        Part(Path(source), Cut(Position(line, byte), rows), Path(target))
        for source, line, byte, rows, target in job["parts"]
    ]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever Ray, and what it starts, may have to say
    try:
        for rows in score(scorer, parts, job["workers"]):
            print(rows, file=answers, flush=True)
    except (LlmclfError, OSError) as error:
        print(json.dumps(str(error)), file=answers, flush=True)


def end_with_parent() -> None:
    """Wait until the process that started this one closes the pipe, or dies; interrupt the work, and soon end it."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(PATIENCE)
    os.killpg(os.getpgrp(), signal.SIGKILL) if hasattr(os, "killpg") else os.abort()


def score(scorer: Scorer, parts: list[Part], workers: int | None) -> Iterator[int]:
    """Parts as rows of a Ray dataset, one classifier in each of its actors.

    Ray Data hands out parts as actors become free, and gives the part of one that died to another; a part that has lost
    its actor `RETRIES` + 1 times ends the work.
    """
    import ray.data

    try:
        with connected(workers):
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            workers, each = shares(nodes, workers, scorer.device)
            each["max_task_retries"] = RETRIES  # of a part; actors are replaced as often as need be
            ray.data.DataContext.get_current().enable_progress_bars = False  # ours counts messages
            logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of its plans at length
            scorer.threads = each["num_cpus"]
            numbers = ray.data.from_items([{"part": n} for n in range(len(parts))], override_num_blocks=len(parts))
            # A part that waited at an actor would lose it too, or wait there while another actor has nothing to do.
            pool = ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1)
            for row in numbers.map(Actor, fn_constructor_args=(scorer, parts), compute=pool, **each).iter_rows():
                if row["fault"]:
                    raise LlmclfError(row["fault"])
                yield row["rows"]
    except (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise LlmclfError(
            f"a part has lost its worker {RETRIES + 1} times ({type(error).__name__}), perhaps for want of memory: "
            f"the same command does the rest, with fewer --workers"
        ) from error


@contextmanager
def connected(workers: int | None) -> Iterator[None]:
    """For the time of the block a Ray on this computer, or a place in the cluster that `RAY_ADDRESS` names."""
    import ray
    from joblib import cpu_count  # of a container, not of its machine

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    with ExitStack() as stack:
        if address := os.environ.get("RAY_ADDRESS"):
            stack.callback(ray.shutdown)
            join(address, quiet)
        else:
            folder = tempfile.mkdtemp(prefix="ray-", dir=os.environ.get("RAY_TMPDIR") or SHORT)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.callback(ray.shutdown)
            cores = max(cpu_count(), workers or 1)  # where there are more workers than cores they take turns
            ray.init("local", include_dashboard=False, num_cpus=cores, _temp_dir=folder, **quiet)
        yield


def join(address: str, quiet: Mapping[str, object]) -> None:
    """Join a cluster, or raise `LlmclfError` where none answers."""
    import ray

    host, _, port = address.rpartition("/")[2].rpartition(":")
    try:
        if port.isdigit():  # not "auto"
            place = host.strip("[]"), int(port)
            socket.create_connection(place, timeout=10).close()  # Ray would go on trying for many minutes
        ray.init(**quiet)
    except OSError:
        raise LlmclfError(
            f"no Ray cluster answers at RAY_ADDRESS={address}: see whether it runs there; where it was started with a "
            f"token, set RAY_AUTH_MODE=token too"
        ) from None


def shares(nodes: list[Mapping[str, float]], workers: int | None, device: str) -> tuple[int, dict[str, float]]:
    """How many workers, and what each asks Ray for, on machines with so many cores ("CPU") and GPUs.

    A worker must find its cores, and its GPU or its share of one, on the same machine: else Ray would wait for ever.
    """
    machines = [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in nodes if node.get("CPU", 0) >= 1]
    if device == "auto" or device.startswith("cuda"):
        machines = [(cores, gpus) for cores, gpus in machines if gpus] or machines
    else:
        machines = [(cores, 0) for cores, _ in machines]
    if not machines:
        raise LlmclfError("the machines of the Ray cluster have no processor cores to give; start it with --num-cpus")
    all_cores, all_gpus = map(sum, zip(*machines, strict=True))
    workers = workers or sum(min(machine) for machine in machines) or max(1, all_cores // 2)
    if workers > all_cores:
        where = " of the machines with a GPU (--device cpu takes all machines)" if all_gpus else ""
        raise LlmclfError(f"workers must be at most {all_cores}, one for each processor core{where}, got {workers}")
    each, per_gpu = all_cores // workers, math.ceil(workers / all_gpus) if all_gpus else 0

    def room() -> int:
        return sum(min(cores // each, gpus * per_gpu if all_gpus else workers) for cores, gpus in machines)

    while room() < workers:
        each, per_gpu = (each - 1, per_gpu) if each > 1 else (1, per_gpu + 1)
    return workers, {"num_cpus": each, "num_gpus": 1 / per_gpu if all_gpus else 0}


class Actor:
    """What Ray Data calls, in a process of its own, for the number of each part."""

    def __init__(self, scorer: Scorer, parts: list[Part]) -> None:
        self.scorer, self.parts = scorer, parts

    def __call__(self, row: dict) -> dict:
        try:
            return {"rows": self.scorer.score(self.parts[row["part"]]), "fault": ""}
        except Exception as error:  # as a value: Ray would bury it under its own traces
            foreseen = isinstance(error, LlmclfError | OSError)
            return {"rows": 0, "fault": str(error) if foreseen else f"a worker failed: {error!r}"}
