"""`mien evaluate --corruptions`, `--end-to-end` and `--groups`."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.cli import app
from mien.data import read
from mien.evaluation import collect, measure_corruptions, read_groups, score_groups
from mien.evaluation.measured_card import measured_card
from mien.inference import measure_end_to_end
from mien.model_folder import TrainingRecord
from tiny_model import write_tiny_model

ALL = ("--corruptions", "--end-to-end")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model, faces of which 64 are in PublicTest, and a table of groups."""
    folder = tmp_path_factory.mktemp("place")
    images, labels = drawn_set(72, seed=5)
    usages = ["PublicTest"] * 64 + ["Training"] * 8
    write_fer_csv(folder / "faces.csv", images, labels, usages)
    write_tiny_model(folder / "model")
    rows = [f"{row},{'day' if row < 32 else 'night'}" for row in range(72)]
    (folder / "groups.csv").write_text("\n".join(["row,light", *rows]))
    return folder


def run(place, *arguments):
    options = ["--data", place / "faces.csv", "--split", "PublicTest"]
    words = ["evaluate", place / "model", *options, *arguments]
    return CliRunner().invoke(app, [*map(str, words)])


def test_json_files_and_page_hold_what_python_measures(place, tmp_path):
    groups, out = place / "groups.csv", tmp_path / "out"
    result = run(place, *ALL, "--groups", groups, "--json", "--output", out)
    assert result.exit_code == 0, result.output
    whole = read(place / "faces.csv")
    faces = whole.take_split("PublicTest")
    evaluation = collect(str(place / "model"), faces)
    columns = score_groups(evaluation, faces, read_groups(groups, faces, whole))
    expected = {
        "corruptions": measure_corruptions(evaluation, faces).to_json_dict(),
        "end_to_end": measure_end_to_end(evaluation, faces).to_json_dict(),
        "by_group": [column.to_json_dict() for column in columns],
    }
    assert json.loads(result.stdout) == {**evaluation.report.to_json_dict(), **expected}
    for name, value in expected.items():
        assert json.loads((out / f"{name}.json").read_text()) == value
    assert (out / "corruptions.png").is_file()
    assert 'alt="corruptions.png"' in (out / "report.html").read_text()
    assert not (out / "card.md").exists()  # it says nothing of its training
    record = TrainingRecord(selection=evaluation.report.to_json_dict())
    config = evaluation.config.model_copy(update={"training": record})
    card = measured_card(replace(evaluation, config=config), "faces.csv", expected)
    accuracy, (low, high) = evaluation.report.accuracy, evaluation.report.accuracy_ci95
    assert f"| right by own labels | 64 | {accuracy:.2%} | {low:.2%} to {high:.2%} |" in card
    assert [card.count(f"\n| {name} | 32 |") for name in ("day", "night")] == [1, 1]
    blur = [f"{each.accuracy:.1%}" for each in measure_corruptions(evaluation, faces).scores[:5]]
    assert f"| blur | {' | '.join(blur)} |" in card
    assert "not measured" not in card


def test_of_several_models_each_has_its_own(place, tmp_path):
    other = write_tiny_model(tmp_path / "other", seed=1)
    result = run(place, other, "--groups", place / "groups.csv", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    first, second = (each["by_group"] for each in document["models"])
    assert [group["num_faces"] for group in second[0]["groups"]] == [32, 32]
    assert first != second


def test_tables_fit_a_terminal_and_name_the_largest_gap(place):
    result = run(place, *ALL, "--groups", place / "groups.csv")
    assert result.exit_code == 0, result.output
    further = result.stdout[result.stdout.index("accuracy on corrupted faces") :]
    lines = [" ".join(line.split()) for line in further.splitlines()]
    assert "strength 1 2 3 4 5 relative" in lines
    assert any(line.startswith("mean relative accuracy ") for line in lines)
    assert any(line.startswith("found and right, of all") for line in lines)
    assert any(line.startswith("difference to the files") for line in lines)
    assert "groups by light" in lines
    assert sum(line.startswith(("day 32 ", "night 32 ")) for line in lines) == 2
    assert any(line.startswith("largest gap, of groups of 30 faces or more: 0.") for line in lines)
    assert any(line.startswith("permutation p ") for line in lines)
    tables = [line for line in further.splitlines() if str(place) not in line]
    assert max(map(len, tables)) <= 80


def test_a_wrong_table_is_told_before_any_face_is_looked_at(place, tmp_path):
    (tmp_path / "bad.csv").write_text("row,light\n0,day\n99,night\n")
    result = run(place, "--groups", tmp_path / "bad.csv")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "bad.csv:3: row '99' is not in the labelled set, which has 72" in result.stderr
