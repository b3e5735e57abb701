"""For nbval: run the notebooks' cells on few messages, and compare outputs where data and model allow it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmclf.classify import read_classifier
from llmclf.console import LlmclfError
from llmclf.data import SMS_LABELS, prepare_sms
from llmclf.files import assets
from llmclf.files.storage import lock_folder
from llmclf.finetune import finetune
from llmclf.train import TrainingSettings
from llmclf.weights import choose_backbone

DATASET, BACKBONE = assets.resolve("sms-spam")[0].name, choose_backbone()
SAME = DATASET == "sms-spam" and BACKBONE == "smollm2-135M"  # what the committed outputs were made with
USE_A_CLASSIFIER = ("06_fine_tuning", "07_classifying", "11_growing_up", "play")  # the first saves one, too


def pytest_report_header() -> str:
    if SAME:
        return "llmclf: complete SMS collection and SmolLM2; outputs of tagged cells are compared"
    return f"llmclf: {DATASET} and {BACKBONE}; cells are run, their outputs are NOT compared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not SAME:
        for item in items:
            if item.path.suffix == ".ipynb":
                item.options["check"] = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """A kernel starts with the first cell of its notebook: few messages, no progress bars (`LLMCLF_FAST=0`: all)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CI", "true")
        patch.setenv("LLMCLF_FAST", os.environ.get("LLMCLF_FAST", "1"))
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        patch.setattr(item.config.option, "cov_source", None, raising=False)  # kernels are not measured: nbval hangs
        if item.name == "Cell 0" and item.path.stem in USE_A_CLASSIFIER and os.environ["LLMCLF_FAST"] == "1":
            save_a_classifier(item.path.parent / "output" / "fast" / "classifier")
        return (yield)


def save_a_classifier(folder: Path) -> None:
    """What chapter 6 would save, where none lies there: notebooks may run alone, in any order or side by side."""
    with lock_folder(folder.parent, wait=True):
        try:
            read_classifier(folder)
        except LlmclfError:
            finetune(prepare_sms(), list(SMS_LABELS), BACKBONE, TrainingSettings(epochs=1)).classifier.save(folder)
