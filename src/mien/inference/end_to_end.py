"""Labelled faces pasted into scenes → how many mien finds, cuts and reads rightly by itself."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mien.data import FaceSet
from mien.errors import BadInputError
from mien.evaluation import Evaluation
from mien.evaluation.votes import Share, share_of
from mien.inference.detection import Detection, Detector, cuttable
from mien.inference.see.crop import cut
from mien.inference.see.detectors import create_detector
from mien.model_folder import CropGeometry
from mien.pictures import resize

SCENE_SIDE = 320
SIZES = (64, 96, 144, 224)
"""Pixels of a face image's side in a scene: drawn between the first and the last, uniformly in the
logarithm, and reported in bands between these."""
GREYS = (60, 180)
"""From black, 0, to white, 255: the mean of what surrounds the face."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A face image in a larger picture.

    Attributes:
        rgb: The picture, uint8 `[H, W, 3]`.
        left, top, side: Where the face image lies in it, pixels.
    """

    rgb: np.ndarray
    left: int
    top: int
    side: int


def paste(face: np.ndarray, picture: np.ndarray, left: int, top: int, side: int) -> Scene:
    """Returns the picture with the face image, resized, in its place.

    Args:
        face: uint8 `[S, S]` grey or `[S, S, 3]` RGB.
        picture: uint8 `[H, W, 3]`, which stays as it is; the face lies inside it.
        left: Where its left edge comes, pixels.
        top: Where its upper edge comes.
        side: Its side there.
    """
    rgb = picture.copy()
    pasted = resize(face, side, side)
    rgb[top : top + side, left : left + side] = pasted if face.ndim == 3 else pasted[..., None]
    return Scene(rgb, left, top, side)


def draw_sides(num_faces: int, seed: int = 0) -> np.ndarray:
    """Returns the sides of the faces in their scenes, pixels: int64 `[num_faces]`; see `SIZES`."""
    low, high = np.log((SIZES[0], SIZES[-1]))
    logarithms = np.random.default_rng(seed).uniform(low, high, num_faces)
    return np.rint(np.exp(logarithms)).astype(np.int64)


def make_scenes(faces: np.ndarray, sides: np.ndarray, seed: int = 0) -> Iterator[Scene]:
    """Yields each face in a picture of `SCENE_SIDE`; its place and its surroundings are drawn.

    The surroundings are grey with soft, darker and lighter patches.

    Args:
        faces: uint8 `[N, S, S]` or `[N, S, S, 3]`.
        sides: Integers `[N]`, as `draw_sides` returns them.
        seed: Decides what is drawn.
    """
    random = np.random.default_rng(seed)
    for face, side in zip(faces, sides.tolist(), strict=True):
        left, top = random.integers(0, SCENE_SIDE - side + 1, 2).tolist()
        patches = random.uniform(*GREYS) + random.normal(0, 25, (8, 8))
        grey = resize(np.clip(patches, 0, 255).astype(np.uint8), SCENE_SIDE, SCENE_SIDE)
        yield paste(face, np.repeat(grey[..., None], 3, axis=2), left, top, side)


def find(detector: Detector, scene: Scene) -> Detection | None:
    """Returns the most certain detection whose centre lies in the face image, if any."""
    for detection in cuttable(detector.detect(scene.rgb), *scene.rgb.shape[:2]):
        left, top, right, bottom = detection.box
        across = ((left + right) / 2 - scene.left) / scene.side
        down = ((top + bottom) / 2 - scene.top) / scene.side
        if 0 <= across <= 1 and 0 <= down <= 1:
            return detection
    return None


def find_and_cut(
    scenes: Iterable[Scene],
    detector: Detector,
    geometry: CropGeometry,
    face_size: int,
    channels: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which scenes' faces are found, and these faces as they are cut.

    Args:
        scenes: With one face each.
        detector: What finds them.
        geometry: The square around what is found.
        face_size: S, pixels.
        channels: Of the face images, 1 or 3.

    Returns:
        The scenes' places, int64 `[n]`, and face images, uint8 `[n, S, S]` or `[n, S, S, 3]`.
    """
    found, crops = [], []
    for place, scene in enumerate(scenes):
        detection = find(detector, scene)
        if detection is not None:
            found.append(place)
            crops.append(cut(scene.rgb, detection, geometry, face_size, channels))
    shape = (0, face_size, face_size, 3)[: 3 + (channels == 3)]
    images = np.stack(crops) if crops else np.zeros(shape, np.uint8)
    return np.array(found, np.int64), images


