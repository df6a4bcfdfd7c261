"""An application → a server that listens."""

import logging
import os
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from mien.errors import BadInputError
from mien.serving.protocols import Http, WebSockets

_BACKLOG = 2048


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


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
        ws_max_size=app.state.service.settings.max_bytes,
        ws_per_message_deflate=False,  # pictures are compressed already
        lifespan="on",
        log_config=None,
        log_level="warning",
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
        on_ready: Told the URL when it listens.

    Raises:
        BadInputError: The address is taken, or is none of this machine's.
    """
    # Pillow logs what is wrong with pictures; the answers say it, and clients could flood the log.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    with listen(host, port) as listener:
        url = url_of(listener)
        make_server(app, lambda: on_ready(url)).run([listener])
