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
# A thousand text messages are far too few to learn a language from. So we do not start from nothing: we take a
# {term}`pretrained model`, which has read a great deal already, and teach it our task later. In this chapter you
# load such a model, look inside, let it write, and ask it about spam. At the end you can
#
# - **explain** what {term}`pretraining` teaches a model, and where its result enters this project,
# - **count** the {term}`weights` of a GPT-2 from its shape alone,
# - **load** verified weights and **test** whether they are in their places,
# - **trace** a sentence through the model, step by step,
# - **measure** how well the model finds spam when one merely asks it.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 1 and 2 (tables, tokens, batches) and to have met tensors and
# > linear layers in PyTorch. The chapter runs in a minute or two on a laptop's CPU; on a GPU it was not measured. It
# > downloads the weights, once: 98 MB for SmolLM2, 548 MB for the smallest GPT-2. SmolLM2's are unpacked once, which
# > takes half a gigabyte of disk.

# %% tags=["remove-cell"]
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
# The line that begins with `backbone` names the model of this page and the {term}`device` it runs on. The book is written for GPT-2
# {cite}`radford2019`; where its weights are not available, SmolLM2 {cite}`allal2025` takes its place and a line
# says so. Every cell below runs with either. What the model says depends on which one you have. Whether two ways
# of computing agree does not.

# %% [markdown]
# ## Text holds its own answers
#
# A {term}`language model` reads the beginning of a text and gives every {term}`token` it knows a score: how well
# would this one come next? In {term}`pretraining` the model meets a great deal of text, guesses each next token,
# and has its weights moved a little towards the right guess. Nobody labels anything. The text holds its own
# answers, as four words show.

# %% tags=["nbval-check-output"]
from llmclf.tokenizer import encode, load_tokenizer

text = "Every effort moves you"
tokenizer = load_tokenizer(backbone)
token_ids = encode(tokenizer, text)
for place in range(1, len(token_ids)):
    seen, answer = token_ids[:place], token_ids[place : place + 1]
    print(f"{tokenizer.decode(seen):<18} →{tokenizer.decode(answer)}")

# %% [markdown]
# One short sentence, three exercises with their answers. GPT-2 had some forty gigabytes of web pages to practise
# on {cite}`radford2019`, which may be ten billion tokens; SmolLM2-135M had two trillion {cite}`allal2025`.
# Whoever wants to guess well must pick up spelling, grammar, facts, the tone of a letter and the tone of an
# advertisement. All of it ends up in the weights, and {numref}`fig-pretrained` shows where these enter our
# project.
#
# :::{figure-md} fig-pretrained
# ![Two boxes at the top: labelled messages, few, for this task; and pretrained weights, learnt by others from a great deal of text. Both lead down into stage 1, prepare, where the messages become batches and the weights become the model. From there both go to stage 2, fine-tune, and on to stage 3, use.](figures/pretrained.svg)
#
# Where the pretrained model comes in. Somebody else has paid for its weights; we pay for a download, and later
# for a little training.
# :::

# %% [markdown]
# ## One design in four sizes
#
# GPT-2 was published in four sizes. They differ in three numbers: how long the vector is that stands for a token
# inside the model (the {term}`hidden size`), how many {term}`blocks <block>` it passes through, and into how many
# heads the {term}`attention` of a block is divided. {numref}`fig-gpt-block` further down shows these parts and
# explains them; for now they are sizes. To count weights, the shape is enough: on PyTorch's *meta* device a model
# is built without any memory behind it.
#
# **Predict before you run.** The largest GPT-2 has four times as many blocks as the smallest, and vectors about
# twice as long. How many times as many weights does it have?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.models.state import build
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
# The layers of a block are matrices, with as many rows and columns as the vectors are long (or a few times as
# many). Vectors twice as long make a matrix four times as large, and there are four times as many blocks. The
# blocks alone grow about seventeenfold. But nearly a third of the smallest model is the table of its
# {term}`vocabulary`, one vector for each token, and that table only doubles. So the whole grows less.
#
# The last row is SmolLM2: about as large as the smallest GPT-2, with shorter vectors and more blocks.

