"""What it costs to leave: SmolLM2, trained as in chapter 6, in our library, in ONNX Runtime, and in eight bits."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from llmclf import data
from llmclf.classify import TextClassifier
from llmclf.exchange.to_onnx import MODEL_FILE, export_onnx
from llmclf.finetune import finetune

BACKBONE = "smollm2-135M"
# In a process of its own, without PyTorch: one message after the other, as the exported script does.
SCRIPT = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from classify import classify
texts = json.load(sys.stdin)
classify(texts[:1])
started = time.perf_counter()
answers, probabilities = classify(texts)
print(json.dumps([answers, probabilities.tolist(), time.perf_counter() - started]))
"""


def elsewhere(folder: Path, texts: list[str]) -> tuple[list[str], np.ndarray, float]:
    """Answers, probabilities and seconds of the exported folder."""
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
    answers, probabilities, seconds = json.loads(done.stdout)
    return answers, np.array(probabilities), seconds


def run(backbone: None, *, quick: bool, runs: int) -> dict:
    """Train in float32, export twice, classify the test set one message at a time; `quick` takes a tenth of it."""
    splits = data.prepare_sms()
    test = splits.test[:: 10 if quick else 1]
    texts, labels = test["text"].tolist(), [data.SMS_LABELS[number] for number in test["label"]]
    trained = finetune(splits, data.SMS_LABELS, BACKBONE, precision="float32", device="cpu").classifier
    with tempfile.TemporaryDirectory() as place:
        trained.save(place)
        classifier = TextClassifier.load(place, precision="float32", device="cpu")
        started = time.perf_counter()
        expected = np.concatenate([classifier.predict_proba([text]) for text in texts])
        rows = [row("ours, float32", expected, classifier.answers(expected), labels, time.perf_counter() - started)]
        rows[0]["MB"] = sum(weight.numel() * 4 for weight in classifier.model.parameters()) / 1e6
        for name, int8 in (("ONNX, float32", False), ("ONNX, int8", True)):
            folder = Path(place) / name
            started = time.perf_counter()
            export_onnx(classifier, folder, int8=int8)
            exported = time.perf_counter() - started
            answers, found, seconds = elsewhere(folder, texts)
            one = row(name, found, answers, labels, seconds)
            one |= {"MB": (folder / MODEL_FILE).stat().st_size / 1e6, "seconds to export": exported}
            one |= {"largest change": float(np.abs(found - expected).max())}
            rows.append(one)
    return {"quick": quick, "rows": rows}


def row(name: str, found: np.ndarray, answers: list[str], labels: list[str], seconds: float) -> dict:
    """One way in the table."""
    correct = sum(map(str.__eq__, answers, labels))
    return {"way": name, "correct": correct, "count": len(labels), "messages a second": len(labels) / seconds}
