"""Chapter 4's head: what is read, what learns, and that neither padding nor company changes an answer."""

import random
from functools import cache

import pytest
import torch
from conftest import END_OF_TEXT, tiny_gpt2, tiny_llama
from hypothesis import given, settings
from hypothesis import strategies as st

from llmclf.console import LlmclfError
from llmclf.head import POOLINGS, TRAINABLE, Classifier, parameter_table, pool, set_trainable
from llmclf.loaders import pad_batch
from llmclf.models import GPT2_SIZES, SMOLLM2_135M
from llmclf.models.state import build

quickly = settings(max_examples=30)
FAMILIES = {"gpt2": tiny_gpt2, "llama": tiny_llama}


@cache
def classifier_of(family: str, pooling: str) -> Classifier:
    return Classifier(FAMILIES[family](), 3, pooling=pooling).eval()


@torch.inference_mode()
def answer(classifier: Classifier, messages: list[list[int]], pad_to: int | None = None) -> torch.Tensor:
    batch = pad_batch([(message, 0) for message in messages], pad_token_id=END_OF_TEXT, pad_to=pad_to)
    return classifier(batch.input_ids, batch.lengths)


def assert_close(logits: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


# What is read ---------------------------------------------------------------------------------------------------------


def pool_slowly(rows: list, length: int, pooling: str) -> list[float]:
    if pooling == "last_token":
        return rows[length - 1]
    if pooling == "last_position":
        return rows[-1]
    if pooling == "first_token":
        return rows[0]
    return [sum(row[column] for row in rows[:length]) / length for column in range(len(rows[0]))]


@pytest.mark.parametrize("pooling", POOLINGS)
@quickly
@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5), more=st.integers(0, 3), seed=st.integers(0, 99))
def test_pool_agrees_with_a_plain_loop(pooling, lengths, more, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(len(lengths), max(lengths) + more, 4, generator=generator)
    expected = [pool_slowly(message, length, pooling) for message, length in zip(rows.tolist(), lengths, strict=True)]
    assert_close(pool(rows, torch.tensor(lengths), pooling), torch.tensor(expected))


def test_the_logits_are_head_times_final_hidden_state_of_the_last_token(tiny_backbone):
    caught = []
    tiny_backbone.final_norm.register_forward_hook(lambda module, arguments, output: caught.append(output))
    classifier = Classifier(tiny_backbone, 3)
    logits = answer(classifier, [[1, 2, 3], [4, 5]])
    hidden = caught[0][:, 0]  # only the token that is read comes this far
    head = classifier.backbone.head
    assert logits.shape == (2, 3)
    with torch.no_grad():
        assert_close(logits, hidden @ head.weight.T + head.bias)
        everything = classifier.backbone(torch.tensor([[1, 2, 3], [4, 5, END_OF_TEXT]]))
        assert_close(logits, everything[[0, 1], [2, 1]])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_message_that_ends_in_padding_tokens_is_read_at_its_true_end(family):
    classifier = classifier_of(family, "last_token")
    longer, shorter = [7, 8, END_OF_TEXT, END_OF_TEXT], [7, 8]
    together = answer(classifier, [longer, shorter], pad_to=6)
    assert_close(together, torch.cat([answer(classifier, [longer]), answer(classifier, [shorter])]))
    assert (together[0] - together[1]).abs().max() > 1e-3


# Padding, batches and order -------------------------------------------------------------------------------------------

some_messages = st.lists(st.lists(st.integers(0, END_OF_TEXT), min_size=1, max_size=20), min_size=1, max_size=6)


@pytest.mark.parametrize("pooling", ["last_token", "first_token", "mean"])
@pytest.mark.parametrize("family", FAMILIES)
@quickly
@given(messages=some_messages, pad_to=st.none() | st.integers(20, 40), order=st.randoms(), size=st.integers(1, 6))
def test_padding_batch_size_and_order_change_no_logit(family, pooling, messages, pad_to, order, size):
    classifier = classifier_of(family, pooling)
    alone = torch.cat([answer(classifier, [message]) for message in messages])
    shuffled = list(range(len(messages)))
    order.shuffle(shuffled)
    for start in range(0, len(shuffled), size):
        rows = shuffled[start : start + size]
        assert_close(answer(classifier, [messages[row] for row in rows], pad_to), alone[rows])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_position_does_depend_on_padding(family):
    classifier = classifier_of(family, "last_position")
    unpadded, padded = (answer(classifier, [[7, 8, 9]], pad_to) for pad_to in (3, 8))
    assert_close(unpadded, answer(classifier_of(family, "last_token"), [[7, 8, 9]]))
    assert (padded - unpadded).abs().max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("pooling", "place"), [("last_token", 2), ("first_token", 0), ("mean", 0), ("mean", 2)])
