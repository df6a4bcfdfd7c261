"""Cuts between scenes, told from pans, zooms, fades and flashes; and what a cut does to tracks."""

from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from skimage.transform import resize

from made_video import write_video
from mien.inference import Analyzer
from mien.inference.follow.cuts import mark_cuts
from mien.inference.results import FrameResult
from tiny_model import write_tiny_model

SIZE = (120, 160)


def scene(name: str) -> np.ndarray:
    picture = getattr(data, name)()
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    return (resize(picture[..., :3], (240, 320), anti_aliasing=True) * 255).astype(np.uint8)


def window(picture: np.ndarray, top: float, left: float) -> np.ndarray:
    return picture[round(top) : round(top) + SIZE[0], round(left) : round(left) + SIZE[1]]


SCENES = {name: scene(name) for name in ("astronaut", "coffee", "chelsea", "rocket", "camera")}


def frames_of(pictures: list[np.ndarray]) -> Generator[FrameResult, None, None]:
    for number, rgb in enumerate(pictures):
        yield FrameResult.of_pixels("v", rgb, number, number / 25)


def cuts(pictures: list[np.ndarray]) -> list[int]:
    marked = list(mark_cuts(frames_of(pictures)))
    assert [seen.frame for seen in marked] == list(range(len(pictures)))
    return [seen.frame for seen in marked if seen.is_cut and seen.frame is not None]


def still(name: str, count: int = 4) -> list[np.ndarray]:
    noise = np.random.default_rng(0)
    middle = window(SCENES[name], 60, 80).astype(int)
    return [
        (middle + noise.normal(0, 6, middle.shape)).clip(0, 255).astype(np.uint8)
        for _ in range(count)
    ]


def test_every_cut_is_found_where_it_is() -> None:
    for first in SCENES:
        for second in SCENES:
            if first != second:
                assert cuts(still(first) + still(second)) == [4], (first, second)
    assert cuts(still("coffee") + still("rocket", 1) + still("camera")) == [4, 5]


@pytest.mark.parametrize("name", SCENES)
def test_what_moves_or_fades_is_no_cut(name: str) -> None:
    picture = SCENES[name]
    pan = [window(picture, 60, left) for left in range(0, 160, 10)]  # a sixteenth a frame
    tilt = [window(picture, top, 80) for top in range(0, 120, 6)]
    zoom = [
        (resize(picture[part : 240 - part, part : 320 - part], SIZE) * 255).astype(np.uint8)
        for part in range(0, 70, 5)
    ]
    middle = window(picture, 60, 80)
    fade = [(middle * share).astype(np.uint8) for share in np.linspace(1, 0, 12)]
    dissolve = [
        (middle * (1 - share) + window(SCENES["coffee"], 60, 80) * share).astype(np.uint8)
        for share in np.linspace(0, 1, 13)
    ]
    for pictures in (pan, tilt, zoom, fade + fade[::-1], dissolve):
        assert cuts(pictures) == []


@pytest.mark.parametrize("gain", [2.0, 4.0, 50.0, 0.0])
def test_a_flash_or_a_black_frame_is_no_cut(gain: float) -> None:
    for name in SCENES:
        pictures = still(name, 9)
        pictures[4] = (pictures[4].astype(float) * gain).clip(0, 255).astype(np.uint8)
        assert cuts(pictures) == []


def test_a_cut_ends_tracks_and_their_smoothing(tmp_path: Path) -> None:
    """Two people at one place, one after the other, are two: the detector finds each frame."""
    pictures = still("astronaut", 6) + still("chelsea", 6)
    path = tmp_path / "clip.mp4"
    write_video(path, pictures, [Fraction(n, 25) for n in range(12)])
    for detect_every in (1, 4):
        analyzer = Analyzer(
            write_tiny_model(tmp_path / f"model{detect_every}"), "none", detect_every=detect_every
        )
        results = list(analyzer.stream(path))
        assert [result.faces[0].track_id for result in results] == [1] * 6 + [2] * 6
    first, second = results[5].faces[0], results[6].faces[0]
    assert first.smoothed is not None
    assert second.smoothed is not None
    own = np.mean([list(each.faces[0].probabilities.values()) for each in results[6:]], axis=0)
    assert np.abs(np.array(list(second.smoothed.values())) - own).max() < 0.01
