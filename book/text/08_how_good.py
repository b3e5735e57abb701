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
# - **compute** precision, recall and F1, and **put** an interval around any of them,
# - **compare** two classifiers on the same messages, and **say** when the evidence is too thin,
# - **choose** a threshold for a stated cost, and **check** whether probabilities mean what they say.

# %% [markdown]
# > **Before you start.** You need chapters 5 to 7, or their ideas: accuracy and its interval, fine-tuning, and a
# > classifier that takes texts. On two CPU cores the page runs in about three minutes; times on a GPU were not
# > measured. It downloads nothing that chapter 3 has not. Longer runs lie in a file beside the page.

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
# Chapter 1 found messages of the test set that also stand in the training set, digits, capitals and punctuation
# aside. Advertisements go out in thousands, so this is no accident of our {term}`seed`. How much could a student
# without any understanding gain from it? Let one call spam exactly what resembles a training spam, and nothing
# else.
#
# **Predict before you run.** Half of the test messages are spam. How often will mere memory be right?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf import data

splits = data.prepare_sms()
train_spam = splits.train[splits.train["label"] == 1]
copies = data.find_leakage(train_spam, splits.test, ignore_details=True)
right = (splits.test.index.isin(copies.index) == splits.test["label"]).sum()
spams = (splits.test["label"] == 1).sum()
print(f"{len(copies)} of {spams} spams are copies")
print(f"memory alone: {right / len(splits.test):.1%} of the test set right")

# %% [markdown]
# Memory is right well above half of the time, without having learnt anything that would help with a new message. This is
# {term}`data leakage`. The reference results of the earlier chapters share it: they were measured on this split.
#
# ### Near copies
#
# A copy need not be exact. The same advertisement comes with another prize or another name. To find such
# {term}`near copies <near copy>`, cut each text into its runs of three words, and compute the share of runs that two
# texts have in common {cite}`broder1997`. Digits, capitals and punctuation do not count.
# This share is the *Jaccard similarity*, {py:func}`~llmclf.evaluation.near_duplicates.jaccard_similarity`:

# %% tags=["nbval-check-output"]
from llmclf.evaluation.near_duplicates import jaccard_similarity, shingles

one = shingles("You have won a free holiday, call 0800 now")
two = shingles("You have won a free phone, call 0845 now!")
print(sorted(" ".join(run) for run in one & two))
print(f"similarity {jaccard_similarity(one, two):.2f}")

# %% [markdown]
# The two texts share three of nine runs: a similarity of one third. From one half on, the library counts two
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
# The collection holds far fewer different advertisements than spams. Ham repeats itself too, with ready-made answers such
# as *Sorry, I'll call later*, but less.
#
# ### A split without the leak
#
# The remedy is to deal whole groups, not messages. {py:func}`~llmclf.evaluation.near_duplicates.split_by_groups` does so,
# and gives every part its share of spam, which is called a {term}`stratified <stratification>`
# split. We also stop throwing ham away. This is the whole collection, with every line of the file (the provenance above counts
# two fewer: the first chapter's way of reading merges lines).

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
# No copy is left in validation or test, and every part has the collection's own share of spam, its {term}`prevalence`.
# What yours is, only your own messages can tell.
#
# Two leaks remain that no split closes. The collection has been public for years, so the pretrained model may have
# read it. And SmolLM2's learning rate was chosen on messages of chapter 1, some of which now judge.
#
# :::{admonition} Too good, so look
# :class: tip
# Before you trust a high number, ask what else could give it. A classifier of e-mails can be nearly perfect by reading headers: *List-Id* or the
# name of the server that collected the spam. It would have learnt how the collection was made, and would fail in your mailbox.
# Train a simple model on everything that the text is *not* (headers, file names, dates, lengths). If it does well, your classifier may be using the same
# hints.
# :::

# %% [markdown]
# ## Train anew
#
# The recipe is that of chapter 6, only the tables are new.

# %%
from llmclf.evaluate import evaluate
from llmclf.finetune import finetune

clean = data.shorten_if_fast(clean)
names = ["ham", "spam"]
tuned = finetune(clean, names, backbone, device=str(device), quiet=True)
model, loaders = tuned.classifier.model, tuned.loaders
fine_tuned = evaluate(model, loaders.test)
print(fine_tuned)

