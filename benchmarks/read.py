"""Reading FER2013's CSV: mien against the usual idiom, pd.read_csv and a list of np.fromstring.

    python benchmarks/read.py [--data fer2013.csv] [--repeats 5]

Without --data it writes a file of the same shape (28,709 + 3,589 faces of 48 x 48 random pixels).
Every timing is the best of the repeats, taken in turns, with the file in the page cache; "cold"
is without mien's cache, "first" fills it, "warm" reads from it.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from mien.data import read


def main() -> None:
    """Prints the machine, the timings and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="an unpacked CSV in FER2013's layout")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas"))
    print(f"{platform.platform()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, {packages}")
    with tempfile.TemporaryDirectory() as folder:
        path = options.data or write_file(Path(folder) / "fer2013.csv")
        print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB, best of {options.repeats}")
        idiom, cold = [], []
        for _ in range(options.repeats):
            os.environ["MIEN_CACHE"] = "off"
            idiom.append(seconds_of(lambda: read_with_pandas(path)))
            cold.append(seconds_of(lambda: read(path)))
        faces = read(path).images
        same = np.array_equal(np.stack(read_with_pandas(path)), faces.reshape(len(faces), -1))
        os.environ["MIEN_CACHE"] = str(Path(folder) / "cache")
        time.sleep(2.1)  # the cache hashes younger files every time
        first = seconds_of(lambda: read(path))
        warm = min(seconds_of(lambda: read(path)) for _ in range(options.repeats))
    print(f"pandas + np.fromstring  {min(idiom):6.3f} s")
    print(f"mien, cold              {min(cold):6.3f} s   {min(idiom) / min(cold):.1f}x")
    print(f"mien, first             {first:6.3f} s   (fills the cache)")
    print(f"mien, warm              {warm:6.3f} s")
    print(f"{len(faces)} faces, the same pixels: {same}")


def read_with_pandas(path: Path) -> list[np.ndarray]:
    """Returns every row's pixels, read as tutorials do."""
    table = pd.read_csv(path)
    return [np.fromstring(pixels, sep=" ", dtype=np.uint8) for pixels in table["pixels"]]


def seconds_of(action: Callable[[], object]) -> float:
    """Returns the seconds that the action took; what it returned is freed before the next."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def write_file(path: Path) -> Path:
    """Writes a synthetic file of FER2013's shape, seeded, and returns its path."""
    rng = np.random.default_rng(0)
    numbers = [str(value) for value in range(256)]
    with path.open("w") as stream:
        stream.write("emotion,pixels,Usage\n")
        for row in range(28_709 + 3_589):
            pixels = " ".join([numbers[value] for value in rng.integers(0, 256, 48 * 48)])
            usage = "Training" if row < 28_709 else "PublicTest"
            stream.write(f"{rng.integers(0, 7)},{pixels},{usage}\n")
    return path


if __name__ == "__main__":
    main()
