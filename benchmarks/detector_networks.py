"""Makes the detector's two networks from the one that its authors published.

    python benchmarks/detector_networks.py UPSTREAM --data fer2013.csv

UPSTREAM is the ONNX file described in src/mien/pretrained/retinaface/ORIGIN.md. `retinaface.onnx`
computes the same, in a form that is quicker to run: it takes pictures as they are (RGB uint8), the
three heads are one convolution, a convolution that was there twice is there once, the eight
channels of the first two are filled up with zeros to the sixteen that processors like, and scores
are logits. `retinaface_int8.onnx` is that, quantised by ONNX Runtime: 8-bit weights per channel and
8-bit activations, their ranges the extremes over scenes with FER2013's Training faces. The first
stage, whose few channels 8-bit kernels are slow at, and the heads stay float32. What rounding adds
on average to the outputs of priors near the threshold is subtracted from the heads' biases.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from detector_scenes import draw_scene, draw_sides, read_faces, read_grounds
from mien.inference.see.retinaface import MIN_LOGIT, WEIGHTS, WEIGHTS_INT8
from mien.sessions import open_session

ROOT = Path(__file__).parents[1] / "src" / "mien"
NUM_SCENES, NUM_CHECKED = 40, 200
NEAR = 1.5
"""How far, in logits, a prior may be from the threshold to count for what rounding adds."""
MEANS_RGB = (123, 117, 104)
FIRST_CHANNELS, BLOCK = 8, 16
_BODY = ("Add", "Concat", "Conv", "LeakyRelu", "Relu", "Resize")


def main() -> None:
    """Writes both files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("upstream", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="FER2013's CSV")
    options = parser.parse_args()
    onnx.save(rewrite(onnx.load(options.upstream)), ROOT / WEIGHTS)
    quantise(ROOT / WEIGHTS, ROOT / WEIGHTS_INT8, draw_scenes(options.data, NUM_SCENES, 0))
    scenes = draw_scenes(options.data, NUM_CHECKED, 1)
    remove_bias(ROOT / WEIGHTS, ROOT / WEIGHTS_INT8, scenes)
    for name in (WEIGHTS, WEIGHTS_INT8):
        print(ROOT / name, (ROOT / name).stat().st_size, "bytes")


