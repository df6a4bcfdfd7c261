"""How FER2013's labels and the votes of annotators differ: the figure of docs/which-labels.md.

python benchmarks/which_labels.py --data fer2013.csv --votes fer2013new.csv
"""

import argparse
from pathlib import Path

import numpy as np

from mien.data import find_majority, read
from mien.labels import EXPRESSIONS
from mien.plots import write_figure
from mien.plots.scores import draw_confusion

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "which-labels.png"


def main() -> None:
    """Prints how often they differ, a line for each split, and draws the figure of all faces."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, help="fer2013.csv")
    parser.add_argument("--votes", required=True, help="fer2013new.csv")
    arguments = parser.parse_args()
    faces = read(arguments.data, arguments.votes)
    print("| split | faces | agree on an expression | of these, FER2013's label is another |")
    print("|---|---|---|---|")
    for name in (*faces.split_names, "all"):
        part = faces if name == "all" else faces.take_split(name)
        assert part.labels is not None
        assert part.votes is not None
        choice = find_majority(part.votes).choice
        decided = choice >= 0
        other = (part.labels[decided] != choice[decided]).mean()
        print(f"| {name} | {len(part):,} | {decided.sum():,} | {other:.1%} |")
    assert faces.labels is not None
    pairs = part.labels[decided] * len(EXPRESSIONS) + choice[decided]
    table = np.bincount(pairs, minlength=len(EXPRESSIONS) ** 2).reshape(-1, len(EXPRESSIONS))
    figure = draw_confusion(table, EXPRESSIONS, "What annotators see, by FER2013's label")
    axes = figure.axes[0]
    axes.set(xlabel="what most of ten annotators say", ylabel="FER2013's label (faces)")
    figure.axes[1].set_ylabel("share of the label (%)")
    print(write_figure(figure, PICTURE))


if __name__ == "__main__":
    main()
