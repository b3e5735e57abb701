"""Chapter 6: what is frozen gives the same output in every epoch, so compute it once and keep it.

When only the last block, the final norm and the head learn, all blocks below turn a message into the same hidden states
each time: its features. `cache_features` computes these once for every message; `train` and `evaluate` start from them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from llmclf.collectives import all_reduce_min, all_reduce_sum, rank_and_world_size
from llmclf.console import LlmclfError, notice, progress
from llmclf.head import Classifier, pooling_position
from llmclf.loaders import Collate, batches_by_tokens, collate_of, dataset_of
from llmclf.precision import dtype_of

ABOVE_EMBEDDINGS = ("blocks", "final_norm", "head")  # these parts of a backbone


class FeatureCacheError(LlmclfError):
    """Cached features would be wrong here."""


class FeatureBatch(NamedTuple):
    """What a loader over a `FeatureDataset` yields: as `Batch`, with hidden states in place of token ids.

    Attributes
    ----------
    hidden_states
        (batch, tokens, n) after `depth` blocks; zeros where a message has ended.
    labels, lengths
        (batch,), as in `Batch`.
    depth
        Number of blocks that the states have passed.
    """

    hidden_states: Tensor
    labels: Tensor
    lengths: Tensor
    depth: int

    def to(self, device: torch.device | str) -> FeatureBatch:
        return FeatureBatch(self.hidden_states.to(device), self.labels.to(device), self.lengths.to(device), self.depth)

    def share(self, rank: int, world_size: int) -> FeatureBatch:
        """The rows of one of several processes."""
        rows = slice(rank, None, world_size)
        return FeatureBatch(self.hidden_states[rows], self.labels[rows], self.lengths[rows], self.depth)

    def logits(self, classifier: Classifier) -> Tensor:
        """(batch, classes)."""
        hidden_states = self.hidden_states.to(classifier.backbone.head.weight.dtype)
        return classifier.forward_from(hidden_states, self.lengths, self.depth)


def frozen_depth(classifier: Classifier) -> int:
    """How many blocks, counted from below, give the same output for the same message as long as training lasts.

    A block does if nothing in it or below it can learn, and nothing there is random (dropout).
    """
    blocks = classifier.backbone.blocks
    if any(can_change(part) for name, part in classifier.backbone.named_children() if name not in ABOVE_EMBEDDINGS):
        return 0
    return next((number for number, block in enumerate(blocks) if can_change(block)), len(blocks))


def can_change(module: nn.Module) -> bool:
    """Whether the output for the same input may differ from one training step to another."""
    learns = any(parameter.requires_grad for parameter in module.parameters())
    return learns or any(isinstance(part, nn.Dropout) and part.p > 0 for part in module.modules())


def reason_not_cacheable(classifier: Classifier, loader: DataLoader) -> str | None:
    """The reason why cached features would be wrong, or `None` where they are right."""
    if frozen_depth(classifier) == 0:
        return "something in the first block or below it learns or drops values at random"
    if classifier.pooling == "last_position" and collate_of(loader).pad_to is None:
        return "with dynamic padding the last position depends on the other messages of a batch"
    return None


def fingerprint(parameters: Iterable[Tensor]) -> str:
    """A hash of a thousand values of every tensor: tells one set of weights from another without reading them all."""
    digest = hashlib.sha256()
    for parameter in parameters:
        digest.update(parameter.detach().flatten()[:1000].double().cpu().numpy().tobytes())
    return digest.hexdigest()


def frozen_parameters(classifier: Classifier, depth: int) -> Iterator[Tensor]:
    """The parameters of the embeddings and of the first `depth` blocks."""
    for name, part in classifier.backbone.named_children():
        if name not in ABOVE_EMBEDDINGS:
            yield from part.parameters()
    yield from classifier.backbone.blocks[:depth].parameters()


class FeatureDataset(Dataset):
    """A dataset's messages as hidden states after the frozen blocks; a text that occurs twice is computed once.

    Parameters
    ----------
    classifier
        Decides how deep the frozen part goes.
    loader
        Its messages and its padding are used. With fixed padding the states of the padding are kept too.

    Raises
    ------
    FeatureCacheError
        Cached features would be wrong (see `reason_not_cacheable`).
    """

    def __init__(self, classifier: Classifier, loader: DataLoader) -> None:
        if reason := reason_not_cacheable(classifier, loader):
            raise FeatureCacheError(f"the output of the frozen blocks cannot be cached: {reason}")
        dataset, collate = dataset_of(loader), collate_of(loader)
        self.messages, self.labels, self.max_length = dataset.messages, dataset.labels, dataset.max_length
        self.depth, self.pooling = frozen_depth(classifier), classifier.pooling
        self.fingerprint = fingerprint(frozen_parameters(classifier, self.depth))
        self.pad_to = collate.pad_to
        self.one_row = reads_one_row(classifier)

        unique = list(dict.fromkeys(map(tuple, self.messages)))
        ends = np.cumsum(rows_of_features(classifier, unique, self.pad_to)).tolist()
        starts = [0, *ends][:-1]
        self.rows = {message: slice(*ends) for message, *ends in zip(unique, starts, ends, strict=True)}
        self.hidden_states = torch.zeros(
            ends[-1] if ends else 0,
            classifier.backbone.config.hidden_size,
            dtype=dtype_of(classifier.backbone.blocks[0]),
            device=classifier.device,
        )
        self.fill(classifier, [list(message) for message in unique], collate)

    @torch.no_grad()
    def fill(self, classifier: Classifier, messages: list[list[int]], collate: Collate) -> None:
        """Run embedding and frozen blocks over the messages, those of like length together.

        Of several processes each computes a share; what it leaves to others stays zero until all are added up.
        """
        was_training = classifier.training
        classifier.eval()
        rank, world_size = rank_and_world_size()
        with progress(total=len(messages), description="computing the frozen part once") as bar:
            lengths = [self.pad_to or len(message) for message in messages]
            for numbers in islice(batches_by_tokens(lengths, classifier.device), rank, None, world_size):
                batch = collate([(messages[number], 0) for number in numbers]).to(classifier.device)
                hidden_states = classifier.backbone.embed(batch.input_ids)  # (batch, tokens, n)
                position = pooling_position(batch.lengths, hidden_states.shape[1], self.pooling)
                hidden_states = classifier.run_blocks(hidden_states, position, 0, self.depth)
                for number, states in zip(numbers, hidden_states, strict=True):
                    rows = self.rows[tuple(messages[number])]
                    self.hidden_states[rows] = states[: rows.stop - rows.start]
                bar.update(len(numbers) * world_size)
        all_reduce_sum(self.hidden_states)
        classifier.train(was_training)

    def __len__(self) -> int:
        return len(self.messages)

    def __getitem__(self, index: int) -> tuple[Tensor, int, int]:
        message = self.messages[index]
        return self.hidden_states[self.rows[tuple(message)]], self.labels[index], 1 if self.one_row else len(message)

    def select(self, rows: Sequence[int]) -> FeatureDataset:
        """A dataset of these messages alone; the hidden states are shared, not copied."""
        chosen = copy(self)
        chosen.messages = [self.messages[row] for row in rows]
        chosen.labels = [self.labels[row] for row in rows]
        return chosen

    def collate(self, examples: Sequence[tuple[Tensor, int, int]]) -> FeatureBatch:
        """Pad with zeros to the longest of the batch."""
        states, labels, lengths = zip(*examples, strict=True)
        hidden_states = nn.utils.rnn.pad_sequence(list(states), batch_first=True)  # (batch, tokens, n)
        return FeatureBatch(hidden_states, torch.tensor(labels), torch.tensor(lengths), self.depth)


def reads_one_row(classifier: Classifier) -> bool:
    """Whether every block is frozen and one token is read: then nothing but that token's state is needed."""
    return frozen_depth(classifier) == len(classifier.backbone.blocks) and classifier.pooling != "mean"


