"""Near copies are found, kept together, and dealt fairly."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmclf.data import SMS_LABELS, encode_labels, find_leakage, read_sms
from llmclf.evaluation.near_duplicates import (
    jaccard_similarity,
    near_duplicate_groups,
    shingles,
    split_by_groups,
    stratified_group_split,
)

ADVERT = "WINNER!! You have won a prize of 900 pounds, call 0800 now to claim it"


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("One, two THREE 4 four", {("one", "two", "three"), ("two", "three", "four")}),
        ("Call me", {("call", "me")}),
        (" :) ", {(":)",)}),
        ("", {("",)}),
    ],
)
def test_runs_are_of_words_whatever_their_dress(text, runs):
    assert shingles(text) == runs


def test_similarity_is_the_share_of_common_runs():
    assert jaccard_similarity(shingles("a b c d"), shingles("a b c e")) == pytest.approx(1 / 3)
    assert jaccard_similarity(shingles("a b"), shingles("A... b!")) == 1
    assert jaccard_similarity(shingles("a b"), shingles("b a")) == 0


def test_near_copies_share_a_group_and_others_do_not():
    texts = [
        ADVERT,
        "See you at eight",
        ADVERT.replace("900", "1000").replace("claim it", "get it"),
        "see you at 8 eight!",
        "Ok",
        "ok...",
        "Okay",
        ":)",
        ":(",
    ]
    assert near_duplicate_groups(texts).tolist() == [0, 1, 0, 1, 2, 2, 3, 4, 5]


def test_copies_of_copies_belong_together_although_they_are_unlike():
    chain = ["a b c d e f", "c d e f g h", "e f g h i j"]
    assert jaccard_similarity(shingles(chain[0]), shingles(chain[2])) == 0
    assert near_duplicate_groups(chain, minimum_similarity=1 / 3).tolist() == [0, 0, 0]
    assert near_duplicate_groups(chain).tolist() == [0, 1, 2]


def test_no_texts_make_no_groups():
    assert near_duplicate_groups([]).tolist() == []


@given(st.lists(st.text(alphabet="ab c", max_size=12), max_size=12))
@settings(max_examples=100)
def test_groups_are_what_comparing_every_pair_gives(texts):
    """An independent way: join whatever is alike until nothing changes."""
    runs = list(map(shingles, texts))
    numbers = list(range(len(texts)))
    for _ in texts:
        for one, other in combinations(range(len(texts)), 2):
            if jaccard_similarity(runs[one], runs[other]) >= 0.5:
                low, high = sorted((numbers[one], numbers[other]))
                numbers = [low if number == high else number for number in numbers]
    groups = near_duplicate_groups(texts)
    assert [groups[i] == groups[j] for i, j in combinations(range(len(texts)), 2)] == [
        numbers[i] == numbers[j] for i, j in combinations(range(len(texts)), 2)
    ]


def test_parts_get_their_shares_of_every_label():
    labels = np.array([0] * 800 + [1] * 200)
    groups = np.arange(1000) // 2  # pairs
    parts = stratified_group_split(labels, groups, (0.7, 0.1, 0.2), seed=1)
    assert [len(part) for part in parts] == [700, 100, 200]
    assert [labels[part].mean() for part in parts] == pytest.approx([0.2, 0.2, 0.2])
    assert sorted(np.concatenate(parts)) == list(range(1000))


@given(seed=st.integers(0, 5), groups=st.lists(st.integers(0, 9), min_size=40, max_size=60))
@settings(max_examples=50)
def test_no_group_is_torn(seed, groups):
    labels = [number % 2 for number in range(len(groups))]
    parts = stratified_group_split(labels, groups, (0.6, 0.2, 0.2), seed=seed)
    held = [{groups[row] for row in part} for part in parts]
    assert not (held[0] & held[1] or held[0] & held[2] or held[1] & held[2])
    assert sum(map(len, parts)) == len(groups)


# The split ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def table() -> pd.DataFrame:
    texts = [f"{'win' if row % 4 == 0 else 'see'} you {row // 3} times" for row in range(300)]
    return pd.DataFrame({"label": [int(row % 4 == 0) for row in range(300)], "text": texts})


def test_grouped_split_keeps_groups_and_shares(table):
    groups = np.arange(300) // 3
    splits = split_by_groups(table.assign(group=groups), groups)
    held = [set(part["group"]) for part in splits]
    assert not (held[0] & held[1] or held[0] & held[2] or held[1] & held[2])
    assert [len(part) for part in splits] == pytest.approx([210, 30, 60], abs=3)
    assert [part["label"].mean() for part in splits] == pytest.approx([0.25] * 3, abs=0.05)
    assert splits.train["group"].tolist() != sorted(splits.train["group"])  # shuffled


def test_seed_decides_the_grouped_split(table):
    groups = np.arange(300) // 3
    one, same, other = (split_by_groups(table, groups, seed=seed).test["text"].tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_groups_may_be_a_column_with_an_index_of_its_own(table):
    groups = pd.Series(np.arange(300) // 3, index=range(500, 800))
    assert split_by_groups(table, groups).test.equals(split_by_groups(table, groups.to_numpy()).test)


def test_grouped_split_of_the_sms_collection_does_not_leak(any_sms_path):
    table = encode_labels(read_sms(any_sms_path, every_row=True), SMS_LABELS)
    splits = split_by_groups(table, near_duplicate_groups(table["text"]))
    for part in splits[1:]:
        assert find_leakage(splits.train, part, ignore_details=True).empty
        assert part["label"].mean() == pytest.approx(table["label"].mean(), abs=0.005)
    assert len(splits.test) == pytest.approx(0.2 * len(table), abs=5)
