"""The model folder: all that training and inference share. Read, write, verify, resolve.

config.json         labels in order, geometry, normalisation, temperature, training record
model.safetensors   weights, to fine-tune
model.onnx          the network, to run; holds the same JSON as metadata under the key `mien`
model_int8.onnx     the same with 8-bit integers, faster and a little less exact; may be missing
README.md           the model card
manifest.json       SHA-256 of all but the card, so that damage is noticed at load
"""

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mien.errors import BadInputError, MissingError

CONFIG, WEIGHTS, NETWORK, CARD = "config.json", "model.safetensors", "model.onnx", "README.md"
NETWORK_INT8 = "model_int8.onnx"
MANIFEST = "manifest.json"
METADATA_KEY = "mien"

PRETRAINED = {
    "default": "reads people: taught by the votes of ten annotators of each face (FER+)",
    "xs": "the same, five times faster: a small net taught by the votes and by default",
    "fer2013": "the benchmark's: taught by FER2013's own labels, to be compared with other work",
}
"""The models that come with mien, and what each is for."""


class CropGeometry(BaseModel):
    """How a face image is cut around a detected face, so that it is framed as the training set's.

    The square's side is `scale` times the longer side of the RetinaFace box; its centre lies
    `offset_x`, `offset_y` sides of that box (right, down) from the box's centre. The defaults are
    FER2013's framing, as fitted in docs/crop-geometry.md.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    scale: float = Field(default=0.98, gt=0, le=4)
    offset_x: float = Field(default=0.0, ge=-1, le=1)
    offset_y: float = Field(default=-0.015, ge=-1, le=1)
    level_eyes: bool = False


class Int8Record(BaseModel):
    """How an int8 network was made, and what it lost.

    Attributes:
        calibration_faces: Training faces on which the ranges of its activations were taken.
        temperature: By which its logits are divided, beyond what the float32 network does.
        same_answers: Share of the selection faces that both networks read alike, one view.
        selection, selection_tta: As `TrainingRecord` has them, of this network.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow")

    calibration_faces: int
    temperature: float
    same_answers: float
    selection: dict[str, Any]
    selection_tta: dict[str, Any]


class TrainingRecord(BaseModel):
    """What a model was trained on and how, as `config.json` keeps it.

    All is optional: other programs, and other versions of mien, write other parts of it. Unknown
    keys are kept.

    Attributes:
        epoch: Whose weights these are.
        train_split, selection_split: What the faces to learn from and to select on are called.
        train_faces, selection_faces: How many there were.
        data_hash, train_hash, selection_hash: `FaceSet.content_hash()` of the whole set and of the
            two parts.
        parameters: Of the network.
        mmacs: Millions of multiply-adds of an answer on one view.
        training_flop: Floating-point operations of the training.
        minutes: What it took.
        selection: `Report.to_json_dict()` on the faces to select on, one view.
        init, votes, teacher: Names of the model it started from, of the votes and of the teachers.
        without: Name of the file of rows that were left out of the set.
        git_revision: Of mien.
        versions: Of what decides a run's numbers.
        machine: What it was trained on.
        recipe: The resolved recipe, as the version of mien that trained it wrote it.
        selection_tta: As `selection`, with test-time views.
        int8: Of the int8 network, if there is one.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow")

    epoch: int = 0
    train_split: str = ""
    selection_split: str = ""
    train_faces: int = 0
    selection_faces: int = 0
    data_hash: str = ""
    train_hash: str = ""
    selection_hash: str = ""
    parameters: int = 0
    mmacs: float = 0.0
    training_flop: int | float = 0
    minutes: float = 0.0
    selection: dict[str, Any] | None = None
    init: str | None = None
    votes: str | None = None
    teacher: str | None = None
    without: str | None = None
    git_revision: str | None = None
    versions: dict[str, str] = {}
    machine: str = ""
    recipe: dict[str, Any] = {}
    selection_tta: dict[str, Any] | None = None
    int8: Int8Record | None = None

    def setting(self, key: str, default: Any = None) -> Any:
        """Returns the recipe's value of `section.key`; the default where it has none."""
        section, _, name = key.partition(".")
        return self.recipe.get(section, {}).get(name, default)


