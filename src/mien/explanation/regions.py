"""Where in a face evidence lies: in words that everybody knows, not in pixels.

S side of the face image · s side of the network's input, its middle
"""

import numpy as np

REGIONS = {
    "brows": "on the forehead and brows",
    "eyes": "around the eyes",
    "nose": "around the nose",
    "mouth": "around the mouth",
    "rest": "on the cheeks and elsewhere",
}
"""The regions of a face, and how a sentence says where they are. The mouth has the chin with it,
the forehead the hair; the rest is cheeks, jaw and background."""

_MEAN_FACE = np.array([[0.315, 0.39], [0.685, 0.39], [0.5, 0.6], [0.35, 0.764], [0.65, 0.764]])
"""Where the five landmarks lie in FER2013's frames, x and y in sides of the frame: the medians of
989 faces, made symmetric (`benchmarks/explain_pictures.py --fit` measures them)."""

_BOXES = {
    "brows": (-np.inf, -np.inf, np.inf, 0.31),
    "eyes": (0.13, 0.31, 0.87, 0.48),
    "nose": (0.37, 0.48, 0.63, 0.66),
    "mouth": (0.22, 0.66, 0.78, 1.0),
}
"""Left, top, right, bottom of the regions in the mean face; the rest is what they leave."""

_BREADTH = 1 / 22  # of smoothing, its standard deviation in sides of the view: 2 pixels of 44


def region_map(landmarks: np.ndarray | None, face_size: int, input_size: int) -> np.ndarray:
    """Returns the region of every pixel that the network sees: places in `REGIONS`, `[s, s]`.

    The regions are those of the mean face, laid on this one by the affine map that brings its
    landmarks nearest to the mean's. So they follow a head that is tilted or turned.

    Args:
        landmarks: `[5, 2]`, x and y in sides of the face image, in `Detection`'s order; None: the
            face is taken to be framed as the mean one.
        face_size: S, pixels.
        input_size: s, pixels.
    """
    start = (face_size - input_size) // 2
    centres = (np.arange(input_size) + start + 0.5) / face_size
    x, y = np.meshgrid(centres, centres)  # [s, s]
    if landmarks is not None:
        to_mean = np.linalg.lstsq(np.c_[landmarks, np.ones(5)], _MEAN_FACE, rcond=None)[0]
        x, y = np.moveaxis(np.stack([x, y, np.ones_like(x)], axis=-1) @ to_mean, -1, 0)
    names = list(REGIONS)
    regions = np.full(x.shape, names.index("rest"))
    for name, (left, top, right, bottom) in _BOXES.items():
        inside = (left <= x) & (x < right) & (top <= y) & (y < bottom)
        regions[inside] = names.index(name)
    return regions


def smooth(values: np.ndarray) -> np.ndarray:
    """Returns pixels' contributions `[s, s]` spread over their neighbourhood; the sum stays.

    By a Gaussian of 2 pixels of 44, cut off at twice that: what neighbours add and take away
    cancels, and what is left can be seen.
    """
    distance = np.subtract.outer(np.arange(len(values)), np.arange(len(values)))
    breadth = _BREADTH * len(values)
    weights = np.exp(-((distance / breadth) ** 2) / 2) * (np.abs(distance) <= 2 * breadth)
    weights /= weights.sum(axis=0)  # nothing is lost beyond the edge
    return weights @ values @ weights.T


def shares(evidence: np.ndarray, regions: np.ndarray) -> dict[str, float]:
    """Returns which part of the positive evidence lies in each region; all 0 if there is none.

    Args:
        evidence: `[s, s]`, > 0 for an expression.
        regions: `[s, s]`, as `region_map` gives them.
    """
    sums = np.bincount(regions.ravel(), np.maximum(evidence, 0).ravel(), len(REGIONS))
    return dict(zip(REGIONS, (sums / (sums.sum() or 1)).tolist(), strict=True))
