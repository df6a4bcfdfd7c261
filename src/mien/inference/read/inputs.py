"""What people have in their hands → sources: paths, contents, pixels, folders, lists of them."""

import numbers
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mien.errors import MienError, UsageError
from mien.inference.read.camera import Camera, find_camera
from mien.inference.read.sources import PictureSource, Source, find_sources
from mien.pictures import rgb_of

Colour = Literal["rgb", "bgr"]

EXPECTED = (
    "expected a path (of a picture, a video, a folder or a pattern), the bytes of a picture, a "
    "file object, a PIL image, pixels [H, W], [H, W, 1], [H, W, 3] or [H, W, 4], or a list of these"
)
_COLOURS = ("rgb", "bgr")
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Pixels:
    """How pixels that are given as numbers are to be understood.

    Attributes:
        colour: The order of their channels: `rgb`, or `bgr` as OpenCV has them.
        white: The value that white has. None: 255 of uint8, 65535 of uint16; of other numbers it
            must be said, as 1 or 255 or what it is.
    """

    colour: Colour = "rgb"
    white: float | None = None

    def __post_init__(self) -> None:
        if self.colour not in _COLOURS:
            raise UsageError(f"colour {self.colour!r}: expected 'rgb' or 'bgr'")
        if self.white is not None and not self.white > 0:
            raise UsageError(f"white {self.white!r}: expected the value that white pixels have")


def is_camera(given: object) -> bool:
    """Returns whether it is a camera: a number, an `rtsp://` address, what `find_camera` gave."""
    if isinstance(given, Camera):
        return True
    if isinstance(given, numbers.Integral):
        return not isinstance(given, bool)
    return isinstance(given, str) and given.lower().startswith(("rtsp://", "rtsps://"))


def as_camera(given: Any) -> Camera:
    """Returns the camera that is meant by what `is_camera` knows."""
    return given if isinstance(given, Camera) else find_camera(str(given))


def is_many(given: object) -> bool:
    """Returns whether it is a list, a generator or a batch: each of its items is an input."""
    if _is_picture(given):
        return _is_batch(given)
    single = str, os.PathLike, bytes, bytearray, memoryview, Source
    return isinstance(given, Iterable) and not (isinstance(given, single) or hasattr(given, "read"))


def find_inputs(given: Any, pixels: Pixels) -> Iterator[Source]:
    """Yields what an input, or each item of many, comes to, in order; nothing is decoded yet.

    One that is nothing is a source with its error. What has no name is called by its index.
    """
    for index, item in enumerate(given if is_many(given) else [given]):
        try:
            yield from sources_of(item, pixels, str(index))
        except MienError as error:
            name = os.fspath(item) if isinstance(item, str | os.PathLike) else str(index)
            text = str(error) if str(error).startswith(name) else f"{name}: {error}"
            yield PictureSource(name, b"", Path(name), text)


def sources_of(given: Any, pixels: Pixels, name: str = "picture") -> list[Source]:
    """Returns what a single input comes to; nothing is decoded yet.

    Args:
        given: It.
        pixels: How numbers are to be understood.
        name: What it is called if it has no name.

    Raises:
        MissingError: No such file, or the pattern matches none.
        BadInputError: A folder has nothing to read in it.
        UsageError: It is nothing that is taken.
    """
    if isinstance(given, Source):
        return [given]
    if isinstance(given, str | os.PathLike):
        return find_sources([os.fspath(given)])
    if isinstance(given, bytes | bytearray | memoryview):
        return [PictureSource(name, bytes(given), Path(name))]
    if _is_picture(given):
        if _is_batch(given):
            raise UsageError(f"a batch {list(given.shape)} in a list: give it by itself")
        return [PictureSource(name, as_rgb(given, pixels), Path(name))]
    if hasattr(given, "read"):
        content = given.read()
        if not isinstance(content, bytes):
            raise UsageError("a file object that gives text: open it with mode 'rb'")
        return [PictureSource(name, content, Path(name))]
    if is_camera(given):
        raise UsageError(f"camera {given!r} in a list: give it by itself")
    hint = " (OpenCV gives None for a file that it cannot read)" if given is None else ""
    raise UsageError(f"{EXPECTED}; got {type(given).__name__}{hint}")


