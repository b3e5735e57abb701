# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Teach it yourself
#
# This page builds a classifier in the time it takes to drink a coffee. You name the classes. The notebook shows
# you one message at a time, and you label it with a click or a key. After every label the classifier learns again,
# and it asks for the message that it finds hardest. At the end you can
#
# - **teach** a classifier for classes of your own, with sixteen to fifty labels,
# - **explain** how it chooses the next message, and **measure** whether that choice helps,
# - **judge** when to stop, when to go on labelling, and when to fine-tune instead,
# - **save** the result and **use** it from the command line.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 4 and 8: hidden states, and an accuracy with its interval.
# > Chapter 6 introduces the {term}`probe` that learns here. The page runs in about three minutes on two CPU cores; we
# > have not measured a GPU. It downloads nothing new.

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
# ## Features first
#
# You should not have to wait for the model while you label. So the pretrained model reads every message once, before
# you begin, and we keep what it computes: the hidden states after block 8, averaged over the tokens. These numbers are
# the
# {term}`features <feature>` of a message, and they never change. A `Pool` holds the messages and their features.

# %%
import time

from llmclf.evaluation.tasks import label_names_of, task_table
from llmclf.interactive.pool import Pool

messages = task_table("spam")
names = label_names_of("spam")
ham_or_spam = [names[label] for label in messages["label"]]
pool = Pool(messages["text"], ham_or_spam, backbone=backbone)

start = time.perf_counter()
pool.compute()
seconds = time.perf_counter() - start
print(f"{len(pool.texts):,} messages in {seconds:.0f} s")
print("features:", pool.features.shape)

# %% [markdown]
# The collection has labels for all messages. The pool hides these labels from the person who teaches, and uses them
# only to measure. A third of the messages is set aside as a {term}`test set`, with near copies kept together
# (chapter 8). You label messages from the rest.

# %%
print(f"{pool.judging.sum():,} test messages")
print(f"{len(pool.order):,} messages to label")
print(f"{pool.left_out} empty or repeated messages left out")

# %% [markdown]
# ## Ten messages
#
# A `Lesson` keeps the labels, fits the classifier and chooses the next message. In the notebook you are the one who
# labels. To print a session here, we let the collection's own labels do the clicking. For each message we note
# what the classifier thought of it before it got the label.

# %%
import pandas as pd

from llmclf.interactive.lesson import Lesson

lesson, session = Lesson(pool, ["ham", "spam"]), []
for _ in range(10):
    row = lesson.next_row()
    thought = "no opinion yet"
    if lesson.probabilities is not None:
        thought = f"spam {lesson.probabilities[row, 1]:.0%}"
    lesson.label(row, pool.known[row])
    session.append((thought, pool.known[row], pool.texts[row][:60]))
columns = ["classifier thought", "label", "message"]
pd.DataFrame(session, index=range(1, 11), columns=columns)

# %% [markdown]
# The first message is a random one. As long as all labels are of one class there is no classifier. So the lesson asks
# for the message whose features are most unlike those of the labelled messages, because it is probably another kind of
# text. That finds a first spam quickly, although spam is rare. From then on the lesson asks for the message whose two
# most probable classes are closest together. For two classes that means: a probability near one half.
#
# This is {term}`active learning`: the model chooses what it wants to learn from.

# %% [markdown]
# ## What is fitted
#
# The model itself does not learn. Its features are fixed, and each label adds one row to a table. A
# {term}`logistic regression` is fitted to this table, with the same weight for both classes. That takes less time
# than you need to read the next message:

# %%
import numpy as np

start = time.perf_counter()
lesson.fit(lesson.given)
print(f"fit, and read {len(pool.texts):,} messages again:", end=" ")
print(f"{time.perf_counter() - start:.2f} s")

# %% [markdown]
# **Predict before you run.** The classifier has seen ten labelled messages. How many of the test messages will it get
# right? Most of them are ham, so note first what you would get by always answering "ham".

# %% tags=["hide-output", "measured"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
print(f"always ham:  {(pool.known[pool.judging] == 'ham').mean():.1%}")
for point in lesson.curve[-1:]:
    print(f"ten labels:  {point['accuracy']:.1%}", end=" ")
    print(f"(95 % interval {point['low']:.1%} to {point['high']:.1%})")
    print(f"TF-IDF, from the same labels: {point['TF-IDF']:.1%}")

