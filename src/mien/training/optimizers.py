"""Optimisers and learning-rate schedules: plain dicts of functions."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mien.recipes.recipe import Optimizer, Schedule
from mien.training.muon import Muon


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
    bare = [  # it knows no weight decay
        {"params": group["params"], "lr_factor": group["lr_factor"]} for group in groups
    ]
    return torch.optim.Rprop(bare, lr=knobs.lr)


def _muon(groups: list[dict[str, Any]], knobs: Optimizer) -> torch.optim.Optimizer:
    return Muon(groups, knobs.lr, knobs.momentum)


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], Optimizer], torch.optim.Optimizer]] = {
    "adam": _adam,
    "adamw": _adamw,
    "adamax": _adamax,
    "adagrad": _adagrad,
    "sgd": _sgd,
    "asgd": _asgd,
    "rmsprop": _rmsprop,
    "rprop": _rprop,
    "muon": _muon,
}


def build_optimizer(net: nn.Module, knobs: Optimizer) -> torch.optim.Optimizer:
    """Returns the optimiser of a net's parameters; only matrices and kernels decay.

    Each group's `lr_factor` multiplies the schedule's rate. Muon's orthogonal steps are for kernels
    of convolutions without a bias, which batch norm follows; the rest of the net takes SGD's.
    """
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    kernels: set[Tensor] = set()
    if knobs.name == "muon":
        convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
        kernels = {module.weight for module in convolutions if module.bias is None}
    decaying = [p for p in parameters if p.ndim > 1 and p not in kernels]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decaying, "weight_decay": knobs.weight_decay, "lr_factor": 1.0},
        {"params": others, "weight_decay": 0.0, "lr_factor": 1.0},
    ]
    if kernels:
        orthogonal = [parameter for parameter in parameters if parameter in kernels]
        groups.append({"params": orthogonal, "orthogonal": True, "lr_factor": knobs.muon_lr_factor})
    return OPTIMIZERS[knobs.name]([group for group in groups if group["params"]], knobs)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of the step to come, each group's by its factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]


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
    start, end = peak / 25, peak * knobs.final_fraction
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
