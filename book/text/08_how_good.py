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
# Chapter 6 ended with a high {term}`accuracy`. This chapter tests it. Was the test set really new to the model? Is
# half of anyone's mail spam? Which mistakes cost most? Would a simpler method do as well? At the end you can
#
# - **find** copies of training messages in a test set, and **split** a table so that none remain,
# - **compute** precision, recall and F1, and **put** an interval around any number,
# - **compare** two classifiers on the same messages, and **say** when the evidence is too thin,
# - **choose** a threshold for given costs, and **check** whether probabilities mean what they say.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 5 to 7. The page runs in about four minutes on two CPU
# > cores; we have not measured a GPU. It downloads the same files as chapter 3. The results of longer runs are stored
# > in a file beside the page.

# %% tags=["remove-cell"]
# No module named llmclf? Unzip the book's code and type there: make lab
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
# Some test messages of chapter 1 are also in its training set, with at most other digits, capitals or punctuation.
# One advertisement goes to thousands of people, so another {term}`seed` would not help. Now take a rule that only
# remembers: it calls a message spam if the message is a copy of a training spam, and ham otherwise.
#
# **Predict before you run.** Half of the test messages are spam. How often will this rule be right?

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
# :::{admonition} What it shows
# :class: dropdown
# The rule is right well over half of the time, from memory alone.
# :::
#
# This is {term}`data leakage`. The reference results of the earlier chapters share it: they were measured on this
# split.
#
# ### Near copies
#
# The same advertisement also comes with another prize or name. To find such {term}`near copies <near copy>`, cut each
# text into its runs of three words, and compute the share of runs that two texts have in common {cite}`broder1997`.
# Digits, capitals and punctuation do not count. This share is the *Jaccard similarity*,
# {py:func}`~llmclf.evaluation.near_duplicates.jaccard_similarity`:

# %% tags=["nbval-check-output"]
from llmclf.evaluation.near_duplicates import jaccard_similarity, shingles

one = shingles("You have won a free holiday, call 0800 now")
two = shingles("You have won a free phone, call 0845 now!")
print(sorted(" ".join(run) for run in one & two))
print(f"similarity {jaccard_similarity(one, two):.2f}")

# %% [markdown]
# The two texts share three of nine runs. Two texts with a similarity of one half or more count as near copies. Near
# copies of near copies belong to the same group:

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
# There are far fewer different advertisements than spams.
#
# ### A split without the leak
#
# So we assign whole groups to a part, not single messages.
# {py:func}`~llmclf.evaluation.near_duplicates.split_by_groups` also gives every part the same share of spam: the
# split is {term}`stratified <stratification>`. From now on we keep all ham and every line of the file.

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
# No copy is left in validation or test. Every part has the collection's own share of spam, its {term}`prevalence`.
# Your mail may have another.
#
# Two leaks remain that no split closes. The collection has been public for years, so the pretrained model may have
# read it. And SmolLM2's learning rate was chosen on messages of chapter 1, some of which are now test messages.
#
# Your own data may have others: if a simple model does well on headers, dates or lengths alone, your classifier may
# be using these.

# %% [markdown]
# ## Train again
#
# The recipe is that of chapter 6, on the new tables.

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
# Most messages are ham, and a classifier that always says *ham* is right on all of these. When one {term}`class` is
# rare, the {term}`confusion matrix` says more:

# %%
pd.DataFrame(
    fine_tuned.confusion,
    index=["is ham", "is spam"],
    columns=["called ham", "called spam"],
)

# %% [markdown]
# The top right cell counts the {term}`false alarms <false alarm>`, and the bottom left cell counts the misses. Three
# numbers describe spam alone. {term}`Precision <precision>`: of all messages called spam, how many are spam?
# {term}`Recall <recall>`: of all spam, how much was found? {term}`F1 <f1>` is the harmonic mean of the two. It is high
# only when both are high.

# %%
fine_tuned.by_class(names).round(3)

# %% [markdown]
# ### What if other messages had been drawn?
#
# These numbers rest on few spams. Precision and recall are shares, so the Wilson interval of chapter 5 fits them. For
# any other number, such as F1, there is the {term}`bootstrap` {cite}`efron1979`: draw a new test set from the old
# one, with repetition, and compute the number; do this many times. Near copies are not independent, so we draw whole
# groups:

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
# The library's function adds a correction for numbers near the end of their range (*BCa*):