class ModelConfig(BaseModel):
    """The contents of `config.json`.

    Attributes:
        labels: Class names; their order is that of the logits.
        face_size: Side of the face images (the joint), pixels.
        input_size: Side of the network's input, pixels; smaller than `face_size` where the
            network looks at a crop.
        channels: 1 (grey) or 3 (RGB) channels of the network's input.
        mean, std: Normalisation inside the network, on pixels scaled to [0, 1].
        crop: How face images are cut around a detected face.
        temperature: Already applied inside the network; kept for the record.
        training: What it was trained on and how.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    architecture: str
    options: dict[str, Any] = {}
    labels: tuple[str, ...]
    face_size: int = Field(default=48, ge=8, le=1024)
    input_size: int = Field(default=48, ge=8, le=1024)
    channels: Literal[1, 3] = 1
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    crop: CropGeometry = CropGeometry()
    temperature: float = Field(default=1.0, gt=0)
    training: TrainingRecord = TrainingRecord()

    @model_validator(mode="after")
    def _consistent(self) -> "ModelConfig":
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must be two or more different names, got {self.labels}")
        if self.input_size > self.face_size:
            raise ValueError(f"input_size {self.input_size} exceeds face_size {self.face_size}")
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError("mean and std must have one value, or three, each")
        return self

    def to_json(self) -> str:
        """Returns the config as indented JSON text."""
        page = self.model_dump(mode="json", exclude={"training"})
        record = self.training.model_dump(mode="json", exclude_unset=True)
        return json.dumps({**page, "training": record}, indent=2) + "\n"


def resolve(model: str | Path) -> Path:
    """Returns the model folder that a name means: one of `PRETRAINED`, a folder, or a run with one.

    Raises:
        MissingError: Nothing is there.
        BadInputError: Something is there, but no model folder.
    """
    if str(model) in PRETRAINED:
        folder = Path(str(files("mien"))) / "pretrained" / str(model)
        if not (folder / CONFIG).is_file():
            raise MissingError(f"the model {model} is not in this installation: {folder}")
        return folder
    path = Path(model)
    for folder in (path, path / "model"):
        if (folder / CONFIG).is_file():
            return folder
    if not path.exists():
        raise MissingError(
            f"no model {str(model)!r}; expected {' or '.join(map(repr, PRETRAINED))}, "
            "a model folder, or a finished run"
        )
    if (path / "checkpoint.pt").is_file():
        raise BadInputError(
            f"{path}: the run is not finished and has no model yet; finish it with "
            f"`mien train --resume {path}`, or take its best epoch with "
            f"`mien export {path} --output DIR`"
        )
    raise BadInputError(f"{path}: no {CONFIG} in it, so this is neither a model folder nor a run")


def is_model(name: str | Path) -> bool:
    """Returns whether a name means a model folder itself: one of `PRETRAINED`, or its path."""
    return str(name) in PRETRAINED or (Path(name) / CONFIG).is_file()


def read_config(folder: str | Path) -> ModelConfig:
    """Returns the checked config of a model folder.

    Raises:
        MissingError: `config.json` is not there.
        BadInputError: It is not what this version of mien can read.
    """
    path = Path(folder) / CONFIG
    try:
        return parse_config(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise MissingError(f"{path}: not found") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path}: not UTF-8 text") from error


def parse_config(text: str, source: str) -> ModelConfig:
    """Returns the config written in `text`; `source` is the name that errors give.

    Raises:
        BadInputError: It is not what this version of mien can read.
    """
    try:
        return ModelConfig.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BadInputError(f"{source}: {place}: {first['msg']}") from error


def write_config(folder: str | Path, config: ModelConfig) -> None:
    """Writes `config.json` into the folder, which must exist."""
    (Path(folder) / CONFIG).write_text(config.to_json(), encoding="utf-8")


def write_manifest(folder: str | Path) -> None:
    """Writes the SHA-256 of a complete model folder's files; the last to be written."""
    paths = [Path(folder) / name for name in (CONFIG, NETWORK, NETWORK_INT8, WEIGHTS)]
    page = {path.name: _digest(path) for path in paths if path.is_file()}
    (Path(folder) / MANIFEST).write_text(json.dumps(page, indent=2) + "\n", encoding="utf-8")


def verify(path: Path) -> str:
    """Returns the SHA-256 of a file of a model folder, in hexadecimal digits.

    Raises:
        BadInputError: It is not what the folder's manifest says. A folder without one, as other
            programs may write, is not held to it.
    """
    manifest, found = path.parent / MANIFEST, _digest(path)
    try:
        page = json.loads(manifest.read_text(encoding="utf-8"))
        expected = page.get(path.name)
    except FileNotFoundError:
        return found
    except (ValueError, AttributeError) as error:
        raise BadInputError(f"{manifest}: damaged: {error}") from error
    if found != expected:
        raise BadInputError(
            f"{path}: damaged, or changed by another program: its SHA-256 is {found[:16]}…, "
            f"{manifest.name} says {str(expected)[:16]}…"
        )
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
