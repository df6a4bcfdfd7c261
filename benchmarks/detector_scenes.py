"""Scenes with faces at known places: FER2013's over scikit-image's pictures without faces."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from skimage import data

FACELESS = (
    *("brick", "chelsea", "coffee", "coins", "clock", "grass", "gravel", "hubble_deep_field"),
    *("immunohistochemistry", "moon", "page", "retina", "rocket", "text"),
)
"""Pictures of scikit-image that show no human face."""
_SOFT = 0.12  # how much of a face's half side fades into the scene


@dataclass(frozen=True)
class Scene:
    """A picture, RGB uint8 `[H, W, 3]`, and the squares of its faces, float `[N, 4]` xyxy."""

    rgb: np.ndarray
    squares: np.ndarray


def read_faces(path: Path, usage: str) -> np.ndarray:
    """Returns the faces of FER2013's CSV with this `Usage`, uint8 `[N, 48, 48]`."""
    with path.open() as file:
        rows = [line.rstrip().split(",")[1:] for line in file]
    return np.array(
        [
            np.array(pixels.split(), np.uint8).reshape(48, 48)
            for pixels, name in rows
            if name == usage
        ]
    )


def read_grounds() -> list[np.ndarray]:
    """Returns the pictures without faces, RGB uint8."""
    pictures = [getattr(data, name)() for name in FACELESS]
    return [np.stack([p] * 3, 2) if p.ndim == 2 else p[..., :3].copy() for p in pictures]


def draw_ground(
    rng: np.random.Generator, grounds: list[np.ndarray], height: int, width: int
) -> np.ndarray:
    """Returns a part of one of `grounds` in this size and another light, uint8 `[H, W, 3]`."""
    picture = grounds[rng.integers(len(grounds))]
    scale = max(height / picture.shape[0], width / picture.shape[1]) * rng.uniform(1.01, 1.6)
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    top = rng.integers(picture.shape[0] - height + 1)
    left = rng.integers(picture.shape[1] - width + 1)
    part = picture[top : top + height, left : left + width] * rng.uniform(0.5, 1.1)
    return np.clip(part + rng.uniform(-10, 30), 0, 255).astype(np.uint8)


def draw_sides(
    rng: np.random.Generator, smallest: int = 16, largest: int = 200, most: int = 8
) -> np.ndarray:
    """Returns the sides of 1 to `most` faces, pixels: as many small as large ones, by ratio."""
    low, high = np.log(smallest), np.log(largest)
    return np.exp(rng.uniform(low, high, rng.integers(1, most + 1))).astype(int)


def draw_scene(
    rng: np.random.Generator,
    grounds: list[np.ndarray],
    faces: np.ndarray,
    sides: np.ndarray,
    size: tuple[int, int] = (480, 640),
) -> Scene:
    """Returns a scene with faces of these sides, each at a free place; one without is left out."""
    height, width = size
    rgb, squares = draw_ground(rng, grounds, height, width), np.empty((0, 4))
    for side in sides:
        for _ in range(30):
            top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
            square = np.array([left, top, left + side, top + side])
            clear = (square[2:] < squares[:, :2]) | (square[:2] > squares[:, 2:])
            if clear.any(axis=1).all():
                paste(rgb, faces[rng.integers(len(faces))], square, draw_tint(rng))
                squares = np.concatenate([squares, square[None]])
                break
    return Scene(rgb, squares)


def draw_film(
    rng: np.random.Generator,
    grounds: list[np.ndarray],
    faces: np.ndarray,
    sides: np.ndarray,
    size: tuple[int, int],
    num_frames: int,
) -> Iterator[np.ndarray]:
    """Yields frames, uint8 `[H, W, 3]`: faces move straight before a moving ground; with noise."""
    height, width = size
    ground = draw_ground(rng, grounds, height + 40, width + 40)
    room = np.array([[width, height]]) - sides[:, None]
    start, speed = rng.uniform(0, room), rng.uniform(-1.5, 1.5, (len(sides), 2)) * width / 640
    looks = [(faces[rng.integers(len(faces))], draw_tint(rng)) for _ in sides]
    for number in range(num_frames):
        left, top = int(20 + 15 * np.sin(number / 16)), int(20 + 15 * np.sin(number / 23))
        rgb = ground[top : top + height, left : left + width].copy()
        places = np.clip(np.rint(start + speed * number), 0, room).astype(int)
        for (face, tint), place, side in zip(looks, places, sides, strict=True):
            paste(rgb, face, np.concatenate([place, place + side]), tint)
        noise = rng.normal(0, 3, rgb.shape).astype(np.float32)
        yield np.clip(rgb + noise, 0, 255).astype(np.uint8)


def draw_tint(rng: np.random.Generator) -> np.ndarray:
    """Returns factors of red, green and blue: three of ten faces stay grey, the others are skin."""
    if rng.random() < 0.3:
        return np.ones(3)
    return np.array([1.1, rng.uniform(0.8, 1), rng.uniform(0.6, 0.95)]) * rng.uniform(0.8, 1.05)


def paste(rgb: np.ndarray, face: np.ndarray, square: np.ndarray, tint: np.ndarray) -> None:
    """Draws a grey face, uint8 `[48, 48]`, into a square of the picture; its rim fades."""
    left, top, right, bottom = square.tolist()
    side = right - left
    how = cv2.INTER_AREA if side < len(face) else cv2.INTER_CUBIC
    pixels = cv2.resize(face, (side, side), interpolation=how)[..., None] * tint
    axis = np.abs((np.arange(side) + 0.5) / side * 2 - 1)
    opaque = np.clip((1 - np.maximum(axis[:, None], axis)) / _SOFT, 0, 1)[..., None]
    part = rgb[top:bottom, left:right]
    part[:] = np.rint(part * (1 - opaque) + np.clip(pixels, 0, 255) * opaque)
