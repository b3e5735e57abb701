# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5 · Loss and accuracy
#
# The classifier of chapter 4 has a new head that knows nothing yet. Before you train it, you measure how good it is,
# in two ways: {term}`accuracy`, which people understand, and {term}`loss`, which training can lower. At the end you
# can
#
# - **turn** two logits into a label, and say what the softmax adds,
# - **measure** accuracy and loss over a loader,
# - **put** an interval around an accuracy, and **say** what the interval covers,
# - **explain** why a network cannot learn from accuracy, and **compute** the cross-entropy and its gradient,
# - **read** a confusion matrix, precision and recall.

# %% [markdown]
# > **Before you start.** You need chapters 2 to 4: batches, the pretrained model, its new head. The page runs in about
# > a minute on a laptop's CPU; we have not measured a GPU. It uses the weights of chapter 3 (98 MB for SmolLM2, 548 MB
# > for GPT-2) and downloads nothing else.
#
# {numref}`fig-evaluation` shows what this chapter adds to the three stages of the project.
#
# :::{figure-md} fig-evaluation
# ![On the left the three stages, prepare, fine-tune and use, one below the other. On the right three boxes of evaluation. Before training, a few batches of each set: no better than a coin? While training, training and validation set: does the loss still fall? After training, the whole test set: how good on new texts?](figures/evaluation.svg)
#
# Evaluation measures the model before, during and after training.
# :::

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
# The line `backbone` names the model: this edition is printed with SmolLM2. The line also names the {term}`device`,
# the processor that does the arithmetic. Model and data must be on the same device, so you move the model there now
# and every batch later. (*Two switches*, below, explains `eval()`.)

# %%
import torch

from llmclf import data
from llmclf.head import Classifier
from llmclf.loaders import make_loaders
from llmclf.tokenizer import load_tokenizer
from llmclf.weights import load_pretrained

splits = data.prepare_sms()
tokenizer = load_tokenizer(backbone)
loaders = make_loaders(splits, tokenizer)
model = Classifier(load_pretrained(backbone), precision="float32")
model = model.to(device).eval()

# %% [markdown]
# ## From two logits to a label
#
# The head gives each class one number, its {term}`logit`. {numref}`fig-logits` and the next cells show the way from
# the logits to a label, for a real message.
#
# :::{figure-md} fig-logits
# ![A message goes into the model with its untrained head. Out come two logits, one for 0 ham and one for 1 spam. Softmax turns them into two probabilities, argmax picks the place of the larger one, and this place is the label. A second arrow leads from the logits straight to the label: argmax gives the same place there.](figures/logits_to_label.svg)
#
# From logits to a label. The direct arrow skips the softmax and arrives at the same label.
# :::

# %%
from llmclf.loaders import pad_batch
from llmclf.tokenizer import encode

text = "Win a £1000 cash prize or a prize worth £5000"
example = (encode(tokenizer, text), 1)
single = pad_batch([example], pad_token_id=tokenizer.eot_token).to(device)
with torch.inference_mode():  # see "Two switches"
    logits = model(single.input_ids, single.lengths)[0].cpu()
print("logits of ham and spam:", logits.tolist())

# %% [markdown]
# Logits have no unit. They may be negative, and they have no fixed sum. The {term}`softmax` turns the logits
# $z$ into probabilities $p$. It raises $e$ to the power of each logit, so that all numbers are positive. Then it
# divides by the sum, so that they add up to one:
#
# $$
# p_j = \frac{e^{z_j}}{\sum_k e^{z_k}}
# $$

# %%
powers = logits.exp()
probabilities = powers / powers.sum()
print("probabilities:", probabilities.tolist())

