# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10 · Growing up
#
# So far a table fitted into memory and a training run into a coffee break. What if a hundred million messages wait, or the model
# learns for days? Most of what you know stays as it is. This chapter shows what changes, in small and for real, and
# then plans something large. At the end you can
#
# - **decide** from a measured rate when a laptop is no longer enough,
# - **classify** files larger than memory, and continue where the work was stopped,
# - **share** scoring and training among several {term}`workers <worker>`, and show that the answers stay the same,
# - **plan** a billion messages: hours, money, and what will be the bottleneck.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 6 and 7. To run this page, run chapter 6 or 7 first: it makes
# > the classifier. It takes about two minutes on two CPU cores, a good part of which is the start of other processes.
# > Nothing here was run on a GPU, nor on more than one machine. Download: nothing new.

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.evaluate import choose_device
from llmclf.provenance import provenance
from llmclf.weights import choose_backbone

backbone = choose_backbone()
print(provenance(backbone, choose_device()))

# %% [markdown]
# ## How far does the laptop reach?
#
# Measure before you buy. Take the {term}`classifier` that chapter 6 has saved and a sample of the collection, and
# count how many messages it reads in a second. The pupil of the page [Play](play.ipynb) reads them too.

# %%
from pathlib import Path

from llmclf.classify import TextClassifier
from llmclf.data import is_fast, read_sms
from llmclf.student import Student

folder = Path("output", "fast" if is_fast() else "full")
classifier = TextClassifier.load(folder / "classifier")
student = Student.load("play/student.safetensors")
texts = read_sms(every_row=True)["text"].tolist()
sample = texts[::50] if is_fast() else texts[::10]

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
# Now a rule of three. **Predict before you run.** How long does a million messages take the classifier on this
# computer, and how long a billion: hours, days, years?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
def duration(seconds):
    units = {"years": 365 * 86400, "days": 86400, "hours": 3600}
    for name, size in units.items():
        if seconds >= size:
            return f"{seconds / size:,.1f} {name}"
    return f"{seconds / 60:,.1f} minutes"


for count in (10_000, 10**6, 10**9):
    print(f"{count:>13,}: {duration(count / teacher_rate):>13}", end="")
    print(f", student {duration(count / student_rate):>13}")

# %% [markdown]
# Ten thousand messages are a short break, a million a matter of hours, and a billion is out of reach. There are three good reasons to leave the laptop:
# the work takes longer than you can wait, the model does not fit into the memory, or the messages may not leave the
# place where they are kept. That the data are large is none: large files can be read in parts.
#
# And there is a step before the larger machine. The student needs a small fraction of the time. Where its answers are good
# enough, it saves more than any cluster.

# %% mystnb={"figure": {"caption": "Time to classify so many messages on the computer of this page, for the classifier and for the student, drawn from the two rates above. From one mark of the lower axis to the next the messages are ten times as many.", "name": "fig-reach"}, "image": {"alt": "Two parallel straight lines on logarithmic axes: messages from a thousand to a billion, and time with marks at a minute, an hour, a day, a month and a year. The line of the student runs well below that of the classifier, so that it reaches each mark only after many times as many messages."}}
from llmclf.plots import COLORS, INK, new_figure

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
axes.legend(labelcolor=INK)
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
table = pd.DataFrame({"id": range(180), "text": texts[:180]})
table[:75].to_csv(source / "january.csv", index=False)
lines = table[75:125].to_json(orient="records", lines=True)
(source / "february.jsonl").write_text(lines, encoding="utf-8")
table[125:].to_parquet(source / "march.parquet", row_group_size=20)

# %% [markdown]
# One function does the rest; in the shell it is the command `classify` with the option `--engine stream`.
# Real work takes parts of ten thousand rows. Ours are small, so that there is something to see.

# %% tags=["nbval-check-output"]
from llmclf.scoring import score_files

scored = place / "scored"
work = {"rows_per_part": 20}
result = score_files(folder / "classifier", source, scored, **work)
print(result)
for path in sorted(scored.rglob("*.*/*")):
    print(path.relative_to(scored).as_posix())

