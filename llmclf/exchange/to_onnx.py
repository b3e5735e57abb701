"""A classifier as one ONNX graph, which ONNX Runtime computes without PyTorch and without this library."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import torch

from llmclf import __version__
from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.exchange.tokenizer_json import write_tokenizer_json
from llmclf.files.storage import atomic_write

MODEL_FILE = "model.onnx"
LARGEST_SINGLE_FILE = 1_900_000_000  # bytes: a protobuf may have two gigabytes; larger weights go into a file beside it

README = """# A text classifier

It tells apart: {labels}. Made by llmclf {version}; ONNX Runtime and `tokenizers` run it, nothing else is needed:

```sh
pip install onnxruntime tokenizers numpy
python classify.py "a text" "another text"
```

`model.onnx` takes `input_ids` (batch, tokens) and `lengths` (batch), and gives `logits` (batch, classes). Its metadata
`llmclf` holds the names of the classes and how their probabilities become an answer; `classify.py` does as it says.
"""

SCRIPT = '''"""Classify texts with ONNX Runtime: python classify.py "a text" "another text"."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import tokenizers

FOLDER = Path(__file__).parent


def classify(texts, model="model.onnx"):
    """The answer for each text, and the probabilities (texts, classes)."""
    session = onnxruntime.InferenceSession(FOLDER / model)
    settings = json.loads(session.get_modelmeta().custom_metadata_map["llmclf"])
    tokenizer = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    answers, probabilities = [], []
    for text in texts:
        encoding = tokenizer.encode(text)
        ids = encoding.ids or [settings["pad_token_id"]]  # an empty text is one token
        length = max(1, sum(encoding.attention_mask))
        inputs = {"input_ids": np.array([ids]), "lengths": np.array([length])}
        logits = session.run(None, inputs)[0][0] / settings["temperature"]
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        if settings["threshold"] is not None:
            number = int(shares[1] >= settings["threshold"])
        else:
            number = int((np.log(shares) + (settings["offsets"] or 0)).argmax())
        unsure = shares[number] < settings["abstain_below"]
        answers.append("unsure" if unsure else settings["labels"][number])
        probabilities.append(shares)
    return answers, np.array(probabilities)


if __name__ == "__main__":
    for text, answer, shares in zip(sys.argv[1:], *classify(sys.argv[1:])):
        print(f"{answer}\\t{shares.round(3)}\\t{text}")
'''


@contextmanager
def silenced(name: str) -> Iterator[None]:
    """Without the warnings that a library logs about its own parts."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def export_onnx(classifier: TextClassifier, folder: str | Path, *, int8: bool = False) -> None:
    """Write a graph with its tokenizer, a script that classifies with both, and a note how.

    Parameters
    ----------
    classifier
        In float32 and on the CPU: load it with `precision="float32", device="cpu"`.
    folder
        Is made where it does not exist.
    int8
        Store the matrices in eight bits and multiply in eight bits, as ONNX Runtime's own dynamic quantisation does.

    Raises
    ------
    LlmclfError
        Another precision or device; the packages of the extra `export` are missing.
    """
    try:
        import onnxruntime.quantization
        import onnxscript  # noqa: F401, PyTorch's exporter needs it, and says so late
    except ImportError as error:
        raise LlmclfError(f"{error.name} is missing; install the extra: pip install llmclf[export]") from None
    model = classifier.model.eval()
    if model.precision != "float32" or model.device.type != "cpu":
        raise LlmclfError('only float32 on a CPU is exported: load with precision="float32", device="cpu"')
    example = torch.full((2, 5), classifier.tokenizer.eot_token), torch.tensor([5, 3])
    free = torch.export.Dim.DYNAMIC
    shapes = {"input_ids": {0: free, 1: free}, "lengths": {0: free}}
    with warnings.catch_warnings(), silenced("torch.onnx"):
        warnings.simplefilter("ignore")  # of PyTorch about itself
        program = torch.onnx.export(
            model,
            example,
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(shapes),
            output_names=["logits"],
            verbose=False,
        )
    assert program is not None  # as it is with dynamo
    decision = classifier.decision
    if decision.threshold is not None:  # JSON has no infinity; a probability above 1 is as far away
        decision = replace(decision, threshold=min(decision.threshold, 1.1))
    settings = asdict(decision) | {
        "labels": classifier.label_names,
        "pad_token_id": classifier.tokenizer.eot_token,
        "max_length": classifier.max_length,
    }
    program.model.metadata_props["llmclf"] = json.dumps(settings)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    if size > LARGEST_SINGLE_FILE:
        program.save(folder / MODEL_FILE, external_data=True)
    else:
        with atomic_write(folder / MODEL_FILE) as unfinished:
            program.save(unfinished)
    if int8:
        with atomic_write(folder / MODEL_FILE) as unfinished:
            onnxruntime.quantization.quantize_dynamic(folder / MODEL_FILE, unfinished)
    write_tokenizer_json(
        classifier.tokenizer, folder / "tokenizer.json", max_length=classifier.max_length, pad_to=classifier.pad_to
    )
    (folder / "classify.py").write_text(SCRIPT, encoding="utf-8")
    text = README.format(labels=", ".join(classifier.label_names), version=__version__)
    (folder / "README.md").write_text(text, encoding="utf-8")
