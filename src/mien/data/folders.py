"""Layout: folders of pictures, `class/…` or `split/class/…`, of any size, grey or colour."""

import os
from pathlib import Path, PurePosixPath

import numpy as np

from mien.data.face_set import FaceSet
from mien.data.splits import is_split_name
from mien.errors import BadInputError, MissingError
from mien.labels import EXPRESSIONS, canonical_expression
from mien.pictures import PICTURE_SUFFIXES, read_picture, resize, to_grey

DEFAULT_SIZE = 48
MIN_SIDE = 8
EXPECTED = "expected pictures in folders class/… or split/class/…"


def find_files(path: Path) -> list[str]:
    """Returns the pictures below `path`, relative to it with forward slashes, sorted.

    Names that begin with a dot or two underscores (`.git`, `__MACOSX`) and files that do not end
    like pictures are left out. Links to folders are followed, except into a folder above.

    Raises:
        BadInputError: There is none.
    """
    found = []
    for folder, folders, names in os.walk(path, followlinks=True):
        here = Path(folder).resolve()
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__"))
            and (here / name).resolve() not in (here, *here.parents)
        ]
        inner = PurePosixPath(Path(folder).relative_to(path).as_posix())
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES:
                found.append(str(inner / name))
    if not found:
        raise BadInputError(f"{path}: no pictures in it; {EXPECTED}")
    return sorted(found)


def read_faces(
    path: Path, files: list[str], skip_bad: bool, face_size: int | None, channels: int
) -> FaceSet:
    """Returns the faces of the pictures: the central square of each, resized to `face_size`.

    Classes that are all expressions, in any usual spelling, come in mien's order and names, those
    that occur; any others keep the user's names, sorted.

    Raises:
        BadInputError: A picture cannot be read or lies outside the layout.
    """
    depth = 1 if _has_splits(path, files) else 0
    size = face_size or DEFAULT_SIZE
    images = np.empty((len(files), size, size, *([3] if channels == 3 else [])), np.uint8)
    good: list[int] = []
    problems: list[str] = []
    for row, name in enumerate(files):
        try:
            if len(PurePosixPath(name).parts) < depth + 2:
                raise BadInputError(f"{path / name}: not in the folder of a class; {EXPECTED}")
            images[len(good)] = _read_face(path / name, size, channels)
        except (BadInputError, MissingError) as error:
            if not skip_bad:
                raise
            problems.append(str(error))
        else:
            good.append(row)
    if not good:
        raise BadInputError(f"{path}: no good picture in it; the first: {problems[0]}")
    parts = [PurePosixPath(files[row]).parts for row in good]
    folder_names = [part[depth] for part in parts]
    names, class_of = _name_classes(path, set(folder_names))
    return FaceSet(
        images=images[: len(good)],
        labels=np.array([names.index(class_of[folder]) for folder in folder_names], np.int64),
        label_names=names,
        rows=np.array(good, np.int64),
        sources=tuple(files[row] for row in good),
        splits=np.array([part[0] for part in parts]) if depth else None,
        problems=tuple(problems),
    )


def _has_splits(path: Path, files: list[str]) -> bool:
    """Returns whether the first level of folders is splits (True) or classes (False)."""
    first = {PurePosixPath(name).parts[0] for name in files if "/" in name}
    splits = {name for name in first if is_split_name(name)}
    if splits and splits != first:
        raise BadInputError(
            f"{path}: holds splits ({', '.join(sorted(splits))}) beside other folders "
            f"({', '.join(sorted(first - splits)[:5])}); {EXPECTED}"
        )
    return bool(splits)


def _name_classes(path: Path, folders: set[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Returns the class names in order, and the class of every folder's name."""
    expressions = {folder: canonical_expression(folder) for folder in folders}
    class_of = {folder: name for folder, name in expressions.items() if name is not None}
    if len(class_of) == len(folders):
        present = set(class_of.values())
        return tuple(name for name in EXPRESSIONS if name in present), class_of
    if len({folder.casefold() for folder in folders}) < len(folders):
        raise BadInputError(
            f"{path}: class folders differ in upper and lower case only: "
            f"{', '.join(sorted(folders))}"
        )
    return tuple(sorted(folders)), {folder: folder for folder in folders}


def _read_face(path: Path, size: int, channels: int) -> np.ndarray:
    rgb = read_picture(path)
    height, width = rgb.shape[:2]
    side = min(height, width)
    if side < MIN_SIDE:
        raise BadInputError(
            f"{path}: {width} x {height} pixels, expected at least {MIN_SIDE} x {MIN_SIDE}"
        )
    top, left = (height - side) // 2, (width - side) // 2
    square = rgb[top : top + side, left : left + side]
    face = to_grey(square) if channels == 1 else square
    return face if side == size else resize(face, size, size)