def rewrite(upstream: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the network with `pictures` uint8 `[N, H, W, 3]` in and `found` `[N, P, 15]` out."""
    graph = upstream.graph
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    nodes = [helper.make_node("Transpose", ["pictures"], ["planes"], "planes", perm=[0, 3, 1, 2])]
    # pixel minus mean, in one step
    nodes.append(
        helper.make_node("DequantizeLinear", ["planes", "ones", "means"], ["input"], "centred")
    )
    nodes += _body(graph)
    widen(nodes, weights)
    weights |= {"ones": np.ones(3, np.float32), "means": np.array(MEANS_RGB, np.uint8)}
    weights["each_prior"] = np.array([0, -1, 15], np.int64)
    for level in range(3):
        name = f"head{level}"
        weights[f"{name}.weight"], weights[f"{name}.bias"] = join_heads(weights, level)
        nodes += [
            helper.make_node(
                "Conv",
                [f"/ssh{level + 1}/Relu_output_0", f"{name}.weight", f"{name}.bias"],
                [name],
                name,
            ),
            helper.make_node("Transpose", [name], [f"{name}.cells"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"{name}.cells", "each_prior"], [f"{name}.priors"]),
        ]
    levels = [f"head{level}.priors" for level in range(3)]
    nodes.append(helper.make_node("Concat", levels, ["found"], "found", axis=1))
    used = {name for node in nodes for name in node.input}
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "retinaface",
            [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", "H", "W", 3])],
            [helper.make_tensor_value_info("found", TensorProto.FLOAT, ["N", "P", 15])],
            [
                numpy_helper.from_array(np.ascontiguousarray(value), name)
                for name, value in weights.items()
                if name in used
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        producer_name="mien",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _body(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Returns the nodes between the input and the heads, each once, sizes taken from tensors."""
    nodes: list[onnx.NodeProto] = []
    twins: dict[str, str] = {}
    for node in graph.node:
        if node.op_type not in _BODY or "_head" in node.name:
            continue
        if node.op_type == "Concat" and node.name.startswith("/fpn"):
            continue  # made the size of a Resize
        if "conv5X5_1.0_1" in node.name or "conv5X5_1.2_1" in node.name:
            first = node.output[0].replace("5X5_1.0_1", "5X5_1.0").replace("5X5_1.2_1", "5X5_1.2")
            twins[node.output[0]] = first
            continue
        if node.op_type == "Resize":
            level = 2 if node.name == "/fpn/Resize" else 1
            like = f"/fpn/output{level}/output{level}.2/LeakyRelu_output_0"
            nodes.append(helper.make_node("Shape", [like], [f"{node.name}.size"]))
            node = helper.make_node(
                "Resize",
                [node.input[0], "", "", f"{node.name}.size"],
                list(node.output),
                node.name,
                mode="nearest",
                nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )
        for place, name in enumerate(node.input):
            node.input[place] = twins.get(name, name)
        nodes.append(node)
    return nodes


def widen(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> None:
    """Gives the first two convolutions sixteen channels, and the first one RGB instead of BGR."""
    first, second, third = [node for node in nodes if node.op_type == "Conv"][:3]
    more = (0, BLOCK - FIRST_CHANNELS)
    weights[first.input[1]] = weights[first.input[1]][:, ::-1]
    for node in (first, second):
        _, weight, bias = node.input
        weights[weight] = np.pad(weights[weight], (more, (0, 0), (0, 0), (0, 0)))
        weights[bias] = np.pad(weights[bias], more)
    weights[third.input[1]] = np.pad(weights[third.input[1]], ((0, 0), more, (0, 0), (0, 0)))
    for attribute in second.attribute:
        if attribute.name == "group":
            attribute.i = BLOCK


def join_heads(weights: dict[str, np.ndarray], level: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns weight and bias of the three heads of a level as one convolution.

    Of each prior: the logit of a face, four offsets of the box, ten of the landmarks. The logit is
    the difference of the two that softmax took.
    """
    joined = []
    for kind in ("weight", "bias"):
        parts = []
        for head, size in (("class", 2), ("bbox", 4), ("landmark", 10)):
            values = weights[f"{head}_head.{head}_head.{level}.{kind}"]
            values = values.reshape(2, size, *values.shape[1:])  # two priors per cell
            parts.append(values[:, 1:] - values[:, :1] if head == "class" else values)
        values = np.concatenate(parts, axis=1)
        joined.append(values.reshape(30, *values.shape[2:]))
    return joined[0], joined[1]


def draw_scenes(data: Path, count: int, seed: int) -> list[np.ndarray]:
    """Returns pictures with FER2013's Training faces, uint8 `[1, 480, 640, 3]`."""
    rng = np.random.default_rng(seed)
    faces, grounds = read_faces(data, "Training"), read_grounds()
    return [draw_scene(rng, grounds, faces, draw_sides(rng)).rgb[None] for _ in range(count)]


class _Scenes(CalibrationDataReader):
    def __init__(self, scenes: list[np.ndarray]) -> None:
        self._inputs = iter({"pictures": scene} for scene in scenes)

    def get_next(self) -> dict[str, np.ndarray] | None:  # type: ignore[override]
        return next(self._inputs, None)


def quantise(source: Path, target: Path, scenes: list[np.ndarray]) -> None:
    """Writes the int8 network of a float32 one."""
    nodes = onnx.load(source).graph.node
    quantize_static(
        str(source),
        str(target),
        _Scenes(scenes),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        op_types_to_quantize=list(_BODY),
        nodes_to_exclude=[
            node.name
            for node in nodes
            if "/stage1/" in node.name or node.name.startswith("head") or node.name == "found"
        ],
    )


def remove_bias(source: Path, target: Path, scenes: list[np.ndarray]) -> None:
    """Changes the heads' biases of the int8 network so that its outputs are right on average.

    Priors count whose logit, averaged over both networks, is `NEAR` the threshold.
    """
    exact, rounded = (open_session(path, 1) for path in (source, target))
    sums, counts = np.zeros((3, 2, 15)), np.zeros((3, 2, 1))
    for scene in scenes:
        one, other = (net.run(None, {"pictures": scene})[0][0] for net in (exact, rounded))
        is_near = np.abs((one[:, 0] + other[:, 0]) / 2 - MIN_LOGIT) < NEAR
        cells = [math.ceil(scene.shape[1] / s) * math.ceil(scene.shape[2] / s) for s in (8, 16, 32)]
        level = np.repeat(np.arange(3), np.array(cells) * 2)[is_near]
        prior = (np.arange(len(one)) % 2)[is_near]
        np.add.at(sums, (level, prior), (other - one)[is_near])
        np.add.at(counts, (level, prior), 1)
    added = sums / counts
    print("priors near the threshold:", counts[..., 0].astype(int).tolist())
    print("their logits were raised by:", added[..., 0].round(3).tolist())
    model = onnx.load(target)
    for weights in model.graph.initializer:
        if weights.name.startswith("head") and weights.name.endswith(".bias"):
            level = int(weights.name.removeprefix("head").removesuffix(".bias"))
            values = numpy_helper.to_array(weights) - added[level].ravel()
            weights.CopyFrom(numpy_helper.from_array(values.astype(np.float32), weights.name))
    onnx.save(model, target)


if __name__ == "__main__":
    main()
