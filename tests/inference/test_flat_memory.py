"""A long video takes no more memory than a short one, and a left one leaves nothing behind."""

import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from made_video import write_video
from mien.inference import Analyzer
from mien.inference.read.sources import find_sources
from tiny_model import write_tiny_model

PEAK = """
import resource, sys
from mien.inference import Analyzer
analyzer = Analyzer(sys.argv[1], "none", num_threads=1)
count = sum(len(frame.faces) for frame in analyzer.stream(sys.argv[2]))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


def write_noise(path: Path, count: int) -> Path:
    pictures = np.random.default_rng(0).integers(0, 256, (50, 48, 64, 3), np.uint8)
    turns = [pictures[number % 50] for number in range(count)]
    write_video(path, turns, [Fraction(number, 25) for number in range(count)])
    return path


def peak(model: Path, video: Path) -> tuple[int, int]:
    """Returns how many faces were read, and the most memory that was ever taken."""
    words = [sys.executable, "-c", PEAK, str(model), str(video)]
    count, size = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return int(count), int(size)


def test_a_video_twenty_times_longer_takes_no_more_memory(model: Path, tmp_path: Path) -> None:
    short = peak(model, write_noise(tmp_path / "short.mp4", 200))
    long = peak(model, write_noise(tmp_path / "long.mp4", 4000))
    assert (short[0], long[0]) == (200, 4000)
    assert long[1] < 1.1 * short[1]


@pytest.mark.parametrize("keep_pixels", [False, True])
def test_a_video_that_is_left_leaves_no_thread_and_no_file(
    model: Path, tmp_path: Path, keep_pixels: bool
) -> None:
    video = write_noise(tmp_path / "clip.mp4", 200)
    analyzer = Analyzer(model, "none")
    before = set(threading.enumerate())
    results = analyzer.results(find_sources([video]), keep_pixels=keep_pixels)
    next(results)
    assert set(threading.enumerate()) - before
    results.close()
    assert not set(threading.enumerate()) - before
    open_files = Path("/proc/self/fd")
    if open_files.exists():
        links = [link.readlink() for link in open_files.iterdir() if link.is_symlink()]
        assert video not in links
