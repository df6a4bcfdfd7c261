"""Every kind of thing that people have in their hands, and what a call makes of it."""

import io
import queue
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from fake_camera import HttpCamera
from made_video import write_video
from mien.errors import BadInputError, MienError, MissingError, UsageError
from mien.inference import Analyzer, FrameResult
from mien.inference.read.camera import Lost, find_camera
from tiny_model import write_tiny_model

RGB = astronaut()[:256, 100:356]
GREY = RGB.mean(axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Analyzer:
    return Analyzer(write_tiny_model(tmp_path_factory.mktemp("model"), channels=3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "a.png").write_bytes(png())
    shutil.copy(folder / "a.png", folder / "b.png")
    (folder / "empty").mkdir()
    (folder / "rubbish.jpg").write_bytes(b"rubbish")
    write_video(folder / "clip.mp4", [RGB] * 3, [Fraction(i, 25) for i in range(3)])
    return folder


class Queue:
    """A handover that passes nothing over, so that a test sees every item."""

    def __class_getitem__(cls, _: object) -> type["Queue"]:
        return cls

    def __init__(self) -> None:
        self._items: queue.Queue[tuple[object] | None] = queue.Queue()

    def fill(self, items: Iterator[object]) -> None:
        for item in items:
            self._items.put((item,))
        self._items.put(None)

    def take(self) -> tuple[object] | None:
        return self._items.get()

    def leave(self) -> None:
        pass


def png(picture: np.ndarray | Image.Image = RGB, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(stream, kind, **options)
    return stream.getvalue()


def turned() -> Image.Image:
    """A PIL image whose EXIF data say that it lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(np.rot90(RGB).copy())
    return Image.open(io.BytesIO(png(lying, exif=exif)))


def alpha(opacity: int = 255) -> np.ndarray:
    return np.dstack([RGB, np.full(RGB.shape[:2], opacity, np.uint8)])


# What is given, with which options: all are the same picture.
SAME: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "path": (lambda folder: folder / "a.png", {}),
    "str": (lambda folder: str(folder / "a.png"), {}),
    "bytes": (lambda _: png(), {}),
    "bytearray": (lambda _: bytearray(png()), {}),
    "memoryview": (lambda _: memoryview(png()), {}),
    "BytesIO": (lambda _: io.BytesIO(png()), {}),
    "open file": (lambda _: io.BufferedReader(io.BytesIO(png())), {}),
    "PIL": (lambda _: Image.fromarray(RGB), {}),
    "PIL, turned": (lambda _: turned(), {}),
    "PIL, RGBA": (lambda _: Image.fromarray(alpha()), {}),
    "uint8": (lambda _: RGB, {}),
    "not contiguous": (lambda _: RGB[:, ::-1][:, ::-1], {}),
    "RGBA": (lambda _: alpha(), {}),
    "BGR": (lambda _: RGB[..., ::-1], {"colour": "bgr"}),
    "BGRA": (lambda _: alpha()[..., [2, 1, 0, 3]], {"colour": "bgr"}),
    "uint16": (lambda _: RGB.astype(np.uint16) * 257, {}),
    "uint16 of 12 bits": (lambda _: np.rint(RGB * (4095 / 255)).astype(np.uint16), {"white": 4095}),
    "float 0-1": (lambda _: RGB / 255, {"white": 1}),
    "float 0-255": (lambda _: RGB.astype(np.float32), {"white": 255}),
    "int64": (lambda _: RGB.astype(np.int64), {"white": 255}),
    "tensor": (lambda _: torch.from_numpy(RGB.copy()), {}),
    "tensor, channels first": (
        lambda _: torch.from_numpy(RGB.copy()).permute(2, 0, 1) / 255,
        {"white": 1},
    ),
}


@pytest.mark.parametrize("kind", SAME)
def test_every_kind_of_picture_gives_the_same(kind: str, analyzer: Analyzer, folder: Path) -> None:
    make, options = SAME[kind]
    expected = analyzer(RGB)
    result = analyzer(make(folder), **options)
    assert isinstance(result, FrameResult)
    assert list(result) == list(expected)
    assert len(expected) == 1
    (listed,) = analyzer([make(folder)], **options)
    (streamed,) = analyzer.results(make(folder), **options)
    (iterated,) = analyzer(iter([make(folder)]), **options)
    assert listed.faces == streamed.faces == iterated.faces == expected.faces
    followed = analyzer.track().update(make(folder), 0.0, **options)
    assert followed[0].box == expected[0].box
    assert followed[0].track_id == 1


@pytest.mark.parametrize("grey", [GREY, GREY[..., None], Image.fromarray(GREY), GREY / 255])
def test_grey_is_taken_in_every_form(grey: Any, analyzer: Analyzer) -> None:
    white = 1 if getattr(grey, "dtype", None) == np.float64 else None
    assert analyzer(grey, white=white).faces == analyzer(np.dstack([GREY] * 3)).faces


def test_what_is_transparent_is_white(analyzer: Analyzer) -> None:
    assert (analyzer(alpha(0)).pixels() == 255).all()


# What is given, and the sources and numbers of faces of the list that comes of it.
MANY: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "list": (lambda folder: [folder / "a.png", RGB], ["a.png", "1"]),
    "tuple": (lambda _: (RGB, png()), ["0", "1"]),
    "batch": (lambda _: np.stack([RGB, RGB]), ["0", "1"]),
    "tensor batch": (lambda _: torch.from_numpy(np.stack([RGB, RGB])), ["0", "1"]),
    "pattern": (lambda folder: str(folder / "?.png"), ["a.png", "b.png"]),
    "folder": (lambda folder: folder, ["a.png", "b.png", *["clip.mp4"] * 3, "rubbish.jpg"]),
    "video": (lambda folder: folder / "clip.mp4", ["clip.mp4"] * 3),
    "video in a list": (lambda folder: [folder / "clip.mp4"], ["clip.mp4"] * 3),
    "nothing": (lambda _: [], []),
    "one bad in a list": (
        lambda folder: [RGB, None, folder / "gone.png", folder / "empty", "gone/*.png", 3.5],
        ["0", "1", "gone.png", "empty", "*.png", "5"],
    ),
}


@pytest.mark.parametrize("kind", MANY)
def test_several_give_a_list(kind: str, analyzer: Analyzer, folder: Path) -> None:
    make, names = MANY[kind]
    results = analyzer(make(folder))
    assert isinstance(results, list)
    assert [Path(result.source).name for result in results] == names
    again = list(analyzer.results(make(folder)))
    assert [result.faces for result in again] == [result.faces for result in results]
    for result in results:
        assert (result.error is None) == (len(result) == 1)


# What is given, and the error: what came, and what is taken.
WRONG: dict[str, tuple[Any, type[MienError], str]] = {
    "None": (None, UsageError, "expected a path.*got NoneType .OpenCV gives None"),
    "number": (3.5, UsageError, "expected a path.*got float"),
    "bool": (True, UsageError, "expected a path.*got bool"),
    "no file": ("gone.jpg", MissingError, "gone.jpg: no such file"),
    "rubbish": (b"rubbish", BadInputError, "picture: text, not a picture"),
    "address": ("https://example.org/a.jpg", UsageError, "URLs are not fetched"),
    "text file object": (io.StringIO("a"), UsageError, "mode 'rb'"),
    "floats": (RGB / 255, UsageError, "float64: say what white is"),
    "floats out of range": (RGB * 1.0, UsageError, "white=1: expected 0 to 1"),
    "not a number": (np.full((9, 9), np.nan), UsageError, "from nan to nan"),
    "five channels": (np.zeros((4, 4, 5), np.uint8), UsageError, r"got uint8 \[4, 4, 5\]"),
    "channels first": (np.zeros((3, 9, 9), np.uint8), UsageError, r"got uint8 \[3, 9, 9\]"),
    "no pixels": (np.zeros((0, 4), np.uint8), UsageError, r"got uint8 \[0, 4\]"),
    "complex": (np.zeros((4, 4), complex), UsageError, "complex128"),
    "words": (np.array([["a"]]), UsageError, "dtype <U1"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_picture_is_told(kind: str, analyzer: Analyzer) -> None:
    given, error, words = WRONG[kind]
    white = 1 if kind in ("floats out of range", "not a number", "complex", "words") else None
    with pytest.raises(error, match=words):
        analyzer(given, white=white)
    with pytest.raises(MienError):
        analyzer.track().update(given, white=white)


def test_options_are_checked(analyzer: Analyzer) -> None:
    with pytest.raises(UsageError, match="expected 'rgb' or 'bgr'"):
        analyzer(RGB, colour="hsv")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="value that white pixels have"):
        analyzer(RGB, white=0)
    with pytest.raises(UsageError, match="got list"):
        analyzer.track().update([RGB])


def test_a_path_is_that_picture_never_its_characters(analyzer: Analyzer, folder: Path) -> None:
    (result,) = analyzer.results(str(folder / "a.png"))
    assert result.source == str(folder / "a.png")
    assert len(result) == 1


def test_own_frames_are_followed_and_smoothed(analyzer: Analyzer) -> None:
    tracker = analyzer.track()
    first = tracker.update(RGB, 0.0)
    dark = tracker.update(RGB // 3, 0.04)
    assert (first[0].track_id, dark[0].track_id) == (1, 1)
    assert dark[0].smoothed is not None
    name = max(first[0].probabilities, key=first[0].probabilities.__getitem__)
    between = sorted([first[0].probabilities[name], dark[0].probabilities[name]])
    assert between[0] <= dark[0].smoothed[name] <= between[1]
    assert (dark.frame, dark.time_seconds, dark.source) == (1, 0.04, "camera")
    with pytest.raises(UsageError, match="backwards"):
        tracker.update(RGB, 0.01)


def test_a_video_is_no_frame(analyzer: Analyzer, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"clip.mp4: expected one picture"):
        analyzer.track().update(folder / "clip.mp4")


def test_a_camera_gives_results_that_follow_faces_until_it_is_closed(analyzer: Analyzer) -> None:
    with HttpCamera() as http:
        results = analyzer(find_camera(http.url))
        first, second = next(results), next(results)
        assert (first[0].track_id, second[0].track_id) == (1, 1)
        assert second.time_seconds > first.time_seconds
        assert first.draw().shape[2] == 3
        results.close()


def test_who_is_seen_after_a_camera_dropped_is_somebody_new(
    analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch(camera: object, stop: object) -> Iterator[FrameResult | Lost]:
        yield FrameResult.of_pixels("camera", RGB, 0, 0.0)
        yield Lost("dropped", 0.5)
        yield FrameResult.of_pixels("camera", RGB, 1, 60.0)

    monkeypatch.setattr("mien.inference.analyzer.watch", watch)
    monkeypatch.setattr("mien.inference.analyzer.Handover", Queue)
    before, lost, after = analyzer(find_camera("rtsp://door.local"))
    assert lost.error == "dropped"
    assert (before[0].track_id, after[0].track_id) == (1, 2)


def test_the_number_of_a_camera_is_its_device(
    analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    class Device:
        def __init__(self, number: int) -> None:
            opened.append(number)

        def isOpened(self) -> bool:
            return True

        def read(self) -> tuple[bool, np.ndarray]:
            return True, RGB[..., ::-1].copy()

        def release(self) -> None:
            pass

    monkeypatch.setattr("cv2.VideoCapture", Device)
    result = next(analyzer(np.int64(3)))
    assert (opened, result.source) == ([3], "camera 3")
    assert np.array_equal(result.rgb, RGB)
    assert len(result) == 1


def test_a_camera_is_no_item_of_a_list(analyzer: Analyzer) -> None:
    (result,) = analyzer([0])
    assert result.error == "0: camera 0 in a list: give it by itself"
