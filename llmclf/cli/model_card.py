"""The record of a saved classifier as a model card (Mitchell et al. 2019), in Markdown."""

from __future__ import annotations

from typing import Any

from llmclf.classify import decision_in
from llmclf.evaluate import wilson_interval


def model_card(record: dict[str, Any]) -> str:
    """What the classifier is, what it was taught on and how, how good it was, and how it decides."""
    training = record["training"]
    lines = [
        "# A text classifier",
        "",
        f"- classes: {', '.join(record['labels'])}",
        f"- backbone: {record['backbone']}, {record['config']['num_layers']} blocks, read at {record['pooling']}",
        f"- SHA-256 of the backbone's file: {record['backbone_sha256'] or 'none: all weights are stored'}",
        f"- precision of frozen blocks: {record['precision']}; weights of the backbone as published: "
        f"{record['quantisation'] or 'not quantised'}",
        f"- tokenizer: {record['tokenizer']}; texts are cut after {record['max_length']:,} tokens",
        f"- library: llmclf {record['library']}, file format {record['format']}",
        "",
        "## Training",
        "",
        *(
            f"- {name}: {value}"
            for name, value in training.items()
            if name not in ("results", "data", "sweep", "settings")
        ),
        *(f"- {name}: {value}" for name, value in training.get("settings", {}).items()),
    ]
    if data := training.get("data"):
        lines += ["", "## Data", "", *data_lines(data, record["labels"])]
    if results := training.get("results"):
        lines += [
            "",
            "## Results",
            "",
            "| texts | correct | accuracy | 95 % interval | loss |",
            "| --- | ---: | ---: | --- | ---: |",
        ]
        for part, found in results.items():
            low, high = wilson_interval(found["correct"], found["count"])
            share = found["correct"] / found["count"]
            counts = f"{found['correct']:,} of {found['count']:,}"
            lines.append(f"| {part} | {counts} | {share:.2%} | {low:.1%} to {high:.1%} | {found['loss']:.3f} |")
    return "\n".join([*lines, "", "## Decision", "", *decision_lines(record)])


def data_lines(data: dict[str, Any], labels: list[str]) -> list[str]:
    """Files, hashes, and a table of counts."""
    files = data["files"]
    lines = (
        [f"- {files}"] if isinstance(files, str) else [f"- {path}, SHA-256 {digest}" for path, digest in files.items()]
    )
    lines += [f"- SHA-256 of all texts and labels as they were used: {data['sha256 of all texts']}", ""]
    lines += ["| class | " + " | ".join(data["counts"]) + " |", "| --- |" + " ---: |" * len(data["counts"])]
    for name in labels:
        lines.append(f"| {name} | " + " | ".join(f"{counts[name]:,}" for counts in data["counts"].values()) + " |")
    return lines


def decision_lines(record: dict[str, Any]) -> list[str]:
    """How probabilities become answers, and on what that was fitted."""
    decision = decision_in(record)
    lines = [f"- temperature: {decision.temperature:.4g}"]
    if decision.threshold is not None:
        lines.append(f"- {record['labels'][1]} from a probability of {decision.threshold:.4g} on")
    elif decision.offsets is not None:
        pairs = zip(record["labels"], decision.offsets, strict=True)
        lines.append("- added to the logarithms: " + ", ".join(f"{name} {offset:+.4g}" for name, offset in pairs))
    else:
        lines.append("- the most probable class")
    if decision.abstain_below:
        lines.append(f"- unsure below a probability of {decision.abstain_below:.4g}")
    return lines + [f"- {name}: {value}" for name, value in decision.evidence.items()]