# %%
from llmclf.evaluation.statistics import bootstrap_interval

low, high = bootstrap_interval(f1, labels, answers, groups=groups)
print(f"with the correction {low:.3f} to {high:.3f}")

# %% [markdown]
# ## Would something simpler do?
#
# Four baselines need no GPT. One always says *ham*. One looks for ten words, chosen on the training set. Two use
# {term}`TF-IDF`: they count words or runs of characters, give rare ones more weight, and separate the classes by
# {term}`logistic regression` {cite}`pedregosa2011`, with equal weight for both classes.
# {term}`Cross-validation <cross-validation>` on the training set chooses their {term}`regularisation`.

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
# The fifth baseline is the pretrained model itself. We ask it as in chapter 3, and it answers with two logits, those
# of `" no"` and `" yes"`. So we give a classifier exactly these two outputs as its head, and train nothing. Using a
# model that has seen no example of the task is called {term}`zero-shot <zero-shot classification>`.

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
    rows[name] = {
        "false alarms": (~right & (labels == 0)).sum(),
        "misses": (~right & (labels == 1)).sum(),
        "accuracy": f"{right.mean():.1%}",
        "interval": f"{low:.1%} to {high:.1%}",
        "F1": f"{f1(labels, theirs):.3f}",
    }
pd.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# Always saying *ham* gives a high accuracy and an F1 of zero. The keyword rule finds most of the spam. The pretrained
# SmolLM2 does no better than always saying *ham*, at least with this question and a threshold of one half. The TF-IDF
# models come near the fine-tuned model. (The interval is Wilson's, for a smaller number of messages because of the
# near copies.)
#
# ### Two classifiers on the same messages
#
# Two intervals say little about the difference, because both classifiers were judged by the same messages. Look only
# at the messages on which one is right and the other wrong. If both were equally good, each would win about half of
# these, as with tosses of a coin. {term}`McNemar's test <McNemar test>` {cite}`mcnemar1947` asks: how often would
# luck then give a split at least this uneven? The answer is a {term}`p-value`, $p$:

# %%
from math import comb

ours, theirs = answers == labels, said["tfidf-characters"] == labels
first, second = (ours & ~theirs).sum(), (~ours & theirs).sum()
total, most = first + second, max(first, second)
tail = sum(comb(total, k) for k in range(most, total + 1)) / 2**total
print(f"only ours right {first}, only TF-IDF {second}", end=": ")
print(f"p = {min(1, 2 * tail):.2f}")

# %% [markdown]
# The library's function counts near copies as one, and says on how many groups of messages the two disagree. With
# fewer than six groups, even the most uneven split could be luck. Then the answer is *too few to tell*.

# %%
from llmclf.evaluation.statistics import mcnemar

rows = {}
for name, theirs in said.items():
    if name != "fine-tuned":
        pair = mcnemar(answers == labels, theirs == labels, groups)
        p = "too few to tell" if pair.too_few else f"{pair.p_value:.2g}"
        rows[name] = [pair.only_first, pair.only_second, pair.groups, p]
columns = ["only ours right", "only theirs", "groups", "p"]
pd.DataFrame.from_dict(rows, orient="index", columns=columns)

# %% [markdown]
# A difference is called *significant* when $p$ is below one in twenty. This test set is too small to separate the
# fine-tuned model from TF-IDF.

# %% [markdown]
# ## Five folds for every method
#
# You can also test on the training messages, if you train a new model without them. Cut the collection
# into ten parts, and keep each group in one part. Two parts judge the model, one validates it, and seven train it.
# Then the next two parts judge, and so on ({numref}`fig-folds`).
# After five {term}`folds <fold>` every message has been a test message once. No model was tested on a message that it
# had learnt from, or on a near copy of one. This is {term}`cross-validation`.
#
# :::{figure-md} fig-folds
# ![Five rows of ten boxes. In each row two boxes judge, one chooses, and seven teach. Every box judges once.](figures/folds.svg)
#
# Ten parts in five folds. Each part judges once, and no two parts share a near copy.
# :::

