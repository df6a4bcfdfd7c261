"""What taking back the classes' frequency costs and brings: a table of `train.prior_correction`.

    python benchmarks/prior_correction.py --data fer2013.csv --votes fer2013new.csv --model default

Of a model that votes taught, on PublicTest; its own correction is undone first. Temperatures stay.
"""

import argparse

import numpy as np

from mien.classifier import Classifier
from mien.data import read
from mien.evaluation import score

CORRECTIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, help="fer2013.csv")
    parser.add_argument("--votes", required=True, help="fer2013new.csv")
    parser.add_argument("--model", default="default")
    arguments = parser.parse_args()
    whole = read(arguments.data, arguments.votes)
    training = whole.take_split("Training")
    assert training.soft_labels is not None
    logarithms = np.log(training.soft_labels.mean(axis=0))
    faces = whole.take_split("PublicTest")
    classifier = Classifier(arguments.model, precision="float32")
    assert faces.labels is not None
    record = classifier.config.training
    temperature = classifier.config.temperature
    logits = (
        classifier.logits(faces.images)
        + record.setting("train.prior_correction") * logarithms / temperature
    )
    print("| correction | majority read % | balanced % | cross-entropy | false alarms % "
          "| read neutral % |\n|---|---|---|---|---|---|")  # fmt: skip
    for correction in CORRECTIONS:
        moved = (logits - correction * logarithms / temperature).astype(np.float32)
        votes = score(moved, faces.labels, faces.label_names, votes=faces.votes).votes
        assert votes is not None
        assert votes.read_neutral is not None
        print(
            f"| {correction} | {100 * votes.accuracy:.2f} | {100 * votes.balanced_accuracy:.2f} "
            f"| {votes.cross_entropy:.4f} | {100 * votes.false_alarms['together'].share:.2f} "
            f"| {100 * votes.read_neutral.share:.2f} |"
        )


if __name__ == "__main__":
    main()
