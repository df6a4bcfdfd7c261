"""How accuracy falls with each corruption of the faces, for one model or several."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from mien.plots.style import LINE_COLOURS, MARKERS, finish_axes, new_figure, plain

_COLUMNS = 5


def draw_corruptions(
    accuracies: Mapping[str, Mapping[str, Sequence[float]]],
    clean: Mapping[str, float],
    values: Mapping[str, tuple[str, Sequence[float]]],
    title: str,
) -> Figure:
    """Returns a figure with a panel for each corruption: accuracy over strength, a line a model.

    A dashed line is each model's accuracy on the faces as they are.

    Args:
        accuracies: By model, then by corruption, at each strength, 0 to 1; every model has the same
            corruptions.
        clean: By model, on the faces as they are.
        values: By corruption: the unit of its strengths, and how much each is.
        title: What was measured.

    Raises:
        ValueError: There is no model, or a corruption has not as many accuracies as values.
    """
    if not accuracies:
        raise ValueError("no model's accuracies to draw")
    names = list(next(iter(accuracies.values())))
    num_rows = -(-(len(names) + 1) // _COLUMNS)  # the legend takes a panel's place
    figure = new_figure(2.4 * _COLUMNS, 0.7 + 2.4 * num_rows)
    panels = figure.subplots(num_rows, _COLUMNS, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        unit, levels = values[name]
        places = range(1, len(levels) + 1)
        for place, (model, rows) in enumerate(accuracies.items()):
            if len(rows[name]) != len(levels):
                raise ValueError(f"{name}: {len(rows[name])} accuracies, but {len(levels)} values")
            colour, marker = (each[place % len(each)] for each in (LINE_COLOURS, MARKERS))
            axes.axhline(100 * clean[model], color=colour, linestyle="--", linewidth=1)
            heights = [100 * accuracy for accuracy in rows[name]]
            axes.plot(places, heights, color=colour, marker=marker, markersize=4, label=model)
        axes.set_xticks(places, [f"{level:g}" for level in levels], fontsize="small")
        axes.set_title(plain(name), fontsize="medium")
        axes.set_xlabel(plain(unit), fontsize="small")
        axes.set_ylim(0, 100)
        finish_axes(axes)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes in panels[::_COLUMNS]:
        axes.set_ylabel("right (%)")
    lines, _ = panels[0].get_legend_handles_labels()
    panels[len(names)].legend(
        lines, [plain(model) for model in accuracies], loc="upper left", frameon=False,
        title="dashed: the faces as they are", title_fontsize="small", alignment="left",
    )  # fmt: skip
    figure.suptitle(plain(title))
    return figure
