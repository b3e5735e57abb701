# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11 · Growing up
#
# So far a table fitted into memory and a training run into a coffee break. What if a billion messages wait, or the model
# learns for days? Most of what you know stays as it is. This chapter shows what changes, in small and for real, and
# then plans something large.

# %% [markdown]
# At the end you can
#
# - **decide** from a measured rate when a laptop is no longer enough,
# - **classify** files larger than memory, and continue where the work was stopped,
# - **share** scoring and training among several {term}`workers <worker>`, and show that the answers stay the same,
# - **plan** a billion messages: a cheap model first, hours, money, and what will be the bottleneck.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 6 and 7. To run this page, run chapter 6 or 7 first: it makes
# > the classifier. It takes about two minutes on two CPU cores, a good part of which is the start of other processes.
# > Nothing here was run on a GPU, nor on more than one machine. Download: nothing new.

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.evaluate import choose_device
from llmclf.teaching.provenance import provenance
from llmclf.weights import choose_backbone

backbone = choose_backbone()
print(provenance(backbone, choose_device()))

# %% [markdown]
# ## How far does the laptop reach?
#
# Measure before you buy. Take the {term}`classifier` that chapter 6 has saved and a sample of the collection, and
# count how many messages it reads in a second, on the processor alone. Its *student* reads them too: the much smaller model of the page
# [Play](play.ipynb), which has learnt to give the same answers.

# %%
from pathlib import Path

from llmclf.classify import TextClassifier
from llmclf.data import is_fast, read_sms
from llmclf.interactive.student import load_student

# %%
folder = Path("output", "fast" if is_fast() else "full")
classifier = TextClassifier.load(folder / "classifier", device="cpu")
student = load_student("play/student.safetensors")
texts = read_sms(every_row=True)["text"].tolist()
sample = texts[::100] if is_fast() else texts[::10]

# %%
import time


def rate(work, items):
    work(items[:8])  # the first call prepares things
    start = time.perf_counter()
    work(items)
    return len(items) / (time.perf_counter() - start)


teacher_rate = rate(classifier.logits, sample)
student_rate = rate(student.logits, sample)
print(f"classifier: {teacher_rate:>7,.0f} messages a second")
print(f"student:    {student_rate:>7,.0f} messages a second")

# %% [markdown]
# Two rates, from which all that follows is multiplied up. The student is smaller by far, so it should be far ahead.
#
# **Predict before you run.** How long does a million messages take the classifier on this
# computer, and how long a billion: hours, days, years?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
def duration(seconds):
    units = {"years": 365 * 86400, "days": 86400}
    units |= {"hours": 3600, "minutes": 60, "seconds": 1}
    fits = [n for n, size in units.items() if seconds >= size]
    name = (fits or ["seconds"])[0]
    return f"{seconds / units[name]:,.1f} {name}"


for count in (10_000, 10**6, 10**9):
    print(f"{count:>13,}: {duration(count / teacher_rate):>13}", end="")
    print(f", student {duration(count / student_rate):>13}")

# %% [markdown]
# Ten thousand messages are a short break for the classifier, a million take hours on a usual laptop, and a billion months or years. The
# student is far faster on the same computer: compare the last line. Where its answers are good enough, it saves more than many machines.

# %% [markdown]
# There are three good reasons to leave the laptop:
# the work takes longer than you can wait, the model does not fit into the memory, or the messages may not leave the
# place where they are kept. Large data alone are no reason: large files can be read in parts.
#
# The second reason can be computed. A weight takes four bytes. To train it takes four more for its {term}`gradient`, and eight for
# the two averages that {term}`AdamW` keeps. The intermediate results of the layers come on top.

# %%
weights = classifier.model.parameters()
count = sum(weight.numel() for weight in weights)
print(f"{count:,} weights: {4 * count / 1e9:.1f} GB to use,", end=" ")
print(f"{16 * count / 1e9:.1f} GB to train all of them")

