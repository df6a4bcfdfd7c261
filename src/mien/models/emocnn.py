"""The six EmoCNNs of report E: Anand, "CV Assignment 2", 2023.

Convolutions with stride 1, each followed by batch norm and ReLU; the feature map is flattened into
linear layers. Input of depth 3: grey repeated. E's text says that Emo3CNN has EmoCNN's layers; its
table has a sixth convolution of 256, and the table is followed.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from mien.errors import UsageError
from mien.models.registry import register

FAMILY = "report E"

EMO = (16, 32, "M", 64, "M", 128, 128)
EMO3 = (16, 32, "A", 64, "A", 128, 128, 256)
EMO5 = (*EMO3, 256, 128, 64)


class EmoNet(nn.Module):
    """A plan of convolutions (their channels) and pools by 2 ("M" max, "A" mean), then linear."""

    def __init__(
        self,
        plan: Sequence[int | str],
        num_classes: int,
        in_channels: int,
        input_size: int,
        kernel: int = 3,
        num_unpadded: int = 0,
        hidden: int = 0,
    ) -> None:
        """Builds the net.

        Args:
            plan: Channels of each convolution, with pools between them.
            num_classes: Number of logits.
            in_channels: Channels of the input.
            input_size: Side of the input.
            kernel: Side of the convolutions' kernels.
            num_unpadded: How many of the first convolutions have no padding.
            hidden: Width of a linear layer before the last; 0 for none.
        """
        super().__init__()
        self.features = nn.Sequential()
        channels, side, num_convs = in_channels, input_size, 0
        for item in plan:
            if isinstance(item, int):
                padding = kernel // 2 if num_convs >= num_unpadded else 0
                self.features.append(nn.Conv2d(channels, item, kernel, padding=padding))
                self.features.append(nn.BatchNorm2d(item)).append(nn.ReLU(inplace=True))
                channels, num_convs = item, num_convs + 1
                side += 2 * padding - kernel + 1
            else:
                self.features.append(nn.MaxPool2d(2) if item == "M" else nn.AvgPool2d(2))
                side //= 2
        self.hidden = nn.Linear(channels * side**2, hidden) if hidden else nn.Identity()
        self.head = nn.Linear(hidden or channels * side**2, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `[B, K]` of images `[B, C, S, S]`."""
        return self.head(self.hidden(self.features(images).flatten(1)))


@register(FAMILY, channels=3)
def emocnn(num_classes: int, in_channels: int, input_size: int) -> nn.Module:
    """EmoCNN: 16 32 M 64 M 128 128, one linear layer."""
    return EmoNet(EMO, num_classes, in_channels, input_size)


@register(FAMILY, channels=3)
def emo2cnn(num_classes: int, in_channels: int, input_size: int) -> nn.Module:
    """Emo2CNN: EmoCNN with its first three convolutions unpadded."""
    return EmoNet(EMO, num_classes, in_channels, input_size, num_unpadded=3)


@register(FAMILY, channels=3)
def emo3cnn(num_classes: int, in_channels: int, input_size: int) -> nn.Module:
    """Emo3CNN: 16 32 A 64 A 128 128 256, mean pools, one linear layer."""
    return EmoNet(EMO3, num_classes, in_channels, input_size)


@register(FAMILY, channels=3)
def emo4cnn(num_classes: int, in_channels: int, input_size: int) -> nn.Module:
    """Emo4CNN: Emo3CNN with a linear layer of 128 before the last, nothing between them."""
    return EmoNet(EMO3, num_classes, in_channels, input_size, hidden=128)


@register(FAMILY, channels=3)
def emo5cnn(num_classes: int, in_channels: int, input_size: int, pool: str = "mean") -> nn.Module:
    """Emo5CNN: 16 32 A 64 A 128 128 256 256 128 64; pool = "max" is the variant E left untried."""
    if pool not in ("mean", "max"):
        raise UsageError(f'emo5cnn: pool must be "mean" or "max", got {pool!r}')
    plan = tuple("M" if item == "A" and pool == "max" else item for item in EMO5)
    return EmoNet(plan, num_classes, in_channels, input_size)


@register(FAMILY, channels=3)
def emo6cnn(num_classes: int, in_channels: int, input_size: int) -> nn.Module:
    """Emo6CNN: EmoCNN with kernels of 5x5."""
    return EmoNet(EMO, num_classes, in_channels, input_size, kernel=5)
