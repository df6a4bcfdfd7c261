"""FaceSet: labelled face images in memory, and what can be done with them without a network."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from mien.data.splits import divide, find_split
from mien.errors import UsageError
from mien.labels import canonical_expression, nearest


@dataclass(frozen=True, eq=False)
class FaceSet:
    """Face images with what is known of them; row i of every array is the same face.

    Attributes:
        images: uint8 `[N, S, S]` grey or `[N, S, S, 3]` RGB.
        labels: int64 `[N]`, indices into `label_names`; None for an unlabelled set.
        label_names: Class names; empty for an unlabelled set.
        soft_labels: float32 `[N, K]`, rows sum to 1; only beside `labels`.
        votes: int64 `[N, K + 3]`, how many annotators chose each class, then contempt, unknown and
            not a face (`mien.data.fer_plus`); only beside `labels`.
        splits: str `[N]`, the name of every row's split; None where the set has no splits.
        rows: int64 `[N]`, the row of the source, from 0: the data row of a CSV (the header and
            blank lines do not count), the place in a folder's sorted list of pictures.
        sources: The CSV's path, alone; or one path per picture.
        problems: One line for every bad row that was skipped when reading, in order.

    Raises:
        ValueError: On construction, when the arrays do not fit together.

    Example:
        >>> import numpy as np
        >>> from mien.data import FaceSet
        >>> faces = FaceSet(
        ...     images=np.zeros((2, 48, 48), np.uint8),
        ...     labels=np.array([1, 0]),
        ...     label_names=("happy", "neutral"),
        ...     rows=np.arange(2),
        ...     sources=("mine.csv",),
        ... )
        >>> faces.counts()
        {'happy': 1, 'neutral': 1}
    """

    images: np.ndarray
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    rows: np.ndarray
    sources: tuple[str, ...]
    splits: np.ndarray | None = None
    soft_labels: np.ndarray | None = None
    votes: np.ndarray | None = None
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.images.shape
        square = len(shape) in (3, 4) and shape[1] == shape[2] and shape[3:] in ((), (3,))
        _require(self.images.dtype == np.uint8 and square, "images", self.images)
        n, k = len(self), len(self.label_names)
        _require(self.rows.dtype == np.int64 and self.rows.shape == (n,), "rows", self.rows)
        if self.labels is not None:
            good = self.labels.dtype == np.int64 and self.labels.shape == (n,)
            _require(good, "labels", self.labels)
            if n and not 0 <= self.labels.min() <= self.labels.max() < k:
                raise ValueError(f"labels must lie in 0..{k - 1}, the indices of label_names")
        if len(set(self.label_names)) != k or (k == 0) != (self.labels is None):
            raise ValueError(f"label_names must be different names, got {self.label_names}")
        if self.soft_labels is not None:
            soft = self.soft_labels
            good = soft.dtype == np.float32 and soft.shape == (n, k) and self.labels is not None
            _require(good, "soft_labels", soft)
            if not np.allclose(soft.sum(axis=1), 1, atol=1e-4):
                raise ValueError("every row of soft_labels must sum to 1")
        if self.votes is not None:
            good = self.votes.dtype == np.int64 and self.votes.shape == (n, k + 3)
            _require(good and self.labels is not None, "votes", self.votes)
        if self.splits is not None:
            good = self.splits.dtype.kind == "U" and self.splits.shape == (n,)
            _require(good, "splits", self.splits)
        if len(self.sources) not in (1, n):
            raise ValueError(f"sources must be one path or {n}, got {len(self.sources)}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def face_size(self) -> int:
        """The side of the faces, pixels."""
        return self.images.shape[1]

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits' names in the order of their first rows; empty where there are none."""
        if self.splits is None:
            return ()
        names, first = np.unique(self.splits, return_index=True)
        return tuple(str(names[i]) for i in np.argsort(first))

    def take(self, indices: np.ndarray) -> "FaceSet":
        """Returns the rows at `indices` (integers, or bool `[N]`), copied, in that order."""
        indices = np.asarray(indices)
        indices = np.flatnonzero(indices) if indices.dtype == bool else indices.astype(np.int64)

        def pick(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[indices]

        shared = len(self.sources) == 1
        return replace(
            self,
            images=self.images[indices],
            labels=pick(self.labels),
            rows=self.rows[indices],
            splits=pick(self.splits),
            soft_labels=pick(self.soft_labels),
            votes=pick(self.votes),
            sources=self.sources if shared else tuple(self.sources[i] for i in indices),
        )

    def take_split(self, name: str) -> "FaceSet":
        """Returns the rows of one split.

        Args:
            name: In any of the usual spellings: train, training | val, valid, validation, dev,
                PublicTest | test, testing, PrivateTest. The set's own spelling wins.

        Raises:
            UsageError: The set has no such split.
        """
        found = None if self.splits is None else find_split(name, self.split_names)
        if found is None:
            known = ", ".join(self.split_names)
            there = f"it has {known}" if known else "it has no splits"
            raise UsageError(f"no split {name!r} in {self._origin()}; {there}")
        return self.take(self.splits == found)

    def without_opinions(self) -> "FaceSet":
        """Returns the set without soft labels and votes."""
        return replace(self, soft_labels=None, votes=None)

    def split_by_ratio(
        self, fraction: float, seed: int = 0, stratified: bool = True
    ) -> "tuple[FaceSet, FaceSet]":
        """Returns (rest, held out), both in the order of the rows.

        Args:
            fraction: Share to hold out: ceil(fraction * N) rows, as scikit-learn does.
            seed: Decides which rows; the same seed, the same rows.
            stratified: Hold out the same share of every class, to within one row.

        Raises:
            ValueError: The fraction leaves a side empty, or the set has no labels to stratify by.
        """
        if stratified and self.labels is None:
            raise ValueError("an unlabelled set can only be split with stratified=False")
        rest, held = divide(len(self), fraction, seed, self.labels if stratified else None)
        return self.take(rest), self.take(held)

    def drop_expressions(self, names: Iterable[str]) -> "FaceSet":
        """Returns the set without some classes: their rows go and the labels renumber.

        Soft labels lose those columns and sum to 1 again; where nothing is left, the row's own
        label takes all. Votes for them are forgotten.

        Args:
            names: Class names; for expressions any usual spelling.

        Raises:
            UsageError: A name the set does not have, or fewer than two classes would be left.
        """
        if self.labels is None:
            raise UsageError(f"{self._origin()} has no labels, so there are none to drop")
        dropped = {self._class_named(name) for name in names}
        kept = [i for i, name in enumerate(self.label_names) if name not in dropped]
        if len(kept) < 2:
            raise UsageError(f"dropping {', '.join(sorted(dropped))} leaves fewer than two classes")
        renumber = np.full(len(self.label_names), -1, np.int64)
        renumber[kept] = np.arange(len(kept))
        stay = self.take(renumber[self.labels] >= 0)
        labels = renumber[stay.labels]
        soft, votes = stay.soft_labels, stay.votes
        first_other = len(self.label_names)
        columns = [*kept, *range(first_other, first_other + 3)]
        return replace(
            stay,
            labels=labels,
            label_names=tuple(self.label_names[i] for i in kept),
            soft_labels=None if soft is None else normalise_votes(soft[:, kept], labels),
            votes=None if votes is None else votes[:, columns],
        )

    def counts(self) -> dict[str, int]:
        """Returns how many rows each class has; empty for an unlabelled set."""
        return self._count(np.ones(len(self), bool))

    def counts_by_split(self) -> dict[str, dict[str, int]]:
        """Returns how many rows each class has in each split; empty where there are none."""
        return {name: self._count(self.splits == name) for name in self.split_names}

    def content_hash(self) -> str:
        """Returns the SHA-256, in hexadecimal, of images, labels, names, splits and opinions.

        Opinions are soft labels and votes.

        It does not depend on the platform, on where the set lies or on how it was read.
        """
        described = {
            "images": self.images.shape,
            "label_names": self.label_names,
            "splits": None if self.splits is None else self.splits.tolist(),
            "labels": self.labels is not None,
            "soft_labels": self.soft_labels is not None,
        }
        if self.votes is not None:
            described["votes"] = self.votes.shape
        digest = hashlib.sha256(json.dumps(described).encode())
        for array, dtype in (
            (self.images, "|u1"),
            (self.labels, "<i8"),
            (self.soft_labels, "<f4"),
            (self.votes, "<i8"),
        ):
            if array is not None:
                digest.update(np.ascontiguousarray(array, dtype).ravel().view(np.uint8).data)
        return digest.hexdigest()

    def _count(self, mask: np.ndarray) -> dict[str, int]:
        if self.labels is None:
            return {}
        counts = np.bincount(self.labels[mask], minlength=len(self.label_names))
        return dict(zip(self.label_names, counts.tolist(), strict=True))

    def _class_named(self, name: str) -> str:
        if name in self.label_names:
            return name
        expression = canonical_expression(name)
        if expression in self.label_names:
            return str(expression)
        raise UsageError(f"no class {name!r} in {self._origin()}{nearest(name, self.label_names)}")

    def _origin(self) -> str:
        return self.sources[0] if len(self.sources) == 1 else "the set"


def normalise_votes(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns votes `[N, K]` as float32 shares; a row without votes gives its label everything."""
    votes = votes.astype(np.float64)
    empty = np.flatnonzero(votes.sum(axis=1) == 0)
    votes[empty, labels[empty]] = 1
    return (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)


def _require(good: bool, name: str, array: np.ndarray) -> None:
    if not good:
        raise ValueError(f"{name} does not fit the set: {array.dtype} {list(array.shape)}")
