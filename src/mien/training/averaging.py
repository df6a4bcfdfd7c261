"""An exponential moving average of a network's weights and batch-norm statistics."""

import copy

import torch
from torch import nn


class Average:
    """The exponential moving average of a network, as a network.

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
        values = net.state_dict()
        for name, average in self.net.state_dict().items():
            if average.is_floating_point():
                average.lerp_(values[name], 1 - decay)
            else:
                average.copy_(values[name])
