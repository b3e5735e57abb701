"""Commands that are ended early, run beside each other, or find no room to write."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from things import (
    ENVIRONMENT,
    ERROR,
    RIGHT,
    ROOT,
    LostError,
    Things,
    Trial,
    expect_success,
    judge,
    left_behind,
    refused,
    run,
)

PYTHON_STARTS = 0.2  # seconds; a signal before our first line ends in the trace of Python itself


def ended_early(things: Things, what: str, how: signal.Signals, seed: int) -> Trial:
    """Start, send a signal at a random moment, start again, compare with the run that nothing disturbed."""

    def trial() -> str:
        latest = random.Random(seed).uniform(PYTHON_STARTS, things.seconds[what])
        # Earlier each time, where the command was done before it.
        for moment in (latest, max(PYTHON_STARTS, latest / 2), PYTHON_STARTS):
            with tempfile.TemporaryDirectory(dir=things.folder) as folder:
                output = Path(folder) / "output"
                words, more = things.words(what, output), things.environment(what, output)
                met, code, told = send(words, how, moment, more)
                if not met:
                    continue
                if "Traceback" in told or (how != signal.SIGKILL and code not in (0, 128 + how, -how)):
                    raise LostError(f"exit code {code} after {moment:.1f} s: {told}")
                expect_tidy(output, how)
                if code != 0:
                    again = run(words, **more)
                    if judge(again) == ERROR and "holds a classifier already" not in again.stderr:
                        raise LostError(again.stderr)
                expect_tidy(output, how)
                things.check(what, output)
                return RIGHT
        raise LostError("no signal met the command")

    return trial


def expect_tidy(output: Path, how: signal.Signals | None = None) -> None:
    """Only what could do nothing before it ended may leave hidden files."""
    if how != signal.SIGKILL and left_behind(output):
        raise LostError(f"left behind: {left_behind(output)}")


def send(words: list[str], how: signal.Signals, moment: float, environment: dict[str, str]) -> tuple[bool, int, str]:
    """Start a command and send it a signal: whether that met it, how the command ended, and what it told."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, env=ENVIRONMENT | environment, cwd=ROOT, **pipes) as process:
        time.sleep(moment)
        met = process.poll() is None
        process.send_signal(how)  # to one that is done, nothing is sent
        told = process.communicate(timeout=120)[1].decode()
    return met, process.returncode, told


def at_once(things: Things, what: str, count: int) -> Trial:
    """Several processes do the same in the same place."""

    def trial() -> str:
        with tempfile.TemporaryDirectory(dir=things.folder) as folder:
            output = Path(folder) / "output"
            words, environment = things.words(what, output), ENVIRONMENT | things.environment(what, output)
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            processes = [subprocess.Popen(words, env=environment, cwd=ROOT, **pipes) for _ in range(count)]
            ends = [process.communicate(timeout=300) for process in processes]
            codes = [process.returncode for process in processes]
            for code, (out, err) in zip(codes, ends, strict=True):
                judge(subprocess.CompletedProcess(words, code, out, err))
            # Who trains second is refused; who scores when another is done finds nothing to do.
            if (what == "fetch" and any(codes)) or (what == "train" and codes.count(0) != 1):
                raise LostError(f"exit codes {codes}: {ends}")
            things.check(what, output)
            return RIGHT if set(codes) == {0} else ERROR

    return trial


@contextlib.contextmanager
def disk(options: str) -> Iterator[Path]:
    """A small file system in memory."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, capture_output=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def can_mount() -> bool:
    """Whether this process may make one."""
    try:
        with disk("size=64k"):
            return True
    except subprocess.CalledProcessError:
        return False


def full_disk(things: Things, what: str, kilobytes: int) -> Trial:
    """Write on a disk that is too small, then with room enough: the same command does the rest."""

    def trial() -> str:
        with disk(f"size={kilobytes}k") as folder:
            output = folder / "output"
            words, more = things.words(what, output), things.environment(what, output)
            done = run(words, **more)
            end = judge(done)
            if end == ERROR and "No space left" not in done.stderr:
                raise LostError(f"the full disk is not named: {done.stderr}")
            expect_tidy(output)
            subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
            if end == ERROR:
                expect_success(words, **more)
            things.check(what, output)
            return end

    return trial


def read_only_disk(things: Things, what: str) -> Trial:
    """Write where nothing can be written."""

    def trial() -> str:
        with disk("ro") as folder:
            output = folder / "output"
            done = run(things.words(what, output), **things.environment(what, output))
            if "Read-only file system" not in done.stderr:
                raise LostError(f"the read-only disk is not named: {done.stderr}")
            return refused(judge(done))

    return trial
