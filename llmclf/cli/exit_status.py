"""How a command ends: a status for the shell, and if it did not go well, one line that says so."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from llmclf.console import LlmclfError


class Terminated(KeyboardInterrupt):
    """SIGTERM: somebody, or the system, ends this process."""


def terminate(number: int, frame: FrameType | None) -> None:
    """Unwind the program as Ctrl-C does, so that it tidies up; once, so that no second signal stops the tidying."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


@contextmanager
def handled(number: int, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a signal call a handler during the block; then it does again what it did before, whatever the block has done.

    Signals are the main thread's alone; in another one nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        if before is not None:  # else it is not Python's to give back
            signal.signal(number, before)


def exit_status(command: Callable[[], None], *, afterwards: str, debug: bool = False) -> int:
    """Run a command; 0 if it went well, 2 after an error, 130 interrupted, 143 terminated, 141 if nobody reads on.

    Parameters
    ----------
    command
        The work; what it prints is its own.
    afterwards
        What to say of the work after an interruption.
    debug
        Show the trace of an error as well.
    """
    with handled(signal.SIGTERM, terminate):  # to the last word: torchrun's may come while we say why we stop
        try:
            command()
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + 13  # SIGPIPE, which Windows has no name for
        except KeyboardInterrupt as interruption:
            print(f"llmclf: interrupted; {afterwards}", file=sys.stderr)
            return 128 + (signal.SIGTERM if isinstance(interruption, Terminated) else signal.SIGINT)
        except (LlmclfError, OSError) as error:
            if debug:
                traceback.print_exc()
            print(f"llmclf: error: {error}", file=sys.stderr)
            return 2
    return 0