# %% [markdown]
# {term}`TF-IDF` on characters, the strongest rival of chapter 8, learns from the same ten labels. Both answer with
# the more probable class, and for TF-IDF that is a bad {term}`threshold` when labels are few. (Chapter 8 sets it
# better, from a sample with the right share of spam.) The messages were chosen for the classifier, not for TF-IDF. So
# compare the ranking as well: the area under the {term}`ROC curve` needs no threshold.

# %% tags=["measured"]
from sklearn.metrics import roc_auc_score

from llmclf.evaluation.baselines import balanced_regression

rows, labels = list(lesson.given), list(lesson.given.values())
counting = balanced_regression().fit(pool.counts[rows], labels)
scores = {
    "classifier": lesson.probabilities[pool.judging, 1],
    "TF-IDF": counting.predict_proba(pool.counts[pool.judging])[:, 1],
}
for name, score in scores.items():
    area = roc_auc_score(pool.known[pool.judging] == "spam", score)
    print(f"{name}: area under the curve {area:.3f}")

# %% [markdown]
# The classifier leads in the ranking, too. Probably ten messages contain few of the character runs that matter, while
# the features of a pretrained model bring knowledge of language with them. Now the session goes on to 48 labels. (In
# the notebook, this curve grows while you click.)

# %% tags=["measured"] mystnb={"figure": {"caption": "Share of wrong answers on the test messages, after each label of one session, on a logarithmic axis. The band is the 95 % interval.", "name": "fig-teach-session"}, "image": {"alt": "Two falling lines over the number of labels, up to 48, on a logarithmic axis of wrong answers. The line of the classifier falls to about one in a hundred and lies far below that of TF-IDF everywhere; the line of TF-IDF jumps about at first."}}
from llmclf.teaching import plots

while len(lesson.given) < 48:
    row = lesson.next_row()
    lesson.label(row, pool.known[row])

curve = 1 - pd.DataFrame(lesson.curve).set_index("labels")
figure, axes = plots.new_figure()
blue, _, green, *_ = plots.COLORS
ends = curve["high"], curve["low"]
axes.fill_between(curve.index, *ends, color=blue, alpha=0.2, lw=0)
axes.plot(curve["accuracy"], color=blue, label="classifier")
axes.plot(curve["TF-IDF"], color=green, ls="--", label="TF-IDF")
axes.set(xlabel="labels", ylabel="wrong answers", yscale="log")
axes.yaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
plots.label_lines(axes)
figure

# %% [markdown]
# ## Does choosing help?
#
# One session proves little. With another first message, or with other test messages, the curve looks different. So we
# repeat it ten times for each of two rules, *least sure* and *random*. As long as a session has only one class, it
# answers with the most common class.

# %%
from llmclf.data import is_fast


def teach(pool, classes, rule, draw, count):
    pool.deal(draw)
    lesson = Lesson(pool, classes, rule=rule)
    while len(lesson.given) < count:
        row = lesson.next_row()
        lesson.label(row, pool.known[row])
    points = {point["labels"]: point["accuracy"] for point in lesson.curve}
    known = pd.Series(pool.known[pool.judging])
    common = known.value_counts(normalize=True).max()
    found = pd.Series(points, dtype=float)
    return found.reindex(range(1, count + 1), fill_value=common)

# %% [markdown]
# **Predict before you run:** which rule needs fewer labels, and how large is the difference after 16 labels, in percentage
# points?

# %% tags=["hide-output", "measured"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
def repeat(pool, classes, count):
    runs = {}
    for rule in ("least sure", "random"):
        for draw in range(2 if is_fast() else 10):
            runs[rule, draw] = teach(pool, classes, rule, draw, count)
    return pd.DataFrame(runs)


spam = repeat(pool, ["ham", "spam"], 32)
rows = spam.loc[[8, 16, 32]].T.groupby(level=0).agg(["mean", "min"])
rows.map("{:.1%}".format)

# %% [markdown]
# Choosing helps here, probably in two ways: it finds the rare class sooner, and it spends few labels on the many hams
# that the classifier already knows. From sixteen labels on, the worst session (`min`) gains most.

# %% tags=["measured"] mystnb={"figure": {"caption": "Share of wrong answers after each label, mean of the draws, on a logarithmic axis; the bands reach from the best draw to the worst.", "name": "fig-teach-rules"}, "image": {"alt": "Two lines with bands over the number of labels, up to 32, on a logarithmic axis of wrong answers. From the eighth label on the line of the least sure rule lies well below that of the random rule, and its band is narrower."}}
def plot_rules(runs):
    figure, axes = plots.new_figure()
    colors = {"least sure": plots.COLORS[0], "random": plots.COLORS[2]}
    for rule, color in colors.items():
        wrong = 1 - runs[rule]
        mean, labels = wrong.mean(axis=1), wrong.index
        ends = wrong.min(axis=1), wrong.max(axis=1)
        axes.fill_between(labels, *ends, color=color, alpha=0.15, lw=0)
        axes.plot(mean, color=color, label=rule)
    axes.set(xlabel="labels", ylabel="wrong answers", yscale="log")
    axes.yaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    plots.label_lines(axes)
    return figure


