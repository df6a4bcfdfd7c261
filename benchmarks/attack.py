"""Attacks on mien, bounded and on this machine alone: what they cost, and what holds.

    python benchmarks/attack.py                 all of it, some minutes
    python benchmarks/attack.py --only service  one of files, service, kills

*files*: damaged pictures, videos, tables, checkpoints and model folders are read; each must be
read, or refused with an error of mien's. *service*: a `mien serve` of its own process is attacked
in turn; beside each attack `/healthz` is asked all the time, and the longest wait is told, with
the most memory that the server and its decoders had together. *kills*: a corpus and a training
are killed at random and gone on with; the result must be that of an untouched run, byte for byte.

Prints a Markdown table; SECURITY.md holds it.
"""

import argparse
import contextlib
import hashlib
import io
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from drawn_faces import drawn_set, write_fer_csv  # noqa: E402
from made_picture import many_scans  # noqa: E402
from made_video import write_video  # noqa: E402
from mien.classifier import Classifier  # noqa: E402
from mien.data import read  # noqa: E402
from mien.errors import MienError  # noqa: E402
from mien.inference.read.video import read_frames  # noqa: E402
from mien.model_folder import write_manifest  # noqa: E402
from mien.pictures import read_picture  # noqa: E402
from mien.training import checkpoint  # noqa: E402
from tiny_model import write_tiny_model  # noqa: E402

SEED = 0


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Returns contents cut short, with bits flipped, or with bytes put in."""
    whole = bytearray(content)
    while whole == content:
        for _ in range(chance.choice((0, 1, 4, 40))):
            whole[chance.randrange(len(whole))] ^= chance.randrange(1, 256)
        if chance.random() < 0.4:
            del whole[chance.randrange(1, len(whole)) :]
        if chance.random() < 0.3:
            place = chance.randrange(len(whole))
            whole[place:place] = chance.randbytes(chance.randrange(1, 64))
    return bytes(whole)


def attack_files(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Yields what was read, how often, and what came of it."""
    chance = random.Random(SEED)
    pixels = np.random.default_rng(SEED).integers(0, 256, (48, 64, 3), np.uint8)
    pictures = []
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind)
        pictures.append(stream.getvalue())
    yield _tried("pictures", 2000, lambda: read_picture(damaged(chance.choice(pictures), chance)))

    videos = []
    times = [Fraction(n, 25) for n in range(20)]
    for suffix in (".mp4", ".mkv", ".avi", ".ts"):
        path = folder / f"video{suffix}"
        write_video(path, [pixels] * 20, times, rate=25)
        videos.append(path)

    def read_video() -> None:
        source = chance.choice(videos)
        path = folder / f"damaged{source.suffix}"
        path.write_bytes(damaged(source.read_bytes(), chance))
        for _ in read_frames(path):
            pass

    yield _tried("videos", 400, read_video)

    table = folder / "faces.csv"
    write_fer_csv(table, *drawn_set(20, seed=1), "Training")

    def read_table() -> None:
        path = folder / "damaged.csv"
        path.write_bytes(damaged(table.read_bytes(), chance))
        read(path)

    os.environ["MIEN_CACHE"] = "off"
    yield _tried("tables of faces", 400, read_table)

    run = folder / "run"
    _train(folder, run)
    whole = (run / "checkpoint.pt").read_bytes()

    def read_checkpoint() -> None:
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        (run / "checkpoint.pt").write_bytes(flipped)
        checkpoint.read(run)

    yield _tried("checkpoints with one bit flipped", 300, read_checkpoint)

    model = write_tiny_model(folder / "model")
    write_manifest(model)
    network = (model / "model.onnx").read_bytes()

    def read_model() -> None:
        (model / "model.onnx").write_bytes(damaged(network, chance))
        Classifier(model)

    yield _tried("model folders with a damaged network", 200, read_model)


def _tried(name: str, count: int, attempt: Callable[[], object]) -> tuple[str, int, str]:
    good = refused = 0
    slowest = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(count):
            start = time.monotonic()
            try:
                attempt()
                good += 1
            except MienError:
                refused += 1
            slowest = max(slowest, time.monotonic() - start)
    words = f"{good} read, {refused} refused, 0 other errors; the slowest {slowest:.2f} s"
    return name, count, words


