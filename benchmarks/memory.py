"""What it costs a training to give freed memory back to the system: seconds per step, in turns.

    python benchmarks/memory.py [--recipe emocnn] [--steps 3] [--repeats 3]

Faces are random pixels in FER2013's size: the arithmetic is the same. "returned" is glibc's and
torch's default, "kept" what `mien train` sets (`mien.memory`). Each figure is a process of its own
with the first epoch left out; the ratio is of the medians.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

import numpy as np

from mien.memory import reuse_freed_memory

CHILD = "--child"


def main() -> None:
    """Prints a line per pair, then the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--recipe", default="emocnn")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(CHILD, choices=("kept", "returned"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(seconds_per_step(options)))
        return
    print(f"{platform.platform()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    found: dict[str, list[float]] = {"kept": [], "returned": []}
    for _ in range(options.repeats):
        for how, seconds in found.items():
            words = [sys.executable, __file__, *sys.argv[1:], CHILD, how]
            seconds.append(float(subprocess.run(words, check=True, capture_output=True).stdout))
        print("  ".join(f"{how} {seconds[-1]:.2f} s" for how, seconds in found.items()))
    ratio = statistics.median(found["returned"]) / statistics.median(found["kept"])
    print(f"{options.recipe}, batch of its recipe: a step is {ratio:.2f}x faster with memory kept")


def seconds_per_step(options: argparse.Namespace) -> float:
    """Returns the seconds of a step, measured in this process."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if options.child == "kept":
        reuse_freed_memory()
    from mien.data import FaceSet
    from mien.labels import EXPRESSIONS
    from mien.recipes import load_recipe
    from mien.training.loop import epochs
    from mien.training.state import start

    recipe = load_recipe(options.recipe, ["train.epochs=2"])
    rng = np.random.default_rng(0)

    def random_faces(count: int) -> FaceSet:
        images = rng.integers(0, 256, (count, 48, 48), dtype=np.uint8)
        labels = rng.integers(0, 7, count)
        return FaceSet(images, labels, tuple(EXPRESSIONS), np.arange(count), ("random",))

    faces = random_faces(options.steps * recipe.train.batch_size)
    records = list(epochs(start(recipe, faces, random_faces(7))))
    speed = records[-1].faces_per_second
    assert speed
    return recipe.train.batch_size / speed


if __name__ == "__main__":
    main()
