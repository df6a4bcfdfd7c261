"""Pictures and videos → faces with their expressions."""

import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.classifier import Classifier, softmax
from mien.errors import BadInputError, MissingError, UsageError
from mien.inference.detection import Detection, Detector, cuttable
from mien.inference.follow.cuts import mark_cuts
from mien.inference.follow.follower import follow
from mien.inference.read.overlap import PATIENCE_SECONDS, ahead
from mien.inference.read.pictures import Picture, as_rgb, read_pictures
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import Source, VideoSource
from mien.inference.results import Face, FrameResult, most_probable
from mien.inference.see.crop import cut
from mien.inference.see.detecting import check_every, detect_faces
from mien.inference.see.detectors import create_detector

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

    Example:
        >>> from mien import Analyzer
        >>> analyzer = Analyzer()
        >>> [face.expression for face in analyzer("examples/astronaut.jpg")]
        ['happy']
        >>> for frame in analyzer.stream("clip.mp4"):
        ...     for face in frame.faces:
        ...         print(frame.time_seconds, face.track_id, face.expression)
        0.0 1 happy
        1.0 1 happy
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
        frame = FrameResult.of_pixels("", as_rgb(picture))
        return list(self._classify(list(detect_faces([frame], self.detector)))[0].faces)

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
        self,
        pictures: Iterable[Picture | Source],
        sampling: Sampling | None = None,
        keep_pixels: bool = False,
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
            keep_pixels: Each result has its `rgb`. Else it has none, and a video's frames need not
                be held until later ones are known.
        """
        frames = mark_cuts(read_pictures(pictures, sampling, self.patience_seconds))
        read = ahead(frames, _weight)
        with closing(ahead(self._in_batches(read, keep_pixels), _weight)) as results:
            yield from follow(results)

    def _in_batches(
        self, read: Generator[FrameResult, None, None], keep_pixels: bool
    ) -> Generator[FrameResult, None, None]:
        """Yields every picture with its expressions, and its pixels if they are to be kept."""
        batch: list[FrameResult] = []
        weight = 0.0
        with closing(read), closing(detect_faces(read, self.detector, self.detect_every)) as found:
            for frame in found:
                batch.append(frame)
                weight += _weight(frame)
                if weight >= 1:
                    yield from self._classify(batch, keep_pixels)
                    batch, weight = [], 0.0
            yield from self._classify(batch, keep_pixels)

    def _classify(
        self, frames: Sequence[FrameResult], keep_pixels: bool = False
    ) -> list[FrameResult]:
        """Returns frames whose faces were found with their expressions, read in one go."""
        config = self.classifier.config
        found = [
            () if frame.rgb is None else cuttable(frame.detections or (), *frame.rgb.shape[:2])
            for frame in frames
        ]
        images = [
            cut(frame.rgb, detection, config.crop, config.face_size, config.channels)
            for frame, detections in zip(frames, found, strict=True)
            if frame.rgb is not None
            for detection in detections
        ]
        side = config.face_size
        stack = np.stack(images) if images else np.zeros((0, side, side), np.uint8)
        logits = self.classifier.logits(stack, self.tta).astype(np.float64)
        rows = iter(softmax(logits).tolist())
        results = []
        for frame, detections in zip(frames, found, strict=True):
            faces = tuple(self._face(frame, detection, next(rows)) for detection in detections)
            rgb = frame.rgb if keep_pixels else None
            results.append(replace(frame, faces=faces, rgb=rgb, detections=None))
        return results

    def _face(self, frame: FrameResult, detection: Detection, probabilities: list[float]) -> Face:
        assert frame.width is not None and frame.height is not None
        left, top, right, bottom = detection.box
        by_label = dict(zip(self.labels, probabilities, strict=True))
        expression, confidence, uncertain = most_probable(by_label)
        return Face(
            (max(left, 0.0), max(top, 0.0), min(right, frame.width), min(bottom, frame.height)),
            detection.score,
            detection.landmarks,
            expression,
            confidence,
            uncertain,
            by_label,
        )


def _weight(frame: FrameResult) -> float:
    """Returns which part of what may wait a picture is."""
    num_pixels = 0 if frame.rgb is None else frame.rgb.size // 3
    return max(num_pixels / _MAX_PIXELS, 1 / _MAX_PICTURES)
