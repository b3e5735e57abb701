"""Chapter 7: the finished classifier. Text in, label out; saved to a folder, loaded in another process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
import tiktoken
import torch
from torch import Tensor

from llmclf import __version__
from llmclf.console import LlmclfError, notice, progress
from llmclf.decision import Decision
from llmclf.evaluate import choose_device
from llmclf.files.download import AssetError
from llmclf.files.hub_folder import INDEX
from llmclf.files.storage import FileError, read_with_checksum, sha256_of, write_with_checksum
from llmclf.head import Classifier
from llmclf.loaders import Collate, padded_batches
from llmclf.models import Backbone, GPT2Config, LlamaConfig
from llmclf.models.state import build, check_tensors, cut_after
from llmclf.precision import choose_precision, convert
from llmclf.tokenizer import encode, gpt2_tokenizer, list_of_texts, load_tokenizer
from llmclf.weights import RANDOM, load_pretrained, locate, quantisation_of_backbone

CLASSIFIER_FILE = "classifier.safetensors"  # in its folder: the weights, and the record as metadata
FORMAT = 5  # of the record; raised whenever an older library could misread a newer file
LONGEST_MESSAGE = 1024  # tokens: GPT-2's context, and far beyond any message that the classifier has learnt from


@dataclass
class TextClassifier:
    """A fine-tuned model with all it needs to read text.

    Attributes
    ----------
    model
        The network.
    tokenizer
        The backbone's.
    label_names
        The name of each class, in the order of the outputs.
    backbone
        Name or path, as `load_pretrained` takes it.
    max_length
        Longer messages are cut to this many tokens; never more than the model's context.
    pad_to
        Pad every message to this length, as a classifier that reads the last position must; `None` pads to the batch.
    training
        A record of how it was trained, kept with it.
    decision
        How its probabilities become answers.
    """

    model: Classifier
    tokenizer: tiktoken.Encoding
    label_names: list[str]
    backbone: str
    max_length: int = LONGEST_MESSAGE
    pad_to: int | None = None
    training: dict[str, Any] = field(default_factory=dict)
    decision: Decision = field(default_factory=Decision)

    def __post_init__(self) -> None:
        outputs = self.model.backbone.head.out_features
        if len(self.label_names) != outputs:
            raise LlmclfError(f"{len(self.label_names)} label names for {outputs} outputs: {self.label_names}")
        self.decision.check(outputs)
        self.max_length = min(self.max_length, self.model.backbone.config.context_length, self.pad_to or 10**9)

    @overload
    def predict(self, texts: str) -> str: ...  # type: ignore[overload-overlap]  # a string is a sequence of strings too
    @overload
    def predict(self, texts: Sequence[str]) -> list[str]: ...
    def predict(self, texts: str | Sequence[str]) -> str | list[str]:
        """The label of a text, or of each of many: the most probable one, unless `decision` says otherwise."""
        if isinstance(texts, str):
            return self.predict([texts])[0]
        return self.answers(self.predict_proba(texts))

    def answers(self, probabilities: np.ndarray) -> list[str]:
        """The label that the decision gives for probabilities (texts, classes); "unsure" where it gives none."""
        return self.decision.answers(probabilities, self.label_names)

    def predict_proba(self, texts: str | Sequence[str]) -> np.ndarray:
        """Probabilities of the labels: (classes,) for a text, (texts, classes) for many."""
        if isinstance(texts, str):
            return self.predict_proba([texts])[0]
        return self.decision.probabilities(self.logits(texts)).numpy()

    @torch.inference_mode()
    def logits(self, texts: Sequence[str]) -> Tensor:
        """(texts, classes), in the order of the texts; any text will do, an empty or a very long one too.

        Raises
        ------
        LlmclfError
            One text instead of many, a table of several columns, or something among the texts that is no string.
        """
        texts = list_of_texts(texts)
        self.model.eval()
        messages = [encode(self.tokenizer, text) for text in texts]
        if longer := sum(len(message) > self.max_length for message in messages):
            notice(f"{longer:,} of {len(texts):,} texts are longer than {self.max_length:,} tokens and were cut there")
        messages = [message[: self.max_length] for message in messages]
        logits = torch.empty(len(messages), len(self.label_names))
        with progress(total=len(messages), description="classifying") as bar:
            collate = Collate(self.tokenizer.eot_token, self.pad_to)
            for rows, batch in padded_batches(messages, collate, self.model.device):
                logits[rows] = self.model(batch.input_ids, batch.lengths).float().cpu()
                bar.update(len(rows))
        return logits

    def save(self, folder: str | Path, *, complete: bool = False) -> None:
        """Write one file into a folder, `classifier.safetensors`; one that is there is replaced in one step.

        Parameters
        ----------
        folder
            Is made where it does not exist.
        complete
            `False` stores only the weights that differ from the public backbone's. `True` stores all, as is done in
            any case where there is no public file to add them to (random weights); in bfloat16 where they are used so.

        Raises
        ------
        LlmclfError
            LoRA's corrections stand beside the weights.
        """
        backbone = self.model.backbone
        weights = {name: weight.detach().cpu() for name, weight in backbone.named_parameters()}
        plain = {name for name, _ in build(backbone.config).named_parameters()}
        if weights.keys() - plain - {"head.weight", "head.bias"}:
            raise LlmclfError("the classifier has LoRA corrections beside its weights: call merge_lora, then save")
        public = None if complete else self._public_weights()
        if public:
            original = dict(load_pretrained(self.backbone, dtype=weights["head.weight"].dtype).named_parameters())
            weights = {
                name: weight
                for name, weight in weights.items()
                if name not in original or not torch.equal(weight, original[name].to(weight.dtype))
            }
        record = {
            "format": FORMAT,
            "library": __version__,
            "labels": self.label_names,
            "backbone": self.backbone,
            "backbone_sha256": sha256_of(public) if public else None,
            "quantisation": quantisation_of_backbone(self.backbone),
            "family": type(backbone).__name__,
            "config": asdict(backbone.config),
            "tokenizer": self.tokenizer.name,
            "pooling": self.model.pooling,
            "trainable": self.model.trainable,
            "precision": self.model.precision,
            "max_length": self.max_length,
            "pad_to": self.pad_to,
            "training": self.training,
            "decision": asdict(self.decision),
        }
        write_with_checksum(Path(folder) / CLASSIFIER_FILE, weights, record)

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto", precision: str = "auto") -> TextClassifier:
        """A classifier that `save` wrote; the public backbone is fetched where it is needed and not there.

        It gives the answers it gave before, if device and precision are those of its training.

        Parameters
        ----------
        folder
            Where it was saved.
        device, precision
            See `choose_device` and `choose_precision`.

        Raises
        ------
        FileError
            Not a classifier's folder; a file of another version, damaged or exchanged.
        """
        path = Path(folder) / CLASSIFIER_FILE
        weights, record = read_classifier(folder)
        backbone = _backbone(path, record, weights["head.weight"].dtype)
        options = {"pooling": record["pooling"], "trainable": record["trainable"]}
        place = choose_device(device)
        precision = choose_precision(precision, place)
        model = Classifier(backbone, len(record["labels"]), **options, precision=precision)
        shapes = {name: tuple(parameter.shape) for name, parameter in backbone.named_parameters()}
        found = {name: tuple(weight.shape) for name, weight in weights.items()}
        complete = record["backbone_sha256"] is None
        check_tensors(path, found, {name: shape for name, shape in shapes.items() if complete or name in found})
        backbone.load_state_dict(weights, strict=False, assign=True)
        if model.precision == "float32":
            for block in backbone.blocks:
                convert(block, backbone.head.weight.dtype)
        model.requires_grad_(False).to(place).eval()
        settings = {name: record[name] for name in ("backbone", "max_length", "pad_to", "training")}
        return cls(model, _tokenizer(path, record), record["labels"], **settings, decision=decision_in(record))

    def _public_weights(self) -> Path | None:
        """The file that `save` need not repeat, if there is one."""
        if self.backbone.startswith(RANDOM):
            return None
        try:
            path = locate(self.backbone)
            return None if path.name == INDEX else path  # several files have no single hash: store all weights
        except AssetError:
            notice(f"the public weights of {self.backbone} are not available now; storing all weights")
            return None


def read_classifier(folder: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights that `save` stored in a classifier's folder, and the record of everything else.

    Raises
    ------
    FileError
        There is no such file; it is damaged, changed, or of another version's format.
    """
    path = Path(folder) / CLASSIFIER_FILE
    if not path.is_file():
        raise FileError(f"{folder}: no {CLASSIFIER_FILE} in this folder, so no classifier was saved here")
    weights, record = read_with_checksum(path, "save the classifier again")
    if not isinstance(record, dict) or not {"format", "labels"} <= record.keys():
        raise FileError(f"{path}: not the file of a classifier")
    if record["format"] != FORMAT:
        raise FileError(
            f"{path}: format {record['format']}, written by llmclf {record.get('library')}; "
            f"this is llmclf {__version__}, which reads format {FORMAT}"
        )
    return weights, record


