"""A run → a model folder, whose ONNX network is checked to give torch's logits."""

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import safetensors.torch
import torch
from torch import nn

from mien import run_folder
from mien.classifier import Classifier
from mien.errors import MienError, MissingError, UsageError
from mien.evaluation import Report, evaluate, fit_temperature, score, truth_of
from mien.files import make_whole
from mien.model_folder import (
    METADATA_KEY,
    NETWORK,
    WEIGHTS,
    CropGeometry,
    ModelConfig,
    TrainingRecord,
    is_model,
    read_config,
    resolve,
)
from mien.models import FaceClassifier, count_macs, count_parameters
from mien.recipes import Recipe
from mien.run_folder import RunInfo
from mien.training import checkpoint
from mien.training.converting import convert, write_texts
from mien.training.data import TrainingData, prepare, source_of
from mien.training.quantising import write_int8
from mien.training.state import build_net, in_channels
from mien.training.teaching import TeacherNames

PARITY = 1e-4
"""The most that a logit may differ between torch and ONNX Runtime; of the largest logit where that
exceeds 1, for rounding grows with it."""


def export(
    run: str | Path,
    output: str | Path,
    keep: Literal["best", "last"] | None = None,
    data: str | Path | None = None,
    votes: str | Path | None = None,
    teacher: TeacherNames = None,
    half: bool = False,
    without: str | Path | None = None,
    int8: bool = False,
) -> Path:
    """Returns the model folder written from a run's checkpoint, finished or not.

    Args:
        run: The run folder. Or a model folder, or the name of a model inside, of which `half` and
            `int8` then make another: `keep` and `teacher` are for runs.
        output: The model folder to make; must not exist or be empty.
        keep: The `best` or the `last` epoch; None takes the recipe's `train.keep`.
        data: The data's new path, if it was moved; of a model folder, the data it was trained on.
            Without the data, the model card lacks the figures with test-time views, and a warning
            says so.
        votes: The new path of the votes, if they were moved; as `data`.
        teacher: The new paths of all teachers, if any was moved.
        half: Round the weights to half precision. `model.safetensors` is then half as large; of a
            model folder, `model.onnx` is when it is compressed.
        without: The new path of the rows that are left out, if it was moved.
        int8: Add a network with 8-bit integers, which the CPU runs several times as fast, and what
            it loses to the card. This needs the data.

    Raises:
        MissingError: The folder is no run, or has no checkpoint yet; or the data is not there.
        UsageError: The output is taken, or the network has no convolutions for `int8`.

    Example:
        >>> from mien import Classifier
        >>> from mien.training import export
        >>> folder = export("runs/first", "exported", keep="last")
        >>> Classifier(folder).config.architecture
        'logistic'
    """
    if is_model(run):
        if keep or teacher:
            raise UsageError(f"{run} is a model folder: --keep and --teacher are for runs")
        return convert(run, Path(output), data, votes, without, half, int8)
    run = Path(run)
    recipe, info = run_folder.read_recipe(run), run_folder.read_info(run)
    source, faces = source_of(info, data, votes, teacher, without), None
    try:
        faces = prepare(source, recipe)
        reason = f"{source.data}: not what {run} was trained on"
        if faces.identity != info.identity:
            faces = None
    except MienError as error:
        reason = str(error)
    if faces is None and int8:
        raise MissingError(f"int8 needs the faces of the run: {reason}")
    if faces is None:
        warnings.warn(f"the card lacks figures with test-time views: {reason}", stacklevel=2)
    return export_run(run, Path(output), keep, faces, half, int8)


def export_run(
    run: Path,
    output: Path,
    keep: Literal["best", "last"] | None,
    faces: TrainingData | None,
    half: bool = False,
    int8: bool = False,
) -> Path:
    """Returns the model folder as `export` does; `faces` are the run's, which `int8` needs."""
    recipe, info = run_folder.read_recipe(run), run_folder.read_info(run)
    content = checkpoint.read(run)
    if content is None:
        raise MissingError(f"{run}: no checkpoint yet; there is nothing to export")
    measured = content[keep or recipe.train.keep]
    net = build_net(recipe, info.channels, len(info.labels))
    net.load_state_dict(measured["weights"])
    logits = measured["logits"]
    if recipe.train.prior_correction:
        shift = -recipe.train.prior_correction * content["target_shares"].clamp(min=1e-4).log()
        net.get_parameter("head.bias").data.add_(shift)
        logits = logits + shift
    if half:
        net.half().float()
    labels, votes = content["selection_labels"].numpy(), content.get("selection_votes")
    votes = None if votes is None else votes.numpy()
    truth = truth_of(labels, votes)
    temperature = fit_temperature(logits.numpy()[truth.rows], truth.targets)
    calibrated = (logits.numpy() / temperature).astype(np.float32)
    report = score(calibrated, labels, info.labels, votes=votes, temperature=temperature)
    record = _record(run, recipe, info, net, measured["epoch"], report)
    config = _config(recipe, info, temperature, record)
    with make_whole(output) as folder:
        write_model_folder(folder, net, config, in_channels(recipe, info.channels), half)
        if faces is not None:
            one, views = (
                evaluate(folder, faces.selection, tta).to_json_dict() for tta in (False, True)
            )
            record = record.model_copy(update={"selection": one, "selection_tta": views})
            config = config.model_copy(update={"training": record})
            write_texts(folder, config)
            if int8:
                config = write_int8(folder, faces.train, faces.selection)
            _describe(folder, config)
    return output


