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
# The tables of chapter 1 hold text; a network computes with numbers, and it computes fastest on many messages at
# once. In this chapter you turn each message into a list of numbers and pack the lists into {term}`batches
# <batch>`. At the end you can
#
# - **turn** a text into {term}`tokens <token>` and back, and **explain** where the tokens come from,
# - **pad** and **truncate** messages so that they fit into one rectangular table,
# - **measure** how much of a batch is padding, and **choose** between two ways of padding,
# - **build** a dataset and its {term}`loaders <loader>`, and **predict** the number and the shape of their batches.

# %% [markdown]
# > **Before you start.** You need chapter 1 and have met the arrays of PyTorch or NumPy before; no model is involved
# > yet. The chapter runs in seconds on a laptop, without a GPU (with one: not measured, and not needed). It downloads
# > GPT-2's list of tokens (1 MB) and, for one comparison, the file of SmolLM2 (98 MB), unless another chapter has done
# > so.
#
# All of this page uses the {term}`tokenizer` of GPT-2 {cite}`radford2019`, which is available everywhere. Another
# model brings its own; how much differs then, one cell shows.

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.teaching.provenance import provenance

print(provenance())

# %% [markdown]
# These lines say what the page was made with. Now to the three tables of chapter 1, made again in two lines.
# Everything below is quick, so it works with all messages, even in a fast run (`LLMCLF_FAST=1`).

# %% tags=["nbval-check-output"]
from llmclf import data

balanced = data.undersample(data.read_sms())
splits = data.split(data.encode_labels(balanced, data.SMS_LABELS))
for name, part in splits._asdict().items():
    print(f"{name:<10} {len(part):>5} messages")

# %% [markdown]
# ## From text to numbers
#
# A tokenizer cuts a text into pieces from a fixed list, its {term}`vocabulary`, and gives each piece its number
# there. The pieces are the tokens; their numbers are called token ids.

# %% tags=["nbval-check-output"]
from llmclf.tokenizer import encode, gpt2_tokenizer

tokenizer = gpt2_tokenizer()
token_ids = tokenizer.encode_ordinary("Do you have time")
print(token_ids)
print([tokenizer.decode([number]) for number in token_ids])

# %% [markdown]
# Four words, four tokens. A space belongs to the word after it: `" you"` and `"you"` are different tokens with
# different numbers. The same four numbers stand in {cite:t}`raschka2024`: a first sign that our tokenizer cuts as
# GPT-2's does. (`encode_ordinary` takes every character as plain text; below you will see why.)
#
# Is anything lost on the way? Turn every training message into numbers and back.

# %% tags=["nbval-check-output"]
texts = splits.train["text"]
there = [tokenizer.encode_ordinary(text) for text in texts]
back = [tokenizer.decode(token_ids) for token_ids in there]
print("every text came back unchanged:", back == list(texts))
print(f"the vocabulary has {tokenizer.n_vocab:,} tokens")

# %% [markdown]
# Nothing is lost, not even the odd spellings that people invent in text messages. That is remarkable for so short
# a list: no vocabulary can hold every word. So how are unknown words written?

# %% [markdown]
# ## Where the tokens come from
#
# GPT-2's vocabulary was made by {term}`byte-pair encoding` {cite}`sennrich2016`. It begins with the 256 possible
# bytes. Then the pair of neighbours that is most frequent in a large collection of texts is merged into a new
# token, then the most frequent pair among the tokens so obtained, and so on, 50,000 times. One special token was
# added at the end. That makes 256 + 50,000 + 1 tokens. Each is numbered by its place in this order. `number_of`
# leads from the bytes of a token to its number; here are four of its entries.

# %% tags=["nbval-check-output"]
token = tokenizer.decode_single_token_bytes
number_of = {token(n): n for n in range(tokenizer.eot_token)}
for n in (256, 257, 5000, 50000):
    print(n, token(n))

# %% [markdown]
# The first merges made short, frequent pieces, the last ones whole, rare words. To cut a new word, the merges are
# made again in the same order: of all neighbours that form a token, those with the smallest number come first.
# Watch it happen to a word that was too rare to become a token itself.

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
# The first piece is the space before the word; each line shows one merge more. When no two neighbours form a
# token any longer, the word is done. Whatever is rare stays in several pieces, in the worst case in single bytes.
# This is why any text can be written, in any language.

# %% tags=["nbval-check-output"]
ours = [number_of[part] for part in parts]
theirs = tokenizer.encode_ordinary(" ringtone")
print("the tokenizer agrees:", theirs == ours)