# %% [markdown]
# ## How the weights get in
#
# Weights are a file, and in chapter 1 you saw how a file earns trust: by its {term}`SHA-256`, compared before
# anyone reads it (and its size). The library knows five such files. Which of them are on this machine, and the
# right ones?

# %%
from llmclf.files import assets

for name in CONFIGS:
    asset = assets.ASSETS[name]
    found = assets.find_local(asset, failures=[]) is not None
    known = asset.sha256[:8] if asset.sha256 else "unknown "
    print(f"{name:<13} {asset.size_text:>14}  {known}", "✓" * found)

# %% [markdown]
# A tick stands behind each file that is here and has passed. The others stay on the net until somebody asks for
# them. Of the largest GPT-2 we know no fingerprint that somebody has verified; there Hugging Face's download
# library, which checks what it fetches, has to do.
#
# Inside a file every tensor has a name, and every publisher has names of his own. On the left stand those of our
# code, for one block. They will mean more after {numref}`fig-gpt-block`; for now, note only that the columns
# differ.

# %% tags=["nbval-check-output"]
from llmclf.models.gpt2_weights import HUB_BLOCK, hub_layout
from llmclf.models.llama_weights import GGUF_BLOCK

in_gpt2 = {ours: entry[0] for ours, entry in HUB_BLOCK.items()}
names = pd.DataFrame({"GPT-2": in_gpt2, "SmolLM2": GGUF_BLOCK})
names[names.index.str.endswith("weight")].fillna("–")

# %% [markdown]
# Loading is mostly renaming. A dash has one of two reasons. GPT-2 has no gate. And it keeps query, key and value
# side by side in one matrix, `attn.c_attn.weight`, which is cut into three. The library keeps the books while it
# loads: a tensor that is missing, left over or of the wrong shape is an error, never a silent gap.
#
# One trap remains. GPT-2's file holds each matrix as (inputs, outputs); PyTorch wants (outputs, inputs).

# %% tags=["nbval-check-output"]
stored = hub_layout(CONFIGS["gpt2-124M"])
block = build(CONFIGS["gpt2-124M"]).blocks[0]
for layer in ("mlp.up", "attention.output"):
    theirs = in_gpt2[f"{layer}.weight"]
    ours = tuple(block.get_submodule(layer).weight.shape)
    print(f"{theirs:<18} {stored['h.0.' + theirs]} becomes {ours}")

# %% [markdown]
# The first matrix fits only when rows and columns change places (when it is *transposed*), so nobody can forget
# it. The second is square. It fits both ways, no check of shapes can object, and a model that got it the wrong
# way round computes nonsense without any error. So shapes are not proof enough. We shall let the model speak.

# %% [markdown]
# ### Four bits for a weight
#
# SmolLM2 comes in a Python package from which only one file is taken; nothing is installed. In it the weights are
# packed by {term}`quantisation`: a group of neighbours becomes whole numbers from 0 to 15, which need four bits
# each, together with the least value of the group and the step from one number to the next. Here is the idea with
# six weights.

# %% tags=["nbval-check-output"]
group = torch.tensor([0.31, -0.12, 0.05, 0.22, -0.27, 0.18])
least, step = group.min(), (group.max() - group.min()) / 15
packed = ((group - least) / step).round()
print("packed:  ", packed.int().tolist())
unpacked = packed * step + least
print("unpacked:", [round(weight, 2) for weight in unpacked.tolist()])

# %% [markdown]
# What comes out is close to what went in, and no further from it than half a step. Most tensors of the file are
# packed in this way, in groups of 32, and some with eight bits. They are unpacked once to ordinary numbers and
# kept in the cache. Then, whichever model it is, one call loads it.

# %%
from llmclf.weights import load_pretrained

