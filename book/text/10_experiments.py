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
# Our recipe contains many choices: which token is read, what is trained, how the batches are padded. Which of them
# matter? In this chapter we change one choice at a time and count the mistakes. At the end you can
#
# - **run** any of the experiments again with one command,
# - **read** a table of results and **say** which differences could be luck,
# - **build** {term}`LoRA`, a way to train large models with few trained parameters,
# - **name** the choices that matter here, and those that only cost time.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 4 to 6 and 8: the head, freezing, and how to compare two
# > classifiers on the same messages.
# > The page runs in a few minutes on two CPU cores; we have not measured a GPU. The experiments
# > themselves take hours, so their results come in a file with this page. The page downloads nothing new.

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
# The line `backbone` names the model. This edition is printed with SmolLM2.
#
# ## One change at a time
#
# If two recipes differ in one choice only, a difference between their results comes from this choice, or from luck.
# Such a comparison is called an {term}`ablation`. Everything else stays the same: the balanced messages, the
# {term}`seeds <seed>`, five epochs, the learning rate. Raschka has published nineteen such experiments for GPT-2
# {cite:p}`raschka2024experiments`, and the library lists the same nineteen. About half of them change our recipe. The
# others change Raschka's, which the table calls "the source's way".

# %%
import pandas as pd

from llmclf.evaluation.ablations import EXPERIMENTS

ablations = {}
for name, one in EXPERIMENTS.items():
    if one.reference:  # published for GPT-2
        ablations[name] = one
words = [[one.description, one.base] for one in ablations.values()]
columns = ["what", "compared with"]
pd.DataFrame(words, index=list(ablations), columns=columns)

# %% [markdown]
# Each row of this table is one experiment. Most rows are compared with one of two rows, their *base*. `last-token` is
# the library's recipe: it pads only to the longest message of the batch and reads the last real token. `last-position`
# is Raschka's: it pads all messages to one length and reads the last position, even if that is padding. Most other rows
# change one thing in one of these two. The code defines each row by what it changes. Here is `accumulated`:

# %% tags=["nbval-check-output"]
from dataclasses import fields

recipe, changed = EXPERIMENTS["last-token"], EXPERIMENTS["accumulated"]
for field in fields(recipe):
    name = field.name
    before, after = getattr(recipe, name), getattr(changed, name)
    if before != after and name not in ("description", "reference", "base"):
        print(f"{name}: {before} becomes {after}")

# %% [markdown]
# Two settings change, but this is one choice: each step still uses eight messages, now without padding.
#
# The messages come from the whole collection and are balanced as in chapter 1, half ham and half spam. They are split
# as in chapter 8: near copies stay together, and each {term}`fold` tests on another fifth of the table.

# %% [markdown]
# All rows use the same folds. Each fold starts with another random head and another order of the messages.
# One thing may favour some rows: SmolLM2's learning rate was chosen on some of
# these messages, and for training the last block (chapter 8).

# %% [markdown]
# ## Run one yourself
#
# Take the cheapest row: everything is frozen and only the head learns. You run one fold of it here.
#
# **Predict before you run.** Chapter 6 trained the last block too. How many of ten messages does the head alone get
# right?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluation.experiments import ModelSettings, Runner
from llmclf.evaluation.predictions import pooled
from llmclf.precision import choose_precision

settings = ModelSettings(backbone, device, choose_precision(device=device))
(first,) = Runner("balanced", settings).run("head", 0, [1])
tested = first.predictions[first.predictions["part"] == "test"]
found = pooled(tested)
print(f"of {len(tested)} messages {found['accuracy']:.1%} right", end=" ")
print(f"({found['low']:.1%} to {found['high']:.1%})")
print(f"{first.record['trained_parameters']:,} parameters trained")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# More than nine of ten are right. The head is only a weighted sum for each class, with about a thousand parameters.
# So the frozen state of the last token already shows, for most messages, whether they are spam.
# :::
#
# In the shell, one command runs three folds of this row. It writes every prediction to `predictions.parquet`, and one
# line about each run to `runs.csv`:
#
# ```bash
# python -m llmclf experiments --rows head --draws 1 2 3 --output output/experiments
# ```

