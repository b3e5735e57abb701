# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5 · Loss and accuracy
#
# The classifier of chapter 4 has a new head that knows nothing yet. Before you train it, you need to say how bad
# it is, in two measures: {term}`accuracy`, which people understand, and {term}`loss`, which training can follow.
# At the end you can
#
# - **turn** two logits into a label and say what the softmax adds,
# - **measure** accuracy and loss over a loader,
# - **attach** an interval to an accuracy and **judge** by it whether a difference means anything,
# - **explain** why a network cannot be trained on accuracy, and **compute** the cross-entropy that stands in for it,
# - **read** a confusion matrix, precision and recall.

# %% [markdown]
# > **Before you start.** You need the ideas of chapters 2 to 4: batches, the pretrained model, its new head. The page runs
# > in about a minute on a laptop without GPU; the time on a GPU was not measured. It downloads nothing that chapter 3 has
# > not: the weights, 98 MB for SmolLM2 or 548 MB for GPT-2.
#
# {numref}`fig-evaluation` shows what this chapter adds to the first three stages. Nothing here changes the model. It is
# only measured, and chapter 6 will call the same measures again and again.
#
# :::{figure-md} fig-evaluation
# ![On the left the three stages, prepare, fine-tune and use, one below the other. On the right three boxes of evaluation. Before training, a few batches of each set: no better than a coin? While training, training and validation set: does the loss still fall? After training, the whole test set: how good on new texts?](figures/evaluation.svg)
#
# What evaluation adds to preparing, fine-tuning and using: a measurement before, while and after training, each with its own
# question.
# :::

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.evaluate import choose_device
from llmclf.teaching.provenance import provenance
from llmclf.weights import choose_backbone

backbone = choose_backbone()
print(provenance(backbone, choose_device()))

# %% [markdown]
# ## Where the work runs
#
# The line `backbone` above names a {term}`device`: the processor that does the arithmetic. A graphics card
# ("cuda") is usually the fastest, the graphics part of an Apple chip ("mps") comes next, and the ordinary
# processor ("cpu") is always there. Choosing takes a few lines:

# %% tags=["nbval-check-output"]
import torch

device = "cpu"
if torch.cuda.is_available():
    device = "cuda"
elif torch.backends.mps.is_available():
    device = "mps"
print("choose_device agrees:", choose_device().type == device)

# %% [markdown]
# `choose_device("cpu")` asks for a device by its name, and says so if it is not there. Model and data must be on
# the same one, so the model moves once, here, and every batch will follow it. Everything else comes from the
# chapters before, `precision="float32"` included. `eval()` at the end switches the model to evaluation; a later section
# shows what that does.

# %%
from llmclf import data
from llmclf.head import Classifier
from llmclf.loaders import make_loaders
from llmclf.teaching import plots
from llmclf.tokenizer import load_tokenizer
from llmclf.weights import load_pretrained

tokenizer = load_tokenizer(backbone)
loaders = make_loaders(data.prepare_sms(), tokenizer)
model = Classifier(load_pretrained(backbone), precision="float32")
model = model.to(device).eval()

# %% [markdown]
# ## From two logits to a label
#
# The head gives each class one number, its {term}`logit`. {numref}`fig-logits` shows the way from there to a
# name. The next cells take the same way with the same message, a real one from the collection.
#
# :::{figure-md} fig-logits
# ![A message goes into the model with its untrained head. Out come two logits, one for 0 ham and one for 1 spam. Softmax turns them into two probabilities, argmax picks the place of the larger one, and this place is the label. A second arrow leads from the logits straight to the label: argmax gives the same place there.](figures/logits_to_label.svg)
#
# From logits to label. The direct arrow skips the softmax and arrives at the same label.
# :::

# %%
from llmclf.loaders import pad_batch
from llmclf.tokenizer import encode