# %% [markdown]
# Each file became a folder, and each part a file in it with the rows in their order. Nothing of a row is lost: the
# answer and the probabilities stand behind the columns that were there.

# %%
first = pd.read_csv(scored / "january.csv" / "00000.csv")
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
# Only the missing part. What was there is neither read by the model nor written again. How do memory and time grow? A benchmark in the
# project's folder has classified up to a million messages with a very small model, so that reading and writing
# count as well. Here is what it measured:

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
# The time grows with the work, and the memory stays where it was. It is set by the size of a part, not by the size of the
# file. So the laptop runs out of time, never out of memory. (`python -m benchmarks scoring` measures it on yours.)

# %% [markdown]
# ## Several workers
#
# No part knows of another, so several may be done at once. The difficult half is around it: to start the processes, hand out parts,
# notice that one has died, and never hold more than fits. That is solved. {term}`Ray Data <Ray>` {cite:p}`moritz2018` does
# it on one machine or many. In our function it is one word more, and so it is in the command, which we take this time:

# %%
import subprocess
import sys

shared = place / "shared"
command = [sys.executable, "-m", "llmclf", "classify"]
command += ["--engine", "ray", "--workers", "2", "--rows-per-part", "20"]
command += [folder / "classifier", source, shared]
done = subprocess.run(command, check=True, capture_output=True, text=True)
print(done.stdout)

# %% [markdown]
# Two processes have each loaded the classifier and taken one part after the other; the seconds hold the start of Ray and
# both loads. (As a program of its own it keeps Ray's diary off this page.) Are the answers the same?

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
# They are. Not to the last bit, since another number of threads adds in another order. Was it faster? On so few messages
# certainly not: starting takes longer than working. The benchmark has measured more of them, the start included, with the very
# small model and with GPT-2 in its smallest real size. The speed of `predict_proba`, with everything in memory, counts as 1:

# %%
for size in ("ways", "ways, real size"):
    ways = measured[size]
    base = ways["predict"]["seconds"]
    print(f"{ways['predict']['messages']:,} messages")
    for name, one in ways.items():
        print(f"  {name:<15}{base / one['seconds']:.2f}")

# %% [markdown]
# With the small model most of the time goes into Python, which keeps one core a process busy: two workers win, on a
# machine with two cores. The real one spends its time in matrix products, which use both cores already; there is nothing to gain,
# and Ray has work of its own. A second worker pays where it brings a processor with it, a second machine or a second GPU.
#
# The command stays the same, and the environment variable `RAY_ADDRESS` names the cluster, whose machines must see the same files. We had
# no cluster to try it on.

# %% [markdown]
# ## Training with several workers
#
# Messages to classify are independent; the steps of training are not, since each begins where the one before has
# ended. What can be shared is the batch ({numref}`fig-data-parallel`). This is *data parallelism*, and PyTorch
# brings it along as {term}`DistributedDataParallel`.
#
# :::{figure-md} fig-data-parallel
# ![Eight messages of a batch are dealt to two workers in turn. Each worker holds the whole model and computes gradients from its own four messages. The mean of the gradients is sent to both, and both take the same step.](figures/data_parallel.svg)
#
# One step of two workers. What travels between them is gradients, not messages and not weights.
# :::

# %% [markdown]
# Why may one average {term}`gradients <gradient>`? Because the loss of a batch is a mean over its messages. Try it
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
# With shares of the same size it is as simple as that; the library also weighs shares that are not. And where part of the model is {term}`frozen <freeze>`,
# each worker computes the frozen states of its share of the messages, once, and they swap.
#
# Now for real. The program `torchrun` starts the processes and tells each which one it is. Everything else is the
# command of chapter 6. A small table keeps it short:

# %%
small = read_sms()[["label", "text"]]
small = small.groupby("label").head(100)
small.to_csv(place / "small.csv", index=False)
options = ["train", "--table", str(place / "small.csv"), "--epochs", "10"]
options += ["--trainable", "head", "--backbone", backbone]
options += ["--device", "cpu"]
print("-m llmclf", *options[:3], "…")

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
# `python -m torch.distributed.run` is `torchrun` by its full name. Two workers have seen the same batches of eight,
# four messages each. Compare what they have noted, loss by loss:

