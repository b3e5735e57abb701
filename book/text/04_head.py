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
# The {term}`pretrained model` of chapter 3 says which token comes next. A spam filter needs another answer, *ham*
# or *spam*. So you take off the model's last layer, put on a small new one, and decide which parts may learn. At
# the end you can
#
# - **replace** the output layer of a pretrained model by one with an output for each class,
# - **freeze** a model, let chosen parts learn again, and **count** both kinds of parameters,
# - **show** by experiment which tokens a row of the output depends on,
# - **pick** the row that a classifier must read, however much padding there is.

# %% [markdown]
# > **Before you start.** You need chapters 2 and 3: tokens, padding, and a loaded model. On a laptop's CPU the chapter
# > takes less than a minute; on a GPU it was not measured. The weights are those of chapter 3 and are not fetched
# > again. If you begin here, it is one download of about 100 MB (SmolLM2) or 550 MB (GPT-2 small).

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.teaching.provenance import provenance
from llmclf.weights import choose_backbone

backbone = choose_backbone()
print(provenance(backbone))

# %% [markdown]
# The line `backbone` names the model of this page; a pretrained model on which a classifier is built is called
# its {term}`backbone`. Every number that we compute below is this model's own. With another the numbers change
# and the statements stay. Nothing is trained here, and only a few short messages are read. So everything runs on
# the CPU.

# %% [markdown]
# ## What stands at the end of the model
#
# A model in PyTorch is a tree of modules. Printed, it can be read from top to bottom, in the order in which a
# message passes through.

# %% tags=["wide-output"]
from llmclf.tokenizer import encode, load_tokenizer
from llmclf.weights import load_pretrained

tokenizer = load_tokenizer(backbone)
model = load_pretrained(backbone)
print(model)

# %% [markdown]
# The token {term}`embedding` turns each {term}`token` into a list of numbers, its {term}`hidden state`. (A GPT-2
# adds a second embedding, for the position.) The {term}`blocks <block>`, all built alike, add to the hidden
# states one after the other. The final {term}`norm` brings them to one scale. Last comes the {term}`head`, a
# single linear layer. (SmolLM2's keys and values are narrower than its queries: the grouped-query attention of
# chapter 3.) What does the head make of a hidden state?

# %%
hidden_size = model.config.hidden_size
print(f"{hidden_size} numbers in, {model.head.out_features:,} out")

# %% tags=["nbval-check-output"]
shared = model.head.weight is model.token_embedding.weight
print("head and token embedding share one matrix:", shared)

# %% [markdown]
# The head returns one number for each token of the vocabulary: a {term}`logit`, the higher the more likely that
# token comes next. Its matrix is the token embedding, used backwards. Many language models share it between both
# ends to save memory. Keep this in mind; you need it for a prediction further down.

# %% [markdown]
# ## Freeze everything
#
# PyTorch changes only those {term}`weights` whose `requires_grad` is true. To {term}`freeze` a model means to set
# it to false everywhere. What is frozen keeps what it knows about language, far more than a thousand messages
# could teach it. It also needs no {term}`gradient`, and so costs less time and memory.

# %% tags=["nbval-check-output"]
model.requires_grad_(False)
may_learn = [weight.requires_grad for weight in model.parameters()]
print(sum(may_learn), "tensors may learn")

# %% [markdown]
# ## A head with two outputs
#
# Now the exchange ({numref}`fig-new-head`). The new head reads the same hidden states as the old one, and gives
# two logits instead of tens of thousands. Everything before it stays.
#
# :::{figure-md} fig-new-head
# ![Embedding, blocks and final norm stay as one box. Below, to the left, the vocabulary head with one output for every token is taken off. To the right, a new head with the two outputs ham and spam is put on.](figures/new_head.svg)
#
# Replacing the output layer. The vocabulary head is taken off, a new head with one logit for each class is put
# on.
# :::

# %%
import torch

before = sum(weight.numel() for weight in model.parameters())
torch.manual_seed(123)
model.head = torch.nn.Linear(hidden_size, 2)
print(model.head)

# %% [markdown]
# A new layer is made with `requires_grad` set, so it will learn. Its weights are random: here the pretrained
# knowledge ends.
#
# **Predict before you run.** The old head was a matrix with tens of thousands of rows, the new one has two. How
# does the number of parameters change?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
after = sum(weight.numel() for weight in model.parameters())
print(f"{after - before:+,} parameters")
print("two rows of weights and two biases:", 2 * hidden_size + 2)

