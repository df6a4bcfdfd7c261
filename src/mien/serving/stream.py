"""`WS /v1/stream`: frames in, faces out; the latest frame wins."""

import asyncio
import logging
from dataclasses import replace
from time import monotonic

from starlette.websockets import WebSocket, WebSocketDisconnect

from mien.inference.follow.follower import Follower
from mien.serving.batching import Batcher
from mien.serving.metrics import Metrics
from mien.serving.settings import Settings
from mien.serving.sockets import accept, first_done

SOURCE = "stream"
_GOING_AWAY, _NOT_BINARY, _TOO_BIG, _INTERNAL = 1001, 1003, 1009, 1011  # RFC 6455, section 7.4.1
_log = logging.getLogger("mien.serving")


_Frame = tuple[int, float, bytes]
"""A frame that came: its number, its time in seconds from the first, its bytes."""


async def serve_stream(
    websocket: WebSocket, batcher: Batcher, settings: Settings, metrics: Metrics
) -> None:
    """Accepts the handshake and answers frames until the client leaves or misbehaves."""
    await accept(websocket)
    newest: asyncio.Queue[_Frame] = asyncio.Queue(1)
    with metrics.open_streams.track_inprogress():
        codes = await first_done(
            _receive(websocket, newest, settings, metrics),
            _answer(websocket, newest, batcher, settings),
        )
    code = next((code for code in codes if code is not None), None)
    if code is not None:
        await websocket.close(code)


async def _receive(
    websocket: WebSocket, newest: asyncio.Queue[_Frame], settings: Settings, metrics: Metrics
) -> int | None:
    """Receives frames until the stream must close; returns the close code, None if it is closed."""
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
        if newest.full():  # the one that waits has to go for it
            newest.get_nowait()
            metrics.dropped_frames.inc()
        newest.put_nowait((index, now - start, content))
        index += 1


async def _answer(
    websocket: WebSocket, newest: asyncio.Queue[_Frame], batcher: Batcher, settings: Settings
) -> int | None:
    """Answers the newest frame in a loop; returns a close code as `_receive` does.

    While an answer cannot be sent because the client does not read, newer frames replace the
    waiting one, so no queue builds up.
    """
    follower, last_index = Follower(), -1
    while True:
        index, time_seconds, content = await newest.get()
        num_passed_over, last_index = index - last_index - 1, index
        answer = batcher.submit(content, f"frame {index}")
        try:
            result = await asyncio.wrap_future(answer)
        except Exception as error:  # the log learns its kind, not what it says of the picture
            _log.error("%s while answering a frame", type(error).__name__)
            return _INTERNAL
        (result,) = follower.update(
            replace(result, source=SOURCE, frame=index, time_seconds=time_seconds)
        )
        page = result.to_dict() | {"dropped": num_passed_over}
        try:
            async with asyncio.timeout(settings.idle_seconds):
                await websocket.send_json(page)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            # It does not read, or has left, or the server has closed it: uvicorn's RuntimeError.
            return None
