"""`POST /v1/video`: a video's file in, a line for each frame that is read out, as it is read."""

import asyncio
import json
import tempfile
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mien.inference.follow.follower import Follower
from mien.inference.results import FrameResult
from mien.serving.batching import Batcher
from mien.serving.film import SOURCE, Film, FilmFrame
from mien.serving.problems import client_left
from mien.serving.service import Service
from mien.serving.settings import Settings
from mien.serving.sockets import departure, first_done
from mien.serving.uploads import save_video

MEDIA_TYPE = "application/x-ndjson"
_NUM_UNDER_WAY = 4  # frames that are decoded and looked at side by side

Lines = AsyncGenerator[dict[str, Any], None]
_Taken = tuple[FilmFrame | None, Future[FrameResult] | None]


async def answer_video(request: Request, service: Service) -> "LinesResponse":
    """Returns the answer to a request whose body is a video, once a frame of it was read.

    Raises:
        HTTPException: The video is refused.
    """
    lines = _read(request, service)
    await anext(lines)  # the body is there: all that can still come of the client is that it leaves

    async def first() -> dict[str, Any]:
        return await anext(lines)

    beginnings = await first_done(first(), departure(request.receive))
    beginning = beginnings[0]
    if beginning is None or len(beginnings) > 1:
        await lines.aclose()
        raise client_left()
    return LinesResponse(beginning, lines, service.settings.idle_seconds)


class LinesResponse(Response):
    """Sends lines of JSON as they come, and lets go of what makes them when the client leaves."""

    media_type = MEDIA_TYPE

    def __init__(self, first: dict[str, Any], rest: Lines, idle_seconds: float) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._first, self._rest, self._idle_seconds = first, rest, idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer, until the client leaves or does not read it any more."""
        async with aclosing(self._rest):
            await first_done(self._send(send), departure(receive))

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

        async def send_part(body: bytes, more: bool = True) -> None:
            async with asyncio.timeout(self._idle_seconds):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        with suppress(TimeoutError):  # it does not read: the connection's own end follows
            await send_part(_line(self._first))
            async for page in self._rest:
                await send_part(_line(page))
            await send_part(b"", more=False)


def _line(page: dict[str, Any]) -> bytes:
    return json.dumps(page, allow_nan=False, separators=(",", ":")).encode() + b"\n"


async def _read(request: Request, service: Service) -> Lines:
    """Yields nothing, once the body is there, then the lines of an answer.

    Closed, it leaves neither file nor process.

    Raises:
        HTTPException: Before the first line: the video is refused.
    """
    settings = service.settings
    address = request.client.host if request.client else ""
    with (
        service.clients.one_more(),  # before the body is read: who is refused need not send it
        service.videos.one_more(address),
        tempfile.TemporaryDirectory(prefix="mien-", ignore_cleanup_errors=True) as folder,
    ):
        path = Path(folder) / SOURCE
        try:
            await save_video(request, settings, path)
        except ClientDisconnect:
            raise client_left() from None
        yield {}
        film = Film(path, settings)
        try:
            async with aclosing(_look(film, service.batcher, settings)) as results:
                async for page in _told(film, results, settings):
                    yield page
        finally:
            film.close()


async def _told(
    film: Film, results: AsyncGenerator[FrameResult, None], settings: Settings
) -> Lines:
    """Yields lines: the beginning, a line per result, the end and why it came too early."""
    follower, head, error = Follower(look_ahead=True), [], None
    try:
        async for result in results:
            if head is not None:
                head.append(result)
                if result.error is not None:
                    continue
                yield {"state": "started", "duration_seconds": film.duration_seconds}
            for each in head or [result]:
                for followed in follower.update(each):
                    yield {"state": "running", **followed.to_dict()}
            head = None
    except TimeoutError:
        error = f"read for {settings.answer_seconds:g} s, which is all that a video gets"
    if head is not None:
        errors = [each.error for each in head if each.error is not None]
        raise HTTPException(422, f"{SOURCE}: {error}" if error else errors[-1])
    for followed in follower.finish():
        yield {"state": "running", **followed.to_dict()}
    duration = film.duration_seconds
    if error is None and duration is not None and duration > settings.max_video_seconds:
        error = f"of a video the first {settings.max_video_seconds:g} s are read"
    yield {"state": "ended", "error": error}


async def _look(
    film: Film, batcher: Batcher, settings: Settings
) -> AsyncGenerator[FrameResult, None]:
    """Yields the frames of a video with their faces, in order.

    Raises:
        TimeoutError: It takes longer than a video may.
    """
    deadline = monotonic() + settings.answer_seconds

    def take() -> _Taken:
        frame = film.next()
        if frame is None or frame.picture is None:
            return frame, None
        return frame, batcher.look(frame.picture, SOURCE)

    under_way: deque[asyncio.Task[FrameResult]] = deque()
    taking = asyncio.create_task(asyncio.to_thread(take))
    try:
        while taking is not None or under_way:
            waited_for = set[asyncio.Task[Any]](list(under_way)[:1])
            if taking is not None and len(under_way) < _NUM_UNDER_WAY:
                waited_for.add(taking)
            async with asyncio.timeout(deadline - monotonic()):
                await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            if taking in waited_for and taking.done():
                frame, answer = taking.result()
                taking = None
                if frame is not None:
                    under_way.append(asyncio.create_task(_finished(frame.result, answer)))
                    taking = asyncio.create_task(asyncio.to_thread(take))
            while under_way and under_way[0].done():
                yield under_way.popleft().result()
    finally:
        for task in [taking, *under_way]:
            if task is not None:
                task.cancel()


async def _finished(frame: FrameResult, answer: Future[FrameResult] | None) -> FrameResult:
    if answer is None:
        return frame
    found = await asyncio.wrap_future(answer)
    return replace(found, frame=frame.frame, time_seconds=frame.time_seconds, is_cut=frame.is_cut)