plot_rules(spam)

# %% [markdown]
# ## Where choosing does not help
#
# Take the sentences of chapter 9: is a film review positive or negative? Both classes are equally common, so
# there is no rare class to find. Chapter 9 also showed that this task needs other features: those of a later
# block, read at the last token.

# %% tags=["measured"]
films = task_table("films").query("kind == 'films'")
films = films.sample(frac=1 if is_fast() else 0.3, random_state=0)
names = label_names_of("films")
labels = [names[number] for number in films["label"]]
features = {"blocks": 15, "pooling": "last_token", "backbone": backbone}
film_pool = Pool(films["text"], labels, **features)
film_pool.compute()
film = repeat(film_pool, names, 48)
rows = film.loc[[12, 24, 48]].T.groupby(level=0).agg(["mean", "min"])
rows.map("{:.1%}".format)

# %% [markdown]
# Here the two rules are about equally good on average, and the worst session is worse with *least sure*. A possible
# reason: a sentence that leaves the classifier in doubt is often one that people would argue about, too. Choosing does
# not always help, so the demo has a switch. (Block and pooling are those that chapter 9 found, with labels of the same
# sentences.)

# %% [markdown]
# ## Which block?
#
# You do not have to know that films need block 15. From 32 labels on the demo tries every block and both ways of
# pooling on your labels, by {term}`cross-validation`, as the {term}`probe` of chapter 6 does. It changes the features
# only if others are clearly better: by more than one {term}`standard error` of the loss. Begin with the features that
# served for spam:

# %% tags=["measured"]
beginning = Pool(films["text"], labels, backbone=backbone)
beginning.compute()
lesson = Lesson(beginning, names)
while len(lesson.given) < 48:
    row = lesson.next_row()
    lesson.label(row, beginning.known[row])
before = lesson.curve[-1]["accuracy"]
blocks, pooling = lesson.choose_features()
beginning.compute(blocks=blocks, pooling=pooling)
lesson.replay()
print(f"block 8, mean: {before:.1%}; block {blocks}, {pooling}:", end=" ")
print(f"{lesson.curve[-1]['accuracy']:.1%} right")

# %% [markdown]
# The same 48 labels are worth much more with other features. Why does the demo change only if the others are clearly
# better? The *least sure* rule picks a biased sample: the sentences that are hard with the present features. Other
# features look good on them, even when they are no better on ordinary sentences.
#
# ## Save it, use it
#
# A lesson becomes an ordinary classifier, the kind that chapter 7 saved. The model ends after the chosen block, and the
# regression becomes its head. The command line reads it like any other.

# %% tags=["nbval-check-output"]
from pathlib import Path

from llmclf.classify import TextClassifier

pool.deal(0)
lesson = Lesson(pool, ["ham", "spam"])
while len(lesson.given) < 48:
    row = lesson.next_row()
    lesson.label(row, pool.known[row])
folder = Path("output", "taught")
lesson.classifier().save(folder)
taught = TextClassifier.load(folder)
print(taught.label_names, len(taught.model.backbone.blocks), "blocks")

# %%
from llmclf.interactive.token_probabilities import EXAMPLES

for text, answer in zip(
    EXAMPLES.values(), taught.predict(list(EXAMPLES.values())), strict=True
):
    print(f"{answer:<5} {text[:66]}")

# %% [markdown]
# ```sh
# python -m llmclf classify book/output/taught "Free entry! Text WIN to 80086 now"
# ```
#
# ## When to go on
#
# Sixteen labels give you a first classifier, and show whether your classes can be separated at all. They do not give
# you a good {term}`threshold`, and they say nothing about kinds of messages that you have not met. Go on labelling as
# long as the accuracy rises. Chapters 8 and 9 compare this probe with {term}`fine-tuning`. Up to 256 labels the probe
# makes fewer mistakes on average, on both tasks. With thousands of labels no clear difference between the two is left.

# %% [markdown]
# Without known labels there is no accuracy to draw. The demo then shows how many answers changed with the last label,
# and lists the messages that it is surest of, for you to look through. The share that changed falls as the classifier
# settles:

