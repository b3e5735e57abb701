"""Chapter 2's batches: the source's figures, and padding that neither adds nor loses anything."""

from collections import Counter

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmclf import data
from llmclf.console import LlmclfError
from llmclf.data import Splits
from llmclf.loaders import (
    Batch,
    MessageDataset,
    batches_by_tokens,
    every_message,
    longest_first,
    make_loaders,
    pad_batch,
)

quickly = settings(max_examples=60)

PAD = 256  # the tiny tokenizer's end of text; every byte is a token of its own there


def splits_of(train: list[str], validation: list[str] = ("v",), test: list[str] = ("t",)) -> Splits:
    return Splits(*(pd.DataFrame({"label": 0, "text": list(texts)}) for texts in (train, validation, test)))


def messages_of(batch: Batch) -> list[tuple[tuple[int, ...], int]]:
    """Back from a batch to what went in: token ids without padding, and the label."""
    rows = zip(batch.input_ids.tolist(), batch.labels.tolist(), batch.lengths.tolist(), strict=True)
    return [(tuple(input_ids[:length]), label) for input_ids, label, length in rows]


def messages_in(loader) -> list[tuple[tuple[int, ...], int]]:
    return [message for batch in loader for message in messages_of(batch)]


def messages_behind(loader) -> list[tuple[tuple[int, ...], int]]:
    return [(tuple(message), label) for message, label in loader.dataset]


# The SMS collection with GPT-2's tokens -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sms_splits(sms_path):
    return data.split(data.encode_labels(data.undersample(data.read_sms(sms_path)), data.SMS_LABELS))


@pytest.fixture(scope="module")
def fixed(sms_splits, gpt2_encoding):
    return make_loaders(sms_splits, gpt2_encoding, padding="fixed")


@pytest.mark.parametrize(
    ("name", "longest", "mean"), [("train", 120, 30.4), ("validation", 71, 33.1), ("test", 92, 30.0)]
)
def test_token_figures_of_the_sms_splits(fixed, name, longest, mean):
    lengths = [len(message) for message in getattr(fixed, name).dataset.messages]
    assert max(lengths) == longest
    assert sum(lengths) / len(lengths) == pytest.approx(mean, abs=0.05)


def test_there_are_130_19_and_38_batches(fixed):
    assert [len(loader) for loader in fixed] == [130, 19, 38]
    assert [sum(1 for _ in loader) for loader in fixed] == [130, 19, 38]


def test_batches_of_the_source_are_8_by_120(fixed):
    for batch in fixed.train:
        assert batch.input_ids.shape == (8, 120)
        assert batch.labels.shape == batch.lengths.shape == (8,)
        assert batch.input_ids.dtype == batch.labels.dtype == batch.lengths.dtype == torch.int64
    assert {batch.input_ids.shape[1] for loader in fixed[1:] for batch in loader} == {120}


def test_padding_is_gpt2_s_end_of_text(fixed):
    batch = next(iter(fixed.test))
    for row, length in zip(batch.input_ids, batch.lengths, strict=True):
        assert set(row[length:].tolist()) == {50256}
        assert 50256 not in row[:length]


def test_padding_to_the_batch_saves_most_of_the_padding(fixed, sms_splits, gpt2_encoding):
    dynamic = make_loaders(sms_splits, gpt2_encoding)
    tokens = {
        name: sum(batch.input_ids.numel() for batch in every_message(loaders.test))
        for name, loaders in (("fixed", fixed), ("dynamic", dynamic))
    }
    real = sum(len(message) for message in fixed.test.dataset.messages)
    assert tokens["fixed"] == 300 * 120
    assert real <= tokens["dynamic"] < 1.1 * real


# Padding --------------------------------------------------------------------------------------------------------------


def test_a_batch_is_padded_on_the_right_and_knows_its_lengths():
    batch = pad_batch([([1, 2, 3], 1), ([4], 0)], pad_token_id=9)
    assert batch.input_ids.tolist() == [[1, 2, 3], [4, 9, 9]]
    assert batch.labels.tolist() == [1, 0]
    assert batch.lengths.tolist() == [3, 1]


def test_a_batch_can_be_padded_further():
    assert pad_batch([([1, 2], 0)], pad_token_id=9, pad_to=4).input_ids.tolist() == [[1, 2, 9, 9]]


@quickly
@given(
    examples=st.lists(
        st.tuples(st.lists(st.integers(0, PAD), min_size=1, max_size=9), st.integers(0, 4)), min_size=1, max_size=6
    ),
    pad_to=st.none() | st.integers(9, 12),
)
def test_lengths_lead_back_to_the_token_ids_even_where_these_are_padding_tokens(examples, pad_to):
    batch = pad_batch(examples, pad_token_id=PAD, pad_to=pad_to)
    assert messages_of(batch) == [(tuple(message), label) for message, label in examples]
    assert batch.input_ids.shape[1] == (pad_to or max(len(message) for message, _ in examples))


@quickly
@given(
    train=st.lists(st.text(max_size=12), min_size=1, max_size=9),
    test=st.lists(st.text(max_size=20), min_size=1, max_size=9),
    batch_size=st.integers(1, 9),
    padding=st.sampled_from(["fixed", "dynamic"]),
)
def test_whatever_the_padding_the_messages_come_back(tiny_tokenizer, train, test, batch_size, padding):
    loaders = make_loaders(
        splits_of(train, test=test), tiny_tokenizer, batch_size=min(batch_size, len(train)), padding=padding
    )
    longest = max(len(text.encode()) or 1 for text in train)
    cut = longest if padding == "fixed" else None
    assert messages_in(loaders.test) == [(tuple(text.encode()[:cut]) or (PAD,), 0) for text in test]


