"""Where an epoch's randomness comes from."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Randomness:
    """Where one epoch's randomness comes from: functions of (seed, epoch, rank), nothing stored."""

    tensors: torch.Generator
    scalars: np.random.Generator

    @classmethod
    def of(cls, seed: int, epoch: int, rank: int, device: torch.device) -> "Randomness":
        """Returns the generators of an epoch on one process."""
        sequence = np.random.SeedSequence([seed, epoch, rank, 1])
        generator = torch.Generator(device)
        generator.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
        return cls(generator, np.random.default_rng(sequence))

    def uniform(self, count: int, extent: float, device: torch.device) -> Tensor:
        """Returns `count` values uniform in ± `extent`."""
        return (torch.rand(count, generator=self.tensors, device=device) * 2 - 1) * extent
