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
from llmclf.evaluate import wilson_interval
from llmclf.evaluation import experiments
from llmclf.evaluation.ablations import EXPERIMENTS, NATURAL, Experiment, features_key
from llmclf.evaluation.baselines import BASELINES
from llmclf.evaluation.experiments import ModelSettings, experiment_table, fold, run
from llmclf.evaluation.predictions import (
    PREDICTION_COLUMNS,
    RUN,
    ExperimentError,
    add_run,
    compare,
    confusion_counts,
    leads,
    pooled,
    read_predictions,
    read_runs,
)
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


@pytest.fixture(autouse=True)
def tiny_world(monkeypatch, tiny_tokenizer, request):
    """A small collection and tiny models in place of the real ones."""
    if "sms_path" in request.fixturenames:
        return

    def load(name, *, device, seed):
        if name.startswith("gpt2-"):
            raise AssetError(f"{name} could not be had. Tried:\n  - nothing")
        seed = seed if name.startswith("random-") else 0
        return tiny_llama(seed) if "llama" in name else tiny_gpt2(seed)

    monkeypatch.setenv("LLMCLF_BACKBONE", "tiny")
    monkeypatch.setattr(experiments, "read_sms", lambda every_row: small_collection())
    for module in (experiments, recipe):
        monkeypatch.setattr(module, "load_tokenizer", lambda name: tiny_tokenizer)
        monkeypatch.setattr(module, "load_pretrained", load)
    monkeypatch.setattr(experiments, "MINIMUM_STEPS", 1)
    shorter = replace(EXPERIMENTS["context"], pad_to=80)  # fits a tiny model
    monkeypatch.setitem(EXPERIMENTS, "context", shorter)


def command(folder: Path, *words: str) -> int:
    return main(["experiments", *words, "--output", str(folder)])


@pytest.mark.parametrize("name", ["natural", "last-token"])
def test_every_message_is_tested_once_and_groups_stay_together(name):
    table = experiment_table(EXPERIMENTS[name])
    folds = [fold(table, number) for number in range(1, 6)]
    assert sorted(row for splits in folds for row in splits.test.index) == list(table.index)
    for splits in folds:
        assert sorted([*splits.train.index, *splits.validation.index, *splits.test.index]) == list(table.index)
        groups = [set(part["group"]) for part in splits]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
        assert len(splits.train) > 3 * len(splits.test) > 3 * len(splits.validation)


def test_balanced_table_holds_as_much_ham_as_spam():
    assert experiment_table(EXPERIMENTS["last-token"])["label"].value_counts().tolist() == [20, 20]
    assert experiment_table(EXPERIMENTS["natural"])["label"].value_counts().tolist() == [40, 20]


def test_fewer_training_messages_leave_the_others_as_they_are():
    table = experiment_table(EXPERIMENTS["natural"])
    whole, cut = fold(table, 2), fold(table, 2, messages=12)
    assert len(cut.train) == 12
    assert set(cut.train.index) < set(whole.train.index)
    assert cut.test.equals(whole.test)
    assert cut.validation.equals(whole.validation)


@pytest.mark.parametrize("name", RUNNABLE)
def test_every_experiment_predicts_the_messages_of_its_fold(name):
    (found,) = run(name, [3], ModelSettings("llama", CPU, "float32") if name in ("no-mask", "lora") else TINY)
    splits = fold(experiment_table(EXPERIMENTS[name]), 3, EXPERIMENTS[name].messages)
    assert list(found.predictions) == PREDICTION_COLUMNS
    for part, table in (("validation", splits.validation), ("test", splits.test)):
        rows = found.predictions[found.predictions["part"] == part].set_index("row")
        assert rows.index.equals(table.index)
        pd.testing.assert_frame_equal(rows[["label", "group"]], table[["label", "group"]], check_names=False)
        assert set(rows["experiment"]) == {name}
    chances = found.predictions[["probability_ham", "probability_spam"]].to_numpy()
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-6)
    assert (chances.argmax(axis=1) == found.predictions["predicted"]).all()
    assert 0 <= found.record["train_correct"] <= found.record["train_messages"] == len(splits.train)


