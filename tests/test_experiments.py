"""Experiments: folds that share nothing, results that can be trusted, runs that go on where they stopped."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import tiny_gpt2, tiny_llama

from llmclf.evaluate import wilson_interval
from llmclf.evaluation import experiments
from llmclf.evaluation.ablations import EXPERIMENTS, NATURAL, Experiment, frozen_part
from llmclf.evaluation.baselines import BASELINES
from llmclf.evaluation.experiments import Place, experiment_table, fold, main, run
from llmclf.evaluation.lora import lora_layers
from llmclf.evaluation.results import COLUMNS, ExperimentError, compare, pooled, read_results, wrong_answers
from llmclf.feature_cache import FeatureDataset
from llmclf.files.download import AssetError

RESULTS = Path(__file__).parents[1] / "book" / "experiments.csv"
TINY = Place("tiny", torch.device("cpu"))


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

    monkeypatch.setattr(experiments, "read_sms", lambda every_row: small_collection())
    monkeypatch.setattr(experiments, "load_tokenizer", lambda name: tiny_tokenizer)
    monkeypatch.setattr(experiments, "load_pretrained", load)
    monkeypatch.setattr(experiments, "choose_backbone", lambda name: name or "tiny")
    monkeypatch.setattr(experiments, "LEAST_STEPS", 1)


@pytest.mark.parametrize("name", ["natural", "last-token"])
def test_every_message_judges_once_and_groups_stay_together(name):
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


def test_fewer_training_messages_leave_the_judges_as_they_are():
    table = experiment_table(EXPERIMENTS["natural"])
    whole, cut = fold(table, 2), fold(table, 2, messages=12)
    assert len(cut.train) == 12
    assert set(cut.train.index) < set(whole.train.index)
    assert cut.test.equals(whole.test)
    assert cut.validation.equals(whole.validation)


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if not name.startswith("gpt2-")])
def test_every_experiment_runs_and_its_counts_fit_together(name, monkeypatch):
    place = Place("llama", torch.device("cpu")) if name in ("no-mask", "lora") else TINY
    if name == "context":  # 1,024 tokens are more than the tiny model can see
        monkeypatch.setitem(EXPERIMENTS, name, Experiment("", pad_to=80, pooling="last_position"))
    (result,) = run(name, [3], place)
    assert list(result) and set(result) == set(COLUMNS)
    table = experiment_table(EXPERIMENTS[name])
    splits = fold(table, 3, EXPERIMENTS[name].messages)
    assert result["test_messages"] == len(splits.test)
    assert result["test_spam"] == splits.test["label"].sum()
    assert_wrong_rows_fit(pd.Series(result), splits.test)
    assert result["train_right"] <= result["train_messages"] == len(splits.train)


def assert_wrong_rows_fit(result: pd.Series, test: pd.DataFrame) -> None:
    """The lists of wrong answers hold rows of the test table, of the right class, with their groups."""
    for label, (name, count) in enumerate((("false_alarm_rows", "false_alarms"), ("missed_rows", "misses"))):
        found = wrong_answers(result.to_frame().T, [("ham", "spam")[label]])
        rows = test.loc[list(found)]
        assert len(rows) == len(result[name].split()) == result[count]
        assert (rows["label"] == label).all()
        assert rows["group"].tolist() == list(found.values())


def test_kept_states_change_no_result(monkeypatch):
    kept = list(run("last-token", [1, 2], TINY))
    monkeypatch.setattr(experiments, "reason_not_cacheable", lambda classifier, loader: "never")
    for with_states, without in zip(kept, run("last-token", [1, 2], TINY), strict=True):
        for name in ("false_alarm_rows", "missed_rows"):
            assert with_states[name] == without[name]
        assert with_states["loss"] == pytest.approx(without["loss"], abs=1e-4)


def test_experiments_with_the_same_frozen_part_compute_it_once(monkeypatch, tmp_path):
    made = []

    class Counted(FeatureDataset):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            made.append(self.pooling)

    monkeypatch.setattr(experiments, "FeatureDataset", Counted)
    rows = ["last-token", "accumulated", "mean", "one-by-one"]
    assert main(["--rows", *rows, "--folds", "1", "2", "--output", str(tmp_path / "r.csv")]) == 0
    assert made == ["last_token", "mean", "last_token"]


def test_what_is_not_named_is_part_of_the_frozen_part():
    """A field that changes the lower blocks and were left out would share wrong states."""
    shared = {"what", "reference", "base", "messages", "learning_rate", "batch_size", "accumulate", "ignore_index"}
    for field in fields(Experiment):
        one, other = Experiment("", **{} if field.name == "what" else {field.name: 7}), Experiment("")
        assert (frozen_part(one) == frozen_part(other)) == (field.name in shared), field.name


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("first-token", {"pooling": "first_token"}),
        ("mean", {"pooling": "mean"}),
        ("last-position", {"pooling": "last_position"}),
    ],
)
def test_pooling_reaches_the_classifier(name, found):
    classifier = experiments.make_classifier(EXPERIMENTS[name], TINY, 1)
    assert {"pooling": classifier.pooling} == found


def test_options_reach_the_model():
    def made(name, **options):
        return experiments.make_classifier(EXPERIMENTS[name], Place("tiny", torch.device("cpu"), **options), 1)

    assert not any(block.attention.causal for block in made("no-mask").backbone.blocks)
    assert all(block.attention.causal for block in made("last-position").backbone.blocks)
    assert lora_layers(made("lora"))
    first = [made(name).backbone.blocks[0].mlp.up.weight for name in ("all", "random")]
    assert not torch.equal(*first)
    settings = {
        name: experiments.settings_for(EXPERIMENTS[name], made(name), 1045, 7)
        for name in ("last-token", "accumulated", "ignore-index")
    }
    assert [one.accumulate for one in settings.values()] == [1, 8, 1]
    assert [one.ignore_index for one in settings.values()] == [-100, -100, 50256]
    assert {(one.epochs, one.seed) for one in settings.values()} == {(5, 7)}
    assert made("last-token", bfloat16=True).bfloat16
    trained = {
        name: sum(w.numel() for w in made(name).parameters() if w.requires_grad)
        for name in EXPERIMENTS
        if not name.startswith("gpt2-")
    }
    assert trained["head"] < trained["last-token"] < trained["two-blocks"] < trained["all"] == trained["random"]


def test_run_goes_on_after_the_last_result(monkeypatch, tmp_path, capsys):
    whole, path = tmp_path / "whole.csv", tmp_path / "deep" / "r.csv"
    command = ["--rows", "last-token", "mean", "--folds", "1", "2"]
    assert main([*command, "--output", str(whole)]) == 0
    real, left = experiments.train, [None, None, None]

    def stops(*arguments, **options):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return real(*arguments, **options)

    monkeypatch.setattr(experiments, "train", stops)
    assert main([*command, "--output", str(path)]) == 130
    assert "interrupted; the same command goes on after the last result" in capsys.readouterr().err
    assert len(read_results(path)) == 3
    monkeypatch.setattr(experiments, "train", real)
    assert main([*command, "--output", str(path)]) == 0
    assert capsys.readouterr().out.count("right (") == 1
    columns = [column for column in COLUMNS if column != "seconds"]
    pd.testing.assert_frame_equal(read_results(path)[columns], read_results(whole)[columns])
    assert main([*command, "--output", str(path)]) == 0
    assert capsys.readouterr().out == ""


def test_termination_ends_a_run_as_tidily_as_an_interruption(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(experiments, "train", lambda *arguments, **options: signal.raise_signal(signal.SIGTERM))
    assert main(["--rows", "last-token", "--folds", "1", "--output", str(tmp_path / "r.csv")]) == 143
    assert capsys.readouterr().err == "llmclf: interrupted; the same command goes on after the last result\n"


def test_a_fold_is_run_once_and_one_that_is_none_refused_before_any_work(monkeypatch, tmp_path, capsys):
    path = tmp_path / "r.csv"
    assert main(["--rows", "last-token", "--folds", "1", "1", "--output", str(path)]) == 0
    assert len(read_results(path)) == 1
    monkeypatch.setattr(experiments, "experiment_table", lambda experiment: pytest.fail("work was begun"))
    assert main(["--rows", "mean", "--folds", "1", "6", "--output", str(path)]) == 2
    assert "there are the folds 1 to 5, not 6" in capsys.readouterr().err


def test_a_second_process_does_not_write_into_the_same_file(tmp_path, capsys):
    path = tmp_path / "r.csv"
    hold = "import time\nfrom llmclf.files.storage import lock_folder\n"
    hold += "with lock_folder({!r}): print(flush=True); time.sleep(60)"
    command = [sys.executable, "-c", hold.format(str(tmp_path / ".r.csv"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert main(["--rows", "last-token", "--folds", "1", "--output", str(path)]) == 2
        other.kill()
    assert "r.csv: another process is writing here" in capsys.readouterr().err
    assert main(["--rows", "last-token", "--folds", "1", "--output", str(path)]) == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.csv"]


def test_results_of_another_precision_are_results_of_their_own(tmp_path):
    path = tmp_path / "r.csv"
    command = ["--rows", "last-token", "--folds", "1", "--output", str(path)]
    assert main(command) == main([*command, "--bfloat16"]) == main([*command, "--bfloat16"]) == 0
    assert read_results(path)["precision"].tolist() == ["float32", "bfloat16"]


def test_model_that_cannot_be_had_is_left_out_and_the_rest_goes_on(tmp_path, capsys):
    path = tmp_path / "r.csv"
    assert main(["--rows", "gpt2-355M", "last-token", "--folds", "1", "--output", str(path)]) == 0
    assert "gpt2-355M is left out: gpt2-355M could not be had" in capsys.readouterr().err
    assert read_results(path)["experiment"].tolist() == ["last-token"]


@pytest.mark.parametrize("baseline", list(BASELINES))
def test_baselines_judge_the_same_messages(baseline):
    place = Place(baseline, torch.device("cpu"))
    (result,), (other,) = run("natural", [4], place), run("natural", [4], TINY)
    same = ["experiment", "fold", "table_messages", "train_messages", "test_messages", "test_spam"]
    assert [result[key] for key in same] == [other[key] for key in same]
    assert_wrong_rows_fit(pd.Series(result), fold(experiment_table(EXPERIMENTS["natural"]), 4).test)
    if baseline == "majority":
        assert (result["false_alarms"], result["misses"]) == (0, result["test_spam"])
    if baseline == "tfidf-words":
        assert result["misses"] < result["test_spam"]


def test_errors_name_what_is_wrong(tmp_path, capsys):
    path = tmp_path / "r.csv"

    def error(*arguments):
        assert main([*arguments, "--output", str(path)]) == 2
        return capsys.readouterr().err

    assert "no experiment is called 'last'; known are last-position, last-token" in error("--rows", "last")
    assert "there are the folds 1 to 5, not 6" in error("--rows", "mean", "--folds", "6")
    assert "mean changes something in a GPT: majority can run natural," in error(
        "--rows", "mean", "--backbone", "majority"
    )
    path.write_text("label,text\nham,hello\n")
    assert f"{path}: not a file of results (expected the columns experiment, backbone" in error("--rows", "mean")
    path.write_bytes(b"\xff\xfe\x00\x01")
    assert f"{path}: cannot be read" in error("--rows", "mean")
    with pytest.raises(ExperimentError, match=r"no such file; python -m llmclf\.evaluation\.experiments makes it"):
        read_results(tmp_path / "none.csv")


def test_results_of_another_table_are_not_mixed(tmp_path, capsys, monkeypatch):
    path = tmp_path / "r.csv"
    command = ["--rows", "last-token", "--output", str(path), "--folds"]
    assert main([*command, "1"]) == 0
    before = path.read_bytes()
    monkeypatch.setattr(experiments, "read_sms", lambda every_row: small_collection()[2:])
    monkeypatch.setattr(experiments, "undersample", lambda table: table)
    assert main([*command, "2"]) == 2
    assert f"{path}: holds results of another table of messages; name another --output" in capsys.readouterr().err
    assert path.read_bytes() == before


def rows_of(**wrong: list[int]) -> pd.DataFrame:
    """Results of ten messages a fold, from the row numbers of the wrong ones. 0 to 3 are spam, 3 and 4 copies."""
    records = []
    for name, numbers in wrong.items():
        lists = [number for number in numbers if number > 3], [number for number in numbers if number < 4]
        texts = [" ".join(f"{number}:{min(number, 3) if number < 5 else number}" for number in rows) for rows in lists]
        counts = {
            "table_messages": 50,
            "test_messages": 10,
            "test_spam": 4,
            "false_alarms": len(lists[0]),
            "misses": len(lists[1]),
        }
        records.append({"fold": int(name[-1]), "false_alarm_rows": texts[0], "missed_rows": texts[1], **counts})
    return pd.DataFrame(records)


def test_results_are_compared_message_by_message_over_the_folds_that_both_have():
    one, other = rows_of(fold1=[1, 2], fold2=[5], fold4=[0, 9]), rows_of(fold1=[2, 3, 4], fold2=[6], fold3=[7])
    assert wrong_answers(one) == {0: 0, 1: 1, 2: 2, 5: 5, 9: 9}
    assert wrong_answers(other, ["spam"]) == {2: 2, 3: 3}
    assert compare(one, other)[:2] == (3, 2)  # only the first right: 6, and the copies 3 and 4; only the other: 1, 5
    assert compare(one, other, ["spam"])[:2] == (1, 1)
    assert compare(one, other, ["ham"])[:2] == (2, 1)
    assert compare(rows_of(fold1=[]), rows_of(fold1=[3, 4])) == (2, 0, 1.0)  # copies: one piece of evidence, not two
    assert compare(one, one) == (0, 0, 1.0)
    with pytest.raises(ExperimentError, match="results of tables of 50 and 99 messages: no pairs"):
        compare(one, other.assign(table_messages=99))


def test_folds_are_pooled_into_one_accuracy_and_f1():
    found = pooled(rows_of(fold1=[1, 2, 9], fold2=[0]))
    assert found["accuracy"] == 16 / 20
    assert (found["low"], found["high"]) == wilson_interval(16, 20)
    assert found["f1"] == pytest.approx(2 * 5 / (2 * 5 + 3 + 1))


# The results that the book shows --------------------------------------------------------------------------------------


def test_committed_results_fit_together():
    results = read_results(RESULTS)
    assert not results.duplicated(["experiment", "backbone", "precision", "fold"]).any()
    assert set(results["experiment"]) <= set(EXPERIMENTS)
    for lists, counts in (("false_alarm_rows", "false_alarms"), ("missed_rows", "misses")):
        assert (results[lists].str.split().map(len) == results[counts]).all()
    assert (results["misses"] <= results["test_spam"]).all()
    five = results[results["experiment"] == "natural"]
    assert set(five.groupby(["backbone", "precision"])["test_messages"].sum()) == {5574}
    for name in NATURAL:
        assert set(results["backbone"][results["experiment"] == name]) >= {"smollm2-135M", *BASELINES}, name


def test_every_experiment_of_the_committed_results_has_three_folds():
    counts = read_results(RESULTS).groupby(["experiment", "backbone", "precision"]).size()
    assert counts.min() >= 3


def test_wrong_messages_of_the_committed_results_are_of_their_fold_and_their_class(sms_path):
    results = read_results(RESULTS)
    for kind, rows in results.groupby(results["experiment"].map(lambda name: EXPERIMENTS[name].table)):
        table = experiment_table(next(experiment for experiment in EXPERIMENTS.values() if experiment.table == kind))
        for _, row in rows.iterrows():
            test = fold(table, row["fold"]).test
            assert_wrong_rows_fit(row, test)
            assert len(test) == row["test_messages"]


def test_ignore_index_has_changed_nothing_in_the_committed_results():
    results = read_results(RESULTS).set_index(["experiment", "backbone", "precision", "fold"])
    lists = results[["false_alarm_rows", "missed_rows"]]
    pd.testing.assert_frame_equal(lists.loc["ignore-index"], lists.loc["last-position"])


def test_a_baseline_gives_the_committed_results_again(sms_path):
    committed = read_results(RESULTS).query("experiment == 'natural' and backbone == 'majority'")
    for (_, row), again in zip(committed.iterrows(), run("natural", range(1, 6), Place("majority", None)), strict=True):
        assert again["missed_rows"] == row["missed_rows"]
        assert again["train_right"] == row["train_right"]
