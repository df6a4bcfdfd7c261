"""A trained network → a model folder, with torch and ONNX held to the same logits."""

import contextlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import safetensors.torch
import torch
from torch import nn

from mien.classifier import Classifier
from mien.errors import MienError
from mien.model_folder import (
    CARD,
    METADATA_KEY,
    NETWORK,
    WEIGHTS,
    ModelConfig,
    write_config,
    write_manifest,
)
from mien.models import FaceClassifier
from mien.training.card import model_card

PARITY = 1e-4
"""The most that a logit may differ between torch and ONNX Runtime; of the largest logit where that
exceeds 1, for rounding grows with it."""


def write_model_folder(
    folder: Path, net: nn.Module, config: ModelConfig, in_channels: int, half: bool = False
) -> None:
    """Writes a complete model folder, checked: ONNX Runtime gives torch's logits.

    Args:
        folder: Made if missing; files of the same names are replaced.
        net: The network; left in evaluation mode on the CPU.
        config: Becomes `config.json` and the metadata of `model.onnx`.
        in_channels: Channels that the network takes.
        half: Keep the weights, which half precision must hold exactly, as such.

    Raises:
        MienError: The exported network gives other logits; nothing should use it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    classifier = FaceClassifier(
        net.cpu(),
        mean=config.mean,
        std=config.std,
        in_channels=in_channels,
        temperature=config.temperature,
    ).eval()
    weights = {name: value.contiguous().clone() for name, value in net.state_dict().items()}
    if half:
        floats = {
            name: value.half() for name, value in weights.items() if value.is_floating_point()
        }
        weights.update(floats)
    content = safetensors.torch.save(weights, {"architecture": config.architecture})
    (folder / WEIGHTS).write_bytes(content)  # save_file would make it readable to its owner alone
    write_onnx(classifier, config, folder / NETWORK)
    _write_texts(folder, config)
    difference = parity(classifier, Classifier(folder))
    if not difference < PARITY:
        raise MienError(
            f"{folder / NETWORK}: logits differ from torch's by {difference:.2g}; "
            f"expected less than {PARITY:g}"
        )


def describe(folder: Path, config: ModelConfig) -> None:
    """Writes anew what a model folder says of its network: metadata, config, model card."""
    model = onnx.load(folder / NETWORK)
    onnx.helper.set_model_props(model, {METADATA_KEY: config.to_json()})
    onnx.save(model, folder / NETWORK)
    _write_texts(folder, config)


def _write_texts(folder: Path, config: ModelConfig) -> None:
    write_config(folder, config)
    (folder / CARD).write_text(model_card(config), encoding="utf-8")
    write_manifest(folder)


def write_onnx(classifier: FaceClassifier, config: ModelConfig, path: Path) -> None:
    """Writes the network as ONNX: `faces` uint8 `[N, s, s, C]` → `logits` float `[N, K]`."""
    size, channels = config.input_size, config.channels
    example = torch.zeros(2, size, size, channels, dtype=torch.uint8)
    exporter_log = logging.getLogger("torch.onnx")
    level = exporter_log.level
    exporter_log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # the exporter warns of its own internals
            program = torch.onnx.export(
                classifier,
                (example,),
                input_names=["faces"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
                dynamo=True,
                verbose=False,
            )
    finally:
        exporter_log.setLevel(level)
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces with the paths of this machine
        node.doc_string = ""
    del model.graph.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {METADATA_KEY: config.to_json()})
    onnx.save(model, path)


def parity(classifier: FaceClassifier, exported: Classifier) -> float:
    """Returns the largest difference of a logit between torch and ONNX, at N = 1 and N = 7.

    Where the largest logit exceeds 1, the difference is given as a part of it.

    The faces are noise and smooth gradients from a fixed seed.
    """
    config = exported.config
    rng = np.random.default_rng(0)
    shape = (config.input_size, config.input_size, config.channels)
    largest = 0.0
    for num_faces in (1, 7):
        faces = rng.integers(0, 256, (num_faces, *shape), dtype=np.uint8)
        ramp = np.linspace(0, 255, config.input_size).astype(np.uint8)
        faces[::2] = ramp[None, :, None, None]
        with torch.no_grad():
            expected = classifier(torch.from_numpy(faces)).numpy()
        actual = exported.run(faces)
        scale = max(1.0, float(np.abs(expected).max()))
        largest = max(largest, float(np.abs(expected - actual).max()) / scale)
    return largest
