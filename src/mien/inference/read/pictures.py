"""Sources → pictures and frames of videos as pixels, each with what it is called."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.data import read
from mien.errors import MienError, PassingError
from mien.inference.detection import WholePicture
from mien.inference.read.overlap import within
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import FaceFileSource, PictureSource, Source, VideoSource
from mien.inference.read.video import read_frames
from mien.inference.results import FrameResult
from mien.pictures import read_picture

Picture = np.ndarray | Path | str | bytes


def read_pictures(
    pictures: Iterable[Picture | Source], sampling: Sampling | None, patience_seconds: float
) -> Generator[FrameResult, None, None]:
    """Yields every picture, video frame and face image; one that cannot be read with its error.

    Args:
        pictures: Paths, contents, pixels and sources; pixels and contents are called by index.
        sampling: Which frames of videos; all, unless given.
        patience_seconds: How long a picture may take, from a pipe that nobody writes to or a disk
            that does not answer.
    """
    for index, picture in enumerate(pictures):
        if isinstance(picture, FaceFileSource):
            yield from _read_face_file(picture.path)
        elif isinstance(picture, VideoSource):
            yield from _read_video(picture, sampling)
        elif isinstance(picture, PictureSource):
            if picture.error is not None:
                yield FrameResult(picture.name, error=picture.error)
            else:
                yield _read_one(picture.content, picture.name, patience_seconds)
        else:
            name = str(picture) if isinstance(picture, str | Path) else str(index)
            yield _read_one(picture, name, patience_seconds)


def as_rgb(picture: Picture, name: str | None = None) -> np.ndarray:
    """Returns the picture as RGB uint8 `[H, W, 3]`.

    Args:
        picture: A path; the contents of a picture file; pixels, uint8, RGB or grey.
        name: What errors call it.

    Raises:
        MissingError: No such file.
        BadInputError: The file is no picture, or damaged.
        ValueError: Pixels of another dtype or shape.
    """
    if not isinstance(picture, np.ndarray):
        return read_picture(picture, name)
    good = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if picture.dtype != np.uint8 or not good or picture.size == 0:
        raise ValueError(
            "expected pixels uint8 [H, W, 3] in RGB order, or [H, W] grey, "
            f"got {picture.dtype} {list(picture.shape)}"
        )
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)


def _read_one(picture: Picture, name: str, patience_seconds: float) -> FrameResult:
    try:
        if isinstance(picture, np.ndarray):
            return FrameResult.of_pixels(name, as_rgb(picture, name))
        rgb = within(patience_seconds, lambda: as_rgb(picture, name))
        return FrameResult.of_pixels(name, rgb)
    except TimeoutError:
        error = f"{name}: could not be read within {patience_seconds:g} s"
        return FrameResult(name, error=error, is_passing=True)
    except MienError as error:
        return _unread(name, error)


def _read_video(video: VideoSource, sampling: Sampling | None) -> Iterator[FrameResult]:
    try:
        yield from read_frames(video.path, sampling)
    except MienError as error:
        yield _unread(video.name, error)


def _unread(name: str, error: MienError) -> FrameResult:
    return FrameResult(name, error=str(error), is_passing=isinstance(error, PassingError))


def _read_face_file(path: Path) -> Iterator[FrameResult]:
    """Yields each face image of a labelled or unlabelled set, called `path:row`."""
    try:
        face_set = read(path)
    except MienError as error:
        yield _unread(str(path), error)
        return
    for image, row in zip(face_set.images, face_set.rows, strict=True):
        rgb = as_rgb(image)
        face = FrameResult.of_pixels(f"{path}:{row}", rgb)
        yield replace(face, detections=tuple(WholePicture().detect(rgb)))
