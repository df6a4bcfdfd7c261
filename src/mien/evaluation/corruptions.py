"""Face images as bad photographs and wrong crops would show them: seeded, at five strengths each.

In the manner of ImageNet-C (Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations", ICLR 2019), but for faces of 48 pixels, and with strengths
that are met in life; docs/robustness.md says what each stands for. Lengths in pixels are those of a
face of 48 and grow with the face image, but for `fewer pixels`, which counts the image's own.

N faces · S side of the face images
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mien.errors import UsageError
from mien.labels import nearest
from mien.pictures import resize

FACE_SIDE = 48
NUM_STRENGTHS = 5

Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
"""Images uint8 `[N, S, S]` or `[N, S, S, 3]` and how much → as many of the same kind."""


@dataclass(frozen=True)
class Corruption:
    """A way in which a picture of a face can be bad.

    Attributes:
        unit: What `values` count.
        values: How much of it there is at each strength, mildest first.
        change: Does it.
    """

    unit: str
    values: tuple[float, float, float, float, float]
    change: Change


def corrupt(images: np.ndarray, corruption: str, strength: int, seed: int = 0) -> np.ndarray:
    """Returns the face images with a corruption, of the same shape and dtype.

    What differs from face to face (noise, directions, the grey of what covers) is drawn from the
    seed, in the order of the faces, and is the same at all strengths. All borders are filled by
    repeating the edge, as mien does where a crop reaches beyond its picture.

    Args:
        images: uint8 `[N, S, S]` grey or `[N, S, S, 3]` RGB; they stay as they are.
        corruption: One of `CORRUPTIONS`.
        strength: 1 to 5.
        seed: Decides what is drawn.

    Raises:
        UsageError: There is no such corruption or strength.

    Example:
        >>> from mien.data import read
        >>> from mien.evaluation import corrupt
        >>> images = read("faces.csv").images
        >>> dark = corrupt(images, "low light", strength=3)
        >>> dark.shape == images.shape, bool(dark.mean() < images.mean() / 2)
        (True, True)
    """
    if corruption not in CORRUPTIONS:
        known = list(CORRUPTIONS)
        raise UsageError(f"no corruption {corruption!r}{nearest(corruption, known)}")
    if strength not in range(1, NUM_STRENGTHS + 1):
        raise UsageError(f"strength {strength}: expected a whole number from 1 to {NUM_STRENGTHS}")
    chosen = CORRUPTIONS[corruption]
    random = np.random.default_rng([seed, *corruption.encode()])
    return chosen.change(images, chosen.values[strength - 1], random)


def _blur(images: np.ndarray, sigma: float, random: np.random.Generator) -> np.ndarray:
    import cv2

    sigma *= images.shape[1] / FACE_SIDE
    edge = cv2.BORDER_REPLICATE
    blurred = [cv2.GaussianBlur(face, (0, 0), sigma, borderType=edge) for face in images]
    return np.array(blurred, np.uint8).reshape(images.shape)


def _add_noise(images: np.ndarray, deviation: float, random: np.random.Generator) -> np.ndarray:
    noise = random.standard_normal(images.shape, np.float32)
    return _rounded(images + noise * np.float32(deviation * 255))


def _compress(images: np.ndarray, quality: float, random: np.random.Generator) -> np.ndarray:
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    files = [cv2.imencode(".jpg", face[..., ::-1] if face.ndim == 3 else face, options)[1]
             for face in images]  # fmt: skip
    faces = [cv2.imdecode(file, cv2.IMREAD_UNCHANGED) for file in files]
    faces = [face[..., ::-1] if face.ndim == 3 else face for face in faces]
    return np.array(faces, np.uint8).reshape(images.shape)


def _darken(images: np.ndarray, stops: float, random: np.random.Generator) -> np.ndarray:
    """Each stop halves the light, not the pixels' values: these go with its 2.2th root."""
    return _rounded(images * np.float32(2 ** (-stops / 2.2)))


