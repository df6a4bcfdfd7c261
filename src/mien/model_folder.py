"""The model folder: all that training and inference share. Read, write, verify, resolve.

config.json         labels in order, geometry, normalisation, temperature, training record
model.safetensors   weights, to fine-tune
model.onnx          the network, to run; holds the same JSON as metadata under the key `mien`
README.md           the model card
manifest.json       SHA-256 of the first three, so that damage is noticed at load
"""

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mien.errors import BadInputError, MissingError

CONFIG, WEIGHTS, NETWORK, CARD = "config.json", "model.safetensors", "model.onnx", "README.md"
MANIFEST = "manifest.json"
METADATA_KEY = "mien"

INSIDE = {
    "default": "reads people: taught by the votes of ten annotators of each face (FER+)",
    "fer2013": "the benchmark's: taught by FER2013's own labels, to be compared with other work",
}
"""The models that come with mien, and what each is for."""


class CropGeometry(BaseModel):
    """How a face image is cut around a detected face, so that it is framed as the training set's.

    The square's side is `scale` times the longer side of the RetinaFace box; its centre lies
    `offset_x`, `offset_y` sides of that box (right, down) from the box's centre. The defaults are
    FER2013's framing, as fitted in docs/crop-geometry.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = Field(default=0.98, gt=0, le=4)
    offset_x: float = Field(default=0.0, ge=-1, le=1)
    offset_y: float = Field(default=-0.015, ge=-1, le=1)
    level_eyes: bool = False


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
        training: What it was trained on and how (free-form JSON).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    training: dict[str, Any] = {}

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
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"


def resolve(model: str | Path) -> Path:
    """Returns the model folder that a name means: one of `INSIDE`, a folder, or a run with one.

    Raises:
        MissingError: Nothing is there.
        BadInputError: Something is there, but no model folder.
    """
    if str(model) in INSIDE:
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
            f"no model {str(model)!r}; expected {' or '.join(map(repr, INSIDE))}, a model folder, "
            "or a finished run"
        )
    if (path / "checkpoint.pt").is_file():
        raise BadInputError(
            f"{path}: the run is not finished and has no model yet; finish it with "
            f"`mien train --resume {path}`, or take its best epoch with "
            f"`mien export {path} --output DIR`"
        )
    raise BadInputError(f"{path}: no {CONFIG} in it, so this is neither a model folder nor a run")


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
    paths = [Path(folder) / name for name in (CONFIG, NETWORK, WEIGHTS)]
    page = {path.name: _digest(path) for path in paths if path.is_file()}
    (Path(folder) / MANIFEST).write_text(json.dumps(page, indent=2) + "\n", encoding="utf-8")


def verify(path: Path) -> None:
    """Raises BadInputError if a file of a model folder is not what its manifest says.

    A folder without a manifest, as other programs may write, is not held to one.
    """
    manifest = path.parent / MANIFEST
    try:
        page = json.loads(manifest.read_text(encoding="utf-8"))
        expected = page.get(path.name)
    except FileNotFoundError:
        return
    except (ValueError, AttributeError) as error:
        raise BadInputError(f"{manifest}: damaged: {error}") from error
    found = _digest(path)
    if found != expected:
        raise BadInputError(
            f"{path}: damaged, or changed by another program: its SHA-256 is {found[:16]}…, "
            f"{manifest.name} says {str(expected)[:16]}…"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def describe_inside() -> list[dict[str, Any]]:
    """Returns what the models that come with mien are for and how good, ready for JSON.

    Keys: `name`, `purpose`, `architecture`, `parameters`, and `accuracy` on the split that each was
    selected on: by what it is held against, the best of one view and test-time views.
    """
    rows = []
    for name, purpose in INSIDE.items():
        config = read_config(resolve(name))
        record = config.training
        accuracy: dict[str, dict[str, Any]] = {}
        for key in ("selection", "selection_tta"):
            report = record.get(key, {})
            for truth, part in (
                ("most annotators say", report.get("votes")),
                ("FER2013's label says", report),
            ):
                if part and part["accuracy"] > accuracy.get(truth, {}).get("accuracy", 0):
                    accuracy[truth] = {
                        "accuracy": part["accuracy"],
                        "ci95": part["accuracy_ci95"],
                        "faces": part["num_faces"],
                        "views": report["num_views"],
                    }
        rows.append(
            {
                "name": name,
                "purpose": purpose,
                "architecture": config.architecture,
                "parameters": record.get("parameters", 0),
                "accuracy": accuracy,
            }
        )
    return rows
