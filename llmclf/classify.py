"""Chapter 7: the finished classifier. Text in, label out; saved to a folder, loaded in another process."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
import tiktoken
import torch
from torch import Tensor

from llmclf import __version__
from llmclf.console import LlmclfError, notice, progress
from llmclf.evaluate import choose_device
from llmclf.evaluation.lora import lora_layers
from llmclf.files.download import AssetError
from llmclf.files.storage import FileError, atomic_write, lock_folder, read_safetensors, sha256_of, write_safetensors
from llmclf.head import Classifier
from llmclf.loaders import batches_by_tokens, pad_batch
from llmclf.models import GPT2_SIZES, Backbone, GPT2Config, LlamaConfig
from llmclf.models.gpt2_weights import read_source_state
from llmclf.models.state import build, check_tensors
from llmclf.tokenizer import encode, gpt2_tokenizer, list_of_texts, load_tokenizer
from llmclf.weights import RANDOM, load_pretrained, locate

RECORD = "classifier.json"
FORMAT = 2  # of the folder; raised whenever an older library could misread a newer folder
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
    """

    model: Classifier
    tokenizer: tiktoken.Encoding
    label_names: list[str]
    backbone: str
    max_length: int = LONGEST_MESSAGE
    pad_to: int | None = None
    training: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        outputs = self.model.backbone.head.out_features
        if len(self.label_names) != outputs:
            raise LlmclfError(f"{len(self.label_names)} label names for {outputs} outputs: {self.label_names}")
        self.max_length = min(self.max_length, self.model.backbone.config.context_length, self.pad_to or 10**9)

    @overload
    def predict(self, texts: str) -> str: ...
    @overload
    def predict(self, texts: Sequence[str]) -> list[str]: ...
    def predict(self, texts: str | Sequence[str]) -> str | list[str]:
        """The most probable label of a text, or of each of many."""
        if isinstance(texts, str):
            return self.predict([texts])[0]
        return [self.label_names[number] for number in self.logits(texts).argmax(dim=1).tolist()]

    def predict_proba(self, texts: str | Sequence[str]) -> np.ndarray:
        """Probabilities of the labels: (classes,) for a text, (texts, classes) for many."""
        if isinstance(texts, str):
            return self.predict_proba([texts])[0]
        return self.logits(texts).softmax(dim=1).numpy()

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
        messages = [encode(self.tokenizer, text, self.max_length) for text in texts]
        logits = torch.empty(len(messages), len(self.label_names))
        with progress(total=len(messages), description="classifying") as bar:
            lengths = [self.pad_to or len(message) for message in messages]
            for rows in batches_by_tokens(lengths, self.model.device):
                examples = [(messages[row], 0) for row in rows]
                batch = pad_batch(examples, pad_token_id=self.tokenizer.eot_token, pad_to=self.pad_to)
                batch = batch.to(self.model.device)
                logits[rows] = self.model(batch.input_ids, batch.lengths).float().cpu()
                bar.update(len(rows))
        return logits

    def save(self, folder: str | Path, *, complete: bool = False) -> None:
        """Write `classifier.json` and a weights file into a folder; a classifier that is there is replaced at the end.

        Parameters
        ----------
        folder
            Is made where it does not exist.
        complete
            `False` stores only the weights that differ from the public backbone's. `True` stores all, as is done in
            any case where there is no public file to add them to (random or imported weights).

        Raises
        ------
        LlmclfError
            LoRA's corrections stand beside the weights.
        FileError
            Another process is writing into the folder.
        """
        if lora_layers(self.model):
            raise LlmclfError("the classifier has LoRA corrections beside its weights: call merge_lora, then save")
        folder = Path(folder)
        public = None if complete else self._public_weights()
        weights = {name: weight.detach().cpu() for name, weight in self.model.backbone.named_parameters()}
        if public:
            original = dict(load_pretrained(self.backbone, dtype=weights["head.weight"].dtype).named_parameters())
            weights = {
                name: weight
                for name, weight in weights.items()
                if name not in original or not torch.equal(weight, original[name])
            }
        with lock_folder(folder):
            self._write(folder, weights, sha256_of(public) if public else None)

    def _write(self, folder: Path, weights: dict[str, Tensor], backbone_sha256: str | None) -> None:
        file = f"weights-{secrets.token_hex(4)}.safetensors"
        write_safetensors(folder / file, weights)
        record = {
            "format": FORMAT,
            "library": __version__,
            "labels": self.label_names,
            "backbone": self.backbone,
            "backbone_sha256": backbone_sha256,
            "family": type(self.model.backbone).__name__,
            "config": asdict(self.model.backbone.config),
            "tokenizer": self.tokenizer.name,
            "pooling": self.model.pooling,
            "bfloat16": self.model.bfloat16,
            "max_length": self.max_length,
            "pad_to": self.pad_to,
            "weights": {"file": file, "sha256": sha256_of(folder / file)},
            "training": self.training,
        }
        record["sha256"] = seal(record)
        with atomic_write(folder / RECORD) as unfinished:  # from here on the folder holds the new classifier
            unfinished.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        for old in set(folder.glob("weights-*.safetensors")) - {folder / file}:
            old.unlink()

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> TextClassifier:
        """A classifier that `save` wrote; the public backbone is fetched where it is needed and not there.

        Raises
        ------
        FileError
            Not a classifier's folder; written by a newer library; a file missing, damaged or exchanged.
        """
        folder = Path(folder)
        record = read_record(folder)
        try:
            weights = _read_weights(folder, record)
        except (FileError, OSError):
            if read_record(folder) == record:
                raise
            return cls.load(folder, device=device)  # it was saved anew just then
        complete = record["backbone_sha256"] is None
        backbone = _backbone(folder, record, dtype=weights["head.weight"].dtype)
        precision = record.get("bfloat16", False)  # folders of before this was noted hold no word of it
        model = Classifier(backbone, len(record["labels"]), pooling=record["pooling"], bfloat16=precision)
        shapes = {name: tuple(parameter.shape) for name, parameter in backbone.named_parameters()}
        found = {name: tuple(weight.shape) for name, weight in weights.items()}
        check_tensors(
            folder / record["weights"]["file"],
            found,
            {name: shape for name, shape in shapes.items() if complete or name in found},
        )
        backbone.load_state_dict(weights, strict=False, assign=True)
        model.requires_grad_(False).to(choose_device(device)).eval()
        settings = {name: record[name] for name in ("backbone", "max_length", "pad_to", "training")}
        return cls(model, _tokenizer(folder, record), record["labels"], **settings)

    @classmethod
    def import_source(
        cls, path: str | Path, label_names: Sequence[str], *, pad_to: int, device: str = "auto"
    ) -> TextClassifier:
        """A GPT-2 classifier whose state dict was saved by the source's own code.

        Parameters
        ----------
        path
            The `.pth` file.
        label_names
            The name of each output, in order.
        pad_to
            The length it was trained at (the source's longest training message): it reads the last position, so
            its answers depend on the padding.
        device
            See `choose_device`.
        """
        config, state = read_source_state(path)
        backbone = build(config)
        model = Classifier(backbone, len(state["head.weight"]), pooling="last_position")
        backbone.load_state_dict(state, assign=True)
        model.requires_grad_(False).to(choose_device(device)).eval()
        size = next((name for name, shape in GPT2_SIZES.items() if shape == config), "gpt2")
        record = {"imported": Path(path).name}
        return cls(model, gpt2_tokenizer(), list(label_names), f"{RANDOM}{size}", pad_to=pad_to, training=record)

    def _public_weights(self) -> Path | None:
        """The file that `save` need not repeat, if there is one."""
        if self.backbone.startswith(RANDOM):
            return None
        try:
            return locate(self.backbone)
        except AssetError:
            notice(f"the public weights of {self.backbone} are not available now; storing all weights")
            return None


