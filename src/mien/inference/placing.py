"""Where labels and bars of faces go in a picture, so that they cover no face and not each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

Size = tuple[int, int]
"""Width, height, pixels."""
Rect = tuple[int, int, int, int]
"""Left, top, right, bottom, pixels; right and bottom lie outside it."""
Line = tuple[int, int, int, int]
"""From x, y to x, y."""

_STEPS = (0.6, 1.5, 2.5, 4.0, 6.0, 9.0, 13.0)  # label heights between a box and a label further out
_NUM_NEAR = 12  # places beside a box; those further out are counted on from there
_HEAD = 1 / 4  # of a box, at each side: what panels leave free around other faces
_SHORTEST_STRIP = 8  # of its height; parts of a shorter one could not be told apart
_LARGEST_INSIDE = 1 / 6  # of a box's height, for a label inside it


@dataclass(frozen=True)
class Spots:
    """Which of the places that are tried a label and a panel took, or None."""

    label: int | None = None
    panel: int | None = None


@dataclass(frozen=True)
class Wanted:
    """What is to be written of a face.

    Attributes:
        box: Where the face is.
        labels: The sizes its label may have, the best first; none: no label.
        must: Whether the last of them, the one to do with where the others have no room, has to
            be shown, at the worst over others.
        panel: The size of its panel of bars, or None.
        strip: The height of the strip of bars that takes the panel's place, or None.
        before: The spots of the same face in the frame before: it keeps them if it can.
    """

    box: Rect
    labels: tuple[Size, ...] = ()
    must: bool = False
    panel: Size | None = None
    strip: int | None = None
    before: Spots = Spots()


@dataclass(frozen=True)
class Placed:
    """Where it goes; None is what has no room.

    Attributes:
        choice: Which of the label's sizes was taken.
        label, panel, strip: Where these are.
        leader: A line from the box to a label that is not beside it.
        spots: For the next frame.
    """

    choice: int = 0
    label: Rect | None = None
    leader: Line | None = None
    panel: Rect | None = None
    strip: Rect | None = None
    spots: Spots = Spots()


def place(size: Size, faces: Sequence[Wanted]) -> list[Placed]:
    """Returns where the labels and bars of faces go, in the faces' order.

    A label stands above its face, or else below, right or left of it, then further out with a
    leader, at last inside the face's own box. Nothing covers another face's box, nor a label,
    panel, strip or leader that was placed before; all is inside the picture. Labels go first;
    panels stand beside their face, away from other heads, strips on their label. The first place
    that is free is taken, or that of the frame before: labels do not jump.

    Args:
        size: The picture's width and height, pixels.
        faces: The first ones choose first.
    """
    table = _Table(size, [face.box for face in faces])
    labelled = [_place_label(table, index, face) for index, face in enumerate(faces)]
    return [
        _place_bars(table, index, face, found)
        for index, (face, found) in enumerate(zip(faces, labelled, strict=True))
    ]


def _place_label(table: "_Table", index: int, face: Wanted) -> Placed:
    before = face.before.label
    last = len(face.labels) - 1 if face.must else len(face.labels)
    for choices in (range(last), range(last, len(face.labels))):
        for choice in choices:
            near = _around(face.box, face.labels[choice], table.size)
            if (row := table.take(near, before)) is not None:
                return Placed(choice, _four(near[row]), spots=Spots(row))
        for choice in choices:
            wanted = face.labels[choice]
            far = _further_out(face.box, wanted)
            kept = None if before is None else before - _NUM_NEAR
            if (found := table.take_with_leader(far, index, kept)) is not None:
                row, leader = found
                return Placed(choice, _four(far[row]), leader, spots=Spots(_NUM_NEAR + row))
            if wanted[1] <= _LARGEST_INSIDE * (face.box[3] - face.box[1]):
                inside = _inside(face.box, wanted, table.size)
                if (row := table.take(inside, but=index)) is not None:
                    return Placed(choice, _four(inside[row]))
    return _place_anyway(table, index, face) if face.must else Placed()


def _place_anyway(table: "_Table", index: int, face: Wanted) -> Placed:
    """Places the last of the sizes, at the worst over others."""
    wanted, choice = face.labels[-1], len(face.labels) - 1
    inside = _inside(face.box, wanted, table.size)
    if (row := table.take(inside, but=index)) is not None:
        return Placed(choice, _four(inside[row]))
    for places in _everywhere(face.box, wanted, table.size):
        if (row := table.take(places)) is not None:
            (leader,) = _leaders(places[row : row + 1], np.array(face.box))
            return Placed(choice, _four(places[row]), _four(leader))
    return Placed(choice, _four(inside[0]))


def _place_bars(table: "_Table", index: int, face: Wanted, found: Placed) -> Placed:
    if face.panel is not None:
        beside = _beside(face.box, face.panel, table.size)
        beside[table.on_heads(beside, index)] = -1  # outside the picture
        if (row := table.take(beside, face.before.panel)) is not None:
            spots = replace(found.spots, panel=row)
            return replace(found, panel=_four(beside[row]), spots=spots)
    if face.strip is not None and found.label is not None:
        left, top, right, bottom = found.label
        under, over = (bottom, bottom + face.strip), (top - face.strip, top)
        strips = np.array([(left, low, right, high) for low, high in (under, over)])
        is_long = right - left >= _SHORTEST_STRIP * face.strip
        if is_long and (row := table.take(strips)) is not None:
            return replace(found, strip=_four(strips[row]))
    return found


class _Table:
    """What of a picture is taken already; the faces' boxes are from the beginning."""

    def __init__(self, size: Size, boxes: Sequence[Rect]) -> None:
        self.size = size
        self._boxes = np.array(boxes, np.intp).reshape(-1, 4)
        self._taken = self._boxes
        self._leaders = np.zeros((0, 4), np.intp)

    def take(
        self, places: np.ndarray, before: int | None = None, but: int | None = None
    ) -> int | None:
        """Takes the first of the places `[C, 4]` that is free; returns its row, or None.

        Args:
            places: The best first.
            before: The row of one that is better still, if it is among them.
            but: The index of a box that may be covered.
        """
        free = np.flatnonzero(self._free(places, but))
        if not len(free):
            return None
        row = before if before is not None and before in free else int(free[0])
        self._taken = np.vstack([self._taken, places[row]])
        return row

    def take_with_leader(
        self, places: np.ndarray, index: int, before: int | None = None
    ) -> tuple[int, Line] | None:
        """Likewise, with a leader to the box of this index, which crosses nothing either."""
        leaders = _leaders(places, self._boxes[index])
        others = np.delete(self._taken, index, axis=0)
        free = np.flatnonzero(self._free(places))
        free = free[~_crossed(leaders[free], others).any(axis=1)]
        if not len(free):
            return None
        row = before if before is not None and before in free else int(free[0])
        self._taken = np.vstack([self._taken, places[row]])
        self._leaders = np.vstack([self._leaders, leaders[row]])
        return row, _four(leaders[row])

    def on_heads(self, places: np.ndarray, index: int) -> np.ndarray:
        """Returns which of `[C, 4]` cover a head other than that of this index, bool `[C]`."""
        boxes = np.delete(self._boxes, index, axis=0)
        margin = np.round(_HEAD * (boxes[:, 2:] - boxes[:, :2])).astype(np.intp)
        return _covered(places, boxes + np.hstack([-margin, margin]))

    def _free(self, places: np.ndarray, but: int | None = None) -> np.ndarray:
        """Returns which of `[C, 4]` are inside the picture and cover nothing, bool `[C]`."""
        taken = self._taken if but is None else np.delete(self._taken, but, axis=0)
        covered = _covered(places, taken) | _crossed(self._leaders, places).any(axis=0)
        outside = np.any((places < 0) | (places > np.tile(self.size, 2)), axis=1)
        return ~(covered | outside)


