# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6 · Fine-tuning
#
# The {term}`classifier` of chapter 4 guesses, and chapter 5 measured how badly. Now you train it. You write the
# training loop, and find out why the training takes a minute or two on a laptop instead of twenty. At the end you can
#
# - **write** a training loop, and say what each of its five lines does,
# - **say** how the learning rate was chosen, and on which set,
# - **read** loss and accuracy curves, and **recognise** {term}`overfitting <over-fitting>`,
# - **compare** two recipes, and say what one run of each can show,
# - **explain** why most of the work has to be done only once.

# %% [markdown]
# > **Before you start.** You need chapters 2 to 5: loaders, the pretrained model, the new head, the loss. On two CPU
# > cores the page runs in several minutes, most of them for the second recipe near the end; we have not measured a
# > GPU. It uses the weights of chapter 3 and downloads nothing else.

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
# The line `backbone` names the model: this edition is printed with SmolLM2. The next cell prepares the three tables,
# the {term}`tokens <token>`, and the loaders with {term}`batches <batch>` of eight messages. `untrained` makes a
# pretrained model with a new head. Only the last block, the final norm and the head can learn.

# %%
from llmclf import data
from llmclf.head import Classifier
from llmclf.loaders import make_loaders
from llmclf.tokenizer import load_tokenizer
from llmclf.weights import load_pretrained

splits = data.prepare_sms()
tokenizer = load_tokenizer(backbone)
loaders = make_loaders(splits, tokenizer)


def untrained(**options):
    pretrained = load_pretrained(backbone, device=device)
    return Classifier(pretrained, num_classes=2, **options)


model = untrained()

# %% [markdown]
# ## One step
#
# Training repeats one small movement ({numref}`fig-training-loop`). Take a batch. Run the model on it. Measure how
# wrong the answers are. Find out, for every weight that can learn, in which direction it should move. Move it a
# little.
#
# :::{figure-md} fig-training-loop
# ![Four boxes, one below the other: forward gives logits, loss compares them with the labels, backward clears the old gradients and computes new ones, step moves the weights a little. An arrow leads back to the first for the next batch. Every fifty steps the losses are measured, after each epoch the accuracies.](figures/training_loop.svg)
#
# The training loop. One turn is a {term}`step`. After all batches have been used once, an {term}`epoch` is over.
# :::
#
# You know the first half, forward and loss, from chapter 5:

# %%
from torch.nn import functional as F

batch = next(iter(loaders.train)).to(device)
logits = model(batch.input_ids, batch.lengths)
loss = F.cross_entropy(logits, batch.labels)
print(f"loss {loss.item():.3f} on {len(batch.labels)} messages")

# %% [markdown]
# The second half begins with `backward`. It goes through the computation in reverse, and stores a {term}`gradient`
# with every weight that can learn: how steeply the loss grows when this weight grows. Frozen weights get no gradient.
#
# **Predict before you run.** Which parts of the model will have gradients afterwards?

# %% tags=["hide-output", "nbval-check-output", "wide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
loss.backward()
for name, part in model.backbone.named_children():
    grads = [weight.grad is not None for weight in part.parameters()]
    print(f"{name:<20}{sum(grads)} of {len(grads)} weight tensors")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Only the last block, the final norm and the head have gradients. The embedding and the other blocks are frozen. So
# `backward` goes no further than the last block. This is the first reason why this training is quick.
# :::
#
# Now move the weights. The {term}`optimizer` does this. Ours is {term}`AdamW` {cite}`loshchilov2019`. It averages the
# recent gradients of a weight and divides the average by their usual size, so that all weights move at a similar pace.
# It also lets all weights shrink a little ({term}`weight decay`).

# %%
import torch

from llmclf.train import suggested_learning_rate

weights = [weight for weight in model.parameters() if weight.requires_grad]
learning_rate = suggested_learning_rate(model)
optimizer = torch.optim.AdamW(weights, learning_rate, weight_decay=0.1)
optimizer.step()
with torch.inference_mode():
    logits = model(batch.input_ids, batch.lengths)
