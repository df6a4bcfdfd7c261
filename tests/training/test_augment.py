import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mien.recipes.recipe import Augment
from mien.training import augment
from mien.training.augment import mirrored_faces, mixed, training_views
from mien.training.randomness import Randomness

CPU = torch.device("cpu")


def noise(count: int = 5, side: int = 48, channels: int = 1) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (count, channels, side, side), dtype=np.uint8))


def ramp(count: int, side: int = 48) -> torch.Tensor:
    """Faces whose grey grows from left to right, 5 a pixel."""
    row = torch.arange(side, dtype=torch.uint8) * 5
    return row.expand(count, 1, side, side).contiguous()


def views_of(faces, mirrored=None, epoch=1, input_size=48, size=48, **knobs):
    if mirrored is None:
        mirrored = torch.zeros(len(faces), dtype=torch.bool)
    return training_views(
        faces,
        mirrored,
        knobs=Augment(**knobs),
        input_size=input_size,
        size=size,
        grey=0.5,
        randomness=Randomness.of(0, epoch, 0, CPU),
    )


def test_without_knobs_faces_stay_as_they_are():
    faces = noise()
    assert torch.equal(views_of(faces), faces / 255)


def test_a_smaller_input_is_the_centre_of_the_face():
    faces = noise()
    views = views_of(faces, input_size=44, size=44)
    torch.testing.assert_close(views, faces[:, :, 2:46, 2:46] / 255, atol=1e-5, rtol=0)


def test_a_flip_is_exact_and_only_of_the_chosen_faces():
    faces = noise(2)
    views = views_of(faces, torch.tensor([True, False]), flip="random")
    torch.testing.assert_close(views[0], faces[0].flip(-1) / 255, atol=1e-5, rtol=0)
    torch.testing.assert_close(views[1], faces[1] / 255, atol=1e-5, rtol=0)


