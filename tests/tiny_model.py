"""Tiny networks that keep the contract of the model folder, for tests (no training, no torch)."""

from pathlib import Path
from typing import Literal

import numpy as np

from mien.labels import EXPRESSIONS
from mien.model_folder import METADATA_KEY, NETWORK, CropGeometry, ModelConfig, write_config


def write_tiny_model(
    folder: Path,
    labels: tuple[str, ...] = EXPRESSIONS,
    face_size: int = 48,
    input_size: int = 44,
    channels: Literal[1, 3] = 1,
    crop: CropGeometry | None = None,
    seed: int = 0,
) -> Path:
    """Writes a model folder whose network is one random linear layer; returns the folder.

    Its logits differ from face to face, and between channels, but mean nothing.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    config = ModelConfig(
        architecture="logistic",
        labels=labels,
        face_size=face_size,
        input_size=input_size,
        channels=channels,
        crop=crop or CropGeometry(),
    )
    num_inputs = input_size * input_size * channels
    random = np.random.default_rng(seed)
    weight = random.normal(0, 4 / num_inputs**0.5, (num_inputs, len(labels))).astype(np.float32)
    constants = {
        "scale": np.float32(255),
        "centre": np.float32(0.5),
        "flat": np.array([-1, num_inputs], np.int64),
        "weight": weight,
    }
    nodes = [
        helper.make_node("Cast", ["faces"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["pixels", "scale"], ["unit"]),
        helper.make_node("Sub", ["unit", "centre"], ["centred"]),
        helper.make_node("Reshape", ["centred", "flat"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weight"], ["logits"]),
    ]
    shape = ["N", input_size, input_size, channels]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(labels)])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: config.to_json()})
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / NETWORK)
    write_config(folder, config)
    return folder
