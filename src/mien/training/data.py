"""A labelled set and a recipe → the training faces and the selection faces of a run."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from mien.classifier import as_channels
from mien.data import (
    FaceSet,
    choose_faces,
    grow,
    join_votes,
    leave_out,
    oversample,
    read,
    read_teacher,
)
from mien.data.summary import pixel_statistics
from mien.errors import BadInputError, UsageError
from mien.models import normalisation_of
from mien.recipes import Recipe
from mien.run_folder import RunInfo, identity_of
from mien.text import counted
from mien.training.state import channels_of
from mien.training.teaching import LOGITS, TeacherNames, teacher_names, teachers_hash

_SHOWN_PROBLEMS = 3


@dataclass(frozen=True)
class TrainingSource:
    """The files of a training: the labelled faces, and further opinions on them.

    Attributes:
        data: A labelled set: a path that `mien.data.read` can read.
        votes: FER+'s file of votes on the same rows. The recipe's `train.vote_weight` mixes them
            into the targets; `train.selection_truth` selects the best epoch by them.
        teacher: What `train.teacher_weight` mixes into the targets: one `.npz` file with a
            teacher's logits of the training faces, or models, which are run on every view.
        skip_bad: Leave unreadable rows out; otherwise one such row is an error.
        without: A CSV of rows to leave out, as `mien.data.leave_out` takes it.

    Example:
        >>> from mien.training import TrainingSource
        >>> source = TrainingSource("faces.csv", votes="votes.csv", teacher=("default",))
        >>> source.models
        ('default',)
    """

    data: str | Path
    votes: str | Path | None = None
    teacher: tuple[str, ...] = ()
    skip_bad: bool = False
    without: str | Path | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The teachers that are models; the others are files of logits."""
        return tuple(name for name in self.teacher if not name.endswith(LOGITS))


def refuse_models(source: TrainingSource) -> None:
    """Raises UsageError if a teacher is a model: only `train` accepts those, trials do not."""
    if source.models:
        raise UsageError(
            f"{source.models[0]}: trials take a file of a teacher's logits (.npz) only, not a model"
        )


def source_of(
    info: RunInfo,
    data: str | Path | None = None,
    votes: str | Path | None = None,
    teacher: TeacherNames = None,
    without: str | Path | None = None,
) -> TrainingSource:
    """Returns the files of a run; what is given replaces paths that have moved."""
    names = teacher_names(teacher) or info.teacher
    without = without or info.without
    return TrainingSource(data or info.data, votes or info.votes, names, info.skip_bad, without)


@dataclass(frozen=True)
class TrainingData:
    """The training and selection faces of a run.

    Attributes:
        source: The files they were read from.
        recipe: The recipe; `data.mean` and `data.std` are filled in where it left them empty.
        train: Training faces, with the copies that `data.grow` and `data.balance` add.
        selection: Faces on which the best epoch is selected.
        train_split: The training faces' split, in words.
        selection_split: The selection faces' split, in words.
        data_hash: `FaceSet.content_hash()` of the whole set.
        train_hash: `content_hash()` of the training faces, before copies are added.
        selection_hash: `content_hash()` of the selection faces.
        targets_hash: Hash of the training faces' soft labels, the votes used for selection and
            the teachers that are models; None if the run uses none of them.
        problems: One line for each bad row that was skipped.
        num_left_out: Faces that `source.without` names.
    """

    source: TrainingSource
    recipe: Recipe
    train: FaceSet
    selection: FaceSet
    train_split: str
    selection_split: str
    data_hash: str
    train_hash: str
    selection_hash: str
    targets_hash: str | None
    problems: tuple[str, ...]
    num_left_out: int = 0

    @property
    def identity(self) -> dict[str, str]:
        """The hashes that must not change between the start of a run and its resumption."""
        return identity_of(self.train_hash, self.selection_hash, self.targets_hash)

    @property
    def warnings(self) -> list[str]:
        """Messages for the user: knobs without effect, rows that were skipped or left out."""
        idle = self.recipe.without_effect(channels_of(self.train))
        told = [f"{key} is set and has no effect here" for key in idle]
        if self.problems:
            first = "; ".join(self.problems[:_SHOWN_PROBLEMS])
            told.append(f"skipped {len(self.problems)} bad rows, the first: {first}")
        if self.num_left_out:
            told.append(f"left out {counted(self.num_left_out, 'face')} of {self.source.without}")
        return told


Read = Callable[[TrainingSource, int | None, Literal[1, 3]], FaceSet]


def read_labelled(
    source: TrainingSource, face_size: int | None, channels: Literal[1, 3]
) -> FaceSet:
    """Returns the whole labelled set, with its votes; the arguments are those of `mien.data.read`.

    Raises:
        MissingError: The data or the votes are not there.
        BadInputError: They cannot be read, or the data has no labels.
    """
    faces = read(source.data, skip_bad=source.skip_bad, face_size=face_size, channels=channels)
    if faces.labels is None:
        raise BadInputError(f"{source.data}: has no labels to learn from")
    return faces if source.votes is None else join_votes(faces, Path(source.votes))