# %% [markdown]
# The label is the place of the largest number, the {term}`argmax`: 0 stands for ham, 1 for spam. Logits and
# probabilities have the same argmax, because $e^z$ grows with $z$, and all powers are divided by the same sum. So you
# can leave out the softmax if you only need the label.
#
# **Predict before you run.** One message has the logits 1 and 3, another has 101 and 103. Which of the two gets the
# higher probability of spam?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
two = torch.tensor([[1.0, 3.0], [101.0, 103.0]])
for ham, spam in two.softmax(dim=1).tolist():
    print(f"ham {ham:.3f}, spam {spam:.3f}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Both messages get the same probability. The softmax depends only on the difference between the two logits, here 2. A
# single logit says nothing by itself.
# :::
#
# ## Accuracy over a loader
#
# Accuracy is the share of messages that get the right label. The function below collects the logits and the labels of
# all messages of a loader, or of its first `max_batches` batches.

# %%
from itertools import islice


def collect(loader, max_batches=None):
    logits, labels = [], []
    with torch.inference_mode():
        for batch in islice(loader, max_batches):
            batch = batch.to(device)
            logits.append(model(batch.input_ids, batch.lengths).cpu())
            labels.append(batch.labels.cpu())
    return torch.cat(logits), torch.cat(labels)


# %% [markdown]
# **Predict before you run.** The head is random, and the two classes are about equally common. What accuracy do you
# expect on ten batches of eight messages? How far can luck alone move the accuracy?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
num_batches = 2 if data.is_fast() else 10
names = ["training", "validation", "test"]
outputs = {}
for name, loader in zip(names, loaders, strict=True):
    logits, labels = collect(loader, num_batches)
    outputs[name] = logits, labels
    correct = (logits.argmax(dim=1) == labels).sum().item()
    share = correct / len(labels)
    print(f"{name:<10} {correct} of {len(labels)} right: {share:.2%}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# All three accuracies are near one half, as for a coin. For GPT-2 with an untrained head, {cite:t}`raschka2024`
# reports 46.25 % on the training set, 45.00 % on the validation set and 48.75 % on the test set. These are his values,
# not ours. He also took ten batches of eight, but he padded all messages to one length and read the last position.
# :::
#
# ## How far to trust an accuracy
#
# Toss a coin for each of 80 messages, instead of asking a model. How often is the coin right? Let ten thousand coins
# try. Then leave out the best and the worst coins, one in forty each, and look at the range of the others.

# %% tags=["nbval-check-output"]
import numpy as np

coins = np.random.default_rng(123).binomial(80, 0.5, size=10_000) / 80
low, high = np.quantile(coins, [1 / 40, 39 / 40])
print(f"the middle 95 % of the coins: {low:.1%} to {high:.1%}")

# %% [markdown]
# The range is wide. SmolLM2's three accuracies are inside it, and Raschka's three as well. None of these measurements
# shows a difference between an untrained head and a coin.
#
# Now turn the question round. You know the measured accuracy, and you want the true one: the accuracy on endlessly
# many messages of this kind. If the true share is $p$, the shares that you measure on $n$ messages scatter around $p$
# with the *standard deviation*
#
# $$
# \sigma = \sqrt{\frac{p\,(1-p)}{n}} .
# $$
#
# About nineteen times in twenty they stay within $1.96\,\sigma$ of $p$. The {term}`Wilson interval`
# {cite}`wilson1927` consists of all values of $p$ for which the measured share is this close.

# %% [markdown]
# **Predict before you run.** A classifier has labelled 285 of 300 messages correctly, 19 in 20. How far does its
# interval reach?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
correct, count = 285, 300
candidates = np.linspace(0, 1, 100_001)
scatter = np.sqrt(candidates * (1 - candidates) / count)
distance = abs(candidates - correct / count)
fitting = candidates[distance <= 1.96 * scatter]
print(f"measured {correct / count:.1%}")
print(f"true accuracy between {fitting[0]:.1%} and {fitting[-1]:.1%}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The interval is about five percentage points wide. It reaches further down than up. If the true accuracy is lower,
# measurements scatter more. So even a true accuracy that is further away can produce this result.
# :::
#
# Do not compare two classifiers by whether their intervals overlap: chapter 8 has a test for that. The library
# computes the interval with a formula instead of a search:

# %% tags=["nbval-check-output"]
from llmclf.evaluate import wilson_interval

low, high = wilson_interval(10, 10)
print(f"ten of ten right: {low:.1%} to {high:.1%}")

# %% [markdown]
# Many textbooks have a simpler rule: the measured share plus or minus $1.96\,\sigma$, with the measured share in place
# of $p$. After ten right answers out of ten, $p\,(1-p)$ is zero, and this rule claims certainty. Wilson's interval is
# more reliable for small sets and for shares near one, such as the accuracy of a good classifier {cite}`brown2001`.

# %% [markdown]
# ## How many messages make a good test
#
# {numref}`fig-interval-width` shows how the interval shrinks with more messages, for a classifier that is right in
# half of the cases and for one that is right in 19 of 20.

# %% mystnb={"figure": {"caption": "Width of the 95 % interval of an accuracy against the number of messages (logarithmic axis). The numbers on the axis are 40, 300 and 3000 messages.", "name": "fig-interval-width"}, "image": {"alt": "Two falling curves: the width of the interval in percentage points over the number of messages, from 20 to 5000. Both fall steeply at first and flatten out; the dashed curve for 10 of 20 right lies above the solid one for 19 of 20 right. At 40 messages both intervals are wide, at 3000 narrow."}}
from llmclf.teaching import plots

counts = range(20, 5001, 20)
figure, axes = plots.new_figure()
styles = {19: ("-", plots.COLORS[0]), 10: ("--", plots.COLORS[2])}
for right, (style, color) in styles.items():
    widths = []
    for count in counts:
        low, high = wilson_interval(right * count // 20, count)
        widths.append(100 * (high - low))
    name = f"{right} of 20 right"
    axes.plot(counts, widths, style, color=color, label=name)
axes.set(xscale="log", xlabel="messages", ylim=(0, None))
axes.set(ylabel="width in percentage points")
axes.set_xticks([40, 300, 3000], [40, 300, 3000])
axes.minorticks_off()
plots.label_lines(axes)
figure

# %% tags=["nbval-check-output"]
for count in (40, 300, 3000):
    low, high = wilson_interval(19 * count // 20, count)
    print(f"{count:>4} messages: {low:.1%} to {high:.1%}")

# %% [markdown]
# With forty messages you can hardly tell a good classifier from an excellent one. With a few hundred, as in our test
# set, you can tell a good one from a poor one. To measure an accuracy to within one percentage point, you need
# thousands. The reason is the root in the formula of $\sigma$: half the width needs four times as many messages.

# %% [markdown]
# ## Why training cannot use accuracy
#
# Training moves every {term}`weight <weights>` a little, in the direction that makes the model better. So it must know
# what a *little* change does. Take four invented messages, two ham and two spam, and make the logit of spam slightly
# larger.

# %% tags=["nbval-check-output"]
from torch.nn import functional as F

four = torch.tensor([[3.0, 0.0], [1.5, 0.5], [0.7, 0.3], [-0.5, 0.5]])
truth = torch.tensor([0, 0, 1, 1])
for nudge in (0.0, 0.01, 0.02):
    moved = four + torch.tensor([0.0, nudge])
    hits = moved.argmax(dim=1) == truth
    loss = F.cross_entropy(moved, truth)
    print(f"nudge {nudge}: accuracy {hits.float().mean()}, loss {loss:.3f}")

# %% [markdown]
# The accuracy does not react at all. It changes only when a message gets another label, and then it jumps. The loss,
# which the next section explains, falls a little with every nudge. {numref}`fig-steps` shows both over a wide range.

# %%
shifts = np.linspace(-2.5, 4.5, 1000).tolist()
losses, errors = [], []
for shift in shifts:
    moved = four + torch.tensor([0.0, shift])
    losses.append(F.cross_entropy(moved, truth).item())
    wrong = moved.argmax(dim=1) != truth
    errors.append(wrong.float().mean().item())

# %% mystnb={"figure": {"caption": "Share of errors (one minus the accuracy) and loss of the four messages, while the same amount is added to the spam logit of each. The errors form a staircase, the loss a smooth valley.", "name": "fig-steps"}, "image": {"alt": "Two curves over the amount that is added to the spam logit. The share of errors is a staircase that goes down to zero and up again: level stretches with sudden jumps between them. The loss is a smooth valley that slopes down from either side to its lowest point, which lies where there are no errors."}}
figure, axes = plots.new_figure()
axes.plot(shifts, losses, color=plots.COLORS[0], label="loss")
axes.plot(shifts, errors, "--", color=plots.COLORS[2], label="errors")
axes.set(xlabel="added to the spam logit", ylabel="share of errors; loss")
plots.label_lines(axes)
figure

# %% [markdown]
# The level parts of the staircase have no slope: the {term}`gradient` of the accuracy is zero there, and at the jumps
# it does not exist. It never says which way is down. The loss has a slope everywhere but at its lowest point.

# %% [markdown]
# ## Cross-entropy
#
# So we need a stand-in: a number that falls when the answers get better, and has a slope. Let $y$ be the true class of
# a message, and $p_y$ the probability that the model gave to it. The {term}`cross-entropy` $\ell$ of the message is
# the negative natural logarithm of $p_y$. The {term}`loss` $L$ of $n$ messages is the mean:
#
# $$
# \ell = -\log p_y, \qquad L = \frac{1}{n} \sum_{i=1}^{n} \ell_i
# $$

# %% tags=["nbval-check-output"]
import math

for p in (0.99, 0.9, 0.5, 0.1, 0.01):
    print(f"{p:>4.0%} for the true class costs {-math.log(p):.3f}")

# %% [markdown]
# A model that was nearly sure of the true class has a cross-entropy near zero. A model that thought the true class
# nearly impossible has a large one, and there is no upper limit. The unit is called {term}`nat`. Here is the loss of
# the four messages, by hand:

# %% tags=["nbval-check-output"]
of_truth = four.softmax(dim=1)[torch.arange(4), truth]  # one a message
costs = -of_truth.log()
print("costs:", [round(cost, 2) for cost in costs.tolist()])
library = F.cross_entropy(four, truth)
print("F.cross_entropy agrees:", torch.allclose(costs.mean(), library))

# %% [markdown]
# `F.cross_entropy` takes *logits*. A common mistake is to pass probabilities. Then it applies the softmax a second
# time, without a warning, and the model learns badly.
#
# Is the loss a fair stand-in for accuracy? A wrong label means that the true class had at most half of the
# probability. So every error costs at least $\ln 2$, and the share of errors is never larger than $L / \ln 2$. When
# training lowers the loss, it lowers this limit, too.

# %% [markdown]
# ### The gradient
#
# How does the cross-entropy of a message change with its logits? Write the true class as a vector $y$, with a one in
# the place of the true class and zeros elsewhere. Then the gradient is simple:
#
# $$
# \frac{\partial \ell}{\partial z_j} = p_j - y_j
# $$
#
# In short, the gradient is $p - y$. Autograd, the part of PyTorch that computes gradients, finds the same numbers.
# (The cell takes the sum of the four cross-entropies instead of the mean. So each message keeps its own gradient.)

# %% tags=["nbval-check-output"]
leaf = four.clone().requires_grad_()
F.cross_entropy(leaf, truth, reduction="sum").backward()
p, y = four.softmax(dim=1), F.one_hot(truth)
print("autograd:", leaf.grad, "p - y:", p - y, sep="\n")

# %% [markdown]
# This trains well because the push on each logit is exactly as large as the error in its probability: large after a
# sure wrong answer, and almost nothing after a sure right one.
#
# ## What a loss means
#
# A classifier that knows nothing should give each class one half. So you expect a loss of $\ln 2$ from an untrained
# head. But the two logits of a random head are not equal: the head prefers one class without a reason. What does that
# cost? Suppose one ham and one spam get the same two logits, with a gap between the two.

# %% tags=["nbval-check-output"]
print(f"ln 2 is {math.log(2):.3f}")
for gap in (0.0, 1.0, 3.0, 5.0):
    opinion = torch.tensor([[gap, 0.0], [gap, 0.0]])
    loss = F.cross_entropy(opinion, torch.tensor([0, 1]))
    print(f"gap {gap}: accuracy one half, loss {loss:.3f}")

# %% [markdown]
# The accuracy is one half throughout, but the loss grows with the gap. A sure wrong answer costs more than a sure
# right answer saves.
#
# How large is SmolLM2's loss on the first five batches of each set? The cell also prints Raschka's losses, on five
# batches too.

# %%
reference = {"training": 2.453, "validation": 2.583, "test": 2.322}
for name, (logits, labels) in outputs.items():
    loss = F.cross_entropy(logits[:40], labels[:40])
    count = len(labels[:40])
    print(f"{name:<10} {loss:.3f} on {count}  (GPT-2: {reference[name]})")
logits = torch.cat([logits for logits, _ in outputs.values()])
gaps = logits[:, 0] - logits[:, 1]
print(f"mean gap between the two logits: {gaps.abs().mean():.2f}")

# %% [markdown]
# The values in brackets are references {cite:p}`raschka2024`, not our results. All losses are larger than $\ln 2$.
# The part above $\ln 2$ is the cost of being sure without a reason. The accuracy does not show it. SmolLM2's mean gap
# is about 1, and its losses are near the loss for `gap 1.0` in the output above. The size of the gap depends on the
# size of the {term}`hidden states <hidden state>`. So two models with untrained heads can start with quite different
# losses.

# %% [markdown]
# ## Which average?
#
# The loss of a set is a mean over its *messages*. Many programs average over batches instead. That is the same only if
# all batches are equally large, and the last one is often smaller. Here are four messages with a small loss. A fifth
# message, with a large loss, is alone in its batch:

# %% tags=["nbval-check-output"]
costs = torch.tensor([0.1, 0.1, 0.1, 0.1, 2.0])
batches = costs.split(4)
print("sizes of the batches:", [len(batch) for batch in batches])
means = torch.stack([batch.mean() for batch in batches])
print(f"mean over batches:  {means.mean():.2f}")
print(f"mean over messages: {costs.mean():.2f}")

# %% [markdown]
# The message in the small batch counted as much as the four others together. The library always averages over
# messages. The loss of an empty set is NaN, *not a number*. A zero would look like a perfect model.
#
# ## The library's `evaluate`
#
# `evaluate(model, loader, max_batches=…)` does in one call what you did by hand. It runs the model over a loader and
# returns an `Evaluation`. Where you already have the logits, `score` makes an `Evaluation` from them:

# %%
from llmclf.evaluate import evaluate, score

found = evaluate(model, loaders.validation, max_batches=num_batches)
print(f"validation, by evaluate: {found}")
for name, (logits, labels) in outputs.items():
    print(f"{name}: {score(logits, labels)}")

# %% [markdown]
# This is how the book reports results from now on. All three intervals contain one half. Read the width of an interval
# before you read the accuracy. An interval covers only chance in the choice of the messages. It does not account for
# the leak that you found in chapter 1, or for near copies within the test set.
#
# The training loader shuffles and drops an incomplete last batch. To measure a whole set, use `every_message(loader)`
# from `llmclf.loaders`.

# %% [markdown]
# ## A baseline to beat
#
# The trained model must beat more than a coin. A much smaller model can learn from the same training set.
# {term}`TF-IDF` counts the words of a message and gives rare words more weight. A {term}`logistic regression` then
# learns how strongly each word points to spam. Such a simple opponent is called a *baseline*. Measure it on the
# validation set. We keep the test set for the trained model in chapter 6.

# %%
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

baseline = make_pipeline(TfidfVectorizer(), LogisticRegression())
baseline.fit(splits.train["text"], splits.train["label"])
# the logarithms of probabilities can serve as logits
logits = baseline.predict_log_proba(splits.validation["text"])
labels = torch.tensor(splits.validation["label"].tolist())
print(score(torch.tensor(logits), labels))

# %% [markdown]
# This is the number to beat. One small set does not settle which method is better. Chapter 8 compares properly: with
# more opponents, on more messages, and with a test.

# %% [markdown]
# ## Which errors?
#
# Throwing away a private message is worse than letting an advertisement through. Accuracy counts both as one error.
# The {term}`confusion matrix` counts them separately: a row for each true class, a column for each predicted class.
# Here are ten invented messages, six of them ham:

# %% tags=["nbval-check-output"]
import pandas as pd

truth = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
answer = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 0])
table = pd.DataFrame({"true": truth, "predicted": answer})
table = table.replace({0: "ham", 1: "spam"})
pd.crosstab(table["true"], table["predicted"])

# %% [markdown]
# The right answers stand on the diagonal. Two hams were called spam, and one spam was called ham. Two shares follow
# for each class. {term}`Precision <precision>`: of the messages that were *called* spam, how many are spam?
# {term}`Recall <recall>`: of the messages that *are* spam, how many were called spam?

# %% tags=["nbval-check-output"]
called, true, both = answer == 1, truth == 1, (answer == 1) & (truth == 1)
print(f"precision of spam: {both.sum() / called.sum():.2f}")
print(f"recall of spam:    {both.sum() / true.sum():.2f}")
# score takes logits: a one in the place of the answer is enough
table = score(F.one_hot(answer).float(), truth).by_class(["ham", "spam"])
table.round(2)

# %% [markdown]
# `Evaluation.by_class` adds {term}`f1`, the harmonic mean of both shares, and the number of messages of each class.
# For a spam filter, look at the precision of spam and the recall of ham. Both fall when the filter throws away private
# messages.
#
# Now look at the untrained model:

# %%
untrained = score(*outputs["validation"])
print(untrained.confusion)
untrained.by_class(["ham", "spam"]).round(2)

# %% [markdown]
# SmolLM2's untrained head calls nearly every message ham (the first column). So the recall of ham is high, the recall
# of spam is low, and the accuracy is still near one half. Another random head may do the opposite and reach the same
# accuracy.

# %% [markdown]
# ## Two switches
#
# Set two switches before you evaluate. The first is `eval()`. Some networks use {term}`dropout`: while training, they
# set random values to zero. During evaluation that would only add noise.

# %% tags=["nbval-check-output"]
dropout = torch.nn.Dropout(0.5)
values = torch.ones(1000)
print("zeros while training:", (dropout.train()(values) == 0).any().item())
print("zeros in evaluation: ", (dropout.eval()(values) == 0).any().item())

# %% [markdown]
# Our two models have no dropout, so `eval()` changes nothing here. `evaluate` calls `eval()` itself, and afterwards
# it restores the model's mode.
#
# The second switch is `torch.inference_mode()`. Normally PyTorch records each operation and keeps the intermediate
# results, because you may ask for a gradient later. A measurement needs no gradient. Without the record it takes less
# memory and less time.

# %% tags=["nbval-check-output"]
logits = model(single.input_ids, single.lengths)
print("recorded by default:", logits.requires_grad)
with torch.inference_mode():
    logits = model(single.input_ids, single.lengths)
print("recorded in inference mode:", logits.requires_grad)

# %% [markdown]
# The two switches are independent: `eval()` changes what the model computes, and `inference_mode` changes what
# PyTorch records.

# %% [markdown]
# ## Exercises
#
# Replace the dots with your code and run the cell. `check` says what it found. Each solution is folded below.
#
# ### Exercise 1: A fairer accuracy
#
# In chapter 1 a classifier called everything ham and was right most of the time. The
# {term}`balanced accuracy <balanced accuracy>` shows that it has learnt nothing: it is the mean of the recalls of all
# classes. Write `balanced_accuracy(confusion)` for a confusion matrix, a NumPy array with a row for each true class.
# No row is empty.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def balanced_accuracy(confusion): ...  # your code


check(balanced_accuracy)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def balanced_accuracy(confusion):
    recalls = confusion.diagonal() / confusion.sum(axis=1)
    return recalls.mean()


check(balanced_accuracy)

# %% [markdown]
# The classifier of chapter 1 has one recall of one and one of zero. Its balanced accuracy is one half, however rare
# spam is.
#
# ### Exercise 2: Cross-entropy from scratch
#
# Write `cross_entropy(logits, labels)`, the mean over the messages, for any number of classes. Do not use
# `F.cross_entropy`, `log_softmax` or `logsumexp`. Take care with large logits: $e^{1000}$ is too large for a float.
# Only differences between logits matter, so you may subtract the largest logit of each message first. The logarithm of
# a quotient is a difference: compute it as a difference. If there are no messages, return NaN.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def cross_entropy(logits, labels): ...  # your code


check(cross_entropy)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def cross_entropy(logits, labels):
    shifted = logits - logits.max(dim=1, keepdim=True).values
    log_sum = shifted.exp().sum(dim=1).log()
    of_truth = shifted[torch.arange(len(labels)), labels]
    return (log_sum - of_truth).mean()


check(cross_entropy)

# %% [markdown]
# So $-\log p_y$ is the logarithm of the sum minus the logit of the true class. The quotient itself may be too small
# for a float, and is never computed.
#
# ### Exercise 3: How large a test set?
#
# A classifier is right on `count // 2` of `count` test messages. Write `messages_needed(half_width)`: how many
# messages do you need so that the interval reaches at most `half_width` to each side? `half_width` is a share such as
# 0.05. Find the smallest even `count` with `wilson_interval`.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def messages_needed(half_width): ...  # your code


check(messages_needed)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
def messages_needed(half_width):
    count = 2
    while 0.5 - wilson_interval(count // 2, count)[0] > half_width:
        count += 2
    return count


check(messages_needed)

# %% [markdown]
# ### Exercise 4: A bolder head
#
# Change the model: multiply all weights of its untrained head by 0, by one half, by 2 and by 4, and measure two
# batches of the validation set each time. What happens to the accuracy, and what to the loss? (This one is not
# checked.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 4", "code_prompt_hide": "Hide solution 4"}
head = model.backbone.head
saved = {name: value.clone() for name, value in head.state_dict().items()}
for factor in (0, 0.5, 1, 2, 4):
    scaled = {name: factor * value for name, value in saved.items()}
    head.load_state_dict(scaled)
    print(factor, evaluate(model, loaders.validation, max_batches=2))
_ = head.load_state_dict(saved)  # as it was before

# %% [markdown]
# With the factor 0 both logits are zero, and the loss is $\ln 2$. Every other factor gives the same labels, and so the
# same accuracy. A larger factor makes the head surer of them, and every wrong answer costs more.

# %% [markdown]
# ## Questions
#
# <details><summary>1. Two models give the same labels to all messages. Can their losses differ?</summary>
#
# Yes. The label depends only on which logit is larger. The loss also depends on how much larger it is.
#
# </details>
#
# <details><summary>2. On 300 messages one classifier has 288 right and another 284. Which is better?</summary>
#
# These numbers do not say. The difference may be luck, and comparing the two intervals is not a test. The test of
# chapter 8 looks at the messages on which the two disagree.
#
# </details>
#
# <details><summary>3. After an hour of training all probabilities are one half. What has the model learnt?</summary>
#
# It has learnt one thing only: not to be sure without a reason. It knows nothing about the messages.
#
# </details>

# %% [markdown]
# <details><summary>4. The validation loss rises, but the accuracy stays the same. How can that be?</summary>
#
# The same messages are wrong, but the model has become surer of its wrong answers, or less sure of its right ones.
# Both cost more.
#
# </details>
#
# <details><summary>5. A filter has a high precision of spam. Why may it still be a bad filter?</summary>
#
# It may call only one message spam, the most obvious one. Its recall shows how much spam it lets through.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A label is the argmax of the logits; the softmax adds probabilities and keeps the order. Accuracy is what we want,
# but it has no slope. Its interval says how reliable it is. Cross-entropy is a stand-in with a slope: its gradient is
# $p - y$, and the loss of a coin is $\ln 2$. You also met a baseline to beat, and counted the errors of each class.
#
# **Next:** you can now measure the model, and you know the slope of its loss. [Chapter 6](06_fine_tuning.ipynb)
# follows that slope down.
