"""A picture → what a model read in its face, and by one method why; as numbers and as a figure."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.figure import Figure

from mien.classifier import softmax
from mien.errors import BadInputError, UsageError
from mien.explanation.network import Activation, Filters, activations, as_batch, filters
from mien.explanation.regions import REGIONS, region_map, shares, smooth
from mien.explanation.saliency import GradCam, PixelContributions, grad_cam, integrated_gradients
from mien.inference.detection import Detection
from mien.inference.face import MIN_CONFIDENCE
from mien.inference.read.inputs import find_picture
from mien.inference.read.pictures import read_one
from mien.inference.see.crop import cut, place_in_frame
from mien.inference.see.detectors import create_detector
from mien.labels import canonical_expression, nearest
from mien.model_folder import ModelConfig, read_config, resolve
from mien.models import FaceClassifier, load_face_classifier
from mien.plots.explanation import (
    draw_activations,
    draw_areas,
    draw_contributions,
    draw_evidence,
    draw_filters,
)
from mien.views import centre_crop

Detail = Literal["areas", "pixels"]

Finding = GradCam | PixelContributions | Filters | list[Activation]

METHODS: dict[str, Callable[[FaceClassifier, np.ndarray, int], Finding]] = {
    "activations": lambda face_classifier, view, _: activations(face_classifier, view),
    "filters": lambda face_classifier, _, __: filters(face_classifier),
    "gradcam": grad_cam,
    "integrated-gradients": integrated_gradients,
}
"""Method → function of the network, the face as it sees it, and the expression's index."""

EXPRESSION_METHODS = ("gradcam", "integrated-gradients")
"""The methods whose finding is about one expression."""

_PHOTO_SIDE = 576  # pixels, at least about: of the face that is drawn
_TOLD, _TOLD_AGAINST = 0.15, 0.2  # less than these parts of the evidence are not told


@dataclass(frozen=True, repr=False)
class Explanation:
    """What a model read in a face, and why; in a notebook it shows itself.

    Attributes:
        source: The picture.
        architecture: The model's.
        method: One of `METHODS`.
        num_faces: Faces found in the picture; the most certain one is explained.
        view: The face as the network sees it, uint8 `[s, s]` grey or `[s, s, 3]` RGB.
        photo: The same square of the picture, in its own colours and larger, uint8 `[P, P, 3]`.
        region_map: The region of every pixel of the view: places in `REGIONS`, `[s, s]`.
        probabilities: Per expression, in the model's order.
        perceived: The most probable expression.
        explained: The expression that the finding is about; the perceived one unless chosen.
        finding: What the method found.
    """

    source: str
    architecture: str
    method: str
    num_faces: int
    view: np.ndarray
    photo: np.ndarray
    region_map: np.ndarray
    probabilities: dict[str, float]
    perceived: str
    explained: str
    finding: Finding

    def __repr__(self) -> str:
        return f"<Explanation {self.summary}>"

    def _repr_png_(self) -> bytes:
        """Returns its figure, for notebooks."""
        stream = io.BytesIO()
        draw(self).savefig(stream, format="png")
        return stream.getvalue()

    @property
    def confidence(self) -> float:
        """The probability of the perceived expression, 0-1."""
        return self.probabilities[self.perceived]

    @property
    def uncertain(self) -> bool:
        """Whether the confidence is too low to rely on."""
        return self.confidence < MIN_CONFIDENCE

    @property
    def evidence(self) -> np.ndarray | None:
        """For (> 0) and against the expression, `[s, s]`, smooth; None if the method shows none."""
        match self.finding:
            case GradCam() as cam:
                return cam.values
            case PixelContributions() as pixels:
                return smooth(pixels.values)
            case _:
                return None

    @property
    def regions(self) -> dict[str, float]:
        """The share of each region of the face in what speaks for the expression, 0-1.

        The regions are `brows` (and forehead), `eyes`, `nose`, `mouth` (and chin), `rest` (cheeks
        and all else). The shares sum to 1, or are all 0 where nothing speaks for the expression.
        Empty if the method is about no expression.
        """
        return {} if self.evidence is None else shares(self.evidence, self.region_map)

    @property
    def sentence(self) -> str:
        """What was read, and where in the face what speaks for it lies, and against."""
        read = f"{self.perceived} {_percent(self.confidence)}{', uncertain' * self.uncertain}"
        evidence, regions = self.evidence, self.regions
        if evidence is None:
            return read
        name = "it"
        if self.explained != self.perceived:
            name = self.explained
            read += f"; asked about {name}, {_percent(self.probabilities[name])}"
        first, *others = sorted(regions, key=lambda region: -regions[region])
        if regions[first] == 0:
            return f"{read}: no part of the face speaks for {name}"
        line = (
            f"{read}: {_percent(regions[first])} of the evidence for {name} lies {REGIONS[first]}"
        )
        for region in others[:2]:
            if regions[region] >= _TOLD:
                line += f", {_percent(regions[region])} {REGIONS[region]}"
        against = np.maximum(-evidence, 0)
        part = against.sum() / np.abs(evidence).sum()
        if part > _TOLD_AGAINST:
            opposed = shares(against, self.region_map)
            where = REGIONS[max(opposed, key=lambda region: opposed[region])]
            line += f"; {_percent(part)} of all evidence speaks against {name}, most {where}"
        return line

    @property
    def summary(self) -> str:
        """What was read and what was found, in one line."""
        line = f"{self.source}: {self.sentence} ({self.method}"
        match self.finding:
            case GradCam() as cam:
                return f"{line} at {cam.layer})"
            case PixelContributions() as pixels:
                return (
                    f"{line}: {pixels.values.sum():+.3f} logits from even grey, "
                    f"convergence delta {pixels.convergence_delta:+.2g})"
                )
            case Filters() as first:
                return f"{line} of {first.name}, the same for every face)"
            case list() as layers:
                return f"{line} layer by layer, {len(layers)})"

    def to_json(self) -> dict[str, Any]:
        """Returns what was read and what was explained, as JSON's types; no pixels."""
        page = {
            "source": self.source,
            "faces": self.num_faces,
            "expression": self.perceived,
            "confidence": round(self.confidence, 8),
            "uncertain": self.uncertain,
            "probabilities": {label: round(p, 8) for label, p in self.probabilities.items()},
            "method": self.method,
        }
        if self.evidence is not None:
            page |= {
                "explained": self.explained,
                "regions": {region: round(p, 4) for region, p in self.regions.items()},
                "sentence": self.sentence,
            }
        match self.finding:
            case GradCam() as cam:
                page["layer"] = cam.layer
            case PixelContributions() as pixels:
                page |= {
                    "logit": pixels.logit,
                    "baseline_logit": pixels.baseline_logit,
                    "convergence_delta": pixels.convergence_delta,
                }
            case Filters() as first:
                page["layer"] = first.name
            case list() as layers:
                page["layers"] = {each.name: list(each.values.shape) for each in layers}
        return page