# %% [markdown]
# One detail is missing in our small version: the text is first cut into words, numbers and punctuation, and no
# merge crosses these cuts.
#
# **Predict before you run.** Spam is full of telephone numbers. This real message ends with one of eleven digits.
# Will it be one token, a few, or eleven?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
message = "You have 1 new voicemail. Please call 08719181503"


def pieces(tokenizer, text):
    return [tokenizer.decode([n]) for n in encode(tokenizer, text)]


print("|".join(pieces(tokenizer, message)))

# %% [markdown]
# The number falls into groups of digits that happened to be frequent somewhere on the web. Another number of the
# same length can be grouped quite differently. The model has to recognise a telephone number from such shards.
#
# Other vocabularies cut otherwise. This is the one of SmolLM2 {cite}`allal2025`, on the same message.

# %% tags=["nbval-check-output"]
from llmclf.tokenizer import load_tokenizer

smollm2 = load_tokenizer("smollm2-135M")
print("|".join(pieces(smollm2, message)))
for cutter in (tokenizer, smollm2):
    size, count = cutter.n_vocab, len(encode(cutter, message))
    print(f"{cutter.name}: {size:,} tokens to choose from, {count} used")

# %% [markdown]
# SmolLM2 makes every digit a token of its own, even the space before it, so a number costs more tokens, but looks
# the same wherever it stands. Both lists come from byte-pair encoding, but on different texts, so token 5,000 of
# the one has nothing to do with token 5,000 of the other. A tokenizer and a model belong together:
# `load_tokenizer` takes the name of the model.

# %% [markdown]
# ## Two messages that need care
#
# The special token is written `<|endoftext|>`, and called the {term}`end-of-text token`. In GPT-2's training it
# stood between two documents. But messages come from strangers. What if somebody types these thirteen characters?

# %% tags=["nbval-check-output"]
trick = "Win a prize<|endoftext|>"
print("the end-of-text token is number", tokenizer.eot_token)
print(pieces(tokenizer, trick))
print("used here:", tokenizer.eot_token in encode(tokenizer, trick))

# %% [markdown]
# The characters are cut up like any other text, and the special token is not used. That is right: a message must
# never be able to give the model a signal that is ours alone. The function `encode` of the library therefore
# calls `encode_ordinary`. The plainer `tokenizer.encode` would raise an error here, and a stranger could stop our
# program.
#
# The other case is a message without any text.

# %% tags=["nbval-check-output"]
print(tokenizer.encode_ordinary(""))
print(encode(tokenizer, ""))

# %% [markdown]
# No text, no tokens; but a model needs at least one token to read. So `encode` turns the empty message into a
# single end-of-text token. Nobody sends empty messages on purpose, yet a table from elsewhere will contain one
# sooner or later.

# %% [markdown]
# ## How long are the messages?
#
# Count the tokens of every message in the three tables.


# %% tags=["nbval-check-output"]
def count_tokens(text):
    return len(encode(tokenizer, text))


counts = [part["text"].map(count_tokens) for part in splits]
for name, column in zip(splits._fields, counts, strict=True):
    print(f"{name:<10} longest {column.max():>3}, mean {column.mean():.1f}")

# %% [markdown]
# Keep two numbers of the first line in mind: the longest training message and the mean. They lie far apart. The
# longest of all three tables is a training message; {cite:t}`raschka2024` gives the same length, 120 tokens.
#
# {numref}`fig-lengths` shows the whole distribution, ham and spam apart.

# %% mystnb={"figure": {"caption": "Token counts of the training messages. Most ham is short, with a long tail; spam gathers around some forty tokens, about what fits into the 160 characters of one text message. Where the two overlap, the colours mix.", "name": "fig-lengths"}, "image": {"alt": "Two histograms over the length in tokens. Ham piles up at the left, below some twenty tokens, and thins out in a long tail to the right. Spam forms one hill further right, in the middle."}}
from llmclf.teaching import plots

train_counts, is_spam = counts[0], splits.train["label"] == 1
groups = {"ham": train_counts[~is_spam], "spam": train_counts[is_spam]}
plots.plot_lengths(groups, unit="tokens")

# %% [markdown]
# People write short; advertisers pay per message and fill it up to its limit of 160 characters. So the length
# alone says something about the class. A good classifier may use that, but it also means that nothing we do to
# the length of a message, such as cutting it or filling it up, is quite innocent.

# %% [markdown]
# ## A batch is a rectangle
#
# A network works on several messages at once, because a few large computations are faster than many small ones.
# Such a batch is one {term}`tensor` with a row for each message. Try to make one of three short training
# messages.

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
# All three are real messages. The number at the start of each line counts its tokens, and the three counts
# differ. What does PyTorch make of them?

