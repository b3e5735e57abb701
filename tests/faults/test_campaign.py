"""A few faults of each kind; `campaign.py` beside this file tries all of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from campaign import Things, attempt, can_mount, damaged, plan

from llmclf.files.storage import read_safetensors

KINDS = {  # words of their names, and how many there are
    "at a random moment while": 3,
    "damaged in": 9,
    "a table broken": 1,
    "a random text": 2,
    "a text of any bytes": 1,
    "processes at once": 1,
    "disk": 2 if can_mount() else 0,
}


@pytest.fixture(scope="module")
def things(tmp_path_factory, gpt2_encoding) -> Things:
    return Things(tmp_path_factory.mktemp("faults"))


@pytest.mark.slow
@pytest.mark.timeout(2400)  # a hundred processes, one after the other
def test_nothing_is_lost(things):
    names = []
    for name, trials in plan(things, full=False):
        ends, losses = attempt(trials)
        assert not losses, f"{name}: {losses[0]}"
        assert ends.total() == len(trials) > 0
        names.append(name)
    assert {words: sum(words in name for name in names) for words in KINDS} == KINDS
    assert len({*names}) == len(names) == sum(KINDS.values())


def test_campaign_notices_what_is_not_noticed(things, monkeypatch):
    def unchecked(path, advice):
        tensors, metadata = read_safetensors(path, advice)
        return tensors, json.loads(metadata["llmclf"])

    monkeypatch.setattr("llmclf.classify.read_with_checksum", unchecked)
    trials = [damaged(things, "a classifier", "a bit flipped", seed) for seed in range(20)]
    assert attempt(trials)[1]
