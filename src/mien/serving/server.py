"""An application → a server that listens."""

import logging
import os
import socket
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from mien.errors import BadInputError
from mien.serving.protocols import Http, WebSockets

_BACKLOG = 2048
_ACCEPTED_TOGETHER = 64
"""Accepted in one go at most, so that the limit of connections is kept between two."""
_LOGGERS = ("uvicorn.error", "mien.serving", "asyncio")
LOG_LINES, LOG_SECONDS = 20, 60.0


class _Server(uvicorn.Server):
    """Calls back once it listens, and closes connections whose time-out has passed."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(_BACKLOG)  # the kernel keeps so many that are not accepted yet
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Runs every tenth of a second: closes overdue connections; returns whether to end."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, Http | WebSockets) and connection.is_overdue():
                connection.transport.abort()
        return await super().on_tick(counter)


class Sparse(logging.Filter):
    """Limits how many lines are logged in a period, so that bad clients cannot fill the disk."""

    def __init__(self, lines: int = LOG_LINES, seconds: float = LOG_SECONDS) -> None:
        super().__init__()
        self._lines, self._seconds = lines, seconds
        self._start, self._count = float("-inf"), 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether a line is logged; the first after a gap tells how many were not."""
        now = time.monotonic()
        left_out = 0
        if now - self._start >= self._seconds:
            left_out, self._start, self._count = max(self._count - self._lines, 0), now, 0
        self._count += 1
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} lines left out)", ()
        return self._count <= self._lines


def listen(host: str, port: int) -> socket.socket:
    """Returns a bound socket; port 0 takes a free one.

    Raises:
        BadInputError: The address is taken, or is none of this machine's.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With its protocol named: asyncio turns Nagle's delay (40 ms an answer) off for such only.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":  # elsewhere it would let two servers share a port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInputError(f"cannot listen on {host} port {port}: {reason}") from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Clients that vanish, or never read what they are sent, are cut off after this many
        # milliseconds; accepted connections inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000)
    return listener


def url_of(listener: socket.socket) -> str:
    """Returns where a browser on this machine finds a server."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(app: FastAPI, on_ready: Callable[[], None] = lambda: None) -> uvicorn.Server:
    """Returns a server of what `create_app` returns, to be run on a socket of `listen`."""
    config = uvicorn.Config(
        app,
        http=Http,
        ws=WebSockets,
        backlog=_ACCEPTED_TOGETHER,
        ws_max_size=app.state.service.settings.max_bytes,
        ws_per_message_deflate=False,  # pictures are compressed already
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=10,
    )
    return _Server(config, on_ready)


def run(
    app: FastAPI, host: str, port: int, on_ready: Callable[[str], None] = lambda url: None
) -> None:
    """Serves an application until Ctrl-C; open streams are then closed, requests answered.

    Args:
        app: What `create_app` returns.
        host: The address to listen on.
        port: Its port; 0 takes a free one.
        on_ready: Called with the URL once the server listens.

    Raises:
        BadInputError: The address is taken, or is none of this machine's.
    """
    # Pillow logs what is wrong with pictures; the answers say it, and clients could flood the log.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(Sparse())
    with listen(host, port) as listener:
        url = url_of(listener)
        make_server(app, lambda: on_ready(url)).run([listener])
