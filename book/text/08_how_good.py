# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8 · How good is it really?
#
# Chapter 6 ended with a fine {term}`accuracy`. This chapter attacks it, as an honest opponent would: was the test
# set really new to the model? Is half of anyone's mail spam? Which mistakes cost most? Would something far
# simpler do as well? At the end you can
#
# - **find** messages that give the answer away, and **split** a table so that they cannot,
# - **compute** precision, recall and F1, and **read** two kinds of curves,
# - **choose** a threshold for a stated cost, and **check** whether probabilities mean what they say,
# - **compare** two classifiers on the same messages, and **say** when a difference is noise.

# %% [markdown]
# > **Before you start.** You need chapters 5 to 7, or their ideas: accuracy and its interval, fine-tuning, and a
# > classifier that takes texts. On two CPU cores the whole page runs in about ten minutes, most of which computes
# > frozen blocks; times on a GPU were not measured. The chapter downloads nothing that chapter 3 has not, and
# > reads the results of longer runs from a file that lies beside it.

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.evaluate import choose_device
from llmclf.teaching.provenance import provenance
from llmclf.weights import choose_backbone

backbone, device = choose_backbone(), choose_device()
print(provenance(backbone, device))

# %% [markdown]
# ## A leak
#
# Chapter 1 found messages of the test set that stand in the training set too, digits, capitals and punctuation
# aside. Advertisements go out in thousands, so this is no accident of our {term}`seed`. How much could a student
# without any understanding gain from it? Let one call spam exactly what resembles a training spam, and nothing
# else.
#
# **Predict before you run.** Half of the test messages are spam. How often will mere memory be right?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf import data
from llmclf.evaluate import wilson_interval

splits = data.prepare_sms()
train_spam = splits.train[splits.train["label"] == 1]
copies = data.find_leakage(train_spam, splits.test, ignore_details=True)
right = (splits.test.index.isin(copies.index) == splits.test["label"]).sum()
spams = (splits.test["label"] == 1).sum()
print(f"{len(copies)} of {spams} spams are copies")
print(f"memory alone: {right / len(splits.test):.1%} of the test set right")

# %% [markdown]
# Well above one half, without having learnt anything that would help with a new message. And whatever the copies
# contribute to a model's accuracy says nothing about new messages either. This is {term}`data leakage`, and the
# reference results of the earlier chapters share it: they were measured on this split.

# %% [markdown]
# ### Near copies
#
# A copy need not be exact. The same advertisement comes with another prize or another name. To find such
# {term}`near copies <near copy>`, cut each text into its runs of three words, and ask what share of the runs two
# texts have in common {cite}`broder1997`. Digits, capitals and punctuation do not count.
# This share is the *Jaccard similarity*, {py:func}`~llmclf.evaluation.near_duplicates.jaccard_similarity`:

# %% tags=["nbval-check-output"]
from llmclf.evaluation.near_duplicates import jaccard_similarity, shingles

one = shingles("You have won a free holiday, call 0800 now")
two = shingles("You have won a free phone, call 0845 now!")
print(sorted(" ".join(run) for run in one & two))
print(f"similarity {jaccard_similarity(one, two):.2f}")

# %% [markdown]
# Three runs in common, of nine that either has: a similarity of one third. From one half on, the library counts two
# texts as near copies. Near copies of near copies belong together as well, so texts fall into groups:

# %%
import pandas as pd

from llmclf.evaluation.near_duplicates import near_duplicate_groups

collection = data.read_sms(every_row=True)
messages = data.encode_labels(collection, data.SMS_LABELS)
messages["group"] = near_duplicate_groups(messages["text"])
counts = messages.groupby("label")["group"].agg(["size", "nunique"])
counts.index = ["ham", "spam"]
counts.columns = ["messages", "groups"]
counts

# %% [markdown]
# A large part of the spam goes away when every group counts once: the collection holds fewer different
# advertisements than it seems. Its largest groups show why. (Ham repeats itself as well, in ready-made answers such
# as *Sorry, I'll call later*.)

# %%
sizes = messages["group"][messages["label"] == 1].value_counts()
for group in sizes.index[:4]:
    text = messages["text"][messages["group"] == group].iloc[0]
    print(f"{sizes[group]:>3} like: {text[:62]}")

# %% [markdown]
# ### A split without the leak
#
# The remedy: deal whole groups, not messages. {py:func}`~llmclf.evaluation.near_duplicates.split_by_groups` does so,
# and sees to it that every part gets its share of spam, which is called a {term}`stratified <stratification>`
# split. We also stop throwing ham away: this is the whole collection, every message as it came (and two more than the
# provenance above counts, which chapter 1's way of reading merges into others).

# %%
from llmclf.evaluation.near_duplicates import split_by_groups

clean = split_by_groups(messages, messages["group"])
rows = {}
for name, part in clean._asdict().items():
    leaks = data.find_leakage(clean.train, part, ignore_details=True)
    rows[name] = [len(part), f"{part['label'].mean():.1%}", len(leaks)]
rows["train"][2] = ""
pd.DataFrame.from_dict(
    rows, orient="index", columns=["messages", "spam", "also in training"]
)

# %% [markdown]
# No copy is left in validation or test, and the share of spam is nearly the same everywhere. That share is the
# {term}`prevalence`; here it is the collection's own, far below one half. What yours is, only your own messages
# can tell.
#
# Two leaks remain that no split closes. The collection has been public for years, so the pretrained model may have
# read it. And SmolLM2's learning rate was chosen on messages of chapter 1, some of which now judge.

