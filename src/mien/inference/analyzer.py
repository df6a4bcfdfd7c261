"""Pictures and videos → faces with their expressions."""

import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.classifier import Classifier, softmax
from mien.errors import BadInputError, MissingError, UsageError
from mien.inference.crop import cut
from mien.inference.cuts import mark_cuts
from mien.inference.detecting import check_every, detect_faces
from mien.inference.detection import Detection, Detector, cuttable
from mien.inference.detectors import create_detector
from mien.inference.following import Pair, follow
from mien.inference.overlap import PATIENCE_SECONDS, ahead
from mien.inference.reading import Picture, Seen, as_rgb, read_pictures
from mien.inference.results import Face, FrameResult, most_probable
from mien.inference.sources import Source, VideoSource
from mien.inference.video import Sampling

# What may wait between two of reading, detecting with classifying, and whoever takes the results;
# and as much is classified at once: 8 frames of 1080p, 50 MB.
_MAX_PICTURES = 32
_MAX_PIXELS = 8 * 1920 * 1080


class Analyzer:
    """Finds the faces in pictures and reads the expressions they are perceived to show.

    Attributes:
        classifier: The model at work.
        detector: What finds the faces.
        labels: The expressions, in the model's order.
        tta: Whether several views of each face are averaged: slower, a little more accurate.
        detect_every: Of videos: frames from one that is looked at to the next.
        patience_seconds: How long a picture may take to be read.
    """

    def __init__(
        self,
        model: str | Path | Classifier = "default",
        detector: str | Detector = "retinaface",
        tta: bool = False,
        *,
        detect_every: int = 1,
        detect_size: int | None = None,
        num_threads: int = 0,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Loads a model and a detector.

        Args:
            model: `default`, a model folder, a run that holds one, or a loaded classifier.
            detector: `retinaface`, `haar`, `none` (each picture is one face, framed as the
                training set frames them), or an object with their `detect`.
            tta: Average the test-time views of each face.
            detect_every: Of videos: look for faces in every so many frames; in those between,
                faces that both neighbours show move straight, others are looked for. Faster.
            detect_size: The detector sees pictures shrunk to this longer side, pixels: faster,
                and small faces are lost. Its own choice, unless given.
            num_threads: Of the model and the detector each; 0 lets them choose.
            patience_seconds: `results` gives up a picture that takes longer to be read: from a
                pipe that nobody writes to, a disk that does not answer.

        Raises:
            MissingError: No such model.
            BadInputError: The model is damaged.
            UsageError: No such detector; `detect_every` or `detect_size` is out of range.
        """
        self.detect_every = check_every(detect_every)
        if isinstance(detector, str):
            detector = create_detector(detector, detect_size, num_threads)
        elif detect_size is not None:
            raise UsageError("detect_size: expected a detector's name with it, not a detector")
        self.detector = detector
        self.classifier = model if isinstance(model, Classifier) else Classifier(model, num_threads)
        self.labels = self.classifier.labels
        self.tta = tta
        self.patience_seconds = patience_seconds

    def __call__(self, picture: Picture) -> list[Face]:
        """Returns the faces in a picture, the most certain detection first; none is no error.

        Args:
            picture: A path; the contents of a picture file; or pixels, uint8 `[H, W, 3]` in
                RGB order (OpenCV reads BGR: turn it with `[..., ::-1]`) or `[H, W]` grey.

        Raises:
            MissingError: No such file.
            BadInputError: The file is no picture, or damaged.
            ValueError: Pixels of another dtype or shape.
        """
        rgb = as_rgb(picture)
        return list(self._classify([Seen("", rgb, tuple(self.detector.detect(rgb)))])[0].faces)

    def stream(self, video: str | Path, sampling: Sampling | None = None) -> Iterator[FrameResult]:
        """Yields a result per frame of a video file, in order, with `time_seconds` and `faces`.

        A frame without a face has none in its result. A face keeps its `track_id` through time,
        also when it is not seen for up to a second; ids are never used again. `smoothed` averages
        its probabilities over half a second before and after.

        Args:
            video: The file.
            sampling: Which frames; all, unless given.

        Raises:
            MissingError: No such file.
            BadInputError: It is no video, or is damaged to its end; the frames before that came
                first. Of damage that it goes on behind, a warning tells.
        """
        path = Path(video)
        if not path.is_file():
            raise MissingError(f"{path}: no such file")
        with closing(self.results([VideoSource(path, Path(path.name))], sampling)) as results:
            error: str | None = None
            for result in results:
                if error is not None:  # it went on
                    warnings.warn(error, stacklevel=2)
                error = result.error
                if error is None:
                    yield result
            if error is not None:
                raise BadInputError(error)

    def results(
        self, pictures: Iterable[Picture | Source], sampling: Sampling | None = None
    ) -> Generator[FrameResult, None, None]:
        """Yields a result per picture, in order; the faces of several are classified at once.

        A picture that cannot be read yields a result with its error, and the next one follows. A
        video yields a result per frame, then one with the error that ended it, if any. Reading
        runs ahead in a thread, detecting and classifying in another; closing the iterator ends
        them and closes the file.

        Args:
            pictures: What a call takes, or what `find_sources` returns: folders, videos and files
                of face images go through that. Pixels and bytes are called by their index.
            sampling: Which frames of videos; all, unless given.
        """
        with closing(self.results_with_pictures(pictures, sampling, keep=False)) as pairs:
            for result, _ in pairs:
                yield result

    def results_with_pictures(
        self,
        pictures: Iterable[Picture | Source],
        sampling: Sampling | None = None,
        keep: bool = True,
    ) -> Generator[Pair, None, None]:
        """Yields like `results`, each with its picture, RGB uint8 `[H, W, 3]`, or None.

        Without `keep` it is None for all: a video's frames then need not be held until later ones
        are known.
        """
        seen = mark_cuts(read_pictures(pictures, sampling, self.patience_seconds))
        read = ahead(seen, lambda each: _weight(each.rgb))
        pairs = ahead(self._in_batches(read, keep), lambda pair: _weight(pair[1]))
        with closing(pairs):
            yield from follow(pairs)

    def _in_batches(
        self, read: Generator[Seen, None, None], keep: bool
    ) -> Generator[Pair, None, None]:
        """Yields the result of every picture, with its pixels if they are to be kept."""
        batch: list[Seen] = []
        weight = 0.0
        with closing(read), closing(detect_faces(read, self.detector, self.detect_every)) as found:
            for seen in found:
                batch.append(seen)
                weight += _weight(seen.rgb)
                if weight >= 1:
                    yield from self._pairs(batch, keep)
                    batch, weight = [], 0.0
            yield from self._pairs(batch, keep)

    def _pairs(self, batch: Sequence[Seen], keep: bool) -> Iterator[Pair]:
        pictures = [seen.rgb if keep else None for seen in batch]
        return zip(self._classify(batch), pictures, strict=True)

    def _classify(self, batch: Sequence[Seen]) -> list[FrameResult]:
        """Returns the results of pictures whose faces are all classified in one go."""
        config = self.classifier.config
        batch = [
            each
            if each.rgb is None or not each.detections
            else replace(each, detections=cuttable(each.detections, *each.rgb.shape[:2]))
            for each in batch
        ]
        faces = [
            cut(seen.rgb, detection, config.crop, config.face_size, config.channels)
            for seen in batch
            if seen.rgb is not None
            for detection in seen.detections or ()
        ]
        side = config.face_size
        stack = np.stack(faces) if faces else np.zeros((0, side, side), np.uint8)
        logits = self.classifier.logits(stack, self.tta).astype(np.float64)
        rows = iter(softmax(logits).tolist())
        return [self._result(seen, rows) for seen in batch]

    def _result(self, seen: Seen, rows: Iterator[list[float]]) -> FrameResult:
        if seen.rgb is None:
            return FrameResult(seen.source, error=seen.error, is_passing=seen.is_passing)
        height, width = seen.rgb.shape[:2]
        faces = tuple(
            self._face(detection, next(rows), width, height) for detection in seen.detections or ()
        )
        return FrameResult(
            seen.source,
            width,
            height,
            faces,
            frame=seen.frame,
            time_seconds=seen.time_seconds,
            is_cut=seen.is_cut,
        )

    def _face(
        self, detection: Detection, probabilities: list[float], width: int, height: int
    ) -> Face:
        left, top, right, bottom = detection.box
        by_label = dict(zip(self.labels, probabilities, strict=True))
        expression, confidence, uncertain = most_probable(by_label)
        return Face(
            box=(max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height)),
            detection_score=detection.score,
            landmarks=detection.landmarks,
            expression=expression,
            confidence=confidence,
            uncertain=uncertain,
            probabilities=by_label,
        )


def _weight(rgb: np.ndarray | None) -> float:
    """Returns which part of what may wait a picture is."""
    num_pixels = 0 if rgb is None else rgb.size // 3
    return max(num_pixels / _MAX_PIXELS, 1 / _MAX_PICTURES)