def rows_of_features(classifier: Classifier, messages: Iterable[Sequence[int]], pad_to: int | None) -> list[int]:
    """How many hidden states each message needs."""
    return [1 if reads_one_row(classifier) else pad_to or len(message) for message in messages]


def features_fit(classifier: Classifier, *loaders: DataLoader) -> bool:
    """Whether the features of all these messages leave room for the rest.

    They may take half of what a GPU has free, or a quarter of the computer's memory, shared among its processes.
    """
    rows = 0
    for loader in loaders:
        unique = set(map(tuple, dataset_of(loader).messages))
        rows += sum(rows_of_features(classifier, unique, collate_of(loader).pad_to))
    weight = classifier.backbone.head.weight
    size = rows * classifier.backbone.config.hidden_size * dtype_of(classifier.backbone.blocks[0]).itemsize
    if weight.device.type == "cuda":
        memory = torch.cuda.mem_get_info(weight.device)[0] / 2
    else:
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # torchrun's, on this computer
        memory = physical_memory() / 4 / processes
    return size <= all_reduce_min(memory)  # all processes decide alike


def physical_memory() -> float:
    """Bytes of memory in this computer; infinite where the system does not tell (Windows)."""
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return float("inf")


def check_features(classifier: Classifier, loader: Iterable) -> None:
    """Raise `FeatureCacheError` where a loader's features are not what the classifier's frozen part computes."""
    features = getattr(loader, "dataset", None)
    if not isinstance(features, FeatureDataset):
        return
    changed = fingerprint(frozen_parameters(classifier, features.depth)) != features.fingerprint
    if frozen_depth(classifier) < features.depth or changed:
        raise FeatureCacheError(
            "the features are of another model, or their blocks are no longer frozen: compute them anew"
        )
    if classifier.pooling != features.pooling:
        raise FeatureCacheError(
            f"the features were computed for {features.pooling}, not {classifier.pooling}: compute them anew"
        )


def cache_features(classifier: Classifier, *loaders: DataLoader, quiet: bool = False) -> list[DataLoader]:
    """The same loaders (messages, order, batches) over cached features, with one line that says so unless `quiet`."""
    cached = [FeatureDataset(classifier, loader) for loader in loaders]
    if not quiet:
        total = sum(features.hidden_states.nbytes for features in cached)
        depth, blocks = cached[0].depth, len(classifier.backbone.blocks)
        notice(f"{depth} of {blocks} blocks are frozen; their output was computed once and kept ({total / 1e6:.0f} MB)")
    return [with_features(loader, features) for loader, features in zip(loaders, cached, strict=True)]


def with_features(loader: DataLoader, features: FeatureDataset) -> DataLoader:
    """The loader's batches in the loader's order, over the features of its messages."""
    return DataLoader(
        features,
        loader.batch_size,
        sampler=loader.sampler,
        drop_last=loader.drop_last,
        generator=loader.generator,
        collate_fn=features.collate,
    )
