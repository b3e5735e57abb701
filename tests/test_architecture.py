"""The house: rooms import in one direction, no import closes a circle, and a command starts without what it lacks."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {  # a module imports from its own room and from the floors below
    "the package": 0,  # __init__: its version
    "files": 1,
    "console": 1,
    "core": 2,  # chapters 1 to 7: the modules beside the rooms, and models
    "evaluation": 3,
    "interactive": 3,
    "exchange": 3,
    "scale": 3,
    "teaching": 3,
    "cli": 4,
}
EXCEPTIONS = {
    # distillation must not teach what resembles a held-out message
    ("llmclf.interactive.distillation", "llmclf.evaluation.near_duplicates"),
    # nor may a lesson be judged by near copies of its texts; and beside its curve stands that of TF-IDF
    ("llmclf.interactive.pool", "llmclf.evaluation.near_duplicates"),
    ("llmclf.interactive.pool", "llmclf.evaluation.baselines"),
    ("llmclf.interactive.lesson", "llmclf.evaluation.baselines"),
}


class Import(NamedTuple):
    """One module imports another: at its top, in a function, or for types only."""

    place: str  # file:line
    importer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.place}: {self.importer} imports {self.imported}"


def find_modules(package: Path) -> dict[str, Path]:
    """Every module of a package by its full name."""
    files = {path.relative_to(package.parent).with_suffix(""): path for path in sorted(package.rglob("*.py"))}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in files.items()}


def find_imports(package: Path) -> list[Import]:
    """Every import of one module of a package by another."""
    modules, found = find_modules(package), []
    for importer, path in modules.items():
        inside = importer if path.name == "__init__.py" else importer.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                source = resolve_name("." * node.level + (node.module or ""), inside)
                names = [f"{source}.{alias.name}" for alias in node.names]
            else:
                continue
            place = f"{path.relative_to(package.parent).as_posix()}:{node.lineno}"
            for name in dict.fromkeys(known_part(name, modules) for name in names):
                if name:
                    found.append(Import(place, importer, name))
    return found


def known_part(name: str, modules: Collection[str]) -> str:
    """The module that a dotted name begins with: its last word may be a name in a module. Empty for other packages."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def room(module: str) -> str:
    """Where a module lies."""
    words = [*module.split("."), ""]
    if words[1] in FLOORS or (len(words) > 3 and words[1] != "models"):
        return words[1]
    return {"": "the package", "__main__": "cli"}.get(words[1], "core")


def offences(package: Path) -> list[str]:
    """What is against the house: imports in a wrong direction, and one circle, if there is any."""
    imports = find_imports(package)
    found = []
    for one in imports:
        here, there = room(one.importer), room(one.imported)
        together = here == there or {here, there} == {"files", "console"}
        if here not in FLOORS:
            found.append(f"{one}: no room is called {here}")
        elif not together and FLOORS[here] <= FLOORS.get(there, 9) and one[1:] not in EXCEPTIONS:
            found.append(f"{one}: {here} must not import {there}")
    graph: dict[str, set[str]] = {}
    for one in imports:
        graph.setdefault(one.importer, set()).add(one.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]  # each imports the next one
        steps = [next(one for one in imports if one[1:] == step) for step in pairwise(circle)]
        found.append("a circle: " + "; ".join(map(str, steps)))
    return found


def test_rooms_import_in_one_direction_and_there_is_no_circle():
    assert offences(ROOT / "llmclf") == []


def write_package(folder: Path, modules: dict[str, str]) -> Path:
    """A package named llmclf of these modules, whose other rooms are empty."""
    for name, source in {"__init__.py": "", "data.py": "", "scale/__init__.py": "", **modules}.items():
        path = folder / "llmclf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return folder / "llmclf"


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("train.py", "import os\nimport llmclf.scale.ray", "2: llmclf.train imports llmclf.scale.ray: core must not"),
        ("models/gpt2.py", "def f():\n    from llmclf.scale import ray", "2: llmclf.models.gpt2 imports llmclf.scale"),
        ("models/gpt2.py", "from ..scale.ray import names", "1: llmclf.models.gpt2 imports llmclf.scale.ray: core"),
        ("train.py", "if TYPE_CHECKING:\n    from llmclf.scale.ray import x", "2: llmclf.train imports llmclf.scale"),
        ("files/assets.py", "from llmclf.data import x", "1: llmclf.files.assets imports llmclf.data: files must not"),
        ("console.py", "import llmclf.data", "1: llmclf.console imports llmclf.data: console must not import core"),
        ("evaluation/lora.py", "from llmclf.scale import ray", "evaluation must not import scale"),
        ("interactive/distillation.py", "from llmclf.scale import ray", "interactive must not import scale"),
        ("scale/parts.py", "from llmclf.cli import parser", "scale must not import cli"),
        ("cellar/x.py", "from llmclf import data", "no room is called cellar"),
    ],
)  # fmt: skip
def test_import_in_a_wrong_direction_is_named(tmp_path, path, source, message):
    package = write_package(tmp_path, {"scale/ray.py": "", "cli/__init__.py": "", path: source})
    (found,) = offences(package)
    assert found.startswith(f"llmclf/{path}:")
    assert message in found


def test_import_from_below_or_of_the_one_exception_is_allowed(tmp_path):
    modules = {
        "__main__.py": "from llmclf.cli import parser",
        "cli/parser.py": "from llmclf import __version__\nfrom llmclf.scale import ray",
        "scale/ray.py": "from llmclf.models.gpt2 import GPT2\nimport llmclf.console\nimport numpy, ray",
        "interactive/distillation.py": "from llmclf.evaluation.near_duplicates import x",
        "evaluation/near_duplicates.py": "from llmclf import data",
        "models/gpt2.py": "from llmclf.files.assets import x",
        "files/assets.py": "from ..console import LlmclfError",
        "console.py": "import tqdm",
    }
    assert offences(write_package(tmp_path, modules)) == []


def test_circle_is_named_with_each_of_its_imports(tmp_path):
    modules = {"head.py": "import os\nfrom llmclf import train", "train.py": "def f():\n    from .data import x"}
    package = write_package(tmp_path, modules | {"data.py": "import llmclf.head"})
    (found,) = offences(package)
    assert found.startswith("a circle: ")
    for step in (
        "llmclf/head.py:2: llmclf.head imports llmclf.train",
        "llmclf/train.py:2: llmclf.train imports llmclf.data",
        "llmclf/data.py:1: llmclf.data imports llmclf.head",
    ):
        assert step in found


def test_help_waits_for_nothing_heavy():
    program = "import sys; from llmclf.cli.parser import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    program += "print(sorted({'torch', 'numpy', 'pandas', 'safetensors', 'requests'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "usage: llmclf" in done.stdout
    assert done.stdout.endswith("[]\n")