loss = F.cross_entropy(logits, batch.labels)
print(f"loss {loss.item():.3f} after a step of rate {learning_rate:g}")

# %% [markdown]
# The loss on this batch has fallen.
#
# ## The learning rate
#
# The {term}`learning rate` says how far a step moves the weights. Raschka uses 5e-5 for GPT-2, and a weight decay of
# 0.1 {cite:p}`raschka2024`. For SmolLM2 we tried several learning rates, each for five epochs, and compared the loss
# on the whole validation set.

# %%
import json
from pathlib import Path

import pandas as pd


def stored(name):
    path = Path("..", "benchmarks", "results", f"{name}.json")
    return json.loads(path.read_text())


table = pd.DataFrame(stored("sweep")["rows"]).pivot_table(
    "validation loss", "learning rate", ["trainable", "seed"]
)
table.style.format("{:.3f}", na_rep="").format_index("{:g}")

# %% [markdown]
# Each column is one seed. In the columns `last_block`, 2e-4 has the smallest loss for two of three seeds, and on
# average. It is the library's default for SmolLM2. In the column `all` everything learns, and smaller rates do better.
# The default there is 5e-5, and for every GPT-2 Raschka's 5e-5. One seed does not show that it is better than 1e-5 or
# 2e-5.
#
# `llmclf train --learning-rate 1e-4 2e-4 4e-4` makes such a comparison with a table of your own, and keeps the best.

# %% [markdown]
# ## The loop
#
# Gradients add up until they are cleared, so `zero_grad` belongs before each `backward`. To see quickly that the loop
# works, give it only a piece of the data. The next cells compare results to many digits, so their models compute in
# float32, with numbers of 32 bits.

