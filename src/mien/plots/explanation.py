"""What a network looked at: saliency over a face, activations layer by layer, kernels."""

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from mien.plots.style import BLUE, ORANGE, new_figure, plain

MAX_MAPS = 8
"""Maps shown of each layer: the first ones."""
MAX_KERNELS = 64

_SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#00305a", BLUE, "#8c8c8c", ORANGE, "#fff0b0"]
)
"""Dark blues below, grey nothing, light oranges above: ever lighter, so it reads in grey too."""
_OVERLAY = LinearSegmentedColormap.from_list(
    "overlay",
    [(0, (BLUE, 0.95)), (0.5, (BLUE, 0.0)), (0.5, (ORANGE, 0.0)), (1, (ORANGE, 0.95))],
)
"""Blue below, orange above, and nothing where there is nothing: the face shows through."""
_LAYERS_IN_A_COLUMN = 18
_PITCH, _ROW = 1.06, 1.2  # from map to map and from row to row, in sides of a map
_MAPS = MAX_MAPS * _PITCH + 0.4  # width of a row's maps
_NAMES = 4.2  # width of the words before them


def draw_evidence(
    view: np.ndarray, values: np.ndarray, title: str, subtitle: str, expression: str
) -> Figure:
    """Returns a figure of a face, and of the evidence for an expression over it.

    Args:
        view: uint8 `[s, s]` or `[s, s, 3]`, the face as the network sees it.
        values: `[s, s]`, ≥ 0, in logits per cell; a line surrounds what exceeds half the most.
        title: What was read in the face.
        subtitle: Where the evidence comes from.
        expression: What it speaks for.
    """
    figure, panels = _face_twice(view, title, subtitle)
    axes = panels[1]
    axes.imshow(_as_rgb(view))
    most = float(values.max())
    image = axes.imshow(values, cmap="cividis", vmin=0, vmax=most or 1, alpha=0.6)
    if most > 0:
        axes.contour(values, levels=[most / 2], colors="white", linewidths=1.5)
    else:
        axes.set_xlabel("no evidence for it at all")
    label = f"evidence for {plain(expression)} (logits per cell)"
    figure.colorbar(image, ax=panels, label=label, shrink=0.8)
    return figure


def draw_areas(
    photo: np.ndarray,
    evidence: np.ndarray,
    region_map: np.ndarray,
    shares: dict[str, float],
    sentence: str,
    expression: str,
) -> Figure:
    """Returns a figure of a face by region, and of what speaks for and against an expression.

    Args:
        photo: uint8 `[P, P, 3]`, the face.
        evidence: `[s, s]`, smooth, of the same square; > 0 speaks for the expression.
        region_map: `[s, s]`, the number of the region of every pixel.
        shares: Of each region in what speaks for the expression, 0-1, in the map's order.
        sentence: What was read in the face, and where.
        expression: What the evidence is about.
    """
    side = len(evidence)
    square = (0, side, side, 0)  # as the pixels of the evidence count
    centres = np.arange(side) + 0.5
    figure = new_figure(9, 5.3)
    left, right = figure.subplots(1, 2)
    left.imshow(photo, extent=square)
    left.set_title(f"Where it lies: shares of what speaks for {plain(expression)}")
    for number, (region, share) in enumerate(shares.items()):
        inside = region_map == number
        if not inside.any():
            continue
        for colour, width in (("black", 2.5), ("white", 1.2)):  # seen on any skin
            left.contour(centres, centres, _rounded(inside), [0.5], colors=colour, linewidths=width)
        _write_inside(left, inside, f"{region} {100 * share:.0f} %")
    right.imshow(np.repeat(photo.mean(axis=2, keepdims=True) / 255, 3, axis=2), extent=square)
    end = float(np.abs(evidence).max()) or 1.0
    image = right.imshow(
        evidence, _OVERLAY, vmin=-end, vmax=end, extent=square, interpolation="bicubic"
    )
    if evidence.max() > 0:
        level = float(evidence.max()) / 2
        right.contour(centres, centres, evidence, [level], colors="white", linewidths=1.5)
    right.set_title("What spoke for it, and what against")
    for axes in (left, right):
        axes.set(xticks=[], yticks=[], xlim=(0, side), ylim=(side, 0))
    bar = figure.colorbar(image, ax=[left, right], location="bottom", aspect=45, shrink=0.7)
    bar.set_ticks(
        [-end, 0, end],
        labels=[f"against {plain(expression)}", "neither", f"for {plain(expression)}"],
    )
    figure.suptitle(plain(textwrap.fill(sentence, 90)))
    return figure


