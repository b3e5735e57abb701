import gguf
import pytest
import torch
import transformers
from reference import gguf_fields, gguf_tensors, gpt2_pair, llama_pair, randomise, write_gguf
from safetensors.torch import save_file
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from llmclf import weights
from llmclf.files import assets
from llmclf.files.storage import FileError
from llmclf.generate import continue_text, generate
from llmclf.models import GPT2_SIZES, GPT2Config, LlamaConfig
from llmclf.models.gpt2_weights import hub_layout
from llmclf.models.state import WeightsError, build
from llmclf.tokenizer import load_tokenizer
from llmclf.weights import choose_backbone, load_pretrained


def assert_same_logits(ours, theirs, *, vocab_size=97, relative=None):
    input_ids = torch.randint(0, vocab_size, (2, 13))
    with torch.no_grad():
        found, expected = ours(input_ids), theirs(input_ids).logits
    tolerance = 1e-5 if relative is None else relative * expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def parameter_count(model):
    return sum(parameter.numel() for parameter in model.parameters())


# GPT-2 from the Hub ---------------------------------------------------------------------------------------------------


def hub_tensors(theirs):
    """What the Hub's file holds: no prefix, mask buffers, and no head, which is the token embedding."""
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in theirs.state_dict().items()}
    del tensors["lm_head.weight"]
    context = theirs.config.n_positions
    for layer in range(theirs.config.n_layer):
        tensors[f"h.{layer}.attn.bias"] = torch.tril(torch.ones(context, context)).view(1, 1, context, context)
    return tensors


@pytest.fixture
def hub_file(tmp_path):
    """Write tensors and, unless it is `None`, the description beside them."""

    def write(tensors, description='{"n_head": 4}'):
        path = tmp_path / "model.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})
        if description is not None:
            path.with_name("config.json").write_text(description)
        return path

    return write


@pytest.fixture
def small_gpt2():
    return gpt2_pair(hidden_size=32, num_layers=2, num_heads=4)[1]


def test_a_file_of_the_124m_model_is_read_as_transformers_reads_it(tmp_path):
    description = transformers.GPT2Config()
    path = tmp_path / "model.safetensors"
    try:
        tensors = hub_tensors(randomise(transformers.GPT2LMHeadModel(description), std=0.02))
        save_file(tensors, path, {"format": "pt"})
        ours = load_pretrained(path)
        description.save_pretrained(tmp_path)
        theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path).eval()
        assert_same_logits(ours, theirs, vocab_size=50257, relative=1e-5)
        prompt = torch.randint(0, 50257, (1, 8))
        settings = {"do_sample": False, "max_new_tokens": 4, "attention_mask": torch.ones_like(prompt)}
        expected = theirs.generate(prompt, **settings, eos_token_id=None, pad_token_id=0)
        assert torch.equal(generate(ours, prompt, new_tokens=4), expected)
    finally:
        path.unlink(missing_ok=True)  # half a gigabyte


@pytest.mark.parametrize(
    ("name", "hidden_size", "layers", "heads", "parameters"),
    [
        ("gpt2-124M", 768, 12, 12, 124_439_808),
        ("gpt2-355M", 1024, 24, 16, 354_823_168),
        ("gpt2-774M", 1280, 36, 20, 774_030_080),
        ("gpt2-1558M", 1600, 48, 25, 1_557_611_200),
    ],
)
def test_names_shapes_and_size_of_every_gpt2_are_those_of_transformers(name, hidden_size, layers, heads, parameters):
    with torch.device("meta"):
        config = transformers.GPT2Config(n_embd=hidden_size, n_layer=layers, n_head=heads)
        theirs = transformers.GPT2LMHeadModel(config)
    expected = {name.removeprefix("transformer."): weight.shape for name, weight in theirs.state_dict().items()}
    del expected["lm_head.weight"]
    assert hub_layout(GPT2_SIZES[name]) == expected
    assert parameter_count(build(GPT2_SIZES[name])) == parameters
    assert GPT2_SIZES[name].num_heads == heads


