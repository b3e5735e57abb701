import time

import pytest
import tiktoken
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import gguf_fields, write_gguf
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from tiktoken_ext.openai_public import r50k_pat_str
from tokenizers import Tokenizer, models, pre_tokenizers

from llmclf.console import LlmclfError
from llmclf.files import assets
from llmclf.files.storage import FileError, open_gguf
from llmclf.models import LlamaConfig
from llmclf.tokenizer import encode, gguf_tokenizer, load_tokenizer, printable_bytes

# Random characters alone would rarely meet where the rules of cutting differ: words, digits and white space.
TEXTS = st.lists(
    st.text()
    | st.sampled_from([" ", "  ", "\n", "\t ", "a", "Ab", "'s", "'LL", "7", "12", "½", "٣", "!", "é", "日本", "😀"])
).map("".join)


@pytest.fixture(scope="session")
def messages(any_sms_path):
    lines = any_sms_path.read_text(encoding="utf-8").split("\n")
    return [line.split("\t", 1)[1] for line in lines if line]


@pytest.fixture(scope="session")
def gpt2_reference(gpt2_encoding):
    """Tiktoken's own GPT-2, from the two original files."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
        files = assets.fetch("gpt2-merges"), assets.fetch("gpt2-encoder")
        ranks = data_gym_to_mergeable_bpe_ranks(*map(str, files))
    return tiktoken.Encoding(
        "gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256}
    )


@pytest.fixture(scope="session")
def smollm2_reference(smollm2_path):
    """Hugging Face's BPE with the merges of the GGUF file and SmolLM2's way to cut a text."""
    fields = open_gguf(smollm2_path).fields
    tokens, merges = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges"))
    vocabulary = {token: number for number, token in enumerate(tokens)}
    reference = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(merge.split(" ")) for merge in merges]))
    digits = pre_tokenizers.Digits(individual_digits=True)
    reference.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return reference


@pytest.fixture(params=["gpt2_encoding", "smollm2_encoding"])
def encoding(request):
    return request.getfixturevalue(request.param)


# The same ids as the originals ----------------------------------------------------------------------------------------


def test_gpt2_ids_of_all_messages_are_tiktokens_own(messages, gpt2_encoding, gpt2_reference):
    for message in messages:
        assert encode(gpt2_encoding, message) == gpt2_reference.encode_ordinary(message)


@given(text=TEXTS)
@settings(max_examples=300)
def test_gpt2_ids_of_any_text_are_tiktokens_own(gpt2_encoding, gpt2_reference, text):
    assert encode(gpt2_encoding, text) == (gpt2_reference.encode_ordinary(text) or [50256])


def test_smollm2_ids_of_all_messages_are_the_originals(messages, smollm2_encoding, smollm2_reference):
    expected = smollm2_reference.encode_batch(messages)
    for message, reference in zip(messages, expected, strict=True):
        assert encode(smollm2_encoding, message) == reference.ids


def in_smollm2s_alphabet(text):
    return not any(
        character in "\x04\x06\x13\x14\x16\x1d" or "\U00040000" <= character < "\U000c0000" for character in text
    )


@given(text=TEXTS.filter(in_smollm2s_alphabet))
@example("two  spaces before  1 digit")
@example("the end  ")
@settings(max_examples=300)
def test_smollm2_ids_of_any_text_are_the_originals(smollm2_encoding, smollm2_reference, text):
    assert encode(smollm2_encoding, text) == (smollm2_reference.encode(text).ids or [0])


def test_the_sources_example_has_the_sources_ids(gpt2_encoding):
    assert encode(gpt2_encoding, "Do you have time") == [5211, 345, 423, 640]


@pytest.mark.parametrize(
    ("fixture", "end_of_text", "size"), [("gpt2_encoding", 50256, 50257), ("smollm2_encoding", 0, 49152)]
)
def test_end_of_text_and_size_are_those_of_the_model(request, fixture, end_of_text, size):
    encoding = request.getfixturevalue(fixture)
    assert encoding.eot_token == end_of_text
    assert encoding.decode([end_of_text]) == "<|endoftext|>"
    assert encoding.n_vocab == size


# Any text at all ------------------------------------------------------------------------------------------------------


@given(text=TEXTS.filter(bool))
@settings(max_examples=200)
def test_gpt2_decodes_to_the_text_that_was_encoded(gpt2_encoding, text):
    assert gpt2_encoding.decode(encode(gpt2_encoding, text)) == text


@given(text=TEXTS.filter(bool).filter(in_smollm2s_alphabet))
@settings(max_examples=200)
def test_smollm2_decodes_to_the_text_that_was_encoded(smollm2_encoding, text):
    assert smollm2_encoding.decode(encode(smollm2_encoding, text)) == text


@pytest.mark.parametrize(
    "character", [*map(chr, range(32)), "\x7f", "\U00040000", "\U0007ffff", "\U00080000", "\U000bffff"]
)
def test_a_character_without_a_token_in_smollm2_becomes_the_replacement_character(smollm2_encoding, character):
    decoded = smollm2_encoding.decode(encode(smollm2_encoding, f"a{character}b"))
    assert decoded == (f"a{character}b" if in_smollm2s_alphabet(character) else "a\ufffdb")


def test_two_halves_of_a_character_without_a_token_in_smollm2_are_no_trouble_either(smollm2_encoding):
    assert smollm2_encoding.decode(encode(smollm2_encoding, "a\ud8c0\udc00b")) == "a\ufffdb"


@pytest.mark.parametrize("special", ["<|endoftext|>", "<|im_start|>user<|im_end|>", "<repo_name>", "a<|endoftext|>b"])
def test_special_tokens_in_a_message_are_plain_text(encoding, special):
    input_ids = encode(encoding, special)
    assert not set(input_ids) & {encoding.encode_single_token(token) for token in encoding.special_tokens_set}
    assert encoding.decode(input_ids) == special


@pytest.mark.parametrize("max_length", [None, 5])
def test_an_empty_message_is_one_end_of_text(encoding, max_length):
    assert encode(encoding, "", max_length) == [encoding.eot_token]


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("\ud83d", "\ufffd"),
        ("a\ud83d b", "a\ufffd b"),
        ("\ude00tail", "\ufffdtail"),
        ("two \ud83d\ude00 halves", "two 😀 halves"),
        ("\ufeffmark", "\ufeffmark"),
    ],
    ids=ascii,
)
def test_half_a_character_becomes_the_replacement_character(encoding, broken, mended):
    assert encoding.decode(encode(encoding, broken)) == mended


def test_a_message_is_cut_after_max_length(encoding):
    text = "Had your mobile 11 months or more? You are entitled to an update, free of charge."
    whole = encode(encoding, text)
    assert len(whole) > 10
    assert encode(encoding, text, max_length=10) == whole[:10]
    assert encode(encoding, text, max_length=1000) == encode(encoding, text, max_length=None) == whole


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "xy" * 50_000, "7" * 100_000, "?" * 100_000, "日" * 100_000, " " * 100_000]
)
def test_a_hundred_thousand_characters_without_a_break_are_no_trouble(encoding, text):
    begin = time.perf_counter()
    input_ids = encode(encoding, text)
    assert time.perf_counter() - begin < 5  # a tenth of a second, usually; minutes where the cost grows as the square
    unchanged = encoding.decode(input_ids) == text  # pytest would spend minutes on showing the difference
    assert unchanged


@pytest.mark.parametrize("end", ["", "x", "1"])
def test_more_than_a_million_spaces_are_no_trouble(encoding, end):
    text = " " * 1_100_000 + end
    unchanged = encoding.decode(encode(encoding, text)) == text
    assert unchanged


# Which tokenizer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt2-124M", "gpt2-1558M", "random-gpt2-355M"])
def test_every_gpt2_has_gpt2s_tokenizer(gpt2_encoding, name):
    tokenizer = load_tokenizer(name)
    assert (tokenizer.name, tokenizer.n_vocab) == ("gpt2", 50257)


@pytest.fixture
def small_gguf(tmp_path, monkeypatch):
    """A folder "random-models" with a GGUF file whose tokens are the 256 bytes; it passes for the true SmolLM2."""
    (tmp_path / "random-models").mkdir()
    fields = gguf_fields(LlamaConfig(vocab_size=257))
    fields["tokenizer.ggml.tokens"] = [*printable_bytes(), "<|endoftext|>"]
    fields["tokenizer.ggml.token_type"] = [1] * 256 + [3]
    path = write_gguf(tmp_path / "random-models" / "model.gguf", fields, {})
    asset = assets.Asset("smollm2-135M", "random-models/model.gguf", "", None, None, ())
    monkeypatch.setitem(assets.ASSETS, "smollm2-135M", asset)
    monkeypatch.setenv("LLMCLF_KIT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.parametrize("name", ["smollm2-135M", "random-smollm2-135M"])
def test_smollm2_has_its_own_tokenizer_trained_or_not(small_gguf, name):
    assert load_tokenizer(name).n_vocab == 257


@pytest.mark.parametrize("name", ["random-models", "random-models/model.gguf"])
def test_a_path_of_any_name_leads_to_the_tokenizer_in_the_gguf_file(small_gguf, name):
    assert load_tokenizer(name).n_vocab == 257


def test_a_folder_with_safetensors_is_gpt2(tmp_path, gpt2_encoding):
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert load_tokenizer(tmp_path).name == "gpt2"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer.ggml.model": "llama"}, "tokenizer 'llama' with pre-tokenizer 'smollm'; only SmolLM2's"),
        ({"tokenizer.ggml.pre": "llama-bpe"}, "tokenizer 'gpt2' with pre-tokenizer 'llama-bpe'; only SmolLM2's"),
        ({"tokenizer.ggml.pre": None}, "no entry 'tokenizer.ggml.pre', so this file does not hold SmolLM2's tokenizer"),
        ({"tokenizer.ggml.tokens": None}, "no entry 'tokenizer.ggml.tokens'"),
    ],
)
def test_a_gguf_file_with_another_tokenizer_is_refused(tmp_path, changes, message):
    path = write_gguf(tmp_path / "other.gguf", gguf_fields(LlamaConfig(vocab_size=300)) | changes, {})
    with pytest.raises(LlmclfError, match=message) as caught:
        gguf_tokenizer(path)
    assert str(path) in str(caught.value)


def test_a_gguf_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileError, match=r"missing\.gguf: no such file"):
        load_tokenizer(tmp_path / "missing.gguf")


def test_unknown_backbone_is_named_before_anything_is_fetched(monkeypatch):
    monkeypatch.setattr("llmclf.files.assets.fetch", lambda name: pytest.fail("fetched"))
    with pytest.raises(LlmclfError, match="smollm2: neither a backbone nor a file or folder"):
        load_tokenizer("smollm2")
