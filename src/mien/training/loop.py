"""The training loop: a generator of epochs that reads from top to bottom.

B faces of a step on this process · K classes
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from accelerate.utils import broadcast
from torch import Tensor, nn

from mien.evaluation import metrics
from mien.models import FaceClassifier
from mien.training.augment import mirrored_faces, mixed, training_views
from mien.training.optimizers import learning_rate, set_rate
from mien.training.randomness import Randomness
from mien.training.state import Measured, Progress, TrainingState, seed_everything

SELECTION_BATCH = 256


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did; epoch 0 is the measurement before training (its train figures are None).

    `accuracy` and `log_loss` are the selection split's, single view, of the weights that would be
    kept, against the recipe's `train.selection_truth`. `train_loss` and `train_accuracy` are
    running means over augmented faces.
    """

    epoch: int
    step: int
    learning_rate: float
    size: int
    train_loss: float | None
    train_accuracy: float | None
    accuracy: float
    log_loss: float
    is_best: bool
    seconds: float
    faces_per_second: float | None


def epochs(state: TrainingState) -> Iterator[EpochRecord]:
    """Yields a record per epoch, from where the state stands to the recipe's end.

    Between two records the state is whole: it can be saved, and a saved one continues exactly.

    Raises:
        FloatingPointError: The loss is no longer finite.
    """
    recipe, accelerator = state.recipe, state.accelerator
    rank, processes = accelerator.process_index, accelerator.num_processes
    device = state.train_faces.device
    face_classifier = state.face_classifier(state.bare_net)
    if state.epoch < 0:
        started = time.perf_counter()
        state.epoch = 0
        yield _measured(state, started)
    while state.epoch < recipe.train.epochs and not state.stopped_early():
        started = time.perf_counter()
        epoch = state.epoch + 1
        seed_everything(recipe.train.seed, epoch, rank)
        randomness = Randomness.of(recipe.train.seed, epoch, rank, device)
        shuffle = np.random.default_rng([recipe.train.seed, epoch]).permutation
        order = torch.from_numpy(shuffle(len(state.train_faces))).to(device)
        size, batch_size = view_size(state, epoch), recipe.train.batch_size
        planned = min(state.steps_per_epoch * batch_size, len(order)) // processes
        state.progress = progress = Progress(num_planned=planned)
        state.net.train()
        for first in range(0, state.steps_per_epoch * batch_size, batch_size):
            progress.learning_rate = learning_rate(
                recipe.schedule,
                recipe.optimizer.lr,
                state.step,
                state.steps_per_epoch,
                recipe.train.epochs,
                state.losses,
            )
            set_rate(state.optimizer, progress.learning_rate)
            indices = order[first : first + batch_size][rank::processes]
            labels = state.train_labels[indices]
            views, targets = views_and_targets(
                state, face_classifier, indices, epoch, size, randomness
            )
            with state.autocast():
                logits = state.net(views)  # [B, K]
                loss = loss_of(state, logits, targets)
            descend(state, loss)
            state.step += 1
            if state.average:
                state.average.update(state.bare_net)

            progress.loss_sum += loss.detach() * len(indices)
            progress.num_correct += (logits.detach().argmax(1) == labels).sum()
            progress.num_faces += len(indices)
        state.epoch = epoch
        loss_sum = torch.as_tensor(progress.loss_sum, device=device)
        _require_finite(state, float(cast(Tensor, accelerator.reduce(loss_sum))))
        yield _measured(state, started)


def views_and_targets(
    state: TrainingState,
    face_classifier: FaceClassifier,
    indices: Tensor,
    epoch: int,
    size: int,
    randomness: Randomness,
) -> tuple[Tensor, Tensor]:
    """Returns a batch as the network takes it, `[B, C, size, size]`, and its targets `[B, K]`."""
    recipe, teachers = state.recipe, state.teachers
    views = training_views(
        state.train_faces[indices],
        mirrored_faces(recipe.augment, indices, state.first_parity, epoch, randomness),
        knobs=recipe.augment,
        input_size=recipe.data.input_size,
        size=recipe.data.input_size if teachers else size,
        grey=recipe.data.mean[0],
        randomness=randomness,
    )
    views, targets = mixed(views, state.train_targets[indices], recipe.augment, randomness)
    if teachers:
        with state.autocast():
            said = teachers(views)
        targets = targets.lerp(said, recipe.train.teacher_weight)
        if size != views.shape[-1]:
            views = F.interpolate(views, size, mode="bilinear", antialias=True)
    views = face_classifier.normalise(views).contiguous(memory_format=torch.channels_last)
    return views, targets


