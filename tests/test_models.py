import pytest
import torch
from conftest import tiny_gpt2, tiny_llama
from reference import gpt2_pair, llama_pair
from torch.nn import functional as F

from llmclf.console import LlmclfError
from llmclf.models import GPT2Config, LlamaConfig
from llmclf.models.common import SHORT, attend
from llmclf.models.llama import rotary_angles, rotate
from llmclf.models.state import build, initialise
from llmclf.single_query import block_at

GPT2_SHAPES = {
    "one head": {"hidden_size": 16, "num_layers": 1, "num_heads": 1},
    "four heads": {"hidden_size": 32, "num_layers": 3, "num_heads": 4},
    "heads of 64": {"hidden_size": 128, "num_layers": 2, "num_heads": 2, "norm_epsilon": 1e-3},
    "no bias in attention": {"hidden_size": 48, "num_layers": 2, "num_heads": 6, "qkv_bias": False},
}
LLAMA_SHAPES = {
    "one head": {"hidden_size": 16, "num_heads": 1, "num_kv_heads": 1, "rope_base": 500.0},
    "ratio 1": {"hidden_size": 32, "num_heads": 4, "num_kv_heads": 4, "rope_base": 10_000.0, "norm_epsilon": 1e-3},
    "ratio 3": {"hidden_size": 48, "num_heads": 6, "num_kv_heads": 2, "rope_base": 100_000.0},
    "ratio 3, one key-value head": {"hidden_size": 24, "num_heads": 3, "num_kv_heads": 1, "rope_base": 10_000.0},
}
INPUT_SHAPES = [(1, 1), (3, 7), (2, 40)]  # the last fills the context


def assert_same_logits(ours, theirs):
    for shape in INPUT_SHAPES:
        input_ids = torch.randint(0, 97, shape)
        with torch.no_grad():
            found, expected = ours(input_ids), theirs(input_ids).logits
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        assert torch.equal(found.argmax(-1), expected.argmax(-1))


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("shape", GPT2_SHAPES.values(), ids=GPT2_SHAPES)
def test_gpt2_gives_the_logits_of_transformers(shape, tied):
    assert_same_logits(*gpt2_pair(**shape, tied_embeddings=tied))


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("shape", LLAMA_SHAPES.values(), ids=LLAMA_SHAPES)
def test_llama_gives_the_logits_of_transformers(shape, tied):
    assert_same_logits(*llama_pair(**shape, num_layers=3, intermediate_size=40, tied_embeddings=tied))


@pytest.mark.parametrize("changed", [1, 5, 18])
def test_a_token_changes_its_own_and_later_logits_but_no_earlier_ones(tiny_backbone, changed):
    before = torch.randint(0, 200, (2, 19))
    after = before.clone()
    after[:, changed] += 7
    with torch.no_grad():
        difference = (tiny_backbone(before) - tiny_backbone(after)).abs().amax(-1)  # (batch, tokens)
    assert (difference[:, :changed] < 1e-5).all()
    assert (difference[:, changed:] > 1e-4).all()


@pytest.mark.parametrize("make", [tiny_gpt2, tiny_llama])
def test_without_the_causal_mask_every_token_sees_all(make):
    model = make(causal=False)
    input_ids = torch.arange(10)[None]
    before = model(input_ids)
    input_ids[0, 7] = 99
    assert ((model(input_ids) - before).abs().amax(dim=-1) > 0).all()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("make", [tiny_gpt2, tiny_llama])
def test_a_block_computed_for_one_token_gives_what_it_gives_that_token_among_all(make, causal):
    block = make(causal=causal).blocks[-1]
    states = torch.randn(3, 10, next(block.parameters()).shape[-1])
    position = torch.tensor([0, 4, 9])
    everything = block(states)[torch.arange(3), position]
    torch.testing.assert_close(block_at(block, states, position)[:, 0], everything, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("tokens", [1, 40, SHORT + 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_attention_is_pytorchs_own_whichever_way_is_taken(dtype, tokens, causal):
    query, key, value = torch.randn(2, 6, tokens, 8), torch.randn(2, 2, tokens, 8), torch.randn(2, 2, tokens, 8)
    grown = (states.repeat_interleave(3, dim=1) for states in (key, value))  # each head serves three of queries
    expected = F.scaled_dot_product_attention(query, *grown, is_causal=causal)
    found = attend(*(states.to(dtype) for states in (query, key, value)), causal=causal)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=1e-5 if dtype == torch.float32 else 0.05)


def test_a_row_does_not_depend_on_the_rest_of_its_batch(tiny_backbone):
    input_ids = torch.randint(0, 257, (4, 11))
    with torch.no_grad():
        together, alone = tiny_backbone(input_ids), tiny_backbone(input_ids[2:3])
    torch.testing.assert_close(together[2:3], alone, rtol=0, atol=1e-5)


def test_the_parts_strung_together_are_the_model(tiny_backbone):
    input_ids = torch.randint(0, 257, (2, 9))
    hidden_states = tiny_backbone.embed(input_ids)
    for block in tiny_backbone.blocks:
        hidden_states = block(hidden_states)
    assert torch.equal(tiny_backbone.head(tiny_backbone.final_norm(hidden_states)), tiny_backbone(input_ids))


# What may go in ------------------------------------------------------------------------------------------------------


def test_the_context_can_be_filled_but_not_exceeded(tiny_backbone):
    assert tiny_backbone(torch.zeros(1, 96, dtype=torch.int64)).shape == (1, 96, 257)
    with pytest.raises(LlmclfError, match=r"1 to 96 tokens.*got shape \(1, 97\).*max_length"):
        tiny_backbone(torch.zeros(1, 97, dtype=torch.int64))


@pytest.mark.parametrize("shape", [(5,), (1, 1, 5), (2, 0), ()], ids=str)
def test_input_ids_of_another_shape_are_refused(tiny_backbone, shape):
    with pytest.raises(LlmclfError, match=r"must be \(batch, tokens\)") as caught:
        tiny_backbone(torch.zeros(shape, dtype=torch.int64))
    assert f"got shape {shape}" in str(caught.value)


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        (GPT2Config, {"num_heads": 5}, r"num_heads \(5\) must divide hidden_size \(768\)"),
        (GPT2Config, {"num_heads": 0}, r"num_heads \(0\) must divide hidden_size \(768\)"),
        (LlamaConfig, {"num_heads": 7}, r"num_heads \(7\) must divide hidden_size \(576\)"),
        (LlamaConfig, {"num_kv_heads": 2}, r"num_kv_heads \(2\) must divide num_heads \(9\)"),
        (LlamaConfig, {"num_kv_heads": -3}, r"num_kv_heads \(-3\) must divide num_heads \(9\)"),
        (LlamaConfig, {"hidden_size": 27}, r"rotate together \(2\) must divide head_size \(3\)"),
    ],
)
def test_heads_that_do_not_fit_are_refused(config, changes, message):
    with pytest.raises(LlmclfError, match=message):
        config(**changes)


