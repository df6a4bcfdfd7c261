"""The picture of corruptions: a panel for each, a line and a dashed one for each model."""

import pytest

from mien.plots.robustness import draw_corruptions

VALUES = {"blur": ("pixels", (0.5, 2)), "turn": ("degrees", (5, 30))}


def test_a_panel_for_each_corruption_and_a_line_for_each_model():
    accuracies = {"a": {"blur": [0.8, 0.5], "turn": [0.7, 0.6]},
                  "$b$": {"blur": [0.6, 0.6], "turn": [0.4, 0.2]}}  # fmt: skip
    figure = draw_corruptions(accuracies, {"a": 0.9, "$b$": 0.65}, VALUES, "Faces of x.csv")
    assert figure.get_suptitle() == "Faces of x.csv"
    blur, turn, *empty = figure.axes
    assert (blur.get_title(), turn.get_title()) == ("blur", "turn")
    assert (turn.get_xlabel(), turn.get_ylim()) == ("degrees", (0, 100))
    assert [tick.get_text() for tick in turn.get_xticklabels()] == ["5", "30"]
    clean, line, other_clean, other = (each.get_ydata() for each in turn.get_lines())
    assert list(clean) == [90, 90] and list(other_clean) == [65, 65]
    assert list(line) == [70, 60] and list(other) == [40, 20]
    legend = empty[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a", r"\$b\$"]
    assert not any(axes.axison for axes in empty)


def test_accuracies_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no model's accuracies"):
        draw_corruptions({}, {}, VALUES, "")
    with pytest.raises(ValueError, match="blur: 1 accuracies, but 2 values"):
        draw_corruptions({"a": {"blur": [0.5]}}, {"a": 0.5}, VALUES, "")
