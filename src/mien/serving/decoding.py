"""Decodes untrusted pictures in a separate process with limits of time and memory.

The size of a picture does not tell what decoding it costs: a progressive JPEG may take minutes. A
process that exceeds a limit is ended and replaced.
"""

import contextlib
import math
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from mien.errors import BadInputError
from mien.pictures import QUICK_FORMATS, read_picture
from mien.processes import end_with_parent
from mien.serving.settings import Settings

_START_SECONDS = 30.0
_MAX_PIXELS_AT_ONCE = 40_000_000
"""Most decoded pixels in memory, of all clients; a larger picture is decoded on its own."""
MANY_PIXELS = 10_000_000
"""Larger pictures are made smaller by a whole number: detectors see 1280 pixels a side, and what
they find there is still larger than the classifier needs."""


@dataclass
class PixelBudget:
    """The number of pixels that remain to the pictures of one request."""

    left: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, num_pixels: int) -> bool:
        """Returns whether a picture fits into the rest; if so, subtracts it."""
        with self._lock:
            is_within = num_pixels <= self.left
            self.left -= num_pixels * is_within
            return is_within


@dataclass(frozen=True)
class Decoded:
    """A decoded picture.

    Attributes:
        rgb: uint8 `[H, W, 3]`, upright.
        width, height: Its size before it was made smaller, pixels.
        factor: How many times smaller it was made; 1 if it was not.
    """

    rgb: np.ndarray
    width: int
    height: int
    factor: int