# %% [markdown]
# A high number. But a classifier that always says *ham* is right whenever a message is
# ham, and most are. Where one {term}`class` is rare, accuracy flatters everyone. The {term}`confusion matrix` tells more:

# %%
pd.DataFrame(
    fine_tuned.confusion,
    index=["is ham", "is spam"],
    columns=["called ham", "called spam"],
)

# %% [markdown]
# Two kinds of mistakes stand off the diagonal: top right the {term}`false alarms <false alarm>`, good messages
# called spam; bottom left the misses. Three numbers speak of spam alone.
# {term}`Precision <precision>`: of all messages called spam, how many were? {term}`Recall <recall>`: of all spam, how much
# was found? {term}`F1 <f1>` is their harmonic mean, which is high only when both are.

# %%
fine_tuned.by_class(names).round(3)

# %% [markdown]
# ### What if other messages had been drawn?
#
# These numbers rest on the few spams of the test set. Precision and recall are shares, so Wilson's interval of chapter 5 fits them.
# F1 is no share. For any number there is a way that only needs a computer: draw the test set anew, with repetition, compute the number, and
# repeat {cite}`efron1979`. This is the {term}`bootstrap`. Near copies are one piece of evidence, so whole groups are drawn. Here it is by hand:

# %%
import numpy as np

from llmclf.evaluate import collect_logits

logits, labels = collect_logits(model, loaders.test)
labels, groups = labels.numpy(), clean.test["group"].to_numpy()
answers = logits.argmax(dim=1).numpy()


def f1(labels, answers):
    found = (labels & answers).sum()  # spam that was called spam
    return 2 * found / max(1, labels.sum() + answers.sum())


# %%
generator = np.random.default_rng(123)
rows_of = list(clean.test.reset_index().groupby("group").indices.values())
drawn_f1 = []
for _ in range(1000):
    drawn = generator.integers(len(rows_of), size=len(rows_of))
    some = np.concatenate([rows_of[group] for group in drawn])
    drawn_f1.append(f1(labels[some], answers[some]))
low, high = np.quantile(drawn_f1, [0.025, 0.975])
print(f"F1 {f1(labels, answers):.3f}, by hand {low:.3f} to {high:.3f}")

# %% [markdown]
# The library's function does the same, with a correction for numbers near their limit (*BCa*):

# %%
from llmclf.evaluation.statistics import bootstrap_interval

low, high = bootstrap_interval(f1, labels, answers, groups=groups)
print(f"with the correction {low:.3f} to {high:.3f}")

# %% [markdown]
# ## Would something simpler do?
#
# A number is only as good as what it beats. Four opponents need no GPT: always *ham*; a rule that looks for
# ten words, chosen on the training set; and twice {term}`TF-IDF`, which counts words or runs of characters, weighs rare ones more, and
# draws a straight line between the classes ({term}`logistic regression`) {cite}`pedregosa2011`. Both TF-IDF models let the classes weigh the
# same in training, and choose their {term}`regularisation` by {term}`cross-validation` on the training set.

# %%
from llmclf.evaluation.baselines import BASELINES, choose_strength

texts = clean.test["text"].tolist()
learnt = clean.train["text"].tolist(), clean.train["label"]
said, fitted = {}, {}
for name, make in BASELINES.items():
    if name.startswith("tfidf"):
        groups_learnt = clean.train["group"]
        fitted[name] = choose_strength(make(), *learnt, groups_learnt)
        print(name, fitted[name].best_params_)
    else:
        fitted[name] = make().fit(*learnt)
    said[name] = fitted[name].predict(texts)

# %% [markdown]
# The fifth opponent is the pretrained model itself, asked as in chapter 3 whether the message is spam. Its answer compares two rows of the vocabulary head,
# those of `" no"` and `" yes"`. So give a classifier exactly these two rows as its head, and train nothing. Using
# a model for a task of which it has seen no example is called {term}`zero-shot <zero-shot classification>`.

# %%
import torch

from llmclf.classify import TextClassifier
from llmclf.head import Classifier
from llmclf.tokenizer import encode
from llmclf.weights import load_pretrained

