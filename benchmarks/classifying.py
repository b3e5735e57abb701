"""Classifying all messages of the collection: one padded message at a time, `transformers`' pipeline, ours."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
import transformers

from benchmarks.ways import transformers_model
from llmclf import data
from llmclf.classify import TextClassifier
from llmclf.files import assets
from llmclf.head import Classifier
from llmclf.loaders import make_loaders
from llmclf.precision import choose_precision
from llmclf.tokenizer import encode, load_tokenizer
from llmclf.weights import load_pretrained

BATCH_SIZES = (1, 2, 4, 8, 16, 32)


def one_at_a_time(backbone: str) -> Callable[[list[str]], None]:
    """Pad to the longest training message, run the whole model, read the last position: the source's way."""
    model = Classifier(load_pretrained(backbone), 2, precision="float32").eval()
    tokenizer = load_tokenizer(backbone)
    width = make_loaders(data.prepare_sms(), tokenizer).train.dataset.max_length

    @torch.no_grad()
    def classify(texts: list[str]) -> None:
        for text in texts:
            message = encode(tokenizer, text, width)
            padded = torch.tensor([message + [tokenizer.eot_token] * (width - len(message))])
            model.backbone(padded)[:, -1].softmax(dim=-1)

    return classify


def pipeline(backbone: str, batch_size: int, dtype: torch.dtype) -> Callable[[list[str]], None]:
    """`transformers`' text-classification pipeline, which pads each batch to its longest message."""
    if backbone.endswith("smollm2-135M"):
        path = assets.fetch("smollm2-135M")
        tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    else:
        files = {"vocab": assets.fetch("gpt2-encoder"), "merges": assets.fetch("gpt2-merges")}
        tokenizer = transformers.GPT2TokenizerFast(**{name: str(path) for name, path in files.items()})
    text = data.read_sms()["text"][0]
    if tokenizer(text)["input_ids"] != encode(load_tokenizer(backbone), text):
        raise RuntimeError("the pipeline would classify other tokens than ours")  # it falls silent on wrong options
    model, _ = transformers_model(backbone)
    tokenizer.pad_token_id = model.config.pad_token_id
    classify = transformers.pipeline(
        "text-classification", model=model.eval().to(dtype), tokenizer=tokenizer, device="cpu"
    )
    return lambda texts: classify(texts, batch_size=batch_size)


def ours(backbone: str, precision: str) -> Callable[[list[str]], None]:
    """The library's `predict_proba`, as a classifier does it that has been loaded."""
    model = Classifier(load_pretrained(backbone), 2, precision=precision).eval()
    return TextClassifier(model, load_tokenizer(backbone), ["ham", "spam"], backbone).predict_proba


def rate(classify: Callable[[list[str]], None], texts: list[str]) -> float:
    """Messages a second."""
    classify(texts[:2])  # warm up
    started = time.perf_counter()
    classify(texts)
    return len(texts) / (time.perf_counter() - started)


def one_message(classify: Callable[[list[str]], None], texts: list[str]) -> float:
    """Seconds that the answer to a single message takes, the median over these."""
    return statistics.median(1 / rate(classify, [text]) for text in texts)


def run(backbone: str, *, quick: bool, runs: int) -> dict:
    """Messages a second: medians of the runs, and ratios of medians. `quick` takes every tenth message."""
    texts = data.read_sms(every_row=True)["text"].tolist()
    sample = texts[::10]
    sizes = {
        name: {size: rate(pipeline(backbone, size, getattr(torch, name)), sample[::4]) for size in BATCH_SIZES}
        for name in ("float32", "bfloat16")
    }
    best = {name: max(rates, key=rates.get) for name, rates in sizes.items()}
    ways = {
        "one padded message": one_at_a_time(backbone),
        "pipeline": pipeline(backbone, best["float32"], torch.float32),
        "pipeline in bfloat16": pipeline(backbone, best["bfloat16"], torch.bfloat16),
        "ours in float32": ours(backbone, "float32"),
        "ours": ours(backbone, "auto"),
    }
    measured = {"one padded message": sample[:60]} if quick else {}
    every_run = [
        {name: rate(way, measured.get(name, sample if quick else texts)) for name, way in ways.items()}
        for _ in range(runs)
    ]
    medians = {name: statistics.median(one[name] for one in every_run) for name in ways}
    return {
        "quick": quick,
        "runs": runs,
        "auto": choose_precision(),
        "messages": len(sample) if quick else len(texts),
        "pipeline, messages a second by batch size": sizes,
        "pipeline batch size": best,
        "one message, seconds": {name: one_message(ways[name], sample[:60]) for name in ("ours in float32", "ours")},
        "medians": medians,
        "ratios": {f"ours/{name}": medians["ours"] / medians[name] for name in ways if name != "ours"},
        "every run": every_run,
    }
