"""Chapter 10: one part of a file of messages, read, scored and written in one step."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch

from llmclf.classify import RECORD, TextClassifier
from llmclf.files.storage import FileError, atomic_write, sha256_of
from llmclf.files.tables import DataError
from llmclf.scale.message_files import KINDS, Cut, MessageFile


class Part(NamedTuple):
    """A run of rows of one file, and the file that their scores go into."""

    source: Path
    cut: Cut
    target: Path


def kind_of(path: Path) -> MessageFile:
    """How to read and write a file of this name."""
    return KINDS[path.suffix.lower()]


class Scorer:
    """Scores parts; the classifier is loaded for the first one.

    Parameters
    ----------
    classifier, sha256
        Its folder, and the SHA-256 that its record must have: every worker loads it for itself, some later than others.
    text_column, device
        As in `scoring.score_files`.
    threads
        Processor threads to use; by default PyTorch's own choice.
    """

    def __init__(
        self, classifier: Path, sha256: str, text_column: str, device: str, threads: int | None = None
    ) -> None:
        self.folder, self.sha256 = classifier, sha256
        self.text_column, self.device, self.threads = text_column, device, threads

    @cached_property
    def classifier(self) -> TextClassifier:
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        classifier = TextClassifier.load(self.folder, device=self.device)
        if sha256_of(self.folder / RECORD) != self.sha256:
            raise FileError(f"{self.folder}: was changed while it scored; name another output folder")
        return classifier

    def score(self, part: Part) -> int:
        """Write a part's file, and return how many messages it holds; one that is there already is left as it is."""
        if not part.target.is_file():
            kind = kind_of(part.source)
            content, texts = kind.read(part.source, part.cut, self.text_column)
            if len(texts) != part.cut.rows:
                raise DataError(f"{part.source}: was changed while it was scored; name another output folder")
            probabilities = self.classifier.predict_proba(texts)  # (messages, classes)
            names = self.classifier.label_names
            columns: dict[str, list] = {"predicted": [names[number] for number in probabilities.argmax(axis=1)]}
            columns |= {f"probability_{name}": probabilities[:, number].tolist() for number, name in enumerate(names)}
            with atomic_write(part.target) as unfinished:
                kind.write(unfinished, content, columns)
        return part.cut.rows
