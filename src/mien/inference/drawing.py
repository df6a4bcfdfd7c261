"""Pictures with the faces found in them drawn on top."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mien.labels import colour_of
from mien.pictures import resize

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from mien.inference.results import Face

SMALLEST_CANVAS = 480
"""Smaller pictures are enlarged to this longer side, pixels: text needs the room."""

# Pillow's own font draws ASCII only; these are looked for among the system's, in this order.
_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "arialuni.ttf",
    "NotoSansCJK-Regular.ttc",
    "msgothic.ttc",
    "arial.ttf",
)
_UNKNOWN = "\uffff"  # no font has it


def draw_faces(rgb: np.ndarray, faces: "Sequence[Face]") -> np.ndarray:
    """Returns a copy of the picture, RGB uint8, with boxes, expressions and probability bars.

    It has the picture's size, or, if its longer side is under 480 pixels, is enlarged to that.
    Bars are drawn beside faces that are large enough to read them; an uncertain expression has
    a question mark. Of videos, the number of the face's track stands before it.

    Args:
        rgb: The picture, RGB uint8 `[H, W, 3]`.
        faces: The faces in it, in pixels of it.
    """
    from PIL import Image, ImageDraw

    height, width = rgb.shape[:2]
    scale = max(1.0, SMALLEST_CANVAS / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    picture = Image.fromarray(np.ascontiguousarray(resize(rgb, *size)))
    draw = ImageDraw.Draw(picture, "RGBA")
    text_size = max(13, round(max(size) / 50))
    for face in faces:
        box = tuple(round(value * scale) for value in face.box)
        _draw_face(draw, box, face, text_size)
    return np.array(picture)


def _draw_face(draw: "ImageDraw", box: tuple[int, ...], face: "Face", text_size: int) -> None:
    left, top, right, bottom = box
    colour = colour_of(face.expression)
    line = max(2, text_size // 7)
    draw.rectangle(box, outline=colour, width=line)
    doubt = "?" if face.uncertain else ""
    number = "" if face.track_id is None else f"{face.track_id}: "
    text = f"{number}{face.expression}{doubt} {face.confidence:.0%}"
    _draw_label(draw, left, top, text, colour, text_size)
    row = max(10, round(text_size * 0.8))
    if bottom - top >= row * len(face.probabilities):
        _draw_bars(draw, (left, right), bottom, face.probabilities, row)


def _draw_label(
    draw: "ImageDraw", left: int, top: int, text: str, colour: tuple[int, int, int], size: int
) -> None:
    """Writes on a filled plate above the box, or inside it at the picture's upper edge."""
    text, font = _lettering(text, size)
    width, height = round(draw.textlength(text, font)) + size // 2, round(size * 1.4)
    x = max(0, min(left, draw.im.size[0] - width))
    y = top - height if top >= height else top
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    red, green, blue = colour
    ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else "white"
    draw.text((x + size // 4, y + height // 2), text, fill=ink, font=font, anchor="lm")


def _draw_bars(
    draw: "ImageDraw",
    sides: tuple[int, int],
    bottom: int,
    probabilities: dict[str, float],
    row: int,
) -> None:
    """Draws a bar per expression on a dim panel: right of the box, or left, or inside it."""
    left, right = sides
    lettering = {label: _lettering(label, row) for label in probabilities}
    names = max(round(draw.textlength(*pair)) for pair in lettering.values())
    longest, gap = row * 4, row // 3
    width, height = names + longest + 3 * gap, row * len(probabilities) + 2 * gap
    if right + width <= draw.im.size[0]:
        x = right
    elif left >= width:
        x = left - width
    else:
        x = max(0, right - width)
    y = max(0, bottom - height)
    draw.rectangle((x, y, x + width, y + height), fill=(0, 0, 0, 150))
    for index, (label, probability) in enumerate(probabilities.items()):
        middle = y + gap + index * row + row // 2
        start = x + names + 2 * gap
        text, font = lettering[label]
        draw.text((x + gap, middle), text, fill="white", font=font, anchor="lm")
        bar = (start, middle - row // 5, start + round(longest * probability), middle + row // 5)
        draw.rectangle(bar, fill=colour_of(label))


def _lettering(text: str, size: int) -> "tuple[str, ImageFont | FreeTypeFont]":
    """Returns the text and a font that has its letters; without one, the text without accents."""
    from PIL import ImageFont

    if not text.isascii():
        for name in _FONTS:
            if _has_letters(name, text):
                return text, ImageFont.truetype(name, size)
        text = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return text, ImageFont.load_default(size)


@lru_cache(maxsize=256)
def _has_letters(name: str, text: str) -> bool:
    from PIL import ImageFont

    try:
        font = ImageFont.truetype(name, 16)
    except OSError:  # not on this system
        return False
    unknown = _glyph(_UNKNOWN, font)
    return all(letter.isspace() or _glyph(letter, font) != unknown for letter in text)


def _glyph(letter: str, font: "FreeTypeFont") -> bytes:
    from PIL import Image, ImageDraw

    image = Image.new("L", (32, 32))
    ImageDraw.Draw(image).text((4, 4), letter, fill=255, font=font)
    return image.tobytes()
