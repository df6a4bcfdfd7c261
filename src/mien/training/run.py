"""Training as one call: data and recipe → a run; going on after a stop; export."""

import glob
import os
import platform
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from mien import run_folder
from mien.data import FaceSet
from mien.errors import BadInputError, MienError, MissingError, UsageError
from mien.evaluation import evaluate, fit_temperature, score, truth_of
from mien.files import remove_left_over
from mien.locks import FolderLock
from mien.model_folder import INSIDE, CropGeometry, ModelConfig, read_config, resolve
from mien.models import count_macs, count_parameters, load_classifier
from mien.recipes import Recipe, parse_recipe
from mien.run_folder import RunInfo
from mien.training import checkpoint
from mien.training.data import TrainingData, models_of, read_training_data
from mien.training.export import describe, write_model_folder
from mien.training.loop import epochs
from mien.training.progress import epoch_line, shown
from mien.training.state import TrainingState, build_net, channels_of, in_channels, start
from mien.training.teaching import TeacherNames, teacher_names

HEAD = ("head.weight", "head.bias")


def train(
    recipe: Recipe,
    data: str | Path,
    output: str | Path,
    init: str | Path | None = None,
    skip_bad: bool = False,
    votes: str | Path | None = None,
    teacher: TeacherNames = None,
) -> Path:
    """Returns the run folder of a finished training, with the model folder `model` inside.

    Args:
        recipe: The knobs.
        data: A labelled set, as `mien.data.read` takes it.
        output: The run folder to make; must not exist or be empty.
        init: A model to start from: `default`, a model folder, or a run. It decides architecture
            and input; where the classes differ, rows of the last layer are kept by class name.
        skip_bad: Leave unreadable rows of the data out instead of refusing it.
        votes: FER+'s votes of the same rows, for `train.vote_weight`.
        teacher: For `train.teacher_weight`: a file of a teacher's logits of the training faces
            (.npz), or models that answer on each view.

    Raises:
        UsageError: The output is taken; recipe and faces do not go together.
        BadInputError: The data cannot be read.
        FloatingPointError: Training diverged.
    """
    run = Path(output)
    run_folder.check_free(run)
    if init is not None:
        recipe = with_architecture_of(recipe, read_config(resolve(init)))
    faces = read_training_data(recipe, data, skip_bad, votes, teacher)
    info = _info(faces, data, init, skip_bad, votes, teacher)
    _check_frame(faces.recipe, info)
    weights = initial_weights(init, info.labels) if init is not None else None
    state = start(faces.recipe, faces.train, faces.selection, weights, faces.teachers)
    with _only_writer(run):
        if state.accelerator.is_main_process:
            run_folder.create(run, faces.recipe, info)
        state.accelerator.wait_for_everyone()
        return _to_the_end(state, run, info, faces.warnings, faces.selection)


def resume(
    run: str | Path,
    data: str | Path | None = None,
    votes: str | Path | None = None,
    teacher: TeacherNames = None,
) -> Path:
    """Returns the run folder after going on from its last finished epoch to the end.

    On the CPU, with the same versions and number of threads, the weights are those of a run that
    was never stopped, bit for bit.

    Args:
        run: The run folder.
        data: Where the data is now, if it was moved.
        votes: Likewise FER+'s votes.
        teacher: Likewise the teachers, all of them.

    Raises:
        MissingError: The folder is no run, or its data is not there.
        BadInputError: The data or the recipe is not the run's, or a file of it is damaged.
    """
    run = Path(run)
    recipe, info = run_folder.read_recipe(run), run_folder.read_info(run)
    info = _moved(info, data, votes, teacher)
    with _only_writer(run):
        return _resume(run, recipe, info)


def _moved(
    info: RunInfo,
    data: str | Path | None,
    votes: str | Path | None,
    teacher: TeacherNames,
) -> RunInfo:
    """Returns what is known of a run, with the places where its files are now."""
    named = {"data": data, "votes": votes}
    places: dict[str, Any] = {key: str(path) for key, path in named.items() if path is not None}
    if names := teacher_names(teacher):
        places["teacher"] = names
    return replace(info, **places)


def _resume(run: Path, recipe: Recipe, info: RunInfo) -> Path:
    if (run / run_folder.MODEL).exists():
        return run
    content = checkpoint.read(run)
    faces = read_training_data(recipe, info.data, info.skip_bad, info.votes, info.teacher)
    if content is None and info.init is not None:
        weights = initial_weights(info.init, info.labels)
    else:
        weights = None
    state = start(recipe, faces.train, faces.selection, weights, faces.teachers)
    warnings = faces.warnings
    if content is not None:
        warnings += checkpoint.restore(state, content, faces.identity)
    elif faces.identity != info.identity:
        raise BadInputError(f"{info.data}: not the data that {run} was started on")
    if state.accelerator.is_main_process:
        run_folder.cut_metrics(run, state.epoch)
    return _to_the_end(state, run, info, warnings, faces.selection)


