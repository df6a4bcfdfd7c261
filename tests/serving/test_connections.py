"""Connections that take a place and do nothing, and those that would spoil the end."""

import encodings.aliases
import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from mien.inference import Analyzer
from mien.serving import protocols
from mien.serving.app import create_app
from mien.serving.server import Sparse
from mien.serving.settings import Settings

PATIENCE_SECONDS = 30
UPGRADE = (
    "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
MASKED_TEXT = b"\x81\x82\x00\x00\x00\x00hi"
STALLS = {
    "nothing": "",
    "half a head": "GET / HTTP/1.1\r\nHost: loc",
    "many headers": "GET / HTTP/1.1\r\n" + "X-A: b\r\n" * 200,
    "a long header": "GET / HTTP/1.1\r\nX-A: " + "b" * 9000,
    "a body that nobody waits for": "POST /none HTTP/1.1\r\nHost: localhost\r\n"
    "Content-Length: 100000\r\n\r\n",
    "a handshake with a body": f"GET /v1/stream HTTP/1.1\r\n{UPGRADE}Content-Length: 9999\r\n\r\n",
    "an unfinished chunked handshake": f"GET /v1/stream HTTP/1.1\r\n{UPGRADE}"
    "Transfer-Encoding: chunked\r\n\r\n5\r\n",
    "a stream that is closed": f"GET /v1/stream HTTP/1.1\r\n{UPGRADE}\r\n",
}


@pytest.fixture
def hasty(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(protocols, "IDLE_SECONDS", 0.4)
    return server


@pytest.fixture(scope="module")
def held(serve: Any, analyzer: Analyzer) -> Iterator[Any]:
    with serve(create_app(Settings(), analyzer)) as running:
        yield running


@pytest.mark.parametrize("kind", STALLS)
def test_no_connection_stays_that_is_not_at_work(hasty: Any, kind: str) -> None:
    """Whatever it sends meanwhile, a byte at a time."""
    ended = threading.Event()
    with socket.create_connection(hasty.address, PATIENCE_SECONDS) as stalled:
        stalled.sendall(STALLS[kind].encode())
        if kind == "a stream that is closed":
            stalled.sendall(MASKED_TEXT)  # answered by closing it: 1003

        def trickle() -> None:
            while not ended.wait(0.05):
                try:
                    stalled.sendall(b"x")
                except OSError:
                    return

        with ThreadPoolExecutor() as pool:
            pool.submit(trickle)
            try:
                while stalled.recv(10_000):
                    pass
            except ConnectionError:
                pass
            finally:
                ended.set()


def test_a_stream_may_be_silent_for_longer(hasty: Any, grey_png: bytes) -> None:
    with connect(hasty.stream_url) as websocket:
        assert not threading.Event().wait(0.8)
        websocket.send(grey_png)
        assert json.loads(websocket.recv(PATIENCE_SECONDS))["error"] is None


def test_a_connection_may_ask_for_longer_than_it_may_be_idle(hasty: Any) -> None:
    """One that is idle whenever it is looked at, but has asked anew each time."""
    with httpx.Client(base_url=hasty.url) as client:
        numbers = set()
        for _ in range(20):
            answer = client.get("/healthz")
            numbers.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
            assert not threading.Event().wait(0.05)
    assert len(numbers) == 1  # the same connection all the time


def test_where_places_run_out_the_idle_give_up_theirs(
    held: Any, monkeypatch: pytest.MonkeyPatch, grey_png: bytes
) -> None:
    monkeypatch.setattr(protocols, "MAX_CONNECTIONS", 10)
    with connect(held.stream_url) as websocket:
        idle = [socket.create_connection(held.address, PATIENCE_SECONDS) for _ in range(40)]
        assert httpx.get(f"{held.url}/healthz", timeout=PATIENCE_SECONDS).status_code == 200
        websocket.send(grey_png)  # what is at work stays
        assert json.loads(websocket.recv(PATIENCE_SECONDS))["error"] is None
        for one in idle[:30]:
            assert one.recv(1) == b""
        for one in idle:
            one.close()


def test_a_handshake_that_hangs_does_not_spoil_the_end(
    gated: Any, gate: Any, grey_png: bytes
) -> None:
    """Who waits for an answer when the server is told to end still gets it."""
    hanging = [socket.create_connection(gated.address, PATIENCE_SECONDS) for _ in STALLS]
    for one, sent in zip(hanging, STALLS.values(), strict=True):
        one.sendall(sent.encode())
    with socket.create_connection(gated.address, PATIENCE_SECONDS) as asking:
        head = "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        asking.sendall(f"{head}{len(grey_png)}\r\n\r\n".encode() + grey_png)
        gate.wait_for_one()
        gated.stop()
        assert not threading.Event().wait(0.3)
        gate.opened.set()
        response = HTTPResponse(asking)
        response.begin()
        assert response.status == 200
    for one in hanging:
        one.close()


def test_any_charset_of_a_form_is_taken_or_refused(client: httpx.Client, grey_png: bytes) -> None:
    names = {*encodings.aliases.aliases.values(), "idna", "punycode", "undefined", "utf-8", "", '"'}
    statuses = {}
    for name in names:
        body = b"--x\r\nContent-Disposition: form-data; name=file; filename=\xff\r\n\r\n"
        kind = f"multipart/form-data; boundary=x; charset={name}"
        answer = client.post(
            "/v1/predict",
            content=body + grey_png + b"\r\n--x--\r\n",
            headers={"Content-Type": kind},
        )
        statuses[name] = answer.status_code
    assert set(statuses.values()) <= {200, 400, 415, 422}
    assert statuses["utf-8"] == 200
    assert statuses["undefined"] == 415


def test_a_log_is_not_flooded(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("mien.test.flood")
    sparse = Sparse(lines=3, seconds=0.2)
    log.addFilter(sparse)
    for number in range(100):
        log.error("line %d", number)
    assert not threading.Event().wait(0.3)
    log.error("%s", "later")
    log.removeFilter(sparse)
    assert [record.getMessage() for record in caplog.records] == [
        "line 0",
        "line 1",
        "line 2",
        "later (97 lines left out)",
    ]
