"""What can go wrong unseen in the race of docs/race.md: weights, graphs, figures, the frontier."""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.data import FaceSet
from mien.labels import EXPRESSIONS
from mien.sessions import open_session

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def benchmarks():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def test_weights_are_read_from_shards_and_restored_from_eight_bits(tmp_path):
    from tfjs import read_weights

    content = np.array([1.5, -2], "<f4").tobytes() + bytes([0, 10, 200]) + bytes([7, 0, 0, 0])
    (tmp_path / "a.bin").write_bytes(content[:5])  # shards end within an array
    (tmp_path / "b.bin").write_bytes(content[5:])
    eight_bits = {"dtype": "uint8", "scale": 0.5, "min": -1.0}
    entries = [
        {"name": "plain", "shape": [2, 1], "dtype": "float32"},
        {"name": "small", "shape": [3], "dtype": "float32", "quantization": eight_bits},
        {"name": "axis", "shape": [], "dtype": "int32"},
    ]
    manifest = [{"paths": ["a.bin", "b.bin"], "weights": entries}]
    weights = read_weights(manifest, tmp_path)
    assert weights["plain"].tolist() == [[1.5], [-2.0]]
    assert weights["small"].tolist() == [-1.0, 4.0, 99.0]
    assert weights["small"].dtype == np.float32
    assert weights["axis"] == 7
    (tmp_path / "b.bin").write_bytes(content[5:-1])
    with pytest.raises(ValueError, match="end within axis"):
        read_weights(manifest, tmp_path)
    (tmp_path / "b.bin").write_bytes(content[5:] + b"x")
    with pytest.raises(ValueError, match="1 bytes more"):
        read_weights(manifest, tmp_path)


def text(word: str) -> str:
    return base64.b64encode(word.encode()).decode()


def conv(name: str, op: str, inputs: list[str], stride: int, *fused: str) -> dict:
    attributes = {
        "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
        "padding": {"s": text("SAME")},
        "data_format": {"s": text("NHWC")},
        "fused_ops": {"list": {"s": [text(word) for word in fused]}},
    }
    return {"name": name, "op": op, "input": inputs, "attr": attributes}


def test_a_graph_gives_what_tensorflow_would(tmp_path):
    """Worked by hand: an image of 2 x 2, whose SAME padding with stride 2 is below and right."""
    from tfjs import Graph, convert

    depthwise = np.arange(9, dtype="<f4").reshape(3, 3, 1, 1)
    last = np.array([[[[1, -1, 0, 0, 0, 0, 0]]]], "<f4")  # [height, width, in, out]
    bias = np.array([0, 100, -5, 0, 0, 0, 0], "<f4")
    arrays = {"depthwise": depthwise, "last": last, "bias": bias, "axes": np.array([1, 2], "<i4")}
    (tmp_path / "w.bin").write_bytes(b"".join(array.tobytes() for array in arrays.values()))
    entries = [
        {"name": name, "shape": list(array.shape), "dtype": array.dtype.name}
        for name, array in arrays.items()
    ]
    nodes = [
        {"name": "input", "op": "Placeholder"},
        *({"name": name, "op": "Const"} for name in arrays),
        conv("one", "DepthwiseConv2dNative", ["input", "depthwise"], 2),
        conv("two", "_FusedConv2D", ["one", "last", "bias"], 1, "BiasAdd", "Relu"),
        {"name": "mean", "op": "Mean", "input": ["two", "axes"]},
        {"name": "output", "op": "Identity", "input": ["mean"]},
    ]
    document = {
        "modelTopology": {"node": nodes},
        "weightsManifest": [{"paths": ["w.bin"], "weights": entries}],
    }
    path = tmp_path / "model.json"
    path.write_text(json.dumps(document))
    graph = Graph()
    session = open_session(convert(path, graph, graph.faces(2)).SerializeToString())
    faces = np.array([[[1, 2], [3, 4]], [[10, 0], [0, 0]]], np.uint8)
    # 1*0 + 2*1 + 3*3 + 4*4 = 27, and 10*0; then times 1 and -1, plus the bias, not below 0.
    assert session.run(None, {"faces": faces})[0].tolist() == [
        [27, 73, 0, 0, 0, 0, 0],
        [0, 100, 0, 0, 0, 0, 0],
    ]
    nodes[-2]["op"] = "Cumsum"
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="mean is a Cumsum"):
        convert(path, Graph(), "faces")


def test_faces_are_resized_as_tensorflow_js_does():
    """Neither corners nor centres aligned: from 2 to 4 pixels, every second one is an old one."""
    from tfjs import Graph

    graph = Graph()
    value = graph.add("Flatten", graph.faces(4))
    model = graph.model(graph.add("Gather", value, graph.constant(range(7), np.int64), axis=1))
    session = open_session(model.SerializeToString())
    faces = np.array([[[0, 100], [200, 40]]], np.uint8)
    # Rows: 0 50 100 100, then halfway to 200 120 40 40.
    assert session.run(None, {"faces": faces})[0].tolist() == [[0, 50, 100, 100, 100, 85, 70]]


def test_figures_go_by_names_not_by_places():
    """Four faces; the contestant has its own names in its own order."""
    from peers import figures

    names = ("neutral", "happiness", "sadness", "anger", "fearful", "disgusted", "surprised")
    angry, happy, sad, neutral = (
        EXPRESSIONS.index(n) for n in ("angry", "happy", "sad", "neutral")
    )
    labels = np.array([happy, happy, sad, neutral])
    votes = np.zeros((4, 10), np.int64)
    votes[0, happy] = 10
    votes[1, neutral] = votes[2, neutral] = votes[3, neutral] = 9  # clearly neutral
    votes[1, sad] = votes[2, sad] = votes[3, angry] = 1
    images = np.zeros((4, 48, 48), np.uint8)
    faces = FaceSet(images, labels, EXPRESSIONS, np.arange(4), ("made",), votes=votes)
    read = ("happiness", "anger", "sadness", "neutral")
    probabilities = np.array([[name == one for name in names] for one in read], float)
    told = figures(probabilities, names, faces)
    assert told["accuracy"] == 3 / 4
    assert told["macro_recall"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert (told["num_majority"], told["majority"]) == (4, 2 / 4)
    assert (told["num_clear_neutral"], told["false_alarms"]) == (3, pytest.approx(2 / 3))


def test_a_peer_on_the_frontier_or_above_it_is_named():
    from peer_page import frontier, not_beaten

    ours = [(4.0, 0.7), (2.0, 0.6), (3.0, 0.55)]
    assert frontier(ours) == [(2.0, 0.6), (4.0, 0.7)]
    peers = {
        "slow and bad": (5.0, 0.5),
        "faster": (1.0, 0.3),
        "better": (9.0, 0.8),
        "between": (3.0, 0.65),
        "as good, slower": (2.5, 0.6),
        "the same": (4.0, 0.7),
    }
    assert not_beaten(peers, ours) == ["faster", "better", "between", "the same"]
