# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1 · The dataset
#
# Every classifier begins with examples: texts whose {term}`class` is known already. In this chapter you turn a
# plain file of text messages into three clean tables, and you learn to mistrust them a little. At the end you can
#
# - **load** a {term}`dataset` from a verified file and say how many rows it must have,
# - **balance** its classes and explain what that costs,
# - **split** it into training, validation and test set,
# - **detect** copies that {term}`leak <data leakage>` from one set into another.

# %% [markdown]
# > **Before you start.** You need Python and some experience with pandas tables; no model is involved yet. The chapter
# > runs in seconds on any laptop, with or without a GPU. It downloads one small file, once.
#
# The collection was gathered for research on mobile phone spam {cite}`almeida2011`. It joins several sources:
# spam that people had complained about in a British web forum, private messages that students in Singapore gave
# to science, and others. The {term}`label` mostly follows from the source: {term}`spam` (unwanted advertising) or
# {term}`ham` (everything else). The messages are real, and some are rude.

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
import pandas as pd

from llmclf import data
from llmclf.files import assets
from llmclf.teaching import plots
from llmclf.teaching.provenance import provenance

asset, path = assets.resolve("sms-spam")
print(provenance())

# %% [markdown]
# The line `dataset` names the file that this page was made with. `sms-spam` is the complete collection, published
# by the [UCI repository](https://doi.org/10.24432/C5CC84). Where it cannot be reached, a smaller copy from the
# Python package index takes its place, and the line says `sms-spam-reduced`. With it the counts differ, and the
# section on lost lines has nothing to find, because that copy was cleaned. Read that section on the page.

# %% [markdown]
# ## A file you can trust
#
# A download can break off, or its source can change overnight. So before anyone reads the file, its fingerprint
# is computed and compared with the expected one. The fingerprint used here is called {term}`SHA-256`: it is made
# from every byte of the file, and a single changed comma gives an entirely different one.

# %% tags=["nbval-check-output"]
import hashlib

fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
print(fingerprint[:16], "…", f"{path.stat().st_size:,} bytes")
print("as expected:", fingerprint == asset.sha256)

# %% [markdown]
# The file is the right one. Its size alone would not have told: a changed letter leaves the size as it was.
# `assets.resolve` made this very comparison before it handed out the path, and it does so every time. The
# download itself happens only once: from then on the file is found in the cache, a folder that the library keeps
# for downloads. `python -m llmclf fetch --list` shows where each file is stored.
#
# Now look at the raw lines. What separates the label from the text?

# %% tags=["nbval-check-output"]
lines = path.read_text(encoding="utf-8").splitlines()
print(f"{len(lines):,} lines")
for line in lines[:3]:
    print(repr(line[:60]))

# %% [markdown]
# Each line is one message: the label, a tab (`\t`), the text. There is no header. This is a table with two
# columns, and pandas can read it, once it knows the separator and the names of the columns. The option
# `keep_default_na=False` makes sure that a message which reads "NA" stays a text instead of becoming a missing
# value.

# %% [markdown]
# ## From file to table
# The file has one message per line, so the table should have as many rows. Count them.

# %% tags=["nbval-check-output"]
options = {"sep": "\t", "keep_default_na": False}
options |= {"header": None, "names": ["label", "text"]}
table = pd.read_csv(path, **options)
print(f"{len(table):,} rows")

# %% [markdown]
# Two rows are missing, and pandas gave no warning: only the count shows it. Before we look for them, see what a
# row looks like. It has three parts ({numref}`fig-raw-table`): a number that pandas adds (from zero), the label,
# and the text.
#
# :::{figure-md} fig-raw-table
# ![Three rows of a table. Each has a row number, a label in a coloured box, ham or spam, and the beginning of the message's text.](figures/raw_table.svg)
#
# The first three rows of the table. In the file a tab separates label and text; pandas adds the row number.
# :::

# %% tags=["nbval-check-output"]
table.head(3)

# %% [markdown]
# Now to the two missing rows. If the file has one message per line, no text should contain a line break; a text
# that does has probably swallowed its neighbours. The library tells which lines of the file ended up inside
# another row. Here they are in the raw file, below the line before them.
#
# **Predict before you run.** What could make pandas read three lines as one? Watch how the texts begin.

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
swallowed = data.lines_merged_by_quotes(table)
before = [number - 1 for number in swallowed[:1]]
for number in before + swallowed:
    print(number, repr(lines[number - 1][:44]))

