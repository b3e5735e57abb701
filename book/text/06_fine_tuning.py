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
# The {term}`classifier` of chapter 4 guesses, and chapter 5 told you how badly. Now it learns. You write the
# training loop, watch it work, and find out why it needs a minute or two on a laptop and not twenty. At the end
# you can
#
# - **write** a training loop and say what each of its five lines does,
# - **read** loss and accuracy curves, and **recognise** {term}`over-fitting`,
# - **compare** two recipes with their intervals in view,
# - **explain** why most of the work has to be done only once.

# %% [markdown]
# > **Before you start.** You need chapters 2 to 5, or their ideas: loaders, the pretrained model, the new head, the loss.
# > On two CPU cores the whole page runs in several minutes, most of which is the second recipe near the end;
# > times on a GPU were not measured. The chapter downloads nothing that chapter 3 has not.

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
# Everything that earlier chapters prepared comes back in a few lines: the three tables, the {term}`tokens
# <token>`, the loaders that hand out {term}`batches <batch>` of eight messages, and the pretrained model with its
# new head. Only the last block, the final norm and the head may learn. This page begins anew several times, so
# `untrained` makes such a model whenever one is needed.

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
# Training repeats one small movement ({numref}`fig-training-loop`). Take a batch; see what the model says about
# it; measure how wrong that is; ask for every weight that may learn in which direction it should move; move it a
# little.
#
# :::{figure-md} fig-training-loop
# ![Four boxes, one below the other: forward gives logits, loss compares them with the labels, backward clears the old gradients and computes new ones, step moves the weights a little. An arrow leads back to the first for the next batch. Every fifty steps the losses are measured, after each epoch the accuracies.](figures/training_loop.svg)
#
# The training loop. One turn is a {term}`step`; when all batches have had their turn, an {term}`epoch` is over.
# :::
#
# The first half, forward and loss, you know from chapter 5:

# %%
from torch.nn import functional as F

batch = next(iter(loaders.train)).to(device)
logits = model(batch.input_ids, batch.lengths)
loss = F.cross_entropy(logits, batch.labels)
print(f"loss {loss.item():.3f} on {len(batch.labels)} messages")

# %% [markdown]
# The second half begins with `backward`. It walks through the computation in reverse and stores with every
# trained weight its {term}`gradient`: how steeply the loss would grow if the weight grew. What is frozen gets
# none.
#
# **Predict before you run.** Which parts of the model will have gradients afterwards?

# %% tags=["hide-output", "nbval-check-output", "wide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
loss.backward()
for name, part in model.backbone.named_children():
    grads = [weight.grad is not None for weight in part.parameters()]
    print(f"{name:<20}{sum(grads)} of {len(grads)} weight tensors")

# %% [markdown]
# Embeddings have no gradient, and neither have most tensors of the blocks: only the last block, the final norm
# and the head were asked. So `backward` has a short way to go, which is the first reason why this training is
# quick.
#
# Now move the weights. What moves them is called the {term}`optimizer`; ours follows the rule {term}`AdamW`
# {cite}`loshchilov2019`. It averages the last gradients of a weight and divides the average by their usual size,
# so that all weights move at a similar pace. And it lets all of them shrink a little ({term}`weight decay`).

# %%
import torch

from llmclf.train import suggested_learning_rate

weights = [weight for weight in model.parameters() if weight.requires_grad]
learning_rate = suggested_learning_rate(model)
optimizer = torch.optim.AdamW(weights, learning_rate, weight_decay=0.1)
optimizer.step()
with torch.no_grad():
    logits = model(batch.input_ids, batch.lengths)
loss = F.cross_entropy(logits, batch.labels)
print(f"loss {loss.item():.3f} after a step of rate {learning_rate:g}")

# %% [markdown]
# The loss on this batch has fallen. The {term}`learning rate` says how far a step goes. Raschka uses 5e-5 for
# GPT-2, and a weight decay of 0.1 {cite:p}`raschka2024`. For SmolLM2 we tried several rates, each for five epochs, and compared the loss of the
# whole validation set. That is the right set for such a choice. The test set would be the wrong one:
# whatever you choose by it, it can no longer judge.

