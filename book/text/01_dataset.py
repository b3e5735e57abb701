# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# (dataset)=
# # 1 · The dataset
#
# Every classifier begins with examples: texts that somebody has sorted already. In this chapter you turn a plain file
# of text messages into three clean tables, and you learn to mistrust them a little. At the end you can
#
# - **load** a {term}`dataset` from a verified file and say how many rows it must have,
# - **balance** its classes and explain what that costs,
# - **split** it into training, validation and test set,
# - **detect** copies that {term}`leak <data leakage>` from one set into another.

# %% [markdown]
# :::{admonition} Before you start
# :class: note
# You need Python and a first acquaintance with pandas tables; no model is involved yet. The chapter runs in seconds on
# any laptop, with or without a GPU. It downloads one small file, once.
# :::
#
# The collection was gathered for research on mobile phone spam {cite}`almeida2011`. It holds real messages, some of them
# rude. Each was labelled by hand as {term}`spam` (unwanted advertising) or {term}`ham` (everything else).

# %%
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
import platform

import pandas as pd

import llmclf
from llmclf import assets, data, plots

asset, path = assets.resolve("sms-spam")
print(f"llmclf {llmclf.__version__}, Python {platform.python_version()}")
print(f"dataset: {asset.name} ({asset.licence})")

# %% [markdown]
# The last line says which file this page was made with. `sms-spam` is the complete collection. Where its two addresses
# cannot be reached, a smaller copy from the Python package index takes its place, the line says `sms-spam-reduced`, and
# every count below differs from the printed one. The steps stay the same, and so does everything that you learn.
#
# ## A file you can trust
#
# A download can break off, or its source can change overnight. So before anyone reads the file, its
# {term}`fingerprint <SHA-256>` is computed and compared with the one that the library expects.

# %% tags=["nbval-check-output"]
import hashlib

fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
print(fingerprint[:16], "…", f"{path.stat().st_size:,} bytes")
print("as expected:", fingerprint == asset.sha256)

# %% [markdown]
# One changed comma would give an entirely different fingerprint. `assets.resolve` made this very comparison before it
# handed out the path, and it does so every time. The file is fetched only once: the next call finds it in the cache.
# `python -m llmclf fetch --list` shows where each file of this book lies.
#
# Now look at the raw lines. What parts the label from the text?

# %% tags=["nbval-check-output"]
lines = path.read_text(encoding="utf-8").splitlines()
for line in lines[:3]:
    print(repr(line[:72]))

# %% [markdown]
# Each line is one message: the label, a tab (`\t`), the text. There is no header. This is a table with two columns, so
# pandas can read it, once it knows the separator and the names of the columns.
#
# ## From file to table
#
# **Predict before you run:** the file has as many lines as the cell below prints first. How many rows will the table
# have?

# %% tags=["nbval-check-output"]
columns = {"header": None, "names": ["label", "text"]}
table = pd.read_csv(path, sep="\t", **columns, keep_default_na=False)
print(f"{len(lines):,} lines, {len(table):,} rows")

# %% tags=["nbval-check-output"]
table.head()

# %% [markdown]
# Five rows as {numref}`fig-raw-table` draws them: a row number, a label, a text. So far, so good; but lines and rows do
# not agree. Two messages are missing, and pandas said nothing. Silent losses like this one are common, and counting is
# the only way to notice them.
#
# :::{figure} figures/raw_table.svg
# :name: fig-raw-table
# :alt: Three rows of the table: a row number that pandas adds, the label, ham or spam, and the text of the message.
# :width: 480px
#
# The table as it is read: each line of the file becomes a row, the tab parts label from text, pandas adds the number.
# :::

# %% [markdown]
# Which lines went missing? A message that contains a line break, though the file has one message a line, must have
# swallowed its neighbours. Look for such messages.

# %% tags=["nbval-check-output"]
swallowing = table[table["text"].str.contains("\n")]
for text in swallowing["text"]:
    for part in text.split("\n"):
        print("│", part[:70])

# %% [markdown]
# Three messages became one. The first begins with a quotation mark, which only the third happens to close, and by
# default pandas lets a quoted text run over several lines. Two ham messages are lost. Reading with `quoting=csv.QUOTE_NONE` makes quotation marks ordinary
# characters and saves them; the library offers both ways and can name the lines.

# %% tags=["nbval-check-output"]
complete = data.read_sms(path, every_row=True)
print(f"{len(complete):,} rows")
print("lost before: lines", data.swallowed_lines(table))
print("read_sms agrees with our table:", data.read_sms(path).equals(table))