text = "Win a £1000 cash prize or a prize worth £5000"
example = (encode(tokenizer, text), 1)
single = pad_batch([example], pad_token_id=tokenizer.eot_token).to(device)
with torch.inference_mode():
    logits = model(single.input_ids, single.lengths)[0].cpu()
print("logits of ham and spam:", logits.tolist())

# %% [markdown]
# Two numbers without a unit, one for each class. They may be negative, and they need not add up to anything. The
# {term}`softmax` makes probabilities of them: raise *e* to the power of each, so that all are positive, and
# divide by the sum, so that they add up to one.

# %%
powers = logits.exp()
probabilities = powers / powers.sum()
print("probabilities:", probabilities.tolist())

# %% [markdown]
# The label is the place of the larger number. This place is called {term}`argmax`: 0 stands for ham, 1 for spam.
# Does it matter whether we ask the logits or the probabilities?

# %% tags=["nbval-check-output"]
library = logits.softmax(dim=0)
print("softmax agrees:", torch.allclose(probabilities, library))
same = logits.argmax() == probabilities.argmax()
print("same label:", same.item())

# %% [markdown]
# For this message it does not matter. Nor for any other: *e* to the power of a larger number is larger, and both
# are divided by the same sum. The softmax keeps the order, so it may be left out wherever only the label counts.
# Here are a thousand random pairs of logits to confirm it.

# %% tags=["nbval-check-output"]
generator = torch.Generator().manual_seed(123)
pairs = torch.randn(1000, 2, generator=generator)
same = pairs.argmax(dim=1) == pairs.softmax(dim=1).argmax(dim=1)
print("same label with and without softmax:", same.all().item())

# %% [markdown]
# **Predict before you run.** One message has the logits 1 and 3, another has 101 and 103. Which of the two does
# the model think more likely to be spam?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
two = torch.tensor([[1.0, 3.0], [101.0, 103.0]])
for ham, spam in two.softmax(dim=1).tolist():
    print(f"ham {ham:.3f}, spam {spam:.3f}")

# %% [markdown]
# Both the same. The softmax sees only the difference between the logits, here 2. So a logit by itself says
# nothing; it speaks only in comparison with the others of its message. Keep this in mind: the second exercise
# builds on it.

# %% [markdown]
# ## Accuracy over a loader
#
# Accuracy counts how often the label is right. Counting needs one pass over a loader. The function below keeps
# the logits and labels of all messages, or with `max_batches` of the first few batches: three numbers a message.
# Whatever we want to know afterwards is arithmetic on these two small tensors. (`islice` takes the first few of
# anything that can be looped over; the line with `@` saves memory, and *Two switches* below explains it.)

# %%
from itertools import islice


@torch.inference_mode()
def collect(loader, max_batches=None):
    logits, labels = [], []
    for batch in islice(loader, max_batches):
        batch = batch.to(device)
        logits.append(model(batch.input_ids, batch.lengths).cpu())
        labels.append(batch.labels.cpu())
    return torch.cat(logits), torch.cat(labels)


# %% [markdown]
# **Predict before you run.** The head is random, and the two classes are about equally common. What accuracy do
# you expect on ten batches of eight messages? And how far may it be from that, by luck alone?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
num_batches = 2 if data.is_fast() else 10
names = ["training", "validation", "test"]
outputs = {}
for name, loader in zip(names, loaders, strict=True):
    logits, labels = outputs[name] = collect(loader, num_batches)
    hits = logits.argmax(dim=1) == labels
    share = hits.float().mean()
    print(f"{name:<10} {sum(hits)} of {len(hits)} right: {share:.2%}")

# %% [markdown]
# Near one half, as for a coin. {cite:t}`raschka2024` reports 46.25 % on the training set, 45.00 % on the
# validation set and 48.75 % on the test set. These are his reference values, not results of this page: GPT-2, its
# head untrained, over ten batches of eight as well, read at the last position of rows that are padded to one
# length. Are ours better, or worse, or is the difference nothing but luck?

