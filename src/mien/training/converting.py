"""A model folder → another one, with its weights rounded or an int8 network added."""

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from mien.data import FaceSet, leave_out
from mien.errors import UsageError
from mien.evaluation import evaluate, read_for_model
from mien.evaluation.card import model_card
from mien.evaluation.faces import own_faces
from mien.files import make_whole
from mien.model_folder import (
    CARD,
    METADATA_KEY,
    NETWORK,
    WEIGHTS,
    ModelConfig,
    read_config,
    resolve,
    verify,
    write_config,
    write_manifest,
)
from mien.training.quantising import write_int8

_SMALL = 64
"""Constants of fewer numbers are not rounded: it would save nothing."""


def convert(
    model: str | Path,
    output: Path,
    data: str | Path | None,
    votes: str | Path | None,
    without: str | Path | None,
    half: bool,
    int8: bool,
) -> Path:
    """Returns the model folder made of another; `export` has the arguments.

    `model.onnx` stays as it was, byte for byte, unless it is rounded.

    Raises:
        UsageError: Nothing is asked for, or the data is not named.
        BadInputError: The data is not what the model was trained on.
    """
    source = resolve(model)
    config = read_config(source)
    if not (half or int8):
        raise UsageError(f"{model} is a model folder already: expected --int8 or --half")
    if half and (source / WEIGHTS).is_file():
        raise UsageError(f"{model} has {WEIGHTS}, which must fit {NETWORK}: --half needs its run")
    train, selection = _faces(model, config, data, votes, without)
    with make_whole(output) as folder:
        folder.mkdir()
        for name in (NETWORK, WEIGHTS):
            if (source / name).is_file():
                verify(source / name)
                shutil.copyfile(source / name, folder / name)
        write_config(folder, config)
        if half:
            config = _round(folder, config, selection)
        write_texts(folder, config)
        if int8:
            write_texts(folder, write_int8(folder, train, selection))
    return output


def write_texts(folder: Path, config: ModelConfig) -> None:
    """Writes the texts of a model folder whose networks are there: config, card and manifest."""
    write_config(folder, config)
    (folder / CARD).write_text(model_card(config), encoding="utf-8")
    write_manifest(folder)


def _faces(
    model: str | Path,
    config: ModelConfig,
    data: str | Path | None,
    votes: str | Path | None,
    without: str | Path | None,
) -> tuple[FaceSet, FaceSet]:
    """Returns the model's training and selection faces."""
    record = config.training
    by_votes = record.setting("train.selection_truth") == "votes"
    if data is None:
        raise UsageError(f"{model}: expected --data with it, the faces that it was trained on")
    if by_votes and votes is None:
        raise UsageError(f"{model} was selected by votes: expected --votes with it")
    whole = read_for_model(config, data, votes=votes if by_votes else None).whole
    return own_faces(config, whole if without is None else leave_out(whole, without))


def _round(folder: Path, config: ModelConfig, selection: FaceSet) -> ModelConfig:
    """Rounds the weights of the network to half precision; returns the config as it then is.

    They stay float32, so the network runs as before: what shrinks is the file, compressed.
    """
    path = folder / NETWORK
    network = onnx.load(path)
    for constant in network.graph.initializer:
        array = numpy_helper.to_array(constant)
        if array.dtype == np.float32 and array.size >= _SMALL:
            rounded = array.astype(np.float16).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(rounded, constant.name))
    onnx.save(network, path)
    one, views = (evaluate(folder, selection, tta).to_json_dict() for tta in (False, True))
    update = {"selection": one, "selection_tta": views}
    config = config.model_copy(update={"training": config.training.model_copy(update=update)})
    onnx.helper.set_model_props(network, {METADATA_KEY: config.to_json()})
    onnx.save(network, path)
    return config
