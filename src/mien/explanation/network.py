"""What goes on inside a network while it looks at one face, and its first layer's kernels.

C channels of a map · h its side · s side of the network's input
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.errors import UsageError
from mien.models import FaceClassifier, evaluating

_PASS_ON = (
    nn.Dropout,
    nn.Dropout2d,
    nn.Flatten,
    nn.GroupNorm,
    nn.Identity,
    nn.LayerNorm,
    nn.Sequential,
    nn.Softmax,
    nn.modules.batchnorm._NormBase,
)
"""Layers that only normalise, drop, reshape or hold others, which show what they give."""


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


@contextmanager
def observed(face_classifier: FaceClassifier) -> Iterator[Callable[[Tensor], Tensor]]:
    """Yields the function faces `[N, s, s, C]` → scores `[N, K]` that explanations differentiate.

    The scores are the logits, before what bounds them in some networks (report D's tanh): no
    gradient passes that once it is saturated. Meanwhile the network is in evaluation mode and
    its layers do not overwrite their inputs; afterwards every module is as it was before.
    """
    overwriting: list[Any] = [
        module for module in face_classifier.modules() if getattr(module, "inplace", False) is True
    ]
    caught: list[Tensor] = []
    last = getattr(face_classifier.net, "head", face_classifier.net)
    hook = last.register_forward_hook(lambda _, __, output: caught.append(output))

    def scores(faces: Tensor) -> Tensor:
        caught.clear()
        face_classifier(faces)
        return caught.pop().float() / face_classifier.temperature

    try:
        for module in overwriting:
            module.inplace = False
        with evaluating(face_classifier), torch.enable_grad():
            yield scores
    finally:
        hook.remove()
        for module in overwriting:
            module.inplace = True


def as_batch(face_classifier: FaceClassifier, view: np.ndarray) -> Tensor:
    """Returns the view as a batch of one that gradients can reach: float `[1, s, s, C]`, 0-255.

    Raises:
        ValueError: It is not uint8 `[s, s]` or `[s, s, C]` with C 1 or 3.
    """
    grey = view.ndim == 2
    if view.dtype != np.uint8 or not (grey or (view.ndim == 3 and view.shape[2] in (1, 3))):
        raise ValueError(
            f"expected a view uint8 [s, s] or [s, s, 3], got {view.dtype} {list(view.shape)}"
        )
    pixels = view[..., None] if grey else view
    return torch.from_numpy(pixels.astype(np.float32))[None].to(face_classifier.mean.device)


def activations(face_classifier: FaceClassifier, view: np.ndarray) -> list[Activation]:
    """Returns what each layer gives for a face, in the order the layers run.

    Convolutions, activations, pools, linear layers and whole blocks; not batch norm, whose output
    the activation after it shows.

    Args:
        face_classifier: The network.
        view: uint8 `[s, s]` or `[s, s, 3]`, s the side of the network's input.

    Raises:
        ValueError: The view has another dtype or shape.

    Example:
        >>> from mien.explanation import activations, explain
        >>> from mien.models import load_face_classifier
        >>> view = explain("examples/astronaut.jpg", "filters").view
        >>> layers = activations(load_face_classifier("default"), view)
        >>> layers[-1].values.shape
        (7,)
    """
    return [
        Activation(name, type(layer).__name__.lstrip("_"), values.float().cpu().numpy())
        for name, layer, values in layer_outputs(face_classifier, view)
    ]


def filters(face_classifier: FaceClassifier) -> Filters:
    """Returns the kernels of the first layer; a linear one's weights are laid out as the face.

    Raises:
        UsageError: The first layer does not look at pixels.

    Example:
        >>> from mien.explanation import filters
        >>> from mien.models import load_face_classifier
        >>> first = filters(load_face_classifier("default"))
        >>> first.kernels.ndim, first.kernels.dtype
        (4, dtype('float32'))
    """
    for name, layer in face_classifier.net.named_modules():
        if isinstance(layer, nn.Conv2d):
            return Filters(name, layer.weight.detach().float().cpu().numpy())
        if isinstance(layer, nn.Linear):
            side = math.isqrt(layer.in_features // face_classifier.in_channels)
            if side**2 * face_classifier.in_channels != layer.in_features:
                break
            weights = layer.weight.detach().float().cpu().numpy()
            return Filters(name, weights.reshape(-1, face_classifier.in_channels, side, side))
    raise UsageError("filters: the network's first layer does not look at pixels")


def layer_outputs(
    face_classifier: FaceClassifier, view: np.ndarray
) -> list[tuple[str, nn.Module, Tensor]]:
    """Returns (name, layer, output) of the network's layers in the order they finish.

    An output is a map `[C, h, h]` or a vector `[C]`. Left out are layers that only normalise,
    drop, reshape or hold others in sequence, blocks whose output is that of their last layer, and
    what is neither map nor vector (a transformer's tokens). The whole network is called `output`.

    Args:
        face_classifier: The network; gradients are not followed.
        view: uint8 `[s, s]` or `[s, s, 3]`, s the side of the network's input.
    """
    found: list[tuple[str, nn.Module, Tensor]] = []

    def listen(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def note(module: nn.Module, _: tuple[Tensor, ...], output: object) -> None:
            if isinstance(output, Tensor) and not any(output is seen for *_, seen in found):
                found.append((name, module, output))

        return module.register_forward_hook(note)

    handles = [
        listen(name or "output", module)
        for name, module in face_classifier.net.named_modules()
        if not isinstance(module, _PASS_ON)
    ]
    try:
        with observed(face_classifier) as scores, torch.no_grad():
            scores(as_batch(face_classifier, view))
    finally:
        for handle in handles:
            handle.remove()
    return [(name, module, _squeezed(output)) for name, module, output in found if _shows(output)]


def _shows(output: Tensor) -> bool:
    """Returns whether an output is one map per channel (square, as faces are) or one value."""
    return output.ndim == 2 or (output.ndim == 4 and output.shape[2] == output.shape[3])


def _squeezed(output: Tensor) -> Tensor:
    """Returns `[C, h, h]`, or `[C]` where a map is one pixel."""
    return output[0].flatten() if output[0].numel() == output.shape[1] else output[0]
