import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from typing import Any

import httpx
import numpy as np
import pytest

from mien.inference import Analyzer
from mien.inference.detection import Detection
from mien.serving.app import create_app
from mien.serving.settings import Settings

PATIENCE_SECONDS = 30


def problem_of(answer: httpx.Response) -> str:
    """Returns the detail of a problem document, which is as RFC 9457 wants it."""
    assert answer.headers["content-type"] == "application/problem+json"
    page = answer.json()
    assert page["status"] == answer.status_code
    assert page["type"] == "about:blank"
    assert page["title"]
    return page["detail"]


def form(*pictures: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", picture) for picture in pictures]


def raw_request(head: str, body: bytes = b"") -> bytes:
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def read_answer(connection: socket.socket) -> tuple[HTTPResponse, dict[str, Any]]:
    answer = HTTPResponse(connection)
    answer.begin()
    return answer, json.loads(answer.read())


def test_raw_bytes_and_a_form_give_what_python_gives(
    client: httpx.Client, analyzer: Analyzer, face_jpeg: bytes
) -> None:
    (face,) = analyzer(face_jpeg)
    raw = client.post("/v1/predict", content=face_jpeg).json()["results"]
    sent = client.post("/v1/predict", files=form(("she.jpg", face_jpeg))).json()["results"]
    wanted = analyzer(face_jpeg).to_dict()
    assert raw == [wanted | {"source": "picture", "faces": [face.to_dict()]}]
    assert (wanted["width"], wanted["height"], wanted["error"]) == (512, 512, None)
    assert sent == [raw[0] | {"source": "she.jpg"}]


@pytest.mark.parametrize(
    "media_type", ["image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_the_content_type_of_raw_bytes_does_not_matter(
    client: httpx.Client, grey_png: bytes, media_type: str
) -> None:
    answer = client.post("/v1/predict", content=grey_png, headers={"Content-Type": media_type})
    assert answer.json()["results"][0]["faces"] == []


def test_several_pictures_keep_their_order_and_a_bad_one_harms_no_other(
    client: httpx.Client, face_jpeg: bytes, grey_png: bytes
) -> None:
    files = form(("b.png", grey_png), ("notes.txt", b"not a picture"), ("a.jpg", face_jpeg))
    answer = client.post("/v1/predict", files=files)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["source"] for result in results] == ["b.png", "notes.txt", "a.jpg"]
    assert [len(result["faces"]) for result in results] == [0, 0, 1]
    assert [result["error"] for result in results] == [
        None,
        "notes.txt: text, not a picture",
        None,
    ]


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0cut"])
def test_422_a_single_bad_picture(client: httpx.Client, content: bytes) -> None:
    raw = client.post("/v1/predict", content=content)
    sent = client.post("/v1/predict", files=form(("me.jpg", content)))
    assert (raw.status_code, sent.status_code) == (422, 422)
    assert problem_of(raw).startswith("picture: ")
    assert problem_of(sent).startswith("me.jpg: ")


def test_422_a_form_with_other_fields(client: httpx.Client, grey_png: bytes) -> None:
    for files in ([("files", ("a.png", grey_png))], [("file", (None, b"text"))]):
        answer = client.post("/v1/predict", files=files)
        assert answer.status_code == 422
        assert "'file'" in problem_of(answer)


def test_422_more_pixels_than_are_decoded(client: httpx.Client) -> None:
    head = b"P6 8000 5001 255\n"  # the pixels never come: refused by what it declares
    answer = client.post("/v1/predict", content=head)
    assert answer.status_code == 422
    assert "40 megapixels" in problem_of(answer)


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; filename="a"\r\n\r\nabc\r\n--x--\r\n',
        ),
    ],
    ids=["no boundary", "no form", "cut short", "no name"],
)
def test_400_a_broken_form(client: httpx.Client, media_type: str, body: bytes) -> None:
    answer = client.post("/v1/predict", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == 400
    assert "form" in problem_of(answer)


def test_400_too_many_files(client: httpx.Client, grey_png: bytes) -> None:
    files = form(*[(f"{index}.png", grey_png) for index in range(17)])
    answer = client.post("/v1/predict", files=files)
    assert answer.status_code == 400
    assert "16" in problem_of(answer)
    assert len(client.post("/v1/predict", files=files[1:]).json()["results"]) == 16


def test_404_and_405(client: httpx.Client) -> None:
    assert client.get("/nowhere").status_code == 404
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/app.py").status_code == 404
    assert client.get("/v1/stream").status_code == 404
    answer = client.get("/v1/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert problem_of(answer)


def test_413_a_declared_and_an_undeclared_length(client: httpx.Client) -> None:
    too_large = bytes(10_000_001)
    parts = (too_large[start : start + 100_000] for start in range(0, len(too_large), 100_000))
    for answer in (
        client.post("/v1/predict", content=too_large),
        client.post("/v1/predict", content=parts),
        client.post("/v1/predict", files=form(("a", too_large[:6_000_000]), ("b", too_large))),
    ):
        assert answer.status_code == 413
        assert "10,000,000" in problem_of(answer)


def test_a_picture_of_exactly_the_limit_passes(client: httpx.Client, grey_png: bytes) -> None:
    largest = grey_png + bytes(10_000_000 - len(grey_png))  # what follows a PNG is not looked at
    assert client.post("/v1/predict", content=largest).status_code == 200
    assert client.post("/v1/predict", files=form(("a.png", largest))).status_code == 200


def test_415_an_encoded_body(client: httpx.Client, grey_png: bytes) -> None:
    answer = client.post("/v1/predict", content=grey_png, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415
    assert "Content-Encoding" in problem_of(answer)


@pytest.fixture(scope="module")
def impatient(serve: Any, analyzer: Analyzer) -> Iterator[Any]:
    with serve(create_app(Settings(body_seconds=1), analyzer)) as running:
        yield running


def test_408_a_body_that_trickles_in_while_others_are_served(
    impatient: Any, grey_png: bytes
) -> None:
    head = "POST /v1/predict HTTP/1.1\nHost: localhost\nContent-Length: 1000"
    with socket.create_connection(impatient.address, PATIENCE_SECONDS) as slow:
        slow.sendall(raw_request(head))
        answered = threading.Event()

        def trickle() -> None:
            while not answered.wait(0.02):
                slow.sendall(b"x")

        with ThreadPoolExecutor() as pool:
            trickling = pool.submit(trickle)
            assert httpx.post(f"{impatient.url}/v1/predict", content=grey_png).status_code == 200
            answer, page = read_answer(slow)
            answered.set()
            trickling.exception(PATIENCE_SECONDS)  # it may meet the closed connection
    assert (answer.status, page["status"]) == (408, 408)
    assert answer.getheader("connection") == "close"


def test_a_slow_but_steady_body_is_waited_for(
    impatient: Any, monkeypatch: pytest.MonkeyPatch, grey_png: bytes
) -> None:
    monkeypatch.setattr("mien.serving.uploads.MIN_BYTES_PER_SECOND", 1)
    head = f"POST /v1/predict HTTP/1.1\nHost: localhost\nContent-Length: {len(grey_png)}"
    with socket.create_connection(impatient.address, PATIENCE_SECONDS) as slow:
        slow.sendall(raw_request(head, grey_png[:60]))
        assert not threading.Event().wait(1.2)  # longer than a body may take that brings nothing
        slow.sendall(grey_png[60:])
        answer, page = read_answer(slow)
    assert answer.status == 200
    assert page["results"][0]["width"] == 60


def test_400_what_is_no_http(server: Any) -> None:
    with socket.create_connection(server.address, PATIENCE_SECONDS) as connection:
        connection.sendall(b"\x16\x03\x01 hello?\r\n\r\n")
        answer, page = read_answer(connection)
    assert (answer.status, page["status"]) == (400, 400)
    assert answer.getheader("x-content-type-options") == "nosniff"


class ManyFaces:
    def detect(self, rgb: np.ndarray) -> list[Detection]:
        scores = np.linspace(1, 0.7, 100).tolist()
        return [Detection((1, 1, 20, 20), score) for score in scores]


class Broken:
    message = "secret.jpg made me stumble"

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        raise RuntimeError(self.message)


def test_of_many_faces_the_most_certain_are_read(
    serve: Any, counting: Any, grey_png: bytes
) -> None:
    with serve(create_app(Settings(), Analyzer(counting, ManyFaces()))) as running:
        answer = httpx.post(f"{running.url}/v1/predict", content=grey_png)
    scores = [face["detection_score"] for face in answer.json()["results"][0]["faces"]]
    assert len(scores) == 64
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1
    assert counting.num_faces == [64]


def test_500_tells_nothing(
    serve: Any, counting: Any, grey_png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(create_app(Settings(), Analyzer(counting, Broken()))) as running:
        answer = httpx.post(f"{running.url}/v1/predict", files=form(("secret.jpg", grey_png)))
        after = httpx.get(f"{running.url}/healthz")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "stumble" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert after.status_code == 200
    assert "RuntimeError" in caplog.text
    assert "in detect" in caplog.text  # where, but not what it said of the picture
    assert "secret" not in caplog.text


def test_503_an_answer_that_takes_too_long(
    serve: Any, gate: Any, counting: Any, grey_png: bytes
) -> None:
    settings = Settings(answer_seconds=0.1)
    with serve(create_app(settings, Analyzer(counting, gate))) as running:
        first = httpx.post(f"{running.url}/v1/predict", content=grey_png)
        second = httpx.post(f"{running.url}/v1/predict", content=grey_png)
        gate.opened.set()
    assert (first.status_code, second.status_code) == (503, 503)
    assert first.headers["retry-after"] == "1"
    assert problem_of(first)
    assert len(gate.sizes) <= 1  # the second was given up before it was looked at


@pytest.fixture
def full(gated: Any, gate: Any, grey_png: bytes) -> Iterator[tuple[Any, list[Any]]]:
    """A server with 64 clients that wait, and what they will be answered."""
    limits = httpx.Limits(max_connections=None)
    with (
        httpx.Client(base_url=gated.url, timeout=PATIENCE_SECONDS, limits=limits) as client,
        ThreadPoolExecutor(64) as pool,
    ):
        answers = [pool.submit(client.post, "/v1/predict", content=grey_png) for _ in range(64)]
        clients = gated.app.state.service.clients
        for _ in range(PATIENCE_SECONDS * 100):
            if clients.is_full or threading.Event().wait(0.01):
                break
        assert clients.count == 64
        yield gated, answers
        gate.opened.set()


def test_429_the_65th_client_and_the_64_are_answered(
    full: tuple[Any, list[Any]], gate: Any, grey_png: bytes
) -> None:
    running, answers = full
    ready = httpx.get(f"{running.url}/readyz")
    assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
    assert httpx.get(f"{running.url}/healthz").status_code == 200
    refused = httpx.post(f"{running.url}/v1/predict", content=grey_png)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert "64 clients" in problem_of(refused)
    gate.opened.set()
    assert [answer.result().status_code for answer in answers] == [200] * 64
    assert httpx.get(f"{running.url}/readyz").status_code == 200
    assert httpx.post(f"{running.url}/v1/predict", content=grey_png).status_code == 200


def test_429_comes_before_the_body_is_sent(full: tuple[Any, list[Any]]) -> None:
    running, _ = full
    head = "POST /v1/predict HTTP/1.1\nHost: localhost\nContent-Length: 9000000"
    with socket.create_connection(running.address, PATIENCE_SECONDS) as connection:
        connection.sendall(raw_request(head + "\nExpect: 100-continue"))
        answer, _ = read_answer(connection)
    assert answer.status == 429  # and not 100


def test_who_waits_is_answered_before_the_server_ends(
    gated: Any, gate: Any, grey_png: bytes
) -> None:
    with ThreadPoolExecutor() as pool:
        answers = [
            pool.submit(httpx.post, f"{gated.url}/v1/predict", content=grey_png) for _ in range(3)
        ]
        gate.wait_for_one()
        while gated.app.state.service.clients.count < 3:
            assert not answers[0].done()
        gated.stop()
        gate.opened.set()
        assert [answer.result().status_code for answer in answers] == [200] * 3


def test_what_a_client_waited_for_that_vanished_is_not_done(
    gated: Any, gate: Any, grey_png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    clients = gated.app.state.service.clients
    head = f"POST /v1/predict HTTP/1.1\nHost: localhost\nContent-Length: {len(grey_png)}"
    with ThreadPoolExecutor() as pool:
        first = pool.submit(httpx.post, f"{gated.url}/v1/predict", content=grey_png)
        gate.wait_for_one()
        with socket.create_connection(gated.address) as vanishing:
            vanishing.sendall(raw_request(head, grey_png))
            while gated.app.state.service.batcher.num_decoded < 1:
                assert not first.done()
        while clients.count > 1:
            assert not first.done()
        gate.opened.set()
        assert first.result().status_code == 200
    assert httpx.post(f"{gated.url}/v1/predict", content=grey_png).status_code == 200
    assert len(gate.sizes) == 2
    assert caplog.text == ""
    counted = httpx.get(f"{gated.url}/metrics").text
    assert 'mien_requests_total{route="/v1/predict",status="499"} 1.0' in counted


def test_a_client_that_leaves_while_it_sends_leaves_its_place(
    client: httpx.Client, server: Any, grey_png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = "POST /v1/predict HTTP/1.1\nHost: localhost\nContent-Length: 1000"
    with socket.create_connection(server.address) as vanishing:
        vanishing.sendall(raw_request(head, b"some"))
    while server.app.state.service.clients.count:
        assert client.post("/v1/predict", content=grey_png).status_code == 200
    assert caplog.text == ""