# %% [markdown]
# It grew. The large matrix is still there, because the token embedding needs it, and `parameters()` had counted
# the shared matrix once. All that is new are the two rows of the new head, and a {term}`bias` for each.
#
# The library's `new_head` draws the same random weights from a generator of its own, so that no other random draw
# is disturbed.

# %% tags=["nbval-check-output"]
from llmclf.head import new_head

library_head = new_head(model, 2, seed=123)
same = torch.allclose(library_head.weight, model.head.weight)
print("new_head agrees:", same)

# %% [markdown]
# ## Why two outputs and not one?
#
# A single logit would do: positive for spam, negative for ham. The function `sigmoid` turns it into a
# probability. Two logits say the same thing in another way. The function {term}`softmax` turns a row of logits
# into probabilities, and with two of them only their difference counts.

# %% tags=["nbval-check-output"]
pairs = torch.tensor([[0.5, 2.0], [1.0, -1.0], [-3.0, -3.0]])
from_two = pairs.softmax(dim=1)[:, 1]
from_one = (pairs[:, 1] - pairs[:, 0]).sigmoid()
print(from_two)
print("one logit agrees:", torch.allclose(from_two, from_one))

# %% [markdown]
# Two outputs cost one more row of weights. In return nothing changes when the classes become three or fifty: the
# label is the place of the largest logit, and the loss of chapter 5 takes as many logits as there are classes.
# `new_head` and the library's `Classifier` accept any number from two on.

# %% [markdown]
# ## Let the last parts learn
#
# Is a new head enough? {cite:t}`raschka2024experiments` reports for GPT-2, read at a padded last position: 72.00 % test accuracy when only the
# head learns, 95.00 % when the last block and the final norm learn too (one run each). Our runs of SmolLM2, read at the last real token (chapter 10):

# %%
from llmclf.evaluation.predictions import tell_experiment

for name in ("head", "last-token"):  # only the head; the last block too
    print(tell_experiment(name))

# %% [markdown]
# The head can only weigh what the blocks found, and with SmolLM2 that is a lot already. The last block can still learn to look for something else, which makes a smaller
# difference here than in that reference, but a sure one.

# %%
for part in (model.blocks[-1], model.final_norm):
    part.requires_grad_(True)
named = model.named_parameters()
learning = [name for name, weight in named if weight.requires_grad]
print(*learning, sep="\n")

# %% [markdown]
# The last block (they are numbered from zero), the final norm and the head: these may learn, and nothing else.
# They are called *trainable*, all other parts frozen.
#
# **Predict before you run.** Which share of all parameters is that: about half, a tenth, or less?

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
# Less than a tenth. The deeper the model, the smaller the part that one block makes up. {numref}`fig-trainable`
# shows the parts for both models of this book.
#
# :::{figure-md} fig-trainable
# ![A stack of parts with their parameter counts for GPT-2 124M and SmolLM2-135M. Token embedding, position embedding and all blocks but the last are marked frozen, with dashed edges and hatching. Last block, final norm and head are marked as learning, with solid edges.](figures/trainable.svg)
#
# What is frozen (hatched, dashed) and what learns (solid). SmolLM2 has no position embedding.
# :::

# %% [markdown]
# The library's `Classifier` takes all these steps at once: it exchanges the head (with seed 123, if you give no
# other), freezes, and lets the last parts learn. With `precision="float32"` all weights keep their 32 bits; chapter 6
# tells what else is possible. `parameter_table` counts part by part. Its last rows are the interesting ones.

# %%
from llmclf.head import Classifier, parameter_table

classifier = Classifier(model, precision="float32")
table = parameter_table(classifier)
table.tail(5).map("{:,}".format)

# %% tags=["nbval-check-output"]
found = model.named_parameters()
same_parts = [name for name, weight in found if weight.requires_grad]
print("same parts learn:", same_parts == learning)
sums = table.loc["sum"].tolist()
print("same counts:", sums == [frozen, trainable])
same = torch.allclose(model.head.weight, library_head.weight)
print("same new head:", same)

# %% [markdown]
# Three times `True`: what you built by hand and what the library builds is the same model. `Classifier` changed
# `model` in place, so both names now stand for the same weights.
#
# ## One row of logits for each token
#
# What comes out of it? Give it the four words of an example.

# %%
text = "Do you have time"
input_ids = encode(tokenizer, text)
tokens = [tokenizer.decode([number]) for number in input_ids]
print(input_ids)
print(tokens)

# %% [markdown]
# Each word is one token here; the space before a word belongs to it. In GPT-2's vocabulary the four are 5211,
# 345, 423 and 640, as {cite:t}`raschka2024` prints them. SmolLM2 has a vocabulary of its own, and other numbers.
# Now send them through.

