"""Videos of strangers → some of their frames, in a process of its own that can be ended."""

import multiprocessing
import signal
import threading
import warnings
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from PIL import Image

from mien.inference.follow.cuts import mark_cuts
from mien.inference.read.containers import duration_of
from mien.inference.read.pictures import read_pictures
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import VideoSource
from mien.inference.results import FrameResult
from mien.processes import end_with_parent
from mien.serving.decoding import (
    Decoded,
    factor_of,
    limit_memory,
    receive_pixels,
    send_pixels,
    start_process,
)
from mien.serving.settings import Settings

SOURCE = "video"
"""What results and errors call it."""


@dataclass(frozen=True)
class FilmFrame:
    """A frame of a video.

    Attributes:
        result: Its number, time and size, or why it cannot be read; without faces.
        picture: Its pixels, unless it cannot be read.
    """

    result: FrameResult
    picture: Decoded | None


class Film:
    """A process that decodes one video, with a limit of memory; the time is the caller's to limit.

    Attributes:
        duration_seconds: What the file says; None before the first frame, or if it says nothing.
    """

    duration_seconds: float | None = None

    def __init__(self, path: Path, settings: Settings) -> None:
        """Makes a film; its first frame starts the process.

        Args:
            path: The file.
            settings: Which frames, of how many pixels, in how much memory.
        """
        self._path, self._settings = path, settings
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._is_over = False

    def next(self) -> FilmFrame | None:
        """Returns the next frame, or None after the last; waits for it, unless it is closed.

        Of a frame that cannot be read others may follow. The last one may say that the process
        died.
        """
        if self._is_over:
            return None
        try:
            connection = self._started()
            while isinstance(message := connection.recv(), float):
                self.duration_seconds = message
            if message is None:
                return None
            result, shape = message
            if shape is None:
                return FilmFrame(result, None)
            rgb = np.empty(shape, np.uint8)
            receive_pixels(connection, rgb)
            factor = factor_of(result.width, result.height)
            return FilmFrame(result, Decoded(rgb, result.width, result.height, factor))
        except (OSError, EOFError):
            self._is_over = True
            why = f"damaged, or needs more than {self._settings.video_megabytes} MB to decode"
            return FilmFrame(FrameResult(SOURCE, error=f"{SOURCE}: {why}"), None)

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        with self._lock:
            self._is_over = True
            if self._process is not None:
                self._process.kill()
                self._process.join()

    def _started(self) -> Connection:
        with self._lock:
            if self._is_over:
                raise EOFError
            if self._connection is None:
                self._connection, theirs = multiprocessing.Pipe()
                self._process = start_process(_work, theirs, self._path, self._settings)
                theirs.close()
            return self._connection


def _work(connection: Connection, path: Path, settings: Settings) -> None:
    """Gives the duration if there is one, then for each frame its result, its shape and pixels."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    warnings.simplefilter("ignore")  # clients could flood the log
    import av  # noqa: F401 (before memory is counted)

    limit_memory(settings.video_megabytes)
    sampling = Sampling(
        every_seconds=settings.video_step_seconds, end_seconds=settings.max_video_seconds
    )
    with suppress(Exception):  # whatever a file brings about, the end of this process tells it
        duration = duration_of(path)
        if duration is not None:
            connection.send(duration)
        video = VideoSource(path, Path(SOURCE))
        with closing(mark_cuts(read_pictures([video], sampling, 0.0))) as frames:
            for frame in frames:
                _give(connection, _checked(frame, path, settings.max_pixels))
        connection.send(None)


def _checked(frame: FrameResult, path: Path, max_pixels: int) -> FrameResult:
    """Returns a frame that says nothing of where the file was, and is not too large."""
    if frame.rgb is not None and frame.rgb.size > 3 * max_pixels:
        error = f"{SOURCE}: a frame has more than {max_pixels / 1e6:g} megapixels"
        return FrameResult(SOURCE, error=error)
    error = None if frame.error is None else frame.error.replace(str(path), SOURCE)
    return replace(frame, source=SOURCE, error=error)


def _give(connection: Connection, frame: FrameResult) -> None:
    rgb = frame.rgb
    frame = replace(frame, rgb=None)
    if rgb is None:
        connection.send((frame, None))
        return
    if (factor := factor_of(rgb.shape[1], rgb.shape[0])) > 1:
        rgb = np.asarray(Image.fromarray(rgb).reduce(factor))
    connection.send((frame, rgb.shape))
    send_pixels(connection, np.ascontiguousarray(rgb))
