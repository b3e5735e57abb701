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
# Type a message. A small {term}`GPT` reads it here, in your browser. Nothing that you type leaves this page. The
# answer is {term}`spam` for unwanted advertising and {term}`ham` for everything else.
#
# <div id="play"><p>(The HTML edition shows a field to type in here; it needs JavaScript. In a notebook the field is
# above the exercises.)</p></div>

# %% [markdown]
# The bar shows the probability of spam. The mark on it is the {term}`threshold`: from this probability on, the message
# is called spam. Each {term}`token`, a word or a part of a word, has a background that shows how it moved the
# probability: orange up, blue down. Arrows mark at most three moves: the strongest ones of ten percentage points or
# more. The line below shows the probability from the first token to the last. The dashed line is the threshold.

# %% [markdown]
# The model in this page is not the {term}`classifier` of chapter 6, which is far too large for a page. It is a small
# model that has learnt from such a classifier. At the end you can
#
# - **explain** how a small model learns to answer like a large one ({term}`distillation`),
# - **say** why texts without labels are enough for this,
# - **store** weights as small whole numbers ({term}`quantisation`), and **measure** what that costs,
# - **judge** how far the two models agree, and where they disagree.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 5 to 7. To run this page, run chapter 6 or 7 first, because
# > it trains the large classifier. The page takes about a minute on a laptop's CPU; we have not measured a GPU. It
# > downloads nothing new.

# %% tags=["remove-cell"]
# No module named llmclf? Unzip the book's code and type there: make lab
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.evaluate import choose_device
from llmclf.teaching.provenance import provenance
from llmclf.weights import choose_backbone

backbone = choose_backbone()
print(provenance(backbone, choose_device()))

# %% [markdown]
# The line `backbone` names the large model. This edition is printed with SmolLM2.
#
# ## How good is it?
#
# The *teacher* is the classifier of chapter 6. The *student* is one file beside this page. We made it once, with a
# command that you find below, from such a classifier on SmolLM2. Load both and compare their sizes.

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

for name, classifier in both.items():
    weights = classifier.model.parameters()
    count = sum(weight.numel() for weight in weights)
    print(f"{name}: {count / 1e6:6.1f} million weights")
print(f"the student's file: {file.stat().st_size / 1e6:.1f} MB")
own = fingerprint(teacher.model.parameters())
print("its own teacher:", own == student.training["teacher's weights"])

# %% [markdown]
# The last line says `False`: the student learnt from another classifier of the same kind, so these two may agree a
# little less.
#
# We ask both about the {term}`test set`. The student was taught nothing that resembles a test message, not even a
# text that shares five consecutive words with one. The teacher was trained on copies of some test messages: chapter 1
# counts them.

# %% tags=["measured"]
import torch

from llmclf.data import prepare_sms
from llmclf.evaluate import score, wilson_interval

test = prepare_sms().test
texts, labels = test["text"].tolist(), torch.tensor(test["label"].tolist())
logits = {}
for name, classifier in both.items():
    logits[name] = classifier.logits(texts)
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
# The student has a small part of the weights and comes close. Which of the two is better? Both read the same
# messages, so you only need to look at those on which they disagree. There one of them is right and the other is
# wrong.

# %%
right = int((said["teacher"] == labels)[~same].sum())
low, high = wilson_interval(right, int((~same).sum()))
print(f"the teacher is right in {right} of these {(~same).sum()}", end=" ")
print(f"(95 % interval of the share: {low:.0%} to {high:.0%})")

# %% [markdown]
# The interval stays above one half, so luck is an unlikely reason for the teacher's lead. The teacher makes about
# half as many mistakes as the student. Now compare a rival from chapter 8. {term}`TF-IDF` on characters learns from
# the labels and answers the same test messages:

# %% tags=["measured"]
from llmclf.evaluation.baselines import tfidf_characters

train = prepare_sms().train
counter = tfidf_characters().fit(train["text"], train["label"])
counted = int((counter.predict(texts) == labels.numpy()).sum())
print(f"TF-IDF: {counted} of {len(texts)} right")

# %% [markdown]
# TF-IDF labels more messages correctly than the student, and as many as the teacher. So why look at the student? It
# needs no labels, only a teacher to ask. And it reads in order: its answer depends on the context, and you can watch
# it change from token to token. TF-IDF counts short runs of characters, wherever they stand in the message.
#
# The teacher and the student disagree on few messages, so you can read them all. The first number is the teacher's
# probability of spam, the second is the student's, and the word is the label:

# %%
from textwrap import shorten

spam = {name: rows.softmax(dim=1)[:, 1] for name, rows in logits.items()}
for row in (~same).nonzero().flatten().tolist():
    first, second = spam["teacher"][row], spam["student"][row]
    label = student.label_names[labels[row]]
    words = shorten(texts[row], 52, placeholder=" …")
    print(f"{first:4.0%} {second:4.0%} {label:<4} {words}")

