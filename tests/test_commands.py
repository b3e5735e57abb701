"""The command line, as a user types it."""

from __future__ import annotations

import csv
import inspect
import io
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
import torch

import llmclf.evaluate as evaluation
from llmclf.classify import CLASSIFIER_FILE, read_classifier
from llmclf.cli import commands, training
from llmclf.cli.parser import build_parser, main
from llmclf.data import find_leakage
from llmclf.files import assets
from llmclf.finetune import finetune
from llmclf.head import Classifier
from llmclf.interactive.distillation import distil
from llmclf.loaders import make_loaders
from llmclf.scale.score_files import score_files
from llmclf.train import TrainingSettings

COMMANDS = ("fetch", "train", "evaluate", "classify", "info")


@pytest.fixture(scope="module")
def backbone(tiny_files) -> Path:
    return tiny_files[0]


@pytest.fixture(scope="module")
def table(tiny_files) -> Path:
    return tiny_files[1]


@pytest.fixture(scope="module")
def train_arguments(backbone, table) -> list[str]:
    columns = ["--table", str(table), "--text-column", "body", "--label-column", "kind"]
    return ["train", "--backbone", str(backbone), *columns, "--epochs", "2", "--learning-rate", "0.003"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, train_arguments) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "classifier"
    assert main([*train_arguments, "--output", str(folder)]) == 0
    return folder


def lines_of(capsys: pytest.CaptureFixture) -> list[str]:
    return capsys.readouterr().out.splitlines()


# Speed and help -------------------------------------------------------------------------------------------------------


def test_nothing_heavy_is_imported_for_a_word_of_help():
    command = [sys.executable, "-X", "importtime", "-m", "llmclf", "--help"]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    for heavy in ("torch", "pandas", "numpy", "matplotlib", "tiktoken", "requests"):
        assert f" {heavy}\n" not in imported


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "usage: llmclf" in capsys.readouterr().out


# Train, evaluate, classify --------------------------------------------------------------------------------------------


def record_of(folder: Path) -> dict:
    """What a saved classifier tells of itself."""
    return read_classifier(folder)[1]


def test_train_leaves_a_classifier_its_tables_and_its_curves(trained):
    assert {path.name for path in trained.iterdir()} == {
        *("classifier.safetensors", "history.json", "loss.svg", "accuracy.svg"),
        *("train.csv", "validation.csv", "test.csv"),
    }
    record = record_of(trained)
    assert record["labels"] == ["advert", "private"]
    assert record["training"]["settings"]["epochs"] == 2
    assert set(record["training"]["results"]) == {"train", "validation", "test"}


COMMAND_LINES = {"train": ["--output", "x"], "classify": ["x"], "distil": ["x", "--output", "y"]}


@pytest.mark.parametrize(
    ("command", "option", "function"),
    [
        ("train", "epochs", TrainingSettings),
        ("train", "seed", TrainingSettings),
        ("train", "batch_size", make_loaders),
        ("train", "padding", make_loaders),
        ("train", "seed", make_loaders),
        ("train", "trainable", Classifier),
        ("train", "pooling", finetune),
        ("train", "seed", Classifier),
        ("classify", "rows_per_part", score_files),
        ("distil", "epochs", distil),
    ],
)
def test_defaults_of_the_command_line_are_those_of_the_library(command, option, function):
    options = build_parser().parse_args([command, *COMMAND_LINES[command]])
    assert getattr(options, option) == inspect.signature(function).parameters[option].default


def test_near_copies_of_a_table_can_be_kept_together(tmp_path):
    generator = random.Random(0)
    words = ["".join(generator.choices("abcdefgh", k=5)) for _ in range(200)]
    texts = [" ".join(generator.choices(words, k=6)) for _ in range(40)]
    table = tmp_path / "mine.csv"
    copies = [f"{text} {number}!" for number, text in enumerate(texts * 2)]
    pd.DataFrame({"label": ["ham", "spam"] * 40, "text": copies}).to_csv(table, index=False)
    leaks = []
    for option in ([], ["--keep-copies-together"]):
        options = build_parser().parse_args(["train", "--output", "x", "--table", str(table), *option])
        splits, _ = training.prepare_data(options)
        leaks.append(len(find_leakage(splits.train, splits.test, ignore_details=True)))
    assert leaks[0] > 0
    assert leaks[1] == 0


