import hashlib
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from mien.errors import UsageError
from mien.inference.detection import Detection, overlaps, suppress
from mien.inference.see.detectors import DETECTORS, create_detector, register
from mien.inference.see.haar import Haar
from mien.inference.see.retinaface import (
    WEIGHTS,
    WEIGHTS_INT8,
    RetinaFace,
    choose_network,
    decode_boxes,
    decode_points,
    make_priors,
)

HAND_DRAWN = np.array([180, 62, 273, 178])  # the astronaut's face, forehead to chin
HAND_EYES_AND_MOUTH = [(205, 100), (247, 103), (224, 129), (202, 138), (244, 140)]


@pytest.fixture(scope="module")
def retinaface() -> RetinaFace:
    return RetinaFace(num_threads=1)


def best(detections: list[Detection]) -> np.ndarray:
    assert len(detections) == 1
    return np.array(detections[0].box)


def test_retinaface_finds_the_astronaut(retinaface: RetinaFace) -> None:
    (face,) = retinaface.detect(astronaut())
    assert overlaps(HAND_DRAWN, np.array([face.box]))[0] > 0.8
    assert 0.99 < face.score <= 1
    assert face.landmarks is not None
    assert np.abs(np.array(face.landmarks) - HAND_EYES_AND_MOUTH).max() < 6


def test_haar_finds_the_astronaut_about_where_retinaface_does(retinaface: RetinaFace) -> None:
    box = best(Haar().detect(astronaut()))
    assert overlaps(HAND_DRAWN, box[None])[0] > 0.5


def test_boxes_follow_mirroring_turning_scaling_and_moving(retinaface: RetinaFace) -> None:
    picture = astronaut()
    left, top, right, bottom = best(retinaface.detect(picture))
    expected = {
        "mirrored": (picture[:, ::-1], (512 - right, top, 512 - left, bottom)),
        "doubled": (
            np.asarray(Image.fromarray(picture).resize((1024, 1024))),
            (2 * left, 2 * top, 2 * right, 2 * bottom),
        ),
        "moved": (
            np.pad(picture, ((40, 0), (90, 0), (0, 0))),
            (left + 90, top + 40, right + 90, bottom + 40),
        ),
        "shrunk for detection": (
            np.asarray(Image.fromarray(picture).resize((2048, 2048))),
            (4 * left, 4 * top, 4 * right, 4 * bottom),
        ),
    }
    for name, (changed, box) in expected.items():
        found = best(retinaface.detect(np.ascontiguousarray(changed)))
        assert overlaps(np.array(box), found[None])[0] > 0.85, name


def test_landmarks_turn_with_the_picture(retinaface: RetinaFace) -> None:
    turned = np.asarray(Image.fromarray(astronaut()).rotate(-20, center=(226, 115)))
    upright, tilted = (retinaface.detect(p)[0].landmarks for p in (astronaut(), turned))
    assert upright is not None
    assert tilted is not None

    def angle(points: tuple) -> float:
        return float(
            np.degrees(np.arctan2(points[1][1] - points[0][1], points[1][0] - points[0][0]))
        )

    assert angle(tilted) - angle(upright) == pytest.approx(20, abs=3)


# Of the network as its authors published it, on the astronaut.
PUBLISHED_BOX = np.array([177.93, 56.83, 273.12, 177.19])
PUBLISHED_LANDMARKS = [
    (204.81, 100.78),
    (247.38, 103.42),
    (223.56, 129.24),
    (202.49, 138.15),
    (244.22, 140.56),
]


