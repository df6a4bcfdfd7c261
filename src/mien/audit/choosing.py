"""Which faces of an audited set to leave out, and which of a group stays."""

from collections import Counter, defaultdict
from collections.abc import Container, Sequence

import numpy as np

from mien.audit.auditing import Audit
from mien.data import FaceSet, LeftOut
from mien.data.splits import find_split
from mien.errors import UsageError
from mien.labels import nearest

CERTAIN = ("blank", "twin_in_other_split", "twin_with_other_label", "duplicate")
"""Reasons that need no judgement of a face."""
REASONS = (*CERTAIN, "no_face", "likely_wrong_label", "votes_against_label")


def choose_left_out(audit: Audit, reasons: Sequence[str] = CERTAIN) -> list[LeftOut]:
    """Returns the faces to leave out, in their order, each with its first reason.

    - `blank`: blank pictures.
    - `twin_in_other_split`: of twins in several splits, those in the last split stay, in the
      order training, validation, test; so no test face is lost, and none has a twin in training.
    - `twin_with_other_label`: of twins in that split, one with the commonest label stays; where no
      label is the commonest, none does.
    - `duplicate`: of twins with that label, the first stays.
    - `no_face`, `likely_wrong_label`, `votes_against_label`: all that the audit found. These are
      judgements; look at them first.

    Args:
        audit: What `audit` found.
        reasons: Some of `REASONS`.

    Raises:
        UsageError: There is no such reason, or the audit did not look for it.

    Example:
        >>> from mien.audit import audit, choose_left_out
        >>> from mien.data import read
        >>> len(choose_left_out(audit(read("faces.csv"), model=None), ["blank"]))
        0
    """
    check_reasons(reasons, audit.findings)
    found: dict[str, list[LeftOut]] = defaultdict(list)
    for name, mask in audit.findings.items():
        found[name] = [LeftOut(place, name) for place in np.flatnonzero(mask).tolist()]
    for name in CERTAIN[1:]:
        found[name] = []
    order = [find_split(name, audit.faces.split_names) for name in ("train", "val", "test")]
    members = defaultdict(list)
    for place, group in enumerate(audit.group.tolist()):
        members[group].append(place)
    for group in members.values():
        if len(group) > 1:
            for each in _from_group(audit.faces, group, order):
                found[each.reason].append(each)
    chosen: dict[int, LeftOut] = {}
    for reason in REASONS:
        if reason in reasons:
            for each in found[reason]:
                chosen.setdefault(each.index, each)
    return [chosen[place] for place in sorted(chosen)]


def check_reasons(reasons: Sequence[str], looked_for: Container[str]) -> None:
    """Raises UsageError for a reason that is none of `REASONS`, or was not looked for.

    Args:
        reasons: What to check.
        looked_for: The reasons besides `CERTAIN` that an audit can give.

    Example:
        >>> from mien.audit.choosing import check_reasons
        >>> check_reasons(["blank", "no_face"], {"no_face"})
    """
    for reason in reasons:
        if reason not in REASONS:
            raise UsageError(f"no reason {reason!r}{nearest(reason, REASONS)}")
        if reason not in CERTAIN and reason not in looked_for:
            raise UsageError(f"{reason} was not looked for: it needs --detect, --model or --votes")


def _from_group(faces: FaceSet, group: list[int], order: list[str | None]) -> list[LeftOut]:
    """Returns who of a group of twins goes, by `choose_left_out`'s rules."""
    split_of = {place: None if faces.splits is None else faces.splits[place] for place in group}
    last = max(split_of.values(), key=lambda name: order.index(name) if name in order else 1)
    stay = [place for place in group if split_of[place] == last]
    gone = [LeftOut(place, "twin_in_other_split", stay[0]) for place in group if place not in stay]
    kept: int | None = stay[0]
    if faces.labels is not None:
        (label, most), *others = Counter(faces.labels[stay].tolist()).most_common(2)
        is_tie = bool(others) and others[0][1] == most
        kept = None if is_tie else next(i for i in stay if faces.labels[i] == label)
        unlike = stay if is_tie else [i for i in stay if faces.labels[i] != label]
        gone += [LeftOut(place, "twin_with_other_label", kept) for place in unlike]
        stay = [place for place in stay if place not in unlike]
    return gone + [LeftOut(place, "duplicate", kept) for place in stay if place != kept]
