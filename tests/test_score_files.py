"""Files of messages, labelled part by part: whole, each message once, in bounded memory, whatever happens."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest

import llmclf.scale.score_files as scoring
from llmclf.classify import TextClassifier
from llmclf.cli.parser import main
from llmclf.files.storage import FileError
from llmclf.files.tables import DataError, Position
from llmclf.scale import ray_engine, scorer
from llmclf.scale.message_files import CsvFile, Cut
from llmclf.scale.score_files import score_files

TEXTS = [
    *("", "hello", 'a "quoted" one', "two\nlines", "a lone\rreturn", "\r\n", "comma, tab\t."),
    *("ümläut ß 漢字 🎉", "<|endoftext|>"),
    *(f"message {number} {'x' * (number % 50)}" for number in range(44)),
]  # fmt: skip
ROWS = [{"id": str(number), "text": text, "note": ""} for number, text in enumerate(TEXTS)]
needs_pyarrow = pytest.mark.skipif("not __import__('importlib').util.find_spec('pyarrow')", reason="needs pyarrow")


@pytest.fixture(scope="module")
def folder(tiny_files, tmp_path_factory) -> Path:
    """A classifier that was trained through the command line."""
    backbone, table = tiny_files
    folder = tmp_path_factory.mktemp("trained") / "classifier"
    columns = ["--text-column", "body", "--label-column", "kind", "--epochs", "2", "--learning-rate", "0.003"]
    assert main(["train", "--backbone", str(backbone), "--table", str(table), *columns, "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def expected(folder) -> np.ndarray:
    return TextClassifier.load(folder, device="cpu").predict_proba(TEXTS)


def write(path: Path, rows: list[dict] = ROWS) -> Path:
    """A file of the kind that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".parquet":
        table.to_parquet(path, row_group_size=7)
    else:
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        table.to_csv(path, index=False, sep=separator, quoting=csv.QUOTE_ALL, encoding="utf-8-sig")
    return path