def _train(folder: Path, run: Path, *more: str) -> None:
    data = folder / "train.csv"
    if not data.exists():
        write_fer_csv(data, *drawn_set(60, seed=2), ["Training"] * 40 + ["PublicTest"] * 20)
    command = ["train", "--recipe", "logistic", "--data", data, "--output", run]
    settings = ["--set", "train.epochs=400", "--set", "train.batch_size=8", *more]
    subprocess.run(_mien(*command, *settings), check=True, capture_output=True)


def _mien(*words: object) -> list[str]:
    return [sys.executable, "-m", "mien", *map(str, words)]


class Server:
    """A `mien serve` under attack."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            _mien("serve", "--port", 0),
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"http://([\d.]+):(\d+)", line)
        assert found, line
        self.url, self.address = found[0], (found[1], int(found[2]))
        self.log = len(line)
        threading.Thread(target=self._count_log, daemon=True).start()

    def _count_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += len(line)

    def memory(self) -> int:
        """Returns the bytes that it and its decoders have to themselves."""
        total = 0
        for process in (each := psutil.Process(self.process.pid), *each.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total

    def connect(self) -> socket.socket:
        """Returns a connection to it."""
        return socket.create_connection(self.address, 10)

    def end(self) -> None:
        """Ends it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def flat(kind: str, mode: str, width: int, height: int) -> bytes:
    """Returns a picture of one grey."""
    stream = io.BytesIO()
    Image.new(mode, (width, height)).save(stream, kind)
    return stream.getvalue()


def service_attacks(server: Server) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yields attacks by name; each returns what came of it."""
    slow, large = many_scans(190, 6000), flat("PNG", "L", 8000, 5000)
    upgrade = (
        "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    )
    heads = [
        "",
        "GET / HTTP/1.1\r\nHost: loc",
        "GET / HTTP/1.1\r\n" + "X-A: b\r\n" * 200,
        "POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
        f"{upgrade}Content-Length: 9999\r\n\r\n",
        f"{upgrade}Transfer-Encoding: chunked\r\n\r\n5\r\n",
    ]

    def post(*pictures: bytes) -> int:
        files = [("file", (str(n), each)) for n, each in enumerate(pictures)]
        try:
            return httpx.post(f"{server.url}/v1/predict", files=files, timeout=150).status_code
        except httpx.HTTPError:
            return 0

    def at_once(count: int, *pictures: bytes) -> str:
        codes: list[int] = []
        threads = [
            threading.Thread(target=lambda: codes.append(post(*pictures))) for _ in range(count)
        ]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told = ", ".join(f"{codes.count(code)} x {code}" for code in sorted(set(codes)))
        return f"answered in {time.monotonic() - start:.0f} s: {told}"

    def idle_connections() -> str:
        held = []
        for number in range(1100):
            with contextlib.suppress(OSError):
                connection = server.connect()
                connection.sendall(heads[number % len(heads)].encode())
                held.append(connection)
        time.sleep(12)
        ended = 0
        for connection in held:
            connection.setblocking(False)
            try:
                while connection.recv(10_000):
                    pass
                ended += 1
            except BlockingIOError:
                pass
            except OSError:
                ended += 1
            connection.close()
        return f"{len(held)} opened, {ended} of them ended by the server after 12 s"

    def rubbish() -> str:
        chance = random.Random(SEED)
        for _ in range(2000):
            with contextlib.suppress(OSError), server.connect() as connection:
                connection.sendall(chance.randbytes(chance.randrange(1, 200)) + b"\r\n\r\n")
                connection.settimeout(0.1)
                connection.recv(1000)
        return "2,000 connections that speak no HTTP"

    yield "nothing but /healthz", lambda: time.sleep(5) or "5 s"
    yield "progressive JPEGs of 190 scans, 36 megapixels, 8 at once", lambda: at_once(8, slow)
    yield "16 flat PNGs of 40 megapixels in one request", lambda: at_once(1, *[large] * 16)
    yield "flat PNGs of 40 megapixels, 16 at once", lambda: at_once(16, large)
    yield (
        "JPEG 2000 of 40 megapixels, 8 at once",
        lambda: at_once(8, flat("JPEG2000", "L", 8000, 5000)),
    )
    yield "1,100 connections that stall in six ways", idle_connections
    yield "bytes that are no HTTP", rubbish


def attack_service() -> Iterator[tuple[str, str, float, float]]:
    """Yields each attack, what came of it, the longest wait of /healthz (s), memory (MB)."""
    server = Server()
    try:
        for name, attack in service_attacks(server):
            waits: list[float] = []
            memory: list[int] = []
            over = threading.Event()

            def watch(waits: list[float] = waits, over: threading.Event = over) -> None:
                while not over.wait(0.05):
                    start = time.monotonic()
                    with contextlib.suppress(httpx.HTTPError):
                        httpx.get(f"{server.url}/healthz", timeout=30)
                    waits.append(time.monotonic() - start)

            def weigh(memory: list[int] = memory, over: threading.Event = over) -> None:
                while not over.wait(0.1):
                    with contextlib.suppress(psutil.Error):  # a decoder that ends meanwhile
                        memory.append(server.memory())

            watchers = [threading.Thread(target=each) for each in (watch, weigh)]
            for watcher in watchers:
                watcher.start()
            words = attack()
            over.set()
            for watcher in watchers:
                watcher.join()
            yield name, words, max(waits, default=0.0), max(memory, default=0) / 1e6
        yield "all of them: written to the log", f"{server.log} bytes", 0.0, 0.0
    finally:
        server.end()


def attack_kills(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Yields what was killed, how often, and whether anything was lost."""
    chance = random.Random(SEED)
    clips = folder / "clips"
    clips.mkdir()
    picture = np.full((48, 64, 3), 90, np.uint8)
    for number in range(12):
        count = 400 + 100 * (number % 3)
        times = [Fraction(n, 25) for n in range(count)]
        write_video(clips / f"{number:02}.mp4", [picture] * count, times)
    words = ["predict", clips, "--tables", "csv", "--resume", "--detector", "none", "--output"]
    subprocess.run(_mien(*words, folder / "whole"), capture_output=True, check=True)
    kills = _killed_until_done(_mien(*words, folder / "killed"), 25, (0.8, 1.8))
    whole, killed = (_hashes(folder / name, "*.csv") for name in ("whole", "killed"))
    yield "runs of a corpus of 12 videos", kills, _same(whole, killed)

    _train(folder, folder / "untouched")
    run = folder / "trained"
    start = _mien("train", "--recipe", "logistic", "--data", folder / "train.csv", "--output", run)
    start += ["--set", "train.epochs=400", "--set", "train.batch_size=8"]
    process = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(chance.uniform(3, 5))
    process.kill()
    process.wait()
    if not (run / "run.json").exists():
        shutil.rmtree(run, ignore_errors=True)
        _train(folder, run)
    kills = 1 + _killed_until_done(_mien("train", "--resume", run), 15, (1.6, 2.8))
    one, other = (
        _hashes(folder / name / "model", "model.safetensors") for name in ("untouched", "trained")
    )
    yield "trainings of 400 epochs", kills, _same(one, other)


