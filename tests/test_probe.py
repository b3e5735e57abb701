"""A probe: its head is scikit-learn's regression, its choice never sees what it is judged by."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_tiny_splits, tiny_gpt2, tiny_llama
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from llmclf import probe as module
from llmclf.classify import TextClassifier
from llmclf.cli.parser import main
from llmclf.console import LlmclfError
from llmclf.data import Splits
from llmclf.evaluation.estimator import LLMClassifier
from llmclf.finetune import finetune
from llmclf.head import Classifier
from llmclf.interactive.token_probabilities import token_probabilities
from llmclf.loaders import make_loaders
from llmclf.probe import Probe, choose, estimate, fit_probe, out_of_fold
from llmclf.tokenizer import encode
from llmclf.train import TrainingSettings

STRENGTHS = len(module.REGULARISATION)


def loader_of(table: pd.DataFrame, tokenizer):
    return make_loaders(Splits(table, table[:0], table[:0]), tokenizer, batch_size=4).train


def three_classes() -> pd.DataFrame:
    words = ["see you at", "WIN NOW", "??? what"]
    rows = [{"label": label, "text": f"{words[label]} {n}{'!' * (n % 5)}"} for n in range(12) for label in range(3)]
    return pd.DataFrame(rows)


@torch.no_grad()
def features_by_hand(backbone, tokenizer, texts: list[str], blocks: int, pooling: str) -> np.ndarray:
    """One message at a time, without padding."""
    found = []
    for text in texts:
        states = backbone.embed(torch.tensor([encode(tokenizer, text)]))
        for block in backbone.blocks[:blocks]:
            states = block(states)
        states = backbone.final_norm(states)[0]
        found.append(states.mean(dim=0) if pooling == "mean" else states[-1])
    return torch.stack(found).double().numpy()


@pytest.mark.parametrize("make", [tiny_gpt2, tiny_llama])
@pytest.mark.parametrize("pooling", ["mean", "last_token"])
@pytest.mark.parametrize("table", [make_tiny_splits().train, three_classes()], ids=["two classes", "three classes"])
def test_folded_head_gives_the_probabilities_of_scikit_learn(make, tiny_tokenizer, table, pooling):
    names = sorted(map(str, set(table["label"])))
    model = Classifier(make(), len(names))
    found = fit_probe(model, loader_of(table, tiny_tokenizer), blocks=2, pooling=pooling)
    texts = table["text"].tolist()
    features = features_by_hand(make(), tiny_tokenizer, texts, 2, pooling)
    by_hand = make_pipeline(
        StandardScaler(), LogisticRegression(C=found.regularisation, class_weight="balanced", max_iter=1000)
    ).fit(features, table["label"])
    ours = TextClassifier(model, tiny_tokenizer, names, "random-tiny").predict_proba(texts)
    assert ours == pytest.approx(by_hand.predict_proba(features), abs=1e-5)
    assert (len(model.backbone.blocks), model.backbone.config.num_layers, model.pooling) == (2, 2, pooling)


def test_cutting_does_not_change_what_the_blocks_below_compute(tiny_backbone, tiny_tokenizer):
    texts = make_tiny_splits().train["text"].tolist()
    whole = features_by_hand(tiny_backbone, tiny_tokenizer, texts, 2, "mean")
    model = Classifier(tiny_backbone, 2)
    fit_probe(model, loader_of(make_tiny_splits().train, tiny_tokenizer), blocks=2)
    assert (features_by_hand(model.backbone, tiny_tokenizer, texts, 99, "mean") == whole).all()


def test_a_choice_can_be_fixed_in_part_and_the_table_tells_what_was_tried(tiny_tokenizer):
    loader = loader_of(make_tiny_splits().train, tiny_tokenizer)
    free, shallow = (fit_probe(Classifier(tiny_gpt2(), 2), loader, blocks=blocks) for blocks in (None, 1))
    assert list(free.table.index) == [1, 2, 3]
    assert list(free.table.columns) == [(p, kind) for p in ("mean", "last_token") for kind in ("loss", "accuracy")]
    assert shallow.blocks == 1
    assert shallow.table.loc[1].equals(free.table.loc[1])
    assert fit_probe(Classifier(tiny_gpt2(), 2), loader, pooling="last_token").pooling == "last_token"


def test_of_many_texts_some_decide_and_all_are_fitted(tiny_tokenizer, monkeypatch):
    table = make_tiny_splits().train
    monkeypatch.setattr(module, "MOST_TEXTS", 20)
    few = Classifier(tiny_gpt2(), 2)
    found = fit_probe(few, loader_of(table, tiny_tokenizer))
    rows = module.rows_to_choose_by(table["label"].to_numpy(), 123)
    assert len(rows) == 20
    chosen_by_some = fit_probe(Classifier(tiny_gpt2(), 2), loader_of(table.iloc[rows], tiny_tokenizer))
    assert found.table.equals(chosen_by_some.table)
    features = features_by_hand(tiny_gpt2(), tiny_tokenizer, table["text"].tolist(), found.blocks, found.pooling)
    expected = module.regression(found.regularisation).fit(features, table["label"]).predict_proba(features)
    ours = TextClassifier(few, tiny_tokenizer, ["ham", "spam"], "random-tiny").predict_proba(table["text"].tolist())
    assert ours == pytest.approx(expected, abs=1e-5)


# The choice, and what is said of it -----------------------------------------------------------------------------------


def test_neither_validation_nor_test_has_a_say(tiny_files):
    splits = make_tiny_splits()
    others = Splits(splits.train, splits.test.assign(label=0), splits.train.assign(label=1 - splits.train["label"]))
    one, other = (
        finetune(part, ["ham", "spam"], tiny_files[0], method="probe", device="cpu", quiet=True)
        for part in (splits, others)
    )
    assert one.probe.table.equals(other.probe.table)
    assert one.probe._replace(table=None) == other.probe._replace(table=None)
    heads = [found.classifier.model.backbone.head for found in (one, other)]
    assert heads[0].weight.equal(heads[1].weight)


def test_copies_of_a_text_are_never_in_two_folds():
    generator = np.random.default_rng(0)
    groups, labels = np.arange(40).repeat(4), generator.integers(2, size=40).repeat(4)
    memory = generator.normal(size=(40, 60)).repeat(4, axis=0)[None, None]  # tells the group, and nothing of the label
    apart = out_of_fold(memory, labels, groups, range(2), 0)[1].mean()
    together = out_of_fold(memory, labels, np.arange(160), range(2), 0)[1].mean()
    assert together > 0.85
    assert apart < 0.65


def test_estimate_is_not_the_accuracy_that_won_the_choice():
    generator = np.random.default_rng(0)
    labels, groups = np.arange(40) % 2, np.arange(40)
    features = generator.normal(size=(12, 2, 40, 20))  # say nothing of the labels
    losses, hits = out_of_fold(features, labels, groups, range(2), 0)
    accuracy, (low, high) = estimate(losses, hits, groups, 0)
    assert hits.mean(axis=-1).max() > accuracy + 0.05
    assert 0.35 < accuracy < 0.65
    assert low < 0.5 < high


def test_interval_is_not_narrower_than_so_few_texts_allow():
    losses, hits = np.zeros((3, 2, STRENGTHS, 16)), np.ones((3, 2, STRENGTHS, 16))
    assert estimate(losses, hits, np.arange(16), 0) == (1.0, pytest.approx((0.806, 1.0), abs=1e-3))
    copies = np.arange(4).repeat(4)
    assert estimate(losses, hits, copies, 0)[1] == pytest.approx((0.510, 1.0), abs=1e-3)


def test_of_blocks_between_which_the_texts_cannot_decide_the_one_nearest_the_middle():
    losses, hits = np.full((30, 2, STRENGTHS, 16), 0.5), np.zeros((30, 2, STRENGTHS, 16))
    losses[:, 1] = 0.9
    losses += np.random.default_rng(0).normal(scale=0.2, size=16)  # some texts are harder, whatever reads them
    hits[..., 1, :] = hits[..., 2, :] = 1
    assert choose(losses, hits) == (14, 0, 1)  # and of the strengths with the fewest mistakes the smallest
    losses[10:] += 0.5
    assert choose(losses, hits) == (5, 0, 1)  # of 0 to 5, whose neighbours are as good


# Used like any other --------------------------------------------------------------------------------------------------


def test_probe_is_saved_without_the_public_weights_and_loaded_again(tiny_files, tmp_path):
    found = finetune(make_tiny_splits(), ["ham", "spam"], tiny_files[0], method="probe", blocks=1, device="cpu")
    texts = make_tiny_splits().test["text"].tolist()
    expected = found.classifier.predict_proba(texts)
    found.classifier.save(tmp_path)
    assert (tmp_path / "classifier.safetensors").stat().st_size < 5_000
    loaded = TextClassifier.load(tmp_path, device="cpu")
    assert loaded.predict_proba(texts) == pytest.approx(expected, abs=1e-6)
    assert len(loaded.model.backbone.blocks) == 1
    found.classifier.save(tmp_path / "whole", complete=True)
    assert TextClassifier.load(tmp_path / "whole", device="cpu").predict_proba(texts) == pytest.approx(expected)


def test_mean_can_be_read_along(tiny_files):
    fitted = finetune(make_tiny_splits(), ["ham", "spam"], tiny_files[0], method="probe", pooling="mean", device="cpu")
    text = "WIN 5 NOW, dear friend"
    reading = token_probabilities(fitted.classifier, text)
    prefixes = ["".join(reading.pieces[: number + 1]) for number in range(len(reading.pieces))]
    assert prefixes[-1] == text
    tokens = [len(encode(fitted.classifier.tokenizer, prefix)) for prefix in prefixes]
    whole = encode(fitted.classifier.tokenizer, text)
    for prefix, count, row in zip(prefixes, tokens, reading.probabilities, strict=True):
        if encode(fitted.classifier.tokenizer, prefix) == whole[:count]:  # else the prefix alone is other tokens
            assert fitted.classifier.predict_proba(prefix) == pytest.approx(row, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"blocks": 4}, "blocks must be from 1 to 3, got 4"),
        ({"blocks": 0}, "blocks must be from 1 to 3, got 0"),
        ({"pooling": "middle"}, "pooling must be one of last_token, .*got 'middle'"),
        ({"groups": [*range(10), *[10] * 40]}, "label 1 has 1 different texts to learn from"),
        ({"groups": [*range(10), *[10] * 40], "label_names": ["ham", "spam"]}, "label 'spam' has 1 different texts"),
        ({"pooling": "last_position"}, 'last_position needs padding="fixed"'),
    ],
)
def test_what_cannot_be_is_refused(tiny_tokenizer, change, words):
    table = make_tiny_splits().train.sort_values("label")
    with pytest.raises(LlmclfError, match=words):
        fit_probe(Classifier(tiny_gpt2(), 2), loader_of(table, tiny_tokenizer), **change)


def test_last_position_can_be_read_where_padding_is_fixed(tiny_files):
    splits, names = make_tiny_splits(), ["ham", "spam"]
    options = {"method": "probe", "pooling": "last_position", "device": "cpu"}
    assert finetune(splits, names, tiny_files[0], padding="fixed", **options).probe.pooling == "last_position"
    with pytest.raises(LlmclfError, match="depends on the other messages of a batch"):
        finetune(splits, names, tiny_files[0], **options)


def test_label_that_is_rare_is_named(tiny_files):
    train = pd.DataFrame({"label": [0, 0, 0, 1], "text": ["hello", "see you", "are you in?", "WIN NOW"]})
    with pytest.raises(LlmclfError, match="label 'spam' has 1 different texts"):
        finetune(Splits(train, train[:0], train[:0]), ["ham", "spam"], tiny_files[0], method="probe", device="cpu")


def test_label_that_is_in_one_fold_only_is_named():
    labels, groups = np.array([1, 1, 0, 0, 0, 0]), np.array([0, 1, 1, 1, 2, 2])
    with pytest.raises(LlmclfError, match="leaves no text of label 'spam' to learn from"):
        out_of_fold(np.zeros((1, 1, 6, 3)), labels, groups, ["ham", "spam"], 123)


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("count", [10, 20])  # of the third label none or one
def test_label_of_which_too_few_are_among_those_to_choose_by_is_named(tiny_tokenizer, monkeypatch, count):
    labels = np.array([2] * 2 + [1] * 20 + [0] * 20)
    monkeypatch.setattr(module, "MOST_TEXTS", count)
    table = pd.DataFrame({"label": labels, "text": [f"text {number}" for number in range(42)]})
    with pytest.raises(LlmclfError, match="leaves no text of label 2 to learn from"):
        fit_probe(Classifier(tiny_gpt2(), 3), loader_of(table, tiny_tokenizer))


def test_features_take_no_more_memory_than_single_precision_needs(tiny_tokenizer):
    loader = loader_of(make_tiny_splits().train, tiny_tokenizer)
    messages = module.dataset_of(loader).messages
    features = module.block_features(Classifier(tiny_gpt2(), 2), messages, module.collate_of(loader), [1], ["mean"])
    assert features.dtype == np.float32


# Through the command line ---------------------------------------------------------------------------------------------


def train_probe(tiny_files, output, *options: object) -> int:
    backbone, _ = tiny_files
    words = ["train", "--method", "probe", "--backbone", backbone, "--device", "cpu", "--output", output, *options]
    return main([*map(str, words)])


@pytest.fixture
def columns(tmp_path) -> tuple:
    """A table of 120 texts, none of them a near copy of another, and what its columns are called."""
    names = ["Ada", "Ben", "Cem", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jan", "Kim", "Lea"]
    pairs = list(combinations(names, 2))[:60]
    rows = [{"body": f"{one.upper()} WINS {two.upper()} CASH", "advert": "yes"} for one, two in pairs]
    rows += [{"body": f"hello {one}, {two} is here", "advert": "no"} for one, two in pairs]
    rows = [row for pair in zip(rows[:60], rows[60:], strict=True) for row in pair]
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    return ("--table", tmp_path / "table.csv", "--text-column", "body", "--label-column", "advert")


def sizes(printed: str) -> list[int]:
    """Texts to train, to validate and to test, of the table that is printed before training."""
    [line] = [line for line in printed.splitlines() if line.startswith("sum ")]
    return [int(count) for count in line.split()[1:]]


def test_command_fits_a_few_texts_and_says_how_good_that_is(tiny_files, columns, tmp_path, capsys):
    rows = pd.read_csv(columns[1])
    rows[:16].to_csv(tmp_path / "few.csv", index=False)
    rows[20:40].to_csv(tmp_path / "test.csv", index=False)
    few = ("--table", tmp_path / "few.csv", *columns[2:])
    assert train_probe(tiny_files, tmp_path / "out", *few) == 0
    out = capsys.readouterr().out
    assert sizes(out) == [16, 0, 0]
    assert "cross-validated accuracy" in out
    assert "\ntest " not in out
    texts = ["ANA WINS BOB CASH", "hello Ana, Bob is here"]
    assert main(["classify", str(tmp_path / "out"), "--format", "json", *texts]) == 0
    assert [row["label"] for row in json.loads(capsys.readouterr().out)] == ["yes", "no"]

    assert train_probe(tiny_files, tmp_path / "tested", *few, "--test", tmp_path / "test.csv") == 0
    assert "test       accuracy 100.00% (20 of 20;" in capsys.readouterr().out


def test_command_sets_a_test_aside_where_there_are_a_hundred_rows(tiny_files, columns, tmp_path, capsys):
    assert train_probe(tiny_files, tmp_path / "out", *columns, "--sample", "16") == 0
    assert sizes(capsys.readouterr().out) == [16, 0, 24]
    assert pd.read_csv(tmp_path / "out" / "train.csv")["label"].tolist() == ["no"] * 8 + ["yes"] * 8
    assert train_probe(tiny_files, tmp_path / "other", *columns, "--sample", "200") == 2
    assert "--sample 200: that is 100 texts of each of 2 labels" in capsys.readouterr().err


def test_fine_tuning_may_keep_the_lower_blocks_only(tiny_files, tmp_path):
    settings = TrainingSettings(epochs=2, learning_rate=3e-3)
    made = finetune(make_tiny_splits(), ["ham", "spam"], tiny_files[0], settings, blocks=1, device="cpu", quiet=True)
    backbone = made.classifier.model.backbone
    assert len(backbone.blocks) == backbone.config.num_layers == 1
    assert all(weight.requires_grad for weight in backbone.blocks[0].parameters())  # the last that is left learns
    made.classifier.save(tmp_path)
    loaded, texts = TextClassifier.load(tmp_path), make_tiny_splits().test["text"].tolist()
    np.testing.assert_allclose(loaded.predict_proba(texts), made.classifier.predict_proba(texts), atol=1e-6)
    with pytest.raises(LlmclfError, match="blocks must be from 1 to 2, got 3"):
        finetune(make_tiny_splits(), ["ham", "spam"], tiny_files[0], settings, blocks=3)


def test_fine_tuning_takes_a_test_table_too(tiny_files, columns, tmp_path, capsys):
    words = ["train", "--epochs", 1, "--backbone", tiny_files[0], "--device", "cpu", "--output", tmp_path / "out"]
    assert main([*map(str, [*words, *columns, "--test", columns[1]])]) == 0
    assert sizes(capsys.readouterr().out) == [108, 12, 120]
    assert main([*map(str, [*words, "--test", tiny_files[1], "--overwrite"])]) == 2
    assert "--test has no effect without --table; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "option", "value"),
    [
        ("probe", "--epochs", "3"),
        ("probe", "--learning-rate", "1e-3"),
        ("probe", "--batch-size", "4"),
        ("probe", "--trainable", "head"),
    ],
)
def test_command_refuses_what_the_method_does_not_heed(columns, tmp_path, capsys, method, option, value):
    words = ["train", "--method", method, "--backbone", "none", "--output", tmp_path / "out", *columns, option, value]
    assert main([*map(str, words)]) == 2
    assert f"{option} has no effect with --method {method}; leave it out" in capsys.readouterr().err


def test_sixteen_messages_of_the_collection_as_in_the_readme(tiny_files, tmp_path, capsys, monkeypatch, any_sms_path):
    monkeypatch.setenv("LLMCLF_FAST", "1")
    assert train_probe(tiny_files, tmp_path / "out", "--sample", "8", "--keep-copies-together") == 0
    assert sizes(capsys.readouterr().out) == [8, 0, 16]


def test_estimator_can_be_a_probe(tiny_files, columns):
    table = pd.read_csv(columns[1])
    probe = LLMClassifier(tiny_files[0], method="probe", blocks=1, device="cpu").fit(table["body"], table["advert"])
    assert probe.score(table["body"], table["advert"]) == 1
    assert len(probe.text_classifier_.model.backbone.blocks) == 1


def test_what_was_found_is_a_record(tiny_files):
    found = finetune(make_tiny_splits(), ["ham", "spam"], tiny_files[0], method="probe", device="cpu")
    assert isinstance(found.probe, Probe)
    record = found.classifier.training
    assert (record["method"], record["blocks"]) == ("probe", found.probe.blocks)
    assert found.history.seconds > 0
    with pytest.raises(LlmclfError, match="method must be one of finetune, probe, got 'lore'"):
        finetune(make_tiny_splits(), ["ham", "spam"], tiny_files[0], method="lore")
