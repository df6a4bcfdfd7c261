"""VGG16 with batch norm, which report E cites at 72 %: Simonyan and Zisserman 2015, table 1 D.

After the last pool the mean over the map replaces the paper's three linear layers.
"""

from torch import Tensor, nn

from mien.models.registry import register

FAMILY = "literature"

PLAN = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


class VGG(nn.Module):
    """The plan's convolutions (3x3, batch norm, ReLU) and max pools, mean, dropout, linear."""

    def __init__(self, num_classes: int, in_channels: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels = in_channels
        for item in PLAN:
            if isinstance(item, int):
                self.features.append(nn.Conv2d(channels, item, 3, padding=1))
                self.features.append(nn.BatchNorm2d(item)).append(nn.ReLU(inplace=True))
                channels = item
            else:
                self.features.append(nn.MaxPool2d(2))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `[B, K]` of images `[B, C, S, S]`, S at least 32."""
        return self.head(self.dropout(self.features(images).mean((2, 3))))


@register(FAMILY)
def vgg16(num_classes: int, in_channels: int, input_size: int, dropout: float = 0.5) -> nn.Module:
    """VGG16 with batch norm, mean over the last map, one linear layer."""
    del input_size  # it takes any from 32
    return VGG(num_classes, in_channels, dropout)
