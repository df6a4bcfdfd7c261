"""ResNet9 as reports B and C use it: three stages of two convolutions and a residual part.

B: "Facial Expression Recognition Using Pytorch", 2020, which gives no widths (C's are taken here).
C: Garan, "Emotion Detection", 2021. Convolution = 3x3 pad 1 → batch norm → activation (→ pool);
the residual part is res(x) + x.
"""

from torch import Tensor, nn

from mien.models.registry import register

FAMILY = "reports B and C"


def _conv(
    activation: type[nn.Module], channels_in: int, channels_out: int, pool: bool = False
) -> nn.Sequential:
    block = nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        activation(inplace=True),
    )
    return block.append(nn.MaxPool2d(2)) if pool else block


class _Stage(nn.Module):
    """conv → conv with pool → + two convs → dropout."""

    def __init__(
        self, activation: type[nn.Module], channels_in: int, channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            _conv(activation, channels_in, channels),
            _conv(activation, channels, channels, pool=True),
        )
        self.residual = nn.Sequential(
            _conv(activation, channels, channels), _conv(activation, channels, channels)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, images: Tensor) -> Tensor:
        images = self.convs(images)
        return self.dropout(self.residual(images) + images)


class ResNet9(nn.Module):
    """Stages of 128, 256 and 512 channels, max-pooled to one pixel, then linear."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        input_size: int,
        activation: type[nn.Module],
        dropout: float,
        tanh: bool = False,
    ) -> None:
        super().__init__()
        widths = (in_channels, 128, 256, 512)
        dropouts = (dropout, dropout, 0.0)
        self.stages = nn.Sequential(
            *(_Stage(activation, widths[i], widths[i + 1], dropouts[i]) for i in range(3))
        )
        self.pool = nn.MaxPool2d(input_size // 8)
        self.head = nn.Linear(512, num_classes)
        self.output = nn.Tanh() if tanh else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `[B, K]` of images `[B, C, S, S]`."""
        return self.output(self.head(self.pool(self.stages(images)).flatten(1)))


@register(FAMILY)
def resnet9(num_classes: int, in_channels: int, input_size: int, tanh: bool = False) -> nn.Module:
    """Report B's ResNet9: ReLU, no dropout; tanh bounds the values to ±1, as B describes them."""
    return ResNet9(num_classes, in_channels, input_size, nn.ReLU, 0.0, tanh)


@register(FAMILY)
def resnet9_elu(
    num_classes: int, in_channels: int, input_size: int, dropout: float = 0.5
) -> nn.Module:
    """Report C's ResNet9: ELU, dropout after the first two stages."""
    return ResNet9(num_classes, in_channels, input_size, nn.ELU, dropout)