# Rotary positions -----------------------------------------------------------------------------------------------------


def test_rotated_products_depend_on_distance_and_not_on_place():
    query, key = torch.randn(2, 16)
    places = torch.arange(50)
    angles = rotary_angles(places, 16, 10_000.0, torch.float32)
    queries, keys = (rotate(vector.expand(1, 1, 50, 16), *angles)[0, 0] for vector in (query, key))
    products = queries @ keys.T  # (place of the query, place of the key)
    for distance in (0, 1, 13):
        along = products.diagonal(-distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), rtol=0, atol=1e-4)
    assert (products[13:, 0].diff().abs() > 1e-3).any()


def test_rotary_angles_stay_exact_in_half_precision():
    states = torch.randn(1, 1, 5000, 8)
    places = torch.arange(states.shape[2])
    exact, rounded = (
        rotate(states.to(dtype), *rotary_angles(places, 8, 10_000.0, dtype))
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, rtol=0, atol=0.1)


# Dropout --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["embedding", "attention", "what attention adds", "what the MLP adds"])
def test_dropout_acts_in_training_and_nowhere_else(part):
    model = tiny_gpt2(dropout=0.5)
    block, hidden_states = model.blocks[0], torch.randn(2, 9, 32)
    if part.startswith("what"):  # silence the other half of the block
        other = block.mlp.down if part == "what attention adds" else block.attention.output
        torch.nn.init.zeros_(other.weight)

    def run():
        if part == "embedding":
            return model.embed(torch.arange(18).view(2, 9))
        return (block.attention if part == "attention" else block)(hidden_states)

    assert torch.equal(run(), run())
    model.train()
    block.attention.train(part == "attention")  # elsewhere its own dropout would hide that of the block
    assert not torch.equal(run(), run())


def test_without_dropout_training_and_evaluation_give_the_same():
    model, input_ids = tiny_gpt2(), torch.randint(0, 257, (2, 9))
    assert torch.equal(model(input_ids), model.train()(input_ids))


# Parameters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [tiny_gpt2, tiny_llama])
def test_the_same_seed_gives_the_same_random_weights(make):
    first, second, other = (dict(make(seed).named_parameters()) for seed in (7, 7, 8))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
    assert not torch.equal(first["token_embedding.weight"], other["token_embedding.weight"])


def test_random_weights_leave_the_global_random_numbers_alone():
    model, before = build(GPT2Config(vocab_size=9, num_layers=1), device="cpu"), torch.get_rng_state()
    initialise(model, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_random_weights_begin_as_gpt_did(tiny_backbone):
    for name, parameter in tiny_backbone.named_parameters():
        if "norm" in name and name.endswith("weight"):
            assert (parameter == 1).all(), name
        elif name.endswith("bias"):
            assert (parameter == 0).all(), name
        else:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.1), name
            assert parameter.mean().item() == pytest.approx(0, abs=0.002), name


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("config", [GPT2Config, LlamaConfig])
def test_a_tied_head_is_the_token_embedding_itself_and_counted_once(config, device):
    tied, untied = (build(config(vocab_size=9, num_layers=1, tied_embeddings=tied), device) for tied in (True, False))
    assert tied.head.weight is tied.token_embedding.weight
    assert "head.weight" not in dict(tied.named_parameters())
    assert untied.head.weight is not untied.token_embedding.weight
    assert "head.weight" in dict(untied.named_parameters())


@pytest.mark.parametrize("config", [GPT2Config(), LlamaConfig()], ids=["gpt2", "llama"])
def test_a_model_can_be_built_without_memory_for_its_weights(config):
    model = build(config)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model(torch.zeros(1, 5, dtype=torch.int64, device="meta")).shape == (1, 5, config.vocab_size)
