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
# Type a message. A small GPT reads it here, in your browser, and nothing that you type leaves this page. Each word
# stands on a ground that tells how it moved the probability of {term}`spam`: orange and ▲ up, blue and ▼ down.
#
# <div id="play"><p>(In the HTML edition a field to type in stands here. In a notebook it is at the end of this page.)</p></div>

# %% [markdown]
# Who answers here is not the {term}`classifier` of chapter 6, which is far too large for a page, but a pupil of it. At the
# end you can
#
# - **teach** a small model to answer as a large one does ({term}`distillation`),
# - **explain** why texts without labels are enough for that,
# - **shrink** weights to one byte each, and say what it costs,
# - **measure** how far pupil and teacher agree, and where they part.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 5 to 7. To run this page, run chapter 6 or 7 first: it makes the
# > teacher. It takes about half a minute on a laptop's CPU; a GPU was not at hand. Download: nothing new.

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.evaluate import choose_device
from llmclf.provenance import provenance
from llmclf.weights import choose_backbone

backbone = choose_backbone()
print(provenance(backbone, choose_device()))

# %% [markdown]
# ## How good is it?
#
# The pupil, or *student*, lies in one file beside this page. It was made once, by the command at the end, from the
# classifier of chapter 6 with SmolLM2. Load both, and compare their sizes.

# %%
from pathlib import Path

from llmclf.classify import TextClassifier
from llmclf.data import is_fast
from llmclf.student import Student

folder = Path("output", "fast" if is_fast() else "full", "classifier")
teacher = TextClassifier.load(folder)
file = Path("play/student.safetensors")
student = Student.load(file)

# %%
for name, one in (("teacher", teacher), ("student", student)):
    count = sum(weight.numel() for weight in one.model.parameters())
    print(f"{name}: {count / 1e6:6.1f} million weights")
