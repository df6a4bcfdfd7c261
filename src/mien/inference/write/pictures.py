"""Where results go as pictures: annotated pictures and videos, or a grid of faces."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from mien.errors import UsageError
from mien.inference.drawing import Detail, draw_faces
from mien.inference.hiding import FaceHider, Hiding
from mien.inference.placing import Spots
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import (
    FaceFileSource,
    PictureSource,
    Source,
    VideoSource,
    source_files,
)
from mien.inference.results import FrameResult
from mien.inference.write.sinks import Sink, unwritable
from mien.inference.write.video import VideoWriter, video_suffix
from mien.text import counted

GRID_FACES, _GRID_COLUMNS = 36, 6
_GRID_SUFFIXES = (".png", ".svg")
_ONE_PICTURE = (".jpg", ".jpeg", ".png", ".webp")
_WRITABLE = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"))
_LARGEST = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}
"""The longest sides, pixels, that these can hold; larger pictures become PNG."""


def is_file(output: Path) -> bool:
    """Returns whether an output names one picture, not a folder of them."""
    kinds = (*_GRID_SUFFIXES, *_ONE_PICTURE)
    return output.suffix.lower() in kinds and not output.is_dir()


def is_grid(output: Path, sources: Sequence[Source]) -> bool:
    """Returns whether an output names a picture that will hold a grid of face images."""
    has_faces = any(isinstance(source, FaceFileSource) for source in sources)
    return has_faces and is_file(output) and output.suffix.lower() in _GRID_SUFFIXES


@contextmanager
def open_drawings(
    output: Path,
    sources: Sequence[Source],
    sampling: Sampling | None = None,
    say: Callable[[str], None] = lambda message: None,
    *,
    detail: Detail = "bars",
    hide: Hiding | None = None,
) -> Iterator[Sink]:
    """Yields a sink that draws results: a grid if `is_grid`, one picture, or many in a folder.

    One picture goes to the file that `output` names, by its ending.

    In a folder they have the names of the pictures they are made of, below the folder those were
    found in; a name that is taken gets a number, and kinds that are not written become PNG. Videos
    become H.264 in MP4, or in Matroska where their sound needs it; they begin and end with the
    frames that are read.

    Args:
        output: Where to.
        sources: All that will be read.
        sampling: Which frames of videos.
        say: Is told, for people, which videos are copied to another kind of file.
        detail: How much is drawn of a face in pictures and videos.
        hide: How faces are made unrecognisable; they are not, unless given.

    Raises:
        UsageError: A source would be written over, or cannot be drawn so.
        BadInputError: What is drawn cannot be written.
    """
    hider = None if hide is None else FaceHider(hide)
    if is_grid(output, sources):
        grid = _FaceGrid(output, sources, hider)
        yield grid
        grid.save()
        return
    targets = _plan_targets(output, sources)
    for source, target in targets.items():
        if target.suffix in (".mp4", ".mkv") and Path(source).suffix.lower() != target.suffix:
            say(f"{source}: its copy is {target}")
    with closing(_Annotated(targets, sampling or Sampling(), detail, hider)) as annotated:
        yield annotated


class _Annotated:
    """Pictures and videos with what was found drawn on them; on videos what was smoothed."""

    def __init__(
        self,
        targets: dict[str, Path],
        sampling: Sampling,
        detail: Detail,
        hider: FaceHider | None,
    ) -> None:
        self._targets, self._sampling = targets, sampling
        self._detail: Detail = detail
        self._hider = hider
        self._spots: dict[int, Spots] = {}
        self._video: VideoWriter | None = None
        self._last: FrameResult | None = None

    def write(self, result: FrameResult) -> None:
        if self._video is not None and result.error is not None:
            return  # it may go on behind the damage
        if self._last is not None and not result.follows(self._last):
            self.close()
            self._spots = {}
        self._last = result
        shown = result.rgb if self._hider is None else self._hider.hide(result).rgb
        if shown is None:
            return
        target = self._targets[result.source]
        faces = [face.as_smoothed() for face in result.faces]
        spots = None if result.time_seconds is None else self._spots
        drawn = draw_faces(shown, faces, self._detail, spots)
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
            raise unwritable(target, error) from error

    def close(self) -> None:
        """Completes the video under way, also after a part of it."""
        if self._video is not None:
            video, self._video = self._video, None
            video.close()


def _save_picture(rgb: np.ndarray, target: Path) -> None:
    from PIL import Image

    if max(rgb.shape) > _LARGEST.get(target.suffix.lower(), max(rgb.shape)):
        target = target.with_suffix(".png")
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(target, quality=92)


class _FaceGrid:
    """The first face images and their expressions, in one picture."""

    def __init__(self, path: Path, sources: Sequence[Source], hider: FaceHider | None) -> None:
        names = []
        for source in sources:
            if not isinstance(source, FaceFileSource):
                raise UsageError(
                    f"{path} would hold a grid of face images, but {source.name} is none; "
                    "annotated pictures go to a folder"
                )
            names.append(source.path.name)
        self._path, self._names, self._hider = path, ", ".join(names), hider
        self._faces: list[tuple[np.ndarray, str]] = []
        self._num_read = 0

    def write(self, result: FrameResult) -> None:
        shown = result.rgb if self._hider is None else self._hider.hide(result).rgb
        if shown is None:
            return
        self._num_read += 1
        if len(self._faces) < GRID_FACES:
            (face,) = result.faces
            doubt = "?" if face.uncertain else ""
            self._faces.append((shown, f"{face.expression}{doubt} {face.confidence:.0%}"))

    def save(self) -> None:
        from mien.plots import draw_face_grid, write_figure

        if not self._faces:
            return
        images, captions = zip(*self._faces, strict=True)
        columns = min(_GRID_COLUMNS, len(images))
        title = f"{self._names}: {len(images)} of {counted(self._num_read, 'face')}, as read"
        write_figure(draw_face_grid(images, columns, title, captions), self._path)


def take_name(name: Path, taken: set[str]) -> Path:
    """Returns the name, with a number where it is taken already, and takes it."""
    free, number = name, 2
    while free.as_posix().casefold() in taken:
        free, number = name.with_stem(f"{name.stem}-{number}"), number + 1
    taken.add(free.as_posix().casefold())
    return free


def _plan_targets(output: Path, sources: Sequence[Source]) -> dict[str, Path]:
    """Returns where each source's picture or video goes, by the source's name."""
    targets: dict[str, Path] = {}
    taken: set[str] = set()
    is_one = is_file(output)
    if is_one and (problem := _no_single(output, sources)):
        raise UsageError(problem)
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
        targets[source.name] = output if is_one else output / take_name(name, taken)
    read = source_files(sources)
    for target in targets.values():
        if target.resolve() in read:
            other = "file" if is_one else "folder"
            raise UsageError(f"{target} would be written over; choose another {other}")
    return targets


def _no_single(output: Path, sources: Sequence[Source]) -> str | None:
    """Returns why the sources cannot be drawn in one picture of this name, or None."""
    wanted = "expected a folder for --output, whose name has no such ending"
    if len(sources) != 1:
        return f"{output} is one picture, but there are {len(sources)} sources; {wanted}"
    if isinstance(sources[0], VideoSource):
        return f"{output} is a picture, but {sources[0].path} is a video; {wanted}"
    if isinstance(sources[0], PictureSource) and output.suffix.lower() not in _ONE_PICTURE:
        kinds = ", ".join(_ONE_PICTURE)
        return f"{output}: an annotated picture ends in {kinds}; .svg is for face images"
    return None
