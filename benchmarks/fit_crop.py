"""Fits the crop around a detected face to the framing of FER2013, and prices a wrong crop.

    python benchmarks/fit_crop.py --data fer2013.csv                  # boxes against frames
    python benchmarks/fit_crop.py --data fer2013.csv --model fer2013  # a wrong crop costs
    python benchmarks/fit_crop.py --data fer2013.csv --model default --votes fer2013new.csv
    python benchmarks/fit_crop.py ... --downscale 24 --brief          # what small faces cost

The faces are enlarged and given a grey margin, so that the detector sees where they end. With
votes, a face is read right as most annotators read it; faces they do not agree on are left out.
"""

import argparse
import platform
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.classifier import Classifier
from mien.data import FaceSet, find_majority, read
from mien.inference.detection import Detection, Detector
from mien.inference.end_to_end import Scene, find, paste
from mien.inference.see import retinaface
from mien.inference.see.crop import cut
from mien.inference.see.detectors import create_detector
from mien.model_folder import CropGeometry
from mien.pictures import read_picture, resize

ENLARGEMENT, MARGIN = 4, 0.25  # of the fit: times, and frame sides on every side
GREY = 120
ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.jpg"


def compose(face: np.ndarray, enlargement: int = ENLARGEMENT, margin: float = MARGIN) -> Scene:
    """Returns a face image enlarged in the middle of a grey picture."""
    side = len(face) * enlargement
    start = round(side * margin)
    whole = side + 2 * start
    return paste(face, np.full((whole, whole, 3), GREY, np.uint8), start, start, side)


def measure(scene: Scene, detection: Detection) -> list[float]:
    """Returns width, height, centre x, y of the box in frame sides from the frame's centre."""
    left, top, right, bottom = (np.array(detection.box) - scene.left) / scene.side - 0.5
    return [right - left, bottom - top, (left + right) / 2, (top + bottom) / 2]


def eye_line(detection: Detection) -> tuple[float, float]:
    """Returns the distance of the eyes, pixels, and the angle of their line, degrees."""
    assert detection.landmarks is not None
    (x1, y1), (x2, y2) = detection.landmarks[:2]
    return float(np.hypot(x2 - x1, y2 - y1)), float(np.degrees(np.arctan2(y2 - y1, x2 - x1)))


def row(name: str, values: np.ndarray) -> str:
    """Returns a table row: median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return f"| {name} | {median:+.3f} | {low:+.3f} to {high:+.3f} |"


def print_rates(faces: np.ndarray) -> None:
    """Prints how many faces are found at each enlargement and margin, the detector's own off."""
    detector = create_detector("retinaface")
    margins = (0.0, 0.25, 0.5)
    print("\n| enlarged | " + " | ".join(f"margin {margin}" for margin in margins) + " |")
    print("|---" * (len(margins) + 1) + "|")
    for enlargement in (1, 2, 3, 4, 6):
        cells = []
        for margin in margins:
            pictures = [compose(face, enlargement, margin) for face in faces]
            found = [(p, d) for p in pictures if (d := find(detector, p))]
            side = np.median([max(measure(*pair)[:2]) for pair in found])
            cells.append(f"{len(found) / len(faces):.1%}, side {side:.3f}")
        print(f"| {enlargement}x | " + " | ".join(cells) + " |")


def print_smallest(seed: int) -> None:
    """Prints how often the astronaut's face is found by the height of its box."""
    picture, detector = read_picture(ASTRONAUT), create_detector("retinaface")
    (face,) = detector.detect(picture)
    full_height = face.box[3] - face.box[1]
    random = np.random.default_rng(seed)
    print("\n| box height, pixels | found |\n|---|---|")
    for height in (12, 14, 16, 18, 20, 22, 24, 30):
        found = 0
        for place in range(40):
            side = round(len(picture) * height / full_height * random.uniform(0.95, 1.05))
            small = resize(picture[:, :: 1 - 2 * (place % 2)], side, side)
            margins = random.integers(0, 32, (2, 2)).tolist()
            found += bool(detector.detect(np.pad(small, (*margins, (0, 0)), mode="edge")))
        print(f"| {height} | {found} of 40 |")


