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
# A trained model is only half of a tool. Somebody wants to hand it a message and get a word back, today and next
# month, here and on another computer, whatever the message holds. At the end you can
#
# - **classify** any text with a function you wrote yourself, and thousands with the library's,
# - **foresee** what happens to empty, endless and strange input,
# - **read along**, token by token, and say what such a curve does not explain,
# - **save** a {term}`classifier` and **load** it in another process,
# - **judge** when its answers deserve trust, and when they must not be used.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 4 to 6: the head, the causal mask, and what fine-tuning changed.
# > If chapter 6 has run on your computer, this page takes about a minute on a laptop's CPU; otherwise it first trains a
# > classifier, which takes some minutes more. On a GPU: not measured. Download, once: 98 MB for SmolLM2 or 548 MB for
# > GPT-2, unless an earlier chapter fetched it.
#
# {numref}`fig-use` shows where we are going: any message in, one word and a probability out.
#
# :::{figure-md} fig-use
# ![Two messages with a bar under each token. Under the advertisement the bars are low at first, jump up at the number 1000, fall back at the word cash and rise again; the answer below reads spam. Under the private message they stay near zero, and the answer reads ham.](figures/finished_classifier.svg)
#
# The finished classifier at work. Each bar is the probability of {term}`spam` once the model has read so far; the
# answer below a message is the last bar put into words.
# :::

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
# ## Where the classifier comes from
#
# Chapter 6 saved its classifier in a folder. This page works on its own, too: where no classifier of this
# backbone lies there, `finetune` makes one. It is chapters 1 to 6 in a single call: load the tokenizer and the
# pretrained model, make the loaders, exchange the head, train.

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
    print("A fast run: it has seen a few messages, and answers otherwise.")

# %% [markdown]
# The line says which of the two happened. Now load it. A classifier is more than a model: to read text one also
# needs the tokenizer of its backbone, and to answer in words one needs the names of the classes in the order of
# the outputs. The library keeps all of it together in one object. This page compares probabilities to four decimal
# places. So it loads the classifier with `precision="float32"`, on every processor. Where it was trained in
# {term}`bfloat16`, a probability moves a little, and a message near the border may get another label than in chapter 6.

# %% tags=["nbval-check-output"]
classifier = TextClassifier.load(folder, precision="float32")
model, tokenizer = classifier.model, classifier.tokenizer
names = classifier.label_names
print("names of the outputs:", names)
print("read at:", classifier.model.pooling)

# %% [markdown]
# `last_token` is the place where the head is read: the last real token, the only one that has seen the whole
# message.
#
# ## One message by hand
#
# Two messages go with us through the chapter, both from {cite:t}`raschka2024`: an advertisement, and a note
# between friends. First the text becomes {term}`tokens
# <token>`, and no more of them than `max_length`, a limit that is kept with the classifier and that the model can hold.

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
# The slice `[:limit]` costs nothing here, and it saves the day when somebody pastes a whole book. Next comes
# {term}`padding`. One message alone needs none; we pad all the same, to forty tokens, because in a batch it will
# happen, and because the answer must not depend on it. `model.token_logits` runs the pretrained model with the head of
# chapter 4 and gives the answer at every token. What shape do you expect to come out of it?

# %% tags=["nbval-check-output"]
import torch

padding = [tokenizer.eot_token] * (40 - len(input_ids))
batch = torch.tensor([input_ids + padding], device=model.device)
with torch.inference_mode():
    rows = model.token_logits(batch)
print(tuple(batch.shape), "->", tuple(rows.shape))

# %% [markdown]
# One message, forty positions, two {term}`logits <logit>` each. Only one row matters, that of the last real
# token. The larger of its two numbers decides ({term}`argmax`), and the list of names turns its place into a
# word. {term}`Softmax <softmax>` adds how sure the model is.

