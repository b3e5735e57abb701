"""Teaching: labels are never lost, the next text is the one in doubt, and what is saved answers as the lesson does."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.data import read_sms
from llmclf.interactive.lesson import CHOOSE_AT, Lesson
from llmclf.interactive.lesson_view import confident_list, curve_svg, describe
from llmclf.interactive.pool import Pool
from llmclf.interactive.teach_demo import TeachDemo

WORDS = ["apple pear plum", "train bus tram", "rain snow hail"]
CLASSES = ["fruit", "traffic", "weather"]


def texts_of(count: int, classes: int = 2) -> tuple[list[str], list[str]]:
    """Texts that no near copy resembles: each has words of its own beside the one that tells its class."""
    texts, labels = [], []
    for number in range(count):
        kind = number % classes
        texts.append(f"{WORDS[kind].split()[number % 3]} w{number} v{number * 7} u{number * 13}")
        labels.append(CLASSES[kind])
    return texts, labels


@pytest.fixture
def backbone(tiny_files) -> str:
    return str(tiny_files[0])


@pytest.fixture
def pool(backbone) -> Pool:
    """Forty texts of two classes, labelled, with all features."""
    pool = Pool(*texts_of(40), backbone=backbone)
    pool.compute()
    return pool


def teach(lesson: Lesson, count: int) -> None:
    """Let the table's own labels click."""
    for _ in range(count):
        row = lesson.next_row()
        assert row is not None
        lesson.label(row, lesson.pool.known[row])


# The pool -------------------------------------------------------------------------------------------------------------


def test_empty_and_repeated_texts_are_left_out_and_counted(backbone):
    pool = Pool(["a b", "", "  ", "a b", "مرحبا بالعالم", "c" * 3000], backbone=backbone)
    assert pool.texts == ["a b", "مرحبا بالعالم", "c" * 3000]
    assert pool.left_out == 3
    pool.compute()
    assert pool.ready.all()
    assert np.isfinite(pool.features).all()
    assert "3 empty or repeated texts left out; 1 longer than 128 tokens, and cut" in describe(Lesson(pool, ["a", "b"]))


def test_near_copies_never_stand_on_both_sides(backbone):
    texts, labels = texts_of(30)
    pool = Pool([*texts, *(f"{text}!" for text in texts)], labels * 2, backbone=backbone)
    for seed in range(5):
        pool.deal(seed)
        assert not set(pool.groups[pool.judging]) & set(pool.groups[pool.order])
        assert sorted([*pool.order, *np.flatnonzero(pool.judging)]) == list(range(60))


def test_texts_to_judge_by_are_read_first_and_progress_is_told(backbone, monkeypatch):
    monkeypatch.setattr("llmclf.interactive.pool.AT_ONCE", 5)
    pool, told, first = Pool(*texts_of(30), backbone=backbone), [], []

    def tell(share: float) -> None:
        told.append(share)
        first.append(pool.ready[pool.judging].sum())

    pool.compute(tell)
    assert told == [pytest.approx(n / 6) for n in range(1, 7)]
    assert first[:2] == [5, 10]
    assert pool.judging.sum() == 10


def test_a_table_without_labels_judges_nothing(backbone):
    pool = Pool(texts_of(9)[0], backbone=backbone)
    assert pool.known is None
    assert not pool.judging.any()
    assert len(pool.order) == 9


# The lesson -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["fruit"], "two or more classes"),
        (["fruit", " fruit "], "two or more classes, each once"),
        (["fruit", ""], "two or more classes"),
        (["fruit", "traffic", "sport"], "'sport' is either no class or no label of the table"),
    ],
)
def test_classes_that_cannot_be_taught_are_refused(pool, classes, words):
    with pytest.raises(LlmclfError, match=words):
        Lesson(pool, classes)


def test_fewer_texts_than_classes_are_refused(backbone):
    with pytest.raises(LlmclfError, match="2 texts to label are too few for 3 classes"):
        Lesson(Pool(["a", "b"], backbone=backbone), CLASSES)


def test_an_unknown_rule_is_refused(pool):
    with pytest.raises(LlmclfError, match="rule must be one of least sure, random"):
        Lesson(pool, CLASSES[:2], rule="best")


def test_probabilities_begin_with_the_second_class(pool):
    lesson = Lesson(pool, CLASSES[:2])
    teach(lesson, 1)
    assert lesson.probabilities is None
    assert len(lesson.missing) == 1
    while lesson.missing:
        teach(lesson, 1)
    assert lesson.probabilities is not None
    assert lesson.probabilities.sum(axis=1) == pytest.approx(1)
    assert lesson.curve[-1]["labels"] == len(lesson.given)


