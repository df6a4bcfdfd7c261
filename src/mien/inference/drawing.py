"""Pictures with the faces found in them drawn on top."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from mien.errors import UsageError
from mien.inference.placing import Rect, Size, Spots, Wanted, place
from mien.labels import colour_of, nearest
from mien.pictures import resize
from mien.text import printable

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from mien.inference.face import Face

SMALLEST_CANVAS = 480
"""Smaller pictures are enlarged to this longer side, pixels: text needs the room."""
SMALLEST_TEXT = 11
"""Pixels of the drawn picture."""

Detail = Literal["boxes", "labels", "bars"]
"""How much is drawn of a face; each has what those before it have."""

_LONGEST_NAME = 24  # letters of an expression's name that are written

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


def draw_faces(
    rgb: np.ndarray,
    faces: "Sequence[Face]",
    detail: Detail = "bars",
    spots: dict[int, Spots] | None = None,
) -> np.ndarray:
    """Returns a copy of the picture, RGB uint8, with boxes, expressions and probability bars.

    It has the picture's size, or, if its longer side is under 480 pixels, is enlarged to that.
    No label covers a face, no two cover each other; see `placing.place`. Where there is no room,
    labels leave out the probability or all. Bars are a panel beside faces that are large enough,
    else a strip on the label, its parts as wide as the probabilities. An uncertain expression has
    a question mark. Of videos, the number of the face's track stands before it, at any detail.

    Args:
        rgb: The picture, RGB uint8 `[H, W, 3]`.
        faces: The faces in it, in pixels of it.
        detail: `boxes`; `labels`, which has these too; or `bars`, which has both too.
        spots: Of a video: where labels stood in the frame before, by track; they stay there if
            they can. It is brought up to date.

    Raises:
        UsageError: `detail` is none of these.
    """
    from PIL import Image, ImageDraw

    if detail not in get_args(Detail):
        raise UsageError(f"detail {detail!r}{nearest(str(detail), get_args(Detail))}")
    height, width = rgb.shape[:2]
    scale = max(1.0, SMALLEST_CANVAS / max(height, width))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Image.fromarray(np.ascontiguousarray(resize(rgb, height, width)))
    draw = ImageDraw.Draw(picture, "RGBA")
    # Always in the same order, so that labels of a video keep their places.
    ordered = sorted(faces, key=lambda face: (face.track_id or 0, face.box[1], face.box[0]))
    plans = [_plan(face, scale, (width, height), detail, spots or {}) for face in ordered]
    places = place((width, height), [plan.wanted for plan in plans])
    if spots is not None:
        spots.update(
            (plan.face.track_id or 0, at.spots) for plan, at in zip(plans, places, strict=True)
        )
    for plan, found in zip(plans, places, strict=True):
        colour, line = colour_of(plan.face.expression), max(2, plan.text_size // 7)
        left, top, right, bottom = plan.wanted.box
        draw.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=line)
        if found.leader is not None:
            draw.line(found.leader, fill=colour, width=max(1, line // 2))
    for plan, found in zip(plans, places, strict=True):
        if found.panel is not None:
            _draw_panel(draw, found.panel, plan)
        if found.strip is not None:
            _draw_strip(draw, found.strip, plan.face.probabilities)
        if found.label is not None:
            _draw_label(draw, found.label, plan.texts[found.choice], plan)
    return np.array(picture)


@dataclass(frozen=True)
class _Plan:
    """What will be written of a face: words in the order they are tried, and their sizes."""

    face: "Face"
    text_size: int
    row: int
    texts: tuple[str, ...]
    wanted: Wanted


def _plan(
    face: "Face", scale: float, canvas: Size, detail: Detail, spots: dict[int, Spots]
) -> _Plan:
    left, top, right, bottom = (round(value * scale) for value in face.box)
    left, top = min(left, canvas[0] - 1), min(top, canvas[1] - 1)
    box = (left, top, min(right + 1, canvas[0]), min(bottom + 1, canvas[1]))
    text_size = _text_size(min(right - left, bottom - top), max(canvas))
    number = () if face.track_id is None else (str(face.track_id),)
    name = printable(face.expression)
    name = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 2] + ".."
    words = ": ".join((*number, name + "?" * face.uncertain))
    texts = number if detail == "boxes" else (f"{words} {face.confidence:.0%}", words, *number)
    labels = tuple((_width(text, text_size) + text_size // 2, _plate(text_size)) for text in texts)
    # A panel is no taller than its face, and its letters not much smaller than the label's.
    rows = len(face.probabilities)
    row = min(round(text_size * 0.8), (bottom - top) // rows)
    row = max(SMALLEST_TEXT, row)
    panel = strip = None
    if detail == "bars":
        strip = max(6, text_size * 2 // 5)
        gap = row // 3
        names = max(_width(printable(label), row) for label in face.probabilities)
        if rows * row <= bottom - top and row >= 0.7 * text_size:
            panel = (names + row * 4 + 3 * gap, rows * row + 2 * gap)
    before = spots.get(face.track_id or 0, Spots())
    wanted = Wanted(box, labels, bool(number), panel, strip, before)
    return _Plan(face, text_size, row, texts, wanted)


def _text_size(face_side: int, picture_side: int) -> int:
    """Returns the letters' size, pixels, for a face: in steps, so that it seldom changes."""
    smallest = max(SMALLEST_TEXT, picture_side / 100)
    wanted = max(smallest, min(face_side / 7, max(13, picture_side / 50)))
    steps = round(math.log(wanted / SMALLEST_TEXT, 1.2))
    return math.ceil(SMALLEST_TEXT * 1.2**steps)


