# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8 · How good is it really?
#
# Chapter 6 ended with a fine {term}`accuracy`. This chapter attacks it, as an honest opponent would: was the test
# set really new to the model? Is half of anyone's mail spam? Which mistakes cost most? Would something far
# simpler do as well? At the end you can
#
# - **find** messages that give the answer away, and **split** a table so that they cannot,
# - **compute** precision, recall and F1, and **read** two kinds of curves,
# - **choose** a threshold for a stated cost, and **check** whether probabilities mean what they say,
# - **compare** two classifiers on the same messages, and **say** when a difference is noise.

# %% [markdown]
# > **Before you start.** You need chapters 5 to 7, or their ideas: accuracy and its interval, fine-tuning, and a
# > classifier that takes texts. On two CPU cores the whole page runs in about ten minutes, most of which computes
# > frozen blocks; times on a GPU were not measured. The chapter downloads nothing that chapter 3 has not, and
# > reads the results of longer runs from a file that lies beside it.

# %% tags=["remove-cell"]
# %matplotlib inline
# %config InlineBackend.figure_formats = ["svg"]

# %% tags=["provenance"]
from llmclf.evaluate import choose_device
from llmclf.provenance import provenance
from llmclf.weights import choose_backbone

backbone, device = choose_backbone(), choose_device()
print(provenance(backbone, device))

# %% [markdown]
# ## A leak
#
# Chapter 1 found messages of the test set that stand in the training set too, digits, capitals and punctuation
# aside. Advertisements go out in thousands, so this is no accident of our {term}`seed`. How much could a student
# without any understanding gain from it? Let one call spam exactly what resembles a training spam, and nothing
# else.
#
# **Predict before you run.** Half of the test messages are spam. How often will mere memory be right?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf import data
from llmclf.evaluate import wilson_interval

splits = data.prepare_sms()
train_spam = splits.train[splits.train["label"] == 1]
copies = data.find_leakage(train_spam, splits.test, ignore_details=True)
right = (splits.test.index.isin(copies.index) == splits.test["label"]).sum()
spams = (splits.test["label"] == 1).sum()
print(f"{len(copies)} of {spams} spams are copies")
print(f"memory alone: {right / len(splits.test):.1%} of the test set right")

# %% [markdown]
# Well above one half, without having learnt anything that would help with a new message. And whatever the copies
# contribute to a model's accuracy says nothing about new messages either. This is {term}`data leakage`, and the
# reference results of the earlier chapters share it: they were measured on this split.

# %% [markdown]
# ### Near copies
#
# A copy need not be exact. The same advertisement comes with another prize or another name. To find such
# {term}`near copies <near copy>`, cut each text into its runs of three words, and ask what share of the runs two
# texts have in common {cite}`broder1997`. Digits, capitals and punctuation do not count.
# {py:func}`~llmclf.leakage.likeness` is that share:

# %% tags=["nbval-check-output"]
from llmclf.leakage import likeness, runs_of_words

one = runs_of_words("You have won a free holiday, call 0800 now")
two = runs_of_words("You have won a free phone, call 0845 now!")
print(sorted(" ".join(run) for run in one & two))
print(f"likeness {likeness(one, two):.2f}")

# %% [markdown]
# Three runs in common, of nine that either has: a likeness of one third. From one half on, the library counts two
# texts as near copies. Near copies of near copies belong together as well, so texts fall into groups:

# %%
import pandas as pd

from llmclf.leakage import near_duplicate_groups

collection = data.read_sms(every_row=True)
messages = data.number_labels(collection, data.SMS_LABELS)
messages["group"] = near_duplicate_groups(messages["text"])
counts = messages.groupby("label")["group"].agg(["size", "nunique"])
counts.index = ["ham", "spam"]
counts.columns = ["messages", "groups"]
counts

# %% [markdown]
# A large part of the spam goes away when every group counts once: the collection holds fewer different
# advertisements than it seems. Its largest groups show why. (Ham repeats itself as well, in ready-made answers such
# as *Sorry, I'll call later*.)

# %%
sizes = messages["group"][messages["label"] == 1].value_counts()
for group in sizes.index[:4]:
    text = messages["text"][messages["group"] == group].iloc[0]
    print(f"{sizes[group]:>3} like: {text[:62]}")

