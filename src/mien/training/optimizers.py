"""Optimisers and learning-rate schedules: plain dicts of functions."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from mien.recipes.recipe import Optimizer, Schedule


def _sgd(groups: list[dict[str, Any]], knobs: Optimizer) -> torch.optim.Optimizer:
    nesterov = knobs.momentum > 0
    return torch.optim.SGD(
        groups, lr=knobs.lr, momentum=knobs.momentum, nesterov=nesterov, fused=True
    )


def _adam(groups: list[dict[str, Any]], knobs: Optimizer) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=knobs.lr, betas=(knobs.momentum, 0.999), fused=True)


def _adamw(groups: list[dict[str, Any]], knobs: Optimizer) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=knobs.lr, betas=(knobs.momentum, 0.999), fused=True)


def _adamax(groups: list[dict[str, Any]], knobs: Optimizer) -> torch.optim.Optimizer:
    return torch.optim.Adamax(groups, lr=knobs.lr, betas=(knobs.momentum, 0.999))


def _adagrad(groups: list[dict[str, Any]], knobs: Optimizer) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(groups, lr=knobs.lr)


def _asgd(groups: list[dict[str, Any]], knobs: Optimizer) -> torch.optim.Optimizer:
    return torch.optim.ASGD(groups, lr=knobs.lr)


def _rmsprop(groups: list[dict[str, Any]], knobs: Optimizer) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(groups, lr=knobs.lr)


def _rprop(groups: list[dict[str, Any]], knobs: Optimizer) -> torch.optim.Optimizer:
    bare = [{"params": group["params"]} for group in groups]  # it knows no weight decay
    return torch.optim.Rprop(bare, lr=knobs.lr)


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], Optimizer], torch.optim.Optimizer]] = {
    "adam": _adam,
    "adamw": _adamw,
    "adamax": _adamax,
    "adagrad": _adagrad,
    "sgd": _sgd,
    "asgd": _asgd,
    "rmsprop": _rmsprop,
    "rprop": _rprop,
}


def build_optimizer(net: nn.Module, knobs: Optimizer) -> torch.optim.Optimizer:
    """Returns the optimiser of a net's parameters; only matrices and kernels decay."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    decaying = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups = [
        {"params": decaying, "weight_decay": knobs.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return OPTIMIZERS[knobs.name]([group for group in groups if group["params"]], knobs)


def learning_rate(
    knobs: Schedule,
    peak: float,
    step: int,
    steps_per_epoch: int,
    num_epochs: int,
    losses: Sequence[float] = (),
) -> float:
    """Returns the learning rate of a step: a function of the step and, on plateau, the losses.

    Args:
        knobs: The schedule.
        peak: The optimiser's learning rate.
        step: Counted from 0 over the whole run.
        steps_per_epoch: Steps of one epoch.
        num_epochs: Planned epochs.
        losses: Selection loss of every epoch so far.
    """
    if knobs.name == "plateau":
        return peak * knobs.step_factor ** num_plateaus(losses, knobs.step_epochs)
    return SCHEDULES[knobs.name](knobs, peak, step, steps_per_epoch, num_epochs)


def num_plateaus(losses: Sequence[float], patience: int) -> int:
    """Returns how often `patience` epochs in a row brought no loss below the least before them."""
    count, least, waited = 0, float("inf"), 0
    for loss in losses:
        waited = 0 if loss < least else waited + 1
        least = min(least, loss)
        if waited == patience:
            count, waited = count + 1, 0
    return count


def _constant(knobs: Schedule, peak: float, step: int, steps: int, epochs: int) -> float:
    return peak


def _step(knobs: Schedule, peak: float, step: int, steps: int, epochs: int) -> float:
    return peak * knobs.step_factor ** (step // steps // knobs.step_epochs)


def _cosine(knobs: Schedule, peak: float, step: int, steps: int, epochs: int) -> float:
    return _between(peak, 0.0, step / (steps * epochs), "cosine")


def _one_cycle(knobs: Schedule, peak: float, step: int, steps: int, epochs: int) -> float:
    """Smith 2018 with the constants of `torch.optim.lr_scheduler.OneCycleLR`, momentum constant."""
    total = steps * epochs
    start, end = peak / 25, peak / 25 / 1e4
    top = max(knobs.warmup_fraction * total - 1, 0.0)
    if step <= top:
        return _between(start, peak, step / top if top else 1.0, knobs.anneal)
    return _between(peak, end, (step - top) / max(total - 1 - top, 1e-9), knobs.anneal)


def _between(start: float, end: float, part: float, anneal: str) -> float:
    part = min(max(part, 0.0), 1.0)
    if anneal == "cosine":
        part = (1 - math.cos(math.pi * part)) / 2
    return start + (end - start) * part


SCHEDULES: dict[str, Callable[[Schedule, float, int, int, int], float]] = {
    "constant": _constant,
    "step": _step,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
}