@dataclass(frozen=True)
class SizeBand:
    """The same of faces between two sizes.

    Attributes:
        sides: Pixels of the face images' sides, the least and the most.
        num_faces: Faces of these sizes.
        found: Those that the detector finds; None without faces.
        right_of_all: Those found and read rightly; likewise.
    """

    sides: tuple[int, int]
    num_faces: int
    found: Share | None
    right_of_all: Share | None


@dataclass(frozen=True)
class EndToEnd:
    """How many faces are found in scenes, and how many of these are read rightly.

    What is right is as in the evaluation: by the annotators' majority where there are votes. Shares
    have Wilson's 95 % intervals.

    Attributes:
        model: What the model is called.
        num_faces: Faces that count, each in a scene of its own.
        found: Those that the detector finds.
        right_of_found: Of those found, those read rightly as mien cuts them out.
        right_of_all: Of all faces, those found and read rightly.
        right_of_files: Of all faces, those read rightly from their own files.
        right_of_files_found: The same of those found.
        difference: `right_of_all` less `right_of_files`: what being found and cut costs.
        bands: By the faces' size in the scene, smallest first.
        seed: Of the scenes.
    """

    model: str
    num_faces: int
    found: Share
    right_of_found: Share | None
    right_of_all: Share
    right_of_files: Share
    right_of_files_found: Share | None
    difference: float
    bands: tuple[SizeBand, ...]
    seed: int

    def to_json_dict(self) -> dict[str, Any]:
        """Returns all of it as JSON's own types."""
        return json.loads(json.dumps(asdict(self)))


def measure_end_to_end(
    evaluation: Evaluation, faces: FaceSet, seed: int = 0, detector: str | Detector = "retinaface"
) -> EndToEnd:
    """Returns how a model does on faces that mien must find and cut out of scenes itself.

    Each face is pasted into a picture of 320 pixels at a size and place that are drawn
    (`make_scenes`). Faces of a training set are cropped, so what surrounds a head is missing:
    whole photographs are easier for the detector.

    Args:
        evaluation: What `collect` returned.
        faces: The faces it was given.
        seed: Of the scenes.
        detector: A detector's name, or one.

    Raises:
        UsageError: No such detector.
        BadInputError: The annotators agree on none of the faces.

    Example:
        >>> from mien.data import read
        >>> from mien.evaluation import collect
        >>> from mien.inference import measure_end_to_end
        >>> faces = read("faces.csv").take_split("PublicTest")
        >>> measured = measure_end_to_end(collect("default", faces), faces)
        >>> measured.found.count <= measured.num_faces == 28
        True
    """
    if isinstance(detector, str):
        detector = create_detector(detector)
    config, truth = evaluation.config, evaluation.truth
    if not len(truth.rows):
        raise BadInputError("the annotators agree on none of the faces: none can be judged")
    images = faces.images[truth.rows]
    sides = draw_sides(len(images), seed)
    scenes = make_scenes(images, sides, seed)
    found, crops = find_and_cut(scenes, detector, config.crop, config.face_size, config.channels)
    is_found, is_right = np.zeros((2, len(images)), bool)
    is_found[found] = True
    decisions = evaluation.decide(crops)
    is_right[found] = decisions == truth.labels[found]
    file_is_right = evaluation.agrees
    return EndToEnd(
        model=evaluation.model,
        num_faces=len(images),
        found=_share(is_found),
        right_of_found=_share_or_none(is_right[is_found]),
        right_of_all=_share(is_right),
        right_of_files=_share(file_is_right),
        right_of_files_found=_share_or_none(file_is_right[is_found]),
        difference=float(is_right.mean() - file_is_right.mean()),
        bands=_bands(sides, is_found, is_right),
        seed=seed,
    )


def _bands(sides: np.ndarray, is_found: np.ndarray, is_right: np.ndarray) -> tuple[SizeBand, ...]:
    """Returns how the faces of each size fared, from bool `[N]` each."""
    bands = []
    for low, high in pairwise((*SIZES[:-1], SIZES[-1] + 1)):
        chosen = (low <= sides) & (sides < high)
        shares = _share_or_none(is_found[chosen]), _share_or_none(is_right[chosen])
        bands.append(SizeBand((low, high - 1), int(chosen.sum()), *shares))
    return tuple(bands)


def _share(chosen: np.ndarray) -> Share:
    """Returns the share of True, bool `[n]`."""
    return share_of(int(chosen.sum()), len(chosen))


def _share_or_none(chosen: np.ndarray) -> Share | None:
    return _share(chosen) if len(chosen) else None
