"""Classifiers that leave, and models that come: the same ids, logits and answers on the other side."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_gpt2, tiny_llama
from reference import gpt2_pair, llama_pair
from safetensors.torch import load_file, save_file

from llmclf.classify import TextClassifier
from llmclf.cli.parser import main
from llmclf.console import LlmclfError
from llmclf.data import read_sms
from llmclf.decision import Decision
from llmclf.exchange.to_onnx import export_onnx
from llmclf.exchange.to_transformers import export_transformers
from llmclf.exchange.tokenizer_json import merges_of, write_tokenizer_json
from llmclf.files.storage import FileError
from llmclf.head import POOLINGS, Classifier
from llmclf.models.state import WeightsError
from llmclf.tokenizer import encode, gguf_tokenizer, hub_tokenizer, load_tokenizer
from llmclf.weights import load_pretrained

TEXTS = ["WIN 100 NOW", "see you", "", "<|endoftext|> is 13 signs", "caf\xe9 \U0001f389 漢字", "12 345  6\n\n7 "]
TEXTS += [f"{'word ' * count}ok" for count in range(1, 40, 6)]
FAMILIES = {"gpt2": tiny_gpt2, "llama": tiny_llama}
onnx = pytest.importorskip("onnxruntime")
tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")


def make(tokenizer, family: str = "gpt2", **options) -> TextClassifier:
    pad_to = options.pop("pad_to", None)
    model = Classifier(FAMILIES[family](vocab_size=tokenizer.n_vocab), 3, precision="float32", **options).eval()
    return TextClassifier(model, tokenizer, ["a", "b", "c"], "random", max_length=30, pad_to=pad_to)


# Tokenizers -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["gpt2-encoder", "smollm2-135M"])
def true_tokenizer(request, resolved):
    path = resolved(request.param)
    return gguf_tokenizer(path) if request.param == "smollm2-135M" else load_tokenizer("gpt2-124M")


def test_the_file_gives_the_same_ids_for_every_message(true_tokenizer, tmp_path, sms_path):
    write_tokenizer_json(true_tokenizer, tmp_path / "tokenizer.json", max_length=50)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    theirs.no_padding()
    texts = [*read_sms(sms_path, every_row=True)["text"], *TEXTS, "\x04\x1d", "a" * 500, " " * 70, "\t\n x"]
    for text, encoding in zip(texts, theirs.encode_batch(texts), strict=True):
        assert (encoding.ids or [true_tokenizer.eot_token]) == encode(true_tokenizer, text, 50), text


def test_a_tokenizer_that_left_comes_back_the_same(true_tokenizer, tmp_path, sms_path):
    write_tokenizer_json(true_tokenizer, tmp_path / "tokenizer.json", max_length=50)
    back = hub_tokenizer(tmp_path / "tokenizer.json")
    assert back.eot_token == true_tokenizer.eot_token
    for text in [*read_sms(sms_path)["text"][:500], *TEXTS, "\x04"]:
        assert encode(back, text) == encode(true_tokenizer, text)


def test_merges_are_those_of_the_published_file(resolved):
    lines = resolved("gpt2-merges").read_text(encoding="utf-8").splitlines()[1:]
    tokenizer = load_tokenizer("gpt2-124M")
    lengths = [tuple(map(len, pair)) for pair in merges_of(tokenizer._mergeable_ranks)]
    assert len(lengths) == len(lines) == 50_000
    assert lengths == [tuple(map(len, line.split(" "))) for line in lines]


BROKEN = {
    "another kind": (
        {"model": {"type": "WordPiece", "vocab": {}, "merges": []}},
        "only tokenizers that cut",
    ),
    "another cut": ({"pre_tokenizer": {"type": "Whitespace"}}, "only tokenizers that cut as GPT-2's or SmolLM2's do"),
    "other order": (
        {"model": {"type": "BPE", "vocab": {"ab": 2, "bc": 1}, "merges": ["a b", "b c"]}},
        "order of their merges",
    ),
    "no entries": ({"model": None}, "not the description of a byte-pair tokenizer"),
}


@pytest.mark.parametrize(("change", "words"), BROKEN.values(), ids=BROKEN)
def test_a_tokenizer_that_is_not_understood_is_refused(tmp_path, change, words):
    usual = {"type": "BPE", "vocab": {"ab": 1, "<|endoftext|>": 0}, "merges": ["a b"]}
    end = [{"content": "<|endoftext|>", "id": 0}]
    content = {"model": usual, "pre_tokenizer": {"type": "ByteLevel"}, "added_tokens": end} | change
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(FileError, match=words):
        hub_tokenizer(tmp_path / "tokenizer.json")


# ONNX -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "pooling"),
    [
        ("gpt2", "last_token"),
        ("llama", "mean"),
        *(pytest.param("llama", one, marks=pytest.mark.slow) for one in POOLINGS),
    ],
)
def test_onnx_runtime_gives_our_logits_whatever_batch_and_length(gpt2_encoding, tmp_path, family, pooling):
    classifier = make(gpt2_encoding, family, pooling=pooling)
    export_onnx(classifier, tmp_path)
    session = onnx.InferenceSession(tmp_path / "model.onnx")
    for batch, tokens in ((1, 1), (1, 9), (4, 17), (9, 1), (2, 30)):
        input_ids, lengths = torch.randint(0, 50257, (batch, tokens)), torch.randint(1, tokens + 1, (batch,))
        [found] = session.run(None, {"input_ids": input_ids.numpy(), "lengths": lengths.numpy()})
        with torch.no_grad():
            expected = classifier.model(input_ids, lengths)
        assert found == pytest.approx(expected.numpy(), abs=1e-4)


ALONE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("llmclf", "torch", "tiktoken"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
import json
from classify import classify
answers, probabilities = classify(json.load(sys.stdin))
print(json.dumps([answers, probabilities.tolist()]))
"""


