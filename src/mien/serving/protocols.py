"""uvicorn's protocols with what they lack: a time-out for a request's head, decent refusals."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from mien.serving.problems import ProblemResponse
from mien.serving.security import HEADERS

HEAD_SECONDS = 10.0
"""How long a client may take for the head of a request, from its first byte or from connecting."""


class Http(H11Protocol):
    """HTTP/1.1; who sends a head too slowly, or nothing, is cut off."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins with a client."""
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Goes on with it."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends with it."""
        self._stop_watching()
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_watching()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP with a problem document and the headers of every answer."""
        response = ProblemResponse(
            400, "this is no HTTP request", "", {**HEADERS, "Connection": "close"}
        )
        head = h11.Response(status_code=400, headers=response.raw_headers, reason=b"Bad Request")
        try:
            for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # an answer was under way
        self.transport.close()


class WebSockets(WebSocketsSansIOProtocol):
    """WebSockets; a handshake that was refused with an answer is no error to be logged."""

    async def send(self, message: MutableMapping[str, Any]) -> None:  # type: ignore[override]
        """Sends an event of the application."""
        await super().send(message)  # type: ignore[arg-type]
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True
