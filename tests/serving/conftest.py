"""Real servers on free ports, in threads, with networks that answer quickly or when told."""

import contextlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from skimage.data import astronaut

from mien.classifier import Classifier
from mien.inference import Analyzer
from mien.inference.detection import Detection
from mien.serving.app import create_app
from mien.serving.server import listen, make_server, url_of
from mien.serving.settings import Settings
from tiny_model import write_tiny_model

PATIENCE_SECONDS = 30
"""How long is waited for what must happen; only a failing test waits it out."""


@dataclass(frozen=True)
class Running:
    """A server at work."""

    url: str
    app: FastAPI
    stop: Callable[[], None]

    @property
    def stream_url(self) -> str:
        return self.url.replace("http", "ws") + "/v1/stream"

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        assert url.port is not None
        return url.host, url.port


@dataclass
class Gate:
    """A detector that finds the middle of each picture, and waits to be let through.

    Attributes:
        entered: Counts up at each picture.
        opened: Set: pictures pass.
        sizes: Of the pictures that passed, width and height.
    """

    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    opened: threading.Event = field(default_factory=threading.Event)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        self.entered.release()
        assert self.opened.wait(PATIENCE_SECONDS)
        height, width = rgb.shape[:2]
        self.sizes.append((width, height))
        return [Detection((width / 4, height / 4, width * 3 / 4, height * 3 / 4), 0.9)]

    def wait_for_one(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE_SECONDS)


class CountingClassifier(Classifier):
    """Notes how many faces came together."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, num_threads=1)
        self.num_faces: list[int] = []

    def logits(self, faces: np.ndarray, tta: bool = False, batch_size: int = 64) -> np.ndarray:
        if len(faces):
            self.num_faces.append(len(faces))
        return super().logits(faces, tta, batch_size)


@contextlib.contextmanager
def _serve(app: FastAPI) -> Iterator[Running]:
    ready = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        server = make_server(app, ready.set)
        thread = threading.Thread(target=server.run, args=([listener],))

        def stop() -> None:
            server.should_exit = True

        thread.start()
        try:
            assert ready.wait(PATIENCE_SECONDS)
            yield Running(url_of(listener), app, stop)
        finally:
            stop()
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


class Command:
    """A `mien serve` of its own process."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mien", "serve", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        watch = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        watch.daemon = True
        watch.start()
        assert self.process.stderr is not None
        self.first_lines = ""
        while (found := re.search(r"http://\S+", self.first_lines)) is None:
            line = self.process.stderr.readline()
            assert line, f"it ended: {self.first_lines}"
            self.first_lines += line
        watch.cancel()
        self.url = found[0]

    @property
    def stream_url(self) -> str:
        return self.url.replace("http", "ws") + "/v1/stream"

    def end(self, how: signal.Signals) -> tuple[int, str, str]:
        """Returns the exit code, stdout, and stderr from its beginning."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, out, self.first_lines + err


Serve = Callable[[FastAPI], AbstractContextManager[Running]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Runs an application on a free port for the length of a `with`."""
    return _serve


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("served") / "tiny")


@pytest.fixture(scope="session")
def analyzer(model_folder: Path) -> Analyzer:
    """RetinaFace and a classifier whose answers mean nothing."""
    return Analyzer(model_folder)


@pytest.fixture(scope="module")
def start(model_folder: Path) -> Iterator[Callable[..., Command]]:
    """Runs `mien serve` on a free port in a process of its own."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str | Path) -> Command:
            command = Command("--model", model_folder, *arguments)
            stack.enter_context(command.process)
            stack.callback(command.process.kill)
            return command

        yield start


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def counting(model_folder: Path) -> CountingClassifier:
    return CountingClassifier(model_folder)


@pytest.fixture
def gated(serve: Serve, gate: Gate, counting: CountingClassifier) -> Iterator[Running]:
    """A server whose pictures wait at the gate."""
    with serve(create_app(Settings(max_clients=64), Analyzer(counting, gate))) as running:
        yield running
        gate.opened.set()  # before the server ends: it answers what waits


@pytest.fixture(scope="module")
def server(serve: Serve, analyzer: Analyzer) -> Iterator[Running]:
    """One with the usual limits."""
    with serve(create_app(Settings(), analyzer)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS) as client:
        yield client


def encode(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="session")
def face_jpeg() -> bytes:
    """A picture with one face."""
    return encode(astronaut(), "JPEG")


@pytest.fixture(scope="session")
def grey_png() -> bytes:
    """A small picture without a face."""
    return encode(np.full((40, 60, 3), 128, np.uint8))
