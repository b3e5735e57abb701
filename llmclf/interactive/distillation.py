"""Play: a small model learns to say after every token what the fine-tuned one says there (distillation).

Hinton, Vinyals and Dean (2015) have a small model learn from a large one's probabilities instead of from labels. A
causal model has an opinion after each token, so every message holds as many examples as tokens. Texts without a label
will do as well: the teacher reads them.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple, cast

import tiktoken
import torch
from torch import Tensor, nn

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError, progress
from llmclf.data import SMS_LABELS, encode_labels, read_sms, split, undersample
from llmclf.evaluation.near_duplicates import HeldOutOverlap
from llmclf.feature_cache import fingerprint
from llmclf.head import Classifier
from llmclf.interactive.student import STUDENT, truncate_vocabulary
from llmclf.loaders import batches_by_tokens, pad_batch
from llmclf.models import GPT2Config
from llmclf.models.state import build, initialise
from llmclf.tokenizer import encode

TOKENS_PER_BATCH = 2048
MIXTURES = 3  # mixed texts for every text of the collection
RANDOM_WORDS = 0.15  # their share, in half of the mixed texts


class DistillationExample(NamedTuple):
    """One text for the student.

    Attributes
    ----------
    input_ids
        In the student's tokens.
    targets
        (tokens, classes): the teacher's probabilities.
    weights
        (tokens,), of sum 1: one half shared by all tokens with a target, one half for the last of them.
    """

    input_ids: list[int]
    targets: Tensor
    weights: Tensor


def sms_texts() -> tuple[list[str], list[str]]:
    """Every text of the SMS collection once; and those of the validation and test set, which must not be taught."""
    splits = split(encode_labels(undersample(read_sms()), SMS_LABELS))
    held_out = [text for table in splits[1:] for text in table["text"]]
    return read_sms(every_row=True)["text"].drop_duplicates().tolist(), held_out


def mix_texts(texts: Sequence[str], words: Sequence[str], generator: random.Random) -> str:
    """A new text for the teacher to read: stretches of a few texts, some with random words, capitals or none."""
    mixed: list[str] = []
    for _ in range(generator.choice([1, 1, 1, 2, 2, 3, 5])):
        source = generator.choice(texts).split(" ")
        start = generator.randrange(len(source))
        mixed += source[start : start + generator.randint(3, 40)]
    if words and generator.random() < 0.5:
        mixed = [generator.choice(words) if generator.random() < RANDOM_WORDS else word for word in mixed]
    changes: list[Callable[[str], str]] = [str, str.lower, str.upper]
    change = generator.choices(changes, [75, 15, 10])[0]
    return change(" ".join(mixed))


def whole_words(tokenizer: tiktoken.Encoding) -> list[str]:
    """Those tokens that are a space and a word, without the space."""
    tokens = [token.decode("utf-8", "replace") for token in tokenizer.token_byte_values()]
    return [token[1:] for token in tokens if token.startswith(" ") and token[1:].isalpha()]


@torch.inference_mode()
def teacher_probabilities(teacher: TextClassifier, texts: Sequence[list[int]]) -> list[Tensor]:
    """The teacher's probabilities after each token, (tokens, classes) for each text of token ids."""
    teacher.model.eval()
    answers: list[Tensor] = [torch.empty(0)] * len(texts)
    device, end = teacher.model.device, teacher.tokenizer.eot_token
    with progress(total=len(texts), description="teacher reads") as bar:
        for rows in batches_by_tokens([len(text) for text in texts], device):
            batch = pad_batch([(texts[row], 0) for row in rows], pad_token_id=end).to(device)
            probabilities = teacher.model.token_logits(batch.input_ids).float().softmax(dim=2).cpu()
            for row, answer, length in zip(rows, probabilities, batch.lengths.tolist(), strict=True):
                answers[row] = answer[:length].clone()
            bar.update(len(rows))
    return answers


