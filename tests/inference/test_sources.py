import io
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from made_video import write_video
from mien.errors import BadInputError, MissingError, UsageError
from mien.inference.read.sources import FaceFileSource, PictureSource, VideoSource, find_sources
from mien.inference.read.video import read_frames


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name in (
        "b.jpg",
        "a.PNG",
        "notes.txt",
        "sub/c.webp",
        "sub/deep/d.tif",
        "._b.jpg",
        ".x/e.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"not looked at yet")
    return tmp_path


def names(sources: list, below: Path) -> list[str]:
    return [str(Path(source.name).relative_to(below)) for source in sources]


def test_folders_are_read_in_order_at_any_depth_without_hidden_files(album: Path) -> None:
    sources = find_sources([album])
    assert names(sources, album) == ["a.PNG", "b.jpg", "sub/c.webp", "sub/deep/d.tif"]
    assert [str(s.relative) for s in sources if isinstance(s, PictureSource)] == names(
        sources, album
    )


def test_files_keep_the_order_they_are_given_in(album: Path) -> None:
    sources = find_sources([str(album / "b.jpg"), album / "notes.txt", album / "a.PNG"])
    assert names(sources, album) == ["b.jpg", "notes.txt", "a.PNG"]


def test_patterns(album: Path) -> None:
    assert names(find_sources([f"{album}/*.jpg"]), album) == ["b.jpg"]
    assert names(find_sources([f"{album}/**/*.[tw]*"]), album) == [
        "notes.txt",
        "sub/c.webp",
        "sub/deep/d.tif",
    ]
    with pytest.raises(MissingError, match="no file matches"):
        find_sources([f"{album}/*.gif"])
    odd = album / "what[1].jpg"
    odd.write_bytes(b"")
    assert names(find_sources([odd]), album) == ["what[1].jpg"]  # a file's name, not a pattern


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"bytes of a picture")))
    assert find_sources(["-"]) == [PictureSource("-", b"bytes of a picture", Path("stdin"))]


@pytest.mark.parametrize("name", ["test.csv", "TEST.CSV", "test.csv.gz", "test.csv.xz"])
def test_csv_files_hold_face_images(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("pixels\n")
    assert find_sources([tmp_path / name]) == [FaceFileSource(tmp_path / name)]


@pytest.mark.parametrize("url", ["https://example.org/a.jpg", "file:///a.jpg", "rtsp://camera/1"])
def test_urls_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="URLs are not fetched"):
        find_sources([url])


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(BadInputError, match="no picture or video in this folder"):
        find_sources([tmp_path])
    with pytest.raises(MissingError, match="no such file or folder"):
        find_sources([tmp_path / "gone.jpg"])


@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi", "ts", "mpg", "asf", "flv", "h264"])
def test_what_is_in_a_file_says_that_it_is_a_video(tmp_path: Path, kind: str) -> None:
    """Whatever it is called, alone or in a folder."""
    made = tmp_path / f"made.{kind}"
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(9)]
    codec = "mpeg2video" if kind == "mpg" else "libx264"
    write_video(made, pictures, [Fraction(n, 25) for n in range(9)], codec=codec, rate=25)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("plain", "wrong.jpg"):
        (folder / name).write_bytes(made.read_bytes())
    (folder / "words").write_text("no video")
    found = find_sources([folder])
    assert [source.name for source in found if isinstance(source, VideoSource)] == [
        str(folder / "plain"),
        str(folder / "wrong.jpg"),
    ]
    assert len(found) == 2
    (alone,) = find_sources([folder / "plain"])
    assert isinstance(alone, VideoSource)
    assert len(list(read_frames(alone.path))) == 9
