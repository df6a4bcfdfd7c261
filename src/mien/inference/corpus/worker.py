"""A process that reads videos, one after another, and writes the table of each."""

import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from mien.classifier import Precision
from mien.errors import MienError
from mien.inference.analyzer import Analyzer
from mien.inference.corpus.summary import VideoSummarizer, VideoSummary
from mien.inference.face import MIN_CONFIDENCE
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import VideoSource
from mien.inference.read.video import pulse
from mien.inference.results import FrameResult, Reader
from mien.inference.see.detectors import LongestSide
from mien.inference.write.sinks import Table, open_rows
from mien.processes import end_with_parent
from mien.processors import limit_cores

_REPORT_SECONDS = 0.2
_BEAT_SECONDS = 1.0


@dataclass(frozen=True)
class VideoSettings:
    """How the videos of a corpus are read: what decides the numbers in their tables.

    Attributes:
        model, detector, tta, detect_every, detect_size, min_confidence, precision, device: As
            `Analyzer` takes them.
        sampling: Which frames.
        table: The format of the tables.
    """

    model: str = "default"
    detector: str = "retinaface"
    tta: bool = False
    detect_every: int = 1
    detect_size: LongestSide = None
    sampling: Sampling = field(default_factory=Sampling)
    table: Table = "csv"
    min_confidence: float = MIN_CONFIDENCE
    precision: Precision = "auto"
    device: str = "auto"


@dataclass(frozen=True)
class Task:
    """A video to be read, and where its rows go."""

    video: VideoSource
    table: Path


@dataclass(frozen=True)
class Reached:
    """How far in a video a worker is."""

    source: str
    time_seconds: float


@dataclass(frozen=True)
class Finished:
    """The outcome of a video.

    Attributes:
        summary: The summary of its table.
        is_final: Reading it again would give the same result.
    """

    summary: VideoSummary
    is_final: bool = True


Message = Reached | Finished | MienError | None
"""What a worker sends: its place in a video; a video's outcome; an error if it cannot start at all;
or None, a sign of life."""
Send = Callable[[Message], None]


def work(connection: Connection, settings: VideoSettings, num_threads: int) -> None:
    """Reads the video of each task that it receives, until the connection is closed.

    Args:
        connection: Takes a `Task`, and gives `Reached` and None until it gives the task's
            `Finished`; or an error, once.
        settings: How they are read.
        num_threads: Of every library, so that the workers do not crowd each other out.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; who started this ends it
    end_with_parent()
    lock = threading.Lock()

    def send(message: Message) -> None:
        with lock:
            connection.send(message)

    threading.Thread(target=_report_progress, args=(send,), daemon=True).start()
    import cv2

    cv2.setNumThreads(num_threads)
    limit_cores(num_threads)
    try:
        analyzer = Analyzer(
            settings.model,
            settings.detector,
            settings.tta,
            detect_every=settings.detect_every,
            detect_size=settings.detect_size,
            precision=settings.precision,
            device=settings.device,
            min_confidence=settings.min_confidence,
        )
    except MienError as error:
        send(error)
        return
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        send(_read_video(analyzer, task, settings, send))


def write_error(path: Path, table: Table, reader: Reader, source: str, error: str) -> None:
    """Writes a table whose only row is the error for which the video could not be read."""
    path.unlink(missing_ok=True)  # an earlier worker's, which might still write to it
    with open_rows(path, table, reader.labels) as rows:
        rows.write(FrameResult(source, error=error, reader=reader))


def _read_video(analyzer: Analyzer, task: Task, settings: VideoSettings, send: Send) -> Finished:
    name, summarizer, reported = task.video.name, VideoSummarizer(analyzer.labels), 0.0
    is_final = True
    try:
        task.table.unlink(missing_ok=True)  # an earlier worker's, which might still write to it
        with (
            open_rows(task.table, settings.table, analyzer.labels) as rows,
            closing(analyzer.results([task.video], settings.sampling)) as results,
        ):
            for result in results:
                is_final = is_final and not result.is_passing
                rows.write(result)
                summarizer.write(result)
                now = time.monotonic()
                if result.time_seconds is not None and now - reported > _REPORT_SECONDS:
                    send(Reached(name, result.time_seconds))
                    reported = now
    except Exception as error:  # whatever a file brings about, the others are read
        text = f"{name}: {type(error).__name__}: {error}"
        write_error(task.table, settings.table, analyzer.reader, name, text)
        return Finished(VideoSummary(error=text), is_final=False)
    return Finished(summarizer.summary(), is_final)


def _report_progress(send: Send) -> None:
    """Sends a sign of life every second in which a frame was decoded; none while a file stalls."""
    before = pulse.num_frames
    while True:
        time.sleep(_BEAT_SECONDS)
        if pulse.num_frames != before:
            before = pulse.num_frames
            try:
                send(None)
            except OSError:
                return
