"""Pictures of a search: its history, what each knob did, and the learning-rate range test."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from mien.plots.style import BLUE, ORANGE, finish_axes, name_classes, new_figure
from mien.text import counted


def draw_search_history(
    numbers: Sequence[int],
    values: Sequence[float],
    complete: Sequence[bool],
    metric: str,
) -> Figure:
    """Returns a figure of the value over trials, and of the best complete value so far.

    Args:
        numbers: The trials' numbers, ascending.
        values: The trials' values.
        complete: Whether each ran to its end; hollow points did not.
        metric: `accuracy` (more is better) or `log_loss` (less is better).
    """
    figure = new_figure(7, 4)
    axes = figure.add_subplot()
    _scatter(axes, numbers, values, complete)
    better = max if metric == "accuracy" else min
    worst = -math.inf if metric == "accuracy" else math.inf
    finished = (value if whole else worst for value, whole in zip(values, complete, strict=True))
    best = [value if math.isfinite(value) else math.nan for value in accumulate(finished, better)]
    axes.step(numbers, best, where="post", color=ORANGE, zorder=1, label="best so far")
    axes.set(
        title=f"Search: {counted(len(values), 'trial')}", xlabel="trial", ylabel=_label(metric)
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    finish_axes(axes)
    return figure


def draw_search_knobs(
    settings: Mapping[str, Sequence[Any]],
    values: Sequence[float],
    complete: Sequence[bool],
    metric: str,
    log_keys: Sequence[str] = (),
) -> Figure:
    """Returns a figure with one panel per knob: the value of every trial against its setting.

    Args:
        settings: Each knob's setting in every trial; numbers, or anything else as categories.
        values: The trials' values.
        complete: Whether each ran to its end; hollow points did not.
        metric: `accuracy` or `log_loss`.
        log_keys: Knobs with a logarithmic axis.
    """
    columns = min(3, len(settings))
    rows = math.ceil(len(settings) / columns)
    figure = new_figure(4.2 * columns, 3.6 * rows)
    for place, (key, given) in enumerate(settings.items(), 1):
        axes = figure.add_subplot(rows, columns, place)
        positions: Sequence[float] = given
        if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in given):
            names = sorted({str(each) for each in given})
            positions = [names.index(str(each)) for each in given]
            name_classes(axes, [_brief(name) for name in names], room=35)
            axes.set_xlim(-0.5, len(names) - 0.5)
        elif key in log_keys:
            _scale_by_logarithm(axes, given)
        _scatter(axes, positions, values, complete)
        title = f"{key}, {counted(len(values), 'trial')}"
        axes.set(title=title, xlabel=key, ylabel=_label(metric))
        finish_axes(axes)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure


def _brief(name: str, letters: int = 25) -> str:
    half = letters // 2
    return name if len(name) <= letters else f"{name[:half]}…{name[-half:]}"


def _scale_by_logarithm(axes: Axes, given: Sequence[float]) -> None:
    """Sets numbers at few places, so that they do not touch: powers of ten, or 1, 2, 5 of each."""
    axes.set_xscale("log")
    subs = (1, 2, 5) if max(given) < 20 * min(given) else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_lr_range(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    suggested: float | None,
) -> Figure:
    """Returns a figure of the training loss over an exponentially growing learning rate.

    Args:
        rates: The learning rate of every step.
        losses: The loss of every step's batch.
        smoothed: The same, smoothed.
        suggested: The learning rate to mark, if there is one.
    """
    figure = new_figure(7, 4)
    axes = figure.add_subplot()
    axes.plot(rates, losses, color=ORANGE, linewidth=0.8, alpha=0.7, label="loss of each batch")
    axes.plot(rates, smoothed, color=BLUE, linewidth=2, label="smoothed")
    if suggested is not None:
        axes.axvline(suggested, color="black", linestyle="--", label=f"suggested: {suggested:.2g}")
    lowest, before = min(smoothed), losses[: smoothed.index(min(smoothed)) + 1]
    margin = 0.2 * (max(before) - lowest)  # what diverges would squeeze the rest
    axes.set_ylim(min(losses) - margin, max(before) + margin)
    axes.set_xscale("log")
    axes.set(
        title=f"Learning-rate range test, {counted(len(rates), 'step')}",
        xlabel="learning rate (log scale)",
        ylabel="training loss (nats)",
    )
    axes.legend()
    finish_axes(axes)
    return figure


def _scatter(
    axes: Axes, positions: Sequence[float], values: Sequence[float], complete: Sequence[bool]
) -> None:
    for whole, name in ((True, "complete"), (False, "stopped before its end")):
        chosen = [i for i, each in enumerate(complete) if each == whole]
        if chosen:
            axes.scatter(
                [positions[i] for i in chosen],
                [values[i] for i in chosen],
                facecolors=BLUE if whole else "none",
                edgecolors=BLUE,
                zorder=2,
                label=f"{name} ({len(chosen)})",
            )


def _label(metric: str) -> str:
    return "selection loss (nats)" if metric == "log_loss" else "selection accuracy (fraction)"