def test_the_next_text_is_the_one_in_doubt_or_the_next_in_order(pool):
    lesson = Lesson(pool, CLASSES[:2])
    teach(lesson, 8)
    left = [row for row in pool.order if row not in lesson.given]
    doubts = np.abs(lesson.probabilities[left, 0] - 0.5)
    assert lesson.next_row() == left[doubts.argmin()]
    lesson.rule = "random"
    assert lesson.next_row() == left[0]


def test_before_a_second_class_the_most_unlike_text_is_asked_for(pool):
    lesson = Lesson(pool, CLASSES[:2])
    row = lesson.next_row()
    pool.features[:] = 1 + np.random.default_rng(0).normal(size=pool.features.shape) / 10
    odd = next(one for one in pool.order if one != row)
    pool.features[odd] = 2 * pool.features.mean(axis=0) - pool.features[row]
    lesson.label(row, "fruit")
    assert lesson.next_row() == odd


def test_skipped_texts_come_last(pool):
    lesson = Lesson(pool, CLASSES[:2])
    row = lesson.next_row()
    lesson.skipped.add(row)
    assert lesson.next_row() != row
    for other in pool.order:
        if other != row:
            lesson.label(other, pool.known[other])
    assert lesson.next_row() == row
    lesson.label(row, "fruit")
    assert lesson.next_row() is None


def test_undo_takes_back_the_label_and_its_point(pool):
    lesson = Lesson(pool, CLASSES[:2])
    teach(lesson, 7)
    given, curve, probabilities = dict(lesson.given), list(lesson.curve), lesson.probabilities
    row = lesson.next_row()
    lesson.label(row, "fruit")
    assert lesson.undo() == row
    assert lesson.given == given
    assert lesson.curve == curve
    assert lesson.probabilities == pytest.approx(probabilities)
    while lesson.given:
        lesson.undo()
    assert lesson.undo() is None
    assert lesson.probabilities is None


def test_a_second_label_replaces_the_first(pool):
    lesson = Lesson(pool, CLASSES[:2])
    row = lesson.next_row()
    lesson.label(row, "fruit")
    lesson.label(row, "traffic")
    assert lesson.given == {row: "traffic"}


def test_labels_are_written_at_once_and_taken_up_again(pool, tmp_path):
    path = tmp_path / "new" / "labels.csv"
    lesson = Lesson(pool, CLASSES[:2], path)
    for count in (1, 2, 3, 4, 5, 6, 7, 8):
        teach(lesson, 1)
        assert len(pd.read_csv(path)) == count
    again = Lesson(pool, CLASSES[:2], path)
    assert again.given == lesson.given
    again.replay()
    assert again.curve == lesson.curve
    assert again.next_row() == lesson.next_row()
    while again.undo() is not None:
        pass
    assert not Lesson(pool, CLASSES[:2], path).given


@pytest.mark.parametrize("row", ['sport,"apple w0 v0 u0"', "fruit,never seen"])
def test_labels_of_another_lesson_are_refused(pool, tmp_path, row):
    path = tmp_path / "labels.csv"
    path.write_text(f"label,text\n{row}\n", encoding="utf-8")
    with pytest.raises(
        LlmclfError, match=r"labels.csv, row 1: (class 'sport'|text 'never seen') is not of this lesson"
    ):
        Lesson(pool, CLASSES[:2], path)


def test_the_curve_has_accuracy_interval_and_rival(pool):
    lesson = Lesson(pool, CLASSES[:2])
    teach(lesson, 12)
    point, rows = lesson.curve[-1], np.flatnonzero(pool.judging)
    said = np.array(CLASSES)[lesson.probabilities[rows].argmax(axis=1)]
    assert point["accuracy"] == (said == pool.known[rows]).mean()
    assert point["low"] < point["accuracy"] <= point["high"]
    assert 0 <= point["TF-IDF"] <= 1


def test_without_known_labels_the_curve_tells_what_changed(backbone):
    texts, labels = texts_of(24, 3)
    pool = Pool(texts, backbone=backbone)
    pool.compute()
    lesson = Lesson(pool, CLASSES)
    before = None
    for _ in range(9):
        row = lesson.next_row()
        lesson.label(row, labels[row])
        if before is not None:
            changed = (before.argmax(axis=1) != lesson.probabilities.argmax(axis=1)).mean()
            assert lesson.curve[-1]["changed"] == changed
        before = lesson.probabilities
    assert "accuracy" not in lesson.curve[-1]


def test_most_confident_rows_are_sorted_unlabelled_and_of_the_class(backbone):
    texts, labels = texts_of(24)
    pool = Pool(texts, backbone=backbone)
    pool.compute()
    lesson = Lesson(pool, CLASSES[:2])
    assert lesson.most_confident("fruit") == []
    for row in pool.order[:8]:
        lesson.label(int(row), labels[row])
    rows = lesson.most_confident("fruit", 5)
    shares = lesson.probabilities[rows, 0]
    assert (np.diff(shares) <= 0).all()
    assert (shares > 0.5).all()
    assert not set(rows) & set(lesson.given)