model = load_pretrained(backbone, device=device)
count = count_weights(model)
print(f"{type(model).__name__}: {count:,} weights")
print(f"in memory {count * 4 / 1e6:.0f} MB, four bytes each")

# %% tags=["nbval-check-output"]
print("as many as its shape promised:", count in counts.values())

# %% [markdown]
# Compare the memory with the size of the file in the list above. SmolLM2's file is several times smaller. GPT-2's
# holds four bytes for each weight, as the memory does; the tenth by which it is larger than that are twelve
# causal masks (chapter 4), which are computed and not loaded.

# %% [markdown]
# ## Does every message fit?
#
# A model sees a limited number of tokens at once: its {term}`context`. GPT-2 has learnt one vector for each of
# 1,024 places, and none for any place after them. So before we go on: does every message of the collection fit,
# also the ham that balancing left out?

# %%
from llmclf import data

messages = data.read_sms()["text"]
lengths = messages.map(lambda message: len(encode(tokenizer, message)))
print(f"longest of {len(lengths):,} messages: {lengths.max()} tokens")
print(f"room in this model: {model.config.context_length:,}")

# %% tags=["nbval-check-output"]
smallest = sizes["context"].min()
print(f"all fit into {smallest}:", (lengths <= smallest).all())

# %% [markdown]
# They fit into the smallest context of the five, several times over. (Another tokenizer counts a little
# differently.) Longer texts must be cut, and chapter 2's `max_length` does it. Without it the model refuses a
# text that is too long, with an error that names the limit, rather than read it in part.

# %% [markdown]
# ## A look inside
#
# {numref}`fig-gpt-block` shows the whole model and one of its blocks. Every token becomes a vector, and this
# vector travels down the {term}`residual path`, the thick line. Attention and the {term}`MLP` never replace it.
# Each reads a copy, brought to a common scale by a {term}`norm`, and *adds* what it has found. Attention
# {cite}`vaswani2017` gathers from other tokens; the MLP works on each token alone.
#
# :::{figure-md} fig-gpt-block
# ![On the left the whole model from top to bottom: token ids, embeddings, a pile of N blocks, final norm, vocabulary head, logits. On the right one block: a thick vertical line with two detours, each through a norm and then attention or MLP, whose result is added back onto the line. Below, a table of what differs: number of blocks, positions, norm, attention and MLP in GPT-2 and in SmolLM2.](figures/gpt_block.svg)
#
# A GPT in the form of {cite:t}`radford2019`, and one of its blocks. The same drawing serves for SmolLM2; the
# table names what differs, part by part.
# :::

# %% [markdown]
# SmolLM2 belongs to a younger family {cite}`touvron2023`. Four parts are new in it (and its layers have no
# biases). The first and the last will be clear at once, the others after the tour below:
#
# - **RMSNorm** divides a vector by the root of its mean square; GPT-2's LayerNorm subtracts the mean first {cite}`zhang2019`.
# - **Rotary positions** turn queries and keys by an angle that grows with the place in the text, so what counts is how
#   far apart two tokens stand {cite}`su2024`.
# - **Grouped-query attention** lets several heads share their keys and values, which saves weights and memory
#   {cite}`ainslie2023`.
# - **SwiGLU** adds a gate to the MLP: one path decides how much of the other passes. GPT-2's has a single path, with the
#   smooth bend of a GELU {cite}`shazeer2020`.

# %% [markdown]
# ## One sentence through the model
#
# Now follow the four words through the drawing, part by part. First come the {term}`embeddings <embedding>`: the
# model looks up each token's vector in its table. GPT-2 then adds the vector of the place; SmolLM2 leaves places
# to attention.

# %%
input_ids = torch.tensor([token_ids], device=device)
states = model.token_embedding.weight[input_ids]
if hasattr(model, "position_embedding"):  # GPT-2
    states = states + model.position_embedding.weight[: len(token_ids)]
print("token ids:", tuple(input_ids.shape), input_ids.tolist())
print("vectors:  ", tuple(states.shape))