tokenizer = tuned.classifier.tokenizer
pretrained = load_pretrained(backbone, device=device)
words = [encode(tokenizer, word)[0] for word in (" no", " yes")]
rows = pretrained.head.weight[words].detach().clone()  # (2, n)
asked = Classifier(pretrained)
with torch.no_grad():
    pretrained.head.weight.copy_(rows)
    pretrained.head.bias.zero_()
question = 'Message: "{}"\nIs this message spam? Answer yes or no.\nAnswer:'
asker = TextClassifier(asked, tokenizer, names, backbone)
zero_shot = asker.logits([question.format(text) for text in texts])
said["zero-shot"] = zero_shot.argmax(dim=1).numpy()
said["fine-tuned"] = answers

# %%
from llmclf.evaluation.statistics import grouped_interval

rows = {}
for name, theirs in said.items():
    right = theirs == labels
    low, high = grouped_interval(right, groups)
    kinds = [(theirs > labels).sum(), (theirs < labels).sum()]
    spread = f"{low:.1%} to {high:.1%}"
    rows[name] = [*kinds, right.mean(), spread, f1(labels, theirs)]
columns = ["false alarms", "misses", "accuracy", "interval", "F1"]
table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
table.style.format({"accuracy": "{:.1%}", "F1": "{:.3f}"})

# %% [markdown]
# Always saying *ham* has a fine accuracy and an F1 of zero: so much for accuracy. The
# keyword rule finds most of the spam. Zero-shot, SmolLM2 does no better than always saying *ham*, at
# least when asked so plainly and cut at one half. The TF-IDF models know nothing of English but what stood in the training
# set, and come near the fine-tuned one. (The interval is Wilson's, for as many messages as the groups are worth.)
#
# ### Two classifiers on the same messages
#
# Intervals of two classifiers say little about their difference, for both were judged by the same messages. Messages on which both are right, or
# both wrong, tell nothing. Look only at those on which one is right and the other wrong. If the two were equally good, each side would
# get about half of them, like tosses of a coin. {term}`McNemar's test <McNemar test>` {cite}`mcnemar1947` asks how often luck would split them at least so unevenly; the
# answer is a {term}`p-value`. By hand:

# %%
from math import comb

ours, theirs = answers == labels, said["tfidf-characters"] == labels
first, second = (ours & ~theirs).sum(), (~ours & theirs).sum()
total, most = first + second, max(first, second)
tail = sum(comb(total, k) for k in range(most, total + 1)) / 2**total
print(f"only ours right {first}, only TF-IDF {second}", end=": ")
print(f"p = {min(1, 2 * tail):.2f}")

# %% [markdown]
# The library's function also lets near copies count as one. It says on how many groups of messages the two disagree. On fewer than six, even the most uneven outcome would
# pass for luck, so there the honest words are *too few to tell*.

# %%
from llmclf.evaluation.statistics import mcnemar

for name, theirs in said.items():
    pair = mcnemar(answers == labels, theirs == labels, groups)
    if name != "fine-tuned":
        first, second, p_value, groups_apart = pair
        verdict = f"p = {p_value:.2g}"
        verdict = "too few to tell" if pair.too_few else verdict
        print(f"{name:<17}{first:>3} : {second:<3}", end="")
        print(f"on {groups_apart:>3} groups, {verdict}")

# %% [markdown]
# One calls a difference *significant* when p is below one in twenty. A test set of a thousand messages settles the easy cases. For close ones we need more evidence.

# %% [markdown]
# ## Five times, and everybody alike
#
# More evidence lies in the training set: its messages could judge as well, if another part were learnt from. Cut
# the collection into ten parts, groups undivided. Two parts judge, one validates, seven teach; then the next two
# judge, and so on ({numref}`fig-folds`). After five such {term}`folds <fold>` every message has judged exactly
# once, each time a model that never saw it, nor a near copy. This is {term}`cross-validation`.
#
# :::{figure-md} fig-folds
# ![Five rows of ten boxes. In each row two boxes judge, the next one chooses, the other seven teach; from row to row they move on by two, so that every box judges once.](figures/folds.svg)
#
# Ten parts of the collection in five folds. Each part judges once, and no two parts share a near copy.
# :::

