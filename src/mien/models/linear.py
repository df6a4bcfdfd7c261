"""Networks without convolutions: report A's first two steps.

A: "Facial expression recognition with PyTorch using four differently-approached models".
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from mien.models.registry import register

FAMILY = "report A"


class FlatNet(nn.Sequential):
    """Flattened pixels through linear layers with ReLU between them."""

    def __init__(
        self, num_classes: int, in_channels: int, input_size: int, hidden: Sequence[int]
    ) -> None:
        widths = [in_channels * input_size**2, *hidden]
        super().__init__(nn.Flatten())
        for width_in, width_out in pairwise(widths):
            self.append(nn.Linear(width_in, width_out)).append(nn.ReLU())
        self.add_module("head", nn.Linear(widths[-1], num_classes))


@register(FAMILY)
def logistic(num_classes: int, in_channels: int, input_size: int) -> nn.Module:
    """Multinomial logistic regression on the pixels (A's first model)."""
    return FlatNet(num_classes, in_channels, input_size, ())


@register(FAMILY)
def feedforward(
    num_classes: int, in_channels: int, input_size: int, hidden: Sequence[int] = (512, 128)
) -> nn.Module:
    """Feed-forward net with ReLU (A's second model; the report gives no widths, these are ours)."""
    return FlatNet(num_classes, in_channels, input_size, hidden)