# %% tags=["measured"]
blind = Pool(messages["text"][:1000], backbone=backbone)
blind.compute()
lesson = Lesson(blind, ["ham", "spam"])
label_of = dict(zip(messages["text"], ham_or_spam, strict=True))
while len(lesson.given) < 32:
    row = lesson.next_row()
    lesson.label(row, label_of[blind.texts[row]])
changed = pd.DataFrame(lesson.curve)["changed"]
for count in (8, 16, 32):
    recent = changed[: count - 1].tail(4).mean()
    print(f"up to label {count:>2}: {recent:.1%} of the answers changed")

# %% [markdown]
# Small changes are a sign to look at the results, not a proof: a classifier can be stable and wrong. To know how good
# it is, draw some messages at random, label them too, and run `llmclf evaluate` on them.
#
# ## Your turn
#
# In a notebook, the next cell starts the demo. Give the class with a click or with the keys 1 and 2, skip with `s`,
# undo with `u`. The demo writes every label to `output/labels.csv` at once, and continues from there the next time. If
# you are reading this as a web page, type `make teach` to open the demo in a browser.

# %% tags=["remove-output"]
from llmclf.interactive.teach_demo import TeachDemo

demo = TeachDemo(
    pd.DataFrame({"label": ham_or_spam, "text": messages["text"]}),
    path=Path("output", "labels.csv"),
    folder=Path("output", "taught_by_me"),
    backbone=backbone,
)
demo

# %% [markdown]
# For messages of your own, give the file and the names of your classes. The text must be in a column `text`. If there
# is a column `label`, the demo uses it to measure the accuracy.
#
# ```python
# TeachDemo("mail.csv", ["private", "work", "advert"], path="labels.csv")
# ```
#
# The same from a terminal:
#
# ```sh
# make teach TABLE=mail.csv
# ```

# %% tags=["remove-cell"]
demo.thread.join()

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: The message in doubt
#
# Write `least_sure(probabilities)`: given a list with a row of class probabilities for each message, it returns the
# number of the row whose two largest probabilities are closest together.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def least_sure(probabilities): ...  # your code


check(least_sure)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def least_sure(probabilities):
    def lead(row):
        first, second = sorted(row, reverse=True)[:2]
        return first - second

    leads = [lead(row) for row in probabilities]
    return leads.index(min(leads))


check(least_sure)

# %% [markdown]
# With three classes, "near one half" no longer works: in 0.34, 0.33, 0.33 no probability is near one half, but the
# message is very much in doubt.
#
# ### Exercise 2: What changed?
#
# Write `changed_share(before, after)`: both are lists with a row of class probabilities for each message. It returns
# the share of messages whose most probable class is not the same in both.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
def changed_share(before, after): ...  # your code


check(changed_share)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def changed_share(before, after):
    pairs = zip(before, after, strict=True)
    changed = [np.argmax(old) != np.argmax(new) for old, new in pairs]
    return sum(changed) / len(changed)


check(changed_share)

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why does the classifier learn from a new label in a fraction of a second?</summary>
#
# The pretrained model reads each message once, in advance. A label only adds a row to the table of a small regression.
#
# </details>
#
# <details><summary>2. Why must the lesson not ask for test messages?</summary>
#
# The classifier would be tested on messages that it has learnt from. Even the messages without labels would be no
# fair sample: the lesson asks for the hardest messages first, so the remaining ones are easier than ordinary messages.
#
# </details>

# %% [markdown]
# <details><summary>3. The least sure rule wins on spam and not on films. Why?</summary>
#
# Spam is rare, and a random draw is mostly ham that teaches nothing new. Film sentences are balanced, and doubtful ones
# are often ambiguous, so a random sentence teaches about as much.
#
# </details>
#
# <details><summary>4. The least sure rule chose the messages that you labelled. Can you estimate from their labels how common each class is?</summary>
#
# No. They were not drawn at random. Near the boundary, classes are about equally common, whatever their shares in the
# pool.
#
# </details>
#
# <details><summary>5. After 40 labels no answer changes any more. Is the classifier good?</summary>
#
# Not necessarily. It may be stable and wrong, for example about a kind of message that it has never asked for. Label
# a random sample and measure the accuracy.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A pretrained model turns messages into features once. A regression on a few labels turns them into a classifier at
# once. Letting the classifier choose its messages saves labels when one class is rare, and may not when the classes are
# balanced. Sixteen labels are a beginning. To know how good the classifier is, label a random sample.

# %% [markdown]
# **Next:** [Play](play.ipynb) puts a classifier into a web page. [Chapter 8](08_how_good.ipynb) shows which method
# gains most from more labels.
