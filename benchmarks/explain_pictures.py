"""Draws the pictures of docs/explain.md: `python benchmarks/explain_pictures.py [FOLDER]`.

With `--fit fer2013.csv` it prints instead where the landmarks lie in the frames of FER2013, the
medians over 1,000 faces of the Training split: the mean face of `mien.explanation.regions`.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from fit_crop import compose
from mien.data import read
from mien.explanation import METHODS, Explanation, draw, explain
from mien.inference.end_to_end import find
from mien.inference.see.detectors import create_detector
from mien.plots import write_figure

ROOT = Path(__file__).parents[1]
SHOWN = ("ReLU", "MaxPool2d", "Block", "Linear")
"""Of the activations: the page shows what comes after each stage."""


def of_stages(found: Explanation) -> Explanation:
    """Returns the explanation with the activations of whole stages only."""
    layers = [layer for layer in found.finding if layer.kind in SHOWN]
    return replace(found, finding=layers)


def print_landmarks(data: str) -> None:
    """Prints the medians of the five landmarks' x and y, in sides of the frame."""
    images, detector = read(data).take_split("Training").images, create_detector("retinaface")
    pictures = [
        compose(images[index])
        for index in np.random.default_rng(0).choice(len(images), 1000, replace=False)
    ]
    found = [
        (np.array(detection.landmarks) - picture.left) / picture.side
        for picture in pictures
        if (detection := find(detector, picture))
    ]
    print(f"{len(found)} faces\n{np.median(found, axis=0).round(3)}")


def main() -> None:
    """Draws one per method, of the astronaut and the default model."""
    if sys.argv[1:2] == ["--fit"]:
        print_landmarks(sys.argv[2])
        return
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    for method in METHODS:
        found = explain(ROOT / "examples" / "astronaut.jpg", method)
        if method == "activations":
            found = of_stages(found)
        print(write_figure(draw(found), folder / f"explain_{method}.png"), found.summary)
        if method == "integrated-gradients":
            write_figure(draw(found, "pixels"), folder / "explain_pixels.png")


if __name__ == "__main__":
    main()
