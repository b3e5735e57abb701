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
# A {term}`classifier` learns from examples: texts whose {term}`class` is already known. In this chapter you turn a
# plain file of text messages into three clean tables, and you find out how far you can trust them. At the end you can
#
# - **load** a {term}`dataset` from a verified file and say how many rows it must have,
# - **balance** its classes and explain what that costs,
# - **split** it into training, validation and test set,
# - **detect** copies that {term}`leak <data leakage>` from one set into another.

# %% [markdown]
# > **Before you start.** You need Python and some experience with pandas tables. No model is involved yet. The chapter
# > runs in seconds on any laptop, with or without a GPU. It downloads one small file, once.
#
# The messages were collected for research on mobile phone spam {cite}`almeida2011`. The collection joins several
# sources. Among them are spam messages that people reported on a British web forum, and private messages that students
# in Singapore donated for research. The {term}`label` mostly follows from the source: {term}`spam` (unwanted
# advertising) or {term}`ham` (everything else). The messages are real, and some are rude.

# %% tags=["remove-cell"]
# No module named llmclf? Unzip the book's code and type there: make lab
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
# The line `dataset` names the file behind this page. `sms-spam` is the complete collection, published by the [UCI
# repository](https://doi.org/10.24432/C5CC84). If your machine cannot reach it, the library takes a smaller copy from
# the Python package index, and the line says `sms-spam-reduced`. Then your counts differ from the printed ones. Your
# run also loses no rows, because the smaller copy was cleaned. For the section on missing rows, read the printed
# output instead.

# %% [markdown]
# ## A file you can trust
#
# A download can break off, and a publisher can change a file overnight. So compute the fingerprint of the file before
# you read it, and compare it with the expected one. We use the {term}`SHA-256`. It depends on every byte of the file:
# change one comma, and you get an entirely different fingerprint.

# %% tags=["nbval-check-output"]
import hashlib

fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
print(fingerprint[:16], "…", f"{path.stat().st_size:,} bytes")
print("as expected:", fingerprint == asset.sha256)

# %% [markdown]
# The file is the right one. File size is not enough: a file with one changed letter has the same size.
# `assets.resolve` makes the same comparison every time before it returns the path. It downloads the file only once.
# After that it finds the file in the cache, a folder that the library keeps for downloads. `python -m llmclf fetch
# --list` shows where each file is stored.
#
# Now look at the raw lines. What separates the label from the text?

# %% tags=["nbval-check-output"]
lines = path.read_text(encoding="utf-8").splitlines()
print(f"{len(lines):,} lines")
for line in lines[:3]:
    print(repr(line[:60]))

# %% [markdown]
# Each line holds one message: the label, a tab (`\t`), the text. There is no header. pandas can read the file as a
# table with two columns if you give it the separator and the column names. The option `keep_default_na=False` keeps a
# message such as "NA" as a text. Without it pandas would turn the message into a missing value.

# %% [markdown]
# ## From file to table
#
# The file has one message per line, so the table should have as many rows as the file has lines. Count them.

# %% tags=["nbval-check-output"]
options = {
    "sep": "\t",
    "header": None,
    "names": ["label", "text"],
    "keep_default_na": False,
}
table = pd.read_csv(path, **options)
print(f"{len(table):,} rows")

# %% [markdown]
# Two rows are missing, and pandas gave no warning. Only the count shows it. Before you look for them, see what a row
# looks like. It has three parts ({numref}`fig-raw-table`): a number that pandas adds, starting from zero, then the
# label and the text.
#
# :::{figure-md} fig-raw-table
# ![Three rows of a table. Each row has a number, a label in a coloured box (ham or spam), and the beginning of the message's text.](figures/raw_table.svg)
#
# The first three rows of the table.
# :::

# %% tags=["nbval-check-output"]
table.head(3)

# %% [markdown]
# Where are the missing rows? Every line of the file holds one message, so no text should contain a line break (`\n`).
# Search for one with pandas.

# %% tags=["nbval-check-output"]
merged = table[table["text"].str.contains("\n")]
for row, text in merged["text"].items():
    print("row", row)
    for part in text.split("\n"):
        print("   ", repr(part[:44]))

# %% [markdown]
# This row holds three messages. Its text contains two more ham messages, with their labels and tabs. Compare it with
# the file. It is the first merged row, so its row number is also the index of its first line in `lines`.

# %% tags=["nbval-check-output"]
for row in merged.index:
    for line in lines[row : row + 3]:
        print(repr(line[:44]))