# %% [markdown]
# Every method gets the same messages, the same class weights and the same rule for the threshold. The tuning is not
# the same: the regressions choose their settings on each fold, while fine-tuning has one fixed learning rate.
# Two more methods join. The {term}`probe` of chapter 6 fits a regression to frozen features of
# SmolLM2. A {term}`sentence encoder`, all-MiniLM-L6-v2 {cite:p}`reimers2019`, is a common choice when labels are few.
# It gives similar vectors to sentences of similar meaning, and a regression learns from these vectors. We fine-tune
# SmolLM2 in four ways: as in chapter 6; with the mean over all tokens; with two blocks that learn; and with only the
# first sixteen blocks. (We added the last way later. Chapter 9 says why.) This command ran all methods:
#
# ```sh
# python -m llmclf experiments --task spam --draws 1 2 3 4 5 \
#   --backbone smollm2-135M --precision bfloat16
# ```
#
# First, the measures that need no threshold. {term}`AUC` is the chance that a random spam gets a higher probability
# than a random ham: one is perfect, one half is guessing. {term}`Average precision <average precision>` is the mean
# precision over all thresholds. *Log loss* is the {term}`cross-entropy` of chapter 5.

# %%
from llmclf.evaluation.predictions import read_predictions, read_runs

runs = read_runs("runs.csv").query("task == 'spam'")
predictions = read_predictions("predictions.parquet", part=None)
predictions = predictions[predictions["task"] == "spam"]
whole = predictions.query("labels == 0 and part == 'test'")
order = ["majority", "keywords", "tfidf-words", "tfidf-characters"]
order += ["sentence-encoder", "probe"]
order += ["last-token", "mean", "two-blocks", "sixteen-blocks"]
by_name = dict(iter(whole.groupby("experiment")))
order = [name for name in order if name in by_name]

# %%
from sklearn import metrics

table = {}
for name in order:
    given = by_name[name]["label"], by_name[name]["probability_1"]
    is_rule = given[1].isin([0, 1]).all()  # always sure
    table[name] = {
        "AUC": metrics.roc_auc_score(*given),
        "average precision": metrics.average_precision_score(*given),
        "log loss": np.inf if is_rule else metrics.log_loss(*given),
    }
pd.DataFrame(table).T.style.format("{:.4f}")

# %% [markdown]
# Every method gets the threshold with the fewest mistakes on the fold's validation part:

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
# ({py:mod}`llmclf.evaluation.questions`). Among many questions, some get a clear answer by luck. Holm's rule
# {cite:p}`holm1979`, which chapter 10 explains, guards against that. We looked at everything else in the tables
# afterwards. Earlier runs on these same messages had suggested most of the answers, so these runs repeat them under
# fairer rules and are not a test on new data.
#
# Luck enters twice: in the choice of the test messages, and in the choice of the training messages. $p$ covers only
# the test messages. The column *draws ahead* counts the draws of training messages on which the first method is
# better. For a verdict, a paired t-test over these draws must be significant, too. (We added the t-test later. It can
# only remove a verdict.)

# %%
from llmclf.evaluation.questions import SPAM, answer

table = answer(SPAM, decided)
table.style.format({"p": "{:.2g}"}, na_rep="")

# %% [markdown]
# Trained on all labels, none of three forms of the fine-tuned GPT differs measurably from counted characters, which
# learn in seconds. With 1,024 labels {term}`LoRA`, which trains a little in every block (chapter 10), does not differ
# from them either. That does not prove them equal. On all labels, both make fewer mistakes than counted words and the
# sentence encoder. Whether they also beat the probe depends on the threshold, as the next section shows. The GPT has
# the higher AUC, and counted characters have the lower log loss. Is that more than luck? Draw groups again, and compute
# the difference, GPT minus characters, for each draw:

# %%
both = by_name["last-token"].merge(
    by_name["tfidf-characters"], on=["fold", "row"]
)
rows_of = list(both.groupby("group_x").indices.values())
columns = both[["label_x", "probability_1_x", "probability_1_y"]].to_numpy()


def differences(measure, draws=300):
    for _ in range(draws):
        drawn = generator.integers(len(rows_of), size=len(rows_of))
        some = columns[np.concatenate([rows_of[group] for group in drawn])]
        first, second = some[:, 1], some[:, 2]
        yield measure(some[:, 0], first) - measure(some[:, 0], second)