# %% [markdown]
# The first of the three begins its text with a quotation mark (`"`). By default pandas takes this for the start
# of a quoted text, which may run over several lines. The next quotation mark in the file is the one at the
# beginning of the third text; there the quotation ends, and the row ends with that line. Two ham messages were
# lost. The cure is to treat quotation marks as ordinary characters.

# %% tags=["nbval-check-output"]
import csv

complete = pd.read_csv(path, **options, quoting=csv.QUOTE_NONE)
changed = ~table["text"].isin(complete["text"])
print(f"{len(complete):,} rows")
print("texts that had been changed:", changed.sum())

# %% [markdown]
# Now lines and rows agree. The last number holds another surprise: many more texts differ, because they had lost
# their quotation marks. `data.read_sms` offers both ways, the second with `every_row=True`.
#
# From here on the book uses the shorter table, because {cite:t}`raschka2024` computed his results on it, and we
# compare ours with them. The price is small. What matters is that we know it.

# %% tags=["nbval-check-output"]
print("default:  ", data.read_sms(path).equals(table))
print("every row:", data.read_sms(path, every_row=True).equals(complete))

# %% [markdown]
# Twice `True`: the library reads as we did. First develop an idea in small steps, then check the library's
# function against it: you will meet this pattern in every chapter.
#
# ## Ham and spam are not equally common
#
# How many messages of each class are there?

# %% tags=["nbval-check-output"]
counts = table["label"].value_counts()
print(counts.to_string())

# %% [markdown]
# Spam is rare. **Predict before you run:** suppose a lazy "classifier" answers *ham* to everything. How often
# would it be right, and how much of the spam would it find?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
answer = pd.Series("ham", index=table.index)
right = answer == table["label"]
print(f"right: {right.mean():.1%}")
print(f"spam found: {right[table['label'] == 'spam'].mean():.1%}")

# %% [markdown]
# A high {term}`accuracy`, and nothing learnt: no spam is ever found. Whenever one class is much more common than
# the other, accuracy alone flatters. There are several cures. The simplest is to balance the table by
# {term}`under-sampling`: keep all the spam and draw just as many ham messages at random. Blind guessing is then
# right only half of the time.

# %% tags=["nbval-check-output"]
spam = table[table["label"] == "spam"]
all_ham = table[table["label"] == "ham"]
ham = all_ham.sample(len(spam), random_state=123)
balanced = pd.concat([ham, spam])
print(len(balanced), "messages; first rows:", list(balanced.index[:5]))
print("data.undersample agrees:", data.undersample(table).equals(balanced))

# %% [markdown]
# The number 123 is the {term}`seed`: it fixes the random draw, so on every computer the same ham messages are
# kept and the row numbers are those printed here. `data.undersample` does the same for any number of classes.
# {numref}`fig-class-counts` shows what balancing does to our table.

# %% mystnb={"figure": {"caption": "Messages of each class before and after balancing. Most of the ham is thrown away, the spam is kept whole.", "name": "fig-class-counts"}, "image": {"alt": "Two pairs of bars. In the whole table the ham bar is several times as long as the spam bar; in the balanced table both are as long as the spam bar was."}}
plots.plot_class_counts({"as collected": table, "balanced": balanced})

# %% [markdown]
# The picture shows the price: most ham messages are not used at all. It also hides something. In real life most
# messages are ham. A filter that calls one ham message in twenty spam makes few mistakes on equal halves; in a
# real mailbox, with several times as much ham as spam, a large share of what it calls spam will be ham. For
# learning how the model works, equal halves are still the best start: they keep every later number easy to read.

# %% [markdown]
# ## Numbers for names
#
# A neural network has numbered outputs, not named ones. So each label gets a number: 0 for ham, 1 for spam. The
# order is ours to choose, but it must never change afterwards, or a trained model would say *spam* and mean
# *ham*. The library therefore stores the names with every classifier.

