"""Reading: which layout a path has, through the cache, to a FaceSet."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Literal

from mien.data import cache, fer_csv, folders
from mien.data.face_set import FaceSet
from mien.data.fer_plus import join_votes
from mien.errors import BadInputError, MissingError

LAYOUTS: dict[str, ModuleType] = {"csv": fer_csv, "folders": folders}
"""Each has `find_files(path)`, which tells what could not be looked into too, and
`read_faces(path, files, skip_bad, face_size, channels)`."""


def read(
    path: str | Path,
    votes: str | Path | None = None,
    skip_bad: bool = False,
    face_size: int | None = None,
    channels: Literal[1, 3] = 1,
) -> FaceSet:
    """Returns the face images and labels that a file or folder holds; it finds the layout itself.

    What was read is kept in a cache (see `mien.data.cache`), unless rows were skipped.

    Args:
        path: A CSV as FER2013's or Kaggle's (`.csv`, `.csv.gz`, `.csv.xz`), or a folder of
            pictures `class/…` or `split/class/…`. Of pictures, the central square is taken.
        votes: FER+'s `fer2013new.csv`, whose rows are those of `path`: gives soft labels.
        skip_bad: Leave bad rows out and say so in `FaceSet.problems`, instead of raising.
        face_size: Side of the faces, pixels; None keeps that of a CSV and makes pictures 48.
        channels: 1 for grey faces; 3 keeps the colours of pictures, as RGB. A CSV's are grey.

    Raises:
        MissingError: `path` is not there.
        BadInputError: It has no layout that is known, or holds a bad row: named by file and
            line, with what was found and what was expected.
        ValueError: `face_size` is under 8 or `channels` neither 1 nor 3.

    Example:
        >>> from mien.data import read
        >>> faces = read("faces.csv")
        >>> faces.images.shape, faces.split_names
        ((98, 48, 48), ('Training', 'PublicTest'))
        >>> faces.take_split("train").counts()["happy"]
        10
    """
    if face_size is not None and face_size < 8:
        raise ValueError(f"face_size must be 8 or more, got {face_size}")
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, got {channels}")
    path = Path(path)
    name = _find_layout(path)
    layout = LAYOUTS[name]
    files, unreadable = layout.find_files(path)
    if unreadable and not skip_bad:
        raise BadInputError(unreadable[0])
    key = cache.find_key(path, files, f"{name} {face_size} {channels}")
    faces = cache.load(key) if key else None
    if faces is None:
        faces = layout.read_faces(path, files, skip_bad, face_size, channels)
        if key and not faces.problems:
            cache.save(key, path, files, faces)
    sources = tuple(str(path / source) for source in faces.sources)
    faces = replace(faces, sources=sources, problems=(*unreadable, *faces.problems))
    return faces if votes is None else join_votes(faces, Path(votes))


def _find_layout(path: Path) -> str:
    if path.is_dir():
        return "folders"
    if not path.exists():
        raise MissingError(f"{path}: no such file or folder")
    if path.name.lower().endswith((".csv", ".csv.gz", ".csv.xz")):
        return "csv"
    raise BadInputError(
        f"{path}: not a labelled set; expected .csv, .csv.gz, .csv.xz, or a folder of pictures"
    )