class Room:
    """The memory for decoded pictures: `take` waits until a picture fits, or all memory is free."""

    def __init__(self, num_pixels: int = _MAX_PIXELS_AT_ONCE) -> None:
        self._total, self._taken = num_pixels, 0
        self._changed = threading.Condition()

    def take(self, num_pixels: int) -> None:
        """Waits for room for a picture."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._taken or self._taken + num_pixels <= self._total
            )
            self._taken += num_pixels

    def give_back(self, num_pixels: int) -> None:
        """Returns the memory of pictures that were answered."""
        with self._changed:
            self._taken -= num_pixels
            self._changed.notify_all()


@dataclass
class Decoder:
    """Decodes one picture at a time in a process, which is started, and restarted, when needed.

    Attributes:
        settings: Its limits.
        room: The memory that it shares with other decoders.
    """

    settings: Settings
    room: Room
    _process: BaseProcess | None = None
    _connection: Connection | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_closed: bool = False

    def decode(self, content: bytes, name: str, budget: PixelBudget) -> Decoded:
        """Returns a decoded picture. Takes its memory from `room`; the caller gives it back.

        Raises:
            BadInputError: It is no picture, or damaged, or breaks a limit.
        """
        seconds, taken = self.settings.decode_seconds, 0
        try:
            connection = self._started()
            connection.send((content, name))
            reply = _answer(connection, seconds)
            width = height = 0
            if isinstance(reply, tuple):
                width, height = reply
                if not budget.take(width * height):
                    connection.send("refused")
                    _answer(connection, seconds)
                    raise BadInputError(
                        f"{name}: the pictures of one request may have "
                        f"{self.settings.max_pixels / 1e6:g} megapixels together"
                    )
                self.room.take(width * height)
                taken = width * height
                connection.send("go")
                reply = _answer(connection, seconds)
            if isinstance(reply, str):
                raise BadInputError(reply)
            rgb = np.empty(reply, np.uint8)
            receive_pixels(connection, rgb)
            taken = 0
            factor = factor_of(width, height)
            if rgb.shape[:2] != (-(-height // factor), -(-width // factor)):  # it was turned
                width, height = height, width
            return Decoded(rgb, width, height, factor)
        except TimeoutError:
            self.end()
            raise BadInputError(f"{name}: takes longer than {seconds:g} s to decode") from None
        except (OSError, EOFError):
            self.end()
            if self._is_closed:
                raise BadInputError("the service ends") from None
            raise BadInputError(
                f"{name}: damaged, or needs more than {self.settings.decode_megabytes} MB to decode"
            ) from None
        finally:
            if taken:
                self.room.give_back(taken)

    def end(self) -> None:
        """Ends the process, whatever it is doing; the next picture has another."""
        with self._lock:
            process, self._process = self._process, None
            if process is not None:
                process.kill()
                process.join()

    def close(self) -> None:
        """Ends the process for good."""
        self._is_closed = True
        self.end()

    def _started(self) -> Connection:
        with self._lock:
            if self._is_closed:
                raise BadInputError("the service ends")
            fresh = self._process is None or not self._process.is_alive()
            if fresh:
                if self._connection is not None:
                    self._connection.close()
                self._connection, theirs = multiprocessing.Pipe()
                limits = self.settings.decode_megabytes, self.settings.max_pixels
                self._process = start_process(_work, theirs, *limits)
                theirs.close()
        assert self._connection is not None
        if fresh:
            _answer(self._connection, _START_SECONDS)
        return self._connection


def _answer(connection: Connection, seconds: float) -> Any:
    if not connection.poll(seconds):
        raise TimeoutError
    return connection.recv()


def factor_of(width: int, height: int) -> int:
    """Returns by how much a picture of so many pixels is made smaller to be looked at."""
    return max(1, math.ceil(math.sqrt(width * height / MANY_PIXELS)))


def start_process(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Returns a process at work, forked from one that has no threads where that can be.

    Args:
        work: What it does; a function of a module.
        arguments: Of that.
    """
    if sys.platform != "win32":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["mien.serving.decoding", "PIL.Image"])
        process = context.Process(target=work, args=arguments, daemon=True)
        try:
            process.start()
            return process
        except OSError:  # its socket's path is too long where the folder for temporary files is
            pass
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def _work(connection: Connection, megabytes: int, max_pixels: int) -> None:
    """Decodes the pictures that come, until no more can come.

    For each: takes content and name; gives its width and height, and waits to be let go on; gives
    its shape, three numbers, and its bytes. Instead of either, it may give why it cannot be read.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    warnings.simplefilter("ignore")  # clients could flood the log
    from PIL import Image

    Image.init()  # loads all decoders, before any picture's time counts
    limit_memory(megabytes)

    def ask(width: int, height: int) -> int:
        connection.send((width, height))
        if connection.recv() != "go":
            raise BadInputError("refused")
        return factor_of(width, height)

    with contextlib.suppress(EOFError, OSError):
        connection.send("ready")
        while True:
            content, name = connection.recv()
            try:
                rgb = read_picture(content, name, max_pixels, QUICK_FORMATS, ask)
            except BadInputError as error:
                connection.send(str(error))
                continue
            connection.send(rgb.shape)
            send_pixels(connection, rgb)
            del rgb, content


def send_pixels(connection: Connection, rgb: np.ndarray) -> None:
    """Sends a contiguous array's bytes; `receive_pixels` takes them."""
    rest = rgb.data.cast("B")
    if sys.platform == "win32":
        connection.send_bytes(rest)
        return
    while rest:
        rest = rest[os.write(connection.fileno(), rest) :]


def receive_pixels(connection: Connection, rgb: np.ndarray) -> None:
    """Fills an array with what `send_pixels` sends; `Connection` would hold a second copy of it."""
    rest = rgb.data.cast("B")
    if sys.platform == "win32":
        connection.recv_bytes_into(rest)
        return
    while rest:
        count = os.readv(connection.fileno(), [rest])
        if not count:
            raise EOFError
        rest = rest[count:]


def limit_memory(megabytes: int) -> None:
    """Lets this process have so much more than it has now, where the system can."""
    try:
        import resource

        with open("/proc/self/statm") as stream:  # noqa: PTH123 (no file of ours)
            pages = int(stream.read().split()[0])
        limit = pages * resource.getpagesize() + megabytes * 1_000_000
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, OSError, ValueError):
        pass
