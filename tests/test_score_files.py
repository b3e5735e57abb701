"""Files of messages, labelled part by part: whole, each message once, in bounded memory, whatever happens."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sys
import tempfile
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import llmclf.scale.score_files as scoring
from llmclf.classify import TextClassifier
from llmclf.cli.parser import main
from llmclf.files.storage import FileError
from llmclf.files.tables import DataError
from llmclf.scale import ray_engine
from llmclf.scale.score_files import score_files

TEXTS = [
    *("", "hello", 'a "quoted" one', "two\nlines", "a lone\rreturn", "\r\n", "comma, tab\t."),
    *("ümläut ß 漢字 🎉", "<|endoftext|>"),
    *(f"message {number} {'x' * (number % 50)}" for number in range(44)),
]  # fmt: skip
ROWS = [{"id": str(number), "text": text, "note": ""} for number, text in enumerate(TEXTS)]
needs_pyarrow = pytest.mark.skipif("not __import__('importlib').util.find_spec('pyarrow')", reason="needs pyarrow")
KINDS = [".csv", ".tsv", ".TSV", ".jsonl", pytest.param(".parquet", marks=needs_pyarrow)]


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


@pytest.mark.parametrize("rows_per_part", [1000, 10])
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
    (source / "none.csv").write_text("id,text\n")
    assert score_files(folder, source, tmp_path / "out").now == len(TEXTS) + 5
    check(read(tmp_path / "out" / "a.csv"), expected)
    check(read(tmp_path / "out" / "deep" / "er" / "a.jsonl"), expected[:5], ROWS[:5])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "deep", "scoring.json"]


def test_half_a_character_in_json_stays_what_it_is(folder, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "half \\ud83c", "id": 1.50}\n')
    score_files(folder, tmp_path / "a.jsonl", tmp_path / "out")
    [record] = map(json.loads, (tmp_path / "out" / "a.jsonl" / "00000.jsonl").read_text().splitlines())
    assert (record["text"], record["id"]) == ("half \ud83c", 1.5)


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
    assert score_files(folder, tmp_path / "a.parquet", tmp_path / "out", rows_per_part=10) == (len(TEXTS), 0)
    assert score_files(folder, tmp_path / "a.parquet", tmp_path / "out", rows_per_part=10) == (0, len(TEXTS))
    parts = [pq.read_table(path) for path in sorted((tmp_path / "out" / "a.parquet").iterdir())]
    assert max(map(len, parts)) == min(10, rows_of_a_group)
    assert pa.concat_tables(parts).select(table.column_names).to_pylist() == table.to_pylist()
    assert parts[0].schema.field("small").type == pa.int8()


class Constant:
    """A classifier that takes no time."""

    def predict_proba(self, texts):
        return np.full((len(texts), 2), 0.5)


def test_memory_does_not_grow_with_the_file(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "load_unchanged", lambda *_: Constant())
    peaks = {}
    for count in (1_000, 10_000):
        rows = [{"id": str(n), "text": f"{n} {'x' * 500}", "note": ""} for n in range(count)]
        source = write(tmp_path / f"{count}.csv", rows)
        tracemalloc.start()
        score_files(folder, source, tmp_path / f"out{count}", rows_per_part=200)
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[10_000] < 1.2 * peaks[1_000]


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
    assert not list(out.rglob(".*"))  # no lock
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


@pytest.mark.parametrize("rows", [ROWS[:15], ROWS[::-1], [*ROWS, ROWS[0]]], ids=["shorter", "as long", "longer"])
def test_file_that_is_changed_meanwhile_is_noticed(folder, tmp_path, monkeypatch, rows):
    source, begin = write(tmp_path / "mail.csv"), scoring.begin
    monkeypatch.setattr(scoring, "begin", lambda output, work: begin(output, work) or write(source, rows))
    with pytest.raises(DataError, match=r"mail.csv: was changed while it was scored; name another output folder"):
        score_files(folder, source, tmp_path / "out", rows_per_part=10)
    with pytest.raises(FileError, match="was begun with other files"):
        score_files(folder, source, tmp_path / "out", rows_per_part=10)


def test_classifier_that_is_changed_meanwhile_is_noticed(folder, tmp_path, monkeypatch):
    source, own = write(tmp_path / "a.csv"), tmp_path / "classifier"
    shutil.copytree(folder, own)

    def retrained(path, **options):
        classifier = TextClassifier.load(path, **options)
        classifier.training = classifier.training | {"again": True}
        classifier.save(own)
        return TextClassifier.load(path, **options)

    monkeypatch.setattr(scoring, "TextClassifier", SimpleNamespace(load=retrained))
    with pytest.raises(FileError, match="classifier: was changed while it scored; name another output folder"):
        score_files(own, source, tmp_path / "out", device="cpu")
    assert not list((tmp_path / "out").rglob("*.csv/*"))


# Bad input ------------------------------------------------------------------------------------------------------------

BROKEN = {
    "a.csv": ("id,text\n1,hello\n2\n", "a.csv: line 3: expected 2 fields as in the header, found 1"),
    "b.csv": ("id,body\n1,hello\n", "b.csv: line 1: expected one column 'text', found 'id', 'body'"),
    "c.csv": ("predicted,text\n1,hello\n", "c.csv: line 1: there is a column 'predicted' already"),
    "d.jsonl": ('{"text": "a"}\n{"text": \n', "d.jsonl: line 2: not a JSON object in UTF-8"),
    "e.jsonl": ('{"text": "a"}\n\n{"text": 5}\n', "e.jsonl: line 3: expected an object with a string under 'text'"),
    "f.jsonl": ('[1]\n', "f.jsonl: line 1: a JSON list; expected an object"),
    "g.jsonl": ('{"text": "a", "probability_advert": 1}\n', "g.jsonl: line 1: there is a column 'probability_advert'"),
    "h.parquet": ("not parquet", "h.parquet: damaged, or not a Parquet file"),
    "i.txt": ("hello", "i.txt: expected a file that ends in .csv, .tsv, .jsonl, .parquet"),
    "j.jsonl": ("[" * 100_000, "j.jsonl: line 1: not a JSON object in UTF-8"),
    "l.csv": ("id,text\n", "l.csv: holds no messages"),
    "m.jsonl": ("", "m.jsonl: holds no messages"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "fault"), BROKEN.items())
def test_fault_is_named_before_anything_is_scored(folder, tmp_path, name, fault):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_text(fault[0])
    with pytest.raises(DataError) as error:
        score_files(folder, tmp_path / name, tmp_path / "out", rows_per_part=1)
    assert fault[1] in str(error.value)
    assert not (tmp_path / "out").exists()


@needs_pyarrow
def test_faults_of_parquet_files_are_named(folder, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    not_utf_8 = pa.array([b"one", b"h\xe9llo"]).view(pa.string())
    for columns, words in (
        ({"text": [5]}, "row 1: expected a string under 'text'"),
        ({"body": ["x"]}, "expected one column 'text', found 'body'"),
        ({"text": ["x"] * 9 + [None]}, "row 10: expected a string under 'text'"),
        ({"text": ["x"], "predicted": ["y"]}, "there is a column 'predicted' already"),
        ({"text": not_utf_8}, "damaged, or not a Parquet file .*utf-8"),
        ({"text": not_utf_8.dictionary_encode()}, "damaged, or not a Parquet file .*utf-8"),
    ):
        pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=4)
        with pytest.raises(DataError, match=f"a.parquet: {words}"):
            score_files(folder, tmp_path / "a.parquet", tmp_path / "out", rows_per_part=3)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "spark"}, "engine must be one of stream, ray, got 'spark'"),
        ({"rows_per_part": 0}, "rows_per_part must be at least 1, got 0"),
        ({"workers": 2}, "the engine 'stream' is one process, got workers=2; the engine 'ray' takes several"),
        ({"engine": "ray", "workers": 0}, "workers must be at least 1, got 0"),
    ],
)
def test_senseless_options_are_refused(folder, tmp_path, monkeypatch, options, words):
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: True)
    with pytest.raises(ValueError, match=words):
        score_files(folder, write(tmp_path / "mail.csv"), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        score_files(folder, tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match=r"no file in this folder ends in .csv, .tsv, .jsonl, .parquet"):
        score_files(folder, tmp_path / "in", tmp_path / "out")
    write(tmp_path / "in" / "mail.csv")
    with pytest.raises(DataError, match=r"lies in .*, whose files are to be scored; name another folder"):
        score_files(folder, tmp_path / "in", tmp_path / "in" / "out")


def test_without_the_extra_it_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "a.parquet").write_text("")
    with pytest.raises(DataError, match=r"Parquet files need pyarrow; install the extra: pip install llmclf\[ray\]"):
        score_files(folder, tmp_path / "a.parquet", tmp_path / "out")
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"the engine 'ray' needs Ray; install the extra: pip install llmclf\[ray\]"):
        score_files(folder, tmp_path / "a.parquet", tmp_path / "out", engine="ray")


def test_command_tells_what_it_did(folder, tmp_path, capsys):
    source = write(tmp_path / "mail.csv")
    command = ["classify", str(folder), "--engine", "stream", str(source), str(tmp_path / "out")]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"scored {len(TEXTS)} messages in ")
    assert main(command) == 0
    assert f"; {len(TEXTS)} had been scored before\n" in capsys.readouterr().out
    assert main(["classify", str(folder), "--engine", "stream", str(source)]) == 2
    assert "with --engine give two names" in capsys.readouterr().err


# With Ray -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "workers", "device", "expected"),
    [
        ({"CPU": 16.0}, None, "auto", (8, 0, 2)),
        ({"CPU": 1.0}, None, "auto", (1, 0, 1)),
        ({"CPU": 16.0}, 3, "cpu", (3, 0, 5)),
        ({"CPU": 64.0, "GPU": 8.0}, None, "auto", (8, 1, 8)),
        ({"CPU": 64.0, "GPU": 8.0}, 16, "cuda", (16, 0.5, 4)),
        ({"CPU": 16.0, "GPU": 2.0}, 3, "auto", (3, 0.5, 5)),  # one GPU holds no two of 2/3
        ({"CPU": 64.0, "GPU": 8.0}, None, "cpu", (32, 0, 2)),
        ({"CPU": 2.0, "GPU": 4.0}, None, "auto", (2, 1, 1)),
    ],
)
def test_workers_share_what_ray_has_to_give(resources, workers, device, expected):
    assert ray_engine.divide(resources, workers, device) == expected


def test_more_workers_than_cores_are_refused():
    with pytest.raises(ValueError, match="workers must be at most 4, one for each processor core, got 5"):
        ray_engine.divide({"CPU": 4.0}, 5, "auto")


@pytest.fixture(scope="module")
def ray():
    """A Ray on this machine, which all tests share; made before a test's network ban begins."""
    ray = pytest.importorskip("ray")
    with tempfile.TemporaryDirectory(dir="/tmp" if os.path.isdir("/tmp") else None) as folder:  # sockets: short names
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=folder)
        yield ray
        ray.shutdown()


