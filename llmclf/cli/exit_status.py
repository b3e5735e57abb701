"""How a command ends: a status for the shell, and if it did not go well, one line that says so."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

from llmclf.console import LlmclfError


class Terminated(KeyboardInterrupt):
    """SIGTERM: somebody, or the system, ends this process."""


def terminate(number: int, frame: FrameType | None) -> None:
    """Unwind the program as Ctrl-C does, so that it tidies up; once, so that no second signal stops the tidying."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


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
    before = signal.signal(signal.SIGTERM, terminate)
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
    finally:
        signal.signal(signal.SIGTERM, before)  # only now: torchrun's may come while we say why we stop
    return 0