# %% [markdown]
# ## Train anew
#
# The recipe stays as in chapter 6, only the tables are new. The frozen blocks read each message once; the result
# is kept for training and for all the questions that follow.

# %%
from llmclf.feature_cache import cache_features
from llmclf.head import Classifier
from llmclf.loaders import Loaders, make_loaders
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, suggested_learning_rate, train
from llmclf.weights import load_pretrained

clean = data.shorten_if_fast(clean)
tokenizer = load_tokenizer(backbone)
model = Classifier(load_pretrained(backbone, device=device))
loaders = make_loaders(clean, tokenizer)
kept = Loaders(*cache_features(model, *loaders))

# %%
from llmclf.evaluate import collect_logits, evaluate

settings = TrainingSettings(learning_rate=suggested_learning_rate(model))
train(model, kept.train, kept.validation, settings)
fine_tuned = evaluate(model, kept.test)
print(fine_tuned)

# %% [markdown]
# A high number. But look at the prevalence: a classifier that always says *ham* is right whenever a message is
# ham. Where one {term}`class` is rare, accuracy flatters everyone. The {term}`confusion matrix` tells more:

# %%
pd.DataFrame(
    fine_tuned.confusion,
    index=["is ham", "is spam"],
    columns=["called ham", "called spam"],
)

# %% [markdown]
# Two kinds of mistakes stand off the diagonal: top right the {term}`false alarms <false alarm>`, good messages
# called spam, bottom left the misses. From this table come three numbers that speak of spam alone.
# {term}`Precision <precision>`: of all called spam, how many were? {term}`Recall <recall>`: of all spam, how much
# was found? And {term}`F1 <f1>`, their harmonic mean, which is high only when both are.

# %%
fine_tuned.by_class(["ham", "spam"]).round(3)

# %% [markdown]
# The row for spam is the one to watch. It rests on the spams of the test set alone, so it is less certain than
# the accuracy. Precision and recall are shares, each of a number of messages, so Wilson's interval of chapter 5 serves:

# %%
caught = int(fine_tuned.confusion[1, 1])
called = int(fine_tuned.confusion[:, 1].sum())
there = int(fine_tuned.confusion[1].sum())
for name, count in (("precision", called), ("recall", there)):
    low, high = wilson_interval(caught, count)
    print(f"{name:<9} {caught / count:.3f}, interval", end=" ")
    print(f"{low:.3f} to {high:.3f}")

# %% [markdown]
# Each reaches over several hundredths. F1 is no share, so we let the computer ask: what if other
# messages had been drawn? It draws the test set anew a thousand times, with repetition, and computes F1 each time.
# That is the {term}`bootstrap` {cite}`efron1979`. Near copies are drawn together, as one piece of evidence.

# %%
from llmclf.evaluation.statistics import bootstrap_interval

logits, labels = collect_logits(model, kept.test)
labels, groups = labels.numpy(), clean.test["group"].to_numpy()
answers = logits.argmax(dim=1).numpy()


def f1(labels, answers):
    found = (labels & answers).sum()  # spam that was called spam
    return 2 * found / max(1, labels.sum() + answers.sum())


low, high = bootstrap_interval(f1, labels, answers, groups=groups)
print(f"F1 {f1(labels, answers):.3f}, interval {low:.3f} to {high:.3f}")

# %% [markdown]
# ## Would something simpler do?
#
# A number is only as good as what it beats. Five opponents that need no GPT: always *ham*; a rule that looks for
# ten words, chosen on the training set; and three times {term}`TF-IDF`, which counts words (or runs of characters), weighs rare ones more, and
# draws a straight line between the classes ({term}`logistic regression`). The last of them lets both classes weigh the
# same in training, however rare one is. These three are scikit-learn's and learn in seconds {cite}`pedregosa2011`.

# %%
from llmclf.evaluation.baselines import BASELINES

texts = clean.test["text"].tolist()
said = {}
for name, make in BASELINES.items():
    simple = make().fit(clean.train["text"].tolist(), clean.train["label"])
    said[name] = simple.predict(texts)

# %% [markdown]
# The sixth opponent is the pretrained model itself, asked as in chapter 3 whether the message is spam. With what
# you know since chapter 4 that takes a few lines: its answer is a comparison of two rows of the vocabulary head,
# those of `" no"` and `" yes"`. So give a classifier exactly these two rows as its head, and train nothing. Using
# a model for a task of which it has seen no example is called {term}`zero-shot <zero-shot classification>`.

# %%
import torch

from llmclf.classify import TextClassifier
from llmclf.tokenizer import encode

pretrained = load_pretrained(backbone, device=device)
words = [encode(tokenizer, word)[0] for word in (" no", " yes")]
rows = pretrained.head.weight[words].detach().clone()  # (2, n)
asked = Classifier(pretrained)
with torch.no_grad():
    pretrained.head.weight.copy_(rows)
    pretrained.head.bias.zero_()

# %%
question = 'Message: "{}"\nIs this message spam? Answer yes or no.\nAnswer:'
asker = TextClassifier(asked, tokenizer, ["ham", "spam"], backbone)
zero_shot = asker.logits([question.format(text) for text in texts])
said["zero-shot"] = zero_shot.argmax(dim=1).numpy()
said["fine-tuned"] = answers

# %% [markdown]
# All seven have now answered the same test messages. First the mistakes, of both kinds, and the two numbers that sum
# them up, each with its interval:

