"""Detects faces in very long pictures (page screenshots, panoramas) tile by tile.

Shrunk as a whole to a detector's input size, their faces would be too small to find.
"""

from collections.abc import Callable, Iterator

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
                found.append(face.mapped(1, 1, 0 if is_tall else start, start if is_tall else 0))
    boxes = np.array([face.box for face in found], float).reshape(-1, 4)
    scores = np.array([face.score for face in found])
    return [found[place] for place in suppress(boxes, scores)]


def find_resized(
    find: Callable[[np.ndarray], list[Detection]], picture: np.ndarray, shortest: int, longest: int
) -> list[Detection]:
    """Returns the faces in a picture, looked at in a size whose longer side is within two lengths.

    Args:
        find: Looks at a picture.
        picture: uint8 `[H, W]` or `[H, W, 3]`.
        shortest: Smaller pictures are enlarged to this longer side, pixels.
        longest: Larger ones are shrunk to this.
    """
    import cv2

    height, width = picture.shape[:2]
    longer = max(height, width)
    scale = min(max(longer, shortest), longest) / longer
    image = picture
    if scale != 1:
        # Between neighbours at up to half the size, where every pixel still counts: areas take
        # four times as long.
        how = cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(picture, size, interpolation=how)
    return [face.mapped(width / image.shape[1], height / image.shape[0]) for face in find(image)]


def _tiles(length: int, side: int) -> Iterator[tuple[int, int]]:
    """Yields beginning and end of each tile: they overlap by half of a tile, or more."""
    side = max(side, -(-2 * length // (MAX_TILES + 1)))
    count = max(1, -(-2 * (length - side) // side)) + 1
    for index in range(count):
        start = round((length - side) * index / (count - 1))
        yield start, start + side