# %% [markdown]
# All of them are spam, and the student misses nearly all of them. The exception is the *Ringtone Club*, which the
# teacher misses. Some open like a story or a friendly question. To recognise those, a model may have to know more
# language. Others, like the last, are plain advertisements.

# %% [markdown]
# ## Lessons without labels
#
# A label only says *spam*. The teacher says how sure it is. It says so after every token, because its
# {term}`causal mask` makes the output at each token an answer to the text so far. When a model learns from such
# answers instead of labels, it is *distilled* {cite}`hinton2015`. One message gives as many lessons as it has tokens.
# Any text will do: the teacher reads it, and nobody needs to label it.

# %%
from llmclf.interactive.distillation import teacher_probabilities
from llmclf.tokenizer import encode

text = "Free entry! Text WIN to 80086 now"
heard = encode(teacher.tokenizer, text)
(answer,) = teacher_probabilities(teacher, [heard])
for number, row in list(zip(heard, answer, strict=True))[:6]:
    print(f"{teacher.tokenizer.decode([number])!r:<10} {row[1]:.3f}")

# %% [markdown]
# The student learnt from the whole collection, except for texts that resemble a message of the validation or test
# set. It also learnt from mixtures: parts of several messages joined together, some with random words, some in
# capitals or small letters. Here is a mixture, and then the record of the training:

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
# The last two lines are seconds on the two cores where we made the student. First the teacher read all texts once (in
# {term}`bfloat16`, a shorter kind of number). Then the student learnt from its answers.
#
# ## A smaller vocabulary
#
# More than half of the student's weights belong to its {term}`vocabulary`, which has a row of numbers for each token.
# To save weights, the student has only the teacher's first tokens. {term}`Byte-pair encoding <byte-pair encoding>`
# learns its merges one after the other and numbers them in this order. If you keep only the first ones, you get the
# tokenizer as it was at that point of its training.

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
# A *boundary* is the place between two tokens. Every boundary of the large tokenizer is a boundary of the small one,
# too. The reverse does not hold.
#
# **Predict before you run.** Why must that be so? Some tokens of the student end inside a token of the teacher, where
# the teacher gives no answer. What can the student learn there?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.interactive.distillation import distillation_example

