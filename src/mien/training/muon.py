"""Muon for convolutions (Jordan et al. 2024): steps equally long in all directions."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration, from the Muon author's notes: fast, not exact; singular values
end between about 0.7 and 1.2."""


class Muon(torch.optim.Optimizer):
    """Steps kernels by the orthogonal part of their momentum; other parameters by Nesterov SGD.

    torch's own Muon takes matrices alone; here a kernel `[O, I, h, w]` counts as a matrix
    `[O, I·h·w]`. As in airbench (Jordan 2024), a kernel is first brought to the norm √O, for what
    batch norm follows does not depend on its length: the learning rate is then the relative size
    of a step, and weight decay is without meaning.

    Groups with `orthogonal=True` are stepped so. All groups take `lr`, `momentum` and
    `weight_decay`.
    """

    def __init__(self, groups: Iterable[Mapping[str, Any]], lr: float, momentum: float) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "orthogonal": False}
        super().__init__([dict(group) for group in groups], defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Makes one step; parameters without a gradient stay."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, parameter.grad, group)

    def _step(self, parameter: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> None:
        if group["weight_decay"] and not group["orthogonal"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer = state["momentum_buffer"]
        buffer.mul_(group["momentum"]).add_(gradient)
        direction = gradient.add(buffer, alpha=group["momentum"])
        if group["orthogonal"]:
            parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
            direction = orthogonal(direction.flatten(1)).reshape(direction.shape)
        parameter.add_(direction, alpha=-group["lr"])


def orthogonal(matrix: Tensor) -> Tensor:
    """Returns nearly U Vᵀ of a matrix U S Vᵀ, float `[R, C]`, by Newton and Schulz's iteration."""
    a, b, c = _QUINTIC
    tall = len(matrix) > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)  # [r, c], r ≤ c: singular values in [0, 1]
    for _ in range(3):
        gram = x @ x.T  # [r, r]
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
