"""Reads a request's body, within limits of size and time: pictures in memory, a video in a file."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from mien.serving.settings import Settings

MIN_BYTES_PER_SECOND = 50_000
"""The time limit of a body grows by the time that its bytes need at this rate."""
MAX_EXTRA_SECONDS = 200
"""The most that it grows by, however large the body is."""
FRAMING_BYTES = 64_000
"""Boundaries and names of a multipart body, which do not count as the pictures' bytes."""
FIELD = "file"
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1"}
"""Of a form's names. Python knows many more, and some raise what no parser expects."""
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Upload:
    """One picture as it was sent.

    Attributes:
        name: The file's name, or `picture`.
        content: Its bytes.
    """

    name: str
    content: bytes


class _InMemory(MultiPartParser):
    """Parses a form whose files never touch the disk, and knows whether it was whole."""

    spool_max_size = 0  # no limit, hence no temporary file
    is_whole = False

    def on_end(self) -> None:
        self.is_whole = True


async def read_uploads(request: Request, settings: Settings) -> list[Upload]:
    """Returns the pictures of a request, at least one.

    Raises:
        HTTPException: 400, 408, 413, 415 or 422; the detail says what was expected.
        ClientDisconnect: The client left before it had sent everything.
    """
    if _media_type(request) == "multipart/form-data":
        return await _read_form(request, settings)
    chunks = [chunk async for chunk in _body(request, settings, settings.max_bytes)]
    return [Upload("picture", b"".join(chunks))]


async def save_video(request: Request, settings: Settings, path: Path) -> None:
    """Writes the body of a request, one video, to a file.

    Raises:
        HTTPException: 408, 413 or 415: what the body is, and what was expected.
        ClientDisconnect: The client left before it had sent everything.
    """
    if _media_type(request) == "multipart/form-data":
        raise HTTPException(415, "expected the bytes of one video as the body, not a form")
    with path.open("wb") as file:
        async for part in _body(request, settings, settings.max_video_bytes):
            await asyncio.to_thread(file.write, part)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _body(
    request: Request, settings: Settings, max_bytes: int, framing_bytes: int = 0
) -> AsyncGenerator[bytes, None]:
    """Yields the body's parts while it keeps to the limits."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "send the body as it is, without a Content-Encoding")
    too_large = HTTPException(413, f"at most {max_bytes:,} bytes in one request")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes + framing_bytes:
        raise too_large
    start, received, parts = monotonic(), 0, request.stream()
    while True:
        extra = min(received / MIN_BYTES_PER_SECOND, MAX_EXTRA_SECONDS)
        until = start + settings.body_seconds + extra
        try:
            async with asyncio.timeout(until - monotonic()):
                part = await anext(parts, None)
        except TimeoutError:
            detail = "the body did not come in time; is the connection too slow?"
            raise HTTPException(408, detail, {"Connection": "close"}) from None
        if part is None:
            return
        received += len(part)
        if received > max_bytes + framing_bytes:
            raise too_large
        yield part


async def _read_form(request: Request, settings: Settings) -> list[Upload]:
    async def whole_body() -> AsyncGenerator[bytes, None]:
        async for part in _body(request, settings, settings.max_bytes, FRAMING_BYTES):
            yield part
        if not parser.is_whole:  # its last file would be left out in silence
            raise HTTPException(400, "the form ends before its last boundary")

    charset = _CHARSET.search(request.headers.get("content-type", ""))
    if charset and charset[1].lower() not in _CHARSETS:
        raise HTTPException(415, "expected a form in UTF-8")
    parser = _InMemory(
        request.headers,
        whole_body(),
        max_files=settings.max_files,
        max_fields=settings.max_files,
        max_part_size=FRAMING_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the form cannot be read: {error.message}") from error
    try:
        files = [value for name, value in form.multi_items() if name == FIELD]
        if not files or len(files) < len(form.multi_items()):
            raise HTTPException(422, f"expected pictures in the field {FIELD!r}, and no other")
        uploads = []
        for file in files:
            if not isinstance(file, UploadFile):
                raise HTTPException(422, f"expected files in the field {FIELD!r}, got text")
            uploads.append(Upload(file.filename or "picture", await file.read()))
        return uploads
    finally:
        await form.close()