# %%
logits = rows[0, len(input_ids) - 1].cpu()
probabilities = logits.softmax(dim=0)
print("logits:       ", [f"{value:.2f}" for value in logits])
print("probabilities:", [f"{value:.1%}" for value in probabilities])
print("answer:       ", names[logits.argmax()])

# %% [markdown]
# The two probabilities add up to one, so one of them tells it all. Put together, the steps make a function:
# tokenise, cut, pad, run, read the last real token, name the largest. An empty message needs care, because
# without a token there is no row to read. It gets one {term}`end-of-text token`.


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
# That is the whole book in two lines of output. (A probability that reads as one hundred percent was rounded.) Do not admire it too soon: Raschka's example is
# the beginning of a real advertisement, with the pound signs left out, and that one stands in the training set. The answer may be memory.
#
# **Predict before you run.** The same message is classified without padding, padded to 60 and padded to 120
# tokens. Does the answer move?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
import numpy as np

unpadded = classify(messages[0])[1]
for width in (60, 120):
    padded = classify(messages[0], pad_to=width)[1]
    same = np.allclose(padded, unpadded, atol=1e-4)
    print(f"padded to {width}, same answer: {same}")

# %% [markdown]
# It does not: the padding stands after the token that is read, and the {term}`causal mask` hides it. Only the
# arithmetic may differ in a far decimal, so we compare to four places.
#
# The library does the same. `predict` gives names, `predict_proba` probabilities, `logits` the raw numbers; a
# single text gives a single answer.

# %% tags=["nbval-check-output"]
ours = np.stack([classify(text)[1] for text in messages])
theirs = classifier.predict_proba(messages)
print("the library agrees:", np.allclose(ours, theirs, atol=1e-4))

# %% [markdown]
# ## Many at once
#
# A phone may hold thousands of messages. One by one they would leave most of the machine idle; thrown together
# they would be padded to the longest. The library sorts them by length and cuts this order into batches of about
# equal numbers of *tokens*, not of messages. Here are five lengths, and how it would deal them out on a CPU:

# %% tags=["nbval-check-output"]
from llmclf.loaders import batches_by_tokens

lengths = [9, 250, 12, 230, 10]
for rows in batches_by_tokens(lengths, torch.device("cpu")):
    print(rows, "with lengths", [lengths[row] for row in rows])

# %% [markdown]
# Two long messages make a batch, and the three short ones another, with hardly any padding in either. Memory
# stays flat, however many messages come. **Predict before you run:** we classify some test messages, and then the
# same ones in reverse order. Will each keep its answer?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
test = prepare_sms().test
some = test["text"].tolist()[:8]
forward = classifier.predict_proba(some)
backward = classifier.predict_proba(some[::-1])
print("shape:", forward.shape)
same = np.allclose(forward, backward[::-1], atol=1e-4)
print("same answers:", same)

# %% [markdown]
# Each keeps its answer, and the answers come back in the order of the question, although inside they were
# computed in another. Neither the order nor the company of a message matters. For a tool this is no detail:
# whoever asks twice wants to hear the same thing twice.
#
# ## Whatever people send
#
# Messages come from strangers. Some are empty, some are endless, some are made of pictures. One may hold the words
# `<|endoftext|>`, the mark that only we may set.
#
# **Predict before you run.** How many tokens will each of these have?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.tokenizer import encode

endless = "free money " * 10_000
for text in ("", "Party 🎉", "<|endoftext|>", endless):
    ids = encode(tokenizer, text)
    cut = len(encode(tokenizer, text, classifier.max_length))
    special = tokenizer.eot_token in ids
    print(f"{text[:14]!r:<17}over 1,024: {len(ids) > 1024},", end=" ")
    print(f"read: {cut if text == endless else len(ids) == cut},", end=" ")
    print(f"special mark: {special}")

# %% [markdown]
# The empty message became one end-of-text token, for without a token there is nothing to read. Pictures are spelt in
# bytes. The joker's mark is ordinary text, spelt out in several tokens. And the endless message is cut at 1,024 tokens: the library says so, for what
# stands after the cut is not read, and whoever knows the limit can hide an offer there.
#
# One kind of input gets no answer:

