# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2 · Loaders
#
# The tables of chapter 1 hold text. A network computes with numbers, and it computes fastest on many messages at once.
# In this chapter you turn each message into a list of numbers and pack the lists into {term}`batches <batch>`. At the
# end you can
#
# - **turn** a text into {term}`tokens <token>` and back, and **explain** where the tokens come from,
# - **pad** and **truncate** messages so that they fit into one rectangle,
# - **measure** how much of a batch is {term}`padding`, and **choose** between two ways of padding,
# - **build** a dataset and its {term}`loaders <loader>`, and **predict** the number and the shape of their batches.

# %% [markdown]
# > **Before you start.** You need chapter 1, and you should have met arrays in PyTorch or NumPy. No model is involved
# > yet. The chapter runs in seconds on a laptop's CPU. You do not need a GPU, and we have not measured one. The
# > chapter downloads GPT-2's list of tokens (1 MB) and SmolLM2's file (98 MB), unless another chapter has done so.
#
# Two {term}`tokenizers <tokenizer>` appear here. `tokenizer` belongs to GPT-2 {cite}`radford2019`. The chapter
# measures with it, because it is available everywhere. `smollm2` belongs to SmolLM2 {cite}`allal2025`, the model of
# this edition (chapter 3). Two cells show what changes with SmolLM2's tokens.

# %% tags=["remove-cell"]
# No module named llmclf? Unzip the book's code and type there: make lab
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.teaching.provenance import provenance

print(provenance())

# %% [markdown]
# Now build the three tables of chapter 1 again. This chapter is quick, so it uses every message even in a fast run
# (`LLMCLF_FAST=1`).

# %% tags=["nbval-check-output"]
from llmclf import data

balanced = data.undersample(data.read_sms())
splits = data.split(data.encode_labels(balanced, data.SMS_LABELS))
for name, part in splits._asdict().items():
    print(f"{name:<10} {len(part):>5} messages")

# %% [markdown]
# ## From text to numbers
#
# A tokenizer cuts a text into pieces from a fixed list, its {term}`vocabulary`. The pieces are the tokens. Each token
# has a number in the list, its *token id*. We begin with GPT-2's tokenizer.

# %% tags=["nbval-check-output"]
from llmclf.tokenizer import encode, gpt2_tokenizer

tokenizer = gpt2_tokenizer()
token_ids = tokenizer.encode_ordinary("Do you have time")
print(token_ids)
print([tokenizer.decode([number]) for number in token_ids])

# %% [markdown]
# Four words, four tokens. A space belongs to the word after it: `" you"` and `"you"` are different tokens with
# different ids. {cite:t}`raschka2024` prints the same four ids. (`encode_ordinary` reads every character as plain
# text. You see below why that matters.)
#
# Is anything lost on the way? Turn every training message into ids and back.

# %% tags=["nbval-check-output"]
texts = splits.train["text"]
there = [tokenizer.encode_ordinary(text) for text in texts]
back = [tokenizer.decode(token_ids) for token_ids in there]
print("every text came back unchanged:", back == list(texts))
print(f"the vocabulary has {tokenizer.n_vocab:,} tokens")

# %% [markdown]
# Nothing is lost, not even the odd spellings of text messages. But no vocabulary can hold every word. How does the
# tokenizer write a word that is not in its list?

# %% [markdown]
# ## Where the tokens come from
#
# GPT-2's vocabulary was made by {term}`byte-pair encoding` {cite}`sennrich2016`. The method begins with the 256
# possible bytes as tokens. It counts which two neighbouring tokens are most frequent in a large collection of texts,
# and merges this pair into a new token. Then it counts again, 50,000 times in all. One special token was added at the
# end. That makes 256 + 50,000 + 1 tokens, numbered in this order. The dictionary `number_of` gives the id for the
# bytes of a token. Here are four of its entries.

