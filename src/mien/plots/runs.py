"""How training went: one run, or several compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mien.plots.style import LINE_COLOURS, MARKERS, finish_axes, new_figure, plain
from mien.text import counted

Records = Sequence[Mapping[str, Any]]

_LOWEST_RATE = 1e-4  # of the highest: what a schedule ends at would squeeze the rest
_STAR: dict[str, Any] = {
    "marker": "*",
    "markersize": 14,
    "markeredgecolor": "black",
    "linestyle": "none",
}


def draw_runs(runs: Mapping[str, Records]) -> Figure:
    """Returns a figure of loss, accuracy and learning rate over the epochs of one or several runs.

    Training is drawn dotted, validation solid, each run in its colour and marker; a star marks
    its most accurate epoch.

    Args:
        runs: By name, a run's records in order, each with `epoch`, `train_loss`,
            `train_accuracy`, `log_loss`, `accuracy`, `learning_rate`; None where there is none
            (training before the first epoch).

    Raises:
        ValueError: There is no run, or one without a record.
    """
    if not runs or not all(runs.values()):
        raise ValueError("there are no epochs to draw")
    figure = new_figure(8, 9.5 + 0.22 * len(runs))
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
    entries = [
        Line2D([], [], color="black", linestyle=":", label="training"),
        Line2D([], [], color="black", label="validation"),
        Line2D([], [], **_STAR, markerfacecolor="white", label="most accurate epoch"),
    ]
    for place, (name, records) in enumerate(runs.items()):
        colour, marker = LINE_COLOURS[place % len(LINE_COLOURS)], MARKERS[place % len(MARKERS)]
        look = {"color": colour, "marker": marker, "markersize": 5}
        look["markevery"] = max(1, len(records) // 12)
        dotted = {**look, "linestyle": ":", "markerfacecolor": "none"}
        _draw_line(loss, records, "train_loss", dotted)
        _draw_line(loss, records, "log_loss", look)
        _draw_line(accuracy, records, "train_accuracy", dotted)
        _draw_line(accuracy, records, "accuracy", look)
        best = max(records, key=lambda record: record["accuracy"])
        accuracy.plot(best["epoch"], best["accuracy"], **_STAR, markerfacecolor=colour)
        trained = [record for record in records if record["learning_rate"] > 0]
        _draw_line(rate, trained, "learning_rate", look)
        words = f"{name}: at best {best['accuracy']:.2%}, epoch {best['epoch']}"
        entries.append(Line2D([], [], color=colour, marker=marker, label=plain(words)))
    _name_axes(loss, accuracy, rate)
    _bound_rates(rate, [record["learning_rate"] for each in runs.values() for record in each])
    figure.legend(handles=entries, loc="outside lower center", ncols=2, frameon=False)
    name, records = next(iter(runs.items()))
    alone = f"{name}: {counted(records[-1]['epoch'], 'epoch')}"
    title = alone if len(runs) == 1 else f"{len(runs)} runs compared"
    figure.suptitle(plain(title), fontsize="x-large")
    return figure


def _draw_line(axes: Axes, records: Records, key: str, look: Mapping[str, Any]) -> None:
    known = [record for record in records if record[key] is not None]
    axes.plot([record["epoch"] for record in known], [record[key] for record in known], **look)


def _name_axes(loss: Axes, accuracy: Axes, rate: Axes) -> None:
    loss.set(title="Loss (in training: as minimised)", ylabel="loss (nats)")
    accuracy.set(title="Accuracy", ylabel="accuracy (%)")
    accuracy.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    rate.set(title="Learning rate", xlabel="epoch", ylabel="learning rate (log scale)")
    rate.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
    for axes in (loss, accuracy, rate):
        finish_axes(axes)


def _bound_rates(axes: Axes, rates: Sequence[float]) -> None:
    axes.set_yscale("log")
    highest = max(rates)
    if highest > 0:
        lowest = min(rate for rate in rates if rate > highest * _LOWEST_RATE)
        axes.set_ylim(lowest / 2, highest * 2)
