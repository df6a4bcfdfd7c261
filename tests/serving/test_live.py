"""A camera of the server's on `/v1/live`, and `mien live`."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import httpx
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from fake_camera import PASSWORD, HttpCamera, moving_astronaut
from made_video import write_video
from mien.cli import app
from mien.errors import MissingError
from mien.inference import Analyzer, FrameResult
from mien.inference.hiding import Hiding
from mien.inference.read import camera as cameras
from mien.inference.read.camera import Camera, Lost, find_camera
from mien.inference.results import row_columns
from mien.inference.see.detectors import create_detector
from mien.inference.write.sinks import CsvRows
from mien.labels import EXPRESSIONS
from mien.serving import live as lives
from mien.serving.app import create_app
from mien.serving.live import LiveCamera
from mien.serving.settings import Settings

PATIENCE_SECONDS = 30


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(cameras, "LAST_PAUSE_SECONDS", 0.08)


def watch_live(url: str) -> ClientConnection:
    protocols: Any = ["mien.v1"]
    return connect(url.replace("http", "ws") + "/v1/live", subprotocols=protocols)


def told(websocket: ClientConnection) -> tuple[dict[str, Any], bytes | None]:
    """Returns the next message; if it is of a frame, with its picture."""
    text = websocket.recv(PATIENCE_SECONDS)
    assert isinstance(text, str)
    page = json.loads(text)
    if page["state"] != "running":
        return page, None
    picture = websocket.recv(PATIENCE_SECONDS)
    assert isinstance(picture, bytes)
    return page, picture


def told_until(websocket: ClientConnection, state: str) -> dict[str, Any]:
    while (page := told(websocket)[0])["state"] != state:
        pass
    return page


def read_rows(text: str) -> list[dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(text)))
    assert all(None not in row and None not in row.values() for row in rows), "whole rows"
    return rows


def test_frames_come_with_their_pictures(serve: Any, analyzer: Analyzer) -> None:
    with HttpCamera() as http:
        live = LiveCamera(find_camera(http.url), analyzer)
        with serve(create_app(Settings(), analyzer, live)) as server:
            info = httpx.get(f"{server.url}/v1/info").json()
            assert info["mode"] == "live"
            assert info["camera"] == live.name == f"http://127.0.0.1:{http.port}/video…"
            with watch_live(server.url) as websocket, watch_live(server.url) as other:
                assert websocket.subprotocol == "mien.v1"
                pairs = [told(websocket) for _ in range(4)]
                assert told(other)[0]["state"] == "running"
            counted = httpx.get(f"{server.url}/metrics").text
            (number,) = re.findall(r'mien_pictures_total{outcome="read"} (\d+)', counted)
            assert int(number) >= 4
    for page, jpeg in pairs:
        assert jpeg is not None
        with Image.open(BytesIO(jpeg)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (320, 240))
            pixels = np.asarray(picture, int)
        nearest = min(np.abs(pixels - each).mean() for each in moving_astronaut(8, 240, 320))
        assert nearest < 6, "upright and RGB"
        assert (page["width"], page["height"], page["error"]) == (320, 240, None)
        (face,) = page["faces"]
        assert face["track_id"] == 1
        assert sum(face["smoothed"].values()) == pytest.approx(1)
    frames = [page["frame"] for page, _ in pairs]
    times = [page["time_seconds"] for page, _ in pairs]
    assert frames == sorted(set(frames))
    assert times == sorted(set(times))
    assert PASSWORD not in json.dumps([page for page, _ in pairs]) + json.dumps(info)


@pytest.mark.parametrize("how", get_args(Hiding))
def test_hidden_faces_are_not_sent(serve: Any, analyzer: Analyzer, how: Hiding) -> None:
    with HttpCamera() as http:
        live = LiveCamera(find_camera(http.url), analyzer, hide=how)
        with (
            serve(create_app(Settings(), analyzer, live)) as server,
            watch_live(server.url) as websocket,
        ):
            pairs = [told(websocket) for _ in range(3)]
    detector = create_detector("retinaface")
    for page, jpeg in pairs:
        assert len(page["faces"]) == 1
        assert jpeg is not None
        with Image.open(BytesIO(jpeg)) as picture:
            assert detector.detect(np.asarray(picture)) == []


def test_a_file_ends_and_latecomers_see_its_last_frame(
    serve: Any, analyzer: Analyzer, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    times = [Fraction(index, 10) for index in range(8)]
    write_video(clip, [*moving_astronaut(7, 240, 320), np.full((240, 320, 3), 90, np.uint8)], times)
    said: list[str] = []
    live = LiveCamera(find_camera(str(clip)), analyzer, said.append)
    table = io.StringIO()
    live.sinks.append(CsvRows(table, analyzer.labels))
    with serve(create_app(Settings(), analyzer, live)) as server:
        with watch_live(server.url) as websocket:
            assert told_until(websocket, "ended") == {"state": "ended", "error": None}
        with watch_live(server.url) as late:
            last, picture = told(late)
            assert picture is not None
            assert told(late) == ({"state": "ended", "error": None}, None)
    assert (last["frame"], last["time_seconds"], last["faces"]) == (7, 0.7, [])
    assert said == [f"{clip}: the file has ended; Ctrl-C stops"]
    assert table.getvalue().splitlines()[0] == ",".join(row_columns(EXPRESSIONS))
    *seen, empty = read_rows(table.getvalue())
    assert len(seen) >= 1
    for row in [*seen, empty]:
        assert row["source"] == str(clip)
        assert float(row["time_seconds"]) == int(row["frame"]) / 10
        assert row["model"] == analyzer.classifier.digest[:16]
    assert {row["track_id"] for row in seen} == {"1"}
    assert all(row["smoothed_happy"] for row in seen)
    assert (empty["frame"], empty["expression"], empty["error"]) == ("7", "", "")


@pytest.mark.usefixtures("impatient")
def test_a_camera_that_drops_is_said_and_found_again(serve: Any, analyzer: Analyzer) -> None:
    said: list[str] = []
    table = io.StringIO()
    http = HttpCamera()
    try:
        live = LiveCamera(find_camera(http.url), analyzer, said.append)
        live.sinks.append(CsvRows(table, analyzer.labels))
        with serve(create_app(Settings(), analyzer, live)) as server:
            with watch_live(server.url) as websocket:
                before, _ = told(websocket)
                http.drop()
                lost = told_until(websocket, "reconnecting")
                http = HttpCamera(http.port)
                after = told_until(websocket, "running")
            assert httpx.get(f"{server.url}/healthz").status_code == 200
    finally:
        http.drop()
    assert lost["error"].startswith(f"http://127.0.0.1:{http.port}/video…: ")
    assert after["frame"] > before["frame"]
    assert after["time_seconds"] > before["time_seconds"]
    assert said[0].endswith("; trying again in 0.02 s")
    errors = [row for row in read_rows(table.getvalue()) if row["error"]]
    assert len(errors) >= 1
    assert all(row["frame"] == row["expression"] == "" for row in errors)
    assert PASSWORD not in str(said) + table.getvalue() + str(lost)


class Noted:
    """A sink that lets tests wait for results."""

    def __init__(self) -> None:
        self.results: list[FrameResult] = []
        self.came = threading.Semaphore(0)

    def write(self, result: FrameResult) -> None:
        self.results.append(result)
        self.came.release()

    def wait(self) -> None:
        assert self.came.acquire(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize(("away_seconds", "tracks"), [(0.5, [1, 1]), (5.0, [1, 2])])
def test_after_a_long_drop_a_face_is_a_new_one(
    analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch, away_seconds: float, tracks: list[int]
) -> None:
    noted = Noted()
    items = [
        FrameResult.of_pixels("camera 0", astronaut(), 0, 0.0),
        Lost("gone", 0.0),
        FrameResult.of_pixels("camera 0", astronaut(), 1, away_seconds),
    ]
    monkeypatch.setattr(lives, "watch", lambda *_: iter(items))
    live = LiveCamera(Camera("camera 0", 0), analyzer)
    live.sinks.append(noted)
    live.start()
    for _ in items:
        noted.wait()
    live.close()
    seen = [[face.track_id for face in result.faces] for result in noted.results]
    assert seen == [[tracks[0]], [], [tracks[1]]]


def test_wide_frames_are_shrunk_for_the_page(
    serve: Any, model_folder: Path, tmp_path: Path
) -> None:
    clip = tmp_path / "wide.mp4"
    write_video(clip, [np.full((100, 1600, 3), 90, np.uint8)], [Fraction(0)])
    analyzer = Analyzer(model_folder, "none")
    with (
        serve(
            create_app(Settings(), analyzer, LiveCamera(find_camera(str(clip)), analyzer))
        ) as server,
        watch_live(server.url) as websocket,
    ):
        page, jpeg = told(websocket)
    assert jpeg is not None
    assert (page["width"], page["height"]) == (1600, 100)
    with Image.open(BytesIO(jpeg)) as picture:
        assert picture.size == (1280, 80)


def test_a_disk_that_is_full_is_said(serve: Any, analyzer: Analyzer, tmp_path: Path) -> None:
    class Full:
        def write(self, result: FrameResult) -> None:
            raise OSError(28, "No space left on device")

    clip = tmp_path / "clip.mp4"
    write_video(clip, moving_astronaut(2, 48, 64), [Fraction(0), Fraction(1, 10)])
    said: list[str] = []
    live = LiveCamera(find_camera(str(clip)), analyzer, said.append)
    live.sinks.append(Full())
    with serve(create_app(Settings(), analyzer, live)) as server, watch_live(server.url) as looker:
        assert "No space left" in told_until(looker, "ended")["error"]
    assert any("No space left" in line for line in said)


def test_a_file_that_breaks_off_says_why(serve: Any, analyzer: Analyzer, tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.mp4", tmp_path / "broken.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)
    write_video(whole, list(noise), [Fraction(i, 40) for i in range(24)], faststart=True)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    live = LiveCamera(find_camera(str(path)), analyzer)
    noted = Noted()
    live.sinks.append(noted)
    with serve(create_app(Settings(), analyzer, live)) as server, watch_live(server.url) as looker:
        assert "broken.mp4" in told_until(looker, "ended")["error"]
    assert "broken.mp4" in (noted.results[-1].error or "")


def test_the_key_is_needed(serve: Any, analyzer: Analyzer, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, moving_astronaut(1, 48, 64), [Fraction(0)])
    live = LiveCamera(find_camera(str(clip)), analyzer)
    with serve(create_app(Settings(api_key="k" * 16), analyzer, live)) as server:
        url = server.url.replace("http", "ws") + "/v1/live"
        with pytest.raises(Exception, match="401"), connect(url):
            pass
        with connect(url, additional_headers={"X-API-Key": "k" * 16}) as websocket:
            assert told(websocket)[0]["state"] == "running"


def test_a_missing_camera_is_named(analyzer: Analyzer, model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"^camera 9876: "):
        LiveCamera(find_camera("9876"), analyzer)
    table = tmp_path / "rows.csv"
    words = ["--camera", "9876", "--model", str(model_folder), "--csv", str(table), "--no-browser"]
    result = CliRunner().invoke(app, ["live", *words])
    assert result.exit_code == 4
    assert result.stderr.startswith("mien: camera 9876: ")
    assert result.stderr.count("\n") == 1
    assert not table.exists()


def test_the_file_that_is_read_is_not_written_over(model_folder: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, moving_astronaut(1, 48, 64), [Fraction(0)])
    words = ["--camera", str(clip), "--csv", str(clip), "--model", str(model_folder)]
    result = CliRunner().invoke(app, ["live", *words, "--no-browser"])
    assert result.exit_code == 2
    assert "would be written over" in result.stderr


def test_ctrl_c_ends_it_though_the_camera_is_silent(model_folder: Path, tmp_path: Path) -> None:
    table, opened = tmp_path / "rows.csv", tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part\nmv {opened}.part {opened}\n')
    browser.chmod(0o755)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "BROWSER": f"{browser} %s"}
    with HttpCamera(num_frames=40) as http:
        words = ["--camera", http.url, "--model", str(model_folder), "--csv", str(table)]
        with subprocess.Popen(
            [sys.executable, "-m", "mien", "live", *words, "--port", "0"],
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        ) as process:
            assert process.stderr
            first = process.stderr.readline()
            name = f"http://127.0.0.1:{http.port}/video…"
            assert first.startswith(f"mien: showing {name} on http://127.0.0.1:")
            url = first.split()[4]
            assert "<h1>mien</h1>" in httpx.get(url).text
            with watch_live(url) as websocket:
                reported = [told(websocket)[0]["frame"] for _ in range(2)]
                while not opened.exists():
                    reported.append(told(websocket)[0]["frame"])
                process.send_signal(signal.SIGINT)
                with pytest.raises(ConnectionClosed):
                    while True:
                        reported.append(told(websocket)[0]["frame"])
            errors = process.stderr.read()
    assert opened.read_text() == url
    assert process.returncode == 130
    assert "no answer" not in errors, "it did not wait for the camera"
    assert PASSWORD not in first + errors
    rows = read_rows(table.read_text())
    assert set(reported) <= {int(row["frame"]) for row in rows}
    assert {row["source"] for row in rows} == {name}