# %% tags=["nbval-check-output"]
number_of = {}
for n in range(tokenizer.eot_token):
    number_of[tokenizer.decode_single_token_bytes(n)] = n
for n in (256, 257, 5000, 50000):
    print(n, tokenizer.decode_single_token_bytes(n))

# %% [markdown]
# The first merges made short, frequent pieces. The last ones made whole, rare words. To cut a new word, the tokenizer
# repeats the merges in the same order: of all neighbouring pairs that form a token, it first merges the pair with the
# smallest id. Watch this happen to a word that was too rare to become a token itself.

# %% tags=["nbval-check-output"]
from itertools import pairwise

parts = [bytes([byte]) for byte in b" ringtone"]
while True:
    glued = [left + right for left, right in pairwise(parts)]
    known = [pair for pair in glued if pair in number_of]
    if not known:
        break
    place = glued.index(min(known, key=number_of.get))
    parts[place : place + 2] = [glued[place]]
    print(b"|".join(parts).decode())

# %% [markdown]
# The first piece is the space before the word. Each line shows one more merge. The loop ends when no two neighbours
# form a token. A rare word stays in several pieces, in the worst case in single bytes. So the tokenizer can write any
# text in any language. Does the real tokenizer cut this word in the same way?

# %% tags=["nbval-check-output"]
ours = [number_of[part] for part in parts]
theirs = tokenizer.encode_ordinary(" ringtone")
print("the tokenizer agrees:", theirs == ours)

# %% [markdown]
# Our small version leaves out one step. GPT-2's tokenizer first cuts the text into words, numbers and punctuation, and
# no merge crosses these cuts.
#
# **Predict before you run.** Spam is full of telephone numbers. This real message ends with a number of eleven
# digits. Does GPT-2's tokenizer cut the number into one token, a few, or eleven?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
message = "You have 1 new voicemail. Please call 08719181503"


def pieces(tokenizer, text):
    return [tokenizer.decode([n]) for n in encode(tokenizer, text)]


print("|".join(pieces(tokenizer, message)))

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# A few. The number falls into groups of digits that were frequent in web pages. Another number of eleven digits can
# fall into quite different groups. The model has to recognise a telephone number from such pieces.
# :::
#
# Another vocabulary cuts the same message in another way. Here is SmolLM2's.

# %% tags=["nbval-check-output"]
from llmclf.tokenizer import load_tokenizer

smollm2 = load_tokenizer("smollm2-135M")
print("|".join(pieces(smollm2, message)))
for cutter in (tokenizer, smollm2):
    size, count = cutter.n_vocab, len(encode(cutter, message))
    print(f"{cutter.name}: {size:,} tokens to choose from, {count} used")

# %% [markdown]
# SmolLM2's tokenizer makes a token of every single digit, and of the space before a number. The message needs more
# tokens, but a digit looks the same wherever it stands. Byte-pair encoding made both vocabularies, but from
# different texts. So token 5,000 is one piece of text in GPT-2's list and another piece in SmolLM2's. A tokenizer and
# a model belong together: `load_tokenizer` takes the name of the model. We go on with GPT-2's tokenizer.

# %% [markdown]
# ## Two messages that need care
#
# GPT-2's special token is written `<|endoftext|>`, and called the {term}`end-of-text token`. In GPT-2's training it
# stood between two documents. But messages come from strangers. What happens if somebody types these thirteen
# characters?

# %% tags=["nbval-check-output"]
trick = "Win a prize<|endoftext|>"
print("the end-of-text token is number", tokenizer.eot_token)
print(pieces(tokenizer, trick))
print("used here:", tokenizer.eot_token in encode(tokenizer, trick))

# %% [markdown]
# The tokenizer cuts the characters like any other text and does not use the special token. That is right: only our
# program may give the model this signal, never a message. For this reason the library's function `encode` calls
# `encode_ordinary`. The plain `tokenizer.encode` would raise an error here, so a stranger could stop our program.
#
# The second case is a message without any text.

