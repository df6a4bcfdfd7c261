"""Report D's compact CNN: O'Shea, "Facial Emotion Recognition with Data Augmentation".

D's figures differ on the activation of its third convolution (none, one or two PReLU): one is used
here. D declares two 1x1 convolutions that it never uses; they are left out.
"""

from collections.abc import Callable

from torch import Tensor, nn

from mien.errors import UsageError
from mien.labels import nearest
from mien.models.registry import register

FAMILY = "report D"

OUTPUTS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softmax": lambda: nn.Softmax(1),
    "none": nn.Identity,
}


class CompactCNN(nn.Module):
    """Three convolutions with PReLU, a 1x1 shortcut around the second's batch norm, two linears."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        input_size: int,
        hidden: int,
        dropout: float,
        output: str,
    ) -> None:
        super().__init__()
        if output not in OUTPUTS:
            raise UsageError(f"compact_cnn: output {output!r}{nearest(output, list(OUTPUTS))}")
        self.block1 = nn.Sequential(
            nn.Conv2d(in_channels, 44, 5, padding=1), nn.PReLU(), nn.MaxPool2d(3, 2)
        )
        self.norm1 = nn.BatchNorm2d(44)
        self.block2 = nn.Sequential(nn.Conv2d(44, 40, 5, padding=1), nn.PReLU(), nn.MaxPool2d(3, 2))
        self.norm2 = nn.BatchNorm2d(40)
        self.residual = nn.Conv2d(40, 40, 1)
        self.block3 = nn.Sequential(nn.Conv2d(40, 36, 3, padding=1), nn.PReLU(), nn.AvgPool2d(3, 1))
        self.norm3 = nn.BatchNorm2d(36)
        side = input_size
        for _ in range(2):
            side = (side - 2 - 3) // 2 + 1  # 5x5 pad 1, then pool 3 stride 2
        side -= 2
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Sequential(nn.Linear(36 * side**2, hidden), nn.ELU())
        self.head = nn.Linear(hidden, num_classes)
        self.output = OUTPUTS[output]()

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `[B, K]` of images `[B, C, S, S]`, between -1 and 1 with tanh."""
        images = self.block2(self.norm1(self.block1(images)))
        images = self.norm2(images) + self.residual(images)
        features = self.norm3(self.block3(images)).flatten(1)
        return self.output(self.head(self.hidden(self.dropout(features))))


@register(FAMILY)
def compact_cnn(
    num_classes: int,
    in_channels: int,
    input_size: int,
    hidden: int = 70,
    dropout: float = 0.5,
    output: str = "tanh",
) -> nn.Module:
    """Report D's net: 44 40 36 channels; output tanh, sigmoid, softmax or none, which D tried."""
    return CompactCNN(num_classes, in_channels, input_size, hidden, dropout, output)
