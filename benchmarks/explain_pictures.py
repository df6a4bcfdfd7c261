"""Draws the pictures of docs/explain.md: `python benchmarks/explain_pictures.py [FOLDER]`."""

import sys
from dataclasses import replace
from pathlib import Path

from mien.explanation import METHODS, Explanation, draw, explain
from mien.plots import write_figure

ROOT = Path(__file__).parents[1]
SHOWN = ("ReLU", "MaxPool2d", "Block", "Linear")
"""Of the activations: the page shows what comes after each stage."""


def of_stages(found: Explanation) -> Explanation:
    """Returns the explanation with the activations of whole stages only."""
    layers = [layer for layer in found.finding if layer.kind in SHOWN]
    return replace(found, finding=layers)


def main() -> None:
    """Draws one per method, of the astronaut and the default model."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    for method in METHODS:
        found = explain(ROOT / "examples" / "astronaut.jpg", method)
        if method == "activations":
            found = of_stages(found)
        print(write_figure(draw(found), folder / f"explain_{method}.png"), found.summary)


if __name__ == "__main__":
    main()
