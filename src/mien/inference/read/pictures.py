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


def read_pictures(
    sources: Iterable[Source], sampling: Sampling | None, patience_seconds: float
) -> Generator[FrameResult, None, None]:
    """Yields every picture, video frame and face image; one that cannot be read with its error.

    Args:
        sources: Where they are.
        sampling: Which frames of videos; all, unless given.
        patience_seconds: How long a picture may take, from a pipe that nobody writes to or a disk
            that does not answer.
    """
    for source in sources:
        if isinstance(source, FaceFileSource):
            yield from _read_face_file(source.path)
        elif isinstance(source, VideoSource):
            yield from _read_video(source, sampling)
        elif source.error is not None:
            yield FrameResult(source.name, error=source.error)
        else:
            yield _read_in_time(source, patience_seconds)


def read_one(source: PictureSource) -> FrameResult:
    """Returns a picture with its pixels.

    Raises:
        MissingError: No such file.
        BadInputError: It is no picture, or is damaged.
    """
    pixels = source.content
    if not isinstance(pixels, np.ndarray):
        pixels = read_picture(pixels, source.name)
    return FrameResult.of_pixels(source.name, pixels)


def _read_in_time(source: PictureSource, patience_seconds: float) -> FrameResult:
    name = source.name
    try:
        if isinstance(source.content, np.ndarray):
            return read_one(source)
        return within(patience_seconds, lambda: read_one(source))
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
        rgb = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
        face = FrameResult.of_pixels(f"{path}:{row}", rgb)
        yield replace(face, detections=tuple(WholePicture().detect(rgb)))