# %% [markdown]
# The command saves each run as soon as it is done. If you interrupt it and start it again, it continues with the
# first missing fold. Without `--rows` it runs everything, for hours. We made the files of this page in this way, with
# `--backbone smollm2-135M` and `--precision bfloat16`, which saves time ({term}`bfloat16`). Most rows have five
# folds. The rows in which every block learns, and the row with 1,024 tokens for each message, have three. We decided
# that by their running time, not by their results.

# %% [markdown]
# Does the lower precision change the answers? For one row the file holds the predictions in float32 as well:

# %%
from llmclf.evaluation.predictions import compare, read_predictions

predictions = read_predictions("predictions.parquet")
predictions = predictions[predictions["task"] == "balanced"]
both = predictions[predictions["experiment"] == "last-token"]
by_precision = dict(iter(both.groupby("precision")))
for precision, rows in by_precision.items():
    found = pooled(rows)
    ends = f"{found['low']:.2%} to {found['high']:.2%}"
    print(f"{precision:<9}accuracy {found['accuracy']:.2%} ({ends})")
pair = compare(by_precision["bfloat16"], by_precision["float32"])
print("right in bfloat16 only:", pair.only_first)
print("right in float32 only: ", pair.only_second)

# %% [markdown]
# The two precisions differ in a single answer: for this row, precision makes almost no difference.

# %% [markdown]
# ## The results
#
# The next table compares each row with its base. Its columns are
#
# - `right` and `interval`: the accuracy over all folds of the row,
# - `+` and `-`: the messages that only this row got right, and those that only its base got right, over the folds that
#   both have,
# - `p`: the {term}`p-value` of chapter 8, with near copies counted together,
# - `folds`: in how many folds this row is ahead of its base, and in how many behind,
# - `GPT-2`: the published reference.

# %% [markdown]
# Read the reference with care. Each number is one run of GPT-2 on three hundred messages of another split, which
# leaks {cite:p}`raschka2024experiments`. In the reference every row changes Raschka's recipe. So compare a number only
# with the number of `last-position` in the same column (and `random` with `all`). A difference of a few points means
# little.

# %%
from llmclf.evaluation.predictions import leads

ours = predictions[predictions["precision"] != "float32"]
by_row = {}
for name, rows in ours.groupby("experiment"):
    if rows["fold"].nunique() > 2:
        by_row[name] = rows
shown = []
for name, one in ablations.items():
    if name in by_row and one.base in by_row:
        shown.append(name)

# %%
lines = {}
for name in shown:
    rows, base = by_row[name], by_row[ablations[name].base]
    found, pair, lead = pooled(rows), compare(rows, base), leads(rows, base)
    ahead, behind = (lead > 0).sum(), (lead < 0).sum()
    lines[name] = {
        "right": found["accuracy"],
        "interval": f"{found['low']:.1%} to {found['high']:.1%}",
        "+": pair.only_first,
        "-": pair.only_second,
        "p": pair.p_value,
        "folds": f"{ahead} : {behind} of {len(lead)}",
        "GPT-2": ablations[name].reference / 100,
    }
table = pd.DataFrame.from_dict(lines, orient="index")
table.style.format({"right": "{:.2%}", "p": "{:.1g}", "GPT-2": "{:.2%}"})

# %%
from llmclf.evaluate import wilson_interval
from llmclf.teaching.plots import COLORS, INK, SIZE, new_panels