# %% [markdown]
# ### A split without the leak
#
# The remedy: deal whole groups, not messages. {py:func}`~llmclf.data.split` does so when it is given the groups,
# and sees to it that every part gets its share of spam, which is called a {term}`stratified <stratification>`
# split. We also stop throwing ham away: this is the whole collection, every message as it came.

# %%
clean = data.split(messages, groups=messages["group"])
rows = {}
for name, part in clean._asdict().items():
    leaks = data.find_leakage(clean.train, part, ignore_details=True)
    rows[name] = [len(part), f"{part['label'].mean():.1%}", len(leaks)]
rows["train"][2] = ""
pd.DataFrame.from_dict(
    rows, orient="index", columns=["messages", "spam", "also in training"]
)

# %% [markdown]
# No copy is left in validation or test, and the share of spam is nearly the same everywhere. That share is the
# {term}`prevalence`; here it is the collection's own, far below one half. What yours is, only your own messages
# can tell.
#
# Two leaks remain that no split closes. The collection has been public for years, so the pretrained model may have
# read it. And SmolLM2's learning rate was chosen on messages of chapter 1, some of which now judge.

# %% [markdown]
# ## Train anew
#
# The recipe stays as in chapter 6, only the tables are new. The frozen blocks read each message once; the result
# is kept for training and for all the questions that follow.

# %%
from llmclf.frozen import keep_frozen
from llmclf.head import Classifier
from llmclf.loaders import Loaders, make_loaders
from llmclf.tokenizer import load_tokenizer
from llmclf.train import TrainingSettings, suggested_learning_rate, train
from llmclf.weights import load_pretrained

clean = data.shorten_if_fast(clean)
tokenizer = load_tokenizer(backbone)
model = Classifier(load_pretrained(backbone, device=device))
loaders = make_loaders(clean, tokenizer)
kept = Loaders(*keep_frozen(model, *loaders))

# %%
from llmclf.evaluate import evaluate, outputs

settings = TrainingSettings(learning_rate=suggested_learning_rate(model))
train(model, kept.train, kept.validation, settings)
fine_tuned = evaluate(model, kept.test)
print(fine_tuned)

# %% [markdown]
# A high number. But look at the prevalence: a classifier that always says *ham* is right whenever a message is
# ham. Where one {term}`class` is rare, accuracy flatters everyone. The {term}`confusion matrix` tells more:

# %%
pd.DataFrame(
    fine_tuned.confusion,
    index=["is ham", "is spam"],
    columns=["called ham", "called spam"],
)

# %% [markdown]
# Two kinds of mistakes stand off the diagonal: top right the {term}`false alarms <false alarm>`, good messages
# called spam, bottom left the misses. From this table come three numbers that speak of spam alone.
# {term}`Precision <precision>`: of all called spam, how many were? {term}`Recall <recall>`: of all spam, how much
# was found? And {term}`F1 <f1>`, their harmonic mean, which is high only when both are.

# %%
fine_tuned.by_class(["ham", "spam"]).round(3)

# %% [markdown]
# The row for spam is the one to watch. It rests on the spams of the test set alone, so it is less certain than
# the accuracy. Wilson's interval serves for shares. F1 is no share, so we let the computer ask: what if other
# messages had been drawn? It draws the test set anew a thousand times, with repetition, and computes F1 each time.
# That is the {term}`bootstrap` {cite}`efron1979`. Near copies are drawn together, as one piece of evidence.

# %%
from sklearn.metrics import f1_score

from llmclf.judge import bootstrap_interval

logits, labels = outputs(model, kept.test)
labels, groups = labels.numpy(), clean.test["group"].to_numpy()
answers = logits.argmax(dim=1).numpy()


def f1(labels, answers):
    return f1_score(labels, answers, zero_division=0.0)


low, high = bootstrap_interval(f1, labels, answers, groups=groups)
print(f"F1 {f1(labels, answers):.3f}, interval {low:.3f} to {high:.3f}")

# %% [markdown]
# ## Would something simpler do?
#
# A number is only as good as what it beats. Four opponents that need no GPT: always *ham*; a rule that looks for
# ten words, chosen on the training set; and twice {term}`TF-IDF`, which counts words (or runs of characters), weighs rare ones more, and
# draws a straight line between the classes. The last two are scikit-learn's and learn in seconds
# {cite}`pedregosa2011`.