def draw_contributions(
    view: np.ndarray, values: np.ndarray, title: str, subtitle: str, expression: str
) -> Figure:
    """Returns a figure of a face, and of what each pixel added to an expression over it.

    Args:
        view: uint8 `[s, s]` or `[s, s, 3]`, the face as the network sees it.
        values: `[s, s]`, in logits; colours end at the 99th percentile of their size.
        title: What was read in the face.
        subtitle: Where the contributions come from.
        expression: What they add to.
    """
    figure, panels = _face_twice(view, title, subtitle)
    axes = panels[1]
    end = float(np.quantile(np.abs(values), 0.99)) or float(np.abs(values).max()) or 1.0
    image = axes.imshow(values, cmap=_SIGNED, vmin=-end, vmax=end)
    faint = np.full((*view.shape[:2], 4), 0.0)
    faint[..., :3] = _as_rgb(view) / 255
    faint[..., 3] = 0.25
    axes.imshow(faint)
    label = f"added to {plain(expression)} (logits per pixel)"
    figure.colorbar(image, ax=panels, label=label, shrink=0.8, extend="both")
    return figure


def draw_activations(
    view: np.ndarray, layers: Sequence[tuple[str, str, np.ndarray]], title: str
) -> Figure:
    """Returns a figure of a face and of the first maps of every layer, in the order they run.

    Every layer is drawn from the least value shown (dark blue) to the greatest (yellow), both of
    which are named; a vector is one strip.

    Args:
        view: uint8 `[s, s]` or `[s, s, 3]`, the face as the network sees it.
        layers: Name, kind and values of each, `[C, h, h]` (maps) or `[C]` (one value each).
        title: What was read in the face.
    """
    columns = math.ceil((len(layers) + 1) / _LAYERS_IN_A_COLUMN)
    rows = math.ceil((len(layers) + 1) / columns)  # the face has the first place
    width, height = columns * (_NAMES + _MAPS) + _PITCH - 1, rows * _ROW
    figure = new_figure(0.45 * width, 0.45 * height + 0.7)
    axes = figure.add_subplot()
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes.axis("off")
    _draw_row(axes, _NAMES, 0, "face\n" + "x".join(map(str, view.shape[:2])), [_as_rgb(view)])
    for place, (name, kind, values) in enumerate(layers, 1):
        column, row = divmod(place, rows)
        shape = "x".join(map(str, values.shape))
        maps = values[:MAX_MAPS] if values.ndim == 3 else values[None, None]
        scale = (float(maps.min()), float(maps.max()))
        words = f"{name}  {kind}\n{shape}: {scale[0]:.2g} to {scale[1]:.2g}"
        _draw_row(axes, column * (_NAMES + _MAPS) + _NAMES, row * _ROW, words, list(maps), scale)
    axes.set(xlim=(0, width), ylim=(height, 0))  # pictures had moved them
    figure.suptitle(
        f"{plain(title)}\n"
        f"activations layer by layer ({len(layers)}): the first {MAX_MAPS} maps of each, "
        "vectors whole\nevery layer on its own scale, blue least, yellow greatest",
        fontsize="medium",
    )
    return figure