# %% tags=["nbval-check-output"]
with torch.inference_mode():
    logits = model(torch.tensor([input_ids]))
print(tuple(logits.shape))

# %% [markdown]
# One message, four tokens, two classes: the shape is (batch, tokens, 2). The model still answers once for each
# token, as it did when it predicted the next one. Look at the four rows.

# %%
import pandas as pd

columns = ["ham", "spam"]
pd.DataFrame(logits[0].numpy(), tokens, columns).round(2)

# %% [markdown]
# Four rows, but a message gets one label. So one row has to be chosen, and the choice is the last
# ({numref}`fig-output-row`). Why it and no other, the next section finds out.
#
# :::{figure-md} fig-output-row
# ![A table with a row for each of the four tokens, with its logit for ham and for spam and the words that it has seen. The first row has seen only the word Do, the last one all four words. The last row is marked: this row is read.](figures/output_row.svg)
#
# Real logits of SmolLM2-135M with an untrained head. Only the last row has seen the whole message.
# :::

# %% [markdown]
# ## Why the last token: the causal mask
#
# In the {term}`attention` of every block, a token gathers from itself and from the tokens before it. What comes
# later is barred to it: in pretraining the model had to guess what comes later, and must not look. This is the
# {term}`causal mask` ({numref}`fig-causal-mask`).
#
# :::{figure-md} fig-causal-mask
# ![A grid with a row and a column for each of the four tokens. On the diagonal and below it stand percentages: so much does a row take from each token that it sees. Above the diagonal all fields are hatched and barred.](figures/causal_mask.svg)
#
# How much each token gathers from which, in SmolLM2-135M (mean over all attention heads and blocks, rounded).
# Much goes to the first token, whatever it is: a head that finds nothing of use looks there.
# :::

# %% [markdown]
# You need not take the picture's word for it. Exchange one token and see which rows of the output move. A small
# function gives the rows of one message; another compares two messages.


# %%
def rows_of(ids):
    with torch.inference_mode():
        return model(torch.tensor([ids]))[0]  # (tokens, 2)


def which_rows_move(ids, other_ids):
    distance = (rows_of(ids) - rows_of(other_ids)).abs()
    return (distance.amax(dim=1) > 1e-4).tolist()


# %% [markdown]
# **Predict before you run.** The last of the four tokens becomes another one, `" money"`. Which of the four rows
# change?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
other = encode(tokenizer, " money")[0]
print(which_rows_move(input_ids, [*input_ids[:-1], other]))

# %% [markdown]
# Only the last row changes. The first three cannot know what follows them. And if the *first* token is exchanged?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
print(which_rows_move(input_ids, [other, *input_ids[1:]]))

# %% [markdown]
# All four rows change: everything that follows has seen the first token. Do this for each place in turn, and the
# causal mask appears, although you never looked inside the model.

# %% tags=["nbval-check-output"]
moved = []
for place in range(len(input_ids)):
    ids = list(input_ids)
    ids[place] = other
    moved.append(which_rows_move(input_ids, ids))
seen = torch.tensor(moved).T  # (row, place that was exchanged)
print(seen.long())
print("a lower triangle:", torch.equal(seen, seen.tril()))

# %% [markdown]
# A one says: this row depends on the token in that place. The last row alone has a one everywhere. It is the only
# one that has seen the whole message, and that is why a classifier reads it. Reading the first row would judge a
# message by its first word; {cite:t}`raschka2024experiments` reports 75.00 % for GPT-2 (one run). SmolLM2 is hardly better than a coin there:

# %%
print(tell_experiment("first-token"))

# %% [markdown]
# ## An answer after every word
#
# The mask has a welcome side. Row two has seen nothing but the first two tokens. So it must be the very answer
# that the model gives to a message that ends there.

# %% tags=["nbval-check-output"]
rows = rows_of(input_ids)
ends = range(1, len(input_ids) + 1)
cut = torch.stack([rows_of(input_ids[:end])[-1] for end in ends])
print("agrees:", torch.allclose(cut, rows, atol=1e-4))

# %% [markdown]
# One pass through the model thus gives an answer after each word. As probabilities, they read as follows.

# %%
spam = rows.softmax(dim=1)[:, 1].tolist()
for token, probability in zip(tokens, spam, strict=True):
    print(f"{token:<6} spam {probability:.1%}")

# %% [markdown]
# The head is random, so these numbers mean nothing yet. Chapter 7 prints them for the trained classifier, and
# there you can watch it change its mind in the middle of a message.

