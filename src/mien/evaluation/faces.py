"""A labelled set → the faces to evaluate models on; and whether a model has seen them before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from mien.data import FaceSet, choose_faces, leave_out, read
from mien.data.splits import find_split
from mien.errors import BadInputError, UsageError
from mien.model_folder import ModelConfig
from mien.recipes.recipe import ALL_ROWS, Data
from mien.text import counted

SELECTION = "selection"
"""The name, instead of a split's, of the faces that a model's own run selected on."""


@dataclass(frozen=True)
class JudgedFaces:
    """The faces that a model is evaluated on.

    Attributes:
        faces: The chosen split, without the faces of classes that do not count.
        whole: The whole set as it was read.
        part: Which part of the set `faces` are, in words; empty for all of it.
        classes: The classes that count, in the order of the first model's labels.
        notes: What a reader must know of figures on these faces: what was left out, and whether
            they took part in the model's training.
    """

    faces: FaceSet
    whole: FaceSet
    part: str
    classes: tuple[str, ...]
    notes: tuple[str, ...]


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
        split: One split only; `selection`: the faces that the model was selected on, also where
            its run held them out itself; None for all faces.
        skip_bad: Leave unreadable rows out instead of refusing the set.
        votes: FER+'s votes of the same rows.
        without: A CSV of rows to leave out, as `mien.data.leave_out` takes it.

    Raises:
        MissingError: The set is not there.
        BadInputError: It cannot be read; or, for `selection`, the model was trained on another.
        UsageError: It has no such split; or, for `selection`, the model's record is too short.

    Example:
        >>> from mien import Classifier
        >>> from mien.evaluation import read_for_model
        >>> judged = read_for_model(Classifier().config, "faces.csv", split="PublicTest")
        >>> len(judged.faces), len(judged.whole)
        (28, 98)
        >>> own = read_for_model(Classifier("runs/first").config, "faces.csv", "selection")
        >>> own.part
        'selection (PublicTest)'
    """
    (judged,) = read_for_models([config], data, split, skip_bad, votes, without)
    return judged


def read_for_models(
    configs: Sequence[ModelConfig],
    data: str | Path,
    split: str | None = None,
    skip_bad: bool = False,
    votes: str | Path | None = None,
    without: str | Path | None = None,
) -> list[JudgedFaces]:
    """Returns the faces of a labelled set for each of several models, to be compared on.

    The set is read once; a folder of pictures once for each face size and number of channels.
    Several models are compared on the faces that all of them are evaluated on, of the classes that
    all of them know; what is left out stands in `notes`.

    Args:
        configs: The models'.
        data: A labelled set, as `mien.data.read` takes it.
        split: One split, `selection`, or None, as for `read_for_model`, whose errors these are too.
        skip_bad: Leave unreadable rows out instead of refusing the set.
        votes: FER+'s votes of the same rows.
        without: A CSV of rows to leave out, as `mien.data.leave_out` takes it.

    Raises:
        UsageError: The models have fewer than two classes in common, or no face.

    Example:
        >>> from mien import Classifier
        >>> from mien.evaluation import read_for_models
        >>> configs = [Classifier(model).config for model in ("default", "runs/first")]
        >>> [len(each.faces) for each in read_for_models(configs, "faces.csv", "PublicTest")]
        [28, 28]
    """
    sets: dict[tuple[int | None, int], FaceSet] = {}
    judged = []
    for config in configs:
        size, channels = None, 1  # a CSV's faces are grey, and of their own size
        if Path(data).is_dir():
            size, channels = config.face_size, config.channels
        if (size, channels) not in sets:
            whole = read(data, votes, skip_bad=skip_bad, face_size=size, channels=channels)
            sets[size, channels] = whole
        judged.append(_judge(config, sets[size, channels], split, without))
    return judged if len(judged) == 1 else _shared(configs, judged)


def _judge(
    config: ModelConfig, whole: FaceSet, split: str | None, without: str | Path | None
) -> JudgedFaces:
    """Returns the faces to evaluate one model on, with what a reader must know of them."""
    left_out = config.training.setting("data.drop", ())
    dropped = tuple(name for name in left_out if name in whole.label_names)
    used = whole if without is None else leave_out(whole, without)
    part = f"split {split}" if split else ""
    if split == SELECTION:
        faces = selection_faces(config, used if config.training.without else whole)
        part = f"{SELECTION} ({config.training.selection_split})"
    else:
        faces = whole.drop_expressions(dropped) if dropped else whole
        faces = faces if split is None else faces.take_split(split)
    notes, num_chosen = [], len(faces)
    if without is not None:
        faces = faces.take(np.isin(faces.rows, used.rows))
        notes.append(f"{counted(num_chosen - len(faces), 'face')} of {without} left out")
    if dropped:
        notes.append(f"the model was trained without {', '.join(dropped)}: left out here too")
    if warning := honesty_warning(config, faces, whole):
        notes.append(warning)
    return JudgedFaces(faces, whole, part, config.labels, tuple(notes))


