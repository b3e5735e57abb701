"""Commands that are ended early, run beside each other, or find no room to write."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from things import (
    ENVIRONMENT,
    ERROR,
    RIGHT,
    ROOT,
    LostError,
    Things,
    Trial,
    command,
    expect_success,
    judge,
    left_behind,
    refused,
    run,
)


def ended_early(things: Things, what: str, how: signal.Signals, seed: int) -> Trial:
    """Start, send a signal at a random moment, start again, compare with the run that nothing disturbed."""

    def trial() -> str:
        latest = random.Random(seed).uniform(0, things.seconds[what])
        for moment in (latest, latest / 2, latest / 4):  # earlier each time, where the command was done before it
            with tempfile.TemporaryDirectory(dir=things.folder) as folder:
                output = Path(folder) / "output"
                words, more = things.words(what, output), things.environment(what, output)
                met, code, told = send(words, how, moment, more)
                if not met:
                    continue
                if how != signal.SIGKILL and code not in (0, 128 + how, -how):
                    raise LostError(f"exit code {code} after {moment:.1f} s: {told}")
                if "Traceback" in told:
                    raise LostError(f"a trace after {moment:.1f} s: {told}")
                if how != signal.SIGKILL and left_behind(output):
                    raise LostError(f"left behind: {left_behind(output)}")
                if code != 0:
                    again = run(words, **more)
                    if judge(again) == ERROR and "holds a classifier already" not in again.stderr:
                        raise LostError(again.stderr)
                if how != signal.SIGKILL and left_behind(output):
                    raise LostError(f"left behind: {left_behind(output)}")
                things.check(what, output)
                return RIGHT
        raise LostError("no signal met the command")

    return trial


def send(words: list[str], how: signal.Signals, moment: float, environment: dict[str, str]) -> tuple[bool, int, str]:
    """Start a command and send it a signal: whether that met it, how the command ended, and what it told."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, env=ENVIRONMENT | environment, cwd=ROOT, **pipes) as process:
        time.sleep(moment)
        met = process.poll() is None
        process.send_signal(how)  # to one that is done, nothing is sent
        told = process.communicate(timeout=120)[1].decode()
    return met, process.returncode, told


def worker_killed(things: Things, seed: int) -> Trial:
    """SIGKILL for one of two workers that train together, at a random moment after the first step; then go on."""

    def trial() -> str:
        chance = random.Random(seed)
        worker, wait = chance.randrange(2), chance.uniform(0, things.seconds["train"] / 4)
        for moment in (wait, wait / 4, wait / 16, 0):  # earlier each time, where the workers were done before it
            with tempfile.TemporaryDirectory(dir=things.folder) as folder:
                output = Path(folder) / "output"
                words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
                words += things.words("train", output)[1:]
                killed, told = kill_worker(words, worker, moment)
                if not killed:
                    continue
                if "the same command" not in told and not (output / "classifier.safetensors").exists():
                    raise LostError(told)
                again = run(words)
                if again.returncode != 0 and "holds a classifier already" not in again.stderr:
                    raise LostError(again.stderr)
                if left_behind(output):
                    raise LostError(f"left behind: {left_behind(output)}")
                things.check("train", output, tolerance=1e-4)  # two workers add in another order than one
                return RIGHT
        raise LostError("nobody was killed")

    return trial


def kill_worker(words: list[str], worker: int, wait: float) -> tuple[bool, str]:
    """Let torchrun start two workers, and kill one, some seconds after the first step.

    Returns
    -------
    bool, str
        Whether torchrun says that this one died of it, and all that was told.
    """
    import psutil

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=ENVIRONMENT, cwd=ROOT, **pipes) as launcher:
        while not launcher.stdout.readline().startswith("step") and launcher.poll() is None:
            pass
        time.sleep(wait)
        victim = None
        with contextlib.suppress(psutil.Error, IndexError):  # it may be done already
            victim = psutil.Process(launcher.pid).children()[worker]
            victim.kill()
        told = launcher.communicate(timeout=120)[1]
    killed = victim is not None and f"Signal 9 (SIGKILL) received by PID {victim.pid}" in told
    if (launcher.returncode != 0) != killed:
        raise LostError(f"exit code {launcher.returncode}: {told}")
    return killed, told


def at_once(things: Things, what: str, count: int) -> Trial:
    """Several processes do the same in the same place."""

    def trial() -> str:
        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            output = Path(folder) / "output"
            load = command("classify", things.done["train"], "hello", "WIN CASH")
            words = load if what == "load" else things.words(what, output)
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            environment = ENVIRONMENT | things.environment(what, output)
            processes = [subprocess.Popen(words, env=environment, cwd=ROOT, **pipes) for _ in range(count)]
            ends = [process.communicate(timeout=300) for process in processes]
            codes = [process.returncode for process in processes]
            for code, (out, err) in zip(codes, ends, strict=True):
                judge(subprocess.CompletedProcess(words, code, out, err))
            if what in ("load", "fetch") and (set(codes) != {0} or len({out for out, _ in ends}) != 1):
                raise LostError(f"exit codes {codes}: {ends}")
            if what == "train" and codes.count(0) != 1:  # whoever scores when another is done finds nothing to do
                raise LostError(f"exit codes {codes}: {ends}")
            if what != "load":
                things.check(what, output)
            return RIGHT if set(codes) == {0} else ERROR

    return trial


def can_mount() -> bool:
    """Whether this process may make a small file system of its own."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
        return mounted.returncode == 0 and subprocess.run(["umount", folder]).returncode == 0


def full_disk(things: Things, what: str, kilobytes: int) -> Trial:
    """Write on a disk that is too small, then with room enough: the same command does the rest."""

    def trial() -> str:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True)
            try:
                output = Path(folder) / "output"
                words, more = things.words(what, output), things.environment(what, output)
                done = run(words, **more)
                end = judge(done)
                if end == ERROR and "No space left" not in done.stderr:
                    raise LostError(f"the full disk is not named: {done.stderr}")
                if left_behind(output):
                    raise LostError(f"left behind: {left_behind(output)}")
                subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
                if end == ERROR:
                    expect_success(words, **more)
                things.check(what, output)
                return end
            finally:
                subprocess.run(["umount", folder], check=True)

    return trial


def read_only_disk(things: Things, what: str) -> Trial:
    """Write where nothing can be written."""

    def trial() -> str:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=True)
            try:
                output = Path(folder) / "output"
                done = run(things.words(what, output), **things.environment(what, output))
                if "Read-only file system" not in done.stderr:
                    raise LostError(f"the read-only disk is not named: {done.stderr}")
                return refused(judge(done))
            finally:
                subprocess.run(["umount", folder], check=True)

    return trial
