import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from mien.classifier import softmax
from mien.data import assign_folds
from mien.evaluation import fit_temperature, score, score_calibration
from mien.evaluation.calibration import TEMPERATURE_BOUNDS, calibration_error, cross_fit
from mien.evaluation.metrics import calibration_bins, expected_calibration_error, log_loss


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


def test_the_error_of_one_bin_by_hand():
    """Ten decisions with confidence 0.5, nine of them right: 0.4 off, known with 0.09 / 9."""
    logits = np.tile([1e-9, 0.0], (10, 1))
    error = calibration_error(calibration_bins(logits, np.array([0] * 9 + [1]), num_bins=1))
    assert (error.num_faces, error.num_bins) == (10, 1)
    assert (error.confidence, error.accuracy) == pytest.approx((0.5, 0.9))
    assert (error.ece, error.rms) == pytest.approx((0.4, 0.4))
    assert error.rms_debiased == pytest.approx((0.4**2 - 0.09 / 9) ** 0.5)
    low, high = error.rms_debiased_ci95
    # (0.4 + 0.1 z)^2 - 2 * 0.1^2 at z of -1.96 and 1.96, the ends of a normal draw
    assert low == pytest.approx((0.204**2 - 0.02) ** 0.5, abs=0.01)
    assert high == pytest.approx((0.596**2 - 0.02) ** 0.5, abs=0.01)


def test_the_plain_errors_are_those_of_scikit_learns_curve():
    logits, labels = simulated(2.0, num_faces=3000)
    confidence = softmax(logits).max(axis=1)
    right = logits.argmax(axis=1) == labels
    accuracy, mean = calibration_curve(right, confidence, n_bins=15, strategy="quantile")
    error = calibration_error(calibration_bins(logits, labels))
    assert error.ece == pytest.approx(np.abs(accuracy - mean).mean())
    assert error.rms == pytest.approx(((accuracy - mean) ** 2).mean() ** 0.5)
    assert error.ece == pytest.approx(expected_calibration_error(logits, labels))


@pytest.mark.parametrize("gap", [0.0, 0.05])
def test_the_debiased_error_is_right_on_average_and_its_interval_covers_the_truth(gap):
    """Decisions that are right less often than they claim, by a known gap at each confidence."""
    rng = np.random.default_rng(3)
    plain, debiased, covered = [], [], []
    for _ in range(200):
        confidence = rng.uniform(0.6, 0.95, 1500)
        logits = np.log(np.stack([confidence, 1 - confidence], axis=1))
        labels = (rng.random(1500) >= confidence - gap).astype(int)
        error = calibration_error(calibration_bins(logits, labels))
        low, high = error.rms_debiased_ci95
        plain.append(error.rms**2)
        debiased.append(error.rms_debiased**2)
        covered.append(low <= gap <= high)
    chance = 0.16 / 100  # about p (1 - p) / n, in bins of 100 faces
    assert np.mean(plain) == pytest.approx(gap**2 + chance, rel=0.15)
    if gap:  # at 0 the estimate is cut off there
        assert np.mean(debiased) == pytest.approx(gap**2, rel=0.15)
    else:
        assert np.mean(debiased) < np.mean(plain) / 4
    assert np.mean(covered) > 0.93


def test_each_fold_gets_the_temperature_that_the_others_ask_for():
    logits, labels = simulated(2.0, num_faces=400)
    folds = assign_folds(labels, 5, seed=0)
    mended, temperatures = cross_fit(logits, labels)
    for fold, temperature in enumerate(temperatures):
        others, here = folds != fold, folds == fold
        assert temperature == fit_temperature(logits[others], labels[others])
        assert np.array_equal(mended[here], logits[here] / temperature)
    assert len(set(temperatures)) == 5


def test_calibration_before_and_after_temperature_and_by_expression():
    raw, labels = simulated(3.0, num_faces=3000)
    names = ("a", "b", "c", "d", "e", "f", "g")
    raw, labels = raw[labels < 6], labels[labels < 6]
    raw[:, 6] -= 120  # never decided
    report = score(raw / 2, labels, names, temperature=2.0)
    calibration = report.calibration
    assert calibration is not None
    assert calibration.as_exported.ece == report.ece
    assert calibration.uncalibrated.ece == pytest.approx(expected_calibration_error(raw, labels))
    errors = [each.rms_debiased for each in calibration.stages.values()]
    assert errors == sorted(errors, reverse=True)
    assert list(calibration.per_class) == list(names[:6])
    decided = np.bincount(raw.argmax(axis=1), minlength=7)
    assert [its.num_faces for its in calibration.per_class.values()] == decided[:6].tolist()
    right = np.mean(labels[raw.argmax(axis=1) == 1] == 1)
    assert calibration.per_class["b"].accuracy == pytest.approx(right)


def test_against_votes_a_decision_is_as_right_as_its_share():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([2, 1, 1], 600)
    calibration = score_calibration(np.log(shares), shares, ("a", "b", "c"))
    assert calibration is not None
    assert calibration.as_exported.ece == pytest.approx(0, abs=1e-9)
    assert calibration.as_exported.rms_debiased_ci95 == pytest.approx((0, 0), abs=1e-9)
    assert calibration.temperatures == pytest.approx([1] * 5, rel=1e-4)
    doubled = score_calibration(2 * np.log(shares), shares, ("a", "b", "c"))
    assert doubled is not None
    assert doubled.as_exported.rms_debiased > 0.1
    assert doubled.cross_fitted.rms_debiased == pytest.approx(0, abs=1e-4)


def test_few_faces_have_no_calibration():
    logits, labels = simulated(1.0, num_faces=19)
    assert score_calibration(logits, labels, tuple("abcdefg")) is None
    assert score(logits, labels, tuple("abcdefg")).to_json_dict()["calibration"] is None