# %% tags=["nbval-check-output"]
from llmclf.console import LlmclfError

try:
    classifier.predict(["See you at eight", None])
except LlmclfError as error:
    print("LlmclfError:", error)

# %% [markdown]
# Tables often hold missing values. Turning `None` into the text "None" would answer a question that nobody asked, so this is an error that names the
# place. Everything that *is* a string gets an answer:

# %% tags=["nbval-check-output"]
strange = ["", " ", "\n\n", "👩‍👩‍👧", "\x00", "?" * 99, "مرحبا"]
answers = classifier.predict(strange)
print(len(answers), "answers")
print("all of them known names:", set(answers) <= set(names))

# %% [markdown]
# An answer, mind you, not a sensible one. The model has two words and no way to say "I do not know". The section
# on trust comes back to this.
#
# ## Reading along
#
# The head can be read after *every* token. Thanks to the causal mask, the row at a token knows only the message
# up to there. So one pass through the model answers a whole list of questions: what if the message ended here, or
# here?


# %%
import pandas as pd


@torch.inference_mode()
def read_along(text):
    input_ids = encode(tokenizer, text, classifier.max_length)
    batch = torch.tensor([input_ids], device=model.device)
    rows = model.token_logits(batch)[0].softmax(dim=1)
    tokens = [tokenizer.decode([number]) for number in input_ids]
    spam = rows[:, names.index("spam")].tolist()
    return pd.DataFrame({"token": tokens, "spam so far": spam})


# %% [markdown]
# Is that right? In the middle, the reading must be what `predict_proba` says of the beginning alone, as if nothing followed.

# %% tags=["nbval-check-output"]
advert, dinner = (read_along(text) for text in messages)
spam = names.index("spam")
beginning = "".join(advert["token"][:8])
alone = classifier.predict_proba(beginning)[spam]
eighth = advert["spam so far"][7]
print(f"{beginning!r}: {np.isclose(eighth, alone, atol=1e-4)}")

# %% [markdown]
# The library does this with {py:func}`~llmclf.interactive.token_probabilities.token_probabilities`. **Predict before you run:** look at the two messages once more. Which tokens will move the
# probability of spam most? Write down three. Then look at the five largest moves in the advertisement, in the
# order of reading. A `change` of 0.5 means fifty percentage points.

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
advert["change"] = advert["spam so far"].diff()
largest = advert["change"].abs().nlargest(5).index
advert.loc[sorted(largest)].round(3)

# %% [markdown]
# Were yours among them? The number on the left is the place of the token, counted from zero. A space may be a
# token of its own, and SmolLM2 spells numbers digit by digit. {numref}`fig-read-advert` shows every step, and
# {numref}`fig-read-dinner` those of the private message.


# %%
from llmclf.teaching import plots


def plot_reading(reading, color, marker):
    curve, places = reading["spam so far"], range(len(reading))
    figure, axes = plots.new_figure(height=0.7 + len(curve) / 5)
    axes.plot(curve, places, color=color, marker=marker, markersize=5)
    axes.axvline(0.5, color=plots.INK, linestyle=":")
    axes.set_xlim(-0.04, 1.04)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel("probability of spam")
    words = [token.strip() or "(space)" for token in reading["token"]]
    axes.set_yticks(places, words, parse_math=False)
    axes.invert_yaxis()
    return figure


# %% mystnb={"figure": {"caption": "The advertisement, read token by token from top to bottom: the probability of spam if the message ended there. Dotted: one half, where the answer changes.", "name": "fig-read-advert"}, "image": {"alt": "The tokens of the advertisement from top to bottom, and beside each the probability of spam. It stays near zero through the opening words, winner and selected included, jumps up at the first digit, falls back at the word cash, rises again at once and ends well above one half."}}
plot_reading(advert, plots.COLORS[3], "o")