def test_ray_gives_what_the_stream_gives(ray, folder, expected, tmp_path):
    files = [write(tmp_path / "in" / f"mail{kind}") for kind in (".csv", ".jsonl", ".parquet")]
    assert score_files(folder, tmp_path / "in", tmp_path / "out", rows_per_part=5) == (3 * len(TEXTS), 0)
    kept = tmp_path / "out" / "mail.csv" / "00003.csv"
    for path in set((tmp_path / "out").glob("*/*")) - {kept}:
        path.unlink()
    written = kept.stat().st_mtime_ns
    again = score_files(folder, tmp_path / "in", tmp_path / "out", engine="ray", workers=2, rows_per_part=5)
    assert again == (3 * len(TEXTS) - 5, 5)
    for file in files:
        check(read(tmp_path / "out" / file.name), expected)
    assert kept.stat().st_mtime_ns == written
    assert ray.is_initialized()  # as the caller has left it


def test_worker_that_dies_is_replaced(ray, folder, expected, tmp_path, monkeypatch):
    died = str(tmp_path / "died")

    def deadly(folder, sha256, device, precision):
        class Deadly:
            def predict_proba(self, texts):
                if "message 20 " in texts[0] and not os.path.exists(died):
                    open(died, "x").close()
                    os.kill(os.getpid(), signal.SIGKILL)
                return TextClassifier.load(folder, device=device).predict_proba(texts)

        return Deadly()

    monkeypatch.setattr(scoring, "load_unchanged", deadly)
    source = write(tmp_path / "mail.csv")
    now = score_files(folder, source, tmp_path / "out", engine="ray", workers=1, rows_per_part=29).now
    assert (now, os.path.exists(died)) == (len(TEXTS), True)
    check(read(tmp_path / "out" / "mail.csv"), expected)


def test_error_in_a_worker_is_told(ray, folder, tmp_path, monkeypatch):
    def without_memory(*_):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(scoring, "load_unchanged", without_memory)
    source = write(tmp_path / "mail.csv")
    words = r"RuntimeError\('CUDA out of memory'\); the same command does the rest"
    with pytest.raises(ValueError, match=f"^a worker failed: {words}$"):
        score_files(folder, source, tmp_path / "out", engine="ray", workers=1)
    assert not list((tmp_path / "out").rglob(".*"))
