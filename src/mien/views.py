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
    if faces.ndim not in (3, 4) or faces.shape[1] != faces.shape[2]:
        raise ValueError(f"expected faces [N, S, S] or [N, S, S, C], got {faces.shape}")
    if size > faces.shape[1]:
        raise ValueError(f"a crop of {size} pixels from faces of {faces.shape[1]}")
    start = (faces.shape[1] - size) // 2
    return faces[:, start : start + size, start : start + size]


def test_time_views(faces: np.ndarray, size: int) -> list[np.ndarray]:
    """Returns the views whose logits are averaged at test time, each uint8 `[N, size, size(, C)]`.

    Where `size` < S, three zooms and their mirror images: the centre's `size` pixels, the whole
    face brought to `size`, and the centre's `size`² / S pixels brought to `size`, as much nearer
    as the whole is farther. Else the faces and their mirror images.

    Zooms are worth more than the usual five crops, which the network sees nearly alike:
    docs/test-time-views.md.
    """
    zooms = [zoom(faces, region, size) for region in _regions(faces.shape[1], size)]
    return [view for each in zooms for view in (each, each[:, :, ::-1])]


def count_test_time_views(side: int, size: int) -> int:
    """Returns how many views `test_time_views` gives of faces of `side` pixels."""
    return 2 * len(_regions(side, size))


def _regions(side: int, size: int) -> list[int]:
    """Returns the sides of the parts of a face that the views show."""
    return [size, side, max(round(size**2 / side), 1)] if size < side else [size]


def zoom(faces: np.ndarray, region: int, size: int) -> np.ndarray:
    """Returns the central `region` x `region` pixels brought to `size` x `size`.

    Linear between pixels; when the region is larger, weighted means over `region / size` times as
    many.

    Args:
        faces: uint8 `[N, S, S]` or `[N, S, S, C]` with S ≥ `region`.
        region: Side of the part, pixels.
        size: Side of the view, pixels.

    Raises:
        ValueError: The faces are smaller than `region`.
    """
    parts = centre_crop(faces, region)
    if region == size:
        return parts
    weights = _weights(region, size)
    planes = parts if parts.ndim == 3 else np.moveaxis(parts, 3, 1)  # [N(, C), region, region]
    views = np.rint(weights @ planes.astype(np.float32) @ weights.T).astype(np.uint8)
    return views if parts.ndim == 3 else np.moveaxis(views, 1, 3)


def _weights(side: int, size: int) -> np.ndarray:
    """Returns what each of `side` pixels gives to each of `size`, float32 `[size, side]`."""
    reach = max(side / size, 1.0)
    centres = (np.arange(size) + 0.5) * side / size - 0.5
    distances = np.abs(np.arange(side) - centres[:, None]) / reach
    weights = np.maximum(1 - distances, 0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
