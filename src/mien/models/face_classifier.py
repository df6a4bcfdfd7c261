"""The network's contract: uint8 face images in, calibrated logits out.

Torch evaluates with this module and it is what gets exported, so the two cannot drift apart.

N faces · S side of the input · C channels of the face images · D channels of the network
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FaceClassifier(nn.Module):
    """A network with everything it needs to read face images as they come.

    Casting, grey → three channels, normalising and the temperature happen inside.

    Example:
        >>> import torch
        >>> from mien.models import FaceClassifier, create_model
        >>> face_classifier = FaceClassifier(create_model("logistic"))
        >>> face_classifier(torch.zeros(2, 48, 48, 1, dtype=torch.uint8)).shape
        torch.Size([2, 7])
    """

    mean: Tensor
    std: Tensor
    temperature: Tensor

    def __init__(
        self,
        net: nn.Module,
        *,
        mean: Sequence[float] = (0.5,),
        std: Sequence[float] = (0.5,),
        in_channels: int = 1,
        temperature: float = 1.0,
    ) -> None:
        """Wraps a network.

        Args:
            net: Takes `[N, in_channels, S, S]` floats, gives logits `[N, K]`.
            mean: Per channel, or one for all, of pixels scaled to [0, 1].
            std: Likewise.
            in_channels: Channels that the network takes.
            temperature: Divides the logits (Guo et al. 2017).
        """
        super().__init__()
        self.net = net
        self.in_channels = in_channels
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("temperature", torch.tensor(temperature), persistent=False)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Returns network inputs `[N, D, S, S]` of pixels `[N, C, S, S]` in [0, 1]."""
        if pixels.shape[1] != self.in_channels:
            pixels = pixels.expand(-1, self.in_channels, -1, -1)  # [N, D, S, S]
        return (pixels - self.mean) / self.std

    def forward(self, faces: Tensor) -> Tensor:
        """Returns calibrated logits float `[N, K]` of uint8 faces `[N, S, S, C]`."""
        return self.of_pixels(faces.permute(0, 3, 1, 2).to(torch.float32) / 255)

    def of_pixels(self, pixels: Tensor) -> Tensor:
        """Returns calibrated logits float `[N, K]` of pixels `[N, C, S, S]` in [0, 1]."""
        return self.net(self.normalise(pixels)).float() / self.temperature
