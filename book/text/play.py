# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Play · A classifier in the page
#
# Type a message. A small GPT reads it here, in your browser, and nothing that you type leaves this page. It says *spam* for
# unwanted advertising and *ham* for everything else.
#
# <div id="play"><p>(In the HTML edition a field to type in stands here; it needs JavaScript. In a notebook it is at the end
# of this page.)</p></div>

# %% [markdown]
# The bar is the probability of {term}`spam`, the mark in it the threshold from which you want to call a message so. Each
# {term}`token`, a word or a part of one, stands on a ground that tells how it moved the probability: orange up, blue down,
# with an arrow where it moved it by ten percentage points or more. The line below shows the probability from the first
# token to the last; dashed, the threshold.

# %% [markdown]
# What answers here is not the {term}`classifier` of chapter 6, which is far too large for a page. It is its pupil. At the
# end you can
#
# - **explain** how a small model learns to answer as a large one does ({term}`distillation`),
# - **say** why texts without labels are enough for that,
# - **shrink** weights to one byte each, and measure what it costs,
# - **judge** how far pupil and teacher agree, and where they part.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 5 to 7. To run this page, run chapter 6 or 7 first: it makes the
# > teacher. It takes about a minute on a laptop's CPU. On a GPU: not measured. Download: nothing new.

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.evaluate import choose_device
from llmclf.teaching.provenance import provenance
from llmclf.weights import choose_backbone

backbone = choose_backbone()
print(provenance(backbone, choose_device()))

# %% [markdown]
# ## How good is it?
#
# The *teacher* is the classifier of chapter 6. The pupil, or *student*, lies in one file beside this page; it was made once,
# by a command that you find below, from such a classifier on SmolLM2. Load both, and compare their sizes.

# %%
from pathlib import Path

from llmclf.classify import TextClassifier
from llmclf.data import is_fast
from llmclf.interactive.student import load_student

folder = Path("output", "fast" if is_fast() else "full", "classifier")
teacher = TextClassifier.load(folder)
file = Path("play/student.safetensors")
student = load_student(file)
both = {"teacher": teacher, "student": student}

# %%
from llmclf.feature_cache import fingerprint

for name, one in both.items():
    count = sum(weight.numel() for weight in one.model.parameters())
    print(f"{name}: {count / 1e6:6.1f} million weights")
print(f"the student's file: {file.stat().st_size / 1e6:.1f} MB")
own = fingerprint(teacher.model.parameters())
print("its own teacher:", own == student.training["teacher's weights"])

# %% [markdown]
# If the last line says `False`, your teacher was trained on another machine or in another way than the student's; then
# they agree a little less. Both are asked about the {term}`test set`. Nothing that resembles one of its messages was
# taught to the student, not even a text that shares five words in a row with one. Its teacher's training was not so strict:
# chapter 1 counts the copies.

# %% tags=["measured"]
import torch

from llmclf.data import prepare_sms
from llmclf.evaluate import score, wilson_interval

test = prepare_sms().test
texts, labels = test["text"].tolist(), torch.tensor(test["label"].tolist())
logits = {name: one.logits(texts) for name, one in both.items()}
for name, rows in logits.items():
    result = score(rows, labels)
    missed, alarms = result.confusion[1, 0], result.confusion[0, 1]
    print(f"{name}: {result}")
    print(f"{name}: {missed} spams missed, {alarms} false alarms")

# %% tags=["measured"]
said = {name: rows.argmax(dim=1) for name, rows in logits.items()}
same = said["student"] == said["teacher"]
low, high = wilson_interval(int(same.sum()), len(texts))
print(f"they agree on {same.sum()} of {len(texts)} messages,", end=" ")
print(f"{same.double().mean():.1%} (95 % interval {low:.1%} to {high:.1%})")

# %% [markdown]
# With a small part of the weights the student comes close. Which of the two is better? Both read the same messages, so
# only those count on which they part: where one is right there, the other is wrong.

