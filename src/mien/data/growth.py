"""Growing rare classes: as report D does it, and by plain repetition."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from mien.data.face_set import FaceSet
from mien.errors import UsageError
from mien.labels import nearest

ROTATE_DEGREES = 10


def grow(faces: FaceSet, names: Iterable[str], seed: int) -> FaceSet:
    """Returns the set with each named class four times as large, the copies appended.

    O'Shea, "Facial Emotion Recognition with Data Augmentation": first a mirrored copy of every
    face of the class, then a copy of every face of it so far, rotated by a random whole number of
    degrees from -10 to 10 (black beyond the edge). Class after class, in the order given.

    Args:
        faces: A labelled set.
        names: Class names.
        seed: Decides the rotations.

    Raises:
        UsageError: A class that the set does not have.

    Example:
        >>> from mien.data import grow, read
        >>> faces = read("faces.csv")
        >>> faces.counts()["disgust"], grow(faces, ["disgust"], seed=0).counts()["disgust"]
        (14, 56)
    """
    rng = np.random.default_rng(seed)
    for name in names:
        if faces.labels is None or name not in faces.label_names:
            known = nearest(name, faces.label_names)
            raise UsageError(f"cannot grow the class {name!r}: there is none{known}")
        label = faces.label_names.index(name)
        members = np.flatnonzero(faces.labels == label)
        faces = _append(faces, members, faces.images[members][:, :, ::-1])
        assert faces.labels is not None
        members = np.flatnonzero(faces.labels == label)
        angles = rng.integers(-ROTATE_DEGREES, ROTATE_DEGREES + 1, len(members))
        faces = _append(faces, members, _rotated(faces.images[members], angles))
    return faces


def oversample(faces: FaceSet, seed: int) -> FaceSet:
    """Returns the set with faces of the rarer classes repeated until all are as many.

    Every face is there as often as any other of its class, or once more; `seed` decides which.

    Raises:
        UsageError: The set has no labels.

    Example:
        >>> from mien.data import grow, oversample, read
        >>> uneven = grow(read("faces.csv"), ["happy"], seed=0)
        >>> balanced = oversample(uneven, seed=0).counts()
        >>> balanced["happy"], balanced["sad"]
        (56, 56)
    """
    if faces.labels is None:
        raise UsageError("a set without labels has no classes to balance")
    rng = np.random.default_rng(seed)
    most = int(np.bincount(faces.labels).max(initial=0))
    extra = [np.zeros(0, np.int64)]
    for label in np.unique(faces.labels):
        members = np.flatnonzero(faces.labels == label)
        repeats, rest = divmod(most - len(members), len(members))
        extra += [np.tile(members, repeats), np.sort(rng.permutation(members)[:rest])]
    return faces.take(np.concatenate([np.arange(len(faces)), *extra]))


def _append(faces: FaceSet, members: np.ndarray, images: np.ndarray) -> FaceSet:
    """Returns the set with copies of some rows, their images changed, behind the others."""
    together = faces.take(np.concatenate([np.arange(len(faces)), members]))
    return replace(together, images=np.concatenate([faces.images, images]))


def _rotated(images: np.ndarray, angles: np.ndarray) -> np.ndarray:
    from PIL import Image

    turned = [
        np.asarray(Image.fromarray(image).rotate(float(angle), Image.Resampling.BILINEAR))
        for image, angle in zip(images, angles, strict=True)
    ]
    return np.stack(turned) if turned else images
