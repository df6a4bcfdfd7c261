"""Faces side by side, with words."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mien.plots.style import new_figure, plain

_CELL = 1.05  # inches, a face's side
_GAP = 0.08  # of a cell
_CAPTION = 0.24  # of a cell, the line below each face
_LETTER = 0.085  # of a cell, a letter's width


def draw_face_grid(
    images: Sequence[np.ndarray | None],
    columns: int,
    title: str,
    captions: Sequence[str] = (),
    row_names: Sequence[str] = (),
) -> Figure:
    """Returns a figure of faces in rows.

    Args:
        images: uint8 `[S, S]` grey or `[S, S, 3]` RGB each, row after row; None leaves a place
            free.
        columns: Faces in a row.
        title: What they are, and how many.
        captions: A few words below each face, one line per image; none leaves no room for any.
        row_names: Words left of each row; none leaves no room for any.

    Raises:
        ValueError: Captions or row names do not fit the images, or there are none.
    """
    rows = math.ceil(len(images) / columns) if columns > 0 else 0
    good = len(captions) in (0, len(images)) and len(row_names) in (0, rows)
    if not rows or not good:
        raise ValueError(
            f"{len(images)} images in {columns} columns, {len(captions)} captions, "
            f"{len(row_names)} row names do not fit"
        )
    pitch = 1 + _GAP + (_CAPTION if captions else 0)  # from row to row, in cells
    longest = max((len(line) for name in row_names for line in name.split("\n")), default=0)
    margin = 0.15 + _LETTER * longest if row_names else 0.0
    width, height = margin + columns * (1 + _GAP) - _GAP, rows * pitch - _GAP
    figure = new_figure(width * _CELL + 0.3, height * _CELL + 0.7)
    axes = figure.add_subplot()
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        left, top = column * (1 + _GAP), row * pitch
        if image is not None:
            box = (left, left + 1, top + 1, top)
            axes.imshow(image, extent=box, cmap="gray", vmin=0, vmax=255)
        if captions:
            words = plain(captions[place])
            axes.text(left + 0.5, top + 1.16, words, ha="center", va="baseline", fontsize="small")
    for row, name in enumerate(row_names):
        axes.text(-0.12, row * pitch + 0.5, plain(name), ha="right", va="center")
    axes.set_xlim(-margin, width - margin)
    axes.set_ylim(height, 0)
    axes.set_aspect("equal")
    axes.axis("off")
    figure.suptitle(plain(title), fontsize="large", wrap=True)
    return figure
