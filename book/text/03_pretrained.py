# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3 · The pretrained model
#
# A thousand text messages are far too few to learn a language from. So we take a {term}`pretrained model` that has
# already read a great deal, and teach it our task later. In this chapter you write the model yourself, from one
# attention head up to the whole model, and run it with the published weights. At the end you can
#
# - **explain** what {term}`pretraining` teaches a model,
# - **write** an attention head with a causal mask, and **build** a block and a model from it,
# - **count** the {term}`weights` of a model from its shape, and **load** verified ones,
# - **find** a loading error that no shape check sees,
# - **measure** how well the model finds spam when you simply ask it.

# %% [markdown]
# > **Before you start.** You need chapters 1 and 2 (tables, tokens, batches), and you should have met tensors and linear
# > layers in PyTorch. The chapter runs in a minute or two on a laptop's CPU; we have not measured a GPU. It downloads
# > the weights once: 98 MB for SmolLM2 (unpacked, half a gigabyte of disk), 548 MB for the smallest GPT-2.

# %% tags=["remove-cell"]
# No module named llmclf? Unzip the book's code and type there: make lab
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
import pandas as pd
import torch

from llmclf.evaluate import choose_device
from llmclf.teaching.provenance import provenance
from llmclf.weights import choose_backbone

torch.set_grad_enabled(False)  # nothing is trained in this chapter
backbone, device = choose_backbone(), choose_device()
print(provenance(backbone, device))

# %% [markdown]
# The line `backbone` names the model of this page, its {term}`device` and the form in which its weights are stored
# (`Q4_1` packs most of them into four bits, as you see below). The book is written for GPT-2
# {cite}`radford2019`. This edition is printed with SmolLM2 {cite}`allal2025`, which the library uses where GPT-2's
# weights are not available. Every cell runs with either model.

# %% [markdown]
# ## Text holds its own answers
#
# A {term}`language model` reads the beginning of a text and gives every {term}`token` of its vocabulary a score: how
# likely is this token to come next? In {term}`pretraining` the model guesses the next token, again and again, in a huge
# amount of text, and after each guess its weights move a little towards the right answer. Nobody has to label anything,
# because the text itself contains the answers:

# %% tags=["nbval-check-output"]
from llmclf.tokenizer import encode, load_tokenizer

text = "Every effort moves you"
tokenizer = load_tokenizer(backbone)
token_ids = encode(tokenizer, text)
for place in range(1, len(token_ids)):
    seen, answer = token_ids[:place], token_ids[place : place + 1]
    print(f"{tokenizer.decode(seen):<18} →{tokenizer.decode(answer)}")

# %% [markdown]
# One short sentence gives three exercises with their answers. GPT-2 learnt from about forty gigabytes of web pages
# {cite}`radford2019`, perhaps ten billion tokens. SmolLM2-135M learnt from two trillion tokens {cite}`allal2025`. To
# guess well, a model has to pick up spelling, grammar, facts and tone. All of this ends up in its weights.
# {numref}`fig-pretrained` shows where they enter our project.
#
# :::{figure-md} fig-pretrained
# ![Two boxes at the top: labelled messages, few, for this task; and pretrained weights, learnt by others from a great deal of text. Both lead down into stage 1, prepare, where the messages become batches and the weights become the model. From there both go to stage 2, fine-tune, and on to stage 3, use.](figures/pretrained.svg)
#
# Where the pretrained weights enter the project.
# :::

# %% [markdown]
# ## The model, drawn
#
# {numref}`fig-gpt-block` shows the whole model and one of its {term}`blocks <block>`. Every token becomes a vector. The vectors
# travel down the {term}`residual path`, the thick line. In each block, {term}`attention` {cite}`vaswani2017` collects
# information from other tokens, and the {term}`MLP` works on each token alone. Neither replaces the vectors. Each
# reads a copy that a {term}`norm` has brought to a common scale, and adds its result to the vectors.
#
# :::{figure-md} fig-gpt-block
# ![On the left the whole model from top to bottom: token ids, embeddings, a stack of N blocks, final norm, vocabulary head, logits. On the right one block: a thick vertical line with two detours, each through a norm and then attention or MLP, whose result is added back onto the line. Below, a table of what differs: number of blocks, positions, norm, attention and MLP in GPT-2 and in SmolLM2.](figures/gpt_block.svg)
#
# A GPT in the form of {cite:t}`radford2019`, and one of its blocks. The table names what differs in SmolLM2.
# :::