# %%
from llmclf.baselines import BASELINES

texts = clean.test["text"].tolist()
said = {}
for name, make in BASELINES.items():
    simple = make().fit(clean.train["text"].tolist(), clean.train["label"])
    said[name] = simple.predict(texts)

# %% [markdown]
# The fifth opponent is the pretrained model itself, asked as in chapter 3 whether the message is spam. With what
# you know since chapter 4 that takes a few lines: its answer is a comparison of two rows of the vocabulary head,
# those of `" no"` and `" yes"`. So give a classifier exactly these two rows as its head, and train nothing. Using
# a model for a task of which it has seen no example is called {term}`zero-shot <zero-shot classification>`.

# %%
import torch

from llmclf.classify import TextClassifier
from llmclf.tokenizer import encode

pretrained = load_pretrained(backbone, device=device)
words = [encode(tokenizer, word)[0] for word in (" no", " yes")]
rows = pretrained.head.weight[words].detach().clone()  # (2, n)
asked = Classifier(pretrained)
with torch.no_grad():
    pretrained.head.weight.copy_(rows)
    pretrained.head.bias.zero_()

# %%
question = 'Message: "{}"\nIs this message spam? Answer yes or no.\nAnswer:'
asker = TextClassifier(asked, tokenizer, ["ham", "spam"], backbone)
prompts = [question.format(text) for text in texts]
said["zero-shot"] = asker.logits(prompts).argmax(dim=1).numpy()
said["fine-tuned"] = answers

# %% [markdown]
# All six have now answered the same test messages. Two classifiers on the same messages can be compared better
# than by their two intervals. Where both are right, or both wrong, nothing is learnt. What counts are the messages
# on which they part: if the two were equally good, each would be the one that is right about equally often.
# {term}`McNemar's test <McNemar test>` {cite}`mcnemar1947` says how surprising the unevenness is; the number is
# called a {term}`p-value`.

# %%
from llmclf.judge import mcnemar

rows = []
for theirs in said.values():
    right = theirs == labels
    share = wilson_interval(int(right.sum()), len(right))
    spread = bootstrap_interval(f1, labels, theirs, groups=groups)
    pair = mcnemar(answers == labels, right)
    ranges = ["{:.3f} to {:.3f}".format(*ends) for ends in (share, spread)]
    score = f1(labels, theirs)
    rows.append([right.mean(), ranges[0], score, ranges[1], *pair])
columns = ["accuracy", "its interval", "F1", "interval of F1"]
columns += ["only ours", "only it", "p"]
table = pd.DataFrame(rows, index=list(said), columns=columns)
table.style.format(precision=3).format("{:.2g}", subset="p")

# %% [markdown]
# Read it from the top. Always saying *ham* has a fine accuracy and an F1 of zero: so much for accuracy. The
# keyword rule finds most of the spam. Zero-shot, without training, SmolLM2 is no better than always saying *ham*.
# And the two TF-IDF models, which know nothing of English but what stood in the training set, come so near to the
# fine-tuned one that the last three columns have to decide. (The last row compares the model with itself.)

# %% [markdown]
# In the last column, p says how often two equally good classifiers would part so unevenly, or more. Below one in
# twenty, one calls a difference *significant*; above, it may well be luck, and an honest report says so. Against
# TF-IDF on words the lead is significant. From TF-IDF on characters the fine-tuned model parts on a handful of
# messages only: even a test set of a thousand messages cannot tell these two apart. We need more evidence.

# %% [markdown]
# ## Five times
#
# More evidence lies in the training set: its messages could judge as well, if another part were learnt from. Cut
# the collection into ten parts, groups undivided. Two parts judge, one is set aside for choices, seven teach; then the next two
# judge, and so on ({numref}`fig-folds`). After five such {term}`folds <fold>` every message has judged exactly
# once, each time a model that never saw it, nor a near copy.
#
# :::{figure-md} fig-folds
# ![Five rows of ten boxes. In each row two boxes judge, the next one chooses, the other seven teach; from row to row they move on by two, so that every box judges once.](figures/folds.svg)
#
# Ten parts of the collection in five folds. Each part judges once, and no two parts share a near copy.
# :::

