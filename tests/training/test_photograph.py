"""What a camera does to faces, held against Pillow's JPEG and hand-worked pictures."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from mien.recipes import load_recipe
from mien.recipes.recipe import Photo
from mien.training.photograph import compressed, covered, lit, photographed, sensed, toned
from mien.training.randomness import Randomness

CPU = torch.device("cpu")
STEPS = ("occlude", "light", "tone", "blur", "shrink", "noise", "jpeg")


def randomness(epoch: int = 1) -> Randomness:
    return Randomness.of(0, epoch, 0, CPU)


def face(side: int = 48) -> np.ndarray:
    """The astronaut's face, grey."""
    cut = Image.fromarray(astronaut()).convert("L").crop((160, 40, 300, 180))
    return np.asarray(cut.resize((side, side), Image.Resampling.BOX))


def batch(count: int, side: int = 48) -> torch.Tensor:
    return torch.from_numpy(face(side) / np.float32(255)).expand(count, 1, side, side).contiguous()


def seen(views: torch.Tensor, **changes: float) -> torch.Tensor:
    """The views through a sensor that changes nothing but what is named."""
    values = {"blur": 0.0, "pixels": views.shape[-1], "noise": 0.0, "quality": 100.0, **changes}
    tensors = {name: torch.full((len(views),), float(value)) for name, value in values.items()}
    return sensed(views, **tensors, randomness=randomness())


@pytest.mark.parametrize("quality", [20, 45, 60, 80])
def test_jpeg_is_pillows_to_a_grey_level(quality):
    file = io.BytesIO()
    Image.fromarray(face()).save(file, "JPEG", quality=quality)
    expected = np.asarray(Image.open(file)).astype(float)
    ours = compressed(batch(1), torch.tensor([float(quality)]))[0, 0].numpy() * 255
    # The library works in whole numbers: what lies between two steps may go either way.
    assert (np.abs(ours - expected) <= 2).mean() > 0.95
    assert np.abs(ours - expected).mean() < 0.6
    assert np.abs(face() - expected).mean() > 1  # so the file did lose something


@pytest.mark.parametrize("side", [32, 40, 44])
def test_a_sensor_without_faults_gives_back_what_it_saw(side):
    views = batch(2, side)
    torch.testing.assert_close(seen(views), views, atol=1e-6, rtol=0)


def test_fewer_pixels_are_means_and_come_back_linearly():
    """Four pixels 0, 0, 1, 1 become two, 0 and 1, and these 0, .25, .75, 1; and so for 8."""
    row = torch.tensor([0.0, 0, 0, 0, 1, 1, 1, 1])
    views = row.expand(1, 1, 8, 8).contiguous()
    small = seen(views, pixels=2)[0, 0]
    expected = torch.tensor([0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])
    for line in small:
        torch.testing.assert_close(line, expected, atol=1e-6, rtol=0)


def test_shrinking_agrees_with_pillow():
    views = batch(1)
    small = Image.fromarray(face().astype(np.float32), "F").resize((16, 16), Image.Resampling.BOX)
    expected = np.asarray(small.resize((48, 48), Image.Resampling.BILINEAR)) / 255
    np.testing.assert_allclose(seen(views, pixels=16)[0, 0], expected, atol=1e-4)


def test_blur_noise_and_tone_do_what_they_say():
    views = batch(1)
    dot = torch.zeros(1, 1, 49, 49)
    dot[..., 24, 24] = 1
    spread = seen(dot, blur=1.5)[0, 0]
    distance = (torch.arange(49.0) - 24) ** 2
    assert float((spread.sum(0) * distance).sum()) == pytest.approx(1.5**2, rel=0.01)
    grey = torch.full((1, 1, 48, 48), 0.5)
    assert float(seen(grey, noise=0.04).std()) == pytest.approx(0.04, rel=0.1)
    half = torch.full((1,), 0.5)
    flat = toned(views, torch.ones(1), half, torch.zeros(1))
    assert float(flat.std() / views.std()) == pytest.approx(0.5, rel=1e-3)
    assert float(flat.mean()) == pytest.approx(float(views.mean()), rel=1e-3)
    squared = toned(views, torch.full((1,), 2.0), torch.ones(1), torch.zeros(1))
    torch.testing.assert_close(squared, views**2, atol=1e-4, rtol=0)


def test_light_comes_from_one_side_and_what_covers_a_face_is_one_grey():
    grey = torch.full((64, 1, 44, 44), 0.4)
    chosen = torch.arange(64) % 2 == 0
    shone = lit(grey, chosen, randomness())
    assert torch.equal(shone[1::2], grey[1::2])
    ratios = shone[::2, 0].amax((1, 2)) / shone[::2, 0].amin((1, 2))
    assert 1.2 < float(ratios.max()) < 6
    hidden = covered(batch(64, 44), chosen, randomness())
    assert torch.equal(hidden[1::2], batch(32, 44))
    for before, after in zip(batch(32, 44), hidden[::2], strict=True):
        values = after[after != before].unique()
        assert len(values) == 1
        share = float((after != before).float().mean())
        assert 0.01 < share < 0.3


@pytest.mark.parametrize("step", STEPS)
def test_every_knob_changes_its_part_of_the_faces_and_no_other(step):
    views = batch(2000, 32)
    knobs = Photo(faces=0.5, **{step: 0.6})
    after = photographed(views, knobs, 32 / 44, randomness())
    changed = (after - views).abs().amax((1, 2, 3)) > 1e-3
    assert 0.25 < float(changed.float().mean()) < 0.35  # 0.3, to five standard errors
    assert float(after.min()) >= 0
    assert float(after.max()) <= 1
    again = photographed(views, knobs, 32 / 44, randomness())
    assert torch.equal(after, again)
    assert not torch.equal(after, photographed(views, knobs, 32 / 44, randomness(2)))


def test_off_by_default_and_colour_stays_colour():
    views = batch(3)
    assert photographed(views, Photo(), 1.0, randomness()) is views
    knobs = load_recipe("mien_m_votes").augment.photo
    assert all(getattr(knobs, step) > 0 for step in ("faces", *STEPS))
    red = torch.cat([batch(8), torch.zeros(8, 2, 48, 48)], dim=1)
    after = photographed(red, Photo(faces=1, shrink=1, blur=1), 1.0, randomness())
    assert float(after[:, 1:].max()) < 1e-3