# %%
noted = {}
for name in starts:
    history = json.loads((place / name / "history.json").read_text())
    noted[name] = history["train_losses"] + history["validation_losses"]
apart = np.abs(np.subtract(noted["one"], noted["two"])).max()
print(f"{len(noted['one'])} losses, at most {apart:.0e} apart")
print("the same within 1e-4:", bool(apart < 1e-4))

# %% [markdown]
# The same losses, hence the same classifier, whatever the number of workers. That is worth having: a recipe that was
# found on a laptop needs no new search on a larger machine, as long as the batch, all shares together, stays as
# it is. Whoever gives *each* worker eight messages trains with larger batches, and that is another recipe.

# %% [markdown]
# ### When the model itself is too large
#
# Data parallelism puts a whole model into every process. A model that does not fit into one can be dealt out:
# each worker keeps a share of every weight matrix, and lends it to the others while they compute. The name in PyTorch is
# *fully sharded data parallel* ({term}`FSDP`); here it is the option `--shard`. It was tried with two
# processes on one CPU, where it saves nothing and gives the same losses. On GPUs we could not try it.

# %% [markdown]
# ## A billion messages, on paper
#
# A plan begins with what one message is. **Predict before you run.** How many tokens has a message on average, and
# how many operations does the classifier need for it?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.tokenizer import encode

tokens = [len(encode(classifier.tokenizer, text)) for text in texts]
tokens = sum(tokens) / len(texts)
size = sum(len(text.encode()) for text in texts) / len(texts)
blocks = classifier.model.backbone.blocks
weights = sum(weight.numel() for weight in blocks.parameters())
operations = 2 * weights * tokens  # one product and one sum each
print(f"{size:.0f} bytes, {tokens:.0f} tokens a message")
print(f"{operations / 1e9:.1f} billion operations a message")

# %% [markdown]
# Each token meets each weight of the blocks once, in one product and one sum. That leaves out the attention among the
# tokens, which is little for short messages. A billion times this is the work. How
# close does the classifier come to what the machine could do? Ask the machine, with one large product of matrices:

# %%
a = torch.randn(2048, 2048)
products = rate(lambda items: [a @ a for _ in items], range(10))
peak = products * 2 * 2048**3  # operations a second
share = teacher_rate * operations / peak
print(f"the machine: {peak / 1e9:,.0f} billion operations a second")
print(f"the classifier reaches {share:.0%} of that")

# %% [markdown]
# (This cell times the processor. Where the classifier runs on a GPU, put `device=classifier.model.device` into the matrix,
# and wait for the GPU before you look at the clock.)
#
# The model is not all. Before it somebody reads the files and cuts the texts into tokens, behind it somebody writes.
# Measure these as well, in messages a second:

# %%
from llmclf.message_files import CsvFile

kind, path = CsvFile(), place / "all.csv"
pd.DataFrame({"text": texts}).to_csv(path, index=False)


def read_and_write(items):
    content, found = kind.read(path, whole, "text")
    kind.write(place / "again.csv", content, {"predicted": found})


def cut(items):
    for text in items:
        encode(classifier.tokenizer, text)


(whole,) = kind.cut(path, "text", ["predicted"], len(texts))
stages = {"read and write": rate(read_and_write, texts)}
stages["cut into tokens"] = rate(cut, texts)
for name, per_second in stages.items():
    print(f"{name:<16}{per_second:>10,.0f} messages a second")

# %% [markdown]
# On the laptop these are nothing beside the model. On a GPU the model gets faster and they do not. Now two numbers that we did **not** measure.
# For NVIDIA's H100 the maker states 989 trillion operations a second in bfloat16
# {cite:p}`nvidia2023`, as a limit. What share of it short messages reach is unknown to us, so we plan with two. The price is a
# round one, of ours: put in what you would pay.