# %% [markdown]
# A fair comparison gives everybody the same chances: the same messages, the same class weights, settings chosen on training messages only. Two more opponents join. The
# {term}`probe` of chapter 6 fits a regression to frozen features of SmolLM2. A {term}`sentence encoder`, all-MiniLM-L6-v2 {cite:p}`reimers2019`, is what people usually take when labels are few: a small model that gives
# sentences of like meaning like vectors, again with a regression. And SmolLM2 is fine-tuned in three ways: as in chapter 6, reading the mean over the tokens, and with two blocks that learn. All were run by
#
# ```sh
# python -m llmclf experiments --task spam --draws 1 2 3 4 5 \
#   --backbone smollm2-135M --precision bfloat16
# ```
#
# The command keeps every prediction, a row each, and goes on where it was interrupted. First the measures that need no threshold. {term}`AUC` is the chance that a random spam gets a higher
# probability than a random ham: one is perfect, one half is guessing. {term}`Average precision <average precision>` is the mean precision over all thresholds. *Log loss* is the {term}`cross-entropy` of chapter 5, here
# after the training weights of the classes.

# %%
from llmclf.evaluation.predictions import read_predictions, read_runs

runs = read_runs("runs.csv").query("task == 'spam'")
predictions = read_predictions("predictions.parquet", part=None)
predictions = predictions[predictions["task"] == "spam"]
whole = predictions.query("labels == 0 and part == 'test'")
order = ["majority", "keywords", "tfidf-words", "tfidf-characters"]
order += ["sentence-encoder", "probe", "last-token", "mean", "two-blocks"]
by_name = dict(iter(whole.groupby("experiment")))
order = [name for name in order if name in by_name]

# %%
from sklearn import metrics

table = {}
for name in order:
    given = by_name[name]["label"], by_name[name]["probability_1"]
    table[name] = {
        "AUC": metrics.roc_auc_score(*given),
        "average precision": metrics.average_precision_score(*given),
        "log loss": metrics.log_loss(*given),
    }
pd.DataFrame(table).T.style.format("{:.4f}")

# %% [markdown]
# Then one threshold rule for everybody: the threshold with the fewest mistakes on the fold's validation part.

# %%
from llmclf.evaluation.predictions import (
    confusion_counts,
    decide_alike,
    pooled,
)

decided = decide_alike(predictions, runs)
final = decided.query("labels == 0 and part == 'test'")
counts = confusion_counts(final, ["experiment"]).loc[order]
alarms, misses = counts["false_positives"], counts["false_negatives"]
rows = {}
for name in order:
    found = pooled(final[final["experiment"] == name])
    spread = f"{found['low']:.2%} to {found['high']:.2%}"
    rows[name] = [alarms[name] + misses[name], alarms[name], misses[name]]
    rows[name] += [f"{found['accuracy']:.2%}", spread, f"{found['f1']:.3f}"]
columns = ["mistakes", "false alarms", "misses", "right", "interval", "F1"]
pd.DataFrame.from_dict(rows, orient="index", columns=columns)

# %% [markdown]
# Which differences count? We wrote the questions down before these runs were made
# ({py:mod}`llmclf.evaluation.questions`). With many questions, luck answers some: Holm's rule {cite:p}`holm1979`, which chapter 10 explains, allows for that. Whatever else you read
# from the tables was looked at afterwards.

# %%
from llmclf.evaluation.questions import SPAM, answer

table = answer(SPAM, decided)
table.style.format({"p": "{:.2g}"}, na_rep="")

# %% [markdown]
# This is the honest answer for this collection, with all its labels: between counted characters, which learn in seconds, and a fine-tuned GPT no
# difference in the number of mistakes can be shown. Both make fewer than counted words, the sentence encoder and the probe. The GPT has the higher AUC: it *orders* the messages a little better, which helps where one
# can choose another threshold. Counted characters have the lower log loss: their probabilities fit better. (Both were looked at afterwards.) (SmolLM2 means the file of chapter 3, whose weights were rounded to a few bits each; the unrounded model was not run.)
#
# p knows the luck of which messages judge. The luck of training, another random head and another order, it knows only as far as five folds show it.
# And Raschka's reference of 95.67 % {cite:p}`raschka2024`? It was measured on other, balanced messages, and like any accuracy it says
# little before something simpler has been tried on the same ones.