@pytest.mark.parametrize("name", [name for name in RUNNABLE if EXPERIMENTS[name].base not in (name, "natural")])
def test_what_a_row_changes_reaches_the_model(name):
    """All but one make some difference; in that one the option leaves out labels that no message has."""

    def probabilities(name):
        (found,) = run(name, [1], ModelSettings("llama", CPU, "float32"))
        return found.predictions["probability_spam"].to_numpy()

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
    assert command(tmp_path, "--rows", "last-token", "accumulated", "mean", "one-by-one", "--folds", "1", "2") == 0
    assert made == ["last_token", "mean", "last_token"]


def test_what_is_not_named_is_part_of_the_features_key():
    """A field that changes the lower blocks and were left out would share wrong features."""
    shared = {"description", "reference", "base", "messages", "learning_rate"}
    shared |= {"batch_size", "gradient_accumulation_steps", "ignore_index"}
    for field in fields(Experiment):
        one = Experiment("", **{} if field.name == "description" else {field.name: 7})
        assert (features_key(one) == features_key(Experiment(""))) == (field.name in shared), field.name


def test_run_goes_on_after_the_last_one(monkeypatch, tmp_path, capsys):
    whole, folder = tmp_path / "whole", tmp_path / "deep" / "r"
    words = ["--rows", "last-token", "mean", "--folds", "1", "2"]
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
    assert command(tmp_path, "--rows", "last-token", "--folds", "1", "1") == 0
    assert len(read_runs(tmp_path / "runs.csv")) == 1
    monkeypatch.setattr(experiments, "experiment_table", lambda experiment: pytest.fail("work was begun"))
    with pytest.raises(SystemExit, match="2"):
        command(tmp_path, "--rows", "mean", "--folds", "1", "6")
    assert "--folds: invalid choice: 6 (choose from 1, 2, 3, 4, 5)" in capsys.readouterr().err


def test_a_second_process_does_not_write_into_the_same_folder(tmp_path, capsys):
    hold = "import time\nfrom llmclf.files.storage import lock_folder\n"
    hold += f"with lock_folder({str(tmp_path)!r}): print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert command(tmp_path, "--rows", "last-token", "--folds", "1") == 2
        other.kill()
    assert "another process is writing here" in capsys.readouterr().err
    assert command(tmp_path, "--rows", "last-token", "--folds", "1") == 0


def test_runs_of_another_precision_are_runs_of_their_own(tmp_path):
    words = ["--rows", "last-token", "--folds", "1"]
    assert command(tmp_path, *words) == command(tmp_path, *words, "--precision", "bfloat16") == 0
    assert command(tmp_path, *words, "--precision", "bfloat16") == 0
    assert read_runs(tmp_path / "runs.csv")["precision"].tolist() == ["float32", "bfloat16"]


def test_model_that_cannot_be_had_is_left_out_and_the_rest_goes_on(tmp_path, capsys):
    assert command(tmp_path, "--rows", "gpt2-355M", "last-token", "--folds", "1") == 0
    assert "gpt2-355M is left out: gpt2-355M could not be had" in capsys.readouterr().err
    assert read_runs(tmp_path / "runs.csv")["experiment"].tolist() == ["last-token"]


@pytest.mark.parametrize("baseline", list(BASELINES))
def test_baselines_predict_the_same_messages(baseline):
    (found,), (other,) = run("natural", [4], ModelSettings(baseline, CPU, "float64")), run("natural", [4], TINY)
    same = ["experiment", "fold", "part", "row", "group", "label"]
    pd.testing.assert_frame_equal(found.predictions[same], other.predictions[same])
    for key in ("table_messages", "train_messages"):
        assert found.record[key] == other.record[key]
    spam = found.predictions[found.predictions["label"] == 1]
    if baseline == "majority":
        assert set(found.predictions["predicted"]) == {0}
    if baseline == "tfidf-words":
        assert spam["predicted"].any()


def test_errors_name_what_is_wrong(tmp_path, capsys):
    def error(*words):
        assert command(tmp_path, *words) == 2
        return capsys.readouterr().err

    assert "mean changes something in a GPT: majority can run natural," in error(
        "--rows", "mean", "--backbone", "majority"
    )
    with pytest.raises(ExperimentError, match="there are the folds 1 to 5, not 6"):
        next(run("mean", [6], TINY))


