"""A model folder's network → the same with 8-bit integers, `model_int8.onnx`.

Convolutions take 8-bit activations and weights and add up in 32 bits; all else stays float32:
preprocessing, gates of channels (squeeze and excite), sums of branches, the last layer. The scales
of weights are one for each output channel, those of activations cover what training faces show
(Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", CVPR 2018, sections 2 and 3). docs/int8.md has what it costs and brings.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from mien.classifier import Classifier, as_channels
from mien.data import FaceSet
from mien.errors import MienError, UsageError
from mien.evaluation import Report, collect, fit_temperature
from mien.model_folder import (
    METADATA_KEY,
    NETWORK,
    NETWORK_INT8,
    Int8Record,
    ModelConfig,
    read_config,
    write_manifest,
)
from mien.views import centre_crop

CALIBRATION_FACES = 448
"""Twice as many change nothing that exceeds chance."""
_BATCH = 32


def write_int8(folder: Path, train: FaceSet, selection: FaceSet) -> ModelConfig:
    """Writes the int8 network into a model folder; returns its config with the record of it.

    The temperature is fitted anew, on the selection faces. The folder's own texts are left to the
    caller.

    Args:
        folder: The model folder, with its float32 network.
        train: The faces that the network was trained on; some give the ranges of activations.
        selection: The labelled faces to fit the temperature and to measure on.

    Raises:
        UsageError: The network has no convolutions: int8 would change nothing.
        MienError: The int8 network answers otherwise for over a tenth of the selection faces.
    """
    config, path = read_config(folder), folder / NETWORK_INT8
    chosen = np.random.default_rng(0).permutation(len(train))[:CALIBRATION_FACES]
    faces = as_channels(train.images[np.sort(chosen)], config.channels)
    network = onnx.load(folder / NETWORK)
    _quantise(network, centre_crop(faces, config.input_size), path)
    _describe(path, config, 1.0)
    exact = collect(Classifier(folder, precision="float32", device="cpu"), selection)
    fast = collect(Classifier(folder, precision="int8"), selection)
    same = float((exact.logits.argmax(1) == fast.logits.argmax(1)).mean())
    if same < 0.9:
        raise MienError(
            f"{folder}: the int8 network agrees with the float32 network on {same:.1%} of "
            f"{len(selection):,} faces only; use float32"
        )
    temperature = fit_temperature(fast.logits[fast.truth.rows], fast.truth.targets)
    _describe(path, config, temperature)
    one, views = (_report(folder, selection, tta).to_json_dict() for tta in (False, True))
    record = Int8Record(
        calibration_faces=len(faces),
        temperature=temperature,
        same_answers=same,
        selection=one,
        selection_tta=views,
    )
    return config.model_copy(
        update={"training": config.training.model_copy(update={"int8": record})}
    )


class _Faces(CalibrationDataReader):
    """Hands the calibration's views to ONNX Runtime in batches."""

    def __init__(self, views: np.ndarray) -> None:
        parts = (views[start : start + _BATCH] for start in range(0, len(views), _BATCH))
        self._parts: Iterator[np.ndarray] = iter(parts)

    def get_next(self) -> Any:
        part = next(self._parts, None)
        return None if part is None else {"faces": np.ascontiguousarray(part)}


def _quantise(network: onnx.ModelProto, views: np.ndarray, path: Path) -> None:
    """Writes the int8 network; `views` uint8 `[N, s, s, C]` give the ranges of activations."""
    convolutions = [node for node in network.graph.node if node.op_type == "Conv"]
    if not convolutions:
        raise UsageError("the network has no convolutions: int8 would change nothing")
    single = _single_pixels(network)
    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)  # it advises to simplify the network first, which the export did
    try:
        quantize_static(
            network,
            path,
            _Faces(views),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # A gate multiplies whole channels: what it loses, all of them lose.
            nodes_to_exclude=[node.name for node in convolutions if node.output[0] in single],
            calibrate_method=CalibrationMethod.MinMax,
        )
    finally:
        log.setLevel(level)


def _single_pixels(network: onnx.ModelProto) -> set[str]:
    """Returns the names of values `[N, C, 1, 1]`."""
    values = onnx.shape_inference.infer_shapes(network).graph.value_info
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in values
    }
    return {name for name, shape in shapes.items() if len(shape) == 4 and shape[2:] == [1, 1]}


def _describe(path: Path, config: ModelConfig, temperature: float) -> None:
    """Divides the network's logits by a temperature; writes its metadata and the manifest."""
    network = onnx.load(path)
    if temperature != 1:
        (last,) = (node for node in network.graph.node if "logits" in node.output)
        last.output[0] = "uncalibrated"
        divisor = onnx.numpy_helper.from_array(
            np.array(temperature, np.float32), "int8_temperature"
        )
        network.graph.initializer.append(divisor)
        network.graph.node.append(
            onnx.helper.make_node("Div", ["uncalibrated", "int8_temperature"], ["logits"])
        )
        config = config.model_copy(update={"temperature": config.temperature * temperature})
    onnx.helper.set_model_props(network, {METADATA_KEY: config.to_json()})
    onnx.save(network, path)
    write_manifest(path.parent)


def _report(folder: Path, faces: FaceSet, tta: bool) -> Report:
    return collect(Classifier(folder, precision="int8"), faces, tta).report
