# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10 · Experiments
#
# The recipe of this book is a row of choices: which token is read, what may learn, how the batches are padded.
# Which of them matter? Opinions are cheap, so this chapter changes one choice at a time and counts. At the end
# you can
#
# - **run** any of the experiments again with one command,
# - **read** a table of results and **say** which differences are noise,
# - **build** LoRA, a way to train large models with few parameters,
# - **name** the choices that matter, and those that only cost time.

# %% [markdown]
# > **Before you start.** You need chapters 4 to 6 and 8, or their ideas: the head, what is frozen, and the test of
# > pairs. The page runs in a few minutes on two CPU cores; times on a GPU were not measured. The experiments
# > themselves take hours, so their results lie in a file beside the page. The chapter downloads nothing that chapter 3 has not.

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
# ## One change at a time
#
# Where two recipes differ in one choice only, the results tell about that choice; such a comparison is called an
# {term}`ablation`. Everything else stays: the balanced messages, the {term}`seeds <seed>`, five epochs, the learning rate.
# Nineteen of them have been published for GPT-2 by the author whom this book follows
# {cite:p}`raschka2024experiments`. The library lists the same nineteen, about half of them as changes of its own recipe, the others of his:

# %%
import pandas as pd

from llmclf.evaluation.ablations import EXPERIMENTS

ablations = {n: e for n, e in EXPERIMENTS.items() if e.reference}
words = [[one.description, one.base] for one in ablations.values()]
columns = ["what", "compared with"]
pd.DataFrame(words, index=list(ablations), columns=columns)

# %% [markdown]
# Two rows are there to be compared with. `last-token` is the library's recipe: no padding beyond the batch, and the
# last real token is read. `last-position` is Raschka's: all messages padded to one length, and the last position
# is read, padding or not. Most other rows change one thing in one of the two. What a row changes is its definition,
# here that of `accumulated`:

# %% tags=["nbval-check-output"]
from dataclasses import fields

recipe, changed = EXPERIMENTS["last-token"], EXPERIMENTS["accumulated"]
for field in fields(recipe):
    name = field.name
    before, after = getattr(recipe, name), getattr(changed, name)
    if before != after and name not in ("description", "reference", "base"):
        print(f"{name}: {before} becomes {after}")

# %% [markdown]
# Two settings, but one change: eight messages a step as before, and no padding.
#
# The messages are balanced in the way of chapter 1, half ham and half spam, from the whole collection, but split as chapter 8 has taught: near copies
# stay together, and each {term}`fold` judges by another fifth of the table.

# %% [markdown]
# The rows ran on the same folds, with
# another random head and another order in each. Within a row each test message is judged once. (SmolLM2's learning rate was
# chosen on some of these messages, as chapter 8 says, and for the last block: that may favour the rows that train just this block.)

# %% [markdown]
# ## Run one yourself
#
# Take the cheapest row: everything is frozen, only the head learns. One fold, here and now.
#
# **Predict before you run.** Chapter 6 trained the last block too. How many of ten messages does a head alone get
# right?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluation.experiments import ModelSettings, Runner
from llmclf.evaluation.predictions import pooled
from llmclf.precision import choose_precision

settings = ModelSettings(backbone, device, choose_precision(device=device))
(first,) = Runner("balanced", settings).run("head", 0, [1])
tested = first.predictions[first.predictions["part"] == "test"]
found = "{accuracy:.1%} right ({low:.1%} to {high:.1%}),"
print(f"of {len(tested)} messages", found.format(**pooled(tested)))
print(f"{first.record['trained_parameters']:,} parameters trained")

# %% [markdown]
# So few parameters, a weighted sum for each class, and with SmolLM2 the answer is right most of the time: whether a
# message is spam can be read off the frozen state of its last token. In the shell the same takes one line, and what
# it finds goes into two files, every prediction into `predictions.parquet` and a row about the run into `runs.csv`:
#
# ```bash
# python -m llmclf experiments --rows head --draws 1 2 3 --output output/experiments
# ```