# %% mystnb={"figure": {"caption": "The private message in the same way. It begins and ends as ham.", "name": "fig-read-dinner"}, "image": {"alt": "The tokens of the private message from top to bottom, and beside each the probability of spam. It stays close to zero from the first word to the last, far below one half."}}
plot_reading(dinner, plots.COLORS[0], "s")

# %% [markdown]
# ## What the two curves teach
#
# **It is no list of bad words.** With SmolLM2 *winner* and *selected* leave the first curve
# near zero. The first digit of a sum lifts it, and *cash*, of all words, throws it down again. Each token is
# read in the light of all earlier ones. One token can overturn the verdict, and the next can take it back.
#
# **The middle is guesswork.** In training the head was read only at the last token of a whole message. At any
# other token it is asked about a text that breaks off in mid-sentence, and it has seen few of those. The curve
# is not a measure of how suspicious each word is, and not an explanation.

# %% [markdown]
# ## Saving
#
# A classifier that vanishes with the notebook is of little use. What must be kept? All weights would do, but most
# of them are public and unchanged. `save` writes only those that differ from the public file (all of them with
# `complete=True`). We save a second copy, and look into the folder.

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
# A small part of the model, quickly copied and sent: what chapter 4 left free to learn. The same file holds a record of everything else that belongs to these weights. It names the public backbone by
# its {term}`SHA-256` fingerprint, and the file carries a fingerprint of its own content. If either file has
# changed, `load` refuses, instead of answering nonsense with confidence.

# %%
for entry in ("labels", "backbone", "pooling", "max_length"):
    print(f"{entry + ':':<12} {record[entry]}")
print("backbone fingerprint:", (record["backbone_sha256"] or "-")[:16], "…")

# %% [markdown]
# ## Why not pickle?
#
# Many tutorials save models with `torch.save`, which by default wraps Python's {term}`pickle`. A pickle is not
# data but a small program, and loading it runs that program. Here is a harmless one. What do you think a less
# harmless one could do, with your files, on your account?

# %% tags=["nbval-check-output"]
import pickle


class Gift:
    def __reduce__(self):
        return print, ("This came out of the file, and it ran.",)


innocent_looking = pickle.dumps(Gift())
pickle.loads(innocent_looking)

# %% [markdown]
# Nobody called `print`; loading did. A safer choice is a format that cannot carry code at all. {term}`safetensors` holds names, shapes and numbers,
# nothing else.
#
# ## Loading in another process
#
# The real test of saving is a process that knows nothing of this notebook: a fresh Python that gets the folder
# and the two messages, and prints what it finds.

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
fresh, here = json.loads(answer.stdout), classifier.predict_proba(messages)
print("the fresh process agrees:", np.allclose(fresh, here, atol=1e-4))

# %% [markdown]
# Same weights, same answers. In a terminal you need not write any code: `python -m llmclf classify FOLDER "your
# text"` loads the folder and prints label and probability, and with `--table` it reads a whole table.
# `python -m llmclf info FOLDER` prints what the file says of itself, as a {term}`model card`.
#
# ## Hand it over
#
# Your classifier may have to work where there is no PyTorch: on a server, in an app, in a browser. The format
# {term}`ONNX` describes a model as a *graph*, a list of computations with all their weights, and ONNX Runtime
# computes such a graph on almost any machine. Write ours:

# %%
from llmclf.exchange.to_onnx import export_onnx

exported = folder.with_name("exported")
portable = TextClassifier.load(copy, precision="float32", device="cpu")
export_onnx(portable, exported)
for file in sorted(exported.iterdir()):
    print(f"{file.name:<15}{file.stat().st_size / 1e6:>7.1f} MB")

