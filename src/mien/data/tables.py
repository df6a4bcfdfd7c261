"""Small CSV tables that a user writes beside a labelled set: each line with its number."""

import csv
import io
from pathlib import Path

from mien.errors import BadInputError, MissingError


def read_lines(path: Path, errors: str = "strict") -> list[tuple[int, list[str]]]:
    """Returns the number of each line of a CSV, from 1, and its cells without spaces around them.

    A row with line breaks inside quotes has the number of its last line.

    Args:
        path: The file, in UTF-8, with a byte order mark or without.
        errors: What becomes of bytes that are not UTF-8, as `bytes.decode` takes it.

    Raises:
        MissingError: It is not there.
        BadInputError: It cannot be read, or a quote in it is not closed.
        UnicodeDecodeError: It is no UTF-8 text.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", errors)
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file") from error
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read: {error.strerror or error}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise BadInputError(f"{path}:{reader.line_num}: is no CSV: {error}") from error