def test_a_label_counts_although_the_features_are_not_ready(backbone):
    texts, labels = texts_of(30)
    late, early = (Pool(texts, labels, backbone=backbone) for _ in range(2))
    early.compute()
    lessons = [Lesson(pool, CLASSES[:2], rule="random") for pool in (late, early)]
    for lesson in lessons:
        teach(lesson, 6)
    late.compute()
    lessons[0].replay()
    assert lessons[0].probabilities == pytest.approx(lessons[1].probabilities, abs=1e-4)
    assert [point["labels"] for point in lessons[0].curve] == [point["labels"] for point in lessons[1].curve]


def test_present_features_stay_unless_others_are_clearly_better(backbone):
    texts, labels = texts_of(60)
    pool = Pool(texts, labels, backbone=backbone)
    pool.compute()
    lesson = Lesson(pool, CLASSES[:2], rule="random")
    assert lesson.choose_features() == (2, "mean")  # too few labels
    teach(lesson, CHOOSE_AT[0])
    sides = np.array([name == "fruit" for name in lesson.given.values()])

    def told(pool, depth: int):
        """Features that tell the classes apart after one block only."""
        found = np.random.default_rng(0).normal(size=(2, 2, len(sides), pool.features.shape[1])) / 10
        found[depth - 1, 1] += np.where(sides, 3, -3)[:, None]
        return found

    pool.read = lambda rows, depths, poolings: told(pool, 1)
    assert lesson.choose_features()[1] == "last_token"
    pool.read = lambda rows, depths, poolings: np.zeros((2, 2, len(sides), pool.features.shape[1]))
    assert lesson.choose_features() == (2, "mean")


def test_saved_classifier_answers_as_the_lesson(pool, tmp_path):
    lesson = Lesson(pool, CLASSES[:2])
    with pytest.raises(LlmclfError, match="no example yet of fruit, traffic"):
        lesson.classifier()
    teach(lesson, 12)
    lesson.classifier().save(tmp_path / "taught")
    loaded = TextClassifier.load(tmp_path / "taught", precision="float32")
    assert loaded.predict_proba(pool.texts) == pytest.approx(lesson.probabilities, abs=1e-4)
    assert loaded.training["labels"] == 12


# The widget -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def table() -> pd.DataFrame:
    texts, labels = texts_of(60, 3)
    return pd.DataFrame({"label": labels, "text": texts})


def demo_of(table, tmp_path, **options) -> TeachDemo:
    demo = TeachDemo(table, path=tmp_path / "labels.csv", folder=tmp_path / "taught", **options)
    if demo.lesson is not None:
        demo.thread.join()
    return demo


def press(demo: TeachDemo, key: str) -> None:
    demo.key_presses.pressed = [key, demo.key_presses.pressed[1] + 1]


def test_clicks_and_keys_label_skip_and_undo(table, tmp_path, backbone):
    demo = demo_of(table, tmp_path, backbone=backbone)
    assert [button.description for button in demo.buttons.children] == ["1 fruit", "2 traffic", "3 weather"]
    first = demo.row
    demo.buttons.children[1].click()
    assert demo.lesson.given == {first: "traffic"}
    second = demo.row
    press(demo, "3")
    assert demo.lesson.given == {first: "traffic", second: "weather"}
    third = demo.row
    press(demo, "s")
    assert demo.row != third
    press(demo, "u")
    assert demo.row == second
    press(demo, "9")  # there is no ninth class
    assert demo.lesson.given == {first: "traffic"}
    assert pd.read_csv(tmp_path / "labels.csv")["label"].tolist() == ["traffic"]


def test_names_can_be_typed_and_errors_are_shown_in_place(table, tmp_path, backbone):
    demo = demo_of(table[["text"]], tmp_path, backbone=backbone)
    assert demo.lesson is None
    demo.names.value = "only one"
    demo.start.click()
    assert "two or more classes" in demo.saved.value
    demo.names.value = "a, b"
    demo.start.click()
    demo.thread.join()
    assert demo.lesson.classes == ["a", "b"]
    assert demo.names.disabled
    assert demo.saved.value == ""
    demo.save.click()
    assert "no example yet of a, b" in demo.saved.value


def test_text_of_the_table_stays_text(tmp_path, backbone):
    table = pd.DataFrame({"text": ["<script>alert(1)</script>", "<b>x</b> y"]})
    demo = demo_of(table, tmp_path, classes=["<i>a</i>", "b"], backbone=backbone)
    for _ in range(2):
        assert "<script>" not in demo.message.value
        assert "<b>" not in demo.message.value
        press(demo, "1")
    assert "<i>" not in demo.status.value
    assert "All texts are labelled." in demo.message.value


