"""Several nets and what they say together, on a split of a labelled set.

    python benchmarks/ensemble.py --data fer2013.csv --split PublicTest MODEL MODEL ...

Of each net, and of the mean of all nets' probabilities: accuracy with one view and with test-time
views, and the log loss. Prints a Markdown table.
"""

import argparse
from pathlib import Path

import numpy as np

from mien.classifier import Classifier, softmax
from mien.data import read
from mien.evaluation import metrics


def main() -> None:
    """Measures the models and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="PublicTest")
    words = parser.parse_args()
    faces = read(words.data).take_split(words.split)
    assert faces.labels is not None
    print("| nets | one view % | TTA % | log loss, one view | log loss, TTA |")
    print("|---|---|---|---|---|")
    said = []
    for model in words.models:
        classifier = Classifier(model, precision="float32")
        if classifier.labels != faces.label_names:
            raise SystemExit(f"{model}: other classes, or in another order")
        said.append([softmax(classifier.logits(faces.images, tta)) for tta in (False, True)])
        print(_row(Path(model).name, said[-1], faces.labels), flush=True)
    if len(said) > 1:
        print(_row("all together", list(np.mean(said, axis=0)), faces.labels))


def _row(name: str, views: list[np.ndarray], labels: np.ndarray) -> str:
    logits = [np.log(np.maximum(each, 1e-12)) for each in views]
    right = [100 * metrics.accuracy(metrics.confusion_matrix(each, labels)) for each in logits]
    losses = [metrics.log_loss(each, labels) for each in logits]
    return f"| {name} | {right[0]:.2f} | {right[1]:.2f} | {losses[0]:.4f} | {losses[1]:.4f} |"


if __name__ == "__main__":
    main()