# %% tags=["nbval-check-output"]
print(tokenizer.encode_ordinary(""))
print(encode(tokenizer, ""))

# %% [markdown]
# An empty text gives no tokens, but a model needs at least one token to read. So `encode` turns the empty message into
# a single end-of-text token. A table of your own may contain an empty message.

# %% [markdown]
# ## How long are the messages?
#
# Count GPT-2's tokens in every message of the three tables.


# %% tags=["nbval-check-output"]
def count_tokens(text):
    return len(encode(tokenizer, text))


counts = [part["text"].map(count_tokens) for part in splits]
for name, column in zip(splits._fields, counts, strict=True):
    print(f"{name:<10} longest {column.max():>3}, mean {column.mean():.1f}")

# %% [markdown]
# Remember two numbers of the first line: the longest training message and the mean. They lie far apart. The longest
# message of all three tables is a training message. {cite:t}`raschka2024` gives the same length for it, 120 tokens.
#
# {numref}`fig-lengths` shows the lengths of ham and spam separately.

# %% mystnb={"figure": {"caption": "Lengths of the training messages in GPT-2's tokens. Most ham is short, with a long tail. Most spam has around forty tokens. The colours mix where the two groups overlap.", "name": "fig-lengths"}, "image": {"alt": "Two histograms over the length in tokens. Most ham lies at the left, below about twenty tokens, with a long thin tail to the right. Spam forms one hill in the middle, further right than most ham."}}
from llmclf.teaching import plots

train_counts, is_spam = counts[0], splits.train["label"] == 1
groups = {"ham": train_counts[~is_spam], "spam": train_counts[is_spam]}
plots.plot_lengths(groups, unit="tokens")

# %% [markdown]
# People write short messages. Advertisers pay per message and use most of its 160 characters. So the length alone says
# something about the class, and a good classifier may use that. Cutting or filling up a message can therefore affect
# the answer.

# %% [markdown]
# ## A batch is a rectangle
#
# A network works on several messages at once, because a few large computations are faster than many small ones. Such a
# batch is one {term}`tensor` with a row for each message. Try to make one from three short training messages.

# %% tags=["nbval-check-output"]
texts = [
    "Same to u...",
    "ringtoneking 84484",
    "On the road so cant txt",
]
print("in the training table:", splits.train["text"].isin(texts).sum())
messages = [encode(tokenizer, text) for text in texts]
for token_ids in messages:
    print(len(token_ids), token_ids)

# %% [markdown]
# All three are real messages. Each line begins with the number of tokens, and the three numbers differ. What does
# PyTorch do with these lists?

# %%
import torch

try:
    torch.tensor(messages)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# PyTorch refuses, because all rows of a tensor must have the same length. There are two solutions. {term}`Truncation
# <truncation>` cuts the rows to a given length, here the length of the shortest. {term}`Padding <padding>` fills up
# the short rows with a token that carries no meaning ({numref}`fig-padding`).

# %% [markdown]
# :::{figure-md} fig-padding
# ![Three messages cut into tokens, of different lengths. Below them the same messages as rows of token numbers. All rows have the same length, because the shorter ones end in grey, dashed cells with the number 50256.](figures/padding.svg)
#
# Three messages as GPT-2's tokens (a dot marks a space), and the same messages as rows of one length. The dashed cells
# are padding.
# :::

# %% [markdown]
# Truncating to the shortest message loses text, often the part that matters. Padding loses nothing. GPT-2 has no token
# made for padding. The usual choice is the end-of-text token, which no typed text can produce. Here is padding,
# written by hand:


# %% tags=["nbval-check-output", "wide-output"]
def pad_rows(messages, width, pad_token_id):
    rows = []
    for message in messages:
        padding = [pad_token_id] * (width - len(message))
        rows.append(message + padding)
    return torch.tensor(rows)