def decision_in(record: dict[str, Any]) -> Decision:
    """The decision of a classifier's record."""
    offsets = record["decision"]["offsets"]
    return Decision(**record["decision"] | {"offsets": offsets and tuple(offsets)})


def save_decision(folder: str | Path, decision: Decision) -> None:
    """Write another decision into a saved classifier, in one step; all else stays as it is."""
    weights, record = read_classifier(folder)
    decision.check(len(record["labels"]))
    weights = {name: weight.clone() for name, weight in weights.items()}  # not the bytes of the file to be replaced
    write_with_checksum(Path(folder) / CLASSIFIER_FILE, weights, record | {"decision": asdict(decision)})


def _tokenizer(path: Path, record: dict[str, Any]) -> tiktoken.Encoding:
    """The tokenizer that the record names; GPT-2's is the same whatever has become of the backbone's file."""
    if record["tokenizer"] == "gpt2":
        return gpt2_tokenizer()
    tokenizer = load_tokenizer(record["backbone"])
    if tokenizer.name != record["tokenizer"]:
        raise FileError(
            f"{path}: was trained with the tokenizer {record['tokenizer']}, but {record['backbone']} leads to "
            f"{tokenizer.name}; put that backbone back"
        )
    return tokenizer


def _backbone(path: Path, record: dict[str, Any], dtype: torch.dtype) -> Backbone:
    """The public backbone, or where all weights are stored, an empty one of the same shape."""
    if record["backbone_sha256"] is None:
        config = (GPT2Config if record["family"] == "GPT2" else LlamaConfig)(**record["config"])
        return build(config).to(dtype)
    public = locate(record["backbone"])
    if (found := sha256_of(public)) != record["backbone_sha256"]:
        raise FileError(
            f"{public}: SHA-256 {found}, but {path} was trained on the backbone with {record['backbone_sha256']}; "
            f"put that file back, or save the classifier with complete=True where it works"
        )
    backbone = load_pretrained(record["backbone"], dtype=dtype)
    cut_after(backbone, record["config"]["num_layers"])
    return backbone
