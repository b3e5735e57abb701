"""Teach: the texts that somebody labels while the notebook watches, and their features, computed once and ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from llmclf.classify import LONGEST_MESSAGE
from llmclf.data import training_only
from llmclf.evaluation.baselines import tfidf_characters
from llmclf.evaluation.near_duplicates import near_duplicate_groups
from llmclf.head import Classifier
from llmclf.loaders import collate_of, dataset_of, make_loaders
from llmclf.probe import block_features
from llmclf.tokenizer import load_tokenizer
from llmclf.weights import choose_backbone, load_pretrained

FIRST_BLOCKS, FIRST_POOLING = 8, "mean"  # until there are labels enough to choose by
HELD_OUT, MOST_HELD_OUT = 1 / 3, 2000  # share of the texts of a labelled table, and their number, to judge by
AT_ONCE = 64  # texts whose features are computed between two looks at the progress


class Pool:
    """Texts to be labelled; where their table has labels, also texts to judge by; and the features of both.

    Parameters
    ----------
    texts
        Empty ones are left out, and of equal ones all but the first; `left_out` counts both.
    labels
        What the table says of each text, hidden from whoever labels; `None` where nobody knows.
    blocks, pooling
        Which features to begin with.
    backbone, device
        See `choose_backbone` and `choose_device`.
    seed
        Of the part to judge by, and of the order.
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[str] | None = None,
        *,
        blocks: int = FIRST_BLOCKS,
        pooling: str = FIRST_POOLING,
        backbone: str | None = None,
        device: str = "cpu",
        seed: int = 123,
    ) -> None:
        table = pd.DataFrame({"text": list(texts)}).assign(label=labels)
        kept = table[table["text"].str.strip() != ""].drop_duplicates("text")
        self.left_out = len(table) - len(kept)
        self.texts: list[str] = kept["text"].tolist()
        self.known = None if labels is None else kept["label"].to_numpy(str)
        self.groups = np.arange(len(kept)) if labels is None else near_duplicate_groups(self.texts)
        self.deal(seed)
        self.backbone = choose_backbone(backbone)
        self.model = Classifier(load_pretrained(self.backbone, device=device), trainable="head", precision="auto")
        self.tokenizer = load_tokenizer(self.backbone)
        self.max_length = min(LONGEST_MESSAGE, self.model.backbone.config.context_length)
        self.cut: set[int] = set()  # rows whose texts turned out to have more tokens
        self.blocks, self.pooling = min(blocks, len(self.model.backbone.blocks)), pooling
        self.features = np.zeros((len(kept), self.model.backbone.config.hidden_size), dtype=np.float32)
        self.ready = np.zeros(len(kept), dtype=bool)
        self.counts: Any = None  # of TF-IDF, once there are labels to judge it by

    def deal(self, seed: int) -> None:
        """Draw which texts judge, near copies together, and in which order the others come."""
        generator = np.random.default_rng(seed)
        groups = generator.permutation(np.unique(self.groups))
        count = 0 if self.known is None else min(round(HELD_OUT * len(groups)), MOST_HELD_OUT)
        self.judging = np.isin(self.groups, groups[:count])  # (texts,)
        self.order = generator.permutation(np.flatnonzero(~self.judging))

    def read(self, rows: Sequence[int], depths: Sequence[int], poolings: Sequence[str]) -> np.ndarray:
        """Features (depths, poolings, rows, n) of these texts, see `block_features`."""
        table = pd.DataFrame({"text": [self.texts[row] for row in rows], "label": 0})
        loader = make_loaders(training_only(table), self.tokenizer, batch_size=1, max_length=self.max_length).train
        dataset = dataset_of(loader)
        self.cut |= {row for row, length in zip(rows, dataset.whole_lengths, strict=True) if length > self.max_length}
        return block_features(self.model, dataset.messages, collate_of(loader), depths, poolings)

    def compute(
        self, tell: Callable[[float], None] = lambda share: None, *, blocks: int = 0, pooling: str = ""
    ) -> None:
        """Compute the features of all texts: first of those to judge by, then in the order in which they are asked.

        With another block or pooling, the old features serve until the new ones are complete.
        """
        blocks, pooling = blocks or self.blocks, pooling or self.pooling
        first = (blocks, pooling) == (self.blocks, self.pooling)
        features = self.features if first else np.zeros_like(self.features)
        order = np.concatenate([np.flatnonzero(self.judging), self.order])
        for start in range(0, len(order), AT_ONCE):
            rows = order[start : start + AT_ONCE]
            features[rows] = self.read(rows.tolist(), [blocks], [pooling])[0, 0]
            self.ready[rows] = True
            tell((start + len(rows)) / len(order))
        self.features, self.blocks, self.pooling = features, blocks, pooling
        if self.known is not None and self.counts is None:
            self.counts = tfidf_characters()[:-1].fit_transform(self.texts)
