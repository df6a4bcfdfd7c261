"""Makes training faces look like those in photographs: light, blur, noise and JPEG, on tensors.

FER2013's files are sharp and full of contrast. Faces found in photographs and video are softer,
flatter, darker, noisier and compressed. The steps run in the order in which a camera causes them;
each changes a random part of the faces.

B faces · C channels · s side of the views · P side of the sensor's picture, a multiple of 8
"""

import math

import torch
from torch import Tensor

from mien.recipes.recipe import Photo
from mien.training.randomness import Randomness

FACE_SIDE = 48
"""Pixels of a whole face; the lengths below are of such faces."""
SHRUNK = (12, 40)
BLUR_PIXELS = (0.3, 1.5)
JPEG_QUALITY = (20, 80)
NOISE = (0.005, 0.05)
GAMMA = (0.6, 1.6)
CONTRAST = (0.4, 1.1)
BRIGHTNESS = (-0.2, 0.1)
LIGHT = 0.6
"""The strongest light from a side: log of the edge's brightness over the middle's."""
COVERED = (0.15, 0.3)
"""Half of each axis of what covers a part of the face, in sides of the view."""

# The luminance table of the JPEG standard (ITU-T T.81, annex K.1).
_QUANTISATION = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


def photographed(views: Tensor, knobs: Photo, scale: float, randomness: Randomness) -> Tensor:
    """Returns the views with a part of them as a camera would show them, `[B, C, s, s]`.

    Args:
        views: Float `[B, C, s, s]` in [0, 1].
        knobs: Which part of the faces, and how often each step happens to them.
        scale: Pixels of the views per pixel of a whole face of 48.
        randomness: The epoch's generators.
    """
    if not knobs.faces:
        return views
    count, size = len(views), views.shape[-1]
    taken = randomness.rand(count) < knobs.faces  # [B]

    def happens(share: float) -> Tensor:
        return taken & (randomness.rand(count) < share)

    def within(limits: tuple[float, float]) -> Tensor:
        return randomness.within(limits, count)

    scene = covered(views, happens(knobs.occlude), randomness)
    scene = lit(scene, happens(knobs.light), randomness)
    tone = happens(knobs.tone)
    ones, zeros = torch.ones(count, device=views.device), torch.zeros(count, device=views.device)
    scene = toned(
        scene,
        torch.where(tone, torch.exp(within((math.log(GAMMA[0]), math.log(GAMMA[1])))), ones),
        torch.where(tone, within(CONTRAST), ones),
        torch.where(tone, within(BRIGHTNESS), zeros),
    )
    blur = torch.where(happens(knobs.blur), within(BLUR_PIXELS) * scale, zeros)
    logarithms = within((math.log(SHRUNK[0]), math.log(SHRUNK[1])))
    pixels = (torch.exp(logarithms) * size / FACE_SIDE).round().clamp(min=4)
    pixels = torch.where(happens(knobs.shrink), pixels, torch.full_like(pixels, size))
    noise = torch.where(happens(knobs.noise), within(NOISE), zeros)
    quality = torch.where(happens(knobs.jpeg), within(JPEG_QUALITY), torch.full_like(ones, 100))
    seen = sensed(scene, blur, pixels, noise, quality, randomness)
    return torch.where(taken.view(-1, 1, 1, 1), seen, views)


def covered(views: Tensor, chosen: Tensor, randomness: Randomness) -> Tensor:
    """Returns the views with an ellipse of one grey over a part of the chosen faces.

    It stands for a hand, a mask or a microphone: half of them lie over the lower third, the others
    have their centre anywhere. `chosen` is bool `[B]`.
    """
    count, size, device = len(views), views.shape[-1], views.device
    places = (torch.arange(size, device=device) + 0.5) / size  # [s]
    centres = [randomness.within((0.0, 1.0), count) for _ in range(2)]
    low = randomness.rand(count) < 0.5
    across = torch.where(low, 0.3 + 0.4 * centres[0], centres[0])
    down = torch.where(low, 0.7 + 0.2 * centres[1], centres[1])
    axes = [randomness.within(COVERED, count) for _ in range(2)]
    x = ((places - across[:, None]) / axes[0][:, None])[:, None, :]  # [B, 1, s]
    y = ((places - down[:, None]) / axes[1][:, None])[:, :, None]  # [B, s, 1]
    inside = ((x**2 + y**2) < 1) & chosen.view(-1, 1, 1)
    grey = randomness.within((0.05, 0.95), count).view(-1, 1, 1, 1)
    return torch.where(inside[:, None], grey, views)


def lit(views: Tensor, chosen: Tensor, randomness: Randomness) -> Tensor:
    """Returns the views with light from one side on the chosen faces; `chosen` is bool `[B]`."""
    count, size, device = len(views), views.shape[-1], views.device
    places = ((torch.arange(size, device=device) + 0.5) / size * 2 - 1).view(1, -1)  # [1, s]
    angle = randomness.within((0.0, 2 * math.pi), count).view(-1, 1)
    strength = (randomness.within((0.0, LIGHT), count) * chosen).view(-1, 1)
    x, y = strength * torch.cos(angle) * places, strength * torch.sin(angle) * places  # [B, s]
    factors = torch.exp(x[:, None, None, :] + y[:, None, :, None])
    return (views * factors).clamp(0, 1)