# %% [markdown]
# Five fine-tunings take their time, so they stand in a file. For SmolLM2 they were made by
#
# ```sh
# python -m llmclf.experiments --rows natural --folds 1 2 3 4 5 \
#   --backbone smollm2-135M --bfloat16
# ```
#
# and for the simple models with their names as `--backbone`. Each fold also has its own random head and its own
# order of messages. The command goes on where it was interrupted; run it yourself, and compare.

# %%
from llmclf.results import compare, pooled, read_results

results = read_results("experiments.csv")
natural = results[results["experiment"] == "natural"]
counts = ["test_messages", "test_spam", "false_alarms", "misses"]
natural.groupby("backbone", sort=False)[counts].sum()

# %% [markdown]
# Pooled over the folds, these counts give one accuracy, with its Wilson interval, and one F1 for each model:

# %%
by_model = dict(iter(natural.groupby("backbone", sort=False)))
table = {name: pooled(rows) for name, rows in by_model.items()}
table = pd.DataFrame(table).T
table.style.format("{:.2%}").format("{:.3f}", subset="f1")

# %% [markdown]
# Every message of the collection has judged, so the intervals are narrow. That some overlap does not decide, for all
# were judged by the same messages; the pairs will. How much do the five folds differ among themselves? Three kinds
# of luck are in that: which messages judge, which have taught, and the random head and order. An interval of one
# test set knows only the first.

# %%
mistakes = natural["false_alarms"] + natural["misses"]
each = 1 - mistakes / natural["test_messages"]
spread = each.groupby(natural["backbone"], sort=False).agg(["min", "max"])
spread.columns = ["worst fold", "best fold"]
spread.style.format("{:.2%}")

# %% [markdown]
# And now the test of pairs, over all messages. The file keeps which ones each model got wrong:

# %%
for name in ("tfidf-words", "tfidf-characters"):
    pair = compare(by_model["smollm2-135M"], by_model[name])
    print(f"{name:<17}only SmolLM2 right {pair.only_first:>3}, ", end="")
    print(f"only it right {pair.only_second:>3}, p = {pair.p_value:.2g}")

# %% [markdown]
# Against counted words the GPT wins clearly. Against runs of characters it does not: the two part on several dozen
# of more than five thousand messages, hardly more often in favour of one than of the other. So this is the honest
# answer for this collection, with all its labels: between a model that learns in seconds on any laptop and a
# fine-tuned GPT no difference can be shown. If there is one, it is a few messages in a thousand.

# %% [markdown]
# Do not take p to its last digit: the test counts near copies one by one, and knows nothing of the luck of
# training. And Raschka's reference of 95.67 % {cite:p}`raschka2024`? It was measured on other, balanced messages.
# Like any accuracy, ours too, it says little before something simpler has been tried on the same ones.

# %% [markdown]
# ## How many labels does it take?
#
# Labels cost work. A pretrained model brings knowledge along, a counter of words does not, so the GPT ought to
# lead where labels are few. The same command has trained both on sixteen messages, on twice as many, and so on
# up to the full training set, in three folds each. (Few messages are gone through more often, until the GPT has made
# a hundred steps.) Drawn against the number of messages, the results make a {term}`learning curve`.

# %%
curve = results[results["experiment"].str.startswith("natural")].copy()
curve = curve[curve["fold"] <= 3]
curve["found"] = curve["test_spam"] - curve["misses"]
wrong = curve["false_alarms"] + curve["misses"]
curve["F1"] = 2 * curve["found"] / (2 * curve["found"] + wrong)
curve["size"] = curve["train_messages"].round(-2).where(lambda n: n > 3000)
curve["size"] = curve["size"].fillna(curve["train_messages"]).astype(int)
kinds = ["mean", "min", "max"]
by_size = curve.pivot_table("F1", "size", "backbone", aggfunc=kinds)
shown = ["keywords", "tfidf-words", "tfidf-characters", "smollm2-135M"]
by_size["mean"][shown].style.format(precision=3)

# %% mystnb={"figure": {"caption": "F1 of spam against the number of labelled training messages, mean of three folds; the bands reach from the worst fold to the best.", "name": "fig-learning-curve"}, "image": {"alt": "Learning curves of four classifiers over a logarithmic axis from sixteen to some four thousand training messages. With few messages the fine-tuned SmolLM2 lies highest by far; the two TF-IDF models begin near zero, climb steadily and come close to it with the full training set; the keyword rule rises early and then stays behind."}}
from llmclf.plots import COLORS, INK, new_figure

