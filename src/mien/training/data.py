"""What a recipe makes of a labelled set: the faces to learn from and those to select on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.classifier import as_channels
from mien.data import FaceSet, assign_folds, grow, join_votes, oversample, read_teacher
from mien.data import read as read_faces
from mien.errors import BadInputError, UsageError
from mien.models import normalisation_of
from mien.recipes import Recipe
from mien.run_folder import identity_of
from mien.training.state import channels_of
from mien.training.teaching import LOGITS, TeacherNames, teacher_names, teachers_hash

_SHOWN_PROBLEMS = 3


@dataclass(frozen=True)
class TrainingData:
    """Faces as a run uses them.

    Attributes:
        recipe: The recipe with its numbers filled in.
        train: Faces to learn from, rare classes grown where the recipe says so.
        selection: Faces to select on.
        train_split: What the first are called.
        selection_split: What the second are called.
        data_hash: `FaceSet.content_hash()` of the whole set.
        train_hash: Of the training faces before any were added.
        selection_hash: Of the selection faces.
        targets_hash: Of the training faces' soft labels, of the votes that the selection is held
            against, and of the models that teach; None where there are none of these.
        teachers: Models that answer on the views of training.
        problems: Bad rows that were left out.
    """

    recipe: Recipe
    train: FaceSet
    selection: FaceSet
    train_split: str
    selection_split: str
    data_hash: str
    train_hash: str
    selection_hash: str
    targets_hash: str | None
    teachers: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def identity(self) -> dict[str, str]:
        """What must be the same when a run goes on."""
        return identity_of(self.train_hash, self.selection_hash, self.targets_hash)

    @property
    def warnings(self) -> list[str]:
        """What a user should know about the faces."""
        idle = self.recipe.without_effect(channels_of(self.train))
        told = [f"{key} is set and has no effect here" for key in idle]
        if self.problems:
            first = "; ".join(self.problems[:_SHOWN_PROBLEMS])
            told.append(f"skipped {len(self.problems)} bad rows, the first: {first}")
        return told


def read_training_data(
    recipe: Recipe,
    data: str | Path,
    skip_bad: bool = False,
    votes: str | Path | None = None,
    teacher: TeacherNames = (),
) -> TrainingData:
    """Returns the faces that a recipe trains on and selects on.

    Args:
        recipe: Chooses splits, expressions, size, colour and growth.
        data: A labelled set, as `mien.data.read` takes it.
        skip_bad: Leave unreadable rows out instead of refusing the set.
        votes: FER+'s votes of the same rows, for `train.vote_weight`.
        teacher: For `train.teacher_weight`: a file of a teacher's logits of the training faces
            (.npz), or models.

    Raises:
        MissingError: The data is not there.
        BadInputError: It cannot be read or has no labels.
        UsageError: It lacks what the recipe names; votes or a teacher that the recipe gives no
            weight, or the other way round.
    """
    teacher = teacher_names(teacher)
    check_opinions([recipe], votes, teacher)
    size = recipe.data.face_size if Path(data).is_dir() else None
    faces = read_faces(data, skip_bad=skip_bad, face_size=size, channels=recipe.data.channels)
    if faces.labels is None:
        raise BadInputError(f"{data}: has no labels to learn from")
    data_hash = faces.content_hash()
    if votes is not None:
        faces = join_votes(faces, Path(votes))
    chosen, selection, train_split, selection_split = choose_faces(recipe, faces)
    train_hash = chosen.without_opinions().content_hash()
    selection = judged_faces(recipe, selection)
    chosen = with_opinions(recipe, chosen, teacher)
    recipe = with_own_normalisation(recipe, chosen)
    train = grow(chosen, recipe.data.grow, recipe.data.split_seed)
    if recipe.data.balance == "oversample":
        train = oversample(train, recipe.data.split_seed)
    return TrainingData(
        recipe=recipe,
        train=train,
        selection=selection,
        train_split=train_split,
        selection_split=selection_split,
        data_hash=data_hash,
        train_hash=train_hash,
        selection_hash=selection.without_opinions().content_hash(),
        targets_hash=_targets_hash(chosen, selection, models_of(teacher)),
        teachers=models_of(teacher),
        problems=faces.problems,
    )


def check_opinions(
    recipes: Sequence[Recipe], votes: str | Path | None, teacher: Sequence[str]
) -> None:
    """Raises UsageError if a recipe weighs what is not there, or none weighs what is."""
    judged = any(recipe.train.selection_truth == "votes" for recipe in recipes)
    for name, option, given in (("vote", "--votes", votes), ("teacher", "--teacher", teacher)):
        weight = max(getattr(recipe.train, f"{name}_weight") for recipe in recipes)
        if weight and not given:
            raise UsageError(f"train.{name}_weight is {weight:g}: name the file with {option}")
        if given and not weight and not (name == "vote" and judged):
            raise UsageError(f"{option} without a weight: set train.{name}_weight")
    if judged and votes is None:
        raise UsageError("train.selection_truth is votes: name the file with --votes")
    if len(teacher) > 1 and models_of(teacher) != tuple(teacher):
        raise UsageError("a file of logits teaches alone: name one --teacher, or models")


def models_of(teacher: Sequence[str]) -> tuple[str, ...]:
    """Returns the teachers that are models; the others are files of logits."""
    return tuple(name for name in teacher if not name.endswith(LOGITS))


def with_opinions(recipe: Recipe, faces: FaceSet, teacher: Sequence[str]) -> FaceSet:
    """Returns the faces with soft labels mixed of label, votes and a teacher's by their weights.

    Models answer in the loop: what is mixed here is the rest then, and sums to 1 without them.
    """
    from_file = bool(teacher) and not models_of(teacher)
    if faces.soft_labels is None and not from_file:
        return faces
    assert faces.labels is not None
    votes, taught = recipe.train.vote_weight, recipe.train.teacher_weight
    own = np.eye(len(faces.label_names), dtype=np.float32)[faces.labels]
    mixed = (1 - votes - taught) * own
    if faces.soft_labels is not None:
        mixed += votes * faces.soft_labels
    if from_file:
        mixed += taught * read_teacher(teacher[0], faces)
    elif taught:
        mixed /= max(1 - taught, 1e-9)
    return replace(faces, soft_labels=mixed.astype(np.float32))


def judged_faces(recipe: Recipe, selection: FaceSet) -> FaceSet:
    """Returns the selection faces with no other truth than the recipe holds a network against."""
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


def choose_faces(recipe: Recipe, faces: FaceSet) -> tuple[FaceSet, FaceSet, str, str]:
    """Returns the faces to learn from, those to select on, and what each part is called.

    A set without splits is used whole; where it lacks the selection split, a part of the training
    split is held out.
    """
    knobs = recipe.data
    if knobs.drop:
        faces = faces.drop_expressions(knobs.drop)
    train, name = faces, "all"
    if knobs.folds and not faces.split_names:
        raise UsageError("data.folds needs a set with splits: they are folds of its training split")
    if faces.split_names:
        train, name = faces.take_split(knobs.train_split), knobs.train_split
        if knobs.folds:
            assert train.labels is not None
            left_out = assign_folds(train.labels, knobs.folds, knobs.split_seed) == knobs.fold
            train = train.take(~left_out)
            name += f" without fold {knobs.fold} of {knobs.folds}, seed {knobs.split_seed}"
        try:
            return train, faces.take_split(knobs.selection_split), name, knobs.selection_split
        except UsageError:
            if knobs.selection_split not in ("", type(knobs)().selection_split):
                raise  # named by the user, so a hold-out is not what was meant
    try:
        train, held_out = train.split_by_ratio(
            knobs.selection_fraction, seed=knobs.split_seed, stratified=knobs.stratified
        )
    except ValueError as error:
        raise BadInputError(f"cannot hold faces out for selection: {error}") from error
    part = f"{knobs.selection_fraction:g} of {name}, seed {knobs.split_seed}"
    return train, held_out, f"{name} without {part}", part


def with_own_normalisation(recipe: Recipe, faces: FaceSet) -> Recipe:
    """Returns the recipe with mean and std filled in where it names none.

    A backbone of timm brings its own; any other network takes those of the training faces.
    """
    if recipe.data.mean:
        return recipe
    own = normalisation_of(recipe.model.name)
    if own is None:
        counts = [
            np.bincount(channel.ravel(), minlength=256)
            for channel in np.moveaxis(as_channels(faces.images, channels_of(faces)), 3, 0)
        ]
        levels = np.arange(256) / 255
        means = [np.average(levels, weights=count) for count in counts]
        spreads = [
            np.average((levels - mean) ** 2, weights=count) ** 0.5
            for mean, count in zip(means, counts, strict=True)
        ]
        own = [round(float(mean), 4) for mean in means], [round(float(s), 4) for s in spreads]
    page = recipe.model_dump(exclude_unset=True)
    data = {**page.get("data", {}), "mean": own[0], "std": own[1]}
    return Recipe.model_validate({**page, "data": data})
