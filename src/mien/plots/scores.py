"""How well a model did: confusion, scores of each class, reliability."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mien.plots.style import BLUE, HATCH, ORANGE, finish_axes, name_classes, new_figure, plain
from mien.text import counted

_MOST_NUMBERS = 20  # classes: beyond, the cells are too small for numbers


def draw_confusion(
    confusion: np.ndarray | Sequence[Sequence[int]], label_names: Sequence[str], title: str
) -> Figure:
    """Returns a figure of a confusion matrix: counts, and per cent of each true class.

    Args:
        confusion: Integers `[K true, K predicted]`.
        label_names: The K class names.
        title: What was measured; the number of faces is added.

    Raises:
        ValueError: The matrix does not fit the names.
    """
    counts = np.asarray(confusion)
    if counts.shape != (len(label_names), len(label_names)):
        raise ValueError(f"{list(counts.shape)} counts, but {len(label_names)} label names")
    totals = counts.sum(axis=1, keepdims=True)
    percent = 100 * counts / np.maximum(totals, 1)
    side = max(5.5, 2 + 0.85 * len(label_names))
    figure = new_figure(side + 1, side)
    axes = figure.add_subplot()
    shades = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    bar = figure.colorbar(shades, fraction=0.045, pad=0.02)
    bar.set_label("share of the true class (%)")
    if len(label_names) <= _MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            share = percent[row, column]
            axes.text(
                column,
                row,
                f"{count:,}\n{share:.0f} %",
                ha="center",
                va="center",
                fontsize="small",
                color="white" if share > 68 else "black",
            )
    name_classes(axes, label_names)
    rows = [f"{name} ({total:,})" for name, total in zip(label_names, totals[:, 0], strict=True)]
    axes.set_yticks(range(len(rows)), [plain(row) for row in rows])
    axes.set(xlabel="predicted", ylabel="true (faces)")
    axes.set_title(plain(f"{title}: {counted(int(counts.sum()), 'face')}"))
    return figure


def draw_class_scores(
    precision: Sequence[float],
    recall: Sequence[float],
    support: Sequence[int],
    label_names: Sequence[str],
    title: str,
) -> Figure:
    """Returns a figure with two bars per class: precision and recall.

    Args:
        precision: Of each class, 0 to 1.
        recall: Of each class, 0 to 1.
        support: Faces of each class.
        label_names: The class names.
        title: What was measured; the number of faces is added.

    Raises:
        ValueError: They are not all of one length.
    """
    if not len(precision) == len(recall) == len(support) == len(label_names) > 0:
        raise ValueError("precision, recall, support and label_names must be of one length")
    figure = new_figure(max(7.0, 2 + 1.05 * len(label_names)), 4.5)
    axes = figure.add_subplot()
    places = np.arange(len(label_names))
    for shift, name, values, colour, hatch in (
        (-0.2, "precision", precision, BLUE, ""),
        (0.2, "recall", recall, ORANGE, HATCH),
    ):
        heights = 100 * np.asarray(values)
        bars = axes.bar(
            places + shift, heights, 0.4, label=name, color=colour, hatch=hatch, edgecolor="black"
        )
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize="small")
    name_classes(axes, [f"{name}\n{n:,}" for name, n in zip(label_names, support, strict=True)])
    axes.set_ylim(0, 118)
    axes.set_yticks(range(0, 101, 20))
    axes.set(xlabel="class, number of faces", ylabel="precision, recall (%)")
    axes.set_title(plain(f"{title}: {counted(sum(support), 'face')}"))
    axes.legend(loc="upper right", ncols=2, frameon=False)
    finish_axes(axes)
    return figure


def draw_reliability(
    confidence: Sequence[float],
    accuracy: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    counts: Sequence[int],
    calibration_error: str,
    title: str,
    without_temperature: tuple[Sequence[float], Sequence[float]] | None = None,
    truth: str = "decisions that were right",
) -> Figure:
    """Returns a figure of how often decisions were right, over how confident they were.

    Args:
        confidence: Mean confidence of each bin, 0 to 1, ascending.
        accuracy: Part of each bin decided rightly, 0 to 1.
        intervals: The 95 % interval of each accuracy.
        counts: Faces in each bin.
        calibration_error: The calibration error over these bins, in words.
        title: What was measured; the number of faces is added.
        without_temperature: Confidence and accuracy of bins before a temperature, for a second
            line.
        truth: What accuracy is the part of.

    Raises:
        ValueError: They are not all of one length.
    """
    if not len(confidence) == len(accuracy) == len(intervals) == len(counts) > 0:
        raise ValueError("confidence, accuracy, intervals and counts must be of one length")
    figure = new_figure(6, 6)
    axes = figure.add_subplot()
    axes.plot((0, 100), (0, 100), color="black", linestyle="--", label="as right as confident")
    if without_temperature is not None:
        raw_confidence, raw_accuracy = (100 * np.asarray(each) for each in without_temperature)
        axes.plot(raw_confidence, raw_accuracy, "s-", color=ORANGE, label="without its temperature")
    heights = 100 * np.asarray(accuracy)
    low, high = 100 * np.asarray(intervals).T
    few, many = min(counts), max(counts)
    faces = f"{few:,}" if few == many else f"{few:,} or {many:,}"
    axes.errorbar(
        100 * np.asarray(confidence),
        heights,
        yerr=(np.maximum(heights - low, 0), np.maximum(high - heights, 0)),
        color=BLUE,
        marker="o",
        capsize=3,
        label=f"{len(counts)} bins of {faces} faces, 95 % intervals",
    )
    axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    axes.set(xlabel="confidence in the decision (%)", ylabel=f"{truth} (%)")
    axes.set_title(plain(f"{title}: {counted(sum(counts), 'face')}\n{calibration_error}"))
    axes.legend(loc="upper left", frameon=False)
    finish_axes(axes)
    axes.grid(axis="x", color="0.85", linewidth=0.8)
    return figure


def draw_coverage(
    confidence: Sequence[float], is_right: Sequence[bool], title: str, marks: Sequence[float] = ()
) -> Figure:
    """Returns a figure of how many answers are right, over how many of the faces have one.

    Args:
        confidence: Of the decision on each face, 0 to 1.
        is_right: Whether each decision is right.
        title: What was measured; the number of faces is added.
        marks: Least confidences that are marked on the curve.

    Raises:
        ValueError: The two are not of one length, or empty.
    """
    if not len(confidence) == len(is_right) > 0:
        raise ValueError("confidence and is_right must be of one length")
    order = np.argsort(-np.asarray(confidence), kind="stable")
    count = np.arange(1, len(order) + 1)
    right = np.cumsum(np.asarray(is_right)[order]) / count
    first = min(len(order) - 1, 20)  # of fewer faces the share says nothing
    figure = new_figure(6, 4.5)
    axes = figure.add_subplot()
    axes.plot(100 * count[first:] / len(order), 100 * right[first:], color=BLUE)
    for mark in marks:
        answered = int((np.asarray(confidence) >= mark).sum())
        if answered > first:
            place = 100 * answered / len(order), 100 * right[answered - 1]
            axes.plot(*place, "o", color=ORANGE)
            axes.annotate(f"{mark:g}", place, (4, 6), textcoords="offset points", fontsize="small")
    axes.set(xlim=(0, 102), xlabel="faces with an answer (%)", ylabel="answers that are right (%)")
    axes.set_title(plain(f"{title}: {len(order):,} faces\nmarks: the least confidence answered"))
    finish_axes(axes)
    return figure