def find_picture(given: Any, pixels: Pixels | None = None, name: str = "picture") -> PictureSource:
    """Returns the one picture that is given; nothing is decoded yet.

    Args:
        given: It.
        pixels: How numbers are to be understood; as RGB, unless given.
        name: What it is called if it has no name.

    Raises:
        MissingError: No such file.
        UsageError: It is no picture, or several.
    """
    source, *others = sources_of(given, pixels or Pixels(), name)
    if others or not isinstance(source, PictureSource):
        raise UsageError(f"{given}: expected one picture")
    return source


def as_rgb(picture: Any, pixels: Pixels) -> np.ndarray:
    """Returns a PIL image, or pixels in any of the usual forms, as RGB uint8 `[H, W, 3]`.

    A PIL image is brought upright as its EXIF data say; transparent pixels are laid on white.

    Args:
        picture: A PIL image; or numbers `[H, W]`, `[H, W, 1]`, `[H, W, 3]` or `[H, W, 4]`, of numpy
            or whatever gives numpy's (tensors `[C, H, W]` too).
        pixels: How the numbers are to be understood.

    Raises:
        UsageError: It is neither; or what white is must be said.
    """
    if _is_pil(picture):
        return rgb_of(picture)
    values = _numbers(picture)
    if not isinstance(picture, np.ndarray) and values.ndim == 3:
        first, last = values.shape[0], values.shape[2]
        if first in _CHANNELS and last not in _CHANNELS:
            values = values.transpose(1, 2, 0)
    good = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in _CHANNELS)
    if not good or not values.size:
        raise UsageError(
            "expected pixels [H, W], [H, W, 1], [H, W, 3] or [H, W, 4], "
            f"got {values.dtype} {list(values.shape)}"
        )
    return _as_rgb(_as_bytes(values, pixels.white), pixels.colour)


def _is_pil(given: object) -> bool:
    library = sys.modules.get("PIL.Image")  # whoever has such an image has loaded it
    return library is not None and isinstance(given, library.Image)


def _is_picture(given: object) -> bool:
    return isinstance(given, np.ndarray) or _is_pil(given) or hasattr(given, "__array__")


def _is_batch(given: Any) -> bool:
    return not _is_pil(given) and len(given.shape) == 4


def _numbers(given: Any) -> np.ndarray:
    try:
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor on a GPU, or with a gradient
        raise UsageError(
            f"{type(given).__name__}: gives no numpy array ({error}); for a tensor: "
            ".detach().cpu().float()"
        ) from error


def _as_rgb(values: np.ndarray, colour: Colour) -> np.ndarray:
    """Returns uint8 `[H, W]` or `[H, W, 1 | 3 | 4]` as RGB `[H, W, 3]`; transparency on white."""
    if values.ndim == 2 or values.shape[2] == 1:
        return np.repeat(values.reshape(*values.shape[:2], 1), 3, axis=2)
    if colour == "bgr":
        values = values[..., [2, 1, 0, 3][: values.shape[2]]]
    if values.shape[2] == 4:
        from PIL import Image

        return rgb_of(Image.fromarray(np.ascontiguousarray(values)))
    return values


def _as_bytes(values: np.ndarray, white: float | None) -> np.ndarray:
    if values.dtype == np.uint8 and white in (None, 255):
        return values
    if values.dtype == bool:
        values, white = values.astype(np.float32), 1 if white is None else white
    if white is None:
        if values.dtype != np.uint16:
            raise UsageError(
                f"pixels of dtype {values.dtype}: say what white is, white=1 or white=255; "
                "nothing is guessed"
            )
        white = 65535
    if values.dtype.kind not in "uif":
        raise UsageError(f"expected numbers as pixels, got dtype {values.dtype}")
    values = values.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not (low >= -0.01 * white and high <= 1.01 * white):
        raise UsageError(
            f"pixels from {low:g} to {high:g} with white={white:g}: expected 0 to {white:g}"
        )
    return np.rint(values.clip(0, white) * (255 / white)).astype(np.uint8)