# %% [markdown]
# ## How far to trust an accuracy
#
# Toss a coin for each of 80 messages instead of asking a model. How often will it be right? Let ten thousand
# coins take the test, set aside the luckiest and the unluckiest fortieth, and see where the others lie.

# %% tags=["nbval-check-output"]
import numpy as np

coins = np.random.default_rng(123).binomial(80, 0.5, size=10_000) / 80
low, high = np.quantile(coins, [1 / 40, 39 / 40])
print(f"the middle 95 % of the coins: {low:.1%} to {high:.1%}")

# %% [markdown]
# A wide range. All three of Raschka's values lie inside it, so they do not tell his untrained head from a coin.
# On this page, with SmolLM2, ours lie inside it as well. A difference between two such accuracies has no meaning
# until it is larger than luck.
#
# Now turn the question round. We know the measured accuracy and want the true one: what the classifier would
# reach on endlessly many messages of this kind. For each candidate we ask whether our measurement would be a
# surprise.

# %% [markdown]
# By how much does luck move a measured share? If the true share is *p*, the shares measured on *n* messages
# scatter round it. Their typical distance from *p*, the *standard deviation*, is √(*p* (1 − *p*) / *n*), and
# about nineteen times in twenty they stay within 1.96 standard deviations of *p*. All candidates *p* that are
# that close to what we measured form the {term}`Wilson interval` {cite}`wilson1927`.
#
# **Predict before you run.** A classifier has labelled 285 of 300 messages correctly, 19 in 20. How far does its
# interval reach?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
correct, count = 285, 300
candidates = np.linspace(0, 1, 100_001)
scatter = np.sqrt(candidates * (1 - candidates) / count)
distance = abs(candidates - correct / count)
fitting = candidates[distance <= 1.96 * scatter]
print(f"measured {correct / count:.1%}")
print(f"true accuracy between {fitting[0]:.1%} and {fitting[-1]:.1%}")

# %% [markdown]
# About five points from end to end, and more room below than above: measurements scatter more where the true
# accuracy is lower, so a lower one can explain our result from further away. Two classifiers that differ by one
# percentage point on 300 messages cannot be told apart by their accuracies alone. The library has the same
# interval by a formula instead of a search.

# %% tags=["nbval-check-output"]
from llmclf.evaluate import wilson_interval

by_hand = fitting[0], fitting[-1]
formula = wilson_interval(correct, count)
print("wilson_interval agrees:", np.allclose(by_hand, formula, atol=1e-4))
low, high = wilson_interval(10, 10)
print(f"ten of ten right: {low:.1%} to {high:.1%}")

# %% [markdown]
# The last line shows why we do not use the simpler rule of many textbooks, the measured share plus or minus 1.96
# times its own scatter. After ten right answers out of ten it would claim certainty: it puts the measured share
# in place of *p*, and *p* (1 − *p*) is then zero. Wilson's interval is far more honest for small sets and for
# shares near one {cite}`brown2001`, which is where a good classifier lives.

# %% [markdown]
# ## How many messages make a good test
#
# More messages, less doubt. {numref}`fig-interval-width` shows how the interval shrinks, for a classifier that is
# right in half of the cases and for one that is right in 19 of 20.

