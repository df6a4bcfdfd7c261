"""Which parts of a face spoke for an expression.

A logit here is calibrated, and taken before what bounds it in some networks (report D's tanh).

s side of the network's input · h side of a layer's maps
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients, LayerGradCam

from mien.errors import UsageError
from mien.explanation.network import as_batch, layer_outputs, observed
from mien.labels import nearest
from mien.models import FaceClassifier

_STEPS_AT_ONCE = 16  # bounds the memory of large networks


@dataclass(frozen=True)
class GradCam:
    """Where a layer saw evidence for an expression.

    Attributes:
        values: float32 `[s, s]`, ≥ 0, in logits per cell of the layer's maps; enlarged from them.
        layer: The layer's dotted name in the network.
        side: h, cells.
    """

    values: np.ndarray
    layer: str
    side: int


@dataclass(frozen=True)
class PixelContributions:
    """What each pixel added to an expression's logit, against a face image of even grey.

    Attributes:
        values: float32 `[s, s]`, in logits, summed over colours; > 0 speaks for the expression.
        baseline: The even grey, 0-1.
        logit: The expression's logit for the face.
        baseline_logit: Its logit for the even grey.
        convergence_delta: `values.sum()` less (`logit` - `baseline_logit`): the error of the
            numeric integral.
    """

    values: np.ndarray
    baseline: float
    logit: float
    baseline_logit: float
    convergence_delta: float


def grad_cam(
    face_classifier: FaceClassifier, view: np.ndarray, label: int, layer: str | None = None
) -> GradCam:
    """Returns where a layer saw evidence for an expression (Selvaraju et al. 2017, eq. 1 and 2).

    The layer's maps, each weighted with the mean gradient of the logit with respect to it, summed;
    what is negative becomes 0.

    Args:
        face_classifier: The network.
        view: uint8 `[s, s]` or `[s, s, 3]`, s the side of the network's input.
        label: The expression's index.
        layer: One that gives maps; by default the last whose maps are larger than a pixel.

    Raises:
        UsageError: The network has no such layer, or none that gives maps.
        ValueError: The view has another dtype or shape.

    Example:
        >>> from mien.explanation import explain, grad_cam
        >>> from mien.models import load_face_classifier
        >>> explanation = explain("examples/astronaut.jpg", "filters")
        >>> label = list(explanation.probabilities).index("happy")
        >>> cam = grad_cam(load_face_classifier("default"), explanation.view, label)
        >>> cam.values.shape == explanation.view.shape, cam.values.min() >= 0
        (True, np.True_)
    """
    maps = {
        name: (module, values.shape[-1])
        for name, module, values in layer_outputs(face_classifier, view)
        if values.ndim == 3
    }
    if not maps:
        raise UsageError(
            "gradcam: the network has no convolution, so no maps; try integrated-gradients"
        )
    layer = layer or list(maps)[-1]
    if layer not in maps:
        raise UsageError(f"gradcam: no layer {layer!r} that gives maps{nearest(layer, [*maps])}")
    module, side = maps[layer]
    with observed(face_classifier) as scores:
        cam = LayerGradCam(scores, module).attribute(
            as_batch(face_classifier, view), target=label, relu_attributions=True
        )  # [1, 1, h, h]
    assert isinstance(cam, torch.Tensor)
    shape = view.shape[:2]
    values = F.interpolate(cam.detach(), shape, mode="bilinear", align_corners=False)
    return GradCam(values[0, 0].cpu().numpy(), layer, side)


def integrated_gradients(
    face_classifier: FaceClassifier, view: np.ndarray, label: int, num_steps: int = 384
) -> PixelContributions:
    """Returns what each pixel added to an expression's logit (Sundararajan et al. 2017, eq. 1).

    The baseline is the training set's mean grey, the middle of what the network takes: against
    the paper's black, dark eyes, brows and mouths could not count.

    Args:
        face_classifier: The network.
        view: uint8 `[s, s]` or `[s, s, 3]`, s the side of the network's input.
        label: The expression's index.
        num_steps: Points of the path at which gradients are taken (Gauss-Legendre); with 384 the
            sums over the astronaut's face lie within 0.03 logits of what they must add up to.

    Raises:
        ValueError: The view has another dtype or shape.

    Example:
        >>> from mien.explanation import explain, integrated_gradients
        >>> from mien.models import load_face_classifier
        >>> explanation = explain("examples/astronaut.jpg", "filters")
        >>> label = list(explanation.probabilities).index("happy")
        >>> face_classifier = load_face_classifier("default")
        >>> found = integrated_gradients(face_classifier, explanation.view, label, num_steps=16)
        >>> found.logit > found.baseline_logit
        True
    """
    faces = as_batch(face_classifier, view).requires_grad_()  # [1, s, s, C]
    grey = float(face_classifier.mean.mean())
    baseline = torch.full_like(faces, 255 * grey)
    with observed(face_classifier) as scores:
        with torch.no_grad():
            logits = scores(torch.cat([faces, baseline]))[:, label]
        contributions = IntegratedGradients(scores).attribute(
            faces,
            baselines=baseline,
            target=label,
            n_steps=num_steps,
            internal_batch_size=_STEPS_AT_ONCE,
        )  # [1, s, s, C]
    values = contributions.detach()[0].sum(2).double()
    logit, baseline_logit = logits.tolist()
    return PixelContributions(
        values=values.float().cpu().numpy(),
        baseline=grey,
        logit=logit,
        baseline_logit=baseline_logit,
        convergence_delta=float(values.sum()) - (logit - baseline_logit),
    )
