"""What README says of files, variables and commands is so."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from llmclf.files import assets

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("asset", assets.ASSETS.values(), ids=lambda asset: asset.name)
def test_readme_states_name_size_and_licence_of_every_file(asset):
    row = next(line for line in README.splitlines() if line.startswith("|") and f"`{asset.name}`" in line)
    assert asset.size_text in row
    assert asset.licence.split(" (")[0] in row


def test_readme_and_library_know_the_same_variables():
    library = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "llmclf").rglob("*.py"))
    read = set(re.findall(r"environ(?:\.get\(|\[)\"(LLMCLF_\w+)", library))
    assert read == set(re.findall(r"^\| `(LLMCLF_\w+)`", README, re.MULTILINE))


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make (\w+) ", README)) | {"book", "test", "finetune", "lab"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


EXTRAS = {"baselines": "book", "demo": "book", "estimator": "book", "message_files": "ray", "ray_engine": "ray"}


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
    usual |= {"requirements.lock", "SECURITY.md"}
    usual |= {"_config.yml", "_toc.yml", "benchmarks", "book", "llmclf", "tests"}
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - {"output"} <= usual | {
        "llmclf.egg-info"
    }
