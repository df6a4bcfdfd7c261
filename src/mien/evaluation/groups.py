"""How a model does on groups of faces that a table names: by age, by skin tone, by light."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.classifier import softmax
from mien.data import FaceSet
from mien.data.tables import read_lines
from mien.errors import BadInputError
from mien.evaluation.report import Evaluation, votes_of_model
from mien.evaluation.votes import Share, count_false_alarms, share_of

KEYS = ("row", "file")
MIN_FACES = 30
"""Groups of fewer faces are reported, but not compared: the gap would be chance alone."""
NUM_PERMUTATIONS = 10_000
MIN_CONFIDENCE = 0.5
"""Faces decided with less are `uncertain` where mien reads pictures."""
_EXPECTED = "expected a CSV with the columns row (or file), then one for each kind of group"


@dataclass(frozen=True)
class GroupScore:
    """How a model did on one group; shares have Wilson's 95 % intervals.

    Attributes:
        name: As the table has it.
        num_faces: Faces that count; with votes, those whose annotators agree.
        accuracy: Of these, those decided rightly; None where there is none.
        false_alarms: Of the clearly neutral faces, those read angry, sad, afraid or disgusted;
            None without votes, or without such faces.
        coverage: Share of the faces decided with a confidence of at least `MIN_CONFIDENCE`.
    """

    name: str
    num_faces: int
    accuracy: Share | None
    false_alarms: Share | None
    coverage: float | None


@dataclass(frozen=True)
class Gap:
    """The largest difference of accuracy between two groups, and whether chance explains it.

    Attributes:
        best, worst: The groups.
        accuracy_difference: Of the best less the worst, 0 to 1.
        p: Probability of so large a gap, or a larger one, if the groups did not matter:
            `permutation_p`.
    """

    best: str
    worst: str
    accuracy_difference: float
    p: float


@dataclass(frozen=True)
class GroupColumn:
    """A column of the table: its groups, in the order of their names.

    Attributes:
        name: The column's head.
        groups: All groups with a face.
        num_without: Faces that count but have no entry in this column.
        gap: Between the groups of at least `MIN_FACES` faces; None of fewer than two such groups.
    """

    name: str
    groups: tuple[GroupScore, ...]
    num_without: int
    gap: Gap | None

    def to_json_dict(self) -> dict[str, Any]:
        """Returns all of it as JSON's own types."""
        return json.loads(json.dumps(asdict(self)))


def read_groups(
    path: str | Path, faces: FaceSet, whole: FaceSet | None = None, folder: str | Path = ""
) -> dict[str, np.ndarray]:
    r"""Returns the groups of the faces by the table's columns: str `[N]`, "" where there is none.

    The first column says which face a line is about: `row`, its number in the labelled set from 0
    (`FaceSet.rows`: the first line below a CSV's header is row 0), or `file`, the path of a picture
    below the set's folder, with forward slashes. Every other column is a kind of group. An empty
    cell is no group, and so is a face without a line.

    Args:
        path: The table, CSV in UTF-8.
        faces: The faces to group, such as one split.
        whole: The set that they are a part of, if it is another: the table may name all of it.
        folder: Of pictures, the set's folder, which `file` is below.

    Raises:
        MissingError: No such table.
        BadInputError: It is not such a table, or says nothing of these faces.

    Example:
        >>> from pathlib import Path
        >>> from mien.data import read
        >>> from mien.evaluation import read_groups
        >>> _ = Path("groups.csv").write_text("row,light\n0,day\n1,night\n2,day\n")
        >>> read_groups("groups.csv", read("faces.csv"))["light"][:4].tolist()
        ['day', 'night', 'day', '']
    """
    path = Path(path)
    header, lines = _read_lines(path)
    key, *names = header
    whole = whole or faces
    known = _keys(whole, key, path, folder)
    places = {face: place for place, face in enumerate(_keys(faces, key, path, folder))}
    columns = {name: np.full(len(faces), "", object) for name in names}
    seen: dict[str, int] = {}
    for number, (face, *groups) in lines:
        if key == "row":
            face = _row_number(face, path, number)
        if face in seen:
            raise BadInputError(
                f"{path}:{number}: {key} {face} again; it stands in line {seen[face]} already"
            )
        seen[face] = number
        if face not in known and not whole.problems:  # rows that were skipped may be named
            some = f"{next(iter(known))!r} to {next(reversed(known))!r}"
            raise BadInputError(
                f"{path}:{number}: {key} {face[:80]!r} is not in the labelled set, which has "
                f"{len(known):,}, from {some}"
            )
        if face in places:
            for name, group in zip(names, groups, strict=True):
                columns[name][places[face]] = group
    if not places.keys() & seen.keys():
        raise BadInputError(f"{path}: has no line for any of the {len(faces):,} faces evaluated")
    return {name: column.astype(str) for name, column in columns.items()}


def score_groups(
    evaluation: Evaluation, faces: FaceSet, groups: Mapping[str, np.ndarray]
) -> tuple[GroupColumn, ...]:
    """Returns how a model did on each group of each column.

    Args:
        evaluation: What `collect` returned.
        faces: The faces it was given.
        groups: What `read_groups` returned for them.

    Example:
        >>> import numpy as np
        >>> from mien.data import read
        >>> from mien.evaluation import collect, score_groups
        >>> faces = read("faces.csv")
        >>> light = np.where(np.arange(98) < 49, "day", "night")
        >>> (column,) = score_groups(collect("default", faces), faces, {"light": light})
        >>> [(group.name, group.num_faces) for group in column.groups]
        [('day', 49), ('night', 49)]
    """
    return tuple(_score_column(evaluation, faces, name, column) for name, column in groups.items())