# %% [markdown]
# One call loads the model. Then the four words become vectors: the model looks up each token in its table of
# {term}`embeddings <embedding>`. GPT-2 adds a vector for each position here; SmolLM2 handles positions inside
# attention.

# %%
from llmclf.weights import load_pretrained

model = load_pretrained(backbone, device=device)
config = model.config
input_ids = torch.tensor([token_ids], device=device)
states = model.token_embedding.weight[input_ids]
if hasattr(model, "position_embedding"):  # GPT-2
    states = states + model.position_embedding.weight[: len(token_ids)]
print("token ids:", tuple(input_ids.shape), input_ids.tolist())
print("vectors:  ", tuple(states.shape))

# %% [markdown]
# One message, four tokens, and a vector of 576 numbers for each (768 in GPT-2 124M). Such a vector is a
# {term}`hidden state`, and its length is the {term}`hidden size`. The vectors keep this shape through all blocks.
#
# ## One attention head
#
# Attention lets a token look at other tokens. Three linear layers turn each hidden state into a *query* (what am I
# looking for?), a *key* (what do I offer?) and a *value* (what do I pass on?). A *head* does this with a slice of the
# vector. We take the first head of the first block.

# %%
block = model.blocks[0]
attention = block.attention
size = config.hidden_size // config.num_heads  # of a head
normed = block.norm1(states)[0]  # (tokens, hidden size)
query = attention.query(normed)[:, :size]
key = attention.key(normed)[:, :size]
value = attention.value(normed)[:, :size]
print(f"{config.num_heads} heads, each of {size} numbers")

# %% [markdown]
# Each query is multiplied with each key, and their product is a *score*. The scores of a token become weights that
# add up to one, and the head returns the weighted sum of the values:
#
# $$
# \mathrm{attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}} + M\right) V,
# \qquad
# \mathrm{softmax}(s)_j = \frac{e^{s_j}}{\sum_k e^{s_k}}
# $$
#
# $d$ is the size of the head. Without the division the products grow with $d$, and softmax would give nearly all
# weight to one token. $M$ is the {term}`causal mask`: 0 where a token may look, minus infinity where it may not.
# Softmax turns minus infinity into a weight of exactly zero.

# %%
def attention_head(query, key, value):
    tokens, size = query.shape
    scores = query @ key.T / size**0.5  # (tokens, tokens)
    later = torch.ones(tokens, tokens, device=scores.device).triu(1)
    scores = scores.masked_fill(later.bool(), -torch.inf)
    weights = scores.softmax(dim=-1)
    return weights @ value, weights


found, weights = attention_head(query, key, value)
words = [tokenizer.decode([number]) for number in token_ids]
pd.DataFrame(weights.tolist(), index=words, columns=words).round(2)

# %% [markdown]
# Each line shows how much one token takes from itself and from each earlier token. (The head still lacks the rotation
# of the next section, so SmolLM2's real weights differ.) All numbers above the diagonal are zero. A token must not
# see what comes later, because in pretraining the later tokens are the answers. So the sum for a token contains no
# term for any later token.
#
# **Predict before you run.** We replace the last word. Which lines of the table change?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
other_ids = encode(tokenizer, "Every effort moves him")
other = model.embed(torch.tensor([other_ids], device=device))
other = block.norm1(other)[0]
parts = (attention.query, attention.key, attention.value)
_, changed = attention_head(*(part(other)[:, :size] for part in parts))
words[-1] = " him"
pd.DataFrame(changed.tolist(), index=words, columns=words).round(2)

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# Only the last line changes. No other line contains a term for the last token.
# :::
#
# ## Two edits for SmolLM2
#
# So far the head is GPT-2's. It has one gap: it knows the tokens, but not their order, because the product of two
# vectors does not depend on their positions. GPT-2 closes this gap with its vector for each position. SmolLM2
# *rotates* {cite}`su2024` queries and keys: it takes their numbers in pairs and turns each pair by an angle that
# grows with the position. The product of two rotated vectors then depends on how far apart their tokens are.

