"""Network architectures: name → `torch.nn.Module`, and the `FaceClassifier` around each."""

from mien.models import (  # noqa: F401  (each registers its family)
    compact,
    emocnn,
    linear,
    mien,
    plain,
    resnet9,
    vgg,
)
from mien.models.count import count_macs, count_parameters, evaluating
from mien.models.description import Layer, describe, layer_table
from mien.models.face_classifier import FaceClassifier
from mien.models.load import load_face_classifier
from mien.models.registry import (
    Architecture,
    architecture,
    create_model,
    list_models,
    register,
)
from mien.models.timm import normalisation_of

__all__ = [
    "Architecture",
    "FaceClassifier",
    "Layer",
    "architecture",
    "count_macs",
    "count_parameters",
    "create_model",
    "describe",
    "evaluating",
    "layer_table",
    "list_models",
    "load_face_classifier",
    "normalisation_of",
    "register",
]