# %%
rows = {}
for name, theirs in said.items():
    right = int((theirs == labels).sum())
    ends = [*wilson_interval(right, len(labels))]
    ends += bootstrap_interval(f1, labels, theirs, groups=groups)
    shares = [right / len(labels), f1(labels, theirs)]
    ranges = "{:.3f} to {:.3f}|{:.3f} to {:.3f}".format(*ends).split("|")
    kinds = [(theirs > labels).sum(), (theirs < labels).sum()]
    rows[name] = [*kinds, shares[0], ranges[0], shares[1], ranges[1]]
columns = ["false alarms", "misses", "accuracy", "interval"]
columns += ["F1", "interval of F1"]
table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
table.style.format(precision=3)

# %% [markdown]
# Read it from the top. Always saying *ham* has a fine accuracy and an F1 of zero: so much for accuracy. The
# keyword rule finds most of the spam. Zero-shot, without training, SmolLM2 is no better than always saying *ham*, at
# least when asked so plainly. And the three TF-IDF models, which know nothing of English but what stood in the training
# set, come so near to the fine-tuned one that the intervals overlap.

# %% [markdown]
# Two classifiers on the same messages can be compared better than by their two intervals. Where both are right, or
# both wrong, nothing is learnt. What counts are the messages on which they part: if the two were equally good, each would
# be the one that is right about equally often. {term}`McNemar's test <McNemar test>` {cite}`mcnemar1947` says how
# surprising the unevenness is; the number is called a {term}`p-value`. Near copies, again, are one piece of evidence,
# which falls to one side as a whole.

# %%
from llmclf.evaluation.statistics import mcnemar

for name, theirs in said.items():
    pair = mcnemar(answers == labels, theirs == labels, groups)
    if name != "fine-tuned":
        print(f"{name:<17}only ours right {pair.only_first:>3},", end=" ")
        print(f"only it {pair.only_second}, p = {pair.p_value:.2g}")

# %% [markdown]
# p says how often two equally good classifiers would part so unevenly, or more, by luck. Below one in
# twenty, one calls a difference *significant*; above, it may well be luck, and an honest report says so. Against
# TF-IDF on words the lead is significant. From the two on characters the fine-tuned model parts on a handful of
# messages only: even a test set of a thousand messages cannot tell these apart. We need more evidence.

# %% [markdown]
# ## Five times
#
# More evidence lies in the training set: its messages could judge as well, if another part were learnt from. Cut
# the collection into ten parts, groups undivided. Two parts judge, one is set aside for choices, seven teach; then the next two
# judge, and so on ({numref}`fig-folds`). After five such {term}`folds <fold>` every message has judged exactly
# once, each time a model that never saw it, nor a near copy. This is {term}`cross-validation`.
#
# :::{figure-md} fig-folds
# ![Five rows of ten boxes. In each row two boxes judge, the next one chooses, the other seven teach; from row to row they move on by two, so that every box judges once.](figures/folds.svg)
#
# Ten parts of the collection in five folds. Each part judges once, and no two parts share a near copy.
# :::

# %% [markdown]
# Five fine-tunings take their time, so their predictions lie in a file. For SmolLM2 they were made by
#
# ```sh
# python -m llmclf experiments --rows natural --folds 1 2 3 4 5 \
#   --backbone smollm2-135M --precision bfloat16
# ```
#
# and for the simple models with their names as `--backbone`. Each fold also has its own random head and its own
# order of messages. The command goes on where it was interrupted; run it yourself, and compare. In the file every
# prediction is a row, with the label of the message beside it, so that anything can be counted later:

# %%
from llmclf.evaluation.predictions import confusion_counts, read_predictions

predictions = read_predictions("predictions.parquet")
natural = predictions[predictions["experiment"] == "natural"]
confusion_counts(natural, ["backbone"])

# %% [markdown]
# Pooled over the folds, these counts give one accuracy, with its Wilson interval, and one F1 for each model:

# %%
from llmclf.evaluation.predictions import pooled

by_model = dict(iter(natural.groupby("backbone", sort=False)))
table = {name: pooled(rows) for name, rows in by_model.items()}
table = pd.DataFrame(table).T
table.style.format("{:.2%}").format("{:.3f}", subset="f1")

# %% [markdown]
# Every message of the collection has judged, so the intervals are narrow. F1 gets one too, by the bootstrap over groups:

# %%
for name, rows in by_model.items():
    columns = rows["label"], rows["predicted"]
    ends = bootstrap_interval(f1, *columns, groups=rows["group"])
    print(f"{name:<17}interval of F1 {ends[0]:.3f} to {ends[1]:.3f}")

# %% [markdown]
# How much do the folds differ among themselves? Three kinds
# of luck are in that: which messages judge, which have taught, and the random head and order. An interval of one
# test set knows only the first.

# %%
right = natural["predicted"] == natural["label"]
answered = natural.assign(right=right)
folds = answered.groupby(["backbone", "fold"], sort=False)
each = folds["right"].mean()
spread = each.groupby("backbone", sort=False).agg(["min", "max"])
spread.columns = ["worst fold", "best fold"]
spread.style.format("{:.2%}")

# %% [markdown]
# The folds of the keyword rule lie farther apart than its interval is wide: which ten words were found is luck as well,
# and the interval does not know it. The other models that learn differ little from fold to fold.
#
# That intervals overlap does not decide, for all were judged by the same messages. So to the test of pairs, on all of
# them and on ham and spam apart. The groups are in the file, too:

# %%
from llmclf.evaluation.predictions import compare

