"""The service under load: throughput, waits, refusals and memory, with real pictures.

    python benchmarks/serve.py [--requests 20000] [--pictures DIR]

It starts `mien serve` and sends pictures with 1, 8 and 64 clients at a time, each sending its next
when it has the answer; then with 100 clients, more than the service takes. Then it goes on until
--requests were answered and compares the server's resident memory with that after a tenth of
them. Without --pictures, crops and sizes of examples/astronaut.jpg are sent, 320 pixels on the
longer side and less. The clients run on the same machine and take their share of it.
"""

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from io import BytesIO
from itertools import count
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image

EXAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.jpg"


@dataclass
class Load:
    """What came of many requests.

    Attributes:
        seconds: From the first to the last.
        waits: Of each request that was served, seconds.
        statuses: How often each was answered; 0: not at all.
        num_faces: In all answers.
    """

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    num_faces: int = 0


def main() -> None:
    """Prints the machine and a table per part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000, help="in all (20000)")
    parser.add_argument("--pictures", type=Path, help="a folder of pictures to send")
    options = parser.parse_args()
    pictures = read_folder(options.pictures) if options.pictures else make_pictures()
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "uvicorn", "httpx"))
    print(f"{platform.platform()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, {packages}")
    sizes = [len(picture) / 1000 for picture in pictures]
    print(f"{len(pictures)} pictures of {min(sizes):.0f} to {max(sizes):.0f} kB\n")
    with serve() as (url, process):
        send(url, pictures, 2, 20)  # the first ones make ONNX Runtime reserve its memory
        print("| clients | requests | pictures/s | faces/s | p50, ms | p99, ms | errors |")
        print("|---:|---:|---:|---:|---:|---:|---:|")
        sent, each = 20, max(64, options.requests // 40)
        for clients in (1, 8, 64):
            load = send(url, pictures, clients, each)
            sent += each
            print_row(clients, each, load)
        print("\n| clients | requests | answered 200 | answered 429 | else | p99 of 200, ms |")
        print("|---:|---:|---:|---:|---:|---:|")
        load = send(url, pictures, 100, max(200, each))
        sent += max(200, each)
        served, refused = load.statuses[200], load.statuses[429]
        rest = load.statuses.total() - served - refused
        p99 = np.percentile(load.waits, 99) * 1000
        print(f"| 100 | {max(200, each):,} | {served:,} | {refused:,} | {rest} | {p99:.0f} |")

        early = max(options.requests // 10, sent)
        sent += len(send(url, pictures, 8, max(0, early - sent)).waits)
        first = process.memory_info().rss
        number = sent
        sent += len(send(url, pictures, 8, max(0, options.requests - sent)).waits)
        last = process.memory_info().rss
        print(f"\n| resident after | {number:,} requests | {sent:,} requests | ratio |")
        print("|---|---:|---:|---:|")
        print(f"| | {first / 1e6:.0f} MB | {last / 1e6:.0f} MB | {last / first:.3f} |")


def print_row(clients: int, num_requests: int, load: Load) -> None:
    """Prints a line of the first table."""
    p50, p99 = np.percentile(load.waits, [50, 99]) * 1000
    errors = load.statuses.total() - load.statuses[200]
    rate, faces = len(load.waits) / load.seconds, load.num_faces / load.seconds
    print(
        f"| {clients} | {num_requests:,} | {rate:.1f} | {faces:.1f} | {p50:.0f} | {p99:.0f} "
        f"| {errors} |"
    )


@contextmanager
def serve() -> Iterator[tuple[str, psutil.Process]]:
    """Runs `mien serve` on a free port; gives its URL and process."""
    command = [sys.executable, "-m", "mien", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()
            found = re.search(r"http://\S+", line)
            if found is None:
                raise SystemExit(line + server.stderr.read())
            yield found[0], psutil.Process(server.pid)
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate()


def send(url: str, pictures: Sequence[bytes], clients: int, num_requests: int) -> Load:
    """Returns what came of requests by clients that each wait for an answer before the next."""
    load, lock, numbers = Load(), threading.Lock(), count()
    starts: list[float] = []
    everybody = threading.Barrier(clients, lambda: starts.append(time.perf_counter()))

    def work() -> None:
        with httpx.Client(base_url=url, timeout=300, verify=False) as client:
            client.get("/healthz")
            everybody.wait()
            while (number := next(numbers)) < num_requests:
                picture = pictures[number % len(pictures)]
                start = time.perf_counter()
                try:
                    answer = client.post("/v1/predict", content=picture)
                except httpx.HTTPError:
                    with lock:
                        load.statuses[0] += 1
                    continue
                wait = time.perf_counter() - start
                with lock:
                    load.statuses[answer.status_code] += 1
                    if answer.status_code == 200:
                        load.waits.append(wait)
                        load.num_faces += len(answer.json()["results"][0]["faces"])
                if answer.status_code == 429:
                    time.sleep(float(answer.headers["retry-after"]))

    with ThreadPoolExecutor(clients) as pool:
        for worker in [pool.submit(work) for _ in range(clients)]:
            worker.result()
    load.seconds = time.perf_counter() - starts[0]
    return load


def make_pictures() -> list[bytes]:
    """Returns the example whole, cropped and mirrored, in several sizes, as JPEG."""
    whole = Image.open(EXAMPLE).convert("RGB")
    width, height = whole.size
    boxes = [(0, 0, width, height), (0, 0, width * 3 // 4, height), (0, 0, width, height * 3 // 4)]
    pictures = []
    for box in boxes:
        for longest in (320, 280, 240, 200):
            part = whole.crop(box)
            part.thumbnail((longest, longest))
            for view in (part, part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
                stream = BytesIO()
                view.save(stream, "JPEG", quality=90)
                pictures.append(stream.getvalue())
    return pictures


def read_folder(folder: Path) -> list[bytes]:
    """Returns the contents of a folder's pictures."""
    kinds = {".jpg", ".jpeg", ".png", ".webp"}
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in kinds)
    if not files:
        raise SystemExit(f"{folder}: no picture in it")
    return [path.read_bytes() for path in files]


if __name__ == "__main__":
    main()
