# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7 · Classifying messages
#
# You want to give your trained model a message and get a word back: today and next month, on this computer and on
# another. At the end you can
#
# - **classify** any text with a function that you wrote yourself, and many texts with the library,
# - **foresee** what happens to empty, very long and strange input,
# - **follow** the answer {term}`token` by token, and say what the curve of these answers does not explain,
# - **save** a {term}`classifier`, **load** it in another process, and **export** it,
# - **judge** when to trust its answers, and when not to use them at all.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 4 to 6: the {term}`head`, the {term}`causal mask`, and what
# > {term}`fine-tuning` changed. If chapter 6 has run on your computer, this page takes about two minutes on a laptop's
# > CPU. Otherwise it first trains a classifier, which takes some minutes more. We have not measured a GPU. It
# > downloads the weights once, unless an earlier chapter did: 98 MB for SmolLM2, 548 MB for GPT-2.
#
# {numref}`fig-use` shows the goal: a message goes in, a word and a probability come out.
#
# :::{figure-md} fig-use
# ![Two messages with a bar under each token. Under the advertisement the bars are low at first, jump up at the number 1000, fall back at the word cash and rise again; the answer below reads spam. Under the private message they stay near zero, and the answer reads ham.](figures/finished_classifier.svg)
#
# The finished classifier at work. Each bar is the probability of {term}`spam` if the message ended at that token. The
# last bar decides the answer below the message.
# :::

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
# The line `backbone` names the model of this page. This edition is printed with SmolLM2. Every cell runs with GPT-2,
# too.
#
# ## Where the classifier comes from
#
# Chapter 6 saved its classifier in a folder. If the folder holds no classifier of this {term}`backbone`, `finetune`
# trains one now. This call does the work of chapters 1 to 6.

# %%
from pathlib import Path

from llmclf.classify import CLASSIFIER_FILE, TextClassifier
from llmclf.data import SMS_LABELS, is_fast, prepare_sms
from llmclf.finetune import finetune

folder = Path("output", "fast" if is_fast() else "full", "classifier")
found = (
    (folder / CLASSIFIER_FILE).exists()
    and TextClassifier.load(folder).backbone == backbone
)
if not found:
    finetune(prepare_sms(), SMS_LABELS, backbone).classifier.save(folder)
print(folder.as_posix(), "found" if found else "trained and saved just now")
if is_fast():
    print("A fast run: trained on a few messages, so answers differ.")

# %% [markdown]
# A classifier is more than a model. To read text it needs the tokenizer of its backbone, and to answer in words it
# needs the names of the classes, in the order of the outputs. One object holds all of this.
#
# This page compares probabilities to four decimal places, so it loads the classifier with `precision="float32"`. If
# you trained it in {term}`bfloat16`, a message with a probability near one half may get another label than in chapter
# 6.

# %% tags=["nbval-check-output"]
classifier = TextClassifier.load(folder, precision="float32")
model, tokenizer = classifier.model, classifier.tokenizer
names = classifier.label_names
print("names of the outputs:", names)
print("read at:", classifier.model.pooling)

# %% [markdown]
# `last_token` says where the head reads: at the last real token, the only one that has seen the whole message.
#
# ## One message by hand
#
# The chapter uses two messages from {cite:t}`raschka2024`: an advertisement, and a note between friends. First the
# text becomes tokens. We keep at most `max_length` of them. The classifier stores this limit. By default it is 1,024
# tokens for both models, the {term}`context` of GPT-2.

# %% tags=["nbval-check-output"]
messages = [
    "You are a winner you have been specially selected to "  # advert
    "receive 1000 cash or a 2000 award.",
    "Hey, just wanted to check if we're still on for dinner "  # friend
    "tonight? Let me know!",
]
limit = classifier.max_length
input_ids = tokenizer.encode_ordinary(messages[0])[:limit]
print([tokenizer.decode([number]) for number in input_ids[:6]])

# %% [markdown]
# The slice `[:limit]` changes nothing here. It matters when somebody pastes a whole book. Next comes {term}`padding`.
# A single message needs none. We pad it to forty tokens anyway, because batches are padded. `model.token_logits` runs
# the pretrained model with the head of chapter 4 and gives the answer at every token. What shape do you expect?

