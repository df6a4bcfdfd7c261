import numpy as np
import pytest

from mien.explanation import REGIONS
from mien.explanation.regions import region_map, shares, smooth

MEAN = np.array([[0.315, 0.39], [0.685, 0.39], [0.5, 0.6], [0.35, 0.764], [0.65, 0.764]])
HALF = np.array([[0.5, 0.0], [0.0, 0.5]])


def region_at(regions: np.ndarray, x: float, y: float) -> str:
    """Returns the region at a place of the view, in sides of it."""
    side = len(regions)
    return list(REGIONS)[regions[int(y * side), int(x * side)]]


def test_regions_of_a_face_framed_as_the_mean_one():
    regions = region_map(None, 48, 48)
    for x, y, name in [
        *((0.5, 0.1, "brows"), (0.35, 0.29, "brows"), (0.315, 0.39, "eyes"), (0.685, 0.39, "eyes")),
        *((0.5, 0.6, "nose"), (0.35, 0.764, "mouth"), (0.65, 0.764, "mouth"), (0.5, 0.95, "mouth")),
        *((0.25, 0.6, "rest"), (0.75, 0.6, "rest"), (0.05, 0.9, "rest")),
    ]:
        assert region_at(regions, x, y) == name
    np.testing.assert_array_equal(regions, regions[:, ::-1])
    np.testing.assert_array_equal(region_map(MEAN, 48, 48), regions)
    np.testing.assert_array_equal(region_map(None, 48, 44), regions[2:46, 2:46])


def test_regions_follow_the_landmarks():
    turned = 0.5 + (MEAN - 0.5) @ np.array([[0.0, 1.0], [-1.0, 0.0]])  # a quarter turn
    np.testing.assert_array_equal(region_map(turned, 48, 48), np.rot90(region_map(None, 48, 48), 3))
    small = region_map(MEAN @ HALF, 48, 48)  # a face in the upper left quarter
    assert region_at(small, 0.25, 0.38) == "mouth"
    assert region_at(small, 0.25, 0.19) == "eyes"
    assert region_at(small, 0.8, 0.8) == "rest"


@pytest.mark.parametrize(("x", "y", "name"), [(0.5, 0.83, "mouth"), (0.5, 0.1, "brows")])
def test_what_is_planted_in_a_region_is_all_found_there(x, y, name):
    planted = np.zeros((44, 44), np.float32)
    planted[round((48 * y) - 2), round(48 * x - 2)] = 3.0
    found = shares(smooth(planted), region_map(None, 48, 44))
    expected = dict.fromkeys(REGIONS, 0.0) | {name: 1.0}
    assert found == pytest.approx(expected)


def test_shares_are_of_what_speaks_for_the_expression():
    regions = np.array([[0, 1], [3, 3]])
    found = shares(np.array([[1.0, -5.0], [2.0, 1.0]]), regions)
    assert found == {"brows": 0.25, "eyes": 0, "nose": 0, "mouth": 0.75, "rest": 0}
    assert set(shares(np.array([[0.0, -5.0], [0.0, 0.0]]), regions).values()) == {0}


def test_smoothing_keeps_the_sum_and_spreads_over_a_neighbourhood():
    values = np.zeros((44, 44))
    values[0, 0], values[20, 30] = 1.0, -2.0
    found = smooth(values)
    assert found[:10, :10].sum() == pytest.approx(1)
    assert found[10:].sum() == pytest.approx(-2)
    # a Gaussian of 2 pixels: exp(-1/2) of its height 2 pixels away, nothing from 5 on
    assert found[22, 30] / found[20, 30] == pytest.approx(np.exp(-0.5))
    assert found[24, 34] < 0 == found[25, 30] == found[20, 35]