figure, axes = new_figure(height=3.4)
for color, marker, name in zip(COLORS, "^sDo", shown, strict=False):
    mean, low, high = (by_size[kind][name] for kind in kinds)
    axes.fill_between(mean.index, low, high, color=color, alpha=0.2, lw=0)
    axes.plot(by_size.index, mean, color=color, marker=marker, label=name)
axes.set_xscale("log", base=2)
axes.xaxis.set_major_formatter("{x:,.0f}")
axes.set_xlabel("labelled training messages")
axes.set_ylabel("F1 of spam")
axes.legend(frameon=False, labelcolor=INK)
figure

# %% [markdown]
# At the left end of {numref}`fig-learning-curve` lies the answer to why anyone bothers with a GPT. Of sixteen
# labelled messages two are spam, and from these two the fine-tuned model has learnt to find some of the spam. TF-IDF
# has to see a word before it can count it, and finds almost none. The GPT's lead melts as labels come in. Where does it
# end? Ask pair by pair, at every size:

# %%
for size, rows in curve.groupby("size"):
    of = dict(iter(rows.groupby("backbone")))
    pair = compare(of["smollm2-135M"], of["tfidf-characters"])
    print(f"{size:>5}: only SmolLM2 right {pair.only_first:>3},", end=" ")
    print(f"only TF-IDF {pair.only_second:>2}, p = {pair.p_value:.1g}")

# %% [markdown]
# With a few hundred labels or fewer the GPT wins clearly. From about five hundred on, p is never far below one in
# twenty, and in nine comparisons that proves little (chapter 9 says why). So the practical answer is: a large table
# of labels hardly needs a GPT; a small one does. One caveat: while it has seen so few spams, TF-IDF calls nearly
# everything ham at a threshold of one half. A lower threshold might win some back; the GPT did without.

# %% [markdown]
# ## A threshold with a price
#
# So far a message was called spam from a {term}`probability` of one half on. Nothing demands that
# {term}`threshold`. Lower it, and more spam is found, at the price of more false alarms. A curve shows all
# thresholds at once: the {term}`ROC curve` plots the share of spam that is found against the share of ham that is
# falsely called so. The {term}`precision-recall curve` plots precision against recall, and is the stricter of the
# two where spam is rare.

# %%
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

rival = BASELINES["tfidf-characters"]()
rival.fit(clean.train["text"].tolist(), clean.train["label"])
scores = {
    "fine-tuned": logits.softmax(dim=1)[:, 1].numpy(),
    "tfidf-characters": rival.predict_proba(texts)[:, 1],
}

# %% mystnb={"figure": {"caption": "ROC curves on the test set, of the upper left corner only: recall against the share of ham that is called spam.", "name": "fig-roc"}, "image": {"alt": "Two curves in the upper left corner of the ROC plane, for the fine-tuned model and for TF-IDF on characters. Both rise almost vertically to a recall above nine tenths before false alarms set in, and lie close together."}}
figure, axes = new_figure(height=3.2)
for name, color, line in zip(scores, COLORS[:2], "-:", strict=True):
    score = scores[name]
    alarms, recall, _ = roc_curve(labels, score)
    axes.plot(alarms, recall, line, color=color, label=name, lw=2)
axes.set(xlim=(-0.005, 0.2), ylim=(0.6, 1.01))
axes.set_xlabel("share of ham called spam")
axes.set_ylabel("recall")
axes.legend(frameon=False, labelcolor=INK, loc="lower right")
figure

# %% mystnb={"figure": {"caption": "Precision against recall on the test set, for every threshold.", "name": "fig-precision-recall"}, "image": {"alt": "Two curves of precision over recall, for the fine-tuned model and for TF-IDF on characters. Both stay at or near a precision of one until about nine tenths of the spam is found, and then fall steeply."}}
figure, axes = new_figure(height=3.2)
for name, color, line in zip(scores, COLORS[:2], "-:", strict=True):
    score = scores[name]
    precision, recall, _ = precision_recall_curve(labels, score)
    axes.plot(recall, precision, line, color=color, label=name, lw=2)
axes.set(xlim=(0.6, 1.01), ylim=(0.4, 1.03))
axes.set_xlabel("recall")
axes.set_ylabel("precision")
axes.legend(frameon=False, labelcolor=INK, loc="lower left")
figure

