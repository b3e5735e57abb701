from __future__ import annotations

import io
import os
import sys
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
    sweep,
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


def test_replacing_makes_the_folder_and_leaves_only_the_finished_file(tmp_path):
    target = tmp_path / "new" / "folder" / "note.txt"
    with atomic_write(target) as temporary:
        temporary.write_text("finished")
        assert not target.exists()
    assert target.read_text() == "finished"
    assert list(target.parent.iterdir()) == [target]


def test_replacing_takes_the_place_of_an_older_file(tmp_path):
    target = tmp_path / "note.txt"
    target.write_text("old")
    with atomic_write(str(target)) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_replacing_gives_a_file_the_usual_permissions_whoever_wrote_it(tmp_path):
    with atomic_write(tmp_path / "file") as unfinished:
        unfinished.write_text("x")
        unfinished.chmod(0o600)
    (tmp_path / "usual").write_text("x")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_replacing_leaves_the_permissions_of_a_file_that_has_another_name_too(tmp_path):
    (tmp_path / "kit").write_text("x")
    (tmp_path / "kit").chmod(0o400)
    with atomic_write(tmp_path / "cached") as unfinished:
        os.link(tmp_path / "kit", unfinished)
    assert (tmp_path / "kit").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "cached").samefile(tmp_path / "kit")


def test_sweeping_removes_what_is_unfinished_but_not_in_folders_with_a_lock_of_their_own(tmp_path):
    for folder in ("", "below", "below/deep", "others", "others/deep", "cache/gpt2-bpe"):
        (tmp_path / folder / ".llmclf-x").mkdir(parents=True)
        (tmp_path / folder / ".llmclf-x" / "half").write_text("half")
        (tmp_path / folder / "whole").write_text("whole")
    (tmp_path / "others" / ".lock").touch()
    (tmp_path / "cache" / "gpt2-bpe" / ".gpt2-bpe.lock").touch()  # of a download
    sweep(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob(".llmclf-x")}
    assert left == {"others/.llmclf-x", "others/deep/.llmclf-x", "cache/gpt2-bpe/.llmclf-x"}
    assert len(list(tmp_path.rglob("whole"))) == 6


def test_what_an_interruption_leaves_goes_when_the_folder_is_given_up(tmp_path):
    with pytest.raises(KeyboardInterrupt), lock_folder(tmp_path / "out"):
        (tmp_path / "out" / "whole").touch()
        with lock_folder(tmp_path / "out"):
            pass
        (tmp_path / "out" / ".llmclf-x").mkdir()  # and before it could be filled:
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole"]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_replacing_keeps_the_older_file_when_writing_fails(tmp_path, interruption):
    target = tmp_path / "note.txt"
    target.write_text("old")
    with pytest.raises(interruption), atomic_write(target) as temporary:
        temporary.write_text("half of the n")
        raise interruption
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    target = tmp_path / "note.txt"
    with atomic_write(target) as first, atomic_write(target) as second:
        first.write_text("first")
        second.write_text("second")
        assert first.read_text() == "first"
    assert target.read_text() == "first"  # the one that ended last
    assert list(tmp_path.iterdir()) == [target]


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


# Reading --------------------------------------------------------------------------------------------------------------


def test_safetensors_are_read_with_their_metadata(safetensors_path):
    tensors, metadata = read_safetensors(safetensors_path)
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert metadata == {"made by": "a test"}


def test_safetensors_without_metadata_have_an_empty_one(tmp_path):
    save_file(TENSORS, tmp_path / "plain.safetensors")
    assert read_safetensors(str(tmp_path / "plain.safetensors"))[1] == {}


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


def test_sealed_file_gives_back_tensors_and_record(tmp_path):
    record = {"name": "é", "numbers": [1, 2.5, None]}
    write_with_checksum(tmp_path / "sealed", TENSORS, record)
    tensors, found = read_with_checksum(tmp_path / "sealed", "")
    assert found == record
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_every_flipped_bit_of_a_sealed_file_is_noticed(tmp_path):
    path = tmp_path / "sealed"
    write_with_checksum(path, {"a": torch.arange(4.0).view(2, 2), "b": torch.tensor(1)}, {"né": 1})
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
            with pytest.raises(FileError, match=r"; do something$"):
                read_with_checksum(path, "do something")


def test_file_that_is_not_sealed_is_refused(safetensors_path):
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


def test_a_bar_is_drawn_in_a_terminal(screen):
    assert "counting sheep" in screen()


def test_a_bar_is_drawn_in_a_notebook(screen, monkeypatch):
    kernel_shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel_shell))
    assert "counting sheep" in screen(terminal=False)


def test_no_bar_is_drawn_where_nobody_watches(screen):
    assert screen(terminal=False) == ""


def test_no_bar_is_drawn_in_ci(screen, monkeypatch):
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


def test_a_notice_is_one_line_on_standard_error(capsys):
    notice("something is worth knowing")
    assert capsys.readouterr() == ("", "llmclf: something is worth knowing\n")


def test_notice_goes_to_standard_error_and_in_a_notebook_to_the_output(capsys, monkeypatch):
    notice("one")
    monkeypatch.setattr("llmclf.console.in_notebook", lambda: True)
    notice("two")
    assert capsys.readouterr() == ("llmclf: two\n", "llmclf: one\n")