def test_a_session_goes_on_where_it_was(table, tmp_path, backbone):
    demo = demo_of(table, tmp_path, backbone=backbone)
    for number in range(9):
        press(demo, str(1 + number % 3))
    again = demo_of(table, tmp_path, backbone=backbone)
    assert again.lesson.given == demo.lesson.given
    assert again.lesson.next_row() == demo.row
    assert [point["labels"] for point in again.lesson.curve] == [point["labels"] for point in demo.lesson.curve]
    assert "9 labels" in again.status.value
    again.save.click()
    assert f"classify {tmp_path / 'taught'}" in again.saved.value
    assert TextClassifier.load(tmp_path / "taught").label_names == CLASSES


def test_the_rule_can_be_changed(table, tmp_path, backbone):
    demo = demo_of(table, tmp_path, backbone=backbone)
    for number in range(6):
        press(demo, str(1 + number % 3))
    demo.rule.value = "random"
    left = [row for row in demo.lesson.pool.order if row not in demo.lesson.given]
    assert demo.row == left[0]


def test_features_are_computed_anew_when_the_choice_changes(table, tmp_path, backbone, monkeypatch):
    monkeypatch.setattr("llmclf.interactive.teach_demo.CHOOSE_AT", (4,))
    monkeypatch.setattr(Lesson, "choose_features", lambda lesson: (1, "last_token"))
    demo = demo_of(table, tmp_path, backbone=backbone)
    assert "mean, block 2" in demo.status.value
    for number in range(4):
        press(demo, str(1 + number % 3))
    demo.thread.join()
    assert "last token, block 1" in demo.status.value
    expected = demo.pool.read([5], [1], ["last_token"])[0, 0, 0]
    assert demo.pool.features[5] == pytest.approx(expected, abs=1e-4)


def test_labelling_begins_before_the_features_are_done(table, tmp_path, backbone, monkeypatch):
    wait, compute = threading.Event(), Pool.compute

    def late(pool, *given, **options):
        wait.wait(20)
        compute(pool, *given, **options)

    monkeypatch.setattr(Pool, "compute", late)
    demo = TeachDemo(table, path=tmp_path / "labels.csv", backbone=backbone)
    for number in range(4):
        press(demo, str(1 + number % 3))
    assert len(demo.lesson.given) == 4
    wait.set()
    demo.thread.join()
    assert demo.progress.value == 1
    assert demo.lesson.curve[-1]["labels"] == 4
    assert "accuracy" in demo.lesson.curve[-1]


def test_files_with_and_without_labels_are_taken(table, tmp_path, backbone):
    path = tmp_path / "mail.csv"
    table[["text"]].to_csv(path, index=False)
    assert demo_of(path, tmp_path, backbone=backbone).pool.known is None
    table.to_csv(path, index=False)
    assert demo_of(path, tmp_path, backbone=backbone).pool.known is not None
    with pytest.raises(LlmclfError, match="text"):
        demo_of(pd.DataFrame({"body": ["a"]}), tmp_path, backbone=backbone)


def test_words_and_pictures_tell_the_same(pool):
    lesson = Lesson(pool, CLASSES[:2])
    assert curve_svg(lesson.curve) == ""
    assert describe(lesson).startswith("0 labels of 27 texts; no example yet of fruit, traffic;")
    teach(lesson, 10)
    right = f"{lesson.curve[-1]['accuracy']:.1%}".replace("%", " %")
    assert right in describe(lesson)
    assert f'aria-label="classifier after 10 labels: {right}"' in curve_svg(lesson.curve)
    assert "TF-IDF" in curve_svg(lesson.curve)
    assert confident_list(lesson).count("Most surely") <= 2


# With the real model --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_least_sure_rule_needs_few_labels(sms_path, smollm2_path: Path):
    messages = read_sms(sms_path)
    pool = Pool(messages["text"].tolist(), messages["label"].tolist(), backbone="smollm2-135M")
    pool.compute()
    found: dict[str, list[list[float]]] = {}
    for seed in range(10):
        pool.deal(seed)
        for rule in ("least sure", "random"):
            lesson = Lesson(pool, ["ham", "spam"], rule=rule)
            teach(lesson, 32)
            right = {point["labels"]: point["accuracy"] for point in lesson.curve}
            all_ham = (pool.known[pool.judging] == "ham").mean()  # as long as no spam has been met
            found.setdefault(rule, []).append([right.get(count, all_ham) for count in (16, 32)])
    sixteen, thirty_two = np.mean(found["least sure"], axis=0)
    assert sixteen >= 0.97
    assert thirty_two >= 0.98
    assert (np.mean(found["random"], axis=0) < [sixteen, thirty_two]).all()