def test_train_reports_what_evaluate_measures(trained, capsys):
    assert main(["evaluate", str(trained), str(trained / "test.csv"), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    recorded = record_of(trained)["training"]["results"]["test"]
    assert (report["correct"], report["count"]) == (recorded["correct"], recorded["count"])
    assert report["loss"] == pytest.approx(recorded["loss"], abs=1e-5)
    assert report["accuracy"] > 0.9  # it has learnt something


def test_evaluate_takes_names_and_other_columns(trained, table, capsys):
    columns = ["--text-column", "body", "--label-column", "kind"]
    assert main(["evaluate", str(trained), str(table), *columns]) == 0
    first, header, *classes = lines_of(capsys)
    assert first.startswith("accuracy")
    assert "of 120; 95 % interval" in first
    assert header.split() == ["precision", "recall", "f1", "messages"]
    assert [line.split()[0] for line in classes] == ["advert", "private"]


def test_train_does_not_overwrite_unless_told(trained, train_arguments, capsys):
    before = (trained / CLASSIFIER_FILE).read_bytes()
    assert main([*train_arguments, "--output", str(trained)]) == 2
    assert "holds a classifier already; name another --output, or add --overwrite" in capsys.readouterr().err
    assert (trained / CLASSIFIER_FILE).read_bytes() == before


def test_interrupted_training_continues_with_the_same_command(train_arguments, tmp_path, monkeypatch, capsys):
    measure = evaluation.evaluate
    calls = []

    def interrupt(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 6:  # after the first epoch, whose end is measurements 3 and 4
            raise KeyboardInterrupt
        return measure(*arguments, **options)

    arguments = [*train_arguments, "--epochs", "6"]  # 60 steps: losses are measured at steps 0 and 50
    with monkeypatch.context() as patch:
        patch.setattr("llmclf.train.evaluate", interrupt)
        assert main([*arguments, "--output", str(tmp_path / "stopped")]) == 130
    assert "interrupted; training continues from its last epoch" in capsys.readouterr().err
    assert main([*arguments, "--output", str(tmp_path / "stopped")]) == 0
    assert "continuing after epoch 1 of 6" in capsys.readouterr().err
    assert main([*arguments, "--output", str(tmp_path / "whole")]) == 0
    stopped, whole = (read_classifier(tmp_path / name)[0] for name in ("stopped", "whole"))
    assert all(torch.equal(stopped[name], whole[name]) for name in whole)
    assert not (tmp_path / "stopped" / "checkpoint.safetensors").exists()


@pytest.mark.parametrize(
    ("users", "expected"),
    [({}, "1000"), ({"OMP_WAIT_POLICY": "active"}, None), ({"GOMP_SPINCOUNT": "7"}, "7")],
)
def test_waiting_threads_sleep_soon_unless_the_user_decides(monkeypatch, users, expected):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that what the command sets is taken back
        monkeypatch.delenv(name)
    for name, value in users.items():
        monkeypatch.setenv(name, value)
    assert main(["info"]) == 0
    assert os.environ.get("GOMP_SPINCOUNT") == expected


def test_bfloat16_is_passed_on_and_recorded(train_arguments, tmp_path, trained):
    assert main([*train_arguments, "--precision", "bfloat16", "--output", str(tmp_path)]) == 0
    records = [record_of(folder) for folder in (trained, tmp_path)]
    assert [record["precision"] for record in records] == ["float32", "bfloat16"]
    exact, rough = (record["training"]["results"]["train"]["loss"] for record in records)
    assert rough == pytest.approx(exact, abs=0.05)
    assert rough != exact


def test_fixed_padding_and_last_position_are_remembered(train_arguments, tmp_path, capsys, gpt2_encoding):
    recipe = ["--padding", "fixed", "--pooling", "last_position", "--epochs", "1"]
    assert main([*train_arguments, *recipe, "--output", str(tmp_path)]) == 0
    record = record_of(tmp_path)
    assert record["pooling"] == "last_position"
    texts = pd.read_csv(tmp_path / "train.csv")["text"]
    assert record["pad_to"] == max(len(gpt2_encoding.encode_ordinary(text)) for text in texts)
    assert main(["evaluate", str(tmp_path), str(tmp_path / "test.csv"), "--format", "json"]) == 0
    report = json.loads("{" + capsys.readouterr().out.split("\n{", 1)[1])
    assert report["loss"] == pytest.approx(record["training"]["results"]["test"]["loss"], abs=1e-5)


def test_classify_takes_arguments(trained, capsys):
    assert main(["classify", str(trained), "WIN 99 CASH", "hello, friend"]) == 0
    first, second = lines_of(capsys)
    assert first.startswith("advert (")
    assert first.endswith("\tWIN 99 CASH")
    assert second.startswith("private (")


def terminal(monkeypatch: pytest.MonkeyPatch, typed: bytes = b"", encoding: str = "utf-8") -> io.BytesIO:
    """Standard input holds these bytes; what goes to standard output, of a terminal with that encoding."""
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), encoding))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding))
    return shown