longest = max(len(message) for message in messages)
rows = pad_rows(messages, longest, tokenizer.eot_token)
print(rows)

# %% [markdown]
# Every row begins with its message, and the shorter rows end in 50256. The library's `pad_batch` makes the same rows.
# It takes pairs of message and {term}`label`, as a dataset returns them, and it gives back three tensors.

# %% tags=["nbval-check-output"]
from llmclf.loaders import pad_batch

examples = list(zip(messages, [0, 1, 0], strict=True))
batch = pad_batch(examples, pad_token_id=tokenizer.eot_token)
print("input_ids:", tuple(batch.input_ids.shape))
print("labels:   ", batch.labels.tolist())
print("lengths:  ", batch.lengths.tolist())

# %% [markdown]
# Why store the lengths? A program can also find the end of a message by looking for the pad token. But then it
# takes a real end-of-text token, such as the token of an empty message, for padding.

# %% [markdown]
# ## Is padding harmless?
#
# Mostly. A GPT reads from left to right, and a token sees only itself and the tokens before it. (Chapter 3 shows how
# the {term}`causal mask` does this.) So padding on the right changes nothing at the real tokens. Two questions remain.
#
# **Where is the answer read?** Raschka's program reads it at the last *position* of the row. In nearly all rows this
# is a padding token. That token has to collect information about the message, and all the padding before it competes
# for its {term}`attention`.

# %% [markdown]
# How much does that harm? For GPT-2 the experiments of {cite:t}`raschka2024experiments` report a test {term}`accuracy`
# (the share of right answers) of 95.00 % with rows of 120 tokens and of 78.33 % with rows of 1,024, in one run each.
# Our own runs of SmolLM2 do not show this drop; chapter 10 has the numbers.
#
# The library reads the answer at the last *real* token. The lengths say where it is, and padding cannot change it.
#
# **What does padding cost?** A model computes on padding exactly as it computes on text. The amount of work depends
# on how you pad.

# %% [markdown]
# ## A dataset that tokenises once
#
# In PyTorch, a dataset is anything that has a length and returns an example for an index. Training goes through all
# training messages several times, and each pass is an {term}`epoch`. So we tokenise once, at the beginning, and keep
# the result.

# %% tags=["nbval-check-output"]
from torch.utils.data import Dataset


class Messages(Dataset):
    def __init__(self, table):
        self.messages = [encode(tokenizer, text) for text in table["text"]]
        self.labels = table["label"].tolist()

    def __len__(self):
        return len(self.messages)

    def __getitem__(self, index):
        return self.messages[index], self.labels[index]


by_hand = Messages(splits.train)
print(len(by_hand), "messages; the first one with its label:")
print(by_hand[0])

# %% tags=["nbval-check-output"]
from llmclf.loaders import MessageDataset

train = MessageDataset(splits.train, tokenizer)
print(train[0])
print("longest message:", train.max_length)

# %% [markdown]
# The library's `MessageDataset` does the same, and also stores the length of its longest message. With `max_length` it
# cuts longer messages. What would that cost? The next cell prints the share of training messages that would lose their
# end.

# %% tags=["nbval-check-output"]
for max_length in (16, 32, 64, 120):
    share = (train_counts > max_length).mean()
    print(f"cut to {max_length:>3} tokens: {share:>4.0%} lose their end")
shortened = MessageDataset(splits.train, tokenizer, max_length=16)
print("longest now:", max(len(tokens) for tokens, _ in shortened))

# %% [markdown]
# Narrow batches are cheap, but a small limit cuts most messages. Truncation removes the *end* of a message, and in
# spam the telephone number may be there.

# %% [markdown]
# ## Two ways to pad
#
# Raschka's program pads every row of every batch to the longest *training* message, and cuts longer validation and
# test messages to that length. This is {term}`fixed padding`. You must not take the width from the test table,
# because the test messages represent messages that nobody has seen yet. Is any message cut here?