# %% [markdown]
# The command writes each run as soon as it is done. Interrupted, it goes on with the next fold that is missing.
# Without `--rows` it runs everything, for hours. The files beside this page were made in this way, with
# `--backbone smollm2-135M` and with `--precision bfloat16`, which saves time ({term}`bfloat16`), and with five folds, but for
# the rows in which every block learns or all messages are a thousand tokens long. Those have three: their time decided that, not their results.
#
# Most runs of this chapter are older than the probabilities in that file: of these it holds the predicted labels only, which is all
# that this chapter needs. For one row it holds the predictions in float32 as well:

# %%
from llmclf.evaluation.predictions import compare, read_predictions

predictions = read_predictions("predictions.parquet")
predictions = predictions[predictions["task"] == "balanced"]
both = predictions[predictions["experiment"] == "last-token"]
for precision, rows in both.groupby("precision"):
    found = pooled(rows)
    ends = f"{found['low']:.2%} to {found['high']:.2%}"
    print(f"{precision:<9}accuracy {found['accuracy']:.2%} ({ends})")
half, full = (rows for _, rows in both.groupby("precision"))
print("right only in one of them:", compare(half, full)[:2])

# %% [markdown]
# They hardly part at all: for this row the precision of the arithmetic makes next to no difference. On a processor that is made for
# it, the lower one saves time in the frozen part.

# %% [markdown]
# ## The results
#
# For every row: the accuracy over its folds with the interval, and how it does against the row with which it is to
# be compared, over the folds that both have. `+` counts the messages that only this row got right, `-` those that
# only the other did, and p is that of chapter 8, near copies together. `folds` says in how many this row was ahead, and in how many behind.

# %% [markdown]
# The last column is the reference: GPT-2, one run each on three hundred
# messages of another split, which leaks {cite:p}`raschka2024experiments`. There every row changes Raschka's recipe,
# so compare it within that column, with `last-position` (`random` with `all`); a few points mean little.

# %%
from llmclf.evaluation.predictions import leads

ours = predictions[predictions["precision"] != "float32"]
folds = ours.groupby("experiment")["fold"].nunique()
by_row = dict(iter(ours.groupby("experiment")))
by_row = {n: rows for n, rows in by_row.items() if folds[n] > 2}
shown = [n for n in ablations if {n, ablations[n].base} <= set(by_row)]
lines = {}
for name in shown:
    rows, base = by_row[name], by_row[ablations[name].base]
    found, by_fold = pooled(rows), leads(rows, base)
    spread = "{low:.1%} to {high:.1%}".format(**found)
    ahead, behind = (by_fold > 0).sum(), (by_fold < 0).sum()
    pair = compare(rows, base)
    lines[name] = [found["accuracy"], spread, *pair[:3]]
    lines[name].append(f"{ahead} : {behind} of {folds[name]}")
    lines[name].append(ablations[name].reference / 100)
columns = ["right", "interval", "+", "-", "p", "folds", "GPT-2"]
table = pd.DataFrame.from_dict(lines, orient="index", columns=columns)
forms = {"right": "{:.2%}", "p": "{:.1g}", "GPT-2": "{:.2%}"}
table.style.format(forms)

# %%
from llmclf.evaluate import wilson_interval
from llmclf.teaching.plots import COLORS, INK, new_panels

