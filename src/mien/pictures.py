"""Still pictures: a path or bytes → RGB uint8; grey; resize. The only decoder of pictures."""

import io
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from mien.errors import BadInputError, MissingError, PassingError

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

QUICK_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "AVIF")
"""What decodes in a time that goes with the pixels."""
FORMATS = (*QUICK_FORMATS, "JPEG2000")
MAX_SCANS = 200
"""Of a progressive JPEG, each of which is a pass over all of it; cameras and programs write ten."""

_ORIENTATION_TAG = 0x0112
_GAP = 3.0
_LARGE = 8_000_000  # pixels
_BACKGROUND = (255, 255, 255)
_opening = threading.Lock()  # warnings.catch_warnings is not safe between threads


def read_picture(
    source: Path | str | bytes,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] = FORMATS,
    accept: Callable[[int, int], int] | None = None,
) -> np.ndarray:
    """Returns the picture as RGB uint8 `[H, W, 3]`, upright as its EXIF orientation says.

    What it is, is seen from its contents, not from its name. Of a moving picture, or one of several
    pages, the first is read, and a warning says so; transparent pixels are laid on white; colour
    profiles are not applied. More than 8 bits are scaled to 8 by as many as the brightest pixel
    uses: a camera's 12 bits in a file of 16 are not black.

    Args:
        source: A file's path, or the contents of one.
        name: What errors call it; the path, unless given.
        max_pixels: Largest width x height that is decoded (Pillow itself ends at 178 million).
        formats: Which are decoded, as Pillow calls them.
        accept: Told width and height before it is decoded; returns the whole number by which it is
            made smaller, or raises.

    Raises:
        MissingError: No such file.
        PassingError: The system cannot read it now.
        BadInputError: It is no picture, is damaged, has more than `MAX_SCANS`, is larger than
            `max_pixels`, or there is too little memory for it.
    """
    limits = max_pixels, formats, accept
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), name or "the picture", *limits)
    name = name or str(source)
    try:
        with Path(source).open("rb") as stream:
            return _decode(stream, name, *limits)
    except FileNotFoundError as error:
        raise MissingError(f"{name}: no such file") from error
    except IsADirectoryError as error:
        raise BadInputError(f"{name}: is a folder, not a picture") from error
    except OSError as error:
        raise PassingError(f"{name}: cannot be read: {error.strerror or error}") from error


def rgb_of(picture: "Image") -> np.ndarray:
    """Returns a PIL image as RGB uint8 `[H, W, 3]`, treated as `read_picture` treats a file's.

    Raises:
        BadInputError: Its pixels have no known range, or it is damaged.
    """
    turns_itself = picture.format == "TIFF"  # Pillow does, on loading
    orientation = 1 if turns_itself else picture.getexif().get(_ORIENTATION_TAG, 1)
    try:
        return _turn(np.asarray(_to_rgb(picture, "the picture")), orientation)
    except OSError as error:  # a file that is read only now
        raise BadInputError(f"the picture is damaged or cut short ({error})") from error


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
    box, gap = None, _GAP
    if image.shape[0] * image.shape[1] > _LARGE:  # what Pillow does first, in less memory
        across = max(1, int(image.shape[1] / width / _GAP))
        down = max(1, int(image.shape[0] / height / _GAP))
        box, gap = (0, 0, image.shape[1] / across, image.shape[0] / down), None
        image = reduce(image, across, down)
    picture = Image.fromarray(image)
    small = picture.resize((width, height), Image.Resampling.BILINEAR, box, reducing_gap=gap)
    return np.asarray(small)


def reduce(image: np.ndarray, across: int, down: int) -> np.ndarray:
    """Returns means of `down` x `across` pixels each: uint8 `[H, W]` or `[H, W, 3]`.

    As Pillow's `reduce`, but in bands: Pillow would copy the whole image.
    """
    from PIL import Image

    rows = max(1, _LARGE // (8 * image.shape[1] * down)) * down
    bands = [
        np.asarray(Image.fromarray(image[top : top + rows]).reduce((across, down)))
        for top in range(0, image.shape[0], rows)
    ]
    return np.concatenate(bands)


def _decode(
    stream: IO[bytes],
    name: str,
    max_pixels: int,
    formats: tuple[str, ...],
    accept: Callable[[int, int], int] | None,
) -> np.ndarray:
    from PIL import UnidentifiedImageError

    try:
        picture, orientation = _open(stream, name, max_pixels, formats)
        with picture:
            factor = 1 if accept is None else accept(picture.width, picture.height)
            if picture.format in ("JPEG", "MPO"):
                _check_scans(stream, name)
            if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
                # cameras write MPO: a picture, and smaller or deeper ones of the same
                warnings.warn(
                    f"{name}: holds {picture.n_frames} pictures; the first is read",  # type: ignore[attr-defined]
                    stacklevel=4,
                )
            picture.load()
            rgb = _to_rgb(picture, name)
        if factor > 1:
            rgb = rgb.reduce(factor)
        return _turn(np.asarray(rgb), orientation)
    except BadInputError:
        raise
    except UnidentifiedImageError as error:
        raise BadInputError(f"{name}: {_kind(stream)}") from error
    except OSError as error:
        if error.errno is not None:  # the system's, of the file; Pillow's own have no number
            raise PassingError(f"{name}: cannot be read: {error.strerror}") from error
        raise BadInputError(f"{name}: the picture is damaged or cut short ({error})") from error
    except MemoryError as error:
        raise BadInputError(f"{name}: there is too little memory to decode it") from error
    except Exception as error:  # damaged bytes make Pillow fail in whatever way they happen to
        raise BadInputError(f"{name}: the picture is damaged or cut short ({error})") from error


def _check_scans(stream: IO[bytes], name: str) -> None:
    """Raises BadInputError if a JPEG has too many scans; its markers are nothing else's bytes."""
    place = stream.tell()
    stream.seek(0)
    num_scans = stream.read().count(b"\xff\xda")
    stream.seek(place)
    if num_scans > MAX_SCANS:
        raise BadInputError(f"{name}: a JPEG of {num_scans} scans; {MAX_SCANS} are decoded at most")


def _open(
    stream: IO[bytes], name: str, max_pixels: int, formats: tuple[str, ...]
) -> "tuple[Image, int]":
    """Returns the picture, undecoded, and its EXIF orientation; Pillow's warnings are hushed."""
    from PIL import Image

    limit = f"more than {max_pixels / 1e6:g} megapixels; refused undecoded"
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(stream, formats=formats)
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
        grey = np.rint(np.arange(top + 1) * (255 / top)).astype(np.uint8)
        picture = Image.fromarray(grey[levels])
    elif picture.mode == "F":
        raise BadInputError(f"{name}: floating-point pixels have no known range")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = Image.new("RGB", picture.size, _BACKGROUND)
        paper.paste(picture, mask=picture)
        return paper
    return picture.convert("RGB")


def _kind(stream: IO[bytes]) -> str:
    """Says what a file that is no picture seems to be."""
    stream.seek(0)
    head = stream.read(512)
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        return "HEIC pictures are not read; convert it to JPEG or PNG"
    if head[4:8] == b"jP  " or head[:4] == b"\xff\x4f\xff\x51":
        return "JPEG 2000 pictures are not read here; convert it to JPEG or PNG"
    if head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or head[8:12] == b"AVI ":
        return "a video, not a picture"  # MP4 and QuickTime, Matroska and WebM, AVI
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "text, not a picture"
    return "not a picture of a known kind (JPEG, PNG, WebP, GIF, TIFF, BMP, ...)"