# %% tags=["nbval-check-output"]
print("embed agrees:", torch.equal(states, model.embed(input_ids)))

# %% [markdown]
# One message, four tokens, and for each a vector as long as the hidden size: such a vector is called a
# {term}`hidden state`. It keeps this shape through all the blocks.
#
# In a block, attention comes first. Each token asks a question (the *query*) of itself and of the tokens before
# it. Each of these offers a *key*, and the better it matches the question, the more of its *value* flows over.
# Attention does this several times side by side, in its *heads*. Then the MLP works on what has been gathered. In
# code the drawing takes two lines:

# %% tags=["nbval-check-output"]
block = model.blocks[0]
gathered = states + block.attention(block.norm1(states))
thought = gathered + block.mlp(block.norm2(gathered))
print("shape unchanged:", thought.shape == states.shape)
print("block agrees:", torch.allclose(thought, block(states)))

# %% [markdown]
# Both lines have the form *old plus new*: this is the residual path. All the blocks follow, one after the other,
# then the final norm. At last the vocabulary head compares each vector with the vector of every token in the
# vocabulary and gives a score, the {term}`logit`.

# %%
for block in model.blocks:
    states = block(states)
logits = model.head(model.final_norm(states))
print("logits:", tuple(logits.shape))

# %% tags=["nbval-check-output"]
print("model agrees:", torch.allclose(logits, model(input_ids), atol=1e-4))
head, embedding = model.head.weight, model.token_embedding.weight
print("head and embedding are one tensor:", head is embedding)

# %% [markdown]
# The parts strung together by hand give what the model gives. That is all there is: tokens in, one row of scores
# for each token out. The last line tells of a saving. The table that turns tokens into vectors also turns vectors
# into scores, so it is stored only once.
#
# Each row scores what follows *its* token. The last row is the one that interests us.

# %%
best = logits[0, -1].softmax(dim=-1).topk(5)
words = [tokenizer.decode([number]) for number in best.indices.tolist()]
shares = [f"{share:.1%}" for share in best.values.tolist()]
pd.DataFrame({"next token": words, "probability": shares})

# %% [markdown]
# `softmax` turns scores into probabilities, which add up to one; chapter 5 looks at it closely. The model does
# not choose a word. It spreads its expectation over all of them, and these five are its favourites. Choosing is
# up to us.

# %% [markdown]
# ## The model speaks
#
# The simplest way to choose is {term}`greedy decoding`: take the most likely token, append it, ask again.

# %%
longer = input_ids
for _ in range(15):
    next_id = model(longer)[:, -1].argmax(dim=-1, keepdim=True)
    longer = torch.cat([longer, next_id], dim=1)
print(tokenizer.decode(longer[0].tolist()))

# %% tags=["nbval-check-output"]
from llmclf.generate import continue_text, generate

again = generate(model, input_ids, new_tokens=15)
written = continue_text(model, tokenizer, text, new_tokens=15)
by_hand = tokenizer.decode(longer[0].tolist())
print("generate agrees:     ", torch.equal(again, longer))
print("continue_text agrees:", written == by_hand)

# %% [markdown]
# English, with grammar and some sense: the weights seem to be in their places. For GPT-2 124M the continuation is
# known word for word. According to {cite:t}`raschka2024` it reads
#
# > Every effort moves you forward.
# >
# > The first step is to understand the importance of your work
#
# If your `backbone` line says `gpt2-124M`, you should see exactly this.
#
# How much does such a text prove? **Predict before you run.** We turn the square matrix of attention the wrong
# way round on purpose, first in one block, then in all of them. What will be left of the English?


# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
def turn_over(layer):
    layer.weight = torch.nn.Parameter(layer.weight.T.contiguous())


broken = load_pretrained(backbone, device=device)
turn_over(broken.blocks[0].attention.output)
print("one:", continue_text(broken, tokenizer, text, 10))
for block in broken.blocks[1:]:
    turn_over(block.attention.output)