ours = by_model["smollm2-135M"]
rivals = ("tfidf-words", "tfidf-characters", "tfidf-balanced")
rows = {}
for name in rivals:
    theirs = by_model[name]
    rows[f"{name}, ham and spam"] = compare(ours, theirs)
    for label, word in enumerate(["ham", "spam"]):
        some = ours[ours["label"] == label]
        rows[f"{name}, {word}"] = compare(some, theirs)
columns = ["only SmolLM2 right", "only it right", "p"]
table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
table.style.format("{:.2g}", subset="p")

# %% [markdown]
# Against counted words the GPT wins. Against runs of characters the *number* of mistakes shows no difference, but their
# *kind* does: the GPT accuses more ham and misses less spam. That comes from the weights of the classes, for when both
# weigh the same, TF-IDF parts from the GPT about equally often to either side, on ham and on spam. How large could a
# difference still be? The lead is as uncertain as about twice the square root of the number of messages on which they part:

# %%
count = len(ours)
for name in rivals:
    first, second, _ = compare(ours, by_model[name])
    margin = 1.96 * (first + second) ** 0.5
    print(f"{name:<17}the GPT leads by {(first - second) / count:+.2%},")
    print(f"{'':<17}give or take {margin / count:.2%}")

# %% [markdown]
# So this is the honest answer for this collection, with all its labels: between a model that learns in seconds on any
# laptop and a fine-tuned GPT no difference can be shown, and if there is one, it is a few messages in a thousand.
#
# p knows the luck of which messages judge, but not the luck of training. And Raschka's reference of 95.67 % {cite:p}`raschka2024`?
# It was measured on other, balanced messages.
# Like any accuracy, ours too, it says little before something simpler has been tried on the same ones.

# %% [markdown]
# ## How many labels does it take?
#
# Labels cost work. A pretrained model brings knowledge along, a counter of words does not, so the GPT ought to
# lead where labels are few. The same command has trained both on sixteen messages, on twice as many, and so on
# up to the full training set, in three folds each. (Few messages are gone through more often, until the GPT has made
# a hundred steps.) Drawn against the number of messages, the results make a {term}`learning curve`. How many messages
# each run learnt from stands in a second file, which has one row a run.

# %%
from llmclf.evaluation.predictions import read_runs

curve = predictions[predictions["experiment"].str.startswith("natural")]
curve = curve[curve["fold"] <= 3]
runs = read_runs("runs.csv").rename(columns={"train_messages": "size"})
run = ["experiment", "backbone", "precision", "fold"]
counts = confusion_counts(curve, run).reset_index().merge(runs)
mistakes = counts["false_positives"] + counts["false_negatives"]
found = counts["spam"] - counts["false_negatives"]
counts["F1"] = 2 * found / (2 * found + mistakes)
kinds = ["mean", "min", "max"]
by_size = counts.pivot_table("F1", "size", "backbone", aggfunc=kinds)
shown = ["keywords", *rivals, "smollm2-135M"]
by_size["mean"][shown].style.format(precision=3)

# %% mystnb={"figure": {"caption": "F1 of spam against the number of labelled training messages, mean of three folds; the bands reach from the worst fold to the best.", "name": "fig-learning-curve"}, "image": {"alt": "Learning curves of five classifiers over a logarithmic axis from sixteen to some four thousand training messages. With few messages the fine-tuned SmolLM2 lies highest by far; the three TF-IDF models begin near zero and climb steadily, the balanced one first, which meets SmolLM2 at a few hundred messages; the other two come close to it with the full training set; the keyword rule rises early and then stays behind."}}
from llmclf.teaching.plots import COLORS, INK, new_figure

figure, axes = new_figure(height=3.4)
for color, marker, name in zip(COLORS, "^sDvo", shown, strict=False):
    mean, low, high = (by_size[kind][name] for kind in kinds)
    axes.fill_between(mean.index, low, high, color=color, alpha=0.2, lw=0)
    axes.plot(by_size.index, mean, color=color, marker=marker, label=name)
axes.set_xscale("log", base=2)
axes.xaxis.set_major_formatter("{x:,.0f}")
axes.set_xlabel("labelled training messages")
axes.set_ylabel("F1 of spam")
axes.legend(frameon=False, labelcolor=INK)
figure

# %% [markdown]
# At the left end of {numref}`fig-learning-curve` lies the answer to why anyone bothers with a GPT. Of sixteen
# labelled messages two are spam, and from these two the fine-tuned model has learnt to find some of the spam. TF-IDF
# has to see a word before it can count it, and finds almost none. The GPT's lead grows at first, then melts as labels
# come in, soonest against the balanced model, which does not call nearly everything ham for want of spam to learn from.
# Where does the lead end? Ask pair by pair, at every size, against this strongest opponent:

# %%
sizes = counts.groupby("experiment")["size"].first().sort_values()
for experiment, size in sizes.items():
    rows = curve[curve["experiment"] == experiment]
    of = dict(iter(rows.groupby("backbone")))
    pair = compare(of["smollm2-135M"], of["tfidf-balanced"])
    print(f"{size:>5}: only SmolLM2 right {pair.only_first:>3},", end=" ")
    print(f"only TF-IDF {pair.only_second:>2}, p = {pair.p_value:.1g}")

# %% [markdown]
# Up to a few dozen labels the GPT wins clearly, at a good hundred it is no longer certain, and from some two hundred on
# nothing can be shown. So the practical answer is: with fewer than a hundred labels take a GPT; with several hundred, try
# balanced TF-IDF first. But that counts every mistake alike. What if a good message lost costs as
# much as ten spams that slip through?