# %%
for measure in (metrics.roc_auc_score, metrics.log_loss):
    low, high = np.quantile(list(differences(measure)), [0.025, 0.975])
    print(f"{measure.__name__}: {low:+.4f} to {high:+.4f}")

# %% [markdown]
# Both intervals contain zero, so both differences may be luck. Raschka's reference of 95.67 % {cite:p}`raschka2024`
# was measured on other, balanced messages.

# %% [markdown]
# ## How many labels does it take?
#
# The same command has trained on sixteen messages, on twice as many, and so on: the cheap methods on ten draws of each
# size, fine-tuning on five. (If there are few messages, fine-tuning repeats them until it has made a hundred steps.)
# With few labels there is no validation set, so here we use another threshold rule at every size: call the same share
# of the messages spam as in the training messages. The draws keep the collection's share of spam, so this rule knows
# how common spam is. The result is a {term}`learning curve`.

# %%
from llmclf.evaluation.predictions import error_rates

tested = predictions[predictions["part"] == "test"]
errors = error_rates(decide_alike(tested, runs), runs)
drawn = ["tfidf-words", "tfidf-characters", "sentence-encoder"]
drawn += ["probe", "last-token"]
means = errors.groupby(["labels", "experiment"]).mean().unstack()[drawn]
five = errors[errors.index.get_level_values("seed") < 128].xs("probe")
means.insert(4, "probe, same five", five.groupby("labels").mean())
means.style.format("{:.1%}")

# %% mystnb={"figure": {"caption": "Share of wrong answers against the number of labelled messages, mean over the draws. Each band reaches from the best draw to the worst. Both axes are logarithmic.", "name": "fig-learning-curve"}, "image": {"alt": "Five falling lines over a logarithmic axis from sixteen to some four thousand labels. The probe is lowest up to a few hundred labels, and counted words are highest everywhere. Counted characters and the fine-tuned model start high. Counted characters fall faster, and at the right end the two meet below all others."}}
from llmclf.teaching.plots import plot_learning_curve

plot_learning_curve(errors, {name: name for name in drawn})

# %% [markdown]
# At the left end of {numref}`fig-learning-curve` the *frozen* features win: with sixteen labels the probe makes about
# three mistakes where the next best method makes five, in the mean over ten draws. The draws differ a lot, and on two
# of them the probe was far worse than its mean. Compare fine-tuning with the column *probe, same five*, because
# fine-tuning ran on these five draws only. Fine-tuning has too little to learn from at first: it is about as good as
# the sentence encoder. From 64 labels up to a thousand, counted characters make fewer mistakes than fine-tuning, also
# on the same five draws. With all labels fine-tuning, counted characters and the probe are close together.
#
# For a task of this kind, fit a probe if you have at most one or two hundred labels. From 256 labels on we cannot
# show that the probe is better than counted characters. With thousands, try counted characters first. The fine-tuned
# GPT was not clearly the best choice at any size: single words give spam away.

# %% [markdown]
# ## A threshold with a price
#
# So far we called a message spam if its {term}`probability` reached one half, or the threshold with the fewest
# mistakes. A lower {term}`threshold` finds more spam and gives more false alarms. The {term}`precision-recall curve`
# shows all thresholds at once. (The {term}`ROC curve`, whose area is the AUC, plots recall against the share of ham
# that is called spam.)

# %%
from sklearn.metrics import precision_recall_curve

scores = {
    "fine-tuned": logits.softmax(dim=1)[:, 1].numpy(),
    "TF-IDF": fitted["tfidf-characters"].predict_proba(texts)[:, 1],
}

# %% mystnb={"figure": {"caption": "Precision against recall on the test set, for every threshold.", "name": "fig-precision-recall"}, "image": {"alt": "Two curves of precision over recall, for the fine-tuned model and for TF-IDF on characters. Both stay at or near a precision of one until well over nine tenths of the spam is found, and then fall steeply."}}
from llmclf.teaching.plots import COLORS, INK, SIZE, new_figure

figure, axes = new_figure(height=3.2)
for name, color, line in zip(scores, COLORS[::3], "-:", strict=False):
    precision, recall, _ = precision_recall_curve(labels, scores[name])
    axes.plot(recall, precision, line, color=color, label=name, lw=2)
