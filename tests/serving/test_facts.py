"""What the service says of itself: facts, health, counters, document, page."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import WebSocket
from websockets.sync.client import connect

import mien.serving
from mien.inference import Analyzer
from mien.model_folder import read_config
from mien.serving.app import create_app
from mien.serving.settings import Settings


def test_info_tells_what_a_client_must_know(client: httpx.Client, model_folder: Path) -> None:
    page = client.get("/v1/info").json()
    config = read_config(model_folder)
    assert (
        page["model"]
        == {
            "name": "default",
            "labels": list(config.labels),
            "face_size": 48,
            "channels": 1,
            "architecture": "logistic",  # and nothing of where and how it was trained
            "digest": hashlib.sha256((model_folder / "model.onnx").read_bytes()).hexdigest()[:16],
            "precision": "float32",
            "device": "cpu",
        }
    )
    assert page["limits"] == {
        "max_bytes": 10_000_000,
        "max_pixels": 40_000_000,
        "max_faces": 64,
        "max_files": 16,
        "max_clients": 64,
        "max_video_bytes": 100_000_000,
        "max_video_seconds": 300.0,
    }
    assert (page["name"], page["mode"], page["camera"]) == ("mien", "serve", None)
    assert (page["detector"], page["min_confidence"]) == ("retinaface", 0.5)
    assert page["api_key_required"] is False
    assert page["version"]


@pytest.mark.parametrize(("least", "uncertain"), [(0.0, False), (1.0, True)])
def test_what_is_uncertain_follows_the_least_confidence(
    serve: Any, model_folder: Path, face_jpeg: bytes, least: float, uncertain: bool
) -> None:
    served = create_app(Settings(), Analyzer(model_folder, min_confidence=least))
    with serve(served) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        assert client.get("/v1/info").json()["min_confidence"] == least
        answer = client.post("/v1/predict", content=face_jpeg).json()
        (face,) = answer["results"][0]["faces"]
        assert face["uncertain"] is uncertain
        with connect(running.stream_url) as websocket:
            websocket.send(face_jpeg)
            (face,) = json.loads(websocket.recv(30))["faces"]
        assert face["uncertain"] is uncertain


def test_health_and_readiness(client: httpx.Client) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_counters_count(serve: Any, analyzer: Analyzer, face_jpeg: bytes) -> None:
    with (
        serve(create_app(Settings(), analyzer)) as running,
        httpx.Client(base_url=running.url) as client,
    ):
        client.post("/v1/predict", content=face_jpeg)
        client.post("/v1/predict", content=b"bad")
        client.get("/wp-login.php")
        client.get("/static/page.css")
        with connect(running.stream_url) as websocket:
            websocket.send(face_jpeg)
            websocket.recv()
            answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = set(answer.text.splitlines())
    assert lines >= {
        'mien_requests_total{route="/v1/predict",status="200"} 1.0',
        'mien_requests_total{route="/v1/predict",status="422"} 1.0',
        'mien_requests_total{route="other",status="404"} 1.0',
        'mien_requests_total{route="/static",status="200"} 1.0',
        'mien_requests_total{route="/v1/stream",status="101"} 1.0',
        'mien_pictures_total{outcome="read"} 2.0',
        'mien_pictures_total{outcome="unread"} 1.0',
        "mien_faces_total 2.0",
        "mien_open_streams 1.0",
        "mien_clients 1.0",
        "mien_queue_length 0.0",
        "mien_queue_seconds_count 3.0",
        "mien_analysis_seconds_count 3.0",
        "mien_batch_pictures_count 3.0",
    }
    assert "wp-login" not in answer.text  # whoever asks for it cannot fill the memory with names


def test_each_application_counts_for_itself(analyzer: Analyzer) -> None:
    one, other = (create_app(Settings(), analyzer).state.service.metrics for _ in range(2))
    one.faces.inc(3)
    assert b"mien_faces_total 3.0" in one.page()
    assert b"mien_faces_total 0.0" in other.page()


def test_the_document_has_examples_of_every_answer(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert set(document["paths"]) == {
        *("/v1/info", "/v1/predict", "/v1/video", "/healthz", "/readyz", "/metrics")
    }
    of_pictures = (200, 400, 401, 403, 408, 413, 415, 421, 422, 429, 500, 503)
    of_videos = (200, 401, 403, 408, 413, 415, 421, 422, 429, 500)
    for path, statuses in (("/v1/predict", of_pictures), ("/v1/video", of_videos)):
        answers = document["paths"][path]["post"]["responses"]
        assert set(answers) == set(map(str, statuses))
        for answer in answers.values():
            (content,) = answer["content"].values()
            assert content["example"]
    assert "feels" in document["info"]["description"]
    assert "security" not in document["paths"]["/v1/predict"]["post"]


def test_the_document_tells_about_the_key(analyzer: Analyzer) -> None:
    document = create_app(Settings(api_key="k" * 16), analyzer).openapi()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    assert document["paths"]["/v1/predict"]["post"]["security"]
    assert document["paths"]["/v1/info"]["get"]["security"] == []
    assert "k" * 16 not in str(document)


def test_the_page_and_its_files_and_no_others(client: httpx.Client) -> None:
    folder = Path(mien.serving.__file__).parent / "page"
    answer = client.get("/")
    assert answer.content == (folder / "index.html").read_bytes()
    assert answer.headers["content-type"].startswith("text/html")
    assert client.head("/").status_code == 200
    for path in folder.iterdir():
        assert client.get(f"/static/{path.name}").content == path.read_bytes()
    for path in ("routes.py", "../routes.py", "%2e%2e/routes.py", "..%2froutes.py", "", "/"):
        assert client.get(f"/static/{path}").status_code == 404, path


class Camera:
    """A live camera that says one thing."""

    name = "the camera"

    def __init__(self) -> None:
        self.doings: list[str] = []
        self.sinks: list[object] = []

    def start(self) -> None:
        self.doings.append("start")

    def close(self) -> None:
        self.doings.append("close")

    async def stream(self, websocket: WebSocket) -> None:
        await websocket.accept("mien.v1")
        await websocket.send_text("running")
        self.doings.append("stream")


@pytest.fixture
def camera(serve: Any, analyzer: Analyzer) -> Iterator[tuple[Any, Camera]]:
    camera = Camera()
    with serve(create_app(Settings(api_key="k" * 16), analyzer, camera)) as running:
        yield running, camera
    assert camera.doings == ["start", "stream", "close"]


def test_a_live_camera_is_shown_to_those_with_the_key(camera: tuple[Any, Camera]) -> None:
    running, _ = camera
    page = httpx.get(f"{running.url}/v1/info").json()
    assert (page["mode"], page["camera"]) == ("live", "the camera")
    url = running.stream_url.replace("stream", "live")
    key = {"X-API-Key": "k" * 16}
    with connect(url, additional_headers=key, subprotocols=["mien.v1"]) as websocket:  # type: ignore[list-item]
        assert websocket.recv() == "running"
