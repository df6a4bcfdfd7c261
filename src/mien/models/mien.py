"""mien's own networks: small residual nets made to be trained on a CPU.

He et al. 2016 (residual blocks, here with batch norm before the sum), Hu et al. 2018 (squeeze and
excitation), He et al. 2019 (an average pool before the shortcut's 1x1 convolution). Pooling right
after the stem puts the arithmetic where it is cheap: wide, small maps.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.models.registry import register

FAMILY = "mien"


class _SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 8, 1)
        self.excite = nn.Conv2d(channels // 8, channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        gate = images.mean((2, 3), keepdim=True)  # [B, C, 1, 1]
        return images * torch.sigmoid(self.excite(torch.relu(self.squeeze(gate))))


class _Block(nn.Module):
    """Two convolutions with squeeze and excitation around a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int, gated: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.gate = _SqueezeExcite(channels) if gated else nn.Identity()
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False))
        if channels_in != channels:
            self.shortcut.append(nn.Conv2d(channels_in, channels, 1, bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels))

    def forward(self, images: Tensor) -> Tensor:
        branch = F.relu(self.norm1(self.conv1(images)))
        branch = self.gate(self.norm2(self.conv2(branch)))
        return F.relu(branch + self.shortcut(images))


class MienNet(nn.Module):
    """Stem and pool, stages of residual blocks, mean over the map, dropout, linear."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        stem: int,
        stages: Sequence[tuple[int, int]],
        dropout: float,
        squeeze_excite: bool,
        branch_start: float,
    ) -> None:
        """Builds the net, freshly initialised.

        Args:
            num_classes: K.
            in_channels: Channels of the images.
            stem: Channels of the first convolution.
            stages: (channels, blocks) of each stage; every stage but the first halves the map.
            dropout: Of the features before the linear layer.
            squeeze_excite: Whether blocks have squeeze and excitation.
            branch_start: Scale of a block's branch at the start; 0: a block starts as its shortcut.
        """
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, stem, 3, 1, 1, bias=False), nn.BatchNorm2d(stem)
        )
        self.blocks = nn.Sequential()
        channels = stem
        for stage, (width, depth) in enumerate(stages):
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                self.blocks.append(_Block(channels, width, stride, squeeze_excite))
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
        stem = F.max_pool2d(F.relu(self.stem(images)), 2)
        features = self.blocks(stem).mean((2, 3))  # [B, C]
        return self.head(self.dropout(features))


def _size(
    name: str, stem: int, stages: Sequence[tuple[int, int]], gated: bool, summary: str
) -> Callable[..., nn.Module]:
    """Registers a net of these stages and returns its builder."""

    def build(
        num_classes: int,
        in_channels: int,
        input_size: int,
        dropout: float = 0.1,
        squeeze_excite: bool = gated,
        branch_start: float = 1.0,
    ) -> nn.Module:
        del input_size  # it takes any
        return MienNet(
            num_classes, in_channels, stem, stages, dropout, squeeze_excite, branch_start
        )

    build.__name__, build.__doc__ = name, summary
    return register(FAMILY, input_size=44)(build)


mien_xs = _size(
    "mien_xs",
    16,
    ((32, 1), (64, 1), (96, 1)),
    False,
    "Smallest: stem 16, blocks 32·1 64·1 96·1, no gates; 0.2 M parameters, 19 MMAC at 44 px.",
)
mien_s = _size(
    "mien_s",
    32,
    ((48, 1), (96, 2), (192, 2)),
    True,
    "Small: stem 32, blocks 48·1 96·2 192·2; 1.5 M parameters, 96 MMAC at 44 px.",
)
mien_m = _size(
    "mien_m",
    32,
    ((64, 2), (128, 2), (256, 2)),
    True,
    "Middle: stem 32, blocks 64·2 128·2 256·2; 2.8 M parameters, 203 MMAC at 44 px.",
)
