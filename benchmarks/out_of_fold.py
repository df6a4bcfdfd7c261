"""A teacher's logits of every Training face, each from a net that did not learn that face.

    python benchmarks/out_of_fold.py --data fer2013.csv --recipe mien_s --output FOLDS [--folds 5]
        [--votes fer2013new.csv --set train.vote_weight=0.3]

Trains one net per fold (stopped ones go on), reads the fold it left out with test-time views, and
writes FOLDS/teacher.npz for `mien train --teacher`. Logits of several recipes or seeds are averaged
by naming their folders: --average FOLDS... --output FILE.npz.
"""

import argparse
from pathlib import Path

import numpy as np

from mien.classifier import Classifier
from mien.data import FaceSet, assign_folds, read, read_teacher, write_teacher
from mien.evaluation import metrics
from mien.recipes import load_recipe
from mien.training import resume, train


def main() -> None:
    """Trains, reads and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", default="mien_s")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--votes", type=Path)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--average", type=Path, nargs="+", default=[], metavar="FOLDS")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    faces = read(options.data).take_split("Training")
    if options.average:
        opinions = [read_teacher(folder / "teacher.npz", faces) for folder in options.average]
        target, logits = options.output, np.log(np.mean(opinions, axis=0) + 1e-7)
    else:
        target, logits = options.output / "teacher.npz", out_of_fold(options, faces)
    write_teacher(target, faces, logits)
    assert faces.labels is not None
    found = metrics.accuracy(metrics.confusion_matrix(logits, faces.labels))
    loss = metrics.log_loss(logits.astype(np.float32), faces.labels)
    print(f"{target}: {found:.1%} of {len(faces)} labels, log loss {loss:.4f}")


def out_of_fold(options: argparse.Namespace, faces: FaceSet) -> np.ndarray:
    """Returns logits `[N, K]` of the faces, each fold's from the net that left it out."""
    assert faces.labels is not None
    logits = np.zeros((len(faces), len(faces.label_names)), np.float32)
    settings = [*options.settings, f"data.folds={options.folds}"]
    for fold in range(options.folds):
        recipe = load_recipe(options.recipe, [*settings, f"data.fold={fold}"])
        run = options.output / f"fold-{fold}"
        if run.exists():
            resume(run, options.data)
        else:
            train(recipe, options.data, run, votes=options.votes)
        folds = assign_folds(faces.labels, options.folds, recipe.data.split_seed)
        logits[folds == fold] = Classifier(run).logits(faces.images[folds == fold], tta=True)
    return logits


if __name__ == "__main__":
    main()