@pytest.mark.parametrize("prefix", ["", "transformer."])
@pytest.mark.parametrize("with_head", [False, True])
def test_a_small_file_gives_the_models_logits(hub_file, small_gpt2, prefix, with_head):
    tensors = {prefix + name: tensor for name, tensor in hub_tensors(small_gpt2).items()}
    if with_head:
        tensors["lm_head.weight"] = small_gpt2.lm_head.weight.clone()
    path = hub_file(tensors)
    assert_same_logits(load_pretrained(path), small_gpt2)
    assert_same_logits(load_pretrained(str(path.parent)), small_gpt2)


def test_heads_of_64_are_assumed_where_nothing_is_said(hub_file):
    _, theirs = gpt2_pair(hidden_size=128, num_layers=1, num_heads=2)
    assert_same_logits(load_pretrained(hub_file(hub_tensors(theirs), description=None)), theirs)


def test_other_heads_have_to_be_stated(hub_file, small_gpt2):
    path = hub_file(hub_tensors(small_gpt2), description=None)
    with pytest.raises(WeightsError, match=r"model\.safetensors: number of attention heads unknown.*config\.json"):
        load_pretrained(path)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "expected a JSON object, found a list"),
        ("{}", "n_head is None, which does not divide"),
        (
            '{"n_head": 4, "activation_function": "relu"}',
            "activation_function is 'relu', and only 'gelu_new'",
        ),
        ('{"n_head": "four"}', "n_head is 'four', which does not divide the hidden size 32"),
        ('{"n_head": 5}', "n_head is 5, which does not divide"),
        ('{"n_head": 0}', "n_head is 0, which does not divide"),
    ],
)
def test_a_broken_description_is_named(hub_file, small_gpt2, description, message):
    path = hub_file(hub_tensors(small_gpt2), description)
    with pytest.raises(FileError, match=message) as caught:
        load_pretrained(path)
    assert str(path.with_name("config.json")) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h.1.mlp.c_fc.bias": None}, "missing tensors: h.1.mlp.c_fc.bias;"),
        ({"ln_f.weight": None, "ln_f.bias": None}, "missing tensors: ln_f.bias, ln_f.weight;"),
        ({"extra": (3,)}, "surplus tensors: extra;"),
        ({"h.5.ln_1.weight": (32,)}, "missing tensors: h.2.attn.c_attn.bias, .* and 9 more;"),
        ({"h.x.ln_1.weight": (32,)}, "missing tensors: h.2.attn"),
        (
            {"h.0.mlp.c_fc.weight": (128, 32)},
            r"wrong shape tensors: h.0.mlp.c_fc.weight \(128, 32\) instead of \(32, 128\)",
        ),
        ({"wpe.weight": (40, 31)}, r"wrong shape tensors: wpe.weight \(40, 31\) instead of \(40, 32\)"),
        ({"wte.weight": None}, "no wte.weight and wpe.weight as matrices, so this is not a GPT-2 file"),
        ({"wte.weight": (7,)}, "no wte.weight and wpe.weight as matrices"),
        ({"wpe.weight": ()}, "no wte.weight and wpe.weight as matrices"),
        ({"lm_head.weight": (97, 32)}, "lm_head.weight is not wte.weight once more"),
        ({"transformer.ln_f.bias": (32,)}, "there twice, with and without 'transformer.'"),
    ],
    ids=str,
)
def test_a_file_with_other_tensors_is_refused(hub_file, small_gpt2, change, message):
    tensors = hub_tensors(small_gpt2)
    for name, shape in change.items():
        tensors.pop(name, None)
        if shape is not None:
            tensors[name] = torch.ones(shape)
    path = hub_file(tensors)
    with pytest.raises(WeightsError, match=message) as caught:
        load_pretrained(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kept", [0, 4, 200, -1])
def test_a_cut_off_file_is_refused(hub_file, small_gpt2, kept):
    path = hub_file(hub_tensors(small_gpt2))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FileError, match=r"model\.safetensors: not a complete safetensors file .* again"):
        load_pretrained(path)


@pytest.mark.parametrize(
    "content", [b"Every effort moves you. " * 50, b"\x89PNG\r\n\x1a\n" + bytes(500), b"GGUF" + bytes(50)]
)
def test_a_file_that_is_something_else_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileError, match="not a complete safetensors file"):
        load_pretrained(path)