# %% tags=["nbval-check-output"]
import torch

padding = [tokenizer.eot_token] * (40 - len(input_ids))
batch = torch.tensor([input_ids + padding], device=model.device)
with torch.inference_mode():
    rows = model.token_logits(batch)
print(tuple(batch.shape), "->", tuple(rows.shape))

# %% [markdown]
# One message, forty positions, two {term}`logits <logit>` at each. Only the logits at the last real token count. The
# larger one decides ({term}`argmax`), and the list of names turns its index into a word. {term}`Softmax <softmax>`
# turns the logits into probabilities.

# %%
logits = rows[0, len(input_ids) - 1].cpu()
probabilities = logits.softmax(dim=0)
print("logits:       ", [f"{value:.2f}" for value in logits])
print("probabilities:", [f"{value:.1%}" for value in probabilities])
print("answer:       ", names[logits.argmax()])

# %% [markdown]
# Now put the steps into a function: tokenise, truncate, pad, run the model, read the last real token, take the
# argmax, look up the name. An empty message has no token to read, so the function gives it one
# {term}`end-of-text token`.


# %%
@torch.inference_mode()
def classify(text, pad_to=0):
    input_ids = tokenizer.encode_ordinary(text)[:limit]
    input_ids = input_ids or [tokenizer.eot_token]  # never empty
    padding = [tokenizer.eot_token] * (pad_to - len(input_ids))
    batch = torch.tensor([input_ids + padding], device=model.device)
    logits = model.token_logits(batch)[0, len(input_ids) - 1].cpu()
    return names[logits.argmax()], logits.softmax(dim=0).numpy()


# %%
for text in messages:
    name, probabilities = classify(text)
    print(f"{name} ({max(probabilities):.2%})  {text[:44]} …")

# %% [markdown]
# Both answers are right. (A probability that prints as one hundred per cent is rounded.) Do not trust the first
# answer too soon. The example is the beginning of a real advertisement, without its pound signs, and that
# advertisement is in the training set. The model may remember it.
#
# **Predict before you run.** We classify the same message without padding, padded to 60 and padded to 120 tokens.
# Does the answer change?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
import numpy as np

