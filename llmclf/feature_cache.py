"""Chapter 6: what is frozen gives the same output in every epoch, so compute it once and keep it.

When only the last block, the final norm and the head learn, all blocks below turn a message into the same hidden states
each time. `cache_features` computes these once for every message; `train` and `evaluate` then start from them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.utils.data import DataLoader, Dataset

from llmclf.console import LlmclfError, notice, progress
from llmclf.files.assets import cache_folder
from llmclf.files.storage import FileError
from llmclf.head import Classifier
from llmclf.loaders import Batch, MessageDataset, batches_by_tokens
from llmclf.scale.distributed import all_reduce_min, all_reduce_sum, gathered, rank_and_world_size

ABOVE = ("blocks", "final_norm", "head")  # the parts of a backbone above its embeddings


class FeatureCacheError(LlmclfError):
    """Kept states would be wrong here."""


class FeatureBatch(NamedTuple):
    """What a loader over `FeatureDataset` yields: as `Batch`, with hidden states in place of token ids.

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
        return FeatureBatch(*(tensor.to(device) for tensor in self[:3]), self.depth)

    def share(self, number: int, count: int) -> FeatureBatch:
        """The rows of one of `count` workers."""
        return FeatureBatch(*(tensor[number::count] for tensor in self[:3]), self.depth)


def logits_of(classifier: Classifier, batch: Batch | FeatureBatch) -> Tensor:
    """Logits (batch, classes) of a batch, whether it holds token ids or kept states."""
    if isinstance(batch, FeatureBatch):
        states = batch.hidden_states.to(classifier.backbone.head.weight.dtype)
        return classifier.top(states, batch.lengths, batch.depth)
    return classifier(batch.input_ids, batch.lengths)


def frozen_depth(classifier: Classifier) -> int:
    """How many blocks, counted from below, give the same output for the same message as long as training lasts.

    A block does if nothing in it or below it can learn, and nothing there is random (dropout).
    """
    blocks = classifier.backbone.blocks
    if any(changes(part) for name, part in classifier.backbone.named_children() if name not in ABOVE):
        return 0
    return next((number for number, block in enumerate(blocks) if changes(block)), len(blocks))


def changes(module: nn.Module) -> bool:
    """Whether the output for the same input may differ from one training step to another."""
    learns = any(parameter.requires_grad for parameter in module.parameters())
    return learns or any(isinstance(part, nn.Dropout) and part.p > 0 for part in module.modules())


def reason_not_cacheable(classifier: Classifier, loader: DataLoader) -> str | None:
    """The reason why kept states would be wrong, or `None` where they are right."""
    if isinstance(classifier, FSDPModule):
        return "the weights are dealt to several workers"
    if frozen_depth(classifier) == 0:
        return "something in the first block or below it learns or drops values at random"
    if classifier.pooling == "last_position" and loader.collate_fn.keywords["pad_to"] is None:
        return "with dynamic padding the last position depends on the other messages of a batch"
    return None


def fingerprint(parameters: Iterable[Tensor]) -> str:
    """A hash of a thousand values of every tensor: tells one set of weights from another without reading them all."""
    digest = hashlib.sha256()
    for parameter in parameters:
        digest.update(gathered(parameter).flatten()[:1000].double().cpu().numpy().tobytes())
    return digest.hexdigest()


