# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4 · The classification head
#
# The {term}`pretrained model` of chapter 3 scores every {term}`token` that could come next. A spam filter needs another
# answer: *ham* or *spam*. In this chapter you take off the model's last layer, put on a small new one, and choose
# which parts may learn. At the end you can
#
# - **replace** the output layer of a pretrained model by one with an output for each {term}`class`,
# - **choose** which parameters may learn, and **count** them,
# - **show** by experiment which tokens a row of the output depends on,
# - **pick** the row that a classifier must read, however much {term}`padding` follows it.

# %% [markdown]
# > **Before you start.** You need chapters 2 and 3: tokens, padding, a loaded model and the causal mask. The chapter
# > takes less than a minute on a laptop's CPU; we have not measured a GPU. It uses the {term}`weights` of chapter 3 and
# > downloads nothing new. If you begin here, it downloads them once: 98 MB for SmolLM2, 548 MB for the smallest GPT-2.

# %% tags=["remove-cell"]
# No module named llmclf? Unzip the book's code and type there: make lab
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
import pandas as pd
import torch

from llmclf.teaching.provenance import provenance
from llmclf.weights import choose_backbone

torch.set_grad_enabled(False)  # nothing is trained in this chapter
backbone = choose_backbone()
print(provenance(backbone))

# %% [markdown]
# The line `backbone` names the model of this page. (A pretrained model on which you build a classifier is called
# its {term}`backbone`.) This edition is printed with SmolLM2. Every cell also runs with GPT-2.

# %% [markdown]
# ## The end of the model
#
# A model in PyTorch is a tree of modules. Print the tree and read it from top to bottom: a message passes through the
# modules in this order.

# %% tags=["wide-output"]
from llmclf.tokenizer import encode, load_tokenizer
from llmclf.weights import load_pretrained

tokenizer = load_tokenizer(backbone)
pretrained = load_pretrained(backbone)
print(pretrained)

# %% [markdown]
# The token {term}`embedding` turns each token into a vector, its {term}`hidden state`. (GPT-2 has a second
# embedding, for the positions.) The {term}`blocks <block>` all have the same form, and each adds to the hidden
# states. The final {term}`norm` brings the hidden states to one scale. The last line is the {term}`head`, a single
# linear layer. (In this chapter "head" always means this output layer, not the parts of attention.) What does the
# head compute from a hidden state?

# %%
hidden_size = pretrained.config.hidden_size
print(f"{hidden_size} numbers in, {pretrained.head.out_features:,} out")

# %% tags=["nbval-check-output"]
shared = pretrained.head.weight is pretrained.token_embedding.weight
print("head and token embedding share one matrix:", shared)

# %% [markdown]
# The head returns one number for each token of the vocabulary, a {term}`logit`. The higher the logit, the more
# likely that token comes next. The head has no matrix of its own: it uses the token embedding a second time. You need
# this fact for a prediction further down.

# %% [markdown]
# ## Freeze everything
#
# In training, PyTorch changes only those weights whose `requires_grad` is true. To {term}`freeze` a model,
# you set it to false for all weights. Frozen weights keep what they know about language, which is far more than a
# thousand messages could teach. They also need no {term}`gradient`, which saves time and memory. You change a
# second copy of the model, so `pretrained` stays as it is.

# %% tags=["nbval-check-output"]
model = load_pretrained(backbone)  # a copy for you to change
model.requires_grad_(False)
may_learn = [weight.requires_grad for weight in model.parameters()]
print(sum(may_learn), "tensors may learn")

# %% [markdown]
# ## A head with two outputs
#
# Now you replace the head ({numref}`fig-new-head`). The new head reads the same hidden states as the old one. It
# returns two logits instead of tens of thousands. Everything before it stays.
#
# :::{figure-md} fig-new-head
# ![Embedding, blocks and final norm stay, drawn as one box. Below them, on the left, the vocabulary head with one output for each token comes off. On the right, a new head with the two outputs ham and spam goes on.](figures/new_head.svg)
#
# Replacing the output layer.
# :::

# %%
torch.manual_seed(123)
model.head = torch.nn.Linear(hidden_size, 2)
print(model.head)

