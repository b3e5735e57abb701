"""Chapters 8 and 9: the comparisons that count, written down before the runs that answer them were made.

That was on 30 November 2026. Earlier looks at other runs had suggested most of the answers, so these runs confirm or
refute; whatever else the tables show was looked at afterwards, and is called so.
"""

from __future__ import annotations

from typing import NamedTuple


class Question(NamedTuple):
    """Whether the first makes fewer mistakes than the second.

    Attributes
    ----------
    task
        A key of `TASKS`.
    labels
        How many texts were learnt from; 0 stands for all.
    first, second
        Names of `EXPERIMENTS` or `OPPONENTS`.
    part
        Which texts judge: those of the test, or another kind of text.
    """

    task: str
    labels: int
    first: str
    second: str
    part: str = "test"


SPAM = (
    Question("spam", 0, "last-token", "tfidf-characters"),
    Question("spam", 0, "mean", "tfidf-characters"),
    Question("spam", 0, "two-blocks", "tfidf-characters"),
    Question("spam", 1024, "lora", "tfidf-characters"),
    *(
        Question("spam", labels, "probe", rival)
        for labels in (16, 64, 256)
        for rival in ("tfidf-characters", "sentence-encoder", "last-token")
    ),
)
FILMS = (
    Question("films", 0, "last-token", "tfidf-words"),
    Question("films", 0, "two-blocks", "tfidf-words"),
    Question("films", 0, "last-token", "probe"),
    Question("films", 0, "last-token", "mean"),
    Question("films", 1024, "lora", "tfidf-words"),
    *(
        Question("films", labels, "probe", rival)
        for labels in (16, 64, 256)
        for rival in ("tfidf-words", "sentence-encoder", "last-token")
    ),
    *(Question("films", 0, "last-token", "tfidf-words", kind) for kind in ("tweets", "products", "editorials")),
)
