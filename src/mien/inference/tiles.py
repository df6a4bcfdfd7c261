"""Long pictures, such as screenshots of whole pages and panoramas, looked at in pieces.

Shrunk as a whole to what a detector takes, faces in them would be too small to be found.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from mien.inference.detection import Detection, suppress

LONG = 3.0
"""A picture is long if its sides differ by more than this factor."""
MAX_TILES = 16


def find_in_tiles(
    find: Callable[[np.ndarray], list[Detection]], rgb: np.ndarray, longest_side: int
) -> list[Detection]:
    """Returns the faces in a picture, most certain first; of a long one from overlapping tiles.

    A face is taken from a tile that shows it whole: one that touches a tile's inner edge lies
    whole in the next, unless it is larger than half of a tile.

    Args:
        find: Looks at a picture, RGB uint8 `[H, W, 3]`.
        rgb: The picture.
        longest_side: Up to this, pixels, `find` sees all that is there.
    """
    height, width = rgb.shape[:2]
    longer, shorter = max(height, width), min(height, width)
    if longer <= longest_side or longer <= LONG * shorter:
        return find(rgb)
    is_tall = height > width
    found = []
    for start, end in _tiles(longer, max(shorter, longest_side)):
        tile = rgb[start:end] if is_tall else rgb[:, start:end]
        for face in find(np.ascontiguousarray(tile)):
            low, high = (face.box[1], face.box[3]) if is_tall else (face.box[0], face.box[2])
            if (low > 0 or start == 0) and (high < end - start or end == longer):
                found.append(_moved(face, 0 if is_tall else start, start if is_tall else 0))
    boxes = np.array([face.box for face in found], float).reshape(-1, 4)
    scores = np.array([face.score for face in found])
    return [found[place] for place in suppress(boxes, scores)]


def _tiles(length: int, side: int) -> Iterator[tuple[int, int]]:
    """Yields beginning and end of each tile: they overlap by half of a tile, or more."""
    side = max(side, -(-2 * length // (MAX_TILES + 1)))
    count = max(1, -(-2 * (length - side) // side)) + 1
    for index in range(count):
        start = round((length - side) * index / (count - 1))
        yield start, start + side


def _moved(face: Detection, right: int, down: int) -> Detection:
    left, top, *_ = face.box
    box = (left + right, top + down, face.box[2] + right, face.box[3] + down)
    points = face.landmarks and tuple((x + right, y + down) for x, y in face.landmarks)
    return replace(face, box=box, landmarks=points)