def test_pad_crop_shifts_by_whole_pixels_and_fills_with_zeros():
    faces = (noise(200) // 2 + 100).to(torch.uint8)  # no zero inside
    views = views_of(faces, pad_crop=4)
    padded = torch.nn.functional.pad(faces / 255, (4, 4, 4, 4))
    shifts = set()
    for face, view in zip(padded, views, strict=True):
        matching = [
            (top, left)
            for top in range(9)
            for left in range(9)
            if torch.allclose(view, face[:, top : top + 48, left : left + 48], atol=1e-4)
        ]
        assert len(matching) == 1
        shifts.add(matching[0])
    tops = {top for top, _ in shifts}
    assert tops == set(range(9)), "every shift from -4 to 4 occurs in 200 faces"


def test_rotation_turns_by_at_most_the_range():
    faces = ramp(300)
    views = views_of(faces, rotate_degrees=40, fill="border")[:, 0]
    along, down = views[:, 24, 25] - views[:, 24, 23], views[:, 25, 24] - views[:, 23, 24]
    angles = torch.rad2deg(torch.atan2(down, along))
    assert angles.abs().max() <= 40.5
    assert angles.max() > 35
    assert angles.min() < -35
    assert abs(float(angles.mean())) < 5


def test_zoom_keeps_the_middle_and_changes_the_slope():
    faces = ramp(300)
    views = views_of(faces, scale_fraction=0.2, fill="border")[:, 0] * 255
    slopes = (views[:, 24, 30] - views[:, 24, 20]) / 10
    assert slopes.min() > 5 / 1.21
    assert slopes.max() < 5 / 0.79
    assert slopes.max() - slopes.min() > 1.5
    middle = (views[:, 24, 23] + views[:, 24, 24]) / 2
    torch.testing.assert_close(middle, torch.full((300,), 23.5 * 5), atol=0.1, rtol=0)


def test_a_smaller_view_shows_the_same_part():
    views = views_of(ramp(1), input_size=44, size=32)[0, 0, 10] * 255
    expected = (2 + (torch.arange(32) + 0.5) * 44 / 32 - 0.5) * 5
    torch.testing.assert_close(views, expected, atol=0.1, rtol=0)


def edges(views: torch.Tensor) -> float:
    """Mean step from pixel to pixel."""
    return float(views.diff(dim=-1).abs().mean())


def test_cubic_resampling_is_sharper_than_linear_and_stays_within_the_range_of_grey():
    faces = noise()
    soft = views_of(faces, rotate_degrees=12)
    sharp = views_of(faces, rotate_degrees=12, resampling="bicubic")
    assert edges(soft) < 0.8 * edges(sharp)
    assert edges(sharp) < edges(faces / 255)
    assert (sharp.min(), sharp.max()) == (0, 1)


def test_either_resampling_is_a_fair_coin_for_each_batch_with_the_same_geometry():
    faces = noise()
    sharp = 0
    for epoch in range(60):
        knobs = {"epoch": epoch, "rotate_degrees": 12}
        views = views_of(faces, **knobs, resampling="either")
        candidates = [views_of(faces, **knobs, resampling=r) for r in ("bilinear", "bicubic")]
        same = [torch.equal(views, candidate) for candidate in candidates]
        assert sum(same) == 1
        sharp += same[1]
    assert 15 < sharp < 45


def test_erase_sets_one_grey_square():
    faces = torch.full((400, 1, 48, 48), 255, dtype=torch.uint8)
    views = views_of(faces, erase_pixels=12)
    erased = views == 0.5
    assert set(views.unique().tolist()) == {0.5, 1.0}
    area = erased.sum((1, 2, 3))
    assert area.max() == 144
    assert area.min() >= 36  # a quarter, at a corner
    inner = erased[area == 144][0, 0]
    assert inner.any(0).sum() == inner.any(1).sum() == 12


def test_brightness_and_contrast_stay_within_their_range():
    faces = ramp(300)
    bright = views_of(faces, brightness=0.2)
    ratio = bright[:, 0, 0, 20] / (100 / 255)
    assert 0.8 <= ratio.min() < 0.85
    assert 1.15 < ratio.max() <= 1.2001
    contrast = views_of(faces, contrast=0.2)
    torch.testing.assert_close(
        contrast.mean((1, 2, 3)), (faces / 255).mean((1, 2, 3)), atol=0.02, rtol=0
    )
    spread = contrast.std((1, 2, 3)) / (faces / 255).std((1, 2, 3))
    assert 0.75 < spread.min() < 0.85
    assert spread.max() > 1.1
    assert contrast.min() >= 0
    assert contrast.max() <= 1


def test_the_same_epoch_gives_the_same_views_and_another_does_not():
    faces, knobs = noise(), {"rotate_degrees": 10, "erase_pixels": 8, "contrast": 0.2}
    assert torch.equal(views_of(faces, **knobs), views_of(faces, **knobs))
    assert not torch.equal(views_of(faces, **knobs), views_of(faces, epoch=2, **knobs))


def test_alternating_flip_shows_both_sides_in_two_epochs():
    parity, indices = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([4, 0, 2])
    knobs = Augment(flip="alternating")
    sides = [
        mirrored_faces(knobs, indices, parity, epoch, Randomness.of(0, epoch, 0, CPU))
        for epoch in (1, 2, 3)
    ]
    assert sides[0].tolist() == [False, True, False]
    assert torch.equal(sides[1], ~sides[0])
    assert torch.equal(sides[2], sides[0])


def test_random_flip_is_a_fair_coin():
    knobs, indices = Augment(flip="random"), torch.arange(2000)
    mirrored = mirrored_faces(knobs, indices, indices, 1, Randomness.of(0, 1, 0, CPU))
    assert 900 < int(mirrored.sum()) < 1100


def test_mixup_is_the_weighted_mean_of_two_faces():
    targets = torch.eye(6)
    views = targets[:, :, None, None].expand(-1, -1, 16, 16)  # each face fills its own channel
    views, mixed_targets = mixed(views, targets, Augment(mixup=0.5), Randomness.of(0, 1, 0, CPU))
    assert torch.equal(views, mixed_targets[:, :, None, None].expand_as(views))
    assert not torch.equal(mixed_targets, targets)


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_faces_are_moved_alike_in_all_channels(channels):
    faces = noise(3, channels=1).expand(-1, channels, -1, -1).contiguous()
    views = views_of(faces, rotate_degrees=20, erase_pixels=9, contrast=0.3)
    assert views.shape == (3, channels, 48, 48)
    torch.testing.assert_close(views, views[:, :1].expand_as(views))


def test_five_crops_are_the_centre_and_the_corners():
    faces = noise(300)
    views = views_of(faces, input_size=44, size=44, crops="five")
    crops = [(2, 2), (0, 0), (0, 4), (4, 0), (4, 4)]
    seen = set()
    for face, view in zip(faces / 255, views, strict=True):
        matching = [
            place
            for place in crops
            if torch.allclose(
                view, face[:, place[0] : place[0] + 44, place[1] : place[1] + 44], atol=1e-4
            )
        ]
        assert len(matching) == 1
        seen.add(matching[0])
    assert seen == set(crops)


@pytest.mark.parametrize("device", ["mps", "cuda", "cpu"])
def test_only_what_apples_gpus_cannot_resample_is_done_by_the_cpu(device, monkeypatch):
    used = []

    def sample(views, grid, *more, **named):
        used.append((views.device.type, grid.device.type))
        return torch.zeros(*views.shape[:2], *grid.shape[1:3], device=views.device)

    monkeypatch.setattr(augment.F, "grid_sample", sample)
    with FakeTensorMode():
        views, grid = torch.zeros(2, 1, 8, 8, device=device), torch.zeros(2, 6, 6, 2, device=device)
        found = augment._resampled(views, grid, "bicubic", "border")
    place = "cpu" if device == "mps" else device
    assert used == [(place, place)]
    assert (found.device.type, found.shape) == (device, (2, 1, 6, 6))


def test_ten_vertical_crops_are_upside_down_half_the_time():
    faces = noise(200)
    views = views_of(faces, crops="ten_vertical")  # 48 of 48: only the flip is left
    turned = [
        torch.allclose(view, face.flip(-2), atol=1e-4)
        for face, view in zip(faces / 255, views, strict=True)
    ]
    same = [
        torch.allclose(view, face, atol=1e-4) for face, view in zip(faces / 255, views, strict=True)
    ]
    assert all(one != other for one, other in zip(turned, same, strict=True))
    assert 70 < sum(turned) < 130


def test_saturation_moves_colours_to_grey_and_away_but_keeps_grey():
    red = torch.zeros(200, 3, 48, 48, dtype=torch.uint8)
    red[:, 0], red[:, 1:] = 150, 100
    views = views_of(red, saturation=0.2) * 255
    spread = views[:, 0, 0, 0] - views[:, 1, 0, 0]
    assert spread.min() == pytest.approx(40, abs=1)
    assert spread.max() == pytest.approx(60, abs=1)
    luma = views[:, 0] * 0.299 + views[:, 1] * 0.587 + views[:, 2] * 0.114
    torch.testing.assert_close(luma, torch.full_like(luma, 114.95), atol=0.1, rtol=0)
    grey = noise(3)
    assert torch.equal(views_of(grey, saturation=0.2), grey / 255)