def test_runs_on_another_table_are_not_mixed(tmp_path, capsys, monkeypatch):
    assert command(tmp_path, "--rows", "last-token", "--folds", "1") == 0
    before = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    monkeypatch.setattr(experiments, "read_sms", lambda every_row: small_collection()[2:])
    monkeypatch.setattr(experiments, "undersample", lambda table: table)
    assert command(tmp_path, "--rows", "last-token", "--folds", "2") == 2
    assert f"{tmp_path}: holds runs on another table of messages; name another --output" in capsys.readouterr().err
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == before


def test_a_run_of_which_one_file_does_not_know_is_done_again(tmp_path):
    words = ["--rows", "natural", "--folds", "1", "2", "--backbone", "keywords"]
    first, second = run("natural", [1, 2], ModelSettings("keywords", CPU, "float64"))
    add_run(tmp_path, first)
    before = (tmp_path / "runs.csv").read_bytes()
    add_run(tmp_path, second)
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
    assert compare(predictions_of(fold1=[]), predictions_of(fold1=[3, 4])) == (
        2,
        0,
        1.0,
    )  # copies: one piece of evidence
    assert compare(one, one) == (0, 0, 1.0)
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
    found = pooled(predictions_of(fold1=[1, 2, 9], fold2=[0]))
    assert found["accuracy"] == 16 / 20
    assert (found["low"], found["high"]) == wilson_interval(16, 20)
    assert found["f1"] == pytest.approx(2 * 5 / (2 * 5 + 3 + 1))


# The predictions that the book shows ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def committed() -> pd.DataFrame:
    return read_predictions(BOOK / "predictions.parquet", part=None)


def test_committed_predictions_fit_together(committed):
    assert (BOOK / "predictions.parquet").stat().st_size < 2e6
    assert not committed.duplicated([*RUN, "part", "row"]).any()
    assert set(committed["experiment"]) <= set(EXPERIMENTS)
    runs = read_runs(BOOK / "runs.csv")
    assert set(runs[RUN].itertuples(index=False)) == set(committed[RUN].drop_duplicates().itertuples(index=False))
    assert runs.groupby(["experiment", "backbone", "precision"])["fold"].nunique().min() >= 3
    assert not runs.duplicated(RUN).any()
    assert (runs["train_correct"] <= runs["train_messages"]).all()
    test = committed[committed["part"] == "test"]
    five = test[test["experiment"] == "natural"]
    assert set(five.groupby(["backbone", "precision"]).size()) == {5574}
    for name in NATURAL:
        assert set(test["backbone"][test["experiment"] == name]) >= {"smollm2-135M", *BASELINES}, name


def test_committed_predictions_are_of_the_messages_of_their_folds(committed, sms_path):
    for kind, rows in committed.groupby(committed["experiment"].map(lambda name: EXPERIMENTS[name].table)):
        table = experiment_table(next(experiment for experiment in EXPERIMENTS.values() if experiment.table == kind))
        for (_, _, _, number, part), of_run in rows.groupby([*RUN, "part"]):
            messages = getattr(fold(table, number), part)
            assert of_run["row"].tolist() == messages.index.tolist()
            for column in ("label", "group"):
                assert of_run[column].tolist() == messages[column].tolist()


def test_committed_probabilities_fit_the_predicted_labels(committed):
    chances = committed[["probability_ham", "probability_spam"]]
    there = chances.notna().all(axis=1)
    assert chances[~there].isna().all(axis=None)
    assert there[committed["backbone"].isin(BASELINES)].all()
    np.testing.assert_allclose(chances[there].sum(axis=1), 1, rtol=1e-6)
    more_spam = chances["probability_spam"] > chances["probability_ham"]
    assert (more_spam == committed["predicted"].eq(1))[there].all()


def test_ignore_index_has_changed_nothing_in_the_committed_predictions(committed):
    answers = committed.set_index(["experiment", *RUN[1:], "part", "row"])["predicted"]
    pd.testing.assert_series_equal(answers.loc["ignore-index"], answers.loc["last-position"])


@pytest.mark.parametrize("baseline", ["majority", "tfidf-words"])
def test_a_baseline_gives_the_committed_predictions_again(committed, baseline, sms_path):
    (again,) = run("natural-256", [2], ModelSettings(baseline, CPU, "float64"))
    expected = committed[committed[RUN].eq(pd.Series(again.record)[RUN]).all(axis=1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.predictions, expected, atol=1e-6)
