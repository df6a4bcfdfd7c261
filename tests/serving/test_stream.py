import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mien.inference import Analyzer
from mien.inference.detection import Detection
from mien.serving.app import create_app
from mien.serving.settings import Settings

PATIENCE_SECONDS = 30


def answer_of(websocket: ClientConnection) -> dict[str, Any]:
    return json.loads(websocket.recv(PATIENCE_SECONDS))


def closing_code(websocket: ClientConnection) -> int:
    """Returns the code that the server closes with, answers before it passed over."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            websocket.recv(PATIENCE_SECONDS)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(PATIENCE_SECONDS * 100):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


def counted(running: Any, name: str) -> float:
    lines = httpx.get(f"{running.url}/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_frames_are_answered_in_order_with_tracks(
    server: Any, face_jpeg: bytes, grey_png: bytes, analyzer: Analyzer
) -> None:
    with connect(server.stream_url, subprotocols=["mien.v1"]) as websocket:  # type: ignore[list-item]
        assert websocket.subprotocol == "mien.v1"
        answers = []
        for frame in (face_jpeg, face_jpeg, grey_png):
            websocket.send(frame)
            answers.append(answer_of(websocket))
    assert [answer["frame"] for answer in answers] == [0, 1, 2]
    assert [answer["dropped"] for answer in answers] == [0, 0, 0]
    times = [answer["time_seconds"] for answer in answers]
    assert times[0] == 0
    assert times == sorted(times)
    assert [len(answer["faces"]) for answer in answers] == [1, 1, 0]
    (face,) = analyzer(face_jpeg)
    first, second = answers[0]["faces"][0], answers[1]["faces"][0]
    plain = face.to_dict()
    assert first == plain | {"track_id": 1, "smoothed": plain["probabilities"]}
    assert second["track_id"] == 1  # the same face, however late
    assert sum(second["smoothed"].values()) == pytest.approx(1, abs=1e-6)


def test_a_subprotocol_is_not_needed(server: Any, grey_png: bytes) -> None:
    with connect(server.stream_url) as websocket:
        assert websocket.subprotocol is None
        websocket.send(grey_png)
        assert answer_of(websocket)["width"] == 60


def test_connections_do_not_share_tracks(server: Any, face_jpeg: bytes) -> None:
    with connect(server.stream_url) as one, connect(server.stream_url) as other:
        one.send(face_jpeg)
        other.send(face_jpeg)
        for websocket in (one, other):
            answer = answer_of(websocket)
            assert (answer["frame"], answer["faces"][0]["track_id"]) == (0, 1)


def test_a_bad_frame_gives_an_error_and_the_stream_goes_on(server: Any, grey_png: bytes) -> None:
    with connect(server.stream_url) as websocket:
        websocket.send(b"no picture")
        bad = answer_of(websocket)
        assert bad["error"] == "frame 0: text, not a picture"
        assert (bad["faces"], bad["width"], bad["frame"]) == ([], None, 0)
        websocket.send(grey_png)
        good = answer_of(websocket)
    assert (good["error"], good["frame"]) == (None, 1)


def test_the_latest_frame_wins(gated: Any, gate: Any, grey_png: bytes) -> None:
    with connect(gated.stream_url) as websocket:
        websocket.send(grey_png)
        gate.wait_for_one()  # and while that one is looked at, five more come
        for _ in range(5):
            websocket.send(grey_png)
        wait_until(lambda: counted(gated, "mien_dropped_frames_total") == 4)
        assert counted(gated, "mien_open_streams") == 1
        gate.opened.set()
        answers = [answer_of(websocket), answer_of(websocket)]
        websocket.send(grey_png)
        answers.append(answer_of(websocket))
    assert [answer["frame"] for answer in answers] == [0, 5, 6]
    assert [answer["dropped"] for answer in answers] == [0, 4, 0]
    assert len(gate.sizes) == 3


def test_1003_a_text_message(server: Any) -> None:
    with connect(server.stream_url) as websocket:
        websocket.send("hello")
        assert closing_code(websocket) == 1003


def test_1009_a_message_that_is_too_large(serve: Any, analyzer: Analyzer, grey_png: bytes) -> None:
    with serve(create_app(Settings(max_bytes=20_000), analyzer)) as running:
        with connect(running.stream_url) as websocket:
            websocket.send(grey_png + bytes(20_000 - len(grey_png)))
            assert answer_of(websocket)["error"] is None
            with suppress(ConnectionClosed):  # it may be told while it still sends
                websocket.send(bytes(20_001))
            assert closing_code(websocket) == 1009
        with connect(running.stream_url) as websocket:
            with suppress(ConnectionClosed):
                websocket.send([bytes(15_000), bytes(5_001)])  # one message, in two parts
            assert closing_code(websocket) == 1009


def test_1001_a_client_that_sends_nothing(serve: Any, analyzer: Analyzer) -> None:
    with (
        serve(create_app(Settings(idle_seconds=0.1), analyzer)) as running,
        connect(running.stream_url) as websocket,
    ):
        assert closing_code(websocket) == 1001


def test_429_too_many_streams(serve: Any, analyzer: Analyzer, grey_png: bytes) -> None:
    with serve(create_app(Settings(max_clients=2), analyzer)) as running:
        with connect(running.stream_url) as one, connect(running.stream_url):
            with pytest.raises(InvalidStatus) as refused, connect(running.stream_url):
                pass
            assert refused.value.response.status_code == 429
            assert refused.value.response.headers["retry-after"] == "1"
            refusal = httpx.post(f"{running.url}/v1/predict", content=grey_png)
            assert refusal.status_code == 429
            one.send(grey_png)
            assert answer_of(one)["frame"] == 0
        wait_until(lambda: running.app.state.service.clients.count == 0)
        assert httpx.post(f"{running.url}/v1/predict", content=grey_png).status_code == 200


def test_1011_a_crash_tells_nothing(
    serve: Any, counting: Any, grey_png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        message = "the secret"

        def detect(self, rgb: np.ndarray) -> list[Detection]:
            raise RuntimeError(self.message)

    with serve(create_app(Settings(), Analyzer(counting, Broken()))) as running:
        with connect(running.stream_url) as websocket:
            websocket.send(grey_png)
            assert closing_code(websocket) == 1011
        assert httpx.get(f"{running.url}/readyz").status_code == 200
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_a_client_that_vanishes_leaves_its_place_and_its_work(
    gated: Any, gate: Any, grey_png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(gated.stream_url) as staying:
        staying.send(grey_png)
        gate.wait_for_one()
        vanishing = connect(gated.stream_url)
        with vanishing:
            vanishing.send(grey_png)
            wait_until(lambda: gated.app.state.service.batcher.num_decoded == 1)
            # No farewell: the connection is reset.
            linger = struct.pack("ii", 1, 0)
            vanishing.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            vanishing.socket.close()
            wait_until(lambda: gated.app.state.service.clients.count == 1)
        gate.opened.set()
        assert answer_of(staying)["frame"] == 0
        staying.send(grey_png)
        assert answer_of(staying)["frame"] == 1
    assert len(gate.sizes) == 2
    assert caplog.text == ""


class ManyFaces:
    def detect(self, rgb: np.ndarray) -> list[Detection]:
        return [Detection((1, 1, 20, 20), 1.0)] * 64


def test_a_client_that_never_reads_is_passed_over_and_let_go(
    serve: Any, counting: Any, grey_png: bytes
) -> None:
    settings = Settings(idle_seconds=1)
    with serve(create_app(settings, Analyzer(counting, ManyFaces()))) as running:
        clients = running.app.state.service.clients
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.settimeout(PATIENCE_SECONDS)
            deaf.connect(running.address)
            deaf.sendall(
                b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            wait_until(lambda: clients.count == 1)
            # A binary message of more than 125 bytes, masked with zeros.
            frame = struct.pack(">BBHI", 0x82, 0x80 | 126, len(grey_png), 0) + grey_png
            stop = threading.Event()

            def send_for_ever() -> None:
                with contextlib.suppress(OSError):
                    while not stop.wait(0.001):
                        deaf.sendall(frame)

            sending = threading.Thread(target=send_for_ever)
            sending.start()
            wait_until(lambda: clients.count == 0)  # its buffers are full: it was let go
            stop.set()
            answer = httpx.post(f"{running.url}/v1/predict", content=grey_png)
            assert len(answer.json()["results"][0]["faces"]) == 64
            assert counted(running, "mien_dropped_frames_total") > 0
            assert counted(running, "mien_open_streams") == 0
            deaf.shutdown(socket.SHUT_RDWR)
            sending.join(PATIENCE_SECONDS)
            assert not sending.is_alive()


def test_streams_are_told_when_the_server_ends(
    serve: Any, analyzer: Analyzer, grey_png: bytes
) -> None:
    with (
        serve(create_app(Settings(), analyzer)) as running,
        connect(running.stream_url) as websocket,
    ):
        websocket.send(grey_png)
        assert answer_of(websocket)["frame"] == 0
        running.stop()
        assert closing_code(websocket) == 1012  # service restart: come back
