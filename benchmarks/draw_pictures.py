"""The pictures of docs/pictures.md, drawn anew.

    python benchmarks/draw_pictures.py                          those with drawn faces
    python benchmarks/draw_pictures.py --data FER2013 --run RUN those of the real set and a run

Pictures with faces show drawn ones: FER2013's are not ours to pass on. Bars, curves and matrices
are of the real set, the run, and the model `fer2013` on PublicTest.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
WIDTH, COLOURS = 1000, 256
WIDTH_OF_FACES, GREYS = 640, 24
"""Pixels and colours that keep each picture under 150 kB."""


def main() -> None:
    """Draws into docs/pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="fer2013.csv, also .gz or .xz")
    parser.add_argument("--run", type=Path, help="a run folder, for the curves")
    arguments = parser.parse_args()
    if (arguments.data is None) != (arguments.run is None):
        parser.error("--data and --run go together")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.data:
            data, run = arguments.data.resolve(), arguments.run.resolve()
            os.chdir(folder)
            draw_real(data, run)
        else:
            os.chdir(folder)
            draw_drawn()


def draw_real(data: Path, run: Path) -> None:
    """Draws what shows no face."""
    mien("plot", "data", data, "--output", "classes.png")
    mien("plot", "runs", run, "--output", "runs.png")
    mien("evaluate", "fer2013", "--data", data, "--split", "PublicTest", "--output", ".")
    for name in ("classes", "runs", "confusion", "per_class", "reliability"):
        keep(f"{name}.png", WIDTH, COLOURS)


def draw_drawn() -> None:
    """Draws what shows faces, from a set of drawn ones with every tenth label wrong."""
    sys.path.insert(0, str(ROOT / "tests"))
    from drawn_faces import drawn_set, write_fer_csv

    images, labels = drawn_set(1400, seed=0)
    rng = np.random.default_rng(0)
    wrong = rng.permutation(1400)[:140]
    labels[wrong] = rng.integers(0, 7, 140)
    splits = ["Training"] * 1000 + ["PublicTest"] * 400
    write_fer_csv(Path("drawn.csv"), images, labels, splits)
    write_fer_csv(Path("test.csv"), drawn_set(36, seed=1)[0], None, None)
    mien("train", "--recipe", "logistic", "--data", "drawn.csv", "--output", "run")
    mien("plot", "data", "drawn.csv", "--output", "samples.png", "--kind", "samples")
    options = ("--split", "PublicTest", "--output", "ambiguous.png")
    mien("plot", "data", "drawn.csv", "--model", "run", *options)
    mien("predict", "test.csv", "--model", "run", "--output", "grid.png")
    for name in ("samples", "ambiguous", "grid"):
        keep(f"{name}.png", WIDTH_OF_FACES, GREYS)


def mien(*arguments: object) -> None:
    """Runs a command, as typed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exit_code:
        sys.exit(result.output)


def keep(name: str, width: int, colours: int) -> None:
    """Puts a picture into docs/pictures, small."""
    with Image.open(name) as picture:
        height = round(picture.height * width / picture.width)
        small = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        small.quantize(colours, dither=Image.Dither.NONE).save(name, optimize=True)
    shutil.copyfile(name, PICTURES / name)
    print(f"{name}: {(PICTURES / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