def _record(
    run: Path, recipe: Recipe, info: RunInfo, net: nn.Module, epoch: int, report: Report
) -> TrainingRecord:
    channels, size = in_channels(recipe, info.channels), recipe.data.input_size
    lines = [line for line in run_folder.read_metrics(run) if line["epoch"] > 0]
    macs = {each: count_macs(net, channels, each) for each in {line["size"] for line in lines}}
    teachers = source_of(info).models
    asked = sum(2e6 * read_config(resolve(model)).training.mmacs for model in teachers)
    return TrainingRecord(
        epoch=epoch,
        train_split=info.train_split,
        selection_split=info.selection_split,
        train_faces=info.train_faces,
        selection_faces=info.selection_faces,
        data_hash=info.data_hash,
        train_hash=info.train_hash,
        selection_hash=info.selection_hash,
        parameters=count_parameters(net),
        mmacs=count_macs(net, channels, size) / 1e6,
        training_flop=info.train_faces * sum(6 * macs[line["size"]] + asked for line in lines),
        minutes=sum(line["seconds"] for line in lines) / 60,
        selection=report.to_json_dict(),
        init=Path(info.init).name if info.init else None,
        votes=Path(info.votes).name if info.votes else None,
        teacher=", ".join(Path(name).name for name in info.teacher) or None,
        without=Path(info.without).name if info.without else None,
        git_revision=info.git_revision,
        versions=info.versions,
        machine=info.machine,
        recipe=recipe.model_dump(mode="json"),
    )


def _config(
    recipe: Recipe, info: RunInfo, temperature: float, record: TrainingRecord
) -> ModelConfig:
    options = {key: value for key, value in recipe.model.options.items() if key != "weights"}
    size = recipe.data.input_size
    options |= {"in_channels": in_channels(recipe, info.channels), "input_size": size}
    return ModelConfig(
        architecture=recipe.model.name,
        options=options,
        labels=info.labels,
        face_size=info.face_size,
        input_size=size,
        channels=1 if info.channels == 1 else 3,
        mean=recipe.data.mean,
        std=recipe.data.std,
        crop=CropGeometry(**(info.crop or {})),
        temperature=temperature,
        training=record,
    )


def write_model_folder(
    folder: Path, net: nn.Module, config: ModelConfig, in_channels: int, half: bool = False
) -> None:
    """Writes a complete model folder, checked: ONNX Runtime gives torch's logits.

    Args:
        folder: Made if missing; files of the same names are replaced.
        net: The network; left in evaluation mode on the CPU.
        config: Becomes `config.json` and the metadata of `model.onnx`.
        in_channels: Channels that the network takes.
        half: Store the weights in half precision, which must hold them exactly.

    Raises:
        MienError: The exported network gives other logits; nothing should use it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    face_classifier = FaceClassifier(
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
    write_onnx(face_classifier, config, folder / NETWORK)
    write_texts(folder, config)
    difference = parity(face_classifier, Classifier(folder, precision="float32", device="cpu"))
    if not difference < PARITY:
        raise MienError(
            f"{folder / NETWORK}: logits differ from torch's by {difference:.2g}; "
            f"expected less than {PARITY:g}"
        )


def _describe(folder: Path, config: ModelConfig) -> None:
    """Rewrites the description in a model folder: ONNX metadata, config and model card."""
    model = onnx.load(folder / NETWORK)
    onnx.helper.set_model_props(model, {METADATA_KEY: config.to_json()})
    onnx.save(model, folder / NETWORK)
    write_texts(folder, config)


def write_onnx(face_classifier: FaceClassifier, config: ModelConfig, path: Path) -> None:
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
                face_classifier,
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


def parity(face_classifier: FaceClassifier, exported: Classifier) -> float:
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
            expected = face_classifier(torch.from_numpy(faces)).numpy()
        actual = exported.run(faces)
        scale = max(1.0, float(np.abs(expected).max()))
        largest = max(largest, float(np.abs(expected - actual).max()) / scale)
    return largest