# %%
import json
from pathlib import Path

import pandas as pd

results = Path("..", "benchmarks", "results")
tried = json.loads((results / "sweep.json").read_text())["rows"]
table = pd.DataFrame(tried).pivot_table(
    "validation loss", "learning rate", ["trainable", "seed"]
)
table.style.format("{:.3f}", na_rep="").format_index("{:g}")

# %% [markdown]
# Where the last block learns, 2e-4 has the smallest loss in two of three seeds, and in the mean. That is the library's default for SmolLM2. Where everything learns, smaller rates do better: the default there is 5e-5, which one
# seed cannot tell from 1e-5 or 2e-5. With a table of your own, `llmclf train --learning-rate 1e-4 2e-4 4e-4` makes such a
# comparison and keeps the best.

# %% [markdown]
# ## The loop
#
# Steps in a row make a loop. Gradients add up until they are cleared, so `zero_grad` belongs before each
# `backward`. Here is the loop in a dozen lines. To see quickly that it works, give it only a piece of the data. The
# cells below compare results to many digits, so their models compute in float32, numbers of 32 bits.

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
piece = data.Splits(*(table.head(24) for table in splits))
few = make_loaders(piece, tokenizer)
few.train.generator.manual_seed(123)  # the order that train will use
by_hand = untrained(precision="float32")
for loss in fit(by_hand, few.train):
    print(f"loss {loss:.2f}")

# %% [markdown]
# Three batches, three steps, three losses. They jump, because every batch holds other messages: a single step's
# loss says little, and the library therefore averages over several batches whenever it reports one.
#
# `llmclf.train.train` holds the same loop, together with measurements, a progress bar, and after each epoch, if
# it is given a file for it, a {term}`checkpoint`. It seeds the order of the batches with 123 unless told
# otherwise, so it meets the same batches and must arrive at the same weights.

# %% tags=["nbval-check-output"]
from llmclf.train import TrainingSettings, train