print(f"file: {file.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# Both are asked about the {term}`test set`. The student has heard of none of these messages, nor of a text that differs
# from one only in digits, case or punctuation. Its teacher's training was not so strict: copies of some test messages
# stood in it, as chapter 1 shows, and a little of its lead may be memory.

# %% tags=["measured"]
import torch

from llmclf.data import prepare_sms
from llmclf.evaluate import score, wilson_interval

test = prepare_sms().test
texts, labels = test["text"].tolist(), torch.tensor(test["label"].tolist())
both = {"teacher": teacher, "student": student}
logits = {name: one.logits(texts) for name, one in both.items()}
for name, rows in logits.items():
    print(f"{name}: {score(rows, labels)}")

# %% tags=["measured"]
same = logits["student"].argmax(dim=1) == logits["teacher"].argmax(dim=1)
low, high = wilson_interval(int(same.sum()), len(texts))
print(f"they agree on {same.sum()} of {len(texts)} messages,", end=" ")
print(f"{same.double().mean():.1%} (95 % interval {low:.1%} to {high:.1%})")

# %% [markdown]
# The student comes close to its teacher, with a small part of its weights. The intervals of the two accuracies overlap,
# but they were measured on the same messages, and agreement is the sharper question: it asks message by message. Where do
# the two part? Read all the messages on which they do:

# %%
spam = [rows.softmax(dim=1)[:, 1] for rows in logits.values()]
for row in (~same).nonzero().flatten().tolist():
    probabilities = " ".join(f"{one[row]:4.0%}" for one in spam)
    name = student.label_names[labels[row]]
    print(f"{probabilities}  {name:<4}  {texts[row][:44]} …")

# %% [markdown]
# The first number is the teacher's probability of spam, the second the student's, and the word is the label. On this page
# nearly all of it is spam that the student lets pass. Some of these messages open like a story or a friendly question:
# to see through them it helps to have read more than a few thousand messages. The teacher has, before it became a
# classifier.
#
# ## Lessons without labels
#
# A label says *spam*. The teacher says how sure it is, and it says so after every token, because its
# {term}`causal mask` makes each row an answer to the text so far. A model that learns from such answers instead of
# labels is *distilled* {cite}`hinton2015`. One message becomes as many lessons as it has tokens, and any text will do:
# the teacher reads it, and nobody needs to label it.

# %%
from llmclf.distil import ask
from llmclf.tokenizer import encode

text = "Free entry! Text WIN to 80086 now"
heard = encode(teacher.tokenizer, text)
(answer,) = ask(teacher, [heard])
for number, row in list(zip(heard, answer, strict=True))[:6]:
    print(f"{teacher.tokenizer.decode([number])!r:<10} {row[1]:.3f}")

# %% [markdown]
# So the student could learn from all messages of the collection, not from the balanced thousand alone, and from mixtures
# of them: parts of several messages in a row, random words thrown in, capitals, small letters. They make odd reading,
# and good lessons. Here is one:

# %% tags=["nbval-check-output"]
import random

from llmclf.distil import mix

some = ["See you at eight then", "WIN a prize, text GO to 80086 now"]
print(mix(some, ["lamp", "river"], random.Random(25)))

# %% [markdown]
# ## A smaller vocabulary
#
# Most of a small model is its {term}`vocabulary`: one row of numbers for each token. The student has only the teacher's
# first tokens. {term}`Byte-pair encoding <byte-pair encoding>` learns its merges one after the other, and numbers them
# so; whoever keeps the first few has the tokenizer as it was at that hour of its training.

# %%
from llmclf.student import first_tokens

large = teacher.tokenizer
small = first_tokens(large, 8192)
for tokenizer in (large, small):
    numbers = encode(tokenizer, "unsubscribe tomorrow")
    pieces = [tokenizer.decode([number]) for number in numbers]
    print(f"{tokenizer.n_vocab:>6} tokens: {pieces}")

# %% [markdown]
# **Predict before you run.** Every cut of the large tokenizer is a cut of the small one, too; only the reverse does not
# hold. Why must that be so? And what does the student get to learn after a token that ends in the middle of one of the
# teacher's?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.distil import lesson

one = lesson(text, answer, large, small, context_length=256)
for number, target, weight in list(zip(*one, strict=True))[:7]:
    token = small.decode([number])
    print(f"{token!r:<8} target {target[1]:.3f}  weight {weight:.3f}")

# %% [markdown]
# The small tokenizer does the same merges in the same order and stops earlier; what the large one does after that can
# only remove cuts. Where a token of the student ends inside one of the teacher's, nobody has said anything: it has no
# target and the weight zero. Half of all weight is shared by the tokens with a target, and half goes to the last one,
# since that is the answer that counts.
#
# ## A loss for shades of grey
#
# The {term}`cross-entropy` of chapter 5 takes the logarithm of the probability of the right class. With two shares in
# place of one right class, take both logarithms, each weighed by its share. **Predict before you run:** what is the loss of a student
# that answers exactly as the teacher does? Is it zero?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
target = torch.tensor([0.3, 0.7])  # the teacher: ham, spam
for share in (0.5, 0.7, 0.9):
    said = torch.tensor([1 - share, share])
    print(f"student {share:.1f}: loss {-(target * said.log()).sum():.3f}")

# %% [markdown]
# It is smallest where the student says what the teacher says, and even there it is not zero: what is left is the teacher's
# own doubt (its entropy). PyTorch's `cross_entropy` takes such targets as well. The rest of the training is chapter 6
# over again, a loop of forward, loss, backward, step, on a GPT-2 of four blocks. It stands in `llmclf/distil.py`.
#
# ## One byte a weight
#
# A weight of 32 bits takes four bytes. The file keeps one: in each row of a matrix the largest weight becomes 127, and
# all others whole numbers in proportion ({term}`quantisation`). A factor for each row turns them back.

# %% tags=["nbval-check-output"]
from llmclf.student import quantise

row = torch.tensor([[0.50, -0.26, 0.013, -0.0045]])
whole, scale = quantise(row)
restored = (whole * scale).tolist()[0]
print("whole numbers:", whole.tolist()[0], f"factor: {scale.item():.5f}")
print("back again:   ", [round(value, 4) for value in restored])

# %% [markdown]
# The error is at most half a step, that is half a factor, and small weights suffer most: the last one lost an eighth of
# its size. Does it matter? The accuracy above is that of the file, of the whole numbers turned back, so it is
# paid for already.
#
# ## Teacher and pupil side by side
#
# {numref}`fig-play-both` draws both readings of one message. They share the words, and every step of the student is an
# imitation.


# %% mystnb={"figure": {"caption": "One message, read by both: the probability of spam if the message ended there, over the share of its characters. Dotted: one half.", "name": "fig-play-both"}, "image": {"alt": "Two lines over the course of one message, the probability of spam as the teacher and as the student see it. Both stay near zero over the first half, jump to nearly one at the telephone number, fall behind it and end near nine tenths. The student falls less at first, and falls once more just before the end, inside a word that its tokenizer cuts in two."}}
from llmclf import plots
from llmclf.reading import read

text = "Hi love, free for dinner? Or call 09061701461 and claim your prize"
figure, axes = plots.new_figure()
for (name, one), marker in zip(both.items(), "os", strict=True):
    reading = read(one, text)
    sizes = torch.tensor([len(piece) for piece in reading.pieces])
    shares = sizes.cumsum(0) / len(text)
    course = reading.course("spam")
    axes.plot(shares, course, marker=marker, markersize=4, label=name)
axes.axhline(0.5, color=plots.INK, linestyle=":")
axes.set(xlabel="share of the message read", ylabel="probability of spam")
axes.legend()
figure

# %% [markdown]
# They rise together and fall at different places: in the middle of a message the imitation is rougher than at its end,
# on which half of all weight lay. How long does each take? Time both, on this computer:

# %%
import time

for name, one in both.items():
    read(one, text)
    start = time.perf_counter()
    for _ in range(10):
        read(one, text)
    print(f"{name}: {(time.perf_counter() - start) * 100:.1f} ms a message")

# %% [markdown]
# The teacher takes many times as long. Every static page can hold a model of the student's size. The script that runs it here is about two hundred lines of plain
# JavaScript, `book/play/gpt2.js`, and a test compares its probabilities with PyTorch's. It reads one token at a
# time and keeps what it has seen, so that a further word costs only itself.
#
# ## Four messages, and your own
#
# What the student makes of the four examples of chapter 7:

# %%
from IPython.display import HTML

from llmclf.reading import EXAMPLES, render

readings = [read(student, text) for text in EXAMPLES.values()]
HTML("".join(render(reading, "spam") for reading in readings))

# %% [markdown]
# Compare with chapter 7. On these pages they disagree about the code to log in: the teacher is sure that it is spam, the
# student that it is not. Neither has ever learnt from such a message, and each stretches what it knows in its own way.
# That the student is right here is luck. Agreement on the test set says nothing about messages of another kind.
#
# In a notebook the last cell puts both side by side. (On a page without a kernel, the field at the top does the work of
# the student.)

# %% tags=["remove-output"]
from llmclf.demo import ClassifierDemo

ClassifierDemo(teacher, student)

# %% [markdown]
# To make a student of your own, from a classifier that `python -m llmclf train` has saved:
#
# ```sh
# python -m llmclf distil output/classifier --output student.safetensors
# ```
#
# For half of the time the teacher reads, for the other half the student learns: a quarter of an hour on the two cores where
# it was made, with `--bfloat16`, which recent processors know; longer without.

# %% [markdown]
# ## Exercises
#
# **1. A loss for shares.** Write `soft_cross_entropy(logits, targets)`: both are tensors of shape (messages, classes),
# the second holds shares that add up to one in each row. It returns the mean loss of a message.

# %% tags=["exercise", "nbval-check-output"]
from llmclf.checks import check


def soft_cross_entropy(logits, targets): ...  # your code


check(soft_cross_entropy)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def soft_cross_entropy(logits, targets):
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()


check(soft_cross_entropy)

# %% [markdown]
# With shares of one and zero it is the cross-entropy of chapter 5.
#
# **2. To whole numbers.** Write `to_bytes(row)`: given a list of numbers, not all zero, it returns a list of whole numbers
# from -127 to 127 in proportion to them, each rounded to the nearest, the largest in size being 127 or -127.


# %% tags=["exercise", "nbval-check-output"]
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
# <details><summary>3. Why were copies of test messages kept out of the student's lessons, although it sees no labels?</summary>
#
# Because it sees the teacher's answers. To be asked about a message whose answer one was told is no test, whoever told
# it.
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
# at its end and stays a vocabulary. Weights take one byte each with little harm. And a model that small runs anywhere,
# even inside the page that explains it. How far it can be trusted was measured, on the test set, and holds for
# messages of that kind.

# %% [markdown]
# **Next:** nothing that you need. The [reference](api.md) shows the functions behind this page, and
# [chapter 7](07_classifying.ipynb) how to use the teacher.