print("all:", continue_text(broken, tokenizer, text, 10))

# %% [markdown]
# With all of them wrong, which is what a forgotten transposition would do, no English is left. With a single one
# wrong SmolLM2 still writes words in a plausible order, only a little oddly. So a readable text rules out the
# coarse errors and not the fine ones. Against these there is only a comparison of numbers: the library's tests
# hold our logits, on random weights, against those of an independent implementation.

# %% [markdown]
# **Predict before you run.** Now the same architecture with random weights, as it was before pretraining. What
# will it make of the four words?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.models.state import initialise

newborn = build(model.config, device="cpu")
initialise(newborn, seed=123)
print(continue_text(newborn.to(device).eval(), tokenizer, text, 10))

# %% [markdown]
# No word of English, and fragments over and over. Nothing differs but the values of the weights: same parts, same
# number, same way of computing. Whatever sense the first continuation made came from training.
#
# Not every task needs that as much as writing does. On our messages {cite:t}`raschka2024experiments` trained all
# layers of GPT-2 from random weights to a test accuracy of 93.67 %, and from pretrained ones to 96.67 %, in one run each. Chapter 10 did the same with SmolLM2,
# in three runs each (for pretrained weights at the learning rate that suits them):

# %%
from llmclf.evaluation.predictions import tell_experiment

for name in ("random", "all-slower"):
    print(tell_experiment(name))

# %% [markdown]
# The words of spam give it away to a model that has never read anything else. What pretraining adds is the last few points here, and much more on the task of chapter 9.

# %% [markdown]
# ## Why not simply ask?
#
# The model understands something of English. Could one not ask it whether a message is spam, and do without the
# rest of this book? A text that is given to a model so that it continues it is called a {term}`prompt`. We write
# one around an obvious advertisement.

# %%
question = 'Message: "{}"\nIs this message spam? Answer yes or no.\nAnswer:'
advert = "Congratulations! You have won a free holiday. Text WIN to 80800."
prompt = question.format(advert)
print(continue_text(model, tokenizer, prompt, 15).removeprefix(prompt))

# %% [markdown]
# With SmolLM2 you read an answer in good English, and a wrong one: the advertisement passes for genuine. (The odd
# marks in between are special tokens; we come back to them.) For GPT-2 124M and a similar prompt,
# {cite:t}`raschka2024` reports that the model merely repeats what it was given.

# %% [markdown]
# One message proves nothing, for or against. And free text is hard for a program to judge. So we measure, and
# force a choice: which token does the model rather expect next, `" yes"` or `" no"`? (The space belongs to the
# word, as in chapter 2.) If each of them is a single token, two numbers in the last row of logits decide.

# %% tags=["nbval-check-output"]
words = [encode(tokenizer, word) for word in (" no", " yes")]
print("tokens in each word:", [len(ids) for ids in words])

# %% [markdown]
# They are. Prompts one by one would waste time, so we pack several into a batch, as in chapter 2. The rest you
# have seen: embeddings, blocks, final norm, head. One thing is new: the head is asked only about the last *real*
# token of each prompt, which `take` picks from its row.

# %%
from llmclf.loaders import pad_batch
from llmclf.single_query import select_position


def next_scores(prompts):
    examples = [(ids, 0) for ids in prompts]  # the label is not used
    batch = pad_batch(examples, pad_token_id=tokenizer.eot_token)
    states = model.embed(batch.input_ids.to(device))
    for block in model.blocks:
        states = block(states)
    last = select_position(states, batch.lengths.to(device) - 1)
    return model.head(model.final_norm(last))[:, 0]


# %% [markdown]
# Does a short prompt get the same scores beside a long one, where it is padded, as it gets alone?

# %% tags=["nbval-check-output"]
short, long = encode(tokenizer, text), encode(tokenizer, prompt)
alone, padded = next_scores([short])[0], next_scores([short, long])[0]
print("alone or padded:", torch.allclose(alone, padded, atol=1e-3))
print("as in the tour: ", torch.allclose(alone, logits[0, -1], atol=1e-3))

