"""Layout: folders of pictures, `class/…` or `split/class/…`, of any size, grey or colour."""

from pathlib import Path, PurePosixPath

import numpy as np

from mien.data.face_set import FaceSet
from mien.data.splits import is_split_name
from mien.errors import BadInputError, MissingError
from mien.labels import EXPRESSIONS, canonical_expression
from mien.pictures import PICTURE_SUFFIXES, read_picture, resize, to_grey
from mien.walk import walk

DEFAULT_SIZE = 48
MIN_SIDE = 8
EXPECTED = "expected pictures in folders class/… or split/class/…"


def find_files(path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Returns the pictures below `path`, and a line for each folder that could not be read.

    The pictures are relative to `path` with forward slashes, sorted. Files that do not end like
    pictures are left out.

    Raises:
        BadInputError: There is none.
    """
    found = walk(path, PICTURE_SUFFIXES)
    if not found.files:
        raise BadInputError(f"{path}: no pictures in it; {EXPECTED}")
    files = sorted(file.relative_to(path).as_posix() for file in found.files)
    return files, found.unreadable


def read_faces(
    path: Path, files: list[str], skip_bad: bool, face_size: int | None, channels: int
) -> FaceSet:
    """Returns the faces of the pictures: the central square of each, resized to `face_size`.

    Classes that are expressions, in any usual spelling, come first, in mien's order and names,
    those that occur; any others keep the user's names, sorted. Folders that hold one folder alone,
    as archives unpack, are passed through.

    Raises:
        BadInputError: A picture cannot be read or lies outside the layout.
    """
    wrapper = _wrapper(files)
    has_splits = _has_splits(path, files, wrapper)
    depth = wrapper + has_splits
    _check_classes(path, files, depth)
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
        splits=np.array([part[wrapper] for part in parts]) if has_splits else None,
        problems=tuple(problems),
    )


def _wrapper(files: list[str]) -> int:
    """Returns how many levels hold one folder alone, with folders in it, as archives unpack."""
    parts = [PurePosixPath(name).parts for name in files]
    depth = 0
    while all(len(part) > depth + 2 for part in parts):
        name, *others = {part[depth] for part in parts}
        if others or is_split_name(name) or canonical_expression(name):
            break
        depth += 1
    return depth


def _check_classes(path: Path, files: list[str], depth: int) -> None:
    """Raises BadInputError where the folders in the classes' place look like something else."""
    inside: dict[str, set[str]] = {}
    for name in files:
        _, *below = PurePosixPath(name).parts[depth:]
        if below:
            folder = PurePosixPath(name).parts[depth]
            inside.setdefault(folder, set()).update(below[:-1][:1] or [""])
    inner = set.union(*inside.values()) if inside else set()
    if len(inside) < 2 or "" in inner or len(inner) < 2:
        return
    alike = all(names == inner for names in inside.values())
    known = all(canonical_expression(name) for name in inner)
    if alike or (known and not any(map(canonical_expression, inside))):
        raise BadInputError(
            f"{path}: {', '.join(sorted(inside)[:3])} stand where the classes should, and all hold "
            f"folders of the same names ({', '.join(sorted(inner)[:3])}): which are the classes? "
            f"{EXPECTED}"
        )


def _has_splits(path: Path, files: list[str], depth: int) -> bool:
    """Returns whether the folders at this level are splits (True) or classes (False)."""
    parts = [PurePosixPath(name).parts for name in files]
    first = {part[depth] for part in parts if len(part) > depth + 1}
    splits = {name for name in first if is_split_name(name)}
    if splits and splits != first:
        raise BadInputError(
            f"{path}: holds splits ({', '.join(sorted(splits))}) beside other folders "
            f"({', '.join(sorted(first - splits)[:5])}); {EXPECTED}"
        )
    return bool(splits)


def _name_classes(path: Path, folders: set[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Returns the class names in order, and the class of every folder's name."""
    class_of = {folder: canonical_expression(folder) for folder in folders}
    if not all(class_of.values()):  # beside classes of the user's own, `an` is no abbreviation
        class_of = {folder: name for folder, name in class_of.items() if len(folder) > 2}
    known = {folder: name for folder, name in class_of.items() if name is not None}
    own = sorted(folders - known.keys())
    if len({folder.casefold() for folder in own}) < len(own):
        raise BadInputError(
            f"{path}: class folders differ in upper and lower case only: {', '.join(own)}"
        )
    present = set(known.values())
    names = (*(name for name in EXPRESSIONS if name in present), *own)
    return names, known | {folder: folder for folder in own}


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
