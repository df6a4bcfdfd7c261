"""What stands in the pictures: titles, axes with units, counts; and how they become files."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from drawn_faces import drawn_set
from mien.errors import BadInputError, UsageError
from mien.labels import COLOURS, EXPRESSIONS
from mien.plots import (
    draw_accuracies,
    draw_class_counts,
    draw_class_scores,
    draw_confusion,
    draw_face_grid,
    draw_recalls,
    draw_reliability,
    draw_runs,
    write_figure,
)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def legend_of(axes_or_figure):
    legends = getattr(axes_or_figure, "legends", None) or [axes_or_figure.get_legend()]
    return [text.get_text() for text in legends[0].get_texts()]


def record(epoch, accuracy, rate=0.1, loss=1.5):
    trained = epoch > 0
    return {
        "epoch": epoch,
        "learning_rate": rate if trained else 0.0,
        "train_loss": loss if trained else None,
        "train_accuracy": accuracy + 0.1 if trained else None,
        "log_loss": loss + 0.1,
        "accuracy": accuracy,
    }


RECORDS = [record(0, 0.14), record(1, 0.30), record(2, 0.45, 0.01), record(3, 0.40, 1e-9)]


def test_class_bars_of_every_split_with_counts_and_mean():
    counts = {"Training": {"angry": 3995, "disgust": 436}, "Test": {"angry": 9, "disgust": 2}}
    figure = draw_class_counts(counts, "fer.csv")
    assert figure.get_suptitle() == "fer.csv: 4,442 faces"
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("Training: 4,431 faces", "Test: 11 faces")
    assert left.get_ylabel() == "faces (count)"
    assert [bar.get_height() for bar in left.patches] == [3995, 436]
    assert texts(left) == ["3,995", "436"]
    assert tick_labels(left.xaxis) == ["angry", "disgust"]
    assert legend_of(left) == ["mean 2,216"]  # 2215.5, to the even
    (mean,) = [line for line in left.lines if line.get_linestyle() == "--"]
    assert set(mean.get_ydata()) == {2215.5}
    orange = tuple(value / 255 for value in COLOURS["angry"])
    assert left.patches[0].get_facecolor()[:3] == pytest.approx(orange)
    with pytest.raises(ValueError, match="no classes"):
        draw_class_counts({"Training": {}}, "fer.csv")


def test_many_classes_get_slanted_names():
    counts = {"all": {f"a class of number {i}": i for i in range(20)}}
    (axes,) = draw_class_counts(counts, "mine").axes
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {40}


def test_a_face_grid_shows_every_face_once_in_its_place():
    images, _ = drawn_set(5)
    captions = [f"face {i}" for i in range(5)]
    figure = draw_face_grid([*images], 3, "five faces", captions, ["first", "second"])
    (axes,) = figure.axes
    assert figure.get_suptitle() == "five faces"
    assert [np.array_equal(s.get_array(), i) for s, i in zip(axes.images, images, strict=True)]
    boxes = [tuple(shown.get_extent()) for shown in axes.images]
    assert boxes[0][:2] == boxes[3][:2]  # one below the other
    assert boxes[0][3] == boxes[1][3] < boxes[3][3]
    assert texts(axes) == [*captions, "first", "second"]


def test_a_face_grid_leaves_places_free_and_refuses_what_does_not_fit():
    images, _ = drawn_set(2)
    (axes,) = draw_face_grid([images[0], None, images[1]], 3, "two").axes
    assert len(axes.images) == 2
    assert axes.images[1].get_extent()[0] > 2
    for arguments in (([], 3, ""), ([*images], 0, ""), ([*images], 2, "", ["one caption"])):
        with pytest.raises(ValueError, match="do not fit"):
            draw_face_grid(*arguments)


def test_curves_of_one_run():
    figure = draw_runs({"first": RECORDS})
    assert figure.get_suptitle() == "first: 3 epochs"
    loss, accuracy, rate = figure.axes
    assert loss.get_title().startswith("Loss")
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "loss (nats)",
        "accuracy (%)",
        "learning rate (log scale)",
    ]
    assert rate.get_xlabel() == "epoch"
    of_training, of_validation = loss.lines
    assert list(of_training.get_xdata()) == [1, 2, 3]  # nothing is trained at epoch 0
    assert list(of_validation.get_ydata()) == pytest.approx([1.6] * 4)
    assert (of_training.get_linestyle(), of_validation.get_linestyle()) == (":", "-")
    star = accuracy.lines[-1]
    assert star.get_marker() == "*"
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([2], [0.45])
    assert rate.get_yscale() == "log"
    assert 1e-3 < rate.get_ylim()[0] < 0.01 < 0.1 < rate.get_ylim()[1]
    assert legend_of(figure) == [
        "training",
        "validation",
        "most accurate epoch",
        "first: at best 45.00%, epoch 2",
    ]


def test_compared_runs_differ_in_colour_and_marker():
    figure = draw_runs({"a": RECORDS, "b": RECORDS[:2]})
    assert figure.get_suptitle() == "2 runs compared"
    lines = [line for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    assert len({(line.get_color()) for line in lines}) == 2
    assert len({(line.get_marker()) for line in lines}) == 2
    assert legend_of(figure)[-1] == "b: at best 30.00%, epoch 1"
    with pytest.raises(ValueError, match="no epochs"):
        draw_runs({"a": RECORDS, "c": []})


def test_confusion_has_counts_and_percent_of_the_true_class():
    figure = draw_confusion([[6, 2], [1, 1]], ("cat", "dog"), "Confusion of m")
    axes, bar = figure.axes
    assert axes.get_title() == "Confusion of m: 10 faces"
    assert texts(axes) == ["6\n75 %", "2\n25 %", "1\n50 %", "1\n50 %"]
    assert tick_labels(axes.yaxis) == ["cat (8)", "dog (2)"]
    assert tick_labels(axes.xaxis) == ["cat", "dog"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true (faces)")
    assert bar.get_ylabel() == "share of the true class (%)"
    with pytest.raises(ValueError, match="label names"):
        draw_confusion([[6, 2], [1, 1]], EXPRESSIONS, "")


def test_a_class_without_faces_has_an_empty_row():
    figure = draw_confusion([[0, 0], [1, 1]], ("cat", "dog"), "Confusion")
    assert texts(figure.axes[0])[:2] == ["0\n0 %", "0\n0 %"]


def test_precision_and_recall_of_each_class():
    figure = draw_class_scores([0.5, 1.0], [0.25, 0.125], [1200, 8], ("cat", "dog"), "Scores")
    (axes,) = figure.axes
    assert axes.get_title() == "Scores: 1,208 faces"
    assert tick_labels(axes.xaxis) == ["cat\n1,200", "dog\n8"]
    assert axes.get_ylabel() == "precision, recall (%)"
    assert legend_of(axes) == ["precision", "recall"]
    assert [bar.get_height() for bar in axes.patches] == [50, 100, 25, 12.5]
    assert [bar.get_hatch() for bar in axes.patches] == ["", "", "///", "///"]
    with pytest.raises(ValueError, match="one length"):
        draw_class_scores([0.5], [0.25, 0.125], [1, 8], ("cat", "dog"), "")


def test_reliability_against_the_diagonal():
    intervals = [(0.3, 0.5), (0.7, 1.0)]
    figure = draw_reliability([0.5, 0.9], [0.4, 1], intervals, [11, 10], "error 0.1", "Reliability")
    (axes,) = figure.axes
    assert axes.get_title() == "Reliability: 21 faces\nerror 0.1"
    assert axes.get_xlabel() == "confidence in the decision (%)"
    assert axes.get_ylabel() == "decisions that were right (%)"
    assert legend_of(axes) == [
        "as right as confident",
        "2 bins of 10 or 11 faces, 95 % intervals",
    ]
    points = axes.containers[0].lines[0]
    assert list(zip(*points.get_data(), strict=True)) == [(50, 40), (90, 100)]
    (bars,) = axes.containers[0].lines[2]
    ends = np.array(bars.get_segments())
    assert ends[:, :, 1].tolist() == [pytest.approx([30, 50]), pytest.approx([70, 100])]
    raw = draw_reliability(
        [0.5], [0.4], [(0.3, 0.5)], [9], "", "Votes", ([0.9], [0.4]), "share of the votes"
    ).axes[0]
    assert raw.get_ylabel() == "share of the votes (%)"
    second = next(line for line in raw.lines if line.get_label() == "without its temperature")
    assert second.get_xydata().tolist() == [[90, 40]]


@pytest.mark.parametrize("name", ["$price$", "$5", "100 %_{x}", r"\alpha^", "a_b"])
def test_names_are_set_as_they_are(name, tmp_path):
    figure = draw_class_counts({name: {name: 1}}, name)
    assert write_figure(figure, tmp_path / "a.png").stat().st_size > 0
    (axes,) = figure.axes
    assert tick_labels(axes.xaxis)[0].replace(r"\$", "$") == name


def test_both_formats_are_written_and_never_change(tmp_path):
    images, _ = drawn_set(2)
    figures = {
        "grid": lambda: draw_face_grid([*images], 2, "two"),
        "runs": lambda: draw_runs({"a": RECORDS}),
        "scores": lambda: draw_class_scores([0.5], [0.2], [3], ("a",), "s"),
    }
    for name, draw in figures.items():
        for suffix in (".png", ".SVG"):
            first, second = tmp_path / "new" / f"{name}1{suffix}", tmp_path / f"{name}2{suffix}"
            assert write_figure(draw(), first) == first
            write_figure(draw(), second)
            assert first.read_bytes() == second.read_bytes(), (name, suffix)
        with Image.open(tmp_path / f"{name}2.png") as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 100
        text = (tmp_path / f"{name}2.SVG").read_text()
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert not re.search(r"\d{4}-\d{2}-\d{2}T", text)


def test_other_endings_and_places_are_refused(tmp_path):
    figure = draw_class_counts({"all": {"a": 1}}, "one")
    for name in ("a.jpg", "a", "a.pdf"):
        with pytest.raises(UsageError, match=r"\.png or \.svg"):
            write_figure(figure, tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="cannot be written"):
        write_figure(figure, tmp_path / "file" / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_accuracies_and_differences_stand_beside_one_another():
    figure = draw_accuracies(
        ["a", "b", "$c"],
        [0.6, 0.7, 0.5],
        [(0.55, 0.65), (0.66, 0.74), (0.5, 0.5)],
        [0.1, -0.1],
        [(0.05, 0.15), (-0.2, 0.0)],
        "set.csv",
    )
    assert figure.get_suptitle() == "set.csv"
    left, right = figure.axes
    assert tick_labels(left.yaxis) == ["a", "b", r"\$c"]
    assert left.lines[0].get_xdata() == pytest.approx([60, 70, 50])
    assert right.lines[0].get_xdata() == pytest.approx([10, -10])
    assert right.lines[0].get_ydata() == pytest.approx([1, 2])  # beside their models
    assert right.get_xlabel().startswith("difference to a (points)")
    with pytest.raises(ValueError, match="two models or more"):
        draw_accuracies(["a"], [0.6], [(0.5, 0.7)], [], [], "set.csv")


def test_recalls_of_models_are_told_apart_and_classes_without_faces_left_free():
    recalls = [[0.5, 0.0, 1.0], [0.25, 0.0, 0.75]]
    figure = draw_recalls(["a", "b"], recalls, [10, 0, 4], ["sad", "fear", "happy"], "set.csv")
    (axes,) = figure.axes
    first, second = axes.lines[:2]
    assert first.get_ydata() == pytest.approx([50, 100])
    assert second.get_ydata() == pytest.approx([25, 75])
    assert np.rint(first.get_xdata()).tolist() == [0, 2]
    assert (first.get_marker(), first.get_color()) != (second.get_marker(), second.get_color())
    assert legend_of(figure) == ["a", "b"]
    with pytest.raises(ValueError, match="of each class from each model"):
        draw_recalls(["a"], [[0.5]], [10, 0], ["sad", "fear"], "set.csv")