def test_classify_takes_lines_of_standard_input(trained, monkeypatch):
    shown = terminal(monkeypatch, b"WIN 99 CASH\r\n\nhello,\rfriend")
    assert main(["classify", str(trained)]) == 0
    lines = shown.getvalue().decode().splitlines()
    assert [line.split("\t")[1] for line in lines] == ["WIN 99 CASH", "", "hello,", "friend"]


@pytest.mark.parametrize("output", ["text", "csv", "json"])
def test_any_character_comes_in_and_goes_out_whatever_the_terminal(trained, output, monkeypatch):
    text = "café 🎉 漢字"
    shown = terminal(monkeypatch, text.encode(), "latin-1")
    assert main(["classify", str(trained), "--format", output]) == 0
    expected = {"text": text.encode("latin-1", "backslashreplace"), "csv": text.encode(), "json": text.encode()}
    assert expected[output] in shown.getvalue()


def test_arguments_in_utf_8_are_read_in_a_terminal_that_is_set_to_ascii(trained):
    text = "café 🎉 漢字"
    command = [sys.executable, "-m", "llmclf", "classify", str(trained), "--format", "json", text.encode()]
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(command, capture_output=True, env=os.environ | ascii_only)
    assert done.returncode == 0, done.stderr
    assert [row["text"] for row in json.loads(done.stdout)] == [text]


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("--format json FOLDER a -- -x --", ["a", "-x", "--"]),
        ("FOLDER a --format json -- b -- c", ["a", "b", "--", "c"]),
        ("FOLDER --format json -- --", ["--"]),
    ],
)
def test_texts_behind_two_dashes_may_be_anything(trained, capsys, words, texts):
    assert main(["classify", *words.replace("FOLDER", str(trained)).split()]) == 0
    assert [row["text"] for row in json.loads(capsys.readouterr().out)] == texts


