"""What finding faces costs, and what is found: before and after the networks were rewritten.

    python benchmarks/detector.py UPSTREAM --data fer2013.csv      writes docs/detector.md

UPSTREAM is the published ONNX file (src/mien/pretrained/retinaface/ORIGIN.md). "Before" is that
file with the steps around it that mien took first. The scenes are made of FER2013's PublicTest faces and
scikit-image's pictures; int8 was calibrated on Training faces (benchmarks/detector_networks.py).
Everything runs on one thread, in turns. Times are the processor's, so that other work on the
machine counts little.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
from skimage.data import astronaut

from detector_scenes import draw_film, draw_ground, draw_scene, draw_sides, read_faces, read_grounds
from mien.classifier import Classifier
from mien.inference import Analyzer, Detection, FrameResult, find_sources
from mien.inference.detection import Detector, overlaps, suppress
from mien.inference.see import retinaface
from mien.inference.see.retinaface import RetinaFace, decode_boxes, decode_points, make_priors
from mien.pictures import read_picture, resize
from mien.sessions import open_session
from video import write_frames, write_video

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "detector.md"
BINS = (16, 22, 28, 36, 48, 64, 96, 128, 201)
SAME = 0.4
"""Intersection over union from which two boxes are of one face."""
PICTURES = ("examples/astronaut.jpg", "docs/pictures/crowd.jpg", "docs/pictures/group_1280.jpg")
SIZES = ((240, 320), (480, 640), (1080, 1920))

# ruff: noqa: E501  (the page's lines)
HEAD = """\
# Finding faces: what it costs and what it finds

`python benchmarks/detector.py UPSTREAM --data fer2013.csv` writes this page. UPSTREAM is the file that
the detector's authors published, see [ORIGIN.md](../src/mien/pretrained/retinaface/ORIGIN.md).

