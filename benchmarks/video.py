"""Reading a video, every frame: mien against the plain loop of OpenCV, cascade, call per face.

    python benchmarks/video.py [VIDEO] [--frames 250] [--repeats 3] [--model default]

Without VIDEO it makes one: 640x480, 25 frames a second, the camera wandering over one portrait
(scikit-image's astronaut). The loops are those of tutorials: `cv2.VideoCapture`, grey,
`detectMultiScale`, and for every face a resize to 48x48 and a call of the network. The network is
the same for all. Every timing is taken in turns; the figures are of the best of the repeats, and
the ratios the medians of those of each turn.

"faster" is `--detect-every 5 --detect-size 320`. How well its boxes agree with those of looking at
every frame in full size is told below, as intersection over union; and how often the expression
does.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

from mien.classifier import Classifier
from mien.inference import Analyzer, FrameResult
from mien.inference.detection import overlaps
from mien.inference.read.sources import find_sources
from mien.inference.read.video import read_frames

FASTER = {"detect_every": 5, "detect_size": 320}


def main() -> None:
    """Prints the machine, frames per second, the ratios, and how the faster setting agrees."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("video", nargs="?", type=Path, help="a file of your own")
    parser.add_argument("--frames", type=int, default=250, help="of the video that is made")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    packages = ("numpy", "opencv-python-headless", "onnxruntime", "av")
    print(f"{platform.platform()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()},", ", ".join(f"{p} {version(p)}" for p in packages))
    with tempfile.TemporaryDirectory() as folder:
        path = options.video or write_video(Path(folder) / "portrait.mp4", options.frames)
        compare(path, options.model, options.repeats)


def compare(path: Path, model: str, repeats: int) -> None:
    """Measures all on one file and prints what was found."""
    classifier = Classifier(model)
    plain, faster = Analyzer(model), Analyzer(model, **FASTER)
    ways: dict[str, Callable[[], int]] = {
        "cv2 loop, Haar (1.1, 3)": lambda: read_with_haar(path, classifier, 1.1, 3),
        "cv2 loop, Haar (1.3, 5)": lambda: read_with_haar(path, classifier, 1.3, 5),
        "mien, every frame": lambda: count_faces(read(path, plain)),
        "mien, faster": lambda: count_faces(read(path, faster)),
    }
    num_frames = sum(1 for _ in read_frames(path))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    faces: dict[str, int] = {}
    for _ in range(repeats):
        for name, action in ways.items():
            start = time.perf_counter()
            faces[name] = action()
            seconds[name].append(time.perf_counter() - start)
    print(f"{path.name}: {num_frames} frames, best of {repeats}")
    slow, quick, mien, fast = seconds.values()
    for name, each in seconds.items():
        print(f"{name:24} {num_frames / min(each):6.1f} frames/s, {faces[name]} faces")
    print(f"every frame, against Haar (1.1, 3): {ratio(slow, mien):.1f}x", end="")
    print(f", against Haar (1.3, 5): {ratio(quick, mien):.1f}x")
    print(f"faster, against every frame: {ratio(mien, fast):.1f}x")
    tell_agreement(read(path, plain), read(path, faster))


def ratio(first: list[float], second: list[float]) -> float:
    """Returns how many times longer the first takes: the median of the turns."""
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def read(path: Path, analyzer: Analyzer) -> list[FrameResult]:
    """Returns mien's results of every frame."""
    return list(analyzer.results(find_sources([path])))


def count_faces(results: list[FrameResult]) -> int:
    """Returns how many faces were found."""
    return sum(len(result.faces) for result in results)


def read_with_haar(path: Path, classifier: Classifier, scale: float, neighbours: int) -> int:
    """Returns how many faces the tutorials' loop finds and classifies."""
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    size, num_faces = classifier.config.face_size, 0
    capture = cv2.VideoCapture(str(path))
    while True:
        is_read, frame = capture.read()
        if not is_read:
            break
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        for x, y, width, height in cascade.detectMultiScale(grey, scale, neighbours):
            face = cv2.resize(grey[y : y + height, x : x + width], (size, size))
            classifier.probabilities(face[None])
            num_faces += 1
    capture.release()
    return num_faces


def tell_agreement(full: list[FrameResult], faster: list[FrameResult]) -> None:
    """Prints how the faces of the faster setting agree with those of looking at every frame."""
    shared, same, lost, more = [], 0, 0, 0
    for a, b in zip(full, faster, strict=True):
        boxes = np.array([face.box for face in b.faces]).reshape(-1, 4)
        found = [overlaps(np.array(face.box), boxes) for face in a.faces]
        pairs = [
            (index, int(iou.argmax())) for index, iou in enumerate(found) if iou.max(initial=0) > 0
        ]
        shared += [float(found[row][column]) for row, column in pairs]
        same += sum(a.faces[row].expression == b.faces[column].expression for row, column in pairs)
        lost += len(a.faces) - len(pairs)
        more += max(0, len(b.faces) - len(pairs))
    if not shared:
        print("no face to compare")
        return
    low = np.quantile(shared, 0.05)
    print(
        f"faster: IoU {np.mean(shared):.3f} on average, 5 % below {low:.3f}; the same expression "
        f"in {same / len(shared):.1%}; {lost} faces lost, {more} more ({len(shared)} compared)"
    )


def write_video(path: Path, num_frames: int) -> Path:
    """Writes the portrait as a camera wandering over it sees it, 640x480; returns the path."""
    from skimage.data import astronaut

    picture = cv2.resize(astronaut(), (760, 760), interpolation=cv2.INTER_CUBIC)
    return write_frames(path, (wander(picture, number) for number in range(num_frames)))


def wander(picture: np.ndarray, number: int) -> np.ndarray:
    """Returns what the camera sees: two slow swings and a quicker tremble, as of a hand."""
    x = 60 + 50 * np.sin(number / 16) + 3 * np.sin(number * 1.3)
    y = 60 + 50 * np.sin(number / 23) + 3 * np.cos(number * 1.1)
    return cv2.warpAffine(picture, np.float32([[1, 0, -x], [0, 1, -y]]), (640, 480))


def write_frames(path: Path, frames: Iterable[np.ndarray]) -> Path:
    """Writes RGB frames uint8 `[H, W, 3]` of one even size, 25 a second; returns the path."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 25)
        for number, rgb in enumerate(frames):
            if number == 0:
                stream.height, stream.width = rgb.shape[:2]
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    main()
