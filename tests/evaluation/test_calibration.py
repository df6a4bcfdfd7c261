import numpy as np
import pytest

from mien.evaluation.calibration import TEMPERATURE_BOUNDS, fit_temperature
from mien.evaluation.metrics import expected_calibration_error, log_loss


def simulated(temperature, num_faces=20000, num_classes=7):
    """Logits that are too sure by the factor `temperature`, and labels drawn from the truth."""
    rng = np.random.default_rng(7)
    true_logits = rng.normal(size=(num_faces, num_classes)) * 2
    noise = rng.gumbel(size=true_logits.shape)  # the maximum of logits + Gumbel noise is a draw
    return true_logits * temperature, (true_logits + noise).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found(temperature):
    logits, labels = simulated(temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.03)


def test_the_fitted_temperature_has_the_least_log_loss_and_mends_the_calibration():
    logits, labels = simulated(2.5)
    best = fit_temperature(logits, labels)
    least = log_loss(logits / best, labels)
    assert all(least < log_loss(logits / (best * factor), labels) for factor in (0.99, 1.01))
    assert expected_calibration_error(logits, labels) > 0.1
    assert expected_calibration_error(logits / best, labels) < 0.02


def test_float32_logits_of_any_offset_give_the_same_temperature():
    logits, labels = simulated(2.0, num_faces=500)
    shifted = (logits + np.arange(500)[:, None]).astype(np.float32)
    assert fit_temperature(shifted, labels) == pytest.approx(fit_temperature(logits, labels), 1e-4)


@pytest.mark.parametrize("num_faces", [1, 50])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_perfectly_told_faces_stop_at_the_lower_bound_and_hopeless_ones_at_the_upper(
    num_faces, scale
):
    labels = np.arange(num_faces) % 3
    logits = np.eye(3)[labels] * scale
    assert fit_temperature(logits, labels) == TEMPERATURE_BOUNDS[0]
    assert fit_temperature(-logits, labels) == TEMPERATURE_BOUNDS[1]


def test_logits_that_say_nothing_keep_temperature_1():
    assert fit_temperature(np.full((4, 7), 3.0), np.array([0, 1, 2, 3])) == 1.0


def test_no_faces_are_refused():
    with pytest.raises(ValueError, match="no faces"):
        fit_temperature(np.zeros((0, 7)), np.zeros(0, int))
