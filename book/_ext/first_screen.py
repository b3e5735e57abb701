"""A Sphinx extension: what the opening page promises, in numbers of the book."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from sphinx.application import Sphinx
from sphinx.config import Config

PROMISES = {
    "laptop": (
        "Training takes {} s on two CPU cores, once the frozen part of the model has been computed "
        "([chapter 6](06_fine_tuning.ipynb)).",
        [("06_fine_tuning", r"(\d+) s of training, after the frozen part")],
    ),
    "truth": (
        "Every result comes from code that you can run. Of 5,574 messages the fine-tuned model gets {} wrong, and "
        "counting characters gets {} wrong ([chapter 8](08_how_good.ipynb)).",
        [
            ("08_how_good", r"last-token +(\d+) +\d+ +\d+ +99"),
            ("08_how_good", r"tfidf-characters +(\d+) +\d+ +\d+ +99"),
        ],
    ),
    "worth": (
        "On film reviews it leads counting words by {} percentage points ([chapter 9](09_another_task.ipynb)). And "
        "sixteen labels that you give with a click make a spam filter that is right {}\N{NO-BREAK SPACE}% of the time "
        "([Teach it yourself](teach.ipynb)).",
        [
            ("09_another_task", r"fine-tuned, last token: \+([\d.]+) points"),
            ("teach", r"least sure(?: +[\d.]+%){2} +([\d.]+)%"),
        ],
    ),
}


def outputs_of(notebook: Path, tag: str | None = None) -> Iterator[str]:
    """What the cells of a page printed, or those that carry this tag."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if tag is None or tag in cell.metadata.get("tags", []):
            for output in cell.get("outputs", []):
                yield output.get("text") or output.get("data", {}).get("text/plain", "")


def printed(folder: Path, page: str, pattern: str) -> str:
    """A number that a cell of the page printed; the build stops where it no longer does."""
    for text in outputs_of(folder / f"{page}.ipynb"):
        if found := re.search(pattern, text):
            return found[1]
    raise ValueError(f"{page}: no cell prints {pattern!r}, which the opening page promises")


def promise(app: Sphinx, config: Config) -> None:
    for name, (words, places) in PROMISES.items():
        numbers = [printed(Path(app.srcdir), page, pattern) for page, pattern in places]
        config.myst_substitutions[name] = words.format(*numbers)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", promise)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
