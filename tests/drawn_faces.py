"""Drawn faces for tests: small grey pictures whose expression a small network can learn.

They prove parsing, geometry and plumbing; never accuracy.
"""

import gzip
import lzma
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Per label: mouth curve (+ smiles), mouth opening, brow tilt (+ inner ends down), brow height,
# eye opening. In FER2013's order, so the index is the label.
_SHAPES = (
    (-0.10, 0.03, 0.35, -0.06, 0.08),  # angry
    (-0.02, 0.10, 0.20, -0.10, 0.03),  # disgust
    (-0.05, 0.14, -0.30, 0.06, 0.15),  # fear
    (0.22, 0.06, 0.00, 0.00, 0.08),  # happy
    (-0.22, 0.03, -0.25, 0.00, 0.06),  # sad
    (0.00, 0.24, 0.00, 0.12, 0.17),  # surprise
    (0.00, 0.03, 0.00, 0.00, 0.09),  # neutral
)


def drawn_face(rng: np.random.Generator, label: int, size: int = 48) -> np.ndarray:
    """Returns one drawn face, uint8 `[size, size]`; light, place, scale and noise are drawn too."""
    curve, opening, tilt, height, eye = _SHAPES[label]
    scale = rng.uniform(0.9, 1.05)
    left, top = rng.uniform(-0.06, 0.06, 2)
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x = (axis[None, :] - left) / scale
    y = (axis[:, None] - top) / scale
    sharp = size / 3  # edges about a pixel wide

    def inside(distance: np.ndarray) -> np.ndarray:
        return np.clip(0.5 - distance * sharp, 0, 1)

    face = inside(np.hypot(x / 0.8, y / 0.95) - 1)
    eyes = inside(np.hypot((np.abs(x) - 0.32) / 0.13, (y + 0.22) / eye) - 1)
    brow_line = -0.45 - height - tilt * (np.abs(x) - 0.32)
    brows = inside(np.maximum(np.abs(y - brow_line) - 0.035, np.abs(np.abs(x) - 0.32) - 0.18))
    mouth_line = 0.45 + curve * (0.5 - (x / 0.3) ** 2)
    width = 0.34 - opening * 0.6
    mouth = inside(np.maximum(np.abs(y - mouth_line) - opening, np.abs(x) - width))
    skin, background, dark = rng.uniform(150, 210), rng.uniform(20, 110), rng.uniform(20, 60)
    picture = background + (skin - background) * face
    for feature in (eyes, brows, mouth):
        picture += (dark - picture) * feature
    picture += rng.normal(0, 5, (size, size))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def drawn_set(
    n: int, seed: int = 0, size: int = 48, num_classes: int = 7
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (images uint8 `[n, size, size]`, labels int64 `[n]`): shuffled, balanced within one.

    Args:
        n: How many faces.
        seed: Decides everything.
        size: Side, pixels.
        num_classes: Labels run from 0 to this less one, at most 6.
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n, dtype=np.int64) % num_classes)
    images = np.zeros((n, size, size), np.uint8)
    for index, label in enumerate(labels):
        images[index] = drawn_face(rng, int(label), size)
    return images, labels


def write_fer_csv(
    path: Path,
    images: np.ndarray,
    labels: Sequence[int] | np.ndarray | None,
    usages: Sequence[str] | str | None,
    *,
    columns: Sequence[str] = ("emotion", "pixels", "Usage"),
    quote: bool = False,
    line_end: str = "\n",
    last_line_end: bool = True,
    bom: bool = False,
) -> Path:
    """Writes faces as FER2013 does and returns the path; `.gz` and `.xz` are compressed.

    Args:
        path: Where to.
        images: uint8 `[N, S, S]`.
        labels: One per image, or None to leave the column out.
        usages: One per image, one for all, or None to leave the column out.
        columns: The header's names in their order; ` Usage` with spaces is allowed.
        quote: Put the pixels in double quotes.
        line_end: What ends a line.
        last_line_end: Whether it ends the last line too.
        bom: Begin with a UTF-8 byte order mark.
    """
    values: dict[str, list[str]] = {}
    mark = '"' if quote else ""
    values["pixels"] = [mark + " ".join(map(str, i.ravel().tolist())) + mark for i in images]
    if labels is not None:
        values["emotion"] = [str(int(label)) for label in labels]
    if usages is not None:
        values["usage"] = [usages] * len(images) if isinstance(usages, str) else list(usages)
    columns = [name for name in columns if name.strip().lower() in values]
    rows = zip(*(values[name.strip().lower()] for name in columns), strict=True)
    text = line_end.join([",".join(columns), *(",".join(row) for row in rows)])
    text += line_end if last_line_end else ""
    data = text.encode("utf-8-sig" if bom else "utf-8")
    if path.suffix == ".gz":
        data = gzip.compress(data, 1)
    elif path.suffix == ".xz":
        data = lzma.compress(data, preset=0)
    path.write_bytes(data)
    return path