# %% [markdown]
# ## How many labels does it take?
#
# Labels cost work. The same command has trained on sixteen messages, on twice as many, and so on. Each size was drawn ten times for what is cheap, five times for fine-tuning.
# (A few messages are gone through more often, until the GPT has made a hundred steps.) Where labels are few there is no validation set, so one other rule holds for everybody: call as large a share
# spam as of the training messages. The result is a {term}`learning curve`.

# %%
from llmclf.evaluation.predictions import error_rates

errors = error_rates(decided, runs)
drawn = ["tfidf-words", "tfidf-characters", "sentence-encoder"]
drawn += ["probe", "last-token"]
means = errors.groupby(["labels", "experiment"]).mean().unstack()[drawn]
means.style.format("{:.1%}")

# %% mystnb={"figure": {"caption": "Wrong answers against the number of labelled messages, mean over the draws; each band reaches from the best draw to the worst. Both axes are logarithmic.", "name": "fig-learning-curve"}, "image": {"alt": "Five falling lines over a logarithmic axis from sixteen to some four thousand labels. The probe lies lowest up to a few hundred labels; counted words highest everywhere. Counted characters and the fine-tuned model start high, counted characters fall faster, and at the right end the two meet below all others."}}
from llmclf.teaching.plots import plot_learning_curve

plot_learning_curve(errors, {name: name for name in drawn})

# %% [markdown]
# At the left end of {numref}`fig-learning-curve` the *frozen* features win, by far: from sixteen labels the probe makes about half as many mistakes as
# anything else. Fine-tuning has too little to learn from there. It is about as good as the sentence encoder, and from some dozens of labels up to a thousand counted characters make fewer
# mistakes than it does. With all labels the two meet, below everything else.
#
# So the practical answer for a task of this kind: with some dozens or hundreds of labels, fit a probe. With thousands, try counted characters first. At no size was the fine-tuned GPT clearly the best choice here, which says much
# about spam: single words give it away. The next chapter takes a task where they do not.

# %% [markdown]
# ## A threshold with a price
#
# So far a message was called spam from a {term}`probability` of one half on, or from the threshold with the fewest mistakes. Nothing demands that. Lower the
# {term}`threshold`, and more spam is found, at the price of more false alarms. The {term}`precision-recall curve` shows all
# thresholds at once. (The {term}`ROC curve` plots recall against the share of ham that is falsely accused; its area is the AUC. Where spam is rare, precision shows more clearly what
# false alarms do to the person who reads the spam folder.)

# %%
from sklearn.metrics import precision_recall_curve

scores = {
    "fine-tuned": logits.softmax(dim=1)[:, 1].numpy(),
    "TF-IDF": fitted["tfidf-characters"].predict_proba(texts)[:, 1],
}

# %% mystnb={"figure": {"caption": "Precision against recall on the test set, for every threshold.", "name": "fig-precision-recall"}, "image": {"alt": "Two curves of precision over recall, for the fine-tuned model and for TF-IDF on characters. Both stay at or near a precision of one until about nine tenths of the spam is found, and then fall steeply."}}
from llmclf.teaching.plots import COLORS, INK, new_figure

figure, axes = new_figure(height=3.2)
for name, color, line in zip(scores, COLORS[:2], "-:", strict=True):
    precision, recall, _ = precision_recall_curve(labels, scores[name])
    axes.plot(recall, precision, line, color=color, label=name, lw=2)
axes.set(xlim=(0.6, 1.01), ylim=(0.4, 1.03))
axes.set_xlabel("recall")
axes.set_ylabel("precision")
axes.legend(frameon=False, labelcolor=INK, loc="lower left")
figure

# %% [markdown]
# {numref}`fig-precision-recall` shows where the price begins: the last few spams cost many false alarms. Which threshold, then? Suppose that a good message
# lost among the spam annoys you ten times as much as a spam that slips through. Look for the threshold that would
# have cost least on the *validation* set, and then pay on the test set.

