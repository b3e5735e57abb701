"""The pictures show the numbers they were given; how they look is for eyes to judge."""

from itertools import pairwise
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from llmclf.teaching.plots import (
    label_lines,
    new_figure,
    plot_accuracies,
    plot_class_counts,
    plot_lengths,
    plot_losses,
    plot_probe,
)
from llmclf.train import History

HISTORY = History(
    steps=[0, 50, 100],
    examples_seen=[8, 408, 808],
    train_losses=[2.0, 1.0, 0.5],
    validation_losses=[2.5, 1.5, 0.75],
    train_accuracies=[0.5, 0.75, 1.0],
    validation_accuracies=[0.4, 0.65, 0.9],
)
TABLES = {
    "all": pd.DataFrame({"label": ["ham"] * 1200 + ["spam"] * 30}),
    "balanced": pd.DataFrame({"label": ["ham"] * 30 + ["spam"] * 30}),
}
LENGTHS = {"ham": [1, 5, 5, 90], "spam": [20, 30, 120]}

PROBE = pd.DataFrame(
    {
        ("mean", "loss"): [0.3, 0.2],
        ("mean", "accuracy"): [0.8, 0.9],
        ("last_token", "loss"): [0.6, 0.4],
        ("last_token", "accuracy"): [0.5, 0.7],
    },
    index=[1, 2],
)

FIGURES = {
    "class counts": lambda: plot_class_counts(TABLES),
    "lengths": lambda: plot_lengths(LENGTHS, unit="tokens"),
    "losses": lambda: plot_losses(HISTORY),
    "accuracies": lambda: plot_accuracies(HISTORY, examples_per_epoch=1040),
    "probe": lambda: plot_probe(PROBE),
}


@pytest.fixture(params=FIGURES.values(), ids=FIGURES)
def draw(request):
    return request.param


def legend_of(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def bars_of(figure) -> dict[str, list[float]]:
    """The lengths of the bars of each label, from the top of the picture to the bottom."""
    axes = figure.axes[0]
    downwards = 1 if axes.yaxis_inverted() else -1
    bars = {
        container.get_label(): sorted(container, key=lambda bar: downwards * bar.get_y())
        for container in axes.containers
    }
    return {label: [bar.get_width() for bar in container] for label, container in bars.items()}


def curves_of(figure) -> dict[str, tuple[list, list]]:
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in figure.axes[0].get_lines()}


def on_second_axis(figure, places: list[float]) -> np.ndarray:
    """What the second axis reads above these places of the first."""
    figure.draw_without_rendering()
    axes = figure.axes[0]
    (second,) = axes.child_axes
    assert second.get_xlabel() == "examples seen"
    return np.interp(places, axes.get_xlim(), second.get_xlim())


def test_bars_have_the_counts():
    figure = plot_class_counts(TABLES)
    assert bars_of(figure) == {"ham": [1200, 30], "spam": [30, 30]}
    assert {text.get_text() for text in figure.axes[0].texts} == {"1,200 ham", "30 ham", "30 spam"}


def test_bars_stand_beside_the_name_of_their_table():
    axes = plot_class_counts(TABLES).axes[0]
    places = dict(zip((label.get_text() for label in axes.get_yticklabels()), axes.get_yticks(), strict=True))
    for label, container in zip(("ham", "spam"), axes.containers, strict=True):
        for bar in container:
            middle = bar.get_y() + bar.get_height() / 2
            (name,) = (name for name, place in places.items() if abs(place - middle) < 0.5)
            assert bar.get_width() == (TABLES[name]["label"] == label).sum()


def test_bars_do_not_overlap():
    bars = sorted(plot_class_counts(TABLES).axes[0].patches, key=lambda bar: bar.get_y())
    assert all(bar.get_y() + bar.get_height() < after.get_y() for bar, after in pairwise(bars))


def test_a_label_that_a_table_lacks_has_no_messages():
    figure = plot_class_counts({"all": TABLES["all"], "ham alone": pd.DataFrame({"label": ["ham"] * 7})})
    assert bars_of(figure) == {"ham": [1200, 7], "spam": [30, 0]}
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["0 spam", "1,200 ham", "30 spam", "7 ham"]


@pytest.mark.parametrize("labels", [["a", "b", "c"], [0, 1, 2], list("abcdefgh")])
def test_there_may_be_more_than_two_classes(labels):
    bars = bars_of(plot_class_counts({"table": pd.DataFrame({"label": [*labels, labels[-1]]})}))
    assert list(bars) == [str(label) for label in labels]
    assert list(bars.values()) == [[1]] * (len(labels) - 1) + [[2]]


