"""Still pictures: a path or bytes → RGB uint8; grey; resize. The only decoder of pictures."""

import io
import threading
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from mien.errors import BadInputError, MissingError

if TYPE_CHECKING:
    from PIL.Image import Image

_SUFFIXES = (
    "jpg jpeg jpe jfif mpo png bmp dib gif webp tif tiff ppm pgm pbm pnm jp2 j2k avif heic heif"
)
PICTURE_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""The endings, in lower case, that mark a file in a folder as a picture. HEIC is one that cannot be
read: it is named, not passed over."""

MAX_PIXELS = 100_000_000
"""Pictures that declare more pixels are refused before they are decoded."""

_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
_ORIENTATION_TAG = 0x0112
_BACKGROUND = (255, 255, 255)
_opening = threading.Lock()  # warnings.catch_warnings is not safe between threads


def read_picture(
    source: Path | str | bytes, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Returns the picture as RGB uint8 `[H, W, 3]`, upright as its EXIF orientation says.

    What it is, is seen from its contents, not from its name. Of a moving picture the first
    frame is read; transparent pixels are laid on white; colour profiles are not applied. More than
    8 bits are scaled to 8 by as many as the brightest pixel uses: a camera's 12 bits in a file of
    16 are not black.

    Args:
        source: A file's path, or the contents of one.
        name: What errors call it; the path, unless given.
        max_pixels: Largest width x height that is decoded (Pillow itself ends at 178 million).

    Raises:
        MissingError: No such file.
        BadInputError: It is no picture, is damaged, or is larger than `max_pixels`.
    """
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), name or "the picture", max_pixels)
    name = name or str(source)
    try:
        with Path(source).open("rb") as stream:
            return _decode(stream, name, max_pixels)
    except FileNotFoundError as error:
        raise MissingError(f"{name}: no such file") from error
    except IsADirectoryError as error:
        raise BadInputError(f"{name}: is a folder, not a picture") from error
    except OSError as error:
        raise BadInputError(f"{name}: cannot be read: {error.strerror or error}") from error


def to_grey(rgb: np.ndarray) -> np.ndarray:
    """Returns the grey of RGB pixels: uint8 `[..., 3]` → uint8 `[...]`.

    ITU-R 601 luma, 0.299 R + 0.587 G + 0.114 B, in fixed point and rounded, as Pillow computes it.
    """
    red, green, blue = (rgb[..., channel].astype(np.uint32) for channel in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.uint8)


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns the image at another size: uint8 `[H, W]` or `[H, W, 3]` → the same kind.

    Every pixel it is made of counts when it shrinks (a triangle filter as wide as the
    shrinkage); it is linear when it grows.
    """
    from PIL import Image

    if image.shape[:2] == (height, width):
        return image
    picture = Image.fromarray(image)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))


def _decode(stream: IO[bytes], name: str, max_pixels: int) -> np.ndarray:
    from PIL import UnidentifiedImageError

    try:
        picture, orientation = _open(stream, name, max_pixels)
        with picture:
            picture.load()
            return _turn(np.asarray(_to_rgb(picture, name)), orientation)
    except BadInputError:
        raise
    except UnidentifiedImageError as error:
        raise BadInputError(f"{name}: {_kind(stream)}") from error
    except Exception as error:  # damaged bytes make Pillow fail in whatever way they happen to
        raise BadInputError(f"{name}: the picture is damaged or cut short ({error})") from error


def _open(stream: IO[bytes], name: str, max_pixels: int) -> "tuple[Image, int]":
    """Returns the picture, undecoded, and its EXIF orientation; Pillow's warnings are hushed."""
    from PIL import Image

    limit = f"more than {max_pixels / 1e6:g} megapixels; refused undecoded"
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(stream, formats=_FORMATS)
        except Image.DecompressionBombError as error:
            raise BadInputError(f"{name}: {limit}") from error
        if picture.width * picture.height > max_pixels:
            raise BadInputError(f"{name}: {picture.width} x {picture.height} pixels, {limit}")
        turns_itself = picture.format == "TIFF"  # Pillow does, on loading
        return picture, 1 if turns_itself else picture.getexif().get(_ORIENTATION_TAG, 1)


def _turn(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Returns stored pixels as they are to be shown (EXIF 2.32, section 4.6.4, Orientation)."""
    if orientation in (5, 6, 7, 8):
        rgb = rgb.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(rgb)


def _to_rgb(picture: "Image", name: str) -> "Image":
    from PIL import Image

    if picture.mode == "I" or picture.mode.startswith("I;16"):
        levels = np.asarray(picture)
        if levels.min() < 0 or levels.max() > 65535:
            raise BadInputError(f"{name}: 32-bit pixels outside 0-65535 have no known range")
        top = (1 << max(8, int(levels.max()).bit_length())) - 1
        picture = Image.fromarray(np.rint(levels * (255 / top)).astype(np.uint8))
    elif picture.mode == "F":
        raise BadInputError(f"{name}: floating-point pixels have no known range")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, _BACKGROUND), picture)
    return picture.convert("RGB")


def _kind(stream: IO[bytes]) -> str:
    """Says what a file that is no picture seems to be."""
    stream.seek(0)
    head = stream.read(512)
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        return "HEIC pictures are not read; convert it to JPEG or PNG"
    if head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or head[8:12] == b"AVI ":
        return "a video, not a picture"  # MP4 and QuickTime, Matroska and WebM, AVI
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "text, not a picture"
    return "not a picture of a known kind (JPEG, PNG, WebP, GIF, TIFF, BMP, ...)"