# %% [markdown]
# Ours fits easily, and since most of it stays {term}`frozen <freeze>`, training it needs less than the second number. A model ten times as
# large can still be used on a laptop; to train all of it takes more memory than many laptops have. Here is the first reason as a picture:

# %% mystnb={"figure": {"caption": "How long the computer of this page needs for a given number of messages, drawn from the two rates above. Each mark of the lower axis stands for ten times as many.", "name": "fig-reach"}, "image": {"alt": "Two parallel straight lines on logarithmic axes: messages from a thousand to a billion, and time with marks at a minute, an hour, a day, a month and a year. The line of the student runs well below that of the classifier, so that it reaches each mark only after many times as many messages."}}
from llmclf.teaching.plots import COLORS, INK, new_figure

figure, axes = new_figure()
counts = [10**3, 10**9]
rates = {"classifier": teacher_rate, "student": student_rate}
styles = {"classifier": "-", "student": ":"}
for (name, style), color in zip(styles.items(), COLORS[:2], strict=True):
    seconds = [count / rates[name] for count in counts]
    axes.loglog(counts, seconds, style, color=color, label=name)
marks = {60: "minute", 3600: "hour", 86400: "day"}
marks |= {30 * 86400: "month", 365 * 86400: "year"}
axes.set_yticks(list(marks), list(marks.values()))
axes.minorticks_off()
axes.set_xlabel("messages")
axes.legend(frameon=False, labelcolor=INK)
figure

# %% [markdown]
# ## Files larger than memory
#
# `predict` takes a list, and a list lives in memory. The way out is old: read a part, classify it, write it, forget
# it ({numref}`fig-parts`). To try it, lay out a folder as a company might have it, with three kinds of files: CSV,
# {term}`JSON Lines` and {term}`Parquet`.
#
# :::{figure-md} fig-parts
# ![Two files stand on the left, cut into parts. Two workers in the middle, each with a classifier, take them. On the right stands a folder for each file, and in it a file for each part that is done; the last part is still to do.](figures/parts.svg)
#
# Files go in, files come out. Which worker takes which part does not matter.
# :::

# %%
import shutil

import pandas as pd

place = folder / "growing"
shutil.rmtree(place, ignore_errors=True)
source = place / "messages"
source.mkdir(parents=True)
table = pd.DataFrame({"id": range(90), "text": texts[:90]})
table[:38].to_csv(source / "january.csv", index=False)
lines = table[38:63].to_json(orient="records", lines=True)
(source / "february.jsonl").write_text(lines, encoding="utf-8")
table[63:].to_parquet(source / "march.parquet", row_group_size=10)

# %% [markdown]
# One function does the rest; in the shell it is the command `classify` with the option `--engine stream`, an {term}`engine`
# being what decides who does which part when. By default a part has ten thousand rows. Ours are small, so that there is something to see. They are computed in float32,
# because we shall compare them with answers of other processes, to four decimal places.

# %% tags=["nbval-check-output"]
from llmclf.scale.score_files import score_files

scored = place / "scored"
work = {"rows_per_part": 10, "precision": "float32"}
result = score_files(folder / "classifier", source, scored, **work)
print(result)
for path in sorted(scored.rglob("*.*/*")):
    print(path.relative_to(scored).as_posix())

# %% [markdown]
# Each file became a folder, and each part a file in it with the rows in their order. Nothing of a row is lost: the
# answer and the probabilities stand behind the columns that were there.

# %%
first = pd.read_csv(scored / "january.csv" / "00000.csv")
print(*first.columns)
first[["id", "predicted", "probability_spam"]].head(3)

# %% [markdown]
# Now something goes wrong: the power fails before a part is written. A part is written beside its place and then
# renamed in one step, so there is no half part, only a missing one. Take one away, and call again.
#
# **Predict before you run.** How many messages will be classified this time?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
(scored / "february.jsonl" / "00001.jsonl").unlink()
again = score_files(folder / "classifier", source, scored, **work)
print(f"{again.now} now, {again.before} before")

