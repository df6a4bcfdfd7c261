"""Names and messages for people and tables: what a file may be called can do no harm there."""

import re

# Controls (with escape, tab and line ends), half characters (bytes of names that are not UTF-8),
# separators of lines, and marks that turn the direction of writing.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#|~!>$])")
_FORMULA = ("=", "+", "-", "@")


def printable(text: str) -> str:
    r"""Returns the text with each harmful character as an escape: `\x1b`, `\u202e`.

    A byte that is not UTF-8 becomes `\xff`; all else, letters of any script, stays.
    """
    return _HARMFUL.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """Returns the same of a message of several lines, which stay lines."""
    return "\n".join(map(printable, text.split("\n")))


def markdown(text: str) -> str:
    """Returns what shows as the text in a cell of a Markdown table, whatever it holds."""
    return _MARKDOWN.sub(r"\\\1", printable(text)).replace("&", "&amp;").replace("<", "&lt;")


def counted(number: int, noun: str) -> str:
    """Returns the number with the noun, which takes an s unless there is one: `1 face`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def table_cell(value: object) -> object:
    """Returns what a table that spreadsheets open holds for a value.

    Text that one would run as a formula gets `'` before it; yes and no are `true` and `false`.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