def export(
    run: str | Path,
    output: str | Path,
    keep: Literal["best", "last"] | None = None,
    data: str | Path | None = None,
    votes: str | Path | None = None,
    teacher: TeacherNames = None,
    half: bool = False,
) -> Path:
    """Returns the model folder written from a run's checkpoint, finished or not.

    Args:
        run: The run folder.
        output: The model folder to make; must not exist or be empty.
        keep: Which epoch; None means as the run's recipe says.
        data: Where the run's data is now, if it was moved. Where it is not found, the card lacks
            the figures with test-time views, and a warning says so.
        votes: Likewise FER+'s votes.
        teacher: Likewise the teachers, all of them.
        half: Round the weights to half precision first and keep them so in `model.safetensors`,
            which is half as large then.

    Raises:
        MissingError: The folder is no run, or has no checkpoint yet.
        UsageError: The output is taken.
    """
    run = Path(run)
    info = _moved(run_folder.read_info(run), data, votes, teacher)
    return _export(run, Path(output), keep, _selection_faces(run, info), half)


def _selection_faces(run: Path, info: RunInfo) -> FaceSet | None:
    """Returns the faces that a run selected on; None, with a warning, where they are not there."""
    recipe = run_folder.read_recipe(run)
    try:
        faces = read_training_data(recipe, info.data, info.skip_bad, info.votes, info.teacher)
        reason = f"{info.data}: not what {run} was trained on"
    except MienError as error:
        faces, reason = None, str(error)
    if faces is not None and faces.identity == info.identity:
        return faces.selection
    warnings.warn(f"the card lacks figures with test-time views: {reason}", stacklevel=3)
    return None


def _export(
    run: Path,
    output: Path,
    keep: Literal["best", "last"] | None,
    selection: FaceSet | None,
    half: bool = False,
) -> Path:
    recipe, info = run_folder.read_recipe(run), run_folder.read_info(run)
    content = checkpoint.read(run)
    if content is None:
        raise MissingError(f"{run}: no checkpoint yet; there is nothing to export")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} exists and is not an empty folder; name another --output")
    measured = content[keep or recipe.train.keep]
    net = build_net(recipe, info.channels, len(info.labels))
    net.load_state_dict(measured["weights"])
    if recipe.train.prior_correction:
        shift = -recipe.train.prior_correction * content["target_shares"].clamp(min=1e-4).log()
        net.get_parameter(HEAD[1]).data.add_(shift)
        measured = {**measured, "logits": measured["logits"] + shift}
    if half:
        net.half().float()
    labels, votes = content["selection_labels"].numpy(), content.get("selection_votes")
    votes = None if votes is None else votes.numpy()
    config = _config(recipe, info, net, measured, labels, votes, run)
    output.parent.mkdir(parents=True, exist_ok=True)
    remove_left_over(output.parent.glob(f".{glob.escape(output.name)}.part-*"))
    unfinished = output.with_name(f".{output.name}.part-{os.getpid()}")
    try:
        write_model_folder(unfinished, net, config, in_channels(recipe, info.channels), half)
        if selection is not None:
            one, views = (
                evaluate(unfinished, selection, tta).to_json_dict() for tta in (False, True)
            )
            record = {**config.training, "selection": one, "selection_tta": views}
            describe(unfinished, config.model_copy(update={"training": record}))
        if output.exists():
            output.rmdir()
        unfinished.rename(output)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return output


def with_architecture_of(recipe: Recipe, config: ModelConfig) -> Recipe:
    """Returns the recipe with the architecture and input of a trained model."""
    own = ("input_size", "weights")  # the first is a knob of its own, the second was read long ago
    options = {key: value for key, value in config.options.items() if key not in own}
    model = recipe.model.model_copy(update={"name": config.architecture, "options": options})
    seen = {
        "input_size": config.input_size,
        "face_size": config.face_size,
        "channels": config.channels,
        "mean": config.mean,
        "std": config.std,
    }
    for key in seen.keys() & recipe.data.model_fields_set:
        if getattr(recipe.data, key) != seen[key]:
            warnings.warn(
                f"data.{key} is {seen[key]}, as the model to start from has it", stacklevel=3
            )
    data = recipe.data.model_copy(update=seen)
    page = recipe.model_copy(update={"model": model, "data": data}).model_dump()
    return parse_recipe(page, "--init")


def initial_weights(init: str | Path, labels: tuple[str, ...]) -> dict[str, Tensor]:
    """Returns a model's weights for other classes: last-layer rows of unknown classes are zero.

    Raises:
        MissingError: The model folder has no weights.
        BadInputError: It is damaged.
    """
    weights = dict(load_classifier(init).net.state_dict())
    known = read_config(resolve(init)).labels
    for name in HEAD:
        rows = torch.zeros(len(labels), *weights[name].shape[1:])
        for row, label in enumerate(labels):
            if label in known:
                rows[row] = weights[name][known.index(label)]
        weights[name] = rows
    return weights


def _check_frame(recipe: Recipe, info: RunInfo) -> None:
    """Raises UsageError where a model would be fine-tuned on faces of another size or colour."""
    wanted = (recipe.data.face_size, recipe.data.channels)
    if info.init is not None and (info.face_size, info.channels) != wanted:
        raise UsageError(
            f"{info.data}: faces of {info.face_size} pixels with {info.channels} channel(s); "
            f"the model to start from was made for {wanted[0]} pixels with {wanted[1]}"
        )