def elsewhere(folder: Path) -> tuple[list[str], np.ndarray]:
    """What the exported script makes of the texts, in a process that has neither our library nor PyTorch."""
    command = [sys.executable, "-c", ALONE, str(folder)]
    done = subprocess.run(command, input=json.dumps(TEXTS), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers, probabilities = json.loads(done.stdout)
    return answers, np.array(probabilities)


@pytest.mark.parametrize(
    ("options", "decision"),
    [
        ({}, Decision(temperature=3.0, offsets=(0.0, 0.4, -0.2), abstain_below=0.3)),
        ({"pooling": "last_position", "pad_to": 30}, Decision()),
    ],
)
def test_the_folder_alone_gives_our_answers(gpt2_encoding, tmp_path, options, decision):
    classifier = replace(make(gpt2_encoding, **options), decision=decision)
    export_onnx(classifier, tmp_path)
    answers, probabilities = elsewhere(tmp_path)
    assert probabilities == pytest.approx(classifier.predict_proba(TEXTS), abs=1e-4)
    assert answers == classifier.predict(TEXTS)


@pytest.mark.slow
def test_eight_bits_are_smaller_and_nearly_the_same(gpt2_encoding, tmp_path):
    classifier = make(gpt2_encoding)
    export_onnx(classifier, tmp_path / "exact")
    export_onnx(classifier, tmp_path / "int8", int8=True)
    sizes = [(tmp_path / name / "model.onnx").stat().st_size for name in ("exact", "int8")]
    assert sizes[1] < 0.6 * sizes[0]
    found = elsewhere(tmp_path / "int8")[1]
    assert found == pytest.approx(classifier.predict_proba(TEXTS), abs=0.05)


def test_only_float32_is_exported(gpt2_encoding, tmp_path):
    classifier = make(gpt2_encoding)
    classifier.model.precision = "bfloat16"
    with pytest.raises(LlmclfError, match="only float32 on a CPU is exported"):
        export_onnx(classifier, tmp_path)


# transformers ---------------------------------------------------------------------------------------------------------


def pipeline_of(folder: Path):
    return transformers.pipeline("text-classification", str(folder), top_k=None, device="cpu")


@pytest.mark.parametrize(("family", "head_bias"), [("gpt2", True), ("llama", False)])
def test_a_pipeline_gives_our_labels_and_probabilities_in_padded_batches(gpt2_encoding, tmp_path, family, head_bias):
    classifier = make(gpt2_encoding, family, head_bias=head_bias)
    classifier = replace(classifier, decision=Decision(temperature=1.7))
    with torch.no_grad():
        classifier.model.backbone.head.weight *= 5  # answers that differ
        if head_bias:
            classifier.model.backbone.head.bias.copy_(torch.tensor([0.5, -1.0, 2.0]))
    export_transformers(classifier, tmp_path)
    texts = [text for text in TEXTS if text]  # a pipeline fails at an empty text
    expected = classifier.predict_proba(texts)
    for size in (1, 4):
        found = pipeline_of(tmp_path)(texts, batch_size=size, truncation=True)
        shares = [{row["label"]: row["score"] for row in rows} for rows in found]
        assert np.array([[row[name] for name in "abc"] for row in shares]) == pytest.approx(expected, abs=1e-4)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert model.config.pad_token_id == gpt2_encoding.eot_token


@pytest.mark.parametrize(
    ("family", "options", "words"),
    [
        ("llama", {}, "train with --no-head-bias, or export to onnx"),
        ("gpt2", {"pooling": "mean"}, "this classifier at 'mean'; export to onnx"),
    ],
)
def test_what_transformers_cannot_do_is_refused(gpt2_encoding, tmp_path, family, options, words):
    with pytest.raises(LlmclfError, match=words):
        export_transformers(make(gpt2_encoding, family, **options), tmp_path)


def test_a_threshold_stays_behind_with_a_word(gpt2_encoding, tmp_path, capsys):
    classifier = replace(make(gpt2_encoding), decision=Decision(offsets=(1.0, 0.0, 0.0)))
    export_transformers(classifier, tmp_path)
    assert "threshold, offsets and unsure stay behind" in capsys.readouterr().err


def test_a_head_without_bias_learns_without_one(tiny_files, tmp_path, capsys):
    backbone, table = tiny_files
    columns = ["--table", str(table), "--text-column", "body", "--label-column", "kind", "--epochs", "1"]
    words = ["train", "--output", str(tmp_path / "c"), "--backbone", str(backbone), "--no-head-bias", *columns]
    assert main([*words, "--learning-rate", "0.003"]) == 0
    classifier = TextClassifier.load(tmp_path / "c")
    assert not classifier.model.backbone.head.bias.any()
    assert main(["export", str(tmp_path / "c"), str(tmp_path / "out"), "--format", "transformers"]) == 0
    assert "model.safetensors" in capsys.readouterr().out
    [row] = pipeline_of(tmp_path / "out")(["WIN 7 CASH"])
    assert max(row, key=lambda one: one["score"])["label"] == classifier.predict("WIN 7 CASH")
    assert main(["export", str(tmp_path / "c"), str(tmp_path / "o"), "--format", "transformers", "--int8"]) == 2
    assert "--int8 has no effect with --format transformers" in capsys.readouterr().err


# Models that come -----------------------------------------------------------------------------------------------------

SHAPES = {
    "gpt2": ({"hidden_size": 32, "num_layers": 3, "num_heads": 4}, gpt2_pair),
    "llama": (
        {"hidden_size": 48, "num_layers": 2, "num_heads": 6, "num_kv_heads": 2, "intermediate_size": 96},
        llama_pair,
    ),
}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", SHAPES)
@pytest.mark.parametrize(("dtype", "shard"), [(torch.float32, "5GB"), (torch.float16, "20KB"), (torch.bfloat16, "5GB")])
def test_a_hub_folder_gives_the_logits_of_transformers(tmp_path, family, dtype, shard, tied):
    if family == "gpt2" and not tied:
        pytest.skip("GPT-2's head is its embedding")
    shape, pair = SHAPES[family]
    theirs = pair(**shape, tied_embeddings=tied)[1].to(dtype)
    theirs.save_pretrained(tmp_path, max_shard_size=shard)
    assert (tmp_path / "model.safetensors.index.json").exists() == (shard == "20KB")
    ours = load_pretrained(tmp_path)
    input_ids = torch.randint(0, 97, (3, 11))
    with torch.no_grad():
        again = type(theirs).from_pretrained(tmp_path, dtype=torch.float32)
        torch.testing.assert_close(ours(input_ids), again(input_ids).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_act": "gelu"}, "config.json: hidden_act is 'gelu', and only 'silu' is understood"),
        ({"attention_bias": True}, "attention_bias is True, and only False is understood"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, "rope_type is 'llama3'"),
        ({"head_dim": 4}, "head_dim is 4, and only 8 is understood"),
        ({"hidden_size": None}, "not the description of a Llama|num_heads"),
        ({"num_hidden_layers": 3}, "missing tensors: layers.2"),
    ],
)
def test_a_llama_that_is_built_otherwise_is_refused(tmp_path, changes, words):
    shape, pair = SHAPES["llama"]
    pair(**shape)[1].save_pretrained(tmp_path)
    stated = json.loads((tmp_path / "config.json").read_text()) | changes
    (tmp_path / "config.json").write_text(json.dumps(stated))
    with pytest.raises((FileError, WeightsError, LlmclfError), match=words):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("places", [None, {}, {"a": "../elsewhere.safetensors"}, {"a": 5}, {"a": "gone.safetensors"}])
def test_an_index_that_leads_elsewhere_is_refused(tmp_path, places):
    save_file({"a": torch.zeros(1)}, tmp_path.parent / "elsewhere.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    with pytest.raises(FileError, match=r"expected a weight_map that names files in the same folder|no such file"):
        load_pretrained(tmp_path)


def test_a_classifier_on_a_sharded_folder_is_saved_whole(tmp_path, gpt2_encoding):
    theirs = gpt2_pair(hidden_size=32, num_layers=2, num_heads=4)[1]
    theirs.save_pretrained(tmp_path / "hub", max_shard_size="20KB")
    classifier = TextClassifier(Classifier(load_pretrained(tmp_path / "hub"), 2), gpt2_encoding, ["a", "b"], "hub")
    classifier.backbone = str(tmp_path / "hub")
    classifier.save(tmp_path / "saved")
    weights = load_file(tmp_path / "saved" / "classifier.safetensors")
    assert "blocks.0.mlp.up.weight" in weights
