"""Pictures of a labelled set: its classes, samples of them, and faces whose label is doubtful."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from mien.classifier import softmax
from mien.data import FaceSet
from mien.errors import BadInputError, UsageError
from mien.evaluation.metrics import find_disagreements
from mien.evaluation.report import Evaluation
from mien.plots import draw_class_counts, draw_face_grid
from mien.text import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["classes", "samples", "ambiguous"]

FACES_PER_ROW = 8


def draw_data(
    faces: FaceSet, kind: Kind, title: str, evaluation: Evaluation | None = None, seed: int = 0
) -> "Figure":
    """Returns a figure of a labelled set.

    Args:
        faces: The set.
        kind: `classes`: a bar per class and split, with the mean. `samples`: a row of faces per
            class, drawn at random. `ambiguous`: a row per class of the faces whose label is most
            at odds with what a model says, or with the votes of annotators.
        title: What the set is called.
        evaluation: For `ambiguous`: a model on these faces; without it, the set's soft labels
            count.
        seed: Decides which samples.

    Raises:
        BadInputError: The set is empty or has no labels.
        UsageError: `ambiguous` without an evaluation and without soft labels.
    """
    if faces.labels is None or not len(faces):
        raise BadInputError(f"{title}: holds no labelled faces, so there are no classes to draw")
    if kind == "classes":
        return draw_class_counts(faces.counts_by_split() or {"all": faces.counts()}, title)
    if kind == "samples":
        return _draw_samples(faces, faces.labels, title, seed)
    if evaluation is not None:
        names, labels = evaluation.config.labels, evaluation.labels
        opinions, who = softmax(evaluation.logits), evaluation.model
    elif faces.soft_labels is not None:
        names, labels = faces.label_names, faces.labels
        opinions, who = faces.soft_labels, "FER+ votes"
    else:
        raise UsageError("ambiguous faces need votes, or a model, to hold the labels against")
    return _draw_ambiguous(faces, opinions, labels, names, f"{title}: label and {who}")


def _draw_samples(faces: FaceSet, labels: np.ndarray, title: str, seed: int) -> "Figure":
    rng = np.random.default_rng(seed)
    images, row_names = [], []
    for label, (name, count) in enumerate(faces.counts().items()):
        members = np.flatnonzero(labels == label)
        images += _row(faces, np.sort(rng.permutation(members)[:FACES_PER_ROW]))
        row_names.append(f"{name}\n{counted(count, 'face')}")
    heading = f"{title}: samples of {counted(len(faces), 'face')}"
    return draw_face_grid(images, FACES_PER_ROW, heading, row_names=row_names)


def _draw_ambiguous(
    faces: FaceSet, opinions: np.ndarray, labels: np.ndarray, names: tuple[str, ...], title: str
) -> "Figure":
    found = find_disagreements(opinions, labels)
    images, captions, row_names = [], [], []
    for label, name in enumerate(names):
        members = found[labels[found] == label]
        shown = members[:FACES_PER_ROW]
        images += _row(faces, shown)
        sure = [f"{names[opinions[i].argmax()]} {opinions[i].max():.0%}" for i in shown]
        captions += sure + [""] * (FACES_PER_ROW - len(shown))
        total = int((labels == label).sum())
        row_names.append(f"labelled {name}\n{len(members):,} of {total:,}\ndisagree")
    share = len(found) / len(faces)
    heading = f"{title} disagree on {len(found):,} of {counted(len(faces), 'face')} ({share:.1%})"
    return draw_face_grid(images, FACES_PER_ROW, heading, captions, row_names)


def _row(faces: FaceSet, indices: np.ndarray) -> list[np.ndarray | None]:
    return [*faces.images[indices], *[None] * (FACES_PER_ROW - len(indices))]
