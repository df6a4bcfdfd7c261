"""uvicorn's protocols, with a limit on connections and time-outs, which they lack.

Three rules, which need no state of HTTP: a connection without a request under way is closed after
`IDLE_SECONDS`, whatever it sends; one with a request is closed after `REQUEST_SECONDS`, whatever it
reads; beyond `max_connections()`, the connection that has been idle longest is closed.
"""

import asyncio
import contextlib
from collections.abc import MutableMapping
from time import monotonic
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from mien.serving.problems import ProblemResponse
from mien.serving.security import HEADERS

IDLE_SECONDS = 10.0
"""How long a connection may be open without a complete request or a pending answer."""
REQUEST_SECONDS = 400.0
"""How long a request may take in all; the application's own limits of body and answer are less."""
MAX_CONNECTIONS = 512
"""The most open connections; fewer if the process may not open twice as many files."""
MAX_UNREAD_BYTES = 2_000_000
"""A WebSocket is closed if its client leaves more than this unread."""


def max_connections() -> int:
    """Returns how many connections may be open: half of the files that the process may open."""
    try:
        import resource
    except ImportError:  # Windows
        return MAX_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files < 0 else min(MAX_CONNECTIONS, files // 2)


class _Watched:
    """What both protocols have in common; `connections` is the server's set of all of them."""

    connections: set[Any]
    transport: asyncio.Transport
    _seen_request: object = None
    _was_at_work = False
    _since = 0.0

    def latest_request(self) -> object:
        """Returns an object that changes with every new request."""
        return None

    def is_at_work(self) -> bool:
        raise NotImplementedError

    def is_overdue(self) -> bool:
        """Returns whether a time-out has passed; must be called regularly."""
        request, at_work, now = self.latest_request(), self.is_at_work(), monotonic()
        if not self._since or request is not self._seen_request or at_work != self._was_at_work:
            self._seen_request, self._was_at_work, self._since = request, at_work, now
        return now - self._since > (REQUEST_SECONDS if at_work else IDLE_SECONDS)

    def take_place(self) -> None:
        """If there are too many connections, closes the one idle longest, or this one."""
        self.is_overdue()
        open_ones = [each for each in self.connections if not each.transport.is_closing()]
        if len(open_ones) > max_connections():
            idle = [each for each in open_ones if not each.is_at_work()]
            min(idle, key=lambda each: each._since, default=self).transport.abort()


class Http(_Watched, H11Protocol):
    """HTTP/1.1."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Registers a new connection; closes an idle one if there are too many."""
        super().connection_made(transport)
        self.take_place()

    def latest_request(self) -> object:
        """Returns uvicorn's object for the last request; a new request has a new one."""
        return self.cycle

    def is_at_work(self) -> bool:
        """Returns whether an answer is being made."""
        return self.cycle is not None and not self.cycle.response_complete

    def shutdown(self) -> None:
        """Closes the connection, at once or after its answer; aborts it where h11 refuses."""
        try:
            super().shutdown()
        except h11.LocalProtocolError:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answers a request that is not HTTP with a problem document and the security headers."""
        response = ProblemResponse(
            400, "this is no HTTP request", "", {**HEADERS, "Connection": "close"}
        )
        head = h11.Response(status_code=400, headers=response.raw_headers, reason=b"Bad Request")
        with contextlib.suppress(h11.LocalProtocolError):  # an answer was under way
            for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class WebSockets(_Watched, WebSocketsSansIOProtocol):
    """WebSockets; a handshake that was refused with an answer is not logged as an error."""

    _has_failed = False

    def is_at_work(self) -> bool:
        """Returns whether it is open; `Settings.idle_seconds` limits how long it may be silent."""
        return self.handshake_complete and not self.close_sent

    def is_overdue(self) -> bool:
        """Returns whether closing takes too long, or its client leaves too much unread."""
        late = super().is_overdue() and not self.is_at_work()
        return late or self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES

    def data_received(self, data: bytes) -> None:
        """Handles received data; after a protocol error, ignores it."""
        if not self._has_failed:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Sends the client a close frame with the reason, and waits for it to close.

        Closing at once, with unread data, would reset the connection and discard the close frame.
        """
        close, self._has_failed, self.close_sent = self.conn.close_sent, True, True
        assert close is not None
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}
        )
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.resume_reading()
        self.transport.write_eof()

    def shutdown(self) -> None:
        """Closes the connection; aborts one whose handshake cannot be answered any more."""
        try:
            super().shutdown()
        except Exception:
            self.transport.abort()

    async def send(self, message: MutableMapping[str, Any]) -> None:  # type: ignore[override]
        """Sends an event of the application."""
        await super().send(message)  # type: ignore[arg-type]
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True
