"""Pictures and videos → faces with their expressions."""

import os
import threading
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, overload

import numpy as np

from mien.classifier import Classifier, Precision, softmax
from mien.errors import BadInputError, MissingError, UsageError
from mien.inference.detection import Detection, Detector, cuttable
from mien.inference.face import MIN_CONFIDENCE, Face, check_confidence, most_probable
from mien.inference.follow.cuts import mark_cuts
from mien.inference.follow.follower import Follower, follow
from mien.inference.read.camera import Camera, Lost, watch
from mien.inference.read.inputs import (
    Colour,
    Pixels,
    as_camera,
    find_inputs,
    is_camera,
    is_many,
    sources_of,
)
from mien.inference.read.overlap import PATIENCE_SECONDS, Handover, ahead
from mien.inference.read.pictures import read_one, read_pictures
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import PictureSource, VideoSource
from mien.inference.results import FrameResult, Reader
from mien.inference.see.adapting import AdaptiveSize
from mien.inference.see.crop import cut
from mien.inference.see.detecting import check_every, detect_faces
from mien.inference.see.detectors import LongestSide, create_detector
from mien.inference.track import Track

if TYPE_CHECKING:
    from PIL.Image import Image

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
        reader: What results say that they were read by.
        tta: Whether several views of each face are averaged: slower, a little more accurate.
        detect_every: In videos, the detector runs on every `detect_every`-th frame.
        detect_size: The longer side that pictures are shrunk to for the detector.
        patience_seconds: How long reading one picture may take.
        min_confidence: Below this confidence a face is `uncertain`.

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
        detect_size: LongestSide = None,
        num_threads: int = 0,
        precision: Precision = "auto",
        device: str = "auto",
        patience_seconds: float = PATIENCE_SECONDS,
        min_confidence: float = MIN_CONFIDENCE,
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
                but small faces are missed. `auto`: in videos, to what the faces in sight need; a
                new face that is too small for that is found up to a second late. None: the
                detector's own default.
            num_threads: Threads of the model, and of the detector, on the CPU; they take turns.
                0: one for each core that this process may use. A loaded classifier keeps its own.
            precision: Of the model: `float32`, `int8`, or `auto`, as `Classifier` takes it. A
                loaded classifier keeps its own.
            device: What model and detector run on: `auto`, `cpu`, `cuda`, `directml`, `openvino`
                or `coreml`. A loaded classifier stays where it is.
            patience_seconds: `results` gives up on a picture that takes longer to read, such as
                one from a pipe without a writer or from a disk that does not answer.
            min_confidence: Faces read with less are `uncertain`. `mien evaluate` prints how many
                are left, and how many of these are right, at several values.

        Raises:
            MissingError: No such model; the device named is not there.
            BadInputError: The model is damaged.
            UsageError: No such detector, precision or device; a number is out of range.
        """
        self.detect_every: int = check_every(detect_every)
        if isinstance(detector, str):
            detector = create_detector(detector, detect_size, num_threads, device)
        elif isinstance(detect_size, int):
            raise UsageError("detect_size: expected a detector's name with it, not a detector")
        self.detector: Detector = detector
        self.detect_size: LongestSide = detect_size
        if not isinstance(model, Classifier):
            model = Classifier(model, num_threads, precision, device)
        self.classifier: Classifier = model
        self.labels: tuple[str, ...] = self.classifier.labels
        self.reader: Reader = Reader(self.labels, self.classifier.digest[:16])
        self.tta: bool = tta
        self.patience_seconds: float = patience_seconds
        self.min_confidence: float = check_confidence(min_confidence)

    @overload
    def __call__(
        self,
        given: "bytes | np.ndarray | Image | IO[bytes]",
        sampling: Sampling | None = ...,
        *,
        colour: Colour = ...,
        white: float | None = ...,
    ) -> FrameResult: ...
    @overload
    def __call__(
        self,
        given: list[Any] | tuple[Any, ...],
        sampling: Sampling | None = ...,
        *,
        colour: Colour = ...,
        white: float | None = ...,
    ) -> list[FrameResult]: ...
    @overload
    def __call__(
        self,
        given: Any,
        sampling: Sampling | None = ...,
        *,
        colour: Colour = ...,
        white: float | None = ...,
    ) -> Any: ...
    def __call__(
        self,
        given: Any,
        sampling: Sampling | None = None,
        *,
        colour: Colour = "rgb",
        white: float | None = None,
    ) -> FrameResult | list[FrameResult] | Iterator[FrameResult]:
        """Returns what is in a picture: a result that iterates and indexes as its faces.

        A list, a folder, a pattern, a batch `[N, H, W, 3]`, a file of face images or a video gives
        a list of results; a generator or a camera, which may never end, an iterator over them.

        Args:
            given: A path; the contents of a picture file, or an open one; a PIL image; pixels
                `[H, W]`, `[H, W, 1]`, `[H, W, 3]` or `[H, W, 4]`, of numpy or whatever turns into
                it, tensors `[C, H, W]` too; the number or `rtsp://…` address of a camera; or
                several of these.
            sampling: Which frames of videos; all, unless given.
            colour: The order of the channels of pixels: `rgb`, or `bgr` as OpenCV reads them.
            white: The value of white in pixels. 255 of uint8 and 65535 of uint16, unless given;
                of other numbers it must be given.

        Raises:
            MissingError: No such file.
            BadInputError: The one picture is none, or is damaged; of several the result says so.
            UsageError: It is nothing of the above.
        """
        many = is_many(given)
        if is_camera(given) or (many and isinstance(given, Iterator)):
            return self.results(given, sampling, True, colour=colour, white=white)
        pixels = Pixels(colour, white)
        sources = list(find_inputs(given, pixels)) if many else sources_of(given, pixels)
        if (
            not many
            and isinstance(first := sources[0], PictureSource)
            and (
                # a folder or a pattern names pictures at other paths than its own
                not isinstance(given, str | os.PathLike) or first.content == Path(given)
            )
        ):
            return self.look(read_one(first))
        in_memory = any(
            isinstance(source, PictureSource) and isinstance(source.content, np.ndarray)
            for source in sources
        )
        found = list(self.results(sources, sampling, keep_pixels=in_memory))
        if not many and len(found) == 1 and found[0].error is not None:
            raise BadInputError(found[0].error)
        return found

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
        given: Any,
        sampling: Sampling | None = None,
        keep_pixels: bool = False,
        *,
        colour: Colour = "rgb",
        white: float | None = None,
    ) -> Generator[FrameResult, None, None]:
        """Yields a result per picture, in order; the faces of several are classified at once.

        A picture that cannot be read yields a result with its error, and the next one follows. A
        video yields a result per frame, then one with the error that ended it, if any. Reading
        runs ahead in a thread, detecting and classifying in another; closing the iterator ends
        them and closes the file.

        Of a camera the latest frame is read, those that came meanwhile are passed over; `smoothed`
        looks back only. It never ends by itself: each time the camera drops there is a result with
        the error, and it is tried again.

        Args:
            given: What a call takes, or what `find_sources` returns. What has no name is called by
                its index.
            sampling: Which frames of videos; all, unless given.
            keep_pixels: Give each result its `rgb`. This takes more memory: the frames of a video
                then wait with their pixels until smoothing has seen later ones.
            colour: As a call takes it.
            white: As a call takes it.

        Raises:
            MissingError: A camera cannot be opened.
        """
        if is_camera(given):
            yield from self._watched(as_camera(given), keep_pixels)
            return
        sources = find_inputs(given, Pixels(colour, white))
        frames = mark_cuts(read_pictures(sources, sampling, self.patience_seconds))
        read = ahead(frames, _weight)
        with closing(ahead(self._in_batches(read, keep_pixels), _weight)) as results:
            yield from follow(results)

    def look(
        self, picture: FrameResult, keep_pixels: bool = True, detector: Detector | None = None
    ) -> FrameResult:
        """Returns a picture that has its pixels with the faces in it and their expressions.

        Args:
            picture: The picture or frame.
            keep_pixels: Give the result its `rgb`.
            detector: What finds the faces; the analyzer's own, unless given.
        """
        found = list(detect_faces([picture], detector or self.detector))
        return self._classify(found, keep_pixels)[0]

    def track(self) -> Track:
        """Returns what follows the faces through frames of your own, given one by one."""
        return Track(partial(self.look, detector=self._detector_of_frames()))

    def _detector_of_frames(self) -> Detector:
        """Returns what finds the faces in the frames of one run: it may remember some."""
        return AdaptiveSize(self.detector) if self.detect_size == "auto" else self.detector

    def _watched(self, camera: Camera, keep_pixels: bool) -> Generator[FrameResult, None, None]:
        stop, frames = threading.Event(), Handover[FrameResult | Lost]()
        # A daemon: nothing can interrupt a read from a silent camera.
        items = (watch(camera, stop),)
        threading.Thread(target=frames.fill, args=items, name="mien-camera", daemon=True).start()
        follower, detector = Follower(), self._detector_of_frames()
        try:
            while (item := frames.take()) is not None:
                if isinstance(item[0], Lost):
                    follower.interrupt()
                    yield FrameResult(camera.name, error=item[0].error, reader=self.reader)
                    continue
                yield from follower.update(self.look(item[0], keep_pixels, detector))
        finally:
            stop.set()
            frames.leave()

    def _in_batches(
        self, read: Generator[FrameResult, None, None], keep_pixels: bool
    ) -> Generator[FrameResult, None, None]:
        """Yields every picture with its expressions, and its pixels if they are to be kept."""
        batch: list[FrameResult] = []
        weight = 0.0
        detector = self._detector_of_frames()
        with closing(read), closing(detect_faces(read, detector, self.detect_every)) as found:
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
            done = replace(frame, faces=faces, rgb=rgb, detections=None, reader=self.reader)
            results.append(done)
        return results

    def _face(self, frame: FrameResult, detection: Detection, probabilities: list[float]) -> Face:
        assert frame.width is not None and frame.height is not None
        left, top, right, bottom = detection.box
        by_label = dict(zip(self.labels, probabilities, strict=True))
        expression, confidence, uncertain = most_probable(by_label, self.min_confidence)
        return Face(
            (max(left, 0.0), max(top, 0.0), min(right, frame.width), min(bottom, frame.height)),
            detection.score,
            detection.landmarks,
            expression,
            confidence,
            uncertain,
            by_label,
            min_confidence=self.min_confidence,
        )


def _weight(frame: FrameResult) -> float:
    """Returns how much of the queue a picture fills, as a fraction of all."""
    num_pixels = 0 if frame.rgb is None else frame.rgb.size // 3
    return max(num_pixels / _MAX_PIXELS, 1 / _MAX_PICTURES)