def _plate(text_size: int) -> int:
    return round(text_size * 1.4)


def _draw_label(draw: "ImageDraw", rect: Rect, text: str, plan: _Plan) -> None:
    left, top, right, bottom = rect
    text, font = _lettering(text, plan.text_size)
    red, green, blue = colour = colour_of(plan.face.expression)
    # A pixel stays free above and at the right: two labels side by side are two.
    draw.rectangle((left, top + 1, right - 2, bottom - 1), fill=colour)
    ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else "white"
    place = (left + plan.text_size // 4, (top + bottom) // 2)
    draw.text(place, text, fill=ink, font=font, anchor="lm")


def _draw_panel(draw: "ImageDraw", rect: Rect, plan: _Plan) -> None:
    """Draws a bar per expression on a dim panel."""
    left, top, right, bottom = rect
    row, gap = plan.row, plan.row // 3
    start, longest = right - gap - row * 4, row * 4
    draw.rectangle((left, top, right - 1, bottom - 1), fill=(0, 0, 0, 150))
    for index, (label, probability) in enumerate(plan.face.probabilities.items()):
        middle = top + gap + index * row + row // 2
        text, font = _lettering(printable(label), row)
        draw.text((left + gap, middle), text, fill="white", font=font, anchor="lm")
        bar = (start, middle - row // 5, start + round(longest * probability), middle + row // 5)
        draw.rectangle(bar, fill=colour_of(label))


def _draw_strip(draw: "ImageDraw", rect: Rect, probabilities: dict[str, float]) -> None:
    """Draws the probabilities end to end, each as wide as it is large."""
    left, top, right, bottom = rect
    draw.rectangle((left, top, right - 1, bottom - 1), fill="black")
    start, total = left + 1, 0.0
    for label, probability in probabilities.items():
        total += probability
        end = left + 1 + round((right - left - 1) * total)
        if end - start > 1:  # a dark pixel between two
            draw.rectangle((start, top + 1, end - 2, bottom - 2), fill=colour_of(label))
        start = end


@lru_cache(maxsize=4096)
def _width(text: str, size: int) -> int:
    text, font = _lettering(text, size)
    return math.ceil(font.getlength(text))


@lru_cache(maxsize=1024)
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
