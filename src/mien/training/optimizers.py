"""Optimisers and learning-rate schedules by their names in a recipe."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mien.recipes.recipe import Optimizer, Schedule
from mien.training.muon import Muon

Groups = list[dict[str, Any]]


def _betas(knobs: Optimizer) -> tuple[float, float]:
    return knobs.momentum, 0.999


OPTIMIZERS: dict[str, Callable[[Groups, Optimizer], torch.optim.Optimizer]] = {
    "adam": lambda groups, knobs: torch.optim.Adam(groups, knobs.lr, _betas(knobs), fused=True),
    "adamw": lambda groups, knobs: torch.optim.AdamW(groups, knobs.lr, _betas(knobs), fused=True),
    "adamax": lambda groups, knobs: torch.optim.Adamax(groups, knobs.lr, _betas(knobs)),
    "adagrad": lambda groups, knobs: torch.optim.Adagrad(groups, knobs.lr),
    "sgd": lambda groups, knobs: torch.optim.SGD(
        groups, knobs.lr, knobs.momentum, nesterov=knobs.momentum > 0, fused=True
    ),
    "asgd": lambda groups, knobs: torch.optim.ASGD(groups, knobs.lr),
    "rmsprop": lambda groups, knobs: torch.optim.RMSprop(groups, knobs.lr),
    "rprop": lambda groups, knobs: torch.optim.Rprop(groups, knobs.lr),  # never decays weights
    "muon": lambda groups, knobs: Muon(groups, knobs.lr, knobs.momentum),
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
    groups: Groups = [
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
    match knobs.name:
        case "constant":
            return peak
        case "step":
            return peak * knobs.step_factor ** (step // steps_per_epoch // knobs.step_epochs)
        case "plateau":
            return peak * knobs.step_factor ** num_plateaus(losses, knobs.step_epochs)
        case "cosine":
            return _between(peak, 0.0, step / (steps_per_epoch * num_epochs), "cosine")
        case "one_cycle":
            return _one_cycle(knobs, peak, step, steps_per_epoch * num_epochs)


def num_plateaus(losses: Sequence[float], patience: int) -> int:
    """Returns how often the loss failed to reach a new minimum for `patience` epochs in a row."""
    count, least, waited = 0, float("inf"), 0
    for loss in losses:
        waited = 0 if loss < least else waited + 1
        least = min(least, loss)
        if waited == patience:
            count, waited = count + 1, 0
    return count


def _one_cycle(knobs: Schedule, peak: float, step: int, total: int) -> float:
    """Smith 2018 with the constants of `torch.optim.lr_scheduler.OneCycleLR`, momentum constant."""
    top = max(knobs.warmup_fraction * total - 1, 0.0)
    if step <= top:
        return _between(peak / 25, peak, step / top if top else 1.0, knobs.anneal)
    part = (step - top) / max(total - 1 - top, 1e-9)
    return _between(peak, peak * knobs.final_fraction, part, knobs.anneal)


def _between(start: float, end: float, part: float, anneal: str) -> float:
    part = min(max(part, 0.0), 1.0)
    if anneal == "cosine":
        part = (1 - math.cos(math.pi * part)) / 2
    return start + (end - start) * part