@pytest.mark.parametrize("groups", [LENGTHS, {str(number): [number, 3] for number in range(9)}], ids=["two", "nine"])
def test_histograms_hold_every_message_of_every_group(groups):
    axes = plot_lengths(groups, unit="tokens").axes[0]
    drawn = [sum(bar.get_height() for bar in container) for container in axes.containers]
    assert drawn == [len(group) for group in groups.values()]
    assert legend_of(axes) == list(groups)
    assert axes.get_xlabel() == "length in tokens"


def test_histograms_have_the_same_bins():
    containers = plot_lengths(LENGTHS, unit="tokens").axes[0].containers
    ham, spam = ([bar.get_x() for bar in container] for container in containers)
    assert ham == spam
    assert containers[0][-1].get_x() + containers[0][-1].get_width() == pytest.approx(120)


@pytest.mark.parametrize("groups", [{"ham": [3], "spam": []}, {"ham": pd.Series([3], index=[7])}])
def test_a_group_may_be_empty_or_a_column(groups):
    axes = plot_lengths(groups, unit="tokens").axes[0]
    assert sum(bar.get_height() for bar in axes.patches) == 1


def test_loss_curves_are_the_history():
    figure = plot_losses(HISTORY)
    assert curves_of(figure) == {
        "training": (HISTORY.steps, HISTORY.train_losses),
        "validation": (HISTORY.steps, HISTORY.validation_losses),
    }
    assert figure.axes[0].get_xlabel() == "optimizer steps"


def test_above_each_step_stand_the_examples_seen_by_then():
    assert on_second_axis(plot_losses(HISTORY), HISTORY.steps) == pytest.approx(HISTORY.examples_seen)


def test_accuracy_curves_are_the_history():
    figure = plot_accuracies(HISTORY, examples_per_epoch=1040)
    assert curves_of(figure) == {
        "training": ([1, 2, 3], HISTORY.train_accuracies),
        "validation": ([1, 2, 3], HISTORY.validation_accuracies),
    }
    axes = figure.axes[0]
    assert list(axes.get_xticks()) == [1, 2, 3]
    assert axes.yaxis.get_major_formatter()(0.75) == "75%"


def test_curves_of_a_probe_are_its_losses():
    lines = {line.get_label(): line for line in plot_probe(PROBE).axes[0].lines}
    assert {name: [*line.get_ydata()] for name, line in lines.items()} == {"mean": [0.3, 0.2], "last token": [0.6, 0.4]}
    assert all([*line.get_xdata()] == [1, 2] for line in lines.values())
    assert len({line.get_linestyle() for line in lines.values()}) == 2


def test_each_line_is_named_at_its_end_in_its_colour():
    axes = plot_losses(HISTORY).axes[0]
    axes.figure.draw_without_rendering()
    names = {text.get_text(): text for text in axes.texts}
    assert set(names) == {"training", "validation"}
    for line in axes.get_lines():
        name = names[line.get_label()]
        end = axes.transAxes.inverted().transform(axes.transData.transform(line.get_xydata()[-1]))
        assert name.get_color() == line.get_color()
        assert np.abs(np.subtract(name.xy, end)).max() < 0.1


def test_names_of_lines_that_end_together_do_not_touch():
    figure, axes = new_figure()
    for number in range(5):
        axes.plot([0, 1], [number, 2], label=f"line {number}")
    label_lines(axes)
    figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert len(boxes) == 5
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))


def test_above_each_epoch_stand_the_examples_seen_by_then():
    figure = plot_accuracies(HISTORY, examples_per_epoch=1040)
    assert on_second_axis(figure, [1, 2, 3]) == pytest.approx([1040, 2080, 3120])


def test_one_measurement_makes_a_picture_too():
    history = History([0], [8], [1.0], [1.5], [0.5], [0.5])
    assert on_second_axis(plot_losses(history), [0]) == pytest.approx([8])
    assert curves_of(plot_accuracies(history, examples_per_epoch=8))["training"] == ([1], [0.5])


def test_figures_are_saved_as_svg(draw, tmp_path):
    draw().savefig(tmp_path / "figure.svg")
    root = ElementTree.parse(tmp_path / "figure.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 5


def test_drawing_leaves_no_trace_in_pyplot(draw):
    settings = dict(matplotlib.rcParams)
    draw().draw_without_rendering()
    assert pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == settings


def test_figures_are_transparent_for_dark_pages(draw):
    figure = draw()
    assert figure.get_facecolor()[3] == figure.axes[0].get_facecolor()[3] == 0