# %%
import torch

try:
    torch.tensor(messages)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# PyTorch refuses: the rows differ in length, and a tensor has no ragged edge. There are two cures.
# {term}`Truncation <truncation>` cuts rows to a given length, here that of the shortest; {term}`padding` fills
# the short rows up with a token that says nothing ({numref}`fig-padding`).

# %% [markdown]
# :::{figure-md} fig-padding
# ![Three messages cut into tokens, of different lengths. Below them the same messages as rows of token numbers, all of the same length, because the shorter rows end in grey, dashed cells with the number 50256.](figures/padding.svg)
#
# Three messages as tokens (a dot marks a space), and the same as rows of one length. The dashed cells are
# padding.
# :::

# %% [markdown]
# Cutting to the shortest loses text, often the part that matters. Padding loses nothing. GPT-2 has no token made
# for it. By custom one takes the end-of-text token, which no typed text can produce. Written by hand:


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
# The picture in numbers: every row begins with its message and ends in 50256 where the message is too short. The
# library does this with `pad_batch`. It takes pairs of message and {term}`label`, as a dataset hands them out,
# and returns three tensors.

# %% tags=["nbval-check-output"]
from llmclf.loaders import pad_batch

examples = list(zip(messages, [0, 1, 0], strict=True))
batch = pad_batch(examples, pad_token_id=tokenizer.eot_token)
print("pad_batch agrees:", torch.equal(batch.input_ids, rows))
print("labels: ", batch.labels.tolist())
print("lengths:", batch.lengths.tolist())

# %% [markdown]
# Besides the padded rows there are the labels and the lengths. The lengths matter. From the rows alone you could
# not always tell where a message ends: the empty message is an end-of-text token itself.

# %% [markdown]
# ## Is padding harmless?
#
# Mostly. A GPT reads from left to right, and a token sees only itself and what stands before it (chapter 4 shows
# how the {term}`causal mask` does this). Padding on the right therefore changes nothing at the real tokens. Two
# things remain. **Where the answer is read.** Raschka's program reads it at the last *position* of the row,
# nearly always a padding token. That token has to gather the message, and all the padding before it competes for its {term}`attention`.

# %% [markdown]
# How much does that harm? For GPT-2 the experiments of {cite:t}`raschka2024experiments` report a
# test {term}`accuracy` of 95.00 % with rows of 120 tokens and of 78.33 % with rows of 1,024, in one run each. Our own runs of SmolLM2 (chapter 10) do not show
# this fall:

# %%
from llmclf.evaluation.predictions import tell_experiment

for name in ("last-position", "context"):  # padded to the longest; to 1,024
    print(tell_experiment(name))

# %% [markdown]
# So how much padding a model can bear depends on the model. The
# library reads at the last *real* token instead, which the lengths lead to, and there the question does not arise.
#
# **What it costs.** The model computes on padding exactly as it computes on text. How much work is that? It
# depends on how we pad.

# %% [markdown]
# ## A dataset that tokenises once
#
# In PyTorch, a dataset is anything that has a length and gives out an example for an index. Each {term}`epoch`,
# that is, each pass through the training messages, asks for all of them. So we tokenise at the beginning, once,
# and keep the result.

# %%
from torch.utils.data import Dataset


class Messages(Dataset):
    def __init__(self, table):
        self.rows = [encode(tokenizer, text) for text in table["text"]]
        self.labels = table["label"].tolist()

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index], self.labels[index]


# %% tags=["nbval-check-output"]
from llmclf.loaders import MessageDataset

by_hand = Messages(splits.train)
train = MessageDataset(splits.train, tokenizer)
same = all(by_hand[row] == train[row] for row in range(len(by_hand)))
print("MessageDataset agrees:", same and len(by_hand) == len(train))
print("longest message:", train.max_length)

# %% [markdown]
# `MessageDataset` does the same, and remembers how long its longest message is. With `max_length` it cuts longer
# messages right away. What would that cost? Here is the share of training messages that would lose something.

# %% tags=["nbval-check-output"]
for max_length in (16, 32, 64, 120):
    share = (train_counts > max_length).mean()
    print(f"cut to {max_length:>3} tokens: {share:>4.0%} lose their end")
shortened = MessageDataset(splits.train, tokenizer, max_length=16)
print("longest now:", max(len(tokens) for tokens, _ in shortened))

# %% [markdown]
# A narrow table is cheap, but soon most messages are damaged. The longest message as the limit damages none. Note
# that the cut takes the *end*, and in spam that may be just where the telephone number stands.

