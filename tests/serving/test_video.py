"""Videos that are sent to the service."""

import json
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from skimage.data import astronaut

from fake_camera import moving_astronaut
from made_video import write_video
from mien.inference import Analyzer
from mien.inference.read.sampling import Sampling
from mien.serving import film, video
from mien.serving.app import create_app
from mien.serving.settings import Settings

PATIENCE_SECONDS = 30


def make(path: Path, seconds: float = 2.0, rate: int = 25, **options: Any) -> Path:
    """Writes the astronaut, moving a little."""
    pictures = list(moving_astronaut(int(seconds * rate), 240, 320))
    times = [Fraction(index, rate) for index in range(len(pictures))]
    write_video(path, pictures, times, rate=rate, last_seconds=Fraction(1, rate), **options)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Whatever a video comes to, no file of it stays."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    wait_until(lambda: not [each for each in folder.iterdir() if each.name.startswith("mien-")])


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def send(url: str, content: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/video", content=content, timeout=PATIENCE_SECONDS)


def lines_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_video_gives_what_python_gives(server: Any, analyzer: Analyzer, clip: Path) -> None:
    first, *rows, last = lines_of(send(server.url, clip.read_bytes()))
    assert first == {"state": "started", "duration_seconds": pytest.approx(2.0, abs=0.1)}
    assert last == {"state": "ended", "error": None}
    expected = list(analyzer.stream(clip, Sampling(every_seconds=0.2)))
    assert len(rows) == len(expected) == 10
    for row, result in zip(rows, expected, strict=True):
        page = result.to_dict() | {"source": "video", "state": "running"}
        (face,), (wanted,) = row["faces"], page["faces"]
        assert row | {"faces": []} == page | {"faces": []}
        assert face["track_id"] == wanted["track_id"] == 1
        assert face["box"] == pytest.approx(wanted["box"], abs=0.02)
        assert face["smoothed"] == pytest.approx(wanted["smoothed"], abs=1e-4)


def test_a_large_frame_is_looked_at_smaller_and_told_in_its_own_pixels(
    server: Any, tmp_path: Path
) -> None:
    large = np.full((2600, 4000, 3), 90, np.uint8)
    large[300 : 300 + 4 * 512, 900 : 900 + 4 * 512] = astronaut().repeat(4, 0).repeat(4, 1)
    write_video(tmp_path / "large.mp4", [large, large], [Fraction(0), Fraction(1, 25)])
    _, row, _ = lines_of(send(server.url, (tmp_path / "large.mp4").read_bytes()))
    assert (row["width"], row["height"]) == (4000, 2600)
    (face,) = row["faces"]
    box = [900 + 4 * 178, 300 + 4 * 57, 900 + 4 * 273, 300 + 4 * 177]
    assert face["box"] == pytest.approx(box, abs=60)


@pytest.mark.parametrize("content", [b"", b"no video", b"\xff\xd8\xff\xe0cut", bytes(9000)])
def test_422_what_is_no_video(server: Any, content: bytes, temporary: Path) -> None:
    answer = send(server.url, content)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("video: ")
    assert str(temporary) not in answer.text


def test_a_video_that_is_cut_short_says_so(server: Any, tmp_path: Path, temporary: Path) -> None:
    content = make(tmp_path / "clip.mp4", 4, faststart=True).read_bytes()
    answer = send(server.url, content[: len(content) // 2])
    _, *rows, damage, last = lines_of(answer)
    assert rows
    assert all(row["faces"] for row in rows)
    assert damage["error"].startswith("video: ")
    assert last == {"state": "ended", "error": None}
    assert str(temporary) not in answer.text


def test_413_too_large_said_at_once_and_on_the_way(
    serve: Any, analyzer: Analyzer, clip: Path
) -> None:
    content = clip.read_bytes()
    settings = Settings(max_video_bytes=len(content) - 1)
    with serve(create_app(settings, analyzer)) as running:
        declared = send(running.url, content)
        halves = len(content) // 2
        sent = send(running.url, iter([content[:halves], content[halves:]]))
    for answer in (declared, sent):
        assert answer.status_code == 413
        assert f"{settings.max_video_bytes:,} bytes" in answer.json()["detail"]


def test_415_a_form(server: Any, clip: Path) -> None:
    answer = httpx.post(f"{server.url}/v1/video", files={"file": clip.read_bytes()})
    assert answer.status_code == 415


def test_408_a_body_that_does_not_come(serve: Any, analyzer: Analyzer) -> None:
    with (
        serve(create_app(Settings(body_seconds=0.3), analyzer)) as running,
        socket.create_connection(running.address, PATIENCE_SECONDS) as connection,
    ):
        head = b"POST /v1/video HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\nbegun"
        connection.sendall(head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_of_a_long_video_the_beginning_is_read(serve: Any, analyzer: Analyzer, clip: Path) -> None:
    with serve(create_app(Settings(max_video_seconds=1.0), analyzer)) as running:
        _, *rows, last = lines_of(send(running.url, clip.read_bytes()))
    assert [row["time_seconds"] for row in rows] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert last == {"state": "ended", "error": "of a video the first 1 s are read"}


def test_what_takes_too_long_is_ended(
    serve: Any, analyzer: Analyzer, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read until then is answered; the process is killed."""
    films = noted_films(monkeypatch)
    take = film.Film.next

    def slow(self: film.Film) -> Any:
        if self.num_taken == 3:  # type: ignore[attr-defined]
            process_of(self).join(PATIENCE_SECONDS)  # as if it did not come
        self.num_taken += 1  # type: ignore[attr-defined]
        return take(self)

    monkeypatch.setattr(film.Film, "num_taken", 0, raising=False)
    monkeypatch.setattr(film.Film, "next", slow)
    with serve(create_app(Settings(answer_seconds=4.0, max_clients=2), analyzer)) as running:
        _, *rows, last = lines_of(send(running.url, clip.read_bytes()))
        assert last["error"] == "read for 4 s, which is all that a video gets"
        assert [row["frame"] for row in rows] == [0, 5, 10]
        assert not process_of(films[0]).is_alive()


def test_memory_has_a_limit(serve: Any, analyzer: Analyzer, tmp_path: Path) -> None:
    grey = np.full((3000, 4000, 3), 90, np.uint8)
    write_video(tmp_path / "large.mp4", [grey, grey], [Fraction(0), Fraction(1, 25)])
    with serve(create_app(Settings(video_megabytes=60), analyzer)) as running:
        answer = send(running.url, (tmp_path / "large.mp4").read_bytes())
        assert answer.status_code == 422
        assert httpx.get(f"{running.url}/readyz").status_code == 200


def process_of(one: film.Film) -> BaseProcess:
    assert one._process is not None
    return one._process


def noted_films(monkeypatch: pytest.MonkeyPatch) -> list[film.Film]:
    films: list[film.Film] = []

    class Noted(film.Film):
        def __init__(self, path: Path, settings: Settings) -> None:
            super().__init__(path, settings)
            films.append(self)

    monkeypatch.setattr(video, "Film", Noted)
    return films


def post_head(content: bytes, declared: int) -> bytes:
    head = f"POST /v1/video HTTP/1.1\r\nHost: localhost\r\nContent-Length: {declared}\r\n\r\n"
    return head.encode() + content


def test_a_client_that_leaves_while_it_sends(server: Any, clip: Path) -> None:
    content, service = clip.read_bytes(), server.app.state.service
    with socket.create_connection(server.address, PATIENCE_SECONDS) as connection:
        connection.sendall(post_head(content[:1000], len(content)))
        wait_until(lambda: service.clients.count == 1)
    wait_until(lambda: service.clients.count == 0)
    assert lines_of(send(server.url, content))[-1]["state"] == "ended"


def test_a_client_that_leaves_while_it_is_answered(
    gated: Any, gate: Any, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = noted_films(monkeypatch)
    content, service = clip.read_bytes(), gated.app.state.service
    with socket.create_connection(gated.address, PATIENCE_SECONDS) as connection:
        connection.sendall(post_head(content, len(content)))
        gate.wait_for_one()
        process = process_of(films[0])
        gate.opened.set()
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        gate.opened.clear()
        gate.wait_for_one()
    wait_until(lambda: not process.is_alive())
    gate.opened.set()
    wait_until(lambda: service.clients.count == 0)


def test_one_video_at_a_time_for_a_client(
    gated: Any, gate: Any, clip: Path, grey_png: bytes
) -> None:
    content = clip.read_bytes()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(send, gated.url, content)
        gate.wait_for_one()
        second = send(gated.url, content)
        assert second.status_code == 429
        assert second.headers["retry-after"] == "1"
        assert "another video of yours" in second.json()["detail"]
        gate.opened.set()
        assert lines_of(first.result(PATIENCE_SECONDS))[-1] == {"state": "ended", "error": None}
    assert lines_of(send(gated.url, content))[-1] == {"state": "ended", "error": None}
    assert httpx.post(f"{gated.url}/v1/predict", content=grey_png).status_code == 200


def test_a_decoder_that_dies_is_said(server: Any, clip: Path, monkeypatch: Any) -> None:
    films, take = noted_films(monkeypatch), film.Film.next

    def then_killed(self: film.Film) -> Any:
        frame = take(self)
        process_of(self).kill()
        process_of(self).join()
        return frame

    monkeypatch.setattr(film.Film, "next", then_killed)
    _, *rows, last = lines_of(send(server.url, clip.read_bytes()))
    assert rows[-1]["error"] == "video: damaged, or needs more than 2000 MB to decode"
    assert last == {"state": "ended", "error": None}
    assert len(films) == 1
