"""Rated sentences: read as they stand in their archive, grouped by their source, sides and single raters counted."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest

from llmclf.console import LlmclfError
from llmclf.data import DataError
from llmclf.evaluation.sentiment import KINDS, one_against_the_others, read_sentiment, take_sides

SENTENCES = '1_1\t2.5\tA "fine thing, and some words more\r\n1_2\t-0.5\tNeither here nor there\r\n2_1\t-3.0\tBad\r\n'
SENTENCES += "3_1\t1.0\tA fine thing, and some words more!\r\n4_1\t3.0\tBad\r\n"
RATINGS = "2_1\t-3.0\t1.0\t[-4, -2]\n1_2\t-0.5\t0.5\t[0, -1]\n1_1\t2.5\t0.5\t[2, 3]\n3_1\t1.0\t0.0\t[1, 1]\n"
RATINGS += "4_1\t3.0\t0.0\t[3, 3]\n"


def archive(path, **files):
    with tarfile.open(path, "w:gz") as made:
        for name, text in files.items():
            content = text.encode("utf-8-sig")
            member = tarfile.TarInfo(f"hutto_ICWSM_2014/{name}.txt")
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def table(tmp_path):
    files = {"amazonReviewSnippets_GroundTruth": SENTENCES, "amazonReviewSnippets_anonDataRatings": RATINGS}
    return read_sentiment("products", archive(tmp_path / "a.tar.gz", **files))


def test_sentences_meet_their_ratings_whatever_the_order(table):
    assert table["text"][0] == 'A "fine thing, and some words more'
    assert table["rating"].tolist() == [2.5, -0.5, -3.0, 1.0, 3.0]
    assert table["ratings"].tolist() == [[2, 3], [0, -1], [-4, -2], [1, 1], [3, 3]]


def test_sentences_of_one_review_and_near_copies_share_a_group(table):
    assert table["group"].tolist() == [0, 0, 1, 0, 1]


def test_what_is_nearly_zero_takes_no_side_and_a_text_counts_once(table):
    assert take_sides(table)["label"].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("ratings", "expected"),
    [
        ([1, 2, -1], [1, 0, -1]),
        ([0, 3], [0, 0]),
        ([0, 2, 2], [0, 1, 1]),
        ([2, -2], [-1, -1]),
        ([1, 1, -2], [-1, -1, -1]),
    ],
)
def test_each_person_is_held_against_the_mean_of_the_others(ratings, expected):
    assert one_against_the_others(ratings) == expected


def test_what_cannot_be_read_is_named(tmp_path):
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"broken.tar.gz: movieReviewSnippets_GroundTruth.txt cannot be read from this"):
        read_sentiment("films", broken)
    few = RATINGS.split("1_1")[0]
    other = archive(tmp_path / "other.tar.gz", tweets_GroundTruth=SENTENCES, tweets_anonDataRatings=few)
    with pytest.raises(DataError, match=r"other.tar.gz: tweets_anonDataRatings.txt lacks the ratings of a sentence of"):
        read_sentiment("tweets", other)
    with pytest.raises(LlmclfError, match="kind must be one of films, tweets, products, editorials, got 'songs'"):
        read_sentiment("songs", other)


# The facts of the real archive ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "rows", "sided", "people"),
    [
        ("films", 10605, 10041, 15),
        ("tweets", 4200, 3362, 20),
        ("products", 3708, 2935, 20),
        ("editorials", 5190, 2751, 20),
    ],
)
def test_the_real_archive_counts_right(sentiment_path, kind, rows, sided, people):
    table = read_sentiment(kind, sentiment_path)
    assert len(table) == rows
    assert len(take_sides(table)) == sided
    assert table["ratings"].map(len).min() == people
    means = table["ratings"].map(np.mean)
    apart = (means - table["rating"]).abs() > 1e-6
    assert apart.sum() == (199 if kind == "tweets" else 0)  # whose published means are of other raters, too


def test_a_person_agrees_with_the_others_as_the_reference_says(sentiment_path):
    sided = take_sides(read_sentiment("films", sentiment_path))
    sides = np.array([side for ratings in sided["ratings"] for side in one_against_the_others(ratings)])
    assert (sides == 1).mean() == pytest.approx(0.925, abs=0.0005)
    assert (sides[sides != 0] == 1).mean() == pytest.approx(0.964, abs=0.0005)
    assert set(KINDS) == {"films", "tweets", "products", "editorials"}