# %%
counts["cost"] = 10 * counts["false_positives"] + counts["false_negatives"]
cost_by_size = counts.pivot_table("cost", "size", "backbone", aggfunc="sum")
cost_by_size[[*rivals, "smollm2-135M"]]

# %% [markdown]
# At this price balanced TF-IDF is cheaper at nearly every size, and with the fewest labels so is a model that finds hardly any spam: it
# accuses nobody. The GPT pays for each good message that it suspects. All this holds at a threshold of one half, and nothing obliges
# anyone to that.

# %% [markdown]
# ## A threshold with a price
#
# So far a message was called spam from a {term}`probability` of one half on. Nothing demands that
# {term}`threshold`. Lower it, and more spam is found, at the price of more false alarms. A curve shows all
# thresholds at once: the {term}`ROC curve` plots the share of spam that is found against the share of ham that is
# falsely called so. The {term}`precision-recall curve` plots precision against recall, and is the stricter of the
# two where spam is rare.

# %%
from sklearn.metrics import precision_recall_curve, roc_curve

rival = BASELINES["tfidf-characters"]()
rival.fit(clean.train["text"].tolist(), clean.train["label"])
scores = {
    "fine-tuned": logits.softmax(dim=1)[:, 1].numpy(),
    "tfidf-characters": rival.predict_proba(texts)[:, 1],
}

# %% mystnb={"figure": {"caption": "ROC curves on the test set, of the upper left corner only: recall against the share of ham that is called spam.", "name": "fig-roc"}, "image": {"alt": "Two curves in the upper left corner of the ROC plane, for the fine-tuned model and for TF-IDF on characters. Both rise almost vertically to a recall above nine tenths before false alarms set in, and lie close together."}}
figure, axes = new_figure(height=3.2)
for name, color, line in zip(scores, COLORS[:2], "-:", strict=True):
    score = scores[name]
    alarms, recall, _ = roc_curve(labels, score)
    axes.plot(alarms, recall, line, color=color, label=name, lw=2)
axes.set(xlim=(-0.005, 0.2), ylim=(0.6, 1.01))
axes.set_xlabel("share of ham called spam")
axes.set_ylabel("recall")
axes.legend(frameon=False, labelcolor=INK, loc="lower right")
figure

# %% mystnb={"figure": {"caption": "Precision against recall on the test set, for every threshold.", "name": "fig-precision-recall"}, "image": {"alt": "Two curves of precision over recall, for the fine-tuned model and for TF-IDF on characters. Both stay at or near a precision of one until about nine tenths of the spam is found, and then fall steeply."}}
figure, axes = new_figure(height=3.2)
for name, color, line in zip(scores, COLORS[:2], "-:", strict=True):
    score = scores[name]
    precision, recall, _ = precision_recall_curve(labels, score)
    axes.plot(recall, precision, line, color=color, label=name, lw=2)
axes.set(xlim=(0.6, 1.01), ylim=(0.4, 1.03))
axes.set_xlabel("recall")
axes.set_ylabel("precision")
axes.legend(frameon=False, labelcolor=INK, loc="lower left")
figure

# %% [markdown]
# Both models pass {numref}`fig-roc` far up in the corner, and {numref}`fig-precision-recall` shows where the price
# begins: the last few spams are bought with many false alarms. (ROC is radar engineers' *receiver operating
# characteristic*.) The area under the ROC curve ({term}`AUC`) sums it up. It is the chance that a random spam gets a higher probability than a random ham: one is perfect, one half
# is guessing.

# %%
def auc(labels, score):
    spam, ham = score[labels == 1], score[labels == 0]
    ahead = spam[:, None] - ham  # (spam, ham): every pair
    if ahead.size == 0:  # a drawn sample may lack one class
        return float("nan")
    return ((ahead > 0).mean() + (ahead >= 0).mean()) / 2


def lead(labels, one, other):
    return auc(labels, one) - auc(labels, other)


asked_for = zero_shot.softmax(dim=1)[:, 1].numpy()
for name, score in {**scores, "zero-shot": asked_for}.items():
    low, high = bootstrap_interval(auc, labels, score, groups=groups)
    area = auc(labels, score)
    print(f"{name:<17}AUC {area:.4f}, interval {low:.4f} to {high:.4f}")
pair = labels, *scores.values()
low, high = bootstrap_interval(lead, *pair, groups=groups)
print(f"lead of the fine-tuned: between {low:+.4f} and {high:+.4f}")

# %% [markdown]
# Both trained models are near one; the plain prompt ranks no better than a coin. And in our run the lead of the fine-tuned
# model lies above zero, if barely: it orders this test set a little better than TF-IDF does, which at a threshold of one half hardly shows.
#
# Which threshold, then? That depends on what mistakes cost, and only you can say. Suppose that a good message
# lost among the spam annoys you ten times as much as a spam that slips through. Look for the threshold that would
# have cost least on the *validation* set, and then pay on the test set.
#
# **Predict before you run.** Will this threshold be above or below one half?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluation.statistics import cost_optimal_threshold

checked, checked_labels = collect_logits(model, kept.validation)
checked_spam = checked.softmax(dim=1)[:, 1].numpy()
price = {"false_positive": 10.0, "false_negative": 1.0}
chosen = cost_optimal_threshold(checked_spam, checked_labels, **price)
for threshold in (0.5, chosen):
    called = scores["fine-tuned"] >= threshold
    alarms = (called & (labels == 0)).sum()
    misses = (~called & (labels == 1)).sum()
    print(f"threshold {threshold:.3f}: {alarms} false alarms,", end=" ")
    print(f"{misses} misses, cost {10 * alarms + misses}")

