import json

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.classifier import Classifier
from mien.cli import app
from mien.data import read
from mien.evaluation import evaluate
from mien.model_folder import METADATA_KEY
from tiny_model import write_tiny_model


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path):
    images, labels = drawn_set(40, seed=5)
    splits = ["Training"] * 20 + ["PublicTest"] * 12 + ["PrivateTest"] * 8
    return write_fer_csv(tmp_path / "faces.csv", images, labels, splits)


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "model")


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def record_training(model, data):
    """Writes into the model that it was trained and selected on this set's splits."""
    faces = read(data)
    record = {
        "data_hash": faces.content_hash(),
        "train_hash": faces.take_split("Training").content_hash(),
        "selection_hash": faces.take_split("PublicTest").content_hash(),
    }
    change_training(model, record)


def change_training(model, record):
    network = onnx.load(model / "model.onnx")
    config = json.loads(network.metadata_props[0].value)
    config["training"] = record
    onnx.helper.set_model_props(network, {METADATA_KEY: json.dumps(config)})
    onnx.save(network, model / "model.onnx")


def test_json_of_one_model_is_its_report(model, data):
    result = run(model, "--data", data, "--split", "PublicTest", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    report = evaluate(model, read(data).take_split("PublicTest"))
    assert json.loads(result.stdout) == report.to_json_dict()
    assert report.num_faces == 12


def test_json_of_several_models_names_them_and_their_differences(tmp_path, model, data):
    other = write_tiny_model(tmp_path / "other", input_size=48, seed=1)
    options = ["--data", data, "--split", "PrivateTest", "--tta", "--json"]
    document = json.loads(run(model, other, *options).stdout)
    assert list(document) == ["models", "differences", "groups"]
    reports = document["models"]
    assert [report.pop("model") for report in reports] == [str(model), str(other)]
    assert [report["num_views"] for report in reports] == [6, 2]
    assert reports[1] == json.loads(run(other, *options).stdout)
    (difference,) = document["differences"]
    assert (difference["reference"], difference["model"]) == (str(model), str(other))
    expected = reports[1]["accuracy"] - reports[0]["accuracy"]
    assert difference["accuracy_difference"] == pytest.approx(expected)
    low, high = difference["accuracy_difference_ci95"]
    assert low <= expected <= high
    assert document["groups"] == []


def test_the_tables_of_several_models_end_in_differences_and_seeds(tmp_path, model, data):
    models = [model, write_tiny_model(tmp_path / "second", seed=1)]
    for seed, folder in enumerate(models):
        change_training(folder, {"recipe": {"train": {"seed": seed}}})
    result = run(*models, "--data", data, "--split", "PublicTest")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert f"differences to {model}, on the same faces" in lines
    first, second = (evaluate(each, read(data).take_split("PublicTest")) for each in models)
    row = next(line for line in lines if line.startswith(f"{models[1]} ")).split()
    assert row[1] in (f"{second.accuracy - first.accuracy:+.4f}", "on")
    assert f"seeds 0, 1 of one recipe (n = 2): {models[0]}, {models[1]}" in lines
    mean, half = (first.accuracy + second.accuracy) / 2, abs(first.accuracy - second.accuracy)
    assert f"accuracy {mean:.4f} ± {half / 2**0.5:.4f}" in lines


def test_every_model_looks_at_the_faces_once(tmp_path, model, data, monkeypatch):
    looks = []
    original = Classifier.logits

    def count(self, faces, *rest):
        looks.append((self.folder.name, len(faces)))
        return original(self, faces, *rest)

    monkeypatch.setattr(Classifier, "logits", count)
    other = write_tiny_model(tmp_path / "other", seed=1)
    options = ["--data", data, "--split", "PublicTest", "--output", tmp_path / "out"]
    assert run(model, other, *options).exit_code == 0
    assert looks == [("model", 12), ("other", 12)]
    names = [
        "confusion.png",
        "coverage.png",
        "per_class.png",
        "reliability.png",
        "report.html",
        "report.json",
    ]
    for folder in ("model", "other"):
        assert sorted(path.name for path in (tmp_path / "out" / folder).iterdir()) == names


def test_the_page_says_what_the_warning_says(tmp_path, model, data):
    record_training(model, data)
    options = ["--data", data, "--split", "PublicTest", "--output", tmp_path / "out", "--json"]
    result = run(model, *options)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads((tmp_path / "out/report.json").read_text())
    page = (tmp_path / "out" / "report.html").read_text()
    assert "the model was selected on" in page
    assert "on faces.csv, split PublicTest" in page
    assert f"written: {tmp_path / 'out' / 'report.html'}" in result.stderr


def test_the_table_shows_the_figures_whole(model, data):
    result = run(model, "--data", data, "--split", "PublicTest")
    assert result.exit_code == 0
    report = evaluate(model, read(data).take_split("PublicTest"))
    low, high = report.accuracy_ci95
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    how = "float32 on cpu, network"
    assert lines[0].startswith(f"{model} on {data}, split PublicTest ({how} ")
    assert f"accuracy {report.accuracy:.4f} 95 % interval {low:.4f} to {high:.4f}" in lines
    fear = report.per_class["fear"]
    row = f"fear {fear.precision:.3f} {fear.recall:.3f} {fear.f1:.3f} {fear.support}"
    assert row in lines
    assert f"fear {' '.join(map(str, report.confusion[2]))}" in lines


@pytest.mark.parametrize(
    ("split", "warning"),
    [
        ("PublicTest", "the model was selected on"),
        ("Training", "the model was trained on"),
        ("PrivateTest", ""),
    ],
)
def test_a_flattering_split_is_told_on_stderr_and_changes_nothing_else(model, data, split, warning):
    options = [model, "--data", data, "--split", split, "--json"]
    before = run(*options)
    record_training(model, data)
    after = run(*options)
    assert (after.stdout, after.exit_code) == (before.stdout, 0)
    assert warning in after.stderr
    assert bool(after.stderr) == bool(warning)
    assert before.stderr == ""


def test_without_a_split_all_faces_count_and_the_pooling_is_told(model, data):
    record_training(model, data)
    result = run(model, "--data", data, "--json")
    assert json.loads(result.stdout)["num_faces"] == 40
    assert "no --split: pooling Training, PublicTest, PrivateTest" in result.stderr
    assert "among these faces are those the model was trained on" in result.stderr


def test_bad_rows_stop_the_run_or_are_skipped_and_told(model, data):
    lines = data.read_text().splitlines()
    lines[25] = lines[25].replace(" ", " 999 ", 1)
    data.write_text("\n".join(lines))
    options = [model, "--data", data, "--split", "PublicTest", "--json"]
    assert run(*options).exit_code == 3
    result = run(*options, "--skip-bad")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["num_faces"] == 11
    assert "faces.csv" in result.stderr


def test_many_bad_rows_are_told_within_bounds(model, data):
    data.write_text(data.read_text() + "9,7 7,PublicTest\n" * 30)
    result = run(model, "--data", data, "--split", "PublicTest", "--json", "--skip-bad")
    assert result.exit_code == 0, result.output
    assert "skipped 30 bad rows" in result.stderr
    assert result.stderr.count("\n") == 6


@pytest.mark.parametrize(
    ("change", "exit_code", "message"),
    [
        (["--split", "Trainin"], 2, "Trainin"),
        (["--bogus"], 2, "--bogus"),
        (["--data", "nowhere.csv"], 4, "nowhere.csv"),
    ],
)
def test_what_cannot_be_done_says_so_and_sets_the_exit_code(
    model, data, change, exit_code, message
):
    result = run(model, "--data", data, *change)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr


def test_a_missing_model_exits_4_and_unlabelled_faces_exit_3(tmp_path, model, data):
    result = run(tmp_path / "no-model", "--data", data)
    assert result.exit_code == 4
    assert "no-model" in result.stderr
    images, _ = drawn_set(3)
    unlabelled = write_fer_csv(tmp_path / "test.csv", images, None, None)
    result = run(model, "--data", unlabelled)
    assert result.exit_code == 3
    assert "no labels" in result.stderr


def test_a_colour_model_is_judged_in_colour_and_without_its_dropped_class(tmp_path, monkeypatch):
    """Red and green of one grey: only a reader of colours tells them apart."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    colours = {"red": (150, 50, 60), "green": (40, 106, 60), "blue": (40, 40, 250)}
    for name, colour in colours.items():
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(rng.normal(colour, 4, (48, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(f"set/{name}/{number}.png")
    settings = [
        *("data.channels=3", "data.drop=['blue']", "train.epochs=8", "train.batch_size=8"),
        "optimizer.lr=1e-4",
    ]
    words = [part for setting in settings for part in ("--set", setting)]
    run = CliRunner().invoke(
        app, ["train", "--recipe", "logistic", "--data", "set", "--output", "run", *words]
    )
    assert run.exit_code == 0, run.output
    result = CliRunner().invoke(app, ["evaluate", "run", "--data", "set", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["num_faces"], report["accuracy"]) == (24, 1.0)
    assert "trained without blue" in result.stderr
