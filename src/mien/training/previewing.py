"""Augmented training faces, as the network would see them, to look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mien.recipes import Recipe
from mien.text import counted
from mien.training.augment import mirrored_faces, training_views
from mien.training.data import TrainingSource, prepare
from mien.training.randomness import Randomness
from mien.training.state import as_tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Preview:
    """Augmented training faces.

    Attributes:
        views: uint8 `[N, s, s]` grey or `[N, s, s, 3]` RGB, before normalising.
        labels: int64 `[N]`, indices into `label_names`.
        label_names: The classes.
    """

    views: np.ndarray
    labels: np.ndarray
    label_names: tuple[str, ...]


def preview(recipe: Recipe, data: str | Path, num_faces: int = 64, epoch: int = 1) -> Preview:
    """Returns the first faces of an epoch as the recipe's network would see them, at full size.

    Args:
        recipe: Chooses the faces and changes them.
        data: A labelled set, as `mien.data.read` takes it.
        num_faces: How many, at the most.
        epoch: Counted from 1; another epoch, other faces and changes.

    Raises:
        BadInputError: The data cannot be read or has no labels.
        UsageError: Recipe and faces do not go together.

    Example:
        >>> from mien.recipes import load_recipe
        >>> from mien.training import preview
        >>> batch = preview(load_recipe("mien_s"), "faces.csv", num_faces=8)
        >>> batch.views.shape, batch.views.dtype
        ((8, 44, 44), dtype('uint8'))
    """
    own = {"vote_weight": 0.0, "teacher_weight": 0.0, "selection_truth": "labels"}
    recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update=own)})
    prepared = prepare(TrainingSource(data), recipe)
    recipe, faces = prepared.recipe, prepared.train
    assert faces.labels is not None
    order = np.random.default_rng([recipe.train.seed, epoch]).permutation(len(faces))[:num_faces]
    randomness = Randomness.of(recipe.train.seed, epoch, 0, torch.device("cpu"))
    parity = np.random.default_rng([recipe.train.seed, 2]).integers(0, 2, len(faces))
    indices = torch.from_numpy(order)
    mirrored = mirrored_faces(recipe.augment, indices, torch.from_numpy(parity), epoch, randomness)
    views = training_views(
        as_tensor(faces.take(order)),
        mirrored,
        knobs=recipe.augment,
        input_size=recipe.data.input_size,
        size=recipe.data.input_size,
        grey=recipe.data.mean[0],
        randomness=randomness,
    )
    pixels = (views * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    grey = pixels.shape[3] == 1
    return Preview(pixels[..., 0] if grey else pixels, faces.labels[order], faces.label_names)


def draw_preview(batch: Preview, recipe_name: str) -> "Figure":
    """Returns the figure of a previewed batch, each face with its class.

    Example:
        >>> from mien.recipes import load_recipe
        >>> from mien.training import draw_preview, preview
        >>> batch = preview(load_recipe("mien_s"), "faces.csv", num_faces=8)
        >>> draw_preview(batch, "mien_s").savefig("batch.png")
    """
    from mien.plots import draw_face_grid

    side = batch.views.shape[1]
    shown = counted(len(batch.views), "training face")
    return draw_face_grid(
        list(batch.views),
        columns=8,
        title=f"{shown} as {recipe_name} shows them, {side} px",
        captions=[batch.label_names[label] for label in batch.labels],
    )