def _info(
    faces: TrainingData,
    data: str | Path,
    init: str | Path | None,
    skip_bad: bool,
    votes: str | Path | None,
    teacher: TeacherNames,
) -> RunInfo:
    return RunInfo(
        data=str(Path(data).resolve()),
        init=None if init is None else _absolute(init),
        crop=None if init is None else read_config(resolve(init)).crop.model_dump(),
        skip_bad=skip_bad,
        labels=faces.train.label_names,
        face_size=faces.train.face_size,
        channels=channels_of(faces.train),
        train_split=faces.train_split,
        selection_split=faces.selection_split,
        train_faces=len(faces.train),
        selection_faces=len(faces.selection),
        data_hash=faces.data_hash,
        train_hash=faces.train_hash,
        selection_hash=faces.selection_hash,
        votes=None if votes is None else str(Path(votes).resolve()),
        teacher=tuple(_absolute(name) for name in teacher_names(teacher)),
        targets_hash=faces.targets_hash,
        git_revision=run_folder.git_revision(),
        versions=run_folder.versions(),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
    )


@contextmanager
def _only_writer(run: Path) -> Iterator[None]:
    """Holds the run folder; of several processes of one training the main one does."""
    lock = FolderLock(run) if PartialState().is_main_process else None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _mmacs(model: str) -> float:
    """Returns the millions of multiply-adds of a model's answer on one view."""
    return float(read_config(resolve(model)).training["mmacs"])


def _absolute(model: str | Path) -> str:
    return str(model) if str(model) in INSIDE else str(Path(model).resolve())


def _to_the_end(
    state: TrainingState, run: Path, info: RunInfo, warnings: list[str], selection: FaceSet
) -> Path:
    """Consumes the loop: every epoch to the metrics, TensorBoard and a checkpoint; then exports."""
    if not state.accelerator.is_main_process:
        for _ in epochs(state):
            pass
        state.accelerator.wait_for_everyone()
        return run
    events = run / run_folder.EVENTS
    with (
        SummaryWriter(str(events), purge_step=state.epoch + 1) as writer,
        shown(state) as console,
    ):
        for warning in warnings:
            console.print(f"mien: warning: {warning}")
        console.print(
            f"{state.recipe.model.name}: {count_parameters(state.bare_net):,} parameters, "
            f"{info.train_faces:,} faces ({info.train_split}), selecting on "
            f"{info.selection_faces:,} ({info.selection_split}), {state.accelerator.device.type}"
        )
        for record in epochs(state):
            run_folder.append_metrics(run, asdict(record))
            for name, value in asdict(record).items():
                if value is not None and name not in ("epoch", "is_best"):
                    writer.add_scalar(name, value, record.epoch)
            checkpoint.save(state, run, info.identity)
            console.print(epoch_line(record, state.recipe.train.epochs))
    _export(run, run / run_folder.MODEL, None, selection)
    state.accelerator.wait_for_everyone()
    return run


def _config(
    recipe: Recipe,
    info: RunInfo,
    net: nn.Module,
    measured: dict[str, Any],
    labels: np.ndarray,
    votes: np.ndarray | None,
    run: Path,
) -> ModelConfig:
    channels = in_channels(recipe, info.channels)
    size = recipe.data.input_size
    options = {key: value for key, value in recipe.model.options.items() if key != "weights"}
    logits, truth = measured["logits"].numpy(), truth_of(labels, votes)
    temperature = fit_temperature(logits[truth.rows], truth.targets)
    calibrated = (logits / temperature).astype(np.float32)
    report = score(calibrated, labels, info.labels, votes=votes)
    records = [line for line in run_folder.read_metrics(run) if line["epoch"] > 0]
    macs = {line["size"]: count_macs(net, channels, line["size"]) for line in records}
    asked_macs = sum(2e6 * _mmacs(model) for model in models_of(info.teacher))
    record = {
        "epoch": measured["epoch"],
        "train_split": info.train_split,
        "selection_split": info.selection_split,
        "train_faces": info.train_faces,
        "selection_faces": info.selection_faces,
        "data_hash": info.data_hash,
        "train_hash": info.train_hash,
        "selection_hash": info.selection_hash,
        "parameters": count_parameters(net),
        "mmacs": count_macs(net, channels, size) / 1e6,
        "training_flop": info.train_faces
        * sum(6 * macs[line["size"]] + asked_macs for line in records),
        "minutes": sum(line["seconds"] for line in records) / 60,
        "selection": report.to_json_dict(),
        "init": info.init and Path(info.init).name,
        "votes": info.votes and Path(info.votes).name,
        "teacher": ", ".join(Path(name).name for name in info.teacher) or None,
        "git_revision": info.git_revision,
        "versions": info.versions,
        "machine": info.machine,
        "recipe": recipe.model_dump(mode="json"),
    }
    return ModelConfig(
        architecture=recipe.model.name,
        options={**options, "in_channels": channels, "input_size": size},
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
