"""Random changes to a batch of faces, on tensors: one affine sampling, then pixel values.

All geometry of a face (flip, rotation, zoom, shear, shift, crop, resize) is one matrix and one
`grid_sample`; whole-pixel shifts at full size stay exact.

B faces · C channels · S side of the faces · s side of the views · K classes
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mien.recipes.recipe import Augment
from mien.training.photograph import photographed
from mien.training.randomness import Randomness


def training_views(
    faces: Tensor,
    mirrored: Tensor,
    *,
    knobs: Augment,
    input_size: int,
    size: int,
    grey: float,
    randomness: Randomness,
) -> Tensor:
    """Returns augmented network views, float `[B, C, s, s]` in [0, 1].

    Args:
        faces: uint8 `[B, C, S, S]`.
        mirrored: bool `[B]`: which faces are mirrored.
        knobs: What is random, and how much.
        input_size: Side of the part of the face that the network sees, in face pixels.
        size: s, what that part is sampled at.
        grey: What erased squares become, in [0, 1].
        randomness: The epoch's generators.
    """

    def factors(extent: float) -> Tensor:
        return 1 + randomness.uniform(len(faces), extent).view(-1, 1, 1, 1)

    views = faces.to(torch.float32) / 255  # [B, C, S, S]
    side = faces.shape[-1]
    matrices = _matrices(mirrored, knobs, side, input_size, randomness)
    if matrices is not None or size != side:
        if matrices is None:
            matrices = _identity(len(faces), input_size / side, faces.device)
        shape = [*faces.shape[:2], size, size]
        grid = F.affine_grid(matrices, shape, align_corners=False)
        kernel = _kernel(knobs, randomness)
        views = _resampled(views, grid, kernel, knobs.fill)
        if kernel == "bicubic":
            views = views.clamp(0, 1)  # cubic weights are negative beside edges
    if knobs.saturation and views.shape[1] == 3:
        luma = _luma(views)
        views = (luma + (views - luma) * factors(knobs.saturation)).clamp(0, 1)
    if knobs.brightness:
        views = (views * factors(knobs.brightness)).clamp(0, 1)
    if knobs.contrast:
        means = views.mean((1, 2, 3), keepdim=True)
        views = (means + (views - means) * factors(knobs.contrast)).clamp(0, 1)
    views = photographed(views, knobs.photo, size / input_size, randomness)
    if knobs.erase_pixels:
        views = _erase(views, knobs.erase_pixels * size / input_size, grey, randomness)
    return views


def mirrored_faces(
    knobs: Augment, indices: Tensor, first_parity: Tensor, epoch: int, randomness: Randomness
) -> Tensor:
    """Returns which faces of a batch are mirrored, bool `[B]`.

    "alternating" mirrors each face in every second epoch (Jordan 2024, airbench): two epochs show
    every face both ways.

    Args:
        knobs: Chooses the kind of flip.
        indices: int64 `[B]`, the faces' places in the training set.
        first_parity: int64 `[N]` of 0 and 1, drawn once from the seed.
        epoch: Counted from 1.
        randomness: The epoch's generators.
    """
    if knobs.flip == "alternating":
        return (first_parity[indices] + epoch) % 2 == 1
    if knobs.flip == "random" or knobs.crops == "ten":
        return randomness.uniform(len(indices), 1.0) > 0
    return torch.zeros(len(indices), dtype=torch.bool, device=indices.device)


def mixed(
    views: Tensor, targets: Tensor, knobs: Augment, randomness: Randomness
) -> tuple[Tensor, Tensor]:
    """Returns views `[B, C, s, s]` and targets `[B, K]`, mixed in pairs if the knobs ask for it.

    Mixup (Zhang et al. 2018): one weight for the batch, each face with another one's.
    """
    if not knobs.mixup:
        return views, targets
    other = float(1 - randomness.scalars.beta(knobs.mixup, knobs.mixup))
    order = torch.randperm(len(views), generator=randomness.tensors, device=views.device)
    return views.lerp(views[order], other), targets.lerp(targets[order], other)


def _kernel(knobs: Augment, randomness: Randomness) -> str:
    """Returns what this batch is resampled with."""
    if knobs.resampling == "either":
        return "bicubic" if randomness.scalars.random() < 0.5 else "bilinear"
    return knobs.resampling


def _resampled(views: Tensor, grid: Tensor, kernel: str, fill: str) -> Tensor:
    """Returns views `[B, C, s, s]` sampled where the grid `[B, s, s, 2]` says.

    On Apple's GPUs torch before 2.12 knows neither the kernel "bicubic" nor the fill "border", so
    the CPU does it for them: a small part of a step.
    """
    device = views.device
    if device.type == "mps":
        views, grid = views.cpu(), grid.cpu()
    return F.grid_sample(views, grid, kernel, fill, align_corners=False).to(device)


def _identity(count: int, crop: float, device: torch.device) -> Tensor:
    matrices = torch.zeros(count, 2, 3, device=device)
    matrices[:, 0, 0] = matrices[:, 1, 1] = crop
    return matrices


def _matrices(
    mirrored: Tensor, knobs: Augment, side: int, input_size: int, randomness: Randomness
) -> Tensor | None:
    """Returns `[B, 2, 3]` from view to face coordinates (both -1…1), or None for no change."""
    count, device = len(mirrored), mirrored.device
    moves = knobs.rotate_degrees or knobs.scale_fraction or knobs.translate_fraction
    moves = moves or knobs.shear_degrees or knobs.pad_crop
    still = knobs.flip == "none" and knobs.crops == "none"
    if not moves and still and input_size == side:
        return None
    angle = randomness.uniform(count, math.radians(knobs.rotate_degrees))
    zoom = input_size / side / (1 + randomness.uniform(count, knobs.scale_fraction))
    shear = torch.tan(randomness.uniform(count, math.radians(knobs.shear_degrees)))
    sign = torch.where(mirrored, -1.0, 1.0)
    down = torch.ones(count, device=device)
    if knobs.crops == "ten_vertical":
        down = torch.where(randomness.uniform(count, 1.0) > 0, -1.0, 1.0)
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    matrices = torch.empty(count, 2, 3, device=device)
    matrices[:, 0, 0] = cosine * sign
    matrices[:, 0, 1] = (cosine * shear - sine) * down
    matrices[:, 1, 0] = sine * sign
    matrices[:, 1, 1] = (sine * shear + cosine) * down
    corners = _crop_shifts(count, knobs, 1 - input_size / side, randomness)
    for axis in range(2):
        shift = 2 * randomness.uniform(count, knobs.translate_fraction)
        if knobs.pad_crop:
            pixels = randomness.integers(-knobs.pad_crop, knobs.pad_crop + 1, count)
            shift = shift + 2 * pixels / side
        matrices[:, axis, 2] = shift + corners[:, axis]
    return matrices


def _crop_shifts(count: int, knobs: Augment, reach: float, randomness: Randomness) -> Tensor:
    """Returns `[B, 2]`: where the crops' centres lie, centre or one of four corners at random."""
    device = randomness.tensors.device
    if knobs.crops == "none":
        return torch.zeros(count, 2, device=device)
    places = torch.tensor([[0, 0], [-1, -1], [1, -1], [-1, 1], [1, 1]], device=device) * reach
    return places[randomness.integers(0, 5, count)]


def _luma(pixels: Tensor) -> Tensor:
    """Returns ITU-R 601 grey `[B, 1, s, s]` of RGB pixels `[B, 3, s, s]`."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=pixels.device).view(1, 3, 1, 1)
    return (pixels * weights).sum(1, keepdim=True)


def _erase(views: Tensor, extent: float, grey: float, randomness: Randomness) -> Tensor:
    """Returns views with one square each, its centre anywhere, set to grey (DeVries 2017)."""
    count, size = len(views), views.shape[-1]
    places = torch.arange(size, device=views.device) + 0.5  # [s]
    inside = []
    for _ in range(2):
        centres = randomness.rand(count, 1) * size
        inside.append((places - centres).abs() < extent / 2)  # [B, s]
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]  # [B, 1, s, s]
    return views.masked_fill(square, grey)