# %%
checked, checked_labels = collect_logits(model, loaders.validation)
checked_spam = checked.softmax(dim=1)[:, 1].numpy()
price = {"false_positive": 10.0, "false_negative": 1.0}

# %% [markdown]
# **Predict before you run.** Will this threshold be above or below one half?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluation.statistics import cost_optimal_threshold

chosen = cost_optimal_threshold(checked_spam, checked_labels, **price)


def cost_of(labels, score, at):
    called = score >= at
    alarms = (called & (labels == 0)).sum()
    return 10 * alarms + (~called & (labels == 1)).sum()


def saved(*columns):
    return cost_of(*columns, 0.5) - cost_of(*columns, chosen)


columns = labels, scores["fine-tuned"]
for threshold in (0.5, chosen):
    cost = cost_of(*columns, threshold)
    print(f"threshold {threshold:.3f}: cost {cost}")
ends = bootstrap_interval(saved, *columns, groups=groups)
print("saved: between {:.0f} and {:.0f}".format(*ends))

# %% [markdown]
# The dearer the false alarms, the surer one wants to be before calling something spam, so the chosen threshold lies
# above one half. But the interval reaches from a loss to a gain: so few test messages cannot say whether it saves anything here. The method is sound, and wants more
# spam than we have.

# %% [markdown]
# ## Do the probabilities keep their word?
#
# With honest probabilities no search would be needed: call spam whatever has a
# probability for which the expected price of a false alarm is below that of a miss, at our price from ten elevenths on. Are they honest? Of all
# messages to which the model gives about nine tenths, nine in ten should be spam. Agreement of this kind is called
# {term}`calibration`. Sort the test messages by their predicted probability into bins, and compare.

# %%
from llmclf.evaluation.statistics import calibration_table

calibration_table(scores["fine-tuned"], labels, bins=5).round(3)

# %% [markdown]
# Nearly all messages lie in the first and the last bin: the model is very sure of itself. The bins between hold so
# few that their intervals (`low` to `high`) span half the scale. The mean distance of predicted and observed share, weighted by messages, is called the {term}`calibration error`. Training drives logits apart long after the answers are right, so fine-tuned models tend to be too sure.
# {term}`Temperature scaling <temperature scaling>` {cite}`guo2017` mends that with a single number: divide all
# logits by it, and choose it for the least cross-entropy on the validation set. The order of the messages
# stays, and with it every answer.

# %%
from llmclf.evaluation.statistics import (
    expected_calibration_error,
    fit_temperature,
)

temperature = fit_temperature(checked.numpy(), checked_labels.numpy())
loss = torch.nn.functional.cross_entropy
before, after = (
    loss(divided, torch.tensor(labels), reduction="none").numpy()
    for divided in (logits, logits / temperature)
)
gain = before - after
low, high = bootstrap_interval(np.mean, gain, groups=groups)
error = expected_calibration_error(scores["fine-tuned"], labels, bins=5)
print(f"calibration error {error:.4f}, temperature {temperature:.2f}")
print(f"loss lower by {gain.mean():.4f} ({low:.4f} to {high:.4f})")

# %% [markdown]
# The temperature is above one: the model was too sure. Scaling costs one number and no training, so try it where you use the
# probabilities; whether the gain is more than luck, the interval says.
#
# ## Keep the decision
#
# A threshold is worth nothing if the next person who loads the classifier forgets it. The library keeps threshold and
# temperature with the classifier, as its *decision*. The function `tune` finds both on the validation set, as you have
# just done by hand. It fits the temperature first, so its threshold belongs to the cooled probabilities:

# %%
from pathlib import Path

from llmclf.evaluation.tuning import tune

