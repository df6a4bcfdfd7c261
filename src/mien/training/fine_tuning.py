"""Fine-tuning: architecture, input and weights of the model that a training starts from."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from mien.errors import UsageError
from mien.model_folder import ModelConfig, read_config, resolve
from mien.models import load_face_classifier
from mien.recipes import Recipe, parse_recipe
from mien.run_folder import RunInfo

HEAD = ("head.weight", "head.bias")


def with_architecture_of(recipe: Recipe, config: ModelConfig) -> Recipe:
    """Returns the recipe with the architecture and input of a trained model."""
    own = ("input_size", "weights")  # the first is a knob of its own, the second was read long ago
    options = {key: value for key, value in config.options.items() if key not in own}
    model = recipe.model.model_copy(update={"name": config.architecture, "options": options})
    seen = {
        "input_size": config.input_size,
        "face_size": config.face_size,
        "channels": config.channels,
        "mean": config.mean,
        "std": config.std,
    }
    for key in seen.keys() & recipe.data.model_fields_set:
        if getattr(recipe.data, key) != seen[key]:
            warnings.warn(
                f"data.{key} is {seen[key]}, as the model to start from has it", stacklevel=3
            )
    data = recipe.data.model_copy(update=seen)
    page = recipe.model_copy(update={"model": model, "data": data}).model_dump()
    return parse_recipe(page, "--init")


def initial_weights(init: str | Path, labels: tuple[str, ...]) -> dict[str, Tensor]:
    """Returns a model's weights for other classes: last-layer rows of unknown classes are zero.

    Raises:
        MissingError: The model folder has no weights.
        BadInputError: It is damaged.
    """
    weights = dict(load_face_classifier(init).net.state_dict())
    known = read_config(resolve(init)).labels
    for name in HEAD:
        rows = torch.zeros(len(labels), *weights[name].shape[1:])
        for row, label in enumerate(labels):
            if label in known:
                rows[row] = weights[name][known.index(label)]
        weights[name] = rows
    return weights


def check_frame(recipe: Recipe, info: RunInfo) -> None:
    """Raises UsageError if the faces differ in size or channels from the model's."""
    wanted = (recipe.data.face_size, recipe.data.channels)
    if (info.face_size, info.channels) != wanted:
        raise UsageError(
            f"{info.data}: faces of {info.face_size} pixels with {info.channels} channel(s); "
            f"the model to start from was made for {wanted[0]} pixels with {wanted[1]}"
        )
