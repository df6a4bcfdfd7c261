"""Where results go: text, JSON lines, tables, annotated pictures and videos, a grid of faces."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np

from mien.errors import BadInputError, UsageError
from mien.inference.drawing import draw_faces
from mien.inference.parquet import ParquetRows
from mien.inference.results import Face, FrameResult, csv_columns, follows, most_probable
from mien.inference.sources import FaceFileSource, Source, VideoSource, source_files
from mien.inference.video import Sampling
from mien.inference.video_writer import VideoWriter, video_suffix
from mien.text import printable, table_cell

GRID_FACES, _GRID_COLUMNS = 36, 6
_GRID_SUFFIXES = (".png", ".svg")
_WRITABLE = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"))


class Sink(Protocol):
    """Takes results as they come."""

    def write(self, result: FrameResult, rgb: np.ndarray | None) -> None:
        """Takes a result and its picture, RGB uint8 `[H, W, 3]`; None if it could not be read."""
        ...


class TextLines:
    """A line per face, for people; nothing for pictures that could not be read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, result: FrameResult, rgb: np.ndarray | None) -> None:
        """Writes a line per face, or that there is none."""
        place = result.source
        if result.time_seconds is not None:
            place += f" {result.time_seconds:.3f} s"
        for face in result.faces:
            left, top, right, bottom = (round(value) for value in face.box)
            doubt = "  uncertain" if face.uncertain else ""
            track = "" if face.track_id is None else f"  track {face.track_id}"
            self._print(
                f"{place}: {face.expression} {face.confidence:.0%}"
                f"  at {left},{top} to {right},{bottom}{track}{doubt}"
            )
        if result.error is None and not result.faces:
            self._print(f"{place}: no face found")

    def _print(self, line: str) -> None:
        print(printable(line), file=self._stream, flush=True)


_LARGEST = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}
"""The longest sides, pixels, that these can hold; larger pictures become PNG."""


class ErrorLines:
    """A line per picture that could not be read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, result: FrameResult, rgb: np.ndarray | None) -> None:
        """Writes the error, if there is one."""
        if result.error is not None:
            print(f"mien: {printable(result.error)}", file=self._stream, flush=True)


class JsonLines:
    """A nested JSON object per picture and line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, result: FrameResult, rgb: np.ndarray | None) -> None:
        """Writes the picture's object."""
        text = json.dumps(result.to_json(), allow_nan=False)
        print(text, file=self._stream, flush=True)


class CsvRows:
    """A flat row per face; the header first."""

    def __init__(self, stream: TextIO, labels: Sequence[str]) -> None:
        self._stream, self._labels = stream, labels
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow(map(table_cell, csv_columns(labels)))

    def write(self, result: FrameResult, rgb: np.ndarray | None) -> None:
        """Writes the picture's rows; yes and no as `true` and `false`."""
        for row in result.to_rows(self._labels):
            self._writer.writerow(map(table_cell, row))
        self._stream.flush()


class Annotated:
    """Pictures and videos with what was found drawn on them, in a folder."""

    def __init__(
        self, folder: Path, sources: Sequence[Source], sampling: Sampling | None = None
    ) -> None:
        """Decides every picture's name.

        They have the names of the pictures they are made of, below the folder those were found
        in; a name that is taken gets a number, and kinds that are not written become PNG. Videos
        become H.264 in MP4, or in Matroska where their sound needs it.

        Args:
            folder: Where they go; made when the first one is written.
            sources: All that will be read.
            sampling: Which frames of videos: copies begin and end with them.

        Raises:
            UsageError: One would be written over a picture that is read, or a source holds face
                images, which are not drawn on.
        """
        self._targets = _plan_targets(folder, sources)
        self._sampling = sampling or Sampling()
        self._video: VideoWriter | None = None
        self._last: FrameResult | None = None

    def write(self, result: FrameResult, rgb: np.ndarray | None) -> None:
        """Writes the picture, or the video's next frame, with its faces drawn on it.

        On videos the smoothed probabilities are drawn.

        Raises:
            BadInputError: It cannot be written.
        """
        if self._video is not None and result.error is not None:
            return  # it may go on behind the damage
        if self._last is not None and not follows(result, self._last):
            self.close()
        self._last = result
        if rgb is None:
            return
        target = self._targets[result.source]
        drawn = draw_faces(rgb, [shown_in_video(face) for face in result.faces])
        try:
            if result.time_seconds is None:
                _save_picture(drawn, target)
                return
            if self._video is None:
                height, width = drawn.shape[:2]
                start, end = self._sampling.start_seconds, self._sampling.end_seconds
                self._video = VideoWriter(target, Path(result.source), height, width, start, end)
            self._video.write(drawn, result.time_seconds)
        except OSError as error:
            raise _unwritable(target, error) from error

    @property
    def renamed(self) -> list[tuple[str, Path]]:
        """The videos that are written as another kind of file, and as what."""
        return [
            (source, target)
            for source, target in self._targets.items()
            if target.suffix in (".mp4", ".mkv") and Path(source).suffix.lower() != target.suffix
        ]

    def close(self) -> None:
        """Completes the video under way, also after a part of it."""
        if self._video is not None:
            video, self._video = self._video, None
            video.close()