# %% [markdown]
# Only the missing part. The file is read again from its beginning, but the model sees only the rows of that part, and the other parts
# stay as they are. How do memory and time grow? A benchmark in the project's folder has classified up to a million messages with a very
# small model, so that reading and writing count as well. Here is what it measured:

# %%
import json

results = Path("..", "benchmarks", "results", "scoring.json")
measured = json.loads(results.read_text())
machine = measured["machine"]
print(machine["processor"], machine["cores"], "cores")
for one in measured["by number"]:
    per_second = one["messages"] / one["seconds"]
    print(f"{one['messages']:>9,}: {one['seconds']:>5.1f} s,", end=" ")
    print(f"{per_second:,.0f} a second, {one['own memory'] / 1e6:.0f} MB")

# %% [markdown]
# From the second line to the third, ten times as many messages take ten times as long (in the first, loading weighs too), and the memory
# stays the same: at any time it holds one part. Up to a million messages, then, the laptop runs out of time and not of memory.
# (`python -m benchmarks scoring` measures it on yours.)

# %% [markdown]
# ## Several workers
#
# No part depends on another, so several can be done at once. The difficulty is everything around the model: starting processes, handing
# out parts, and noticing that a process has died. {term}`Ray` {cite:p}`moritz2018` does that for us, on one machine or on many, a
# {term}`cluster`. Our process reads the files as before. It hands the texts of each part to a worker that is free, gets
# probabilities back, and writes the part. Each worker holds a classifier of its own. If a worker dies, Ray starts another one and gives it the same part.
# Our function takes `engine="ray"`, the command `--engine ray`; this time we use the command:

# %%
import subprocess
import sys

shared = place / "shared"
command = [sys.executable, "-m", "llmclf", "classify"]
command += ["--engine", "ray", "--workers", "2", "--rows-per-part", "10"]
command += ["--precision", "float32", folder / "classifier", source, shared]
done = subprocess.run(command, check=True, capture_output=True, text=True)
print(done.stdout, end="")

# %% [markdown]
# Most of these seconds went into starting Ray and loading the classifier twice. Are the answers the same? Compare January:

# %% tags=["nbval-check-output"]
import numpy as np


def read(folder):
    paths = [folder / f"january.csv/{n:05}.csv" for n in range(4)]
    return pd.concat([pd.read_csv(path) for path in paths])


alone, both = read(scored), read(shared)
spam = "probability_spam"
print("labels:", alone["predicted"].equals(both["predicted"]))
print("numbers:", np.allclose(alone[spam], both[spam], atol=1e-4))

# %% [markdown]
# They are, but for rounding. Which worker took which part makes no difference.
#
# Was it faster? On so few messages certainly not: starting takes longer than working. On one computer whose cores one process already uses, a second worker adds little. It pays if it brings a
# processor of its own: a second machine, a second GPU. (`python -m benchmarks scoring` measures the engines side by side; its last results lie in the project's folder.)
#
# On a cluster the command is the same. The environment variable `RAY_ADDRESS` names the cluster. Its machines need the library, and the
# classifier under the same full path. We have tried this on one machine only.

# %% [markdown]
# ## Training with several workers
#
# Messages to classify are independent. The steps of training are not, since each begins where the one before has
# ended. What can be shared is the batch ({numref}`fig-data-parallel`). This is {term}`data parallelism`, and PyTorch
# provides it as {term}`DistributedDataParallel` {cite:p}`li2020`.
#
# :::{figure-md} fig-data-parallel
# ![Eight messages of a batch are dealt to two workers in turn. Each worker holds the whole model and computes gradients from its own four messages. The mean of the gradients is sent to both, and both take the same step.](figures/data_parallel.svg)
#
# One step of two workers. What travels between them is gradients, not messages and not weights.
# :::

