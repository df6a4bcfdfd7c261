"""FER+: ten annotators' votes per face of FER2013, joined to it by row; what most of them say.

Barsoum, Zhang, Canton Ferrer, Zhang: Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution, ICMI 2016.
"""

import csv
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.data.face_set import FaceSet, normalise_votes
from mien.errors import BadInputError, MissingError, UsageError
from mien.labels import EXPRESSIONS, canonical_expression

OTHER_VOTES = ("contempt", "unknown", "NF")
"""The file's columns for what is none of the seven expressions; NF is not a face."""


_COUNT = re.compile("[0-9]{1,6}")


@dataclass(frozen=True)
class Majority:
    """What most annotators say of each face; `find_majority` makes it.

    Attributes:
        choice: int64 `[N]`, the class with the most votes, as an index of the set's labels; -1
            where the face is left out.
        num_undecided: Faces whose first choice has no more than half of the votes.
        num_contempt: Faces that most call contempt.
        num_unknown: Faces that most call unknown or not a face, and faces without votes.
    """

    choice: np.ndarray
    num_undecided: int
    num_contempt: int
    num_unknown: int


def find_majority(votes: np.ndarray) -> Majority:
    """Returns the annotators' majority of each face, by the protocol of FER+'s paper.

    A class that a single annotator chose does not count. Of the votes that are left, contempt,
    unknown and not a face among them, the first choice must have more than half; faces led by one
    of those three are left out, for they are none of the set's classes. (Barsoum et al. 2016,
    section 3, and the code published with it; they keep contempt as an eighth class.)

    Args:
        votes: int64 `[N, K + 3]`, as `FaceSet.votes`.

    Example:
        Two classes, then contempt, unknown and not a face:

        >>> import numpy as np
        >>> from mien.data import find_majority
        >>> majority = find_majority(np.array([[7, 2, 1, 0, 0], [5, 5, 0, 0, 0]]))
        >>> majority.choice
        array([ 0, -1])
        >>> majority.num_undecided
        1
    """
    num_classes = votes.shape[1] - len(OTHER_VOTES)
    counted = np.where(votes > 1, votes, 0)
    total = counted.sum(axis=1)
    first = counted.argmax(axis=1)
    unknown = (first > num_classes) | (total == 0)
    contempt = (first == num_classes) & ~unknown
    led = ~unknown & ~contempt
    clear = led & (2 * counted.max(axis=1) > total)
    return Majority(
        choice=np.where(clear, first, -1),
        num_undecided=int((led & ~clear).sum()),
        num_contempt=int(contempt.sum()),
        num_unknown=int(unknown.sum()),
    )


def vote_shares(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the shares of all votes for a set's classes, float32 `[N, K]`; rows sum to 1.

    A face without such votes gives its label everything.

    Args:
        votes: int64 `[N, K + 3]`, as `FaceSet.votes`.
        labels: int64 `[N]`.

    Example:
        >>> import numpy as np
        >>> from mien.data import vote_shares
        >>> vote_shares(np.array([[6, 2, 1, 1, 0]]), labels=np.array([0]))
        array([[0.75, 0.25]], dtype=float32)
    """
    return normalise_votes(votes[:, : -len(OTHER_VOTES)], labels)


def join_votes(faces: FaceSet, path: Path) -> FaceSet:
    """Returns the set with its votes, and soft labels: the shares of the seven expressions.

    Votes for contempt, unknown and not-a-face are left out before the shares are taken. Where
    nothing is left, the soft label is the face's own label. The votes must have a row for each
    row of the set's file, bad ones too, and where the set has splits the same `Usage`.

    Raises:
        UsageError: The set is not a labelled CSV of the seven expressions.
        MissingError: The file of votes is not there.
        BadInputError: It is not FER+'s layout, or its rows are not those of the set.

    Example:
        >>> from pathlib import Path
        >>> from mien.data import join_votes, read
        >>> faces = join_votes(read("faces.csv"), Path("votes.csv"))
        >>> faces.votes.shape, faces.soft_labels.shape
        ((98, 10), (98, 7))
    """
    if faces.label_names != EXPRESSIONS or len(faces.sources) != 1:
        raise UsageError(f"votes need a labelled FER2013 CSV, which {faces.sources[0]} is not")
    votes, usages, lines = _read_votes(path)
    num_rows = len(faces) + len(faces.problems)
    if len(lines) != num_rows:
        raise BadInputError(
            f"{path}: {len(lines)} rows of votes, expected {num_rows} as in {faces.sources[0]}"
        )
    if faces.splits is not None:
        wrong = np.flatnonzero(usages[faces.rows] != faces.splits)
        if len(wrong):
            face, row = wrong[0], faces.rows[wrong[0]]
            raise BadInputError(
                f"{path}:{lines[row]}: usage {str(usages[row])!r}, expected "
                f"{str(faces.splits[face])!r} as in row {row} of {faces.sources[0]}; "
                "votes are joined by row and must be in the same order"
            )
    assert faces.labels is not None
    counts = votes[faces.rows]
    return replace(faces, soft_labels=vote_shares(counts, faces.labels), votes=counts)


def _read_votes(path: Path) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Returns the votes, int64 `[rows, 10]`, the usages, str `[rows]`, and each row's line.

    Votes are those of `EXPRESSIONS`, then `OTHER_VOTES`: 0 where there is no such column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise BadInputError(f"{path}: a folder; expected FER+'s fer2013new.csv") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path}: not a CSV of FER+ votes: binary data") from error
    reader = csv.reader(text.splitlines())
    header = [name.strip() for name in next(reader, [])]
    column_of = {canonical_expression(name): i for i, name in enumerate(header)}
    column_of.update((name, header.index(name)) for name in OTHER_VOTES if name in header)
    if not {"Usage", *EXPRESSIONS} <= {*header, *column_of}:
        raise BadInputError(
            f"{path}:1: the header is {','.join(header)[:80]!r}, expected FER+'s Usage,Image name,"
            "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
        )
    usage = header.index("Usage")
    columns = [column_of.get(name) for name in (*EXPRESSIONS, *OTHER_VOTES)]
    needed = [column for column in columns if column is not None]
    counts, usages, lines = [], [], []
    for row in reader:
        if not row:
            continue
        words = [row[i] for i in needed] if len(row) == len(header) else []
        if not words or not all(_COUNT.fullmatch(word.strip()) for word in words):
            raise BadInputError(
                f"{path}:{reader.line_num}: {','.join(row)[:80]!r}, expected {len(header)} fields "
                "with counts of votes"
            )
        counts.append([0 if i is None else int(row[i]) for i in columns])
        usages.append(row[usage].strip())
        lines.append(reader.line_num)
    votes = np.array(counts, np.int64).reshape(-1, len(columns))
    return votes, np.array(usages, str), lines
