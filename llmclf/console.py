"""Every chapter: what the library says to the person at the keyboard: errors, notices, progress bars."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


class LlmclfError(ValueError):
    """Something the user can put right; the message says what was found, what was expected, what to do.

    The command line prints it on its own and leaves with exit code 2; anything else is a bug and shows its trace.
    """


def require_one_of(name: str, value: str, known: Iterable[str]) -> None:
    """Raise `LlmclfError` where the setting of this name has a value that is not known."""
    if value not in known:
        raise LlmclfError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def launched_by_torchrun() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_main_process() -> bool:
    """Whether this process writes and prints: the only one, or torchrun's first."""
    return not launched_by_torchrun() or os.environ["RANK"] == "0"


def progress(iterable: Iterable | None = None, *, description: str, **options: Any) -> tqdm:
    """A tqdm bar that appears after one second, in a terminal or a notebook, and never when `CI` is set.

    Parameters
    ----------
    iterable
        What to walk through; leave it out to call `update` by hand.
    description
        The words left of the bar.
    **options
        Passed on to `tqdm.tqdm` (`total`, `unit`, …).
    """
    from tqdm import tqdm  # only now: a command that shows no bar need not wait for it

    watched = (sys.stderr.isatty() or in_notebook()) and is_main_process()
    return tqdm(
        iterable, desc=description, disable=not watched or bool(os.environ.get("CI")), leave=False, delay=1, **options
    )


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def notice(message: str) -> None:
    """Print one line for what the reader should know but did not ask: on standard error, in a notebook as output."""
    if is_main_process():
        print(f"llmclf: {message}", file=sys.stdout if in_notebook() else sys.stderr, flush=True)