# %% [markdown]
# ## Two ways to pad
#
# Raschka's program pads every row of every batch to the longest *training* message, and cuts longer validation
# and test messages to that length. Call it {term}`fixed padding`. The width must not be taken from the test
# table: the test stands for messages that nobody has seen yet. Is any message cut here?

# %% tags=["nbval-check-output"]
too_long = [int((column > train.max_length).sum()) for column in counts]
print("longer than the longest training message:", too_long)

# %% [markdown]
# No message is cut in any table, so here fixed padding loses nothing.
#
# **Predict before you run.** Suppose all training messages are padded to the longest. You know its length and the
# mean. What share of all these numbers is padding: a quarter, half, three quarters?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
real = train_counts.sum()
cells = len(train) * train.max_length
print(f"{real:,} of {cells:,} numbers are message")
print(f"{1 - real / cells:.1%} are padding")

# %% [markdown]
# Most of the work goes into padding, all for the sake of the one longest message. The obvious saving is
# {term}`dynamic padding`: each batch is only as wide as its own longest message. Then rows are padded when a
# batch is put together, not in the dataset. PyTorch has a place for that: the function that a loader calls to
# make one batch of its examples, its `collate_fn`.

# %% [markdown]
# ## Loaders
#
# A loader draws examples from a dataset and packs them into batches. For training it shuffles them anew in each
# epoch, from a {term}`seed`; `drop_last` leaves out the last batch if it is not full, so that every step of the
# training rests on the same number of messages. Here is a loader with Raschka's settings: batches of eight, fixed
# width, shuffled.

# %% tags=["nbval-check-output"]
from functools import partial

from torch.utils.data import DataLoader

pad_token_id, width = tokenizer.eot_token, train.max_length
pad = partial(pad_batch, pad_token_id=pad_token_id, pad_to=width)
draws = torch.Generator().manual_seed(123)
options = {"shuffle": True, "drop_last": True, "generator": draws}
loader = DataLoader(train, batch_size=8, collate_fn=pad, **options)
batch = next(iter(loader))
print([tuple(tensor.shape) for tensor in batch])

# %% [markdown]
# Eight rows of the fixed width, eight labels, eight lengths. {numref}`fig-batch` draws this batch as it is.
#
# :::{figure-md} fig-batch
# ![Eight rows of equal width. In each a filled bar, the message, covers the left part, and an empty frame, the padding, the rest. Beside each row stand its label and its length. A dashed line marks the longest message; everything to the right of it is empty in all rows.](figures/batch.svg)
#
# The first training batch, padded to the longest training message. Dynamic padding would end it at the dashed
# line.
# :::

# %% [markdown]
# Right of the dashed line there is no message at all, and even left of it many rows end early. The library makes
# the loaders of all three tables in one call. Validation and test are not shuffled, and nothing of them is
# dropped.

# %%
from llmclf.loaders import make_loaders

fixed = make_loaders(splits, tokenizer, padding="fixed")
dynamic = make_loaders(splits, tokenizer, padding="dynamic")
first = next(iter(fixed.train))
print("make_loaders agrees:", all(map(torch.equal, first, batch)))

# %% [markdown]
# The same eight messages in the same order: the seed fixes the shuffling too.
#
# **Predict before you run.** You know the sizes of the three tables. How many batches of eight will each loader
# give, and how large is the last one?

# %% tags=["hide-output", "nbval-check-output", "wide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
for name, loader in fixed._asdict().items():
    *_, last = loader
    shape = tuple(last.input_ids.shape)
    print(f"{name:<10} {len(loader):>3} batches, the last one {shape}")

# %% [markdown]
# These are the counts of {cite:t}`raschka2024`. Eight does not divide the training table, so its last few
# messages are left out; because of the shuffling they are others in each epoch. The remainders of validation and
# test are kept: they are counted, not learnt from, and there every message should count.
#
# With dynamic padding the width changes from batch to batch.

# %%
for name, way in (("fixed", fixed), ("dynamic", dynamic)):
    widths = [batch.input_ids.shape[1] for batch in way.train]
    extremes = f"from {min(widths)} to {max(widths)}"
    print(f"{name:<8} {extremes}; the first six: {widths[:6]}")

# %% [markdown]
# With fixed padding there is one width for all; with dynamic padding each batch is as wide as it needs to be. A
# model takes both: no weight of a GPT depends on the width of its input, up to the length of its {term}`context`.

