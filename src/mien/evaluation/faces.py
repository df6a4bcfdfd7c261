"""A labelled set → the faces to evaluate a model on; and whether the model has seen them before."""

from dataclasses import dataclass
from pathlib import Path

from mien.data import FaceSet, leave_out, read
from mien.data.splits import find_split
from mien.model_folder import ModelConfig


@dataclass(frozen=True)
class JudgedFaces:
    """The faces that a model is evaluated on.

    Attributes:
        faces: The chosen split, without the faces of dropped classes.
        whole: The whole set as it was read.
        dropped: Classes of the set that the model's recipe left out of training.
        num_left_out: Faces of the split that a file of rows to leave out names.
    """

    faces: FaceSet
    whole: FaceSet
    dropped: tuple[str, ...]
    num_left_out: int = 0


def read_for_model(
    config: ModelConfig,
    data: str | Path,
    split: str | None = None,
    skip_bad: bool = False,
    votes: str | Path | None = None,
    without: str | Path | None = None,
) -> JudgedFaces:
    """Returns the faces of a labelled set in the form that a model expects.

    Pictures in folders are read with the model's face size and channels. Classes that its recipe
    left out of training are left out here too.

    Args:
        config: The model's.
        data: A labelled set, as `mien.data.read` takes it.
        split: One split only; None for all faces.
        skip_bad: Leave unreadable rows out instead of refusing the set.
        votes: FER+'s votes of the same rows.
        without: A CSV of rows to leave out, as `mien.data.leave_out` takes it.

    Raises:
        MissingError: The set is not there.
        BadInputError: It cannot be read.
        UsageError: It has no such split.

    Example:
        >>> from mien import Classifier
        >>> from mien.evaluation import read_for_model
        >>> judged = read_for_model(Classifier().config, "faces.csv", split="PublicTest")
        >>> len(judged.faces), len(judged.whole)
        (28, 98)
    """
    size = config.face_size if Path(data).is_dir() else None
    whole = read(data, votes, skip_bad=skip_bad, face_size=size, channels=config.channels)
    left_out = config.training.setting("data.drop", ())
    dropped = tuple(name for name in left_out if name in whole.label_names)

    def chosen(faces: FaceSet) -> FaceSet:
        faces = faces.drop_expressions(dropped) if dropped else faces
        return faces if split is None else faces.take_split(split)

    faces = chosen(whole)
    if without is None:
        return JudgedFaces(faces, whole, dropped)
    rest = chosen(leave_out(whole, without))
    return JudgedFaces(rest, whole, dropped, len(faces) - len(rest))


def honesty_warning(
    config: ModelConfig, faces: FaceSet, source: FaceSet | None = None
) -> str | None:
    """Returns a warning if the model was trained or selected on these faces; None otherwise.

    The model's training record has hashes of its faces (`FaceSet.content_hash`). So the warning
    covers exact matches: the selection faces, the training faces, the whole set they came from, and
    the training and selection splits of that set, whatever rows of it are left out. Other overlaps
    (another subset, near-duplicates) are not noticed.

    Args:
        config: The model's; its `training` holds `data_hash`, `train_hash`, `selection_hash` and
            the recipe.
        faces: The faces to evaluate on.
        source: The whole set that `faces` are a part of, if it is known.

    Example:
        >>> from mien import Classifier
        >>> from mien.data import read
        >>> from mien.evaluation import honesty_warning
        >>> faces = read("faces.csv").take_split("PublicTest")
        >>> honesty_warning(Classifier("runs/first").config, faces)
        'these are the faces the model was selected on: the figures are optimistic'
    """
    record = config.training
    digest = faces.without_opinions().content_hash()
    if digest == record.selection_hash:
        return "these are the faces the model was selected on: the figures are optimistic"
    if digest == record.train_hash:
        return "these are the faces the model was trained on: the figures say nothing of new faces"
    from_training_set = (
        source is not None and source.without_opinions().content_hash() == record.data_hash
    )

    def is_part(knob: str) -> bool:
        split = record.setting(knob)
        return bool(from_training_set and split and find_split(split, faces.split_names))

    has_no_splits = from_training_set and not faces.split_names
    if digest == record.data_hash or has_no_splits or is_part("data.train_split"):
        return (
            "among these faces are those the model was trained on: the figures say little of new "
            "faces; evaluate on a split of its own"
        )
    if is_part("data.selection_split"):
        return "these are faces the model was selected on: the figures are optimistic"
    return None