# %% [markdown]
# The dearer the false alarms, the surer one wants to be before calling something spam, so the chosen threshold lies
# above one half. On the test set of our run it avoids false alarms and pays with more misses. Does it pay off? The
# difference rests on few messages, so ask the bootstrap:

# %%
def saved(labels, score):
    costs = []
    for threshold in (0.5, chosen):
        called = score >= threshold
        alarms = (called & (labels == 0)).sum()
        costs.append(10 * alarms + (~called & (labels == 1)).sum())
    return costs[0] - costs[1]


columns = labels, scores["fine-tuned"]
ends = bootstrap_interval(saved, *columns, groups=groups)
print("saved: between {:.0f} and {:.0f}".format(*ends))

# %% [markdown]
# The interval reaches from a loss to a gain: whether the chosen threshold saves anything, so few messages cannot say. Few validation
# messages lie near it, too, and among equally cheap thresholds the highest is taken. The method is sound, and wants more
# spam than we have.

# %% [markdown]
# ## Do the probabilities keep their word?
#
# The threshold was found by trying. With honest probabilities no search would be needed: call spam whatever has a
# probability for which the expected price of a false alarm is below that of a miss, at our price from ten elevenths on. Are they honest? Of all
# messages to which the model gives about nine tenths, nine in ten should be spam; agreement of this kind is called
# {term}`calibration`. Sort the test messages by their predicted probability into bins, and compare.

# %%
from llmclf.evaluation.statistics import calibration_table

calibration_table(scores["fine-tuned"], labels, bins=5).round(3)

# %% [markdown]
# Nearly all messages lie in the first and the last bin: the model is very sure of itself. The bins between hold so
# few that their intervals (`low` to `high`) span half the scale. Look at the first bin: more of it was spam than
# predicted, and the interval excludes the predicted share. Too sure, then, and leaning towards ham. The
# {term}`calibration error` is the mean of all such distances, weighted by messages.
#
# Training drives logits apart long after the answers are right, so fine-tuned models tend to be too sure.
# {term}`Temperature scaling <temperature scaling>` {cite}`guo2017` mends that with a single number: divide all
# logits by it, and choose it for the least {term}`cross-entropy` on the validation set. The order of the messages
# stays, and with it every answer.

# %%
from llmclf.evaluation.statistics import fit_temperature

temperature = fit_temperature(checked.numpy(), checked_labels.numpy())

# %%
from llmclf.evaluation.statistics import expected_calibration_error

cooled = (logits / temperature).softmax(dim=1)[:, 1].numpy()
loss = torch.nn.functional.cross_entropy
for name, divided, score in (
    ("as trained", logits, scores["fine-tuned"]),
    (f"divided by {temperature:.2f}", logits / temperature, cooled),
):
    error = expected_calibration_error(score, labels, bins=5)
    nats = loss(divided, torch.tensor(labels)).item()
    print(f"{name:<17}calibration error {error:.4f}, loss {nats:.4f}")

# %% [markdown]
# The temperature is above one: the model was too sure. Dividing by it lowers the loss on the *test* set too, although
# not a single answer has changed. Is that more than luck? Each message has a loss before and after, so draw the
# differences anew:

# %%
import numpy as np

kinds = {"as trained": logits, "cooled": logits / temperature}
losses = {
    name: loss(divided, torch.tensor(labels), reduction="none").numpy()
    for name, divided in kinds.items()
}
gain = losses["as trained"] - losses["cooled"]
low, high = bootstrap_interval(np.mean, gain, groups=groups)
print(f"loss lower by {gain.mean():.4f}, between {low:.4f} and {high:.4f}")

# %% mystnb={"figure": {"caption": "Predicted probability and observed share of spam in five bins of the test set, before and after temperature scaling; the bars are 95 % intervals. On the dotted line the probabilities would be honest.", "name": "fig-calibration"}, "image": {"alt": "Shares of spam over predicted probabilities, both from zero to one, with a dotted diagonal. Two pairs of points with short bars lie in the lower left and the upper right corner; the points between have bars that span half the height and more, before and after scaling alike."}}
figure, axes = new_figure(height=3.4)
pairs = zip(kinds.items(), COLORS, "os", (0, 0.02), strict=False)
for (name, divided), color, marker, aside in pairs:
    score = divided.softmax(dim=1)[:, 1].numpy()
    part = calibration_table(score, labels, bins=5)
    place = part["predicted"] + aside  # so that bars stand side by side
    axes.vlines(place, part["low"], part["high"], color=color)
    axes.plot(place, part["observed"], marker, color=color, label=name)
axes.plot([0, 1], [0, 1], ":", color=INK)
axes.set(xlabel="predicted probability", ylabel="share of spam")
axes.legend(frameon=False, labelcolor=INK)
figure

# %% [markdown]
# In our run the loss falls, but the interval ends next to zero, so luck might explain it; and the calibration error hardly moves: so few messages lie between
# the corners of {numref}`fig-calibration` that there is little to mend. Scaling costs one number and no training, so try it where you use the
# probabilities.
#
# ## Keep the decision
#
# A threshold is worth nothing if the next person who loads the classifier forgets it. The library keeps threshold and
# temperature with the classifier, as its *decision*. The function `tune` finds both on the validation set, as you have
# just done by hand. It fits the temperature first, so its threshold belongs to the cooled probabilities:

