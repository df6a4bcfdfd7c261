"""Pictures of searches: what stands on them."""

import math
from itertools import pairwise

import pytest

from mien.plots.search import draw_lr_range, draw_search_history, draw_search_knobs

VALUES = [0.3, 0.5, 0.4, 0.6]
COMPLETE = [True, True, False, True]


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_history_counts_its_trials_and_steps_up_to_the_best():
    figure = draw_search_history([0, 1, 2, 4], VALUES, COMPLETE, "accuracy")
    (axes,) = figure.axes
    assert axes.get_title() == "Search: 4 trials"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("trial", "selection accuracy (fraction)")
    assert texts(axes) == ["complete (3)", "stopped before its end (1)", "best so far"]
    (line,) = axes.get_lines()
    assert list(line.get_xdata()) == [0, 1, 2, 4]
    assert list(line.get_ydata()) == [0.3, 0.5, 0.5, 0.6]


def test_a_loss_steps_down_and_a_pruned_trial_is_never_best():
    figure = draw_search_history([0, 1, 2], [1.0, 3.0, 2.0], [False, True, True], "log_loss")
    (axes,) = figure.axes
    best = list(axes.get_lines()[0].get_ydata())
    assert math.isnan(best[0])
    assert best[1:] == [3.0, 2.0]
    assert axes.get_ylabel() == "selection loss (nats)"


def test_each_knob_has_a_panel_with_its_kind_of_axis():
    settings = {
        "optimizer.lr": [1e-4, 1e-3, 1e-2, 1e-1],
        "train.batch_size": [16, 32, 64, 128],
        "optimizer.name": ["sgd", "adam", "sgd", "adam"],
        "data.mean": [(0.5,), (0.4,), (0.5,), (0.4,)],
    }
    figure = draw_search_knobs(settings, VALUES, COMPLETE, "accuracy", ["optimizer.lr"])
    assert [axes.get_xlabel() for axes in figure.axes] == list(settings)
    rate, batch, name, mean = figure.axes
    assert rate.get_title() == "optimizer.lr, 4 trials"
    assert (rate.get_xscale(), batch.get_xscale()) == ("log", "linear")
    assert [label.get_text() for label in name.get_xticklabels()] == ["adam", "sgd"]
    assert [label.get_text() for label in mean.get_xticklabels()] == ["(0.4,)", "(0.5,)"]
    solid, hollow = name.collections
    assert solid.get_offsets().tolist() == [[1, 0.3], [0, 0.5], [0, 0.6]]
    assert hollow.get_offsets().tolist() == [[1, 0.4]]
    assert hollow.get_facecolor().size == 0


def test_what_stands_below_a_panel_does_not_touch():
    names = ["adagrad", "adamax", "rmsprop", "timm:convnextv2_atto.fcmae_ft_in1k"]
    settings = {"optimizer.lr": [1e-3, 2e-3, 3e-3, 9e-3], "optimizer.name": names}
    figure = draw_search_knobs(settings, VALUES, COMPLETE, "accuracy", ["optimizer.lr"])
    figure.draw_without_rendering()
    for axes in figure.axes:
        labels = [each for each in axes.get_xticklabels(which="both") if each.get_text()]
        assert len(labels) >= 3
        turn = labels[0].get_rotation()
        assert turn == (40 if axes is figure.axes[1] else 0)
        ends = [label.get_window_extent() for label in labels]
        assert turn or all(a.x1 < b.x0 for a, b in pairwise(sorted(ends, key=lambda e: e.x0)))
        assert axes.get_legend() is None, "it would cover points"
        assert max(len(label.get_text()) for label in labels) <= 25
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "complete (3)",
        "stopped before its end (1)",
    ]


@pytest.mark.parametrize("suggested", [0.01, None])
def test_the_range_test_shows_its_curve_and_its_suggestion(suggested):
    rates, losses = [1e-4, 1e-3, 1e-2, 1e-1], [2.0, 1.8, 1.5, 60.0]
    (axes,) = draw_lr_range(rates, losses, losses, suggested).axes
    assert axes.get_title() == "Learning-rate range test, 4 steps"
    assert axes.get_xlabel() == "learning rate (log scale)"
    assert axes.get_ylabel() == "training loss (nats)"
    assert axes.get_xscale() == "log"
    assert ("suggested: 0.01" in texts(axes)) == (suggested is not None)
    assert axes.get_ylim()[1] < 10, "what diverged is cut off"
    assert axes.get_ylim()[0] < 1.5
