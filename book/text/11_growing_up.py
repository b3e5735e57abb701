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
# So far every table fitted into memory, and training took minutes. What if you have a billion messages, or a model
# that trains for days? Most of what you know stays the same. In this chapter you try out the rest on a small scale,
# and then plan a large job on paper.

# %% [markdown]
# At the end you can
#
# - **decide** from a measured rate when a laptop is no longer enough,
# - **classify** files larger than memory, and continue after an interruption,
# - **share** classifying and training among several {term}`workers <worker>`, and check that the answers stay the
#   same,
# - **plan** a billion messages: a cheap model first, then hours, money, and the likely bottleneck.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 6 and 7. Run chapter 6 or 7 first: it saves the classifier
# > that this page loads. The page takes about two minutes on two CPU cores, and much of that is the start of other
# > processes. We ran nothing here on a GPU, or on more than one machine. The page downloads nothing new.

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
# The line `backbone` names the model. This edition is printed with SmolLM2.
#
# ## How far does the laptop reach?
#
# Measure before you buy. Load the {term}`classifier` that chapter 6 saved and count how many messages it reads in a
# second, on the CPU alone. Do the same with the *student*, the much smaller model of the page [Play](play.ipynb). The
# student has learnt to imitate such a classifier.

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
# All plans on this page start from these two rates.
#
# **Predict before you run.** How long does the classifier need for a million messages on this computer, and how long
# for a billion: hours, days, years?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
def duration(seconds):
    units = {"years": 365 * 86400, "days": 86400}
    units |= {"hours": 3600, "minutes": 60}
    for name, size in units.items():
        if seconds >= size:
            return f"{seconds / size:,.1f} {name}"
    return f"{seconds:,.1f} seconds"


