"""Frames of a video are shrunk to what the faces in sight need, and nothing is lost by it."""

from dataclasses import replace

import numpy as np
import pytest

from mien.errors import UsageError
from mien.inference import Analyzer
from mien.inference.detection import Detection
from mien.inference.results import FrameResult
from mien.inference.see.adapting import AdaptiveSize
from mien.inference.see.detecting import detect_faces
from mien.inference.see.detectors import create_detector, parse_longest_side

RATE = 10
SIZE = (720, 1280)


class Bright:
    """Finds squares: red ones of 22 pixels or more, green ones of 100, in the size it is given."""

    def __init__(self) -> None:
        self.widths: list[int] = []

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        self.widths.append(rgb.shape[1])
        return [
            Detection(box, 0.9)
            for channel, smallest in ((0, 22), (1, 100))
            for box in [box_of(rgb[..., channel] > 128)]
            if box is not None and box[2] - box[0] >= smallest
        ]


def box_of(is_bright: np.ndarray) -> tuple[float, float, float, float] | None:
    rows, columns = np.nonzero(is_bright)
    if not len(rows):
        return None
    return float(columns.min()), float(rows.min()), columns.max() + 1.0, rows.max() + 1.0


def film(*faces: tuple[int, int, range], num_frames: int = 24) -> list[FrameResult]:
    """Returns frames with faces: channel, side, and in which frames each is."""
    pictures = []
    for number in range(num_frames):
        rgb = np.zeros((*SIZE, 3), np.uint8)
        for channel, side, when in faces:
            if number in when:
                rgb[80 : 80 + side, 160 + number : 160 + number + side, channel] = 255
        pictures.append(FrameResult.of_pixels("a.mp4", rgb, number, number / RATE))
    return pictures


def counts(frames: list[FrameResult], detector: Bright) -> list[int]:
    found = detect_faces(frames, AdaptiveSize(detector))
    return [len(frame.detections or ()) for frame in found]


def test_a_large_face_is_looked_at_small_and_once_a_second_in_full() -> None:
    detector = Bright()
    found = list(detect_faces(film((0, 320, range(24))), AdaptiveSize(detector)))
    assert [n for n, width in enumerate(detector.widths) if width == 1280] == [0, 10, 20]
    assert set(detector.widths) == {1280, 384}  # there it has 96 pixels
    for number, frame in enumerate(found):
        assert frame.detections is not None
        (face,) = frame.detections
        assert face.box == pytest.approx((160 + number, 80, 480 + number, 400), abs=4)


def test_the_smallest_face_decides_and_a_small_one_stops_all_shrinking() -> None:
    for side, width in ((128, 960), (150, 832), (40, 1280)):
        detector = Bright()
        counts(film((0, side, range(9)), num_frames=9), detector)
        assert detector.widths[1:] == [width] * 8


def test_a_new_face_is_found_at_once_or_if_small_within_a_second() -> None:
    both = range(4, 24)
    large = film((0, 400, range(24)), (1, 420, both))
    assert counts(large, Bright()) == [1] * 4 + [2] * 20
    small = film((0, 400, range(24)), (1, 110, both))
    assert counts(small, Bright()) == [1] * 10 + [2] * 14


def test_a_face_that_is_not_seen_in_the_small_size_is_looked_for_in_full() -> None:
    detector = Bright()
    assert counts(film((1, 256, range(24))), detector) == [1] * 24  # never in 480, with 96
    assert counts(film((0, 256, range(6)), num_frames=9), detector) == [1] * 6 + [0] * 3


def test_without_a_face_every_frame_is_looked_at_in_full() -> None:
    detector = Bright()
    assert counts(film(num_frames=5), detector) == [0] * 5
    assert detector.widths == [1280] * 5


def test_a_cut_another_video_and_a_picture_are_looked_at_in_full() -> None:
    frames = film((0, 256, range(24)), num_frames=6)
    frames[2] = replace(frames[2], is_cut=True)
    frames[4] = replace(frames[4], source="b.mp4")
    frames[5] = replace(frames[5], frame=None, time_seconds=None)
    detector = Bright()
    counts(frames, detector)
    assert detector.widths == [1280, 480, 1280, 480, 1280, 1280]


def test_each_run_of_an_analyzer_begins_anew() -> None:
    detector = Bright()
    analyzer = Analyzer("default", detector, detect_size="auto", num_threads=1)
    pixels = film((0, 256, range(2)), num_frames=1)[0].rgb
    for _ in range(2):
        track = analyzer.track()
        for number in range(3):
            assert len(track.update(pixels, number / RATE)) == 1
    analyzer(pixels)
    assert detector.widths == [1280, 480, 480] * 2 + [1280]


def test_what_the_size_may_be() -> None:
    assert parse_longest_side("320") == 320
    assert parse_longest_side("auto") == "auto"
    with pytest.raises(UsageError, match="'small' for the detector: expected"):
        parse_longest_side("small")
    with pytest.raises(UsageError, match="changes nothing"):
        create_detector("none", "auto")
