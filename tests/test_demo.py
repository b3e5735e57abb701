"""The demo: typing, picking and sliding change what is shown, spoken and kept."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import re
import threading

import pytest
from conftest import tiny_gpt2

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.head import Classifier
from llmclf.interactive import demo
from llmclf.interactive.demo import ClassifierDemo, history_table
from llmclf.interactive.token_probabilities import EXAMPLES, describe, token_probabilities


def test_an_empty_message_asks_for_one(classifier):
    app = ClassifierDemo(classifier)
    app.text.value = " \n"
    assert "Type something" in app.results[0].value
    assert "Type something" in app.announcement.words
    app.text.value = "hello"
    assert "Type something" not in app.results[0].value


def test_typing_picking_and_moving_the_slider_change_the_result(classifier):
    app = ClassifierDemo(classifier)
    seen = {app.results[0].value}
    app.text.value = "Win"
    seen.add(app.results[0].value)
    (reminder,) = (button for button in app.examples if button.description == "a reminder")
    reminder.click()
    assert app.text.value == EXAMPLES["a reminder"]
    assert app.readings[0].text == EXAMPLES["a reminder"]
    seen.add(app.results[0].value)
    app.threshold.value = 0.99
    assert "threshold 99 %" in app.results[0].value
    assert len(seen) == 3


def test_a_text_that_a_button_has_exchanged_can_be_taken_back(classifier):
    app = ClassifierDemo(classifier)
    app.text.value = "my own words"
    app.examples[0].click()
    app.clear.click()
    app.clear.click()  # empty already: nothing to take back
    assert app.text.value == app.readings[0].text == ""
    app.undo.click()
    assert app.text.value == next(iter(EXAMPLES.values()))
    app.undo.click()
    app.undo.click()
    assert app.text.value == app.readings[0].text == "my own words"


def test_numbers_are_shown_on_request(classifier):
    app = ClassifierDemo(classifier)
    assert "<table>" not in app.results[0].value
    app.numbers.value = True
    app.text.value = "Win"
    assert app.results[0].value.count('<th scope="row">') == 3


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


async def until(condition) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never happened")


def test_in_a_running_kernel_a_text_is_read_once_the_typing_pauses(classifier, monkeypatch):
    monkeypatch.setattr(demo, "QUIET_TIME", 0.05)
    texts = []
    monkeypatch.setattr(
        demo, "token_probabilities", lambda one, text: texts.append(text) or token_probabilities(one, text)
    )

    async def type_quickly() -> None:
        app = ClassifierDemo(classifier)
        for end in range(1, 6):
            app.text.value = "hello"[:end]
            await asyncio.sleep(0.01)
        await until(lambda: app.readings[0].text == "hello")

    asyncio.run(type_quickly())
    assert texts[1:] == ["hello"]


def test_long_text_is_read_beside_the_kernel_and_says_so(classifier, monkeypatch):
    """While it is read, the slider still works; what was typed meanwhile is read next, one text at a time."""
    monkeypatch.setattr(demo, "QUIET_TIME", 0.01)
    go, threads = threading.Event(), []

    def slow_read(one, text):
        threads.append(threading.current_thread())
        if len(text) > demo.LONG_TEXT:
            go.wait(10)
        return token_probabilities(one, text)

    monkeypatch.setattr(demo, "token_probabilities", slow_read)

    async def type_much() -> None:
        app = ClassifierDemo(classifier)
        app.text.value = "a " * 2000
        await until(lambda: len(threads) == 2)
        assert app.results[0].value == "<p>Reading a long text …</p>"
        app.threshold.value = 0.75
        assert "threshold 75 %" in app.results[0].value
        app.text.value = "short"
        await asyncio.sleep(0.1)
        assert len(threads) == 2
        go.set()
        await until(lambda: app.readings[0].text == "short")

    asyncio.run(type_much())
    assert threads[1] is not threading.main_thread()


def test_result_is_spoken_once_and_when_it_has_settled(classifier, monkeypatch):
    monkeypatch.setattr(demo, "QUIET_TIME", 0.01)
    monkeypatch.setattr(demo, "SPEAKING_TIME", 2)
    spoken = []

    async def type_and_wait() -> ClassifierDemo:
        app = ClassifierDemo(classifier)
        app.announcement.observe(lambda change: spoken.append(change["new"]), "words")
        for text in ("W", "Wi", "Win"):
            app.text.value = text
            await until(lambda: app.readings[0].text == app.text.value)
            await asyncio.sleep(0.05)
        assert spoken == []
        await until(lambda: spoken)
        return app

    app = asyncio.run(type_and_wait())
    assert spoken == [describe(token_probabilities(classifier, "Win"), "spam")]
    assert app.announcement in app.children


def test_history_keeps_what_stands_in_the_field_although_typing_has_not_paused(classifier):
    async def type_and_keep() -> ClassifierDemo:
        app = ClassifierDemo(classifier)
        app.text.value = "hello"
        app.keep.click()
        return app

    assert asyncio.run(type_and_keep()).history[0]["message"] == "hello"


def test_history_reads_nothing_twice(classifier, monkeypatch):
    app = ClassifierDemo(classifier)
    monkeypatch.setattr(demo, "token_probabilities", lambda one, text: pytest.fail("read again"))
    app.keep.click()
