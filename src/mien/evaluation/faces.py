"""A labelled set → the faces a model can be judged on: its size, its colours, its classes."""

from dataclasses import dataclass
from pathlib import Path

from mien.data import FaceSet, read
from mien.model_folder import ModelConfig


@dataclass(frozen=True)
class JudgedFaces:
    """What a model is evaluated on.

    Attributes:
        faces: The chosen split, without the classes that the model was trained without.
        whole: The whole set as it was read.
        dropped: Those classes.
    """

    faces: FaceSet
    whole: FaceSet
    dropped: tuple[str, ...]


def read_for(
    config: ModelConfig,
    data: str | Path,
    split: str | None = None,
    skip_bad: bool = False,
    votes: str | Path | None = None,
) -> JudgedFaces:
    """Returns the faces of a labelled set as a model was made for.

    Pictures of folders are read at the model's face size and colours; classes that its recipe left
    out are left out here too.

    Args:
        config: The model's.
        data: A labelled set, as `mien.data.read` takes it.
        split: One split only; None for all faces.
        skip_bad: Leave unreadable rows out instead of refusing the set.
        votes: FER+'s votes of the same rows.

    Raises:
        MissingError: The set is not there.
        BadInputError: It cannot be read.
        UsageError: It has no such split.
    """
    size = config.face_size if Path(data).is_dir() else None
    whole = read(data, votes, skip_bad=skip_bad, face_size=size, channels=config.channels)
    left_out = config.training.setting("data.drop", ())
    dropped = tuple(name for name in left_out if name in whole.label_names)
    faces = whole.drop_expressions(dropped) if dropped else whole
    return JudgedFaces(faces if split is None else faces.take_split(split), whole, dropped)
