"""Twins: faces that are the same picture, exactly or nearly, mirrored too."""

from dataclasses import dataclass

import numpy as np

from mien.pictures import resize, to_grey

THRESHOLD = 0.95
"""Correlation of two normalised pictures from which on they are twins."""
BLANK_CONTRAST = 2.0
"""Standard deviation, grey levels, below which a picture is blank."""

_COARSE = 24  # side of the pictures that are all compared with each other, pixels
_SLACK = 0.03  # a coarse pair may correlate so much less than the whole pictures
_BLOCK = 2048  # pictures on each side of a matrix product: 16 MB of correlations
_PIXELS_AT_ONCE = 1 << 22


@dataclass(frozen=True, eq=False)
class Twins:
    """Pairs of pictures that are twins; element i of every array is one pair.

    Attributes:
        first: int64 `[P]`, the place of one picture.
        second: int64 `[P]`, the place of the other; higher, where both are of one set.
        correlation: float32 `[P]`, Pearson's, of all pixels.
        mirrored: bool `[P]`, whether the second was mirrored for that.
    """

    first: np.ndarray
    second: np.ndarray
    correlation: np.ndarray
    mirrored: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


def find_twins(
    images: np.ndarray, others: np.ndarray | None = None, threshold: float = THRESHOLD
) -> Twins:
    """Returns the pairs of pictures whose pixels correlate, each pair once.

    Correlation does not mind brightness and contrast. Each pair is compared as it is and mirrored.
    Small copies of all pictures are compared first, by products of matrices; what is close there
    is compared at full size. Blank pictures (`is_blank`) have no twins.

    Args:
        images: uint8 `[N, S, S]` grey or `[N, S, S, 3]` RGB.
        others: Pictures of the same size, to find the twins of `images` among; None for `images`
            themselves.
        threshold: Least correlation of twins, 0 to 1.

    Raises:
        ValueError: The two sets are not of one size.

    Example:
        >>> import numpy as np
        >>> from mien.data import find_twins
        >>> pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 48)).astype(np.uint8)
        >>> pictures[2] = pictures[0, :, ::-1] // 2
        >>> twins = find_twins(pictures)
        >>> twins.first, twins.second, twins.mirrored
        (array([0]), array([2]), array([ True]))
    """
    ours = _grey(images)
    theirs = ours if others is None else _grey(others)
    if ours.shape[1:] != theirs.shape[1:]:
        sides = ours.shape[1], theirs.shape[1]
        raise ValueError(f"pictures of {sides[0]} and of {sides[1]} pixels cannot be compared")
    small = _normalised(_coarse(ours))
    small_theirs = small if others is None else _normalised(_coarse(theirs))
    found = [(np.zeros(0, np.int64),) * 2 + (np.zeros(0, np.float32), np.zeros(0, bool))]
    for top in range(0, len(ours), _BLOCK):
        for left in range(top if others is None else 0, len(theirs), _BLOCK):
            rows, columns = small[top : top + _BLOCK], small_theirs[left : left + _BLOCK]
            for is_mirrored in (False, True):
                across = columns[:, :, ::-1] if is_mirrored else columns
                close = rows.reshape(len(rows), -1) @ across.reshape(len(across), -1).T
                first, second = np.nonzero(close >= threshold - _SLACK)
                first, second = first + top, second + left
                if others is None:
                    first, second = first[first < second], second[first < second]
                sharp = _correlation(ours, theirs, (first, second), is_mirrored)
                keep = sharp >= threshold
                mirrored = np.full(keep.sum(), is_mirrored)
                found.append((first[keep], second[keep], sharp[keep], mirrored))
    return _each_once(Twins(*map(np.concatenate, zip(*found, strict=True))))