# %% [markdown]
# Why may one average gradients? Because the loss of a batch is a mean over its messages, and the gradient of a mean is the mean of the gradients. Try it
# with a head and eight made-up states: the gradient of all eight, and the mean of those of two shares.

# %% tags=["nbval-check-output"]
import torch
import torch.nn.functional as F

torch.manual_seed(123)
states, labels = torch.randn(8, 576), torch.tensor([0, 1] * 4)
weight = torch.randn(2, 576, requires_grad=True)


def gradient(rows):
    loss = F.cross_entropy(states[rows] @ weight.T, labels[rows])
    return torch.autograd.grad(loss, weight)[0]


whole = gradient(range(8))
shares = [gradient(range(0, 8, 2)), gradient(range(1, 8, 2))]
print(torch.allclose(whole, sum(shares) / 2, atol=1e-6))

# %% [markdown]
# With shares of the same size it is as simple as that; shares of different size the library weights by their number. And where part of the model is frozen,
# each worker computes the frozen states of its share of the messages, once, and they exchange the results.
#
# Now for real. The program `torchrun` starts the processes and tells each which one it is. Everything else is the
# command of chapter 6. A small table, and a head that learns alone, keep it short; `--precision float32` makes both
# trainings comparable to four decimal places:

# %%
small = read_sms()[["label", "text"]]
small = small.groupby("label").head(16 if is_fast() else 100)
small.to_csv(place / "small.csv", index=False)
options = ["train", "--table", str(place / "small.csv"), "--epochs", "10"]
options += ["--trainable", "head", "--backbone", backbone]
options += ["--device", "cpu", "--precision", "float32"]
print("-m llmclf", *options[:1], "…", *options[3:7])

# %%
starts = {
    "one": [sys.executable],
    "two": [sys.executable, "-m", "torch.distributed.run",
            "--standalone", "--nproc-per-node", "2"],
}
for name, start in starts.items():
    command = [*start, "-m", "llmclf", *options, "--output", place / name]
    subprocess.run(command, check=True, capture_output=True)
    print(name, "done")

# %% [markdown]
# `python -m torch.distributed.run` is `torchrun` by its full name. Both trainings have ended. The two workers have seen the same batches of
# eight, four messages each. Four times on the way the command notes the loss of training and that of validation. Compare those, and
# what was learnt in the end:

# %%
noted, heads = {}, []
for name in starts:
    history = json.loads((place / name / "history.json").read_text())
    noted[name] = history["train_losses"] + history["validation_losses"]
    saved = TextClassifier.load(place / name, device="cpu")
    heads.append(saved.model.backbone.head.weight)
apart = np.abs(np.subtract(noted["one"], noted["two"])).max()
print(f"{len(noted['one'])} losses, at most {apart:.0e} apart")
print("the same within 1e-4:", bool(apart < 1e-4))
print("the same head:", torch.allclose(*heads, atol=1e-4))

# %% [markdown]
# The same classifier but for rounding, with one worker or two. That is worth having: a recipe that was
# found on a laptop needs no new search on a larger machine, as long as the batch, all shares together, stays as
# it is. Whoever gives *each* worker eight messages trains with larger batches, and that is another recipe.

# %% [markdown]
# ### When the model itself is too large
#
# Data parallelism puts a whole model into every process. Where one GPU cannot hold all that, it can be
# split: with *fully sharded data parallel* ({term}`FSDP`) {cite:p}`zhao2023` each worker keeps a share of everything. This library does not offer it, and
# we have not tried it on GPUs. For a larger model, first train fewer weights: {term}`LoRA` (chapter 10) needs gradients and averages only for its
# small corrections. If the weights alone are too large, use PyTorch's `fully_shard`, or a library that calls it for you, such as
# Hugging Face's Accelerate.

