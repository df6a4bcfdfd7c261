"""What a network costs: parameters and multiply-adds."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Puts a network into evaluation mode without gradients, and each module back as it was.

    Example:
        >>> from mien.models import create_model, evaluating
        >>> net = create_model("logistic")
        >>> with evaluating(net):
        ...     net.training
        False
        >>> net.training
        True
    """
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def count_parameters(net: nn.Module) -> int:
    """Returns the number of trainable parameters.

    Example:
        >>> from mien.models import count_parameters, create_model
        >>> count_parameters(create_model("logistic"))
        16135
    """
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)


def count_macs(net: nn.Module, channels: int, size: int) -> int:
    """Returns the multiply-adds of convolutions and linear layers for one image.

    Args:
        net: Takes `[B, channels, size, size]`; put into evaluation mode for the count.
        channels: Channels of the input.
        size: Side of the input, pixels.

    Example:
        >>> from mien.models import count_macs, create_model
        >>> count_macs(create_model("logistic"), channels=1, size=48)  # 48 x 48 x 7
        16128
    """
    device = next(net.parameters()).device
    with evaluating(net), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, channels, size, size, device=device))
    return counter.get_total_flops() // 2