# %%
right = int((said["teacher"] == labels)[~same].sum())
low, high = wilson_interval(right, int((~same).sum()))
print(f"the teacher is right in {right} of these {(~same).sum()}", end=" ")
print(f"(95 % interval of the share: {low:.0%} to {high:.0%})")

# %% [markdown]
# The interval stays above one half, so the teacher's lead is more than luck: it makes about half as many mistakes. And the rival of chapter 8? {term}`TF-IDF` on
# characters learns from the labels themselves, and answers the same test messages:

# %% tags=["measured"]
from llmclf.evaluation.baselines import tfidf_characters

train = prepare_sms().train
counter = tfidf_characters().fit(train["text"], train["label"])
counted = int((counter.predict(texts) == labels.numpy()).sum())
print(f"TF-IDF: {counted} of {len(texts)} right")

# %% [markdown]
# Counting is the better classifier here, better than the student and level with its teacher. So why look at the student? It reads: its answer changes with order and context, token by token, you can watch it do so, and it needs no labels, only a
# teacher to ask. Read the messages themselves, since they are few. The first number is the teacher's probability of
# spam, the second the student's, and the word is the label:

# %%
from textwrap import shorten

spam = [rows.softmax(dim=1)[:, 1] for rows in logits.values()]
for row in (~same).nonzero().flatten().tolist():
    probabilities = " ".join(f"{one[row]:4.0%}" for one in spam)
    name = student.label_names[labels[row]]
    words = shorten(texts[row], 52, placeholder=" …")
    print(f"{probabilities} {name:<4} {words}")

# %% [markdown]
# On this page all of them are spam, and all but one are spam that the student lets pass. The one is the *Ringtone Club*, which
# its teacher misses. Some open like a story or a friendly question, and perhaps one must have read a great deal to see
# through those. Others, like the last, are plain enough.

# %% [markdown]
# ## Lessons without labels
#
# A label says *spam*. The teacher says how sure it is, and it says so after every token, because its
# {term}`causal mask` makes each row an answer to the text so far. A model that learns from such answers instead of
# labels is *distilled* {cite}`hinton2015`. One message becomes as many lessons as it has tokens, and any text will do:
# the teacher reads it, and nobody needs to label it.

# %%
from llmclf.interactive.distillation import teacher_probabilities
from llmclf.tokenizer import encode

text = "Free entry! Text WIN to 80086 now"
heard = encode(teacher.tokenizer, text)
(answer,) = teacher_probabilities(teacher, [heard])
for number, row in list(zip(heard, answer, strict=True))[:6]:
    print(f"{teacher.tokenizer.decode([number])!r:<10} {row[1]:.3f}")

# %% [markdown]
# So the student learnt from the whole collection, but for what resembles a message of the validation or test set, and from
# mixtures: parts of several messages in a row, random words thrown in, capitals, small letters. They make odd reading,
# and good lessons. Here is one, and then the record of the whole training:

# %% tags=["nbval-check-output"]
import random

from llmclf.interactive.distillation import mix_texts

some = ["See you at eight then", "WIN a prize, text GO to 80086 now"]
print(mix_texts(some, ["lamp", "river"], random.Random(25)))

# %% tags=["nbval-check-output"]
record = student.training
for name in ("texts", "mixtures", "epochs"):
    print(f"{name}: {record[name]:,}")
for name in ("seconds reading", "seconds learning"):
    print(f"{name}: {record[name]}")

# %% [markdown]
# The last two lines are seconds on the two cores where it was made: first the teacher read all texts once (in
# bfloat16, a shorter kind of number), then the student learnt from them.
#
# ## A smaller vocabulary
#
# Most of such a small model is its {term}`vocabulary`, a row of numbers for each token. So the student has only the
# teacher's first tokens. {term}`Byte-pair encoding <byte-pair encoding>` learns its merges one after the other, and numbers
# them so; whoever keeps the first ones has the tokenizer as it was at that hour of its training.

# %%
from llmclf.interactive.student import truncate_vocabulary

