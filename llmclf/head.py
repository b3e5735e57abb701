"""Chapter 4: exchange the vocabulary head for one with an output per class, and decide what may learn."""

from __future__ import annotations

from typing import cast

import pandas as pd
import torch
from torch import Tensor, nn

from llmclf.console import LlmclfError, require_one_of
from llmclf.models import Backbone
from llmclf.single_query import Block, block_at, select_position

POOLINGS = ("last_token", "last_position", "first_token", "mean")
TRAINABLE = ("head", "last_block", "last_two_blocks", "all")


def pooling_position(lengths: Tensor, tokens: int, pooling: str) -> Tensor | None:
    """The one position of each message that the classifier reads, (batch,); `None` where it reads all (see `pool`)."""
    require_one_of("pooling", pooling, POOLINGS)
    if pooling == "last_token":
        return lengths - 1
    if pooling == "last_position":
        return torch.full_like(lengths, tokens - 1)
    if pooling == "first_token":
        return torch.zeros_like(lengths)
    return None


def pool(rows: Tensor, lengths: Tensor, pooling: str) -> Tensor:
    """From one row a token to one row a message.

    Parameters
    ----------
    rows
        (batch, tokens, n).
    lengths
        (batch,) numbers of real tokens; what stands behind them is padding.
    pooling
        "last_token": the last real one, the only token that has seen the whole message and nothing else.
        "last_position": the last of the row, padding or not (the source's way). "first_token". "mean": over the real
        tokens.

    Returns
    -------
    torch.Tensor
        (batch, n).
    """
    position = pooling_position(lengths, rows.shape[1], pooling)
    if position is not None:
        return select_position(rows, position)[:, 0]
    real = torch.arange(rows.shape[1], device=rows.device) < lengths[:, None]  # (batch, tokens)
    return (rows * real[:, :, None]).sum(dim=1) / lengths[:, None]


class Classifier(nn.Module):
    """A backbone whose head has one output per class, read at one position of each message.

    Parameters
    ----------
    backbone
        Is changed in place: its head is replaced.
    num_classes
        Outputs of the new head, at least 2.
    pooling
        See `pool`.
    trainable
        See `set_trainable`.
    seed
        Of the new head's random weights.
    bfloat16
        Whether the blocks' matrix products run in bfloat16 (`torch.autocast`), as suits a recent GPU. The weights,
        and what one block hands to the next, stay as they are.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int = 2,
        *,
        pooling: str = "last_token",
        trainable: str = "last_block",
        seed: int = 123,
        bfloat16: bool = False,
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise LlmclfError(f"a classifier needs at least 2 classes, got {num_classes}")
        require_one_of("pooling", pooling, POOLINGS)
        self.backbone, self.pooling, self.use_bfloat16 = backbone, pooling, bfloat16
        backbone.head = new_head(backbone, num_classes, seed)
        set_trainable(self, trainable)

    def forward(self, input_ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits (batch, classes) of messages (batch, tokens) with so many real tokens (batch,)."""
        return self.forward_from(self.backbone.embed(input_ids), lengths)

    def forward_from(self, hidden_states: Tensor, lengths: Tensor, depth: int = 0) -> Tensor:
        """Logits (batch, classes) from hidden states (batch, tokens, n) that have passed the first `depth` blocks."""
        hidden_states = self.run_blocks(hidden_states, lengths, depth, len(self.backbone.blocks))
        logits = self.backbone.head(self.backbone.final_norm(hidden_states))  # (batch, tokens or 1, classes)
        return logits[:, 0] if logits.shape[1] == 1 else pool(logits, lengths, self.pooling)

    def run_blocks(self, hidden_states: Tensor, lengths: Tensor, start: int, stop: int) -> Tensor:
        """Hidden states (batch, tokens, n) after the blocks from `start` up to, not including, `stop`.

        The last block of all is computed only for the token that is read, (batch, 1, n): what it makes of the others
        is not used.
        """
        position = pooling_position(lengths, hidden_states.shape[1], self.pooling)
        with torch.autocast(hidden_states.device.type, torch.bfloat16, enabled=self.use_bfloat16):
            for number, block in enumerate(self.backbone.blocks[start:stop], start=start + 1):
                if position is not None and number == len(self.backbone.blocks):
                    hidden_states = block_at(cast(Block, block), hidden_states, position)
                else:
                    hidden_states = block(hidden_states)
        return hidden_states

    @property
    def device(self) -> torch.device:
        return self.backbone.head.weight.device


def new_head(backbone: Backbone, num_classes: int, seed: int) -> nn.Linear:
    """A linear layer from hidden size to classes with PyTorch's usual random start, from its own seed."""
    weight = backbone.token_embedding.weight
    head = nn.Linear(backbone.config.hidden_size, num_classes, device="meta").to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    bound = backbone.config.hidden_size**-0.5  # torch.nn.Linear's own
    for parameter in head.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return head.to(device=weight.device, dtype=weight.dtype)


def set_trainable(classifier: Classifier, part: str) -> None:
    """Freeze everything, then let a part learn.

    Parameters
    ----------
    classifier
        Changed in place.
    part
        "head"; "last_block" or "last_two_blocks", both with final norm and head; or "all".
    """
    require_one_of("trainable", part, TRAINABLE)
    backbone = classifier.backbone
    blocks = {"last_block": 1, "last_two_blocks": 2}.get(part, 0)
    unfrozen = [backbone.head] if part == "head" else [*backbone.blocks[-blocks:], backbone.final_norm, backbone.head]
    classifier.requires_grad_(part == "all")
    for module in unfrozen:
        module.requires_grad_(True)


def parameter_table(classifier: Classifier) -> pd.DataFrame:
    """How many parameters of each part are frozen and how many learn; the last row is the sum."""
    rows: dict[str, list[int]] = {}
    for name, parameter in classifier.backbone.named_parameters():
        words = name.split(".")
        part = f"block {words[1]}" if words[0] == "blocks" else words[0].replace("_", " ")
        row = rows.setdefault(part, [0, 0])
        row[parameter.requires_grad] += parameter.numel()
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["frozen", "trainable"])
    table.loc["sum"] = table.sum()
    return table
