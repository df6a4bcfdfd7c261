"""ResNet9 as reports B and C draw it: three stages of two convolutions and a residual part.

C: Garan, "Emotion Detection", 2021. Convolution = 3x3 pad 1 → batch norm → activation (→ pool).
"""

from torch import Tensor, nn

from mien.models.registry import register

FAMILY = "reports B and C"


def _conv(channels_in: int, channels_out: int, pool: bool = False) -> nn.Sequential:
    block = nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ELU(inplace=True),
    )
    return block.append(nn.MaxPool2d(2)) if pool else block


class _Stage(nn.Module):
    """conv → conv with pool → + two convs → dropout."""

    def __init__(self, channels_in: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            _conv(channels_in, channels), _conv(channels, channels, pool=True)
        )
        self.residual = nn.Sequential(_conv(channels, channels), _conv(channels, channels))
        self.dropout = nn.Dropout(dropout)

    def forward(self, images: Tensor) -> Tensor:
        images = self.convs(images)
        return self.dropout(self.residual(images) + images)


class ResNet9(nn.Module):
    """Stages of 128, 256 and 512 channels, max-pooled to one pixel, then linear."""

    def __init__(self, num_classes: int, in_channels: int, input_size: int, dropout: float) -> None:
        super().__init__()
        widths = (in_channels, 128, 256, 512)
        stages = [_Stage(widths[i], widths[i + 1], dropout if i < 2 else 0.0) for i in range(3)]
        self.stages = nn.Sequential(*stages)
        self.pool = nn.MaxPool2d(input_size // 8)
        self.head = nn.Linear(512, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `[B, K]` of images `[B, C, S, S]`."""
        return self.head(self.pool(self.stages(images)).flatten(1))


@register(FAMILY)
def resnet9_elu(
    num_classes: int, in_channels: int, input_size: int, dropout: float = 0.5
) -> nn.Module:
    """Report C's ResNet9 with ELU; dropout after the first two stages."""
    return ResNet9(num_classes, in_channels, input_size, dropout)