# %% mystnb={"figure": {"caption": "Wrong answers with 95 % intervals. Left: SmolLM2 on our folds; the dashed line is TF-IDF on characters, on the same messages. Right: the reference for GPT-2, one run each on three hundred messages of another split. Each labelled mark of the axes stands for ten times the one before.", "name": "fig-experiments"}, "image": {"alt": "Two panels with one line for each experiment and a logarithmic axis of the share of wrong answers. On the left, SmolLM2: the mean over all tokens lies farthest left, LoRA beside the two blocks; the last position, the head alone, everything learning from pretrained and from random weights, the row padded to 1,024 tokens and the row without mask lie to the right with several times as many, and the first token stands far to the right near one half. A dashed vertical line for TF-IDF stands among the better rows. On the right, GPT-2: the intervals are wider, most rows lie close together; the head alone, the first token and the row padded to 1,024 tokens lie far to the right."}}
counted = 1 - pooled(by_row["tfidf-characters"])["accuracy"]
figure, (left, right) = new_panels(2, width=6.4, height=4.6)
left.axvline(counted, linestyle="--", color=INK)
for place, name in enumerate(shown):
    found = pooled(by_row[name])
    ends = [1 - found["low"], 1 - found["high"]]
    left.plot(ends, [place] * 2, color=COLORS[0])
    left.plot(1 - found["accuracy"], place, "o", color=COLORS[0])
    wrong = 300 - round(3 * ablations[name].reference)
    right.plot(wilson_interval(wrong, 300), [place] * 2, color=COLORS[3])
    right.plot(wrong / 300, place, "D", color=COLORS[3])
left.set_yticks(range(len(shown)), shown, color=INK)
left.invert_yaxis()
left.set_title("SmolLM2, our folds", color=INK, fontsize="medium")
right.set_title("GPT-2, reference", color=INK, fontsize="medium")
for axes in (left, right):
    axes.set(xscale="log", xlabel="wrong answers")
    axes.xaxis.set_major_formatter("{x:.0%}")
figure

# %% [markdown]
# The dashed line is the rival of chapter 8, which learnt and was judged on the same folds. Half of the messages are spam here, so its numbers differ from those of chapter 8, too.

# %% [markdown]
# ### How to read so many comparisons
#
# Rows with other numbers of folds were judged by other messages: compare their `+` and `-`, not their accuracies.
#
# Each p says how often luck alone would part two equally good classifiers so unevenly. Where it is below one in twenty, people begin to
# believe in a difference. But here are many {term}`comparisons <multiple comparisons>`, and with a dozen independent ones it is nearly as likely as not that
# luck alone gets below one in twenty somewhere.

# %% [markdown]
# {cite:t}`holm1979` gives the remedy. Sort the p-values. The smallest must be below one twentieth divided by the number
# of comparisons, the next below one twentieth divided by one less, and so on; at the first that fails, stop. A row
# that never parts from its base is no comparison and does not count.
#
# **Predict before you run.** Which rows will turn out better than their base, and which worse?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluation.statistics import holm

differing = table[table["+"] + table["-"] > 0]
certain = holm(differing["p"].to_dict())
for name, row in differing.iterrows():
    verdict = "not told apart from"
    if name in certain:
        verdict = "better than" if row["+"] > row["-"] else "worse than"
    print(f"{name:<13}{verdict} {ablations[name].base}")

# %% [markdown]
# p knows the luck of which messages judge. The luck of training, another head and another order, it does not know; the
# folds show something of it, for each was trained once. Trust most what this list calls better or worse *and* what points the same way in every fold.
#
# What did each row train, how many of its own training messages did it learn in its worst fold, and how long did a fold
# take? (The median of the later folds, most of which found the frozen part done, on a machine that had other work besides: rows that do the
# same work differ here by a factor of two.)

# %%
from llmclf.evaluation.predictions import read_runs

runs = read_runs("runs.csv").query("task == 'balanced'").copy()
runs["learnt"] = runs["train_correct"] / runs["train_messages"]
runs = runs[runs["precision"] == "bfloat16"]
lines = {}
for name in shown:
    rows = runs[runs["experiment"] == name]
    later = rows[rows["fold"] > 1]["seconds"].median()
    learnt = rows["learnt"].min()
    lines[name] = [rows["trained_parameters"].max(), learnt, later]
columns = ["trained", "learnt, worst fold", "seconds"]
costs = pd.DataFrame.from_dict(lines, orient="index", columns=columns)
forms = {"trained": "{:,}", "learnt, worst fold": "{:.1%}"}
costs.style.format(forms | {"seconds": "{:,.0f}"})

# %% [markdown]
# Here is what these tables say, row by row.
#
# ### Where the answer is read
#
# **last-position** is what the next row is compared with: Raschka's way, which after five epochs had not yet learnt all its
# training messages. **last-token** gets more messages right, in every fold. At a padding token the model presumably has to look back to a
# message that ended long before; the last token stands in it. (Two settings differ. That the padding itself changes
# nothing when the last real token is read, the row `accumulated` shows.)

