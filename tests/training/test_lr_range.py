"""The learning-rate range test: what a curve says, and one run."""

import csv
from pathlib import Path

import numpy as np
import pytest

from drawn_faces import drawn_set, write_fer_csv
from mien.errors import UsageError
from mien.training import TrainingSource
from mien.training.lr_range import lr_range_test, read_curve

RATES = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]


def test_the_suggestion_lies_a_decade_below_the_break():
    smoothed = [2.0, 2.0, 1.9, 1.6, 1.5, 2.1]
    curve = read_curve(RATES, smoothed, smoothed, window=2, is_whole=True)
    assert curve.lowest_at == 1e-2
    assert curve.broke_at == 1e-1
    assert curve.suggested == pytest.approx(1e-2)


def test_but_not_above_the_lowest_loss():
    smoothed = [2.0, 2.0, 1.5, 1.6, 1.7, 1.8]
    curve = read_curve(RATES, smoothed, smoothed, window=2, is_whole=True)
    assert curve.broke_at is None
    assert curve.suggested == curve.lowest_at == 1e-4


def test_a_test_that_was_stopped_broke_at_its_last_step():
    smoothed = [2.0, 2.0, 1.9, 1.8, 1.7, 1.6]
    curve = read_curve(RATES, smoothed, smoothed, window=2, is_whole=False)
    assert curve.broke_at == 1e-1
    assert curve.suggested == pytest.approx(1e-2)
    held = read_curve(RATES, smoothed, smoothed, window=2, is_whole=True)
    assert held.broke_at is None
    assert held.suggested == pytest.approx(1e-2)


def test_a_loss_that_never_fell_suggests_nothing():
    curve = read_curve(RATES, [2, 2.1, 2.2, 2.3, 2.4, 2.5], [2, 2, 2.1, 2.2, 2.3, 2.4], 2, True)
    assert curve.lowest_at is curve.suggested is None


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    images, labels = drawn_set(200, seed=3, size=24)
    usages = ["Training"] * 140 + ["PublicTest"] * 60
    return write_fer_csv(tmp_path_factory.mktemp("data") / "faces.csv", images, labels, usages)


def test_a_run_over_drawn_faces(data, tmp_path):
    small = ["data.input_size=24", "train.batch_size=32", "augment.flip=random"]
    curve = lr_range_test("logistic", TrainingSource(data), tmp_path / "range", 1e-6, 10, small)
    rows = list(csv.DictReader((tmp_path / "range" / "lr_range.csv").read_text().splitlines()))
    assert [float(row["loss"]) for row in rows] == list(curve.losses)
    assert [float(row["smoothed_loss"]) for row in rows] == list(curve.smoothed)
    assert (tmp_path / "range" / "lr_range.png").read_bytes().startswith(b"\x89PNG")
    # The rate grows by the same factor at every step; the untrained loss is near ln 7.
    ratios = np.diff(np.log(curve.rates))
    assert ratios == pytest.approx(np.log(1e7) / 199)
    assert curve.losses[0] == pytest.approx(np.log(7), abs=0.3)
    # Adam moves a logistic regression on 576 pixels at 1e-2 and breaks it before 10.
    assert curve.lowest_at is not None
    assert curve.broke_at is not None
    assert curve.suggested is not None
    assert 1e-4 < curve.suggested <= curve.lowest_at < curve.broke_at < 10
    assert len(curve.rates) < 200, "it stops when the loss has diverged"
    again = lr_range_test("logistic", TrainingSource(data), tmp_path / "again", 1e-6, 10, small)
    assert again == curve


def test_a_loss_that_is_no_number_is_said(data, tmp_path):
    with pytest.raises(UsageError, match="no number"):
        lr_range_test(
            "logistic", TrainingSource(data), tmp_path / "x", 1e37, 1e38, ["data.input_size=24"]
        )


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 0.1), (0, 1), (-1, 1), (1, float("inf"))])
def test_a_range_has_two_ends(low, high, tmp_path):
    with pytest.raises(UsageError, match="from low to high"):
        lr_range_test("logistic", TrainingSource("gone.csv"), tmp_path, low, high)