decision = tune(checked, checked_labels.tolist(), **price)
print(f"temperature {decision.temperature:.3f}", end=", ")
print(f"threshold {decision.threshold:.3f}")
classifier = TextClassifier(
    model, tokenizer, names, backbone, decision=decision
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


# %%
def dotted(text):
    words = text.split(" ")
    return " ".join(".".join(w) if len(w) > 3 else w for w in words)


def leet(text):
    return text.translate(str.maketrans("aeiost", "431057"))


changes = {"as they are": str, "CAPITALS": str.upper, "typos": typos}
changes |= {"l33t5p34k": leet, "d.o.t.s": dotted}

# %%
number = int(labels.sum())
sample = clean.test.groupby("label").sample(number, random_state=data.SEED)
reader = TextClassifier(model, tokenizer, names, backbone)
is_spam = sample["label"].to_numpy() == 1
rows = {}
for name, change in changes.items():
    changed = [change(text) for text in sample["text"]]
    ours = reader.logits(changed).argmax(dim=1).numpy() == 1
    theirs = fitted["tfidf-characters"].predict(changed) == 1
    rows[name] = [ours[is_spam].mean(), ours[~is_spam].sum()]
    rows[name] += [theirs[is_spam].mean(), theirs[~is_spam].sum()]
columns = ["ours: recall", "false alarms", "TF-IDF: recall", "alarms"]
table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
table.style.format({columns[0]: "{:.0%}", columns[2]: "{:.0%}"})

# %% [markdown]
# Capitals and typing errors cost a few spams. In leetspeak our model misses more, TF-IDF does not; but both now accuse ham, TF-IDF more of it, for digits are a mark of spam. With dots between the letters most of the spam gets past ours, and
# nearly all of it past TF-IDF. One cheap trick all but blinds the filter.
#
# ### Another world
#
# Most of the collection is older than smartphones. What becomes of messages that it cannot know? These six are
# made up, three that you would want and three that you would not.

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
theirs = fitted["tfidf-characters"].predict_proba(list(unseen))[:, 1]
for text, one, other in zip(unseen, ours, theirs, strict=True):
    chances = f"ours {one:4.0%}  TF-IDF {other:4.0%}"
    print(f"{unseen[text]:<5}{chances}  {text[:40]}")

# %% [markdown]
# With SmolLM2 two of the three modern frauds pass: the parcel raises some doubt, the plea for money none at all. Ours
# catches the third, and is just as sure that a harmless verification code is spam. TF-IDF lets all three pass, and is in most doubt about the dentist. Six made-up messages prove no rate. But they show what a fine result on
# yesterday's messages does not promise.
#
# ## What it must not be used for
#
# Everything above was measured on one collection: English, partly Singaporean, of one decade. So do not use this
# classifier to delete messages unseen, to judge people by what they write, for other languages, or as the only
# guard against fraud. One made in the same way from recent messages of your own may sort them, with a threshold
# chosen on them, and a person who can look. The [model card](model_card.md) says more.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: Another prevalence
#
# A classifier finds the share `recall` of all spam and falsely calls the share
# `alarms` of all ham spam. Write `precision_at(recall, alarms, prevalence)`: the precision where spam makes up the share
# `prevalence` of all messages. Where nothing would be called spam, return 0.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
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
# balanced ones. What would its recall and its false alarms give where spam is as rare as here, or rarer? (If this raises an error, run the solution first.)

# %%
rows = read_predictions("predictions.parquet").query(
    "task == 'balanced' and precision == 'bfloat16'"
)
rows = rows[rows["experiment"] == "last-token"]
called = (rows["predicted"] == 1).groupby(rows["label"]).mean()
for prevalence in (0.5, messages["label"].mean(), 0.01):
    precision = precision_at(called[1], called[0], prevalence)
    print(f"prevalence {prevalence:.1%}: precision {precision:.1%}")

# %% [markdown]
# The same classifier, the same recall, and a precision that falls with the prevalence: what was measured on balanced data
# promises too much for the world.
#
# ### Exercise 2: What it costs
#
# Write `cost(probabilities, labels, threshold, false_positive, false_negative)`: the summed price of all
# mistakes when a message counts as spam from `threshold` on. `probabilities` and `labels` (0 or 1) are lists of
# the same length.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
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
# Nobody knows. Two equally good classifiers split eight messages five to three, or more unevenly, most of the time.
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
# precision, recall and F1 speak of what matters. You built the bootstrap and McNemar's test by hand, gave every opponent the same chances, and let five folds decide what one test
# set cannot. You chose a threshold for a price, checked what
# probabilities promise, kept the decision, read the worst mistakes, and saw where the model must not be trusted.
#
# **Next:** spam gives itself away by words. [Chapter 9](09_another_task.ipynb) takes a task where they are not enough.
