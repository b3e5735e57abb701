"""GGUF files are unpacked once; the kept copy is used only while it is whole."""

from __future__ import annotations

import hashlib

import gguf
import numpy as np
import pytest
import torch
from reference import gguf_fields, gguf_tensors, llama_pair, write_gguf
from safetensors.torch import save_file

from llmclf.files import assets
from llmclf.files import gguf as gguf_file
from llmclf.files.assets import Asset
from llmclf.files.gguf import read_gguf
from llmclf.files.storage import FileError
from llmclf.tokenizer import load_tokenizer, printable_bytes
from llmclf.weights import load_pretrained


@pytest.fixture(autouse=True)
def keep_small_files_too(monkeypatch, tmp_path):
    monkeypatch.setattr(gguf_file, "WORTH_KEEPING", 0)
    monkeypatch.setenv("LLMCLF_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def numbers():
    return np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)


@pytest.fixture
def path(tmp_path, numbers):
    target = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_context_length(12)
    writer.add_token_list(["a", "Ġb"])
    writer.add_token_merges(["a b"])
    writer.add_tensor("plain", numbers)
    packed = gguf.quants.quantize(numbers, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("packed", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def kept(tmp_path):
    [path] = (tmp_path / "cache" / "unpacked").iterdir()
    return path


def forbid_unpacking(monkeypatch):
    monkeypatch.setattr(gguf_file, "unpack", lambda path: pytest.fail("unpacked again"))


def test_tensors_come_out_as_they_were_packed(path, numbers):
    tensors, entries = read_gguf(path)
    assert torch.equal(tensors["plain"], torch.from_numpy(numbers))
    assert tensors["packed"].dtype == torch.float32
    torch.testing.assert_close(tensors["packed"], torch.from_numpy(numbers), atol=0.02, rtol=0)
    assert entries["llama.context_length"] == 12
    assert entries["tokenizer.ggml.tokens"] == ["a", "Ġb"]
    assert "tokenizer.ggml.merges" not in entries


def test_second_reading_takes_the_kept_copy_and_it_is_the_same(path, monkeypatch):
    tensors, entries = read_gguf(path)
    forbid_unpacking(monkeypatch)
    again, entries_again = read_gguf(path)
    assert entries_again == entries
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


def test_another_file_at_the_same_path_is_not_mistaken_for_the_old_one(path, tmp_path):
    read_gguf(path)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("other", np.ones((2, 2), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert list(read_gguf(path)[0]) == ["other"]


@pytest.mark.parametrize("damage", [lambda content: content[:-8], lambda content: content[:-1] + b"\x7f"])
def test_damaged_copy_is_told_of_and_made_anew(path, tmp_path, damage, capsys, monkeypatch):
    tensors, _ = read_gguf(path)
    copy = kept(tmp_path)
    copy.write_bytes(damage(copy.read_bytes()))
    again, _ = read_gguf(path)
    told = capsys.readouterr().err
    assert str(copy) in told
    assert f"; unpacking {path} again" in told
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    forbid_unpacking(monkeypatch)
    read_gguf(path)


def test_copy_that_is_not_ours_does_not_count(path, tmp_path):
    read_gguf(path)
    save_file({"plain": torch.zeros(6, 64)}, kept(tmp_path))
    assert read_gguf(path)[0]["plain"].any()


def test_file_is_read_once_for_its_hash_when_model_and_tokenizer_are_loaded(tmp_path, monkeypatch):
    shape = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "num_kv_heads": 2, "intermediate_size": 32}
    ours, theirs = llama_pair(vocab_size=257, **shape)
    fields = gguf_fields(ours.config)
    fields["tokenizer.ggml.tokens"] = [*printable_bytes(), "<|endoftext|>"]
    fields["tokenizer.ggml.token_type"] = [1] * 256 + [3]
    path = write_gguf(tmp_path / "tiny.gguf", fields, gguf_tensors(theirs))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    asset = Asset("smollm2-135M", "tiny.gguf", "none", path.stat().st_size, digest, ())
    monkeypatch.setitem(assets.ASSETS, "smollm2-135M", asset)
    monkeypatch.setenv("LLMCLF_KIT", str(tmp_path))
    read, count = hashlib.file_digest, []

    def counted(file, name):
        count.append(file.name)
        return read(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    load_pretrained("smollm2-135M")
    load_tokenizer("smollm2-135M")
    assert count == [str(path)]


def test_cache_that_cannot_be_written_costs_only_the_copy(path, tmp_path, capsys):
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert "plain" in read_gguf(path)[0]
    assert "could not be kept: " in capsys.readouterr().err


def test_small_file_leaves_nothing_in_the_cache(path, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_file, "WORTH_KEEPING", 10**6)
    read_gguf(path)
    assert not (tmp_path / "cache").exists()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"nothing\.gguf: no such file"):
        read_gguf(tmp_path / "nothing.gguf")


def test_packing_that_cannot_be_undone_is_named(path, monkeypatch):
    def refuse(data, kind):
        raise NotImplementedError

    monkeypatch.setattr(gguf.quants, "dequantize", refuse)
    with pytest.raises(FileError, match=r"tiny\.gguf: tensor plain is packed as F32, which gguf cannot unpack"):
        read_gguf(path)
