"""What a network looked at in a face: saliency, activations, filters."""

from mien.explanation.explaining import (
    EXPRESSION_METHODS,
    METHODS,
    Detail,
    Explanation,
    draw,
    explain,
    find_face,
)
from mien.explanation.network import activations, filters
from mien.explanation.regions import REGIONS
from mien.explanation.saliency import GradCam, PixelContributions, grad_cam, integrated_gradients

__all__ = [
    "EXPRESSION_METHODS",
    "METHODS",
    "REGIONS",
    "Detail",
    "Explanation",
    "GradCam",
    "PixelContributions",
    "activations",
    "draw",
    "explain",
    "filters",
    "find_face",
    "grad_cam",
    "integrated_gradients",
]