- **before**: the published network, with the steps that mien first took around it
- **float32**: the same network in a quicker form, with the same weights
- **int8**: the one that mien takes where the processor has instructions for 8-bit integers (x86's VNNI,
  ARM's dot product); elsewhere it takes float32
- **auto**: int8 with `--detect-size auto`, for videos

Times are milliseconds of processor time on one thread, taken in turns; ratios are against before.

**int8 is taken by itself**: its boxes differ less from those of before than these do when a frame is
moved by three pixels. **auto is not**: the boxes of large faces are less exact in fewer pixels, and
expressions that could be two change with them; and a new small face may be found a second late.

"""


class Before:
    """The detector as it was."""

    def __init__(self, upstream: Path) -> None:
        """Loads the published network."""
        self._session = open_session(upstream, 1)

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Returns the faces in a picture, most certain first."""
        height, width = rgb.shape[:2]
        image = shrink_with_pillow(rgb)
        batch = cv2.dnn.blobFromImage(image, mean=(104, 117, 123), swapRB=True)
        offsets, classes, points = (each[0] for each in self._session.run(None, {"input": batch}))
        sure = np.flatnonzero(classes[:, 1] >= retinaface.MIN_SCORE)
        priors = make_priors.__wrapped__(*image.shape[:2])[sure]
        scores, boxes = classes[sure, 1], decode_boxes(offsets[sure], priors)
        kept = suppress(boxes, scores)
        marks = decode_points(points[sure], priors)[kept].tolist()
        return [
            Detection(tuple(box), score, tuple(tuple(point) for point in each)).mapped(
                width / image.shape[1], height / image.shape[0]
            )
            for box, score, each in zip(
                boxes[kept].tolist(), scores[kept].tolist(), marks, strict=True
            )
        ]


class Timed:
    """Stands in for a detector's session and remembers how long each run took."""

    def __init__(self, detector: Any) -> None:
        """Takes the session's place."""
        self._detector, self._session = detector, detector._session
        self._seconds: list[float] = []
        detector._session = self

    def run(self, *arguments: Any) -> Any:
        """Runs the session."""
        start = time.process_time()
        result = self._session.run(*arguments)
        self._seconds.append(time.process_time() - start)
        return result

    def stop(self) -> float:
        """Gives the place back; returns the median seconds of a run."""
        self._detector._session = self._session
        return statistics.median(self._seconds)


class Aside:
    """The detector as it was, on frames moved by three pixels: how much boxes vary anyway."""

    def __init__(self, detector: Detector) -> None:
        """Looks with `detector`."""
        self._detector = detector

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Returns the faces in a picture, most certain first."""
        moved = np.roll(rgb, (2, 3), (0, 1))
        return [face.mapped(1, 1, -3, -2) for face in self._detector.detect(moved)]


def shrink_with_pillow(rgb: np.ndarray) -> np.ndarray:
    """Returns a picture in the size that the detector looks at, as before."""
    height, width = rgb.shape[:2]
    scale = min(1.0, retinaface.LONGEST_SIDE / max(height, width))
    return resize(rgb, round(height * scale), round(width * scale))


def shrink_with_opencv(rgb: np.ndarray) -> np.ndarray:
    """Returns a picture in the size that the detector looks at, as now (up to half the size)."""
    height, width = rgb.shape[:2]
    if (scale := retinaface.LONGEST_SIDE / max(height, width)) >= 1:
        return rgb
    return cv2.resize(rgb, (round(width * scale), round(height * scale)))


def open_detector(is_int8: bool) -> RetinaFace:
    """Returns the detector with the network of choice."""
    chosen = retinaface.has_fast_int8
    retinaface.has_fast_int8 = lambda: is_int8
    try:
        return RetinaFace(num_threads=1)
    finally:
        retinaface.has_fast_int8 = chosen


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("upstream", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="FER2013's CSV")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    detectors: dict[str, Detector] = {
        "before": Before(options.upstream),
        "float32": open_detector(False),
        "int8": open_detector(True),
    }
    faces, grounds = read_faces(options.data, "PublicTest"), read_grounds()
    parts = [
        HEAD,
        tell_times(detectors),
        tell_scenes(detectors, faces, grounds, options.scenes),
        tell_pictures(detectors),
        tell_films(detectors, faces, grounds),
        tell_many(detectors, faces, grounds),
        f"{platform.machine()}, {processor()}; onnxruntime {version('onnxruntime')}, "
        f"opencv-python-headless {version('opencv-python-headless')}.\n",
    ]
    options.output.write_text("".join(parts), encoding="utf-8")


def processor() -> str:
    """Returns the processor's name, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))


def in_turns(actions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Returns the median milliseconds of processor time of each."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            start = time.process_time()
            action()
            seconds[name].append(time.process_time() - start)
    return {name: 1000 * statistics.median(each) for name, each in seconds.items()}


def tell_times(detectors: dict[str, Detector]) -> str:
    """Returns the table of milliseconds per picture, by stage."""
    lines = [
        "## Milliseconds per picture\n\n",
        "| picture | | resize | network | planes, decoding | all | ratio |\n|---|---|---|---|---|---|---|\n",
    ]
    for height, width in SIZES:
        picture = np.ascontiguousarray(cv2.resize(astronaut(), (width, height)))
        shrinks = {"before": shrink_with_pillow, "now": shrink_with_opencv}
        resizes = in_turns({k: partial(each, picture) for k, each in shrinks.items()}, 15)
        timed = {name: Timed(detector) for name, detector in detectors.items()}
        total = in_turns({name: partial(d.detect, picture) for name, d in detectors.items()}, 25)
        for name in detectors:
            network = 1000 * timed[name].stop()
            shrink = resizes["before" if name == "before" else "now"]
            lines.append(
                f"| {width}x{height} | {name} | {shrink:.1f} | {network:.1f} "
                f"| {max(0.0, total[name] - network - shrink):.1f} | {total[name]:.1f} "
                f"| {total['before'] / total[name]:.2f}x |\n"
            )
    return "".join(lines) + "\n"


@dataclass
class Agreement:
    """How the boxes of one detector agree with those of another."""

    shared: list[float]
    lost: int = 0
    more: int = 0

    def add(self, old: Sequence[Detection], new: Sequence[Detection]) -> list[tuple[int, int]]:
        """Compares the faces of a picture; returns which are the same."""
        boxes = np.array([face.box for face in new], float).reshape(-1, 4)
        found = [overlaps(np.array(face.box), boxes) for face in old]
        pairs = [
            (row, int(each.argmax()))
            for row, each in enumerate(found)
            if each.max(initial=0) >= SAME
        ]
        self.shared += [float(found[row][column]) for row, column in pairs]
        self.lost += len(old) - len(pairs)
        self.more += len(new) - len({column for _, column in pairs})
        return pairs

    def text(self) -> str:
        """Returns cells: faces compared, lost, more, median overlap, 5 % below."""
        low, middle = np.quantile(self.shared, (0.05, 0.5))
        return (
            f"{len(self.shared) + self.lost} | {self.lost} | {self.more} | {middle:.3f} | {low:.3f}"
        )


def is_found(square: np.ndarray, found: Sequence[Detection]) -> bool:
    """Returns whether a box lies about where a face was pasted."""
    side = square[2] - square[0]
    centre = (square[:2] + square[2:]) / 2
    for face in found:
        box = np.array(face.box)
        near = np.abs((box[:2] + box[2:]) / 2 - centre).max() < side / 4
        if near and 0.45 < max(box[2:] - box[:2]) / side < 1.5:
            return True
    return False


def tell_scenes(
    detectors: dict[str, Detector], faces: np.ndarray, grounds: list[np.ndarray], num_scenes: int
) -> str:
    """Returns the tables of recall by size, of agreement, and of false finds."""
    rng = np.random.default_rng(1)
    hits: dict[str, list[bool]] = {name: [] for name in detectors}
    agreements = {name: Agreement([]) for name in detectors if name != "before"}
    sides: list[int] = []
    for _ in range(num_scenes):
        scene = draw_scene(rng, grounds, faces, draw_sides(rng))
        sides += (scene.squares[:, 2] - scene.squares[:, 0]).astype(int).tolist()
        found = {name: detector.detect(scene.rgb) for name, detector in detectors.items()}
        for name in detectors:
            hits[name] += [is_found(square, found[name]) for square in scene.squares]
        for name, agreement in agreements.items():
            agreement.add(found["before"], found[name])
    false = dict.fromkeys(detectors, 0)
    for _ in range(num_faceless := num_scenes // 2):
        picture = draw_ground(rng, grounds, 480, 640)
        for name, detector in detectors.items():
            false[name] += len(detector.detect(picture))
    place = np.digitize(sides, BINS) - 1
    counts = np.bincount(place, minlength=len(BINS) - 1)
    spans = " | ".join(f"{low}-{high - 1}" for low, high in pairwise(BINS))
    lines = [
        "## Faces pasted into textured scenes\n\n",
        f"{num_scenes} scenes of 640x480 with FER2013's PublicTest faces, whole files with soft rims, "
        "grey or tinted: without neck and shoulders, so harder than faces in photographs. Found, in "
        "per cent, by the side of the file in pixels (a face fills about two thirds of it); and boxes "
        f"in {num_faceless} pictures of the same kind without a face.\n\n",
        f"| | {spans} | all | false |\n|---|{'---|' * (len(BINS) + 1)}\n",
        f"| faces | {' | '.join(map(str, counts))} | {len(sides)} | |\n",
    ]
    for name in detectors:
        hit = np.array(hits[name])
        cells = " | ".join(
            f"{100 * hit[place == index].mean():.1f}" for index in range(len(counts))
        )
        lines.append(f"| {name} | {cells} | {100 * hit.mean():.1f} | {false[name]} |\n")
    lines.append(
        "\nHow boxes agree with those of before, by intersection over union:\n\n"
        "| | faces | lost | more | median | 5 % are below |\n|---|---|---|---|---|---|\n"
    )
    lines += [f"| {name} | {agreement.text()} |\n" for name, agreement in agreements.items()]
    return "".join(lines) + "\n"


def tell_pictures(detectors: dict[str, Detector]) -> str:
    """Returns the table of pictures that stand in the repository."""
    lines = [
        "## Pictures of this repository\n\n",
        "| picture | faces before | float32 | int8 | least overlap of int8 |\n|---|---|---|---|---|\n",
    ]
    for name in PICTURES:
        rgb = read_picture(ROOT / name)
        found = {key: detector.detect(rgb) for key, detector in detectors.items()}
        agreement = Agreement([])
        agreement.add(found["before"], found["int8"])
        counts = " | ".join(str(len(each)) for each in found.values())
        lines.append(f"| `{name}` | {counts} | {min(agreement.shared):.3f} |\n")
    return "".join(lines) + "\n"


def make_films(
    folder: Path, faces: np.ndarray, grounds: list[np.ndarray]
) -> Iterator[tuple[str, list[Path]]]:
    """Yields films of each kind: what they show, and the files."""
    yield "astronaut, 640x480", [write_video(folder / "astronaut.mp4", 50)]
    kinds = (
        ("one face of 100-240", (480, 640), (100, 240), 1, 4),
        ("one face of 30-100", (480, 640), (30, 100), 1, 4),
        ("three faces of 30-240", (480, 640), (30, 240), 3, 4),
        ("one face of 200-500", (1080, 1920), (200, 500), 1, 3),
        ("three faces of 60-500", (1080, 1920), (60, 500), 3, 2),
    )
    for name, size, (low, high), num_faces, num_films in kinds:
        paths = []
        for seed in range(num_films):
            rng = np.random.default_rng((seed, *size, low))
            sides = np.exp(rng.uniform(np.log(low), np.log(high), num_faces)).astype(int)
            path = folder / f"{low}_{high}_{num_faces}_{size[0]}_{seed}.mp4"
            write_frames(path, draw_film(rng, grounds, faces, sides, size, 30))
            paths.append(path)
        yield f"{name} px, {size[1]}x{size[0]}", paths


def tell_films(detectors: dict[str, Detector], faces: np.ndarray, grounds: list[np.ndarray]) -> str:
    """Returns the table of videos that are read whole, expressions too."""
    classifier = Classifier("default", 1, "float32")
    shown = {name: detector for name, detector in detectors.items() if name != "float32"}
    shown["before, aside"] = Aside(detectors["before"])
    analyzers = {k: Analyzer(classifier, each, num_threads=1) for k, each in shown.items()}
    analyzers["auto"] = Analyzer(classifier, detectors["int8"], detect_size="auto", num_threads=1)
    lines = [
        "## Videos\n\n",
        "Read whole by `Analyzer.results`: decoded, every frame looked at, cut, classified (float32 net of "
        "the default model), tracked. Milliseconds are per frame. The pasted faces move in a straight line "
        "in front of a moving ground, with sensor noise. *Before, aside* looks at each frame moved by three "
        "pixels: so much do boxes vary anyway, and with them the expressions of faces that could be two.\n\n",
        "| films | | ms | ratio | faces | lost | more | median | 5 % are below | same expression "
        "| tracks |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name, paths in make_films(Path(folder), faces, grounds):
            milliseconds: dict[str, float] = dict.fromkeys(analyzers, 0.0)
            results: dict[str, list[list[FrameResult]]] = {key: [] for key in analyzers}
            for path in paths:
                for key, analyzer in analyzers.items():
                    start = time.process_time()
                    results[key].append(list(analyzer.results(find_sources([path]))))
                    milliseconds[key] += 1000 * (time.process_time() - start)
            num_frames = sum(map(len, results["before"]))
            for key in analyzers:
                spent = milliseconds[key] / num_frames
                ratio = milliseconds["before"] / milliseconds[key]
                cells = compare(results["before"], results[key])
                lines.append(f"| {name} | {key} | {spent:.1f} | {ratio:.2f}x | {cells} |\n")
    return "".join(lines) + "\n"


def compare(old: list[list[FrameResult]], new: list[list[FrameResult]]) -> str:
    """Returns cells: agreement of faces, of expressions, tracks."""
    agreement, same = Agreement([]), 0
    for one, other in zip(old, new, strict=True):
        for a, b in zip(one, other, strict=True):
            before, after = ([Detection(f.box, 1.0) for f in each.faces] for each in (a, b))
            pairs = agreement.add(before, after)
            same += sum(
                a.faces[row].expression == b.faces[column].expression for row, column in pairs
            )
    tracks = sum(len({face.track_id for frame in film for face in frame.faces}) for film in new)
    return f"{agreement.text()} | {100 * same / len(agreement.shared):.1f} % | {tracks}"


def tell_many(detectors: dict[str, Detector], faces: np.ndarray, grounds: list[np.ndarray]) -> str:
    """Returns the table of a picture with twenty faces."""
    rng = np.random.default_rng(3)
    scene = draw_scene(rng, grounds, faces, np.full(20, 110), (960, 1280))
    classifier = Classifier("default", 1, "float32")
    analyzers = {k: Analyzer(classifier, each, num_threads=1) for k, each in detectors.items()}
    counts = {name: len(analyzer(scene.rgb)) for name, analyzer in analyzers.items()}
    find = in_turns({k: partial(each.detect, scene.rgb) for k, each in detectors.items()}, 9)
    read = in_turns({k: partial(each, scene.rgb) for k, each in analyzers.items()}, 5)
    lines = [
        f"## A picture of 1280x960 with {len(scene.squares)} faces\n\n",
        "| | found | finding, ms | ratio | finding and reading, ms | ratio |\n|---|---|---|---|---|---|\n",
    ]
    lines += [
        f"| {name} | {counts[name]} | {find[name]:.1f} | {find['before'] / find[name]:.2f}x "
        f"| {read[name]:.1f} | {read['before'] / read[name]:.2f}x |\n"
        for name in detectors
    ]
    return "".join(lines) + "\n"


if __name__ == "__main__":
    main()
