"""Teachers: what trained models say of a set's faces, kept in a small file and joined by row.

Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015.
"""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from mien.data.face_set import FaceSet
from mien.errors import BadInputError, MissingError, UsageError

# A file may hold more faces than the set: logits of all splits, in double precision at most.
_MAX_BYTES_PER_FACE, _MAX_BYTES_BESIDE = 2_000, 20_000_000
_KEYS = ("rows", "labels", "logits", "label_names")


def write_teacher(path: str | Path, faces: FaceSet, logits: np.ndarray) -> None:
    """Writes logits of labelled faces as a compressed NumPy archive, in half precision.

    Args:
        path: Ends in `.npz`.
        faces: The faces, of one CSV or folder.
        logits: Floats `[N, K]`, of faces and classes in the set's order.

    Raises:
        ValueError: The logits do not fit the faces.

    Example:
        >>> from mien import Classifier
        >>> from mien.data import read, write_teacher
        >>> faces = read("faces.csv")
        >>> write_teacher("teacher.npz", faces, Classifier().logits(faces.images))
    """
    if faces.labels is None or logits.shape != (len(faces), len(faces.label_names)):
        raise ValueError(f"logits {list(logits.shape)} do not fit {len(faces)} labelled faces")
    np.savez_compressed(
        Path(path),
        rows=faces.rows,
        labels=faces.labels,
        logits=logits.astype(np.float16),
        label_names=np.array(faces.label_names),
    )


def read_teacher(path: str | Path, faces: FaceSet) -> np.ndarray:
    """Returns the teacher's probabilities of a set's faces, float32 `[N, K]`.

    Raises:
        MissingError: The file is not there.
        BadInputError: It is no such file, or not of these faces: a row is missing, or has another
            label.
        UsageError: The set has other classes.

    Example:
        >>> import numpy as np
        >>> from mien.data import read, read_teacher, write_teacher
        >>> faces = read("faces.csv")
        >>> write_teacher("even.npz", faces, np.zeros((len(faces), 7)))
        >>> read_teacher("even.npz", faces).shape
        (98, 7)
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as packed, np.load(path, allow_pickle=False) as archive:
            size = sum(member.file_size for member in packed.infolist())
            if size > _MAX_BYTES_PER_FACE * len(faces) + _MAX_BYTES_BESIDE:
                raise ValueError(f"{size:,} bytes unpacked are too many for {len(faces)} faces")
            rows, labels, logits, names = (archive[key] for key in _KEYS)
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        expected = ", ".join(_KEYS)
        raise BadInputError(
            f"{path}: not a teacher's logits: expected an .npz with {expected}: {error}"
        ) from error
    if tuple(names.tolist()) != faces.label_names:
        raise UsageError(
            f"{path}: classes {', '.join(names.tolist())}; the set has "
            f"{', '.join(faces.label_names)}"
        )
    if logits.shape != (len(rows), len(names)) or not np.isfinite(logits).all():
        raise BadInputError(f"{path}: logits are not finite numbers [{len(rows)}, {len(names)}]")
    place_of = dict(zip(rows.tolist(), range(len(rows)), strict=True))
    missing = [row for row in faces.rows.tolist() if row not in place_of]
    if missing:
        raise BadInputError(f"{path}: no logits of row {missing[0]} and {len(missing) - 1} more")
    places = np.array([place_of[row] for row in faces.rows.tolist()], np.int64)
    wrong = np.flatnonzero(labels[places] != faces.labels)
    if len(wrong):
        raise BadInputError(
            f"{path}: row {faces.rows[wrong[0]]} was labelled "
            f"{names[labels[places[wrong[0]]]]} there; not the logits of this set"
        )
    logits = logits[places].astype(np.float32)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