# %% [markdown]
# ## A billion messages, on paper
#
# Before you rent anything, ask chapter 8's question: would something simpler do? Counted characters read far more messages in a second, and make nearly as few
# mistakes. The two can share the work. In a {term}`cascade` the cheap model reads everything, and only where it is in doubt the GPT reads, too. How good is that? The predictions of chapter 8
# hold both answers to every message of the collection.
#
# **Predict before you run.** The GPT reads the tenth of the messages on which TF-IDF is least sure. How much of the GPT's advantage, if any, does the cascade keep?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluation.predictions import (
    decide_alike,
    read_predictions,
    read_runs,
)

predictions = read_predictions("predictions.parquet", part=None)
predictions = predictions.query("task == 'spam' and labels == 0")
decided = decide_alike(predictions, read_runs("runs.csv"))
by_name = dict(iter(decided.groupby("experiment")))
cheap, gpt = (
    by_name[name].set_index("row").sort_index()
    for name in ("tfidf-characters", "last-token")
)
sure = (cheap["probability_1"] - 0.5).abs().rank(pct=True)
for share in (0, 0.02, 0.1, 1):
    both = cheap["predicted"].where(sure > share, gpt["predicted"])
    wrong = (both != cheap["label"]).sum()
    print(f"the GPT reads {share:>4.0%}: {wrong} of {len(both):,} wrong")

# %% [markdown]
# Now the rates. Time the counter as we have timed the other two, on the same messages:

# %%
from llmclf.data import SMS_LABELS, encode_labels
from llmclf.evaluation.baselines import tfidf_characters

numbered = encode_labels(read_sms(every_row=True), SMS_LABELS)
counter = tfidf_characters().fit(texts, numbered["label"])
counter_rate = rate(counter.predict_proba, sample)
cascade_rate = 1 / (1 / counter_rate + 0.1 / teacher_rate)
plans = {"counted characters": counter_rate, "student": student_rate}
plans |= {"classifier": teacher_rate, "cascade, a tenth": cascade_rate}
for name, per_second in plans.items():
    print(f"{name:<20}{per_second:>8,.0f} a second", end=", ")
    print(f"a billion in {duration(10**9 / per_second)}")

# %% [markdown]
# A cascade brings the billion within reach of one computer, for no rent at all. If you do need every message read by the GPT, count the work first. Each token of a message meets each weight of the blocks
# once, in one product and one sum; in the last block only the token that is read is counted.

# %%
from llmclf.tokenizer import encode

tokens = [len(encode(classifier.tokenizer, text)) for text in texts]
tokens = sum(tokens) / len(texts)
*below, last = (
    sum(weight.numel() for weight in block.parameters())
    for block in classifier.model.backbone.blocks
)
operations = 2 * (sum(below) * tokens + last)
dtype = getattr(torch, classifier.model.precision)
a = torch.randn(2048, 2048).to(dtype)
products = rate(lambda items: [a @ a for _ in items], range(10))
peak = products * 2 * 2048**3  # operations a second
of_peak = teacher_rate * operations / peak
print(f"a message: {operations / 1e9:.1f} billion operations")
print(f"this computer's limit: {peak / 1e9:,.0f} billion a second")
print(f"the classifier reaches {of_peak:.0%} of that")

# %% [markdown]
# A GPU promises far more. The maker of the H100 states the number below for {term}`bfloat16`, twice, with a shortcut for sparse weights that ours do not have {cite:p}`nvidia2023`. No program reaches that limit on short messages,
# for each product is small and the results have to be carried to memory and back. What fraction it would reach is unknown to us, so we plan with a tenth, and with a round price. Both are assumptions: put in your own.

# %%
H100 = 1979e12 / 2  # operations a second, from the data sheet
PRICE = 3.0  # dollars an hour: an assumption
gpu_rate = H100 / 10 / operations
hours = 10**9 / gpu_rate / 3600
print(f"one GPU at a tenth: {gpu_rate:,.0f} messages a second,", end=" ")
print(f"{duration(hours * 3600)}, {hours * PRICE:,.0f} dollars")


