"""Pictures of all clients → results: a worker thread that looks at what waits, together."""

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from time import monotonic

import numpy as np

from mien.errors import MienError
from mien.inference.analyzer import Analyzer
from mien.inference.detection import Detection, Detector
from mien.inference.results import FrameResult
from mien.pictures import read_picture
from mien.serving.metrics import Metrics
from mien.serving.settings import Settings

BATCH_PICTURES = 16
"""Taken together at most: with more, the first would wait long for the last."""


@dataclass(frozen=True)
class _Job:
    name: str
    content: bytes
    answer: Future[FrameResult] = field(default_factory=Future)
    since: float = field(default_factory=monotonic)


@dataclass(frozen=True)
class _MostCertain:
    """A detector whose faces beyond a number are left out."""

    detector: Detector
    max_faces: int

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        return self.detector.detect(rgb)[: self.max_faces]


class Batcher:
    """Decodes, detects and classifies off the event loop.

    A batch is whatever came while the one before was at work, so nothing waits for company; the
    faces of its pictures are classified in one go. There is one worker: ONNX Runtime spreads each
    step over all cores by itself, and a second worker would only share them, and hold a second
    batch of pictures in memory.
    """

    def __init__(self, analyzer: Analyzer, settings: Settings, metrics: Metrics) -> None:
        """Makes a batcher; `start` sets it to work.

        Args:
            analyzer: What looks at the pictures.
            settings: Limits of pixels and faces.
            metrics: Counts the work.
        """
        detector = _MostCertain(analyzer.detector, settings.max_faces)
        self._analyzer = Analyzer(analyzer.classifier, detector, analyzer.tta)
        self._max_pixels, self._metrics = settings.max_pixels, metrics
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # None: no more come
        self._thread = threading.Thread(target=self._work, name="mien-batches", daemon=True)
        metrics.queue_length.set_function(self._queue.qsize)

    @property
    def is_working(self) -> bool:
        """Whether pictures are taken."""
        return self._thread.is_alive()

    @property
    def num_waiting(self) -> int:
        """How many pictures wait, the batch at work not counted."""
        return self._queue.qsize()

    def start(self) -> None:
        """Sets the worker to work."""
        self._thread.start()

    def close(self) -> None:
        """Ends the worker when everything that waits has been answered."""
        self._queue.put(None)
        self._thread.join()

    def submit(self, content: bytes, name: str) -> Future[FrameResult]:
        """Returns the result to come of a picture; cancelled in time, the work is not done.

        Args:
            content: The bytes of a picture file. One that cannot be read has a result with an
                error.
            name: What the result and its error call it.
        """
        job = _Job(name, content)
        self._queue.put(job)
        return job.answer

    def _work(self) -> None:
        while True:
            batch = [self._queue.get()]
            while len(batch) < BATCH_PICTURES and not self._queue.empty():
                batch.append(self._queue.get())
            jobs = [job for job in batch if job is not None]
            wanted = [job for job in jobs if job.answer.set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted)
            if len(jobs) < len(batch):
                return
            del batch, jobs, wanted  # pictures of many megabytes: not kept while idle

    def _answer(self, jobs: list[_Job]) -> None:
        """Answers each job; where a batch fails, each picture alone, to fail alone."""
        start = monotonic()
        try:
            results = self._results(jobs)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].answer.set_exception(error)
                return
            for job in jobs:
                self._answer([job])
            return
        self._metrics.analysis_seconds.observe(monotonic() - start)
        self._metrics.batch_pictures.observe(len(jobs))
        for job, result in zip(jobs, results, strict=True):
            self._metrics.queue_seconds.observe(start - job.since)
            self._metrics.pictures.labels("unread" if result.error else "read").inc()
            self._metrics.faces.inc(len(result.faces))
            job.answer.set_result(result)

    def _results(self, jobs: list[_Job]) -> list[FrameResult]:
        errors: dict[int, str] = {}

        def pictures() -> Iterator[np.ndarray]:
            for index, job in enumerate(jobs):
                try:
                    yield read_picture(job.content, job.name, self._max_pixels)
                except MienError as error:
                    errors[index] = str(error)

        read = iter(list(self._analyzer.results(pictures())))
        return [
            FrameResult(job.name, error=errors[index])
            if index in errors
            else replace(next(read), source=job.name)
            for index, job in enumerate(jobs)
        ]
