"""`WS /v1/stream`: frames in, faces out; the latest frame wins."""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from time import monotonic

from starlette.websockets import WebSocket, WebSocketDisconnect

from mien.serving.batching import Batcher
from mien.serving.following import LiveFollowing
from mien.serving.metrics import Metrics
from mien.serving.security import SUBPROTOCOL
from mien.serving.settings import Settings

SOURCE = "stream"
_GOING_AWAY, _NOT_BINARY, _TOO_BIG, _INTERNAL = 1001, 1003, 1009, 1011  # RFC 6455, section 7.4.1
_log = logging.getLogger("mien.serving")


@dataclass(frozen=True)
class _Frame:
    """A frame that came: its number, its time in seconds from the first, its bytes."""

    index: int
    time_seconds: float
    content: bytes


@dataclass
class _Latest:
    """Where the newest frame waits; it takes the place of one that waits already."""

    frame: _Frame | None = None
    num_passed_over: int = 0
    has_come: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: _Frame) -> bool:
        """Lays a frame down; returns whether another had to go for it."""
        replaces = self.frame is not None
        self.num_passed_over += replaces
        self.frame = frame
        self.has_come.set()
        return replaces

    async def take(self) -> tuple[_Frame, int]:
        """Returns the newest frame, once there is one, and how many were passed over for it."""
        await self.has_come.wait()
        assert self.frame is not None
        taken = self.frame, self.num_passed_over
        self.frame, self.num_passed_over = None, 0
        self.has_come.clear()
        return taken


async def serve_stream(
    websocket: WebSocket, batcher: Batcher, settings: Settings, metrics: Metrics
) -> None:
    """Accepts the handshake and answers frames until the client leaves or misbehaves."""
    offered = SUBPROTOCOL in websocket.scope.get("subprotocols", [])
    await websocket.accept(SUBPROTOCOL if offered else None)
    latest = _Latest()
    tasks = [
        asyncio.create_task(_receive(websocket, latest, settings, metrics)),
        asyncio.create_task(_answer(websocket, latest, batcher, settings)),
    ]
    with metrics.open_streams.track_inprogress():
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    code = next((code for code in (task.result() for task in done) if code is not None), None)
    if code is not None:
        await websocket.close(code)


async def _receive(
    websocket: WebSocket, latest: _Latest, settings: Settings, metrics: Metrics
) -> int | None:
    """Takes frames until there is a reason to close, and returns its code; None: it is closed."""
    start: float | None = None
    index = 0
    while True:
        try:
            async with asyncio.timeout(settings.idle_seconds):
                message = await websocket.receive()
        except TimeoutError:
            return _GOING_AWAY
        if message["type"] == "websocket.disconnect":
            return None
        content = message.get("bytes")
        if content is None:
            return _NOT_BINARY
        if len(content) > settings.max_bytes:
            return _TOO_BIG
        now = monotonic()
        start = now if start is None else start
        if latest.put(_Frame(index, now - start, content)):
            metrics.dropped_frames.inc()
        index += 1


async def _answer(
    websocket: WebSocket, latest: _Latest, batcher: Batcher, settings: Settings
) -> int | None:
    """Answers the newest frame, again and again; returns like `_receive`.

    While an answer cannot be sent, because the client does not read, newer frames replace the one
    that waits: nothing queues.
    """
    following = LiveFollowing()
    while True:
        frame, num_passed_over = await latest.take()
        answer = batcher.submit(frame.content, f"frame {frame.index}")
        try:
            result = await asyncio.wrap_future(answer)
        except Exception as error:  # the log learns its kind, not what it says of the picture
            _log.error("%s while answering a frame", type(error).__name__)
            return _INTERNAL
        result = following.follow(
            replace(result, source=SOURCE, frame=frame.index, time_seconds=frame.time_seconds)
        )
        page = result.to_json() | {"dropped": num_passed_over}
        try:
            async with asyncio.timeout(settings.idle_seconds):
                await websocket.send_json(page)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            # It does not read, or has left, or the server has closed it: uvicorn's RuntimeError.
            return None