def cut_into_tokens(some):
    return [encode(classifier.tokenizer, text) for text in some]


cut = rate(cut_into_tokens, texts)
print(f"one core cuts {cut:,.0f} messages a second into tokens")

# %% [markdown]
# Compare the last two rates. If one core cuts fewer messages into tokens than the GPU can read, the expensive chip waits for it: the faster the model, the more everything else weighs. Give each GPU several workers
# (`--workers`), or a machine of its own with a folder of its own.
#
# The plan knows nothing of slow disks, of machines that are shared, of long messages among short ones. Before you rent for long, rent for minutes: a million messages, on the very machine
# that you mean to use, turn the guesses into measurements.

# %% [markdown]
# ## What changes, and what does not
#
# | what | on a laptop | with many workers |
# | --- | --- | --- |
# | the model, the loss, the recipe | as in chapters 4 to 6 | the same |
# | a batch | seen by one process | dealt to all, the same messages |
# | the order of messages | fixed by the {term}`seed` | fixed by the seed |
# | messages to learn from | a table in memory | the same, in each worker |
# | messages to classify | files, part by part | the same parts, dealt out |
# | an interruption | continue from the {term}`checkpoint` or the missing part | the same, only more often |
# | numbers | repeat to the last bit | repeat to rounding |
# | what is new | nothing | starting, waiting, exchanging, and paying |

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: One after the other
#
# Some stages follow each other in one worker, each with a rate in messages a second.
# Write `rate_of_all(rates)`: how many messages a second go through all of them?

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def rate_of_all(rates):
    ...  # your code


check(rate_of_all)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def rate_of_all(rates):
    return 1 / sum(1 / rate for rate in rates)


check(rate_of_all)

# %% [markdown]
# ### Exercise 2: The mean of shares
#
# Two workers have shares of different size. Given the gradient of each share's mean loss
# and the number of its messages, write `mean_gradient(gradients, counts)`: the gradient of the whole batch.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
def mean_gradient(gradients, counts):
    ...  # your code


check(mean_gradient)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def mean_gradient(gradients, counts):
    pairs = zip(gradients, counts, strict=True)
    return sum(one * count for one, count in pairs) / sum(counts)


check(mean_gradient)

# %% [markdown]
# ## Questions
#
# <details><summary>1. A file is ten times larger than the memory. Do you need a larger machine?</summary>
#
# No. It is read, classified and written part by part, and needs the memory of one part. You need one if it takes too long.
#
# </details>
#
# <details><summary>2. Why can the parts be done in any order, and training steps not?</summary>
#
# The answer to one message does not depend on the others. A step of training begins with the weights that the one before has left.
#
# </details>
#
# %% [markdown]
# <details><summary>3. Each of four workers gets eight messages instead of two. Is that the same recipe?</summary>
#
# No. The batch has become four times as large, so there are a quarter of the steps, and the learning rate that fitted may not fit any more.
#
# </details>

# %% [markdown]
# <details><summary>4. A GPU a thousand times as fast as the laptop, and the work is done only a hundred times as fast. Why?</summary>
#
# Only the model became faster. Reading, cutting into tokens and writing take as long as before, and now most of the time.
#
# </details>
#
# <details><summary>5. Why does a part get its name in one step, after it is written?</summary>
#
# Whoever finds a file of that name can trust that it is whole. So what is missing after an interruption is exactly what has to be done.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# You measured how far one computer reaches, and know three reasons to leave it. You classified files part by part, lost one, and got it
# back; two engines gave the same answers, and two workers trained the same head as one. You planned a
# billion messages with a cheap model before the dear one, and with what was assumed written beside what was measured.

# %% [markdown]
# **Next:** a table of your own. Everything you need for it is in the [reference](api.md), and the first question to
# ask of any result is the one of [chapter 8](08_how_good.ipynb): what would something simpler have done?