def distillation_example(
    text: str, answer: Tensor, teacher: tiktoken.Encoding, student: tiktoken.Encoding, context_length: int
) -> DistillationExample:
    """A text in the student's tokens, the target of each being what the teacher has said last.

    Where a token ends inside one of the teacher's, the teacher has said nothing new: its answer before that stands.
    There is no target before its first answer, nor after its last one.

    Parameters
    ----------
    text
        What the teacher has read.
    answer
        (teacher's tokens, classes), from `teacher_probabilities`.
    teacher, student
        The two tokenizers; the second from `truncate_vocabulary`.
    context_length
        The most tokens the student can read.
    """
    input_ids = encode(student, text, context_length)
    said = torch.tensor(token_ends(teacher, encode(teacher, text, len(answer))))  # (teacher's tokens,)
    heard = torch.tensor(token_ends(student, input_ids))  # (tokens,)
    last_said = torch.searchsorted(said, heard, right=True) - 1
    known = (last_said >= 0) & (heard <= said[-1])
    weights = known / (2 * known.sum())
    weights[known.nonzero()[-1]] += 0.5
    return DistillationExample(input_ids, answer[last_said.clamp(min=0)], weights)


def token_ends(tokenizer: tiktoken.Encoding, input_ids: Sequence[int]) -> list[int]:
    """Where each token ends, in bytes from the beginning of the text."""
    return list(accumulate(len(tokenizer.decode_single_token_bytes(number)) for number in input_ids))


