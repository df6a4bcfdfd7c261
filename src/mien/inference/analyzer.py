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

# The most that waits in the queue after reading, and in the queue of results; as much is classified
# at once: 8 frames of 1080p, 50 MB.
_MAX_PICTURES = 32
_MAX_PIXELS = 8 * 1920 * 1080


class Analyzer:
    """Finds the faces in pictures and reads the expressions they are perceived to show.

    Attributes:
        classifier: The model at work.
        detector: What finds the faces.
        labels: The expressions, in the model's order.
        tta: Whether several views of each face are averaged: slower, a little more accurate.
        detect_every: In videos, the detector runs on every `detect_every`-th frame.
        patience_seconds: How long reading one picture may take.

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
            detect_every: In videos, run the detector on every `detect_every`-th frame only, which
                is faster. In the frames between, boxes are interpolated where the detector finds
                the same faces before and after; otherwise it runs on those frames too.
            detect_size: Shrink pictures to this longer side, in pixels, for the detector. Faster,
                but small faces are missed. None: the detector's own default.
            num_threads: Threads of the model, and of the detector; 0 lets each choose.
            patience_seconds: `results` gives up on a picture that takes longer to read, such as
                one from a pipe without a writer or from a disk that does not answer.

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

        A frame without a face has a result with empty `faces`. A face keeps its `track_id` over
        time, even if it is out of sight for up to a second; an id is never used again. `smoothed`
        averages its probabilities over half a second before and after.

        Args:
            video: The file.
            sampling: Which frames; all, unless given.

        Raises:
            MissingError: No such file.
            BadInputError: It is no video, or it is damaged to its end; the frames before the damage
                are yielded first. If good frames follow the damage, there is a warning instead.
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
            pictures: Paths, bytes or pixels, as in a call of the analyzer; or what `find_sources`
                returns, which handles folders, videos and files of face images. Results of pixels
                and bytes have their index as `source`.
            sampling: Which frames of videos to read; None reads all.
            keep_pixels: Give each result its `rgb`. This takes more memory: the frames of a video
                then wait with their pixels until smoothing has seen later ones.
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
        """Returns the frames with the expressions of their faces, classified as one batch."""
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
    """Returns how much of the queue a picture fills, as a fraction of all."""
    num_pixels = 0 if frame.rgb is None else frame.rgb.size // 3
    return max(num_pixels / _MAX_PIXELS, 1 / _MAX_PICTURES)