# %% tags=["nbval-check-output"]
for name, column in zip(splits._fields, counts, strict=True):
    too_long = (column > train.max_length).sum()
    print(f"{name:<10} {too_long} messages are too long")

# %% [markdown]
# No message is cut in any table, so fixed padding loses nothing here.
#
# **Predict before you run.** Suppose you pad all training messages to the longest. You know its length and the mean
# length. What share of all token ids is then padding: a quarter, a half, or three quarters?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
real = train_counts.sum()
cells = len(train) * train.max_length
print(f"{real:,} of {cells:,} numbers are message")
print(f"{1 - real / cells:.1%} are padding")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# About three quarters. The longest message has about four times as many tokens as the mean, so one quarter of the
# rectangle is text. Most of the work goes into padding.
# :::
#
# There is another way. With {term}`dynamic padding`, each batch is only as wide as its own longest message. Then you
# pad the rows when you put a batch together, not in the dataset. PyTorch has a place for that: a loader calls its
# function `collate_fn` to turn examples into a batch.

# %% [markdown]
# ## Loaders
#
# A loader draws examples from a dataset and packs them into batches. For training it shuffles them again in each
# epoch, from a {term}`seed`. `drop_last` leaves out the last batch if it is not full, so every step of the training
# uses the same number of messages. Here is a loader with Raschka's settings: batches of eight, fixed width, shuffled.

# %% tags=["nbval-check-output"]
from torch.utils.data import DataLoader


def pad(examples):
    return pad_batch(
        examples,
        pad_token_id=tokenizer.eot_token,
        pad_to=train.max_length,
    )


loader = DataLoader(
    train,
    batch_size=8,
    shuffle=True,
    drop_last=True,
    generator=torch.Generator().manual_seed(123),
    collate_fn=pad,
)
batch = next(iter(loader))
print([tuple(tensor.shape) for tensor in batch])

# %% [markdown]
# {numref}`fig-batch` shows the batch: eight rows of the fixed width, eight labels and eight lengths.
#
# :::{figure-md} fig-batch
# ![Eight rows of equal width. In each row a filled bar, the message, covers the left part, and an empty frame, the padding, covers the rest. Each row has its label on one side and its length on the other. A dashed line marks the longest message. To the right of the line all rows are empty.](figures/batch.svg)
#
# The first training batch, padded to the longest training message (GPT-2's tokens). Dynamic padding would end it at
# the dashed line.
# :::

# %% [markdown]
# The library makes the loaders of all three tables in one call, with the same settings for training. `make_loaders`
# does not shuffle validation and test messages, and it drops none of them.

# %%
from llmclf.loaders import make_loaders

fixed = make_loaders(splits, tokenizer, padding="fixed")
dynamic = make_loaders(splits, tokenizer, padding="dynamic")

# %% [markdown]
# **Predict before you run.** You know the sizes of the three tables. How many batches of eight does each loader give,
# and how large is the last one?

# %% tags=["hide-output", "nbval-check-output", "wide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
for name, loader in fixed._asdict().items():
    last = list(loader)[-1]
    shape = tuple(last.input_ids.shape)
    print(f"{name:<10} {len(loader):>3} batches, the last one {shape}")

# %% [markdown]
# :::{admonition} What it shows
# :class: dropdown
# {cite:t}`raschka2024` gets the same numbers of batches. The number of training messages is not a multiple of eight,
# so the training loader drops the last few. Because of the shuffling, it drops different messages in each epoch. The
# smaller last batches of validation and test stay, because an evaluation should count every message.
# :::
#
# All rows of these loaders have one width. With dynamic padding the width changes from batch to batch.

# %%
for name, way in (("fixed", fixed), ("dynamic", dynamic)):
    widths = [batch.input_ids.shape[1] for batch in way.train]
    extremes = f"from {min(widths)} to {max(widths)}"
    print(f"{name:<8} {extremes}; the first six: {widths[:6]}")

