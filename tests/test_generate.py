import pytest
import torch
from conftest import tiny_gpt2, tiny_llama
from reference import gpt2_pair, llama_pair

from llmclf.generate import continue_text, generate

PAIRS = {
    "gpt2": lambda: gpt2_pair(hidden_size=32, num_layers=2, num_heads=4),
    "llama": lambda: llama_pair(hidden_size=48, num_layers=2, num_heads=6, num_kv_heads=2, intermediate_size=40),
}


@pytest.mark.parametrize("prompt_tokens", [1, 6])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_greedy_tokens_are_those_of_transformers(pair, prompt_tokens):
    ours, theirs = pair()
    input_ids = torch.randint(0, 97, (3, prompt_tokens))
    everything = torch.ones_like(input_ids)
    expected = theirs.generate(input_ids, attention_mask=everything, do_sample=False, max_new_tokens=20)
    assert torch.equal(generate(ours, input_ids, new_tokens=20), expected)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_a_full_context_slides_on_to_the_last_tokens(pair):
    ours, theirs = pair()
    input_ids = torch.randint(0, 97, (2, 50))  # the context is 40
    expected = input_ids
    for _ in range(5):
        with torch.no_grad():
            following = theirs(expected[:, -40:]).logits[:, -1].argmax(-1)
        expected = torch.column_stack([expected, following])
    assert torch.equal(generate(ours, input_ids, new_tokens=5), expected)


def test_a_generation_may_outgrow_the_context():
    short, long = tiny_gpt2(context_length=8), torch.randint(0, 257, (1, 6))
    assert generate(short, long, new_tokens=10).shape == (1, 16)


def test_no_new_tokens_change_nothing(tiny_backbone, tiny_tokenizer):
    input_ids = torch.randint(0, 257, (2, 5))
    assert torch.equal(generate(tiny_backbone, input_ids, new_tokens=0), input_ids)
    assert continue_text(tiny_backbone, tiny_tokenizer, "as it was", new_tokens=0) == "as it was"


def test_the_prompt_tensor_is_left_as_it_was(tiny_backbone):
    input_ids = torch.randint(0, 257, (2, 5))
    before = input_ids.clone()
    generate(tiny_backbone, input_ids, new_tokens=3)
    assert torch.equal(input_ids, before)


@pytest.mark.parametrize("text", ["Every effort moves you", "naïve 😀", "<|endoftext|>", "x" * 200])
def test_a_continued_text_begins_with_the_prompt_and_goes_on(tiny_backbone, tiny_tokenizer, text):
    continued = continue_text(tiny_backbone, tiny_tokenizer, text, new_tokens=8)
    assert continued.startswith(text)
    assert len(continued) > len(text)


def test_a_continuation_is_the_decoded_greedy_tokens(tiny_tokenizer):
    model = tiny_llama()
    input_ids = torch.tensor([list(b"hello")])
    rest = generate(model, input_ids, new_tokens=8)[0, 5:].tolist()
    assert continue_text(model, tiny_tokenizer, "hello", new_tokens=8) == "hello" + tiny_tokenizer.decode(rest)
