import base64
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mien.serving.app import create_app
from mien.serving.security import HEADERS, is_loopback, is_same_origin
from mien.serving.settings import Settings

KEY = "correct horse/battery+staple=?"
OPEN = ["/", "/static/page.css", "/v1/info", "/healthz", "/readyz"]


@pytest.fixture(scope="module")
def locked(serve: Any, analyzer: Any) -> Iterator[Any]:
    with serve(create_app(Settings(api_key=KEY), analyzer)) as running:
        yield running


def key_protocol(key: str) -> str:
    return "mien.key." + base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def status_of_handshake(url: str, **arguments: Any) -> int:
    try:
        with connect(url, **arguments):
            return 101
    except InvalidStatus as refused:
        assert refused.response.headers["content-type"] == "application/problem+json"
        for name, value in HEADERS.items():
            assert refused.response.headers[name] == value
        return refused.response.status_code


def test_every_kind_of_answer_has_the_headers(client: httpx.Client, grey_png: bytes) -> None:
    answers = {
        "page": client.get("/"),
        "script": client.get("/static/page.css"),
        "not found": client.get("/static/nothing.js"),
        "nowhere": client.get("/nowhere"),
        "wrong method": client.put("/v1/predict"),
        "info": client.get("/v1/info"),
        "metrics": client.get("/metrics"),
        "document": client.get("/openapi.json"),
        "prediction": client.post("/v1/predict", content=grey_png),
        "bad picture": client.post("/v1/predict", content=b"?"),
        "wrong host": client.get("/v1/info", headers={"Host": "evil.example"}),
        "wrong origin": client.post("/v1/predict", headers={"Origin": "https://evil.example"}),
    }
    statuses = [200, 200, 404, 404, 405, 200, 200, 200, 200, 422, 421, 403]
    assert [answer.status_code for answer in answers.values()] == statuses
    for kind, answer in answers.items():
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, kind
        cache = "no-cache" if kind in ("page", "script", "not found") else "no-store"
        assert answer.headers["cache-control"] == cache, kind
        assert not [name for name in answer.headers if name.startswith("access-control")], kind
        assert "server" not in answer.headers, kind


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_without_the_key_only_the_page_and_its_facts(locked: Any, grey_png: bytes) -> None:
    with httpx.Client(base_url=locked.url) as client:
        assert [client.get(path).status_code for path in OPEN] == [200] * len(OPEN)
        assert client.get("/v1/info").json()["api_key_required"] is True
        refused = [
            client.post("/v1/predict", content=grey_png),
            client.get("/metrics"),
            client.get("/openapi.json"),
            client.get("/nowhere"),
        ]
    assert [answer.status_code for answer in refused] == [401] * 4
    for answer in refused:
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        assert KEY not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer  {KEY}"},
        {"X-API-Key": KEY},
        {"X-API-Key": KEY, "Authorization": "Basic abc"},
    ],
)
def test_the_key_opens(locked: Any, grey_png: bytes, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{locked.url}/v1/predict", content=grey_png, headers=headers)
    assert answer.status_code == 200
    with connect(locked.stream_url, additional_headers=headers) as websocket:
        websocket.send(grey_png)
        assert '"frame":0' in websocket.recv()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {KEY}x"},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": ""},
        {"X-API-Key": b"\xff\xfe"},
    ],
)
def test_a_wrong_key_does_not(locked: Any, headers: dict[str, Any]) -> None:
    assert httpx.get(f"{locked.url}/metrics", headers=headers).status_code == 401


def test_browsers_show_the_key_as_a_subprotocol(locked: Any) -> None:
    url = locked.stream_url
    with connect(url, subprotocols=["mien.v1", key_protocol(KEY)]) as websocket:  # type: ignore[list-item]
        assert websocket.subprotocol == "mien.v1"
    assert status_of_handshake(url) == 401
    assert status_of_handshake(url, subprotocols=["mien.v1"]) == 401
    assert status_of_handshake(url, subprotocols=["mien.v1", key_protocol(KEY + "x")]) == 401
    assert status_of_handshake(url, subprotocols=["mien.v1", "mien.key.A"]) == 401
    assert status_of_handshake(f"{url}/../nowhere") == 401


def test_other_sites_may_not_use_it(server: Any, client: httpx.Client, grey_png: bytes) -> None:
    host = httpx.URL(server.url).netloc.decode()
    for origin, status in {
        f"http://{host}": 200,
        f"https://{host}": 200,
        f"http://{host}0": 403,
        "https://evil.example": 403,
        "null": 403,
        "": 403,
    }.items():
        answer = client.post("/v1/predict", content=grey_png, headers={"Origin": origin})
        assert answer.status_code == status, origin
        handshake = status_of_handshake(server.stream_url, additional_headers={"Origin": origin})
        assert handshake == (101 if status == 200 else 403), origin


def test_another_name_may_not_point_here(server: Any, client: httpx.Client) -> None:
    port = server.address[1]
    for host in ("localhost", f"LOCALHOST:{port}", f"127.0.0.1:{port}", "[::1]", "[::1]:8000"):
        assert client.get("/v1/info", headers={"Host": host}).status_code == 200, host
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1"):
        assert client.get("/v1/info", headers={"Host": host}).status_code == 421, host
        assert client.get("/healthz", headers={"Host": host}).status_code == 421, host


def test_beyond_this_machine_any_name_may_be_used(serve: Any, analyzer: Any) -> None:
    with serve(create_app(Settings(local_only=False), analyzer)) as running:
        answer = httpx.get(f"{running.url}/v1/info", headers={"Host": "faces.example"})
    assert answer.status_code == 200


def test_a_handshake_to_nowhere_is_refused_with_a_document(server: Any) -> None:
    assert status_of_handshake(server.url.replace("http", "ws") + "/nowhere") == 404
    assert status_of_handshake(server.url.replace("http", "ws") + "/v1/live") == 404


@given(st.text(max_size=30))
def test_any_host_and_origin_can_be_judged(text: str) -> None:
    assert is_loopback(text) in (True, False)
    assert not is_same_origin(text, "")


@given(st.ip_addresses(v=4), st.integers(0, 65535))
def test_addresses_of_this_machine_are_those_of_127(address: Any, port: int) -> None:
    assert is_loopback(f"{address}:{port}") == is_loopback(str(address)) == address.is_loopback


def test_a_host_is_needed(server: Any) -> None:
    with socket.create_connection(server.address) as connection:
        connection.sendall(b"GET /v1/info HTTP/1.0\r\n\r\n")
        assert b" 421 " in connection.recv(1000).splitlines()[0]