# %% [markdown]
# From here on the book uses the shorter table. It is the one that the published results we compare with were computed
# on, and two messages in thousands change nothing that we could measure. What matters is that we know.
#
# ## Ham and spam are not equally common
#
# **Predict before you run:** suppose a lazy "classifier" answers *ham* to everything. How often would it be right?

# %% tags=["nbval-check-output"]
counts = table["label"].value_counts()
print(counts.to_string())
print(f"always answering ham: {counts['ham'] / len(table):.1%} right")

# %% [markdown]
# A high {term}`accuracy`, and nothing learnt: no spam is ever found. Whenever one class is much more common than the
# other, accuracy alone flatters. There are several cures. The simplest is to {term}`balance <under-sampling>` the
# table: keep all the spam and draw just as many ham messages at random. Guessing then earns only one half.

# %% tags=["nbval-check-output"]
spam = table[table["label"] == "spam"]
all_ham = table[table["label"] == "ham"]
ham = all_ham.sample(len(spam), random_state=123)
balanced = pd.concat([ham, spam])
print(len(balanced), "messages; the first rows:", list(balanced.index[:5]))

# %% [markdown]
# `random_state=123` makes the draw repeatable: on every computer the same ham messages are kept, so your row numbers are
# those printed here. The library's `data.balance` does the same for any number of classes. A notebook that develops an
# idea in small steps, then checks the finished function against it: you will meet this pattern in every chapter.

# %% tags=["nbval-check-output"]
print("data.balance agrees:", data.balance(table).equals(balanced))

# %% mystnb={"figure": {"caption": "Messages of each class before and after balancing. Most of the ham is thrown away, the spam is kept whole.", "name": "fig-class-counts"}, "image": {"alt": "Two pairs of bars. In the whole table the ham bar is several times as long as the spam bar; in the balanced table both are as long as the spam bar was."}}
plots.plot_class_counts({"as collected": table, "balanced": balanced})

# %% [markdown]
# {numref}`fig-class-counts` shows the price: most ham messages are not used at all. It also hides something. In real
# life most messages are ham, so a classifier tuned on equal halves will raise the alarm too often. A later chapter comes
# back to this; for learning how the model works, equal halves keep every later number easy to read.

# %% [markdown]
# ## Numbers for names
#
# A neural network has numbered outputs, not named ones. So each label gets a number: 0 for ham, 1 for spam. The order is
# ours to choose, but it must never change afterwards, or a trained model would say *spam* and mean *ham*. The library
# therefore stores the names with every classifier.

# %% tags=["nbval-check-output"]
numbers = balanced["label"].map({"ham": 0, "spam": 1})
numbered = data.number_labels(balanced, ["ham", "spam"])
print("number_labels agrees:", numbered["label"].equals(numbers))
numbered.iloc[[0, -1]]

# %% [markdown]
# ## Three sets for three purposes
#
# A model that is judged by the examples it has learnt from can cheat: it may simply remember them. So the table is
# shuffled and cut into three. The {term}`training set` is for learning, the {term}`validation set` for choosing between
# variants, and the {term}`test set` is opened once, at the very end, to see how well the choice holds.

# %% tags=["nbval-check-output"]
shuffled = numbered.sample(frac=1, random_state=123).reset_index(drop=True)
train_end = int(len(shuffled) * 0.7)
validation_end = train_end + int(len(shuffled) * 0.1)
train, test = shuffled[:train_end], shuffled[validation_end:]
print(len(train), validation_end - train_end, len(test))

# %% tags=["nbval-check-output"]
splits = data.split(numbered)
print("agrees:", splits.train.equals(train), splits.test.equals(test))
parts = splits._asdict().items()
pd.DataFrame({name: part["label"].value_counts() for name, part in parts})

# %% [markdown]
# Seven tenths, one tenth, and the rest: that is the usual cut. The shuffle does not look at the labels, so ham and spam
# are only nearly even in each part. The test set is small. Remember this when you meet an accuracy measured on it: a few
# messages more or less right, and the percentage moves visibly.

# %% [markdown]
# ## Does the test leak into the training?
#
# **Predict before you run:** the sets share no row. Can a test message stand in the training set all the same?

# %% tags=["nbval-check-output"]
copies = data.find_leakage(splits.train, splits.test)
spam_copies = copies[copies["label"] == 1]
print(f"{len(copies)} of {len(splits.test)} test messages were in training,")
print(f"{len(spam_copies)} of them spam, for example:")
for text in spam_copies["text"].head(2):
    print("│", text[:70])