# %% [markdown]
# **first-token.** Hardly better than a coin, and not even the training messages can be learnt. The causal mask
# lets the first token see nothing but itself. GPT-2's run did better; SmolLM2's first state seems to hold little even
# of the one word that it has seen. We did not look further.

# %% [markdown]
# **mean.** The mean over all tokens got more right than the last token alone. With near copies counted as one, and beside so many comparisons, that may be
# luck. On the sentences of [chapter 9](09_another_task.ipynb) it is the other way round. The mean takes several times as long, since the last block runs for all
# tokens instead of one.

# %% [markdown]
# ### What learns
#
# **head.** With everything frozen but a weighted sum, most answers are right, though fewer than with the last
# block, in every fold. Much of what the sum needs stands in the frozen states already; the last block brings out more. GPT-2's run lost
# far more by this, but read a padded last position.
#
# **two-blocks.** One block more trains twice as many weights. Where the two part it is always for the better, but they part on
# too few messages to be sure beside so many comparisons.

# %% [markdown]
# **all.** With every weight learning, more messages go wrong, and in one of the folds many of the training messages stay
# unlearnt, too; GPT-2's run lost nothing by it. A suspect is the learning rate, which was chosen for the last block alone. So we ran one row more,
# `all-slower`: a quarter of that rate, the one which GPT-2 has, chosen before looking. (It has become the library's default for training everything: chapter 6 compares more rates.)

# %%
rows = by_row["all-slower"]
learnt = runs[runs["experiment"] == "all-slower"]["learnt"].min()
found = "{accuracy:.2%} ({low:.1%} to {high:.1%})"
print("all-slower:", found.format(**pooled(rows)))
print(f"learnt in the worst fold: {learnt:.1%}")
for base in ("all", "last-token", "random"):
    pair = compare(rows, by_row[base])
    print(f"against {base:<11}+ {pair.only_first:>2}", end=" ")
    print(f"- {pair.only_second:>2}, p = {pair.p_value:.1g}")

# %% [markdown]
# The learning rate was the reason, as far as three folds can tell. At a quarter of it every training message is learnt, and more test
# messages are right than with `all`, in every fold, though in one by little. Counted among the comparisons above, this still passes Holm's
# bar. The row is not told apart from the last block, at many times the work. A row that looks bad may only be badly tuned: that is the lesson of this one.

# %% [markdown]
# **random.** From random weights, at the larger rate, the result is not told apart from `all`; but fewer messages are right than
# with pretrained weights at the rate that suits them. Whether another rate suits random weights better was not tried. That the row comes as
# near as it does says how much the words alone give away.

# %% [markdown]
# **lora.** Narrow corrections in every block, built [below](lora-from-scratch), got about as many right as the whole last block or a few
# more, which luck may well have given. For that they compute many times as long. And note the column `trained`: they are few weights
# beside the whole model, but more than the last block has.

# %% [markdown]
# ### Padding and steps
#
# **context.** Padding every message to a thousand tokens is not told apart from padding to the longest one. GPT-2 lost much by
# it in the reference. Perhaps because GPT-2 learnt a vector for each place and SmolLM2 turns by distances; this table cannot say.

# %% [markdown]
# **accumulated.** Eight messages without any padding, their gradients added up, give the very answers of a padded
# batch of eight, on every message. Padding on the right is invisible to a causal model that reads the last real token.
#
# **one-by-one.** A step after every message takes eight times as many steps, and got a few messages more right, in every
# fold; beside so many comparisons that is still too little to be sure. The row above shows that missing padding is not the reason. More steps, noisier ones, together a longer
# way: which of these, or luck, the row cannot say.

