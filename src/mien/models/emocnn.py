"""The EmoCNN family of report E: Anand, "CV Assignment 2", 2023.

Convolutions 3x3, stride 1, padding 1, each followed by batch norm and ReLU; the feature map is
flattened into one linear layer. Input of depth 3: grey repeated.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from mien.models.registry import register

FAMILY = "report E"


class EmoNet(nn.Module):
    """A plan of convolutions (their channels) and pools ("M" = max 2), then one linear layer."""

    def __init__(
        self, plan: Sequence[int | str], num_classes: int, in_channels: int, input_size: int
    ) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels, side = in_channels, input_size
        for item in plan:
            if isinstance(item, int):
                self.features.append(nn.Conv2d(channels, item, 3, padding=1))
                self.features.append(nn.BatchNorm2d(item)).append(nn.ReLU(inplace=True))
                channels = item
            else:
                self.features.append(nn.MaxPool2d(2))
                side //= 2
        self.head = nn.Linear(channels * side**2, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `[B, K]` of images `[B, C, S, S]`."""
        return self.head(self.features(images).flatten(1))


@register(FAMILY, channels=3)
def emocnn(num_classes: int, in_channels: int, input_size: int) -> nn.Module:
    """EmoCNN: 16 32 M 64 M 128 128, Linear 18432→7 (E's first table)."""
    return EmoNet((16, 32, "M", 64, "M", 128, 128), num_classes, in_channels, input_size)