axes.set(xlabel="recall", ylabel="precision")
axes.set(xlim=(0.6, 1.01), ylim=(0.4, 1.03))
axes.legend(frameon=False, labelcolor=INK, fontsize=SIZE, loc="lower left")
figure

# %% [markdown]
# {numref}`fig-precision-recall` shows that the last few spams cost many false alarms. Suppose that a lost good
# message annoys you ten times as much as a spam that gets through. Find the threshold with the lowest cost on the
# *validation* set, and then measure its cost on the test set.

# %%
checked, checked_labels = collect_logits(model, loaders.validation)
checked_spam = checked.softmax(dim=1)[:, 1].numpy()
price = {"false_positive": 10.0, "false_negative": 1.0}

# %% [markdown]
# **Predict before you run.** Will this threshold be above or below one half?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluation.statistics import cost_optimal_threshold

chosen = cost_optimal_threshold(checked_spam, checked_labels, **price)


def cost_of(labels, probabilities, threshold):
    called = probabilities >= threshold
    false_alarms = (called & (labels == 0)).sum()
    misses = (~called & (labels == 1)).sum()
    return 10 * false_alarms + misses


def saved(labels, probabilities):
    before = cost_of(labels, probabilities, 0.5)
    return before - cost_of(labels, probabilities, chosen)


tested = scores["fine-tuned"]
for threshold in (0.5, chosen):
    cost = cost_of(labels, tested, threshold)
    print(f"threshold {threshold:.3f}: cost {cost}")
