"""Live cameras: a device of this machine, a network stream, a file at its own pace → frames."""

import gc
import re
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mien.errors import BadInputError, MienError, MissingError, UsageError
from mien.inference.read.video import read_frames
from mien.inference.results import FrameResult

SCHEMES = ("rtsp", "rtsps", "http", "https")
"""The kinds of addresses that network cameras have."""
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.5, 10.0
"""How long a camera that dropped is left alone before it is tried again; doubled each time."""

_OPEN_SECONDS, _READ_SECONDS = 10.0, 10.0
# Not "file": a playlist from the network must not open files of this machine.
_PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto,udp,rtp,srtp,rtsp,rtsps"
_STREAM_OPTIONS = {
    "protocol_whitelist": _PROTOCOLS,
    "rtsp_transport": "tcp",
    "probesize": "500000",  # bytes and microseconds that FFmpeg looks ahead before the first frame
    "analyzeduration": "1000000",
}


@dataclass(frozen=True)
class Camera:
    """Where live frames come from.

    Attributes:
        name: What people are shown; the address of a network camera without what may be secret.
        location: The number of a device, a file, or an address, which may hold a password.
    """

    name: str
    location: int | Path | str = field(repr=False)

    @property
    def ends(self) -> bool:
        """Whether its frames come to an end: those of a file do."""
        return isinstance(self.location, Path)


@dataclass(frozen=True)
class Lost:
    """A camera gave no more frames, or could not be opened again.

    Attributes:
        error: Why.
        pause_seconds: After which time it is tried again.
    """

    error: str
    pause_seconds: float


def find_camera(text: str) -> Camera:
    """Returns the camera that is meant by `0` (a device), a file, or an address like `rtsp://…`.

    Nothing is opened yet.

    Raises:
        UsageError: It is an address of another kind.
    """
    if re.fullmatch(r"[0-9]{1,4}", text):
        return Camera(f"camera {int(text)}", int(text))
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Camera(text, Path(text))
    if scheme.lower() not in SCHEMES:
        known = ", ".join(f"{known}://…" for known in SCHEMES)
        raise UsageError(f"{public_name(text)}: expected a device's number, a file, {known}")
    return Camera(public_name(text), text)


def public_name(url: str) -> str:
    """Returns an address without user, password, and what follows `?`, `#`, `;`, `=` or `&`.

    Some cameras take their password in the query, or as part of the path.
    """
    scheme, _, rest = url.partition("://")
    authority, path = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in path:  # may belong to a password that has a / in it
        return f"{scheme}://…"
    host = authority.rpartition("@")[2]
    shown = re.split(r"[?#;=&]", path, maxsplit=1)[0]
    return f"{scheme}://{host}{shown}" + ("" if shown == path else "…")


def watch(camera: Camera, stop: threading.Event) -> Iterator[FrameResult | Lost]:
    """Yields frames as they come, and a `Lost` each time the camera drops; then tries again.

    A file's frames come at its own pace, with its own times, and end. The times of other frames
    count from the first one's arrival, also after a drop.

    Args:
        camera: Which.
        stop: Set from another thread, ends the iterator soon, but not while a camera is silent:
            that takes up to 10 s.

    Raises:
        MissingError: The camera cannot be opened at the start; later, that is a `Lost`.
        BadInputError: It gives no readable pictures at the start; or a file is damaged.
    """
    if isinstance(camera.location, Path):
        yield from _paced(camera.name, camera.location, stop)
        return
    began: float | None = None
    index, pause = 0, FIRST_PAUSE_SECONDS
    while not stop.is_set():
        try:
            with closing(_open(camera)) as pictures:
                for rgb in pictures:
                    if stop.is_set():
                        return
                    now = time.monotonic()
                    began = now if began is None else began
                    yield FrameResult.of_pixels(camera.name, rgb, index, now - began)
                    index, pause = index + 1, FIRST_PAUSE_SECONDS
        except MienError as error:
            if began is None:
                raise
            yield Lost(str(error), pause)
        stop.wait(pause)
        pause = min(2 * pause, LAST_PAUSE_SECONDS)


def _paced(name: str, path: Path, stop: threading.Event) -> Iterator[FrameResult]:
    began: float | None = None
    with closing(read_frames(path)) as frames:  # type: ignore[type-var]
        for frame in frames:
            if frame.time_seconds is None:  # what is damaged is passed over
                continue
            now = time.monotonic()
            began = now - frame.time_seconds if began is None else began
            if stop.wait(max(0.0, began + frame.time_seconds - now)):
                return
            yield replace(frame, source=name)


def _open(camera: Camera) -> Generator[np.ndarray, None, None]:
    """Returns an iterator over RGB pictures; it ends with an error, never by itself."""
    if isinstance(camera.location, int):
        return _device_pictures(camera.name, camera.location)
    return _stream_pictures(camera.name, str(camera.location))


def _device_pictures(name: str, number: int) -> Generator[np.ndarray, None, None]:
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # errors are ours to tell
    capture = cv2.VideoCapture(number)
    try:
        if not capture.isOpened():
            raise MissingError(f"{name}: {_why_closed(number)}")
        while True:
            good, bgr = capture.read()
            if not good:
                raise BadInputError(f"{name}: gives no more pictures")
            yield cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


def _why_closed(number: int) -> str:
    if sys.platform == "linux" and not Path(f"/dev/video{number}").exists():
        found = sorted(int(p.name[5:]) for p in Path("/dev").glob("video*") if p.name[5:].isdigit())
        there = ", ".join(map(str, found)) or "none"
        return f"there is no such camera (/dev/video{number}); on this machine: {there}"
    return "cannot be opened: missing, in use by another program, or not permitted"


def _stream_pictures(name: str, url: str) -> Generator[np.ndarray, None, None]:
    import av
    from av.error import FFmpegError, InvalidDataError

    # FFmpeg's errors hold the whole address: neither their text nor they themselves go further.
    try:
        timeout = (_OPEN_SECONDS, _READ_SECONDS)
        container = av.open(url, "r", options=_STREAM_OPTIONS, timeout=timeout)
    except (FFmpegError, OSError, ValueError) as error:
        raise MissingError(f"{name}: cannot be opened: {_reason(error)}") from None
    problem = "the stream ended"
    try:
        video = container.streams.best("video")
        if video is None:
            raise BadInputError(f"{name}: has no video stream")
        for packet in container.demux(video):
            try:
                frames = packet.decode()
            except InvalidDataError:  # after a lost packet; the next key frame mends it
                continue
            for frame in frames:
                if isinstance(frame, av.VideoFrame) and not frame.is_corrupt:
                    yield frame.to_ndarray(format="rgb24")
    except (FFmpegError, OSError, ValueError) as error:
        problem = _reason(error)
    finally:
        container.close()
        del container
        gc.collect()  # PyAV's objects refer to each other; see read_frames
    raise BadInputError(f"{name}: dropped: {problem}")


def _reason(error: Exception) -> str:
    from av.error import ExitError

    if isinstance(error, ExitError):  # how PyAV's timeout shows
        return "no answer"
    return getattr(error, "strerror", None) or type(error).__name__