# %% [markdown]
# A model accepts both: a GPT reads rows of any width, up to the length of its {term}`context`.
#
# These widths count GPT-2's tokens. The model of this edition reads SmolLM2's tokens, so here are its batches.
# `make_loaders` takes SmolLM2's tokenizer and pads with SmolLM2's own end-of-text token.

# %% tags=["nbval-check-output"]
print("SmolLM2 pads with token", smollm2.eot_token)
for padding in ("fixed", "dynamic"):
    loader = make_loaders(splits, smollm2, padding=padding).train
    batch = next(iter(loader))
    print(f"{padding:<8} first batch {tuple(batch.input_ids.shape)}")
lengths = loader.dataset.whole_lengths
mean = sum(lengths) / len(lengths)
print(f"longest training message {max(lengths)}, mean {mean:.1f}")

# %% [markdown]
# By coincidence, the longest training message has 120 tokens with either tokenizer. On average SmolLM2 needs more
# tokens, because every digit costs one. So with dynamic padding its first batch is wider than GPT-2's, although it
# holds the same eight messages.

# %% [markdown]
# ## What padding costs
#
# Now measure, again with GPT-2's tokens. What share of the numbers that a loader gives in one pass is padding?


# %%
def padding_in(loader):
    cells = real = 0
    for batch in loader:
        cells += batch.input_ids.numel()
        real += batch.lengths.sum().item()
    return 1 - real / cells


for name, way in (("fixed", fixed), ("dynamic", dynamic)):
    shares = [f"{padding_in(loader):.0%}" for loader in way]
    print(f"{name:<8}", dict(zip(way._fields, shares, strict=True)))

# %% [markdown]
# Dynamic padding removes a good part of the waste. Some remains, because eight random messages usually include a long
# one. It helps to put messages of similar length together. The library's `every_message` takes a loader and gives each
# message of its dataset exactly once, the longest first.

# %% tags=["nbval-check-output"]
from llmclf.loaders import every_message

for name, loader in dynamic._asdict().items():
    whole = every_message(loader)
    count = sum(len(batch.labels) for batch in whole)
    share = padding_in(whole)
    print(f"{name:<10} {count:>5} messages, {share:.1%} padding")

# %% [markdown]
# Hardly any padding is left, and the training messages that `drop_last` left out are back. Why not train like this?
# Remember {numref}`fig-lengths`: length and class go together. Count the training batches that hold messages of one
# class only.


# %%
def of_one_class(loader):
    return sum(len(set(batch.labels.tolist())) == 1 for batch in loader)


shuffled, by_length = dynamic.train, every_message(dynamic.train)
for name, loader in (("shuffled", shuffled), ("by length", by_length)):
    print(f"{name:<9} {of_one_class(loader):>3} of {len(loader)} batches")

# %% [markdown]
# Sorted by length, many batches show the model one class only. They would push it towards ham, then towards spam. So
# training stays shuffled. For evaluation the order does not matter: the model judges each message by itself, and you
# count the right answers at the end.
#
# One warning: do not take the first few batches of `every_message` as a sample. They hold the longest messages.

# %% [markdown]
# Last, check two things about the shuffling. Two loaders with the same seed (123 by default) must give the same order.
# Two epochs of one loader must not.


# %% tags=["nbval-check-output"]
def order(loader):
    return torch.cat([batch.lengths for batch in loader]).tolist()


one = make_loaders(splits, tokenizer).train
other = make_loaders(splits, tokenizer).train
first_epoch = order(one)
print("same seed, same order: ", order(other) == first_epoch)
print("second epoch the same: ", order(one) == first_epoch)

# %% [markdown]
# You must be able to repeat a result. But a model that always meets its examples in the same order may learn something
# from the order.