# %%
H100 = 989e12  # operations a second, from the data sheet
PRICE = 3.0  # dollars an hour: an assumption
models = {
    "this computer": teacher_rate,
    "this computer, student": student_rate,
    "GPU, same share": H100 * share / operations,
    "GPU, a tenth of it": H100 * share / 10 / operations,
}
plan = {}
for name, model_rate in models.items():
    total = sum(1 / one for one in [*stages.values(), model_rate])
    hours = 10**9 * total / 3600
    money = f"{hours * PRICE:,.0f}" if "GPU" in name else "-"
    plan[name] = [f"{hours:,.1f}", money, f"{1 / model_rate / total:.0%}"]
columns = ["hours", "dollars", "time in the model"]
pd.DataFrame.from_dict(plan, orient="index", columns=columns)

# %% [markdown]
# Read the last column first. On this computer the model takes all the time. On a GPU that comes as near its limit as our
# processor does, it would take only a part, and the expensive chip would wait for a single core that reads and
# cuts. So the bottleneck moves. The remedy is several workers for each GPU, or cores that prepare the next part
# while the GPU computes. A plan that counts operations only would have missed it.

# %% [markdown]
# How many cores keep one GPU busy, and what has to be carried? The last piece of the plan:

# %%
prepare = sum(1 / one for one in stages.values())
for name in ("GPU, same share", "GPU, a tenth of it"):
    print(f"{name}: {models[name] * prepare:.1f} cores to prepare")
data = 10**9 * size
print(f"to read: {data / 1e9:,.0f} GB,", end=" ")
print(f"at 100 MB a second {duration(data / 100e6)}")
print(f"in parts of 10,000: {10**9 // 10_000:,} files to write")

# %% [markdown]
# The texts of a billion short messages fit onto a disk of the pocket kind, and every network of a computing centre
# carries them in the time the model needs. The files are many, but no trouble for a file system; larger parts make them fewer.
# And hours of work on rented machines will be interrupted. That is why the parts matter more than the engine.

# %% [markdown]
# ### What the plan leaves out
#
# It was made from rates of one machine and a limit on a data sheet. It knows nothing of slow disks, of machines
# that are shared, of long messages among short ones. Before you rent anything, run a thousandth: a million messages on
# the very machine that you mean to use. That costs next to nothing and replaces every guess above by a measurement.

# %% [markdown]
# ## What changes, and what does not
#
# | what | on a laptop | with many workers |
# | --- | --- | --- |
# | the model, the loss, the recipe | as in chapters 4 to 6 | the same |
# | a batch | seen by one process | dealt to all, the same messages |
# | the order of messages | fixed by the {term}`seed` | fixed by the seed |
# | data | a table in memory | files, part by part |
# | an interruption | start again from the {term}`checkpoint` | an everyday event: the same |
# | numbers | repeat to the last bit | repeat to rounding |
# | what is new | nothing | starting, waiting, swapping, and paying |

# %% [markdown]
# ## Exercises
#
# **1. One after the other.** Some stages follow each other in one worker, each with a rate in messages a second.
# Write `rate_of_all(rates)`: how many messages a second go through all of them?

# %% tags=["exercise", "nbval-check-output"]
from llmclf.checks import check


def rate_of_all(rates):
    ...  # your code


check(rate_of_all)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def rate_of_all(rates):
    return 1 / sum(1 / rate for rate in rates)


check(rate_of_all)

# %% [markdown]
# **2. The mean of shares.** Two workers have shares of different size. Given the gradient of each share's mean loss
# and the number of its messages, write `mean_gradient(gradients, counts)`: the gradient of the whole batch.

# %% tags=["exercise", "nbval-check-output"]
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
# back; two engines gave the same answers, and two workers trained the same classifier as one. You planned a
# billion messages from rates, with what was assumed written beside what was measured, and saw the bottleneck move.
#
# **Next:** a table of your own. Everything you need for it is in the [reference](api.md), and the first question to
# ask of any result is the one of [chapter 8](08_how_good.ipynb): what would something simpler have done?
