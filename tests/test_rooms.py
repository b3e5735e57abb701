"""The reference and its figure show the library as it is."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "book" / "figures"
LINES = r"([\d,]+) lines"


@pytest.fixture
def rooms(monkeypatch):
    monkeypatch.syspath_prepend(FIGURES)
    return importlib.import_module("rooms")


def write_library(folder: Path, **more: str) -> Path:
    """A library whose rooms hold one line each; `more` gives modules, such as files_tables="import llmclf.data"."""
    folders = ("models", "files", "evaluation", "interactive", "exchange", "scale", "teaching", "cli")
    sources = {f"{room}/__init__.py": f'"""Chapter 0: {room}."""\n' for room in folders}
    sources |= {"__init__.py": '"""A library.\n\n- in order: `models`, `data`.\n"""\n', "data.py": "", "console.py": ""}
    sources |= {f"{name.replace('_', '/', 1)}.py": source for name, source in more.items()}
    for name, source in sources.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    return folder


def test_figure_shows_rooms_modules_and_imports_as_they_are(rooms, tmp_path):
    rooms.draw().save(tmp_path / "drawn.svg")
    drawn, kept = ((folder / name).read_text() for folder, name in ((tmp_path, "drawn.svg"), (FIGURES, "rooms.svg")))
    advice = "the library has changed: python book/figures/rooms.py draws it anew"
    assert re.sub(LINES, "lines", drawn) == re.sub(LINES, "lines", kept), advice
    now, then = ([int(number.replace(",", "")) for number in re.findall(LINES, text)] for text in (drawn, kept))
    assert then == pytest.approx(now, rel=0.1), advice  # a few lines more are no reason to draw it


def test_arrow_stands_for_an_import_wherever_it_is_written(rooms, tmp_path):
    library = write_library(tmp_path, scale_a="def f():\n    from llmclf import data", files_b="import llmclf.console")
    assert rooms.arrows(library) == {("scale", "core"), ("files", "console")}
    assert "scale imports core. files imports console." in rooms.draw(library).parts[1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"files_tables": "from llmclf.data import x"}, "files.tables imports data.x: not allowed from files to core"),
        ({"models_gpt2": "import llmclf.scale.ray"}, "models.gpt2 imports scale.ray: not allowed from core to scale"),
        ({"scale_ray": "from llmclf.teaching import plots"}, "not allowed from scale to teaching"),
        ({"cellar_wine": ""}, "llmclf/cellar is no room"),
        ({"train": ""}, "the order of reading in llmclf/__init__.py is wrong about ['train']"),
        ({"scale_ray": "from . import data"}, "a relative import"),
    ],
)
def test_figure_is_not_drawn_of_a_library_that_breaks_the_rules(rooms, tmp_path, more, message):
    with pytest.raises(SystemExit, match=re.escape(message)):
        rooms.draw(write_library(tmp_path, **more))


def test_reference_lists_every_module():
    listed = re.findall(r"^\.\. automodule:: (\S+)", (ROOT / "book" / "api.md").read_text(), re.MULTILINE)
    paths = (ROOT / "llmclf").rglob("[!_]*.py")
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    assert sorted(listed) == sorted([*modules, "llmclf.models"])
