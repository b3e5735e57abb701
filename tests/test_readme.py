"""What README and CONTRIBUTING say of files, variables, commands and places is so."""

from __future__ import annotations

import ast
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from llmclf.cli.parser import build_parser
from llmclf.files import assets

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))


@pytest.mark.parametrize("asset", assets.ASSETS.values(), ids=lambda asset: asset.name)
def test_readme_states_name_size_and_licence_of_every_file(asset):
    row = next(line for line in README.splitlines() if line.startswith("|") and f"`{asset.name}`" in line)
    assert asset.size_text in row
    assert asset.licence.split(" (")[0] in row


def test_readme_and_library_know_the_same_variables():
    library = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "llmclf").rglob("*.py"))
    read = set(re.findall(r"environ(?:\.get\(|\[)\"(LLMCLF_\w+)", library))
    assert read == set(re.findall(r"^\| `(LLMCLF_\w+)`", README, re.MULTILINE))


def test_readme_and_contributing_explain_every_make_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.+)", makefile, re.MULTILINE)[1].split())
    explained = set(re.findall(r"(?:^|`)make ([a-z-]+)", README + CONTRIBUTING, re.MULTILINE))
    assert explained == phony - {"help"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in phony)


def test_commands_of_the_readme_can_be_typed():
    parser = build_parser()
    lines = re.findall(r"^\.venv/bin/llmclf (.+)", README, re.MULTILINE)
    assert len(lines) >= 3
    for line in lines:
        parser.parse_args(shlex.split(line))
    for command in set(re.findall(r"llmclf ([a-z]+)\b.*?[`\n]", README)):
        with pytest.raises(SystemExit, match=r"^0$"):
            parser.parse_args([command, "--help"])


def anchors(path: Path) -> set[str]:
    """The names of a page's headings, as they are linked to."""
    headings = re.findall(r"^#+ (.+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_links_lead_somewhere(text):
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 3
    for link in links:
        name, _, place = link.partition("#")
        assert (ROOT / name).is_file(), link
        assert not place or place in anchors(ROOT / name), link


def test_folders_of_contributing_are_those_that_there_are():
    named = set(re.findall(r"`(\w+(?:/\w+)*)/`", CONTRIBUTING))
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "llmclf").glob("*/__init__.py")}
    assert {name for name in named if name.startswith("llmclf/")} == rooms
    assert all((ROOT / name).is_dir() for name in named)


EXTRAS = dict.fromkeys(["baselines", "demo", "estimator", "predictions", "teach_demo"], "book")
EXTRAS |= dict.fromkeys(["to_onnx", "to_transformers", "sentence_encoder"], "export")
EXTRAS |= dict.fromkeys(["rows", "message_files", "ray_engine"], "ray")


@pytest.mark.parametrize("path", sorted((ROOT / "llmclf").rglob("*.py")), ids=lambda path: path.stem)
def test_all_that_a_module_imports_is_a_requirement_of_its_own(path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"].get(EXTRAS.get(path.stem), [])
    known = {re.match(r"[\w-]+", line)[0].replace("scikit-learn", "sklearn") for line in wanted}
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported - sys.stdlib_module_names - {"llmclf"} <= known


def test_top_level_holds_only_the_usual():
    usual = {"README.md", "LICENSE", "LICENSE-TEXT", "Makefile", "pyproject.toml", "requirements.txt"}
    usual |= {"requirements.lock", "SECURITY.md", "CONTRIBUTING.md"}
    usual |= {"_config.yml", "_toc.yml", "benchmarks", "book", "llmclf", "tests"}
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - {"output"} <= usual | {
        "llmclf.egg-info"
    }