# %% [markdown]
# It does, and they are the scores of our tour: padding on the right stays invisible to what stands left of it.
#
# Now a function that asks about every message of a table. The form of the prompt may contain special tokens; the
# message itself is encoded as ordinary text, so that no stranger can forge one in it.

# %%
from llmclf.evaluate import score

test = data.prepare_sms().test[:: 4 if data.is_fast() else 1]
test = test.sort_values("text", key=lambda text: text.str.len())


def split_form(form):
    parts = form.split("{}")  # what stands before and after the message
    return [tokenizer.encode(part, allowed_special="all") for part in parts]


def ask(form, answers, table):
    before, after = split_form(form)
    texts, labels = table["text"], torch.tensor(table["label"].tolist())
    rows = [before + encode(tokenizer, text) + after for text in texts]
    parts = [next_scores(rows[i : i + 8]) for i in range(0, len(rows), 8)]
    (no,), (yes,) = (encode(tokenizer, answer) for answer in answers)
    return score(torch.cat(parts)[:, [no, yes]].cpu(), labels)


# %% [markdown]
# The first answer counts as ham (0), the second as spam (1), and `score` counts how often they are right. Sorting
# the messages by length keeps the padding small.
#
# **Predict before you run.** About half of the test messages are spam. How often will the model be right?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
plain = ask(question, [" no", " yes"], test)
print(plain)

# %% [markdown]
# With SmolLM2 this is no better than tossing a coin. The range in brackets is the {term}`Wilson interval`
# {cite}`wilson1927`: the test messages are a sample, and by luck alone the result could have been a little better
# or worse. (The loss at the end of the line has to wait for chapter 5.) How does the model come to be wrong so
# often? Look at its answers, ham and spam apart.

# %%
answered = ["answered no", "answered yes"]
pd.DataFrame(plain.confusion, index=["ham", "spam"], columns=answered)

# %% [markdown]
# With SmolLM2 nearly all messages stand in one column: it says *no*, whatever it has read. The few times it says
# *yes*, it is mostly wrong. An answer that hardly depends on the message tells us next to nothing about it.

# %% [markdown]
# A fair objection remains. The file of SmolLM2 holds the *instruction-tuned* version: after pretraining it was
# trained on dialogues ({term}`instruction fine-tuning`). A dialogue has a fixed form, in which special tokens say
# whose turn it is, and our prompt did not have it. So we ask again in the form that the file itself records.
# There the answer opens a turn, so it begins with a capital letter. To save time every third message has to do.
# GPT-2 knows no dialogues and is not asked again.

# %%
turns = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, "
    "trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
if "<|im_start|>" in tokenizer.special_tokens_set:
    dialogue = turns.format(question.removesuffix("\nAnswer:"))
    spoken = ask(dialogue, ["No", "Yes"], test[::3])
    print(spoken)
    print("answered no, yes:", spoken.confusion.sum(axis=0))

# %% [markdown]
# The proper form does not help: it is the same answer over and over. Note how much wider the interval is with
# only a third of the messages. Another wording might do better or worse. But nothing here looks like a
# classifier, although the model writes good English about spam.

# %% [markdown]
# Was the test set not to stay closed until the end? We chose nothing by these results: whatever they had been,
# the next chapter would follow. Whoever tries ten prompts and keeps the best has chosen, and must do it on the
# validation set.
#
# Much larger models answer such questions well. A model of this size needs another way, and it is near: what it
# has learnt is in its hidden states. The next chapter reads the answer from *them*, instead of from the scores of
# its vocabulary.

# %% [markdown]
# :::{admonition} What was not checked
# :class: warning GPT-2's true weights could not be reached from the machine on which this page was made. Our
# GPT-2 gives the same logits as an independent implementation on the same random weights, also when these come
# through a file of exactly the published layout; the library's tests show it. That the published file continues
# the four words as quoted above has yet to be seen with this code. The test for it is written, and runs where the
# file can be had.
# :::