rows = student.model.backbone.token_embedding.weight
total = sum(weight.numel() for weight in student.model.parameters())
print(f"vocabulary: {rows.numel() / total:.0%} of the student's weights")
large = teacher.tokenizer
small = truncate_vocabulary(large, len(rows))
for tokenizer in (large, small):
    numbers = encode(tokenizer, "unsubscribe tomorrow")
    pieces = [tokenizer.decode([number]) for number in numbers]
    print(f"{tokenizer.n_vocab:>6} tokens: {pieces}")

# %% [markdown]
# The place between two tokens is a cut. Every cut of the large tokenizer is a cut of the small one, too; the reverse does
# not hold. **Predict before you run:** why must that be so? And what can the student be taught after a token that ends
# inside one of the teacher's, where the teacher has given no answer?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.interactive.distillation import distillation_example

one = distillation_example(text, answer, large, small, context_length=256)
rows = list(zip(*one, strict=True))
for number, target, weight in [*rows[:6], *rows[-2:]]:
    token = small.decode([number])
    print(f"{token!r:<8} target {target[1]:.3f}  weight {weight:.3f}")

# %% [markdown]
# The small tokenizer does the same merges in the same order and stops earlier; whatever the large one does after that only
# removes cuts. Inside a token of the teacher's nothing new has been said, so its last answer stands. Before its first
# answer there is none, and the lesson there has no weight.

# %% [markdown]
# Half of all weight is shared by the tokens, and the other half goes to the last one: its answer is the one that counts.
#
# ## A loss for shares
#
# The {term}`cross-entropy` of chapter 5 takes the logarithm of the probability of the right class. The teacher gives no
# right class, but a share for each. So take both logarithms, each weighted by its share. **Predict before you run:** what is
# the loss of a student that answers exactly as the teacher does? Is it zero?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
target = torch.tensor([0.3, 0.7])  # the teacher: ham, spam
for share in (0.5, 0.7, 0.9):
    guess = torch.tensor([1 - share, share])
    print(f"student {share:.1f}: loss {-(target * guess.log()).sum():.3f}")

# %% [markdown]
# It is smallest where the student says what the teacher says, and even there it is not zero: what is left is the teacher's
# own doubt (its entropy). Now teach a student yourself, with a few messages only, for a short and for a longer time. The
# number is its mean distance from the teacher on the messages that it was taught.

# %%
import numpy as np

from llmclf.interactive.distillation import distil

few = prepare_sms().train["text"].tolist()[:8]
for epochs in (1, 15):
    young = distil(teacher, few, texts, epochs=epochs)
    gaps = np.abs(teacher.predict_proba(few) - young.predict_proba(few))
    print(f"{epochs:>2} epochs: {gaps.mean():.3f} apart")

# %% [markdown]
# It comes closer. The loop inside `distil` is that of chapter 6, forward, loss, backward, step, with three differences.
# Its blocks begin with random weights and all of them learn. Its token embeddings are the teacher's, passed through one
# small matrix that learns, so that it knows something of words that no lesson holds. And the
# {term}`learning rate` first rises, then falls to zero.

# %% [markdown]
# ## One byte a weight
#
# A weight of 32 bits takes four bytes. The file keeps one: in each row of a matrix the weight of the largest size becomes
# 127 or -127, and all others whole numbers in proportion ({term}`quantisation`). A factor for each row turns them back.

# %% tags=["nbval-check-output"]
from llmclf.interactive.student import quantise

row = torch.tensor([[0.50, -0.26, 0.013, -0.0045]])
whole, scale = quantise(row)
restored = (whole * scale).tolist()[0]
print("whole numbers:", whole.tolist()[0], f"factor: {scale.item():.5f}")
print("back again:   ", [round(value, 4) for value in restored])

