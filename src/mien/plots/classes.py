"""How many faces each class has."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mien.plots.style import class_colour, finish_axes, name_classes, new_figure, plain
from mien.text import counted


def draw_class_counts(counts_by_split: Mapping[str, Mapping[str, int]], title: str) -> Figure:
    """Returns a figure with a panel per split: a bar per class, and their mean as a line.

    Args:
        counts_by_split: Faces of each class in each split.
        title: What was counted, such as the file's name; the number of faces is added.

    Raises:
        ValueError: There is no split, or a split without classes.
    """
    if not counts_by_split or not all(counts_by_split.values()):
        raise ValueError("there are no classes to draw")
    columns = min(3, len(counts_by_split))
    rows = math.ceil(len(counts_by_split) / columns)
    num_classes = max(map(len, counts_by_split.values()))
    width = max(5.0, 1.5 + 0.65 * num_classes)
    figure = new_figure(columns * width, 0.4 + rows * 4)
    total = sum(sum(counts.values()) for counts in counts_by_split.values())
    figure.suptitle(plain(f"{title}: {counted(total, 'face')}"), fontsize="x-large")
    for place, (split, counts) in enumerate(counts_by_split.items(), 1):
        _draw_split(figure.add_subplot(rows, columns, place), split, counts)
    return figure


def _draw_split(axes: Axes, split: str, counts: Mapping[str, int]) -> None:
    values = list(counts.values())
    colours = [class_colour(name) for name in counts]
    bars = axes.bar(range(len(values)), values, color=colours, edgecolor="black", linewidth=0.8)
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # of the line of the mean
    numbers = [f"{value:,}" for value in values]
    axes.bar_label(bars, numbers, padding=3, fontsize="small", bbox=clear, zorder=3)
    mean = sum(values) / len(values)
    axes.axhline(mean, color="black", linestyle="--", label=f"mean {mean:,.0f}")
    axes.set_title(plain(f"{split}: {counted(sum(values), 'face')}"))
    axes.set_ylabel("faces (count)")
    axes.set_ylim(0, max(values) * 1.18 or 1)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    name_classes(axes, list(counts))
    axes.legend(loc="upper right", frameon=False)
    finish_axes(axes)