def test_the_token_that_is_read_matters(family, pooling, place):
    classifier, other = classifier_of(family, pooling), [7, 8, 9]
    other[place] = 100
    assert (answer(classifier, [[7, 8, 9]]) - answer(classifier, [other])).abs().max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_token_has_seen_nothing_of_the_rest(family):
    classifier = classifier_of(family, "first_token")
    assert_close(answer(classifier, [[7, 8, 9]]), answer(classifier, [[7, 100, 101]]))


# What learns ----------------------------------------------------------------------------------------------------------

LEARNING = {
    "head": ("head.",),
    "last_block": ("blocks.2.", "final_norm.", "head."),
    "last_two_blocks": ("blocks.1.", "blocks.2.", "final_norm.", "head."),
    "all": ("",),
}


@pytest.mark.parametrize("part", LEARNING)
def test_exactly_the_chosen_part_learns(tiny_backbone, part):
    classifier = Classifier(tiny_backbone, trainable=part)
    classifier(torch.tensor([[1, 2, 3]]), torch.tensor([3])).sum().backward()
    for name, parameter in tiny_backbone.named_parameters():
        learns = name.startswith(LEARNING[part])
        assert (parameter.requires_grad, parameter.grad is not None) == (learns, learns), name


def test_by_default_the_last_block_learns(tiny_backbone):
    classifier = Classifier(tiny_backbone)
    default = [parameter.requires_grad for parameter in classifier.parameters()]
    set_trainable(classifier, "last_block")
    assert default == [parameter.requires_grad for parameter in classifier.parameters()]


@pytest.mark.parametrize("part", TRAINABLE)
def test_the_choice_can_be_changed_later(tiny_backbone, part):
    classifier = Classifier(tiny_backbone, trainable="last_two_blocks")
    for choice in ("all", part):
        set_trainable(classifier, choice)
    for name, parameter in tiny_backbone.named_parameters():
        assert parameter.requires_grad == name.startswith(LEARNING[part]), name


def test_two_blocks_of_a_single_one_are_that_one():
    classifier = Classifier(tiny_gpt2(num_layers=1), trainable="last_two_blocks")
    frozen = {name for name, weight in classifier.backbone.named_parameters() if not weight.requires_grad}
    assert frozen == {"token_embedding.weight", "position_embedding.weight"}


@pytest.mark.parametrize("part", TRAINABLE)
def test_the_parameter_table_counts_everything_once(tiny_backbone, part):
    classifier = Classifier(tiny_backbone, trainable=part)
    table = parameter_table(classifier)
    parameters = list(classifier.parameters())
    assert table.loc["sum", "trainable"] == sum(weight.numel() for weight in parameters if weight.requires_grad)
    assert table.loc["sum"].sum() == sum(weight.numel() for weight in parameters)
    assert (table.drop(index="sum").sum() == table.loc["sum"]).all()
    assert table.to_numpy().dtype == int


def test_the_parameter_table_names_the_parts_in_their_order():
    table = parameter_table(Classifier(tiny_gpt2()))
    blocks = ["block 0", "block 1", "block 2"]
    assert list(table.index) == ["token embedding", "position embedding", *blocks, "final norm", "head", "sum"]
    assert list(table.columns) == ["frozen", "trainable"]
    assert table.loc["block 1", "trainable"] == table.loc["block 2", "frozen"] == 0
    assert table.loc["block 1", "frozen"] == table.loc["block 2", "trainable"] > 0
    assert table.loc["head", "trainable"] == 2 * 32 + 2


GPT2_SMALL, SMOLLM2 = GPT2_SIZES["gpt2-124M"], SMOLLM2_135M


