"""Chapter 8: messages that are nearly the same, found and put into groups, so that a split can keep them together.

The same advertisement goes out again and again, with another number, another prize, another word. Where one copy is
learnt from and another is judged by, memory passes for insight.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from llmclf.data import Splits, check_shares, check_splits, words_of

SHINGLE_SIZE = 3  # words in a row that are compared; as usual for short texts
OVERLAP_SIZE = 5  # words in a row that no text of a lesson may share with a held-out one


def ngrams(words: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    """Every `size` words in a row; none where there are fewer."""
    return (words[start : start + size] for start in range(len(words) - size + 1))


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """The runs of three words in a text (Broder 1997 calls them shingles); a shorter text is one run."""
    words = words_of(text) or (text.strip(),)
    return frozenset(ngrams(words, min(SHINGLE_SIZE, len(words))))


def jaccard_similarity(one: frozenset, other: frozenset) -> float:
    """The share of runs that two texts have in common, among all that either has (Jaccard 1912)."""
    return len(one & other) / len(one | other)


def near_duplicate_groups(texts: Iterable[str], *, minimum_similarity: float = 0.5) -> np.ndarray:
    """A group number for every text: near copies, and near copies of near copies, have the same.

    Parameters
    ----------
    texts
        Any number of them; time grows with the number of pairs that share a run of words.
    minimum_similarity
        From which `jaccard_similarity` on two texts belong together.

    Returns
    -------
    numpy.ndarray
        (texts,) numbers from 0, in the order of the first text of each group.
    """
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)  # of each run the texts so far that have it
    sizes: list[int] = []
    parent: list[int] = []  # of each text another one of its group; the first one is its own

    def first_of(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    for row, text in enumerate(texts):
        own = shingles(text)
        parent.append(row)
        sizes.append(len(own))
        # How many runs it shares with each text before it: counted, which for long texts is far less work than to
        # compare two sets for every run that any two have in common.
        shared = Counter(chain.from_iterable(holders[run] for run in own))
        for other, common in shared.items():
            if common / (sizes[row] + sizes[other] - common) >= minimum_similarity:
                one, two = sorted((first_of(row), first_of(other)))
                parent[two] = one
        for run in own:
            holders[run].append(row)
    return np.unique([first_of(row) for row in range(len(parent))], return_inverse=True)[1]


class HeldOutOverlap:
    """Tells which texts overlap with held-out ones, so that a student of every token must not see them.

    Digits, case and punctuation aside, these share five words in a row with one, or all its words where it has only
    three or four; a text of one or two words must be the same. A student is taught after every token, so a text that
    no more than begins like a held-out one would tell too much.
    """

    def __init__(self, held_out: Iterable[str]) -> None:
        self.ngrams: set[tuple[str, ...]] = set()
        self.short: set[tuple[str, ...]] = set()
        for words in map(words_of, held_out):
            self.ngrams.update(ngrams(words, min(OVERLAP_SIZE, len(words))) if len(words) > 2 else [])
            self.short.update([words] if len(words) < 3 else [])

    def __contains__(self, text: str) -> bool:
        words = words_of(text)
        own = (ngram for size in range(3, OVERLAP_SIZE + 1) for ngram in ngrams(words, size))
        return words in self.short or any(ngram in self.ngrams for ngram in own)


def split_by_groups(
    table: pd.DataFrame,
    groups: Sequence[int] | np.ndarray,
    *,
    train_share: float = 0.7,
    validation_share: float = 0.1,
    seed: int = 123,
) -> Splits:
    """As `data.split`, but rows of one group stay together, and every part has nearly the same share of each label.

    Parameters
    ----------
    table
        Columns `label` and `text`.
    groups
        (rows,) numbers, such as `near_duplicate_groups` gives.
    train_share, validation_share
        What remains is for the test.
    seed
        Of the order.

    Raises
    ------
    DataError
        Shares that leave nothing for one part.
    """
    check_shares(train_share, validation_share)
    shuffled = table.sample(frac=1, random_state=seed).reset_index(drop=True)
    group_numbers = pd.Series(np.asarray(groups)).sample(frac=1, random_state=seed)  # shuffled like the table
    shares = (train_share, validation_share, 1 - train_share - validation_share)
    parts = stratified_group_split(shuffled["label"], group_numbers, shares, seed=seed)
    return check_splits(Splits(*(shuffled.iloc[rows] for rows in parts)))


def stratified_group_split(
    labels: Sequence[int | str], groups: Sequence[int], shares: Sequence[float], *, seed: int
) -> list[np.ndarray]:
    """Deal whole groups to parts so that each part gets its share of every label, as nearly as groups allow.

    The largest group comes first, each to the part that still lacks most of the group's labels.

    Parameters
    ----------
    labels, groups
        (rows,) of the table.
    shares
        Of the parts, above 0; they add up to one.
    seed
        Of the order among groups of the same size.

    Returns
    -------
    list of numpy.ndarray
        The row numbers of each part, ascending.
    """
    label_numbers = np.unique(np.asarray(labels), return_inverse=True)[1]
    group_numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    counts = np.zeros((group_numbers.max() + 1, label_numbers.max() + 1))  # (groups, labels)
    np.add.at(counts, (group_numbers, label_numbers), 1)
    wanted = np.outer(shares, counts.sum(axis=0))  # (parts, labels)
    lacking = wanted.copy()
    order = np.random.default_rng(seed).permutation(len(counts))
    part_of = np.empty(len(counts), dtype=int)
    for group in sorted(order, key=lambda group: -counts[group].sum()):
        part_of[group] = ((lacking / wanted) @ counts[group]).argmax()
        lacking[part_of[group]] -= counts[group]
    return [np.flatnonzero(part_of[group_numbers] == part) for part in range(len(shares))]
