"""One contestant of benchmarks/picture.py in a process of its own: seconds per stage.

    python benchmarks/picture_process.py WAY THREADS

Its commands name a file, a picture or a video, and it answers with the seconds of each stage in all
frames together, those of the whole, and the number of faces. It imports nothing of mien unless the
way is mien's, so that it runs where a peer alone is installed.
"""

import csv
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from peer_process import answer_commands, load_fer, take_standard_output

Seconds = defaultdict[str, float]
Pass = Callable[[Path, Seconds, Path], int]
"""Reads a file, adds to the seconds of each stage, writes a table; returns the number of faces."""


@contextmanager
def timed(seconds: Seconds, stage: str) -> Iterator[None]:
    """Adds what the block takes to a stage."""
    started = time.perf_counter()
    yield
    seconds[stage] += time.perf_counter() - started


def mien(threads: int) -> Pass:
    """Returns mien's pass: all as `mien predict --csv` does it, then stage by stage.

    In the first reading, detecting and writing overlap; so the stages may add up to more.
    """
    from mien.inference import Analyzer, find_sources, predict
    from mien.inference.detection import cuttable
    from mien.inference.follow.follower import follow
    from mien.inference.read.overlap import PATIENCE_SECONDS
    from mien.inference.read.pictures import read_pictures
    from mien.inference.see.crop import cut
    from mien.inference.write.sinks import create_table

    analyzer = Analyzer(num_threads=threads)
    config = analyzer.classifier.config

    def run(path: Path, seconds: Seconds, table: Path) -> int:
        sources = find_sources([path])
        with timed(seconds, "whole"):
            num_faces = predict(sources, analyzer, csv=table).num_faces
        results = list(analyzer.results(sources))
        frames, images = read_pictures(sources, None, PATIENCE_SECONDS), []
        while True:
            with timed(seconds, "read"):
                frame = next(frames, None)
            if frame is None or frame.rgb is None:
                break
            with timed(seconds, "detect"):
                found = cuttable(analyzer.detector.detect(frame.rgb), *frame.rgb.shape[:2])
            with timed(seconds, "crop"):
                images += [
                    cut(frame.rgb, one, config.crop, config.face_size, config.channels)
                    for one in found
                ]
        with timed(seconds, "classify"):
            analyzer.classifier.probabilities(np.stack(images))
        with timed(seconds, "track"):
            results = list(follow(results))
        table.unlink()
        writing = create_table(table, "csv", analyzer.labels, sources)
        with timed(seconds, "write"), writing as rows:
            for result in results:
                rows.write(result)
        return num_faces

    return run


def opencv(threads: int) -> Pass:
    """Returns the tutorials' pass: OpenCV's cascade, and a call of mien's network for each face."""
    import cv2

    from mien.classifier import Classifier

    classifier = Classifier("default", threads)
    folder = cv2.data.haarcascades  # pyright: ignore[reportAttributeAccessIssue]
    cascade = cv2.CascadeClassifier(folder + "haarcascade_frontalface_default.xml")
    size = classifier.config.face_size

    def look(frame: np.ndarray, seconds: Seconds) -> list[list[float]]:
        rows = []
        with timed(seconds, "detect"):
            grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            boxes = cascade.detectMultiScale(grey, 1.1, 3)
        for x, y, width, height in boxes:
            with timed(seconds, "crop"):
                face = cv2.resize(grey[y : y + height, x : x + width], (size, size))
            with timed(seconds, "classify"):
                rows.append([x, y, width, height, *classifier.probabilities(face[None])[0]])
        return rows

    return with_opencv(look)


def fer(threads: int, mtcnn: bool) -> Pass:
    """Returns fer's pass: `detect_emotions` of each frame, with its own detector."""
    emotion = load_fer(threads, mtcnn)
    find, classify = emotion.find_faces, emotion._classify_emotions

    def look(frame: np.ndarray, seconds: Seconds) -> list[list[float]]:
        started, before = time.perf_counter(), seconds["detect"] + seconds["classify"]

        def find_faces(*words: Any, **options: Any) -> Any:
            with timed(seconds, "detect"):
                return find(*words, **options)

        def classify_emotions(faces: np.ndarray) -> Any:
            with timed(seconds, "classify"):
                return classify(faces)

        emotion.find_faces, emotion._classify_emotions = find_faces, classify_emotions
        rows = [
            [*face["box"], *face["emotions"].values()] for face in emotion.detect_emotions(frame)
        ]
        inside = seconds["detect"] + seconds["classify"] - before
        seconds["crop"] += time.perf_counter() - started - inside
        return rows

    return with_opencv(look)


def with_opencv(look: Callable[[np.ndarray, Seconds], list[list[float]]]) -> Pass:
    """Returns a pass that reads by OpenCV and writes by `csv`, around what looks at a frame."""
    import cv2

    def frames(path: Path) -> Iterator[np.ndarray]:
        if path.suffix == ".jpg":
            picture = cv2.imread(str(path))
            assert picture is not None
            yield picture
            return
        capture = cv2.VideoCapture(str(path))
        while (read := capture.read())[0]:
            yield read[1]
        capture.release()

    def run(path: Path, seconds: Seconds, table: Path) -> int:
        num_faces, reader = 0, frames(path)
        with timed(seconds, "whole"), table.open("w", newline="") as stream:
            writer = csv.writer(stream)
            while True:
                with timed(seconds, "read"):
                    frame = next(reader, None)
                if frame is None:
                    return num_faces
                rows = look(frame, seconds)
                num_faces += len(rows)
                with timed(seconds, "write"):
                    writer.writerows(rows)

    return run


WAYS: dict[str, Callable[[int], Pass]] = {
    "mien": mien,
    "fer, cascade": lambda threads: fer(threads, mtcnn=False),
    "fer, MTCNN": lambda threads: fer(threads, mtcnn=True),
    "OpenCV's cascade": opencv,
}


def main() -> None:
    """Answers `run` with seconds and faces, `memory` with the most megabytes so far."""
    threads, answers = int(sys.argv[2]), take_standard_output()
    if hasattr(os, "sched_setaffinity"):  # decoders have threads of their own
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import cv2

    cv2.setNumThreads(threads)
    one_pass = WAYS[sys.argv[1]](threads)

    def run(command: dict[str, Any]) -> dict[str, Any]:
        seconds: Seconds = defaultdict(float)
        with tempfile.TemporaryDirectory() as folder:
            faces = one_pass(Path(command["path"]), seconds, Path(folder) / "rows.csv")
        return {"seconds": seconds, "faces": faces}

    def memory(command: dict[str, Any]) -> dict[str, Any]:
        return {"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}

    answer_commands(answers, {"run": run, "memory": memory})


if __name__ == "__main__":
    main()
