"""Error answers: every error of the service is a problem document (RFC 9457)."""

from http import HTTPStatus
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"
_CLIENT_CLOSED_REQUEST = 499  # nginx's number


class ProblemResponse(JSONResponse):
    """An `application/problem+json` answer; also refuses a WebSocket's handshake.

    The type is always `about:blank`: the status says what kind of problem it is.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self, status: int, detail: str, path: str, headers: dict[str, str] | None = None
    ) -> None:
        left = status == _CLIENT_CLOSED_REQUEST
        content = {
            "type": "about:blank",
            "title": "Client Closed Request" if left else HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "instance": quote(path),
        }
        super().__init__(content, status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer; just closes a handshake if the server supports no answer to it."""
        refuses = scope["type"] == "websocket"
        if refuses and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1013})  # try again later
            return
        await super().__call__(scope, receive, send)


def client_left() -> HTTPException:
    """Returns the exception for a client that has left; it only serves to count the request."""
    return HTTPException(_CLIENT_CLOSED_REQUEST, "the client has left")


async def on_http_exception(connection: HTTPConnection, error: Exception) -> ProblemResponse:
    """Returns the problem document of an `HTTPException`."""
    assert isinstance(error, HTTPException)
    headers = None if error.headers is None else dict(error.headers)
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = "there is nothing at this address; /openapi.json says what is where"
    return ProblemResponse(error.status_code, detail, connection.scope["path"], headers)
