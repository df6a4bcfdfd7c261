"""The random generators of an epoch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Randomness:
    """The random generators of one epoch, seeded from (seed, epoch, rank); never stored."""

    tensors: torch.Generator
    scalars: np.random.Generator

    @classmethod
    def of(cls, seed: int, epoch: int, rank: int, device: torch.device) -> "Randomness":
        """Returns the generators of an epoch on one process."""
        sequence = np.random.SeedSequence([seed, epoch, rank, 1])
        generator = torch.Generator(device)
        generator.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
        return cls(generator, np.random.default_rng(sequence))

    def rand(self, *shape: int) -> Tensor:
        """Returns values uniform in [0, 1), on the generator's device, as all below."""
        return torch.rand(shape, generator=self.tensors, device=self.tensors.device)

    def uniform(self, count: int, extent: float) -> Tensor:
        """Returns `count` values uniform in ± `extent`."""
        return (self.rand(count) * 2 - 1) * extent

    def within(self, limits: tuple[float, float], count: int) -> Tensor:
        """Returns `count` values uniform between two limits."""
        low, high = limits
        return low + (high - low) * self.rand(count)

    def integers(self, low: int, high: int, count: int) -> Tensor:
        """Returns `count` whole numbers from `low` to `high` - 1, all alike."""
        device = self.tensors.device
        return torch.randint(low, high, (count,), generator=self.tensors, device=device)