def prepare(
    source: TrainingSource,
    recipe: Recipe,
    max_faces: int | None = None,
    seed: int = 0,
    beside: Sequence[Recipe] = (),
    read: Read = read_labelled,
) -> TrainingData:
    """Returns the training and selection faces of a recipe, ready for a run.

    Args:
        source: The files.
        recipe: Chooses splits, expressions, size, colour and growth.
        max_faces: Use at most this many training faces, drawn with the classes' proportions
            before any class is grown.
        seed: Decides which faces `max_faces` draws.
        beside: Other recipes for the same files (a search has many). Votes or a teacher are
            refused only if no recipe gives them a weight.
        read: Reads the whole set; a search passes a caching function.

    Raises:
        MissingError: A file is not there.
        BadInputError: It cannot be read, or has no labels.
        UsageError: The data lacks what the recipe names; votes or a teacher that no recipe gives a
            weight, or the other way round.
    """
    _check_opinions(source, [recipe, *beside])
    knobs = recipe.data
    whole = read(source, knobs.face_size if Path(source.data).is_dir() else None, knobs.channels)
    used = leave_out(whole, source.without) if source.without else whole
    chosen, selection, train_split, selection_split = choose_faces(knobs, used)
    if max_faces is not None:
        chosen = take_few(chosen, max_faces, seed)
    selection = _with_selection_truth(recipe, selection)
    taught = _with_opinions(recipe, chosen, source)
    recipe = _with_own_normalisation(recipe, taught)
    train = grow(taught, knobs.grow, knobs.split_seed)
    if knobs.balance == "oversample":
        train = oversample(train, knobs.split_seed)
    return TrainingData(
        source=source,
        recipe=recipe,
        train=train,
        selection=selection,
        train_split=train_split,
        selection_split=selection_split,
        data_hash=whole.without_opinions().content_hash(),
        train_hash=chosen.without_opinions().content_hash(),
        selection_hash=selection.without_opinions().content_hash(),
        targets_hash=_targets_hash(taught, selection, source.models),
        problems=whole.problems,
        num_left_out=len(whole) - len(used),
    )


def _check_opinions(source: TrainingSource, recipes: Sequence[Recipe]) -> None:
    """Raises UsageError if a weight lacks its file, or a file lacks a weight."""
    judged = any(recipe.train.selection_truth == "votes" for recipe in recipes)
    for name, given in (("vote", source.votes), ("teacher", source.teacher)):
        option = "--votes" if name == "vote" else "--teacher"
        weight = max(getattr(recipe.train, f"{name}_weight") for recipe in recipes)
        if weight and not given:
            raise UsageError(f"train.{name}_weight is {weight:g}: name the file with {option}")
        if given and not weight and not (name == "vote" and judged):
            raise UsageError(f"{option} without a weight: set train.{name}_weight")
    if judged and source.votes is None:
        raise UsageError("train.selection_truth is votes: name the file with --votes")
    if len(source.teacher) > 1 and source.models != source.teacher:
        raise UsageError("a file of logits teaches alone: name one --teacher, or models")


def _with_opinions(recipe: Recipe, faces: FaceSet, source: TrainingSource) -> FaceSet:
    """Returns the faces with soft labels: label, votes and teacher mixed by the recipe's weights.

    A teacher that is a model is mixed in later, in the training loop. Then the soft labels here
    mix label and votes alone, scaled so that they sum to 1.
    """
    from_file = bool(source.teacher) and not source.models
    if faces.soft_labels is None and not from_file:
        return faces
    assert faces.labels is not None
    votes, taught = recipe.train.vote_weight, recipe.train.teacher_weight
    own = np.eye(len(faces.label_names), dtype=np.float32)[faces.labels]
    mixed = (1 - votes - taught) * own
    if faces.soft_labels is not None:
        mixed += votes * faces.soft_labels
    if from_file:
        mixed += taught * read_teacher(source.teacher[0], faces)
    elif taught:
        mixed /= max(1 - taught, 1e-9)
    return replace(faces, soft_labels=mixed.astype(np.float32))


def _with_selection_truth(recipe: Recipe, selection: FaceSet) -> FaceSet:
    """Returns the selection faces with only the opinions that `train.selection_truth` uses."""
    if recipe.train.selection_truth == "labels":
        return selection.without_opinions()
    return replace(selection, soft_labels=None)


def _targets_hash(train: FaceSet, selection: FaceSet, models: Sequence[str]) -> str | None:
    if train.soft_labels is None and selection.votes is None and not models:
        return None
    if selection.votes is None and not models:
        return replace(train, votes=None).content_hash()
    parts = train.content_hash() + selection.content_hash()
    if models:
        parts += teachers_hash(models)
    return hashlib.sha256(parts.encode()).hexdigest()


def take_few(faces: FaceSet, num_faces: int, seed: int) -> FaceSet:
    """Returns `num_faces` rows drawn by a seed, each class with its share to within one row."""
    if num_faces >= len(faces):
        return faces
    # half a row less, because split_by_ratio rounds up
    _, few = faces.split_by_ratio((num_faces - 0.5) / len(faces), seed)
    return few


def _with_own_normalisation(recipe: Recipe, faces: FaceSet) -> Recipe:
    """Returns the recipe with mean and std filled in where it names none.

    A backbone of timm brings its own; any other network takes those of the training faces.
    """
    if recipe.data.mean:
        return recipe
    own = normalisation_of(recipe.model.name)
    if own is None:
        channels = np.moveaxis(as_channels(faces.images, channels_of(faces)), 3, 0)
        means, spreads = zip(*map(pixel_statistics, channels), strict=True)
        own = [round(mean, 4) for mean in means], [round(spread, 4) for spread in spreads]
    page = recipe.model_dump(exclude_unset=True)
    data = {**page.get("data", {}), "mean": own[0], "std": own[1]}
    return Recipe.model_validate({**page, "data": data})
