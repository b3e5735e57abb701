from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from llmclf.console import notice, progress
from llmclf.files.storage import (
    FileError,
    atomic_write,
    lock_folder,
    open_gguf,
    read_safetensors,
    read_with_checksum,
    sha256_of,
    write_with_checksum,
)

TENSORS = {"one": torch.arange(6.0).reshape(2, 3), "two": torch.ones(4, dtype=torch.float16)}


@pytest.fixture
def safetensors_path(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path, {"made by": "a test"})
    return path


@pytest.fixture
def gguf_path(tmp_path):
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_array("tokenizer.ggml.tokens", ["a", "bb", "ccc"])
    for name, tensor in TENSORS.items():
        writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


# Writing --------------------------------------------------------------------------------------------------------------


def test_a_file_takes_the_place_of_an_older_one_only_when_it_is_finished(tmp_path):
    target = tmp_path / "new" / "folder" / "note.txt"
    for old, new in ((None, "first"), ("first", "second")):
        with atomic_write(str(target)) as unfinished:
            unfinished.write_text(new)
            assert (target.read_text() if target.exists() else None) == old
        assert target.read_text() == new
        assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_the_older_file_stays_when_writing_fails(tmp_path, interruption):
    target = tmp_path / "note.txt"
    target.write_text("old")
    with pytest.raises(interruption), atomic_write(target) as unfinished:
        unfinished.write_text("half of the n")
        raise interruption
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


WRITE_AND_DIE = """
import os, sys
from llmclf.files.storage import atomic_write, lock_folder
with lock_folder(sys.argv[1]), atomic_write(sys.argv[1] + "/note.txt") as unfinished:
    unfinished.write_text("half of a very long note")
    unfinished.with_name("beside").touch()
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_leaves_is_removed_by_the_next_and_no_lock_stays(tmp_path):
    target = tmp_path / "note.txt"
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(tmp_path)])
    assert not target.exists()
    assert list(tmp_path.iterdir())
    with lock_folder(tmp_path), atomic_write(target) as unfinished:
        assert list(unfinished.parent.iterdir()) == [unfinished]
        unfinished.write_text("whole")
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_file_gets_the_usual_permissions_whoever_wrote_it(tmp_path):
    (tmp_path / "usual").write_text("x")
    write_with_checksum(tmp_path / "file", TENSORS, {})  # safetensors writes for the owner's eyes alone
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


HOLD = """
import sys
from llmclf.files.storage import lock_folder
with lock_folder(sys.argv[1]):
    print(flush=True)
    sys.stdin.read()