@pytest.mark.parametrize(
    ("config", "part", "trainable", "total"),
    [
        (GPT2_SMALL, "head", 1_538, 124_441_346),
        (GPT2_SMALL, "last_block", 7_090_946, 124_441_346),
        (GPT2_SMALL, "last_two_blocks", 14_178_818, 124_441_346),
        (GPT2_SMALL, "all", 124_441_346, 124_441_346),
        (SMOLLM2, "head", 1_154, 134_516_162),
        (SMOLLM2, "last_block", 3_541_826, 134_516_162),
        (SMOLLM2, "last_two_blocks", 7_081_922, 134_516_162),
        (SMOLLM2, "all", 134_516_162, 134_516_162),
    ],
)
def test_parameter_counts_of_the_book_s_models(config, part, trainable, total):
    sums = parameter_table(Classifier(build(config), trainable=part)).loc["sum"]
    assert (sums["trainable"], sums.sum()) == (trainable, total)


# The new head ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_classes", [2, 5])
def test_the_head_has_an_output_for_each_class(tiny_backbone, num_classes):
    classifier = Classifier(tiny_backbone, num_classes)
    assert classifier.backbone.head.weight.shape == (num_classes, tiny_backbone.config.hidden_size)
    assert answer(classifier, [[1, 2], [3]]).shape == (2, num_classes)


def test_all_other_weights_stay_as_they_were_even_where_the_old_head_was_tied(tiny_backbone):
    assert tiny_backbone.head.weight is tiny_backbone.token_embedding.weight
    before = {name: weight.detach().clone() for name, weight in tiny_backbone.named_parameters()}
    Classifier(tiny_backbone)
    after = dict(tiny_backbone.named_parameters())
    assert after.keys() - before.keys() == {"head.weight", "head.bias"}
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_the_head_depends_on_its_seed_alone():
    heads = []
    for seed, global_seed in ((1, 7), (1, 8), (2, 7)):
        torch.manual_seed(global_seed)
        random.seed(global_seed)
        state = torch.get_rng_state()
        heads.append(Classifier(tiny_gpt2(), seed=seed).backbone.head)
        assert torch.equal(torch.get_rng_state(), state)  # nobody else's random numbers are used up
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert torch.equal(heads[0].bias, heads[1].bias)
    assert not torch.equal(heads[0].weight, heads[2].weight)


def test_the_head_starts_like_torch_s_linear_layers():
    ours = Classifier(tiny_gpt2(hidden_size=400), 100).backbone.head.weight
    theirs = torch.nn.Linear(400, 100).weight
    for weight in (ours.detach(), theirs.detach()):  # uniform from -1/20 to 1/20: one over the root of 400
        assert weight.abs().max().item() == pytest.approx(0.05, rel=1e-3)
        assert weight.mean().item() == pytest.approx(0, abs=1e-3)
        assert weight.std().item() == pytest.approx(0.05 / 3**0.5, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_head_has_the_precision_of_the_backbone(tiny_backbone, dtype):
    classifier = Classifier(tiny_backbone.to(dtype))
    assert classifier.backbone.head.weight.dtype == classifier.backbone.head.bias.dtype == dtype
    assert answer(classifier, [[1, 2], [3]]).dtype == dtype


def test_a_classifier_is_where_its_backbone_is():
    assert Classifier(build(GPT2_SMALL)).device.type == "meta"
    assert Classifier(tiny_gpt2()).device.type == "cpu"


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"num_classes": 1}, "a classifier needs at least 2 classes, got 1"),
        ({"pooling": "max"}, "pooling must be one of last_token, last_position, first_token, mean, got 'max'"),
        ({"trainable": "tail"}, "trainable must be one of head, last_block, last_two_blocks, all, got 'tail'"),
    ],
)
def test_a_classifier_refuses(options, complaint):
    with pytest.raises(LlmclfError, match=complaint):
        Classifier(tiny_gpt2(), **options)


def test_pool_refuses_what_it_does_not_know():
    with pytest.raises(LlmclfError, match=r"pooling must be one of .*, got 'max'"):
        pool(torch.zeros(1, 2, 3), torch.tensor([1]), "max")