# %% [markdown]
# Both models pass {numref}`fig-roc` far up in the corner, and {numref}`fig-precision-recall` shows where the price
# begins: the last few spams are bought with many false alarms. The area under the ROC curve ({term}`AUC`) sums it
# up. It is the chance that a random spam gets a higher probability than a random ham: one is perfect, one half
# is guessing.

# %%
def auc(labels, score):
    both = 0 < labels.mean() < 1  # a drawn sample may lack one class
    return roc_auc_score(labels, score) if both else float("nan")


for name, score in scores.items():
    low, high = bootstrap_interval(auc, labels, score, groups=groups)
    area = auc(labels, score)
    print(f"{name:<17}AUC {area:.4f}, interval {low:.4f} to {high:.4f}")

# %% [markdown]
# Both are near one, and their intervals overlap: the two models rank messages about equally well.
#
# Which threshold, then? That depends on what mistakes cost, and only you can say. Suppose that a good message
# lost among the spam annoys you ten times as much as a spam that slips through. Look for the threshold that would
# have cost least on the *validation* set, and then pay on the test set.
#
# **Predict before you run.** Will this threshold be above or below one half?

# %% tags=["hide-output"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
from llmclf.judge import threshold_of_least_cost

checked, checked_labels = outputs(model, kept.validation)
checked_spam = checked.softmax(dim=1)[:, 1].numpy()
price = {"false_alarm": 10.0, "miss": 1.0}
chosen = threshold_of_least_cost(checked_spam, checked_labels, **price)
for threshold in (0.5, chosen):
    called = scores["fine-tuned"] >= threshold
    alarms = (called & (labels == 0)).sum()
    misses = (~called & (labels == 1)).sum()
    print(f"threshold {threshold:.3f}: {alarms} false alarms,", end=" ")
    print(f"{misses} misses, cost {10 * alarms + misses}")

# %% [markdown]
# The dearer the false alarms, the surer one wants to be before calling something spam, so the chosen threshold lies
# above one half. On the test set of our run it avoids false alarms, pays with more misses, and costs less in sum.
# Even that is partly luck: few validation messages lie near the threshold, and among equally cheap ones the
# highest is taken.

# %% [markdown]
# ## Do the probabilities keep their word?
#
# The threshold was found by trying. With honest probabilities no search would be needed: call spam whatever has a
# probability for which the expected price of a false alarm is below that of a miss. Are they honest? Of all
# messages to which the model gives about nine tenths, nine in ten should be spam; agreement of this kind is called
# {term}`calibration`. Sort the test messages by their announced probability into bins, and compare.

# %%
from llmclf.judge import calibration_table

calibration_table(scores["fine-tuned"], labels, bins=5).round(3)

# %% [markdown]
# Nearly all messages lie in the first and the last bin: the model is very sure of itself. The bins between hold so
# few that their intervals (`low` to `high`) span half the scale. Look at the first bin: more of it was spam than
# announced, and the interval excludes the announced share. Too sure, then, and leaning towards ham. The
# {term}`calibration error` is the mean of all such distances, weighted by messages.

# %% [markdown]
# Training drives logits apart long after the answers are right, so fine-tuned models tend to be too sure.
# {term}`Temperature scaling <temperature scaling>` {cite}`guo2017` mends that with a single number: divide all
# logits by it, and choose it for the least {term}`cross-entropy` on the validation set. The order of the messages
# stays, and with it every answer.

# %%
from llmclf.judge import calibration_error, fit_temperature

temperature = fit_temperature(checked.numpy(), checked_labels.numpy())
cooled = (logits / temperature).softmax(dim=1)[:, 1].numpy()
loss = torch.nn.functional.cross_entropy
for name, divided, score in (
    ("as trained", logits, scores["fine-tuned"]),
    (f"divided by {temperature:.2f}", logits / temperature, cooled),
):
    error = calibration_error(score, labels, bins=5)
    nats = loss(divided, torch.tensor(labels)).item()
    print(f"{name:<17}calibration error {error:.4f}, loss {nats:.4f}")

# %% [markdown]
# The temperature is above one: the model was too sure. Dividing by it lowers the loss on the *test* set too, although
# not a single answer has changed. It costs one number and no training, so whoever uses
# the probabilities should do it. It cannot mend single messages, and some of them are badly wrong. Here they are.