def _around(box: Rect, wanted: Size, size: Size) -> np.ndarray:
    """Returns places above, below, right and left of a box, moved into the picture, `[12, 4]`."""
    left, top, right, bottom = box
    width, height = wanted
    xs = [_within(x, size[0] - width) for x in (left, right - width, (left + right - width) // 2)]
    ys = [
        _within(y, size[1] - height) for y in (top, bottom - height, (top + bottom - height) // 2)
    ]
    corners = [
        *((x, top - height) for x in xs),
        *((x, bottom) for x in xs),
        *((right, y) for y in ys),
        *((left - width, y) for y in ys),
    ]
    return _rects(corners, wanted)


def _further_out(box: Rect, wanted: Size) -> np.ndarray:
    """Returns places around a box, further and further away, `[C, 4]`."""
    width, height = wanted
    corners: list[tuple[int, int]] = []
    for step in _STEPS:
        gap = round(step * height)
        left, top, right, bottom = box[0] - gap, box[1] - gap, box[2] + gap, box[3] + gap
        xs = np.linspace(left - width, right, 9).round().astype(int)
        ys = np.linspace(top - height, bottom, 7).round().astype(int)
        corners += [(x, y) for y in (top - height, bottom) for x in xs]
        corners += [(x, y) for x in (right, left - width) for y in ys]
    return _rects(corners, wanted)


def _inside(box: Rect, wanted: Size, size: Size) -> np.ndarray:
    """Returns places in the corners of a box, moved into the picture, `[4, 4]`."""
    xs = [_within(x, size[0] - wanted[0]) for x in (box[0], box[2] - wanted[0])]
    ys = [_within(y, size[1] - wanted[1]) for y in (box[1], box[3] - wanted[1])]
    return _rects([(x, y) for y in ys for x in xs], wanted)


def _everywhere(box: Rect, wanted: Size, size: Size) -> list[np.ndarray]:
    """Returns places all over the picture, the nearest to a box first, in parts `[C, 4]`."""
    xs = np.arange(0, max(1, size[0] - wanted[0] + 1), max(1, wanted[0] // 2))
    ys = np.arange(0, max(1, size[1] - wanted[1] + 1), max(1, wanted[1] // 2))
    corners = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    away = np.abs(2 * corners + wanted - np.add(box[:2], box[2:])).sum(axis=1)
    rects = _rects(corners[np.argsort(away, kind="stable")], wanted)
    return np.array_split(rects, -(-len(rects) // 256))


def _beside(box: Rect, wanted: Size, size: Size) -> np.ndarray:
    """Returns places right and left of a box, moved into the picture's height, `[6, 4]`."""
    width, height = wanted
    ys = (box[3] - height, box[1], (box[1] + box[3] - height) // 2)
    ys = [_within(y, size[1] - height) for y in ys]
    return _rects([(x, y) for x in (box[2], box[0] - width) for y in ys], wanted)


def _covered(places: np.ndarray, rects: np.ndarray) -> np.ndarray:
    """Returns which of the places `[C, 4]` share a pixel with one of `[N, 4]`, bool `[C]`."""
    low = np.maximum(places[:, None, :2], rects[:, :2])
    high = np.minimum(places[:, None, 2:], rects[:, 2:])
    return np.all(low < high, axis=2).any(axis=1)


def _leaders(labels: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Returns the short line from a box `[4]` to each of the labels `[C, 4]`, `[C, 4]`."""
    on_box = np.clip((labels[:, :2] + labels[:, 2:]) // 2, box[:2], box[2:] - 1)
    return np.hstack([on_box, np.clip(on_box, labels[:, :2], labels[:, 2:] - 1)])


def _crossed(lines: np.ndarray, rects: np.ndarray) -> np.ndarray:
    """Returns which of the lines `[L, 4]` have a part inside which rectangles, bool `[L, N]`."""
    start, end = lines[:, None, :2].astype(float), lines[:, None, 2:]
    step = np.where(end == start, 1e-9, end - start)
    one, other = (rects[:, :2] - start) / step, (rects[:, 2:] - start) / step  # [L, N, 2]
    enters = np.max(np.minimum(one, other), axis=2, initial=0.0)
    leaves = np.min(np.maximum(one, other), axis=2, initial=1.0)
    return enters < leaves


def _within(value: int, most: int) -> int:
    return max(0, min(value, most))


def _rects(corners: Sequence[tuple[int, int]] | np.ndarray, size: Size) -> np.ndarray:
    upper = np.array(corners, np.intp).reshape(-1, 2)
    return np.hstack([upper, upper + size])


def _four(row: np.ndarray) -> tuple[int, int, int, int]:
    one, two, three, four = row.tolist()
    return one, two, three, four
