"""The service's queue: decodes all clients' pictures in processes, analyses them in batches."""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from time import monotonic

import numpy as np

from mien.errors import BadInputError
from mien.inference.analyzer import Analyzer
from mien.inference.detection import Detection, Detector
from mien.inference.face import Face
from mien.inference.results import FrameResult
from mien.serving.decoding import Decoded, Decoder, PixelBudget, Room
from mien.serving.metrics import Metrics
from mien.serving.settings import Settings

BATCH_PICTURES = 16
"""The largest batch; in a larger one, the first picture would wait long for the last."""
NUM_DECODERS = 2


@dataclass
class _Job:
    name: str
    content: bytes
    budget: PixelBudget
    answer: Future[FrameResult] = field(default_factory=Future)
    since: float = field(default_factory=monotonic)
    picture: Decoded | None = None
    error: str | None = None


@dataclass(frozen=True)
class _MostCertain:
    """A detector whose faces beyond a number are left out."""

    detector: Detector
    max_faces: int

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        return self.detector.detect(rgb)[: self.max_faces]


def _num_pixels(jobs: Sequence[_Job]) -> int:
    return sum(job.picture.width * job.picture.height for job in jobs if job.picture is not None)


def _in_full_size(result: FrameResult, picture: Decoded) -> FrameResult:
    """Returns the result in pixels of the picture as it came."""
    factor = picture.factor
    if factor == 1:
        return result

    def moved(face: Face) -> Face:
        left, top, right, bottom = (value * factor for value in face.box)
        box = (left, top, min(right, picture.width), min(bottom, picture.height))
        points = face.landmarks and tuple((x * factor, y * factor) for x, y in face.landmarks)
        return replace(face, box=box, landmarks=points)

    faces = tuple(map(moved, result.faces))
    return replace(result, width=picture.width, height=picture.height, faces=faces)


class Batcher:
    """Decodes, detects and classifies off the event loop.

    A batch is whatever was decoded while the batch before was analysed, so no picture waits for a
    batch to fill. Two threads here decode, each with a process of its own. One thread detects and
    classifies: ONNX Runtime uses all cores already, so a second thread would only share them, and
    hold a second batch of pictures in memory.
    """

    def __init__(self, analyzer: Analyzer, settings: Settings, metrics: Metrics) -> None:
        """Makes a batcher; `start` sets it to work.

        Args:
            analyzer: What looks at the pictures.
            settings: Limits of pixels, time, memory and faces.
            metrics: Counts the work.
        """
        detector = _MostCertain(analyzer.detector, settings.max_faces)
        self._analyzer = Analyzer(
            analyzer.classifier,
            detector,
            analyzer.tta,
            min_confidence=analyzer.min_confidence,
        )
        self._metrics, self._max_pixels = metrics, settings.max_pixels
        self._room = Room()
        self._decoders = [Decoder(settings, self._room) for _ in range(NUM_DECODERS)]
        self._to_decode: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # None: no more come
        self._decoded: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._decode_all, args=(decoder,), name="mien-decode")
            for decoder in self._decoders
        ]
        self._threads.append(threading.Thread(target=self._work, name="mien-batches"))
        for thread in self._threads:
            thread.daemon = True
        metrics.queue_length.set_function(self._to_decode.qsize)

    @property
    def is_working(self) -> bool:
        """Whether all threads are alive."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def num_decoded(self) -> int:
        """How many decoded pictures wait for the next batch."""
        return self._decoded.qsize()

    def start(self) -> None:
        """Sets the threads to work."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stops the threads: decoded pictures are still answered, the others never are."""
        for decoder in self._decoders:
            decoder.close()
            self._to_decode.put(None)
        for thread in self._threads[:-1]:
            thread.join()
        self._decoded.put(None)
        self._threads[-1].join()

    def budget(self) -> PixelBudget:
        """Returns a new pixel budget, for the pictures of one request to share."""
        return PixelBudget(self._max_pixels)

    def submit(
        self, content: bytes, name: str, budget: PixelBudget | None = None
    ) -> Future[FrameResult]:
        """Queues a picture; returns the future of its result. Cancelling it early saves the work.

        Args:
            content: The bytes of a picture file. One that cannot be read has a result with an
                error.
            name: What the result and its error call it.
            budget: The pixel budget of its request; None gives the picture one of its own.
        """
        job = _Job(name, content, budget or self.budget())
        self._to_decode.put(job)
        return job.answer

    def look(self, picture: Decoded, name: str) -> Future[FrameResult]:
        """Returns the result to come of a decoded picture, once there is room for it.

        It may wait for that: not to be called on the event loop.

        Args:
            picture: Its pixels.
            name: What the result calls it.
        """
        self._room.take(picture.width * picture.height)
        job = _Job(name, b"", self.budget(), picture=picture)
        self._decoded.put(job)
        return job.answer

    def _decode_all(self, decoder: Decoder) -> None:
        while (job := self._to_decode.get()) is not None:
            if job.answer.cancelled():
                continue
            try:
                job.picture = decoder.decode(job.content, job.name, job.budget)
            except Exception as error:
                job.error = str(error) if isinstance(error, BadInputError) else type(error).__name__
            job.content = b""
            self._decoded.put(job)
            del job  # pictures of many megabytes: not kept while idle

    def _work(self) -> None:
        while True:
            batch = [self._decoded.get()]
            while len(batch) < BATCH_PICTURES and not self._decoded.empty():
                batch.append(self._decoded.get())
            jobs = [job for job in batch if job is not None]
            wanted = [job for job in jobs if job.answer.set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted)
            is_over, num_pixels = len(jobs) < len(batch), _num_pixels(jobs)
            del batch, jobs, wanted  # before others may take their room
            self._room.give_back(num_pixels)
            if is_over:
                return

    def _answer(self, jobs: list[_Job]) -> None:
        """Answers the jobs of a batch; if it fails, tries each picture alone."""
        start = monotonic()
        try:
            pictures = [job.picture.rgb for job in jobs if job.picture is not None]
            found = iter(list(self._analyzer.results(pictures)))
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].answer.set_exception(error)
                return
            for job in jobs:
                self._answer([job])
            return
        self._metrics.analysis_seconds.observe(monotonic() - start)
        self._metrics.batch_pictures.observe(len(jobs))
        for job in jobs:
            self._metrics.queue_seconds.observe(start - job.since)
            if job.picture is None:
                result = FrameResult(job.name, error=job.error, reader=self._analyzer.reader)
            else:
                result = _in_full_size(replace(next(found), source=job.name), job.picture)
            self._metrics.write(result)
            job.answer.set_result(result)