# %% [markdown]
# The error is at most half a factor. Measured by their own size, small weights suffer most: the last one lost an eighth. Does
# it matter? **Predict before you run:** we round the student's weights once more, to fewer and fewer bits. At how many does
# it begin to hurt?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
for bits in (8, 6, 4, 3, 2):
    coarse = load_student(file)
    for weight in coarse.model.parameters():
        if weight.ndim == 2:
            whole, scale = quantise(weight.data, bits)
            weight.data = whole * scale[:, None]
    print(f"{bits} bits: {score(coarse.logits(texts), labels)}")

# %% [markdown]
# Eight bits cost nothing that this test set could show; on this page neither do four or three. Only with two, when every
# weight is -1, 0 or 1 times its factor, the accuracy falls. The file could be smaller still.
#
# ## Side by side
#
# {numref}`fig-play-both` draws both readings of one message, over the share of its characters that has been read.


# %% mystnb={"figure": {"caption": "One message, read by both: the probability of spam if the message ended there, over the share of its characters. Dotted: one half.", "name": "fig-play-both"}, "image": {"alt": "Two lines over the course of one message, the probability of spam as the teacher and as the student see it. Both stay near zero over the first half and rise at the telephone number, the teacher's at once, the student's over several digits. Behind the number both fall, waver, and end above one half, the teacher's higher."}}
from llmclf.interactive.token_probabilities import token_probabilities
from llmclf.teaching import plots

text = "Hi love, free for dinner? Or call 09061701461 and claim your prize"
figure, axes = plots.new_figure()
for (name, one), marker in zip(both.items(), "os", strict=True):
    reading = token_probabilities(one, text)
    sizes = torch.tensor([len(piece) for piece in reading.pieces])
    shares = sizes.cumsum(0) / len(text)
    course = reading.probability_of("spam")
    axes.plot(shares, course, marker=marker, markersize=4, label=name)
axes.axhline(0.5, color=plots.INK, linestyle=":")
axes.set(xlabel="share of the message read", ylabel="probability of spam")
axes.legend()
figure

# %% [markdown]
# The student follows its teacher's large moves, more slowly and less far: where the teacher is sure at the first digit, it
# waits for more. How long does each take? Time both with PyTorch, on this computer:

# %%
import time

for name, one in both.items():
    token_probabilities(one, text)
    start = time.perf_counter()
    for _ in range(10):
        token_probabilities(one, text)
    print(f"{name}: {(time.perf_counter() - start) * 100:.1f} ms a message")

# %% [markdown]
# The page has no PyTorch: there a script of plain JavaScript does the same sums, `book/play/gpt2.js`, and a test compares
# its probabilities with PyTorch's. It is slower, and fast enough to keep up with typing. Here are its milliseconds as the
# benchmark of this book measured them, on the machine that is named:

# %%
import json

results = Path("../benchmarks/results/playing.json")
found = json.loads(results.read_text())
machine = found["machine"]
print(machine["processor"], "with", machine["cores"], "cores")
for name, value in found["medians"].items():
    print(f"{name}: {value:.1f} ms")

# %% [markdown]
# The script reads one token at a time and keeps what it has computed. Under the causal mask nothing of that ever changes, so
# one word more costs little more than itself.
#
# ## Four messages, and your own
#
# What the student makes of the four examples of chapter 7:

# %%
from IPython.display import HTML

from llmclf.interactive.token_probabilities import EXAMPLES, percent, render

examples = EXAMPLES.values()
readings = [token_probabilities(student, text) for text in examples]
shown = [render(reading, "spam") for reading in readings]
HTML("".join(shown))

# %% [markdown]
# And in one table, beside its teacher:

# %%
import pandas as pd

messages = list(EXAMPLES.values())
shortened = [shorten(text, 48, placeholder=" …") for text in messages]
columns = {"message": shortened}
for name, one in both.items():
    chances = one.predict_proba(messages)[:, 1]
    columns[name] = [percent(chance) for chance in chances]
pd.DataFrame(columns, index=list(EXAMPLES))

# %% [markdown]
# Look at the code to log in. The teacher is sure that it is spam, and the student leans that way; it would be a harmful
# mistake, for you are waiting for that message. Where does it come from? Search what the teacher was trained on:

