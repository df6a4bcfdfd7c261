"""Face images → network views: the centre crop, and the views of test time (numpy only)."""

import numpy as np


def centre_crop(faces: np.ndarray, size: int) -> np.ndarray:
    """Returns the central `size` x `size` pixels of every face; a view, no copy.

    Args:
        faces: uint8 `[N, S, S]` or `[N, S, S, C]` with S ≥ size.
        size: Side of the crop, pixels.

    Raises:
        ValueError: The faces are smaller than `size`.
    """
    return _crop(faces, *_centre(faces, size), size)


def test_time_views(faces: np.ndarray, size: int) -> list[np.ndarray]:
    """Returns the views whose logits are averaged at test time, each uint8 `[N, size, size(, C)]`.

    Five crops (centre and corners) and their mirror images where `size` < S; else the faces
    and their mirror images.
    """
    side = faces.shape[1]
    starts = [_centre(faces, size)]
    if size < side:
        last = side - size
        starts += [(0, 0), (0, last), (last, 0), (last, last)]
    crops = [_crop(faces, top, left, size) for top, left in starts]
    return [view for crop in crops for view in (crop, crop[:, :, ::-1])]


def _centre(faces: np.ndarray, size: int) -> tuple[int, int]:
    if faces.ndim not in (3, 4) or faces.shape[1] != faces.shape[2]:
        raise ValueError(f"expected faces [N, S, S] or [N, S, S, C], got {faces.shape}")
    if size > faces.shape[1]:
        raise ValueError(f"a crop of {size} pixels from faces of {faces.shape[1]}")
    start = (faces.shape[1] - size) // 2
    return start, start


def _crop(faces: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    return faces[:, top : top + size, left : left + size]
