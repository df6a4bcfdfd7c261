"""A teacher's logits of every Training face, each from a net that did not learn that face.

    python benchmarks/out_of_fold.py --data fer2013.csv --recipe mien_s --output FOLDS [--folds 5]

Trains one net per fold (stopped ones go on), reads the fold it left out with test-time views, and
writes FOLDS/teacher.npz for `mien train --teacher`.

    python benchmarks/out_of_fold.py --data fer2013.csv --average FOLDS... --output FILE.npz
        [--votes fer2013new.csv]

Averages the logits of several recipes or seeds, named by folder or file. With FER+'s votes the
teacher says how likely each label is given both what the nets see and how ten people voted: a
logistic regression of FER2013's labels on the two, each face's from a fit without it.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch loads

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from mien.classifier import Classifier
from mien.data import FaceSet, assign_folds, read, read_teacher, write_teacher
from mien.data.fer_plus import join_votes
from mien.evaluation import metrics
from mien.recipes import load_recipe
from mien.training import resume, train

FAINTEST = 0.05  # added to shares of ten votes before their logarithm: half a vote


def main() -> None:
    """Trains, reads and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", default="mien_s")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--average", type=Path, nargs="+", default=[], metavar="FOLDS")
    parser.add_argument("--votes", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    if options.votes and not options.average:
        parser.error("--votes goes with --average")
    faces = read(options.data)
    if options.votes:
        faces = join_votes(faces, options.votes)
    faces = faces.take_split("Training")
    assert faces.labels is not None
    if options.average:
        opinions = [read_teacher(path, faces) for path in map(teacher_of, options.average)]
        target, logits = options.output, np.log(np.mean(opinions, axis=0) + 1e-7)
        if options.votes:
            report("nets alone", logits, faces.labels)
            logits = with_votes(faces, logits)
    else:
        target, logits = teacher_of(options.output), out_of_fold(options, faces)
    write_teacher(target, faces, logits)
    report(str(target), logits, faces.labels)


def teacher_of(path: Path) -> Path:
    """Returns where the teacher is: in a folder of folds, or the file itself."""
    return path if path.suffix == ".npz" else path / "teacher.npz"


def report(name: str, logits: np.ndarray, labels: np.ndarray) -> None:
    """Prints how well logits tell the labels."""
    found = metrics.accuracy(metrics.confusion_matrix(logits, labels))
    loss = metrics.log_loss(logits.astype(np.float32), labels)
    print(f"{name}: {found:.1%} of {len(labels)} labels, log loss {loss:.4f}")


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
            train(recipe, options.data, run)
        folds = assign_folds(faces.labels, options.folds, recipe.data.split_seed)
        logits[folds == fold] = Classifier(run).logits(faces.images[folds == fold], tta=True)
    return logits


def with_votes(faces: FaceSet, logits: np.ndarray) -> np.ndarray:
    """Returns log-probabilities `[N, K]` of the labels given logits and the votes' shares."""
    assert faces.labels is not None and faces.soft_labels is not None
    known = np.hstack([logits, np.log(faces.soft_labels + FAINTEST)])
    regression = LogisticRegression(max_iter=1000)
    shares = cross_val_predict(regression, known, faces.labels, cv=5, method="predict_proba")
    return np.log(shares)


if __name__ == "__main__":
    main()
