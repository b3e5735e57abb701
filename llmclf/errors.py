"""The one kind of error whose message is written for the person at the keyboard."""

from __future__ import annotations

from collections.abc import Iterable


class LlmclfError(ValueError):
    """Something the user can put right; the message says what was found, what was expected, what to do.

    The command line prints it on its own and leaves with exit code 2; anything else is a bug and shows its trace.
    """


def require_one_of(name: str, value: str, known: Iterable[str]) -> None:
    """Raise `LlmclfError` where the setting of this name has a value that is not known."""
    if value not in known:
        raise LlmclfError(f"{name} must be one of {', '.join(known)}, got {value!r}")
