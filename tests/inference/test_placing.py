from itertools import combinations, pairwise

import numpy as np
import pytest

from mien.inference.placing import Line, Placed, Rect, Spots, Wanted, place


def random_scene(seed: int, must: bool = False) -> tuple[tuple[int, int], list[Wanted]]:
    """Returns a picture's size and 1 to 40 faces in it, some of them over each other."""
    rng = np.random.default_rng(seed)
    width = int(rng.choice([480, 1280, 4000]))
    height = round(width * float(rng.choice([0.5, 0.75, 1.5])))
    faces = []
    for number in range(int(rng.integers(1, 41))):
        side = int(width * rng.uniform(0.02, 0.3 if number < 3 else 0.1))
        left, top = (int(rng.integers(0, end - side)) for end in (width, height))
        text = max(11, side // 7, width // 100)
        labels = tuple((round(text * wide), round(text * 1.4)) for wide in (6.0, 4.0, 1.4))
        box = (left, top, left + side, top + side)
        faces.append(Wanted(box, labels, must, (text * 8, text * 7) if side > 80 else None, 6))
    return (width, height), faces


def share(one: Rect, other: Rect) -> bool:
    across = min(one[2], other[2]) - max(one[0], other[0])
    return across > 0 and min(one[3], other[3]) - max(one[1], other[1]) > 0


def crosses(line: Line, rect: Rect) -> bool:
    points = np.linspace(line[:2], line[2:], 500)
    return bool(((points > rect[:2]) & (points < rect[2:])).all(axis=1).any())


def plates(found: Placed) -> list[Rect]:
    return [rect for rect in (found.label, found.panel, found.strip) if rect is not None]


@pytest.mark.parametrize("seed", range(60))
def test_nothing_covers_a_face_or_anything_else_and_all_is_inside(seed: int) -> None:
    (width, height), faces = random_scene(seed)
    placed = place((width, height), faces)
    assert len(placed) == len(faces)
    everything = [rect for found in placed for rect in plates(found)]
    assert not any(share(*pair) for pair in combinations(everything, 2))
    for left, top, right, bottom in everything:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    for index, (face, found) in enumerate(zip(faces, placed, strict=True)):
        others = [other.box for at, other in enumerate(faces) if at != index]
        assert not any(share(rect, box) for rect in plates(found) for box in others)
        if found.label is not None:
            left, top, right, bottom = found.label
            assert (right - left, bottom - top) == face.labels[found.choice]
        if found.leader is not None:
            rest = [rect for rect in everything if rect != found.label]
            assert not any(crosses(found.leader, rect) for rect in others + rest)
        if not any(share(face.box, box) for box in others):
            assert found.label is not None


@pytest.mark.parametrize("seed", range(60))
def test_what_must_be_shown_is(seed: int) -> None:
    size, faces = random_scene(seed, must=True)
    labels = [found.label for found in place(size, faces)]
    assert None not in labels
    assert not any(share(*pair) for pair in combinations([rect for rect in labels if rect], 2))


def test_even_without_any_room_a_number_is_shown_but_a_name_is_not() -> None:
    box = (0, 0, 40, 12)
    named = Wanted(box, ((60, 15),))
    assert place((40, 12), [named])[0].label is None
    assert place((40, 12), [Wanted(box, ((60, 15),), must=True)])[0].label is not None


def test_a_face_that_is_the_whole_picture_has_its_label_inside() -> None:
    (found,) = place((480, 480), [Wanted((0, 0, 480, 480), ((90, 20),), panel=(90, 90), strip=6)])
    assert found.label == (0, 0, 90, 20)
    assert found.panel is found.leader is None


def test_labels_stand_above_else_below_else_beside() -> None:
    label = ((80, 20),)
    middle, at_top = Wanted((100, 100, 200, 200), label), Wanted((100, 5, 200, 105), label)
    assert place((400, 400), [middle])[0].label == (100, 80, 180, 100)
    assert place((400, 400), [at_top])[0].label == (100, 105, 180, 125)
    assert place((400, 110), [at_top])[0].label == (200, 5, 280, 25)
    assert place((210, 110), [at_top])[0].label == (20, 5, 100, 25)
    above, below = Wanted((100, 0, 200, 99)), Wanted((100, 201, 200, 300))
    assert place((400, 400), [middle, above, below])[0].label == (200, 100, 280, 120)


def test_a_leader_leads_past_neighbours() -> None:
    face = Wanted((100, 100, 130, 130), ((80, 20),))
    left, right = Wanted((0, 60, 95, 170)), Wanted((135, 60, 200, 170))
    below = Wanted((96, 135, 134, 200))
    above = Wanted((96, 60, 111, 95))
    found = place((400, 400), [face, left, right, below, above])[0]
    assert found.label is not None
    assert found.leader is not None
    assert found.label[3] <= 60


def test_panels_keep_off_other_heads_and_strips_take_their_place() -> None:
    one = Wanted((150, 100, 250, 200), ((80, 20),), panel=(90, 90), strip=6)
    alone = place((640, 400), [one])[0]
    assert alone.panel == (250, 110, 340, 200)
    assert alone.strip is None
    near = Wanted((350, 100, 450, 200))  # its hair would be under the panel
    assert place((640, 400), [one, near])[0].panel == (60, 110, 150, 200)
    between = place((640, 400), [one, near, Wanted((0, 100, 70, 200))])[0]
    assert between.panel is None
    assert between.label == (150, 80, 230, 100)
    assert between.strip == (150, 74, 230, 80)


def test_labels_and_panels_of_faces_that_tremble_stay_where_they_are() -> None:
    """The gap below the fourth face is as high as a label, now and then."""
    rng = np.random.default_rng(0)
    labels = ((110, 20), (60, 20), (20, 20))
    corners = ((60, 60), (180, 70), (300, 200), (420, 60), (420, 190), (60, 250))
    for keeps in (False, True):
        spots = [Spots()] * len(corners)
        kept = []
        for _ in range(40):
            moved = [np.add(corner, rng.integers(-1, 2, 2)).tolist() for corner in corners]
            found = place(
                (640, 400),
                [
                    Wanted((x, y, x + 90, y + 110), labels, True, (90, 90), 6, before)
                    for (x, y), before in zip(moved, spots, strict=True)
                ],
            )
            kept.append([each.spots for each in found])
            spots = kept[-1] if keeps else spots
        changes = sum(before != after for before, after in pairwise(kept))
        assert (changes <= 1) if keeps else (changes > 5)