short = TrainingSettings(
    epochs=1,
    learning_rate=learning_rate,
    evaluate_every=2,  # steps,
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
# It does. The option `use_feature_cache=False` asked for the loop just as you wrote it: the whole model, at every
# step. Without that option the library does something cleverer.

# %% [markdown]
# ## Why this is fast
#
# Think about what happens to one message in five epochs. Five times it goes through all blocks. But the blocks
# before the last are frozen: they turn the same message into the same {term}`hidden states <hidden state>` each
# time. See for yourself: compare a model before training and the one that `fit` has trained.

# %% tags=["nbval-check-output"]
from llmclf.feature_cache import frozen_depth

depth = frozen_depth(by_hand)
outputs = []
with torch.no_grad():
    for trained in (untrained(precision="float32"), by_hand):
        start = trained.backbone.embed(batch.input_ids)
        outputs.append(trained.run_blocks(start, None, 0, depth))
print("blocks:", len(by_hand.backbone.blocks), "of them frozen:", depth)
print("same output before and after training:", torch.equal(*outputs))

# %% [markdown]
# Not just nearly the same: equal in every bit. So the frozen part has to be computed only once.
# {numref}`fig-frozen` shows how much that leaves out. The condition is that nothing there is random: a model with
# {term}`dropout` drops other values each time, and then the shortcut would be wrong. The library checks this:
# `cache_features` refuses such a model with an error, and `train` then computes everything in each step.
#
# :::{figure-md} fig-frozen
# ![Two grids, twelve blocks from top to bottom, five epochs from left to right. In the plain way every cell is filled: all blocks run in all epochs. With cached features the frozen blocks are filled in one single column that stands before the first epoch, and only the bottom row, the last block, is filled in each epoch.](figures/frozen.svg)
#
# What has to be computed in five epochs, for GPT-2's twelve blocks: all blocks in each epoch (left), or the
# frozen ones once and the last block in each (right).
# :::

# %%
from llmclf.feature_cache import cache_features
from llmclf.loaders import Loaders

model = untrained()
kept = Loaders(*cache_features(model, *loaders))
states, label, length = kept.train.dataset[0]
print("a message is now", tuple(states.shape), "numbers, its label", label)

# %% [markdown]
# `cache_features` ran every message through the frozen blocks and gives back the same three loaders, over hidden
# states instead of token ids: one row for each token. Such outputs of a frozen model are called
# {term}`features <feature>`. Copies of a text are computed once. Training on the features must give the same
# losses as `slow`, the training on the token ids above:

# %%
quick = untrained(precision="float32")
cached = cache_features(quick, few.train, few.validation)
fast = train(quick, *cached, short)
close = torch.allclose(
    torch.tensor(fast.train_losses), torch.tensor(slow.train_losses)
)
print("same losses with and without cached features:", close)

# %% [markdown]
# The same mathematics, many times faster. Four more ideas help. The first you know from chapter 2: while the
# frozen part is computed, and in every evaluation, messages of like length go together, so that almost nothing is
# padding. (The batches of training stay shuffled.) The second: the last block is computed only as far as the one
# token needs it that is read, because nobody looks at its output for the others.

# %% [markdown]
# The third takes a pencil, and GPT-2 gains most from it. In each head, the one token asks all others with its query $q$; each
# answers with a key $K x$. The products may be taken in another order:
#
# $$ q \cdot (K x) = (q K) \cdot x $$

# %% tags=["nbval-check-output"]
size, tokens = 64, 100
q, K = torch.randn(size), torch.randn(size, size)
x = torch.randn(tokens, size)
keys_first = (x @ K.T) @ q
query_first = x @ (q @ K)
print("same scores:", torch.allclose(keys_first, query_first, atol=1e-3))
print("multiplications:", tokens * size**2 + tokens * size, "or",
      size**2 + tokens * size)

# %% [markdown]
# On the left a matrix is applied to every token, on the right once for the whole message. The values allow the
# same trick. So not a single key or value has to be computed in GPT-2's last block. (SmolLM2 turns every key by
# an angle of its own, which bars this way for the keys.)

# %% [markdown]
# The fourth idea is shorter numbers. A {term}`bfloat16` has 16 bits instead of 32 and is exact to two or three digits.
# That is enough for the matrices of frozen blocks, and for the hidden states that one of these blocks hands to the
# next. Recent processors have instructions that multiply such numbers faster. Where PyTorch finds them, `Classifier`
# converts the frozen blocks once. With `precision="float32"` or `precision="bfloat16"` you decide yourself. What learns
# stays in float32, and so do the sums in the norms, the final norm, the head and the loss. The first lines of this page
# name the precision.

# %% [markdown]
# Does that cost accuracy? SmolLM2 was trained from three seeds in each precision, and one pair of twins read the
# whole collection: the same trained weights, once with frozen blocks in float32 and once in bfloat16. The notebook
# reads the stored results; `python -m benchmarks precision`, in the project's folder, repeats the measurement.

# %%
found = json.loads((results / "precision.json").read_text())
for row in found["rows"]:
    right = f"{row['test correct']} of {row['test count']}"
    print(f"seed {row['seed']}, {row['precision']}: {right}")
largest = found["largest change of a probability"]
print("messages read twice:", found["messages"])
print(f"other answers: {found['other answers']}")
print(f"largest change of a probability: {largest:.3f}")

# %% [markdown]
# The accuracies differ no more between the precisions than between the seeds. A few messages whose probability lies
# near one half get another answer; which of the two is right is a matter of chance.

# %% [markdown]
# What does it all save? Times were measured side by side for SmolLM2. *a* is the plain algorithm,
# *b* the class of the `transformers` library that one would otherwise use, *b2* the
# same with matrix products in bfloat16, *c* ours in float32, and *d* ours in the precision that suits the processor.
# What the ratios compare is, for the most part, caching the frozen blocks with not caching them: anyone could add a cache to `transformers`, too.
# The last ratio compares one epoch without the frozen part. Memory is the peak of each way, with the whole model, in an older measurement. `python -m benchmarks speed --quick` repeats the
# times on your machine.

# %%
measured, memory = (
    json.loads((results / f"{name}.json").read_text())
    for name in ("training smollm2-135M", "memory smollm2-135M in full")
)
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
# Seconds for five epochs with all measurements, SmolLM2 on two CPU cores, a
# few steps of *a*, *b* and *b2* timed and multiplied up. Drawn from the file that the cell above reads.
# :::
#
# {numref}`fig-why-fast` shows the seconds behind these ratios. Most of what is left is the frozen part,
# computed once. That part is hard to shorten further: it is arithmetic that has to be done.

# %% [markdown]
# ## Five epochs
#
# Now train for real, on all training messages, five times over. Every fifty steps the losses are measured on a
# few batches of the training and the validation set, and after every epoch the accuracies.
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
# The first row is measured after the first step (they are counted from zero), the last near the end. For
# comparison, Raschka's GPT-2 went from a training loss of 2.153 to 0.083 and from a validation loss of 2.392 to
# 0.074 ({cite:t}`raschka2024`; a reference, not measured here). {numref}`fig-loss-curves` shows all measurements
# of our run.

# %% mystnb={"figure": {"caption": "Training and validation loss while the model learns. The upper axis counts the messages it has seen, those of every epoch again.", "name": "fig-loss-curves"}, "image": {"alt": "Two curves of loss over optimizer steps, one for the training and one for the validation messages. Both fall steeply within the first epoch and flatten out near zero, with small jumps; the validation curve stays a little above the other."}}
from llmclf.teaching import plots

losses = plots.plot_losses(history)
losses

# %% [markdown]
# A steep fall at first, then a long flat tail: most is learnt within the first epoch. The curves are rough
# because each point rests on a few batches only. As long as the validation loss does not rise, what the model
# learns holds for other messages too. Accuracy, in {numref}`fig-accuracy-curves`, tells the same story in a
# coarser way.

# %% mystnb={"figure": {"caption": "Accuracy on five batches of eight messages of each set after every epoch: one message more or less is a step of the curve. The upper axis counts messages seen.", "name": "fig-accuracy-curves"}, "image": {"alt": "Two curves of accuracy over epochs, for some training and some validation batches. Both are high after the first epoch already; the validation curve has some single messages wrong at first and none at the end."}}
per_epoch = len(loaders.train) * loaders.train.batch_size
accuracies = plots.plot_accuracies(history, examples_per_epoch=per_epoch)
accuracies

# %% [markdown]
# Both figures can be kept: `savefig` writes a file, and the ending of its name decides on the kind.

# %%
folder = Path("output", "fast" if data.is_fast() else "full")
folder.mkdir(parents=True, exist_ok=True)
for name, figure in (("loss", losses), ("accuracy", accuracies)):
    figure.savefig(folder / f"{name}.svg")
    print(folder.as_posix() + f"/{name}.svg")

# %% [markdown]
# ## How good is it?
#
# A few batches serve to watch. To judge, take every message of each set. Here the trained classifier meets the
# test set for the first time. (Chapters 3 and 5 measured untrained models on it, and nothing was chosen by that.)

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
# Read the intervals first: with so few test messages the true accuracy may lie a good deal lower or higher than
# the number in front. Raschka's reference for GPT-2 is 97.21 % on the training, 97.32 % on the validation and
# 95.67 % on the test set, measured on the same split {cite:p}`raschka2024`. And remember from chapter 1 that part
# of the test spam has near copies in the training set: the test result is somewhat too good.

# %% [markdown]
# ## Over-fitting
#
# A model that knows its training messages by heart and fails on others has {term}`over-fitted <over-fitting>`.
# The sign is a gap: training loss far below validation loss, and a validation loss that begins to *rise* while
# the training loss goes on falling. What do we see here?

# %%
for name in ("train", "validation", "test"):
    print(f"loss on {name:<11}{results[name].loss:.3f}")
lowest = min(history.validation_losses)
step = history.steps[history.validation_losses.index(lowest)]
print(f"lowest on a few validation batches: {lowest:.3f}, step {step}")

# %% [markdown]
# The last line and the second are not the same measure: one rests on a few batches, the other on the whole
# validation set. On this page, with SmolLM2, the validation loss does not clearly rise, so training was not too
# long. But the test loss is several times as large. A few mistakes of which the model is sure make most of it
# (chapter 7 shows them), and the learning rate was chosen on the validation set, which flatters that set a
# little.

# %% [markdown]
# Against over-fitting, try these in order of effort: keep the epoch with the lowest validation loss and stop when it
# has risen ({term}`early stopping`, `TrainingSettings(patience=2)`); let fewer parts learn; raise the weight decay or
# switch on dropout (then the shortcut above is off); gather more messages. The last is the best and the most work.
# The settings know more that a table of your own may need: `class_weights="balanced"` where one class is rare, a
# `schedule` that lowers the learning rate towards the end, `max_gradient_norm`. This chapter uses none of them.

# %% [markdown]
# ## Two recipes
#
# Raschka's program pads every message to the length of the longest and reads the last *position*, which for most
# messages is padding. This book reads the last *real* token and pads no more than a batch needs. Does the
# difference show in accuracy? Train once more in that way, and compare. (Ours was decided before; this comparison
# chooses nothing.)

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
# Look at the intervals before you name a winner. Do they overlap?

# %%
(low, high), (other_low, other_high) = (
    result.interval for result in (results["test"], other_test)
)
print("they overlap:", low <= other_high and other_low <= high)

# %% [markdown]
# Where they overlap widely, one run of each cannot tell two recipes apart. On this page, made with SmolLM2, they
# do not even touch: luck in the choice of the test messages hardly explains the difference, and the last column
# says that ours is cheaper too. Luck in training may explain a part. This is one run of each, and the learning
# rate was chosen for ours.

# %% [markdown]
# For GPT-2 the experiments of {cite:t}`raschka2024experiments` report 95.00 % at the last position (another run
# of the recipe that gave 95.67 % above) and 98.33 % at the last real token, one run each. There is a reason to
# expect this order: at a padding token the model has to learn to look back to a message that ended long before.

# %% [markdown]
# ## Sixteen labels, and no training
#
# What if you have labelled sixteen messages, and not a thousand? Then leave the model as it is. After *every*
# block a message is a row of numbers, for example the mean over its tokens. A {term}`logistic regression` on such
# features of a frozen model is called a {term}`probe` {cite:p}`alain2016`. It is fitted in no time; the question
# is only which block to read.
#
# **Predict before you run.** How many of the test messages will a probe of sixteen labels get right: half, three
# quarters, more?

# %%
from llmclf.data import Splits
from llmclf.probe import fit_probe

drawn = splits.train.groupby("label").sample(8, random_state=123)
few_labels = make_loaders(Splits(drawn, *splits[1:]), tokenizer)
small = untrained()
probe = fit_probe(small, few_labels.train)
print(f"after {probe.blocks} blocks, pooling: {probe.pooling}")
print(evaluate(small, every_message(few_labels.test)))

# %% [markdown]
# `fit_probe` tried every block, read in two ways: the mean over the tokens, and the last token. It chose by
# {term}`cross-validation` inside the sixteen: each quarter of them was judged by a regression that was fitted to
# the others. Then it cut the model off after the chosen block and gave it the regression as its head. So `small`
# is an ordinary classifier, with fewer blocks to compute.
#
# Sixteen messages can hardly tell one block from the next. Where they cannot, the middle of the model is taken. What
# does the whole training set say?

# %%
whole = untrained()
probe = fit_probe(whole, loaders.train)
print(f"after {probe.blocks} blocks, pooling: {probe.pooling}")
print(evaluate(whole, every_message(loaders.test)))

# %% mystnb={"figure": {"caption": "How well a probe tells spam from ham after each block, by the mean over the tokens and by the last token, each message judged by a regression that has not seen it.", "name": "fig-probe"}, "image": {"alt": "Two curves of loss over the number of blocks. The one for the mean over the tokens lies low from the first blocks on and hardly changes; the one for the last token begins high, falls steeply over the first blocks and slowly after them, and stays above the other to the end."}}
by_block = plots.plot_probe(probe.table)
by_block

# %% [markdown]
# {numref}`fig-probe` explains the choice. Whether a message is spam shows in its words, and the first blocks know
# words already: their mean over the message is enough. The last token must first be told by all blocks what stood
# before it. For another question, such as whether a review praises or not, deeper blocks or the last token may do
# better. Cross-validation finds out.
#
# What a choice has won is judged too kindly by the numbers it was chosen by. Where you have no test set,
# `probe.accuracy` estimates what the *whole* procedure is worth: choose by some of the texts, judge by the others,
# five hundred times over {cite:p}`tsamardinos2018`. Here it may be too kind, because near copies of a message can
# stand on both sides; the command keeps them together, and chapter 8 tells why.

# %%
low, high = probe.interval
print(f"estimated: {probe.accuracy:.1%}, {low:.1%} to {high:.1%}")

# %% [markdown]
# The command is `python -m llmclf train --method probe`. It takes a table of four labelled texts of each class, or
# more. Fine-tuning needs more labels and more time, and can learn what no frozen block has to offer.

# %% [markdown]
# ## Save it
#
# The classifier is worth keeping. `TextClassifier` joins model, tokenizer and label names; what is saved is only
# what training has changed. Chapter 7 loads it from this folder.

# %%
from llmclf.classify import TextClassifier

classifier = TextClassifier(model, tokenizer, ["ham", "spam"], backbone)
classifier.save(folder / "classifier")
for file in sorted((folder / "classifier").iterdir()):
    print(f"{file.name} {file.stat().st_size / 1e6:,.1f} MB")

# %% [markdown]
# One file holds the trained weights and a record that says how to put the pieces together again. All of this
# chapter is one call, too, `llmclf.finetune.finetune`, and one command: `python -m llmclf train --output FOLDER`.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: Count the steps
#
# Write `number_of_steps(messages, batch_size, epochs)`, three whole numbers: how many
# steps of the optimizer does training take when an incomplete last batch is dropped in every epoch?

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
# ### Exercise 2: Times less work
#
# Let one epoch cost `frozen` operations in the frozen blocks and `trained` in the rest.
# Write `times_less_work(frozen, trained, epochs)`: how many times less has to be computed when the frozen part
# runs once altogether, instead of once in each epoch? Return the quotient unrounded.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
def times_less_work(frozen, trained, epochs):
    ...  # your code


check(times_less_work)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def times_less_work(frozen, trained, epochs):
    return epochs * (frozen + trained) / (frozen + epochs * trained)


check(times_less_work)

# %% [markdown]
# The second answer can never exceed the number of epochs, however small the trained part is. The measured ratios
# above are larger, because padding, the unread tokens of the last block and the measurements during training are
# saved as well.

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why does the loop call <code>zero_grad</code>?</summary>
#
# Gradients are added to those that are there already. Without clearing them, each step would follow the sum of
# this batch and all earlier ones.
#
# </details>
#
# <details><summary>2. When may the output of the frozen blocks be kept?</summary>
#
# When nothing in them or before them learns and nothing there is random. Then the same message gives the same
# hidden states in every epoch.
#
# </details>
#
# <details><summary>3. Training loss falls, validation loss rises. What is happening, and what do you do?</summary>
#
# The model is learning its training messages by heart. Stop at the lowest validation loss, train less of the
# model, or find more data.
#
# </details>

# %% [markdown]
# <details><summary>4. Two recipes differ by one percent on three hundred test messages. Which is better?</summary>
#
# Nobody can say. One percent is three messages, and the intervals overlap widely. A look at the messages on which
# the two disagree would say more.
#
# </details>
#
# <details><summary>5. Why is the learning rate chosen on the validation set?</summary>
#
# A choice fits the accidents of the set by which it was made. The test set must stay free of such choices to
# judge fairly.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# Training is five lines in a loop: forward, loss, clear the gradients, backward, step. You wrote it, saw the
# library arrive at the same weights, and cut its cost by computing what never changes only once, with the same
# losses to show for it. You read the curves, judged the result by its interval, compared two recipes and said
# what the comparison does not show, and saved the classifier.
#
# **Next:** use it. [Chapter 7](07_classifying.ipynb) lets it read messages that it has never seen, token by
# token.
