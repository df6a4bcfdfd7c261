"""Networks of TensorFlow.js as ONNX models, so that they run where mien's own do.

Weights of TensorFlow.js are a JSON manifest and binary shards, optionally quantised. A graph model
has its graph in the same JSON (`model.json`); face-api's network is code, and is written down here.
Both models take uint8 faces [N, S, S] and do what their library does to a face: resize, shift,
scale.
"""

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 18
FACE_API_MEAN = (122.782, 117.001, 104.298)  # red, green, blue


def read_weights(groups: Sequence[dict[str, Any]], folder: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a weight manifest by name: float32, or int32 where it says so.

    Args:
        groups: The manifest: each group has `paths`, its shards, and `weights`, in their order.
        folder: Where the shards are.

    Raises:
        ValueError: A shard is too short or too long, or a dtype is unknown.
    """
    arrays: dict[str, np.ndarray] = {}
    for group in groups:
        content = b"".join((folder / path).read_bytes() for path in group["paths"])
        start = 0
        for entry in group["weights"]:
            quantised = entry.get("quantization")
            stored = np.dtype((quantised or entry)["dtype"]).newbyteorder("<")
            if stored.kind not in "fiu":
                raise ValueError(f"{folder}: {entry['name']} has dtype {stored}")
            shape = entry["shape"]
            count = int(np.prod(shape, dtype=int))
            end = start + count * stored.itemsize
            if end > len(content):
                raise ValueError(f"{folder}: {group['paths']} end within {entry['name']}")
            values = np.frombuffer(content[start:end], stored).reshape(shape)
            if quantised and "scale" in quantised:
                values = values.astype(np.float32) * np.float32(quantised["scale"])
                values = values + np.float32(quantised["min"])
            arrays[entry["name"]] = values.astype(entry["dtype"])
            start = end
        if start != len(content):
            raise ValueError(f"{folder}: {group['paths']} hold {len(content) - start} bytes more")
    return arrays


class Graph:
    """An ONNX graph in the making: `add` and `constant` return the name of what they add."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        """Returns the name of a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Returns the name of the output of a new node."""
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def conv(self, value: str, filters: np.ndarray, stride: int, padding: str = "SAME") -> str:
        """Returns a convolution by TensorFlow's filters [height, width, in, out].

        Depthwise ones are [height, width, in, 1] and are given as `depthwise` returns them.
        """
        attributes = {"strides": [stride, stride], "auto_pad": PADDINGS[padding]}
        return self.add("Conv", value, self.constant(filters.transpose(3, 2, 0, 1)), **attributes)

    def depthwise(self, value: str, filters: np.ndarray, stride: int, padding: str = "SAME") -> str:
        """Returns a convolution of each channel by TensorFlow's filters [height, width, in, 1]."""
        attributes = {"strides": [stride, stride], "auto_pad": PADDINGS[padding]}
        kernel = self.constant(filters.transpose(2, 3, 0, 1))
        return self.add("Conv", value, kernel, group=filters.shape[2], **attributes)

    def plus(self, value: str, bias: np.ndarray) -> str:
        """Returns the value [N, C, H, W] plus a number per channel."""
        return self.add("Add", value, self.constant(bias.reshape(1, -1, 1, 1)))

    def faces(self, size: int) -> str:
        """Returns the input, uint8 [N, S, S], as floats [N, 1, size, size], 0 to 255.

        Resized as `tf.image.resizeBilinear` does: corners are not aligned, nor are pixels' centres.
        """
        value = self.add("Cast", "faces", to=onnx.TensorProto.FLOAT)
        value = self.add("Unsqueeze", value, self.constant([1], np.int64))
        return self.add(
            "Resize", value, "", "", self.constant([size, size], np.int64), axes=[2, 3],
            mode="linear", coordinate_transformation_mode="asymmetric",
        )  # fmt: skip

    def model(self, output: str) -> onnx.ModelProto:
        """Returns the model from `faces`, uint8 [N, S, S], to `probabilities`, [N, 7]."""
        self.nodes.append(helper.make_node("Identity", [output], ["probabilities"]))
        kinds = onnx.TensorProto
        graph = helper.make_graph(
            self.nodes,
            "tfjs",
            [helper.make_tensor_value_info("faces", kinds.UINT8, ["N", "S", "S"])],
            [helper.make_tensor_value_info("probabilities", kinds.FLOAT, ["N", 7])],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        onnx.checker.check_model(model)
        return model


PADDINGS = {"SAME": "SAME_UPPER", "VALID": "VALID"}


def human_emotion(path: Path) -> onnx.ModelProto:
    """Returns Human's `emotion` model, from its `emotion.json`.

    Grey is 0 to 1, then (grey - 0.5) * 2, as `predict` of its `emotion.ts` does.
    """
    graph = Graph()
    value = graph.add("Div", graph.faces(64), graph.constant(127.5))
    return convert(path, graph, graph.add("Sub", value, graph.constant(1)))


def convert(path: Path, graph: Graph, value: str) -> onnx.ModelProto:
    """Returns a graph model as ONNX, fed by `value`, floats [N, C, H, W].

    Args:
        path: The JSON file of the model; its shards lie beside it.
        graph: What comes before.
        value: What takes the place of the model's placeholder.

    Raises:
        ValueError: It has an operation, or a form of one, that is not written here.
    """
    document = json.loads(path.read_text())
    weights = read_weights(document["weightsManifest"], path.parent)
    nodes = {node["name"]: node for node in document["modelTopology"]["node"]}
    names: dict[str, str] = {}

    def name_of(name: str) -> str:
        if name not in names:
            names[name] = translate(nodes[name])
        return names[name]

    def translate(node: dict[str, Any]) -> str:
        kind, inputs = node["op"], node.get("input", [])
        if kind == "Placeholder":
            return value
        if kind == "Identity":
            return name_of(inputs[0])
        if kind in ("_FusedConv2D", "Conv2D", "DepthwiseConv2dNative"):
            stride, padding = _stride_and_padding(node)
            filters = weights[inputs[1]]
            of_channels = kind == "DepthwiseConv2dNative"
            if of_channels and filters.shape[3] != 1:
                raise ValueError(f"{path}: {node['name']} makes several channels of one")
            make = graph.depthwise if of_channels else graph.conv
            output = make(name_of(inputs[0]), filters, stride, padding)
            for after in _fused(node):
                output = (
                    graph.plus(output, weights[inputs[2]])
                    if after == "BiasAdd"
                    else graph.add(after, output)
                )
            return output
        if kind == "MaxPool":
            stride, padding = _stride_and_padding(node)
            window = [int(side) for side in node["attr"]["ksize"]["list"]["i"][1:3]]
            return graph.add(
                "MaxPool", name_of(inputs[0]), kernel_shape=window,
                strides=[stride, stride], auto_pad=PADDINGS[padding],
            )  # fmt: skip
        if kind == "Mean" and weights[inputs[1]].tolist() == [1, 2]:
            axes = graph.constant([2, 3], np.int64)
            return graph.add("ReduceMean", name_of(inputs[0]), axes, keepdims=0)
        if kind in SAME_IN_ONNX:
            return graph.add(SAME_IN_ONNX[kind], *map(name_of, inputs))
        raise ValueError(f"{path}: {node['name']} is a {kind}, which is not known here")

    fed = {name for node in nodes.values() for name in node.get("input", [])}
    (output,) = (name for name in nodes if name not in fed)
    return graph.model(name_of(output))


SAME_IN_ONNX = {"AddV2": "Add", "Relu": "Relu", "Softmax": "Softmax"}


def _stride_and_padding(node: dict[str, Any]) -> tuple[int, str]:
    attributes = node["attr"]
    across, down = (int(step) for step in attributes["strides"]["list"]["i"][1:3])
    dilations = attributes.get("dilations", {}).get("list", {}).get("i", ["1"])
    if (
        across != down
        or set(map(int, dilations)) != {1}
        or _text(attributes["data_format"]) != "NHWC"
    ):
        raise ValueError(f"{node['name']}: strides, dilations or layout are not known here")
    return across, _text(attributes["padding"])


def _fused(node: dict[str, Any]) -> list[str]:
    return [
        _text({"s": word})
        for word in node["attr"].get("fused_ops", {"list": {"s": []}})["list"]["s"]
    ]


def _text(attribute: dict[str, str]) -> str:
    return base64.b64decode(attribute["s"]).decode()


def face_api_expression(path: Path) -> onnx.ModelProto:
    """Returns face-api's expression network, from `face_expression_model-weights_manifest.json`.

    The network is its `FaceFeatureExtractor` and `FaceExpressionNet`: four dense blocks of four
    separable convolutions, the first layer an ordinary one; then the mean, and one linear layer.
    """
    weights = read_weights(json.loads(path.read_text()), path.parent)
    graph = Graph()
    grey = graph.faces(112)
    value = graph.add("Concat", grey, grey, grey, axis=1)
    value = graph.plus(value, -np.array(FACE_API_MEAN))
    value = graph.add("Div", value, graph.constant(255))

    def separable(value: str, name: str, stride: int) -> str:
        value = graph.depthwise(value, weights[f"{name}/depthwise_filter"], stride)
        value = graph.conv(value, weights[f"{name}/pointwise_filter"], 1)
        return graph.plus(value, weights[f"{name}/bias"])

    for block in ("dense0", "dense1", "dense2", "dense3"):
        if block == "dense0":
            first = graph.conv(value, weights["dense0/conv0/filters"], 2)
            first = graph.plus(first, weights["dense0/conv0/bias"])
        else:
            first = separable(value, f"{block}/conv0", 2)
        total = value = graph.add("Relu", first)
        for layer in ("conv1", "conv2", "conv3"):
            total = graph.add("Add", total, separable(value, f"{block}/{layer}", 1))
            value = graph.add("Relu", total)
    value = graph.add("Flatten", graph.add("GlobalAveragePool", value))  # 7x7 is all there is
    linear = graph.add("MatMul", value, graph.constant(weights["fc/weights"]))
    return graph.model(
        graph.add("Softmax", graph.add("Add", linear, graph.constant(weights["fc/bias"])))
    )


CONVERSIONS: dict[str, Callable[[Path], onnx.ModelProto]] = {
    "human": human_emotion,
    "face-api": face_api_expression,
}