# %%
def fit(model, loader):
    weights = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(weights, learning_rate, weight_decay=0.1)
    losses = []
    for batch in loader:
        batch = batch.to(device)
        logits = model(batch.input_ids, batch.lengths)
        loss = F.cross_entropy(logits, batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %%
piece = data.Splits(*(table.iloc[:24] for table in splits))
few = make_loaders(piece, tokenizer)
few.train.generator.manual_seed(123)  # the order that train will use
by_hand = untrained(precision="float32")
for loss in fit(by_hand, few.train):
    print(f"loss {loss:.2f}")

# %% [markdown]
# The three losses jump, because every batch holds different messages. So the library averages over several batches
# whenever it reports a loss.
#
# `llmclf.train.train` is the same loop with measurements, a progress bar, and a {term}`checkpoint` after each epoch if
# you name a file for it. It shuffles the messages with the seed 123 unless you choose another. So here it gets the
# same batches, and it should arrive at the same weights:

# %% tags=["nbval-check-output"]
from llmclf.train import TrainingSettings, train

short = TrainingSettings(
    epochs=1,
    learning_rate=learning_rate,
    evaluate_every=2,  # measure the losses at every second step
    evaluate_batches=1,  # on one batch
)
plain = untrained(precision="float32")
slow = train(
    plain, few.train, few.validation, short, use_feature_cache=False
)
pairs = zip(plain.parameters(), by_hand.parameters(), strict=True)
same = all(torch.allclose(one, other, atol=1e-5) for one, other in pairs)
print("train agrees with the loop by hand:", same)

# %% [markdown]
# It does. With `use_feature_cache=False` the library runs the loop just as you wrote it: the whole model, in every
# step. Without this option it is much faster.

# %% [markdown]
# ## Why this is fast
#
# In five epochs, a message goes through all blocks five times. But the blocks before the last are frozen. They turn
# the same message into the same {term}`hidden states <hidden state>` each time. See for yourself: compare an untrained
# model with the one that `fit` has trained.

# %% tags=["nbval-check-output"]
from llmclf.feature_cache import frozen_depth

depth = frozen_depth(by_hand)
outputs = []
with torch.inference_mode():
    for trained in (untrained(precision="float32"), by_hand):
        start = trained.backbone.embed(batch.input_ids)
        outputs.append(trained.run_blocks(start, None, 0, depth))
print("blocks:", len(by_hand.backbone.blocks), "of them frozen:", depth)
print("same output before and after training:", torch.equal(*outputs))

# %% [markdown]
# The two outputs are equal in every bit. So the frozen part has to be computed only once. {numref}`fig-frozen` shows
# how much work this saves. There is one condition: nothing in the frozen part may be random. A model with
# {term}`dropout` drops different values each time. `cache_features` refuses such a model with an error, and then
# `train` computes everything in each step.
#
# :::{figure-md} fig-frozen
# ![Two grids, twelve blocks from top to bottom, five epochs from left to right. In the plain way every cell is filled: all blocks run in all epochs. With cached features the frozen blocks are filled in one single column that stands before the first epoch, and only the bottom row, the last block, is filled in each epoch.](figures/frozen.svg)
#
# What has to be computed in five epochs, for GPT-2's twelve blocks: all blocks in each epoch (left), or the frozen
# blocks once and the last block in each epoch (right).
# :::

# %%
from llmclf.feature_cache import cache_features
from llmclf.loaders import Loaders

model = untrained()
kept = Loaders(*cache_features(model, *loaders))
states, label, length = kept.train.dataset[0]
print("a message is now", tuple(states.shape), "numbers, its label", label)

# %% [markdown]
# `cache_features` runs every message through the frozen blocks. It returns the same three loaders, but now with hidden
# states instead of token ids: one vector for each token. Such outputs of a frozen model are called
# {term}`features <feature>`. Copies of a text are computed once. Training on the features must give the same losses as
# `slow`, the training on the token ids above:

# %%
quick = untrained(precision="float32")
cached = cache_features(quick, few.train, few.validation)
fast = train(quick, *cached, short)
close = torch.allclose(
    torch.tensor(fast.train_losses), torch.tensor(slow.train_losses)
)
print("same losses with and without cached features:", close)

# %% [markdown]
# Four more ideas save work. Two of them have their own sections below. The other two are short:
#
# - **Similar lengths together.** While the frozen part is computed, and in every evaluation, messages of similar length
#   share a batch (chapter 2). So there is almost no padding.
# - **One token in the last block.** The classifier reads one token of a message, so the last block is computed only for
#   this token.

# %% [markdown]
# ### Products in another order
#
# In attention, the token that is read compares its query $q$ with the key $K x$ of every token $x$. You may multiply
# in another order:
#
# $$
# q \cdot (K x) = (q K) \cdot x
# $$
#
# On the left the matrix $K$ is applied to every token, on the right only once for the whole message. Count the
# multiplications for 100 tokens and vectors of 64 numbers:

# %% tags=["nbval-check-output"]
size, tokens = 64, 100
print("keys first: ", tokens * size**2 + tokens * size)
print("query first:", size**2 + tokens * size)

# %% [markdown]
# The values allow the same trick. So GPT-2's last block computes no key and no value. (SmolLM2 needs its keys, because
# it rotates each by a different angle.)
#
# ### Shorter numbers
#
# A {term}`bfloat16` has 16 bits instead of 32 and is exact to two or three digits. That is enough for the matrices of
# frozen blocks, and for the hidden states between them. Recent processors multiply such numbers faster. On such a
# processor `Classifier` converts the frozen blocks once; with `precision="float32"` or `precision="bfloat16"` you
# decide yourself. The trainable parts, the final norm and the head stay in float32. The sums in the norms and the
# loss use float32, too.

# %% [markdown]
# Does bfloat16 cost accuracy? We trained SmolLM2 from three seeds in each precision. One trained model also read the
# whole collection twice, with its frozen blocks in float32 and in bfloat16. The cell reads the stored results
# (`python -m benchmarks precision` repeats the measurement).

# %%
found = stored("precision")
for row in found["rows"]:
    right = f"{row['test correct']} of {row['test count']}"
    print(f"seed {row['seed']}, {row['precision']}: {right}")
largest = found["largest change of a probability"]
print("messages read twice:", found["messages"])
print(f"other answers: {found['other answers']}")
print(f"largest change of a probability: {largest:.3f}")

# %% [markdown]
# For each seed, both precisions get the same number of test messages right. Of the messages that were read twice,
# only a few get a different answer: their probability is near one half.

# %% [markdown]
# How much time does all of this save? We measured five ways side by side, with SmolLM2:
#
# - *a*: the plain algorithm,
# - *b*: the class of the `transformers` library that you would otherwise use,
# - *b2*: the same with matrix products in bfloat16,
# - *c*: ours in float32,
# - *d*: ours in the precision that suits the processor.
#
# Most of the difference comes from caching the frozen blocks, and you could add a cache to `transformers`, too. The
# ratio `epoch b/d` compares one epoch of *b* with one epoch of *d*, in which the frozen part is already computed. The
# peak memory comes from an older measurement; `nothing` only imports the libraries.
# `python -m benchmarks speed --quick` repeats the times on your machine.

# %%
measured = stored("training smollm2-135M")
memory = stored("memory smollm2-135M in full")
print("processor:", measured["machine"]["processor"])
print("d is in", measured["auto"])
for ways, ratio in measured["ratios"].items():
    print(f"{ways}: {ratio:.1f}")
peaks = {way: f"{peak:.2f} GB" for way, peak in memory["medians"].items()}
print("peak memory:", *(f"{way} {peak}," for way, peak in peaks.items()))

# %% [markdown]
# :::{figure-md} fig-why-fast
# ![Five bars of measured seconds for fine-tuning in five epochs. The plain algorithm takes by far the longest, then the transformers library, then the same in bfloat16; ours are a small fraction of these, and in bfloat16 the smallest. Most of ours is the frozen part computed once.](figures/why_fast.svg)
#
# Seconds for five epochs with all measurements, SmolLM2 on two CPU cores. For *a*, *b* and *b2* we timed a few steps
# and scaled the result up.
# :::
#
# {numref}`fig-why-fast` shows the seconds behind these ratios.

# %% [markdown]
# ## Five epochs
#
# Now train for real, on all training messages, five times over. `train` measures the losses on a few batches every
# fifty steps, and the accuracies after every epoch.
#
# **Predict before you run.** What will be left of the training loss at the end: a half, a tenth, or less?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
settings = TrainingSettings(epochs=5, learning_rate=learning_rate)
history = train(model, kept.train, kept.validation, settings)
print(f"{history.seconds:.0f} s of training, after the frozen part")
pd.DataFrame({
    "step": history.steps,
    "training loss": history.train_losses,
    "validation loss": history.validation_losses,
}).iloc[[0, -1]].round(3)

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Much less than a tenth is left of the training loss. The first row is measured after the first step (steps are
# counted from zero), the last row near the end. For comparison: Raschka's GPT-2 went from a training loss of 2.153 to
# 0.083, and from a validation loss of 2.392 to 0.074 ({cite:t}`raschka2024`; a reference, not measured here).
# :::
#
# {numref}`fig-loss-curves` shows all measurements of our run.

# %% mystnb={"figure": {"caption": "Training and validation loss while the model learns. The upper axis counts the messages that the model has seen; every epoch counts them again.", "name": "fig-loss-curves"}, "image": {"alt": "Two curves of loss over optimizer steps, one for the training and one for the validation messages. Both fall steeply within the first epoch and flatten out near zero, with small jumps; the validation curve stays a little above the other."}}
from llmclf.teaching import plots

losses = plots.plot_losses(history)
losses

# %% [markdown]
# The model learns most in the first epoch. The curves are rough because each point comes from only a few batches. As
# long as the validation loss falls, the model still learns something that helps with other messages.
# {numref}`fig-accuracy-curves` shows the accuracy. It tells less, because it counts whole messages.

# %% mystnb={"figure": {"caption": "Accuracy on five batches of eight messages of each set after every epoch. One message more or less visibly moves a curve. The upper axis counts messages seen.", "name": "fig-accuracy-curves"}, "image": {"alt": "Two curves of accuracy over epochs, for some training and some validation batches. Both are high after the first epoch already; the validation curve starts with a few messages wrong and ends with none."}}
per_epoch = len(loaders.train) * loaders.train.batch_size
accuracies = plots.plot_accuracies(history, examples_per_epoch=per_epoch)
accuracies

# %% [markdown]
# Save both figures: the file extension tells `savefig` which format to write.

# %%
folder = Path("output", "fast" if data.is_fast() else "full")
folder.mkdir(parents=True, exist_ok=True)
for name, figure in (("loss", losses), ("accuracy", accuracies)):
    figure.savefig(folder / f"{name}.svg")
    print(folder.as_posix() + f"/{name}.svg")

# %% [markdown]
# ## How good is it?
#
# A few batches are enough to watch the training. To judge the classifier, take every message of each set. The trained
# classifier meets the test set here for the first time. (Chapters 3 and 5 used the test set before fine-tuning, and
# we chose nothing by these results.)

# %%
from llmclf.evaluate import evaluate
from llmclf.loaders import every_message

results = {
    name: evaluate(model, every_message(loader))
    for name, loader in kept._asdict().items()
}
for name, result in results.items():
    print(f"{name:<10} {result}")

# %% [markdown]
# Read the intervals first. The test set is small, so the true accuracy may be about two percentage points lower than
# the measured one, or one point higher. Raschka's reference for GPT-2 is 97.21 % on the training, 97.32 % on the
# validation and 95.67 % on the test set, measured on the same split {cite:p}`raschka2024`. And remember from chapter 1
# that part of the test spam has near copies in the training set. So the test result is probably too good. Compare the
# validation line with the baseline of chapter 5.

# %% [markdown]
# ## Overfitting
#
# *Overfitting* means that a model learns its training messages by heart and fails on others. You recognise it by a
# gap: the training loss is far below the validation loss, and the validation loss begins to *rise* while the training
# loss still falls. Does that happen here?

# %%
for name in ("train", "validation", "test"):
    print(f"loss on {name:<11}{results[name].loss:.3f}")
lowest = min(history.validation_losses)
step = history.steps[history.validation_losses.index(lowest)]
print(f"lowest on a few validation batches: {lowest:.3f}, step {step}")

# %% [markdown]
# (The last line comes from a few batches. Do not compare it with the loss on the whole validation set.) The
# validation loss does not clearly rise, so five epochs are not too many. But the test loss is several times as large
# as the validation loss. A few wrong answers of which the model is sure can explain most of it. Also, we chose the
# learning rate on the validation set, so the validation loss is a little too good.

# %% [markdown]
# Against overfitting, try these, from the least effort to the most:
#
# - keep the epoch with the lowest validation loss, and stop when that loss rises ({term}`early stopping`,
#   `TrainingSettings(patience=2)`),
# - let fewer parts learn,
# - raise the weight decay, or switch on dropout (then the library cannot cache features),
# - collect more messages, which often helps most.

# %% [markdown]
# ## Two recipes
#
# Raschka's program pads every message to the length of the longest and reads the last *position*. This book reads the
# last *real* token and pads no more than a batch needs. Does the accuracy differ? Train once more in Raschka's way,
# and compare. (We chose our way before this comparison.)

# %%
padded = make_loaders(splits, tokenizer, padding="fixed")
other = untrained(pooling="last_position")
kept_padded = Loaders(*cache_features(other, *padded))
train(other, kept_padded.train, kept_padded.validation, settings)
other_test = evaluate(other, every_message(kept_padded.test))
print(other_test)

# %%
rows = {
    "all padded, last position": (padded, other_test),
    "ours: last real token": (loaders, results["test"]),
}
columns = ["test accuracy", "95 % interval", "tokens an epoch"]
table = pd.DataFrame(columns=columns)
for name, (used, result) in rows.items():
    low, high = result.interval
    tokens = sum(batch.input_ids.numel() for batch in used.train)
    accuracy = f"{result.accuracy:.1%}"
    table.loc[name] = [accuracy, f"{low:.1%} to {high:.1%}", f"{tokens:,}"]
table

# %% [markdown]
# The two intervals do not touch. This is not a test (chapter 8 has one), but luck in the choice of the test messages
# can hardly explain such a large difference. Luck in training may explain a part of it: this is one run of each, and
# the learning rate was chosen for ours. In the five folds of chapter 10 the padded recipe gets far more messages
# right than in this run, but still fewer than ours. The last column shows that our way is cheaper, too. For GPT-2 the
# reference reports the same order {cite:p}`raschka2024experiments` (chapter 4 quotes the numbers).

# %% [markdown]
# ## Sixteen labels, and no training
#
# What if you have labelled only sixteen messages? Then leave the model as it is. After *every* block you can describe
# a message by one vector, for example by the mean over its tokens. A {term}`logistic regression` on such features of a
# frozen model is called a {term}`probe` {cite:p}`alain2016`. Fitting it takes only a moment. The question is which
# block to read.
#
# **Predict before you run.** How many of the test messages will a probe of sixteen labels get right: half, three
# quarters, more?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.data import Splits
from llmclf.probe import fit_probe

drawn = splits.train.groupby("label").sample(8, random_state=123)
few_labels = make_loaders(Splits(drawn, *splits[1:]), tokenizer)
small = untrained()
probe = fit_probe(small, few_labels.train)
print(f"after {probe.blocks} blocks, pooling: {probe.pooling}")
print(evaluate(small, every_message(few_labels.test)))

# %% [markdown]
# `fit_probe` tries every block, and reads each in two ways: the mean over the tokens, and the last token. It chooses
# by {term}`cross-validation` inside the sixteen: each quarter of them is judged by a regression that was fitted to the
# other three. Then it cuts the model off after the chosen block and makes the regression its head. So `small` is an
# ordinary classifier with fewer blocks.
#
# Sixteen messages are too few to show which block is better. Among blocks that cross-validation cannot distinguish,
# `fit_probe` takes the one nearest the middle of the model. What does it choose with the whole training set?

# %%
whole = untrained()
probe = fit_probe(whole, loaders.train)
print(f"after {probe.blocks} blocks, pooling: {probe.pooling}")
print(evaluate(whole, every_message(loaders.test)))

# %% mystnb={"figure": {"caption": "Loss of a probe after each block, for the mean over the tokens and for the last token. Each message is judged by a regression that has not seen it.", "name": "fig-probe"}, "image": {"alt": "Two curves of loss over the number of blocks. The one for the mean over the tokens lies low from the first blocks on and hardly changes; the one for the last token begins high, falls steeply over the first blocks and slowly after them, and stays above the other to the end."}}
by_block = plots.plot_probe(probe.table)
by_block

# %% [markdown]
# {numref}`fig-probe` shows why the mean was chosen. A likely reason is that single words give spam away, and the
# first blocks know words already.
#
# If you choose the best of many results, its number is usually too good, because luck helped. If you have no test
# set, `probe.accuracy` estimates how good the *whole* procedure is. Five hundred times, it chooses with some of the
# texts and judges with the others {cite:p}`tsamardinos2018`. Here even this estimate may be too high, because near
# copies of a message can be among both (chapter 8). The command below keeps them together.

# %%
low, high = probe.interval
print(f"estimated: {probe.accuracy:.1%}, {low:.1%} to {high:.1%}")

# %% [markdown]
# The command is `python -m llmclf train --method probe`. It needs a table with at least four labelled texts of each
# class. Fine-tuning needs more labels and more time, but it can learn what the frozen blocks lack.

# %% [markdown]
# ## Save it
#
# `TextClassifier` joins model, tokenizer and label names. It saves only what training has changed. Chapter 7 loads the
# classifier from this folder.

# %%
from llmclf.classify import TextClassifier

classifier = TextClassifier(model, tokenizer, ["ham", "spam"], backbone)
classifier.save(folder / "classifier")
for file in sorted((folder / "classifier").iterdir()):
    print(f"{file.name} {file.stat().st_size / 1e6:,.1f} MB")

# %% [markdown]
# One file holds the trained weights and a record of how to put the pieces together again. All of this chapter is also
# one command: `python -m llmclf train --output FOLDER`.

# %% [markdown]
# ## Exercises
#
# Replace the dots with your code and run the cell. `check` says what it found. Each solution is folded below.
#
# ### Exercise 1: Count the steps
#
# Write `number_of_steps(messages, batch_size, epochs)`, for three whole numbers: how many steps does the optimizer
# take? An incomplete last batch is dropped in every epoch.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def number_of_steps(messages, batch_size, epochs):
    ...  # your code


check(number_of_steps)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def number_of_steps(messages, batch_size, epochs):
    return epochs * (messages // batch_size)


check(number_of_steps)

# %% [markdown]
# ### Exercise 2: What the cache saves
#
# One epoch costs `frozen` operations in the frozen blocks and `trained` operations in the rest. With a cache, you
# compute the frozen part only once, not in each epoch. Write `times_less_work(frozen, trained, epochs)`: the work
# without a cache, divided by the work with one. Return the quotient unrounded.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
def times_less_work(frozen, trained, epochs):
    ...  # your code


check(times_less_work)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def times_less_work(frozen, trained, epochs):
    return epochs * (frozen + trained) / (frozen + epochs * trained)


check(times_less_work)

# %% [markdown]
# The answer is never larger than the number of epochs. The measured ratios above are larger, because the other ideas
# save work as well.
#
# ### Exercise 3: Another learning rate
#
# Change the training: train an untrained model for one epoch on the features in `kept`, with a tenth of our learning
# rate, with ours, and with ten times as much. Compare the losses on the whole validation set. (This one is not
# checked.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
for factor in (0.1, 1, 10):
    rate = factor * learning_rate
    once = TrainingSettings(epochs=1, learning_rate=rate)
    trial = untrained()
    train(trial, kept.train, kept.validation, once)
    found = evaluate(trial, every_message(kept.validation))
    print(f"rate {rate:g}: {found}")

# %% [markdown]
# With a tenth of our rate, one epoch does not move the weights far enough. Ten times our rate gives the smallest loss
# here, after one epoch and on one small set. After five epochs the order can be different, because large steps may
# overshoot.

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why does the loop call <code>zero_grad</code>?</summary>
#
# PyTorch adds new gradients to those that are there already. Without `zero_grad`, each step would follow the sum of
# this batch and all earlier ones.
#
# </details>
#
# <details><summary>2. When may the output of the frozen blocks be kept?</summary>
#
# When nothing in them or before them learns, and nothing there is random. Then the same message gives the same hidden
# states in every epoch.
#
# </details>
#
# <details><summary>3. Training loss falls, validation loss rises. What is happening, and what do you do?</summary>
#
# The model is overfitting: it learns its training messages by heart. Stop at the lowest validation loss, train less of
# the model, or find more data.
#
# </details>

# %% [markdown]
# <details><summary>4. Two recipes differ by one percentage point on three hundred test messages. Which is better?</summary>
#
# These numbers do not say. One percentage point is three messages, and that can be luck. Chapter 8 has a test, which
# looks at the messages on which the two disagree.
#
# </details>
#
# <details><summary>5. Why is the learning rate chosen on the validation set?</summary>
#
# A choice partly fits the chance details of the set that you use for it. The test set can judge fairly only if you
# made no choice with it.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# Training is five lines in a loop: forward, loss, clear the gradients, backward, step. You wrote this loop, and the
# library arrived at the same weights. It is fast because the frozen part is computed only once. You read the curves,
# judged the result by its interval, compared two recipes, and saved the classifier.
#
# **Next:** use it. [Chapter 7](07_classifying.ipynb) lets it read messages that it has never seen, token by token.