# %% [markdown]
# ## Read the worst
#
# No number replaces reading. These are the test messages that cost the fine-tuned model most: wrong, and sure of
# it. The columns give the probability of spam and what the collection says.

# %%
costs = loss(logits, torch.tensor(labels), reduction="none").numpy()
for row in costs.argsort()[::-1][:8]:
    truth = ("ham", "spam")[labels[row]]
    print(f"{scores['fine-tuned'][row]:6.1%} {truth:<5}{texts[row][:64]}")

# %% [markdown]
# Read the spams first (some are crude). Several are jokes or greetings that nobody would take for advertising;
# presumably they came from services that charge for each, and no reading of the text could tell. Others are real
# failures, offers in plain words. And a falsely accused ham is itself half an advertisement. Part of what counts
# as an error here is a question of what one calls spam.

# %% [markdown]
# ## Rough weather
#
# Spammers adapt, and decent people type badly. What happens when the same messages come in capitals, with typing
# errors, or in *leetspeak*, where digits stand for letters? We take the spams of the test set and as many hams,
# change the texts, and count again. A classifier that is {term}`robust <robustness>` would not care.

# %%
import random


def typos(text, chance=0.3):
    words = []
    generator = random.Random(text)  # the same text gets the same errors
    for word in text.split(" "):
        if len(word) > 3 and generator.random() < chance:
            place = generator.randrange(len(word) - 1)
            pair = word[place : place + 2][::-1]
            word = word[:place] + pair + word[place + 2 :]
        words.append(word)
    return " ".join(words)


print(typos("You have won a guaranteed prize, call now"))

# %%
def dotted(text):
    words = text.split(" ")
    return " ".join(".".join(w) if len(w) > 3 else w for w in words)


def leet(text):
    return text.translate(str.maketrans("aeiost", "431057"))


changes = {"as they are": str, "CAPITALS": str.upper}
changes |= {"small letters": str.lower, "typos": typos}
changes |= {"l33t5p34k": leet, "d.o.t.s": dotted}

# %%
number = int(labels.sum())
sample = clean.test.groupby("label").sample(number, random_state=data.SEED)
reader = TextClassifier(model, tokenizer, ["ham", "spam"], backbone)
is_spam = sample["label"].to_numpy() == 1
rows = []
for change in changes.values():
    changed = [change(text) for text in sample["text"]]
    ours = reader.logits(changed).argmax(dim=1).numpy() == 1
    theirs = rival.predict(changed) == 1
    pair = (ours, theirs)
    kinds = (is_spam, ~is_spam)
    rows.append([called[kind].mean() for called in pair for kind in kinds])
columns = ["ours: recall", "ours: false alarms"]
columns += ["TF-IDF: recall", "TF-IDF: false alarms"]
table = pd.DataFrame(rows, index=list(changes), columns=columns)
table.style.format("{:.0%}")

# %% [markdown]
# Capitals, small letters and typing errors cost either model little; a few points may be luck. In leetspeak, of which
# only small letters are part here, our model misses more, TF-IDF does not; but both now suspect ham, presumably
# because digits are a mark of spam. With dots between the letters most of the spam gets past ours, and nearly all of
# it past TF-IDF. One cheap trick all but blinds the filter.

# %% [markdown]
# ### Another world
#
# The collection is from the years before smartphones. What becomes of messages that it cannot know? These six are
# made up for this page, three that you would want and three that you would not.

# %%
unseen = {
    "Your parcel is held. Pay the fee at post-track.example/id": "spam",
    "Mum, my phone broke, here is my new number. Send money?": "spam",
    "Our AI trading bot doubled 0.4 BTC in a week. Join now": "spam",
    "Your verification code is 482913. Never share it.": "ham",
    "Reminder: dentist on Tuesday 9:30. Reply C to cancel.": "ham",
    "The build is green, shall we deploy after lunch?": "ham",
}
ours = reader.predict_proba(list(unseen))[:, 1]
theirs = rival.predict_proba(list(unseen))[:, 1]
for text, one, other in zip(unseen, ours, theirs, strict=True):
    chances = f"ours {one:4.0%}  TF-IDF {other:4.0%}"
    print(f"{unseen[text]:<5}{chances}  {text[:40]}")