# %% [markdown]
# A new layer has `requires_grad` set to true, so the new head will learn. Its weights are random: it knows nothing
# yet.
#
# **Predict before you run.** The old head has tens of thousands of outputs, the new one has two. How does the
# number of parameters of the whole model change?


# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
def count_parameters(model):
    return sum(weight.numel() for weight in model.parameters())


added = count_parameters(model) - count_parameters(pretrained)
print(f"{added:+,} parameters")
print("weights and biases of two outputs:", 2 * hidden_size + 2)

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The model grows. The large matrix is still there, because the token embedding uses it, and `parameters()` counts a
# shared matrix once. Only the new head is added. Each of its outputs has one weight for each number of the hidden
# state, and one {term}`bias`.
# :::
#
# ## Why two outputs and not one?
#
# One logit would be enough: positive for spam, negative for ham. The function `sigmoid` turns it into a
# probability. Two logits say the same in another form. The function {term}`softmax` turns them into two
# probabilities, and only the difference of the logits matters.

# %% tags=["nbval-check-output"]
pairs = torch.tensor([[0.5, 2.0], [1.0, -1.0], [-3.0, -3.0]])
print("two logits:", pairs.softmax(dim=1)[:, 1])
print("one logit: ", (pairs[:, 1] - pairs[:, 0]).sigmoid())

# %% [markdown]
# Both give the same probability of spam. The second output costs a few hundred weights. In return, the same code
# works for three classes or fifty: the label is the position of the largest logit, and the loss of chapter 5 takes
# any number of logits. So the library uses one output for each class, and at least two.
#
# :::{admonition} With your own table, three classes
# :class: tip
# Suppose your table `messages.csv` has a column `text`, and a column `label` with *ham*, *spam* and *newsletter*. Two
# things change: the head has three outputs, and there are three label names. One command reads the names from the
# table, splits it (7 : 1 : 2, each label in every part), trains the classifier, and saves it. A second one uses it:
#
# ```sh
# python -m llmclf train --table messages.csv --output output/three
# python -m llmclf classify output/three "Our offers of this week"
# ```
#
# The first lines of the table look like this (a text that holds a comma needs quotation marks):
#
# ```text
# label,text
# ham,See you at eight
# newsletter,"Our offers, this week only"
# ```
#
# Run `make lab` once to install everything (on Windows, [these commands](installing)). Then type the commands in the
# project's folder, with `.venv/bin/python` instead of `python` (on Windows `.venv\Scripts\python`). Fine-tuning needs a
# few hundred texts of each label; with `--method probe` a few dozen are enough to start. `--text-column` and
# `--label-column` name other columns. `--class-weights balanced` helps where one label is rare.
# `--keep-copies-together` puts near copies into the same part (chapter 8). At the end the command prints the accuracy
# on the test part, which it has not used for training.
#
# The same in Python:
#
# ```python
# from llmclf import data
# from llmclf.files.tables import read_table
# from llmclf.finetune import finetune
#
# names = ["ham", "newsletter", "spam"]
# table = data.encode_labels(read_table("messages.csv"), names)
# made = finetune(data.split(table, stratify=True), names)
# made.classifier.save("output/three")
# print(made.classifier.predict(["Our offers of this week"]))
# ```
#
# [Troubleshooting](troubleshooting.md) lists tables of other forms.
# :::

# %% [markdown]
# ## Let the last parts learn
#
# Is a new head enough? For GPT-2, read at a padded last position, {cite:t}`raschka2024experiments` reports a test
# {term}`accuracy` of 72.00 % when only the head learns, and of 95.00 % when the last block and the final norm learn
# too (one run each). Here are our runs of SmolLM2, read at the last real token (chapter 10):

# %%
from llmclf.evaluation.predictions import tell_experiment

for name in ("head", "last-token"):  # only the head; the last block too
    print(tell_experiment(name))

# %% [markdown]
# With SmolLM2, a new head alone gets most messages right. The head can only weigh what the blocks have found. The
# last block can still learn to look for something else. That gains about two percentage points, much less than in the
# reference, but it is a gain in each of the five runs of chapter 10. So you let these parts learn:

# %%
for part in (model.blocks[-1], model.final_norm):
    part.requires_grad_(True)
for name, weight in model.named_parameters():
    if weight.requires_grad:
        print(name)