def group_twins(num_pictures: int, twins: Twins) -> np.ndarray:
    """Returns the group of each picture, int64 `[N]`: the place of the group's first picture.

    Twins of twins are of one group. A picture without twins is a group of its own.

    Args:
        num_pictures: How many pictures there are, N.
        twins: What `find_twins` found among them.

    Example:
        >>> import numpy as np
        >>> from mien.data import Twins, group_twins
        >>> pairs = Twins(np.array([0, 2]), np.array([2, 4]), np.ones(2), np.zeros(2, bool))
        >>> group_twins(5, pairs)
        array([0, 1, 0, 3, 0])
    """
    parent = list(range(num_pictures))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for pair in zip(twins.first.tolist(), twins.second.tolist(), strict=True):
        low, high = sorted(map(root, pair))
        parent[high] = low
    return np.array([root(place) for place in range(num_pictures)], np.int64)


def group_identical(images: np.ndarray) -> np.ndarray:
    """Returns the group of each picture, int64 `[N]`: the first picture with the same pixels.

    Blank pictures are groups of their own.

    Example:
        >>> import numpy as np
        >>> from mien.data import group_identical
        >>> pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 48)).astype(np.uint8)
        >>> group_identical(pictures[[0, 1, 0, 2]])
        array([0, 1, 0, 3])
    """
    seen: dict[bytes, int] = {}
    blank = is_blank(images)
    groups = [
        place if blank[place] else seen.setdefault(image.tobytes(), place)
        for place, image in enumerate(images)
    ]
    return np.array(groups, np.int64)


def is_blank(images: np.ndarray) -> np.ndarray:
    """Returns which pictures show nothing, bool `[N]`: one colour, or under `BLANK_CONTRAST`.

    Args:
        images: uint8 `[N, S, S]` grey or `[N, S, S, 3]` RGB.

    Example:
        >>> import numpy as np
        >>> from mien.data import is_blank
        >>> is_blank(np.stack([np.full((48, 48), 7, np.uint8), np.eye(48, dtype=np.uint8) * 255]))
        array([ True, False])
    """
    return np.array([grey.std() < BLANK_CONTRAST for grey in _grey(images)], bool)


def _grey(images: np.ndarray) -> np.ndarray:
    return images if images.ndim == 3 else to_grey(images)


def _coarse(images: np.ndarray) -> np.ndarray:
    if images.shape[1] <= _COARSE:
        return images
    small = [resize(image, _COARSE, _COARSE) for image in images]
    return np.array(small, np.uint8).reshape(-1, _COARSE, _COARSE)


def _normalised(images: np.ndarray) -> np.ndarray:
    """Returns float32 of mean 0 and length 1 each; zeros where a picture is blank."""
    pixels = images.astype(np.float32)
    pixels -= pixels.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt(np.square(pixels).sum(axis=(1, 2), keepdims=True))
    blank = length < BLANK_CONTRAST * images.shape[1]
    pixels /= np.where(blank, np.inf, length)
    return pixels


def _correlation(
    ours: np.ndarray, theirs: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], is_mirrored: bool
) -> np.ndarray:
    """Returns the correlation of pairs of places, float32 `[P]`; a few pairs at a time."""
    step = max(1, _PIXELS_AT_ONCE // ours[0].size)
    first, second = pairs
    found = [np.zeros(0, np.float32)]
    for start in range(0, len(first), step):
        other = theirs[second[start : start + step]]
        other = _normalised(other[:, :, ::-1] if is_mirrored else other)
        found.append((_normalised(ours[first[start : start + step]]) * other).sum(axis=(1, 2)))
    return np.concatenate(found)


def _each_once(twins: Twins) -> Twins:
    """Returns each pair once, in order; the better of a pair that matches both ways."""
    order = np.lexsort((-twins.correlation, twins.second, twins.first))
    pairs = np.stack([twins.first[order], twins.second[order]])
    is_new = np.ones(len(order), bool)
    is_new[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)
    order = order[is_new]
    parts = (twins.first, twins.second, twins.correlation, twins.mirrored)
    return Twins(*(part[order] for part in parts))
