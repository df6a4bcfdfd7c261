"""The study report D wanted: how well the other expressions are told apart when one is left out.

    python benchmarks/leave_one_out.py --data fer2013.csv [--recipe feedforward] [--seeds 0 1]

One run per expression left out, and one with none. "gain" is the accuracy on the remaining faces
less that of the full network on the same faces with the left-out class struck from its choices:
what leaving the class out of training changes, beyond having one choice fewer.
"""

import argparse
import math
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch loads

import numpy as np

from mien.data import FaceSet, read
from mien.evaluation import wilson_interval
from mien.labels import EXPRESSIONS
from mien.recipes import load_recipe
from mien.training.data import TrainingSource, prepare
from mien.training.loop import epochs
from mien.training.state import start


def main() -> None:
    """Prints the table, as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", default="feedforward")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--set", dest="settings", action="append", default=[])
    options = parser.parse_args()
    counts = read(options.data).take_split("Training").counts()
    print(f"recipe {options.recipe}, seeds {options.seeds}, settings {options.settings}\n")
    print("| left out | faces learnt from | accuracy on the rest | the full net there | gain |")
    print("|---|---|---|---|---|")
    full = [last_logits(options, seed, drop=None) for seed in options.seeds]
    selection = full[0][1]
    report_row("none", sum(counts.values()), full, full, selection.label_names)
    for name in EXPRESSIONS:
        rest = tuple(label for label in EXPRESSIONS if label != name)
        runs = [last_logits(options, seed, drop=name) for seed in options.seeds]
        report_row(name, sum(counts[label] for label in rest), runs, full, rest)


def last_logits(
    options: argparse.Namespace, seed: int, drop: str | None
) -> tuple[np.ndarray, FaceSet]:
    """Returns the last epoch's logits of the selection faces, and these faces."""
    settings = [*options.settings, f"train.seed={seed}"]
    if drop:
        settings.append(f"data.drop=['{drop}']")
    faces = prepare(TrainingSource(options.data), load_recipe(options.recipe, settings))
    state = start(faces.recipe, faces.train, faces.selection)
    for _ in epochs(state):
        pass
    assert state.last is not None
    return state.last.logits.numpy(), faces.selection


def report_row(
    name: str,
    num_faces: int,
    runs: list[tuple[np.ndarray, FaceSet]],
    full: list[tuple[np.ndarray, FaceSet]],
    rest: tuple[str, ...],
) -> None:
    """Prints a row: means over the seeds, the interval of a single run of that accuracy."""
    ours = [accuracy(logits, faces, rest) for logits, faces in runs]
    theirs = [accuracy(logits, faces, rest) for logits, faces in full]
    gains = [100 * (one - other) for one, other in zip(ours, theirs, strict=True)]
    mean, count = float(np.mean(ours)), len(runs[0][1])
    low, high = wilson_interval(round(mean * count), count)
    spread = f" ± {np.std(gains, ddof=1) / math.sqrt(len(gains)):.1f}" if len(gains) > 1 else ""
    print(
        f"| {name} | {num_faces:,} | {mean:.1%} ({low:.1%} to {high:.1%}) "
        f"| {np.mean(theirs):.1%} | {np.mean(gains):+.1f}{spread} |",
        flush=True,
    )


def accuracy(logits: np.ndarray, faces: FaceSet, rest: tuple[str, ...]) -> float:
    """Returns the accuracy on the faces of some classes, with these as the only choices."""
    columns = [faces.label_names.index(label) for label in rest]
    keep = np.isin(faces.labels, columns)
    chosen = np.array(columns)[logits[keep][:, columns].argmax(1)]
    assert faces.labels is not None
    return float((chosen == faces.labels[keep]).mean())


if __name__ == "__main__":
    main()