# %% [markdown]
# ## Exercises
#
# Replace the dots with your code and run the cell. `check` says what it found. Each solution is folded below.
#
# ### Exercise 1: The share of padding
#
# A batch is padded to its own longest message. Write `share_of_padding(lengths)`: given the lengths of its messages,
# what share of its numbers is padding? For the lengths 1 and 3 it is one third. Every batch has at least one message,
# and every message has at least one token. Return the fraction unrounded.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def share_of_padding(lengths): ...  # your code


check(share_of_padding)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def share_of_padding(lengths):
    cells = len(lengths) * max(lengths)  # a rectangle
    return 1 - sum(lengths) / cells


check(share_of_padding)

# %% [markdown]
# ### Exercise 2: Truncate or pad
#
# Write `truncate_or_pad(message, width, pad_token_id)`. It brings a message, a list of token ids, to exactly `width`
# ids. Cut the end of a message that is too long. Pad a message that is too short on the right. An empty message
# becomes a row of padding. Return a new list.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def truncate_or_pad(message, width, pad_token_id): ...  # your code


check(truncate_or_pad)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def truncate_or_pad(message, width, pad_token_id):
    missing = max(0, width - len(message))
    return message[:width] + [pad_token_id] * missing


check(truncate_or_pad)

# %% [markdown]
# ### Exercise 3: Count the batches
#
# Write `count_batches(count, batch_size, drop_last)`: how many batches does a loader give for `count` messages (a
# number, such as 1045), with `drop_last` and without? Return a whole number, without making a loader.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def count_batches(count, batch_size, drop_last): ...  # your code


check(count_batches)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
def count_batches(count, batch_size, drop_last):
    full, rest = divmod(count, batch_size)
    return full if drop_last or rest == 0 else full + 1


check(count_batches)

# %% [markdown]
# ### Exercise 4: Another batch size
#
# Change a setting of the training: make loaders with dynamic padding and batches of 1, 2, 8 and 32 messages. Before
# you run them, guess: does the share of padding grow or shrink? (This one is not checked.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 4", "code_prompt_hide": "Hide solution 4"}
for batch_size in (1, 2, 8, 32):
    loader = make_loaders(splits, tokenizer, batch_size=batch_size).train
    share = padding_in(loader)
    print(f"{batch_size:>2} messages in a batch: {share:.0%} padding")

# %% [markdown]
# A larger batch is more likely to contain a long message, and all its other messages are padded to that length. A
# single message needs no padding, but then the computer works on one message at a time.

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why can GPT-2’s tokenizer write a word that it has never met?</summary>
#
# All 256 bytes are tokens. In the worst case the tokenizer writes the word byte by byte.
#
# </details>
#
# <details><summary>2. You feed a model the token ids of another model’s tokenizer. What happens?</summary>
#
# You get no error, as long as the ids are small enough. But each id stands for another piece of text, so the model
# reads nonsense.
#
# </details>
#
# <details><summary>3. Why are validation and test messages padded to the longest <em>training</em> message?</summary>
#
# The width is fixed in training. You cannot know the lengths of the messages that the classifier will read later, and
# the test messages represent them.
#
# </details>

# %% [markdown]
# <details><summary>4. What would change if the padding stood on the left instead of the right?</summary>
#
# Every real token would have padding before it, and could see it. The message would begin after several end-of-text
# tokens, at later positions. The results at the real tokens would change, unless the program hides the padding from
# them.
#
# </details>
#
# <details><summary>5. Why is <code>every_message</code> good for evaluation and bad for training?</summary>
#
# The number of right answers does not depend on the order. Training depends on it: batches of similar length often
# hold one class only.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A tokenizer turns a message into a list of token ids, by merges learnt from many texts. Padding turns lists of
# different lengths into a rectangle, and the lengths say where each message ends. You wrote the padding and the
# dataset by hand, built loaders with fixed and with dynamic padding, and measured how much of each is padding.
#
# **Next:** the batches are ready, and a model can read them. [Chapter 3](03_pretrained.ipynb) loads a
# {term}`pretrained model` and lets it show what it knows.
