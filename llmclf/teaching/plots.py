"""The book's plots: the classes, the lengths, how learning went, learning curves and what the blocks know."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from llmclf.train import History

# After Okabe and Ito: colour-blind readers tell them apart, and each has three times the contrast of white or more.
# Spam, the second class, is vermilion wherever it is drawn.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#a3568a", "#7a6a00", "#737373")
INK = "#737373"  # for axes and words: readable on white and on the book's dark page
SIZE = 10.5  # points: twelve pixels where a figure is as wide as a phone


def new_figure(width: float = 4.6, height: float = 2.8) -> tuple[Figure, Axes]:
    """A figure with one plain axes, narrow enough for a phone, transparent for light and dark pages."""
    figure, (axes,) = new_panels(1, width, height)
    return figure, axes


def new_panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """As `new_figure`, with several axes side by side that share the vertical one."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    panels = list(figure.subplots(1, count, sharey=True, squeeze=False)[0])
    for axes in panels:
        axes.set_facecolor("none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(INK)
        axes.tick_params(colors=INK, labelsize=SIZE)
        for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
            label.set(color=INK, size=SIZE)
    return figure, panels


def label_lines(axes: Axes, strongest: int = 0) -> None:
    """Write the name of each line at its right end, in its colour, and make one line the strongest.

    Call it last: the names stand where the limits of the axes put the lines. Names that would lie upon each other move
    apart.
    """
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    lines[strongest].set_linewidth(2.5)
    axes.autoscale_view()  # which matplotlib else puts off until it draws
    places = []
    for line in lines:
        points = np.asarray(line.get_xydata())
        at_end = axes.transData.transform(points[points[:, 0].argmax()])
        x, y = axes.transAxes.inverted().transform(at_end)
        places.append((float(np.clip(y, 0, 1)), float(x), line))
    inches = axes.figure.bbox.height / axes.figure.dpi
    step = SIZE / 50 / inches  # of the height of the axes, which is three quarters of the figure's
    lowest = -step
    for y, x, line in sorted(places, key=lambda place: place[0]):
        lowest = max(y, lowest + step)
        axes.annotate(
            str(line.get_label()),
            (x + 0.02, lowest),
            xycoords="axes fraction",
            color=line.get_color(),
            size=SIZE,
            va="center",
            annotation_clip=False,
        )


def plot_class_counts(tables: dict[str, pd.DataFrame]) -> Figure:
    """Horizontal bars: the messages of each label in each named table, with their numbers."""
    counts = pd.DataFrame({name: table["label"].value_counts() for name, table in tables.items()})
    counts = counts.fillna(0).astype(int)  # a table may lack a label
    figure, axes = new_figure(height=0.8 + 0.45 * counts.size)
    thickness = 0.8 / len(counts)
    for place, (label, row) in enumerate(counts.sort_index().iterrows()):
        heights = [position + (place - (len(counts) - 1) / 2) * thickness for position in range(len(row))]
        bars = axes.barh(heights, row, height=thickness * 0.9, color=COLORS[place % len(COLORS)], label=label)
        axes.bar_label(bars, labels=[f"{count:,} {label}" for count in row], padding=4, color=INK, size=SIZE)
    axes.set_yticks(range(len(tables)), list(tables))
    axes.invert_yaxis()
    axes.set_xlabel("messages")
    return figure


def plot_lengths(lengths: dict[str, Sequence[int]], *, unit: str) -> Figure:
    """Histograms in one pair of axes: how long the messages of each named group are."""
    figure, axes = new_figure()
    longest = max(max(group, default=0) for group in lengths.values())
    for color, (name, group) in zip(cycle(COLORS), lengths.items(), strict=False):
        axes.hist(group, bins=40, range=(0, longest), color=color, alpha=0.6, label=name)
    axes.set_xlabel(f"length in {unit}")
    axes.set_ylabel("messages")
    axes.legend(frameon=False, labelcolor=INK, fontsize=SIZE)
    return figure


def plot_probe(table: pd.DataFrame) -> Figure:
    """Loss after each block, a line for each pooling: the table of a `Probe`."""
    figure, axes = new_figure(height=3.2)
    losses = table.xs("loss", axis="columns", level=1)
    for color, style, name in zip(COLORS, ("-", "--", ":", "-."), losses, strict=False):
        axes.plot(losses.index, losses[name], color=color, linestyle=style, label=str(name).replace("_", " "))
    axes.set_xlabel("blocks")
    axes.set_ylabel("loss out of fold (nats)")
    label_lines(axes)
    return figure


def plot_losses(history: History) -> Figure:
    """Training and validation loss over the optimizer steps, with examples seen as a second axis."""
    figure, axes = new_figure(height=3.2)
    axes.plot(history.steps, history.train_losses, color=COLORS[0], label="training")
    axes.plot(history.steps, history.validation_losses, color=COLORS[2], linestyle="--", label="validation")
    axes.set_xlabel("optimizer steps")
    axes.set_ylabel("loss (nats a message)")
    label_lines(axes)
    batch_size = history.examples_seen[0] / (history.steps[0] + 1)
    _second_axis(axes, batch_size, first_step=1)  # at step 0 the first batch has been seen
    return figure


def plot_accuracies(history: History, *, examples_per_epoch: int) -> Figure:
    """Training and validation accuracy after each epoch, with examples seen as a second axis."""
    figure, axes = new_figure(height=3.2)
    epochs = range(1, len(history.train_accuracies) + 1)
    axes.plot(epochs, history.train_accuracies, color=COLORS[0], marker="o", label="training")
    axes.plot(epochs, history.validation_accuracies, color=COLORS[2], marker="s", linestyle="--", label="validation")
    axes.set_xticks(epochs)
    axes.set_xlabel("epochs")
    axes.set_ylabel("accuracy")
    axes.yaxis.set_major_formatter("{x:.0%}")
    label_lines(axes)
    _second_axis(axes, examples_per_epoch)
    return figure


def _second_axis(axes: Axes, examples: float, first_step: int = 0) -> None:
    """Examples seen: so many more with each unit of the first axis."""

    def examples_at(position: ArrayLike) -> ArrayLike:
        return (np.asarray(position) + first_step) * examples

    def position_of(seen: ArrayLike) -> ArrayLike:
        return np.asarray(seen) / examples - first_step

    second = axes.secondary_xaxis("top", functions=(examples_at, position_of))
    second.set_xlabel("examples seen", color=INK, size=SIZE)
    second.tick_params(colors=INK, labelsize=SIZE)
    second.spines["top"].set_color(INK)


def plot_learning_curve(errors: pd.Series, names: dict[str, str], *, limit: tuple[str, float] | None = None) -> Figure:
    """Shares of wrong answers against the number of labels, a line and a band for each method, the last one strongest.

    Parameters
    ----------
    errors
        Of each run; the index has the levels `experiment`, `labels` and another one, over which a line is the mean and
        a band reaches from the least to the largest.
    names
        Which experiments, and what each is called.
    limit
        Name and height of a dotted line.
    """
    figure, axes = new_figure(height=4)
    axes.set(xscale="log", yscale="log", xlabel="labels", ylabel="wrong answers")
    for color, (name, words) in zip(cycle(COLORS), names.items(), strict=False):
        by_size = errors.xs(name, level="experiment").groupby("labels").agg(["mean", "min", "max"])
        axes.fill_between(by_size.index, by_size["min"], by_size["max"], color=color, alpha=0.15, lw=0)
        axes.plot(by_size.index, by_size["mean"], color=color, marker="o", ms=3, label=words)
    if limit is not None:
        axes.axhline(limit[1], linestyle=":", color=INK)
        place = (0.02, limit[1])
        axes.annotate(limit[0], place, xycoords=("axes fraction", "data"), color=INK, size=SIZE, va="bottom")
    sizes = sorted(errors.index.get_level_values("labels").unique())
    axes.set_xticks(sizes[::3], [f"{size:,}" for size in sizes[::3]])
    low, high = axes.get_ylim()
    shares = [share for share in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if low <= share <= high]
    axes.set_yticks(shares, [f"{share:.1%}".replace(".0%", "%") for share in shares])
    axes.minorticks_off()
    label_lines(axes, strongest=-1)
    return figure


def plot_layers(tasks: dict[str, np.ndarray], poolings: Sequence[str]) -> Figure:
    """A heat map for each task: (blocks, poolings) areas under the ROC curve, blocks from left to right."""
    figure = Figure(figsize=(4.6, 1.1 + 1.1 * len(tasks)), layout="constrained", facecolor="none")
    for axes, (task, areas) in zip(figure.subplots(len(tasks), squeeze=False)[:, 0], tasks.items(), strict=True):
        image = axes.imshow(areas.T, aspect="auto", cmap="viridis", vmin=0.5, vmax=1)
        axes.set_yticks(range(len(poolings)), [name.replace("_", " ") for name in poolings], color=INK)
        axes.set_xticks(range(4, len(areas), 5), range(5, len(areas) + 1, 5), color=INK)
        axes.set_title(task, color=INK, size=SIZE)
        axes.tick_params(colors=INK, labelsize=SIZE)
    axes.set_xlabel("blocks", color=INK, size=SIZE)
    bar = figure.colorbar(image, ax=figure.axes)
    bar.ax.tick_params(colors=INK, labelsize=SIZE)
    bar.set_label("area under the ROC curve", color=INK, size=SIZE)
    return figure
