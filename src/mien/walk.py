"""Folders on disk: the one walker behind labelled sets and pictures to be read."""

import os
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Walked:
    """What is below a folder.

    Attributes:
        files: The wanted ones, folder by folder, each sorted; those of a folder before those of
            the folders in it.
        unreadable: A line for each folder that could not be read, in the same order.
    """

    files: tuple[Path, ...]
    unreadable: tuple[str, ...]


def walk(folder: Path, suffixes: Container[str]) -> Walked:
    """Returns the files below a folder whose names end in one of `suffixes`, in lower case.

    Names that begin with a dot or two underscores (`.git`, `__MACOSX`) are left out. Links to
    folders are followed, except into a folder that the way there went through.
    """
    files: list[Path] = []
    unreadable: list[str] = []

    def note(error: OSError) -> None:
        unreadable.append(f"{error.filename}: cannot be read: {error.strerror}")

    way = {str(folder): frozenset({folder.resolve(), *folder.resolve().parents})}
    for place, folders, names in os.walk(folder, onerror=note, followlinks=True):
        above = way.pop(place)
        inner = {name: Path(place, name) for name in folders if not name.startswith((".", "__"))}
        real = {name: path.resolve() for name, path in inner.items()}
        folders[:] = sorted(name for name in inner if real[name] not in above)
        way |= {os.path.join(place, name): above | {real[name]} for name in folders}  # noqa: PTH118
        files += (
            Path(place, name)
            for name in sorted(names)
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes
        )
    return Walked(tuple(files), tuple(unreadable))