def selection_faces(config: ModelConfig, whole: FaceSet) -> FaceSet:
    """Returns the second of `own_faces`: what the model's run selected on."""
    return own_faces(config, whole)[1]


def own_faces(config: ModelConfig, whole: FaceSet) -> tuple[FaceSet, FaceSet]:
    """Returns the faces that a model's run learnt from and selected on, found again.

    They are chosen by the recipe in the model's training record, and checked by the hash there.

    Args:
        config: The model's.
        whole: The whole set that it was trained on, as it was read; without the rows that its run
            left out, if it left any out.

    Raises:
        UsageError: The training record lacks the recipe's section `data`, or the hash.
        BadInputError: The set is not the one that the model was trained on.
    """
    record = config.training
    page = record.recipe.get("data")
    if not page or not record.selection_hash:
        raise UsageError("the model's record does not say on which faces it was selected")
    origin = whole.sources[0] if len(whole.sources) == 1 else "the set"
    other = f"{origin}: not the labelled set that the model was trained on"
    if record.without:
        other += f" (without the rows of {record.without}, for --without)"
    try:
        train, faces, _, _ = choose_faces(Data.model_validate(page), whole)
    except ValidationError as error:
        raise UsageError(f"the model's recipe is of another version of mien: {error}") from error
    except (UsageError, BadInputError) as error:
        raise BadInputError(f"{other}: {error}") from error
    if faces.without_opinions().content_hash() != record.selection_hash:
        raise BadInputError(
            f"{other}: expected {counted(record.selection_faces, 'selection face')} "
            f"({record.selection_split}) with SHA-256 {record.selection_hash[:16]}…, found "
            f"{counted(len(faces), 'face')} that differ"
        )
    return train, faces


def _shared(configs: Sequence[ModelConfig], judged: Sequence[JudgedFaces]) -> list[JudgedFaces]:
    """Returns the same faces for all models: those of each, of the classes that all know."""
    first = configs[0].labels
    classes = tuple(name for name in first if all(name in config.labels for config in configs))
    if len(classes) < 2:
        raise UsageError(
            f"the models have {', '.join(classes) or 'no class'} in common; a comparison takes two "
            f"classes or more: {'; '.join(', '.join(config.labels) for config in configs)}"
        )
    everywhere, shared = None, []
    for each in judged:
        rows = _rows_of(each.faces, classes)
        everywhere = rows if everywhere is None else np.intersect1d(everywhere, rows)
    assert everywhere is not None
    if not len(everywhere):
        raise UsageError("there is no face that all these models are evaluated on")
    for config, each in zip(configs, judged, strict=True):
        notes = list(each.notes)
        if set(config.labels) != set(classes):
            notes.append(
                f"compared on the classes that all models know: {', '.join(classes)}; its "
                "probabilities are of these alone"
            )
        faces = each.faces
        if num_left_out := len(faces) - len(everywhere):
            notes.append(
                f"{counted(num_left_out, 'face')} of {len(faces):,} left out: not all models are "
                "evaluated on them"
            )
            faces = faces.take(np.isin(faces.rows, everywhere))
        shared.append(replace(each, faces=faces, classes=classes, notes=tuple(notes)))
    return shared


def _rows_of(faces: FaceSet, classes: tuple[str, ...]) -> np.ndarray:
    """Returns the rows in the source of the faces of some classes; of all where none is labelled.

    Rows are ascending and name the same face however the source was read.
    """
    if faces.labels is None:
        return faces.rows
    wanted = [index for index, name in enumerate(faces.label_names) if name in classes]
    return faces.rows[np.isin(faces.labels, wanted)]


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
        return bool(split and (split == ALL_ROWS or find_split(split, faces.split_names)))

    is_whole = from_training_set and not faces.split_names
    if (
        digest == record.data_hash
        or is_whole
        or (from_training_set and is_part("data.train_split"))
    ):
        return (
            "among these faces are those the model was trained on: the figures say little of new "
            "faces; evaluate on a split of its own"
        )
    if from_training_set and is_part("data.selection_split"):
        return "these are faces the model was selected on: the figures are optimistic"
    return None