# %% [markdown]
# The graph holds all weights in float32, so it is much larger than our own file. Beside it lie the tokenizer and a
# script of fifty lines, which classifies with these files alone. Run that script on the test set, in a process that
# can import neither PyTorch nor our library:

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
# Every answer is the same, and the probabilities agree as closely as single-precision numbers allow. Which format
# should you choose?
#
# | format | what reads it | when |
# | --- | --- | --- |
# | our folder | this library | you want to train on, choose a threshold, read along |
# | `llmclf export FOLDER DIR` | ONNX Runtime, in many languages | servers, apps, browsers; every classifier of this book |
# | `… --int8` | the same | the file should be small and quick; {term}`quantisation` changes some answers, so measure |
# | `… --format transformers` | `pipeline("text-classification", DIR)` | your team already uses `transformers`; only for a head that reads the last token |
#
# The last format has a catch. The head of `transformers` has no {term}`bias`. GPT-2's final norm can take our bias
# over; SmolLM2's norm has none, so train with `--no-head-bias` if you need it.
#
# ## How good is it?
#
# Now the test set once more, with the logits of each message, because soon we shall look at single ones. Nothing
# is chosen by it any longer.

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
# The first line gives the {term}`accuracy` with its interval: where the true value plausibly lies, given so few
# messages. The table tells the two kinds of mistake apart. {term}`Precision <precision>` of spam: how many of the
# messages called spam are spam. {term}`Recall <recall>` of spam: how many of the spams were found. The column
# `f1` joins the two in one number. With SmolLM2 most mistakes are spam that slipped through:
# annoying, but less harmful than a private message thrown away. Chapter 1 caught this test set leaking; chapter 8 measures
# on one that does not.

# %% [markdown]
# ## The worst mistakes, one by one
#
# A rate hides what a reader sees at once. So read the five test messages with the highest {term}`loss`: those
# where the model gave the true label the smallest probability. For each, ask: is the label right? Could *you*
# have known? What may have misled the model?

# %%
from textwrap import fill

from torch.nn.functional import cross_entropy

losses = cross_entropy(logits, labels, reduction="none")
worst = losses.argsort(descending=True)[:5].tolist()
for row in worst:
    chance = logits[row].softmax(dim=0)[spam]
    print(f"truly {names[labels[row]]}, loss {losses[row]:.2f},", end=" ")
    print(f"probability of spam {chance:.2%}")
    print(fill(texts[row], 60))

# %% [markdown]
# Read like this, mistakes fall into a few kinds. Some labels are themselves debatable. Some advertisements are
# written like a note from an acquaintance, on purpose. Some texts are cut off, or too short to tell. And some
# mistakes are plain: you would not have made them. Only this last kind calls for a better model; the others call
# for better data. Which of the five belongs to which kind?
#
# <details><summary>Our reading of the five on this page</summary>
#
# The compliment (*ROMCAPspam*) is hard to call spam. The question about winning and the one about *posh birds and
# chaps* are written like notes. The *stories* are cut off. The *Ringtone Club* is a plain mistake.
#
# </details>

# %% [markdown]
# ## How rare is spam?
#
# Our sets are half spam. Is your phone?
#
# **Predict before you run.** Suppose a filter finds 95 of 100 spams and raises a {term}`false alarm` at 3 of 100
# hams. On a balanced test that is a fine result. Of the messages that it calls spam, how many really are, if half
# of all messages are spam? If 13 in 100 are, about as in the whole collection? If 2 in 100 are?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
for spam_share in (0.50, 0.13, 0.02):
    caught = 1000 * spam_share * 0.95
    false_alarms = 1000 * (1 - spam_share) * 0.03
    right = caught / (caught + false_alarms)
    print(f"{spam_share:.0%} spam: {caught:3.0f} caught,", end=" ")
    print(f"{false_alarms:2.0f} false alarms, {right:.0%} of alarms right")