# %% mystnb={"figure": {"caption": "The share of wrong answers, with 95 % intervals. Left: SmolLM2 on our folds; the dashed line is TF-IDF on characters, over all five folds (four rows were judged by three of these). Right: the reference for GPT-2, one run each on three hundred messages of another split. Both axes are logarithmic.", "name": "fig-experiments"}, "image": {"alt": "Two panels with one line for each experiment and a logarithmic axis of the share of wrong answers. On the left, SmolLM2: the mean over all tokens has the fewest wrong answers; LoRA lies next to the two blocks. The last position, the head alone, everything learning from pretrained and from random weights, the row padded to 1,024 tokens and the row without mask have several times as many. The first token lies far to the right, near one half. A dashed vertical line for TF-IDF runs among the better rows. On the right, GPT-2: the intervals are wider and most rows lie close together; the head alone, the first token and the row padded to 1,024 tokens lie far to the right."}}
counted = 1 - pooled(by_row["tfidf-characters"])["accuracy"]
figure, (left, right) = new_panels(2, width=4.8, height=4.6)
left.axvline(counted, linestyle="--", color=INK)
for place, name in enumerate(shown):
    found = pooled(by_row[name])
    ends = [1 - found["low"], 1 - found["high"]]
    left.plot(ends, [place] * 2, color=COLORS[0])
    left.plot(1 - found["accuracy"], place, "o", color=COLORS[0])
    wrong = 300 - round(3 * ablations[name].reference)
    right.plot(wilson_interval(wrong, 300), [place] * 2, color=COLORS[2])
    right.plot(wrong / 300, place, "D", color=COLORS[2])
left.set_yticks(range(len(shown)), shown, color=INK)
left.invert_yaxis()
left.set_title("SmolLM2, our folds", size=SIZE)
right.set_title("GPT-2, reference", size=SIZE)
for axes in (left, right):
    axes.set(xscale="log", xlabel="wrong answers")
    axes.xaxis.set_major_formatter("{x:.0%}")
figure

# %% [markdown]
# The dashed line in {numref}`fig-experiments` is the rival from chapter 8, trained and tested on the same folds. Half
# of the messages are spam here, so its numbers differ from those in chapter 8.

# %% [markdown]
# ### How to read so many comparisons
#
# Rows with different numbers of folds were judged by different messages. Compare their `+` and `-`, not their
# accuracies.
#
# Each $p$ answers one question: if two classifiers were equally good, how often would luck alone give a split at least
# this uneven? If $p$ is below one in twenty, people usually call the difference significant. But the table makes many
# {term}`comparisons <multiple comparisons>`. With a dozen independent ones, luck alone brings at least one $p$ below
# one in twenty in nearly half of all cases.

# %% [markdown]
# {cite:t}`holm1979` gives a stricter rule. Sort the p-values. The smallest must be at most one twentieth divided by
# the number of comparisons. For the next one, divide by that number minus one, and so on.
# Stop at the first that fails.
# A row that never disagrees with its base is not a comparison and does not count.
#
# **Predict before you run.** Which rows will turn out better than their base, and which worse?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluation.statistics import holm

