"""Any backbone of timm (Wightman 2019) by `timm:NAME`, at its own input size and normalisation.

Faces are enlarged to the backbone's size inside the network. Weights come from nowhere but a local
file or the user's own hub cache: nothing is downloaded.
"""

import os
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mien.errors import BadInputError, MissingError, UsageError, missing_extra
from mien.labels import nearest

PREFIX = "timm:"


class TimmNet(nn.Module):
    """A timm backbone with a fresh linear head, fed faces enlarged to its size."""

    def __init__(
        self, name: str, num_classes: int, in_channels: int, input_size: int, weights: str = ""
    ) -> None:
        super().__init__()
        del input_size  # faces are enlarged inside
        self.backbone = _create(name, in_channels, weights)
        self.size = int(self.backbone.pretrained_cfg["input_size"][-1])
        width = getattr(self.backbone, "head_hidden_size", self.backbone.num_features)
        self.head = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `[B, K]` of images `[B, C, S, S]`, S free."""
        images = F.interpolate(images, (self.size, self.size), mode="bilinear")
        return self.head(self.backbone(images))


def backbone_of(name: str) -> str:
    """Returns NAME of `timm:NAME`.

    Raises:
        MissingError: timm is not installed.
        UsageError: timm has no such backbone.
    """
    timm = _timm()
    backbone = name.removeprefix(PREFIX)
    if not timm.is_model(backbone):
        near = nearest(backbone, timm.list_models()) if len(backbone) > 2 else ""
        raise UsageError(f"timm has no backbone {backbone!r}{near}")
    return backbone


def normalisation_of(name: str) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Returns (mean, std) per channel that `timm:NAME` was made for; None of any other name.

    Example:
        >>> from mien.models import normalisation_of
        >>> mean, std = normalisation_of("timm:resnet18")
        >>> mean
        (0.485, 0.456, 0.406)
    """
    if not name.startswith(PREFIX):
        return None
    config = _timm().get_pretrained_cfg(name.removeprefix(PREFIX))
    return tuple(config.mean), tuple(config.std)


def _create(name: str, in_channels: int, weights: str) -> Any:
    """Returns the backbone without its head; `weights` is "", "cache" or a file."""
    options: dict[str, Any] = {"num_classes": 0, "in_chans": in_channels}
    if weights == "cache":
        if os.environ.get("HF_HUB_OFFLINE") != "1":
            raise UsageError('weights = "cache" takes HF_HUB_OFFLINE=1, so that nothing downloads')
        options["pretrained"] = True
    elif weights:
        if not Path(weights).is_file():
            raise MissingError(f"{weights}: no such file of timm weights")
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": weights}}
    try:
        return _timm().create_model(name, **options)
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        raise BadInputError(f"timm cannot load {name} with weights {weights!r}: {error}") from error


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise missing_extra("timm", "train") from error
    return timm
