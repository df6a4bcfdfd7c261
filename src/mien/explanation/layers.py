"""What layers do: their activations for one face, and the first layer's kernels."""

import math
from dataclasses import dataclass

import numpy as np
from torch import nn

from mien.errors import UsageError
from mien.explanation.network import layer_outputs
from mien.models import FaceClassifier


@dataclass(frozen=True)
class Activation:
    """What one layer gave for a face.

    Attributes:
        name: The layer's dotted name in the network.
        kind: Its class.
        values: float32 `[C, h, h]` (maps) or `[C]` (a vector), in the layer's own unit.
    """

    name: str
    kind: str
    values: np.ndarray


@dataclass(frozen=True)
class Filters:
    """The kernels of a network's first layer.

    Attributes:
        name: The layer's dotted name in the network.
        kernels: float32 `[N, C, k, k]`, C the channels that the network takes.
    """

    name: str
    kernels: np.ndarray


def activations(classifier: FaceClassifier, view: np.ndarray) -> list[Activation]:
    """Returns what each layer gives for a face, in the order the layers run.

    Convolutions, activations, pools, linear layers and whole blocks; not batch norm, whose output
    the activation after it shows.

    Args:
        classifier: The network.
        view: uint8 `[s, s]` or `[s, s, 3]`, s the side of the network's input.

    Raises:
        ValueError: The view has another dtype or shape.
    """
    return [
        Activation(name, type(layer).__name__.lstrip("_"), values.float().cpu().numpy())
        for name, layer, values in layer_outputs(classifier, view)
    ]


def filters(classifier: FaceClassifier) -> Filters:
    """Returns the kernels of the first layer; a linear one's weights are laid out as the face.

    Raises:
        UsageError: The first layer does not look at pixels.
    """
    for name, layer in classifier.net.named_modules():
        if isinstance(layer, nn.Conv2d):
            return Filters(name, layer.weight.detach().float().cpu().numpy())
        if isinstance(layer, nn.Linear):
            side = math.isqrt(layer.in_features // classifier.in_channels)
            if side**2 * classifier.in_channels != layer.in_features:
                break
            weights = layer.weight.detach().float().cpu().numpy()
            return Filters(name, weights.reshape(-1, classifier.in_channels, side, side))
    raise UsageError("filters: the network's first layer does not look at pixels")