def test_moving_a_batch_moves_all_of_it():
    moved = Batch(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2)).to("meta")
    assert isinstance(moved, Batch)
    assert {tensor.device.type for tensor in moved} == {"meta"}


def test_an_empty_message_is_one_end_of_text_token(tiny_tokenizer):
    dataset = MessageDataset(pd.DataFrame({"label": [1, 0], "text": ["", "a"]}), tiny_tokenizer)
    assert [dataset[place] for place in range(len(dataset))] == [([PAD], 1), ([97], 0)]


# Lengths --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("padding", "max_length", "train_width", "test_lengths"),
    [
        ("fixed", None, 4, [4, 1]),  # the longest training message rules the test set too
        ("fixed", 2, 2, [2, 1]),
        ("fixed", 9, 9, [6, 1]),  # a length that is asked for is kept to
        ("dynamic", None, 4, [6, 1]),
        ("dynamic", 5, 4, [5, 1]),
        ("dynamic", 2, 2, [2, 1]),
    ],
)
def test_messages_are_cut_and_padded(tiny_tokenizer, padding, max_length, train_width, test_lengths):
    splits = splits_of(["four", "1"], ["longest", "1"], ["longer", "1"])
    loaders = make_loaders(splits, tiny_tokenizer, batch_size=2, padding=padding, max_length=max_length)
    assert next(iter(loaders.train)).input_ids.shape == (2, train_width)
    batch = next(iter(loaders.test))
    assert batch.lengths.tolist() == test_lengths
    assert batch.input_ids.shape == (2, train_width if padding == "fixed" else max(test_lengths))
    assert messages_of(batch)[0][0] == tuple(b"longer"[: test_lengths[0]])


def test_dynamic_padding_goes_to_the_longest_of_each_batch(tiny_tokenizer):
    splits = splits_of(["1"] * 2, test=["1", "22", "333", "1"])
    widths = [batch.input_ids.shape[1] for batch in make_loaders(splits, tiny_tokenizer, batch_size=2).test]
    assert widths == [2, 3]


@pytest.mark.parametrize(("max_length", "expected"), [(None, 5), (3, 3), (8, 8)])
def test_a_dataset_knows_its_length_limit(tiny_tokenizer, max_length, expected):
    dataset = MessageDataset(pd.DataFrame({"label": [0, 1], "text": ["12345", "1"]}), tiny_tokenizer, max_length)
    assert dataset.max_length == expected


# Order ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def distinct() -> Splits:
    return splits_of([f"message {number}" for number in range(30)], [f"v{number}" for number in range(11)])


def test_training_messages_are_shuffled_anew_in_every_epoch(tiny_tokenizer, distinct):
    loader = make_loaders(distinct, tiny_tokenizer, batch_size=5).train
    first, second = messages_in(loader), messages_in(loader)
    assert sorted(first) == sorted(second) == sorted(messages_behind(loader))
    assert first != second != messages_behind(loader) != first


def test_the_training_order_depends_on_the_seed_alone(tiny_tokenizer, distinct):
    orders = []
    for seed, global_seed in ((1, 7), (1, 8), (2, 7)):
        torch.manual_seed(global_seed)
        orders.append(messages_in(make_loaders(distinct, tiny_tokenizer, seed=seed).train))
    assert orders[0] == orders[1] != orders[2]


def test_an_incomplete_batch_is_dropped_in_training_only(tiny_tokenizer, distinct):
    loaders = make_loaders(distinct, tiny_tokenizer, batch_size=8)
    assert [len(batch.labels) for batch in loaders.train] == [8, 8, 8]
    assert [len(batch.labels) for batch in loaders.validation] == [8, 3]


def test_validation_and_test_keep_their_order(tiny_tokenizer, distinct):
    loader = make_loaders(distinct, tiny_tokenizer, batch_size=4).validation
    assert messages_in(loader) == messages_behind(loader)


@pytest.mark.parametrize("padding", ["fixed", "dynamic"])
def test_every_message_comes_once_the_longest_first(tiny_tokenizer, tiny_splits, padding):
    train = make_loaders(tiny_splits, tiny_tokenizer, padding=padding).train
    loader = every_message(train)
    messages = messages_in(loader)
    assert Counter(messages) == Counter(messages_behind(train))
    lengths = [len(input_ids) for input_ids, _ in messages]
    assert lengths == sorted(lengths, reverse=True)
    assert messages == messages_in(loader)  # not shuffled
    widths = {batch.input_ids.shape[1] for batch in loader}
    assert (widths == {max(lengths)}) == (padding == "fixed")


def test_equally_long_messages_stay_in_order():
    assert longest_first([2, 1, 4, 2, 1]) == [2, 0, 3, 1, 4]


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"padding": "left"}, "padding must be one of dynamic, fixed, got 'left'"),
        ({"max_length": 0}, "max_length must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": 4}, "3 training messages do not fill one batch of 4; lower batch_size"),
    ],
)
def test_loaders_refuse(tiny_tokenizer, options, complaint):
    with pytest.raises(LlmclfError, match=complaint):
        make_loaders(splits_of(["a", "b", "c"]), tiny_tokenizer, **{"batch_size": 2} | options)


def test_labels_must_have_become_numbers(tiny_tokenizer):
    table = pd.DataFrame({"label": ["ham", "spam"], "text": ["a", "b"]})
    with pytest.raises(LlmclfError, match=r"labels must be numbers, found 'ham'; data\.encode_labels"):
        MessageDataset(table, tiny_tokenizer)


def test_no_batch_holds_more_tokens_than_allowed_and_none_is_lost():
    lengths = [1, 5000, 3, 700, 700, 700, 2, 700, 700, 700, 700]
    batches = list(batches_by_tokens(lengths, torch.device("cpu")))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * lengths[batch[0]] <= 768 for batch in batches)