def test_only_texts_behind_two_dashes_begin_with_one(trained, capsys):
    assert main(["classify", str(trained), "--", "a", "--", "b"]) == 0
    assert [line.split("\t")[1] for line in lines_of(capsys)] == ["a", "--", "b"]
    with pytest.raises(SystemExit):
        main(["classify", str(trained), "--format", "json", "-x", "--", "-y"])
    assert "unrecognized arguments: -x" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "typed", "words"),
    [
        (["good", "caf\udce9"], b"", r"text 2: not UTF-8: 'caf\udce9'; convert it"),
        ([], b"good\ncaf\xe9s\n", r"standard input: line 2: not UTF-8: 'caf\udce9s'; convert it"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="Windows hands programs text")
def test_what_is_not_utf_8_is_named(trained, more, typed, words, monkeypatch, capsys):
    terminal(monkeypatch, typed)
    assert main(["classify", str(trained), *more]) == 2
    error = capsys.readouterr().err.encode("utf-8", "backslashreplace").decode()
    assert words in error
    assert error.count("\n") == 1


def test_classify_takes_a_table_and_writes_one(trained, table, capsys):
    assert main(["classify", str(trained), "--table", str(table), "--text-column", "body", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["text"] for row in rows] == pd.read_csv(table)["body"].tolist()
    for row in rows:
        probabilities = {name: float(row[f"probability_{name}"]) for name in ("advert", "private")}
        assert row["label"] == max(probabilities, key=probabilities.get)
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_classify_writes_json_for_any_text(trained, capsys):
    texts = ['quotes " and\nlines', "<|endoftext|>", "ünï 🎉", "", "x" * 5000]
    assert main(["classify", str(trained), "--format", "json", *texts]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["text"] for row in report] == texts
    assert all(set(row["probabilities"]) == {"advert", "private"} for row in report)


def test_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "llmclf", "fetch", "--list"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141  # as any program that SIGPIPE ends


def test_signal_that_comes_while_the_last_word_is_said_does_not_cut_it_off():
    script = """
        import os, signal, sys
        from llmclf.console import LlmclfError
        from llmclf.cli.exit_status import exit_status

        class Late(LlmclfError):
            def __str__(self):
                os.kill(os.getpid(), signal.SIGTERM)
                return "said in full"

        def command():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as a worker does whose neighbour has died
            raise Late

        sys.exit(exit_status(command, afterwards=""))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "llmclf: error: said in full\n")


# Files and information ------------------------------------------------------------------------------------------------


def test_fetch_list_names_every_file_with_size_licence_and_place(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("LLMCLF_KIT", str(tmp_path))
    monkeypatch.setenv("LLMCLF_CACHE", str(tmp_path / "cache"))
    (tmp_path / "sms-spam").mkdir()
    (tmp_path / "sms-spam" / "SMSSpamCollection").write_text("")
    assert main(["fetch", "--list"]) == 0
    lines = dict(line.split(maxsplit=1) for line in lines_of(capsys))
    assert set(lines) == set(assets.ASSETS)
    assert lines["sms-spam"].startswith("0.5 MB  CC BY 4.0")
    assert lines["sms-spam"].endswith(str(tmp_path / "sms-spam" / "SMSSpamCollection"))
    assert lines["gpt2-124M"].startswith("548.1 MB  MIT")
    assert lines["gpt2-124M"].endswith("not here yet")


def test_fetch_makes_a_kit_that_works_alone(capsys, tmp_path, monkeypatch, gpt2_encoding):
    kit = tmp_path / "kit"
    assert main(["fetch", "gpt2-encoder", "--to", str(kit)]) == 0
    assert lines_of(capsys) == [str(kit / "gpt2-bpe" / "encoder.json")]
    monkeypatch.setenv("LLMCLF_KIT", str(kit))
    monkeypatch.setenv("LLMCLF_CACHE", str(tmp_path / "nothing"))
    assert assets.fetch("gpt2-encoder") == kit / "gpt2-bpe" / "encoder.json"
    assert [path.name for path in (kit / "gpt2-bpe").iterdir()] == ["encoder.json"]


def test_fetch_tells_of_a_kit_that_cannot_be_written_and_goes_on(capsys, tmp_path, gpt2_encoding):
    (tmp_path / "gpt2-bpe").touch()
    assert main(["fetch", "gpt2-encoder", "unknown", "--to", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert f"File exists: '{tmp_path / 'gpt2-bpe'}'" in told
    assert "unknown asset 'unknown'" in told


def test_fetch_goes_on_after_a_failure_and_tells_all_of_them(capsys, tmp_path, monkeypatch, gpt2_encoding):
    asset = assets.Asset("lost", "lost/file", "none", 1, "0" * 64, sources=())
    monkeypatch.setitem(assets.ASSETS, "lost", asset)
    assert main(["fetch", "lost", "gpt2-encoder", "unknown"]) == 2
    output = capsys.readouterr()
    assert output.out.strip().endswith("encoder.json")
    assert "lost (0.0 MB) is not available" in output.err
    assert "unknown asset 'unknown'" in output.err


def test_info_tells_what_a_bug_report_needs(capsys, monkeypatch):
    monkeypatch.setenv("LLMCLF_BACKBONE", "smollm2-135M")
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    for words in (f"torch {torch.__version__}", "device: ", "LLMCLF_BACKBONE: smollm2-135M", "LLMCLF_FAST: not set"):
        assert words in text
    assert all(name in text for name in assets.ASSETS)


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fetch"], "name at least one file, or use --all or --list"),
        (["fetch", "nonsense"], "unknown asset 'nonsense'; known are sms-spam"),
        (["classify", "FOLDER", "hello"], "no classifier.safetensors in this folder"),
        (["classify", "FOLDER", "hello", "--table", "x.csv"], "give either texts or --table, not both"),
        (["classify", "FOLDER", "--table", "x.csv"], "x.csv: no such file"),
        (["evaluate", "FOLDER", "x.csv"], "x.csv: no such file"),
        (["train", "--output", "FOLDER", "--device", "abacus"], "device 'abacus' cannot be used"),
        (["train", "--output", "FOLDER", "--table", "x.csv"], "x.csv: no such file"),
    ],
)
def test_mistake_is_one_line_and_exit_code_2(arguments, words, tmp_path, capsys):
    arguments = [str(tmp_path) if argument == "FOLDER" else argument for argument in arguments]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("llmclf: error: ")
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--pooling", "middle"], "pooling must be one of last_token, last_position, first_token, mean, got 'middle'"),
        (
            ["--trainable", "nothing"],
            "trainable must be one of head, last_block, last_two_blocks, all, lora, got 'nothing'",
        ),
        (["--padding", "none"], "padding must be one of dynamic, fixed, got 'none'"),
        (["--batch-size", "500"], "84 training messages do not fill one batch of 500"),
        (["--epochs", "0"], "epochs, evaluate_every and gradient_accumulation_steps must be at least 1"),
        (["--max-length", "0"], "max_length must be at least 1"),
        (["--backbone", "gpt5"], "gpt5: neither a backbone (gpt2-124M"),
        (["--text-column", "words"], "expected one column 'words', found 'id', 'body', 'kind'"),
    ],
)
def test_option_that_cannot_be_is_explained_and_nothing_is_written(train_arguments, option, words, tmp_path, capsys):
    output = tmp_path / "output"
    assert main([*train_arguments, *option, "--output", str(output)]) == 2
    assert words in capsys.readouterr().err
    assert not output.exists()


def test_unknown_label_names_its_row(trained, tmp_path, capsys):
    table = tmp_path / "test.csv"
    table.write_text("label,text\nadvert,WIN\nadvrt,WIN\n")
    assert main(["evaluate", str(trained), str(table)]) == 2
    assert "'advrt'; expected one of advert, private" in capsys.readouterr().err


def test_debug_shows_the_trace(tmp_path, capsys):
    assert main(["classify", str(tmp_path), "hello", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_termination_is_tidy_and_the_signal_then_does_what_it_did_before(monkeypatch, capsys):
    monkeypatch.setattr(commands, "info", lambda options: signal.raise_signal(signal.SIGTERM))
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        assert main(["info"]) == 143
        assert capsys.readouterr().err == "llmclf: interrupted; nothing was left half-done\n"
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]
