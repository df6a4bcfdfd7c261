"""The live mode: analyses one camera of the server and sends it to every page that is open."""

import asyncio
import io
import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from mien.errors import BadInputError, MienError
from mien.inference import Analyzer, FrameResult
from mien.inference.follow.follower import Follower
from mien.inference.hiding import FaceHider, Hiding
from mien.inference.read.camera import Camera, Lost, watch
from mien.inference.read.overlap import Handover
from mien.inference.write.sinks import Sink
from mien.pictures import resize
from mien.serving.sockets import accept, departure, first_done

MAX_WIDTH = 1280
"""Wider frames are shrunk before they are sent to the page, pixels."""

_JPEG_QUALITY = 80
_CLOSING_SECONDS = 5.0  # for the frame under way; a silent camera is not waited for


@dataclass(frozen=True)
class _News:
    """The latest messages to viewers; both texts are JSON."""

    frame: tuple[str, bytes] | None = None  # the last one, and its picture as JPEG
    notice: str | None = None  # since then: the camera dropped or its file ended


class LiveCamera:
    """Reads a camera in one thread, analyses its frames in another, and sends results to viewers.

    If frames come faster than they are analysed, only the latest is.

    Attributes:
        name: The camera's name for people, without passwords.
        sinks: Receive each result with its pixels, and an error each time the camera drops. Add to
            them before `start`.
    """

    def __init__(
        self,
        camera: Camera,
        analyzer: Analyzer,
        say: Callable[[str], None] = lambda message: None,
        hide: Hiding | None = None,
    ) -> None:
        """Opens the camera and waits for its first frame.

        Args:
            camera: Which.
            analyzer: Analyses its frames; nothing else may use its detector meanwhile.
            say: Called with messages for people, such as that the camera was lost.
            hide: How faces are made unrecognisable before a frame is sent; None shows them.

        Raises:
            MissingError: It cannot be opened.
            BadInputError: It gives no pictures.
        """
        self.name = camera.name
        self.sinks: list[Sink] = []
        self._camera, self._analyzer, self._say = camera, analyzer, say
        self._hider = None if hide is None else FaceHider(hide)
        self._stop = threading.Event()
        self._handover: Handover[FrameResult | Lost] = Handover()
        self._news = _News()
        self._viewers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()  # around the two above
        # Threads of both are daemons: nothing can interrupt a read from a silent camera.
        self._worker = threading.Thread(target=self._work, name="mien-live", daemon=True)
        items = watch(camera, self._stop)
        threading.Thread(
            target=self._handover.fill, args=(items,), name="mien-camera", daemon=True
        ).start()
        if not self._handover.has_come():
            raise BadInputError(f"{self.name}: has no frame")

    def start(self) -> None:
        """Begins to read expressions."""
        self._worker.start()

    def close(self) -> None:
        """Ends at once; what was read is in the sinks."""
        self._stop.set()
        self._handover.leave()
        if self._worker.is_alive():
            self._worker.join(_CLOSING_SECONDS)

    async def stream(self, websocket: WebSocket) -> None:
        """Accepts the handshake and sends each new frame, until the other side leaves.

        A slow client misses frames.
        """
        await accept(websocket)
        event = asyncio.Event()
        with self._lock:
            self._viewers[event] = asyncio.get_running_loop()
        try:
            with suppress(WebSocketDisconnect):  # it left in the middle of a frame
                await first_done(self._send(websocket, event), departure(websocket.receive))
        finally:
            with self._lock:
                del self._viewers[event]

    async def _send(self, websocket: WebSocket, event: asyncio.Event) -> None:
        sent = _News()
        while True:
            event.clear()
            with self._lock:
                news = self._news
            if news.frame is not None and news.frame is not sent.frame:
                await websocket.send_text(news.frame[0])
                await websocket.send_bytes(news.frame[1])
            if news.notice is not None and news.notice is not sent.notice:
                await websocket.send_text(news.notice)
            sent = news
            await event.wait()

    def _items(self) -> Iterator[FrameResult | Lost]:
        """Yields frames and losses; of a file that is damaged, a last loss."""
        try:
            while (taken := self._handover.take()) is not None:
                yield taken[0]
                del taken  # a frame is large
        except MienError as error:
            yield Lost(str(error), math.inf)

    def _work(self) -> None:
        follower = Follower()
        error: str | None = None
        try:
            for item in self._items():
                if self._stop.is_set():
                    return
                if isinstance(item, FrameResult):
                    self._read(item, follower)
                    continue
                error = item.error
                self._write(FrameResult(self.name, error=error, reader=self._analyzer.reader))
                follower.interrupt()
                if self._camera.ends:
                    self._say(error)
                    return
                self._say(f"{error}; trying again in {item.pause_seconds:g} s")
                self._publish(None, {"state": "reconnecting", "error": error})
            if not self._stop.is_set():
                self._say(f"{self.name}: the file has ended; Ctrl-C stops")
        except (MienError, OSError) as problem:  # a sink cannot be written to, mostly
            error = str(problem)
            self._say(f"reading expressions has ended: {error}")
        except BaseException:
            error = "an unexpected error; what the server printed tells more"
            raise
        finally:
            if not self._stop.is_set():
                self._publish(None, {"state": "ended", "error": error})

    def _read(self, frame: FrameResult, follower: Follower) -> None:
        """Reads the expressions in a frame, and tells everybody."""
        (result,) = follower.update(self._analyzer.look(frame))
        self._write(result)
        text = json.dumps({**result.to_dict(), "state": "running"}, allow_nan=False)
        shown = result if self._hider is None else self._hider.hide(result)
        assert shown.rgb is not None
        self._publish((text, _jpeg(shown.rgb)), None)

    def _write(self, result: FrameResult) -> None:
        for sink in self.sinks:
            sink.write(result)

    def _publish(
        self, frame: tuple[str, bytes] | None, notice: dict[str, str | None] | None
    ) -> None:
        text = None if notice is None else json.dumps(notice)
        with self._lock:
            self._news = _News(frame or self._news.frame, text)
            for event, loop in self._viewers.items():
                loop.call_soon_threadsafe(event.set)


def _jpeg(rgb: np.ndarray) -> bytes:
    from PIL import Image

    height, width = rgb.shape[:2]
    if width > MAX_WIDTH:
        rgb = resize(rgb, max(1, round(height * MAX_WIDTH / width)), MAX_WIDTH)
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()
