"""The benchmarks still run, on a model small enough for a test, and the page of results says what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import classifying, growth, memory, report, scoring, training, ways
from benchmarks.__main__ import NAMES
from llmclf import weights
from llmclf.data import Splits
from llmclf.models import GPT2Config, LlamaConfig

ROOT = Path(__file__).parents[1]
SHAPES = {
    "gpt2-tiny": GPT2Config(hidden_size=32, num_layers=2, num_heads=2),
    "llama-tiny": LlamaConfig(
        vocab_size=50257, hidden_size=32, num_layers=2, num_heads=2, num_kv_heads=1, intermediate_size=64
    ),
}


@pytest.fixture(params=[pytest.param("gpt2-tiny", marks=pytest.mark.slow), "llama-tiny"])
def backbone(request, monkeypatch, gpt2_encoding, tiny_splits) -> str:
    monkeypatch.setitem(weights.CONFIGS, request.param, SHAPES[request.param])
    for module in (training, classifying):
        monkeypatch.setattr(module.data, "prepare_sms", lambda: tiny_splits)
    return f"random-{request.param}"


def test_training_benchmark_compares_the_ways(backbone):
    found = training.run(backbone, quick=True, runs=2)
    assert set(found["medians"]) == {"matrix rate", "a", "b", "b2", "c", "d", "e", "tfidf"}
    assert found["ratios"]["a/c"] == found["medians"]["a"]["seconds"] / found["medians"]["c"]["seconds"]
    assert found["medians"]["a"]["steps in all"] == 5 * (50 // 8)
    assert len(found["every run"]) == 2
    assert "correct" not in found["medians"]["a"]
    assert found["medians"]["d"]["count"] == found["medians"]["tfidf"]["count"] == len(training.data.prepare_sms().test)


def test_a_way_in_full_says_how_much_is_right(backbone, tiny_splits):
    found = training.time_way(ways.plain(backbone, tiny_splits), 5e-5, None)
    assert found["steps timed"] == found["steps in all"]
    assert 0 <= found["correct"] <= found["count"] == len(tiny_splits.test)


def test_the_ways_train_the_same_layers(backbone, tiny_splits):
    plain, theirs = ways.plain(backbone, tiny_splits), ways.with_transformers(backbone, tiny_splits)
    ours, others = (sum(weight.numel() for weight in way.trainable()) for way in (plain, theirs))
    assert ours == others + 2  # our head has a bias, transformers' score has none
    batch = next(iter(theirs.loaders.test))
    assert theirs.logits_of(batch).shape == plain.logits_of(next(iter(plain.loaders.test))).shape == (8, 2)


def test_work_is_counted_as_the_training_loop_does_it(backbone, tiny_splits):
    steps, evaluations = training.counted_work(ways.plain(backbone, tiny_splits).loaders)
    assert steps == 30  # 6 batches, 5 epochs
    assert evaluations == (1 + 5) * 2 * 5 + 7 + 2 + 3  # losses once, accuracies five times, then every message


def test_frozen_operations_are_two_a_weight_and_token(tiny_splits, backbone):
    way = ways.with_transformers(backbone, Splits(*(table.head(8) for table in tiny_splits)))
    model = training.Classifier(weights.load_pretrained(backbone), 2)
    matrices = sum(weight.numel() for weight in model.backbone.blocks[0].parameters() if weight.ndim == 2)
    tokens = sum(len(message) for loader in way.loaders for message in loader.dataset.messages)
    assert training.trunk_operations(model, way.loaders) == 2 * matrices * tokens


def test_classification_benchmark_gives_rates_and_ratios(monkeypatch, gpt2_encoding, tiny_splits, any_sms_path):
    monkeypatch.setitem(weights.CONFIGS, "gpt2-tiny", SHAPES["gpt2-tiny"])
    monkeypatch.setattr(classifying, "BATCH_SIZES", (1, 4))
    table = classifying.data.read_sms(every_row=True).head(80)
    monkeypatch.setattr(classifying.data, "read_sms", lambda **_: table)
    monkeypatch.setattr(classifying.data, "prepare_sms", lambda: tiny_splits)
    found = classifying.run("random-gpt2-tiny", quick=True, runs=1)
    assert found["messages"] == 8
    assert set(found["pipeline batch size"].values()) <= {1, 4}
    ways = ("one padded message", "pipeline", "pipeline in bfloat16", "ours in float32")
    assert set(found["ratios"]) == {f"ours/{way}" for way in ways}


@pytest.mark.slow
def test_scoring_benchmark_compares_ways_on_the_same_messages(monkeypatch, gpt2_encoding, any_sms_path):
    monkeypatch.setattr(scoring, "COUNTS", (10, 20, 50))
    monkeypatch.setattr(scoring, "REAL_COUNTS", (10, 15))
    monkeypatch.setattr(scoring, "WAYS", {"predict": None, "stream": None})
    monkeypatch.setitem(scoring.SHAPES, "real", GPT2Config(hidden_size=64, num_layers=2, num_heads=1))
    found = scoring.run(None, quick=False, runs=1)
    for size, counts in (("small", [20, 50]), ("real", [10, 15])):
        for way in ("predict", "stream"):
            two = found["ways"][size][way]
            assert [one["messages"] for one in two] == counts
            assert all(one["seconds"] > 0 and one["own memory"] > 1e6 for one in two)
    assert [one["messages"] for one in found["by number"]] == [10, 20, 50]


def test_messages_to_score_are_all_different(any_sms_path, tmp_path):
    scoring.write_messages(tmp_path / "many.csv", 6000)
    texts = scoring.pd.read_csv(tmp_path / "many.csv", keep_default_na=False)["text"]
    assert len(texts) == 6000
    assert texts.is_unique


def test_numbered_messages_are_new_ones(any_sms_path):
    table = growth.numbered_messages(6000)
    assert len(table) == 6000
    assert table["text"].is_unique


def test_messages_of_one_length_have_it(gpt2_encoding, monkeypatch):
    monkeypatch.setattr(growth, "TOKENS", 64)
    texts = growth.messages_of_length(16)["text"]
    assert [len(gpt2_encoding.encode_ordinary(text)) for text in texts] == [16] * 4


def test_own_memory_sees_what_was_allocated_in_between():
    with growth.OwnMemory() as memory_used:
        before = memory_used.peak
        block = torch.ones(50_000_000)
        growth.time.sleep(0.1)
    assert memory_used.peak - before > 150e6
    assert block[0] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's account of a process")
def test_peak_memory_is_that_of_this_process():
    assert 0.05 < memory.peak() < 25


# The page -------------------------------------------------------------------------------------------------------------


def test_results_page_is_what_the_numbers_say():
    assert (ROOT / "benchmarks" / "RESULTS.md").read_text() == report.page(report.FOLDER)


def test_saved_numbers_carry_date_and_machine_and_a_full_run_stands_beside_a_quick_one(tmp_path):
    for quick in (True, False):
        report.save(tmp_path / "results", "memory", "x", {"quick": quick, "runs": 1, "medians": {"a": 1.5}})
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"memory x.json", "memory x in full.json"}
    machine = json.loads((tmp_path / "results" / "memory x.json").read_text())["machine"]
    assert {"date", "processor", "cores", "torch"} <= set(machine)
    assert "| 1.5 |" in report.write(tmp_path / "results")


def test_help_lists_every_benchmark():
    run = [sys.executable, "-m", "benchmarks", "--help"]
    text = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert all(f"  {name} " in text for name in ("speed", *NAMES))
