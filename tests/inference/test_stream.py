"""A video as a user reads it: exact times, identity, smoothing, empty frames, errors."""

import gc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from made_video import write_video
from mien.errors import BadInputError, MissingError
from mien.inference import Analyzer
from mien.inference.face import Face
from mien.inference.follow.follower import follow
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import find_sources
from mien.inference.results import FrameResult
from tiny_model import write_tiny_model

FACE = astronaut()[:240, 100:340]
AWAY = ((Fraction(1), Fraction(3, 2)), (Fraction(5, 2), Fraction(9, 2)))  # seconds: .5, 2


def film() -> tuple[list[np.ndarray], list[Fraction]]:
    """The astronaut drifts to the right, gone twice; frames come 40 to 120 ms apart."""
    pictures, times, time = [], [], Fraction(0)
    while time < Fraction(11, 2):
        picture = np.full((240, 480, 3), 90, np.uint8)
        if not any(begin <= time < end for begin, end in AWAY):
            left = round(40 * time)
            picture[:, left : left + 240] = FACE
        pictures.append(picture)
        times.append(time)
        time += Fraction((40, 120, 80)[len(times) % 3], 1000)
    return pictures, times


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Analyzer:
    return Analyzer(write_tiny_model(tmp_path_factory.mktemp("model")))


def test_times_ids_and_empty_frames_of_a_turned_video_with_sound(
    analyzer: Analyzer, tmp_path: Path
) -> None:
    pictures, times = film()
    path = tmp_path / "clip.mp4"
    write_video(path, [np.rot90(p) for p in pictures], times, rotation=-90, audio=True)
    results = list(analyzer.stream(path))
    assert [result.frame for result in results] == list(range(len(times)))
    assert [result.time_seconds for result in results] == pytest.approx(
        [float(time) for time in times], abs=1e-3
    )
    assert {(result.width, result.height) for result in results} == {(480, 240)}
    for result, time in zip(results, times, strict=True):
        if any(begin <= time < end for begin, end in AWAY):
            assert result.faces == ()
        else:
            (face,) = result.faces
            assert face.track_id == (1 if time < AWAY[1][0] else 2)
            left, _, right, _ = face.box
            assert left < 40 * time + 126 < right, "upright, where she is"
            assert face.smoothed is not None
            assert sum(face.smoothed.values()) == pytest.approx(1)


def test_sampling_is_obeyed(analyzer: Analyzer, tmp_path: Path) -> None:
    pictures, times = film()
    path = tmp_path / "clip.mp4"
    write_video(path, pictures[:30], times[:30])
    results = list(analyzer.stream(path, Sampling(3, start_seconds=0.2, end_seconds=0.9)))
    wanted = [index for index, time in enumerate(times) if Fraction(1, 5) <= time < 0.9][::3]
    assert [result.frame for result in results] == wanted


def test_a_file_that_breaks_off_gives_its_frames_then_the_error(
    analyzer: Analyzer, tmp_path: Path
) -> None:
    pictures, times = film()
    whole, path = tmp_path / "whole.mp4", tmp_path / "clip.mp4"
    write_video(whole, pictures, times, faststart=True)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    *good, last = analyzer.results(find_sources([path]))
    assert len(good) > 5
    assert all(result.error is None for result in good)
    assert last.error is not None
    assert "clip.mp4" in last.error
    with pytest.raises(BadInputError, match=r"clip\.mp4"):
        list(analyzer.stream(path))


def test_videos_come_in_order_and_each_starts_anew(analyzer: Analyzer, tmp_path: Path) -> None:
    pictures, times = film()
    for name in ("a.mp4", "c.mp4"):
        write_video(tmp_path / name, pictures[:3], times[:3])
    (tmp_path / "b.mp4").write_text("no video")
    results = list(analyzer.results(find_sources([tmp_path, tmp_path / "c.mp4"])))
    names = [Path(result.source).stem for result in results]
    assert names == [*"aaa", "b", *"cccccc"]
    assert [result.error is None for result in results] == [*[True] * 3, False, *[True] * 6]
    assert [face.track_id for result in results for face in result.faces] == [1] * 9


