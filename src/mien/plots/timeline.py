"""Expressions over time: one panel per face of a video."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mien.plots.style import MARKERS, class_colour, finish_axes, new_figure, plain
from mien.text import counted

MAX_PANELS = 8
GAP_SECONDS = 1.0
GAP_STEPS = 2.5
"""A line breaks where its face was away for longer than both: a time, and so many of the steps from
one frame that was read to the next."""


def draw_timeline(
    labels: Sequence[str], tracks: Sequence[tuple[str, np.ndarray, np.ndarray]], title: str
) -> Figure:
    """Returns a figure with a panel per track: each expression's probability over time.

    The longest tracks are drawn, eight at most; the title says how many there are.

    Args:
        labels: The K expressions.
        tracks: Of each its name, times float `[T]` in seconds, probabilities float `[T, K]`.
        title: What the figure is about.

    Raises:
        ValueError: There is no track.
    """
    if not tracks:
        raise ValueError("there are no tracks to draw")
    longest = sorted(tracks, key=lambda track: track[1][0] - track[1][-1])[:MAX_PANELS]
    shown = [track for track in tracks if any(track is each for each in longest)]
    figure = new_figure(9, 1.4 + 1.9 * len(shown))
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    looks = [
        {"color": class_colour(label), "marker": MARKERS[place % len(MARKERS)], "markersize": 5}
        for place, label in enumerate(labels)
    ]
    moments = np.unique(np.concatenate([times for _, times, _ in tracks]))
    step = float(np.diff(moments).min()) if len(moments) > 1 else 0.0
    longest_step = max(GAP_SECONDS, GAP_STEPS * step)
    for axes, (name, times, probabilities) in zip(panels, shown, strict=True):
        is_gap = np.diff(times) > longest_step
        lone = np.flatnonzero(np.r_[True, is_gap] & np.r_[is_gap, True])
        gaps = np.flatnonzero(is_gap) + 1
        broken = np.insert(times.astype(float), gaps, np.nan)
        for place, look in enumerate(looks):
            values = np.insert(100 * probabilities[:, place], gaps, np.nan)
            axes.plot(broken, values, markevery=max(1, len(broken) // 10), **look)
            axes.plot(times[lone], 100 * probabilities[lone, place], linestyle="none", **look)
        axes.set(title=plain(f"{name}: {counted(len(times), 'frame')}"), ylabel="probability (%)")
        axes.set_ylim(-3, 103)
        finish_axes(axes)
    panels[-1].set_xlabel("time (s)")
    entries = [
        Line2D([], [], label=plain(label), **look)
        for label, look in zip(labels, looks, strict=True)
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=len(labels), frameon=False)
    count = f"{len(shown)} of {len(tracks)} tracks" if len(shown) < len(tracks) else ""
    figure.suptitle(plain(", ".join(filter(None, (title, count)))), fontsize="x-large")
    return figure
