"""ASGI middleware: checks host, origin and key, and sets the security headers of every answer."""

import base64
import binascii
import hmac
import ipaddress
import logging
import traceback
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from mien.serving.problems import ProblemResponse
from mien.serving.settings import Settings

SUBPROTOCOL = "mien.v1"
KEY_SUBPROTOCOL = "mien.key."
"""Browsers cannot set headers on a WebSocket: the key comes as a subprotocol, base64url."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/v1/info"})
"""Paths that need no key; the page's files need none either."""
_PAGE_PREFIX = "/static/"
_log = logging.getLogger("mien.serving")


class Security:
    """Checks host, origin and key, sets headers, and turns an unexpected exception into a 500."""

    def __init__(
        self, app: ASGIApp, settings: Settings, count: Callable[[Scope, int], None]
    ) -> None:
        """Wraps an application.

        Args:
            app: Answers the requests that pass the checks.
            settings: Has the key, and whether only this machine may connect.
            count: Called with the scope and status of each answer.
        """
        self._app, self._settings, self._count = app, settings, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request or handshake."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                started = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers.update(HEADERS)
                page = path == "/" or path.startswith(_PAGE_PREFIX)
                headers.setdefault("Cache-Control", "no-cache" if page else "no-store")
                self._count(scope, message["status"])
            elif message["type"] == "websocket.accept":
                started = True
                self._count(scope, 101)
            await send(message)

        try:
            answer = self._refusal(scope) or self._app
            await answer(scope, receive, send_with_headers)
        except WebSocketDisconnect:
            pass  # who leaves in the middle is no error of ours
        except Exception as error:
            # Neither client nor log learn the message: it may quote what a picture is called.
            place = "".join(traceback.format_tb(error.__traceback__))
            _log.error("%s while answering %s\n%s", type(error).__name__, scope["type"], place)
            if started:
                raise RuntimeError("an answer broke off") from None
            response = ProblemResponse(500, "an unexpected error; the server's log has it", path)
            await response(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> ProblemResponse | None:
        """Returns why a request or handshake is not let in, or None if it is."""
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        if self._settings.local_only and not is_loopback(host):
            detail = "this service is for this machine only: ask for localhost or 127.0.0.1"
            return ProblemResponse(421, detail, path)
        origin = headers.get("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if changes and origin is not None and not is_same_origin(origin, host):
            return ProblemResponse(403, "pages of other sites may not use this service", path)
        is_open = scope["type"] == "http" and (path in OPEN_PATHS or path.startswith(_PAGE_PREFIX))
        key = self._settings.api_key
        if key is not None and not is_open and not _is_shown(key, headers, scope):
            detail = "show the key: Authorization: Bearer KEY, or X-API-Key: KEY"
            return ProblemResponse(401, detail, path, {"WWW-Authenticate": 'Bearer realm="mien"'})
        return None


def is_loopback(host: str) -> bool:
    """Returns whether a host, with or without a port, is this machine by its own name."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def is_same_origin(origin: str, host: str) -> bool:
    """Returns whether a page's origin is the host that it asks, whatever the scheme."""
    return origin.partition("://")[2].lower() == host.lower() != ""


def _is_shown(key: str, headers: Headers, scope: Scope) -> bool:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    shown = [headers.get("x-api-key", "")]
    if scheme.lower() == "bearer":
        shown.append(token.strip())
    for protocol in scope.get("subprotocols", []):
        if protocol.startswith(KEY_SUBPROTOCOL):
            shown.append(_decode(protocol.removeprefix(KEY_SUBPROTOCOL)))
    wanted = key.encode()
    fits = [hmac.compare_digest(one.encode("latin-1", "replace"), wanted) for one in shown]
    return any(fits)  # all were compared: the time tells nothing


def _decode(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("latin-1")
    except (binascii.Error, ValueError):
        return ""
