"""Twins: held against NumPy's correlations of all pairs, and SciPy's components."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mien.data import Twins, find_twins, group_identical, group_twins, is_blank, twins
from mien.pictures import resize


@pytest.fixture(scope="module")
def pictures():
    """Sixty smooth pictures, and thirty mixtures of two of them: correlations of all sizes."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (60, 6, 6)).astype(np.uint8)
    smooth = np.stack([resize(image, 40, 40) for image in coarse])
    shares = np.linspace(0.4, 1, 30)[:, None, None]
    first, second = random.integers(0, 60, (2, 30))
    mixed = shares * smooth[first] + (1 - shares) * smooth[second][:, :, ::-1]
    mixed[::3] = mixed[::3, :, ::-1]
    return np.concatenate([smooth, mixed.astype(np.uint8)])


def all_pairs(pictures, others, threshold):
    flat, size = pictures.reshape(len(pictures), -1), len(pictures)
    found = {}
    for is_mirrored, theirs in ((False, others), (True, others[:, :, ::-1])):
        both = np.corrcoef(flat, theirs.reshape(len(others), -1))[:size, size:]
        for pair in np.argwhere(both >= threshold).tolist():
            if both[tuple(pair)] > found.get(tuple(pair), (0, 0))[0]:
                found[tuple(pair)] = (both[tuple(pair)], is_mirrored)
    return found


@pytest.mark.parametrize("block", [2048, 16])
def test_pairs_are_those_of_all_correlations(pictures, monkeypatch, block):
    monkeypatch.setattr(twins, "_BLOCK", block)
    monkeypatch.setattr(twins, "_PIXELS_AT_ONCE", block * 1600)
    found = find_twins(pictures, threshold=0.9)
    wanted = {
        pair: it for pair, it in all_pairs(pictures, pictures, 0.9).items() if pair[0] < pair[1]
    }
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == sorted(wanted)
    assert len(found) > 10
    assert 0 < found.mirrored.sum() < len(found)
    for place, pair in enumerate(sorted(wanted)):
        assert found.correlation[place] == pytest.approx(wanted[pair][0], abs=1e-5)
        assert found.mirrored[place] == wanted[pair][1]


def test_twins_in_another_set(pictures):
    found = find_twins(pictures[60:], pictures[:60], threshold=0.9)
    pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs == sorted(all_pairs(pictures[60:], pictures[:60], 0.9))
    with pytest.raises(ValueError, match="pictures of 40 and of 24 pixels cannot be compared"):
        find_twins(pictures, pictures[:, :24, :24])


def test_contrast_brightness_and_colour_do_not_matter_and_blank_pictures_have_no_twins(pictures):
    dark = (pictures[0] // 8 + 3).astype(np.uint8)
    flat = np.full_like(dark, 7)
    faint = flat + (pictures[0] > 128)
    grey = np.stack([pictures[0], pictures[1], dark, flat, flat, faint])
    colours = np.repeat(grey[..., None], 3, axis=3)
    assert is_blank(colours).tolist() == [False, False, False, True, True, True]
    for images in (grey, colours):
        found = find_twins(images)
        assert (found.first.tolist(), found.second.tolist()) == ([0], [2])
    assert group_identical(grey[[0, 3, 4, 0, 1]]).tolist() == [0, 1, 2, 0, 4]
    assert len(find_twins(grey[:0])) == 0


def test_groups_are_the_connected_components():
    random = np.random.default_rng(1)
    first, second = np.sort(random.integers(0, 200, (2, 120)), axis=0)
    ones = np.ones(120)
    group = group_twins(200, Twins(first, second, ones, ones.astype(bool)))
    _, wanted = connected_components(coo_array((ones, (first, second)), (200, 200)), directed=False)
    assert (group[:, None] == group).tolist() == (wanted[:, None] == wanted).tolist()
    assert all(group[place] == np.flatnonzero(group == group[place])[0] for place in range(200))
