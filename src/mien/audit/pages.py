"""An audit as one HTML page: the counts, and the faces themselves."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.audit.auditing import Audit
from mien.evaluation.metrics import find_disagreements
from mien.evaluation.pages import render_page, thumbnail, write_document

PAGE = "audit.html"
MOST = 36
"""Faces, or groups of twins, in each part of the page."""

_OF_GROUPS = {
    "twin_with_other_label": (
        "Twins with different labels",
        "The same picture; at most one label is right.",
    ),
    "twin_in_other_split": (
        "Twins in different splits",
        "What a model learnt from one split is asked again in the other.",
    ),
}
_OF_FACES = {
    "blank": ("Blank pictures", "Hardly any contrast."),
    "no_face": (
        "No face found",
        "The detector saw none in the enlarged picture. On tight crops this is weak evidence.",
    ),
    "likely_wrong_label": (
        "Labels that are likely wrong",
        "Those doubted most, with the probability of the label and of the likelier class.",
    ),
    "votes_against_label": (
        "Votes against the label",
        "The largest majorities, with the shares of votes for the label and for the other class.",
    ),
}


@dataclass(frozen=True)
class Tile:
    """A face on the page: its PNG file, and lines of words below it."""

    png: bytes
    words: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A part of the page: what its faces are, how many there are in all, and some, in groups."""

    title: str
    remark: str
    num_found: int
    unit: str
    groups: list[list[Tile]]


def write_audit(folder: str | Path, audit: Audit, data_name: str) -> Path:
    """Writes `audit.html`, with faces in it: treat it as you treat the data; returns its path.

    Args:
        folder: Where to; made if need be.
        audit: What was found.
        data_name: What the set is called.

    Raises:
        BadInputError: The folder cannot be written.
    """
    title, parts = f"Audit of {data_name}", list(_parts(audit))
    page = render_page(
        PAGE, Path(__file__).parent, title=title, report=audit.to_json_dict(), parts=parts
    )
    return write_document(Path(folder) / PAGE, page)


def _parts(audit: Audit) -> Iterable[Part]:
    found = audit.findings
    for name, (title, remark) in _OF_GROUPS.items():
        groups = _groups(audit, found[name]) if name in found else []
        if groups:
            shown = [[_tile(audit, place) for place in group] for group in groups[:MOST]]
            yield Part(title, remark, len(groups), "groups", shown)
    for name, (title, remark) in _OF_FACES.items():
        if name in found and found[name].any():
            places = _worst_first(audit, name)
            tiles = [_tile(audit, place, name) for place in places[:MOST]]
            yield Part(title, remark, len(places), "faces", [tiles])


def _groups(audit: Audit, mask: np.ndarray) -> list[list[int]]:
    members = defaultdict(list)
    for place in np.flatnonzero(mask).tolist():
        members[audit.group[place]].append(place)
    return list(members.values())


def _worst_first(audit: Audit, name: str) -> list[int]:
    faces = audit.faces
    places = np.flatnonzero(audit.findings[name])
    opinions = {
        "likely_wrong_label": audit.probabilities,
        "votes_against_label": faces.soft_labels,
    }.get(name)
    if opinions is None or faces.labels is None:
        return places.tolist()
    order = find_disagreements(opinions[places], faces.labels[places])
    return places[order].tolist()


def _tile(audit: Audit, place: int, finding: str = "") -> Tile:
    faces = audit.faces
    words = [f"row {faces.rows[place]:,}"]
    if len(faces.sources) > 1:
        words = [Path(faces.sources[place]).name]
    if faces.splits is not None:
        words.append(str(faces.splits[place]))
    if faces.labels is not None:
        label = int(faces.labels[place])
        opinions = {
            "likely_wrong_label": (audit.probabilities, audit.likely),
            "votes_against_label": (faces.soft_labels, audit.majority),
        }
        shares, other = opinions.get(finding, (None, None))
        said = faces.label_names[label]
        if shares is not None and other is not None:
            likelier = int(other[place])
            said += f" {shares[place, label]:.0%}, {faces.label_names[likelier]} "
            said += f"{shares[place, likelier]:.0%}"
        words.insert(0, said)
    return Tile(thumbnail(faces.images[place]), tuple(words))
