"""What all pictures share: colours, how text is set, and how a figure becomes a file."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mien.errors import UsageError
from mien.files import write_whole
from mien.labels import colour_of

PICTURE_SUFFIXES = (".png", ".svg")

LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette for the colour-blind; markers tell lines apart in grey too."""
MARKERS = "osD^vPX"
BLUE, ORANGE, HATCH = "#0072B2", "#E69F00", "///"
"""A pair of bars: dark and light, one hatched, so that they differ in grey."""

_DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure of that many inches, whose parts keep out of each other's way."""
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def class_colour(name: str) -> tuple[float, ...]:
    """Returns the RGB colour of a class, 0 to 1 as matplotlib takes it."""
    return tuple(value / 255 for value in colour_of(name))


def plain(text: str) -> str:
    """Returns the text so that matplotlib sets it as it is: a class or file may be called `$`."""
    return text.replace("$", r"\$")


def finish_axes(axes: Axes) -> None:
    """Leaves left and bottom spines and a faint horizontal grid behind what is drawn."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.85", linewidth=0.8)
    axes.set_axisbelow(True)


def name_classes(axes: Axes, names: Sequence[str], room: int = 75) -> None:
    """Writes class names below the x axis, slanted where they would touch: `room` letters fit."""
    slanted = len(names) * max(len(line) for name in names for line in name.split("\n")) > room
    turn = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(range(len(names)), [plain(name) for name in names], **turn)


def check_picture_path(path: str | Path) -> Path:
    """Returns the path, once its ending is one that figures are written as.

    Raises:
        UsageError: It is neither `.png` nor `.svg`.
    """
    path = Path(path)
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"{path}: pictures are written as {' or '.join(PICTURE_SUFFIXES)}")
    return path


def write_figure(figure: Figure, path: str | Path) -> Path:
    """Returns the path of the picture, once written: PNG or SVG by its ending.

    The same figure gives the same bytes: no time, no version, no random ids.

    Args:
        figure: What to write.
        path: Where to; folders are made.

    Raises:
        UsageError: The ending is neither `.png` nor `.svg`.
        BadInputError: It cannot be written.
    """
    path = check_picture_path(path)
    kind = path.suffix.lower().removeprefix(".")
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with (
        matplotlib.rc_context({"svg.hashsalt": "mien", "image.composite_image": False}),
        write_whole(path) as file,
    ):
        figure.savefig(file, format=kind, metadata=metadata)
    return path
