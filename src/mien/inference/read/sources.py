"""What is read: arguments → pictures, videos and files of face images."""

import glob
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.errors import BadInputError, MissingError, UsageError
from mien.inference.read.containers import VIDEO_SUFFIXES, is_video
from mien.pictures import PICTURE_SUFFIXES
from mien.walk import walk

FACE_FILE_SUFFIXES = (".csv", ".csv.gz", ".csv.xz")


@dataclass(frozen=True)
class PictureSource:
    """One picture to be read.

    Attributes:
        name: What results call it.
        content: Its path, its bytes, or its pixels, RGB uint8 `[H, W, 3]`.
        relative: Its path below the folder it was found in; else its name.
        error: Why there is nothing to read, or None.
    """

    name: str
    content: Path | bytes | np.ndarray
    relative: Path
    error: str | None = None


@dataclass(frozen=True)
class FaceFileSource:
    """A file of face images, one per row, to be classified without detection."""

    path: Path


@dataclass(frozen=True)
class VideoSource:
    """A video file; its frames are read in order.

    Attributes:
        path: Where it is.
        relative: Its path below the folder it was found in; else its name.
    """

    path: Path
    relative: Path

    @property
    def name(self) -> str:
        """What results call it."""
        return str(self.path)


Source = PictureSource | VideoSource | FaceFileSource


def find_sources(arguments: Iterable[str | Path]) -> list[Source]:
    """Returns what the arguments name, in their order; nothing is decoded yet.

    Args:
        arguments: Picture and video files; folders (their pictures and videos at any depth,
            sorted; of files without an ending, those that are videos; hidden files are left out, a
            folder that cannot be read is a source with its error); patterns with `*`, `?`, `[…]`
            and `**`; `-` for one picture's bytes on stdin; `.csv`, `.csv.gz` and `.csv.xz` files of
            face images.

    Raises:
        MissingError: An argument names nothing that is there.
        BadInputError: A folder has no picture or video in it.
        UsageError: An argument is a URL.

    Example:
        >>> from mien.inference import find_sources
        >>> [source.name for source in find_sources(["examples", "clip.mp4"])]
        ['examples/astronaut.jpg', 'clip.mp4']
    """
    return [source for argument in arguments for source in _expand(str(argument))]


def source_files(sources: Iterable[Source]) -> set[Path]:
    """Returns the files behind the sources, as absolute paths without links."""
    contents = (s.content if isinstance(s, PictureSource) else s.path for s in sources)
    return {content.resolve() for content in contents if isinstance(content, Path)}


def _expand(argument: str) -> list[Source]:
    if argument == "-":
        return [PictureSource("-", sys.stdin.buffer.read(), Path("stdin"))]
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", argument):
        raise UsageError(f"{argument}: URLs are not fetched; download it, and give the file")
    path = Path(argument)
    if path.is_dir():
        return _files_below(path)
    if path.exists():
        return [_file_source(path)]
    if glob.has_magic(argument):
        matches = [Path(name) for name in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207 (it may be absolute)
        files = [_file_source(match) for match in matches if not match.is_dir()]
        if files:
            return files
        raise MissingError(f"{argument}: no file matches this pattern")
    raise MissingError(f"{argument}: no such file or folder")


def _file_source(path: Path, relative: Path | None = None) -> Source:
    relative = relative or Path(path.name)
    if path.name.lower().endswith(FACE_FILE_SUFFIXES):
        return FaceFileSource(path)
    # What is in it decides; where that tells nothing, as of a damaged file, its name does.
    if is_video(path) or path.suffix.lower() in VIDEO_SUFFIXES:
        return VideoSource(path, relative)
    return PictureSource(str(path), path, relative)


def _files_below(folder: Path) -> list[Source]:
    found = walk(folder, PICTURE_SUFFIXES | VIDEO_SUFFIXES | {""})
    files = [
        _file_source(path, path.relative_to(folder))
        for path in found.files
        if path.suffix or is_video(path)
    ]
    for error in found.unreadable:
        place = Path(error.partition(": ")[0])
        files.append(PictureSource(str(place), place, place.relative_to(folder), error))
    if not files:
        endings = " ".join(sorted(PICTURE_SUFFIXES))
        raise BadInputError(
            f"{folder}: no picture or video in this folder; expected files like {endings}"
        )
    return files
