"""The lines under a page's title say what it was really made with."""

from __future__ import annotations

import shutil
from pathlib import Path

from llmclf import __version__
from llmclf.teaching import provenance


def test_provenance_names_versions_data_backbone_and_date(any_sms_path, smollm2_path, monkeypatch):
    lines = dict(line.split(":", 1) for line in provenance.provenance("smollm2-135M").splitlines())
    assert list(lines) == ["library", "with", "dataset", "backbone", "date"]
    assert f"llmclf {__version__}, code {provenance.library_fingerprint()}" in lines["library"]
    assert "rows, in full" in lines["dataset"]
    assert " smollm2-135M, weights from Q4_1, frozen blocks in " in lines["backbone"]
    assert "weights from" not in provenance.provenance("random-smollm2-135M")
    assert "backbone" not in provenance.provenance()
    monkeypatch.setenv("LLMCLF_FAST", "1")
    assert "LLMCLF_FAST" in provenance.provenance()


def test_fingerprint_changes_with_a_line_of_code_and_with_nothing_else(tmp_path, monkeypatch):
    shutil.copytree(Path(provenance.__file__).parents[1], tmp_path / "llmclf")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "llmclf" / "teaching" / "provenance.py"))
    first = provenance.library_fingerprint()
    (tmp_path / "llmclf" / "notes.txt").write_text("not code")
    assert provenance.library_fingerprint() == first
    with open(tmp_path / "llmclf" / "models" / "gpt2.py", "a") as file:
        file.write("\n")
    assert provenance.library_fingerprint() != first