def print_fit(faces: np.ndarray) -> None:
    """Prints the distribution of boxes and eyes, and the fitted geometry."""
    detector = create_detector("retinaface")
    pictures = [compose(face) for face in faces]
    found = [(p, d) for p in pictures if (d := find(detector, p))]
    boxes = np.array([measure(*pair) for pair in found])
    longer = boxes[:, :2].max(axis=1)
    eyes = np.array([eye_line(detection) for _, detection in found])
    print(f"\nfound: {len(found)} of {len(faces)} faces ({len(found) / len(faces):.1%})\n")
    print("| in sides of the frame | median | quartiles |\n|---|---|---|")
    print(row("box width", boxes[:, 0]))
    print(row("box height", boxes[:, 1]))
    print(row("box's longer side", longer))
    print(row("box centre, right of the frame's", boxes[:, 2]))
    print(row("box centre, below the frame's", boxes[:, 3]))
    print(row("distance of the eyes", eyes[:, 0] / found[0][0].side))
    print(row("angle of the eyes, degrees", eyes[:, 1]))
    print(row("mirrored angle's error, degrees", mirror_errors(detector, found)))
    scale = np.median(1 / longer)
    offsets = np.median(-boxes[:, 2:] / longer[:, None], axis=0)
    print(f"\nfitted: scale {scale:.3f}, offset_x {offsets[0]:+.3f}, offset_y {offsets[1]:+.3f}")


def mirror_errors(detector: Detector, found: list[tuple[Scene, Detection]]) -> np.ndarray:
    """Returns how far the angle found in the mirror image is from the mirrored angle."""
    errors = []
    for scene, detection in found:
        mirrored = find(detector, replace(scene, rgb=scene.rgb[:, ::-1]))
        if mirrored:
            errors.append(eye_line(detection)[1] + eye_line(mirrored)[1])
    return np.array(errors)


def print_haar(faces: np.ndarray) -> None:
    """Prints how the boxes made of the cascade's squares compare with RetinaFace's."""
    finder, haar = create_detector("retinaface"), create_detector("haar")
    pairs = []
    for face in faces:
        scene = compose(face)
        ours, theirs = find(finder, scene), find(haar, scene)
        if ours and theirs:
            pairs.append((measure(scene, ours), measure(scene, theirs)))
    ours, theirs = np.array(pairs).transpose(1, 0, 2)
    print(f"\nfound by the cascade too: {len(pairs)} of {len(faces)} faces\n")
    print("| Haar's box against RetinaFace's | median | quartiles |\n|---|---|---|")
    print(row("width, ratio", ours[:, 0] / theirs[:, 0]))
    print(row("height, ratio", ours[:, 1] / theirs[:, 1]))
    print(row("centre to the right, heights", (ours[:, 2] - theirs[:, 2]) / theirs[:, 1]))
    print(row("centre below, heights", (ours[:, 3] - theirs[:, 3]) / theirs[:, 1]))


def variants() -> Iterator[tuple[str, CropGeometry]]:
    """Yields the wrong crops whose price is asked."""
    for scale in (0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3):
        yield f"scale {scale}", CropGeometry(scale=scale, offset_x=0, offset_y=0)
    for offset in (-0.1, -0.05, 0.05, 0.1):
        yield f"right {offset:+}", CropGeometry(scale=1, offset_x=offset, offset_y=0)
    for offset in (-0.1, -0.05, 0.05, 0.1):
        yield f"down {offset:+}", CropGeometry(scale=1, offset_x=0, offset_y=offset)


