"""How much of an expression goes when what an explanation points at is hidden: docs/explain.md.

    python benchmarks/faithful.py --data fer2013.csv MODEL ...

Of each face (PublicTest, drawn with seed 0) the fifth of the pixels with the most evidence for the
named expression is made grey; the figure is by how much its log odds fall (the deletion test of
Petsiuk et al. 2018, at one point). More is better; blobs at random are the floor. The last column
is of one smile, the bundled picture's: Grad-CAM's evidence below the middle of the face by that
above it. A second table has, of the same smile, what integrated gradients give either half, and
by how much the log odds of happy fall when it is made grey.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mien.data import read
from mien.explanation import (
    GradCam,
    PixelContributions,
    explain,
    grad_cam,
    integrated_gradients,
)
from mien.labels import EXPRESSIONS
from mien.models import FaceClassifier, load_face_classifier
from mien.views import centre_crop

SMILE = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
HIDDEN = 0.2
SMOOTH = 7
"""Side over which pixels' contributions are averaged: a cell of the last maps."""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=150)
    parser.add_argument("models", nargs="+")
    options = parser.parse_args()
    images = read(options.data).take_split("PublicTest").images
    images = images[np.random.default_rng(0).choice(len(images), options.faces, replace=False)]
    print(
        "| model | Grad-CAM | integrated gradients | random blobs | smile |\n|---|---|---|---|---|"
    )
    for model in options.models:
        face_classifier = load_face_classifier(model)
        rng = np.random.default_rng(0)  # the same blobs for every model, whatever stands before it
        falls = np.array([falls_of_face(face_classifier, image, rng) for image in images])
        errors = falls.std(axis=0, ddof=1) / len(falls) ** 0.5
        cells = [f"{m:.2f} ± {e:.2f}" for m, e in zip(falls.mean(axis=0), errors, strict=True)]
        cells.append(f"{smile_in_the_mouth(model):.2f}")
        print(f"| {Path(model).name} | " + " | ".join(cells) + " |", flush=True)
    print(
        "\n| model | contribution of the lower half | of the upper half "
        "| fall without the lower half | without the upper half |\n|---|---|---|---|---|"
    )
    for model in options.models:
        cells = [f"{value:+.2f}" for value in halves_of_the_smile(model)]
        print(f"| {Path(model).name} | " + " | ".join(cells) + " |", flush=True)


def falls_of_face(
    face_classifier: FaceClassifier, image: np.ndarray, rng: np.random.Generator
) -> list[float]:
    """Returns the falls of the log odds, by Grad-CAM, integrated gradients and blobs."""
    view = centre_crop(image[None], 44)[0]
    before = scores(face_classifier, view[None])
    label = int(before.argmax())
    pixels = integrated_gradients(face_classifier, view, label, num_steps=16).values
    evidence = [
        grad_cam(face_classifier, view, label).values,
        enlarged(F.avg_pool2d(as_map(pixels), SMOOTH, 1, SMOOTH // 2), len(view)),
        enlarged(as_map(rng.random((6, 6))), len(view)),
    ]
    grey = grey_of(face_classifier)
    hidden = [np.where(e > np.quantile(e, 1 - HIDDEN), grey, view) for e in evidence]
    after = scores(face_classifier, np.stack(hidden).astype(np.uint8))
    return (log_odds(before, label) - log_odds(after, label)).tolist()


def smile_in_the_mouth(model: str) -> float:
    """Returns Grad-CAM's evidence in the lower half of a smiling face by that in the upper half."""
    finding = explain(SMILE, "gradcam", model=model, expression="happy").finding
    assert isinstance(finding, GradCam)
    upper, lower = np.split(finding.values, 2)
    return float(lower.sum() / upper.sum())


def halves_of_the_smile(model: str) -> list[float]:
    """Returns what either half of a smiling face adds to the logit, and takes when it is hidden."""
    found = explain(SMILE, "integrated-gradients", model=model, expression="happy")
    assert isinstance(found.finding, PixelContributions)
    upper, lower = np.split(found.finding.values, 2)
    face_classifier = load_face_classifier(model)
    views = np.stack([found.view] * 3)
    middle = len(found.view) // 2
    views[1, middle:] = views[2, :middle] = grey_of(face_classifier)
    whole, *hidden = log_odds(scores(face_classifier, views), EXPRESSIONS.index("happy")).tolist()
    return [lower.sum(), upper.sum(), *(whole - each for each in hidden)]


def grey_of(face_classifier: FaceClassifier) -> int:
    """Returns the training set's mean grey, 0-255."""
    return round(255 * float(face_classifier.mean.mean()))


def as_map(values: np.ndarray) -> torch.Tensor:
    """Returns values `[h, h]` as a batch of one map of one channel."""
    return torch.from_numpy(values).float()[None, None]


def enlarged(values: torch.Tensor, side: int) -> np.ndarray:
    """Returns a map at another size, float32 `[side, side]`."""
    return F.interpolate(values, (side, side), mode="bilinear", align_corners=False)[0, 0].numpy()


def scores(face_classifier: FaceClassifier, views: np.ndarray) -> torch.Tensor:
    """Returns the logits of grey views."""
    with torch.no_grad():
        return face_classifier(torch.from_numpy(np.ascontiguousarray(views))[..., None])


def log_odds(logits: torch.Tensor, label: int) -> torch.Tensor:
    """Returns the log odds of a class against all others, `[N]`."""
    others = torch.cat([logits[:, :label], logits[:, label + 1 :]], 1)
    return logits[:, label] - others.logsumexp(1)


if __name__ == "__main__":
    main()
