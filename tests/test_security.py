"""What SECURITY.md promises."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDERS = ("llmclf", "book/_ext", "book/play", "book/figures")  # chapter 7 shows what a pickle can do; it does so there
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_LAST_WORDS = {"read_pickle", "to_pickle", "popen", "system", "getoutput", "getstatusoutput"}


def offences(source: str) -> list[str]:
    """What must not stand in a module."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
            found += ["load from torch"] if names[-1] == "torch" and "load" in names else []
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {word.arg: ast.unparse(word.value) for word in node.keywords}
            unsafe_load = called == "torch.load" and options.get("weights_only") != "True"
            unsafe_option = "True" in (options.get("shell"), options.get("allow_pickle"))
            forbidden = called in FORBIDDEN_CALLS or called.split(".")[-1] in FORBIDDEN_LAST_WORDS
            if forbidden or unsafe_load or unsafe_option:
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_is_made_from_data(path):
    assert not offences(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "torch.load(path)",
        "os.system('ls')",
        "run(x, shell=True)",
        "from torch import load",
        "pandas.read_pickle(path)",
        "numpy.load(path, allow_pickle=True)",
        "os.popen('ls')",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    assert offences(source)


AUDIT = """
import sys
seen = []
sys.addaudithook(lambda event, arguments: seen.append(arguments) if event == "pickle.find_class" else None)
from llmclf.__main__ import main
code = main({arguments!r})
assert not seen, seen
{proof}
sys.exit(code)
"""
PROOF = "import pickle, collections; pickle.loads(pickle.dumps(collections.OrderedDict())); assert seen"


def test_nothing_is_unpickled_while_training_saving_and_loading(tiny_files, tmp_path):
    backbone, table = map(str, tiny_files)
    train = ["train", "--backbone", backbone, "--table", table, "--text-column", "body", "--label-column", "kind"]
    train += ["--epochs", "1", "--output", str(tmp_path / "classifier")]
    for arguments in (train, ["classify", str(tmp_path / "classifier"), "hello"]):
        script = AUDIT.format(arguments=arguments, proof=PROOF)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_servers_listen_on_this_computer_only():
    from jupyter_server.serverapp import ServerApp

    voila = json.loads((ROOT / "book" / "play" / "voila.json").read_text())["Voila"]
    makefile = (ROOT / "Makefile").read_text()
    assert voila["ip"] == "127.0.0.1"
    assert ServerApp().ip in ("localhost", "127.0.0.1")
    assert "--ip" not in makefile
    assert "0.0.0.0" not in makefile


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflow_has_the_least_rights_and_runs_what_ci_runs(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert not [step for step in steps if "uses" in step]
    assert any(".ci/run" in step["run"] for step in steps)
    for step in steps:  # what a stranger may choose, such as a title, is never pasted into a command
        assert "${{" not in step["run"]


def test_lock_file_has_hashes_for_every_package_and_the_versions_of_requirements():
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements.lock").read_text())[1:]
    assert len(entries) > 100
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry) for entry in entries)
    locked = {entry.split(" \\")[0] for entry in entries}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    asked = {line for line in lines if "==" in line}
    assert asked <= locked
    assert all(re.match("nvidia-|cuda-|triton", name) for name in locked - asked)
    assert lines[1] == "-e ."
