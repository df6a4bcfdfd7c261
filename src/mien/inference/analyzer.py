"""Pictures and videos → faces with their expressions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.classifier import Classifier, softmax
from mien.data import read
from mien.errors import BadInputError, MienError, MissingError
from mien.inference.crop import cut
from mien.inference.detection import Detection, Detector, WholePicture
from mien.inference.detectors import create_detector
from mien.inference.following import follow
from mien.inference.results import Face, FrameResult, most_probable
from mien.inference.sources import FaceFileSource, PictureSource, Source, VideoSource
from mien.inference.video import Sampling, read_frames
from mien.pictures import read_picture

Picture = np.ndarray | Path | str | bytes

_BATCH_PICTURES = 64
_BATCH_PIXELS = 32_000_000  # bounds what waiting pictures hold in memory, about 100 MB


@dataclass(frozen=True)
class _Seen:
    """A picture or frame, its faces found, not yet classified; or why it could not be read."""

    source: str
    rgb: np.ndarray | None = None
    detections: Sequence[Detection] = ()
    error: str | None = None
    frame: int | None = None
    time_seconds: float | None = None


class Analyzer:
    """Finds the faces in pictures and reads the expressions they are perceived to show.

    Attributes:
        classifier: The model at work.
        detector: What finds the faces.
        labels: The expressions, in the model's order.
        tta: Whether several views of each face are averaged: slower, a little more accurate.
    """

    def __init__(
        self,
        model: str | Path | Classifier = "default",
        detector: str | Detector = "retinaface",
        tta: bool = False,
    ) -> None:
        """Loads a model and a detector.

        Args:
            model: `default`, a model folder, a run that holds one, or a loaded classifier.
            detector: `retinaface`, `haar`, `none` (each picture is one face, framed as the
                training set frames them), or an object with their `detect`.
            tta: Average the test-time views of each face.

        Raises:
            MissingError: No such model.
            BadInputError: The model is damaged.
            UsageError: No such detector.
        """
        self.detector = create_detector(detector) if isinstance(detector, str) else detector
        self.classifier = model if isinstance(model, Classifier) else Classifier(model)
        self.labels = self.classifier.labels
        self.tta = tta

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
        rgb = _as_rgb(picture)
        return list(self._classify([_Seen("", rgb, self.detector.detect(rgb))])[0].faces)

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
            BadInputError: It is no video, or is damaged; the frames before that came first.
        """
        path = Path(video)
        if not path.is_file():
            raise MissingError(f"{path}: no such file")
        for result in self.results([VideoSource(path, Path(path.name))], sampling):
            if result.error is not None:
                raise BadInputError(result.error)
            yield result

    def results(
        self, pictures: Iterable[Picture | Source], sampling: Sampling | None = None
    ) -> Iterator[FrameResult]:
        """Yields a result per picture, in order; the faces of several are classified at once.

        A picture that cannot be read yields a result with its error, and the next one follows. A
        video yields a result per frame, then one with the error that ended it, if any.

        Args:
            pictures: What a call takes, or what `find_sources` returns: folders, videos and files
                of face images go through that. Pixels and bytes are called by their index.
            sampling: Which frames of videos; all, unless given.
        """
        return (result for result, _ in self.results_with_pictures(pictures, sampling))

    def results_with_pictures(
        self, pictures: Iterable[Picture | Source], sampling: Sampling | None = None
    ) -> Iterator[tuple[FrameResult, np.ndarray | None]]:
        """Yields like `results`, each with its picture, RGB uint8 `[H, W, 3]`, or None."""
        return follow(self._in_batches(pictures, sampling))

    def _in_batches(
        self, pictures: Iterable[Picture | Source], sampling: Sampling | None
    ) -> Iterator[tuple[FrameResult, np.ndarray | None]]:
        batch: list[_Seen] = []
        num_pixels = 0
        for index, picture in enumerate(pictures):
            for seen in self._read(index, picture, sampling):
                batch.append(seen)
                num_pixels += 0 if seen.rgb is None else seen.rgb.size // 3
                if len(batch) >= _BATCH_PICTURES or num_pixels >= _BATCH_PIXELS:
                    yield from zip(self._classify(batch), [s.rgb for s in batch], strict=True)
                    batch, num_pixels = [], 0
        yield from zip(self._classify(batch), [seen.rgb for seen in batch], strict=True)

    def _read(
        self, index: int, picture: Picture | Source, sampling: Sampling | None
    ) -> Iterator[_Seen]:
        """Yields the picture, the video's frames, or a file's face images; errors are noted."""
        if isinstance(picture, FaceFileSource):
            yield from _read_face_file(picture.path)
            return
        if isinstance(picture, VideoSource):
            yield from self._read_video(picture.path, sampling)
            return
        if isinstance(picture, PictureSource):
            name, picture = picture.name, picture.content
        else:
            name = str(picture) if isinstance(picture, str | Path) else str(index)
        try:
            rgb = _as_rgb(picture, name)
        except MienError as error:
            yield _Seen(name, error=str(error))
            return
        yield _Seen(name, rgb, self.detector.detect(rgb))

    def _read_video(self, path: Path, sampling: Sampling | None) -> Iterator[_Seen]:
        name = str(path)
        try:
            for frame in read_frames(path, sampling):
                found = self.detector.detect(frame.rgb)
                yield _Seen(
                    name, frame.rgb, found, frame=frame.index, time_seconds=frame.time_seconds
                )
        except MienError as error:
            yield _Seen(name, error=str(error))

    def _classify(self, batch: Sequence[_Seen]) -> list[FrameResult]:
        """Returns the results of pictures whose faces are all classified in one go."""
        config = self.classifier.config
        faces = [
            cut(seen.rgb, detection, config.crop, config.face_size, config.channels)
            for seen in batch
            if seen.rgb is not None
            for detection in seen.detections
        ]
        side = config.face_size
        stack = np.stack(faces) if faces else np.zeros((0, side, side), np.uint8)
        logits = self.classifier.logits(stack, self.tta).astype(np.float64)
        rows = iter(softmax(logits).tolist())
        return [self._result(seen, rows) for seen in batch]

    def _result(self, seen: _Seen, rows: Iterator[list[float]]) -> FrameResult:
        if seen.rgb is None:
            return FrameResult(seen.source, error=seen.error)
        height, width = seen.rgb.shape[:2]
        faces = tuple(
            self._face(detection, next(rows), width, height) for detection in seen.detections
        )
        return FrameResult(
            seen.source,
            width,
            height,
            faces,
            frame=seen.frame,
            time_seconds=seen.time_seconds,
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


def _as_rgb(picture: Picture, name: str | None = None) -> np.ndarray:
    if not isinstance(picture, np.ndarray):
        return read_picture(picture, name)
    good = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if picture.dtype != np.uint8 or not good or picture.size == 0:
        raise ValueError(
            "expected pixels uint8 [H, W, 3] in RGB order, or [H, W] grey, "
            f"got {picture.dtype} {list(picture.shape)}"
        )
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)


def _read_face_file(path: Path) -> Iterator[_Seen]:
    """Yields each face image of a labelled or unlabelled set, called `path:row`."""
    try:
        face_set = read(path)
    except MienError as error:
        yield _Seen(str(path), error=str(error))
        return
    for image, row in zip(face_set.images, face_set.rows, strict=True):
        rgb = _as_rgb(image)
        yield _Seen(f"{path}:{row}", rgb, WholePicture().detect(rgb))