def explain(
    picture: Any,
    method: str = "integrated-gradients",
    *,
    model: str | Path = "default",
    expression: str | None = None,
    detector: str = "retinaface",
) -> Explanation:
    """Returns what a model read in the most certain face of a picture, and why.

    Args:
        picture: A path, or whatever else an analyzer takes for one picture.
        method: One of `METHODS`.
        model: `default`, a model folder, or a run that holds one.
        expression: The one to explain; by default the perceived one.
        detector: `retinaface`, `haar`, or `none`: the picture is a face image.

    Raises:
        MissingError: No such picture or model.
        BadInputError: The picture is damaged or shows no face; the model is damaged.
        UsageError: No such method, detector or expression; or not for this network.

    Example:
        >>> from mien.explanation import explain
        >>> explanation = explain("examples/astronaut.jpg", "gradcam", expression="surprise")
        >>> explanation.perceived, explanation.explained
        ('happy', 'surprise')
        >>> regions = explain("examples/astronaut.jpg").regions
        >>> max(regions, key=regions.get)
        'mouth'
    """
    if method not in METHODS:
        raise UsageError(f"no method {method!r}{nearest(method, list(METHODS))}")
    folder = resolve(model)
    config = read_config(folder)
    chosen = None if expression is None else _label_of(expression, config.labels)
    source, rgb, detections = _find_faces(picture, detector)
    face = _cut(rgb, detections[0], config)
    view = centre_crop(face[None], config.input_size)[0]
    landmarks = detections[0].landmarks
    if landmarks is not None:
        landmarks = place_in_frame(landmarks, detections[0], config.crop)
    face_classifier = load_face_classifier(folder)
    with torch.no_grad():
        logits = face_classifier(as_batch(face_classifier, view))[0].numpy()
    probabilities = softmax(logits.astype(np.float64))
    perceived = int(probabilities.argmax())
    explained = perceived if chosen is None else chosen
    return Explanation(
        source=source,
        architecture=config.architecture,
        method=method,
        num_faces=len(detections),
        view=view,
        photo=_photo(rgb, detections[0], config),
        region_map=region_map(landmarks, config.face_size, config.input_size),
        probabilities=dict(zip(config.labels, probabilities.tolist(), strict=True)),
        perceived=config.labels[perceived],
        explained=config.labels[explained],
        finding=METHODS[method](face_classifier, view, explained),
    )


