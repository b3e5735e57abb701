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

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from damage import write_tiny_gguf

ROOT = Path(__file__).parents[1]
FOLDERS = ("llmclf", "benchmarks", "book/_ext", "book/play", "book/figures", "book/text")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
ON_PURPOSE = {"book/text/07_classifying.py": ["pickle"]}  # shows what a pickle can do
FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "builtins"}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__", "builtins", "__builtins__"}  # called, or given another name
FORBIDDEN_LAST_WORDS = {"read_pickle", "to_pickle", "popen", "system", "getoutput", "getstatusoutput"}


def offences(source: str) -> list[str]:
    """What must not stand in a module."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
            found += ["load from torch"] if names[-1] == "torch" and "load" in names else []
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES:
            found.append(node.id)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {word.arg: ast.unparse(word.value) for word in node.keywords}
            unsafe_load = called == "torch.load" and options.get("weights_only") != "True"
            unsafe_option = "True" in (options.get("shell"), options.get("allow_pickle"))
            forbidden = called.split(".")[-1] in FORBIDDEN_LAST_WORDS and called != "platform.system"
            if forbidden or unsafe_load or unsafe_option:
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_is_made_from_data(path):
    expected = ON_PURPOSE.get(path.relative_to(ROOT).as_posix(), [])
    assert offences(path.read_text(encoding="utf-8")) == expected


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "builtins.eval('1')",
        "from builtins import eval as calculate",
        "__builtins__['eval']('1')",
        "calculate = eval",
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
{work}
assert not seen, seen
import pickle, collections
pickle.loads(pickle.dumps(collections.OrderedDict()))
assert seen
"""
COMMANDS = """
from unittest import mock
from llmclf.cli.parser import main
with mock.patch("llmclf.classify.TextClassifier.save", side_effect=KeyboardInterrupt):
    assert main([*{train!r}, "1"]) == 130
assert main([*{train!r}, "2"]) == 0
assert main(["classify", {classifier!r}, "hello"]) == 0
"""
STUDENT = """
sys.path.insert(0, {tests!r})
from conftest import build_tiny_tokenizer, tiny_gpt2
from llmclf.head import Classifier
from llmclf.classify import TextClassifier
from llmclf.interactive.student import load_student, save_student
model = Classifier(tiny_gpt2(tied_embeddings=False), 2)
save_student(TextClassifier(model, build_tiny_tokenizer(), ["ham", "spam"], "student"), {path!r})
assert load_student({path!r}).predict("hello") in ("ham", "spam")
"""


def audited(work: str) -> str:
    """Run it in another process, where nothing may be unpickled; what it told."""
    done = subprocess.run([sys.executable, "-c", AUDIT.format(work=work)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(params=["safetensors", pytest.param("gguf", marks=pytest.mark.slow)])
def train_arguments(request, tiny_files, tmp_path, monkeypatch):
    backbone, table = tiny_files
    if request.param == "gguf":
        monkeypatch.setenv("LLMCLF_CACHE", str(tmp_path / "cache"))  # of unpacked weights
        backbone = write_tiny_gguf(tmp_path / "tiny.gguf")
    columns = ["--table", str(table), "--text-column", "body", "--label-column", "kind"]
    return ["train", "--backbone", str(backbone), *columns, "--output", str(tmp_path / "classifier"), "--epochs"]


def test_nothing_is_unpickled_while_training_going_on_saving_and_loading(train_arguments, tmp_path):
    commands = COMMANDS.format(train=train_arguments, classifier=str(tmp_path / "classifier"))
    student = STUDENT.format(tests=str(ROOT / "tests"), path=str(tmp_path / "student.safetensors"))
    assert "continuing after epoch 1 of 2" in audited(commands + student)


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