# %% tags=["nbval-check-output"]
numbers = balanced["label"].map({"ham": 0, "spam": 1})
numbered = data.encode_labels(balanced, ["ham", "spam"])
print("encode_labels agrees:", numbered["label"].equals(numbers))
numbered.iloc[[0, -1]]

# %% [markdown]
# The first row was ham and is now 0, the last was spam and is now 1. The row numbers on the left still point into
# the whole table, so each message can be traced back to its line in the file.

# %% [markdown]
# ## Three sets for three purposes
#
# A model that is judged by the examples it has learnt from can cheat: it may simply remember them. So the table
# is shuffled and cut into three. The {term}`training set` is for learning, the {term}`validation set` for
# choosing between variants, and the {term}`test set` for the proof at the end. If you chose by the test set too,
# you would choose whatever suits its accidents, and its result would be too good.

# %%
shuffled = numbered.sample(frac=1, random_state=123)
shuffled = shuffled.reset_index(drop=True)
train_end = int(len(shuffled) * 0.7)
validation_end = train_end + int(len(shuffled) * 0.1)
train = shuffled[:train_end]
validation = shuffled[train_end:validation_end]
test = shuffled[validation_end:]

# %% tags=["nbval-check-output"]
splits = data.split(numbered)
ours = (train, validation, test)
print("data.split agrees:", all(map(pd.DataFrame.equals, splits, ours)))
parts = splits._asdict().items()
pd.DataFrame({name: part["label"].value_counts() for name, part in parts})

# %% [markdown]
# Seven tenths, one tenth, and the rest: a common cut. The shuffle does not look at the labels, so ham (0) and
# spam (1) are only nearly even in each part. Note how small the test set is, and what that means for any accuracy
# measured on it:

# %% tags=["nbval-check-output"]
print(f"{len(test)} test messages")
print(f"each is worth {1 / len(test):.2%} of accuracy")

# %% [markdown]
# Three messages more or less, judged rightly by luck, already move the result by a whole percent. This is why
# every accuracy that we measure comes with an interval.
#
# ## Are the three sets really separate?
#
# **Predict before you run.** No row is in two sets. Of the test messages, how many are in the training set word
# for word: none, one in a hundred, or one in ten?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
copies = test[test["text"].isin(train["text"])]
print(f"{len(copies)} of {len(test)} are also in the training set:")
print(copies["label"].map({0: "ham", 1: "spam"}).value_counts().to_string())

# %% [markdown]
# Advertisers send one text to many people, and people send one short reply many times. So the collection holds
# exact copies under different row numbers, and the shuffle deals them out like any other row. That is about one
# test message in eight. For these messages the test measures memory, not understanding. It gets worse when we
# ignore digits, letter case and punctuation.

# %% tags=["nbval-check-output"]
import re


def skeleton(text):
    return re.sub(r"[\W\d_]+", " ", text.lower()).strip()


known = set(train["text"].map(skeleton))
near = test[test["text"].map(skeleton).isin(known)]
print(len(near), "near copies,", (near["label"] == 1).sum(), "of them spam")
print("out of", (test["label"] == 1).sum(), "test spams")

# %% [markdown]
# These include the exact copies. What is a near copy? Look at one, in the test set and in the training set; and
# check that `data.find_leakage` finds the same rows.

# %% tags=["nbval-check-output"]
only_near = near[~near.index.isin(copies.index)]
text = min(only_near["text"], key=len)
twins = train["text"][train["text"].map(skeleton) == skeleton(text)]
print(f"test:  {text}\ntrain: {twins.iloc[0]}")
found = data.find_leakage(train, test, ignore_details=True)
print("agrees:", found.equals(near))

# %% [markdown]
# The same text, another phone number. Nearly a third of the test spam has been seen in training, word for word or
# nearly so, and any accuracy on this split is therefore somewhat too good. We keep it all the same, because the
# published reference results were measured on it. But you now know what to ask when somebody shows you such a
# number.

# %% [markdown]
# ## Save the three tables
#
# The next chapters make the three tables anew, with one call. Keep them in files too, for programs of your own.
# Fast runs (with the setting `LLMCLF_FAST=1`, as in our automatic checks) keep only a few messages of each set,
# in a folder of their own, so that they never get in the way of a full run.

# %%
from pathlib import Path

