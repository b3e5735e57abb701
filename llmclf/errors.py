"""The one kind of error whose message is written for the person at the keyboard."""


class LlmclfError(ValueError):
    """Something the user can put right; the message says what was found, what was expected, what to do.

    The command line prints it on its own and leaves with exit code 2; anything else is a bug and shows its trace.
    """
