"""How models did beside one another: accuracies, differences, the recall of each class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mien.plots.style import (
    BLUE,
    LINE_COLOURS,
    MARKERS,
    finish_axes,
    name_classes,
    new_figure,
    plain,
)

Interval = tuple[float, float]


def draw_accuracies(
    names: Sequence[str],
    accuracies: Sequence[float],
    intervals: Sequence[Interval],
    differences: Sequence[float],
    difference_intervals: Sequence[Interval],
    title: str,
) -> Figure:
    """Returns a figure of two panels: accuracies, and how they differ from the first model's.

    Args:
        names: The models', two or more.
        accuracies: Of each model, 0 to 1.
        intervals: The 95 % interval of each accuracy.
        differences: Of each model but the first: its accuracy less the first's.
        difference_intervals: The 95 % interval of each difference.
        title: What was measured.

    Raises:
        ValueError: They are not of one length, or there are fewer than two models.
    """
    lengths = {len(names), len(accuracies), len(intervals)}
    lengths |= {1 + len(differences), 1 + len(difference_intervals)}
    if len(lengths) > 1 or len(names) < 2:
        raise ValueError("expected two models or more, and a difference of each but the first")
    figure = new_figure(10, 1.8 + 0.5 * len(names))
    figure.suptitle(plain(title))
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(names))
    _draw_intervals(left, places, accuracies, intervals)
    _draw_intervals(right, places[1:], differences, difference_intervals)
    right.axvline(0, color="black", linestyle="--")
    left.set_yticks(places, [plain(name) for name in names])
    left.set_ylim(len(names) - 0.5, -0.5)  # the first on top
    left.set_xlabel("accuracy (%), 95 % interval")
    right.set_xlabel(plain(f"difference to {names[0]} (points), paired 95 % interval"))
    return figure


def _draw_intervals(
    axes: Axes, places: np.ndarray, values: Sequence[float], intervals: Sequence[Interval]
) -> None:
    middle = 100 * np.asarray(values)
    low, high = 100 * np.asarray(intervals).T
    reach = np.maximum(middle - low, 0), np.maximum(high - middle, 0)
    axes.errorbar(middle, places, xerr=reach, color=BLUE, fmt="o", capsize=4)
    finish_axes(axes)
    axes.grid(axis="x", color="0.85", linewidth=0.8)


def draw_recalls(
    names: Sequence[str],
    recalls: Sequence[Sequence[float]],
    support: Sequence[int],
    label_names: Sequence[str],
    title: str,
) -> Figure:
    """Returns a figure of the recall of each class, a mark for each model.

    Args:
        names: The models'.
        recalls: Of each model the recall of each class, 0 to 1; classes without faces are not
            drawn.
        support: Faces of each class.
        label_names: The class names.
        title: What was measured.

    Raises:
        ValueError: They are not of one length.
    """
    widths = {len(support), len(label_names), *map(len, recalls)}
    if len(names) != len(recalls) or len(widths) > 1:
        raise ValueError("expected a recall of each class from each model")
    figure = new_figure(max(7.0, 2 + 1.05 * len(label_names)), 4.5)
    axes = figure.add_subplot()
    shown = np.flatnonzero(np.asarray(support))
    spread = 0.5 / max(len(names) - 1, 1)
    for number, (name, values) in enumerate(zip(names, recalls, strict=True)):
        axes.plot(
            shown + (number * spread - 0.25 if len(names) > 1 else 0),
            100 * np.asarray(values)[shown],
            color=LINE_COLOURS[number % len(LINE_COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            linestyle="none",
            label=plain(name),
        )
    name_classes(axes, [f"{name}\n{n:,}" for name, n in zip(label_names, support, strict=True)])
    for place in range(1, len(label_names)):
        axes.axvline(place - 0.5, color="0.85", linewidth=0.8)
    axes.set(ylim=(0, 100), xlim=(-0.5, len(label_names) - 0.5))
    axes.set(xlabel="class, number of faces", ylabel="recall (%)")
    axes.set_title(plain(title))
    figure.legend(loc="outside lower center", ncols=min(len(names), 3), frameon=False)
    finish_axes(axes)
    return figure
