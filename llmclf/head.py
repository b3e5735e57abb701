"""Chapter 4: exchange the vocabulary head for one with an output per class, and decide what may learn."""

from __future__ import annotations

from typing import cast

import pandas as pd
import torch
from torch import Tensor, nn

from llmclf.console import LlmclfError, require_one_of
from llmclf.models import Backbone
from llmclf.precision import choose_precision, convert, dtype_of
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
    head_bias
        `False` keeps the head's biases at zero: `transformers`' classes have none (see `export_transformers`).
    precision
        "float32", "bfloat16", or "auto" (see `choose_precision`). With bfloat16 the matrices of frozen blocks are
        converted, once, and so is what these blocks hand on; what learns stays as it is.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int = 2,
        *,
        pooling: str = "last_token",
        trainable: str = "last_block",
        seed: int = 123,
        head_bias: bool = True,
        precision: str = "auto",
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise LlmclfError(f"a classifier needs at least 2 classes, got {num_classes}")
        require_one_of("pooling", pooling, POOLINGS)
        self.backbone, self.pooling = backbone, pooling
        backbone.head = new_head(backbone, num_classes, seed)
        self.head_bias = head_bias
        if not head_bias:
            nn.init.zeros_(backbone.head.bias)
        self.precision = choose_precision(precision, self.device)
        self.trainable = trainable
        set_trainable(self, trainable)

    def forward(self, input_ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits (batch, classes) of messages (batch, tokens) with so many real tokens (batch,)."""
        return self.forward_from(self.backbone.embed(input_ids), lengths)

    def token_logits(self, input_ids: Tensor) -> Tensor:
        """Logits (batch, tokens, classes) at every token of messages (batch, tokens), whichever is read in the end."""
        hidden_states = self.run_blocks(self.backbone.embed(input_ids), None, 0, len(self.backbone.blocks))
        return self.backbone.head(self.backbone.final_norm(hidden_states))

    def forward_from(self, hidden_states: Tensor, lengths: Tensor, depth: int = 0) -> Tensor:
        """Logits (batch, classes) from hidden states (batch, tokens, n) that have passed the first `depth` blocks."""
        position = pooling_position(lengths, hidden_states.shape[1], self.pooling)
        hidden_states = self.run_blocks(hidden_states, position, depth, len(self.backbone.blocks))
        logits = self.backbone.head(self.backbone.final_norm(hidden_states))  # (batch, tokens or 1, classes)
        one_token = position is not None and depth < len(self.backbone.blocks)
        return logits[:, 0] if one_token else pool(logits, lengths, self.pooling)

    def run_blocks(self, hidden_states: Tensor, position: Tensor | None, start: int, stop: int) -> Tensor:
        """Hidden states (batch, tokens, n) after the blocks from `start` up to, not including, `stop`.

        Where one position of each message is given, (batch,), the last block of all is computed only for that token,
        (batch, 1, n): what it makes of the others is not used.
        """
        for number, block in enumerate(self.backbone.blocks[start:stop], start=start + 1):
            one_token = position is not None and number == len(self.backbone.blocks)
            dtype = dtype_of(block)
            hidden_states = hidden_states.to(dtype)
            # Matrices that are not in bfloat16 already learn, and are converted anew every time; not for one token.
            rounded = self.precision == "bfloat16" and not (one_token and dtype == torch.float32)
            with torch.autocast(hidden_states.device.type, torch.bfloat16, enabled=rounded):
                if position is not None and one_token:
                    hidden_states = block_at(cast(Block, block), hidden_states, position)
                else:
                    hidden_states = block(hidden_states)
        return hidden_states.to(self.backbone.token_embedding.weight.dtype)

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
    """Freeze everything, then let a part learn; with bfloat16, convert the matrices of the blocks that are frozen.

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
    backbone.head.bias.requires_grad_(classifier.head_bias)
    classifier.trainable = part
    if classifier.precision == "bfloat16":
        for block in backbone.blocks:
            learns = any(parameter.requires_grad for parameter in block.parameters())
            convert(block, backbone.head.weight.dtype if learns else torch.bfloat16)


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