# Names, folders, precision --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [[], ["a.safetensors", "b.safetensors"], ["a.safetensors", "b.gguf"], ["notes.txt"]])
def test_a_folder_must_hold_one_weights_file(tmp_path, files):
    for name in files:
        (tmp_path / name).touch()
    found = sum(not name.endswith(".txt") for name in files)
    with pytest.raises(FileError, match=rf"expected one \.safetensors or \.gguf file in this folder, found {found}"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["gpt3", "random-gpt3", "nowhere/model.safetensors", "nowhere/model.gguf"])
def test_an_unknown_name_is_answered_with_the_known_ones(name):
    with pytest.raises(FileError, match=f"{name}: neither a backbone .*gpt2-124M.*smollm2-135M.* nor a file or folder"):
        load_pretrained(name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_loaded_model_is_in_evaluation_mode_of_the_wanted_precision_and_tied(hub_file, small_gpt2, dtype):
    tensors = {name: tensor.half() for name, tensor in hub_tensors(small_gpt2).items()}
    model = load_pretrained(hub_file(tensors), dtype=dtype)
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert not model.training
    assert model.head.weight is model.token_embedding.weight


@pytest.fixture
def small_names(monkeypatch):
    monkeypatch.setitem(weights.CONFIGS, "small-gpt2", GPT2Config(97, 40, 32, 2, 4))
    monkeypatch.setitem(weights.CONFIGS, "small-llama", LlamaConfig(97, 40, 48, 2, 6, 2, 64))


@pytest.mark.parametrize("name", ["random-small-gpt2", "random-small-llama"])
def test_a_random_backbone_is_the_same_for_the_same_seed(small_names, name):
    first, second, other = (load_pretrained(name, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
    assert not torch.equal(first["token_embedding.weight"], other["token_embedding.weight"])


def test_a_random_backbone_has_the_wanted_precision(small_names):
    model = load_pretrained("random-small-llama", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.head.weight is model.token_embedding.weight
    assert not model.training


# Which backbone -------------------------------------------------------------------------------------------------------


@pytest.fixture
def gpt2_in_kit(tmp_path, monkeypatch):
    path = tmp_path / "gpt2-124M" / "model.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"as if")
    monkeypatch.setitem(assets.ASSETS, "gpt2-124M", assets.Asset("gpt2-124M", str(path), "", 5, None, ()))


@pytest.fixture
def no_gpt2(tmp_path, monkeypatch):
    absent = assets.Asset("gpt2-124M", str(tmp_path / "absent"), "", 5, None, ())
    monkeypatch.setitem(assets.ASSETS, "gpt2-124M", absent)


def test_the_backbone_is_gpt2_where_it_can_be_had(gpt2_in_kit, capsys):
    assert choose_backbone() == "gpt2-124M"
    assert capsys.readouterr().err == ""


def test_the_backbone_is_smollm2_elsewhere_and_one_line_says_so(no_gpt2, capsys):
    assert choose_backbone() == "smollm2-135M"
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "GPT-2 124M is not available here; using SmolLM2-135M" in lines[0]


def test_the_environment_chooses_the_backbone_and_an_argument_overrules_it(gpt2_in_kit, monkeypatch):
    monkeypatch.setenv("LLMCLF_BACKBONE", "smollm2-135M")
    assert choose_backbone() == "smollm2-135M"
    assert choose_backbone("gpt2-355M") == "gpt2-355M"
    monkeypatch.setenv("LLMCLF_BACKBONE", "")
    assert choose_backbone() == "gpt2-124M"


# Llama from GGUF ------------------------------------------------------------------------------------------------------

SMALL_LLAMA = {"hidden_size": 96, "num_layers": 2, "num_heads": 6, "num_kv_heads": 2, "intermediate_size": 64}


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("quantised", [None, gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_1])
def test_a_gguf_file_gives_the_models_logits(tmp_path, tied, quantised):
    ours, theirs = llama_pair(**SMALL_LLAMA, tied_embeddings=tied, norm_epsilon=1e-3, rope_base=500.0)
    path = write_gguf(tmp_path / "model.gguf", gguf_fields(ours.config), gguf_tensors(theirs), quantised)
    if quantised is not None:
        for parameter in {parameter for parameter in theirs.parameters() if parameter.ndim == 2}:
            packed = gguf.quantize(parameter.detach().numpy(), quantised)
            parameter.data = torch.from_numpy(gguf.dequantize(packed, quantised))
    loaded = load_pretrained(path)
    assert loaded.config.tied_embeddings == tied
    assert_same_logits(loaded, theirs)


@pytest.fixture
def small_gguf(tmp_path):
    ours, theirs = llama_pair(**SMALL_LLAMA)

    def write(fields=None, tensors=None):
        all_tensors = {**gguf_tensors(theirs), **(tensors or {})}
        present = {name: tensor for name, tensor in all_tensors.items() if tensor is not None}
        return write_gguf(tmp_path / "model.gguf", gguf_fields(ours.config) | (fields or {}), present)

    return write


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("blk.1.ffn_up.weight", None, "missing tensors: blk.1.ffn_up.weight;"),
        ("blk.0.attn_q.bias", (96,), "surplus tensors: blk.0.attn_q.bias;"),
        ("rope_freqs.weight", (8,), "surplus tensors: rope_freqs.weight;"),
        ("blk.0.attn_k.weight", (96, 96), r"wrong shape tensors: blk.0.attn_k.weight \(96, 96\) instead of \(32, 96\)"),
    ],
)
def test_a_gguf_file_with_other_tensors_is_refused(small_gguf, name, shape, message):
    path = small_gguf(tensors={name: None if shape is None else torch.ones(shape).numpy()})
    with pytest.raises(WeightsError, match=message) as caught:
        load_pretrained(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"general.architecture": "qwen2"}, "architecture 'qwen2'; only 'llama' is understood"),
        ({"llama.attention.head_count": None}, "no entry 'llama.attention.head_count', so this is not a GGUF file of"),
        ({"llama.rope.freq_base": None}, "no entry 'llama.rope.freq_base'"),
        ({"tokenizer.ggml.tokens": None}, "no entry 'tokenizer.ggml.tokens'"),
    ],
)
def test_a_gguf_file_of_another_model_is_refused(small_gguf, fields, message):
    path = small_gguf(fields)
    with pytest.raises(WeightsError, match=message) as caught:
        load_pretrained(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_cut_off_gguf_file_is_refused(small_gguf, share):
    path = small_gguf()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FileError, match=r"model\.gguf: not a complete GGUF file .* fetch it again"):
        load_pretrained(path)