# %% [markdown]
# ## Exercises
#
# Replace the dots by your code and run the cell; `check` says what it found. Each solution is folded below.
#
# **1. Weigh a block.** Write `parameters_of_block(hidden_size)`: the number of weights of one GPT-2 block. Its
# attention has four square layers (query, key, value, output), its MLP two layers (to four times the size, and
# back), each with biases. Each of its two norms has two numbers for each value of the vector.

# %% tags=["exercise", "nbval-check-output"]
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
# With it you can check a row of the table above: the blocks, the two embeddings and the final norm are all there
# is.

# %% tags=["nbval-check-output"]
small = CONFIGS["gpt2-124M"]
embeddings = (small.vocab_size + small.context_length) * small.hidden_size
blocks = small.num_layers * parameters_of_block(small.hidden_size)
whole = embeddings + blocks + 2 * small.hidden_size
print("the table agrees:", whole == counts["gpt2-124M"])

# %% [markdown]
# (If it says `False` or raises an error, run the solution first.)
#
# **2. The favourites.** Write `most_likely(logits, k)`: from the logits of one text, of shape (tokens,
# vocabulary) without the batch dimension of the tour, the numbers of the `k` tokens that would most likely come
# next, the best one first, as a list.


# %% tags=["exercise", "nbval-check-output"]
def most_likely(logits, k): ...  # your code


check(most_likely)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def most_likely(logits, k):
    return logits[-1].topk(k).indices.tolist()


check(most_likely)

# %% [markdown]
# **3. A language model in a table.** The smallest language model looks only at the last token. It is a square
# table: `table[token]` holds the logits of what follows `token`. Write `greedy(table, start, new_tokens)`.
# `table` is a tensor and `start` one token number; return a list of numbers that begins with `start` and goes on
# with `new_tokens` more by greedy decoding.


# %% tags=["exercise", "nbval-check-output"]
def greedy(table, start, new_tokens): ...  # your code


check(greedy)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
def greedy(table, start, new_tokens):
    written = [start]
    for _ in range(new_tokens):
        written.append(table[written[-1]].argmax().item())
    return written


check(greedy)

# %% [markdown]
# ## Questions
#
# <details><summary>1. Pretraining needs no labels. Where do the right answers come from?</summary>
#
# From the text itself: the token that really follows is the answer to the guess.
#
# </details>
#
# <details><summary>2. All tensors of a file have the expected names and shapes. Why is that not yet proof of loading?</summary>
#
# A square matrix fits both ways round, and two tensors of one shape can be exchanged. Only what the model
# computes shows that everything is in its place, and a readable text shows less of it than a comparison of
# logits.
#
# </details>
#
# <details><summary>3. Why does a vector twice as long make a block four times as large?</summary>
#
# Nearly all weights of a block stand in matrices, and both sides of each matrix grow with the vector.
#
# </details>

# %% [markdown]
# <details><summary>4. A prompt has 50 tokens, 30 of them the message. How many rows of logits can the model give, and which one did we use to ask
# for spam?</summary>
#
# Fifty, one for each token of the whole prompt. We used the last: it alone scores what comes after the prompt.
#
# </details>
#
# <details><summary>5. You try twenty prompts on the test set and report the best. What is wrong?</summary>
#
# The best of twenty fits the accidents of these messages too, so its accuracy is too good. Choose on the
# validation set, and report the test accuracy of the chosen one.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A language model gives every token a score for coming next, and pretraining makes these scores good without any
# labels. You counted the weights of five models from their shapes, saw how a file of weights is verified,
# renamed, turned over and unpacked, strung the parts of the model together by hand, and let it write. Asking it
# about spam gave you a number to beat.
#
# **Next:** the model answers with scores for tens of thousands of tokens, and we need two. [Chapter 4](04_head.ipynb) gives it a
# new {term}`head`.