# %% [markdown]
# **ignore-index.** Not one answer differs. The option leaves out *labels*, and no label is a padding token.
#
# ### The mask
#
# **no-mask.** Without the causal mask every token sees the whole message and all padding, which the pretrained
# blocks have never met. Many answers change, more of them for the worse, yet beside so many other comparisons that
# may be luck. The model copes surprisingly well; to see more is no gain for one that has learnt to see less.

# %% [markdown]
# (lora-from-scratch)=
# ## LoRA, from scratch
#
# One row deserves a closer look, because it is a common way to fine-tune large models. *Low-rank adaptation*
# ({term}`LoRA`, {cite:t}`hu2021`) leaves every weight matrix as it is and learns a correction beside it. The
# correction must be cheap, so it goes through a bottleneck ({numref}`fig-lora`): a matrix A maps the input to a few
# values, a matrix B maps those back.
#
# :::{figure-md} fig-lora
# ![The input goes two ways: through the large frozen matrix W, and through the narrow trained matrices A and B with only as many values between them as the rank. Both results are added to give the output.](figures/lora.svg)
#
# A linear layer with its correction. Only the narrow matrices learn.
# :::

# %%
import torch
from torch import nn

linear = nn.Linear(576, 1536)
rank = 16
A = torch.empty(rank, 576).uniform_(-0.04, 0.04)
B = torch.zeros(1536, rank)
print(f"the layer:      {linear.weight.numel():>9,} weights, frozen")
print(f"the correction: {A.numel() + B.numel():>9,} weights, trained")

# %% [markdown]
# The correction is the product B A (times a scale, here one), a matrix as large as the layer's own, but of {term}`rank` sixteen: its rows are
# all mixtures of the same sixteen. That seems a hard limit. It works, presumably, because what a task needs to change in
# a pretrained model is simple compared with the model. B begins as zeros, so at first nothing is corrected:

# %% tags=["nbval-check-output"]
states = torch.randn(5, 576)
lora_layers = linear(states) + states @ A.T @ B.T
print("nothing has changed yet:", torch.equal(lora_layers, linear(states)))
B.normal_()
print("rank of the correction:", torch.linalg.matrix_rank(B @ A).item())

# %% [markdown]
# After training, the correction can be added to the weights, and the layer is an ordinary one again, no slower
# than before. The library's {py:func}`~llmclf.lora.add_lora` puts such a correction beside every linear layer of
# every block, and {py:func}`~llmclf.lora.merge_lora` adds them in the end.

# %%
from llmclf.head import Classifier, parameter_table
from llmclf.lora import add_lora, merge_lora
from llmclf.weights import load_pretrained

pretrained = load_pretrained(backbone, device=device)
model = Classifier(pretrained, precision="float32")
add_lora(model, rank=16)
print(parameter_table(model).loc["sum"].to_string())

# %% [markdown]
# A small share of the parameters learns, the head among them, and it reaches every block. `finetune` does all this with `trainable="lora"`: it adds the corrections, trains,
# and merges. Here on a few of chapter 1's messages:

# %%
from llmclf import data
from llmclf.evaluate import evaluate
from llmclf.finetune import finetune
from llmclf.train import TrainingSettings

splits = data.prepare_sms()
few = data.stratified_sample(splits.train, 128)
judges = data.stratified_sample(splits.test, 100)
small = data.Splits(few, splits.validation[:8], judges)
settings = TrainingSettings(epochs=3, evaluate_every=10**9)
made = finetune(
    small, ["ham", "spam"], backbone, settings, trainable="lora",
    device=str(device), quiet=True,
)  # fmt: skip
print(evaluate(made.classifier.model, made.loaders.test))
print(f"trained in {made.history.seconds:.0f} s")

# %% [markdown]
# It learns from little, in few steps, but each step takes long. The corrections begin in the lowest block, so no hidden states can be kept from one epoch to the next: each step runs the whole model,
# forward and back. For a model of this size training the last block alone is far cheaper. LoRA pays where the optimizer's
# memory for billions of weights is what one lacks.
#
# (About the scale: the paper {cite:p}`hu2021` multiplies the correction by alpha divided by the rank, and so do we; with sixteen for both, that is one. The source multiplies by alpha itself, sixteen times as much.)

