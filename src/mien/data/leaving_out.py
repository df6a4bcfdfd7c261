"""Rows to leave out: a small CSV, written by an audit or by hand, and a set without its rows.

The columns are `row`, the row of the set as in `FaceSet.rows`, and, to make sure that the rows are
those of this set, `split` and (of a folder) `file`. Further columns say why.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.data.face_set import FaceSet
from mien.data.tables import read_lines
from mien.errors import BadInputError
from mien.files import write_whole

_HEADER = ("row", "split", "reason", "partner", "file")


@dataclass(frozen=True)
class LeftOut:
    """A face to leave out.

    Attributes:
        index: Its place in the set, from 0.
        reason: Why, in a word.
        partner: The place of the face that is kept in its stead, if there is one.

    Example:
        >>> from mien.data import LeftOut
        >>> LeftOut(3, "duplicate", partner=1).reason
        'duplicate'
    """

    index: int
    reason: str
    partner: int | None = None


def write_left_out(path: str | Path, faces: FaceSet, chosen: Iterable[LeftOut]) -> None:
    """Writes the CSV of rows to leave out.

    Args:
        path: The file; replaced if it is there.
        faces: The set.
        chosen: Faces of it.

    Raises:
        BadInputError: The file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from mien.data import LeftOut, read, write_left_out
        >>> write_left_out("some.csv", read("faces.csv"), [LeftOut(3, "duplicate", partner=1)])
        >>> print(Path("some.csv").read_text())
        row,split,reason,partner,file
        3,Training,duplicate,1,
        <BLANKLINE>
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_HEADER)
    for each in chosen:
        partner = "" if each.partner is None else faces.rows[each.partner]
        split, file = _identity(faces, each.index)
        writer.writerow((faces.rows[each.index], split, each.reason, partner, file))
    with write_whole(Path(path)) as stream:
        stream.write(table.getvalue().encode(errors="surrogateescape"))


def leave_out(faces: FaceSet, path: str | Path) -> FaceSet:
    """Returns the set without the rows that a CSV names.

    Args:
        faces: The whole set, as it was read.
        path: A CSV with a column `row`, such as `write_left_out` writes. A row may stand in it
            more than once.

    Raises:
        MissingError: The file is not there.
        BadInputError: It has no such column, names a row that the set does not have, or a row
            whose split or file is another in the set; or it leaves nothing of a split.

    Example:
        >>> from mien.data import LeftOut, leave_out, read, write_left_out
        >>> faces = read("faces.csv")
        >>> write_left_out("some.csv", faces, [LeftOut(3, "duplicate", partner=1)])
        >>> len(faces), len(leave_out(faces, "some.csv"))
        (98, 97)
    """
    path = Path(path)
    place_of = {str(row): place for place, row in enumerate(faces.rows)}
    stay = np.ones(len(faces), bool)
    for line, words in _read(path):
        word = words["row"]
        place = place_of.get(word.lstrip("0") or word[:1])
        if place is None:
            last = faces.rows[-1] if len(faces) else -1
            raise BadInputError(
                f"{path}:{line}: no row {word[:80]!r} in {faces.sources[0]}, whose rows are "
                f"0 to {last}"
            )
        for name, there in zip(("split", "file"), _identity(faces, place), strict=True):
            if words.get(name) and words[name] != there:
                raise BadInputError(
                    f"{path}:{line}: row {word} has the {name} {words[name]!r} there and {there!r} "
                    "in the set: it was written for another set"
                )
        stay[place] = False
    kept = faces.take(stay)
    emptied = [name for name in faces.split_names if name not in kept.split_names]
    if emptied or not len(kept):
        what = f"split {emptied[0]!r}" if emptied else "set"
        raise BadInputError(f"{path}: leaves no face of the {what} of {faces.sources[0]}")
    return kept


def _identity(faces: FaceSet, place: int) -> tuple[str, str]:
    """Returns a face's split and, of a folder, its file's name; empty where it has none."""
    split = "" if faces.splits is None else str(faces.splits[place])
    return split, "" if len(faces.sources) == 1 else Path(faces.sources[place]).name


def _read(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Returns each line's number and its words by column."""
    lines = read_lines(path, errors="surrogateescape")  # a file's name may be of any bytes
    header = lines[0][1] if lines else []
    if header.count("row") != 1:
        raise BadInputError(
            f"{path}:1: the header is {','.join(header)[:80]!r}, expected one column row, as "
            f"`mien data audit --write` writes: {','.join(_HEADER)}"
        )
    found = []
    for line, words in lines[1:]:
        if not words:
            continue
        if len(words) != len(header):
            raise BadInputError(
                f"{path}:{line}: {len(words)} fields, expected {len(header)} ({','.join(header)})"
            )
        found.append((line, dict(zip(header, words, strict=True))))
    return found
