"""The faces of a search: read once, then chosen, cut down and grown for each trial's recipe."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

from mien.data import FaceSet, grow, join_votes, oversample
from mien.data import read as read_faces
from mien.errors import BadInputError, UsageError
from mien.recipes import Recipe
from mien.training.data import (
    choose_faces,
    judged_faces,
    models_of,
    with_opinions,
    with_own_normalisation,
)

FacesFor = Callable[[Recipe], tuple[Recipe, FaceSet, FaceSet]]


def faces_for_trials(
    data: str | Path,
    max_faces: int | None,
    seed: int,
    skip_bad: bool = False,
    votes: str | Path | None = None,
    teacher: tuple[str, ...] = (),
) -> FacesFor:
    """Returns a function: recipe → (recipe with its numbers filled in, to learn from, to select).

    Args:
        data: A labelled set, as `mien.data.read` takes it.
        max_faces: Learn from so many faces only, each class with its share; before a class grows.
        seed: Decides which.
        skip_bad: Leave unreadable rows of the data out instead of refusing it.
        votes: FER+'s votes of the same rows, for recipes with `train.vote_weight`.
        teacher: A teacher's logits of the training faces, for those with `train.teacher_weight`.
    """
    if models := models_of(teacher):
        raise UsageError(
            f"{models[0]}: trials take a file of a teacher's logits (.npz) only, not a model"
        )

    @cache
    def read(face_size: int | None, channels: Literal[1, 3]) -> FaceSet:
        faces = read_faces(data, skip_bad=skip_bad, face_size=face_size, channels=channels)
        if faces.labels is None:
            raise BadInputError(f"{data}: has no labels to learn from")
        return faces if votes is None else join_votes(faces, Path(votes))

    def faces_for(recipe: Recipe) -> tuple[Recipe, FaceSet, FaceSet]:
        knobs = recipe.data
        faces = read(knobs.face_size if Path(data).is_dir() else None, knobs.channels)
        train, selection, _, _ = choose_faces(recipe, faces)
        if max_faces is not None:
            train = take_few(train, max_faces, seed)
        train = with_opinions(recipe, train, teacher)
        recipe = with_own_normalisation(recipe, train)
        train = grow(train, knobs.grow, knobs.split_seed)
        if knobs.balance == "oversample":
            train = oversample(train, knobs.split_seed)
        return recipe, train, judged_faces(recipe, selection)

    return faces_for


def take_few(faces: FaceSet, num_faces: int, seed: int) -> FaceSet:
    """Returns `num_faces` rows drawn by a seed, each class with its share to within one row."""
    if num_faces >= len(faces):
        return faces
    # half a row less, because split_by_ratio rounds up
    _, few = faces.split_by_ratio((num_faces - 0.5) / len(faces), seed)
    return few
