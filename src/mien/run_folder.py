"""The run folder: what a training run leaves behind, and keeps itself by.

recipe.toml       the resolved recipe
run.json          the data and what it was trained with
metrics.jsonl     one line per epoch
tensorboard/      the same for TensorBoard
checkpoint.pt     all it takes to continue exactly
model/            the model folder, once training is done
"""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mien.errors import BadInputError, MissingError, UsageError
from mien.files import HALF, write_whole
from mien.locks import LOCK
from mien.recipes import Recipe, load_recipe

RECIPE, INFO, METRICS, EVENTS, MODEL = (
    "recipe.toml",
    "run.json",
    "metrics.jsonl",
    "tensorboard",
    "model",
)


@dataclass(frozen=True)
class RunInfo:
    """What `run.json` holds: where the faces came from, and with what they were learnt.

    `data_hash`, `train_hash` and `selection_hash` are `FaceSet.content_hash()` of the whole set
    and of the two parts; `targets_hash` is of what votes and teacher made of the labels. `crop` is
    the crop geometry of the model it started from, `without` the CSV of rows that were left out.
    """

    data: str
    init: str | None
    skip_bad: bool
    labels: tuple[str, ...]
    face_size: int
    channels: int
    train_split: str
    selection_split: str
    train_faces: int
    selection_faces: int
    data_hash: str
    train_hash: str
    selection_hash: str
    git_revision: str | None
    versions: dict[str, str]
    machine: str
    crop: dict[str, Any] | None = None
    votes: str | None = None
    teacher: tuple[str, ...] = ()
    targets_hash: str | None = None
    without: str | None = None

    @property
    def identity(self) -> dict[str, str]:
        """What must be the same when the run goes on."""
        return identity_of(self.train_hash, self.selection_hash, self.targets_hash)


def identity_of(train_hash: str, selection_hash: str, targets_hash: str | None) -> dict[str, str]:
    """Returns the hashes of all that a run learns from; labels need none beside the faces'."""
    hashes = {"train_hash": train_hash, "selection_hash": selection_hash}
    return {**hashes, "targets_hash": targets_hash} if targets_hash else hashes


def create(run: Path, recipe: Recipe, info: RunInfo) -> None:
    """Makes a run folder.

    Raises:
        UsageError: The folder exists and is not empty.
    """
    check_free(run)
    run.mkdir(parents=True, exist_ok=True)
    _write(run / RECIPE, recipe.to_toml())
    _write(run / INFO, json.dumps(asdict(info), indent=2) + "\n")


def check_free(run: Path) -> None:
    """Raises UsageError if the folder exists and is not empty.

    What a run leaves that was killed while its folder was made does not count.
    """
    if (run / INFO).exists():
        raise UsageError(
            f"{run} holds a run already: go on with `mien train --resume {run}`, "
            "or name another --output"
        )
    if run.exists() and (not run.is_dir() or any(not _is_begun(path) for path in run.iterdir())):
        raise UsageError(f"{run} exists and is not an empty folder; name another --output")


def _is_begun(path: Path) -> bool:
    return path.name in (LOCK, RECIPE) or path.match(HALF)


def free_run_folder(parent: Path, name: str) -> Path:
    """Returns the first of `PARENT/NAME-1`, `-2`, … that does not exist yet.

    Example:
        >>> from pathlib import Path
        >>> from mien.training import free_run_folder
        >>> free_run_folder(Path("runs"), "logistic").name
        'logistic-1'
    """
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def read_recipe(run: Path) -> Recipe:
    """Returns the resolved recipe of a run."""
    return load_recipe(run / RECIPE)


def read_info(run: Path) -> RunInfo:
    """Returns what `run.json` holds.

    Raises:
        MissingError: The folder is no run.
        BadInputError: The file is damaged.
    """
    path = run / INFO
    try:
        page = json.loads(path.read_text(encoding="utf-8"))
        teacher = page.get("teacher") or ()  # mien 0.1 had one, or None
        teacher = (teacher,) if isinstance(teacher, str) else tuple(teacher)
        return RunInfo(**{**page, "labels": tuple(page["labels"]), "teacher": teacher})
    except FileNotFoundError as error:
        raise MissingError(f"{run} is not a run: {INFO} is not there") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInputError(f"{path}: not what a run's {INFO} should hold: {error}") from error


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Returns the records of a run's finished epochs; a half-written last line is left out."""
    path = run / METRICS
    if not path.exists():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    try:
        return [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise BadInputError(f"{path}: damaged: a line is not of an epoch: {error}") from error


def append_metrics(run: Path, record: dict[str, Any]) -> None:
    """Adds a line to the metrics and waits until it is on the disk."""
    with (run / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())


def cut_metrics(run: Path, last_epoch: int) -> None:
    """Removes the records after an epoch, half lines too: what a stopped run wrote too much."""
    records = [record for record in read_metrics(run) if record["epoch"] <= last_epoch]
    _write(run / METRICS, "".join(json.dumps(record) + "\n" for record in records))


def versions() -> dict[str, str]:
    """Returns the versions of what decides a run's numbers."""
    names = ("mien", "torch", "numpy", "accelerate")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def git_revision() -> str | None:
    """Returns the revision of the checkout mien runs from (`+`: changed), or None."""
    folder = Path(__file__).parent
    try:
        revision = subprocess.run(
            ["git", "-C", folder, "describe", "--always", "--dirty=+", "--abbrev=40"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
        tracked = subprocess.run(
            ["git", "-C", folder, "ls-files", "--error-unmatch", __file__],
            capture_output=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return revision if tracked.returncode == 0 else None


def _write(path: Path, text: str) -> None:
    with write_whole(path) as file:
        file.write(text.encode())