lesson = distillation_example(text, answer, large, small, 256)
for place in (0, 1, 2, 3, 4, 5, -2, -1):
    token = small.decode([lesson.input_ids[place]])
    target, weight = lesson.targets[place][1], lesson.weights[place]
    print(f"{token!r:<8} target {target:.3f}  weight {weight:.3f}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The small tokenizer does the same merges in the same order and stops earlier. Every further merge of the large
# tokenizer only removes boundaries. Inside a token of the teacher there is no new answer, so the last one stays the
# target. Before the teacher's first answer there is no target, and the weight is zero.
# :::
#
# The tokens share half of all weight equally, and the other half goes to the last token: its answer is the one that
# counts.
#
# ## A loss for shares
#
# The {term}`cross-entropy` of chapter 5 takes the logarithm of the probability of the right class. The teacher names
# no right class. It gives a share to each class. So we take the logarithm for every class and weight it by the
# teacher's share.
#
# **Predict before you run.** What is the loss of a student that answers exactly like the teacher? Is it zero?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
target = torch.tensor([0.3, 0.7])  # the teacher: ham, spam
for share in (0.5, 0.7, 0.9):
    guess = torch.tensor([1 - share, share])
    print(f"student {share:.1f}: loss {-(target * guess.log()).sum():.3f}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The loss is smallest where the student says what the teacher says. Even there it is not zero. What remains is the
# teacher's own uncertainty (its entropy).
# :::
#
# Now teach a student yourself, with only a few messages, for a short and for a longer time. The number is the mean
# distance between its probabilities and the teacher's, on the messages that it learnt from.

# %%
import numpy as np

from llmclf.interactive.distillation import distil

few = prepare_sms().train["text"].tolist()[:8]
for epochs in (1, 15):
    young = distil(teacher, few, texts, epochs=epochs)
    gaps = np.abs(teacher.predict_proba(few) - young.predict_proba(few))
    print(f"{epochs:>2} epochs: {gaps.mean():.3f} apart")

# %% [markdown]
# The student comes closer. The loop inside `distil` is the loop of chapter 6: forward, loss, backward, step. There
# are three differences. The blocks start with random weights, and all of them learn. The token embeddings come from
# the teacher and pass through one small matrix that learns, so the student knows something about words that no lesson
# contains. The {term}`learning rate` first rises, then falls to zero.

# %% [markdown]
# ## One byte a weight
#
# In memory a weight of 32 bits takes four bytes. In the file it takes one byte, because the file stores a whole number.
# In each row of a matrix the weight with the largest absolute value becomes the largest whole number, with its own
# sign, and the others follow in proportion. With eight bits the whole numbers reach from -127 to 127. One factor for
# each row turns them back into weights.

# %% tags=["nbval-check-output"]
from llmclf.interactive.student import quantise

row = torch.tensor([[0.50, -0.26, 0.013, -0.0045]])
whole, scale = quantise(row)
restored = (whole * scale).tolist()[0]
print("whole numbers:", whole.tolist()[0], f"factor: {scale.item():.5f}")
print("back again:   ", [round(value, 4) for value in restored])

# %% [markdown]
# The error is at most half a factor. It matters most for small weights: the last weight lost an eighth of its size.
# The student's file uses only the whole numbers from -7 to 7, which need four bits.
#
# **Predict before you run.** We round the student's weights once more, to fewer and fewer bits. At how many bits does
# the accuracy begin to fall?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
for bits in (8, 6, 4, 3, 2):
    coarse = load_student(file)
    for weight in coarse.model.parameters():
        if weight.ndim == 2:
            whole, scale = quantise(weight.data, bits)
            weight.data = whole * scale[:, None]
    print(f"{bits} bits: {score(coarse.logits(texts), labels)}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The accuracy falls clearly only at two bits, where every weight is -1, 0 or 1 times its factor. With three bits or
# more, the number of right answers changes by one at most.
# :::
#
# ## Side by side
#
# {numref}`fig-play-both` shows how both read one message. The horizontal axis is the share of its characters read so
# far.


# %% mystnb={"figure": {"caption": "One message, read by the teacher and by the student. Each point is the probability of spam if the message ended there. The dotted line is one half.", "name": "fig-play-both"}, "image": {"alt": "Two lines from the beginning of a message to its end: the probability of spam that the teacher and the student give. Both stay near zero over the first half and rise at the telephone number, the teacher's at once, the student's over several digits. After the number both fall, waver, and end above one half, the teacher's higher."}}
from llmclf.interactive.token_probabilities import token_probabilities
from llmclf.teaching import plots

text = "Hi love, free for dinner? Or call 09061701461 and claim your prize"
figure, axes = plots.new_figure()
colors = {"teacher": plots.COLORS[0], "student": plots.COLORS[2]}
for name, color in colors.items():
    reading = token_probabilities(both[name], text)
    sizes = torch.tensor([len(piece) for piece in reading.pieces])
    shares = sizes.cumsum(0) / len(text)
    course = reading.probability_of("spam")
    axes.plot(shares, course, "o-", ms=4, color=color, label=name)
axes.axhline(0.5, color=plots.INK, linestyle=":")
axes.set(xlabel="share of the message read", ylabel="probability of spam")
plots.label_lines(axes)
figure

# %% [markdown]
# The student follows the teacher's large moves, but more slowly and less far. The teacher is sure at the first digit;
# the student waits for more digits. How long does each model take? Time both with PyTorch, on this computer:

# %%
import time

for name, classifier in both.items():
    token_probabilities(classifier, text)
    start = time.perf_counter()
    for _ in range(10):
        token_probabilities(classifier, text)
    print(f"{name}: {(time.perf_counter() - start) * 100:.1f} ms a message")

# %% [markdown]
# The web page has no PyTorch. There a script in plain JavaScript does the same computations, `book/play/gpt2.js`, and
# a test compares its probabilities with PyTorch's. The script is slower, but fast enough to keep up with your typing.
# The next cell prints what the book's benchmark measured, on the machine that its first line names:

# %%
import json

results = Path("../benchmarks/results/playing.json")
found = json.loads(results.read_text())
machine = found["machine"]
print(machine["processor"], "with", machine["cores"], "cores")
for name, value in found["medians"].items():
    print(f"{name}: {value:.1f} ms")

# %% [markdown]
# The script reads one token at a time and keeps what it has computed. Under the causal mask these results never
# change, so one more word costs little more than the word itself.
#
# ## The examples, and your own
#
# Here are the first four examples of the field, as the student reads them:

# %%
from IPython.display import HTML

from llmclf.interactive.token_probabilities import EXAMPLES, percent, render

examples = list(EXAMPLES.values())[:4]
readings = [token_probabilities(student, text) for text in examples]
shown = [render(reading, "spam") for reading in readings]
HTML("".join(shown))

# %% [markdown]
# The next table shows both models' answers to all examples:

# %%
import pandas as pd

messages = list(EXAMPLES.values())
shortened = [shorten(text, 48, placeholder=" …") for text in messages]
columns = {"message": shortened}
for name, classifier in both.items():
    chances = classifier.predict_proba(messages)[:, 1]
    columns[name] = [percent(chance) for chance in chances]
pd.DataFrame(columns, index=list(EXAMPLES))

# %% [markdown]
# Both models let the fraud of the row *mum, my phone* pass, and both call the bank's alert spam. Only the teacher finds
# the crypto offer, and only the student calls the dentist's reminder spam.
#
# Look at the second row: you need this code to log in. The teacher is sure that the message is spam, and the student
# leans that way. This mistake would be harmful, because you are waiting for the message. Where does it come from?
# Search the teacher's training messages:

# %%
train = prepare_sms().train
alike = train["text"].str.contains("password|Pin is")
for label, text in train[alike][["label", "text"]].to_numpy():
    words = shorten(text, 66, placeholder=" …")
    print(f"{student.label_names[label]}: {words}")

# %% [markdown]
# The messages that the search finds came from paid services, and they are labelled spam. The login codes of today are
# not among them. The teacher probably learnt from these messages that a code means spam, and the student learnt it from
# the teacher. Agreement on the test set says nothing about messages of another kind.
#
# In a notebook the next cell puts teacher and student side by side. (On a page without a kernel, use the field at the
# top, where the student answers.)

# %% tags=["remove-output"]
from llmclf.interactive.demo import ClassifierDemo

ClassifierDemo(teacher, student)

# %% [markdown]
# You can make a student of your own, from a classifier that `python -m llmclf train` has saved. On a recent processor
# `--precision bfloat16` makes the teacher read faster; there it is the default.
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
# Write `soft_cross_entropy(logits, targets)`. Both are tensors of shape (messages, classes), and the targets hold
# shares that add up to one for each message. It returns the mean loss of a message.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def soft_cross_entropy(logits, targets): ...  # your code


check(soft_cross_entropy)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def soft_cross_entropy(logits, targets):
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()


check(soft_cross_entropy)

# %% [markdown]
# If the shares are one and zero, this is the cross-entropy of chapter 5.
#
# ### Exercise 2: To whole numbers
#
# Write `to_bytes(row)`. It gets a list of numbers that are not all zero. It returns a list of whole numbers from -127
# to 127 in proportion to them, each rounded to the nearest. The number with the largest absolute value becomes 127 or
# -127.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
def to_bytes(row): ...  # your code


check(to_bytes)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def to_bytes(row):
    step = max(abs(value) for value in row) / 127
    return [round(value / step) for value in row]


check(to_bytes)

# %% [markdown]
# One factor for a whole matrix would be simpler still. Then a row of small weights would have few whole numbers to
# choose from, so each row has its own factor.
#
# ### Exercise 3: Another way of training
#
# Change the training: in the cell that calls `distil`, try a `learning_rate` ten times as small as the usual 0.002,
# or only two messages in `few`. What happens to the two distances? (This one is not checked and needs no new code.)
#
# :::{admonition} What to look for
# :class: dropdown
# With smaller steps, the student needs more of them to come as close. With fewer messages it has less to fit, but
# it learns less about other messages. The distance on `few` does not show that.
# :::

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why can the student learn from messages that nobody has labelled?</summary>
#
# It learns what the teacher says about them. The teacher can read any text, so no label is needed.
#
# </details>
#
# <details><summary>2. Suppose that student and teacher have the same accuracy. Do they make the same mistakes?</summary>
#
# Not necessarily. Two classifiers of equal accuracy may err on different messages. Only their agreement, counted
# message by message, shows it.
#
# </details>
#
# <details><summary>3. The student sees no labels. Why did we remove everything that resembles a test message from its lessons?</summary>
#
# Because it sees the teacher's answers, after every token. If it has been told the answer to a question, the question
# tests nothing. A text that only begins like a test message gives that answer away, too.
#
# </details>

# %% [markdown]
# <details><summary>4. In the browser the student reads one token at a time. Why does it not have to start again with each letter that you type?</summary>
#
# Under the causal mask a token sees only the tokens before it. The results for the beginning of the text stay right
# as long as the beginning stays the same.
#
# </details>
#
# <details><summary>5. Can the student be better than its teacher?</summary>
#
# On single messages, yes: by luck, or because it smooths over a quirk of the teacher's. But it aims at the teacher's
# answers, including the mistakes, and nothing in its training says where those answers are wrong.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A large classifier can teach a small one without a single label, by answering after every token. A vocabulary can
# lose its last tokens and still work. Weights can take one byte each, or less, and you measured how much accuracy
# that costs. Such a small model runs even inside a web page. You measured on the test set how far you can trust it,
# but only for messages of that kind.

# %% [markdown]
# **Next:** if you came here first, begin with [chapter 1](01_dataset.ipynb). The [reference](api.md) shows the
# functions behind this page.
