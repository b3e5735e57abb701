"""The demo: what it shows is what the classifier says, and no text can make it fall over or become markup."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import tiny_gpt2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmclf import demo
from llmclf.classify import TextClassifier
from llmclf.demo import EXAMPLES, ClassifierDemo, Reading, history_table, percent, read, show
from llmclf.errors import LlmclfError
from llmclf.head import Classifier


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
    reading = read(classifier, "Win a prize")
    assert "".join(reading.pieces) == "Win a prize"
    for end in range(1, len(reading.pieces) + 1):
        alone = classifier.predict_proba("".join(reading.pieces[:end]))
        np.testing.assert_allclose(reading.probabilities[end - 1], alone, atol=1e-5)
    assert reading.label == classifier.predict("Win a prize")
    np.testing.assert_array_equal(reading.course("spam"), reading.probabilities[:, 1])


def test_characters_of_several_tokens_stay_whole(classifier):
    reading = read(classifier, "é🎉")
    assert reading.pieces == ["é", "🎉"]
    np.testing.assert_allclose(reading.probabilities[0], classifier.predict_proba("é"), atol=1e-5)


def test_text_beyond_the_limit_is_counted_and_a_cut_character_replaced(classifier):
    classifier.max_length = 5
    reading = read(classifier, "abc🎉 and more")
    assert reading.pieces == ["a", "b", "c", "\N{REPLACEMENT CHARACTER}"]
    assert reading.left_out == len("abc🎉 and more".encode()) - 5
    assert f"last {reading.left_out} tokens were not read" in Shown(show(reading, "spam")).words


def test_classifier_that_reads_elsewhere_is_refused(tiny_backbone, tiny_tokenizer):
    model = Classifier(tiny_backbone, 2, pooling="mean")
    with pytest.raises(LlmclfError, match="a classifier that reads at 'mean' cannot be read along"):
        read(TextClassifier(model, tiny_tokenizer, ["ham", "spam"], "random-tiny"), "a")


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
    shown = Shown(show(read(classifier, text), "spam"))
    assert set(shown.tags) <= {"div", "p", "strong", "svg", "rect", "path", "polyline", "span", "sup"}
    assert re.search("probability of spam", shown.words)
    assert not re.search("[\x00-\x09\x0b-\x1f]", shown.words)


@given(text=st.text(max_size=40))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_and_shown(classifier, text):
    reading = read(classifier, text)
    assert len(reading.pieces) == len(reading.probabilities) >= 1
    assert "<p" in show(reading, "ham")


def reading_of(*shares: float, names: tuple[str, ...] = ("ham", "spam")) -> Reading:
    rows = np.array([[1 - share, *[share / (len(names) - 1)] * (len(names) - 1)] for share in shares])
    return Reading("ab", "ham", list(names), ["a", "b", "c"][: len(shares)], rows, 0)


def test_threshold_decides_on_the_word(classifier):
    reading = reading_of(0.1, 0.7)
    assert Shown(show(reading, "spam", 0.7)).words.startswith("spam – probability of spam 70.0 %, threshold 70%")
    assert Shown(show(reading, "spam", 0.71)).words.startswith("ham – ")
    three = reading_of(0.4, names=("bill", "offer", "private"))
    assert Shown(show(three, "offer", 0.5)).words.startswith("not offer – ")


def test_moves_are_signed_and_small_ones_are_not():
    words = Shown(show(reading_of(0.5, 0.9, 0.2), "spam")).words
    assert "ab▲c▼" in words
    assert "▲" not in Shown(show(reading_of(0.5, 0.55, 0.5), "spam")).words


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "over 99.9 %"), (0.9994, "over 99.9 %"), (0.5, "50.0 %"), (0.0, "under 0.1 %")]
)
def test_percentage_is_never_certain(share, words):
    assert percent(share) == words


def test_curve_says_in_words_what_it_shows():
    shown = show(reading_of(0.1, 0.9, 0.3), "spam")
    assert "begins at 10.0 %, highest 90.0 %, ends at 30.0 %" in shown


# The app --------------------------------------------------------------------------------------------------------------


def test_typing_picking_and_moving_the_slider_change_the_result(classifier):
    app = ClassifierDemo(classifier)
    seen = {app.results[0].value}
    app.text.value = "Win"
    seen.add(app.results[0].value)
    app.example.value = EXAMPLES["a reminder"]
    assert app.text.value == EXAMPLES["a reminder"]
    assert app.readings[0].text == EXAMPLES["a reminder"]
    seen.add(app.results[0].value)
    app.threshold.value = 0.99
    assert "threshold 99%" in app.results[0].value
    assert len(seen) == 3


def test_two_classifiers_stand_side_by_side(classifier, tiny_tokenizer):
    other = TextClassifier(Classifier(tiny_gpt2(), 2, seed=9), tiny_tokenizer, ["ham", "spam"], "<other>")
    app = ClassifierDemo(classifier, other)
    assert [result.value.split("</h4>")[0] for result in app.results] == ["<h4>random-tiny", "<h4>&lt;other&gt;"]
    assert app.readings[0].probabilities.tolist() != app.readings[1].probabilities.tolist()


def test_label_that_a_classifier_does_not_know_is_refused(classifier):
    with pytest.raises(LlmclfError, match=r"no label 'offer'; this classifier knows \['ham', 'spam'\]"):
        ClassifierDemo(classifier, name="offer")


def test_history_can_be_downloaded_as_it_was_typed(classifier):
    app = ClassifierDemo(classifier)
    texts = ['a "quoted", text\nin two lines', "<b>bold</b>"]
    for text in texts:
        app.text.value = text
        app.keep.click()
    assert "<b>" not in app.table.value
    (data,) = re.findall(r"base64,([^\"]+)", app.table.value)
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(data).decode(), newline="")))
    assert [row["message"] for row in rows] == texts
    assert float(rows[1]["probability of spam"]) == pytest.approx(classifier.predict_proba(texts[1])[1], abs=1e-4)


def test_history_shows_the_latest_first():
    table = history_table([{"message": "first"}, {"message": "second"}])
    assert table.index(">second<") < table.index(">first<")


def test_in_a_running_kernel_a_text_is_read_once_the_typing_pauses(classifier, monkeypatch):
    monkeypatch.setattr(demo, "QUIET_TIME", 0.05)
    texts = []
    monkeypatch.setattr(demo, "read", lambda one, text: texts.append(text) or read(one, text))

    async def type_quickly() -> ClassifierDemo:
        app = ClassifierDemo(classifier)
        for end in range(1, 6):
            app.text.value = "hello"[:end]
        await asyncio.sleep(0.3)
        return app

    app = asyncio.run(type_quickly())
    assert texts[1:] == ["hello"]
    assert app.readings[0].text == "hello"


def test_long_text_is_announced_before_it_is_read(classifier, monkeypatch):
    app = ClassifierDemo(classifier)
    before = []
    monkeypatch.setattr(demo, "read", lambda one, text: before.append(app.results[0].value) or read(one, text))
    app.text.value = "a " * 2000
    assert before == ['<p role="status">Reading a long text …</p>']
    assert "probability of spam" in app.results[0].value