# %% [markdown]
# The first of the three texts begins with a quotation mark (`"`). By default pandas reads this mark as the start of a
# quoted text, which may run over several lines. The quoted text ends at the next quotation mark in the file. That mark
# stands at the beginning of the third text, and the row ends with that line. Three lines became one row, so 5,574
# lines gave 5,572 rows.
#
# **Predict before you run.** The option `csv.QUOTE_NONE` makes quotation marks ordinary characters, and brings the
# missing rows back. How many texts of the first table does it change: only the merged one, a handful, or more than
# fifty?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
import csv

complete = pd.read_csv(path, **options, quoting=csv.QUOTE_NONE)
changed = ~table["text"].isin(complete["text"])
print(f"{len(complete):,} rows")
print("texts that had been changed:", changed.sum())

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Now the table has as many rows as the file has lines. More than fifty texts differ from the first table. One of them
# is the merged row. In the others pandas had removed the quotation marks, without a warning.
# :::
#
# `data.read_sms` reads the file in both ways. `every_row=True` gives the complete table, and the default gives the
# shorter one. From here on the book uses the shorter table, because {cite:t}`raschka2024` computed his results on it,
# and we compare ours with them. The cost is small: two ham messages have no row of their own.

# %% [markdown]
# You will meet this pattern in every chapter. First you write the small steps yourself, then you use the library
# function that does the same.
#
# ## Ham and spam are not equally common
#
# How many messages of each class are there? (If the numbers differ much, people speak of {term}`class imbalance`.)

# %% tags=["nbval-check-output"]
counts = table["label"].value_counts()
print(counts.to_string())

