"""One camera of the server's, read and shown to everybody who looks at the page."""

import asyncio
import io
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from mien.errors import BadInputError, MienError
from mien.inference import Analyzer, FrameResult
from mien.inference.camera import Camera, Lost, watch
from mien.inference.sinks import Sink
from mien.inference.video import VideoFrame
from mien.pictures import resize
from mien.serving.following import LiveFollowing
from mien.serving.security import SUBPROTOCOL

MAX_WIDTH = 1280
"""Wider frames are shrunk before they are sent to the page, pixels."""

_JPEG_QUALITY = 80
_CLOSING_SECONDS = 5.0  # for the frame under way; a silent camera is not waited for


@dataclass(frozen=True)
class _News:
    """What is sent to those who look on; both texts are JSON."""

    frame: tuple[str, bytes] | None = None  # the last one, and its picture as JPEG
    notice: str | None = None  # since then: the camera dropped or its file ended


class LiveCamera:
    """Reads a camera in one thread, its expressions in another, and tells whoever looks on.

    When frames come faster than they are read, the latest wins.

    Attributes:
        name: What people are shown: without passwords.
        sinks: Are given each result and its frame, and an error each time the camera drops; add
            to them before the start.
    """

    def __init__(
        self,
        camera: Camera,
        analyzer: Analyzer,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Opens the camera and waits for its first frame.

        Args:
            camera: Which.
            analyzer: What reads its frames; nobody else may use its detector meanwhile.
            say: Is told, for people, what becomes of the camera.

        Raises:
            MissingError: It cannot be opened.
            BadInputError: It gives no pictures.
        """
        self.name = camera.name
        self.sinks: list[Sink] = []
        self._camera, self._analyzer, self._say = camera, analyzer, say
        self._stop = threading.Event()
        self._slot = _Slot()
        self._news = _News()
        self._lookers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()  # around the two above
        # Threads of both are daemons: nothing can interrupt a read from a silent camera.
        self._worker = threading.Thread(target=self._work, name="mien-live", daemon=True)
        opening: Future[None] = Future()
        threading.Thread(
            target=self._read, args=(opening,), name="mien-camera", daemon=True
        ).start()
        opening.result()

    def start(self) -> None:
        """Begins to read expressions."""
        self._worker.start()

    def close(self) -> None:
        """Ends at once; what was read is in the sinks."""
        self._stop.set()
        self._slot.end()
        if self._worker.is_alive():
            self._worker.join(_CLOSING_SECONDS)

    async def stream(self, websocket: WebSocket) -> None:
        """Accepts the handshake and sends each new frame, until the other side leaves.

        Frames that the other side is too slow for are passed over.
        """
        offered = SUBPROTOCOL in websocket.scope.get("subprotocols", [])
        await websocket.accept(SUBPROTOCOL if offered else None)
        event = asyncio.Event()
        with self._lock:
            self._lookers[event] = asyncio.get_running_loop()
        sending = asyncio.create_task(self._send(websocket, event))
        leaving = asyncio.create_task(_departure(websocket))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                with suppress(WebSocketDisconnect):  # it left in the middle of a frame
                    sending.result()
        finally:
            with self._lock:
                del self._lookers[event]
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

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

    def _read(self, opening: Future[None]) -> None:
        """Lays frames and losses down; `opening` is done with the first one, or fails instead."""
        try:
            for item in watch(self._camera, self._stop):
                self._slot.put(item)
                if not opening.done():
                    opening.set_result(None)
                if isinstance(item, Lost):
                    self._say(f"{item.error}; trying again in {item.pause_seconds:g} s")
            if not opening.done():
                raise BadInputError(f"{self.name}: has no frame")
            if not self._stop.is_set():
                self._say(f"{self.name}: the file has ended; Ctrl-C stops")
        except BaseException as error:
            if not opening.done():
                opening.set_exception(error)
                return
            if not isinstance(error, MienError):
                raise
            self._slot.put(Lost(str(error), float("inf")))  # a damaged file: there is no more
            self._say(str(error))
        finally:
            self._slot.end()

    def _work(self) -> None:
        following = LiveFollowing()
        error: str | None = None
        try:
            for item in self._slot.items():
                if self._stop.is_set():
                    return
                if isinstance(item, Lost):
                    error = item.error
                    self._write(FrameResult(self.name, error=error), None)
                    following.interrupt()
                    if self._camera.ends:
                        break
                    self._publish(None, {"state": "reconnecting", "error": error})
                    continue
                result = self._result(item, following)
                self._write(result, item.rgb)
                text = json.dumps({**result.to_json(), "state": "running"}, allow_nan=False)
                self._publish((text, _jpeg(item.rgb)), None)
        except (MienError, OSError) as problem:  # a sink cannot be written to, mostly
            error = str(problem)
            self._say(f"reading expressions has ended: {error}")
        except BaseException:
            error = "an unexpected error; what the server printed tells more"
            raise
        finally:
            if not self._stop.is_set():
                self._publish(None, {"state": "ended", "error": error})

    def _result(self, frame: VideoFrame, following: LiveFollowing) -> FrameResult:
        height, width = frame.rgb.shape[:2]
        return following.follow(
            FrameResult(
                self.name,
                width,
                height,
                tuple(self._analyzer(frame.rgb)),
                frame=frame.index,
                time_seconds=frame.time_seconds,
            )
        )

    def _write(self, result: FrameResult, rgb: np.ndarray | None) -> None:
        for sink in self.sinks:
            sink.write(result, rgb)

    def _publish(
        self, frame: tuple[str, bytes] | None, notice: dict[str, str | None] | None
    ) -> None:
        text = None if notice is None else json.dumps(notice)
        with self._lock:
            self._news = _News(frame or self._news.frame, text)
            for event, loop in self._lookers.items():
                loop.call_soon_threadsafe(event.set)


class _Slot:
    """What waits between two threads: of frames in a row the latest, and every loss between."""

    def __init__(self) -> None:
        self._waiting: deque[VideoFrame | Lost] = deque()
        self._ended = False
        self._changed = threading.Condition()

    def put(self, item: VideoFrame | Lost) -> None:
        with self._changed:
            if self._waiting and type(self._waiting[-1]) is type(item):
                self._waiting.pop()
            self._waiting.append(item)
            self._changed.notify()

    def end(self) -> None:
        """Lets `items` end after what waits now."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def items(self) -> Iterator[VideoFrame | Lost]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                item = self._waiting.popleft()
            yield item


async def _departure(websocket: WebSocket) -> None:
    """Returns when the other side has left; what it says is ignored."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def _jpeg(rgb: np.ndarray) -> bytes:
    from PIL import Image

    height, width = rgb.shape[:2]
    if width > MAX_WIDTH:
        rgb = resize(rgb, max(1, round(height * MAX_WIDTH / width)), MAX_WIDTH)
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()