# %% [markdown]
# ## The trap of padding
#
# In a {term}`batch` all rows have one length, so the shorter message is filled up with {term}`padding`. Here are
# two messages. Which token stands in the last *position* of each row?

# %% tags=["nbval-check-output"]
from llmclf.loaders import pad_batch


def padded(*texts):
    examples = [(encode(tokenizer, each), 0) for each in texts]
    return pad_batch(examples, pad_token_id=tokenizer.eot_token)


batch = padded(text, "Do you have time for a quick call this evening?")
last_ids = batch.input_ids[:, -1].tolist()
print([tokenizer.decode([number]) for number in last_ids])

# %% [markdown]
# In the short message it is the padding token `<|endoftext|>`. A classifier that reads the last position, as
# `logits[:, -1]` does, reads the row of a token that nobody wrote. The last *real* token is found with the
# lengths that the loader hands out.

# %%
with torch.inference_mode():
    logits = model(batch.input_ids)  # (2, tokens, 2)
messages = torch.arange(len(batch.lengths))
last_token = logits[messages, batch.lengths - 1]
last_position = logits[:, -1]

# %%
both = torch.cat([last_token, last_position], dim=1)  # (2, 4)
names = ["token ham", "token spam", "position ham", "position spam"]
pd.DataFrame(both.numpy(), ["short", "longer"], names).round(2)

# %% [markdown]
# For the short message the two ways disagree, for the longer one they are the same.
#
# **Predict before you run.** Now pad the short message more and more. Will the logits of its last real token
# change? And those of the last position?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
last = len(input_ids) - 1
answers = {}
for width in (4, 8, 32, 120):
    padding = [tokenizer.eot_token] * (width - len(input_ids))
    rows = rows_of(input_ids + padding)
    answers[width] = torch.cat([rows[last], rows[-1]]).tolist()
pd.DataFrame.from_dict(answers, "index", columns=names).round(2)

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show what moved", "code_prompt_hide": "Hide what moved"}
found = torch.tensor(list(answers.values()))
moved = (found - found[0]).abs().amax(dim=0) > 1e-3
print("last token moves:   ", moved[:2].any().item())
print("last position moves:", moved[2:].any().item())

# %% [markdown]
# The last real token does not notice the padding, because padding stands to its right, where the mask bars the
# view. No further mask is needed. The last position answers differently for each width: it is a padding token
# itself, and it gathers from all the padding before it as well as from the message.

# %% [markdown]
# A model can learn to live with that, if every message is padded to one fixed length. In the reference for GPT-2 a greater length did harm (chapter 2), in our runs of SmolLM2 it did not. But the last
# real token was better than the last position in both: 98.33 against 95.00 % in the reference {cite:p}`raschka2024experiments` (one run each, ten messages apart), and for SmolLM2

# %%
for name in ("last-token", "last-position"):
    print(tell_experiment(name))

# %% [markdown]
# Fixed length also means that most of the work goes into padding. Chapter 6 measures both ways.

# %% [markdown]
# ## Four ways to read
#
# To go from a row for each token to a row for each message is called {term}`pooling`. The library knows four
# ways. Three of them read one position, which `pooling_position` gives. Take two messages of two and five real tokens,
# padded to six.

# %% tags=["nbval-check-output"]
from llmclf.head import POOLINGS, pool, pooling_position

lengths = torch.tensor([2, 5])
for pooling in POOLINGS:
    print(f"{pooling:<13}", pooling_position(lengths, 6, pooling))

# %% [markdown]
# Places are counted from zero, so a message of two tokens ends at place 1. `mean` reads no single place: it
# averages the rows of all real tokens. `pool` does the reading. Compare it with what you did by hand.

# %% tags=["nbval-check-output"]
pooled = {way: pool(logits, batch.lengths, way) for way in POOLINGS}
pairs = zip(logits, batch.lengths, strict=True)
means = [rows[:length].mean(dim=0) for rows, length in pairs]
by_hand = [last_token, last_position, logits[:, 0], torch.stack(means)]
for way, expected in zip(POOLINGS, by_hand, strict=True):
    print(f"{way:<13} agrees:", torch.allclose(pooled[way], expected))

# %% [markdown]
# A `Classifier` pools by itself, by default in the first way. It takes the padded tokens and their lengths, and
# gives one row for each message. Does it agree with the row that was picked by hand?

# %% tags=["nbval-check-output"]
with torch.inference_mode():
    answer = classifier(batch.input_ids, batch.lengths)
print(tuple(answer.shape))
same = torch.allclose(answer, last_token, atol=1e-4)
print("Classifier agrees:", same)