for count in (10_000, 10**6, 10**9):
    print(f"{count:>13,}: {duration(count / teacher_rate):>13}", end="")
    print(f", student {duration(count / student_rate):>13}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Ten thousand messages are a short break for the classifier. A million take hours, and a billion take months. The
# student is far faster on the same computer: compare the last line. Where its answers are good enough, it saves more
# than many machines would.
# :::
#
# There are three good reasons to leave the laptop: the work takes longer than you can wait, the model does not fit
# into memory, or the messages must stay where they are kept. Large data alone is not a reason, because you can read
# large files in parts.
#
# You can compute how much memory a model needs. A weight takes four bytes. If it is trained, its {term}`gradient` takes
# four more, and the two averages that {term}`AdamW` keeps take eight. The intermediate results of the layers come on
# top.

# %%
weights = classifier.model.parameters()
count = sum(weight.numel() for weight in weights)
print(f"{count:,} weights: {4 * count / 1e9:.1f} GB to use,", end=" ")
print(f"{16 * count / 1e9:.1f} GB to train all of them")

# %% [markdown]
# SmolLM2 fits easily. Most of it stays {term}`frozen <freeze>`, so our training needs less than the second number.
# You can still use a model ten times as large on a laptop. Training all of it takes more memory than many laptops
# have. {numref}`fig-reach` shows the first reason, the time.

# %% mystnb={"figure": {"caption": "The time that the computer of this page needs for a given number of messages, computed from the two rates above. Both axes are logarithmic.", "name": "fig-reach"}, "image": {"alt": "Two parallel straight lines on logarithmic axes: messages from a thousand to a billion, and time with marks at a minute, an hour, a day, a month and a year. The line of the student runs well below the line of the classifier, so it reaches each mark only after many times as many messages."}}
from llmclf.teaching.plots import COLORS, label_lines, new_figure

figure, axes = new_figure()
counts = [10**3, 10**9]
needed = [count / teacher_rate for count in counts]
axes.loglog(counts, needed, "-", color=COLORS[0], label="classifier")
needed = [count / student_rate for count in counts]
axes.loglog(counts, needed, ":", color=COLORS[2], label="student")
marks = {60: "minute", 3600: "hour", 86400: "day"}
marks |= {30 * 86400: "month", 365 * 86400: "year"}
axes.set_yticks(list(marks), list(marks.values()))
axes.minorticks_off()
axes.set_xlabel("messages")
label_lines(axes)
figure

# %% [markdown]
# ## Files larger than memory
#
# `predict` takes a list, and a list must fit into memory. So you work in parts: read a part of the file,
# classify it, write the result, and drop it ({numref}`fig-parts`). To try this, you make a folder like one that a
# company might have, with three kinds of files: CSV, {term}`JSON Lines` and {term}`Parquet`.
#
# :::{figure-md} fig-parts
# ![Two files on the left are cut into parts. Two workers in the middle, each with a classifier, take the parts. On the right there is a folder for each file, and in it one file for each part that is done; the last part is still to do.](figures/parts.svg)
#
# Files go in, files come out. It does not matter which worker takes which part.
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
# One function does the rest. In the shell it is the command `classify` with `--engine stream`. (The {term}`engine`
# decides which process does which part, and when.) By default a part has ten thousand rows. Ours have ten, so that
# you see several parts. We compute in float32 because we compare these answers with those of other processes below,
# to four decimal places.

# %% tags=["nbval-check-output"]
from llmclf.scale.score_files import score_files

scored = place / "scored"
work = {"rows_per_part": 10, "precision": "float32"}
result = score_files(folder / "classifier", source, scored, **work)
print(result)
for path in sorted(scored.rglob("*.*/*")):
    print(path.relative_to(scored).as_posix())

# %% [markdown]
# Each file became a folder, with one file for each part. The rows keep their order and their columns. The answer and
# the probabilities follow as new columns.

# %%
first = pd.read_csv(scored / "january.csv" / "00000.csv")
print(*first.columns)
first[["id", "predicted", "probability_spam"]].head(3)

# %% [markdown]
# Now suppose that the power fails before a part is written. The library writes each part under another name and then
# renames it in one step. So a part is either complete or missing. Delete one part and call the function again.
#
# **Predict before you run.** How many messages will be classified this time?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
(scored / "february.jsonl" / "00001.jsonl").unlink()
again = score_files(folder / "classifier", source, scored, **work)
print(f"{again.now} now, {again.before} before")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Only the rows of the missing part. The function reads the file again from its beginning, but the model sees only
# these rows, and the other parts stay as they are.
# :::
#
# How do memory and time grow with the number of messages? A benchmark in the project's folder has classified up to a
# million messages. It used a very small model, so that reading and writing count as well. It measured:

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
# From the second line to the third, ten times as many messages take about ten times as long. (In the first line,
# loading takes much of the time.) The memory stays the same, because only one part is in memory at any time. So up to
# a million messages, the limit of this computer is time and not memory. `python -m benchmarks scoring` measures your
# computer.

# %% [markdown]
# ## Several workers
#
# No part depends on another, so several can be classified at once. The difficulty is everything around the model:
# starting processes, handing out parts, and noticing when a process dies. {term}`Ray` {cite:p}`moritz2018` does that
# for us, on one machine or on many, a {term}`cluster`. Our process still reads the files. It sends the texts of each
# part to a free worker, gets probabilities back, and writes the part. Each worker has its own classifier. If a worker
# dies, Ray starts another one and gives it the same part.

# %% [markdown]
# The function takes `engine="ray"`, and the command takes `--engine ray`. This time we use the command:

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
# Most of these seconds went into starting Ray and loading the classifier twice. Are the answers the same? Compare
# January:

# %% tags=["nbval-check-output"]
import numpy as np


def read(folder):
    paths = [folder / f"january.csv/{n:05}.csv" for n in range(4)]
    return pd.concat([pd.read_csv(path) for path in paths])


alone, both = read(scored), read(shared)
spam = "probability_spam"
print("same labels:", alone["predicted"].equals(both["predicted"]))
print("same numbers:", np.allclose(alone[spam], both[spam], atol=1e-4))

# %% [markdown]
# The answers are the same, up to rounding.
#
# Was it faster? Not on so few messages: the start takes longer than the work. If one process already uses all cores of
# a computer, a second worker adds little. A second worker pays if it has a processor of its own, on a second machine
# or a second GPU.
#
# On a cluster the command is the same. The environment variable `RAY_ADDRESS` names the cluster. Its machines need the
# library, and the classifier under the same full path. We have tried this on one machine only.

# %% [markdown]
# ## Training with several workers
#
# You can classify messages independently of each other. Training steps are different: each begins with the weights
# that the previous step left. But several workers can share a batch ({numref}`fig-data-parallel`). This is
# {term}`data parallelism`, and PyTorch provides it as {term}`DistributedDataParallel` {cite:p}`li2020`.
#
# :::{figure-md} fig-data-parallel
# ![Eight messages of a batch are dealt to two workers in turn. Each worker holds the whole model and computes gradients from its own four messages. The mean of the gradients is sent to both, and both take the same step.](figures/data_parallel.svg)
#
# One step of two workers. They exchange gradients, not messages and not weights.
# :::

# %% [markdown]
# Why can you average gradients? The loss of a batch is a mean over its messages, and the gradient of a mean is the
# mean of the gradients. Try it with a head and eight made-up states. Compare the gradient of all eight with the mean
# of the gradients of two shares.

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
print("equal:", torch.allclose(whole, sum(shares) / 2, atol=1e-6))

# %% [markdown]
# If the shares have the same size, a plain mean is enough. If the sizes differ, the library weights each gradient by
# its number of messages. If blocks are frozen, each worker computes the frozen states of its share of the messages,
# once, and the workers exchange them.
#
# Now you train with two workers. The program `torchrun` starts the processes and tells each one its number. The rest
# is the command of chapter 6. The table is small and only the head learns, so this is quick. With
# `--precision float32` you can compare both trainings to four decimal places:

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
# (`python -m torch.distributed.run` is `torchrun` by its full name.) The two workers used the same batches of eight,
# four messages each. The command records the training loss and the validation loss four times during the training.
# Compare these losses, and the weights of the trained heads:

# %%
losses, heads = {}, {}
for name in starts:
    history = json.loads((place / name / "history.json").read_text())
    losses[name] = history["train_losses"] + history["validation_losses"]
    saved = TextClassifier.load(place / name, device="cpu")
    heads[name] = saved.model.backbone.head.weight
apart = np.abs(np.subtract(losses["one"], losses["two"])).max()
print(f"{len(losses['one'])} losses, at most {apart:.0e} apart")
apart = (heads["one"] - heads["two"]).abs().max()
print(f"weights of the head, at most {apart:.0e} apart")

# %% [markdown]
# With one worker or two, you get the same classifier up to rounding. So a recipe that you found on a laptop needs no
# new search on a larger machine, as long as the whole batch, all shares together, stays the same. If you give *each*
# worker eight messages, the batches are larger, and that is another recipe.

# %% [markdown]
# ### When the model itself is too large
#
# Data parallelism puts the whole model into every process. If one GPU cannot hold it, you can split it: with *fully
# sharded data parallel* ({term}`FSDP`) {cite:p}`zhao2023` each worker keeps a share of everything. This library does
# not offer it, and we have not tried it on GPUs. For a larger model, first train fewer weights: {term}`LoRA`
# (chapter 10) needs gradients and averages only for its small corrections. If the weights alone are too large, use PyTorch's
# `fully_shard`, or a library that calls it for you, such as Hugging Face's Accelerate.

# %% [markdown]
# ## A billion messages, on paper
#
# Before you rent anything, ask chapter 8's question: would something simpler do? TF-IDF on characters reads far more
# messages in a second, and chapter 8 could not say whether it or the GPT makes fewer mistakes. The two can also share
# the work. In a {term}`cascade` the cheap model reads everything, and the GPT reads only the messages on which the
# cheap model is in doubt. How good is that? The predictions of chapter 8 hold both answers to every message of the
# collection.
#
# **Predict before you run.** The GPT reads only the tenth of the messages on which TF-IDF is least sure. Will this
# cascade make more mistakes than the GPT alone, about as many, or fewer?

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
cheap = by_name["tfidf-characters"].set_index("row").sort_index()
gpt = by_name["last-token"].set_index("row").sort_index()
sure = (cheap["probability_1"] - 0.5).abs().rank(pct=True)
for share in (0, 0.02, 0.1, 1):
    both = cheap["predicted"].where(sure > share, gpt["predicted"])
    wrong = (both != cheap["label"]).sum()
    print(f"the GPT reads {share:>4.0%}: {wrong} of {len(both):,} wrong")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Fewer, by a handful, and also fewer than TF-IDF alone. We did not test this small difference: it may be luck. For
# the plan it is enough that the cascade makes no more mistakes here, although the GPT reads only a tenth of the
# messages. If it reads only a fiftieth, the number of mistakes is the same.
# :::
#
# Now the rates. Time TF-IDF in the same way as the other two models, on the same messages:

# %%
from llmclf.data import SMS_LABELS, encode_labels
from llmclf.evaluation.baselines import tfidf_characters

numbered = encode_labels(read_sms(every_row=True), SMS_LABELS)
counter = tfidf_characters().fit(texts, numbered["label"])
counter_rate = rate(counter.predict_proba, sample)
cascade_rate = 1 / (1 / counter_rate + 0.1 / teacher_rate)
plans = {
    "TF-IDF on characters": counter_rate,
    "student": student_rate,
    "classifier": teacher_rate,
    "cascade, a tenth": cascade_rate,
}
for name, per_second in plans.items():
    print(f"{name:<20}{per_second:>8,.0f} a second", end=", ")
    print(f"a billion in {duration(10**9 / per_second)}")

# %% [markdown]
# With this cascade, one computer can classify the billion in weeks, and you rent nothing. Now suppose that the GPT has
# to read every message. Then you need to know how much work that is. Each token of a message meets each weight of the
# blocks once, in one multiplication and one addition. In the last block we count only the token that is read.

# %%
from llmclf.tokenizer import encode

tokens = [len(encode(classifier.tokenizer, text)) for text in texts]
tokens = sum(tokens) / len(texts)
sizes = []
for block in classifier.model.backbone.blocks:
    sizes.append(sum(weight.numel() for weight in block.parameters()))
operations = 2 * (sum(sizes[:-1]) * tokens + sizes[-1])
dtype = getattr(torch, classifier.model.precision)
a = torch.randn(2048, 2048).to(dtype)
products = rate(lambda items: [a @ a for _ in items], range(10))
peak = products * 2 * 2048**3  # operations a second
of_peak = teacher_rate * operations / peak
print(f"a message: {operations / 1e9:.1f} billion operations")
print(f"this computer's limit: {peak / 1e9:,.0f} billion a second")
print(f"the classifier reaches {of_peak:.0%} of that")

# %% [markdown]
# A GPU has a far higher limit. The data sheet of the H100 states 1,979 trillion operations a second in
# {term}`bfloat16`, with a shortcut for sparse weights {cite:p}`nvidia2023`. Our weights are not sparse, so we halve
# that number. No program reaches the limit on short messages, because each product is small and the results have to
# be carried to memory and back. We do not know what fraction it would reach. So we plan with a tenth, and with a
# round price. Both are assumptions: put in your own.

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
# Compare the last two rates. Here one core cuts more messages into tokens than the GPU reads in this plan, so the
# cutting does not slow the GPU down. If it did, the expensive chip would wait. Then you would give each GPU several
# workers (`--workers`).
#
# The plan ignores slow disks, shared machines, and long messages among short ones. Before you rent a machine for
# long, rent it for some minutes and classify a million messages on it. Then you have measured what you assumed.

# %% [markdown]
# ## What changes, and what does not
#
# | what | on a laptop | with many workers |
# | --- | --- | --- |
# | the model, the loss, the recipe | as in chapters 4 to 6 | the same |
# | a batch | one process sees all of it | dealt to all workers, the same messages |
# | the order of messages | fixed by the {term}`seed` | fixed by the seed |
# | messages to learn from | a table in memory | the same table, in each worker |
# | messages to classify | files, part by part | the same parts, dealt out |
# | an interruption | continue from the {term}`checkpoint` or the missing part | the same, only more often |
# | numbers | repeat to the last bit | repeat up to rounding |
# | what is new | nothing | starting, waiting, exchanging, and paying |

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: One after the other
#
# Several stages follow each other in one worker, each with a rate in messages a second. Write `rate_of_all(rates)`: how
# many messages a second go through all of them?

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
# Two workers have shares of different size. You know the gradient of each share's mean loss and the number of its
# messages. Write `mean_gradient(gradients, counts)`: the gradient of the whole batch.

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
# ### Exercise 3: A shorter model
#
# Change the model: take out two, then six of the blocks just before the last one. How many messages a second does it
# classify now, and how many answers stay the same? (This one is not checked.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
blocks = list(classifier.model.backbone.blocks)
few = sample[:50]
before = np.array(classifier.predict(few))
for missing in (0, 2, 6):
    kept = blocks[: len(blocks) - 1 - missing] + blocks[-1:]
    classifier.model.backbone.blocks = torch.nn.ModuleList(kept)
    same = (np.array(classifier.predict(few)) == before).sum()
    per_second = rate(classifier.predict, few)
    print(f"without {missing} blocks: {per_second:,.0f} a second,", end=" ")
    print(f"{same} of {len(few)} answers the same")
classifier.model.backbone.blocks = torch.nn.ModuleList(blocks)

# %% [markdown]
# Each block that you remove saves about the same amount of work. If you want to use a shorter model, cut it first and
# train it afterwards, as chapter 9 does with sixteen blocks.
#
# ## Questions
#
# <details><summary>1. A file is ten times larger than the memory. Do you need a larger machine?</summary>
#
# No. The file is read, classified and written part by part, and that needs memory for one part only. You need a larger
# machine if the work takes too long.
#
# </details>
#
# <details><summary>2. Why can the parts be done in any order, and training steps not?</summary>
#
# The answer to one message does not depend on the others. A training step begins with the weights that the previous
# step left.
#
# </details>

# %% [markdown]
# <details><summary>3. Each of four workers gets eight messages instead of two. Is that the same recipe?</summary>
#
# No. The batch is four times as large, so there are a quarter of the steps. The learning rate that fitted before may
# not fit any more.
#
# </details>

# %% [markdown]
# <details><summary>4. A GPU is a thousand times as fast as the laptop, but the work is done only a hundred times as fast. Why?</summary>
#
# Only the model became faster. Reading, cutting into tokens and writing take as long as before. Now they take most of
# the time.
#
# </details>
#
# <details><summary>5. Why does a part get its name in one step, after it is written?</summary>
#
# If a file of that name exists, it is complete. So after an interruption, the missing parts are exactly those that
# still have to be done.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# You measured how far one computer reaches, and you know three reasons to leave it. You classified files part by
# part, lost one part, and got it back. Two engines gave the same answers, and two workers trained the same head as
# one. You planned a billion messages with a cheap model before the expensive one, and you kept assumptions and
# measurements apart.

# %% [markdown]
# **Next:** a table of your own. The box in [chapter 4](04_head.ipynb) says how, and the [reference](api.md) has the
# rest. Ask of any result the question of [chapter 8](08_how_good.ipynb): would something simpler do as well?