def toned(views: Tensor, gamma: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Returns the views with gamma, then contrast about their mean, then brightness; all `[B]`."""
    shape = (-1, 1, 1, 1)
    views = views.clamp(min=1e-4) ** gamma.view(shape)
    means = views.mean((1, 2, 3), keepdim=True)
    return (means + (views - means) * contrast.view(shape) + brightness.view(shape)).clamp(0, 1)


def sensed(
    views: Tensor,
    blur: Tensor,
    pixels: Tensor,
    noise: Tensor,
    quality: Tensor,
    randomness: Randomness,
) -> Tensor:
    """Returns the views after a sensor with fewer pixels and a JPEG file, `[B, C, s, s]`.

    Blurred, averaged to `pixels` a side, noise added, compressed, and enlarged again with linear
    weights, as `mien.inference.see.crop` enlarges.

    Args:
        views: Float `[B, C, s, s]` in [0, 1].
        blur: `[B]`, standard deviation of the Gaussian, pixels of the views; 0 is none.
        pixels: `[B]`, whole numbers up to s.
        noise: `[B]`, standard deviation.
        quality: `[B]`, JPEG's, up to 100, which stands for no compression.
        randomness: The epoch's generators.
    """
    size = views.shape[-1]
    down, up = _sensor(size, pixels)  # [B, P, s], [B, s, P]
    down = (down @ _gaussian(size, blur))[:, None]  # [B, 1, P, s]
    small = down @ views @ down.mT  # [B, C, P, P]
    normal = torch.randn(small.shape, generator=randomness.tensors, device=views.device)
    small = (small + normal * noise.view(-1, 1, 1, 1)).clamp(0, 1)
    small = torch.where(quality.view(-1, 1, 1, 1) < 100, compressed(small, quality), small)
    up = up[:, None]
    return (up @ small @ up.mT).clamp(0, 1)


def compressed(pictures: Tensor, quality: Tensor) -> Tensor:
    """Returns pictures as JPEG keeps them, each channel as if it were luminance.

    Blocks of 8x8, their cosine transform rounded by the standard's table, scaled by the quality as
    the IJG's library does.

    Args:
        pictures: Float `[B, C, P, P]` in [0, 1], P a multiple of 8.
        quality: `[B]`, from 1 to 100.
    """
    device = pictures.device
    number = torch.arange(8, device=device, dtype=torch.float32)
    cosine = torch.cos((2 * number[None, :] + 1) * number[:, None] * math.pi / 16) / 2
    cosine[0] /= math.sqrt(2)  # [8 frequencies, 8 pixels], orthonormal
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    table = torch.tensor(_QUANTISATION, dtype=torch.float32, device=device)
    steps = ((table * percent.view(-1, 1, 1) + 50) / 100).floor().clamp(1, 255)  # [B, 8, 8]
    steps = steps[:, None, None, None]
    blocks = (pictures * 255 - 128).unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
    frequencies = ((cosine @ blocks @ cosine.mT) / steps).round() * steps
    blocks = cosine.mT @ frequencies @ cosine  # [B, C, P/8, P/8, 8, 8]
    pictures = blocks.transpose(3, 4).flatten(4, 5).flatten(2, 3)
    return ((pictures + 128).round() / 255).clamp(0, 1)


def _sensor(size: int, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Returns what averages `size` pixels to fewer, `[B, P, s]`, and what enlarges them again.

    Behind the fewer pixels the last one is repeated up to P, as JPEG fills its blocks.
    """
    padded = math.ceil(size / 8) * 8
    device = pixels.device
    count = pixels.view(-1, 1, 1)
    place = torch.arange(padded, device=device, dtype=torch.float32).view(1, -1, 1)
    place = torch.minimum(place, count - 1)  # [B, P, 1]
    source = torch.arange(size, device=device, dtype=torch.float32).view(1, 1, -1)
    ratio = size / count
    first, last = place * ratio, (place + 1) * ratio
    overlap = torch.minimum(last, source + 1) - torch.maximum(first, source)
    down = overlap.clamp(min=0) / ratio  # [B, P, s]
    wanted = ((source.mT + 0.5) / ratio - 0.5).clamp(min=0)  # [B, s, 1]
    wanted = torch.minimum(wanted, count - 1)
    column = torch.arange(padded, device=device, dtype=torch.float32).view(1, 1, -1)
    up = (1 - (wanted - column).abs()).clamp(min=0)  # [B, s, P]
    return down, up


def _gaussian(size: int, blur: Tensor) -> Tensor:
    """Returns the matrices `[B, s, s]` that blur a row; weights beyond the edge are left out."""
    place = torch.arange(size, device=blur.device, dtype=torch.float32)
    distance = (place[:, None] - place[None, :]) ** 2  # [s, s]
    weights = torch.exp(-distance / (2 * blur.clamp(min=0.05).view(-1, 1, 1) ** 2))
    return weights / weights.sum(2, keepdim=True)
