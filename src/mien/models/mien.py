"""mien's own networks: small residual nets made to be trained on a CPU.

He et al. 2016 (residual blocks, here with batch norm before the sum), Hu et al. 2018 (squeeze and
excitation), He et al. 2019 (an average pool before the shortcut's 1x1 convolution). Pooling right
after the stem puts the arithmetic where it is cheap: wide, small maps.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.models.registry import register

FAMILY = "mien"
Activation = Literal["relu", "silu", "gelu"]
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "silu": F.silu,
    "gelu": F.gelu,
}


class _SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from all channels' means."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // reduction, 1)
        self.excite = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        gate = images.mean((2, 3), keepdim=True)  # [B, C, 1, 1]
        return images * torch.sigmoid(self.excite(torch.relu(self.squeeze(gate))))


class _Block(nn.Module):
    """Two convolutions with squeeze and excitation around a shortcut."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernels: tuple[int, int],
        stride: int,
        activation: str,
        gated: bool,
    ) -> None:
        super().__init__()
        first, second = kernels
        self.activate = _ACTIVATIONS[activation]
        self.conv1 = nn.Conv2d(channels_in, channels, first, stride, first // 2, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, second, 1, second // 2, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.gate = _SqueezeExcite(channels) if gated else nn.Identity()
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False))
        if channels_in != channels:
            self.shortcut.append(nn.Conv2d(channels_in, channels, 1, bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels))

    def forward(self, images: Tensor) -> Tensor:
        branch = self.activate(self.norm1(self.conv1(images)))
        branch = self.gate(self.norm2(self.conv2(branch)))
        return self.activate(branch + self.shortcut(images))


class MienNet(nn.Module):
    """Stem and pool, stages of residual blocks, mean over the map, dropout, linear."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        stem: int,
        stages: Sequence[tuple[int, int]],
        dropout: float,
        activation: Activation = "relu",
        squeeze_excite: bool = True,
        branch_start: float = 0.0,
        standardise: bool = False,
        local: bool = False,
    ) -> None:
        """Builds the net, freshly initialised.

        Args:
            num_classes: K.
            in_channels: Channels of the images.
            stem: Channels of the first convolution.
            stages: (channels, blocks) of each stage; every stage but the first halves the map.
            dropout: Of the features before the linear layer.
            activation: What follows batch norm and sums.
            squeeze_excite: Whether blocks have squeeze and excitation.
            branch_start: Scale of a block's branch at the start; 0: a block starts as its shortcut.
            standardise: Whether each image is first brought to mean 0 and variance 1.
            local: Whether only the first convolution of the last stage is 3x3 and the others there
                1x1, so that its maps keep evidence nearer to where it arose (cf. Brendel and Bethge
                2019).
        """
        super().__init__()
        self.standardise = nn.InstanceNorm2d(in_channels) if standardise else nn.Identity()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, stem, 3, 1, 1, bias=False), nn.BatchNorm2d(stem)
        )
        self.activate = _ACTIVATIONS[activation]
        self.blocks = nn.Sequential()
        channels = stem
        for stage, (width, depth) in enumerate(stages):
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                kernels = (3, 3)
                if local and stage == len(stages) - 1:
                    kernels = (3 if block == 0 else 1, 1)
                self.blocks.append(
                    _Block(channels, width, kernels, stride, activation, squeeze_excite)
                )
                channels = width
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, _Block):
                nn.init.constant_(module.norm2.weight, branch_start)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `[B, K]` of images `[B, C, S, S]`, S free."""
        stem = F.max_pool2d(self.activate(self.stem(self.standardise(images))), 2)
        features = self.blocks(stem).mean((2, 3))  # [B, C]
        return self.head(self.dropout(features))


def _size(name: str, sizes: Sequence[tuple[int, int]], summary: str) -> Callable[..., nn.Module]:
    """Registers a net of these stages, which may be chosen anew, and returns its builder."""

    def build(
        num_classes: int,
        in_channels: int,
        input_size: int,
        stem: int = 32,
        stages: Sequence[tuple[int, int]] = sizes,
        dropout: float = 0.1,
        activation: Activation = "relu",
        squeeze_excite: bool = True,
        branch_start: float = 0.0,
        standardise: bool = False,
        local: bool = False,
    ) -> nn.Module:
        del input_size  # it takes any
        return MienNet(
            num_classes,
            in_channels,
            stem,
            stages,
            dropout,
            activation,
            squeeze_excite,
            branch_start,
            standardise,
            local,
        )

    build.__name__, build.__doc__ = name, summary
    return register(FAMILY, input_size=44)(build)


mien_s = _size(
    "mien_s",
    ((48, 1), (96, 2), (192, 2)),
    "Small: stem 32, blocks 48·1 96·2 192·2; 1.5 M parameters, 96 MMAC at 44 px.",
)
mien_m = _size(
    "mien_m",
    ((64, 2), (128, 2), (256, 2)),
    "Middle: stem 32, blocks 64·2 128·2 256·2; 2.8 M parameters, 203 MMAC at 44 px.",
)