def read(folder: Path) -> pd.DataFrame:
    """All parts in a folder, one after the other."""
    parts = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".jsonl":
            with open(path, encoding="utf-8") as file:
                parts.append(pd.DataFrame([json.loads(line) for line in file]))
        elif path.suffix == ".parquet":
            parts.append(pd.read_parquet(path))
        else:
            with open(path, encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
                parts.append(pd.DataFrame(list(reader)))
    return pd.concat(parts, ignore_index=True)


def check(table: pd.DataFrame, expected: np.ndarray, rows: list[dict] = ROWS) -> None:
    assert table[["id", "text", "note"]].to_dict("records") == rows
    found = table[["probability_advert", "probability_private"]].astype(float).to_numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert table["predicted"].tolist() == [("advert", "private")[number] for number in expected.argmax(axis=1)]


KINDS = [".csv", ".tsv", ".TSV", ".jsonl", pytest.param(".parquet", marks=needs_pyarrow)]


@pytest.mark.parametrize("rows_per_part", [1000, 10, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_every_message_of_a_file_is_labelled_as_predict_labels_it(folder, expected, tmp_path, kind, rows_per_part):
    source = write(tmp_path / f"mail{kind}")
    assert score_files(folder, source, tmp_path / "out", rows_per_part=rows_per_part) == (len(TEXTS), 0)
    parts = sorted(path.name for path in (tmp_path / "out" / source.name).iterdir())
    assert len(parts) == -(-len(TEXTS) // rows_per_part)
    assert parts[0] == f"00000{kind.lower()}"
    check(read(tmp_path / "out" / source.name), expected)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"scoring.json", source.name}


def test_folder_is_searched_through_and_other_files_are_left_alone(folder, expected, tmp_path):
    source = tmp_path / "in"
    write(source / "a.csv")
    write(source / "deep" / "er" / "a.jsonl", ROWS[:5])
    write(source / ".hidden" / "b.csv")
    (source / "readme.txt").write_text("nothing")
    assert score_files(folder, source, tmp_path / "out").now == len(TEXTS) + 5
    check(read(tmp_path / "out" / "a.csv"), expected)
    check(read(tmp_path / "out" / "deep" / "er" / "a.jsonl"), expected[:5], ROWS[:5])
    assert not (tmp_path / "out" / ".hidden").exists()


def test_file_without_messages_gives_no_part(folder, expected, tmp_path):
    source = write(tmp_path / "in" / "a.csv").parent
    (source / "none.csv").write_text("id,text\n")
    (source / "none.jsonl").write_text("")
    assert score_files(folder, source, tmp_path / "out") == (len(TEXTS), 0)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "scoring.json"]
    check(read(tmp_path / "out" / "a.csv"), expected)


@pytest.mark.parametrize(("name", "content"), [("none.csv", "id,text\n"), ("none.jsonl", "")])
def test_no_message_at_all_is_a_mistake(folder, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=f"{name}: holds no messages"):
        score_files(folder, tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_classifier_that_is_changed_meanwhile_is_noticed(folder, tmp_path, monkeypatch):
    source, own = write(tmp_path / "a.csv"), tmp_path / "classifier"
    shutil.copytree(folder, own)

    def retrained(path, **options):
        record = json.loads((own / "classifier.json").read_text())
        classifier = TextClassifier.load(path, **options)
        classifier.training = record["training"] | {"again": True}
        classifier.save(own)
        return TextClassifier.load(path, **options)

    monkeypatch.setattr(scorer, "TextClassifier", SimpleNamespace(load=retrained))
    with pytest.raises(FileError, match="classifier: was changed while it scored; name another output folder"):
        score_files(own, source, tmp_path / "out", device="cpu")
    assert not list((tmp_path / "out").rglob("*.csv/*"))


# Interrupted ----------------------------------------------------------------------------------------------------------


def test_parts_that_are_there_are_not_scored_again(folder, expected, tmp_path, monkeypatch):
    source, out = write(tmp_path / "mail.csv"), tmp_path / "out"
    scored, predict = [], TextClassifier.predict_proba

    def until_thirty(self, texts):
        if len(scored) >= 30:
            raise KeyboardInterrupt
        scored.extend(texts)
        return predict(self, texts)

    monkeypatch.setattr(TextClassifier, "predict_proba", until_thirty)
    with pytest.raises(KeyboardInterrupt):
        score_files(folder, source, out, rows_per_part=10)
    assert len(list((out / "mail.csv").iterdir())) == 3
    monkeypatch.setattr(
        TextClassifier, "predict_proba", lambda self, texts: scored.extend(texts) or predict(self, texts)
    )
    assert score_files(folder, source, out, rows_per_part=10) == (len(TEXTS) - 30, 30)
    assert scored == TEXTS
    check(read(out / "mail.csv"), expected)
    assert score_files(folder, source, out, rows_per_part=10) == (0, len(TEXTS))


def test_other_work_is_not_mixed_in(folder, tmp_path):
    source, out = write(tmp_path / "mail.csv"), tmp_path / "out"
    score_files(folder, source, out)
    before = sorted(path.read_bytes() for path in out.rglob("0*.csv"))
    for other, words in (({"rows_per_part": 5}, "rows per part"), ({"text_column": "note"}, "text column")):
        with pytest.raises(FileError, match=f"out: was begun with other {words}; name another folder"):
            score_files(folder, source, out, **other)
    write(source, ROWS[1:])
    with pytest.raises(FileError, match="was begun with other files"):
        score_files(folder, source, out)
    assert sorted(path.read_bytes() for path in out.rglob("0*.csv")) == before


def test_folder_of_somebody_else_is_left_alone(folder, tmp_path):
    source, out = write(tmp_path / "mail.csv"), tmp_path / "out"
    out.mkdir()
    (out / "thesis.doc").write_text("mine")
    with pytest.raises(FileError, match="out: not empty, and nothing was scored here before"):
        score_files(folder, source, out)
    (out / "thesis.doc").unlink()
    (out / "scoring.json").write_text('{"format": ')
    with pytest.raises(FileError, match=r"scoring.json: damaged; name another folder"):
        score_files(folder, source, out)


def test_two_processes_do_not_write_into_one_folder(folder, tmp_path):
    source, out = write(tmp_path / "mail.csv"), tmp_path / "out"
    hold = "import time\nfrom llmclf.files.storage import lock_folder\nwith lock_folder({!r}):"
    hold = hold.format(str(out)) + " print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(FileError, match="out: another process is writing here; wait for it"):
            score_files(folder, source, out)
        other.kill()
    assert score_files(folder, source, out).now == len(TEXTS)


def test_file_that_grows_meanwhile_is_noticed(folder, tmp_path, monkeypatch):
    source, out = write(tmp_path / "mail.csv"), tmp_path / "out"
    cut = CsvFile.cut

    def cut_and_grow(self, path, *options):
        yield from cut(self, path, *options)
        path.write_text(path.read_text() + "99,one more,\n")

    monkeypatch.setattr(CsvFile, "cut", cut_and_grow)
    assert score_files(folder, source, out).now == len(TEXTS)
    monkeypatch.undo()
    with pytest.raises(FileError, match="was begun with other files"):
        score_files(folder, source, out)


def test_file_that_shrinks_meanwhile_is_noticed(folder, tmp_path, monkeypatch):
    source, out = write(tmp_path / "mail.csv"), tmp_path / "out"
    begin = scoring.begin
    monkeypatch.setattr(scoring, "begin", lambda output, work: begin(output, work) or write(source, ROWS[:15]))
    with pytest.raises(DataError, match=r"mail.csv: was changed while it was scored"):
        score_files(folder, source, out, rows_per_part=10)
    assert len(list((out / "mail.csv").iterdir())) == 1


def test_refused_options_claim_no_folder(folder, tmp_path):
    with pytest.raises(ValueError, match="got workers=2"):
        score_files(folder, write(tmp_path / "mail.csv"), tmp_path / "out", workers=2)
    assert not (tmp_path / "out").exists()


# Bad input ------------------------------------------------------------------------------------------------------------

BROKEN = {
    "a.csv": ("id,text\n1,hello\n2\n", "a.csv: line 3: expected 2 fields as in the header, found 1"),
    "b.csv": ("id,body\n1,hello\n", "b.csv: line 1: expected one column 'text', found 'id', 'body'"),
    "c.csv": ("predicted,text\n1,hello\n", "c.csv: line 1: there is a column 'predicted' already"),
    "d.jsonl": ('{"text": "a"}\n{"text": \n', "d.jsonl: line 2: not a JSON object in UTF-8"),
    "e.jsonl": ('{"text": "a"}\n\n{"text": 5}\n', "e.jsonl: line 3: expected an object with a string under 'text'"),
    "f.jsonl": ('[1]\n', "f.jsonl: line 1: expected an object with a string under 'text'"),
    "l.jsonl": ('{"text": "a", "n": 1e400}\n', "l.jsonl: line 1: not a JSON object in UTF-8 (the number 1e400 has no"),
    "k.jsonl": ('{"text": "a", "n": NaN}\n', "k.jsonl: line 1: not a JSON object in UTF-8 (the number NaN has no"),
    "g.jsonl": ('{"text": "a", "probability_advert": 1}\n', "g.jsonl: line 1: there is a column 'probability_advert'"),
    "h.parquet": ("not parquet", "h.parquet: not a complete Parquet file"),
    "i.txt": ("hello", "i.txt: expected a file that ends in .csv, .tsv, .jsonl, .parquet"),
    "j.jsonl": ("[" * 100_000, "j.jsonl: line 1: not a JSON object in UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "fault"), BROKEN.items())
def test_fault_is_named_before_anything_is_scored(folder, tmp_path, name, fault):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_text(fault[0])
    with pytest.raises(DataError) as error:
        score_files(folder, tmp_path / name, tmp_path / "out")
    assert fault[1] in str(error.value)
    assert not (tmp_path / "out").exists()


@needs_pyarrow
def test_faults_of_parquet_files_are_named(folder, tmp_path):
    path = tmp_path / "a.parquet"
    for rows, words in (
        ([{"text": 5}], r"expected one column 'text' of strings, found 'text' \(int64\)"),
        ([{"body": "x"}], r"expected one column 'text' of strings, found 'body' \("),
        ([{"text": "x"}] * 9 + [{"text": None}], "row 10: no text in column 'text'; fill it in"),
        ([{"text": "x", "predicted": "y"}], "there is a column 'predicted' already"),
    ):
        pd.DataFrame(rows).to_parquet(path, row_group_size=4)
        with pytest.raises(DataError, match=f"a.parquet: {words}"):
            score_files(folder, path, tmp_path / "out", rows_per_part=3)


@needs_pyarrow
def test_bytes_that_are_no_text_are_noticed_before_anything_is_scored(folder, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = pa.array([b"one", b"two", b"h\xe9llo"]).view(pa.string())
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet: .*UTF8"):
        score_files(folder, tmp_path / "a.parquet", tmp_path / "out", rows_per_part=1)
    assert not (tmp_path / "out").exists()


def test_part_that_is_there_is_left_as_it_is(folder, tmp_path):
    source, target = write(tmp_path / "mail.csv"), tmp_path / "out.csv"
    [cut] = CsvFile().cut(source, "text", [], 1000)
    target.write_text("scored by a worker that died before it could say so")
    assert scorer.Scorer(folder, "", "text", "cpu").score(scorer.Part(source, cut, target)) == len(TEXTS)
    assert target.read_text() == "scored by a worker that died before it could say so"


def test_half_a_character_in_json_stays_what_it_is(folder, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "half \\ud83c", "id": 1.50}\n')
    score_files(folder, tmp_path / "a.jsonl", tmp_path / "out")
    [record] = map(json.loads, (tmp_path / "out" / "a.jsonl" / "00000.jsonl").read_text().splitlines())
    assert (record["text"], record["id"]) == ("half \ud83c", 1.5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "spark"}, "engine must be one of stream, ray, got 'spark'"),
        ({"rows_per_part": 0}, "rows_per_part must be at least 1, got 0"),
        ({"workers": 2}, "the engine 'stream' is one process, got workers=2; the engine 'ray' takes several"),
    ],
)
def test_senseless_options_are_refused(folder, tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        score_files(folder, write(tmp_path / "mail.csv"), tmp_path / "out", **options)


def test_places_that_cannot_be_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        score_files(folder, tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match=r"no file in this folder ends in .csv, .tsv, .jsonl, .parquet"):
        score_files(folder, tmp_path / "in", tmp_path / "out")
    write(tmp_path / "in" / "mail.csv")
    with pytest.raises(DataError, match=r"lies in .*, whose files are to be scored; name another folder"):
        score_files(folder, tmp_path / "in", tmp_path / "in" / "out")


@needs_pyarrow
@pytest.mark.parametrize("rows_of_a_group", [1, 7, 1000])
def test_columns_of_a_parquet_file_keep_their_types_whatever_its_groups(folder, tmp_path, rows_of_a_group):
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = range(len(TEXTS))
    table = pa.table(
        {
            "text": TEXTS,
            "kind": pa.array([f"kind {number % 3}" for number in numbers]).dictionary_encode(),
            "words": [[str(number)] * (number % 4) for number in numbers],
            "seen": pa.array([number * 10**9 for number in numbers], pa.timestamp("ns", "UTC")),
            "small": pa.array([number if number % 5 else None for number in numbers], pa.int8()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=rows_of_a_group)
    score_files(folder, tmp_path / "a.parquet", tmp_path / "out", rows_per_part=10)
    parts = [pq.read_table(path) for path in sorted((tmp_path / "out" / "a.parquet").iterdir())]
    assert [len(part) for part in parts] == [10] * 5 + [len(TEXTS) - 50]
    assert pa.concat_tables(parts).select(table.column_names).to_pylist() == table.to_pylist()
    assert parts[0].schema.field("small").type == pa.int8()


@needs_pyarrow
def test_part_of_a_large_group_of_rows_is_read_without_the_rest_of_it(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 200_000
    pq.write_table(pa.table({"text": [f"{number} {'x' * 90}" for number in range(rows)]}), tmp_path / "a.parquet")
    script = f"""
        from pathlib import Path
        import pyarrow
        from llmclf.scale.message_files import Cut, ParquetFile
        from llmclf.files.tables import Position
        cut = Cut(Position(1, {rows // 2}), 100)
        print(ParquetFile().read(Path({str(tmp_path / "a.parquet")!r}), cut, "text")[1][0][:6])
        print(pyarrow.default_memory_pool().max_memory())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    first, most = done.stdout.split()
    assert first == str(rows // 2)
    assert int(most) < 0.5 * 90 * rows


# Growth ---------------------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_file(folder, tmp_path, monkeypatch):
    class Constant:
        label_names = ("advert", "private")

        def predict_proba(self, texts):
            return np.full((len(texts), 2), 0.5)

    monkeypatch.setattr(scorer.Scorer, "classifier", Constant())
    peaks = {}
    for count in (5_000, 50_000):
        source = write(
            tmp_path / f"{count}.csv", [{"id": str(n), "text": f"{n} {'x' * 200}", "note": ""} for n in range(count)]
        )
        tracemalloc.start()
        score_files(folder, source, tmp_path / f"out{count}", rows_per_part=1000)
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[50_000] < 1.2 * peaks[5_000]


# Through the command line, and with Ray -------------------------------------------------------------------------------


def test_command_tells_what_it_did(folder, tmp_path, capsys):
    source = write(tmp_path / "mail.csv")
    command = ["classify", str(folder), "--engine", "stream", str(source), str(tmp_path / "out")]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"scored {len(TEXTS)} messages in ")
    assert main(command) == 0
    assert f"; {len(TEXTS)} had been scored before\n" in capsys.readouterr().out
    assert main(["classify", str(folder), "--engine", "stream", str(source)]) == 2
    assert "with --engine give two names" in capsys.readouterr().err


needs_ray = pytest.mark.skipif("not __import__('importlib').util.find_spec('ray')", reason="needs Ray")


@pytest.fixture
def rays_own() -> Iterator[dict[str, str]]:
    """A folder for Ray's own files, whose name is short enough for them."""
    with tempfile.TemporaryDirectory(dir=ray_engine.SHORT) as folder:
        yield {"RAY_TMPDIR": folder}


@needs_ray
def test_ray_gives_what_the_stream_gives(folder, expected, tmp_path, rays_own):
    source = write(tmp_path / "mail.csv")
    command = [sys.executable, "-m", "llmclf", "classify", folder, "--engine", "ray", "--workers", "2"]
    command = [*map(str, [*command, "--rows-per-part", "5", source, tmp_path / "out"])]
    score_files(folder, source, tmp_path / "out", rows_per_part=5)
    kept = tmp_path / "out" / "mail.csv" / "00003.csv"
    for path in set(kept.parent.iterdir()) - {kept}:
        path.unlink()
    written = kept.stat().st_mtime_ns
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | rays_own)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"scored {len(TEXTS) - 5} messages in ")
    assert "; 5 had been scored before" in done.stdout
    check(read(kept.parent), expected)
    assert kept.stat().st_mtime_ns == written
    assert not list((tmp_path / "out").rglob(".*"))
    assert os.listdir(rays_own["RAY_TMPDIR"]) == []  # no session of Ray is left


@needs_ray
def test_ray_tells_a_fault_as_the_stream_tells_it(folder, tmp_path):
    source = write(tmp_path / "mail.csv")
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    next(broken.glob("weights-*")).write_bytes(b"")
    command = [sys.executable, "-m", "llmclf", "classify", broken, "--engine", "ray", source, tmp_path / "out"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("llmclf: error: ")
    assert "not a complete safetensors file" in last
    assert "Traceback" not in done.stderr


ONE, FOUR = [{"CPU": 64.0, "GPU": 8.0}], [{"CPU": 16.0, "GPU": 2.0}] * 4


@pytest.mark.parametrize(
    ("nodes", "workers", "device", "expected"),
    [
        ([{"CPU": 16.0}], None, "auto", (8, {"num_cpus": 2, "num_gpus": 0})),
        ([{"CPU": 1.0}], None, "auto", (1, {"num_cpus": 1, "num_gpus": 0})),
        ([{"CPU": 16.0}], 3, "cpu", (3, {"num_cpus": 5, "num_gpus": 0})),
        (ONE, None, "auto", (8, {"num_cpus": 8, "num_gpus": 1})),
        (FOUR, None, "auto", (8, {"num_cpus": 8, "num_gpus": 1})),
        (ONE, 16, "cuda", (16, {"num_cpus": 4, "num_gpus": 0.5})),
        (FOUR, 2, "auto", (2, {"num_cpus": 16, "num_gpus": 1})),  # not 32 cores, which no machine has
        ([{"CPU": 16.0, "GPU": 2.0}], 3, "auto", (3, {"num_cpus": 5, "num_gpus": 0.5})),  # one GPU holds no two of 2/3
        ([{"CPU": 5.0}, {"CPU": 5.0}], 3, "auto", (3, {"num_cpus": 2, "num_gpus": 0})),  # 3 of 3 cores fit nowhere
        (ONE, None, "cpu", (32, {"num_cpus": 2, "num_gpus": 0})),
        ([{"CPU": 2.0, "GPU": 4.0}, {}], None, "auto", (2, {"num_cpus": 1, "num_gpus": 1})),
        ([{"CPU": 64.0}, {"CPU": 4.0, "GPU": 4.0}], None, "auto", (4, {"num_cpus": 1, "num_gpus": 1})),
        ([{"CPU": 1.0, "GPU": 4.0}, {"CPU": 8.0, "GPU": 1.0}], 5, "auto", (5, {"num_cpus": 1, "num_gpus": 0.25})),
        ([{"CPU": 4.0}, {"GPU": 1.0}], None, "auto", (2, {"num_cpus": 2, "num_gpus": 0})),  # nobody could use that GPU
    ],
)
def test_workers_share_what_all_machines_together_have(nodes, workers, device, expected):
    assert ray_engine.shares(nodes, workers, device) == expected


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([{"CPU": 2.0}, {"CPU": 2.0}], ", got 5"),
        (
            [{"CPU": 64.0}, {"CPU": 4.0, "GPU": 4.0}],
            r" of the machines with a GPU \(--device cpu takes all machines\), got 5",
        ),
    ],
)
def test_more_workers_than_cores_are_refused(nodes, words):
    with pytest.raises(ValueError, match=f"workers must be at most 4, one for each processor core{words}"):
        ray_engine.shares(nodes, 5, "auto")


def test_cluster_without_cores_is_refused():
    with pytest.raises(ValueError, match="the machines of the Ray cluster have no processor cores to give; start it"):
        ray_engine.shares([{"GPU": 1.0}, {}], None, "auto")


@pytest.fixture
def cluster(monkeypatch):
    """A cluster of one machine, whose processes stand in another folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    words = ["start", "--head", "--block", "--port", port, "--num-cpus", 2, "--include-dashboard", "false"]
    program = "import sys; from ray.scripts.scripts import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *map(str, [*words, "--node-ip-address", "127.0.0.1"])]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd="/", start_new_session=True, **quiet) as head:
        try:
            wait_for(lambda: answers(port), head)
            monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(head.pid, signal.SIGKILL)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as ours:
        return ours.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, process: subprocess.Popen) -> None:
    """Wait until a process has brought something about."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, f"ended with {process.returncode}"
        assert time.monotonic() < deadline, "nothing has come"
        time.sleep(0.05)


@needs_ray
def test_cluster_gives_what_the_stream_gives(folder, expected, tmp_path, monkeypatch, cluster):
    shutil.copytree(folder, tmp_path / "classifier")
    write(tmp_path / "mail.csv")
    monkeypatch.chdir(tmp_path)
    assert score_files("classifier", "mail.csv", "out", engine="ray", rows_per_part=20) == (len(TEXTS), 0)
    check(read(tmp_path / "out" / "mail.csv"), expected)
    assert not list(tmp_path.rglob(".*"))


@needs_ray
def test_cluster_that_does_not_answer_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(
        ValueError, match=r"no Ray cluster answers at RAY_ADDRESS=127.0.0.1:9: see whether it runs there"
    ):
        score_files(folder, write(tmp_path / "mail.csv"), tmp_path / "out", engine="ray")


@needs_ray
def test_termination_with_ray_is_tidy(folder, tmp_path, rays_own):
    source, out = (
        write(tmp_path / "mail.csv", [{"id": str(n), "text": f"{n} hello", "note": ""} for n in range(40_000)]),
        tmp_path / "out",
    )
    command = [
        sys.executable,
        "-m",
        "llmclf",
        "classify",
        folder,
        "--engine",
        "ray",
        "--rows-per-part",
        "200",
        source,
        out,
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": os.environ | rays_own}
    with subprocess.Popen([*map(str, command)], **pipes) as process:
        wait_for(lambda: list(out.rglob("00000.csv")), process)
        process.terminate()
        _, told = process.communicate(timeout=120)
    assert process.returncode == 143
    assert "llmclf: interrupted; with --engine, the same command does the rest" in told
    assert not list(out.rglob(".*"))
    assert len(list(out.rglob("0*.csv"))) < 200
    assert os.listdir(rays_own["RAY_TMPDIR"]) == []


@needs_ray
def test_place_where_ray_cannot_be_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"^\[Errno 2\] No such file or directory: .*nowhere"):
        score_files(folder, write(tmp_path / "a.csv"), tmp_path / "out", engine="ray")


def with_scorer(body: str, retries: int = ray_engine.RETRIES) -> str:
    """The program of Ray's process with another way to score; only Ray can take it to its workers."""
    return f"""
import os
from llmclf.scale import ray_engine

class Other(ray_engine.Scorer):
    def score(self, part):
{textwrap.indent(textwrap.dedent(body).strip(), " " * 8)}
        return super().score(part)

ray_engine.Scorer = Other
ray_engine.RETRIES = {retries}
ray_engine.main()
"""


@needs_ray
def test_part_that_ends_its_worker_again_and_again_ends_the_work(folder, tmp_path, monkeypatch):
    deadly = """
        if part.target.name == "00002.csv":
            os.kill(os.getpid(), 9)
    """
    monkeypatch.setattr(ray_engine, "PROGRAM", with_scorer(deadly))
    with pytest.raises(ValueError, match=r"^a part has lost its worker 3 times \(\w+\), perhaps for want of"):
        score_files(folder, write(tmp_path / "mail.csv"), tmp_path / "out", engine="ray", rows_per_part=10)
    assert not list((tmp_path / "out").rglob(".*"))


@needs_ray
def test_worker_may_die_over_every_part_once(folder, expected, tmp_path, monkeypatch):
    source, out = write(tmp_path / "mail.csv"), tmp_path / "out"
    once = f"""
        try:
            open({str(tmp_path)!r} + "/died-" + part.target.name, "x").close()
        except FileExistsError:
            return super().score(part)
        os.kill(os.getpid(), 9)
    """
    monkeypatch.setattr(ray_engine, "PROGRAM", with_scorer(once, retries=1))  # no part pays for another
    assert score_files(folder, source, out, engine="ray", rows_per_part=12, workers=1) == (len(TEXTS), 0)
    assert len(list(tmp_path.glob("died-*"))) == 5
    check(read(out / "mail.csv"), expected)
    assert not list(out.rglob(".*"))


@needs_ray
def test_error_that_nobody_foresaw_is_told(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "PROGRAM", with_scorer("raise RuntimeError('CUDA out of memory')"))
    with pytest.raises(ValueError, match=r"^a worker failed: RuntimeError\('CUDA out of memory'\)$"):
        score_files(folder, write(tmp_path / "mail.csv"), tmp_path / "out", engine="ray")


def test_what_is_printed_in_rays_process_is_no_answer(folder, tmp_path, monkeypatch):
    program = """
        import os
        from llmclf.scale import ray_engine

        def score(scorer, parts, workers):
            os.system("echo by a program")
            print("by Python", flush=True)
            yield 5

        ray_engine.score = score
        ray_engine.main()
    """
    monkeypatch.setattr(ray_engine, "PROGRAM", textwrap.dedent(program))
    part = scorer.Part(tmp_path / "a.csv", Cut(Position(2, 5), 1), tmp_path / "b.csv")
    assert list(ray_engine.with_ray(scorer.Scorer(folder, "", "text", "cpu"), [part], 1)) == [5]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os, sys; print(input(), file=sys.stderr); os.kill(os.getpid(), 9)", "Ray has ended (status -9)"),
        ("import sys; input(); sys.exit('no room\\n\\n')", "Ray has ended (status 1: no room)"),
        ("print(input() and 3, flush=True); 1 / 0", "Ray has ended (status 1: ZeroDivisionError: division by zero)"),
    ],
    ids=["killed", "refused", "crashed"],
)
def test_ray_that_dies_is_told_and_leaves_the_rest_to_the_same_command(folder, tmp_path, monkeypatch, program, message):
    monkeypatch.setattr(ray_engine, "require_ray", lambda workers: None)
    monkeypatch.setattr(ray_engine, "PROGRAM", program)
    source = write(tmp_path / "mail.csv")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}; the same command tries the rest again$"):
        score_files(folder, source, tmp_path / "out", engine="ray")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["scoring.json"]
    assert score_files(folder, source, tmp_path / "out") == (len(TEXTS), 0)


def test_ray_that_dies_before_it_has_read_its_job_is_told(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "PROGRAM", "raise SystemExit(3)")
    part = scorer.Part(tmp_path / "a.csv", Cut(Position(2, 5), 1), tmp_path / "b.csv")
    with pytest.raises(ValueError, match=r"Ray has ended \(status 3\)"):
        list(ray_engine.with_ray(scorer.Scorer(folder, "", "", "cpu"), [part] * 10_000, 2))  # more than a pipe holds


LASTING = """
    import os, signal, subprocess, sys, time
    from pathlib import Path
    from llmclf.scale import ray_engine

    def score(scorer, parts, workers):
        if {deaf}:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
        Path({noted!r}).write_text(f"{{os.getpid()}} {{below.pid}}")
        yield 1
        time.sleep(300)

    ray_engine.score, ray_engine.PATIENCE = score, 1.0
    ray_engine.main()
"""


@pytest.mark.parametrize("deaf", [False, True])
def test_what_ends_the_work_ends_rays_processes(folder, tmp_path, monkeypatch, deaf):
    noted = tmp_path / "noted"
    monkeypatch.setattr(ray_engine, "PROGRAM", textwrap.dedent(LASTING.format(deaf=deaf, noted=str(noted))))
    monkeypatch.setattr(ray_engine, "PATIENCE", 1.0)
    parts = [scorer.Part(tmp_path / "a.csv", Cut(Position(2, 5), 1), tmp_path / "b.csv")]
    rows = ray_engine.with_ray(scorer.Scorer(folder, "", "text", "cpu"), parts, 2)
    assert next(rows) == 1
    rows.close()
    assert not psutil.pid_exists(int(noted.read_text().split()[0]))
    assert all(map(ended, map(int, noted.read_text().split())))


@pytest.mark.parametrize("deaf", [False, True])
def test_ray_ends_when_the_process_that_started_it_is_killed(tmp_path, deaf):
    noted = tmp_path / "noted"
    script = f"""
        from pathlib import Path
        from llmclf.scale import ray_engine, scorer
        from llmclf.scale.message_files import Cut
        from llmclf.files.tables import Position
        ray_engine.PROGRAM = {textwrap.dedent(LASTING.format(deaf=deaf, noted=str(noted)))!r}
        part = scorer.Part(Path("a.csv"), Cut(Position(2, 5), 1), Path("b.csv"))
        list(ray_engine.with_ray(scorer.Scorer(Path("classifier"), "", "text", "cpu"), [part], 2))
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    try:
        wait_for(lambda: noted.exists() and noted.read_text(), process)
    finally:
        process.kill()
        process.wait()
    ray, below = map(int, noted.read_text().split())
    try:
        assert ended(ray)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(below).kill()  # which in truth is Ray's own: it ends with the process above it


def ended(number: int) -> bool:
    """Whether a process ends soon."""
    deadline = time.monotonic() + 30
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(number)
        while process.status() != psutil.STATUS_ZOMBIE:  # which only waits for its end to be noticed
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
    return True


@pytest.mark.parametrize("name", ["ray", "pyarrow"])
def test_without_ray_the_extra_is_named(folder, tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ValueError, match=r"the engine 'ray' needs Ray Data; install the extra: pip install llmclf\[ray\]"
    ):
        score_files(folder, write(tmp_path / "mail.csv"), tmp_path / "out", engine="ray")


def test_without_pyarrow_the_extra_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "a.parquet").write_text("")
    with pytest.raises(
        DataError, match=r"a.parquet: Parquet files need pyarrow; install the extra: pip install llmclf\[ray\]"
    ):
        score_files(folder, tmp_path / "a.parquet", tmp_path / "out")