"""


def test_a_folder_belongs_to_one_process_and_others_are_refused_or_wait(tmp_path, capsys):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with (
            pytest.raises(FileError, match=f"{tmp_path}: another process is writing here; wait"),
            lock_folder(tmp_path),
        ):
            pass
        threading.Timer(1.5, other.stdin.close).start()
        with lock_folder(tmp_path, wait=True):
            assert other.wait(10) == 0
    assert capsys.readouterr().err == f"llmclf: another process is writing into {tmp_path}; waiting for it\n"
    assert list(tmp_path.iterdir()) == []


def test_a_process_may_lock_its_folder_again_and_leaves_no_lock_and_no_empty_folder_behind(tmp_path):
    folder = tmp_path / "new"
    with pytest.raises(KeyboardInterrupt), lock_folder(folder):
        with lock_folder(folder):
            (folder / "file").touch()
        assert {path.name for path in folder.iterdir()} == {".lock", "file"}
        raise KeyboardInterrupt
    assert [path.name for path in folder.iterdir()] == ["file"]
    with lock_folder(tmp_path / "empty"):
        pass
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize(
    ("content", "digest"),  # the examples of FIPS 180
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ],
)
def test_sha256_of_known_files(tmp_path, content, digest):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert sha256_of(path) == sha256_of(str(path)) == digest


def test_a_file_that_has_changed_is_read_again(tmp_path):
    path = tmp_path / "file"
    for time, content in enumerate((b"one", b"two")):
        path.write_bytes(content)
        os.utime(path, (time, time))
        assert sha256_of(path) == hashlib.sha256(content).hexdigest()


# Reading --------------------------------------------------------------------------------------------------------------


def test_safetensors_are_read_with_their_metadata(safetensors_path):
    tensors, metadata = read_safetensors(safetensors_path)
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert metadata == {"made by": "a test"}
    save_file(TENSORS, safetensors_path)
    assert read_safetensors(str(safetensors_path))[1] == {}


def test_gguf_is_read(gguf_path):
    reader = open_gguf(gguf_path)
    assert {tensor.name for tensor in reader.tensors} == TENSORS.keys()
    assert all(np.array_equal(tensor.data, TENSORS[tensor.name]) for tensor in reader.tensors)
    assert reader.fields["tokenizer.ggml.tokens"].contents() == ["a", "bb", "ccc"]


@pytest.mark.parametrize("read", [read_safetensors, open_gguf])
def test_a_missing_file_is_named(tmp_path, read):
    path = tmp_path / "nowhere" / "model"
    with pytest.raises(FileError, match="no such file") as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("read", [read_safetensors, open_gguf])
def test_a_folder_is_called_a_folder(tmp_path, read):
    with pytest.raises(FileError, match="a folder, where one file was expected") as caught:
        read(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_cannot_be_opened_is_not_called_damaged(gguf_path):
    with pytest.raises(FileError, match=r"cannot be read \(.*Not a directory"):
        open_gguf(gguf_path / "below-a-file")


@pytest.mark.parametrize("content", [b"", b"short", b"<!DOCTYPE html>" * 50, b"\xff\xfe\x00" * 500])
@pytest.mark.parametrize(("read", "kind"), [(read_safetensors, "safetensors"), (open_gguf, "GGUF")])
def test_another_kind_of_file_is_told_apart(tmp_path, read, kind, content):
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(FileError, match=rf"not a complete {kind} file \(.+\); fetch (or save )?it again") as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_each_kind_refuses_the_other(safetensors_path, gguf_path):
    with pytest.raises(FileError, match="not a complete safetensors file"):
        read_safetensors(gguf_path)
    with pytest.raises(FileError, match="not a complete GGUF file"):
        open_gguf(safetensors_path)


def test_a_cut_safetensors_file_is_refused_wherever_it_was_cut(safetensors_path):
    content = safetensors_path.read_bytes()
    for length in range(len(content)):
        safetensors_path.write_bytes(content[:length])
        with pytest.raises(FileError, match="not a complete safetensors file"):
            read_safetensors(safetensors_path)


def test_a_file_with_checksum_gives_back_tensors_and_record(tmp_path):
    record = {"name": "é", "numbers": [1, 2.5, None]}
    write_with_checksum(tmp_path / "file", TENSORS, record)
    tensors, found = read_with_checksum(tmp_path / "file", "")
    assert found == record
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_a_flipped_bit_in_any_byte_of_a_file_with_checksum_is_noticed(tmp_path):
    path = tmp_path / "file"
    write_with_checksum(path, {"a": torch.arange(4.0).view(2, 2), "b": torch.tensor(1)}, {"né": 1})
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        with pytest.raises(FileError, match=r"; do something$"):
            read_with_checksum(path, "do something")


def test_a_file_without_checksum_is_refused(safetensors_path):
    with pytest.raises(
        FileError, match=r"model\.safetensors: not written by this version of the library; write it anew"
    ):
        read_with_checksum(safetensors_path, "write it anew")


def test_a_cut_gguf_file_is_refused_wherever_it_was_cut(gguf_path):
    content = gguf_path.read_bytes()
    last_tensor = TENSORS["two"].numpy().tobytes()
    end = content.rindex(last_tensor) + len(last_tensor)  # behind it only padding follows
    for length in range(end):
        gguf_path.write_bytes(content[:length])
        with pytest.raises(FileError, match="not a complete GGUF file"):
            open_gguf(gguf_path)


# Progress and notices -------------------------------------------------------------------------------------------------


@pytest.fixture
def screen(monkeypatch):
    """Standard error of a person at a terminal, outside CI, as a function that draws a bar and returns what is seen."""
    monkeypatch.delenv("CI")
    monkeypatch.delitem(sys.modules, "IPython", raising=False)

    def draw(work=lambda bar: bar.refresh(), terminal=True) -> str:
        shown = io.StringIO()
        shown.isatty = lambda: terminal
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", shown)
            with progress([1, 2, 3], description="counting sheep") as bar:
                work(bar)
        return shown.getvalue()

    return draw


def test_a_bar_is_drawn_in_a_terminal_and_in_a_notebook_and_nowhere_else(screen, monkeypatch):
    assert "counting sheep" in screen()
    assert screen(terminal=False) == ""
    kernel_shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel_shell))
    assert "counting sheep" in screen(terminal=False)
    monkeypatch.setenv("CI", "true")
    assert screen() == ""


def test_quick_work_draws_no_bar_and_yields_everything(screen):
    seen = []
    assert screen(seen.extend) == ""
    assert seen == [1, 2, 3]


def test_a_finished_bar_vanishes(screen):
    def work_long(bar):
        bar.start_t -= 2  # so that more than the delay has passed
        bar.refresh()

    assert screen(work_long).endswith(" \r")


def test_notice_goes_to_standard_error_and_in_a_notebook_to_the_output(capsys, monkeypatch):
    notice("one")
    monkeypatch.setattr("llmclf.console.in_notebook", lambda: True)
    notice("two")
    assert capsys.readouterr() == ("llmclf: two\n", "llmclf: one\n")