# %% [markdown]
# These are the last block, the final norm and the head (blocks are numbered from zero). Their weights are
# *trainable*, all others are frozen.
#
# **Predict before you run.** What share of all parameters is trainable: about half, a tenth, or less?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
frozen = trainable = 0
for weight in model.parameters():
    if weight.requires_grad:
        trainable += weight.numel()
    else:
        frozen += weight.numel()
print(f"frozen {frozen:,}, trainable {trainable:,}")
print(f"share that learns: {trainable / (frozen + trainable):.1%}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Less than a tenth. The number is the sum of last block, final norm and head:
#
# - SmolLM2: 3,540,096 + 576 + 1,154 = 3,541,826,
# - GPT-2 124M: 7,087,872 + 1,536 + 1,538 = 7,090,946, because its blocks are wider.
# :::
#
# The library's `Classifier` does all this in one call: it replaces the head of a fresh model (from {term}`seed` 123),
# freezes the weights, and lets the last parts learn. With `precision="float32"` all weights keep their 32 bits;
# chapter 6 explains the alternative. `parameter_table` counts each part. Here are the last five lines:

# %%
from llmclf.head import Classifier, parameter_table

classifier = Classifier(load_pretrained(backbone), precision="float32")
table = parameter_table(classifier)
table.tail(5).map("{:,}".format)

# %% [markdown]
# The sums match those of your own model. {numref}`fig-trainable` shows the parts for both models of this book.
#
# :::{figure-md} fig-trainable
# ![A stack of parts with their numbers of parameters for GPT-2 124M and SmolLM2-135M. Token embedding, position embedding and all blocks but the last are marked as frozen, with dashed edges and hatching. Last block, final norm and head are marked as learning, with solid edges.](figures/trainable.svg)
#
# What is frozen (hatched, dashed) and what learns (solid). SmolLM2 has no position embedding.
# :::
#
# A larger GPT-2 needs no other code: start the notebooks with `LLMCLF_BACKBONE=gpt2-355M make lab`, or add
# `--backbone gpt2-355M` to a command. The download has about 1.52 GB. Each copy of the model in float32 takes roughly
# 1.4 GB of memory, and this page holds several. Of its 355 million parameters 12.6 million learn. Its blocks hold 2.8
# times as many weights as SmolLM2's, so we expect each pass to take about 2.8 times as long. We could not run it.

# %% [markdown]
# ## One row of logits for each token
#
# What does the classifier return? Give it a message of four words.

# %%
text = "Do you have time"
input_ids = encode(tokenizer, text)
tokens = [tokenizer.decode([number]) for number in input_ids]
print(input_ids)
print(tokens)

# %% [markdown]
# Each word is one token here, together with the space before it. (Chapter 2 and {cite:t}`raschka2024` print GPT-2's
# ids for these tokens.) Now run them through the library's classifier and through the model that you built.
# `token_logits` returns the logits at every token.

# %% tags=["nbval-check-output"]
logits = classifier.token_logits(torch.tensor([input_ids]))
print(tuple(logits.shape))
yours = model(torch.tensor([input_ids]))
print("your model agrees:", torch.allclose(yours, logits, atol=1e-4))

# %% [markdown]
# One message, four tokens, two classes: the shape is (batch, tokens, classes). The two models agree, because even
# the random weights of their heads come from the same seed. Here are the four rows:

# %%
columns = ["ham", "spam"]
pd.DataFrame(logits[0].numpy(), tokens, columns).round(2)

# %% [markdown]
# There are four rows, but a message needs one label. So you have to choose one row. A classifier reads the last one
# ({numref}`fig-output-row`). The next section shows why.
#
# :::{figure-md} fig-output-row
# ![A table with a row for each of the four tokens: its logit for ham, its logit for spam, and the words that it has seen. The first row has seen only the word Do, the last one all four words. The last row is marked: this row is read.](figures/output_row.svg)
#
# SmolLM2's logits with an untrained head. Only the last row has seen the whole message.
# :::

# %% [markdown]
# ## Why the last token: the causal mask
#
# In chapter 3 you wrote the {term}`causal mask` yourself. The scores of all later tokens become minus infinity
# before softmax:
#
# ```python
# scores = scores.masked_fill(later.bool(), -torch.inf)
# ```
#
# The {term}`attention` of every block does this. So a token takes information from itself and from earlier tokens
# only. {numref}`fig-causal-mask` shows how much it takes from each.
#
# :::{figure-md} fig-causal-mask
# ![A grid with a line and a column for each of the four tokens. On the diagonal and below it stand percentages: this much each token takes from itself and from each earlier token. Above the diagonal all fields are hatched.](figures/causal_mask.svg)
#
# How much each token takes from itself and from each earlier token, in SmolLM2-135M (average over the whole model,
# rounded). Much of it comes from the first token.
# :::

# %% [markdown]
# What does the mask mean for the output? You can find out without looking inside the model: replace one token, and
# see which rows change.


# %%
def rows_of(classifier, ids):
    return classifier.token_logits(torch.tensor([ids]))[0]  # (tokens, 2)


def which_rows_change(classifier, ids, other_ids):
    change = rows_of(classifier, other_ids) - rows_of(classifier, ids)
    return (change.abs().amax(dim=1) > 1e-4).tolist()


# %% [markdown]
# **Predict before you run.** You replace the last of the four tokens by `" money"`. Which of the four rows change?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
other = encode(tokenizer, " money")[0]
new_end = [*input_ids[:-1], other]
print(which_rows_change(classifier, input_ids, new_end))

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Only the last row changes. The first three rows cannot depend on a token that follows them.
# :::
#
# Do this for each place in turn. The next output has a line for each row, and a column for each place of the new
# token. A one means that the row changes.

# %% tags=["nbval-check-output"]
changes = []
for place in range(len(input_ids)):
    ids = list(input_ids)
    ids[place] = other
    changes.append(which_rows_change(classifier, input_ids, ids))
print(torch.tensor(changes).T.long())  # (row, place of the new token)

# %% [markdown]
# The zeros stand exactly where `later` was true in chapter 3: you have found the mask from outside. Only the last
# row has a one everywhere. Only this row has seen the whole message, so a classifier reads it. The first row has
# seen one token. {cite:t}`raschka2024experiments` reports 75.00 % for GPT-2 trained to read the first row (one
# run). SmolLM2 reaches:

# %%
print(tell_experiment("first-token"))

# %% [markdown]
# The interval contains one half, the share that a coin gets right.
#
# ## An answer after every word
#
# The mask is also useful. The second row has seen only the first two tokens. So it must be equal to the last row of
# a message that ends there. Compare all four:

# %% tags=["nbval-check-output"]
rows = rows_of(classifier, input_ids)
ends = range(1, len(input_ids) + 1)
cut = [rows_of(classifier, input_ids[:end])[-1] for end in ends]
print("agrees:", torch.allclose(torch.stack(cut), rows, atol=1e-4))

# %% [markdown]
# One pass through the model gives an answer after every word. As probabilities:

# %%
spam = rows.softmax(dim=1)[:, 1].tolist()
for token, probability in zip(tokens, spam, strict=True):
    print(f"{token:<6} spam {probability:.1%}")

# %% [markdown]
# The head is random, so these numbers mean nothing yet. Chapter 7 prints them for a trained classifier.

# %% [markdown]
# ## The trap of padding
#
# In a {term}`batch` all messages have one length, so the shorter ones are filled up with padding. Here are two
# messages. Which token is at the last *position* of each?

# %% tags=["nbval-check-output"]
from llmclf.loaders import pad_batch


def padded(*texts):
    examples = [(encode(tokenizer, each), 0) for each in texts]
    return pad_batch(examples, pad_token_id=tokenizer.eot_token)


batch = padded(text, "Do you have time for a quick call this evening?")
last_ids = batch.input_ids[:, -1].tolist()
print([tokenizer.decode([number]) for number in last_ids])

# %% [markdown]
# The short message ends with the padding token `<|endoftext|>`. A classifier that reads the last position, with
# `[:, -1]`, reads the row of a token that nobody wrote. You find the last *real* token with the lengths that the loader
# returns. Compare the two:

# %%
batch_logits = classifier.token_logits(batch.input_ids)  # (2, tokens, 2)
messages = torch.arange(len(batch.lengths))
last_token = batch_logits[messages, batch.lengths - 1]
last_position = batch_logits[:, -1]
both = torch.cat([last_token, last_position], dim=1)  # (2, 4)
names = ["token ham", "token spam", "position ham", "position spam"]
pd.DataFrame(both.numpy(), ["short", "longer"], names).round(2)

# %% [markdown]
# For the short message, the last real token and the last position give different logits. The longer message has no
# padding, so its last real token is also at the last position.
#
# **Predict before you run.** Now you pad the short message more and more. Do the logits of its last real token
# change? Do those of the last position change?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
last = len(input_ids) - 1
by_width = {}
for width in (4, 8, 32, 120):
    padding = [tokenizer.eot_token] * (width - len(input_ids))
    wide = rows_of(classifier, input_ids + padding)
    by_width[width] = torch.cat([wide[last], wide[-1]]).tolist()
pd.DataFrame.from_dict(by_width, "index", columns=names).round(2)

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The last real token gives the same logits each time. Padding stands to its right, where the causal mask does not
# let it look, so you need no second mask. The last position gives other logits for each width, because it takes
# information from the padding before it too.
# :::
#
# You can train a classifier in both ways. {cite:t}`raschka2024experiments` reports for GPT-2 a test accuracy of 98.33 %
# at the last real token and of 95.00 % at the last position (one run each). SmolLM2 reaches:

# %%
for name in ("last-token", "last-position"):
    print(tell_experiment(name))

# %% [markdown]
# For both models the last real token is better. To read the last position, you also pad all messages to one fixed
# length, and then most of the work goes into padding (chapter 6 measures both ways).

# %% [markdown]
# ## Four ways to read
#
# {term}`Pooling <pooling>` turns one row for each token into one row for each message. The library knows four ways.
# Three of them read one position, which `pooling_position` returns. Take two messages of two and five real tokens,
# padded to six.

# %% tags=["nbval-check-output"]
from llmclf.head import POOLINGS, pooling_position

lengths = torch.tensor([2, 5])
for pooling in POOLINGS:
    print(f"{pooling:<13}", pooling_position(lengths, 6, pooling))

# %% [markdown]
# Positions are counted from zero, so a message of two tokens ends at position 1. `mean` reads no single position:
# it averages the rows of all real tokens.
#
# A `Classifier` pools by itself, by default with `last_token`. It takes padded tokens and their lengths, and
# returns one row for each message. Does it agree with the row that you picked by hand?

# %% tags=["nbval-check-output"]
answer = classifier(batch.input_ids, batch.lengths)
print(tuple(answer.shape))
same = torch.allclose(answer, last_token, atol=1e-4)
print("Classifier agrees:", same)

# %% [markdown]
# It agrees, up to rounding. The classifier needs only one row. So its last block computes one query and one pass of
# the {term}`MLP`, for the token that is read. (The query still looks at all tokens before it.)

# %% [markdown]
# ## What an untrained head says
#
# Finally, ask many heads, each from a different seed, about an advertisement and a private message. All heads read
# the same hidden states, so you compute these once, with `pretrained`.

# %%
advert = "You are a winner! You have been selected to receive 1000 cash"
private = "Hey, are we still on for dinner tonight? Let me know!"
pair = padded(advert, private)
states = pretrained.embed(pair.input_ids)
for block in pretrained.blocks:
    states = block(states)
states = pretrained.final_norm(states)  # (2, tokens, hidden size)
last_states = states[torch.arange(2), pair.lengths - 1]
print(tuple(last_states.shape))

# %% [markdown]
# The library's `new_head` makes a head from a seed. Here is the probability of spam that the first five of 200
# heads give to each message:

# %%
from llmclf.head import new_head

heads = [new_head(pretrained, 2, seed) for seed in range(200)]
answers = torch.stack([head(last_states) for head in heads])
chances = answers.softmax(dim=2)[:, :, 1]  # (heads, messages)
asked = ["advertisement", "private message"]
seeds = [f"seed {seed}" for seed in range(5)]
pd.DataFrame(chances[:5].numpy(), seeds, asked).round(2)

# %% [markdown]
# Different seeds give different answers, for both messages.
#
# **Predict before you run.** How many of the 200 heads find the advertisement more suspicious than the private
# message?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
ahead = (chances[:, 0] > chances[:, 1]).sum().item()
print(f"the advertisement is ahead in {ahead} of {len(heads)} heads")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# About half of them. The random weights are as often negative as positive, so neither message has an advantage. The
# hidden states may contain a lot about spam, but a random head cannot use it.
# :::

# %% [markdown]
# ## Exercises
#
# Replace the dots with your code and run the cell. `check` says what it found. Each solution is folded below.
#
# ### Exercise 1: Count a head
#
# Write `head_parameters(hidden_size, classes)`: the number of parameters of a linear head with this many inputs and
# outputs, biases included. First work it out on paper for three classes.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def head_parameters(hidden_size, classes): ...  # your code


check(head_parameters)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def head_parameters(hidden_size, classes):
    return (hidden_size + 1) * classes  # one more input for the bias


check(head_parameters)

# %% [markdown]
# ### Exercise 2: Predict the mask
#
# A message has `count` tokens. You replace the token at `place` (counted from zero). Which rows of the output change?
# Write `changed_rows(count, place)`. It returns the places of these rows as a list, in ascending order.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
def changed_rows(count, place): ...  # your code


check(changed_rows)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def changed_rows(count, place):
    return list(range(place, count))  # its own, and all after it


check(changed_rows)

# %% [markdown]
# ### Exercise 3: Read the right row
#
# Write `last_token_rows(logits, lengths)`. It gets logits of shape (batch, tokens, classes) and the numbers of real
# tokens, of shape (batch,). It returns the row of each message's last real token, a tensor of shape (batch,
# classes). You need no loop.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
def last_token_rows(logits, lengths): ...  # your code


check(last_token_rows)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
def last_token_rows(logits, lengths):
    messages = torch.arange(len(lengths))
    return logits[messages, lengths - 1]


check(last_token_rows)

# %% [markdown]
# ### Exercise 4: A model without the mask
#
# Change the model: build a fresh `Classifier` and set `attention.causal` to `False` in all its blocks. Replace each
# of the four tokens in turn, as above. Which rows change now? (This one is not checked.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 4", "code_prompt_hide": "Hide solution 4"}
unmasked = Classifier(load_pretrained(backbone), precision="float32")
for block in unmasked.backbone.blocks:
    block.attention.causal = False
for place in range(len(input_ids)):
    ids = list(input_ids)
    ids[place] = other
    print(place, which_rows_change(unmasked, input_ids, ids))

# %% [markdown]
# Without the mask, a row can depend on every token of the message, also on later ones and on padding. The
# pretrained weights have never worked in this way. Chapter 10 fine-tunes such a model and compares.
#
# ## Questions
#
# <details><summary>1. Why does the model not shrink when you take off the vocabulary head?</summary>
#
# The head shares its matrix with the token embedding, and the model still needs the embedding.
#
# </details>
#
# <details><summary>2. You want to sort messages into ham, spam and newsletters. What changes in the model?</summary>
#
# In the model, only the head: it gets a third output, with weights and a bias of its own. Outside the model you
# need a third label name, labelled newsletters and a new training.
#
# </details>
#
# <details><summary>3. Why should a classifier not read the row of the first token?</summary>
#
# The causal mask hides everything after it. This row has seen one token, and is the same for all messages that
# begin with that token.
#
# </details>

# %% [markdown]
# <details><summary>4. Padding on the right changes no logit of a real token. Would padding on the left?</summary>
#
# Yes. It stands before the real tokens, where they can see it, and it shifts their positions. You would need a mask
# for the padding.
#
# </details>
#
# <details><summary>5. The last position of a padded message has seen all real tokens. Why not read it?</summary>
#
# It has seen the padding too, so its answer depends on how much padding there is. You can reduce the harm if you pad
# to one fixed length, in training and in use. But then most of the work goes into padding.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A classifier is a pretrained model with a new last layer. You froze a model, replaced its vocabulary head by one
# with two outputs, let the last parts learn, and counted both kinds of parameters. By replacing tokens you saw why
# the classifier reads the last real token, and why padding to its right does no harm.
#
# **Next:** the untrained head only guesses. [Chapter 5](05_loss_accuracy.ipynb) measures how badly, with two
# numbers: the {term}`accuracy`, which people understand, and the loss, which training can lower.