# %%
def rotate(states, base=100_000.0):
    tokens, size = states.shape
    half = torch.arange(size // 2, device=states.device)
    angles = torch.arange(tokens, device=states.device)[:, None]
    angles = angles * base ** (-2 * half / size)  # (tokens, size / 2)
    first, second = states.chunk(2, dim=1)  # number i pairs with i + size/2
    cosine, sine = angles.cos(), angles.sin()
    turned = first * cosine - second * sine, second * cosine + first * sine
    return torch.cat(turned, dim=1)


# %% [markdown]
# The second edit is *grouped queries* {cite}`ainslie2023`. For each token SmolLM2 computes nine queries, one for each
# head, but only three keys and three values. Three heads share a key and its value. That saves weights, and memory
# when the model writes. Now put all heads together: each works on its slice, `torch.cat` puts the results side by
# side again, and one more linear layer mixes them.

# %%
groups = getattr(config, "num_kv_heads", config.num_heads)
is_rotary = hasattr(attention, "rope_base")  # SmolLM2


def all_heads(attention, normed):
    parts = (attention.query, attention.key, attention.value)
    projected = [part(normed).split(size, dim=1) for part in parts]
    queries, keys, values = projected
    found = []
    for number, query in enumerate(queries):
        shared = number * groups // config.num_heads
        key, value = keys[shared], values[shared]
        if is_rotary:
            query, key = rotate(query), rotate(key)
        found.append(attention_head(query, key, value)[0])
    return attention.output(torch.cat(found, dim=1))


# %% [markdown]
# ## A block, and the whole model
#
# The MLP widens each hidden state, applies a nonlinear function and narrows the result again. In GPT-2 the function
# is a GELU. In SmolLM2 a second path, the gate, controls how much passes (SwiGLU {cite}`shazeer2020`). GPT-2's norm
# is LayerNorm: it subtracts the mean and divides by the spread. SmolLM2's norm is RMSNorm {cite}`zhang2019`: it only
# divides. GPT-2's layers have biases, SmolLM2's have none. Here is the block:

# %%
from torch.nn import functional as F


def mlp_by_hand(mlp, normed):
    if hasattr(mlp, "gate"):  # SmolLM2
        return mlp.down(F.silu(mlp.gate(normed)) * mlp.up(normed))
    return mlp.down(F.gelu(mlp.up(normed), approximate="tanh"))


def block_by_hand(block, states):
    states = states + all_heads(block.attention, block.norm1(states))
    return states + mlp_by_hand(block.mlp, block.norm2(states))


# %% [markdown]
# Both lines of the block have the form *old plus new*: this is the residual path. The model runs all blocks, then a
# final norm. The output layer has no weights of its own: it multiplies each hidden state with the embedding of every
# token, and the product is the {term}`logit` of that token.

# %%
hidden = states[0]
for block in model.blocks:
    hidden = block_by_hand(block, hidden)
logits = model.head(model.final_norm(hidden))
print("logits:", tuple(logits.shape))

# %% tags=["nbval-check-output"]
theirs = model(input_ids)[0]
print("the library's model agrees:", logits.allclose(theirs, atol=1e-3))

# %% [markdown]
# That is the whole model. The library's `models/gpt2.py` and `models/llama.py` contain the same lines, for whole
# batches. The scores of the last token say what may come next:

# %%
best = logits[-1].softmax(dim=-1).topk(5)
words = [tokenizer.decode([number]) for number in best.indices.tolist()]
shares = [f"{share:.1%}" for share in best.values.tolist()]
pd.DataFrame({"next token": words, "probability": shares})

# %% [markdown]
# ## The model speaks
#
# The model gives every token a probability. The simplest way to choose is {term}`greedy decoding`: append the most
# probable token, and ask again.

# %%
longer = input_ids
for _ in range(15):
    next_id = model(longer)[:, -1].argmax(dim=-1, keepdim=True)
    longer = torch.cat([longer, next_id], dim=1)
print(tokenizer.decode(longer[0].tolist()))

# %% [markdown]
# This is English and makes some sense. For GPT-2 124M, {cite:t}`raschka2024` reports this continuation:
#
# > Every effort moves you forward.
# >
# > The first step is to understand the importance of your work
#
# **Predict before you run.** The next cell gives the same model random weights, as before pretraining. How will it
# continue the four words?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.generate import continue_text
from llmclf.models.state import build, initialise

newborn = build(config, device="cpu")
initialise(newborn, seed=123)
print(continue_text(newborn.to(device).eval(), tokenizer, text, 10))

# %% [markdown]
# Only the values of the weights differ, so all sense in the first continuation came from training.
#
# Other tasks may need pretraining less. On our messages {cite:t}`raschka2024experiments` trained all layers of GPT-2
# to a test accuracy of 93.67 % from random weights, and of 96.67 % from pretrained ones (one run each). Here are
# our runs of SmolLM2, three of each (chapter 10). The learning rate is 2e-4 for random weights, the only one that we
# tried for them, and 5e-5 for pretrained ones:

# %%
from llmclf.evaluation.predictions import tell_experiment

for name in ("random", "all-slower"):
    print(tell_experiment(name))

# %% [markdown]
# A model that has read nothing but our training messages labels most messages correctly. Pretraining adds about two
# percentage points.

# %% [markdown]
# ## One design in four sizes
#
# GPT-2 was published in four sizes. They differ in hidden size, blocks and heads. The shape is enough to count
# weights: on PyTorch's *meta* device a model takes no memory.
#
# **Predict before you run.** The largest GPT-2 has four times as many blocks as the smallest, and about twice the
# hidden size. By what factor does the number of weights grow?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.weights import CONFIGS


def count_weights(model):
    return sum(weight.numel() for weight in model.parameters())


counts = {}
for name, shape in CONFIGS.items():
    counts[name] = count_weights(build(shape))
growth = counts["gpt2-1558M"] / counts["gpt2-124M"]
print(f"{growth:.1f} times as many")

# %% tags=["nbval-check-output"]
names = {"hidden_size": "hidden", "num_layers": "blocks"}
names |= {"num_heads": "heads", "vocab_size": "vocabulary"}
names |= {"context_length": "context"}
sizes = pd.DataFrame(map(vars, CONFIGS.values()), index=list(CONFIGS))
sizes = sizes.rename(columns=names)[list(names.values())]
sizes["weights"] = [f"{count:,}" for count in counts.values()]
sizes

# %% [markdown]
# A block consists mostly of matrices. A little more than twice the hidden size makes each matrix more than four times
# as large. There are also four times as many blocks, so all blocks together grow about seventeenfold. But nearly a
# third of the smallest model is the embedding table, which only doubles. So the whole model grows less.

# %% [markdown]
# ## From a file to a model
#
# A file of weights can be trusted when its {term}`SHA-256` is the known one (chapter 1). The library knows five
# files. A tick marks those on this machine that have passed the check.

# %%
from llmclf.files import assets

for name in CONFIGS:
    asset = assets.ASSETS[name]
    found = assets.find_local(asset, failures=[]) is not None
    known = asset.sha256[:8] if asset.sha256 else "unknown "
    print(f"{name:<13} {asset.size_text:>14}  {known}", "✓" * found)

# %% [markdown]
# (For the largest GPT-2 we know no SHA-256, and rely on the check that the Hugging Face client makes itself.) Each
# publisher has its own names for the tensors, so loading is mostly renaming. A tensor that is missing, left over or
# of the wrong shape is an error.

# %% tags=["nbval-check-output"]
from llmclf.models.gpt2_weights import HUB_BLOCK
from llmclf.models.llama_weights import GGUF_BLOCK

in_gpt2 = {ours: entry[0] for ours, entry in HUB_BLOCK.items()}
names = pd.DataFrame({"GPT-2": in_gpt2, "SmolLM2": GGUF_BLOCK})
names[names.index.str.endswith("weight")].fillna("–")

# %% [markdown]
# GPT-2 has no gate, and keeps query, key and value side by side in one matrix. It also stores its matrices as
# (inputs, outputs) instead of PyTorch's (outputs, inputs), so the library transposes them. Most are not square, so a
# forgotten transposition gives an error at once.

# %% [markdown]
# ### A fault that no shape check sees
#
# SmolLM2's file has another kind of trap. It stores the two numbers of each rotated pair next to each other, but our
# `rotate` expects them half a head apart. So the library reorders the rows of every query and key matrix. If it
# forgot to do this, all names and shapes would still be right.
#
# **Predict before you run.** We put these rows back into the file's order. What is left of the English?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
broken = load_pretrained(backbone, device=device)
if is_rotary:
    for block in broken.blocks:
        for layer in (block.attention.query, block.attention.key):
            # (heads, first or second half, pairs, hidden size)
            rows = layer.weight.unflatten(0, (-1, 2, size // 2))
            rows = rows.transpose(1, 2).flatten(0, 2).contiguous()
            layer.weight = torch.nn.Parameter(rows)
for start in (text, "The capital of France is"):
    print(repr(continue_text(broken, tokenizer, start, 10)))

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The broken SmolLM2 still writes good English, and even knows the capital of France.
# :::
#
# A readable text rules out only coarse errors. A number tells you more: how well does each model predict a text that
# it did not write? We take the mean {term}`cross-entropy` of the next token (chapter 5 explains it; less is better).

# %%
sample = "The first step in this recipe is to boil the potatoes in salted "
sample += "water until they are soft. Then drain the water and mash them."
sample_ids = torch.tensor([encode(tokenizer, sample)], device=device)
for name, one in (("loaded", model), ("file's order", broken)):
    loss = F.cross_entropy(one(sample_ids)[0, :-1], sample_ids[0, 1:])
    print(f"{name:<12} {loss:.2f}")

# %% [markdown]
# The loss shows the fault at once. The library's tests compare the logits with an independent implementation.

# %% [markdown]
# ### Four bits for a weight
#
# SmolLM2's weights are packed by {term}`quantisation`. The file stores each group of 32 neighbouring weights as whole
# numbers from 0 to 15 (four bits each). With them it stores the smallest weight of the group and the step from one
# number to the next. Here are six weights:

# %% tags=["nbval-check-output"]
group = torch.tensor([0.31, -0.12, 0.05, 0.22, -0.27, 0.18])
least, step = group.min(), (group.max() - group.min()) / 15
packed = ((group - least) / step).round()
print("packed:  ", packed.int().tolist())
unpacked = packed * step + least
print("unpacked:", [round(weight, 2) for weight in unpacked.tolist()])

# %% [markdown]
# No weight moves by more than half a step.

# %%
count = count_weights(model)
print(f"{type(model).__name__}: {count:,} weights")
print(f"in memory {count * 4 / 1e6:.0f} MB, four bytes each")

# %% [markdown]
# ## Does every message fit?
#
# A model reads a limited number of tokens, its {term}`context`. GPT-2 has vectors for 1,024 positions only. Does
# every message fit, including the ham that balancing left out?

# %%
from llmclf import data

messages = data.read_sms()["text"]
lengths = messages.map(lambda message: len(encode(tokenizer, message)))
print(f"longest of {len(lengths):,} messages: {lengths.max()} tokens")
print(f"smallest context of the five models: {sizes['context'].min():,}")

# %% [markdown]
# All fit, several times over. Cut longer texts with chapter 2's `max_length`; otherwise the model refuses them.
#
# ## Why not simply ask?
#
# Can we ask the model whether a message is spam, and do without the rest of this book? A text that we give a model to
# continue is called a {term}`prompt`. This one contains an obvious advertisement:

# %%
question = 'Message: "{}"\nIs this message spam? Answer yes or no.\nAnswer:'
advert = "Congratulations! You have won a free holiday. Text WIN to 80800."
prompt = question.format(advert)
print(continue_text(model, tokenizer, prompt, 15).removeprefix(prompt))

# %% [markdown]
# SmolLM2's answer is good English, and wrong. (The odd marks are special tokens; we come back to them.) GPT-2 124M
# only repeats a similar prompt, as {cite:t}`raschka2024` reports.
#
# One message proves nothing, and free text is hard for a program to judge. So we force a choice, and measure: which
# token is more likely to come next, `" yes"` or `" no"`? Each is a single token (with its space, as in chapter 2).

# %% tags=["nbval-check-output"]
choices = [encode(tokenizer, word) for word in (" no", " yes")]
print("tokens in each word:", [len(ids) for ids in choices])

# %% [markdown]
# We pack several prompts into a batch, padded on the right. We need the logits of the last *real* token of each
# prompt.

# %%
from llmclf.loaders import pad_batch
from llmclf.single_query import select_position


def next_scores(prompts):
    examples = [(ids, 0) for ids in prompts]  # the label is not used
    batch = pad_batch(examples, pad_token_id=tokenizer.eot_token)
    states = model.embed(batch.input_ids.to(device))
    for block in model.blocks:
        states = block(states)
    # (prompts, 1, hidden size): of each prompt the last real token
    last = select_position(states, batch.lengths.to(device) - 1)
    return model.head(model.final_norm(last))[:, 0]


# %% tags=["nbval-check-output"]
short, long = encode(tokenizer, text), encode(tokenizer, prompt)
alone, padded = next_scores([short])[0], next_scores([short, long])[0]
print("alone or padded:", torch.allclose(alone, padded, atol=1e-3))

# %% [markdown]
# Padding changes nothing: it stands to the right of the last real token, and the causal mask hides everything there. In
# Hugging Face's `transformers` you pass an `attention_mask` that marks the real tokens. Its
# `AutoModelForSequenceClassification` finds the last real token by looking for `pad_token_id`. That goes wrong when no
# pad token is set, or when a real token has the same number as the pad token. Our batches carry `lengths` instead.

# %% [markdown]
# Now ask about every test message. The prompt may contain special tokens. The message is encoded as ordinary text, so
# nobody can forge a special token in a message.

# %%
test = data.prepare_sms().test[:: 4 if data.is_fast() else 1]
test = test.sort_values("text", key=lambda text: text.str.len())


def prompts(form, texts):
    parts = form.split("{}")  # what stands before and after the message
    before, after = (
        tokenizer.encode(part, allowed_special="all") for part in parts
    )
    return [before + encode(tokenizer, text) + after for text in texts]


def ask(form, answers, table):
    rows = prompts(form, table["text"])
    parts = [next_scores(rows[i : i + 8]) for i in range(0, len(rows), 8)]
    (no,), (yes,) = (encode(tokenizer, answer) for answer in answers)
    return torch.cat(parts)[:, [no, yes]].cpu()


# %% [markdown]
# The answer *no* counts as ham (0), *yes* as spam (1).
#
# **Predict before you run.** About half of the test messages are spam. How often will the model be right?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluate import score

labels = torch.tensor(test["label"].tolist())
answers = ask(question, [" no", " yes"], test)
plain = score(answers, labels)
print(plain)

# %% [markdown]
# The range in brackets is the {term}`Wilson interval` {cite}`wilson1927`: with other test messages the result could
# be a little better or worse. (Chapter 5 explains the loss.) A coin would be right half of the time. Look at ham and
# spam separately, and at the margin: the score of *yes* minus that of *no*.

# %%
from sklearn.metrics import roc_auc_score

margin = (answers[:, 1] - answers[:, 0]).numpy()
table = pd.DataFrame(plain.confusion, index=["ham", "spam"])
table.columns = ["answered no", "answered yes"]
of_ham, of_spam = margin[labels == 0], margin[labels == 1]
table["margin, mean"] = [of_ham.mean().round(2), of_spam.mean().round(2)]
print(f"area under the ROC curve: {roc_auc_score(labels, margin):.2f}")
table

# %% [markdown]
# SmolLM2 answers *no* to nearly everything. Could another {term}`threshold` for the margin help? The area under the
# {term}`ROC curve` answers that for all thresholds at once: it is the chance that a random spam has a larger margin
# than a random ham. One half would mean that the margin says nothing. SmolLM2's area is smaller, so the margin points
# the wrong way: ham has the larger margin more often than spam has.

# %% [markdown]
# One objection is fair. SmolLM2's file holds the *instruction-tuned* version: after pretraining it was trained on
# dialogues ({term}`instruction fine-tuning`). A dialogue has a fixed form, with special tokens that say whose turn it
# is. So we ask again in the form that the file records. To save time, we use only a third of the messages.

# %%
turns = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, "
    "trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
if "<|im_start|>" in tokenizer.special_tokens_set:
    dialogue = turns.format(question.removesuffix("\nAnswer:"))
    some = labels[::3]
    spoken = ask(dialogue, ["No", "Yes"], test[::3])
    print(score(spoken, some))
    area = roc_auc_score(some, spoken[:, 1] - spoken[:, 0])
    print(f"area under the ROC curve: {area:.2f}")

# %% [markdown]
# The form of a dialogue changes little: the answer is always *no*, and the margin still points the wrong way. Another
# prompt could do better or worse.
#
# What a model of this size has learnt is in its hidden states. The next chapters train a head that reads the answer
# from them.

# %% [markdown]
# :::{admonition} What was not checked
# :class: warning
# The machine that made this page could not reach GPT-2's own weights. The library's tests show that our GPT-2 gives
# the same logits as an independent implementation, on random weights. They also show this for weights from a file
# with the published layout. We have not yet seen our GPT-2 continue the four words as quoted above.
# :::

# %% [markdown]
# ## Exercises
#
# Replace the dots with your code and run the cell. `check` says what it found. Each solution is folded below.
#
# ### Exercise 1: Weigh a block
#
# Write `parameters_of_block(hidden_size)`: the number of weights of one GPT-2 block. Its attention has four square
# layers (query, key, value, output), its MLP two layers (to four times the size, and back), each with biases. Each of
# its two norms has two numbers for each value of the vector.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def parameters_of_block(hidden_size): ...  # your code


check(parameters_of_block)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def parameters_of_block(hidden_size):
    wide = 4 * hidden_size
    attention = 4 * (hidden_size * hidden_size + hidden_size)
    mlp = hidden_size * wide + wide + wide * hidden_size + hidden_size
    norms = 2 * 2 * hidden_size
    return attention + mlp + norms


check(parameters_of_block)

# %% [markdown]
# ### Exercise 2: Attention without a loop
#
# Write `causal_weights(scores)`: given a square tensor of scores, one line for each token, it returns the attention
# weights. Each line adds up to one, and no token gives weight to a later one.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
def causal_weights(scores): ...  # your code


check(causal_weights)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def causal_weights(scores):
    later = torch.ones_like(scores).triu(1).bool()
    return scores.masked_fill(later, -torch.inf).softmax(dim=-1)


check(causal_weights)

# %% [markdown]
# ### Exercise 3: The favourites
#
# Write `most_likely(logits, k)`: given the logits of one text, of shape (tokens, vocabulary), it returns the numbers of
# the `k` tokens that are most likely to come next, the best one first, as a list.


# %% tags=["exercise", "nbval-check-output", "remove-output"]
def most_likely(logits, k): ...  # your code


check(most_likely)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
def most_likely(logits, k):
    return logits[-1].topk(k).indices.tolist()


check(most_likely)

# %% [markdown]
# ### Exercise 4: A model without a block
#
# Change the model: run it without one of its blocks, and measure the loss on `sample`. Try the first block, one in the
# middle, and the last. Which one does the model miss most? (This one is not checked.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 4", "code_prompt_hide": "Hide solution 4"}
whole = list(model.blocks)
for missing in (None, 0, len(whole) // 2, len(whole) - 1):
    kept = [block for n, block in enumerate(whole) if n != missing]
    hidden = model.embed(sample_ids)
    for block in kept:
        hidden = block(hidden)
    scores = model.head(model.final_norm(hidden))[0]
    loss = F.cross_entropy(scores[:-1], sample_ids[0, 1:])
    print(f"without block {missing}: {loss:.2f}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# The model misses the first block most. A block in the middle matters much less: each block only adds to the residual
# path, so the later blocks still get nearly their usual input.
# :::
#
# ## Questions
#
# <details><summary>1. Pretraining needs no labels. Where do the right answers come from?</summary>
#
# From the text itself: the token that really follows is the answer to the guess.
#
# </details>
#
# <details><summary>2. All tensors have the expected names and shapes. Has the file been loaded correctly?</summary>
#
# Not necessarily. Rows can be in the wrong order, and two tensors of the same shape can be swapped. Only the model's
# outputs show such faults, and a comparison of logits shows more than a readable text.
#
# </details>
#
# <details><summary>3. How does the causal mask hide the future?</summary>
#
# It adds minus infinity to the scores of all later tokens. Softmax turns these into weights of zero, so no value of a
# later token enters the sum.
#
# </details>

# %% [markdown]
# <details><summary>4. How does SmolLM2's block differ from GPT-2's?</summary>
#
# It rotates queries and keys instead of adding a vector for each position. Several heads share keys and values. Its MLP
# has a gate. Its norm only divides, and its layers have no biases.
#
# </details>
#
# <details><summary>5. You try twenty prompts on the test set and report the best. What is wrong?</summary>
#
# The best of twenty prompts also fits chance details of these messages, so its accuracy is too good. Choose on the
# validation set, and report the test accuracy of the chosen prompt.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# Pretraining makes a model's scores for the next token good without any labels. You wrote an attention head, turned
# it into SmolLM2's with two edits, built the model from it, and saw it agree with the library's. You counted weights,
# loaded a file, and found a fault that readable text hides. You also asked the model about spam, and it did no better
# than a coin.
#
# **Next:** the model scores tens of thousands of tokens, and we need two classes. [Chapter 4](04_head.ipynb) replaces its output
# layer by a new {term}`head`.