def permutation_p(num_right: np.ndarray, num_faces: np.ndarray, seed: int = 0) -> float:
    """Returns the probability of so large a gap of accuracy if the groups did not matter, 0 to 1.

    The right and wrong decisions are dealt to groups of the same sizes at random,
    `NUM_PERMUTATIONS` times; p is (1 + deals whose largest gap is at least the one seen) / (1 +
    deals), which is never 0 (Phipson and Smyth 2010). Dealing is drawing from the multivariate
    hypergeometric distribution. The test is of the gap itself and holds for small groups; a
    chi-square test is of any difference at all, and an approximation.

    Args:
        num_right: Integers `[G]`, faces of each group decided rightly.
        num_faces: Integers `[G]`, its faces; none is 0.
        seed: Of the deals.
    """
    random = np.random.default_rng(seed)
    total = int(num_right.sum())
    deals = random.multivariate_hypergeometric(num_faces, total, NUM_PERMUTATIONS)
    gaps = np.ptp(deals / num_faces, axis=1)
    as_large = int((gaps >= np.ptp(num_right / num_faces) - 1e-12).sum())
    return (1 + as_large) / (1 + NUM_PERMUTATIONS)


def _score_column(
    evaluation: Evaluation, faces: FaceSet, name: str, column: np.ndarray
) -> GroupColumn:
    votes = votes_of_model(faces, evaluation.label_names)
    of_truth = column[evaluation.truth.rows]  # the faces that count
    groups = [
        _score_group(evaluation, group, np.flatnonzero(of_truth == group), votes)
        for group in sorted({*column.tolist()} - {""})
    ]
    return GroupColumn(name, tuple(groups), int((of_truth == "").sum()), _find_gap(groups))


def _score_group(
    evaluation: Evaluation, name: str, members: np.ndarray, votes: np.ndarray | None
) -> GroupScore:
    """Returns how the model did on these of the faces of `evaluation.truth`."""
    num_faces = len(members)
    if not num_faces:
        return GroupScore(name, 0, None, None, None)
    rows = evaluation.truth.rows[members]
    confidence = softmax(evaluation.logits[rows]).max(axis=1)
    alarms = None
    if votes is not None:
        decisions = evaluation.logits[rows].argmax(axis=1)
        alarms = count_false_alarms(decisions, votes[rows], evaluation.label_names)
    return GroupScore(
        name=name,
        num_faces=num_faces,
        accuracy=share_of(int(evaluation.agrees[members].sum()), num_faces),
        false_alarms=alarms,
        coverage=float((confidence >= MIN_CONFIDENCE).mean()),
    )


def _find_gap(groups: list[GroupScore]) -> Gap | None:
    compared = [
        (group, group.accuracy)
        for group in groups
        if group.accuracy is not None and group.num_faces >= MIN_FACES
    ]
    if len(compared) < 2:
        return None
    best, high = max(compared, key=lambda pair: pair[1].share)
    worst, low = min(compared, key=lambda pair: pair[1].share)
    num_right = np.array([accuracy.count for _, accuracy in compared])
    num_faces = np.array([group.num_faces for group, _ in compared])
    p = permutation_p(num_right, num_faces)
    return Gap(best.name, worst.name, high.share - low.share, p)


def _read_lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Returns the header, checked, and each line that is not empty with its number."""
    try:
        rows = [(number, row) for number, row in read_lines(path) if any(row)]
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path}: is no UTF-8 text; {_EXPECTED}") from error
    if not rows:
        raise BadInputError(f"{path}: is empty; {_EXPECTED}")
    (first, header), *lines = rows
    key, *names = [header[0].lower(), *header[1:]]
    if key not in KEYS or not names or "" in names or len(set(names)) < len(names):
        raise BadInputError(
            f"{path}:{first}: the header is {','.join(header)[:80]!r}; {_EXPECTED}"
            ", each with a name of its own"
        )
    for number, row in lines:
        if len(row) != len(header):
            raise BadInputError(
                f"{path}:{number}: {len(row)} cells, expected {len(header)} ({','.join(header)})"
            )
    return [key, *names], lines


def _row_number(text: str, path: Path, number: int) -> str:
    """Returns a row's number without zeros in front."""
    if not (text.isascii() and text.isdigit()):
        raise BadInputError(f"{path}:{number}: row {text!r}, expected a whole number from 0")
    return text.lstrip("0") or "0"


def _keys(faces: FaceSet, key: str, path: Path, folder: str | Path) -> dict[str, None]:
    """Returns what the table may call each face, in their order."""
    if key == "row":
        return dict.fromkeys(str(row) for row in faces.rows)
    if len(faces.sources) == len(faces) and Path(folder).is_dir():
        return dict.fromkeys(Path(name).relative_to(folder).as_posix() for name in faces.sources)
    raise BadInputError(
        f"{path}:1: the column file is for folders of pictures; this set is one file: expected row"
    )