# %% [markdown]
# It can. Advertisers send one text to many people, so the collection holds exact copies under different row numbers, and
# the shuffle deals them out to all three sets. For these messages the test measures memory, not understanding. It gets
# worse when we also count messages that differ only in digits, letter case or punctuation: the same text, another phone
# number.

# %% tags=["nbval-check-output"]
train, test = splits.train, splits.test
near = data.find_leakage(train, test, ignore_details=True)
near_spam, all_spam = ((rows["label"] == 1).sum() for rows in (near, test))
print(f"{len(near)} test messages have a near copy in the training set,")
print(f"{near_spam} of them among the {all_spam} test spams")

# %% [markdown]
# A large part of the test spam has been seen in training. Any accuracy on this split is therefore somewhat too good. We
# keep it for now, because it is the split of the published reference results, and because you now know what to say when
# somebody shows you such a number. A later chapter builds a split without leaks and measures the difference.

# %% [markdown]
# ## Save the three tables
#
# The next chapters begin with three files, `train.csv`, `validation.csv` and `test.csv`. Fast runs (`LLMCLF_FAST=1`, as
# in our automatic checks) keep only a few messages of each set, in a folder of their own, so that they never get in the
# way of a full run.

# %%
from pathlib import Path

folder = Path("output", "fast" if data.is_fast() else "full")
data.save_splits(data.shorten_if_fast(splits), folder)
for file in sorted(folder.glob("*.csv")):
    print(f"{file.as_posix():<30} {file.stat().st_size:>8,} bytes")

# %% tags=["nbval-check-output"]
saved, again = data.shorten_if_fast(splits), data.load_splits(folder)
for name, before, after in zip(splits._fields, saved, again, strict=True):
    same = after.equals(before.reset_index(drop=True))
    print(f"{name + '.csv':<15} read back unchanged: {same}")

# %% [markdown]
# Writing and reading again is a cheap test with a long record of finding bugs: a comma, a quotation mark or a line break
# in a message breaks many a homemade file format. Here every text came back, letter by letter.
#
# All of this chapter, from the fetched file to the three tables, is one call of the library: `data.prepare_sms()`.

# %% [markdown]
# ## Exercises
#
# **1. Another draw.** Balance the table with another seed. How many of the ham messages kept by seed 123 are kept again?
# Before you run it, estimate the number from the class counts alone.
#
# **2. Copies within.** How many messages of the whole table are exact copies of an earlier one? Which text is sent most
# often, and is it spam?
#
# Try them in new cells; the solutions are folded below.

# %% tags=["hide-cell", "nbval-check-output"]
# Exercise 1. Both draws take the same share of the ham,
# so about that share of the first draw is drawn again.
other = data.balance(table, seed=124)
kept_again = balanced.index.intersection(other.index)
kept_ham = (table.loc[kept_again, "label"] == "ham").sum()
expected = len(ham) ** 2 / counts["ham"]
print(f"kept again: {kept_ham}, expected about {expected:.0f}")

# %% tags=["hide-cell", "nbval-check-output"]
# Exercise 2.
print("copies of an earlier message:", table["text"].duplicated().sum())
table.value_counts().head(1)

# %% [markdown]
# ## Questions
#
# :::{dropdown} 1. Why compare a fingerprint when the file has the right size?
# Many damaged or changed files have the right size. Two different files with the same SHA-256 have never been found.
# :::
#
# :::{dropdown} 2. What does balancing by under-sampling cost?
# Most messages of the common class are thrown away, and the model no longer learns how rare spam really is.
# :::
#
# :::{dropdown} 3. Why must the test set stay closed while you choose between models?
# Whatever you choose by its result fits its accidents too, and then it no longer tells you how new messages will fare.
# :::
#
# :::{dropdown} 4. The split has no row in two sets, and still it leaks. How?
# The collection holds the same text in several rows, and the rows are dealt out one by one.
# :::
#
# :::{dropdown} 5. Which of the three sets does the leak make useless?
# None entirely, but every accuracy on validation and test set is too good by an amount that we do not know yet.
# :::

# %% [markdown]
# ## What you have learnt
#
# A dataset is made, not found: you decide how to read it, which rows to keep, how to balance and where to cut, and each
# decision shows in the results. You fetched and verified a file, noticed two lost lines by counting, evened out the
# classes, gave the labels numbers, split three ways, and caught the split leaking.
#
# **Next:** the tables hold text, and a network wants numbers in batches. Chapter 2 cuts the messages into
# {term}`tokens <token>` and packs them into {term}`batches <batch>`.