def print_prices(face_set: FaceSet, model: str, downscale: int, brief: bool) -> None:
    """Prints the accuracy on faces cut wrongly out of a larger picture, and as detected.

    With `downscale`, the faces are shrunk to so many pixels a side before; `brief` leaves out the
    wrong crops.
    """
    classifier = Classifier(model, precision="float32")
    whole = face_set.images
    if downscale:
        small = [resize(resize(face, downscale, downscale), len(face), len(face)) for face in whole]
        face_set = replace(face_set, images=np.stack(small))
    if classifier.labels != face_set.label_names or face_set.labels is None:
        raise SystemExit(f"{model} knows {classifier.labels}, not {face_set.label_names}")
    config, faces, labels = classifier.config, face_set.images, face_set.labels
    pictures = [compose(face) for face in faces]

    def accuracy(detections: list[Detection], geometry: CropGeometry, chosen: np.ndarray) -> str:
        crops = [
            cut(picture.rgb, detection, geometry, config.face_size, config.channels)
            for picture, detection in zip(
                np.array(pictures, object)[chosen], detections, strict=True
            )
        ]
        right = classifier.logits(np.stack(crops)).argmax(axis=1) == labels[chosen]
        return f"{right.mean():.1%}"

    everyone = np.arange(len(faces))
    frames = [Detection((p.left, p.left, p.left + p.side, p.left + p.side), 1.0) for p in pictures]
    plain = classifier.logits(faces).argmax(axis=1) == labels
    print("\n| crop | accuracy |\n|---|---|")
    if downscale:
        right = classifier.logits(whole).argmax(axis=1) == labels
        print(f"| the face image itself, {len(whole)} faces, not shrunk | {right.mean():.1%} |")
    print(f"| the face image itself, {len(faces)} faces | {plain.mean():.1%} |")
    for name, geometry in () if brief else variants():
        print(f"| the frame, {name} | {accuracy(frames, geometry, everyone)} |", flush=True)
    detector = create_detector("retinaface")
    best = [find(detector, picture) for picture in pictures]
    chosen = np.array([index for index, detection in enumerate(best) if detection])
    found = [detection for detection in best if detection]
    print(f"| the face image itself, {len(found)} found faces | {plain[chosen].mean():.1%} |")
    for scale in (1.0,) if brief else (0.8, 0.9, 1.0, 1.1, 1.2):
        geometry = config.crop.model_copy(update={"scale": config.crop.scale * scale})
        name = f"as detected, {scale} x the model's scale"
        print(f"| {name} | {accuracy(found, geometry, chosen)} |", flush=True)
    if brief:
        return
    level = config.crop.model_copy(update={"level_eyes": True})
    print(f"| as detected, eyes levelled | {accuracy(found, level, chosen)} |")


def main() -> None:
    """Parses the command line and prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, help="fer2013.csv")
    parser.add_argument("--model", help="price wrong crops with this model, on PublicTest")
    parser.add_argument("--votes", help="fer2013new.csv: the truth is the annotators' majority")
    parser.add_argument("--downscale", type=int, default=0, help="shrink faces to so many pixels")
    parser.add_argument("--brief", action="store_true", help="as detected only, no wrong crops")
    parser.add_argument("--num-faces", type=int, default=2000, help="faces drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    face_set = read(arguments.data, arguments.votes)
    face_set = face_set.take_split("PublicTest" if arguments.model else "Training")
    if face_set.votes is not None:
        choice = find_majority(face_set.votes).choice
        face_set = replace(face_set.take(choice >= 0), labels=choice[choice >= 0])
    order = np.random.default_rng(arguments.seed).permutation(len(face_set))
    face_set = face_set.take(order[: arguments.num_faces])
    print(f"machine: {platform.machine()}, Python {platform.python_version()}", end="; ")
    print(f"{len(face_set)} faces, seed {arguments.seed}")
    if arguments.model:
        print_prices(face_set, arguments.model, arguments.downscale, arguments.brief)
        return
    enlarged_to, retinaface.SHORTEST_LONGEST_SIDE = retinaface.SHORTEST_LONGEST_SIDE, 1
    print_rates(face_set.images[:400])
    print_smallest(arguments.seed)
    retinaface.SHORTEST_LONGEST_SIDE = enlarged_to
    print_fit(face_set.images)
    print_haar(face_set.images[:600])


if __name__ == "__main__":
    main()
