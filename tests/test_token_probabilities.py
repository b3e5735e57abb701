"""Reading along: each row is what the classifier says of the beginning, and no text falls over or becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.head import Classifier
from llmclf.interactive.token_probabilities import (
    TokenProbabilities,
    arrows,
    describe,
    percent,
    printable,
    render,
    token_probabilities,
    token_table,
)


class Shown(HTMLParser):
    """The tags of a piece of HTML, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_every_row_is_the_answer_to_the_text_so_far(classifier):
    reading = token_probabilities(classifier, "Win a prize")
    assert "".join(reading.pieces) == "Win a prize"
    for end in range(1, len(reading.pieces) + 1):
        alone = classifier.predict_proba("".join(reading.pieces[:end]))
        np.testing.assert_allclose(reading.probabilities[end - 1], alone, atol=1e-5)
    assert reading.label == classifier.predict("Win a prize")
    np.testing.assert_array_equal(reading.probability_of("spam"), reading.probabilities[:, 1])


def test_characters_of_several_tokens_stay_whole(classifier):
    reading = token_probabilities(classifier, "é🎉")
    assert reading.pieces == ["é", "🎉"]
    np.testing.assert_allclose(reading.probabilities[0], classifier.predict_proba("é"), atol=1e-5)


def test_text_beyond_the_limit_is_counted_and_a_cut_character_replaced(classifier):
    classifier.max_length = 5
    reading = token_probabilities(classifier, "abc🎉 and more")
    assert reading.pieces == ["a", "b", "c", "\N{REPLACEMENT CHARACTER}"]
    assert reading.left_out == len("abc🎉 and more".encode()) - 5
    assert f"last {reading.left_out} tokens were not read" in Shown(render(reading, "spam")).words


def test_classifier_that_reads_elsewhere_is_refused(tiny_backbone, tiny_tokenizer):
    model = Classifier(tiny_backbone, 2, pooling="first_token")
    with pytest.raises(LlmclfError, match="a classifier that reads at 'first_token' cannot be read along"):
        token_probabilities(TextClassifier(model, tiny_tokenizer, ["ham", "spam"], "random-tiny"), "a")


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; </p></div><iframe>",
    "&lt;b&gt; &amp;",
    "مرحبا بالعالم",
    "👩‍👩‍👧 🎉",
    "\x00\x1f\x7f\n\n",
    "half a character: \ud83d",
    "",
    "word " * 2000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_becomes_markup(classifier, text):
    classifier.max_length = 40
    shown = Shown(render(token_probabilities(classifier, text), "spam"))
    assert set(shown.tags) <= {"div", "p", "strong", "svg", "rect", "path", "polyline", "span", "sup"}
    assert re.search("probability of spam", shown.words)
    assert not re.search("[\x00-\x09\x0b-\x1f]", shown.words)


@given(text=st.text(max_size=40))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_and_shown(classifier, text):
    reading = token_probabilities(classifier, text)
    assert len(reading.pieces) == len(reading.probabilities) >= 1
    assert "<p" in render(reading, "ham")


def reading_of(*shares: float, names: tuple[str, ...] = ("ham", "spam")) -> TokenProbabilities:
    rows = np.array([[1 - share, *[share / (len(names) - 1)] * (len(names) - 1)] for share in shares])
    return TokenProbabilities("ab", "ham", list(names), ["a", "b", "c"][: len(shares)], rows, 0)


def test_threshold_decides_on_the_word(classifier):
    reading = reading_of(0.1, 0.7)
    assert Shown(render(reading, "spam", 0.7)).words.startswith("spam: probability of spam 70.0 %, threshold 70 %.")
    assert Shown(render(reading, "spam", 0.71)).words.startswith("ham: ")
    three = reading_of(0.4, names=("bill", "offer", "private"))
    assert Shown(render(three, "offer", 0.5)).words.startswith("not offer: ")


def test_verdict_and_legend_have_the_colours_of_the_two_answers():
    called, passed = render(reading_of(0.7), "spam", 0.5), render(reading_of(0.3), "spam", 0.5)
    assert 'background:#b34700">spam</strong>' in called
    assert 'background:#0072b2">ham</strong>' in passed
    assert "towards spamtowards ham" in Shown(called).words
    assert "towards not offer" in Shown(render(reading_of(0.4, names=("bill", "offer", "private")), "offer")).words


def test_strongest_moves_get_arrows_at_the_end_of_their_word_and_small_ones_none():
    moves = np.array([0.0, 0.3, -0.2, 0.15, 0.12, 0.05])
    assert arrows(["Win", " a", " pri", "ze", " now", "!"], moves) == {1: "▲", 3: "▲"}  # "pri" and "ze" are one word
    assert arrows([" a", " b", " c", " d", " e", " f"], moves) == {1: "▲", 2: "▼", 3: "▲"}
    assert arrows([" a", " b"], np.array([0.0, 0.09])) == {}
    assert "▲" in Shown(render(reading_of(0.5, 0.9, 0.2), "spam")).words
    assert "▲" not in Shown(render(reading_of(0.5, 0.55, 0.5), "spam")).words


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "over 99.9 %"), (0.9994, "over 99.9 %"), (0.5, "50.0 %"), (0.0, "under 0.1 %")]
)
def test_percentage_is_never_certain(share, words):
    assert percent(share) == words


def test_curve_says_in_words_what_it_shows():
    shown = render(reading_of(0.1, 0.9, 0.3), "spam")
    assert "begins at 10.0 %, highest 90.0 %, ends at 30.0 %" in shown


def test_dashed_line_stands_at_the_threshold_and_one_token_is_a_level():
    shown = render(reading_of(0.3), "spam", 0.75)
    assert 'd="M0 25.0H440"' in shown
    assert 'points="0.0,70.0 440.0,70.0"' in shown


def test_marks_that_would_turn_the_text_round_can_be_seen():
    assert printable("a\u202eb\ufeff\x00<") == "a[U+202E]b[U+FEFF]␀&lt;"
    assert printable("👩\u200d👧") == "👩\u200d👧"


def test_table_says_in_numbers_what_the_colours_show():
    reading = reading_of(0.5, 0.9, 0.2)
    reading.pieces[1] = " "
    table = Shown(token_table(reading, "spam")).words
    assert table == "tokenspam so farmoved by, pointsa50.0 %(space)90.0 %+40.0c20.0 %-70.0"


def test_sentence_says_what_the_picture_shows(classifier):
    classifier.max_length = 4
    reading = token_probabilities(classifier, "Win <b>")
    assert describe(reading, "spam", 0.5) in Shown(render(reading, "spam", 0.5)).words
    assert describe(reading, "spam", 0.5).endswith("The last 3 tokens were not read: the text is too long.")
    colon = reading_of(0.9, names=("a: b", "c: d"))
    assert Shown(render(reading_of(0.9, names=("<i>", "<b>")), "<b>")).tags.count("b") == 0
    assert Shown(render(colon, "c: d")).words.startswith("c: d: probability of c: d 90.0 %, threshold 50 %.")
