"""The state of a training run between two epochs, and how a recipe and faces become one."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from mien.classifier import as_channels
from mien.data import FaceSet
from mien.errors import BadInputError, UsageError
from mien.evaluation import Truth, truth_of
from mien.models import FaceClassifier, architecture, create_model, evaluating
from mien.recipes import Recipe
from mien.training.averaging import Average
from mien.training.optimizers import build_optimizer
from mien.training.teaching import Teachers, load_teachers
from mien.views import centre_crop


@dataclass
class Progress:
    """Live counters of the epoch under way; a display may read them from another thread."""

    num_faces: int = 0
    num_planned: int = 0
    loss_sum: Tensor | float = 0.0
    num_correct: Tensor | int = 0
    learning_rate: float = 0.0


@dataclass(frozen=True)
class Measured:
    """An epoch's weights with their logits of the selection faces; a lower `score` is better."""

    epoch: int
    score: float
    weights: dict[str, Tensor]
    logits: Tensor


@dataclass
class TrainingState:
    """A run between two epochs.

    Attributes:
        recipe: What is being trained, and how.
        train_faces: uint8 `[N, C, S, S]` on the device.
        train_labels: int64 `[N]` on the device.
        train_targets: float `[N, K]`, the loss's target of each face before label smoothing.
        first_parity: int64 `[N]`, 0 or 1: whether a face starts mirrored.
        selection_faces: uint8 `[M, s, s, C]` on the device, cropped to the network's input.
        selection_labels: int64 `[M]`.
        selection_votes: int64 `[M, K + 3]`, as `FaceSet.votes`, where the recipe selects by votes.
        truth: The correct answers for the selection faces, from labels or votes.
        class_weights: float `[K]`, of each class's loss; None where all are equal.
        accelerator: Device and processes.
        net: The network as prepared by the accelerator.
        teachers: Trained networks whose probabilities are mixed into the targets; or None.
        optimizer: The optimiser as prepared by the accelerator.
        average: The averaged weights, if the recipe asks for them.
        epoch: The last finished epoch; -1 before the first measurement, 0 after it.
        step: Finished steps.
        losses: The selection loss of every measured epoch, from 0.
        best: The best epoch so far by the selection metric.
        last: The last measured epoch; its weights are live.
        progress: Live counters.
    """

    recipe: Recipe
    train_faces: Tensor
    train_labels: Tensor
    train_targets: Tensor
    first_parity: Tensor
    selection_faces: Tensor
    selection_labels: np.ndarray
    selection_votes: np.ndarray | None
    truth: Truth
    class_weights: Tensor | None
    accelerator: Accelerator
    net: nn.Module
    teachers: Teachers | None
    optimizer: Any
    average: Average | None
    epoch: int = -1
    step: int = 0
    losses: list[float] = field(default_factory=list)
    best: Measured | None = None
    last: Measured | None = None
    progress: Progress = field(default_factory=Progress)

    @property
    def bare_net(self) -> nn.Module:
        """The network under training without the accelerator's wrapping."""
        return self.accelerator.unwrap_model(self.net)

    @property
    def measured_net(self) -> nn.Module:
        """The network that is measured and kept: the average where there is one."""
        return self.average.net if self.average else self.bare_net

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch; a last batch of one face is left out (batch norm needs two)."""
        num_faces, batch_size = len(self.train_faces), self.recipe.train.batch_size
        processes = self.accelerator.num_processes
        whole, rest = divmod(num_faces, batch_size)
        return whole + (processes == 1 and rest > 1)

    def face_classifier(self, net: nn.Module) -> FaceClassifier:
        """Returns a `FaceClassifier` around a net of this run, with the recipe's normalisation."""
        found = _face_classifier(self.recipe, net, self.train_faces.shape[1])
        return found.to(self.accelerator.device)

    def autocast(self) -> torch.autocast:
        """Returns the context of a training step's forward pass: the recipe's precision."""
        enabled = self.recipe.train.precision == "bfloat16"
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=enabled)

    def stopped_early(self) -> bool:
        """Returns whether patience has run out."""
        patience = self.recipe.train.patience
        return bool(patience and self.best and self.epoch - self.best.epoch >= patience)


