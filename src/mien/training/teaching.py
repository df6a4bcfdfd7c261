"""Trained networks as teachers: their probabilities on a view become part of its target.

Teacher and student see the same view: the same crop, flip and mixture (Beyer et al., "Knowledge
distillation: a good teacher is patient and consistent", 2022).
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from mien.errors import UsageError
from mien.model_folder import read_config, resolve
from mien.models import FaceClassifier, load_face_classifier

LOGITS = ".npz"
"""A teacher whose name ends so is a file of logits; any other is a model."""


TeacherNames = str | Path | Sequence[str | Path] | None


def teacher_names(teacher: TeacherNames) -> tuple[str, ...]:
    """Returns the names of no, one or several teachers as a tuple."""
    if teacher is None or isinstance(teacher, str | Path):
        return () if teacher is None else (str(teacher),)
    return tuple(str(name) for name in teacher)


class Teachers(nn.Module):
    """An ensemble of teachers; returns the mean of their calibrated probabilities."""

    def __init__(
        self, face_classifiers: Sequence[FaceClassifier], columns: Sequence[Tensor]
    ) -> None:
        """Takes networks; `columns` has, for each, where it keeps each of the student's classes."""
        super().__init__()
        self.face_classifiers = nn.ModuleList(face_classifiers)
        self._pairs = list(zip(face_classifiers, columns, strict=True))

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """Returns probabilities `[B, K]` of views `[B, C, s, s]` in [0, 1]."""
        said = [
            face_classifier.of_pixels(pixels).softmax(1)[:, columns.to(pixels.device)]
            for face_classifier, columns in self._pairs
        ]
        return torch.stack(said).mean(0)


def load_teachers(
    models: Sequence[str], labels: Sequence[str], channels: int, input_size: int
) -> Teachers | None:
    """Returns the teachers that are models, on the CPU; None if there are none.

    Args:
        models: `default`, model folders or runs.
        labels: The student's classes.
        channels: Of the faces: 1 or 3.
        input_size: Side of the part of a face that the student sees, pixels.

    Raises:
        MissingError: No such model, or without weights.
        BadInputError: It is damaged.
        UsageError: It has other classes, or is made for other faces.
    """
    face_classifiers, columns = [], []
    for model in models:
        config = read_config(resolve(model))
        if set(config.labels) != set(labels):
            raise UsageError(
                f"{model} cannot teach: it knows {', '.join(config.labels)}; the faces' classes "
                f"are {', '.join(labels)}"
            )
        if (config.channels, config.input_size) != (channels, input_size):
            raise UsageError(
                f"{model} cannot teach: it sees {config.input_size} pixels with {config.channels} "
                f"channel(s); the recipe shows {input_size} with {channels}"
            )
        face_classifiers.append(load_face_classifier(model))
        columns.append(torch.tensor([config.labels.index(label) for label in labels]))
    return Teachers(face_classifiers, columns) if face_classifiers else None


def teachers_hash(models: Sequence[str]) -> str:
    """Returns the SHA-256 of the models' weights and temperatures."""
    digest = hashlib.sha256()
    for model in models:
        face_classifier = load_face_classifier(model)
        for value in (face_classifier.temperature, *face_classifier.state_dict().values()):
            digest.update(value.numpy().tobytes())
    return digest.hexdigest()