def find_face(
    picture: Any, config: ModelConfig, detector: str = "retinaface"
) -> tuple[np.ndarray, int]:
    """Returns a picture's most certain face as `mien predict` cuts it, and how many there are.

    The face is uint8 `[S, S]` (grey) or `[S, S, 3]` (RGB), S = `config.face_size`.

    Args:
        picture: A path, or whatever else an analyzer takes for one picture.
        config: The model's: it says how faces are framed.
        detector: `retinaface`, `haar`, or `none`.

    Raises:
        MissingError: No such picture.
        BadInputError: It is damaged, or no face is found in it.
        UsageError: No such detector.

    Example:
        >>> from mien import Classifier
        >>> from mien.explanation import find_face
        >>> face, num_faces = find_face("examples/astronaut.jpg", Classifier().config)
        >>> face.shape, face.dtype, num_faces
        ((48, 48), dtype('uint8'), 1)
    """
    _, rgb, detections = _find_faces(picture, detector)
    return _cut(rgb, detections[0], config), len(detections)


def draw(explanation: Explanation, detail: Detail = "areas") -> Figure:
    """Returns the figure of an explanation: the face, what the model read in it, the finding.

    Args:
        explanation: What to draw.
        detail: Of integrated gradients: `areas`, smooth and by region of the face, or `pixels`,
            each pixel's own. Other methods have one picture.

    Example:
        >>> from mien.explanation import draw, explain
        >>> draw(explain("examples/astronaut.jpg", "gradcam")).savefig("why.png")
    """
    view = explanation.view
    title = (
        f"Perceived expression: {explanation.perceived}, {explanation.confidence:.0%}"
        f"{', uncertain' if explanation.uncertain else ''} ({explanation.architecture})"
    )
    match explanation.finding:
        case GradCam() as cam:
            where = (
                f"Grad-CAM for {explanation.explained}\nat {cam.layer}, {cam.side}x{cam.side} cells"
            )
            return draw_evidence(view, cam.values, title, where, explanation.explained)
        case PixelContributions() if detail == "areas":
            assert explanation.evidence is not None
            return draw_areas(
                explanation.photo,
                explanation.evidence,
                explanation.region_map,
                explanation.regions,
                explanation.sentence,
                explanation.explained,
            )
        case PixelContributions() as pixels:
            where = (
                f"integrated gradients for {explanation.explained}\n"
                f"{pixels.values.sum():+.2f} logits from even grey "
                f"(error {pixels.convergence_delta:+.1g})"
            )
            return draw_contributions(view, pixels.values, title, where, explanation.explained)
        case Filters() as first:
            kernels = first.kernels
            if view.ndim == 2:  # grey is repeated: what counts is the sum over the channels
                kernels = kernels.sum(1, keepdims=True)
            names = list(explanation.probabilities) if first.name == "head" else ()
            title = f"{explanation.architecture}: kernels of layer {first.name}"
            return draw_filters(kernels, title, names)
        case list() as layers:
            rows = [(each.name, each.kind, each.values) for each in layers]
            return draw_activations(view, rows, title)


def _find_faces(picture: Any, detector: str) -> tuple[str, np.ndarray, list[Detection]]:
    """Returns a picture's name, its pixels, and the faces in it, at least one."""
    finder = create_detector(detector)
    source = find_picture(picture)
    rgb = read_one(source).pixels()
    detections = finder.detect(rgb)
    if not detections:
        raise BadInputError(
            f"{source.name}: no face found by {detector}; if the picture is one face, "
            "framed as the training set's, use the detector none"
        )
    return source.name, rgb, detections


def _cut(rgb: np.ndarray, detection: Detection, config: ModelConfig) -> np.ndarray:
    return cut(rgb, detection, config.crop, config.face_size, config.channels)


def _photo(rgb: np.ndarray, detection: Detection, config: ModelConfig) -> np.ndarray:
    """Returns what the network sees of a picture in more pixels and in colour, `[P, P, 3]`."""
    times = max(round(_PHOTO_SIDE / config.face_size), 1)
    face = cut(rgb, detection, config.crop, times * config.face_size, 3)
    return centre_crop(face[None], times * config.input_size)[0]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _label_of(expression: str, labels: tuple[str, ...]) -> int:
    for name in (expression, canonical_expression(expression) or ""):
        if name in labels:
            return labels.index(name)
    raise UsageError(f"the model knows no expression {expression!r}{nearest(expression, labels)}")