# %% [markdown]
# Does merging keep the answers? Give the corrections of the first model some value, as training would, and compare. (It
# computes in float32, so the difference is not lost in rounding.)

# %% tags=["nbval-check-output"]
from llmclf.lora import lora_layers as corrected_layers

for _, _, layer in corrected_layers(model):
    nn.init.normal_(layer.B, std=0.01)
ids = torch.arange(100, 112, device=device)[None]
lengths = torch.tensor([12], device=device)
with torch.no_grad():
    beside = model(ids, lengths)
    merge_lora(model)
    merged = model(ids, lengths)
print("merged or beside:", torch.allclose(beside, merged, atol=1e-3))

# %% [markdown]
# ## What was not run
#
# Five rows need larger models, whose weights could not be had where this page was made. With a wider network the command
# runs them too, and with `--backbone gpt2-124M` the rows that they are to be compared with. For none of them does the
# table hold a number of ours, or a guess.

# %%
missing = {
    name: [one.description, f"{one.reference:.2f} %"]
    for name, one in ablations.items()
    if name not in lines
}
columns = ["not run here", "GPT-2"]
pd.DataFrame.from_dict(missing, orient="index", columns=columns)

# %% [markdown]
# ## What these experiments cannot say
#
# They are of one task, one collection and one small model. All rows but one share one learning rate, chosen for the last
# block; a row that trains more of the model might do better with another. Each fold was trained once, and where a
# whole model learns, another seed may move many messages.

# %% [markdown]
# How small a difference can be seen depends on how often two recipes part: where they part often, it must be a few in a
# hundred; where they hardly do, less is enough. A careful reader takes from the tables what is large and points the same way in every fold, and
# tests the rest on a task of their own.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: How much LoRA trains
#
# Write `lora_parameters(inputs, outputs, rank)`: the number of trained values in the
# correction of one linear layer.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def lora_parameters(inputs, outputs, rank):
    ...  # your code


check(lora_parameters)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def lora_parameters(inputs, outputs, rank):
    return rank * (inputs + outputs)


check(lora_parameters)

# %% [markdown]
# ### Exercise 2: Where they part
#
# Two classifiers judged the same messages. Given the sets of messages that each got wrong,
# write `parted(wrong_first, wrong_second)`: a pair, how many only the first got right, and how many only the
# second.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
def parted(wrong_first, wrong_second):
    ...  # your code


check(parted)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def parted(wrong_first, wrong_second):
    only_first = len(wrong_second - wrong_first)
    only_second = len(wrong_first - wrong_second)
    return only_first, only_second


check(parted)

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why does each row change only one choice?</summary>
#
# If two choices changed at once, nobody could say which of them made the difference.
#
# </details>
#
# <details><summary>2. Why is the first token a poor place to read?</summary>
#
# The causal mask lets it see itself only. Of the whole message it knows the first word, or a part of it.
#
# </details>
#
# <details><summary>3. What does <code>ignore_index</code> change, when the labels are 0 and 1?</summary>
#
# Nothing. It leaves out messages with that label, and no message has it. The padding is in the input, not among
# the labels.
#
# </details>

# %% [markdown]
# <details><summary>4. Twenty comparisons, one with p = 0.04. What do you conclude?</summary>
#
# Nothing yet. Among twenty comparisons of equals, one such p is to be expected.
#
# </details>
#
# <details><summary>5. Why can LoRA not use cached features?</summary>
#
# Its corrections stand in every block. What the first block gives changes with every step, and with it all that
# follows.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# You changed the recipe one choice at a time, and judged each change by the messages on which the two recipes
# part, near copies counted once, with a limit that gets stricter with the number of comparisons. Where the answer is read and what learns
# matter most; some choices change no answer at all, and several promising ones may be luck. You built LoRA and saw when it pays. And you know which questions the table leaves
# open.

# %% [markdown]
# **Next:** the classifier works, and you know what it is worth. In [chapter 11](11_growing_up.ipynb) the work outgrows
# the laptop: more messages than fit into memory, several processes, and a plan for a billion.