def test_a_stream_that_is_left_closes_its_file(analyzer: Analyzer, tmp_path: Path) -> None:
    pictures, times = film()
    path = tmp_path / "clip.mp4"
    write_video(path, pictures[:30], times[:30])
    frames = analyzer.stream(path)
    next(frames)
    frames.close()
    del frames
    gc.collect()  # a file left open would warn here
    with pytest.raises(MissingError, match=r"none\.mp4"):
        next(analyzer.stream(tmp_path / "none.mp4"))


def frame(index: int, time: float, happy: float | None) -> FrameResult:
    if happy is None:
        return FrameResult("clip.mp4", 64, 48, frame=index, time_seconds=time)
    values = {"happy": happy, "sad": 1 - happy}
    best = max(values, key=values.__getitem__)
    face = Face((1, 2, 30, 40), 0.9, None, best, values[best], False, values)
    return FrameResult("clip.mp4", 64, 48, (face,), frame=index, time_seconds=time)


def test_smoothing_looks_both_ways_and_only_at_the_track() -> None:
    times_and_values = [(0.0, 1.0), (0.25, 0.0), (0.5, None), (0.75, 0.4), (1.5, None), (3.0, 0.8)]
    frames = [frame(i, t, p) for i, (t, p) in enumerate(times_and_values)]
    results = list(follow(frames))
    smoothed = [face.smoothed["happy"] for r in results for face in r.faces if face.smoothed]
    # By hand: triangular weights 1 at the frame, 1/2 a quarter of a second away, 0 at half one.
    assert smoothed == pytest.approx([1 / 1.5, 0.5 / 1.5, 0.4, 0.8])
    assert [face.track_id for r in results for face in r.faces] == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("step", "share"),
    [
        (0.5, 0.5),  # twice the step each way: the neighbours count a half, (1/2) / (1/2 + 1 + 1/2)
        (1.0, 0.5),
        (2.0, 1.0),  # too far apart to say anything of each other
    ],
)
def test_sparse_frames_are_smoothed_over_their_neighbours(step: float, share: float) -> None:
    """One frame in five is happy: how much of it stays in its own smoothed probability."""
    box, frames = (10.0, 10.0, 30.0, 30.0), []
    for number in range(5):
        values = {"happy": 1.0, "sad": 0.0} if number == 2 else {"happy": 0.0, "sad": 1.0}
        best = "happy" if number == 2 else "sad"
        face = Face(box, 1.0, None, best, 1.0, False, values)
        frames.append(FrameResult("v", 64, 48, (face,), None, number, number * step))
    results = list(follow(frames))
    happy = [result.faces[0].smoothed["happy"] for result in results]  # type: ignore[index]
    assert happy[2] == pytest.approx(share)
    assert happy[1] == pytest.approx(happy[3])
    assert (happy[1] > 0) == (share < 1)


def test_smoothing_is_the_same_at_25_and_30_frames_a_second() -> None:
    box, middles = (10.0, 10.0, 30.0, 30.0), []
    for rate in (25, 30):
        frames = []
        for number in range(2 * rate):
            happy = min(number / rate, 1.0)
            values = {"happy": happy, "sad": 1 - happy}
            best = max(values, key=values.__getitem__)
            face = Face(box, 1.0, None, best, values[best], False, values)
            frames.append(FrameResult("v", 64, 48, (face,), None, number, number / rate))
        results = list(follow(frames))
        middles.append(results[rate].faces[0].smoothed["happy"])  # type: ignore[index]
    assert middles[0] == pytest.approx(middles[1], abs=0.002)


def test_frames_wait_half_a_second_and_no_longer() -> None:
    taken = []

    def source():
        for index in range(100):
            taken.append(index)
            yield frame(index, index * 0.1, 0.7)

    results = follow(source())
    next(results)
    assert len(taken) == 6
    assert len(list(results)) == 99