# %%
train = prepare_sms().train
alike = train["text"].str.contains("password|Pin is")
for label, text in train[alike][["label", "text"]].to_numpy():
    words = shorten(text, 66, placeholder=" …")
    print(f"{student.label_names[label]}: {words}")

# %% [markdown]
# Whatever of this kind the teacher has seen came from paid services and was labelled spam; codes of today, which people
# ask for, are not among its messages. It learnt that lesson well, and passed it on. Agreement on the test set says
# nothing about messages of another kind.
#
# In a notebook the last cell puts both side by side. (On a page without a kernel, the field at the top does the work of
# the student.)

# %% tags=["remove-output"]
from llmclf.interactive.demo import ClassifierDemo

ClassifierDemo(teacher, student)

# %% [markdown]
# To make a student of your own, from a classifier that `python -m llmclf train` has saved (on a recent processor
# `--precision bfloat16` makes the teacher read faster; it is the default there):
#
# ```sh
# python -m llmclf distil output/classifier \
#   --output student.safetensors --precision bfloat16
# ```

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: A loss for shares
#
# Write `soft_cross_entropy(logits, targets)`: both are tensors of shape (messages, classes),
# the second holds shares that add up to one in each row. It returns the mean loss of a message.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def soft_cross_entropy(logits, targets): ...  # your code


check(soft_cross_entropy)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def soft_cross_entropy(logits, targets):
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()


check(soft_cross_entropy)

# %% [markdown]
# With shares of one and zero it is the cross-entropy of chapter 5.
#
# ### Exercise 2: To whole numbers
#
# Write `to_bytes(row)`: given a list of numbers, not all zero, it returns a list of whole numbers
# from -127 to 127 in proportion to them, each rounded to the nearest, the largest in size being 127 or -127.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
def to_bytes(row): ...  # your code


check(to_bytes)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def to_bytes(row):
    step = max(abs(value) for value in row) / 127
    return [round(value / step) for value in row]


check(to_bytes)

# %% [markdown]
# One factor for a whole matrix would be simpler still. Then a row of small weights would get few whole numbers to
# choose from; that is why each row has its own.
#
# ## Questions
#
# <details><summary>1. Why can the student learn from messages that nobody has labelled?</summary>
#
# It learns what the teacher says of them. The teacher can read any text, so no label is needed.
#
# </details>
#
# <details><summary>2. The student's accuracy is about the teacher's. Do they make the same mistakes?</summary>
#
# That does not follow. Two classifiers of equal accuracy may err on different messages; only the agreement,
# counted message by message, tells.
#
# </details>

# %% [markdown]
# <details><summary>3. Why was all that resembles a test message kept out of the student's lessons, although it sees no labels?</summary>
#
# Because it sees the teacher's answers, after every token. A question whose answer one has been told tests nothing, and
# a text that only begins like a test message tells that answer, too.
#
# </details>
#
# <details><summary>4. The student reads a token at a time in the browser. Why does it not have to begin anew with each letter that you type?</summary>
#
# Under the causal mask a token sees only what stands before it. What was computed for the beginning of the text stays
# right as long as the beginning stays the same.
#
# </details>
#
# <details><summary>5. Can the student be better than its teacher?</summary>
#
# On single messages, yes, by luck, or because it smooths over a quirk of the teacher's. But it aims at the teacher's
# answers, mistakes included, and nothing in its training tells it where those are wrong.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A large classifier can teach a small one, without a single label, by answering after every token. A vocabulary can be cut
# at its end and stays a vocabulary. Weights can take one byte each, or less, and you measured the harm. And a model that small runs anywhere,
# even inside the page that explains it. How far it can be trusted was measured, on the test set, and holds for
# messages of that kind.

# %% [markdown]
# **Next:** if you came here first, begin with [chapter 1](01_dataset.ipynb). The [reference](api.md) shows the functions behind this page.