def draw_filters(kernels: np.ndarray, title: str, names: Sequence[str] = ()) -> Figure:
    """Returns a figure of kernels on one scale; of colour kernels red, green, blue side by side.

    Args:
        kernels: `[N, C, k, k]`, weights.
        title: Of which layer they are.
        names: What each kernel is of, if it is of something.
    """
    num, channels, side, _ = kernels.shape
    shown = kernels[:MAX_KERNELS]
    columns = min(8, math.ceil(math.sqrt(2 * len(shown))))
    rows = math.ceil(len(shown) / columns)
    width = columns * (0.8 if channels == 1 else 1.6)
    figure = new_figure(max(width, 3.5) + 1.2, max(0.8 * rows + 0.9, 3.2))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    end = float(np.abs(shown).max()) or 1.0
    for axes in grid:
        axes.axis("off")
    for axes, kernel in zip(grid, shown, strict=False):
        axes.imshow(_side_by_side(kernel), cmap=_SIGNED, vmin=-end, vmax=end)
    for axes, name in zip(grid, names, strict=False):
        axes.set_title(plain(name), fontsize="small")
    label = "weight per normalised pixel"
    figure.colorbar(grid[0].images[0], ax=list(grid), label=label, aspect=30)
    colours = "" if channels == 1 else ", red green blue side by side"
    figure.suptitle(f"{plain(title)}\n{len(shown)} of {num} shown, {side}x{side}{colours}")
    return figure


def _face_twice(view: np.ndarray, title: str, subtitle: str) -> tuple[Figure, list[Axes]]:
    """Returns a figure with the plain face, and axes beside it for the same once more."""
    figure = new_figure(8, 4)
    panels = list(figure.subplots(1, 2))
    panels[0].imshow(_as_rgb(view))
    panels[0].set_title(
        f"as the network sees it\n{view.shape[0]}x{view.shape[1]} pixels", fontsize="medium"
    )
    panels[1].set_title(plain(subtitle), fontsize="medium")
    for axes in panels:
        axes.set(xticks=[], yticks=[])
    figure.suptitle(plain(title))
    return figure, panels


def _rounded(inside: np.ndarray) -> np.ndarray:
    """Returns a region `[s, s]` with a soft edge, so that a line at a half has no steps."""
    weights = np.hanning(9)[1:-1] / np.hanning(9).sum()
    padded = np.pad(inside.astype(float), len(weights) // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (len(weights), len(weights)))
    return np.einsum("xyij,i,j", windows, weights, weights)


def _write_inside(axes: Axes, inside: np.ndarray, words: str) -> None:
    """Writes words where a region `[s, s]` is widest: at the pixel farthest from its edge."""
    core, depth = np.pad(inside, 1), np.zeros(inside.shape)
    while core.any():
        depth += core[1:-1, 1:-1]
        core[1:-1, 1:-1] &= core[:-2, 1:-1] & core[2:, 1:-1] & core[1:-1, :-2] & core[1:-1, 2:]
    rows, columns = np.nonzero(depth == depth.max())
    middle = np.abs(columns - columns.mean()).argmin()
    box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "alpha": 0.85, "linewidth": 0}
    x, y = float(columns[middle]) + 0.5, float(rows[middle]) + 0.5
    axes.text(x, y, words, ha="center", va="center", fontsize="small", bbox=box)


def _draw_row(
    axes: Axes,
    left: float,
    top: float,
    words: str,
    maps: Sequence[np.ndarray],
    scale: tuple[float, float] = (0, 255),
) -> None:
    """Draws maps one beside the other, or a vector `[1, C]` as a strip; words left of them."""
    axes.text(left - 0.15, top + 0.5, plain(words), ha="right", va="center", fontsize="x-small")
    for place, each in enumerate(maps):
        box = (left + place * _PITCH, left + place * _PITCH + 1, top + 1, top)
        if len(each) == 1:
            box = (left, left + _MAPS - 0.5, top + 0.75, top + 0.25)
        low, high = scale
        axes.imshow(each, "cividis", vmin=low, vmax=high, extent=box, interpolation="nearest")


def _side_by_side(kernel: np.ndarray) -> np.ndarray:
    """Returns the channels of `[C, k, k]` in one image, a column of nothing between them."""
    gap = np.full((kernel.shape[1], 1), np.nan)
    parts = [part for channel in kernel for part in (channel, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _as_rgb(view: np.ndarray) -> np.ndarray:
    return view if view.ndim == 3 else np.repeat(view[..., None], 3, axis=2)
