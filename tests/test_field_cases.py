"""Tables and wishes of people who train text classifiers, from the door to the answer, on the command line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from llmclf.classify import CLASSIFIER_FILE, TextClassifier, read_classifier
from llmclf.cli.parser import main

HAM, SPAM = [f"see you at {hour} o'clock" for hour in range(30)], [f"WIN {amount} NOW" for amount in range(30)]


@pytest.fixture(scope="module")
def backbone(tiny_files) -> str:
    return str(tiny_files[0])


def rows(separator: str = ",") -> str:
    return "".join(f"ham{separator}{text}\n" for text in HAM) + "".join(f"spam{separator}{text}\n" for text in SPAM)


def train(backbone: str, folder: Path, *options: str | Path) -> int:
    quick = ["--backbone", backbone, "--epochs", "1", "--learning-rate", "0.003"]
    return main(["train", "--output", str(folder / "classifier"), *quick, *map(str, options)])


def saved(folder: Path) -> list[str]:
    """All texts of the parts that a training has saved."""
    parts = [pd.read_csv(folder / "classifier" / f"{part}.csv") for part in ("train", "validation", "test")]
    return pd.concat(parts)["text"].tolist()


FORMS = {  # name: content, the options that help, words of the error without them, a text that must have been read
    "1 Latin-1": ("label,text\n" + rows() + "ham,café at 8?\n", "latin-1", ["--encoding", "latin-1"], "café at 8?"),
    "2 UTF-16": ("label,text\n" + rows() + "ham,café at 8?\n", "utf-16", ["--encoding", "utf-16"], "café at 8?"),
    "5 plain marks": (
        "label\ttext\n" + rows("\t") + 'ham\t"Love" it\nspam\tscreen is 7" only\n',
        "utf-8",
        ["--quoting", "none", "--separator", "tab"],
        '"Love" it',
    ),
    "6 semicolon": ("label;text\n" + rows(";"), "utf-8", ["--separator", ";"], HAM[0]),
}


@pytest.mark.parametrize(("content", "encoding", "help_", "text"), FORMS.values(), ids=FORMS)
def test_a_table_of_another_form_is_refused_with_the_option_that_reads_it(
    backbone, tmp_path, capsys, content, encoding, help_, text
):
    table = tmp_path / "mine.csv"
    table.write_bytes(content.encode(encoding))
    part = 2 if "tab" in help_ else 0  # that the columns are separated by tabs is told first
    assert train(backbone, tmp_path, "--table", table, *help_[2:]) == 2
    error = capsys.readouterr().err
    option = " ".join(help_[:2]) if part else f'{help_[0]} "{help_[1]}"' if help_[1] == ";" else " ".join(help_)
    assert "mine.csv: line " in error
    assert option in error
    assert not (tmp_path / "classifier").exists()
    assert train(backbone, tmp_path, "--table", table, *help_) == 0
    assert text in saved(tmp_path)


def test_3_a_row_of_commas_is_no_row(backbone, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("label,text,url\n" + "".join(f"{row},\n" for row in rows().splitlines()) + ",,\n")
    assert train(backbone, tmp_path, "--table", table) == 0
    assert len(saved(tmp_path)) == 60


def test_4_a_row_without_a_label_is_refused_or_left_out_and_counted(backbone, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text("label,text\n" + rows() + ",who knows?\n")
    assert train(backbone, tmp_path, "--table", table) == 2
    error = capsys.readouterr().err
    assert "mine.csv: line 62: no label in column 'label'" in error
    assert "--drop-incomplete" in error
    assert train(backbone, tmp_path, "--table", table, "--drop-incomplete") == 0
    assert "mine.csv: 1 rows without a label or a text were left out" in capsys.readouterr().err
    assert len(saved(tmp_path)) == 60


def test_7_blanks_around_a_column_s_name_do_not_matter(backbone, tmp_path):
    table = tmp_path / "reviews.tsv"
    table.write_text("Liked\tReview \n" + rows("\t"))
    assert train(backbone, tmp_path, "--table", table, "--text-column", "Review", "--label-column", "Liked") == 0


def test_8_labels_that_are_meant_to_be_one_are_counted_or_merged(backbone, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text("label,text\n" + rows() + " ham,hi\nHam,hello\n")
    assert train(backbone, tmp_path, "--table", table) == 2
    assert "'ham' (31), 'Ham' (1); add --merge-labels" in capsys.readouterr().err
    assert train(backbone, tmp_path, "--table", table, "--merge-labels") == 0
    assert read_classifier(tmp_path / "classifier")[1]["labels"] == ["ham", "spam"]


def test_9_every_class_is_in_every_part_and_what_was_understood_is_printed(backbone, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text("label,text\n" + rows() + "rare,one\nrare,two\nrare,three\n" + f"ham,{HAM[0]}\n" * 9)
    assert train(backbone, tmp_path, "--table", table) == 0
    printed = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[:6]}
    assert lines["train"] == ["validation", "test"]
    assert lines["rare"] == ["1", "1", "1"]
    assert [sum(int(lines[name][part]) for name in ("ham", "rare", "spam")) for part in range(3)] == [
        int(count) for count in lines["sum"]
    ]
    assert "tokens of a text: median" in printed
    assert "stand in train as well" in printed
    table.write_text("label,text\n" + rows() + "rare,one\nrare,two\n")
    assert train(backbone, tmp_path / "again", "--table", table) == 2
    assert "label 'rare': 2 texts are too few" in capsys.readouterr().err


def test_9_a_class_of_near_copies_cannot_be_in_every_part(backbone, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    words = [f"{one} {other} {one}{other}" for one in ("red", "blue", "grey") for other in ("cat", "dog", "owl", "bee")]
    texts = "".join(f"ham,the {text} sleeps\nspam,buy {text} now\n" for text in words)
    table.write_text("label,text\n" + texts + "".join(f"rare,call this number {n}\n" for n in range(9)))
    assert train(backbone, tmp_path, "--table", table, "--keep-copies-together") == 2
    assert "label 'rare': nothing is left of it for" in capsys.readouterr().err


def test_numbered_labels_are_the_same_after_training_and_parts_that_are_read_are_not_written_over(
    backbone, tmp_path, capsys
):
    table = tmp_path / "train.csv"
    table.write_text("label,text\n" + "".join(f"{n % 11},word{n % 11} {n}\n" for n in range(110)))
    assert train(backbone, tmp_path, "--table", table) == 0
    recorded = read_classifier(tmp_path / "classifier")[1]["training"]["results"]["test"]
    assert main(["evaluate", str(tmp_path / "classifier"), str(tmp_path / "classifier" / "test.csv")]) == 0
    assert f"({recorded['correct']} of {recorded['count']};" in capsys.readouterr().out
    before = table.read_bytes()
    assert main(["train", "--table", str(table), "--output", str(tmp_path), "--backbone", backbone]) == 2
    assert "train.csv would be written over, and is read; name another --output" in capsys.readouterr().err
    assert table.read_bytes() == before


def test_rows_that_a_quotation_mark_swallows_are_told(backbone, tmp_path, capsys):
    table = tmp_path / "mine.tsv"
    table.write_text("label\ttext\n" + rows("\t") + 'ham\t"see you\nspam\tWIN NOW"\n')
    assert train(backbone, tmp_path, "--table", table) == 0
    assert "the first in line 62; if marks are plain characters here, add --quoting none" in capsys.readouterr().err


def test_10_nothing_is_cut_in_silence(backbone, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text("label,text\n" + rows() + f"ham,{'and so on ' * 100}\n")
    assert train(backbone, tmp_path, "--table", table) == 0
    assert "1 of 61 texts are longer than 128 tokens and are cut there" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "classifier"), str(table)]) == 0
    assert "1 of 61 texts are longer than 128 tokens and were cut there" in capsys.readouterr().err
    assert main(["classify", str(tmp_path / "classifier"), "and so on " * 100, "hi"]) == 0
    assert "1 of 2 texts are longer than 128 tokens and were cut there" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_11_other_kinds_of_files_are_tables_too(backbone, tmp_path, suffix, capsys):
    frame = pd.DataFrame({"text": HAM + SPAM, "label": ["ham"] * 30 + ["spam"] * 30})
    table = tmp_path / f"mine{suffix}"
    frame.to_json(table, orient="records", lines=True) if suffix == ".jsonl" else frame.to_parquet(table)
    assert train(backbone, tmp_path, "--table", table) == 0
    assert sorted(saved(tmp_path)) == sorted(HAM + SPAM)
    assert main(["evaluate", str(tmp_path / "classifier"), str(table)]) == 0
    assert "of 60; 95 % interval" in capsys.readouterr().out
    assert main(["classify", str(tmp_path / "classifier"), "--table", str(table)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 60


def write_part(path: Path, label: str = "spam") -> Path:
    path.write_text(f"label,text\nham,{path.stem} of mine\n{label},WIN in {path.stem}\nham,{HAM[3]}\n")
    return path


@pytest.mark.parametrize("given", [("validation",), ("test",), ("validation", "test")], ids="+".join)
def test_12_ready_made_parts_are_taken_as_they_are(backbone, tmp_path, capsys, given):
    table = tmp_path / "all.csv"
    table.write_text("label,text\n" + rows())
    parts = {part: write_part(tmp_path / f"{part}.csv") for part in given}
    assert train(backbone, tmp_path, "--table", table, *(w for p, path in parts.items() for w in (f"--{p}", path))) == 0
    sizes = {
        part: len(pd.read_csv(tmp_path / "classifier" / f"{part}.csv")) for part in ("train", "validation", "test")
    }
    cut_off = {"validation": 6, "test": 12}
    assert sizes == {
        "train": 60 - sum(size for part, size in cut_off.items() if part not in given),
        **{part: 3 if part in given else size for part, size in cut_off.items()},
    }
    assert "stand in train as well" in capsys.readouterr().out


def test_12_labels_of_ready_made_parts_must_agree(backbone, tmp_path, capsys):
    table = tmp_path / "all.csv"
    table.write_text("label,text\n" + rows())
    assert train(backbone, tmp_path, "--table", table, "--test", write_part(tmp_path / "test.csv", "offer")) == 2
    assert "test.csv: label 'offer' is not in" in capsys.readouterr().err
    assert train(backbone, tmp_path, "--table", table, "--test", write_part(tmp_path / "test.csv", "Spam")) == 2
    assert "'spam' (30), 'Spam' (1); add --merge-labels" in capsys.readouterr().err


def test_13_a_class_that_is_never_predicted_is_told_and_weights_change_that(backbone, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text(
        "label,text\n"
        + "".join(f"ham,{text} {n}\n" for n in range(12) for text in HAM)
        + "".join(f"spam,{text}\n" for text in SPAM[:10])
    )
    slow = ("--table", table, "--learning-rate", "0.001", "--epochs", "2")
    assert train(backbone, tmp_path / "plain", *slow) == 0
    told = "'spam' is never predicted for 37 validation texts; try --class-weights balanced"
    assert told in capsys.readouterr().err
    for name, weights in (("balanced", ["balanced"]), ("explicit", ["ham=1", "spam=40"])):
        assert train(backbone, tmp_path / name, *slow, "--class-weights", *weights) == 0
        assert "never predicted" not in capsys.readouterr().err
    assert train(backbone, tmp_path / "wrong", *slow, "--class-weights", "spam=4") == 2
    assert (
        "--class-weights takes balanced, or a number for every label, such as ham=1 spam=1" in capsys.readouterr().err
    )


def test_15_training_stops_when_the_validation_loss_rises_and_keeps_the_best(backbone, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    noisy = "".join(f"{label},{text} {n}\n" for n, text in enumerate(HAM + SPAM) for label in ("ham", "spam"))
    table.write_text("label,text\n" + noisy)  # nothing to be learnt but by heart
    assert train(backbone, tmp_path, "--table", table, "--epochs", "40", "--patience", "2") == 0
    [kept] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("kept: epoch")]
    best, stopped = int(kept.split()[2]), int(kept.split()[4].rstrip(","))
    assert stopped == best + 2 < 40
    record = read_classifier(tmp_path / "classifier")[1]["training"]
    assert f"validation loss {record['results']['validation']['loss']:.3f}" in kept


def test_16_an_empty_text_is_answered_like_any_other(backbone, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text("label,text\n" + rows())
    assert train(backbone, tmp_path, "--table", table) == 0
    assert (tmp_path / "classifier" / CLASSIFIER_FILE).is_file()
    assert TextClassifier.load(tmp_path / "classifier").predict("") in ("ham", "spam")


def test_several_learning_rates_are_tried_and_the_best_is_kept(backbone, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text("label,text\n" + rows())
    rates = ["--learning-rate", "0.000001", "0.003", "0.00001"]
    assert train(backbone, tmp_path, "--table", table, "--epochs", "2", *rates) == 0
    printed = capsys.readouterr().out.splitlines()
    start = next(place for place, line in enumerate(printed) if line.startswith("learning rate"))
    losses = {float(line.split()[0]): float(line.split()[1]) for line in printed[start + 1 : start + 4]}
    assert min(losses, key=losses.get) == 0.003
    record = read_classifier(tmp_path / "classifier")[1]["training"]
    assert record["settings"]["learning_rate"] == 0.003
    assert record["results"]["validation"]["loss"] == pytest.approx(losses[0.003], abs=1e-4)
    assert not list((tmp_path / "classifier").glob("*checkpoint*"))


def test_lora_learns_and_is_saved_as_plain_weights(backbone, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text("label,text\n" + rows())
    assert train(backbone, tmp_path, "--table", table, "--epochs", "3", "--trainable", "lora") == 0
    weights, record = read_classifier(tmp_path / "classifier")
    assert record["training"]["trainable"] == "lora"
    assert not any("lora" in name or name.endswith((".A", ".B")) for name in weights)
    assert record["training"]["results"]["train"]["correct"] > 0.9 * record["training"]["results"]["train"]["count"]
    assert main(["evaluate", str(tmp_path / "classifier"), str(tmp_path / "classifier" / "train.csv")]) == 0
    correct = record["training"]["results"]["train"]["correct"]
    assert f"({correct} of 42;" in capsys.readouterr().out
