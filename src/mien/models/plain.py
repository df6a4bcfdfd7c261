"""Report A's third and fourth step, which it announces and does not describe: a CNN, a ResNet.

The layers are ours, kept as small as the steps before them.
"""

from torch import Tensor, nn

from mien.models.registry import register

FAMILY = "report A"


def _conv(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class PlainCNN(nn.Module):
    """Convolutions of 32, 64 and 128 channels, each pooled by 2, then two linear layers."""

    def __init__(self, num_classes: int, in_channels: int, input_size: int) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels = in_channels
        for width in (32, 64, 128):
            self.features.append(_conv(channels, width)).append(nn.MaxPool2d(2))
            channels = width
        self.hidden = nn.Sequential(nn.Linear(channels * (input_size // 8) ** 2, 128), nn.ReLU())
        self.head = nn.Linear(128, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `[B, K]` of images `[B, C, S, S]`."""
        return self.head(self.hidden(self.features(images).flatten(1)))


class _Residual(nn.Module):
    """Two convolutions around a shortcut, a 1x1 convolution where the shape changes."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            _conv(channels_in, channels, stride),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.relu(self.convs(images) + self.shortcut(images))


class SmallResNet(nn.Module):
    """ResNet-14 after He et al. 2016, section 4.2: 16, 32 and 64 channels, two blocks each."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(_conv(in_channels, 16))
        channels = 16
        for width in (16, 32, 64):
            for block in range(2):
                stride = 2 if block == 0 and width > 16 else 1
                self.features.append(_Residual(channels, width, stride))
                channels = width
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `[B, K]` of images `[B, C, S, S]`."""
        return self.head(self.features(images).mean((2, 3)))


@register(FAMILY)
def plain_cnn(num_classes: int, in_channels: int, input_size: int) -> nn.Module:
    """A's third step: a plain CNN, 32 64 128 (layers ours)."""
    return PlainCNN(num_classes, in_channels, input_size)


@register(FAMILY)
def small_resnet(num_classes: int, in_channels: int, input_size: int) -> nn.Module:
    """A's fourth step: a small residual net, 16 32 64 with two blocks each (layers ours)."""
    del input_size  # it takes any
    return SmallResNet(num_classes, in_channels)