def loss_of(state: TrainingState, logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the mean cross-entropy of logits `[B, K]` with targets `[B, K]`, a scalar."""
    smoothing = state.recipe.train.label_smoothing
    return F.cross_entropy(logits, targets, state.class_weights, label_smoothing=smoothing)


def descend(state: TrainingState, loss: Tensor) -> None:
    """Takes one step of the optimiser along the loss's gradients, clipped as the recipe says."""
    knobs, accelerator = state.recipe.train, state.accelerator
    state.optimizer.zero_grad(set_to_none=True)
    accelerator.backward(loss)
    if knobs.clip_value:
        accelerator.clip_grad_value_(state.net.parameters(), knobs.clip_value)
    if knobs.clip_norm:
        accelerator.clip_grad_norm_(state.net.parameters(), knobs.clip_norm)
    state.optimizer.step()


def view_size(state: TrainingState, epoch: int) -> int:
    """Returns the side at which the network sees training faces in an epoch (counted from 1)."""
    train = state.recipe.train
    part, end = (epoch - 1) / train.epochs, 0.0
    for fraction, size in train.sizes:
        end += fraction
        if part < end - 1e-9:
            return size
    return state.recipe.data.input_size


def selection_logits(state: TrainingState, net: nn.Module) -> np.ndarray:
    """Returns a network's logits of the selection faces, float32 `[M, K]`, single view.

    Processes share the work and each returns all logits. Uses no randomness, and float32 even where
    training uses bfloat16.
    """
    accelerator = state.accelerator
    rank, processes = accelerator.process_index, accelerator.num_processes
    face_classifier = state.face_classifier(net)
    training = net.training
    face_classifier.eval()
    num_faces = len(state.selection_faces)
    parts: list[Tensor] = []
    with torch.no_grad():
        for first in range(0, num_faces, SELECTION_BATCH * processes):
            rows = math.ceil(min(SELECTION_BATCH, (num_faces - first) / processes))
            places = first + rank + processes * torch.arange(rows)
            faces = state.selection_faces[places.clamp(max=num_faces - 1)]
            gathered = cast(Tensor, accelerator.gather(face_classifier(faces)))
            by_process = gathered.unflatten(0, (processes, -1))
            parts.append(by_process.transpose(0, 1).flatten(0, 1))  # the faces' own order
    net.train(training)
    return torch.cat(parts)[:num_faces].float().cpu().numpy()


def _require_finite(state: TrainingState, values: float | np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise FloatingPointError(
            f"epoch {state.epoch}: the network's output is not finite; lower optimizer.lr "
            f"(now {state.recipe.optimizer.lr:g}) or clip the gradients"
        )


def _measured(state: TrainingState, started: float) -> EpochRecord:
    """Measures the state on the selection split, updates its best, and returns the record."""
    progress, trained = state.progress, time.perf_counter() - started
    net = state.measured_net
    for buffer in net.buffers():  # each process has batch-norm statistics of its own
        buffer.copy_(broadcast(buffer))
    logits = selection_logits(state, net)
    _require_finite(state, logits)
    truth = state.truth
    judged = logits[truth.rows]
    state.losses.append(metrics.log_loss(judged, truth.targets))
    accuracy = metrics.accuracy(metrics.confusion_matrix(judged, truth.labels))
    score = state.losses[-1] if state.recipe.train.selection_metric == "log_loss" else -accuracy
    state.last = Measured(state.epoch, score, net.state_dict(), torch.from_numpy(logits))
    is_best = state.best is None or score < state.best.score
    if is_best:
        weights = {name: value.clone() for name, value in state.last.weights.items()}
        state.best = replace(state.last, weights=weights)
    counts = torch.tensor(
        [float(progress.loss_sum), float(progress.num_correct), progress.num_faces],
        device=state.train_faces.device,
        dtype=torch.float32,  # Apple's GPUs have no float64
    )
    counts = cast(Tensor, state.accelerator.reduce(counts))
    loss_sum, num_correct, num_faces = counts.tolist()
    return EpochRecord(
        epoch=state.epoch,
        step=state.step,
        learning_rate=progress.learning_rate,
        size=view_size(state, max(state.epoch, 1)),
        train_loss=loss_sum / num_faces if num_faces else None,
        train_accuracy=num_correct / num_faces if num_faces else None,
        accuracy=accuracy,
        log_loss=state.losses[-1],
        is_best=is_best,
        seconds=time.perf_counter() - started,
        faces_per_second=num_faces / trained if num_faces else None,
    )