def _killed_until_done(command: list[str], count: int, until: tuple[float, float]) -> int:
    """Runs a command again and again, killed so often between two times, then to its end."""
    chance = random.Random(SEED)
    for kills in range(count):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(chance.uniform(*until))
            return kills
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    subprocess.run(command, check=True, capture_output=True)
    return count


def _hashes(folder: Path, pattern: str) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob(pattern)
    }


def _same(one: dict[str, str], other: dict[str, str]) -> str:
    differing = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    return f"{len(one)} files, {len(differing)} differ from the untouched run's"


def main() -> None:
    """Runs the attacks and prints their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("files", "service", "kills"))
    only = parser.parse_args().only
    with tempfile.TemporaryDirectory() as name:
        if only in (None, "files"):
            print("| damaged | tried | outcome |\n|---|---|---|")
            for what, count, words in attack_files(Path(name)):
                print(f"| {what} | {count:,} | {words} |", flush=True)
            print()
        if only in (None, "service"):
            print("| attack | what came of it | longest wait of /healthz, s | memory, MB |")
            print("|---|---|---|---|")
            for what, words, wait, memory in attack_service():
                print(f"| {what} | {words} | {wait:.2f} | {memory:.0f} |", flush=True)
            print()
        if only in (None, "kills"):
            print("| killed | kills | lost |\n|---|---|---|")
            for what, count, words in attack_kills(Path(name)):
                print(f"| {what} | {count} | {words} |", flush=True)


if __name__ == "__main__":
    main()