def read_record(folder: Path) -> dict:
    """What `save` noted in a classifier's folder: everything but the weights.

    Raises
    ------
    FileError
        There is no such record; it is damaged, changed, or of another version's format.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(f"{folder}: no {RECORD} in this folder, so no classifier was saved here") from None
    except ValueError as error:  # broken JSON, or bytes that are not UTF-8
        raise FileError(f"{path}: damaged: {error}; save the classifier again") from None
    if not isinstance(record, dict) or "format" not in record:
        raise FileError(f"{path}: not the record of a classifier")
    if record["format"] != FORMAT:
        raise FileError(
            f"{path}: format {record['format']}, written by llmclf {record.get('library')}; "
            f"this is llmclf {__version__}, which reads format {FORMAT}"
        )
    if record.get("sha256") != seal(record):
        raise FileError(
            f"{path}: damaged, or changed by hand: its content has not the SHA-256 that was noted in it; "
            f"save the classifier again"
        )
    return record


def seal(record: dict) -> str:
    """SHA-256 of a record's entries, its own seal aside."""
    content = {name: value for name, value in record.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_weights(folder: Path, record: dict) -> dict[str, Tensor]:
    path = folder / Path(record["weights"]["file"]).name
    weights, _ = read_safetensors(path)
    if sha256_of(path) != record["weights"]["sha256"]:
        raise FileError(f"{path}: not the weights that {RECORD} names (damaged or exchanged); save them again")
    return weights


def _tokenizer(folder: Path, record: dict) -> tiktoken.Encoding:
    """The tokenizer that the record names; GPT-2's is the same whatever has become of the backbone's file."""
    if record["tokenizer"] == "gpt2":
        return gpt2_tokenizer()
    tokenizer = load_tokenizer(record["backbone"])
    if tokenizer.name != record["tokenizer"]:
        raise FileError(
            f"{folder}: was trained with the tokenizer {record['tokenizer']}, but {record['backbone']} leads to "
            f"{tokenizer.name}; put that backbone back"
        )
    return tokenizer


def _backbone(folder: Path, record: dict, dtype: torch.dtype) -> Backbone:
    """The public backbone, or where all weights are stored, an empty one of the same shape."""
    if record["backbone_sha256"] is None:
        config = (GPT2Config if record["family"] == "GPT2" else LlamaConfig)(**record["config"])
        return build(config).to(dtype)
    path = locate(record["backbone"])
    if (found := sha256_of(path)) != record["backbone_sha256"]:
        raise FileError(
            f"{path}: SHA-256 {found}, but {folder} was trained on the backbone with {record['backbone_sha256']}; "
            f"put that file back, or save the classifier with complete=True where it works"
        )
    return load_pretrained(record["backbone"], dtype=dtype)
