"""Experiments: folds that share nothing, predictions that can be trusted, runs that go on where they stopped."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_gpt2, tiny_llama

from llmclf import finetune as recipe
from llmclf.cli.parser import main
from llmclf.evaluation import experiments, tasks
from llmclf.evaluation.ablations import COMPARED, EXPERIMENTS, OPPONENTS, TASKS, Experiment, features_key
from llmclf.evaluation.experiments import ModelSettings, Runner
from llmclf.evaluation.predictions import (
    PREDICTION_COLUMNS,
    RUN,
    add_runs,
    compare,
    confusion_counts,
    leads,
    pooled,
    read_predictions,
    read_runs,
)
from llmclf.evaluation.questions import FILMS, SPAM
from llmclf.evaluation.sentiment import KINDS
from llmclf.evaluation.statistics import grouped_interval, share_threshold
from llmclf.evaluation.tasks import ExperimentError, fold, judged_parts, task_table
from llmclf.feature_cache import FeatureDataset
from llmclf.files.download import AssetError

BOOK = Path(__file__).parents[1] / "book"
CPU = torch.device("cpu")
TINY = ModelSettings("tiny", CPU, "float32")
RUNNABLE = [name for name in EXPERIMENTS if not name.startswith("gpt2-")]


def small_collection() -> pd.DataFrame:
    """Forty hams and twenty spams; of every five, one is a near copy of the one before."""
    words = {"ham": "see you at home later dear mum ok lunch bus sleep film", "spam": "WIN cash prize CALL now free"}
    generator = random.Random(0)
    rows = []
    for label, count in (("ham", 40), ("spam", 20)):
        for number in range(count):
            text = " ".join(generator.choices(words[label].split(), k=7))
            rows.append((label, rows[-1][1] + f" {number}" if number % 5 == 4 else text))
    return pd.DataFrame(rows, columns=["label", "text"])


def small_sentiment(kind: str) -> pd.DataFrame:
    """Sentences of another kind of text each, as `read_sentiment` gives them; a third of the films takes no side."""
    generator = random.Random(kind)
    count = 90 if kind == "films" else 12
    ratings = [(-3, 3, 0)[row % 3] if kind == "films" else (-3, 3)[row % 2] for row in range(count)]
    words = {-3: "bad dull boring awful", 0: "it is a story", 3: "good lovely great wonderful"}
    texts = [" ".join(generator.choices(words[rating].split(), k=6)) + f" {row}" for row, rating in enumerate(ratings)]
    return pd.DataFrame({"text": texts, "rating": ratings, "group": [row // 2 for row in range(count)]})


def run(name, draws, model=None, *, task="balanced", labels=0):
    return Runner(task, model or TINY).run(name, labels, draws)


@pytest.fixture(autouse=True)
def tiny_world(monkeypatch, tiny_tokenizer, request):
    """A small collection and tiny models in place of the real ones."""
    if "sms_path" in request.fixturenames:
        return

    def load(name, *, device, seed):
        if name.startswith("gpt2-"):
            raise AssetError(f"{name} is not available. Tried:\n  - nothing")
        seed = seed if name.startswith("random-") else 0
        return tiny_llama(seed) if "llama" in name else tiny_gpt2(seed)

    monkeypatch.setenv("LLMCLF_BACKBONE", "tiny")
    monkeypatch.setattr(tasks, "read_sms", lambda every_row: small_collection())
    monkeypatch.setattr(tasks, "read_sentiment", small_sentiment)
    letters = lambda texts: np.array([[text.count(letter) for letter in "aeoWC"] for text in texts], dtype=float)  # noqa: E731
    monkeypatch.setattr(experiments, "encode_sentences", letters)
    for module in (experiments, recipe):
        monkeypatch.setattr(module, "load_tokenizer", lambda name: tiny_tokenizer)
        monkeypatch.setattr(module, "load_pretrained", load)
    monkeypatch.setattr(experiments, "MINIMUM_STEPS", 1)
    shorter = replace(EXPERIMENTS["context"], pad_to=80)  # fits a tiny model
    monkeypatch.setitem(EXPERIMENTS, "context", shorter)
    monkeypatch.setitem(EXPERIMENTS, "sixteen-blocks", replace(EXPERIMENTS["sixteen-blocks"], blocks=1))


def command(folder: Path, *words: str) -> int:
    return main(["experiments", *words, "--output", str(folder)])


@pytest.mark.parametrize("task", TASKS)
def test_every_text_is_tested_once_and_groups_stay_together(task):
    table = task_table(task)
    own = table[table["tenth"] >= 0]
    folds = [fold(table, number) for number in range(1, 6)]
    assert sorted(row for splits in folds for row in splits.test.index) == list(own.index)
    for splits in folds:
        assert sorted([*splits.train.index, *splits.validation.index, *splits.test.index]) == list(own.index)
        groups = [set(part["group"]) for part in splits]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
        assert len(splits.train) > 3 * len(splits.test) > 3 * len(splits.validation)


def test_balanced_table_holds_as_much_ham_as_spam():
    assert task_table("balanced")["label"].value_counts().tolist() == [20, 20]
    assert task_table("spam")["label"].value_counts().tolist() == [40, 20]


def test_films_are_those_that_take_a_side_and_other_kinds_only_judge():
    table = task_table("films")
    assert table.groupby("kind", sort=False).size().to_dict() == {"films": 60, **dict.fromkeys([*KINDS][1:], 12)}
    assert (table["tenth"].lt(0) == table["kind"].ne("films")).all()
    splits = fold(table, 2)
    assert list(judged_parts(table, splits, 0)) == ["test", "validation", "tweets", "products", "editorials"]
    assert list(judged_parts(table, splits, 16)) == ["test"]


def test_fewer_training_messages_leave_the_others_as_they_are():
    table = task_table("spam")
    whole, cut, other = fold(table, 2), fold(table, 2, 12), fold(table, 2, 12, seed=5)
    assert len(cut.train) == len(other.train) == 12
    assert set(cut.train.index) < set(whole.train.index)
    assert set(cut.train.index) != set(other.train.index)
    assert cut.test.equals(whole.test)
    assert cut.validation.equals(whole.validation)


@pytest.mark.parametrize(("share", "called"), [(0.0, 0), (0.25, 1), (0.5, 2), (1.0, 4)])
def test_a_share_of_the_texts_is_called(share, called):
    probabilities = np.array([0.2, 0.9, 0.4, 0.8])
    assert (probabilities >= share_threshold(probabilities, share)).sum() == called


@pytest.mark.parametrize("name", RUNNABLE)
def test_every_experiment_predicts_the_messages_of_its_fold(name):
    (found,) = run(name, [3], ModelSettings("llama", CPU, "float32") if name in ("no-mask", "lora") else TINY)
    check_run(found, "balanced", 3)
    assert set(found.predictions["experiment"]) == {name}


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize(("task", "labels"), [("spam", 12), ("films", 0)])
def test_every_opponent_predicts_the_texts_of_its_task(name, task, labels):
    (found,) = run(name, [4], ModelSettings("llama", CPU, "float32"), task=task, labels=labels)
    check_run(found, task, 4, labels)
    parts = {"test"} if labels else {"test", "validation", "tweets", "products", "editorials"}
    assert set(found.predictions["part"]) == parts
    if name == "majority":
        assert found.predictions["predicted"].nunique() == 1


def check_run(found, task, draw, labels=0):
    table = task_table(task)
    splits = fold(table, draw, labels, seed=122 + draw)
    assert list(found.predictions) == PREDICTION_COLUMNS
    for part, rows in judged_parts(table, splits, labels).items():
        predicted = found.predictions[found.predictions["part"] == part].set_index("row")
        assert predicted.index.equals(rows.index)
        pd.testing.assert_frame_equal(predicted[["label", "group"]], rows[["label", "group"]], check_names=False)
    assert found.record["seed"] == 122 + draw
    more = found.predictions["probability_1"] > 0.5
    assert (more == (found.predictions["predicted"] == 1)).all()
    assert 0 <= found.record["train_correct"] <= found.record["train_messages"] == len(splits.train)


def test_later_draws_test_the_same_folds_with_other_training_texts():
    first, sixth = run("tfidf-words", [1, 6], task="spam", labels=16)
    assert first.record["fold"] == sixth.record["fold"] == 1
    assert first.predictions["row"].equals(sixth.predictions["row"])
    assert not first.predictions["probability_1"].equals(sixth.predictions["probability_1"])
    with pytest.raises(ExperimentError, match="of all labels there are the draws 1 to 5, not 6"):
        next(run("tfidf-words", [6], task="spam"))


def test_all_who_can_weigh_the_classes_alike_do(monkeypatch):
    seen = []
    real = experiments.finetune
    monkeypatch.setattr(
        experiments, "finetune", lambda *given, **options: seen.append(given[3]) or real(*given, **options)
    )
    for task in ("balanced", "spam"):
        next(run("last-token", [1], task=task))
    assert [settings.class_weights for settings in seen] == [None, "balanced"]


def test_the_probe_of_a_run_is_that_of_the_method(tiny_tokenizer):
    """Over features that runs share, it must choose and answer as `train --method probe` does."""
    (found,) = run("probe", [2], task="spam")
    splits = fold(task_table("spam"), 2)
    groups = splits.train["group"].to_numpy()
    made = recipe.finetune(
        splits, ["ham", "spam"], "tiny", method="probe", groups=groups, precision="float32", quiet=True
    )
    assert (
        found.record["choice"] == f"{made.probe.blocks} blocks, {made.probe.pooling}, C = {made.probe.regularisation:g}"
    )
    tested = found.predictions[found.predictions["part"] == "test"]
    again = made.classifier.predict_proba(splits.test["text"].tolist())[:, 1]
    np.testing.assert_allclose(again, tested["probability_1"], atol=1e-4)


@pytest.mark.parametrize("name", [name for name in RUNNABLE if EXPERIMENTS[name].base != name])
def test_what_a_row_changes_reaches_the_model(name):
    """All but one make some difference; in that one the option leaves out labels that no message has."""

    def probabilities(name):
        (found,) = run(name, [1], ModelSettings("llama", CPU, "float32"))
        return found.predictions["probability_1"].to_numpy()

    base = "one-by-one" if name == "accumulated" else EXPERIMENTS[name].base
    same = np.allclose(probabilities(name), probabilities(base), atol=1e-5, rtol=0)
    assert same == (name == "ignore-index")


def test_a_label_that_is_ignored_is_not_learnt(monkeypatch):
    monkeypatch.setitem(
        EXPERIMENTS, "ignore-index", replace(EXPERIMENTS["ignore-index"], ignore_index=1, batch_size=16)
    )
    monkeypatch.setattr(experiments, "MINIMUM_STEPS", 100)
    (found,) = run("ignore-index", [1], TINY)
    assert set(found.predictions["predicted"]) == {0}


def test_the_feature_cache_changes_no_prediction(monkeypatch):
    cached = list(run("last-token", [1, 2], TINY))
    monkeypatch.setattr("llmclf.train.reason_not_cacheable", lambda classifier, loader: "never")
    for with_cache, without in zip(cached, run("last-token", [1, 2], TINY), strict=True):
        pd.testing.assert_frame_equal(with_cache.predictions, without.predictions, atol=1e-4)


def test_features_that_do_not_fit_into_memory_are_not_kept(monkeypatch, capsys):
    monkeypatch.setattr("llmclf.train.features_fit", lambda classifier, *loaders: False)
    monkeypatch.setattr(FeatureDataset, "fill", lambda *_: pytest.fail("they were computed"))
    (found,) = run("last-token", [1], TINY)
    assert len(found.predictions)
    assert "does not fit into memory" in capsys.readouterr().err


def test_experiments_with_the_same_features_compute_them_once(monkeypatch, tmp_path):
    made = []

    class Counted(FeatureDataset):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            made.append(self.pooling)

    monkeypatch.setattr("llmclf.feature_cache.FeatureDataset", Counted)
    assert command(tmp_path, "--rows", "last-token", "accumulated", "mean", "one-by-one", "--draws", "1", "2") == 0
    assert made == ["last_token", "mean", "last_token"]


def test_what_is_not_named_is_part_of_the_features_key():
    """A field that changes the lower blocks and were left out would share wrong features."""
    shared = {"description", "reference", "base", "learning_rate"}
    shared |= {"batch_size", "gradient_accumulation_steps", "ignore_index"}
    for field in fields(Experiment):
        one = Experiment("", **{} if field.name == "description" else {field.name: 7})
        assert (features_key(one) == features_key(Experiment(""))) == (field.name in shared), field.name


def test_run_goes_on_after_the_last_one(monkeypatch, tmp_path, capsys):
    whole, folder = tmp_path / "whole", tmp_path / "deep" / "r"
    words = ["--rows", "last-token", "mean", "--draws", "1", "2"]
    assert command(whole, *words) == 0
    real, left = experiments.finetune, [None, None, None]

    def stops(*arguments, **options):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return real(*arguments, **options)

    monkeypatch.setattr(experiments, "finetune", stops)
    assert command(folder, *words) == 130
    assert "interrupted; the same command goes on after the last run" in capsys.readouterr().err
    assert len(read_runs(folder / "runs.csv")) == 3
    monkeypatch.setattr(experiments, "finetune", real)
    assert command(folder, *words) == 0
    assert capsys.readouterr().out.count("of the test set right (") == 1
    tables = [read_predictions(one / "predictions.parquet", part=None) for one in (folder, whole)]
    pd.testing.assert_frame_equal(*tables)
    runs = [read_runs(one / "runs.csv").drop(columns="seconds") for one in (folder, whole)]
    pd.testing.assert_frame_equal(*runs)
    assert command(folder, *words) == 0
    assert capsys.readouterr().out == ""


def test_a_fold_is_run_once_and_one_that_is_none_refused_before_any_work(monkeypatch, tmp_path, capsys):
    assert command(tmp_path, "--rows", "last-token", "--draws", "1", "1") == 0
    assert len(read_runs(tmp_path / "runs.csv")) == 1
    monkeypatch.setattr(experiments, "task_table", lambda task: pytest.fail("work was begun"))
    with pytest.raises(SystemExit, match="2"):
        command(tmp_path, "--rows", "mean", "--draws", "1", "11")
    assert "--draws: invalid choice: 11 (choose from 1, 2, 3" in capsys.readouterr().err


def test_a_second_process_does_not_write_into_the_same_folder(tmp_path, capsys):
    hold = "import time\nfrom llmclf.files.storage import lock_folder\n"
    hold += f"with lock_folder({str(tmp_path)!r}): print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert command(tmp_path, "--rows", "last-token", "--draws", "1") == 2
        other.kill()
    assert "another process is writing here" in capsys.readouterr().err
    assert command(tmp_path, "--rows", "last-token", "--draws", "1") == 0


def test_runs_of_another_precision_are_runs_of_their_own(tmp_path):
    words = ["--rows", "last-token", "--draws", "1"]
    assert command(tmp_path, *words) == command(tmp_path, *words, "--precision", "bfloat16") == 0
    assert command(tmp_path, *words, "--precision", "bfloat16") == 0
    assert read_runs(tmp_path / "runs.csv")["precision"].tolist() == ["float32", "bfloat16"]


def test_model_that_cannot_be_had_is_left_out_and_the_rest_goes_on(tmp_path, capsys):
    assert command(tmp_path, "--rows", "gpt2-355M", "last-token", "--draws", "1") == 0
    assert "gpt2-355M is left out: gpt2-355M is not available" in capsys.readouterr().err
    assert read_runs(tmp_path / "runs.csv")["experiment"].tolist() == ["last-token"]


def test_runs_on_another_table_are_not_mixed(tmp_path, capsys, monkeypatch):
    assert command(tmp_path, "--rows", "last-token", "--draws", "1") == 0
    before = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    monkeypatch.setattr(tasks, "read_sms", lambda every_row: small_collection()[2:])
    monkeypatch.setattr(tasks, "undersample", lambda table: table)
    assert command(tmp_path, "--rows", "last-token", "--draws", "2") == 2
    assert f"{tmp_path}: holds runs on another table of messages; name another --output" in capsys.readouterr().err
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == before


def test_a_run_of_which_one_file_does_not_know_is_done_again(tmp_path):
    words = ["--task", "spam", "--rows", "keywords", "--draws", "1", "2"]
    first, second = run("keywords", [1, 2], task="spam")
    add_runs(tmp_path, [first])
    before = (tmp_path / "runs.csv").read_bytes()
    add_runs(tmp_path, [second])
    whole = pd.concat([first.predictions, second.predictions], ignore_index=True)
    for lose in (lambda: (tmp_path / "runs.csv").write_bytes(before), (tmp_path / "predictions.parquet").unlink):
        lose()  # the process was killed between the two files; somebody has removed one
        assert command(tmp_path, *words) == 0
        pd.testing.assert_frame_equal(read_predictions(tmp_path / "predictions.parquet", part=None), whole)
        assert read_runs(tmp_path / "runs.csv")["fold"].tolist() == [1, 2]


def predictions_of(**wrong: list[int]) -> pd.DataFrame:
    """Ten test messages a fold, from the row numbers of the wrong answers. 0 to 3 are spam, 3 and 4 copies."""
    tables = []
    for name, rows in wrong.items():
        table = pd.DataFrame({"row": range(10), "label": [1] * 4 + [0] * 6, "part": "test"})
        table["group"] = table["row"].replace(4, 3)
        table["predicted"] = table["label"] ^ table["row"].isin(rows)
        tables.append(table.assign(fold=int(name[-1])))
    return pd.concat(tables, ignore_index=True)


def test_predictions_are_compared_message_by_message_over_the_folds_that_both_have():
    one = predictions_of(fold1=[1, 2], fold2=[5], fold4=[0, 9])
    other = predictions_of(fold1=[2, 3, 4], fold2=[6], fold3=[7])
    assert compare(one, other)[:2] == (3, 2)  # only the first right: 6, and the copies 3 and 4; only the other: 1, 5
    assert compare(one[one["label"] == 1], other)[:2] == (1, 1)
    assert compare(one, other[other["label"] == 0])[:2] == (2, 1)
    assert compare(predictions_of(fold1=[]), predictions_of(fold1=[3, 4])) == (2, 0, 1.0, 1)  # copies: one group
    assert compare(one, one) == (0, 0, 1.0, 0)
    assert leads(one, other).to_dict() == {1: 1, 2: 0}


def test_predictions_that_make_no_pairs_are_refused():
    one = predictions_of(fold1=[1])
    for other in (one.assign(label=1 - one["label"]), one.assign(group=one["group"] + 1)):
        with pytest.raises(
            ExperimentError, match="predictions are of different tables of messages: they make no pairs"
        ):
            compare(one, other)
    with pytest.raises(ExperimentError, match="several predictions of one message: compare one run of a fold with"):
        compare(one, pd.concat([one, one]))


def test_mistakes_are_counted_by_group():
    table = predictions_of(fold2=[1, 2, 9], fold1=[0]).assign(backbone="tiny")
    assert confusion_counts(table, ["backbone"]).loc["tiny"].tolist() == [20, 8, 1, 3]
    by_fold = confusion_counts(table, ["fold"])
    assert by_fold.index.tolist() == [2, 1]
    assert by_fold["false_negatives"].tolist() == [2, 1]


def test_folds_are_pooled_into_one_accuracy_and_f1():
    predictions = predictions_of(fold1=[1, 2, 9], fold2=[0])
    found = pooled(predictions)
    assert found["accuracy"] == 16 / 20
    right = predictions["predicted"] == predictions["label"]
    assert (found["low"], found["high"]) == grouped_interval(right, predictions["group"])
    assert found["f1"] == pytest.approx(2 * 5 / (2 * 5 + 3 + 1))


# The predictions that the book shows ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def committed() -> pd.DataFrame:
    return read_predictions(BOOK / "predictions.parquet", part=None)


def test_committed_predictions_fit_together(committed):
    assert (BOOK / "predictions.parquet").stat().st_size < 1e7
    assert not committed.duplicated([*RUN, "part", "row"]).any()
    assert set(committed["experiment"]) <= {*EXPERIMENTS, *OPPONENTS}
    runs = read_runs(BOOK / "runs.csv")
    assert set(runs[RUN].itertuples(index=False)) == set(committed[RUN].drop_duplicates().itertuples(index=False))
    assert not runs.duplicated(RUN).any()
    assert (runs["train_correct"] <= runs["train_messages"]).all()
    assert (runs["fold"] == (runs["seed"] - 123) % 5 + 1).all()
    draws = runs.groupby(RUN[:5])["seed"].nunique()
    assert draws.xs("balanced").min() >= 3
    cheap = draws.index.get_level_values("experiment").isin(OPPONENTS)
    few = draws.index.get_level_values("labels") > 0
    assert draws[cheap & few].min() == 10
    assert draws.drop("balanced").min() == 5


def test_every_question_has_its_runs(committed):
    there = committed.groupby(["task", "labels", "experiment", "part"])["seed"].nunique()
    for question in (*SPAM, *FILMS):
        for name in (question.first, question.second):
            run = question.task, question.labels, name, question.part
            assert there.get(run, 0) >= 5, run


def test_committed_predictions_are_of_the_messages_of_their_folds(committed, sms_path, sentiment_path):
    for task, rows in committed.groupby("task"):
        table = task_table(task)
        for (labels, seed, number), of_draw in rows.groupby(["labels", "seed", "fold"]):
            parts = judged_parts(table, fold(table, number, labels, seed=seed), labels)
            for (*_, part), of_run in of_draw.groupby([*RUN[1:4], "part"]):
                messages = parts[part]
                assert of_run["row"].tolist() == messages.index.tolist()
                for column in ("label", "group"):
                    assert of_run[column].tolist() == messages[column].tolist()


def test_committed_probabilities_fit_the_predicted_labels(committed):
    there = committed["probability_1"].notna()
    assert there[committed["task"] != "balanced"].all()
    assert committed["probability_1"][there].between(0, 1).all()
    more_spam = committed["probability_1"] > 0.5
    assert (more_spam == committed["predicted"].eq(1))[there].all()


def test_ignore_index_has_changed_nothing_in_the_committed_predictions(committed):
    answers = committed.query("task == 'balanced'").set_index(["experiment", *RUN[2:], "part", "row"])["predicted"]
    pd.testing.assert_series_equal(answers.loc["ignore-index"], answers.loc["last-position"])


@pytest.mark.parametrize("name", ["keywords", "tfidf-words"])
def test_an_opponent_gives_the_committed_predictions_again(committed, name, sms_path):
    (again,) = run(name, [2], task="spam", labels=256)
    expected = committed[committed[RUN].eq(pd.Series(again.record)[RUN]).all(axis=1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.predictions, expected, atol=1e-6)