# %%
from pathlib import Path

from llmclf.classify import TextClassifier
from llmclf.evaluation.tuning import tune

decision = tune(checked, checked_labels.tolist(), **price)
print(f"temperature {decision.temperature:.3f}", end=", ")
print(f"threshold {decision.threshold:.3f}")
classifier = TextClassifier(
    model, tokenizer, ["ham", "spam"], backbone, decision=decision
)
folder = Path("output", "fast" if data.is_fast() else "full", "decided")
classifier.save(folder)

# %% tags=["nbval-check-output"]
again = TextClassifier.load(folder)
print("the decision was kept:", again.decision == decision)

# %% [markdown]
# From now on `predict`, the command line, the demo and the scoring of files all decide like this. In a terminal
# `llmclf tune FOLDER validation.csv --cost-false-positive 10` does the same to a saved classifier and prints what it
# changes, and `--abstain-below 0.9` lets it answer "unsure" where it is not sure enough.
#
# No decision can mend single messages, and some of them are badly wrong. Here they are.

# %% [markdown]
# ## Read the worst
#
# No number replaces reading. Here is every message of the test set on which the fine-tuned model is wrong, the most
# expensive first, with the probability of spam and what the collection says. (Some are crude.)

# %%
import textwrap

for row in losses["as trained"].argsort()[::-1]:
    if answers[row] != labels[row]:
        truth = ("ham", "spam")[labels[row]]
        print(f"{scores['fine-tuned'][row]:6.1%} {truth}")
        print(textwrap.indent(textwrap.fill(texts[row], 66), "       "))

# %% [markdown]
# One by one: the first message asks for a chat, the next two are jokes. Nobody would take these for advertising;
# presumably they came from services that charge for each, and no reading of the text could tell. A request for testers with
# address and date of birth, an offer of pictures, a secret admirer: these are real failures, offers in plain words.

# %% [markdown]
# The dartboard is a sale of a private kind, and the lines about networks answer a complaint. Of the two accused
# hams one invites to a web page, the other is a greeting that a free service passed on. Part of what counts
# as an error here is a question of what one calls spam.

# %% [markdown]
# ## Rough weather
#
# Spammers adapt, and decent people type badly. What happens when the same messages come in capitals, with typing
# errors, or in *leetspeak*, where digits stand for letters? We take the spams of the test set and as many hams,
# change the texts, and count again. A classifier that is {term}`robust <robustness>` would not care.

# %%
import random


def typos(text, chance=0.3):
    words = []
    generator = random.Random(text)  # the same text gets the same errors
    for word in text.split(" "):
        if len(word) > 3 and generator.random() < chance:
            place = generator.randrange(len(word) - 1)
            pair = word[place : place + 2][::-1]
            word = word[:place] + pair + word[place + 2 :]
        words.append(word)
    return " ".join(words)


print(typos("You have won a guaranteed prize, call now"))

# %%
def dotted(text):
    words = text.split(" ")
    return " ".join(".".join(w) if len(w) > 3 else w for w in words)


def leet(text):
    return text.translate(str.maketrans("aeiost", "431057"))


changes = {"as they are": str, "CAPITALS": str.upper}
changes |= {"small letters": str.lower, "typos": typos}
changes |= {"l33t5p34k": leet, "d.o.t.s": dotted}

# %%
number = int(labels.sum())
sample = clean.test.groupby("label").sample(number, random_state=data.SEED)
reader = TextClassifier(model, tokenizer, ["ham", "spam"], backbone)
is_spam = sample["label"].to_numpy() == 1
calls = {"ours": {}, "TF-IDF": {}}
for name, change in changes.items():
    changed = [change(text) for text in sample["text"]]
    calls["ours"][name] = reader.logits(changed).argmax(dim=1).numpy() == 1
    calls["TF-IDF"][name] = rival.predict(changed) == 1

# %% [markdown]
# Each spam was read twice, as it is and changed. So compare a model with itself: how many spams were found only before the
# change, how many only after it? That is a test of pairs again.

# %%
together = sample["group"].to_numpy()[is_spam]
rows = {}
for who, named in calls.items():
    before = named["as they are"][is_spam]
    for name, called in named.items():
        after, alarms = called[is_spam], int(called[~is_spam].sum())
        ends = wilson_interval(int(after.sum()), number)
        pair = mcnemar(before, after, together)
        spread = "{:.0%} to {:.0%}".format(*ends)
        rows[f"{who}, {name}"] = [after.mean(), spread, *pair, alarms]
columns = ["recall", "interval", "lost", "won", "p", "false alarms"]
table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
table.style.format({"recall": "{:.0%}", "p": "{:.1g}"})

# %% [markdown]
# Capitals, small letters and typing errors cost a few spams, not more than luck may explain. In leetspeak, of which
# only small letters are part here, our model misses more, TF-IDF does not; but both now accuse ham, presumably
# because digits are a mark of spam. With dots between the letters most of the spam gets past ours, and nearly all of
# it past TF-IDF. One cheap trick all but blinds the filter.

# %% [markdown]
# ### Another world
#
# Most of the collection is older than smartphones; its spam knows ringtones, not apps. What becomes of messages that it cannot know? These six are
# made up for this page, three that you would want and three that you would not.

