"""FER+: ten annotators' votes per face of FER2013, joined to it by row, as soft labels.

Barsoum, Zhang, Canton Ferrer, Zhang: Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution, ICMI 2016.
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.data.face_set import FaceSet, normalise_votes
from mien.errors import BadInputError, MissingError, UsageError
from mien.labels import EXPRESSIONS, canonical_expression


@dataclass(frozen=True)
class _Votes:
    counts: np.ndarray  # int64 [rows, 7], in the order of EXPRESSIONS
    usages: np.ndarray  # str [rows]
    lines: list[int]


def join_votes(faces: FaceSet, path: Path) -> FaceSet:
    """Returns the set with soft labels: the shares of the votes for the seven expressions.

    Votes for contempt, unknown and not-a-face are left out before the shares are taken. Where
    nothing is left, the soft label is the face's own label. The votes must have a row for each
    row of the set's file, bad ones too, and where the set has splits the same `Usage`.

    Raises:
        UsageError: The set is not a labelled CSV of the seven expressions.
        MissingError: The file of votes is not there.
        BadInputError: It is not FER+'s layout, or its rows are not those of the set.
    """
    if faces.label_names != EXPRESSIONS or len(faces.sources) != 1:
        raise UsageError(f"votes need a labelled FER2013 CSV, which {faces.sources[0]} is not")
    votes = _read_votes(path)
    num_rows = len(faces) + len(faces.problems)
    if len(votes.lines) != num_rows:
        raise BadInputError(
            f"{path}: {len(votes.lines)} rows of votes, expected {num_rows} "
            f"as in {faces.sources[0]}"
        )
    if faces.splits is not None:
        wrong = np.flatnonzero(votes.usages[faces.rows] != faces.splits)
        if len(wrong):
            face, row = wrong[0], faces.rows[wrong[0]]
            raise BadInputError(
                f"{path}:{votes.lines[row]}: usage {str(votes.usages[row])!r}, expected "
                f"{str(faces.splits[face])!r} as in row {row} of {faces.sources[0]}; "
                "votes are joined by row and must be in the same order"
            )
    assert faces.labels is not None
    return replace(faces, soft_labels=normalise_votes(votes.counts[faces.rows], faces.labels))


def _read_votes(path: Path) -> _Votes:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path}: not a CSV of FER+ votes: binary data") from error
    reader = csv.reader(text.splitlines())
    header = [name.strip() for name in next(reader, [])]
    column_of = {canonical_expression(name): i for i, name in enumerate(header)}
    if "Usage" not in header or not set(EXPRESSIONS) <= set(column_of):
        raise BadInputError(
            f"{path}:1: the header is {','.join(header)[:80]!r}, expected FER+'s Usage,Image name,"
            "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
        )
    usage = header.index("Usage")
    columns = [column_of[name] for name in EXPRESSIONS]
    counts, usages, lines = [], [], []
    for row in reader:
        if not row:
            continue
        words = [row[i] for i in columns] if len(row) == len(header) else []
        if not words or not all(word.strip().isdecimal() for word in words):
            raise BadInputError(
                f"{path}:{reader.line_num}: {','.join(row)[:80]!r}, expected {len(header)} fields "
                "with counts of votes"
            )
        counts.append([int(word) for word in words])
        usages.append(row[usage].strip())
        lines.append(reader.line_num)
    return _Votes(np.array(counts, np.int64).reshape(-1, 7), np.array(usages, str), lines)