unpadded = classify(messages[0])[1]
for width in (60, 120):
    padded = classify(messages[0], pad_to=width)[1]
    same = np.allclose(padded, unpadded, atol=1e-4)
    print(f"padded to {width}, same answer: {same}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The answer stays the same. The padding stands after the token that is read, and the causal mask hides it. Rounding
# may change later decimal places, so the cell compares to four.
# :::
#
# ## Many messages at once
#
# The library does the same, for one text or for many. `predict` gives names, `predict_proba` gives probabilities and
# `logits` gives the raw numbers.

# %%
print(classifier.predict(messages))
print(classifier.predict_proba(messages).round(4))

# %% [markdown]
# These are the answers of your function. The library sorts many messages by length and packs them into batches with
# about the same number of *tokens*. So there is little padding, and memory use stays flat, however many messages
# come. The answers come back in the order of the messages.
#
# ## Whatever people send
#
# A message may be empty, very long or full of emoji. It may contain the characters `<|endoftext|>`, the name of
# the special token that only our code may set.
#
# **Predict before you run.** How many tokens does each of these texts have, and how many of them does the model read?
# Which texts contain the special token?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
import pandas as pd

from llmclf.tokenizer import encode

texts = ["", "Party 🎉", "<|endoftext|>", "free money " * 10_000]
ids = [encode(tokenizer, text) for text in texts]
table = pd.DataFrame({"text": [repr(text[:13]) for text in texts]})
table["tokens"] = [len(numbers) for numbers in ids]
table["read"] = table["tokens"].clip(upper=classifier.max_length)
table["special token"] = [tokenizer.eot_token in numbers for numbers in ids]
table

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The empty text becomes one special token. The emoji is spelt in bytes. The characters `<|endoftext|>` are ordinary
# text, spelt in several tokens. The long text is cut, and `predict` says so. It does not read what stands after the
# cut: a sender who knows the limit can hide an offer there.
# :::
#
# One kind of input gets no answer. Tables often hold missing values. The library does not turn `None` into the text
# "None". It raises an error that names the place:

# %% tags=["nbval-check-output"]
from llmclf.console import LlmclfError

try:
    classifier.predict(["See you at eight", None])
except LlmclfError as error:
    print("LlmclfError:", error)

# %% [markdown]
# Every string gets an answer, but not always a sensible one: the model has only two words.
#
# ## Reading along
#
# The head can read *every* token, not only the last. Because of the causal mask, its answer at a token depends only
# on the message up to there. So one pass through the model shows, for each token, what the answer would be if the
# message ended there.


# %%
@torch.inference_mode()
def read_along(text):
    input_ids = encode(tokenizer, text, classifier.max_length)
    batch = torch.tensor([input_ids], device=model.device)
    rows = model.token_logits(batch)[0].softmax(dim=1)
    tokens = [tokenizer.decode([number]) for number in input_ids]
    spam = rows[:, names.index("spam")].tolist()
    return pd.DataFrame({"token": tokens, "spam so far": spam})


# %% [markdown]
# The library's version of `read_along` is {py:func}`~llmclf.interactive.token_probabilities.token_probabilities`.
#
# **Predict before you run.** Look at the two messages once more. Which tokens move the probability of spam most?
# Write down three. The cell lists the five largest moves in the advertisement. A `change` of 0.5 means fifty
# percentage points.

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
advert, dinner = read_along(messages[0]), read_along(messages[1])
advert["change"] = advert["spam so far"].diff()
largest = advert["change"].abs().nlargest(5).index
advert.loc[sorted(largest)].round(3)

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The number on the left is the place of the token, counted from zero. SmolLM2 spells numbers digit by digit, and a
# space can be a token of its own. The first digit of the first amount of money moves the probability most.
# The word *cash* moves
# it back down, and the next word up again.
# :::
#
# {numref}`fig-read-advert` shows every token of the advertisement, and {numref}`fig-read-dinner` every token of the
# private message.


# %%
from llmclf.teaching import plots


def plot_reading(reading, color, marker):
    words = [token.strip() or "(space)" for token in reading["token"]]
    places = range(len(words))
    figure, axes = plots.new_figure(height=0.7 + len(words) / 5)
    axes.plot(reading["spam so far"], places, color=color, marker=marker)
    axes.axvline(0.5, color=plots.INK, linestyle=":")
    axes.set(xlim=(-0.04, 1.04), xlabel="probability of spam")
    axes.set_yticks(places, words, parse_math=False)
    axes.invert_yaxis()
    return figure


# %% mystnb={"figure": {"caption": "The advertisement, token by token from top to bottom. Each point is the probability of spam if the message ended there. At the dotted line, one half, the answer changes.", "name": "fig-read-advert"}, "image": {"alt": "The tokens of the advertisement from top to bottom, and beside each the probability of spam. The probability stays near zero through the opening words, including winner and selected, jumps up at the first digit, falls back at the word cash, rises again at once and ends well above one half."}}
plot_reading(advert, plots.COLORS[1], "o")

# %% mystnb={"figure": {"caption": "The private message, drawn in the same way. It begins and ends as ham.", "name": "fig-read-dinner"}, "image": {"alt": "The tokens of the private message from top to bottom, and beside each the probability of spam. The probability stays close to zero from the first word to the last, far below one half."}}
plot_reading(dinner, plots.COLORS[0], "s")

# %% [markdown]
# ## What the two curves teach
#
# **There is no list of bad words.** *Winner* and *selected* leave the first curve near zero. The model reads each
# token together with all earlier ones.
#
# **The middle is guesswork.** In training the head read only the last token of a whole message. At any other token it
# judges a text that breaks off in mid-sentence, and it has seen few of those. So the curve does not measure how
# suspicious each word is, and it does not explain the answer.

# %% [markdown]
# ## Saving
#
# Most weights are public and unchanged. `save` writes only those that differ from the public file. (With
# `complete=True` it writes all.) We save a second copy and look into the folder.

# %% tags=["nbval-check-output"]
copy = folder.with_name("classifier_copy")
classifier.save(copy)
print([file.name for file in copy.iterdir()])

# %%
from llmclf.classify import read_classifier

stored, record = read_classifier(copy)
few = sum(weight.numel() for weight in stored.values())
total = sum(weight.numel() for weight in model.parameters())
size = (copy / CLASSIFIER_FILE).stat().st_size
print(f"{size / 1e6:.1f} MB: {few / total:.1%} of all weights")

# %% [markdown]
# The file is small, because chapter 4 left only a small part of the model free to learn. It also records everything
# else that belongs to these weights. It names the public backbone by its {term}`SHA-256`, and carries a fingerprint
# of its own content. If either file has changed, `load` raises an error.

# %%
for entry in ("labels", "backbone", "pooling", "max_length"):
    print(f"{entry + ':':<12} {record[entry]}")
print("backbone fingerprint:", (record["backbone_sha256"] or "-")[:16], "…")

# %% [markdown]
# ## Why not pickle?
#
# Many tutorials save models with `torch.save`, which by default uses Python's {term}`pickle`. A pickle is a small
# program, and loading it runs this program. Here is a harmless one. What could a harmful one do with your files?

# %% tags=["nbval-check-output"]
import pickle


class Gift:
    def __reduce__(self):
        return print, ("This came out of the file, and it ran.",)


innocent_looking = pickle.dumps(Gift())
pickle.loads(innocent_looking)

# %% [markdown]
# Nobody called `print`. Loading the pickle did. A safer format cannot carry code at all: {term}`safetensors` holds
# names, shapes and numbers, and no program.
#
# ## Loading in another process
#
# A fresh Python process knows nothing of this notebook. It gets the folder and the two messages, and returns the
# probabilities.

# %% tags=["nbval-check-output"]
import json
import subprocess
import sys

script = """
import json, sys
from llmclf.classify import TextClassifier
classifier = TextClassifier.load(sys.argv[1], precision="float32")
print(json.dumps(classifier.predict_proba(sys.argv[2:]).tolist()))
"""
command = [sys.executable, "-c", script, str(copy), *messages]
answer = subprocess.run(command, capture_output=True, text=True, check=True)
fresh = json.loads(answer.stdout)
here = classifier.predict_proba(messages)
print("the fresh process agrees:", np.allclose(fresh, here, atol=1e-4))

# %% [markdown]
# In a terminal you need no code: `python -m llmclf classify FOLDER "your text"` prints label and probability, and
# `python -m llmclf info FOLDER` prints what the file says about itself, as a {term}`model card`.
#
# ## Export to ONNX
#
# Your classifier may have to work without PyTorch: on a server, in an app, in a browser. The {term}`ONNX` format
# describes a model as a *graph*, a list of computations with all their weights. ONNX Runtime computes such a graph on
# almost any machine. Export yours:

# %%
from llmclf.exchange.to_onnx import export_onnx

exported = folder.with_name("exported")
portable = TextClassifier.load(copy, precision="float32", device="cpu")
export_onnx(portable, exported)
for file in sorted(exported.iterdir()):
    print(f"{file.name:<15}{file.stat().st_size / 1e6:>7.1f} MB")

# %% [markdown]
# The graph holds all weights in float32, so it is much larger than our own file. The folder also holds the tokenizer
# and a short script that needs only these files. We run the script on the test set, in a process that can import
# neither PyTorch nor our library:

# %%
script = """
import json, sys
sys.modules |= dict.fromkeys(["torch", "tiktoken", "llmclf"])  # not there
sys.path.insert(0, sys.argv[1])
from classify import classify
answers, probabilities = classify(json.load(sys.stdin))
print(json.dumps([answers, probabilities.tolist()]))
"""
command = [sys.executable, "-c", script, str(exported)]
test = prepare_sms().test
received = test["text"].tolist()
answer = subprocess.run(
    command,
    input=json.dumps(received),
    capture_output=True,
    text=True,
    check=True,
)
answers, elsewhere = json.loads(answer.stdout)

# %%
here = portable.predict_proba(received)
same = (np.array(answers) == portable.predict(received)).sum()
print(f"{same} of {len(answers)} answers are the same")
largest = np.abs(elsewhere - here).max()
print(f"largest difference of a probability: {largest:.1e}")

# %% [markdown]
# The exported classifier gives the same answers, and the probabilities differ by a few millionths at most. Which
# format should you choose?
#
# | format | what reads it | when |
# | --- | --- | --- |
# | our folder | this library | you want to train it further, choose a threshold, or follow it token by token |
# | `llmclf export FOLDER DIR` | ONNX Runtime, in many languages | servers, apps, browsers; works for every classifier of this book |
# | `… --int8` | ONNX Runtime, too | the file must be small and fast; {term}`quantisation` changes some answers, so measure |
# | `… --format transformers` | `pipeline("text-classification", DIR)` | your team uses `transformers`, and the head reads the last token |
#
# In `transformers` the head has no {term}`bias`. With GPT-2, the export moves our bias into the final norm. SmolLM2's
# norm has no bias either, so train with `--no-head-bias` if you need the last format.

# %% [markdown]
# ## How good is it?
#
# All choices have been made, so we can now look closely at the results on the test set.

# %%
from llmclf.evaluate import score

texts, labels = test["text"].tolist(), torch.tensor(test["label"].tolist())
logits = classifier.logits(texts)
result = score(logits, labels)
print(result)
alarms, missed = result.confusion[0, 1], result.confusion[1, 0]
print(f"ham called spam: {alarms}, spam called ham: {missed}")
result.by_class(names).round(3)

# %% [markdown]
# The first line gives the {term}`accuracy`, its interval and the mean {term}`loss`. {term}`Precision <precision>` of
# spam is the share of true spam among the messages called spam. {term}`Recall <recall>` of spam is the share of all
# spam that was found. Most of SmolLM2's mistakes are missed spam. That is annoying, but less harmful than a private
# message thrown away. Chapter 1 found copies of training messages in this test set; chapter 8 measures on one without
# them.

# %% [markdown]
# ## How rare is spam?
#
# About half of our test messages are spam. On your phone the share may be much smaller.
#
# **Predict before you run.** Suppose a filter finds 95 of 100 spams and raises a {term}`false alarm` at 3 of 100
# hams. How many of its alarms are right, if half of all messages are spam? If 13 in 100 are, about as in the whole
# collection? If 2 in 100 are?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
for spam_share in (0.50, 0.13, 0.02):
    caught = 1000 * spam_share * 0.95
    false_alarms = 1000 * (1 - spam_share) * 0.03
    right = caught / (caught + false_alarms)
    print(f"{spam_share:.0%} spam: {caught:3.0f} caught,", end=" ")
    print(f"{false_alarms:2.0f} false alarms, {right:.0%} of alarms right")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The filter did not change, only the mailbox did. The rarer spam is, the larger the share of alarms that hit a
# friend's message.
# :::
#
# The share of a class in real life is its {term}`prevalence`. If you know it, you can correct the probabilities for
# it {cite}`saerens2002`. Exercise 2 does this.
#
# ## What it must not be used for
#
# Text messages have changed since the collection was gathered. Here are four messages of today.
#
# **Predict before you run.** Which should be spam, which ham? And what does the classifier say?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
today = [
    "482913 is your verification code. Never share it with anyone.",
    "Your parcel could not be delivered. Pay the fee: post-fee.example",
    "Reminder: your appointment at the dentist is on Tuesday at 14:30.",
    "Guten Morgen, kannst du bitte Milch und Brot mitbringen?",
]
for text, name in zip(today, classifier.predict(today), strict=True):
    print(f"{name:<5} {text}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# SmolLM2 calls the verification code spam. Imagine that a filter hides it while you wait for it.
# :::
#
# Right or wrong, treat these answers as guesses: the model has learnt from other messages. Do not use the classifier
#
# - to **delete** or hide messages that nobody has read, because a lost code, alarm or appointment can do harm (let it
#   sort messages, and let a person look);
# - on **other texts**: other languages, e-mail, chats, or newer kinds of fraud than the collection holds;
# - **against people**: to judge a sender, to censor, or to read mail that is not yours to read.

# %% [markdown]
# ## Play with it
#
# The next cell shows a field to type in, with a slider for the threshold. It needs a running notebook. On the web,
# the page [Play](play.ipynb) does the same with a smaller model.

# %% tags=["remove-output"]
from llmclf.interactive.demo import ClassifierDemo

ClassifierDemo(classifier)

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: Your own threshold
#
# A false alarm may be worse than a missed spam. Write `flag(probabilities, threshold)`. It gets a list with the
# probability of spam of each message. It returns the places, counted from 0 and in ascending order, of the messages
# whose probability is at least the threshold. If there are none, the list is empty.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def flag(probabilities, threshold): ...  # your code


check(flag)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def flag(probabilities, threshold):
    pairs = enumerate(probabilities)
    return [place for place, value in pairs if value >= threshold]


check(flag)

# %% [markdown]
# With a threshold of one half, `flag` finds what `predict` calls spam (except for an exact tie). A higher threshold
# raises fewer false alarms and misses more spam.
#
# ### Exercise 2: Another mailbox
#
# A model that saw about as much spam as ham gives a probability $p$ of spam. In another mailbox a share $s$ of all
# messages is spam (more than 0, less than 1). There $p$ becomes $p\,s$, and $1-p$ becomes $(1-p)(1-s)$; divide both
# by their sum, so that they add up to one again. Write `adjust(p, s)`, which returns the new probability of spam,
# unrounded.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
def adjust(p, s): ...  # your code


check(adjust)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def adjust(p, s):
    spam, ham = p * s, (1 - p) * (1 - s)
    return spam / (spam + ham)


check(adjust)

# %% [markdown]
# The correction is only as good as the probability that goes in. An overconfident probability stays overconfident.
#
# ### Exercise 3: Half of the training
#
# Change the model: `stored` holds the weights that training changed. Replace those below the head by a mixture, half
# public and half trained, and keep the trained head. Measure on forty test messages. Then use the public weights
# alone. (This one is not checked.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
from llmclf.weights import load_pretrained

public = dict(load_pretrained(backbone).named_parameters())
ours = dict(portable.model.backbone.named_parameters())
for share in (1, 0.5, 0):  # of the trained weights
    for name, trained in stored.items():
        if not name.startswith("head."):
            mixture = share * trained + (1 - share) * public[name]
            ours[name].data = mixture.detach()
    print(share, score(portable.logits(texts[:40]), labels[:40]))

# %% [markdown]
# The head and the weights below it were trained together. The last line shows what the trained head can do with the
# public weights.
#
# ## Questions
#
# <details><summary>1. Why does padding after the message not change the answer?</summary>
#
# The head reads the last real token, and the causal mask keeps that token from seeing anything after it.
#
# </details>
#
# <details><summary>2. Why is a missing value an error, and an empty text not?</summary>
#
# Somebody can send an empty text. A missing value is a gap in a table, and any answer to it would be made up.
#
# </details>

# %% [markdown]
# <details><summary>3. The probability of spam after the third token is close to zero. Is the third word evidence for ham?</summary>
#
# No. The probability is the answer to a message of these three tokens, and the head has seen few such texts in
# training. It does not rate single words.
#
# </details>
#
# <details><summary>4. The saved folder holds a small part of the weights. Where is the rest?</summary>
#
# In the public backbone file. `load` finds or fetches it and checks its fingerprint. For a computer that cannot
# fetch, `save(..., complete=True)` stores all weights.
#
# </details>
#
# <details><summary>5. A filter is right in 97 of 100 cases on a balanced test set. How many of its alarms are right on your phone?</summary>
#
# The accuracy alone does not say. It depends on how rare spam is on your phone, and on how many of the mistakes are
# false alarms.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A classifier is a model, a tokenizer, a list of names and a few rules for unusual input. You wrote one by hand and
# read along with it, token by token. You saved only what training had changed, loaded it in a fresh process, and
# exported it to a program without PyTorch. You also saw that the share of right alarms depends on how rare spam is.

# %% [markdown]
# **Next:** does the classifier deserve your trust? [Chapter 8](08_how_good.ipynb) measures it. On the page
# [Play](play.ipynb) a small model that imitates such a classifier answers inside the browser.