# %%
unseen = {
    "Your parcel is held. Pay the fee at post-track.example/id": "spam",
    "Mum, my phone broke, here is my new number. Send money?": "spam",
    "Our AI trading bot doubled 0.4 BTC in a week. Join now": "spam",
    "Your verification code is 482913. Never share it.": "ham",
    "Reminder: dentist on Tuesday 9:30. Reply C to cancel.": "ham",
    "The build is green, shall we deploy after lunch?": "ham",
}
ours = reader.predict_proba(list(unseen))[:, 1]
theirs = rival.predict_proba(list(unseen))[:, 1]
for text, one, other in zip(unseen, ours, theirs, strict=True):
    chances = f"ours {one:4.0%}  TF-IDF {other:4.0%}"
    print(f"{unseen[text]:<5}{chances}  {text[:40]}")

# %% [markdown]
# With SmolLM2 two of the three modern frauds pass: the parcel raises some doubt, the plea for money none at all. Ours
# catches the third, and is just as sure that a harmless verification code is spam, presumably because numbers of many
# digits were a mark of it once. TF-IDF suspects nothing. Six made-up messages prove no rate. But they show what a fine result on
# yesterday's messages does not promise.

# %% [markdown]
# ## What it must not be used for
#
# Everything above was measured on one collection: English, partly Singaporean, of one decade. So do not use this
# classifier to delete messages unseen, to judge people by what they write, for other languages, or as the only
# guard against fraud. One made in the same way from recent messages of your own may sort them, with a threshold
# chosen on them, and a person who can look. The [model card](model_card.md) says more.

# %% [markdown]
# ## Exercises
#
# **1. Another prevalence.** A classifier finds the share `recall` of all spam and falsely calls the share
# `alarms` of all ham spam. Write `precision_at(recall, alarms, prevalence)`: the precision where spam makes up the share
# `prevalence` of all messages. Where nothing would be called spam, return 0.

# %% tags=["exercise", "nbval-check-output"]
from llmclf.teaching.exercises import check


def precision_at(recall, alarms, prevalence):
    ...  # your code


check(precision_at)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def precision_at(recall, alarms, prevalence):
    found = recall * prevalence
    called = found + alarms * (1 - prevalence)
    return found / called if called else 0.0


check(precision_at)

# %% [markdown]
# Try it on numbers that were measured. Chapter 10's row `last-token` learnt from balanced messages and was judged by
# balanced ones. What would its recall and its false alarms give where spam is as rare as here, or rarer?

# %%
rows = predictions[predictions["experiment"] == "last-token"]
rows = rows[rows["precision"] == "bfloat16"]
tests = {"balanced": rows, "natural": by_model["smollm2-135M"]}
shares = {}
for name, some in tests.items():
    called = (some["predicted"] == 1).groupby(some["label"]).mean()
    shares[name] = {"recall": called[1], "alarms": called[0]}
for prevalence in (0.5, messages["label"].mean(), 0.01):
    precision = precision_at(**shares["balanced"], prevalence=prevalence)
    print(f"prevalence {prevalence:.1%}: precision {precision:.1%}")
print("share of ham accused:", end=" ")
alarms = {name: share["alarms"] for name, share in shares.items()}
print(f"{alarms['balanced']:.2%} after balanced training,", end=" ")
print(f"{alarms['natural']:.2%} after natural")

# %% [markdown]
# The same classifier, the same recall, and a precision that falls with the prevalence: what was measured on balanced data
# promises too much for the world. And one that has learnt from messages as they come accuses less ham from the start.
# (The two were measured on different tables, so take the ratio as a rough one.)

# %% [markdown]
# **2. What it costs.** Write `cost(probabilities, labels, threshold, false_positive, false_negative)`: the summed price of all
# mistakes when a message counts as spam from `threshold` on. `probabilities` and `labels` (0 or 1) are lists of
# the same length.

# %% tags=["exercise", "nbval-check-output"]
def cost(probabilities, labels, threshold, false_positive, false_negative):
    ...  # your code


check(cost)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def cost(probabilities, labels, threshold, false_positive, false_negative):
    total = 0
    for probability, label in zip(probabilities, labels, strict=True):
        called = probability >= threshold
        total += false_positive if called and not label else 0
        total += false_negative if label and not called else 0
    return total


check(cost)

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why may near copies of a training message not stand in the test set?</summary>
#
# The model may remember them. Then the test measures memory, and says too much good about messages that are
# really new.
#
# </details>
#
# <details><summary>2. Two thirds of all mail is ham. A classifier has an accuracy of two thirds, and an F1 of spam of
# zero. What does it do?</summary>
#
# It always answers ham. It is right on all ham and finds no spam at all.
#
# </details>
#
# <details><summary>3. Two classifiers differ on eight messages; one is right five times, the other three times. Who is
# better?</summary>
#
# Nobody knows. Two equally good classifiers part five to three, or more unevenly, most of the time.
#
# </details>

# %% [markdown]
# <details><summary>4. Why is the threshold not chosen on the test set?</summary>
#
# It would fit the accidents of these messages, and the cost measured there would be too low. The test set must
# stay free of all choices.
#
# </details>
#
# <details><summary>5. What does temperature scaling change, and what does it leave?</summary>
#
# It changes how sure the answers are. The order of the probabilities stays, and with it every label at a
# threshold of one half.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A test set can leak, and you closed the leak by dealing whole groups. Where spam is rare, accuracy flatters, and
# precision, recall and F1 speak of what matters. You compared seven classifiers on the same messages, saw what one test
# set cannot decide, and let five folds decide it. You chose a threshold for a price, checked what
# probabilities promise, read the worst mistakes, and saw where the model must not be trusted.
#
# **Next:** which of the recipe's choices matter? [Chapter 10](10_experiments.ipynb) changes them one by one.
