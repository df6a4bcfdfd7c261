"""Sources → pictures and frames of videos as pixels, each with what it is called."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.data import read
from mien.errors import MienError, PassingError
from mien.inference.detection import Detection, WholePicture
from mien.inference.overlap import within
from mien.inference.sources import FaceFileSource, PictureSource, Source, VideoSource
from mien.inference.video import Gap, Sampling, read_frames
from mien.pictures import read_picture

Picture = np.ndarray | Path | str | bytes


@dataclass(frozen=True)
class Seen:
    """A picture, or a frame of a video, whose expressions are not read yet.

    Attributes:
        source: What results call it.
        rgb: uint8 `[H, W, 3]`, upright; None if it could not be read.
        detections: The faces in it; None until they were looked for.
        error: Why it could not be read, or None.
        frame, time_seconds: Of a frame: its number and time; else None.
        is_passing: The error is the system's, not the file's.
        is_cut: Another scene begins with this frame.
    """

    source: str
    rgb: np.ndarray | None = None
    detections: tuple[Detection, ...] | None = None
    error: str | None = None
    frame: int | None = None
    time_seconds: float | None = None
    is_passing: bool = False
    is_cut: bool = False


def read_pictures(
    pictures: Iterable[Picture | Source], sampling: Sampling | None, patience_seconds: float
) -> Generator[Seen, None, None]:
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
                yield Seen(picture.name, error=picture.error)
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


def _read_one(picture: Picture, name: str, patience_seconds: float) -> Seen:
    try:
        if isinstance(picture, np.ndarray):
            return Seen(name, as_rgb(picture, name))
        return Seen(name, within(patience_seconds, lambda: as_rgb(picture, name)))
    except TimeoutError:
        error = f"{name}: could not be read within {patience_seconds:g} s"
        return Seen(name, error=error, is_passing=True)
    except MienError as error:
        return Seen(name, error=str(error), is_passing=isinstance(error, PassingError))


def _read_video(video: VideoSource, sampling: Sampling | None) -> Iterator[Seen]:
    try:
        for frame in read_frames(video.path, sampling):
            if isinstance(frame, Gap):
                yield Seen(video.name, error=frame.error)
                continue
            yield Seen(video.name, frame.rgb, frame=frame.index, time_seconds=frame.time_seconds)
    except MienError as error:
        yield Seen(video.name, error=str(error), is_passing=isinstance(error, PassingError))


def _read_face_file(path: Path) -> Iterator[Seen]:
    """Yields each face image of a labelled or unlabelled set, called `path:row`."""
    try:
        face_set = read(path)
    except MienError as error:
        yield Seen(str(path), error=str(error))
        return
    for image, row in zip(face_set.images, face_set.rows, strict=True):
        rgb = as_rgb(image)
        yield Seen(f"{path}:{row}", rgb, tuple(WholePicture().detect(rgb)))