# %%
counts = 20 * np.unique(np.geomspace(1, 250, 60).astype(int))
figure, axes = plots.new_figure()
for right, style in [(10, "--"), (19, "-")]:
    ends = [wilson_interval(right * n // 20, n) for n in counts]
    width = [100 * (high - low) for low, high in ends]
    color = plots.COLORS[0 if right == 19 else 3]
    name = f"{right} of 20 right"
    axes.plot(counts, width, style, color=color, label=name)

# %% mystnb={"figure": {"caption": "Width of the 95 % interval of an accuracy against the number of messages (logarithmic axis). The dotted lines mark 40, 300 and 3000 messages.", "name": "fig-interval-width"}, "image": {"alt": "Two falling curves: the width of the interval in percentage points over the number of messages, from 20 to 5000. Both fall steeply at first and flatten out; the dashed curve for 10 of 20 right lies above the solid one for 19 of 20 right. At 40 messages both intervals are wide, at 3000 narrow."}}
axes.set_xscale("log")
axes.set_ylim(bottom=0)
marks = [40, 300, 3000]
axes.set_xticks(marks, marks)
for mark in marks:
    axes.axvline(mark, color=plots.INK, linestyle=":", linewidth=1)
axes.minorticks_off()
axes.set_xlabel("messages")
axes.set_ylabel("width in percentage points")
axes.legend(frameon=False, labelcolor=plots.INK, loc=(0.54, 0.78))
figure

# %% tags=["nbval-check-output"]
for count in (40, 300, 3000):
    low, high = wilson_interval(19 * count // 20, count)
    print(f"{count:>4} messages: {low:.1%} to {high:.1%}")

# %% [markdown]
# Forty messages, five batches of eight, can hardly tell good from excellent. A few hundred, as in our test set,
# can tell good from poor. Only thousands would settle a difference of one point. The reason is the root in the
# formula of the scatter: half the width takes four times the messages.

# %% [markdown]
# ## Why accuracy cannot be trained on
#
# Training nudges every {term}`weight <weights>` a little in the direction that makes the model better. So it must
# know what a *little* nudge changes. Take four messages with invented logits, two of them ham and two spam, and
# make the logit of spam slightly larger.

# %% tags=["nbval-check-output"]
from torch.nn import functional as F

four = torch.tensor([[3.0, 0.0], [1.5, 0.5], [0.7, 0.3], [-0.5, 0.5]])
truth = torch.tensor([0, 0, 1, 1])
for nudge in (0.0, 0.01, 0.02):
    moved = four + torch.tensor([0.0, nudge])
    hits = moved.argmax(dim=1) == truth
    loss = F.cross_entropy(moved, truth)
    print(f"nudge {nudge}: accuracy {hits.float().mean()}, loss {loss:.3f}")

# %% [markdown]
# The accuracy does not react at all. It moves only when a message changes sides, and then it jumps. The last
# number, which the next section explains, falls a little with every nudge. {numref}`fig-steps` shows both over a
# wide range.

# %%
shifts = np.linspace(-2.5, 4.5, 1000).tolist()
moved = [four + torch.tensor([0.0, shift]) for shift in shifts]
errors = [(at.argmax(dim=1) != truth).float().mean() for at in moved]
losses = [F.cross_entropy(at, truth) for at in moved]

# %% mystnb={"figure": {"caption": "Share of errors (one minus the accuracy) and loss of the four messages, while the same amount is added to the spam logit of each. The errors form a staircase, the loss a smooth valley.", "name": "fig-steps"}, "image": {"alt": "Two curves over the amount that is added to the spam logit. The share of errors is a staircase that goes down to zero and up again: level stretches with sudden jumps between them. The loss is a smooth valley that slopes down from either side to its lowest point, which lies where there are no errors."}}
figure, axes = plots.new_figure()
axes.plot(shifts, losses, color=plots.COLORS[0], label="loss")
axes.plot(shifts, errors, "--", color=plots.COLORS[3], label="errors")
axes.set_xlabel("added to the spam logit")
axes.set_ylabel("share of errors; loss")
axes.legend(frameon=False, labelcolor=plots.INK, loc="upper center")
figure

# %% [markdown]
# On a step of the staircase there is no slope: the {term}`gradient` of the accuracy is zero, and at the jumps it
# does not exist. Whoever stands on a step cannot feel which way is down. In the valley the slope points the way
# everywhere but at the very bottom, where there is nothing left to gain. PyTorch knows the difference too, since
# it records how each number came about:

# %% tags=["nbval-check-output"]
four.requires_grad_()
accuracy = (four.argmax(dim=1) == truth).float().mean()
loss = F.cross_entropy(four, truth)
print("a gradient can flow through the accuracy:", accuracy.requires_grad)
print("a gradient can flow through the loss:", loss.requires_grad)

# %% [markdown]
# `argmax` gives a place, a whole number, and there the record ends. Nothing before it can learn anything from the
# result.
#
# ## Cross-entropy: the price of surprise
#
# So we need a stand-in: a number that falls when the answers get better, and has a slope everywhere. Look at the
# probability *p* that the model gave to the *true* class. The {term}`cross-entropy` of a message is −log *p*,
# with the natural logarithm.

# %% tags=["nbval-check-output"]
import math

for p in (0.99, 0.9, 0.5, 0.1, 0.01):
    print(f"{p:>4.0%} for the true class costs {-math.log(p):.3f}")

# %% [markdown]
# It is the price of surprise. A model that was nearly sure of the truth pays almost nothing. One that thought the
# truth nearly impossible pays a lot, and there is no limit. The unit is called {term}`nat`. The {term}`loss` of
# many messages is the mean of their prices. By hand, for the four messages from above:

# %% tags=["nbval-check-output"]
four = four.detach()
probabilities = four.softmax(dim=1)
of_truth = probabilities[torch.arange(4), truth]
prices = -of_truth.log()
print("prices:", [round(price, 2) for price in prices.tolist()])
library = F.cross_entropy(four, truth)
print("F.cross_entropy agrees:", torch.allclose(prices.mean(), library))

# %% [markdown]
# `torch.arange(4)` and `truth` together pick one probability from each row: that of the true class. Note that
# `F.cross_entropy` takes *logits*. To hand it probabilities is a well-known mistake: it applies the softmax a
# second time, without a warning, and the model learns badly.
#
# Is this price a fair stand-in for accuracy? A wrong label means that the true class had at most half of the
# probability.

# %% tags=["nbval-check-output"]
for name, (logits, labels) in outputs.items():
    errors = (logits.argmax(dim=1) != labels).float().mean().item()
    bound = F.cross_entropy(logits, labels).item() / math.log(2)
    print(f"{name:<10} errors no more than loss / ln 2:", errors <= bound)

# %% [markdown]
# So every error costs at least ln 2, and the share of errors is never larger than the loss divided by ln 2. Press
# the loss down, and this limit on the errors falls with it. With an untrained head the bound may well lie above
# one and say nothing yet. It becomes worth something as training goes on.

# %% [markdown]
# ## What a loss means
#
# A classifier that knows nothing, and knows that it knows nothing, gives each class one half and pays ln 2 for
# every message. That is the price of a coin. What does a model pay that knows nothing but has an *opinion*? Let
# two messages, one ham and one spam, get the same logits, with a gap between them.

# %% tags=["nbval-check-output"]
print(f"ln 2 is {math.log(2):.3f}")
for gap in (0.0, 1.0, 3.0, 5.0):
    opinion = torch.tensor([[gap, 0.0], [gap, 0.0]])
    loss = F.cross_entropy(opinion, torch.tensor([0, 1]))
    print(f"gap {gap}: accuracy one half, loss {loss:.3f}")

# %% [markdown]
# The accuracy is one half throughout, the loss climbs with the gap. Being sure and wrong costs more than being
# sure and right saves. A random head has opinions too: it cuts the space of {term}`hidden states <hidden state>`
# in two at random, and the gap between its logits tells how far a message lies from that cut, not which class it
# has.
#
# How does ours fare on the first five batches of each set? Raschka's losses, also on five batches, stand beside
# it.

# %%
reference = {"training": 2.453, "validation": 2.583, "test": 2.322}
for name, (logits, labels) in outputs.items():
    loss = F.cross_entropy(logits[:40], labels[:40])
    count = len(labels[:40])
    print(f"{name:<10} {loss:.3f} on {count}  (GPT-2: {reference[name]})")
logits = torch.cat([logits for logits, _ in outputs.values()])
gaps = logits[:, 0] - logits[:, 1]
print(f"mean gap between the two logits: {gaps.abs().mean():.2f}")

# %% [markdown]
# The values in brackets are reference values {cite:p}`raschka2024`, not results of this page. Compare each with
# the coin's ln 2. What lies above it is the charge for unfounded certainty, which no accuracy can show: our mean
# gap is about 1, and a loss near that of `gap 1.0` in the table above fits to it. How much that is depends on the
# size of the hidden states, so two models with equally ignorant heads can start from quite different losses.

# %% [markdown]
# ## Averages that lie, and sets that are empty
#
# The loss of a set is a mean over its *messages*. Many programs average over batches instead, which is the same
# only if all batches are equally large. The last one often is not. Four messages that cost little, and a fifth,
# expensive one, alone in its batch:

# %% tags=["nbval-check-output"]
prices = torch.tensor([0.1, 0.1, 0.1, 0.1, 2.0])
batches = prices.split(4)
print("sizes of the batches:", [len(batch) for batch in batches])
means = torch.stack([batch.mean() for batch in batches])
print(f"mean over batches:  {means.mean():.2f}")
print(f"mean over messages: {prices.mean():.2f}")

# %% [markdown]
# The message in the small batch counted as much as the four others together. On real data the difference is
# smaller, but it is there, and it depends on how the messages happen to be cut into batches. Here in batches of
# seven:

# %%
logits, labels = outputs["validation"]
prices = F.cross_entropy(logits, labels, reduction="none")
means = torch.stack([batch.mean() for batch in prices.split(7)])
print(f"mean over batches:  {means.mean():.4f}")
print(f"mean over messages: {prices.mean():.4f}")

# %% [markdown]
# `reduction="none"` leaves the prices as they are, one a message. The library averages over messages, always.
#
# **Predict before you run.** One more special case: a loader without a single message. What should its loss be:
# zero, ln 2, or something else?

# %% tags=["hide-output", "nbval-check-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.evaluate import evaluate

nothing = torch.empty(0, 2), torch.empty(0, dtype=torch.int64)
print("F.cross_entropy:", F.cross_entropy(*nothing).item())
print("evaluate:", evaluate(model, []))

# %% [markdown]
# NaN, *not a number*: the mean of nothing. A zero would look like a perfect model, and nobody would notice that
# the loader was empty. NaN spreads through all further arithmetic and cannot be overlooked. The interval says the
# same in its way: from no messages, every accuracy is possible.

# %% [markdown]
# ## The library's `evaluate`
#
# `evaluate(model, loader, max_batches=…)` does in one call what we did by hand: it runs through the loader, keeps
# logits and labels, and counts. The result is an `Evaluation`. It must agree with our own loop on the same
# batches.

# %% tags=["nbval-check-output"]
result = evaluate(model, loaders.validation, max_batches=num_batches)
hits = (logits.argmax(dim=1) == labels).sum().item()
print("hits agree:", result.correct == hits)
loss = prices.mean().item()
print("loss agrees:", math.isclose(result.loss, loss, rel_tol=1e-4))

# %% [markdown]
# We compared on the validation set for a reason. The training loader shuffles, and each pass over it starts with
# other messages: the second measurement of ten batches would be one of ten *other* batches. Where the logits are
# there already, `score` makes an `Evaluation` of them without running the model again. And since the training
# loader drops an incomplete batch, whole sets are measured with `every_message(loader)`, from `llmclf.loaders`.

# %%
from llmclf.evaluate import score

for name, (logits, labels) in outputs.items():
    print(f"{name}: {score(logits, labels)}")

# %% [markdown]
# This is how the book reports accuracies from now on: the share, the count behind it, the 95 % interval, the
# loss. Where an interval contains one half, that measurement cannot tell the head from a coin; here all three do.
# Read the width before you read the accuracy. And remember that an interval covers luck, and nothing else: the
# leak that you found in chapter 1 makes no interval wider, nor do near copies within the test set, although each
# tells little new.

# %% [markdown]
# ## Which errors?
#
# A single number hides who suffers. To throw away a private message is worse than to let an advertisement
# through. The {term}`confusion matrix` keeps the errors apart: a row for each true class, a column for each
# predicted one. Ten invented messages, six of them ham:

# %% tags=["nbval-check-output"]
import pandas as pd

truth = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
answer = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 0])
table = pd.DataFrame({"true": truth, "predicted": answer})
table = table.replace({0: "ham", 1: "spam"})
pd.crosstab(table["true"], table["predicted"])

# %% [markdown]
# On the diagonal stand the right answers. Two hams were taken for spam, one spam slipped through. From here two
# shares follow for each class. {term}`Precision <precision>`: of the messages that were *called* spam, how many
# are spam? {term}`Recall <recall>`: of the messages that *are* spam, how many were called so?

# %% tags=["nbval-check-output"]
called, true, both = answer == 1, truth == 1, (answer == 1) & (truth == 1)
print(f"precision of spam: {both.sum() / called.sum():.2f}")
print(f"recall of spam:    {both.sum() / true.sum():.2f}")
# score wants logits: a one in the place of the answer will do
table = score(F.one_hot(answer).float(), truth).by_class(["ham", "spam"])
table.round(2)

# %% [markdown]
# The row *spam* agrees with the two lines above it. `Evaluation.by_class` adds {term}`f1`, the harmonic mean of both
# shares, and the number of messages on which a row rests. For a spam filter look at the precision of spam and the
# recall of ham: both fall when private messages are thrown away.
#
# And our untrained head?

# %%
untrained = score(*outputs["validation"])
print(untrained.confusion)
untrained.by_class(["ham", "spam"]).round(2)

# %% [markdown]
# Rows are true classes, columns predicted ones, ham first. Compare the two columns. A random head often gives
# nearly all messages to one class: then one recall is high and the other low, while the accuracy stays near one
# half. A precision of NaN means that this class was never predicted. The same accuracy can stand for quite
# different behaviour.

# %% [markdown]
# ## Two switches
#
# An evaluation should change nothing and leave nothing to chance. Two switches see to it. The first is `eval()`.
# Some networks use {term}`dropout`: while training, they set random values to zero. During evaluation that would
# only add noise.

# %% tags=["nbval-check-output"]
dropout = torch.nn.Dropout(0.5)
values = torch.ones(1000)
print("zeros while training:", (dropout.train()(values) == 0).any().item())
print("zeros in evaluation: ", (dropout.eval()(values) == 0).any().item())

# %% [markdown]
# Our two models are set up without dropout, so forgetting `eval()` would go unnoticed here, and strike in the
# next project. `evaluate` switches by itself and afterwards puts the model back into the mode in which it found
# it. A training loop that calls it goes on as before.

# %% tags=["nbval-check-output"]
model.train()
evaluate(model, loaders.validation, max_batches=1)
print("still in training mode:", model.training)
model = model.eval()

# %% [markdown]
# The second switch is `torch.inference_mode()`. Normally PyTorch records each operation, in case a gradient is
# asked for later, and keeps the intermediate results that this would need. A measurement never asks. Without the
# record it needs less memory and less time.

# %% tags=["nbval-check-output"]
logits = model(single.input_ids, single.lengths)
print("recorded by default:", logits.requires_grad)
with torch.inference_mode():
    logits = model(single.input_ids, single.lengths)
print("recorded in inference mode:", logits.requires_grad)

# %% [markdown]
# You saw it twice in this chapter already: as `with` block round a single call, and as decorator (`@`) above
# `collect`, where it covers the whole function. `eval()` and `inference_mode` are independent of each other. The
# first changes what the model computes, the second what PyTorch remembers about it.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: A fairer accuracy
#
# Chapter 1 met a lazy classifier that calls everything ham and is right most of the
# time. {term}`Balanced accuracy <balanced accuracy>` sees through it: it is the mean of the recalls of all
# classes. Write `balanced_accuracy(confusion)` for a confusion matrix, a NumPy array with a row for each true
# class; no row is empty.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def balanced_accuracy(confusion): ...  # your code


check(balanced_accuracy)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def balanced_accuracy(confusion):
    recalls = confusion.diagonal() / confusion.sum(axis=1)
    return recalls.mean()


check(balanced_accuracy)

# %% [markdown]
# The lazy classifier has one recall of one and one of zero, and so no more than a coin, however rare spam is.
#
# ### Exercise 2: Cross-entropy from scratch
#
# Write `cross_entropy(logits, labels)`, the mean over the messages, for any
# number of classes; make do without `F.cross_entropy`, `log_softmax` and `logsumexp`. Mind large logits: *e* to
# the power of 1000 is too large for a float. Only differences matter, so you may subtract the largest logit of
# each message first. And the logarithm of a quotient is a difference: compute it as one. No messages give NaN.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def cross_entropy(logits, labels): ...  # your code


check(cross_entropy)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def cross_entropy(logits, labels):
    shifted = logits - logits.max(dim=1, keepdim=True).values
    log_sum = shifted.exp().sum(dim=1).log()
    of_truth = shifted[torch.arange(len(labels)), labels]
    return (log_sum - of_truth).mean()


check(cross_entropy)

# %% [markdown]
# So −log *p* is the logarithm of the sum minus the logit of the true class. The quotient itself, which may be too
# small for a float, is never computed.
#
# ### Exercise 3: A test set to order
#
# Write `messages_needed(half_width)`: how many messages must a test
# set have, so that the interval of an accuracy of one half (`count // 2` of `count` right) reaches at most
# `half_width`, a share such as 0.05, to each side? Find the smallest even number with `wilson_interval`.

# %% tags=["exercise", "nbval-check-output", "remove-output"]
from llmclf.teaching.exercises import check


def messages_needed(half_width): ...  # your code


check(messages_needed)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 3", "code_prompt_hide": "Hide solution 3"}
def messages_needed(half_width):
    count = 2
    while 0.5 - wilson_interval(count // 2, count)[0] > half_width:
        count += 2
    return count


check(messages_needed)

# %% [markdown]
# ## Questions
#
# <details><summary>1. Two models give the same labels to all messages. Can their losses differ?</summary>
#
# Yes. The label depends only on which logit is larger, the loss also on by how much.
#
# </details>
#
# <details><summary>2. On 300 messages one classifier has 288 right and another 284. Which is better?</summary>
#
# That cannot be told from these numbers: their intervals overlap widely. More messages would help, or a look at
# those messages alone on which the two disagree.
#
# </details>
#
# <details><summary>3. After an hour of training all probabilities are one half, and the loss has fallen to the logarithm of two. What has the
# model learnt?</summary>
#
# Only not to be sure without a reason. It knows nothing about the messages.
#
# </details>

# %% [markdown]
# <details><summary>4. The validation loss rises, but the accuracy stays the same. How can that be?</summary>
#
# The same messages are wrong, but the model has become surer of its wrong answers, or less sure of its right
# ones. Either costs more.
#
# </details>
#
# <details><summary>5. Why does a filter with a high precision of spam not have to be a good one?</summary>
#
# It may call only one message spam, the most blatant one. Its recall shows what it lets through.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A label is the argmax of the logits; the softmax adds probabilities and keeps the order. Accuracy is what we
# want, but it has no slope, and it is worth as much as the number of messages behind it: read its interval.
# Cross-entropy is the price of surprise, a stand-in with a slope, and ln 2 is what a coin pays. You averaged over
# messages, saw NaN for nothing, and took the errors apart by class.
#
# **Next:** you can now measure the model and feel which way is down. [Chapter 6](06_fine_tuning.ipynb) takes the steps.