def below(classifier: Classifier, depth: int) -> Iterator[Tensor]:
    """The parameters of the embeddings and of the first `depth` blocks."""
    for name, part in classifier.backbone.named_children():
        if name not in ABOVE:
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
    dtype
        Of the kept states; the weights' own by default. Half precision halves the memory.
    memory
        Bytes the states may take; beyond, they go to a file in the cache folder that has no name there and vanishes
        with the process. By default a quarter of what is free on the classifier's device.

    Raises
    ------
    FeatureCacheError
        Kept states would be wrong (see `reason_not_cacheable`).
    """

    def __init__(
        self,
        classifier: Classifier,
        loader: DataLoader,
        *,
        dtype: torch.dtype | None = None,
        memory: int | None = None,
    ) -> None:
        if reason := reason_not_cacheable(classifier, loader):
            raise FeatureCacheError(f"the frozen part cannot be kept: {reason}")
        dataset: MessageDataset = loader.dataset
        self.messages, self.labels, self.max_length = dataset.messages, dataset.labels, dataset.max_length
        self.depth, self.pooling = frozen_depth(classifier), classifier.pooling
        self.fingerprint = fingerprint(below(classifier, self.depth))
        self.pad_to = loader.collate_fn.keywords["pad_to"]
        # Where every block is frozen, and one token is read, nothing but that token's state is needed.
        all_blocks = self.depth == len(classifier.backbone.blocks)
        self.one_row = all_blocks and self.pooling != "mean"

        unique = {tuple(message): None for message in self.messages}  # in order, each once
        rows = [1 if self.one_row else self.pad_to or len(message) for message in unique]
        ends = np.cumsum(rows).tolist()
        self.place = {
            message: slice(end - length, end) for message, end, length in zip(unique, ends, rows, strict=True)
        }
        shape = (sum(rows), classifier.backbone.config.hidden_size)
        self.states = allocate(shape, dtype or classifier.backbone.head.weight.dtype, classifier.device, memory)
        self.fill(classifier, [list(message) for message in unique], loader.collate_fn)

    @torch.no_grad()
    def fill(self, classifier: Classifier, messages: list[list[int]], collate_fn: partial[Batch]) -> None:
        """Run embedding and frozen blocks over the messages, those of like length together.

        Of several workers each computes a share; what it leaves to others stays zero until all are added up.
        """
        was_training = classifier.training
        classifier.eval()
        number_here, workers = rank_and_world_size()
        if workers > 1:
            self.states.zero_()
        with progress(total=len(messages), description="computing the frozen part once") as bar:
            lengths = [self.pad_to or len(message) for message in messages]
            for numbers in islice(batches_by_tokens(lengths, classifier.device), number_here, None, workers):
                batch = collate_fn([(messages[number], 0) for number in numbers]).to(classifier.device)
                hidden_states = classifier.backbone.embed(batch.input_ids)  # (batch, tokens, n)
                hidden_states = classifier.run_blocks(hidden_states, batch.lengths, 0, self.depth)
                for number, states in zip(numbers, hidden_states, strict=True):
                    place = self.place[tuple(messages[number])]
                    self.states[place] = states[: place.stop - place.start]
                bar.update(len(numbers) * workers)
        all_reduce_sum(self.states)
        classifier.train(was_training)

    def __len__(self) -> int:
        return len(self.messages)

    def __getitem__(self, index: int) -> tuple[Tensor, int, int]:
        message = self.messages[index]
        return self.states[self.place[tuple(message)]], self.labels[index], 1 if self.one_row else len(message)

    def select(self, rows: Sequence[int]) -> FeatureDataset:
        """A dataset of these rows alone; the states are shared, not copied."""
        chosen = copy(self)
        chosen.messages = [self.messages[row] for row in rows]
        chosen.labels = [self.labels[row] for row in rows]
        return chosen

    def collate(self, examples: Sequence[tuple[Tensor, int, int]]) -> FeatureBatch:
        """Pad with zeros to the longest of the batch."""
        states, labels, lengths = zip(*examples, strict=True)
        hidden_states = nn.utils.rnn.pad_sequence(states, batch_first=True)  # (batch, tokens, n)
        return FeatureBatch(hidden_states, torch.tensor(labels), torch.tensor(lengths), self.depth)


def check_features(classifier: Classifier, loader: Iterable) -> None:
    """Raise `FeatureCacheError` where a loader's features are not what the classifier's frozen part computes."""
    states = getattr(loader, "dataset", None)
    if not isinstance(states, FeatureDataset):
        return
    if frozen_depth(classifier) < states.depth or fingerprint(below(classifier, states.depth)) != states.fingerprint:
        raise FeatureCacheError(
            "the kept states are of another model, or their blocks are no longer frozen: keep them anew"
        )
    if classifier.pooling != states.pooling:
        raise FeatureCacheError(f"the states were kept for {states.pooling}, not {classifier.pooling}: keep them anew")


def cache_features(
    classifier: Classifier,
    *loaders: DataLoader,
    dtype: torch.dtype | None = None,
    memory: int | None = None,
    quiet: bool = False,
) -> list[DataLoader]:
    """The same loaders (messages, order, batches) over kept states, with one line that says so unless `quiet`.

    `dtype` and `memory` are those of `FeatureDataset`.
    """
    kept = [FeatureDataset(classifier, loader, dtype=dtype, memory=memory) for loader in loaders]
    if not quiet:
        total = sum(states.states.nbytes for states in kept)
        depth, blocks = kept[0].depth, len(classifier.backbone.blocks)
        notice(f"{depth} of {blocks} blocks are frozen; their output was computed once and kept ({total / 1e6:.0f} MB)")
    return [over(states, loader) for states, loader in zip(kept, loaders, strict=True)]


def over(states: FeatureDataset, loader: DataLoader) -> DataLoader:
    """The loader's batches in the loader's order, over the kept states of its messages."""
    return DataLoader(
        states,
        loader.batch_size,
        sampler=loader.sampler,
        drop_last=loader.drop_last,
        generator=loader.generator,
        collate_fn=states.collate,
    )


def allocate(shape: tuple[int, int], dtype: torch.dtype, device: torch.device, memory: int | None = None) -> Tensor:
    """An uninitialised tensor in memory, or where it would take more than `memory` bytes, in an unnamed file.

    Raises
    ------
    FileError
        The cache folder cannot hold the file: no room, or not to be written.
    """
    if memory is None:
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
        here = 1 if device.type == "cuda" else int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # workers on this computer
        memory = free // (4 * here)
    size = shape[0] * shape[1] * dtype.itemsize
    if size <= all_reduce_min(
        memory
    ):  # all workers decide alike: what is on a GPU cannot be added to what is in a file
        return torch.empty(shape, dtype=dtype, device=device)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:  # without a name: it goes with the mapping, whatever happens
            file.truncate(size)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # else whatever fills it crashes on a full disk
            mapped = np.memmap(file, dtype=np.uint8, mode="r+", shape=size)
    except OSError as error:
        raise FileError(
            f"{folder}: the output of the frozen blocks, {size / 1e6:,.1f} MB, cannot be kept there "
            f"({error.strerror}); free as much, set LLMCLF_CACHE to another disk, or train with use_feature_cache=False"
        ) from None
    return torch.from_numpy(mapped).view(dtype).view(shape)
