"""Looking at some frames of a video only: faces in between move straight, others are looked for."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mien.errors import UsageError
from mien.inference.detection import Detection
from mien.inference.results import FrameResult
from mien.inference.see.detecting import detect_faces

Box = tuple[float, float, float, float]


class Oracle:
    """Reads from a frame's first pixel which one it is, and says what is known to be in it."""

    def __init__(self, faces: Sequence[list[Box]]) -> None:
        self.faces = faces
        self.looked_at: list[int] = []

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        index = int(rgb[0, 0, 0])
        self.looked_at.append(index)
        return [
            Detection(box, 0.9 - 0.1 * place, tuple((box[0] + n, box[1]) for n in range(5)))
            for place, box in enumerate(self.faces[index])
        ]


def frames(count: int, source: str = "clip.mp4", seconds: float = 0.04) -> list[FrameResult]:
    return [
        FrameResult.of_pixels(source, np.full((1, 1, 3), n, np.uint8), n, n * seconds)
        for n in range(count)
    ]


def moving(count: int, left: float = 0, step: float = 2) -> list[list[Box]]:
    return [[(left + step * n, 10, left + step * n + 100, 110)] for n in range(count)]


def boxes(seen: Sequence[FrameResult]) -> list[list[Box]]:
    return [[rounded(face.box) for face in each.detections or ()] for each in seen]


def rounded(box: Box) -> Box:
    left, top, right, bottom = (round(value, 6) for value in box)
    return left, top, right, bottom


def test_a_face_in_between_lies_on_the_straight_line() -> None:
    oracle = Oracle(moving(11))
    found = list(detect_faces(frames(11), oracle, 5))
    assert oracle.looked_at == [0, 5, 10]
    assert boxes(found) == moving(11)
    assert [each.frame for each in found] == list(range(11))
    (face,) = found[7].detections or ()
    assert face.landmarks is not None
    assert np.array(face.landmarks) == pytest.approx(np.array([[14 + n, 10] for n in range(5)]))


def test_times_not_counts_tell_how_far_it_has_moved() -> None:
    uneven = [0.0, 0.04, 0.2]
    pictures = [
        FrameResult.of_pixels("clip.mp4", np.full((1, 1, 3), n, np.uint8), n, time)
        for n, time in enumerate(uneven)
    ]
    found = list(detect_faces(pictures, Oracle(moving(3, step=10)), 2))
    assert boxes(found)[1] == [(4, 10, 104, 110)]


def test_the_last_frame_is_always_looked_at() -> None:
    oracle = Oracle(moving(8))
    assert boxes(list(detect_faces(frames(8), oracle, 5))) == moving(8)
    assert oracle.looked_at == [0, 5, 7]


@pytest.mark.parametrize("every", [2, 5, 8, 30])
@pytest.mark.parametrize("arrival", [1, 3, 6, 12])
def test_where_faces_come_and_go_is_looked_for(every: int, arrival: int) -> None:
    truth = moving(25)
    for number in range(arrival, 25):
        truth[number].append((300, 10, 400, 110))
    truth[20:] = [[]] * 5
    oracle = Oracle(truth)
    assert boxes(list(detect_faces(frames(25), oracle, every))) == truth
    if every == 8:
        assert len(oracle.looked_at) <= 4 + 2 * 3, "by halves, not one by one"


def test_a_leap_is_not_taken_for_a_move() -> None:
    truth = [*moving(4), *moving(4, left=500)]
    assert boxes(list(detect_faces(frames(8), Oracle(truth), 7))) == truth


def test_two_faces_do_not_change_places() -> None:
    truth = [[(a, 0, a + 50, 50), (200 - a, 0, 250 - a, 50)] for a in range(0, 50, 5)]
    swapped = [pair if n < 9 else pair[::-1] for n, pair in enumerate(truth)]
    found = list(detect_faces(frames(10), Oracle(swapped), 9))
    assert boxes(found)[:9] == truth[:9]


def test_frames_far_apart_are_all_looked_at() -> None:
    oracle = Oracle(moving(6))
    list(detect_faces(frames(6, seconds=0.6), oracle, 5))
    assert sorted(oracle.looked_at) == list(range(6))


def test_pictures_errors_and_other_videos_end_a_gap() -> None:
    oracle = Oracle(moving(4))
    (picture,) = frames(1)
    picture = FrameResult.of_pixels("a.png", picture.rgb)
    known = replace(picture, source="faces.csv:0", detections=())
    broken = FrameResult("clip.mp4", error="clip.mp4: damaged")
    mixed = [*frames(4), broken, picture, *frames(3, "b.mp4"), *frames(2, "b.mp4"), known]
    found = list(detect_faces(mixed, oracle, 3))
    assert oracle.looked_at == [0, 3, 0, 0, 2, 0, 1]
    assert [each.source for each in found] == [each.source for each in mixed]
    assert found[4] is broken
    assert found[-1] is known


@pytest.mark.parametrize("every", [0, -1, 31])
def test_what_cannot_be_is_refused(every: int) -> None:
    from mien.inference import Analyzer

    with pytest.raises(UsageError, match="expected 1 to 30"):
        Analyzer("none", detect_every=every)
