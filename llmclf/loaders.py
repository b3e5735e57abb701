"""Chapter 2: batches. Messages differ in length, tensors do not: short messages are padded, long ones cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import pandas as pd
import tiktoken
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from llmclf.console import LlmclfError, require_one_of
from llmclf.data import SEED, Splits
from llmclf.tokenizer import encode

if TYPE_CHECKING:
    from llmclf.head import Classifier

PADDINGS = ("dynamic", "fixed")
# Tokens of a batch where no gradient is needed. On a CPU, hidden states of a larger batch fall out of the cache between
# two layers: with 4096 tokens GPT-2's frozen blocks took 1.4 times as long. Other devices want to be filled.
TOKENS_PER_BATCH = {"cpu": 512}
TOKENS_PER_BATCH_ELSEWHERE = 16_384


class Batch(NamedTuple):
    """What a loader yields.

    Attributes
    ----------
    input_ids
        (batch, tokens) token ids, padded on the right.
    labels
        (batch,) class numbers.
    lengths
        (batch,) numbers of real tokens in each row, at least 1.
    """

    input_ids: Tensor
    labels: Tensor
    lengths: Tensor

    def to(self, device: torch.device | str) -> Batch:
        return Batch(*(tensor.to(device) for tensor in self))

    def share(self, rank: int, world_size: int) -> Batch:
        """The rows of one of several processes."""
        return Batch(*(tensor[rank::world_size] for tensor in self))

    def logits(self, classifier: Classifier) -> Tensor:
        """(batch, classes)."""
        return classifier(self.input_ids, self.lengths)


class MessageDataset(Dataset):
    """A table's messages, tokenised once.

    Parameters
    ----------
    table
        Columns `label` (numbers) and `text`.
    tokenizer
        Turns text into ids.
    max_length
        Longer messages are cut to this many tokens; `None` keeps them whole.

    Attributes
    ----------
    max_length
        As given, or else the number of tokens of the longest message.
    whole_lengths
        Tokens of each message before it was cut.
    """

    def __init__(self, table: pd.DataFrame, tokenizer: tiktoken.Encoding, max_length: int | None = None) -> None:
        if max_length is not None and max_length < 1:
            raise LlmclfError(f"max_length must be at least 1, got {max_length}")
        whole = [encode(tokenizer, text) for text in table["text"]]
        self.messages, self.whole_lengths = [message[:max_length] for message in whole], [*map(len, whole)]
        self.labels = table["label"].tolist()
        if names := [label for label in self.labels if not isinstance(label, int)]:
            raise LlmclfError(f"labels must be numbers, found {names[0]!r}; data.encode_labels makes them so")
        self.max_length = max_length or max(map(len, self.messages), default=1)

    def __len__(self) -> int:
        return len(self.messages)

    def __getitem__(self, index: int) -> tuple[list[int], int]:
        return self.messages[index], self.labels[index]


def pad_batch(examples: Sequence[tuple[list[int], int]], *, pad_token_id: int, pad_to: int | None = None) -> Batch:
    """Rows of one length: filled up on the right to `pad_to`, or to the longest of this batch."""
    messages, labels = zip(*examples, strict=True)
    lengths = [len(message) for message in messages]
    width = pad_to or max(lengths)
    input_ids = torch.full((len(messages), width), pad_token_id)  # (batch, tokens)
    for row, message in zip(input_ids, messages, strict=True):
        row[: len(message)] = torch.tensor(message)
    return Batch(input_ids, torch.tensor(labels), torch.tensor(lengths))


@dataclass(frozen=True)
class Collate:
    """Makes a batch of examples, as a loader wants it: `pad_batch` with its settings.

    Attributes
    ----------
    pad_token_id
        Fills the rows up.
    pad_to
        Length of every row; `None` takes the longest message of the batch.
    """

    pad_token_id: int
    pad_to: int | None = None

    def __call__(self, examples: Sequence[tuple[list[int], int]]) -> Batch:
        return pad_batch(examples, pad_token_id=self.pad_token_id, pad_to=self.pad_to)


def longest_first(lengths: Sequence[int]) -> list[int]:
    """Row numbers in the order of their lengths: neighbours are alike, so dynamic padding adds almost nothing.

    The first batch is then the largest: memory that is too small shows at once.
    """
    return sorted(range(len(lengths)), key=lambda row: -lengths[row])


def batches_by_tokens(lengths: Sequence[int], device: torch.device) -> Iterator[list[int]]:
    """Row numbers, longest first, cut so that no batch holds more tokens, padding included, than suit the device.

    Memory stays flat whatever the lengths; a row that is longer than a batch may be has one to itself.
    """
    most = TOKENS_PER_BATCH.get(device.type, TOKENS_PER_BATCH_ELSEWHERE)
    rows = longest_first(lengths)
    start = 0
    while start < len(rows):
        stop = start + max(1, most // lengths[rows[start]])
        yield rows[start:stop]
        start = stop


def padded_batches(
    messages: Sequence[list[int]], collate: Collate, device: torch.device
) -> Iterator[tuple[list[int], Batch]]:
    """Every message once, as `batches_by_tokens` deals them: row numbers, and their batch with labels 0."""
    lengths = [collate.pad_to or len(message) for message in messages]
    for rows in batches_by_tokens(lengths, device):
        yield rows, collate([(messages[row], 0) for row in rows]).to(device)


class Loaders(NamedTuple):
    """One loader for each of the three tables."""

    train: DataLoader
    validation: DataLoader
    test: DataLoader


def make_loaders(
    splits: Splits,
    tokenizer: tiktoken.Encoding,
    *,
    batch_size: int = 8,
    padding: str = "dynamic",
    max_length: int | None = None,
    seed: int = SEED,
) -> Loaders:
    """Loaders for training (shuffled, an incomplete last batch dropped), validation and test.

    Parameters
    ----------
    splits
        The three tables, labels as numbers.
    tokenizer
        The backbone's; its end-of-text token fills the rows up.
    batch_size
        Messages of a batch.
    padding
        "dynamic": each batch to its longest message. "fixed": every batch, of all three tables, to the longest
        training message (or to `max_length`), as the source does.
    max_length
        Cut longer messages to this many tokens. By default the longest training message with fixed padding; none
        with dynamic padding.
    seed
        Of the training order.
    """
    if batch_size < 1:
        raise LlmclfError(f"batch_size must be at least 1, got {batch_size}")
    require_one_of("padding", padding, PADDINGS)
    train = MessageDataset(splits.train, tokenizer, max_length)
    if len(train) < batch_size:
        raise LlmclfError(f"{len(train)} training messages do not fill one batch of {batch_size}; lower batch_size")
    fixed = train.max_length if padding == "fixed" else None
    others = [MessageDataset(table, tokenizer, fixed or max_length) for table in splits[1:]]
    collate = Collate(tokenizer.eot_token, fixed)
    generator = torch.Generator().manual_seed(seed)
    return Loaders(
        DataLoader(train, batch_size, shuffle=True, drop_last=True, generator=generator, collate_fn=collate),
        *(DataLoader(dataset, batch_size, collate_fn=collate) for dataset in others),
    )


def dataset_of(loader: DataLoader) -> MessageDataset:
    """The messages of a loader that `make_loaders` made."""
    return cast(MessageDataset, loader.dataset)


def collate_of(loader: DataLoader) -> Collate:
    """The padding of a loader that `make_loaders` made."""
    return cast(Collate, loader.collate_fn)


def every_message(loader: DataLoader) -> DataLoader:
    """The same messages and padding, each exactly once, longest first: to evaluate a whole set, quickly.

    For whole sets only: the first few of these batches would be a biased sample.
    """
    order = longest_first([len(message) for message in dataset_of(loader).messages])
    return DataLoader(loader.dataset, loader.batch_size, sampler=order, collate_fn=loader.collate_fn)
