"""Training in one call: data and recipe → a run folder; and resuming a run that was stopped."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import PartialState
from torch.utils.tensorboard import SummaryWriter

from mien import run_folder
from mien.errors import BadInputError
from mien.locks import FolderLock
from mien.model_folder import PRETRAINED, read_config, resolve
from mien.models import count_parameters
from mien.recipes import Recipe, load_recipe
from mien.run_folder import RunInfo
from mien.text import counted
from mien.training import checkpoint
from mien.training.data import TrainingData, TrainingSource, prepare, source_of
from mien.training.exporting import export_run
from mien.training.fine_tuning import check_frame, initial_weights, with_architecture_of
from mien.training.loop import epochs
from mien.training.progress import epoch_line, shown
from mien.training.state import TrainingState, channels_of, start
from mien.training.teaching import TeacherNames, teacher_names


def train(
    recipe: Recipe | str,
    data: str | Path,
    output: str | Path,
    init: str | Path | None = None,
    *,
    votes: str | Path | None = None,
    teacher: TeacherNames = None,
    skip_bad: bool = False,
    without: str | Path | None = None,
) -> Path:
    """Returns the run folder of a finished training, with the model folder `model` inside.

    Args:
        recipe: The knobs, from `load_recipe`; or a recipe's name.
        data: A labelled set, as `mien.data.read` takes it.
        output: The run folder to make; must not exist or be empty.
        init: A model to fine-tune: `default`, a model folder, or a run. Its architecture and
            input replace the recipe's. The last layer keeps the rows of classes it knows by name;
            other classes start at zero.
        votes: FER+'s file of votes, as in `TrainingSource`.
        teacher: One teacher or several, as in `TrainingSource`.
        skip_bad: Leave unreadable rows out; otherwise one such row is an error.
        without: A CSV of rows to leave out, as `mien.data.leave_out` takes it.

    Raises:
        UsageError: The output is taken; recipe and faces do not go together.
        BadInputError: The data cannot be read.
        FloatingPointError: Training diverged.

    Example:
        >>> from mien.recipes import load_recipe
        >>> from mien.training import train
        >>> run = train(load_recipe("logistic", ["train.epochs=1"]), "faces.csv", "runs/second")
        >>> (run / "model" / "model.onnx").is_file()
        True
    """
    run = Path(output)
    if isinstance(recipe, str):
        recipe = load_recipe(recipe)
    run_folder.check_free(run)
    if init is not None:
        recipe = with_architecture_of(recipe, read_config(resolve(init)))
    source = TrainingSource(data, votes, teacher_names(teacher), skip_bad, without)
    faces = prepare(source, recipe)
    info = _info(faces, init)
    if init is not None:
        check_frame(faces.recipe, info)
    state = _start(faces, init)
    with _only_writer(run):
        if state.accelerator.is_main_process:
            run_folder.create(run, faces.recipe, info)
        state.accelerator.wait_for_everyone()
        return _run_epochs(state, run, info, faces, faces.warnings)


def resume(
    run: str | Path,
    data: str | Path | None = None,
    votes: str | Path | None = None,
    teacher: TeacherNames = None,
    without: str | Path | None = None,
) -> Path:
    """Returns the run folder after training from its last finished epoch to the end.

    On the CPU, with the same versions and number of threads, the weights are those of a run that
    was never stopped, bit for bit.

    Args:
        run: The run folder.
        data: The data's new path, if it was moved.
        votes: The new path of the votes, if they were moved.
        teacher: The new paths of all teachers, if any was moved.
        without: The new path of the rows that are left out, if it was moved.

    Raises:
        MissingError: The folder is no run, or its data is not there.
        BadInputError: The data or the recipe was changed, or a file of the run is damaged.

    Example:
        >>> from mien.training import resume
        >>> run = resume("runs/first")  # it is finished already: nothing is done again
        >>> run.name
        'first'
    """
    run = Path(run)
    recipe, info = run_folder.read_recipe(run), run_folder.read_info(run)
    with _only_writer(run):
        if (run / run_folder.MODEL).exists():
            return run
        content = checkpoint.read(run)
        faces = prepare(source_of(info, data, votes, teacher, without), recipe)
        state = _start(faces, info.init if content is None else None)
        warnings = faces.warnings
        if content is not None:
            warnings += checkpoint.restore(state, content, faces.identity)
        elif faces.identity != info.identity:
            raise BadInputError(f"{faces.source.data}: not the data that {run} was started on")
        if state.accelerator.is_main_process:
            run_folder.cut_metrics(run, state.epoch)
        return _run_epochs(state, run, info, faces, warnings)


def _start(faces: TrainingData, init: str | Path | None) -> TrainingState:
    weights = None if init is None else initial_weights(init, faces.train.label_names)
    return start(faces.recipe, faces.train, faces.selection, weights, faces.source.models)


def _info(faces: TrainingData, init: str | Path | None) -> RunInfo:
    source = faces.source
    return RunInfo(
        data=str(Path(source.data).resolve()),
        init=None if init is None else _absolute(init),
        crop=None if init is None else read_config(resolve(init)).crop.model_dump(),
        skip_bad=source.skip_bad,
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
        votes=None if source.votes is None else str(Path(source.votes).resolve()),
        teacher=tuple(map(_absolute, source.teacher)),
        targets_hash=faces.targets_hash,
        without=None if source.without is None else str(Path(source.without).resolve()),
        git_revision=run_folder.git_revision(),
        versions=run_folder.versions(),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
    )


def _absolute(model: str | Path) -> str:
    return str(model) if str(model) in PRETRAINED else str(Path(model).resolve())


@contextmanager
def _only_writer(run: Path) -> Iterator[None]:
    """Locks the run folder; among several processes of one training, the main one does."""
    lock = FolderLock(run) if PartialState().is_main_process else None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _run_epochs(
    state: TrainingState, run: Path, info: RunInfo, faces: TrainingData, warnings: list[str]
) -> Path:
    """Runs the remaining epochs, each to metrics, TensorBoard and a checkpoint; then exports."""
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
            f"{counted(info.train_faces, 'face')} ({info.train_split}), selecting on "
            f"{info.selection_faces:,} ({info.selection_split}), {state.accelerator.device.type}"
        )
        for record in epochs(state):
            run_folder.append_metrics(run, asdict(record))
            for name, value in asdict(record).items():
                if value is not None and name not in ("epoch", "is_best"):
                    writer.add_scalar(name, value, record.epoch)
            checkpoint.save(state, run, info.identity)
            console.print(
                epoch_line(record, state.recipe.train.epochs, is_brief=console.is_terminal)
            )
    export_run(run, run / run_folder.MODEL, None, faces)
    state.accelerator.wait_for_everyone()
    return run