def _flatten(images: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    means = images.mean(axis=tuple(range(1, images.ndim)), dtype=np.float64, keepdims=True)
    return _rounded(means + (images - means) * share)


def _cover_eyes(images: np.ndarray, height: float, random: np.random.Generator) -> np.ndarray:
    return _cover(images, (0.1, 0.39 - height / 2, 0.9, 0.39 + height / 2), random)


def _cover_mouth(images: np.ndarray, height: float, random: np.random.Generator) -> np.ndarray:
    return _cover(images, (0.2, 0.77 - height / 2, 0.8, 0.77 + height / 2), random)


def _cover_side(images: np.ndarray, width: float, random: np.random.Generator) -> np.ndarray:
    is_left = random.random(len(images)) < 0.5
    greys = _greys(images, random)
    faces = images.copy()
    columns = round(width * images.shape[1])
    faces[is_left, :, :columns] = greys[is_left]
    faces[~is_left, :, -columns:] = greys[~is_left]
    return faces


def _cover(
    images: np.ndarray, box: tuple[float, float, float, float], random: np.random.Generator
) -> np.ndarray:
    """Returns the faces with a box (left, top, right, bottom in sides of the face) of one grey."""
    left, top, right, bottom = (round(place * images.shape[1]) for place in box)
    faces = images.copy()
    faces[:, top:bottom, left:right] = _greys(images, random)
    return faces


def _greys(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns a grey for each face, from black to white: `[N, 1, 1]` or `[N, 1, 1, 1]`."""
    shape = (len(images), *[1] * (images.ndim - 1))
    return random.integers(0, 256, shape, np.uint8)


def _shift(images: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Whole pixels, so that nothing but the place changes."""
    side = images.shape[1]
    angles = random.uniform(0, 2 * np.pi, len(images))
    right, down = np.rint(share * side * np.array([np.cos(angles), np.sin(angles)])).astype(int)
    columns = np.clip(np.arange(side) - right[:, None], 0, side - 1)  # [N, S]
    rows = np.clip(np.arange(side) - down[:, None], 0, side - 1)
    return images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def _zoom(images: np.ndarray, factor: float, random: np.random.Generator) -> np.ndarray:
    return _warp(images, np.zeros(len(images)), factor)


def _turn(images: np.ndarray, degrees: float, random: np.random.Generator) -> np.ndarray:
    return _warp(images, np.where(random.random(len(images)) < 0.5, degrees, -degrees), 1)


def _warp(images: np.ndarray, degrees: np.ndarray, factor: float) -> np.ndarray:
    """Returns the faces turned to the left and enlarged about their centre, with linear weights."""
    import cv2

    side = images.shape[1]
    centre = ((side - 1) / 2, (side - 1) / 2)
    warped = [
        cv2.warpAffine(
            face,
            cv2.getRotationMatrix2D(centre, float(angle), factor),
            (side, side),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for face, angle in zip(images, degrees, strict=True)
    ]
    return np.array(warped, np.uint8).reshape(images.shape)


def _shrink(images: np.ndarray, pixels: float, random: np.random.Generator) -> np.ndarray:
    side, small = images.shape[1], min(int(pixels), images.shape[1])
    shrunk = [resize(resize(face, small, small), side, side) for face in images]
    return np.array(shrunk, np.uint8).reshape(images.shape)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


CORRUPTIONS: dict[str, Corruption] = {
    "blur": Corruption("standard deviation, pixels", (0.5, 0.8, 1.2, 1.6, 2.0), _blur),
    "noise": Corruption("standard deviation, of white", (0.02, 0.04, 0.06, 0.09, 0.12), _add_noise),
    "JPEG": Corruption("quality", (60, 40, 25, 15, 8), _compress),
    "low light": Corruption("stops", (1, 2, 3, 4, 5), _darken),
    "low contrast": Corruption("share left", (0.7, 0.5, 0.35, 0.2, 0.1), _flatten),
    "eyes covered": Corruption("height, of the face", (0.06, 0.1, 0.14, 0.18, 0.24), _cover_eyes),
    "mouth covered": Corruption("height, of the face", (0.08, 0.15, 0.22, 0.3, 0.4), _cover_mouth),
    "side covered": Corruption("width, of the face", (0.1, 0.2, 0.3, 0.4, 0.5), _cover_side),
    "shift": Corruption("of the face", (0.04, 0.08, 0.12, 0.16, 0.2), _shift),
    "zoom in": Corruption("times", (1.05, 1.1, 1.2, 1.3, 1.5), _zoom),
    "zoom out": Corruption("times", (0.95, 0.9, 0.8, 0.75, 0.65), _zoom),
    "turn": Corruption("degrees", (5, 10, 15, 20, 30), _turn),
    "fewer pixels": Corruption("pixels a side", (32, 24, 20, 16, 12), _shrink),
}
"""All corruptions by name, in the order of reports."""