def test_a_gguf_file_that_is_something_else_is_refused(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_text("Every effort moves you. " * 50)
    with pytest.raises(FileError, match="not a complete GGUF file"):
        load_pretrained(path)


@pytest.mark.slow  # transformers takes long to unpack it
def test_smollm2_is_read_as_transformers_reads_it(smollm2_path, smollm2_encoding):
    ours = load_pretrained("smollm2-135M")
    assert parameter_count(ours) == 134_515_008
    continuation = continue_text(ours, smollm2_encoding, "The capital of France is", new_tokens=2)
    assert continuation == "The capital of France is Paris."

    # Transformers' from_pretrained asks for accelerate to read GGUF; what it calls does not.
    with torch.device("meta"):
        names = transformers.LlamaForCausalLM(transformers.LlamaConfig(num_hidden_layers=30))
    read = load_gguf_checkpoint(str(smollm2_path), return_tensors=True, model_to_load=names)
    config = transformers.LlamaConfig(**read["config"])
    theirs = transformers.LlamaForCausalLM.from_pretrained(None, config=config, state_dict=read["tensors"]).eval()
    assert_same_logits(ours, theirs, vocab_size=49152, relative=1e-4)


# The true weights -----------------------------------------------------------------------------------------------------


@pytest.mark.download
def test_the_true_gpt2_continues_as_it_is_known_to():
    assert assets.sha256_of(assets.fetch("gpt2-124M")) == assets.ASSETS["gpt2-124M"].sha256
    model, tokenizer = load_pretrained("gpt2-124M"), load_tokenizer("gpt2-124M")
    assert parameter_count(model) == 124_439_808
    assert continue_text(model, tokenizer, "Every effort moves you", new_tokens=15) == (
        "Every effort moves you forward.\n\nThe first step is to understand the importance of your work"
    )
