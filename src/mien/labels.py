"""The seven expressions: their order, their colours, and other data sets' names for them."""

import difflib

EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's order: the index is the label."""

COLOURS = {
    "angry": (213, 94, 0),
    "disgust": (0, 158, 115),
    "fear": (148, 103, 189),
    "happy": (240, 228, 66),
    "sad": (0, 114, 178),
    "surprise": (230, 159, 0),
    "neutral": (153, 153, 153),
}
"""RGB per expression, after Okabe and Ito's palette for the colour-blind (purple is ours)."""

_OTHER_NAMES = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "neutrality": "neutral",
    "an": "angry",
    "di": "disgust",
    "fe": "fear",
    "ha": "happy",
    "sa": "sad",
    "su": "surprise",
    "ne": "neutral",
}


def canonical_expression(name: str) -> str | None:
    """Returns mien's name for an expression as another set spells it; None if not one of ours.

    Case, spaces, `_`, `-` and leading numbers (`"3_Happiness"`) do not matter.
    """
    word = name.strip().lower().lstrip("0123456789._- ").replace("_", " ").strip()
    word = _OTHER_NAMES.get(word, word)
    return word if word in EXPRESSIONS else None


def colour_of(label: str) -> tuple[int, int, int]:
    """Returns the RGB colour (0-255) of an expression; labels of the user's own are grey."""
    return COLOURS.get(label, (200, 200, 200))


def nearest(name: str, known: "tuple[str, ...] | list[str]") -> str:
    """Returns `"; did you mean 'x'?"` for the nearest known name, or the list of all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
