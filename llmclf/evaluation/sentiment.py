"""Chapter 9: how do people feel about it? Sentences of four kinds, each rated by fifteen people or more.

Hutto and Gilbert (2014) had every sentence rated from -4, extremely negative, to 4, extremely positive.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd

from llmclf.console import require_one_of
from llmclf.data import DataError
from llmclf.evaluation.near_duplicates import near_duplicate_groups
from llmclf.files import assets

KINDS = {
    "films": "movieReviewSnippets",
    "tweets": "tweets",
    "products": "amazonReviewSnippets",
    "editorials": "nytEditorialSnippets",
}
NEUTRAL = 0.5  # a mean rating no further from 0 than this takes no side
SENTIMENTS = ("negative", "positive")


def read_sentiment(kind: str = "films", path: Path | None = None) -> pd.DataFrame:
    """The rated sentences of one kind, in the order of their file.

    Parameters
    ----------
    kind
        "films" and "products" are from reviews, "tweets" from Twitter, "editorials" from a newspaper.
    path
        The archive; by default it is fetched (once).

    Returns
    -------
    pandas.DataFrame
        `text`; `rating`, the mean that was published; `ratings`, a list of whole numbers, one a person; and `group`:
        sentences of one review or editorial have the same number, and so have near copies.

    Raises
    ------
    DataError
        The file is no archive, or does not hold what is expected.
    """
    require_one_of("kind", kind, KINDS)
    path = assets.fetch("vader-sentiment") if path is None else Path(path)
    names = [f"{KINDS[kind]}_{part}.txt" for part in ("GroundTruth", "anonDataRatings")]
    sentences, single = (rows_of(path, name) for name in names)
    ratings = {row[0]: json.loads(row[3]) for row in single}
    table = pd.DataFrame([(row[2], float(row[1]), ratings.get(row[0])) for row in sentences])
    table.columns = ["text", "rating", "ratings"]
    if table["ratings"].isna().any():
        raise DataError(f"{path}: {names[1]} lacks the ratings of a sentence of {names[0]}")
    # "12_3" is the third sentence of the twelfth text.
    sources = pd.factorize(np.array([row[0].split("_")[0] for row in sentences]))[0]
    return table.assign(group=joined(sources, near_duplicate_groups(table["text"])))


def rows_of(path: Path, name: str) -> list[list[str]]:
    """The fields of each line of a tab-separated file in the archive, where quotation marks are plain characters."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            file = archive.extractfile(f"hutto_ICWSM_2014/{name}")
            text = file.read().decode("utf-8-sig") if file else ""
    except (OSError, EOFError, tarfile.TarError, KeyError) as error:
        raise DataError(f"{path}: {name} cannot be read from this archive: {error}; fetch it again") from None
    return [line.rstrip("\r").split("\t") for line in text.split("\n") if line.strip()]


def joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Group numbers (rows,) so that rows which share a group in either way share one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, nodes = len(one), one.max() + other.max() + 2
    links = coo_array((np.ones(rows), (one, one.max() + 1 + other)), shape=(nodes, nodes))
    return np.unique(connected_components(links, directed=False)[1][one], return_inverse=True)[1]


def take_sides(table: pd.DataFrame) -> pd.DataFrame:
    """The sentences that are not neutral, each text once, with `label` 1 for positive and 0 for negative."""
    sided = table[table["rating"].abs() > NEUTRAL].drop_duplicates("text")
    return sided.assign(label=(sided["rating"] > 0).astype(int)).reset_index(drop=True)


def one_against_the_others(ratings: list[int]) -> list[int]:
    """For each person who rated a sentence: 1 if on the side of the mean of the others, -1 if on the other, else 0."""
    values = np.asarray(ratings)
    return np.sign(np.sign(values) * np.sign(values.sum() - values)).astype(int).tolist()
