"""What is in a set: counts, pixel statistics, blank and repeated images."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mien.data.face_set import FaceSet


@dataclass(frozen=True)
class Summary:
    """The figures of a set; the fields are the keys of `mien data info --json`.

    Attributes:
        num_faces: Rows.
        face_size: Side of the faces, pixels.
        channels: 1 (grey) or 3 (RGB).
        classes: Class names in the order of the labels; empty for an unlabelled set.
        counts: Rows of each class.
        splits: Rows of each split; empty where there are none.
        counts_by_split: Rows of each class in each split.
        has_soft_labels: Whether votes were joined.
        pixel_mean, pixel_std: Of all pixels and channels, scaled to [0, 1].
        num_blank: Images of one single colour.
        num_repeated_within_splits: Rows whose image stands in an earlier row of the same split
            (or of the set, where it has no splits), pixel for pixel.
        num_shared_across_splits: Different images that stand in more than one split.
        content_hash: `FaceSet.content_hash()`.
        num_skipped: Bad rows that were left out.
    """

    num_faces: int
    face_size: int
    channels: int
    classes: tuple[str, ...]
    counts: dict[str, int]
    splits: dict[str, int]
    counts_by_split: dict[str, dict[str, int]]
    has_soft_labels: bool
    pixel_mean: float
    pixel_std: float
    num_blank: int
    num_repeated_within_splits: int
    num_shared_across_splits: int
    content_hash: str
    num_skipped: int

    def to_json_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values for JSON."""
        return asdict(self)


def summarise(faces: FaceSet) -> Summary:
    """Returns the figures of a set.

    Example:
        >>> from mien.data import read, summarise
        >>> summary = summarise(read("faces.csv"))
        >>> summary.splits, summary.num_blank
        ({'Training': 70, 'PublicTest': 28}, 0)
    """
    mean, std = pixel_statistics(faces.images)
    pixels = faces.images.reshape(len(faces), faces.face_size**2, -1)
    blank = (pixels.min(axis=1) == pixels.max(axis=1)).all(axis=1)
    repeated, shared = _count_duplicates(faces)
    return Summary(
        num_faces=len(faces),
        face_size=faces.face_size,
        channels=pixels.shape[2],
        classes=faces.label_names,
        counts=faces.counts(),
        splits={name: int((faces.splits == name).sum()) for name in faces.split_names},
        counts_by_split=faces.counts_by_split(),
        has_soft_labels=faces.soft_labels is not None,
        pixel_mean=mean,
        pixel_std=std,
        num_blank=int(blank.sum()),
        num_repeated_within_splits=repeated,
        num_shared_across_splits=shared,
        content_hash=faces.content_hash(),
        num_skipped=len(faces.problems),
    )


def pixel_statistics(images: np.ndarray) -> tuple[float, float]:
    """Returns mean and (population) standard deviation of the pixels / 255, from exact counts."""
    histogram = np.zeros(256, np.int64)
    for image in images:
        histogram += np.bincount(image.ravel(), minlength=256)
    levels = np.arange(256) / 255
    shares = histogram / histogram.sum()
    mean = float(shares @ levels)
    return mean, float(np.sqrt(shares @ (levels - mean) ** 2))


def _count_duplicates(faces: FaceSet) -> tuple[int, int]:
    """Returns (rows that repeat an earlier one of their split, images found in several splits)."""
    splits = [""] * len(faces) if faces.splits is None else faces.splits.tolist()
    splits_of: dict[bytes, set[str]] = {}
    repeated = 0
    for image, split in zip(faces.images, splits, strict=True):
        seen = splits_of.setdefault(hashlib.sha256(image.tobytes()).digest(), set())
        repeated += split in seen
        seen.add(split)
    return repeated, sum(len(seen) > 1 for seen in splits_of.values())