def draw_batches(
    examples: Sequence[DistillationExample], generator: random.Random
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """All examples once in a random order: token ids (B, T), targets (B, T, classes), weights (B, T).

    Texts of about equal length stand together, so that little of a batch is padding.
    """
    order = sorted(range(len(examples)), key=lambda row: len(examples[row].input_ids) + 6 * generator.random())
    batches: list[list[int]] = [[]]
    for row in order:
        if len(examples[row].input_ids) * (len(batches[-1]) + 1) > TOKENS_PER_BATCH and batches[-1]:
            batches.append([])
        batches[-1].append(row)
    generator.shuffle(batches)
    pad = partial(nn.utils.rnn.pad_sequence, batch_first=True)
    for rows in batches:
        chosen = [examples[row] for row in rows]
        input_ids = pad([torch.tensor(one.input_ids) for one in chosen])
        yield input_ids, pad([one.targets for one in chosen]), pad([one.weights for one in chosen])


def new_student(teacher: TextClassifier, config: GPT2Config, dropout: float, seed: int) -> Classifier:
    """A GPT-2 classifier whose token embeddings are the teacher's, frozen, through a matrix that learns.

    So the student keeps what pretraining knew of words that distillation never shows it.
    """
    model = build(replace(config, dropout=dropout), device="cpu")
    initialise(model, seed)
    student = Classifier(model, len(teacher.label_names), trainable="all", seed=seed, precision="float32")
    rows = torch.arange(config.vocab_size)
    end = teacher.tokenizer.eot_token
    rows[min(end, config.vocab_size - 1)] = end  # as in `truncate_vocabulary`
    known = teacher.model.backbone.token_embedding.weight.detach()[rows].float().cpu()
    shrink = nn.Linear(known.shape[1], config.hidden_size, bias=False)
    nn.init.normal_(shrink.weight, std=0.2 * known.shape[1] ** -0.5)
    frozen = nn.Embedding.from_pretrained(known / known.std())
    model.add_module("token_embedding", nn.Sequential(frozen, shrink))
    return student


def merge_embeddings(student: Classifier, config: GPT2Config) -> None:
    """Multiply the teacher's embeddings by the matrix that was learnt, and keep the product alone."""
    known, shrink = cast(nn.Sequential, student.backbone.get_submodule("token_embedding"))
    student.backbone.token_embedding = nn.Embedding.from_pretrained(shrink(known.weight).detach())
    student.backbone.config = config  # dropout was for training


def train_student(
    student: Classifier, examples: Sequence[DistillationExample], epochs: int, learning_rate: float, seed: int
) -> None:
    """Train in place; the learning rate rises over the first twentieth and then falls along a cosine."""
    generator = random.Random(seed)
    trainable = [weight for weight in student.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trainable, learning_rate, weight_decay=0.05, fused=True)
    student.train()
    done, total = 0, epochs * len(examples)
    with progress(total=total, description="student learns") as bar:
        for _ in range(epochs):
            for input_ids, targets, weights in draw_batches(examples, generator):
                share = done / total
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate * min(1, 20 * share + 0.01) * (1 + math.cos(math.pi * share)) / 2
                logits = student.backbone(input_ids)  # (batch, tokens, classes)
                cross_entropy = -(targets * logits.log_softmax(dim=2)).sum(dim=2)  # (batch, tokens)
                loss = (cross_entropy * weights).sum() / len(input_ids)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(trainable, 1.0)
                optimizer.step()
                done += len(input_ids)
                bar.update(len(input_ids))


def distil(
    teacher: TextClassifier,
    texts: Sequence[str],
    held_out: Sequence[str] = (),
    *,
    config: GPT2Config = STUDENT,
    epochs: int = 10,
    learning_rate: float = 2e-3,
    dropout: float = 0.1,
    seed: int = 123,
) -> TextClassifier:
    """Train a small GPT-2 to answer as the teacher does, after every token of these texts and of mixtures of them.

    Parameters
    ----------
    teacher
        Reads at the last token.
    texts
        Need no labels.
    held_out
        Texts to test the student on. Nothing that overlaps with one is taught (see `HeldOutOverlap`).
    config
        The student's shape; its vocabulary is no larger than the teacher's.
    epochs, learning_rate, dropout
        Of AdamW (Loshchilov and Hutter 2019), with one rise and fall of the learning rate.
    seed
        Of mixtures, weights, order and dropout.

    Returns
    -------
    TextClassifier
        On the CPU, with the first `config.vocab_size` tokens of the teacher's tokenizer; see `save_student`.

    Raises
    ------
    LlmclfError
        No texts, no epochs, or a teacher that reads elsewhere.
    """
    forbidden = HeldOutOverlap(held_out)
    texts = [text for text in texts if text not in forbidden]
    if teacher.model.pooling != "last_token":
        raise LlmclfError(f"a teacher that reads at {teacher.model.pooling!r} has no answer after each token")
    if not texts or epochs < 1:
        raise LlmclfError(f"nothing to learn from {len(texts)} texts in {epochs} epochs: give at least one of both")
    mixtures = make_mixtures(texts, forbidden, whole_words(teacher.tokenizer), random.Random(seed))
    tokenizer = truncate_vocabulary(teacher.tokenizer, config.vocab_size)
    started = time.perf_counter()
    taught = [*texts, *mixtures, ""]
    read = [encode(teacher.tokenizer, text, config.context_length) for text in taught]
    examples = [
        distillation_example(text, answer, teacher.tokenizer, tokenizer, config.context_length)
        for text, answer in zip(taught, teacher_probabilities(teacher, read), strict=True)
    ]
    answered = time.perf_counter()
    torch.manual_seed(seed)
    student = new_student(teacher, config, dropout, seed)
    train_student(student, examples, epochs, learning_rate, seed)
    merge_embeddings(student, config)
    record: dict[str, Any] = {
        "teacher": teacher.backbone,
        "teacher's weights": fingerprint(teacher.model.parameters()),
        "texts": len(texts),
        "mixtures": len(mixtures),
        "epochs": epochs,
        "learning_rate": learning_rate,
        "dropout": dropout,
        "seed": seed,
        "precision": teacher.model.precision,
        "seconds reading": round(answered - started),
        "seconds learning": round(time.perf_counter() - answered),
    }
    return TextClassifier(student.eval(), tokenizer, list(teacher.label_names), "student", training=record)


def make_mixtures(
    texts: Sequence[str], forbidden: HeldOutOverlap, words: Sequence[str], generator: random.Random
) -> list[str]:
    """`MIXTURES` mixed texts for each text, none of which resembles what is held out."""
    mixtures: list[str] = []
    while len(mixtures) < MIXTURES * len(texts):
        mixture = mix_texts(texts, words, generator)
        mixtures += [mixture] if mixture not in forbidden else []
    return mixtures