# %% [markdown]
# ## What padding costs
# Now measure. Of all the numbers that a loader gives in one pass, which share is padding? (The loader leaves out
# a few training messages, so the share differs a little from the one above.)


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
# Dynamic padding removes a good part of the waste, but not all: among eight random messages there is usually a
# long one. The remedy is to put messages of like length together. `every_message` takes a loader and gives each
# message of its dataset exactly once, longest first.

# %% tags=["nbval-check-output"]
from llmclf.loaders import every_message

for name, loader in dynamic._asdict().items():
    whole = every_message(loader)
    count = sum(len(batch.labels) for batch in whole)
    share = padding_in(whole)
    print(f"{name:<10} {count:>5} messages, {share:.1%} padding")

# %% [markdown]
# Hardly any padding is left, and the training messages that `drop_last` left out are there again. Why not train
# like this? Remember {numref}`fig-lengths`: length and class go together. Count the training batches that hold
# messages of one class only.


# %%
def of_one_class(loader):
    return sum(len(set(batch.labels.tolist())) == 1 for batch in loader)


shuffled, by_length = dynamic.train, every_message(dynamic.train)
for name, loader in (("shuffled", shuffled), ("by length", by_length)):
    print(f"{name:<9} {of_one_class(loader):>3} of {len(loader)} batches")

# %% [markdown]
# Sorted by length, many batches show the model one class only, and would push it towards ham, then towards spam.
# So training stays shuffled. For evaluation the order does not matter: each message is judged by itself, and then
# the right answers are counted.
#
# One warning: do not take the first few batches of `every_message` as a sample. They hold the longest messages.

# %% [markdown]
# Last, check that the shuffling can be repeated, and that it does not repeat itself. Two loaders with the same
# seed (123 unless you say otherwise) must agree batch for batch; two epochs of one loader must not.


# %% tags=["nbval-check-output"]
def order(loader):
    return torch.cat([batch.lengths for batch in loader]).tolist()


one, other = (make_loaders(splits, tokenizer).train for _ in range(2))
first_epoch = order(one)
print("same seed, same order: ", order(other) == first_epoch)
print("second epoch the same: ", order(one) == first_epoch)

# %% [markdown]
# `True`, then `False`, as it should be. Both matter: a result that nobody can repeat is worth little, and a model
# that always meets its examples in the same order may learn something from the order.

# %% [markdown]
# ## Exercises
#
# Replace the dots by your code and run the cell; `check` says what it found. Each solution is folded below.
#
# ### Exercise 1: The share of padding
#
# A batch is padded to its own longest message. Given the lengths of its messages,
# which share of its numbers is padding? For the lengths 1 and 3 it is one third. There is at least one length,
# and none is zero; return the fraction unrounded.

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
# Bring a message, a list of token ids, to exactly `width` ids: cut its end where it is
# too long, fill it up on the right where it is too short; an empty message becomes padding alone. Return a new
# list.

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
# How many batches does a loader give for `count` messages (a number, such as 1045),
# with `drop_last` and without? Return a whole number, without making a loader.

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
# ## Questions
#
# <details><summary>1. Why can GPT-2’s tokenizer write a word that it has never met?</summary>
#
# All 256 bytes are tokens. In the worst case the word is written byte by byte.
#
# </details>
#
# <details><summary>2. You feed a model the token ids of another model’s tokenizer. What happens?</summary>
#
# No error, as long as the ids are small enough; but each number stands for another piece of text, so the model
# reads nonsense.
#
# </details>
#
# <details><summary>3. Why are validation and test messages padded to the longest <em>training</em> message?</summary>
#
# The width belongs to what was decided in training. Messages that the classifier will meet later cannot be asked
# for their length beforehand, and the test messages stand for them.
#
# </details>

# %% [markdown]
# <details><summary>4. The padding stands on the right. What would change on the left?</summary>
#
# Every real token would have padding before it, and could see it: the message would begin after a row of
# end-of-text tokens, at later positions. What is computed at the real tokens would change, unless the padding
# were hidden from them.
#
# </details>
#
# <details><summary>5. Why is <code>every_message</code> good for evaluation and bad for training?</summary>
#
# Counting right answers does not depend on the order. Training does: batches of like length are often of one
# class.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A message becomes a list of token ids, by merges learnt from much text. Lists of different lengths become a
# rectangle by padding with the end-of-text token, and the lengths say where each message ends. You wrote the
# padding and the dataset by hand, met the library's, built loaders with fixed and with dynamic padding, and
# measured what each wastes.
#
# **Next:** the batches are ready; they need a reader. [Chapter 3](03_pretrained.ipynb) loads a {term}`pretrained model` and lets it show
# what it knows.