folder = Path("output", "fast" if data.is_fast() else "full")
data.save_splits(data.shorten_if_fast(splits), folder)
for file in sorted(folder.glob("*.csv")):
    print(f"{file.as_posix():<27} {file.stat().st_size:>8,} bytes")

# %% tags=["nbval-check-output"]
saved, again = data.shorten_if_fast(splits), data.load_splits(folder)
for name, before, after in zip(splits._fields, saved, again, strict=True):
    same = after.equals(before.reset_index(drop=True))
    print(f"{name + '.csv':<15} read back unchanged: {same}")

# %% [markdown]
# Reading back what you wrote is a cheap test: a comma, a quotation mark or a line break inside a message can
# break a file format. Here every text came back, letter by letter.
#
# All of this chapter, up to the three tables in memory, is one call of the library: `data.prepare_sms()`.

# %% [markdown]
# ## Exercises
#
# Each exercise asks for one function. Fill in the stub and run the cell: `check` tries your function on a few
# cases and tells you what it found. A solution is folded into the cell below.
#
# ### Exercise 1: Another draw
#
# With another {term}`seed` other ham messages are kept. From `total` messages, `drawn` are
# picked at random. Then, from all of them again, another `drawn`. Write `expected_overlap(drawn, total)`: how many
# messages do you expect in both picks? Return the number unrounded; it need not be whole.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def expected_overlap(drawn, total):
    ...  # your code


check(expected_overlap)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def expected_overlap(drawn, total):
    return drawn * (drawn / total)


check(expected_overlap)

# %% [markdown]
# A second draw takes the same share of everything, and so of the first draw too. Does the estimate hold for our
# table? (If this raises an error, run the solution first.)

# %% tags=["nbval-check-output"]
other = data.undersample(table, seed=124)
kept_again = balanced.index.intersection(other.index)
kept_ham = (table.loc[kept_again, "label"] == "ham").sum()
expected = expected_overlap(len(ham), counts["ham"])
print(f"ham kept again: {kept_ham}, expected about {expected:.0f}")

# %% [markdown]
# It does: a random draw has no memory of an earlier one. That the two agree so well is luck; some ten messages
# more or fewer would be no surprise either.
#
# ### Exercise 2: Copies within
#
# Write `copies_within(texts)`: of the texts in a pandas series, how many are exact copies of
# one that stands above them? Return the number. Then try it on `table["text"]`. Which text is sent most often, and
# is it spam?

# %% tags=["exercise", "nbval-check-output", "remove-output"]
def copies_within(texts):
    ...  # your code


check(copies_within)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def copies_within(texts):
    return int(texts.duplicated().sum())


check(copies_within)
print("copies in the table:", copies_within(table["text"]))
table.value_counts().head(1)

# %% [markdown]
# The most frequent text is an apology, and ham. Not only advertisers repeat themselves.

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why compare a fingerprint when the file has the right size?</summary>
#
# Many damaged or changed files have the right size. Two different files with the same SHA-256 have never been
# found.
#
# </details>
#
# <details><summary>2. What does balancing by under-sampling cost?</summary>
#
# Most messages of the common class are thrown away, and the model no longer learns how rare spam really is.
#
# </details>
#
# <details><summary>3. Why must the test set stay closed while you choose between models?</summary>
#
# Whatever you choose by its result fits its accidents too, and then it no longer tells you how new messages will
# fare.
#
# </details>

# %% [markdown]
# <details><summary>4. The split has no row in two sets, and still it leaks. How?</summary>
#
# The collection holds the same text in several rows, and the rows are dealt out one by one.
#
# </details>
#
# <details><summary>5. Is the validation set safe from the leak?</summary>
#
# No: it was cut from the same shuffled table. Measure it with `data.find_leakage(train, validation)`.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A dataset is made, not found: you decide how to read it, which rows to keep, how to balance and where to cut,
# and each decision shows in the results. You fetched and verified a file, noticed two lost lines by counting,
# evened out the classes, gave the labels numbers, split three ways, and caught the split leaking.
#
# **Next:** the tables hold text, and a network wants numbers. [Chapter 2](02_loaders.ipynb) cuts the messages into {term}`tokens
# <token>` and packs them into {term}`batches <batch>`.