def start(
    recipe: Recipe,
    train: FaceSet,
    selection: FaceSet,
    initial_weights: Mapping[str, Tensor] | None = None,
    teachers: Sequence[str] = (),
) -> TrainingState:
    """Returns a state before epoch 0, on the device that Accelerate chooses.

    Args:
        recipe: The knobs.
        train: Faces to learn from.
        selection: Faces to select on, with the same classes.
        initial_weights: Weights that replace the random ones of the same name.
        teachers: Models whose probabilities on each view are mixed into the targets.

    Raises:
        UsageError: Recipe and faces do not go together.
        BadInputError: There is too little to learn from.
    """
    _check(recipe, train, selection)
    assert train.labels is not None
    assert selection.labels is not None
    accelerator = Accelerator(mixed_precision="no")  # state.autocast() does it, in training alone
    if recipe.train.batch_size % accelerator.num_processes:
        raise UsageError(
            f"train.batch_size {recipe.train.batch_size} does not divide "
            f"among {accelerator.num_processes} processes"
        )
    if len(train) < recipe.train.batch_size and accelerator.num_processes > 1:
        raise UsageError(
            f"{len(train)} faces fill no batch of {recipe.train.batch_size}; "
            "several processes share whole batches only"
        )
    channels = channels_of(train)
    models = load_teachers(teachers, train.label_names, channels, recipe.data.input_size)
    seed_everything(recipe.train.seed, 0, 0)
    net = build_net(recipe, channels, len(train.label_names))
    _try_sizes(recipe, net, channels)
    if initial_weights:
        net.load_state_dict({**net.state_dict(), **initial_weights})
    net = net.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if models is not None:
        models = models.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Average(net, recipe.train.ema_decay) if recipe.train.ema_decay else None
    net = accelerator.prepare_model(net)
    optimizer = accelerator.prepare_optimizer(build_optimizer(net, recipe.optimizer))

    device = accelerator.device
    seen = as_channels(centre_crop(selection.images, recipe.data.input_size), channels)
    truth = truth_of(selection.labels, selection.votes)
    if not len(truth.rows):
        raise BadInputError("the annotators agree on none of the faces to select on")
    parity = np.random.default_rng([recipe.train.seed, 2]).integers(0, 2, len(train))
    return TrainingState(
        recipe=recipe,
        train_faces=as_tensor(train).to(device),
        train_labels=torch.from_numpy(train.labels).to(device),
        train_targets=targets_of(train).to(device),
        first_parity=torch.from_numpy(parity).to(device),
        selection_faces=torch.from_numpy(np.ascontiguousarray(seen)).to(device),
        selection_labels=selection.labels,
        selection_votes=selection.votes,
        truth=truth,
        class_weights=class_weights(recipe, train.labels, len(train.label_names), device),
        accelerator=accelerator,
        net=net,
        teachers=models,
        optimizer=optimizer,
        average=average,
    )


def targets_of(faces: FaceSet) -> Tensor:
    """Returns the loss's target of each face, float `[N, K]`: its soft label, else its label."""
    if faces.soft_labels is not None:
        return torch.from_numpy(faces.soft_labels)
    assert faces.labels is not None
    return F.one_hot(torch.from_numpy(faces.labels), len(faces.label_names)).float()


def as_tensor(faces: FaceSet) -> Tensor:
    """Returns the face images as uint8 `[N, C, S, S]`."""
    images = np.ascontiguousarray(as_channels(faces.images, channels_of(faces)))
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def build_net(recipe: Recipe, image_channels: int, num_classes: int) -> nn.Module:
    """Returns the recipe's network, freshly initialised from torch's global generator."""
    options = {
        "input_size": recipe.data.input_size,
        "in_channels": in_channels(recipe, image_channels),
        **recipe.model.options,
    }
    return create_model(recipe.model.name, num_classes, **options)


def in_channels(recipe: Recipe, image_channels: int) -> int:
    """Returns the channels that the recipe's network takes: its own, or the images' if colour."""
    default = max(architecture(recipe.model.name).channels, image_channels)
    return int(recipe.model.options.get("in_channels", default))


def class_weights(
    recipe: Recipe, labels: np.ndarray, num_classes: int, device: torch.device
) -> Tensor | None:
    """Returns each class's weight, N / (K x its faces), where the recipe asks for weights."""
    if recipe.data.balance != "weights":
        return None
    counts = np.bincount(labels, minlength=num_classes)
    weights = len(labels) / (num_classes * np.maximum(counts, 1))
    return torch.tensor(weights, dtype=torch.float32, device=device)


def channels_of(faces: FaceSet) -> int:
    """Returns 1 for grey face images, 3 for RGB."""
    return 1 if faces.images.ndim == 3 else 3


def seed_everything(seed: int, epoch: int, rank: int) -> None:
    """Seeds python, numpy and torch as a function of (seed, epoch, rank)."""
    words = np.random.SeedSequence([seed, epoch, rank]).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))  # noqa: NPY002  (libraries under us may use the global one)
    torch.manual_seed(int(words[2]))


def _face_classifier(recipe: Recipe, net: nn.Module, image_channels: int) -> FaceClassifier:
    channels = in_channels(recipe, image_channels)
    return FaceClassifier(net, mean=recipe.data.mean, std=recipe.data.std, in_channels=channels)


def _try_sizes(recipe: Recipe, net: nn.Module, image_channels: int) -> None:
    """Passes a blank face through the net at every size it will see; touches nothing."""
    face_classifier = _face_classifier(recipe, net, image_channels)
    sizes = {recipe.data.input_size, *(size for _, size in recipe.train.sizes)}
    with evaluating(face_classifier):
        for size in sizes:
            try:
                face_classifier(torch.zeros(1, size, size, image_channels, dtype=torch.uint8))
            except RuntimeError as error:
                raise UsageError(
                    f"{recipe.model.name} does not take {image_channels}x{size}x{size} faces "
                    f"with {len(recipe.data.mean)} value(s) of data.mean: {error}"
                ) from error


def _check(recipe: Recipe, train: FaceSet, selection: FaceSet) -> None:
    for name, faces in (("training", train), ("selection", selection)):
        if faces.labels is None:
            raise BadInputError(f"the {name} faces have no labels")
    if train.label_names != selection.label_names:
        raise BadInputError(f"classes differ: {train.label_names} and {selection.label_names}")
    if len(train.label_names) < 2:
        raise BadInputError(
            f"the only class is {', '.join(train.label_names)}; expected two at least"
        )
    if len(train) < 2 or not len(selection):
        raise BadInputError(
            f"{len(train)} faces to learn from and {len(selection)} to select on; "
            "expected two and one at least"
        )
    side = train.images.shape[1]
    if recipe.data.input_size > side:
        raise UsageError(
            f"data.input_size is {recipe.data.input_size} but the faces have {side} pixels a side"
        )