# %% [markdown]
# Spam is rare. **Predict before you run:** suppose a lazy "classifier" answers *ham* to every message. What is its
# {term}`accuracy`, that is, the share of right answers? And how much of the spam does it find?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
answer = pd.Series("ham", index=table.index)
right = answer == table["label"]
print(f"right: {right.mean():.1%}")
print(f"spam found: {right[table['label'] == 'spam'].mean():.1%}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The accuracy is high, but the lazy classifier has learnt nothing: it never finds spam. When one class is much more
# common than the other, a high accuracy alone proves little.
# :::
#
# You can deal with unequal classes in several ways. The simplest is {term}`under-sampling`: keep all the spam, and
# draw the same number of ham messages at random. In this balanced table the lazy answer is right half of the time.

# %% tags=["nbval-check-output"]
spam = table[table["label"] == "spam"]
all_ham = table[table["label"] == "ham"]
ham = all_ham.sample(len(spam), random_state=123)
balanced = pd.concat([ham, spam])
print(len(balanced), "messages; first rows:", list(balanced.index[:5]))

# %% [markdown]
# The number 123 is the {term}`seed`. It fixes the random draw, so you get the same ham messages and the same row
# numbers as this page. `data.undersample` does the same for any number of classes. {numref}`fig-class-counts` shows
# what balancing does to the table.

# %% mystnb={"figure": {"caption": "Messages of each class before and after balancing. Balancing keeps all the spam and leaves out most of the ham.", "name": "fig-class-counts"}, "image": {"alt": "Two pairs of bars. In the whole table the ham bar is several times as long as the spam bar. In the balanced table both bars are as long as the spam bar was."}}
plots.plot_class_counts({"as collected": table, "balanced": balanced})

# %% [markdown]
# Balancing has two costs. The figure shows the first: most ham messages are not used at all. The second is harder to
# see. Suppose a filter wrongly labels one in twenty ham messages as spam. On equal halves these are few mistakes. But
# a real mailbox holds several times as much ham as spam. There, a large share of the messages that the filter calls
# spam are ham. We still start with equal halves, because they make the numbers of the next chapters easy to read.

# %% [markdown]
# ## Numbers for names
#
# A neural network has numbered outputs. So each label gets a number: 0 for ham, 1 for spam. You may choose the order,
# but you must never change it afterwards. Otherwise a trained model would say *spam* and mean *ham*. For this reason
# the library stores the names with every classifier.

# %% tags=["nbval-check-output"]
numbers = balanced["label"].map({"ham": 0, "spam": 1})
numbered = balanced.assign(label=numbers)
numbered.iloc[[0, -1]]

# %% [markdown]
# The first row was ham and is now 0. The last row was spam and is now 1. (The library function is
# `data.encode_labels`.) The row numbers on the left still refer to the whole table, so you can trace each message back
# to the file.

# %% [markdown]
# ## Three sets for three purposes
#
# A model can simply remember the examples that it has learnt from, so you must test it on others. You shuffle the
# table and cut it into three sets. The model learns from the {term}`training set`. On the {term}`validation set` you
# compare variants of the model and choose one. On the {term}`test set` you measure the finished model. If you also
# chose with the test set, you would pick the variant that happens to suit these messages, and its result would be too
# good.

# %%
shuffled = numbered.sample(frac=1, random_state=123)
shuffled = shuffled.reset_index(drop=True)
train_end = int(len(shuffled) * 0.7)
validation_end = train_end + int(len(shuffled) * 0.1)
train = shuffled[:train_end]
validation = shuffled[train_end:validation_end]
test = shuffled[validation_end:]

# %% tags=["nbval-check-output"]
splits = data.Splits(train, validation, test)
labels_of = {}
for name, part in splits._asdict().items():
    labels_of[name] = part["label"].value_counts()
pd.DataFrame(labels_of)

# %% [markdown]
# Common shares are seven tenths for training, one tenth for validation and the rest for the test. (The library
# function is `data.split`.) {cite:t}`raschka2024` cuts the table in the same way. His shuffle does not look at the
# labels, so the two classes are only roughly equal in each set.
#
# A split with {term}`stratification` makes them even: it gives every set the same share of each class. scikit-learn's
# `train_test_split` makes two sets, so you call it twice. Compare the spam in each set.

# %% tags=["nbval-check-output"]
from sklearn.model_selection import train_test_split


def stratified(rows, share):
    return train_test_split(
        rows, train_size=share, stratify=rows["label"], random_state=123
    )


even_train, rest = stratified(numbered, 0.7)
even_validation, even_test = stratified(rest, 1 / 3)
even = (even_train, even_validation, even_test)
for name, sets in (("Raschka", splits), ("stratified", even)):
    sizes = [len(part) for part in sets]
    spams = [int(part["label"].sum()) for part in sets]
    print(f"{name:<10} messages {sizes}, spam {spams}")

# %% [markdown]
# In the stratified split each set is half spam, as closely as the sizes allow. The sizes do not change, only which
# messages are in which set. On a balanced table the gain is small. It is larger for a rare class, because an unlucky
# shuffle can leave a small set with very few examples of that class. We keep Raschka's split, because we need the
# same test messages to compare our results with the published ones.
#
# The test set is small. How much does one message count?

# %% tags=["nbval-check-output"]
print(f"{len(test)} test messages")
print(f"each is worth {1 / len(test):.2%} of accuracy")

# %% [markdown]
# If luck changes the answer to three messages, the accuracy moves by one percentage point. Chapter 5 shows how far
# luck can move an accuracy.
#
# ## Are the three sets really separate?
#
# **Predict before you run.** No row is in two sets. How many of the test messages are also in the training set, word
# for word: none, one in a hundred, or one in ten?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
copies = test[test["text"].isin(train["text"])]
print(f"{len(copies)} of {len(test)} are also in the training set:")
print(copies["label"].map({0: "ham", 1: "spam"}).value_counts().to_string())

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# About one test message in eight has an exact copy in the training set. Advertisers send one text to many people, and
# people send one short reply many times. So the collection holds the same text in several rows, and the shuffle treats
# these rows like any others. A model can label these test messages from memory.
# :::
#
# A copy can also differ in small details. The next cell compares the texts without digits, letter case and
# punctuation. It prints one pair that only this looser comparison finds.

# %% tags=["nbval-check-output"]
import re


def skeleton(text):
    return re.sub(r"[\W\d_]+", " ", text.lower()).strip()


train_skeletons = train["text"].map(skeleton)
near = test[test["text"].map(skeleton).isin(train_skeletons)]
only_near = near.drop(copies.index)
text = min(only_near["text"], key=len)
twins = train["text"][train_skeletons == skeleton(text)]
print(f"test:  {text}\ntrain: {twins.iloc[0]}")

# %% [markdown]
# The two messages have the same text and different phone numbers. Such a pair is a {term}`near copy`.
#
# **Predict before you run.** Count exact copies and near copies together. How much of the *test spam* has a copy in
# the training set: a tenth, a third, or a half?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
print(len(near), "copies,", (near["label"] == 1).sum(), "of them spam")
print("out of", (test["label"] == 1).sum(), "test spams")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Nearly a third of the test spam has an exact copy or a near copy in the training set.
# :::
#
# Copies across the sets are {term}`data leakage`: the test set contains what the model has already seen. Any accuracy
# on this split is probably too good. A stratified split leaks too, because it also assigns the rows one by one.
# We keep the split for the comparison with the published results; chapter 8 builds one without the leak.
# `data.find_leakage` finds the copies for you, and with `ignore_details=True` the near copies too. Run it on your own
# split before you trust an accuracy.

# %% [markdown]
# ## Save the three tables
#
# The next chapters build the three tables again with one call, `data.prepare_sms()`. Save them as files too, so that
# your own programs can read them. A fast run (with the setting `LLMCLF_FAST=1`, as in our automatic tests) keeps only
# a few messages of each set. It has its own folder, so it never overwrites the files of a full run.

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
# Reading back what you wrote is a cheap test. A comma, a quotation mark or a line break inside a message can break a
# file format, as you saw above.

# %% [markdown]
# ## Exercises
#
# Replace the dots with your code and run the cell. `check` tries your function on a few cases and says what it found.
# Each solution is folded below.
#
# ### Exercise 1: Another draw
#
# A different {term}`seed` keeps different ham messages. You draw `drawn` messages at random from `total`. Then you
# draw the same number again from all `total` messages. Write `expected_overlap(drawn, total)`: how many messages do
# you expect in both draws? Return the number unrounded.

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
# The second draw takes the share `drawn / total` of all messages. So you expect it to take the same share of the
# first draw. Does the estimate hold for our table? (If this cell raises an error, run the solution first.)

# %% tags=["nbval-check-output"]
other = data.undersample(table, seed=124)
kept_again = balanced.index.intersection(other.index)
kept_ham = (table.loc[kept_again, "label"] == "ham").sum()
expected = expected_overlap(len(ham), counts["ham"])
print(f"ham kept again: {kept_ham}, expected about {expected:.0f}")

# %% [markdown]
# It does, because the second draw does not depend on the first. Such close agreement is luck: a difference of ten
# messages would not be surprising.
#
# ### Exercise 2: Copies within
#
# Write `copies_within(texts)`: how many texts of a pandas series are exact copies of a text above them? Return the
# number. Then try it on `table["text"]`. Which text is sent most often, and is it spam?

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
# The most frequent text is an apology, and it is ham. Private messages repeat, too.
#
# ### Exercise 3: A table without copies
#
# Change the data that a model will learn from: remove repeated texts from `table`, then balance and split the rest.
# How large are the three sets now? How many test messages still have a copy or a near copy in the training set? (This
# one is not checked.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
single = data.undersample(table.drop_duplicates("text"))
new = data.split(data.encode_labels(single, data.SMS_LABELS))
print("messages:", [len(part) for part in new])
exact = data.find_leakage(new.train, new.test)
loose = data.find_leakage(new.train, new.test, ignore_details=True)
print(f"copies: {len(exact)}, near copies: {len(loose)}")

# %% [markdown]
# Without repeated texts no exact copy can leak. Near copies still can. The sets are smaller, because fewer spam
# messages are left, and balancing keeps only as much ham as there is spam.

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why compare a fingerprint when the file has the right size?</summary>
#
# Many damaged or changed files have the right size. Nobody has ever found two different files with the same SHA-256.
#
# </details>
#
# <details><summary>2. What does balancing by under-sampling cost?</summary>
#
# You leave out most messages of the common class, and the model does not learn how rare spam really is.
#
# </details>
#
# <details><summary>3. Why must the test set stay closed while you choose between models?</summary>
#
# If you choose a model by its test result, it also fits chance details of these messages. Its result then no longer
# tells you how well it does on new messages.
#
# </details>

# %% [markdown]
# <details><summary>4. No row is in two sets, but the split still leaks. How?</summary>
#
# The collection holds the same text in several rows, and the split assigns the rows one by one.
#
# </details>
#
# <details><summary>5. Is the validation set safe from the leak?</summary>
#
# No. It comes from the same shuffled table. Measure the leak with `data.find_leakage(train, validation)`.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# You decide how to read a dataset, which rows to keep, how to balance it and where to cut it. Each decision changes
# the results. You fetched and verified a file, noticed two missing rows by counting, balanced the classes, gave the
# labels numbers, split the table into three sets, and found the leak between them.
#
# **Next:** the tables hold text, and a network needs numbers. [Chapter 2](02_loaders.ipynb) cuts the messages into {term}`tokens
# <token>` and packs them into {term}`batches <batch>`.
