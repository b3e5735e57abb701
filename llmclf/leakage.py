"""Chapter 8: messages that are nearly the same, found and put into groups, so that a split can keep them together.

The same advertisement goes out a hundred times, with another number, another prize, another word. Where one copy is
learnt from and another is judged by, memory passes for insight.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

RUN = 3  # words in a row that are compared; as usual for short texts (Broder 1997 calls them shingles)


def runs_of_words(text: str, size: int = RUN) -> frozenset[tuple[str, ...]]:
    """The runs of `size` words in a text, digits, case and punctuation aside; a shorter text is one run."""
    words = tuple(re.findall(r"[^\W\d_]+", text.lower())) or (text.strip(),)
    return frozenset(words[start : start + size] for start in range(max(1, len(words) - size + 1)))


def likeness(one: frozenset, other: frozenset) -> float:
    """The share of runs that two texts have in common, among all that either has (Jaccard 1912)."""
    return len(one & other) / len(one | other)


def near_duplicate_groups(texts: Iterable[str], *, least_likeness: float = 0.5) -> np.ndarray:
    """A group number for every text: near copies, and near copies of near copies, have the same.

    Parameters
    ----------
    texts
        Any number of them; time grows with the number of pairs that share a run of words.
    least_likeness
        From which `likeness` on two texts belong together.

    Returns
    -------
    numpy.ndarray
        (texts,) numbers from 0, in the order of the first text of each group.
    """
    runs = [runs_of_words(text) for text in texts]
    holders = defaultdict(list)
    for row, own in enumerate(runs):
        for run in own:
            holders[run].append(row)
    parent = list(range(len(runs)))  # of each text another one of its group; the first one is its own

    def first_of(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    for rows in holders.values():
        for one, other in combinations(rows, 2):
            if first_of(one) != first_of(other) and likeness(runs[one], runs[other]) >= least_likeness:
                parent[max(first_of(one), first_of(other))] = min(first_of(one), first_of(other))
    return np.unique([first_of(row) for row in range(len(runs))], return_inverse=True)[1]


def deal_groups(
    labels: Sequence[int | str], groups: Sequence[int], shares: Sequence[float], *, seed: int
) -> list[np.ndarray]:
    """Deal whole groups to parts so that each part gets its share of every label, as nearly as groups allow.

    The largest group comes first, each to the part that still lacks most of the group's labels.

    Parameters
    ----------
    labels, groups
        (rows,) of the table.
    shares
        Of the parts; they add up to one.
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
