"""The figures without faces that have a twin in another set."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.cli import app
from mien.errors import UsageError
from mien.evaluation import add_without_twins, collect, read_for_model
from mien.evaluation.report import read_report
from mien.model_folder import read_config
from tiny_model import write_tiny_model


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "model")


@pytest.fixture
def data(tmp_path):
    """Thirty noisy test faces; the first four stand in Training too, two of them changed."""
    images, labels = drawn_set(50, seed=8)
    images = np.random.default_rng(1).integers(0, 256, images.shape).astype(np.uint8)
    images[20], images[21] = images[0], images[1]
    images[22], images[23] = images[2][:, ::-1], images[3] // 2
    usages = ["Training"] * 20 + ["PublicTest"] * 30
    return write_fer_csv(tmp_path / "faces.csv", images, labels, usages)


def test_both_figures_are_told(model, data, tmp_path):
    words = ["evaluate", model, "--data", data, "--split", "PublicTest"]
    words += ["--without-twins", f"{data}:Training"]
    result = CliRunner().invoke(app, [*map(str, words), "--json", "--output", str(tmp_path / "r")])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    rest = document["without_twins"]
    assert (document["num_faces"], rest["num_left_out"]) == (30, 4)
    assert rest["report"]["num_faces"] == 26
    evaluation = collect(model, read_for_model(read_config(model), data, "PublicTest").faces)
    assert rest["report"]["accuracy"] == pytest.approx(evaluation.correct[4:].mean())
    assert document["accuracy"] == pytest.approx(evaluation.correct.mean())
    assert read_report(document).to_json_dict() == document
    assert "<h2>Without twins</h2>" in (tmp_path / "r" / "report.html").read_text()
    said = CliRunner().invoke(app, [str(word) for word in words]).stdout
    lines = said.splitlines()
    (place,) = (i for i, line in enumerate(lines) if line.startswith("accuracy without twins"))
    assert lines[place + 1].split(maxsplit=2) == [
        "faces",
        "26",
        f"4 have a twin in {data}:Training",
    ]


def test_a_set_that_has_all_of_the_faces_is_refused(model, data):
    config = read_config(model)
    faces = read_for_model(config, data, "PublicTest").faces
    with pytest.raises(UsageError, match=r"all of the 30 faces have a twin in .*faces.csv: name"):
        add_without_twins(collect(model, faces), faces, str(data))
    with pytest.raises(UsageError, match=r"no split 'Test2'"):
        add_without_twins(collect(model, faces), faces, f"{data}:Test2")
