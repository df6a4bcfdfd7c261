"""Splits: their names in the usual spellings, and dividing rows by a seeded ratio."""

import math
import re
from collections.abc import Sequence

import numpy as np

_GROUPS = (
    {"train", "training"},
    {"val", "valid", "validation", "dev", "publictest"},
    {"test", "testing", "privatetest"},
)
_ADDED = ("set", "data", "split", "images", "image", "faces", "face", "class", "classes", "folder")
"""What is often added to a split's name: `training_set`, `test-images`, `train_class`."""


def _plain(name: str) -> str:
    word = name.strip().lower().replace("_", "").replace("-", "").replace(" ", "")
    return re.sub(f"(?<=.)({'|'.join(_ADDED)})+$", "", word)


def is_split_name(name: str) -> bool:
    """Returns whether a folder of this name is a split (`train`, `test_set`…), not a class."""
    return any(_plain(name) in group for group in _GROUPS)


def find_split(name: str, names: Sequence[str]) -> str | None:
    """Returns which of `names` is meant by `name`, or None.

    The exact spelling wins, then the same word in other letters, then the one other spelling of
    its group: train, training | val, valid, validation, dev, PublicTest | test, testing,
    PrivateTest.
    """
    if name in names:
        return name
    group = next((group for group in _GROUPS if _plain(name) in group), set[str]())
    for wanted in ({_plain(name)}, group):
        found = [known for known in names if _plain(known) in wanted]
        if len(found) == 1:
            return found[0]
    return None


def divide(
    num_rows: int, fraction: float, seed: int, labels: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the row indices (rest, held out), int64, each ascending.

    Args:
        num_rows: How many rows there are.
        fraction: Share to hold out: ceil(fraction * num_rows) rows, as scikit-learn does.
        seed: Decides which.
        labels: int64 `[N]`: hold out the same share of every class (largest remainders, so each
            class within one row of its share); None draws from all rows alike.

    Raises:
        ValueError: The fraction is not between 0 and 1, or leaves a side empty.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}")
    num_held = math.ceil(fraction * num_rows)
    if not 0 < num_held < num_rows:
        raise ValueError(f"a fraction of {fraction} of {num_rows} rows leaves a side empty")
    order = np.random.default_rng(seed).permutation(num_rows)
    if labels is None:
        held = order[:num_held]
    else:
        quotas = _shares(np.bincount(labels), num_held)
        held = np.concatenate(
            [order[labels[order] == label][:quota] for label, quota in enumerate(quotas)]
        )
    mask = np.zeros(num_rows, bool)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def assign_folds(labels: np.ndarray, num_folds: int, seed: int) -> np.ndarray:
    """Returns each row's fold, int64 `[N]` in 0…num_folds - 1; folds share every class alike.

    Args:
        labels: int64 `[N]`.
        num_folds: At least 2.
        seed: Decides which rows go together.

    Example:
        >>> import numpy as np
        >>> from mien.data import assign_folds
        >>> folds = assign_folds(np.array([0, 0, 0, 1, 1, 1]), num_folds=3, seed=0)
        >>> np.bincount(folds)
        array([2, 2, 2])
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    by_label = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[by_label] = np.arange(len(labels)) % num_folds
    return folds


def _shares(counts: np.ndarray, total: int) -> np.ndarray:
    """Returns `total` allotted in proportion to counts by largest remainders, in integers."""
    quotas, remainders = np.divmod(counts * total, counts.sum())
    missing = total - quotas.sum()
    quotas[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return quotas
