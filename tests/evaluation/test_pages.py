"""The folder that `mien evaluate --output` writes."""

import base64
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawn_faces import drawn_set
from mien.data import FaceSet
from mien.errors import BadInputError
from mien.evaluation import collect, compare
from mien.evaluation.comparison_pages import write_comparison
from mien.evaluation.pages import (
    LARGEST_FACE,
    MOST_MISTAKES,
    Mistake,
    html_page,
    report_folders,
    surest_mistakes,
    write_report,
)
from mien.labels import EXPRESSIONS
from tiny_model import write_tiny_model

NAMES = ("<b>", 'a "quoted" & $name$', *EXPRESSIONS[2:])


@pytest.fixture(scope="module")
def faces():
    images, labels = drawn_set(80, seed=4)
    rows = np.arange(100, 180, dtype=np.int64)
    return FaceSet(images, labels, NAMES, rows, ("set.csv",))


@pytest.fixture(scope="module")
def evaluation(faces, tmp_path_factory):
    return collect(write_tiny_model(tmp_path_factory.mktemp("m"), labels=NAMES), faces)


@pytest.fixture(scope="module")
def folder(faces, evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "new"
    page = write_report(folder, evaluation, faces, "<set> & co", ["<i>optimistic</i>"])
    assert page == folder / "report.html"
    return folder


def parse(text):
    """The page is well-formed: every tag is closed, every sign escaped."""
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>"))


def decoded(uri):
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return base64.b64decode(data)


def test_the_folder_holds_figures_report_and_page(folder, evaluation):
    assert sorted(path.name for path in folder.iterdir()) == [
        "confusion.png",
        "coverage.png",
        "per_class.png",
        "reliability.png",
        "report.html",
        "report.json",
    ]
    written = json.loads((folder / "report.json").read_text())
    assert written == evaluation.report.to_json_dict()


def test_the_page_holds_its_figures_and_fetches_nothing(folder):
    page = parse((folder / "report.html").read_text())
    pictures = [image.get("src") for image in page.iter("img")]
    names = ("confusion.png", "reliability.png", "per_class.png", "coverage.png")
    assert [decoded(uri) for uri in pictures[:4]] == [(folder / n).read_bytes() for n in names]
    assert all(uri.startswith("data:image/png;base64,") for uri in pictures)
    assert {element.tag for element in page.iter()} & {"script", "link", "iframe", "a"} == set()
    assert "http://" not in (folder / "report.html").read_text()
    (policy,) = [m.get("content") for m in page.iter("meta") if m.get("http-equiv")]
    assert policy.startswith("default-src 'none'")


def test_names_are_escaped_not_obeyed(folder, evaluation):
    page = parse((folder / "report.html").read_text())
    heads = ["".join(head.itertext()) for head in page.iter("th")]
    calibration = evaluation.report.calibration
    assert calibration is not None
    for name in NAMES:  # a row of each table, a column of the last
        assert heads.count(name) == 3 + (name in calibration.per_class)
    assert page.find("head/title").text == f"{evaluation.model} on <set> & co"
    assert any("".join(p.itertext()) == "Mind: <i>optimistic</i>." for p in page.iter("p"))
    assert not list(page.iter("i"))


def test_the_tables_hold_the_figures(folder, evaluation):
    page = parse((folder / "report.html").read_text())
    answers, calibration, by_class, classes, confusion = page.iter("table")
    first = ["".join(cell.itertext()) for cell in list(answers.iter("tr"))[1]]
    assert first[:3] == ["0", "100.0%", f"{evaluation.report.accuracy:.1%}"]
    rows = [[cell.text for cell in row.iter("td")] for row in confusion.iter("tr")][1:]
    assert [[int(text) for text in row] for row in rows] == [
        list(row) for row in evaluation.report.confusion
    ]
    its = evaluation.report.calibration
    assert its is not None
    ends = "{:.4f} to {:.4f}".format(*its.cross_fitted.rms_debiased_ci95)
    last = ["".join(cell.itertext()) for cell in list(calibration.iter("tr"))[-1]]
    assert last[:2] + last[-2:] == [
        *("cross-fitted", "80", f"{its.cross_fitted.rms_debiased:.4f}", ends),
    ]
    assert [row[0].text for row in by_class.iter("tr")] == ["read as", *its.per_class]
    last = ["".join(cell.itertext()) for cell in list(classes.iter("tr"))[-1]]
    assert last[1:] == [
        f"{evaluation.report.macro_precision:.3f}",
        f"{evaluation.report.macro_recall:.3f}",
        f"{evaluation.report.macro_f1:.3f}",
        "80",
    ]


def test_the_surest_mistakes_lead_with_their_face_and_row(folder, evaluation, faces):
    mistakes = surest_mistakes(evaluation, faces)
    num_wrong = int((~evaluation.correct).sum())
    assert len(mistakes) == min(MOST_MISTAKES, num_wrong)
    leads = [mistake.confidence - mistake.label_probability for mistake in mistakes]
    assert leads == sorted(leads, reverse=True)
    first = mistakes[0]
    row = int(first.source.removeprefix("row "))
    assert np.array_equal(faces.images[row - 100], first.image)
    assert first.label == NAMES[faces.labels[row - 100]] != first.prediction
    item = list(parse((folder / "report.html").read_text()).iter("li"))[5]
    words = "".join(item.itertext())
    assert f"labelled {first.label} ({first.label_probability:.0%})" in words
    assert f"read as {first.prediction} ({first.confidence:.0%})" in words
    assert first.source in words
    with Image.open(io.BytesIO(decoded(item.find("img").get("src")))) as picture:
        assert np.array_equal(np.asarray(picture), first.image)


def test_large_faces_are_shrunk(evaluation):
    face = np.zeros((300, 300, 3), np.uint8)
    mistake = Mistake(face, "a", "b", 0.9, 0.1, "a/1.png")
    page = parse(html_page("m", "d", evaluation.report, {}, [mistake]))
    (image,) = page.iter("img")
    with Image.open(io.BytesIO(decoded(image.get("src")))) as picture:
        assert (picture.mode, picture.size) == ("RGB", (LARGEST_FACE, LARGEST_FACE))


def test_faces_of_a_folder_are_named_by_their_file(evaluation, faces):
    files = tuple(f"set/{number}.png" for number in range(80))
    named = FaceSet(faces.images, faces.labels, NAMES, faces.rows, files)
    first = surest_mistakes(evaluation, named)[0]
    assert np.array_equal(faces.images[files.index(first.source)], first.image)


def test_a_folder_for_each_model():
    folders = report_folders("out", ["runs/a/", "other/a", "default", "more/a"])
    assert folders == [Path("out") / name for name in ("a", "a-2", "default", "a-3")]


def test_a_file_in_the_way_is_told(tmp_path, evaluation, faces):
    (tmp_path / "out").write_text("")
    with pytest.raises(BadInputError, match="cannot be written"):
        write_report(tmp_path / "out", evaluation, faces, "set")


def test_votes_stand_first_on_the_page(tmp_path):
    """Eight of ten annotators call all faces neutral; the surest and the own labels come after."""
    images, labels = drawn_set(40, seed=4)
    votes = np.tile([0, 0, 0, 0, 2, 0, 8, 0, 0, 0], (40, 1))
    rows = np.arange(40, dtype=np.int64)
    voted = FaceSet(images, labels, EXPRESSIONS, rows, ("set.csv",), votes=votes)
    evaluation = collect(write_tiny_model(tmp_path / "m"), voted)
    page = write_report(tmp_path / "out", evaluation, voted, "set").read_text()
    root = parse(page)
    heads = [head.text for head in root.iter("h2")]
    assert heads[:2] == ["Against the annotators' votes", "Against the faces' own labels"]
    together = evaluation.report.votes.false_alarms["together"]
    cells = [[cell.text for cell in row] for row in root.iter("tr")]
    low, high = together.ci95
    expected = [f"{together.count}", f"{together.share:.2%}", f"{low:.2%} to {high:.2%}"]
    assert ["neutral read together", *expected] in cells
    assert json.loads((tmp_path / "out/report.json").read_text())["votes"]["num_faces"] == 40


def test_the_page_of_several_models_holds_their_figures_and_differences(tmp_path):
    """With votes: those first, and the differences against both truths."""
    images, labels = drawn_set(40, seed=4)
    votes = np.tile([0, 0, 0, 0, 2, 0, 8, 0, 0, 0], (40, 1))
    rows = np.arange(40, dtype=np.int64)
    faces = FaceSet(images, labels, EXPRESSIONS, rows, ("set.csv",), votes=votes)
    evaluations = [
        collect(write_tiny_model(tmp_path / name, seed=seed), faces)
        for seed, name in enumerate(("first", "second"))
    ]
    comparison = compare(evaluations)
    page = write_comparison(
        tmp_path / "out", ["<a>", "b"], evaluations, comparison, "set", [["<i>"], []]
    )
    assert sorted(path.name for path in page.parent.iterdir()) == [
        *("accuracies.png", "comparison.html", "comparison.json", "recalls.png"),
    ]
    root = parse(page.read_text())
    heads = [head.text for head in root.iter("h2")]
    assert heads[:2] == ["Against the annotators' votes", "Against the faces' own labels"]
    assert heads[2] == "Differences to <a>, against the annotators' majority"
    pictures = [decoded(image.get("src")) for image in root.iter("img")]
    names = ("accuracies.png", "recalls.png")
    assert pictures == [(page.parent / name).read_bytes() for name in names]
    assert any("".join(p.itertext()) == "Mind, <a>: <i>." for p in root.iter("p"))
    assert [link.get("href") for link in root.iter("a")] == ["%3Ca%3E/report.html", "b/report.html"]
    document = json.loads((page.parent / "comparison.json").read_text())
    assert [each["model"] for each in document["models"]] == [each.model for each in evaluations]
    agree = [(each.logits.argmax(axis=1) == 6).mean() for each in evaluations]
    (by_votes,) = document["differences_by_votes"]
    assert by_votes["accuracy_difference"] == pytest.approx(agree[1] - agree[0])
    cells = [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]
    assert any(row[:2] == ["b", f"{agree[1] - agree[0]:+.4f}"] for row in cells)