def shown_in_video(face: Face) -> Face:
    """Returns the face with its smoothed probabilities for its own; one without stays as it is."""
    if face.smoothed is None:
        return face
    expression, confidence, uncertain = most_probable(face.smoothed)
    return replace(
        face,
        probabilities=face.smoothed,
        expression=expression,
        confidence=confidence,
        uncertain=uncertain,
    )


def _save_picture(rgb: np.ndarray, target: Path) -> None:
    from PIL import Image

    if max(rgb.shape) > _LARGEST.get(target.suffix.lower(), max(rgb.shape)):
        target = target.with_suffix(".png")
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(target, quality=92)


def _unwritable(path: Path, error: OSError) -> BadInputError:
    return BadInputError(f"{path}: cannot be written: {error.strerror or error}")


class FaceGrid:
    """The first face images and their expressions, in one picture."""

    def __init__(self, path: Path, sources: Sequence[Source]) -> None:
        """Takes note of where it will be.

        Args:
            path: The picture, `.png` or `.svg`.
            sources: All that will be read: files of face images.

        Raises:
            UsageError: A source is a picture, or would be written over.
        """
        names = []
        for source in sources:
            if not isinstance(source, FaceFileSource):
                raise UsageError(
                    f"{path} would hold a grid of face images, but {source.name} is none; "
                    "annotated pictures go to a folder"
                )
            names.append(source.path.name)
        self._path, self._names = path, ", ".join(names)
        self._faces: list[tuple[np.ndarray, str]] = []
        self._num_read = 0

    def write(self, result: FrameResult, rgb: np.ndarray | None) -> None:
        """Keeps the face, if it is one of the first."""
        if rgb is None:
            return
        self._num_read += 1
        if len(self._faces) < GRID_FACES:
            (face,) = result.faces
            doubt = "?" if face.uncertain else ""
            self._faces.append((rgb, f"{face.expression}{doubt} {face.confidence:.0%}"))

    def save(self) -> None:
        """Writes the picture; nothing if no face could be read.

        Raises:
            BadInputError: It cannot be written.
        """
        from mien.plots import draw_face_grid, write_figure

        if not self._faces:
            return
        images, captions = zip(*self._faces, strict=True)
        columns = min(_GRID_COLUMNS, len(images))
        title = f"{self._names}: {len(images)} of {self._num_read:,} faces, as read"
        write_figure(draw_face_grid(images, columns, title, captions), self._path)


def is_grid(output: Path) -> bool:
    """Returns whether an output names one picture, not a folder of them."""
    return output.suffix.lower() in _GRID_SUFFIXES and not output.is_dir()


def create_csv(path: Path, sources: Sequence[Source]) -> TextIO:
    """Returns the new file `path`, open for `CsvRows`.

    Raises:
        UsageError: It is one of the sources.
        BadInputError: It cannot be written.
    """
    _spare(path, sources)
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def create_parquet(
    path: Path, labels: Sequence[str], sources: Sequence[Source]
) -> Iterator[ParquetRows]:
    """Yields a sink of rows; `path` appears when all went well.

    Until then, and after an interruption, the rows are in a file whose name ends in `.part`.

    Raises:
        UsageError: It is one of the sources.
        BadInputError: It cannot be written.
        MissingError: pyarrow is not installed.
    """
    _spare(path, sources)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        rows = ParquetRows(unfinished, labels)
    except OSError as error:
        raise _unwritable(path, error) from error
    with rows:
        yield rows
    unfinished.replace(path)


def _spare(path: Path, sources: Sequence[Source]) -> None:
    if path.resolve() in source_files(sources):
        raise UsageError(f"{path} would be written over; choose another file")


@dataclass
class Tally:
    """What a run came to.

    Attributes:
        num_pictures: Pictures, face images and frames of videos; what could not be read too.
        num_faces: Faces found.
        errors: Why pictures could not be read.
    """

    num_pictures: int
    num_faces: int
    errors: list[str]


def write_results(
    results: Iterable[tuple[FrameResult, np.ndarray | None]], sinks: Sequence[Sink]
) -> Tally:
    """Returns how many there were, once every result is written to every sink as it comes."""
    tally = Tally(0, 0, [])
    for result, rgb in results:
        for sink in sinks:
            sink.write(result, rgb)
        tally.num_pictures += 1
        tally.num_faces += len(result.faces)
        if result.error is not None:
            tally.errors.append(result.error)
    return tally


def take_name(name: Path, taken: set[str]) -> Path:
    """Returns the name, with a number where it is taken already, and takes it."""
    free, number = name, 2
    while free.as_posix().casefold() in taken:
        free, number = name.with_stem(f"{name.stem}-{number}"), number + 1
    taken.add(free.as_posix().casefold())
    return free


def _plan_targets(folder: Path, sources: Sequence[Source]) -> dict[str, Path]:
    targets: dict[str, Path] = {}
    taken: set[str] = set()
    for source in sources:
        if isinstance(source, FaceFileSource):
            raise UsageError(
                f"{source.path}: face images are not drawn on one by one; name a picture (.png, "
                ".svg) for a grid of them, or leave --output out"
            )
        if source.name in targets:
            continue
        name = source.relative
        if isinstance(source, VideoSource):
            name = name.with_suffix(video_suffix(source.path))
        elif name.suffix.lower() not in _WRITABLE:
            name = name.with_suffix(".png")
        targets[source.name] = folder / take_name(name, taken)
    read = source_files(sources)
    for target in targets.values():
        if target.resolve() in read:
            raise UsageError(f"{target} would be written over; choose another folder")
    return targets
