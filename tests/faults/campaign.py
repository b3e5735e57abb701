"""The fault campaign: break things on purpose, and see that each ends in the right result or in one clear error.

`python tests/faults/campaign.py` tries everything in full (a quarter of an hour or more) and writes the page
`book/faults.md`; `test_campaign.py` beside it tries a few of each kind.

A trial is a function that returns how it ended, "right result" or "clear error", and raises where anything was lost.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from damage import MESSAGES, OWN, TARGETS, damaged, damages
from endings import at_once, can_mount, ended_early, full_disk, read_only_disk
from texts import any_bytes, broken_table, fuzzed_texts, typed_texts
from things import ERROR, RIGHT, ROOT, Things, Trial

DOING = {
    "train": "training",
    "score": "scoring files",
    "fetch": "fetching",
}


def plan(things: Things, full: bool) -> Iterator[tuple[str, list[Trial]]]:
    """Every kind of fault with its trials; a few of each where not in full."""

    def some(many: int, few: int) -> range:
        return range(many if full else few)

    kills = [signal.SIGKILL, signal.SIGINT, signal.SIGTERM]
    for what, how in itertools.product(DOING, kills) if full else zip(("train", "fetch", "fetch"), kills, strict=True):
        trials = [ended_early(things, what, how, seed) for seed in some(20 if how == signal.SIGKILL else 10, 1)]
        yield f"{how.name} at a random moment while {DOING[what]}; then the same command again", trials
    for what in TARGETS:
        kinds = damages(what) if full or not what.startswith((OWN, "a kit")) else damages(what)[:2]  # a command each
        many, few = (50, 1) if what.startswith(MESSAGES) else (3, 1)
        trials = [damaged(things, what, damage, seed) for damage in kinds for seed in some(many, few)]
        yield f"{what}, damaged in {len(kinds)} ways", trials
    yield "a table broken at random", [broken_table(things, seed) for seed in some(200, 40)]
    yield (
        "a random text, alone and among others, through `predict`",
        [*fuzzed_texts(things, 0, 10_000 if full else 100)],
    )
    yield "a random text on the command line and in the demo", [*typed_texts(things, 1, 500 if full else 20)]
    yield (
        "a text of any bytes, as an argument and by standard input, in a terminal that has another encoding than UTF-8",
        [any_bytes(things, seed) for seed in some(64, 2)],
    )
    for what, count in itertools.product(DOING, (2, 8)) if full else [("train", 2)]:
        yield f"{count} processes at once {DOING[what]} into one folder", [at_once(things, what, count)]
    if can_mount():
        writing = DOING if full else ["fetch"]
        for what in writing:
            sizes = (16, 100, 400, 800, 1200, 2000, 4000, 30_000) if full else (100,)
            trials = [full_disk(things, what, size) for size in sizes]
            yield f"a disk that is too small while {DOING[what]}; then room", trials
        trials = [read_only_disk(things, what) for what in writing]
        yield "a disk that is read-only, for results or for the cache", trials


def attempt(trials: list[Trial]) -> tuple[Counter, list[str]]:
    """How they ended, and what was lost."""
    ends: Counter[str] = Counter()
    losses = []
    for trial in trials:
        try:
            ends[trial()] += 1
        except Exception as error:  # whatever it is: a campaign that stops at the first loss finds one
            losses.append(f"{type(error).__name__}: {error}")
    return ends, losses


HEAD = """# When things go wrong

A laptop runs out of battery during training. A disk fills up. Somebody edits a table with the wrong program. We caused
such faults on purpose, and this page records what happened. A trial passes if it ends in the *right result*, the same
as without the fault, or in *one clear error*. Everything else counts as *lost*. Below the table you can read how we
judged the trials.

The commands ran on a tiny model, so that thousands of trials take minutes. We sent three signals: Ctrl-C sends
`SIGINT`, `SIGTERM` asks a program to end, and `SIGKILL` ends it at once. No signal came in the first 0.2 s, because
Python itself starts then and would show its own trace. After every signal and every full disk we started the same
command again. We compared its output with an undisturbed run: files byte by byte, weights to the last bit.

| fault | tried | right result | clear error | lost |
| --- | ---: | ---: | ---: | ---: |
"""

NO_DISKS = (
    "\nThe faults of disks are left out here: this machine did not let the campaign mount small disks of its own.\n"
)

TAIL = """
How to read the columns: after a signal, they show how the second start ended. For a disk that was too small, they show
how the first start ended; once there was room, every second start ended in the right result. Where several processes
ran at once, a clear error means that one or more of them were refused. What the others wrote is right.

We damaged a file in several ways: we cut it, flipped a bit anywhere or near the beginning, appended bytes, emptied it,
or put something else in its place. If the file has a format number, we also wrote what a newer version of the library
would write. Where it makes a difference, we also replaced the file with the one of another run. That makes {kinds}
kinds of damage in all. If a copy in the cache is damaged, the library makes it anew, which ends in the right result. If
the library could still read messages, they had to come out exactly as they are in the damaged file.

There are two known limits. The first is a flipped bit that leaves a valid file. In the weights of a *backbone of your
own* it makes another model; in a file of *messages* it may make another message. The library cannot detect this,
because only registered files have a known {{term}}`SHA-256`. The table counts these cases as right results. It also
counts a training from a GGUF file with extra bytes behind its end, which the library never reads. The second limit:
after a `SIGKILL`, hidden files may stay until the same file is written again.

`python tests/faults/campaign.py` wrote the table. It runs the whole campaign again ({seconds:.0f} s here,
with {cores} processor cores). `make test` tries a few faults of each kind.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the whole fault campaign and write its page.")
    parser.add_argument("--page", type=Path, help="where to write it; by default, of the whole campaign, into the book")
    parser.add_argument("--few", action="store_true", help="a few of each kind")
    options = parser.parse_args()
    page = options.page or (None if options.few else ROOT / "book" / "faults.md")
    started, lost, lines = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory() as folder:
        for name, trials in plan(Things(Path(folder)), not options.few):
            ends, losses = attempt(trials)
            lines.append(f"| {name} | {len(trials)} | {ends[RIGHT]} | {ends[ERROR]} | {len(losses)} |")
            print(lines[-1], *losses[:3], sep="\n   ", flush=True)
            lost += len(losses)
    kinds = sum(len(damages(what)) for what in TARGETS)
    tail = TAIL.format(kinds=kinds, seconds=time.monotonic() - started, cores=os.cpu_count())
    if page:
        table = HEAD + "\n".join(lines) + "\n" + ("" if can_mount() else NO_DISKS)
        page.write_text(table + tail, encoding="utf-8")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