low, high = bootstrap_interval(saved, labels, tested, groups=groups)
print(f"saved: between {low:.0f} and {high:.0f}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The threshold lies above one half: the more a false alarm costs, the surer you want to be.
# But the interval reaches from a loss to a gain: so few test messages
# cannot say whether this threshold saves anything.
# :::

# %% [markdown]
# ## Are the probabilities honest?
#
# Take all messages to which a model gives a probability of about nine tenths. If its probabilities are honest, nine in
# ten of these messages are spam. This is called {term}`calibration`. With honest probabilities you need no search for
# the threshold: it follows from the costs (here it is ten elevenths). Sort the test messages into bins by their
# predicted probability, and compare.

# %%
from llmclf.evaluation.statistics import calibration_table

calibration_table(scores["fine-tuned"], labels, bins=5).round(3)

# %% [markdown]
# Nearly all messages are in the first and the last bin: the model is very sure. The other bins hold so few messages
# that their intervals (`low` to `high`) cover at least half of the scale. The mean distance between predicted and
# observed share, weighted by messages, is the {term}`calibration error`. Training keeps pushing the logits apart after
# the answers are right, so fine-tuned models tend to be too sure.
# {term}`Temperature scaling <temperature scaling>` {cite}`guo2017` divides all
# logits by one number, chosen for the lowest cross-entropy on the validation set. The order of the messages stays the
# same, and so does every answer.

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
# The temperature is above one: the model was too sure. The interval of the gain does not contain zero, so luck is an
# unlikely reason for it.
#
# ## Save the decision
#
# The library stores threshold and temperature with the classifier, as its *decision*. `tune` finds both on the
# validation set, as you have just done by hand. It fits the temperature first, so its threshold belongs to the scaled
# probabilities:

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
# From now on `predict`, the command line, the demo and the scoring of files use this decision. In a terminal,
# `llmclf tune FOLDER validation.csv --cost-false-positive 10` does the same for a saved classifier. With
# `--abstain-below 0.9` the classifier answers "unsure" if no class has a probability of at least 0.9.

# %% [markdown]
# ## When spammers adapt
#
# What happens when the same messages come in capitals, with typing errors, or in *leetspeak*, where digits stand for
# letters? We take the spams of the test set and as many hams, and change the texts. A {term}`robust <robustness>`
# classifier would give the same answers.

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
# Capitals and typing errors cost our model a few spams. In leetspeak our model misses more spam; TF-IDF does not. But
# both now raise more false alarms, and TF-IDF raises more of them, perhaps because digits are common in spam. With dots
# between the letters, most of the spam gets past our model, and nearly all of it past TF-IDF.
#
# ### Messages from another time
#
# The collection was published in 2011. We made up six newer messages, three frauds and three hams.

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
columns = {"label": unseen.values(), "ours": ours, "TF-IDF": theirs}
chances = pd.DataFrame(columns, index=[text[:40] for text in unseen])
chances.style.format({"ours": "{:.0%}", "TF-IDF": "{:.0%}"})

# %% [markdown]
# Our model lets two of the three modern frauds pass: the parcel raises some doubt, and the request for money raises
# none. It catches the third, and is just as sure that a harmless verification code is spam. TF-IDF lets all three pass,
# and gives its highest probability to the dentist. Six made-up messages do not measure an error rate. But they show
# that a good result on old messages need not hold for new ones.
#
# ## What it must not be used for
#
# All this was measured on one collection: English, partly Singaporean, of one decade. Do not use this classifier to
# delete messages that nobody has read, to judge people by what they write, for other languages, or as the only guard
# against fraud. The [model card](model_card.md) says what a classifier for real messages needs.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: Another prevalence
#
# `recall` is the share of all spam that a classifier finds, and `alarms` is the share of all ham that it wrongly
# calls spam. Write `precision_at(recall, alarms, prevalence)`: the precision if the share `prevalence` of all
# messages is spam. If nothing would be called spam, return 0.

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
# Try it on chapter 10's experiment `last-token`, which learnt from balanced messages and was judged by balanced ones.
# What would its precision be where spam is as rare as here, or rarer? (If this raises an error, run the solution
# first.)

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
# The recall is the same, but the precision falls with the prevalence. (All three numbers depend on a handful of false
# alarms, so the last one is rough.) A precision measured on balanced data is too high for real mail.
#
# ### Exercise 2: What it costs
#
# Write `cost(probabilities, labels, threshold, false_positive, false_negative)`: the total price of all mistakes when
# a message counts as spam from `threshold` on. `probabilities` and `labels` (0 or 1) are lists.

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
# ### Exercise 3: A threshold inside the model
#
# Change the model: move the spam bias of its head, `model.backbone.head.bias[1]`, so that an answer *spam* needs a
# probability of $q$. (Subtract $\log\frac{q}{1-q}$ from it.) Try $q = 0.1$ and $q = 0.9$, and look at the confusion
# matrix.
# (Not checked.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
bias = model.backbone.head.bias
trained = bias.detach().clone()
for q in (0.1, 0.5, 0.9):
    with torch.no_grad():
        bias[1] = trained[1] - np.log(q / (1 - q))
    changed = evaluate(model, loaders.test)
    print(f"q = {q}: {changed.confusion.tolist()}")
with torch.no_grad():
    bias.copy_(trained)  # as it was

# %% [markdown]
# The bias moves the logits of all messages by the same amount, so it acts as a threshold. With a higher $q$, false
# alarms can only get fewer, and misses can only get more.
#
# ## Questions
#
# <details><summary>1. Why must the test set not contain a near copy of a training message?</summary>
#
# The model may remember it. Then the test measures memory, and its result is too good.
#
# </details>
#
# <details><summary>2. Two thirds of all mail is ham. A classifier has an accuracy of two thirds, and an F1 of zero
# for spam. What does it do?</summary>
#
# It always answers ham: right on all ham, and no spam found.
#
# </details>
#
# <details><summary>3. Two classifiers differ on eight messages; one is right five times, the other three times. Which
# is better?</summary>
#
# You cannot tell. Two equally good classifiers would split eight messages at least this unevenly most of the time.
#
# </details>

# %% [markdown]
# <details><summary>4. Why is the threshold not chosen on the test set?</summary>
#
# It would fit the accidents of these messages, and the cost measured there would be too low.
#
# </details>
#
# <details><summary>5. What does temperature scaling change, and what stays the same?</summary>
#
# It changes how sure the answers are. The order of the messages stays, and so does every label at a threshold of one
# half.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A test set can leak; you closed the leak by splitting whole groups. When spam is rare, precision, recall and F1 say
# more than accuracy. You built the bootstrap and McNemar's test by hand, compared methods on five folds, chose a
# threshold for given costs, and checked the probabilities.
#
# **Next:** spam gives itself away by words. [Chapter 9](09_another_task.ipynb) takes a task where they are not
# enough.
