"""An exponential moving average of a network's weights and batch-norm statistics."""

import copy

import torch
from torch import Tensor, nn


class Average:
    """A copy of a network that follows it slowly.

    The decay grows as (1 + t) / (10 + t) up to its value, so that the average forgets the random
    start quickly. Floating-point buffers (batch-norm statistics) are averaged too, counters copied.

    Attributes:
        net: The averaged network, in evaluation mode.
        num_updates: t, how often it was updated.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay
        self.num_updates = 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Moves the average towards the network's present weights."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        averages, values = self.net.state_dict(), net.state_dict()
        floats: tuple[list[Tensor], list[Tensor]] = ([], [])
        for name, average in averages.items():
            if average.is_floating_point():
                floats[0].append(average)
                floats[1].append(values[name])
            else:
                average.copy_(values[name])
        torch._foreach_lerp_(floats[0], floats[1], 1 - decay)