# %% [markdown]
# The filter did not change, only its mailbox. The rarer spam is, the larger the share of alarms that hit a
# friend's message. The share of a class in real life is called its {term}`prevalence`, and no balanced test set
# shows its effect. Where the prevalence is known, the probabilities can be corrected for it {cite}`saerens2002`;
# exercise 2 does so.
#
# ## What it must not be used for
#
# Text messages have changed since the collection was gathered. Here are four messages of today. Which should be
# spam, which ham? Only then look at the answers.

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
# Right or wrong, treat these answers as guesses: the model has learnt from other messages. Imagine the first one
# hidden from you while you wait for it. Do not use the classifier
#
# - to **delete** or hide messages unseen: a lost code, alarm or appointment can do harm; at most sort, and let a person
#   look;
# - on **other texts**: other languages, e-mail, chats, or fraud of the kind that came after the collection;
# - **against people**: to judge a sender, to censor, or to read mail that is not yours to read.

# %% [markdown]
# ## Play with it
#
# The next cell makes a field to type in, with a slider for the threshold and a table of what you tried. It
# needs a running notebook. In the page alone, a smaller model takes its place: [Play](play.ipynb).

# %% tags=["remove-output"]
from llmclf.interactive.demo import ClassifierDemo

ClassifierDemo(classifier)

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: Your own threshold
#
# A false alarm may be worse than a missed spam. Write `flag(probabilities,
# threshold)`: given a list with the probability of spam of each message, it returns a list of the places, counted
# from 0 and in ascending order, of those messages whose probability is at least the threshold. Where there are
# none, the list is empty.


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
# With a threshold of one half, `flag` finds what `predict` calls spam (but for an exact tie). A higher one trades
# missed spam for fewer false alarms.
#
# ### Exercise 2: Another mailbox
#
# Probability $p$ of spam was computed by a model that saw about as much spam as ham.
# Where only a share $s$ of all messages is spam (more than 0, less than 1), the weights of the two answers
# change, $p$ to $p\,s$ and $1-p$ to $(1-p)(1-s)$, and they must again add up to one. Write `adjust(p, s)`, which
# returns the new probability of spam, unrounded.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
def adjust(p, s): ...  # your code


check(adjust)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def adjust(p, s):
    spam, ham = p * s, (1 - p) * (1 - s)
    return spam / (spam + ham)


check(adjust)

# %% [markdown]
# The correction can only be as good as the probability that goes in. An overconfident one stays overconfident.
#
# ## Questions
#
# <details><summary>1. Why does padding after the message not change the answer?</summary>
#
# The head is read at the last real token, and the causal mask keeps that token from seeing anything after it.
#
# </details>
#
# <details><summary>2. Why is a missing value an error, but an empty text is not?</summary>
#
# An empty text is a message that somebody can send. A missing value is a gap in a table; any answer to it would
# be made up.
#
# </details>

# %% [markdown]
# <details><summary>3. The reading after the third token is close to zero. Does the third word speak for ham?</summary>
#
# No. It is the answer to a message of these three tokens, a kind of text that the head was hardly trained on. It
# weighs no single word.
#
# </details>
#
# <details><summary>4. The saved folder holds a small part of the weights. Where is the rest?</summary>
#
# In the public backbone file, which `load` finds or fetches and checks by its fingerprint. (`save(...,
# complete=True)` would store all of them, for a computer that cannot fetch.)
#
# </details>
#
# <details><summary>5. A filter is right in 97 of 100 cases on a balanced test set. How many of its alarms are true on your phone?</summary>
#
# That cannot be said from the accuracy alone. It depends on how rare spam is on your phone, and on how the
# mistakes are shared between false alarms and missed spam.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A classifier is a model, a tokenizer, a list of names and a few rules for unusual input. You wrote one by hand
# and saw the library agree, for one text and for many, in any order. You read along token by token, and learnt
# what such a curve does not say. You saved only what training had changed, loaded it in a fresh process, and read
# the worst mistakes yourself instead of trusting one number.

# %% [markdown]
# **Next:** does the classifier deserve your trust? That is the question of [chapter 8](08_how_good.ipynb). On the page
# [Play](play.ipynb) a small copy of it answers inside the browser.
