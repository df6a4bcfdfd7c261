"""Names → networks. A new architecture is one file of its family and one `@register`."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from mien.errors import UsageError
from mien.labels import nearest
from mien.models.timm import PREFIX, TimmNet, backbone_of


@dataclass(frozen=True)
class Architecture:
    """A registered architecture.

    Attributes:
        name: Its name in `create_model`.
        family: The report or literature it comes from.
        channels: Channels of its input by default; 3 repeats grey.
        input_size: Side of its input by default, pixels.
        build: Builds the network; takes `num_classes`, `in_channels`, `input_size` and options.
        summary: The first line of the builder's docstring.
    """

    name: str
    family: str
    channels: int
    input_size: int
    build: Callable[..., nn.Module]
    summary: str


_ARCHITECTURES: dict[str, Architecture] = {}


def register(
    family: str, *, channels: int = 1, input_size: int = 48
) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Returns the decorator that registers a builder under its function's name.

    Raises:
        ValueError: The name is taken.

    Example:
        >>> from torch import nn
        >>> from mien.models import create_model, register
        >>> class Pooled(nn.Module):
        ...     def __init__(self, num_classes: int, in_channels: int) -> None:
        ...         super().__init__()
        ...         self.head = nn.Linear(in_channels, num_classes)
        ...
        ...     def forward(self, images):
        ...         return self.head(images.mean((2, 3)))
        >>> @register("my own")
        ... def pooled(num_classes: int, in_channels: int, input_size: int) -> nn.Module:
        ...     return Pooled(num_classes, in_channels)
        >>> create_model("pooled").head.out_features
        7
    """

    def add(build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        name = build.__name__
        if name in _ARCHITECTURES:
            raise ValueError(f"architecture {name!r} is registered twice")
        summary = (build.__doc__ or "").partition("\n")[0]
        _ARCHITECTURES[name] = Architecture(name, family, channels, input_size, build, summary)
        return build

    return add


def list_models() -> list[str]:
    """Returns the names that `create_model` knows, sorted.

    Example:
        >>> from mien.models import list_models
        >>> {"logistic", "mien_s"} <= set(list_models())
        True
    """
    return sorted(_ARCHITECTURES)


def architecture(name: str) -> Architecture:
    """Returns the entry of a name, or of any backbone of timm by `timm:NAME`.

    Raises:
        UsageError: No such architecture; the message names the nearest.

    Example:
        >>> from mien.models import architecture
        >>> entry = architecture("logistic")
        >>> entry.channels, entry.input_size
        (1, 48)
    """
    if name.startswith(PREFIX):
        backbone = backbone_of(name)
        build, summary = partial(TimmNet, backbone), f"timm's {backbone}, a fresh linear head"
        return Architecture(name, "timm", 3, 48, build, summary)
    if name not in _ARCHITECTURES:
        raise UsageError(f"unknown architecture {name!r}{nearest(name, list_models())}")
    return _ARCHITECTURES[name]


def create_model(name: str, num_classes: int = 7, **options: Any) -> nn.Module:
    """Returns a freshly initialised network by name.

    It takes normalised float images `[B, in_channels, input_size, input_size]` and gives logits
    `[B, num_classes]`; its last linear layer is the attribute `head`.

    Args:
        name: One of `list_models()`, or `timm:NAME`.
        num_classes: Number of logits.
        **options: `in_channels`, `input_size` and the architecture's own options.

    Raises:
        UsageError: Unknown name or option.

    Example:
        >>> import torch
        >>> from mien.models import create_model
        >>> net = create_model("logistic", num_classes=5, input_size=44)
        >>> net(torch.zeros(2, 1, 44, 44)).shape
        torch.Size([2, 5])
    """
    entry = architecture(name)
    options = {"in_channels": entry.channels, "input_size": entry.input_size, **options}
    known = tuple(inspect.signature(entry.build).parameters)
    for option in options:
        if option not in known:
            raise UsageError(
                f"architecture {name!r} has no option {option!r}{nearest(option, known)}"
            )
    return entry.build(num_classes=num_classes, **options)