# %% [markdown]
# It agrees to rounding, and not to the last digit, for a good reason. Since one row is read, the classifier's
# last block looks at the message with that one token only: one query and one pass of the MLP instead of one for
# each token. (The one query still asks all tokens.) The rest would be thrown away.

# %% [markdown]
# ## What an untrained head says
#
# At last, ask about an advertisement and a private message. Not one head, but many: each seed makes another.
# Before the head they share everything, so the hidden states are computed once. `Identity`, a layer that does
# nothing, takes the head's place meanwhile.

# %%
advert = "You are a winner! You have been selected to receive 1000 cash"
private = "Hey, are we still on for dinner tonight? Let me know!"
pair = padded(advert, private)
model.head = torch.nn.Identity()
with torch.inference_mode():
    states = classifier(pair.input_ids, pair.lengths)
print(tuple(states.shape))

# %%
heads = [new_head(model, 2, seed) for seed in range(200)]
with torch.inference_mode():
    answers = torch.stack([head(states) for head in heads])
spam = answers.softmax(dim=2)[:, :, 1]  # (heads, messages)
names = ["advertisement", "private message"]
seeds = [f"seed {seed}" for seed in range(5)]
pd.DataFrame(spam[:5].numpy(), seeds, names).round(2)

# %% [markdown]
# Another seed, another opinion, on both messages. Some heads suspect the advertisement more, others the private
# message. Over all the heads, how often is it the advertisement?

# %%
ahead = (spam[:, 0] > spam[:, 1]).sum().item()
print(f"the advertisement is ahead in {ahead} of {len(heads)} heads")
model.head = heads[123]  # the classifier's own head again

# %% [markdown]
# About half of them. It had to be so: a random head prefers either message with equal right. Whatever the hidden
# states hold about spam, such a head knows nothing of it. Chapter 5 asks the untrained classifier about whole
# sets of messages, and puts a number on it.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: Count a head
#
# Write `head_parameters(hidden_size, classes)`: the number of parameters of a linear head
# with this many inputs and outputs, biases included. Work it out for three classes on paper first.
#
# Replace the dots and run the cell. It tells you whether the answers are right. The solution is folded below.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def head_parameters(hidden_size, classes): ...  # your code


check(head_parameters)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def head_parameters(hidden_size, classes):
    return (hidden_size + 1) * classes  # one more input for the bias


check(head_parameters)

# %% [markdown]
# ### Exercise 2: Foresee the mask
#
# A message has `count` tokens, and the one at `place` (counted from zero) is exchanged.
# Write `changed_rows(count, place)`: a list of the places of those rows of the output that change, in ascending
# order.


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
# Write `last_token_rows(logits, lengths)`: from logits (batch, tokens, classes) and
# the numbers of real tokens (batch,), the row of each message's last real token, a tensor (batch, classes). It
# can be done without a loop.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
def last_token_rows(logits, lengths): ...  # your code


check(last_token_rows)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
def last_token_rows(logits, lengths):
    messages = torch.arange(len(lengths))
    return logits[messages, lengths - 1]


check(last_token_rows)

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why does the model not shrink when the vocabulary head is taken off?</summary>
#
# The head shared its matrix with the token embedding, and that is still needed.
#
# </details>
#
# <details><summary>2. You want to sort messages into ham, spam and newsletters. What changes in the model?</summary>
#
# In the model, only the head: it gets a third output, one more row of weights and one more bias. Around it, you
# need labelled newsletters and a new training.
#
# </details>
#
# <details><summary>3. Why would a message be judged badly by the row of its first token?</summary>
#
# The causal mask bars everything after it. That row has seen one token, and is the same for all messages that
# begin with it.
#
# </details>

# %% [markdown]
# <details><summary>4. Padding on the right changes no logit of a real token. Would padding on the left?</summary>
#
# Yes: it would stand where real tokens look, and shift their positions. It would need a mask of its own.
#
# </details>
#
# <details><summary>5. The last position of a padded message has seen all real tokens. Why not read it?</summary>
#
# It has seen the padding too, so its answer depends on how much there is. One fixed length for all messages, in
# training and in use, makes the harm smaller, as long as it is not much greater than the messages; and then most
# of the work is padding.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A classifier is a pretrained model with another last layer. You froze the model, exchanged its vocabulary head
# for one with two outputs, let the last parts learn, and counted both kinds of parameters. By exchanging tokens
# you made the causal mask visible, and you know now why the last real token is read, and why padding on its right
# does no harm.
#
# **Next:** the head guesses. [Chapter 5](05_loss_accuracy.ipynb) says how badly, in two numbers: the {term}`accuracy`, which people
# understand, and the loss, which training can lower.
