"""Progress bars and one-line notices: on standard error, and quiet where nobody watches."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from tqdm import tqdm

from llmclf.distributed import is_main


def progress(iterable: Iterable | None = None, *, description: str, **options) -> tqdm:
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
    quiet = bool(os.environ.get("CI")) or not is_main() or not (sys.stderr.isatty() or in_notebook())
    return tqdm(iterable, desc=description, disable=quiet, leave=False, delay=1, **options)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def notice(message: str) -> None:
    """Print one line for what the reader should know but did not ask: on standard error, in a notebook as output."""
    if is_main():
        print(f"llmclf: {message}", file=sys.stdout if in_notebook() else sys.stderr, flush=True)