@pytest.mark.parametrize("is_fast", [True, False])
def test_both_networks_find_what_the_published_one_finds(
    is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.inference.see.retinaface.has_fast_int8", lambda: is_fast)
    (face,) = RetinaFace(num_threads=1).detect(astronaut())
    (overlap,) = overlaps(PUBLISHED_BOX, np.array([face.box]))
    assert overlap > (0.95 if is_fast else 0.9995)
    assert face.score == pytest.approx(0.99946, abs=0.002 if is_fast else 1e-5)
    away = np.abs(np.array(face.landmarks) - PUBLISHED_LANDMARKS).max()
    assert away < (2 if is_fast else 0.01)


def test_the_page_of_origin_names_the_files_that_are_there() -> None:
    folder = files("mien").joinpath("pretrained/retinaface")
    page = folder.joinpath("ORIGIN.md").read_text(encoding="utf-8")
    for name in (WEIGHTS, WEIGHTS_INT8):
        content = files("mien").joinpath(name).read_bytes()
        assert hashlib.sha256(content).hexdigest() in page
        assert f"{len(content):,}" in page


def test_int8_where_the_processor_is_quick_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.inference.see.retinaface.has_fast_int8", lambda: True)
    assert choose_network("cpu") == (WEIGHTS_INT8, "cpu")
    monkeypatch.setattr("mien.inference.see.retinaface.find_device", lambda device: device)
    assert choose_network("cuda") == (WEIGHTS, "cuda")
    monkeypatch.setattr("mien.inference.see.retinaface.has_fast_int8", lambda: False)
    assert choose_network("cpu") == (WEIGHTS, "cpu")


@pytest.mark.parametrize("name", sorted(DETECTORS))
@pytest.mark.parametrize("shape", [(1, 1), (5, 2000), (2000, 5), (20, 20)])
def test_no_size_is_too_odd(name: str, shape: tuple[int, int]) -> None:
    found = create_detector(name).detect(np.full((*shape, 3), 90, np.uint8))
    assert len(found) == (1 if name == "none" else 0)


def test_none_takes_the_central_square() -> None:
    (face,) = create_detector("none").detect(np.zeros((30, 50, 3), np.uint8))
    assert face == Detection((10, 0, 40, 30), 1.0, None, is_framed=True)


def test_small_pictures_are_enlarged_to_be_found(retinaface: RetinaFace) -> None:
    tight = Image.fromarray(astronaut()).crop((165, 55, 285, 175)).resize((48, 48))
    box = best(retinaface.detect(np.asarray(tight)))
    assert overlaps(np.array([5, 0, 44, 48]), box[None])[0] > 0.7


def test_unknown_and_duplicate_names() -> None:
    with pytest.raises(UsageError, match="no detector 'retina'; did you mean 'retinaface'"):
        create_detector("retina")
    with pytest.raises(ValueError, match="registered already"):
        register("haar", Haar)


def test_priors_worked_by_hand() -> None:
    priors = make_priors(17, 9)
    # stride 8: 3 x 2 cells; stride 16: 2 x 1; stride 32: 1 x 1; two priors each
    assert len(priors) == 2 * (6 + 2 + 1)
    assert priors[:4].tolist() == [[4, 4, 16, 16], [4, 4, 32, 32], [12, 4, 16, 16], [12, 4, 32, 32]]
    assert priors[4].tolist() == [4, 12, 16, 16]
    assert priors[12:14].tolist() == [[8, 8, 64, 64], [8, 8, 128, 128]]
    assert priors[14:16].tolist() == [[8, 24, 64, 64], [8, 24, 128, 128]]
    assert priors[16:].tolist() == [[16, 16, 256, 256], [16, 16, 512, 512]]


def test_priors_of_the_last_sizes_are_kept_and_cannot_be_changed() -> None:
    priors = make_priors(40, 24)
    assert make_priors(40, 24) is priors
    with pytest.raises(ValueError, match="read-only"):
        priors[0] = 0


def test_decoding_worked_by_hand() -> None:
    priors = np.array([[100, 50, 32, 32]], np.float32)
    assert decode_boxes(np.zeros((1, 4)), priors).tolist() == [[84, 34, 116, 66]]
    # the centre moves by 0.1 * 32 * 5 = 16 right; the width grows by exp(0.2 * 5 ln 2) = 2
    offsets = np.array([[5, 0, 5 * np.log(2), 0]])
    assert decode_boxes(offsets, priors) == pytest.approx(np.array([[84, 34, 148, 66]]))
    sides = decode_boxes(np.array([[0, 0, 9e9, 9e9]]), priors)[0]
    assert sides[2:] - sides[:2] == pytest.approx([64 * 32, 64 * 32])
    with np.errstate(all="raise", under="ignore"):
        wild = np.full((2, 4), [[np.inf], [-3e38]], np.float32)
        boxes = decode_boxes(wild, np.repeat(priors, 2, axis=0))
        points = decode_points(np.full((1, 10), 3e38, np.float32), priors)
    assert np.isfinite(boxes).all()
    assert np.abs(points).max() < 64 * 32 + 101
    points = decode_points(np.array([[0, 0, 10, 0, 0, -10, 5, 5, -5, 5]]), priors)
    expected = [[100, 50], [132, 50], [100, 18], [116, 66], [84, 66]]
    assert points == pytest.approx(np.array([expected]))


def test_suppression_worked_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [2, 0, 12, 10], [20, 0, 30, 10]], np.float32)
    assert overlaps(boxes[0], boxes).tolist() == pytest.approx([1, 0.5, 80 / 120, 0])
    scores = np.array([0.8, 0.9, 0.7, 0.95])
    assert suppress(boxes, scores, 0.6).tolist() == [3, 1, 0]  # the third goes: 2/3 with the first
    assert suppress(boxes, scores, 0.4).tolist() == [3, 1, 2]  # the first goes: 1/2 with the second
    assert suppress(boxes[:0], scores[:0]).tolist() == []
