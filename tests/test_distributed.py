"""Several workers learn what one process learns; when one dies, nothing is lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from worker import WAYS

HERE = Path(__file__).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
ENVIRONMENT = os.environ | {"CI": "true", "OMP_NUM_THREADS": "1"}


def start(command: list, **options) -> subprocess.CompletedProcess:
    command = list(map(str, command))
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=400, **options)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[int, Path]:
    """Where one process and two workers have trained, in each of the ways."""
    found = {}
    for count, launcher in ((1, [sys.executable]), (2, [*TORCHRUN, 2])):
        found[count] = tmp_path_factory.mktemp(f"workers{count}")
        process = start([*launcher, HERE / "worker.py", found[count]])
        assert process.returncode == 0, process.stderr
        assert process.stdout == f"worker (0, {count})\n"
        assert not re.search(r"(User|Future|Deprecation)Warning", process.stderr), process.stderr
    return found


def learnt(folders: dict[int, Path], way: str) -> list[dict]:
    """By one process alone, and by each of two workers."""
    ranks = [(1, 0), (2, 0), (2, 1)]
    return [json.loads((folders[count] / way / f"result-{rank}.json").read_text()) for count, rank in ranks]


@pytest.mark.parametrize("way", WAYS)
def test_two_workers_learn_what_one_process_learns(folders, way):
    one, two, same = learnt(folders, way)
    tolerance = 2e-2 if way == "bfloat16" else 1e-4  # which rounds to three digits
    assert len(one["train_losses"]) >= 3
    assert one["train_losses"][-1] != one["train_losses"][0]
    for part in ("train_losses", "validation_losses", "weights", "features"):
        assert two[part] == pytest.approx(one[part], rel=tolerance, abs=tolerance), part
        assert two[part] == pytest.approx(same[part], rel=1e-6), part


def test_workers_each_computed_a_share_of_the_frozen_part(folders):
    alone, *shares = (one["computed"] for one in learnt(folders, "gpt2"))
    assert sum(shares) == alone
    assert min(shares) > alone / 4


TOGETHER = """
import os, pathlib, sys, time
sys.path.insert(0, {here!r})
import worker, torch
from llmclf import feature_cache
from llmclf.cli.exit_status import exit_status
def command():
    with worker.workers(torch.device("cpu")):
        number = worker.rank_and_world_size()[0]
        {work}
sys.exit(exit_status(command, afterwards=""))
"""


def together(script: Path, work: str) -> subprocess.CompletedProcess:
    """What two workers do, each of whom knows its `number`."""
    script.write_text(TOGETHER.format(here=str(HERE), work=work))
    return start([*TORCHRUN, 2, script])


def test_checkpoint_that_not_all_workers_find_is_told(folders, tmp_path):
    work = f"worker.run(pathlib.Path({str(tmp_path)!r}) / str(number))"
    (tmp_path / "1").mkdir()
    shutil.copy(folders[1] / "gpt2" / "checkpoint.safetensors", tmp_path / "1")
    process = together(tmp_path / "script.py", work)
    assert process.returncode != 0
    assert "1/checkpoint.safetensors: not every worker finds this file; all must see the same output" in process.stderr


# Through the command line ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def arguments(tiny_files) -> list[str]:
    backbone, table = tiny_files
    return [
        *("-m", "llmclf", "train", "--backbone", backbone, "--table", table, "--text-column", "body"),
        *("--label-column", "kind", "--epochs", "20", "--learning-rate", "0.003", "--device", "cpu"),
    ]


def losses_in(folder: Path) -> list[float]:
    history = json.loads((folder / "history.json").read_text())
    return history["train_losses"] + history["validation_losses"]


def names_in(folder: Path) -> set[str]:
    return {path.name.split("-")[0] for path in folder.iterdir()}


@pytest.mark.slow
def test_two_workers_train_through_the_command_line_and_one_of_them_speaks(arguments, tmp_path):
    alone, folder = tmp_path / "alone", tmp_path / "together"
    one = start([sys.executable, *arguments, "--output", alone])
    two = start([*TORCHRUN, 2, *arguments, "--output", folder])
    assert two.returncode == 0, two.stderr
    for word in ("sum ", "tokens of a text", "backbone:", "step    0", "fine-tuned in"):
        assert sum(line.startswith(word) for line in two.stdout.splitlines()) == 1, word
    assert len(two.stdout.splitlines()) == len(one.stdout.splitlines())
    assert losses_in(folder) == pytest.approx(losses_in(alone), rel=1e-4)
    assert names_in(folder) == names_in(alone)


def test_batch_that_is_too_small_for_the_workers_is_refused(arguments, tmp_path):
    process = start([*TORCHRUN, 2, *arguments, "--batch-size", "1", "--output", tmp_path / "classifier"])
    assert process.returncode != 0
    assert "a batch of 1 cannot be shared by 2 workers; raise the batch size" in process.stderr


@pytest.mark.slow
def test_death_of_the_first_worker_after_the_others_have_done_their_part_is_told(tmp_path):
    work = "number == 0 and (time.sleep(3), os.kill(os.getpid(), 9))  # the first one evaluates alone"
    process = together(tmp_path / "script.py", work)
    assert process.returncode != 0
    assert "the same command continues" in process.stderr