differing = table[table["+"] + table["-"] > 0]
certain = holm(differing["p"].to_dict())
for name, row in differing.iterrows():
    verdict = "not clearly different from"
    if name in certain:
        verdict = "better than" if row["+"] > row["-"] else "worse than"
    print(f"{name:<13}{verdict} {ablations[name].base}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Four rows pass Holm's rule: `last-token` is better than its base, and `first-token`, `head` and `all` are worse. All
# four also point the same way in every fold. "Not clearly different" does not mean equal. It means that these
# messages cannot decide.
# :::
#
# $p$ covers one kind of luck: which messages happen to be judged. It does not cover the luck of training, such as
# another random head or another order. The folds show some of that luck, because each fold was trained on its own.
# A difference deserves most trust if it passes Holm's rule *and* points the same way in every fold.

# %% [markdown]
# What did each row cost? The next table shows how many parameters were trained, what share of its own training messages
# the row learnt in its worst fold, and how many seconds a fold took. The seconds are the median of the later folds,
# because most of these could reuse the frozen part that an earlier fold had computed. The machine had other work at the
# time: rows that do the same work differ here by a factor of two.

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
# ### Where the answer is read
#
# **last-position** is the base for the next row. After five epochs, Raschka's recipe had not yet learnt all its
# training messages. **last-token** gets more messages right, in every fold. A possible reason: Raschka's recipe often
# reads a padding token, which has to look back to a message that ended long before. (The two rows also
# differ in their padding. The row `accumulated` shows that padding itself changes nothing when the last real token is
# read.)

# %% [markdown]
# **first-token** is hardly better than a coin: its interval includes one half. It does not even learn its training
# messages. The causal mask lets the first token see nothing but itself. GPT-2 did better in its single run. SmolLM2's
# state at the first token seems to hold little even about the one token that it has seen. We did not look further.

# %% [markdown]
# **mean.** The mean over all tokens gets more messages right than the last token alone. With near copies counted as
# one, and among so many comparisons, this may be luck. The best place to read also depends on the task: on frozen
# states, [chapter 9](09_another_task.ipynb) finds the mean best for spam and the last token best for film reviews.
# The mean takes several times as long, because the last block runs for all tokens instead of one.

# %% [markdown]
# ### What learns
#
# **head.** Only a weighted sum is trained, and most answers are right. But in every fold, fewer answers are right
# than when the last block learns. GPT-2 lost far more in its single run, but it read a padded last position.
#
# **two-blocks.** One more block doubles the number of trained weights. Wherever the two rows disagree, `two-blocks` is
# right. But they disagree on too few messages to be sure among so many comparisons.

# %% [markdown]
# **all.** When every weight learns, more answers are wrong. In one of the folds, the model does not even learn all
# its training messages.
# GPT-2 lost nothing by it in its single run. We suspected the learning rate, which was chosen for the last
# block alone. So we ran one more row, `all-slower`, at a quarter of that rate. It is the rate that we use for GPT-2,
# and we chose it before looking. (It has become the library's default for training everything; chapter 6 compares
# more rates.)

# %%
from llmclf.evaluation.predictions import tell_experiment

print(tell_experiment("all-slower"))
rows = by_row["all-slower"]
learnt = runs[runs["experiment"] == "all-slower"]["learnt"].min()
print(f"learnt in the worst fold: {learnt:.1%}")
for base in ("all", "last-token", "random"):
    pair = compare(rows, by_row[base])
    print(f"against {base:<11}+ {pair.only_first:>2}", end=" ")
    print(f"- {pair.only_second:>2}, p = {pair.p_value:.1g}")

# %% [markdown]
# As far as three folds can tell, the learning rate was the reason. At a quarter of it, every training message is
# learnt. More test messages are right than with `all`, in every fold, though in one fold by little. Counted among the
# comparisons above, this one still passes Holm's rule. The row is not clearly different from `last-token`, but takes
# many times the work. So a row that looks bad may only be badly tuned.

# %% [markdown]
# **random.** From random weights, at the larger rate, the result is not clearly different from `all`. But this row
# gets fewer messages right than `all-slower`, which trains pretrained weights at the lower rate. We did not test
# whether another rate suits random weights better. Even so, this row gets most messages right.

# %% [markdown]
# **lora.** LoRA trains narrow corrections in every block; you build them [below](lora-from-scratch). It gets about as
# many messages right as training the whole last block, or a few more, which may well be luck. It takes many times as
# long. It trains few weights compared with the whole model (column `trained`), but more than the last block has.

# %% [markdown]
# ### Padding and steps
#
# **context.** Padding every message to 1,024 tokens is not clearly different from padding to the longest message.
# GPT-2 lost much by it in the reference. Perhaps the reason is that GPT-2 learnt a vector for each position, while
# for SmolLM2 only distances count. This table cannot say.

# %% [markdown]
# **accumulated.** Eight messages without any padding, with their gradients added up, give the same answers as a padded
# batch of eight, on every message. A causal model that reads the last real token does not see padding on the right.
#
# **one-by-one.** One step for each message means eight times as many steps. This row gets a few more messages right,
# in every fold. Among so many comparisons that is still too little to be sure. Missing padding is not the reason, as
# the row above shows. There are more steps, they are noisier, and together they can move the weights further. This
# row cannot say which of these matters, or whether it is luck.

# %% [markdown]
# **ignore-index.** Not one answer differs. The option leaves out *labels*, and no label is a padding token.
#
# ### The mask
#
# **no-mask.** Without the causal mask every token sees the whole message and all padding. The pretrained blocks have
# never met that. Many answers change, more of them for the worse. Among so many comparisons this may be luck. The
# model copes surprisingly well, but these results give no reason to remove the mask.

# %% [markdown]
# (lora-from-scratch)=
# ## LoRA, from scratch
#
# One row deserves a closer look, because it is a common way to fine-tune large models. *Low-rank adaptation*
# ({term}`LoRA`, {cite:t}`hu2021`) leaves every weight matrix as it is and learns a correction next to it. The correction
# must be cheap, so it goes through a bottleneck ({numref}`fig-lora`): a matrix A maps the input to a few values, and a
# matrix B maps these back.
#
# :::{figure-md} fig-lora
# ![The input goes two ways: through the large frozen matrix W, and through the narrow trained matrices A and B, with only as many values between them as the rank. The two results are added to give the output.](figures/lora.svg)
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
# The correction is the product B A (times a scale, here one). It is as large as the layer's own matrix, but its
# {term}`rank` is sixteen: whatever the input, its output is a mixture of the same sixteen vectors. That sounds like a
# hard limit. It works, presumably, because the change that a task needs is simple compared with the model. B begins
# as zeros, so at first nothing is corrected:

# %% tags=["nbval-check-output"]
states = torch.randn(5, 576)
corrected = linear(states) + states @ A.T @ B.T
print("nothing has changed yet:", torch.equal(corrected, linear(states)))
B.normal_()
print("rank of the correction:", torch.linalg.matrix_rank(B @ A).item())

# %% [markdown]
# After training, you can add the correction to the weights. The layer is then an ordinary one again, as fast as
# before. The library's {py:func}`~llmclf.lora.add_lora` puts such a correction next to every linear layer of every
# block, and {py:func}`~llmclf.lora.merge_lora` adds them to the weights in the end.

# %%
from llmclf.head import Classifier, parameter_table
from llmclf.lora import add_lora, merge_lora
from llmclf.weights import load_pretrained

pretrained = load_pretrained(backbone, device=device)
model = Classifier(pretrained, precision="float32")
add_lora(model, rank=16)
print(parameter_table(model).loc["sum"].to_string())

# %% [markdown]
# Only a small share of the parameters learns, but every block has some of them. (The head learns, too.) `finetune` does
# all this with `trainable="lora"`: it adds the corrections, trains, and merges. Here it learns from a few of chapter
# 1's messages:

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
# SmolLM2 learns from few messages in few steps, but each step takes long. The corrections begin in the lowest block,
# so no hidden states can be kept from one epoch to the next: each step runs the whole model, forward and back. On this
# task the last block alone is far cheaper and about as good. On film reviews it was not: there LoRA made the fewest
# mistakes from the same labels (chapter 9). People use LoRA mostly for models with billions of weights, when memory
# for the optimizer is short.
#
# (About the scale: the paper {cite:p}`hu2021` multiplies the correction by alpha divided by the rank, and so do we.
# With sixteen for both, the scale is one. Raschka multiplies by alpha itself, which is sixteen times as much.)

# %% [markdown]
# Does merging keep the answers? Give the corrections of the first model some values, as training would, and compare.
# (This model computes in float32, so that rounding does not hide the corrections.)

# %% tags=["nbval-check-output"]
from llmclf.lora import lora_layers

for _, _, layer in lora_layers(model):
    nn.init.normal_(layer.B, std=0.01)
ids = torch.arange(100, 112, device=device)[None]
lengths = torch.tensor([12], device=device)
with torch.no_grad():
    beside = model(ids, lengths)
    merge_lora(model)
    merged = model(ids, lengths)
print("the same answers:", torch.allclose(beside, merged, atol=1e-3))

# %% [markdown]
# ## What was not run
#
# Five rows need larger models, whose weights could not be reached from the machine that made this page. If your
# network reaches them, the command runs these rows too, and with `--backbone gpt2-124M` also the rows that they are
# compared with. The table shows the published reference only.

# %%
missing = {}
for name, one in ablations.items():
    if name not in shown:
        missing[name] = [one.description, f"{one.reference:.2f} %"]
columns = ["not run here", "GPT-2"]
pd.DataFrame.from_dict(missing, orient="index", columns=columns)

# %% [markdown]
# ## What these experiments cannot say
#
# They cover one task, one collection and one small model. All rows but one share one learning rate, chosen for the last
# block. Each fold was trained once, and when a whole model learns, another seed may change many answers.

# %% [markdown]
# How small a difference can you see? That depends on how often two recipes disagree. If they disagree often, you can
# only see a difference of at least a few messages in a hundred. If they hardly ever disagree, you can see a smaller
# one. Test what the tables leave open on a task of your own.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: How much LoRA trains
#
# Write `lora_parameters(inputs, outputs, rank)`: the number of trained values in the correction of one linear layer.

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
# ### Exercise 2: Where they disagree
#
# Two classifiers judged the same messages. You know the set of messages that each got wrong. Write
# `only_right(wrong_first, wrong_second)`: it returns two numbers as a pair: how many messages only the first got right,
# and how many only the second.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
def only_right(wrong_first, wrong_second):
    ...  # your code


check(only_right)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def only_right(wrong_first, wrong_second):
    only_first = len(wrong_second - wrong_first)
    only_second = len(wrong_first - wrong_second)
    return only_first, only_second


check(only_right)

# %% [markdown]
# ### Exercise 3: Train less of the model
#
# LoRA learnt from 128 messages above. Train on the same messages (`small`) again, first the head alone and then the
# last block. Compare accuracy and time with LoRA's. (This one is not checked.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
for part in ("head", "last_block"):
    made = finetune(
        small, ["ham", "spam"], backbone, settings, trainable=part,
        device=str(device), quiet=True,
    )  # fmt: skip
    print(f"{part}, trained in {made.history.seconds:.0f} s")
    print(evaluate(made.classifier.model, made.loaders.test))

# %% [markdown]
# Here `finetune` computes the frozen states of each message once and trains on the stored states. A hundred test
# messages and one run each are few: do not believe a small difference in accuracy.
#
# ## Questions
#
# <details><summary>1. Why does each row change only one choice?</summary>
#
# If two choices changed at once, you could not say which of them made the difference.
#
# </details>
#
# <details><summary>2. Why is the first token a poor place to read?</summary>
#
# The causal mask lets it see only itself. It knows the first word of the message, or a part of it, and nothing else.
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
# <details><summary>4. Twenty comparisons, one with <em>p</em> = 0.04. What do you conclude?</summary>
#
# Nothing yet. Among twenty comparisons of equally good recipes, you have to expect one such $p$.
#
# </details>
#
# <details><summary>5. Why can LoRA not use cached features?</summary>
#
# It corrects every block. The output of the first block changes with every training step, and so does everything that
# follows.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# You changed the recipe one choice at a time. You judged each change by the messages on which two recipes disagree,
# with near copies counted once and a limit that gets stricter with the number of comparisons. The clear differences
# come from where the answer is read and from what learns. Some choices change no answer at all, and several promising
# ones may be luck. You built LoRA and learnt when it pays.

# %% [markdown]
# **Next:** the classifier works, and you know how good it is. In [chapter 11](11_growing_up.ipynb) the work outgrows
# the laptop: more messages than fit into memory, several processes, and a plan for a billion.
