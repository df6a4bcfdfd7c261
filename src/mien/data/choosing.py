"""Which faces of a labelled set train and which select, as a recipe's `[data]` says."""

from mien.data.face_set import FaceSet
from mien.data.splits import assign_folds
from mien.errors import BadInputError, UsageError
from mien.recipes.recipe import ALL_ROWS, Data


def choose_faces(knobs: Data, faces: FaceSet) -> tuple[FaceSet, FaceSet, str, str]:
    """Returns the training faces, the selection faces, and the split of each in words.

    A set without splits is used whole, and so is any set where `train_split` is `all`. Where the
    set lacks the selection split, or is used whole, a part of the training faces is held out.

    Args:
        knobs: The recipe's section `data`.
        faces: The whole set, with labels.

    Raises:
        UsageError: The set lacks a split or a class that the knobs name.
        BadInputError: There are too few faces to hold any out.

    Example:
        >>> from mien.data import choose_faces, read
        >>> from mien.recipes import Recipe
        >>> knobs = Recipe(data={"train_split": "all"}).data
        >>> train, selection, _, words = choose_faces(knobs, read("faces.csv"))
        >>> len(train), len(selection), words
        (78, 20, '0.2 of all, seed 42')
    """
    if knobs.drop:
        faces = faces.drop_expressions(knobs.drop)
    train, name = faces, ALL_ROWS
    if knobs.folds and not faces.split_names:
        raise UsageError("data.folds needs a set with splits: they are folds of its training split")
    by_split = bool(faces.split_names) and knobs.train_split != ALL_ROWS
    if by_split:
        train, name = faces.take_split(knobs.train_split), knobs.train_split
    if knobs.folds:
        assert train.labels is not None
        left_out = assign_folds(train.labels, knobs.folds, knobs.split_seed) == knobs.fold
        train = train.take(~left_out)
        name += f" without fold {knobs.fold} of {knobs.folds}, seed {knobs.split_seed}"
    if by_split:
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