# %% [markdown]
# With SmolLM2 two of the three modern frauds pass: the parcel raises some doubt, the plea for money none at all. Ours
# catches the third, and is just as sure that a harmless verification code is spam: numbers of many digits were a
# mark of it once. TF-IDF suspects nothing. Six made-up messages prove no rate. But they show what a fine result on
# yesterday's messages does not promise.

# %% [markdown]
# ## What it must not be used for
#
# Everything above was measured on one collection: English, partly Singaporean, of one decade. So do not use this
# classifier to delete messages unseen, to judge people by what they write, for other languages, or as the only
# guard against fraud. One made in the same way from recent messages of your own may sort them, with a threshold
# chosen on them, and a person who can look. The [model card](model_card.md) says more.

# %% [markdown]
# ## Exercises
#
# **1. Another prevalence.** A classifier finds the share `recall` of all spam and falsely calls the share
# `alarms` of all ham spam. Write `precision_at(recall, alarms, prevalence)`: the precision where spam makes up the share
# `prevalence` of all messages. Where nothing would be called spam, return 0.

# %% tags=["exercise", "nbval-check-output"]
from llmclf.checks import check


def precision_at(recall, alarms, prevalence):
    ...  # your code


check(precision_at)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 1", "code_prompt_hide": "Hide solution 1"}
def precision_at(recall, alarms, prevalence):
    found = recall * prevalence
    called = found + alarms * (1 - prevalence)
    return found / called if called else 0.0


check(precision_at)

# %% [markdown]
# Try it with one half and with the collection's own prevalence: a classifier that was measured on balanced data
# has a lower precision in the world than in its report, though recall and false alarms stay what they are.

# %%
for prevalence in (0.5, 0.134, 0.01):
    precision = precision_at(0.96, 0.02, prevalence)
    print(f"prevalence {prevalence:.1%}: precision {precision:.1%}")

# %% [markdown]
# **2. What it costs.** Write `cost(probabilities, labels, threshold, false_alarm, miss)`: the summed price of all
# mistakes when a message counts as spam from `threshold` on. `probabilities` and `labels` (0 or 1) are lists of
# the same length.

# %% tags=["exercise", "nbval-check-output"]
def cost(probabilities, labels, threshold, false_alarm, miss):
    ...  # your code


check(cost)

# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"code_prompt_show": "Show solution 2", "code_prompt_hide": "Hide solution 2"}
def cost(probabilities, labels, threshold, false_alarm, miss):
    total = 0
    for probability, label in zip(probabilities, labels, strict=True):
        called = probability >= threshold
        total += false_alarm if called and not label else 0
        total += miss if label and not called else 0
    return total


check(cost)

# %% [markdown]
# ## Questions
#
# <details><summary>1. Why may near copies of a training message not stand in the test set?</summary>
#
# The model may remember them. Then the test measures memory, and says too much good about messages that are
# really new.
#
# </details>
#
# <details><summary>2. Two thirds of all mail is ham. A classifier has an accuracy of two thirds, and an F1 of spam of
# zero. What does it do?</summary>
#
# It always answers ham. It is right on all ham and finds no spam at all.
#
# </details>
#
# <details><summary>3. Two classifiers differ on eight messages; one is right five times, the other three times. Who is
# better?</summary>
#
# Nobody knows. Two equally good classifiers part five to three, or more unevenly, most of the time.
#
# </details>

# %% [markdown]
# <details><summary>4. Why is the threshold not chosen on the test set?</summary>
#
# It would fit the accidents of these messages, and the cost measured there would be too low. The test set must
# stay free of all choices.
#
# </details>
#
# <details><summary>5. What does temperature scaling change, and what does it leave?</summary>
#
# It changes how sure the answers are. The order of the probabilities stays, and with it every label at a
# threshold of one half.
#
# </details>

# %% [markdown]
# ## What you have learnt
#
# A test set can leak, and you closed the leak by dealing whole groups. Where spam is rare, accuracy flatters, and
# precision, recall and F1 speak of what matters. You compared six classifiers on the same messages, saw what one test
# set cannot decide, and let five folds decide it. You chose a threshold for a price, checked what
# probabilities promise, read the worst mistakes, and saw where the model must not be trusted.
#
# **Next:** which of the recipe's choices matter? [Chapter 9](09_experiments.ipynb) changes them one by one.
