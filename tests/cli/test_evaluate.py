import json
import shutil

import numpy as np
import onnx
import pytest
from PIL import Image
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.classifier import Classifier, softmax
from mien.cli import app
from mien.data import read
from mien.evaluation import evaluate
from mien.labels import EXPRESSIONS
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


def record_training(model, data, recipe=None):
    """Writes into the model that it was trained and selected on this set's splits."""
    faces = read(data)
    record = {
        "data_hash": faces.content_hash(),
        "train_hash": faces.take_split("Training").content_hash(),
        "selection_hash": faces.take_split("PublicTest").content_hash(),
        "selection_faces": 12,
        "recipe": recipe or {},
    }
    change_training(model, record)


def change_training(model, record):
    network = onnx.load(model / "model.onnx")
    config = json.loads(network.metadata_props[0].value)
    config["training"] = record
    (model / "config.json").write_text(json.dumps(config))
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
    assert list(document) == [
        *("models", "classes", "left_out", "differences", "differences_by_votes", "groups"),
    ]
    assert (document["classes"], document["left_out"]) == (list(EXPRESSIONS), {})
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
    comparison = ["accuracies.png", "comparison.html", "comparison.json", "model", "other"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *comparison,
        "recalls.png",
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


def test_a_folder_that_cannot_be_written_is_told_before_any_face_is_looked_at(
    tmp_path, model, data
):
    (tmp_path / "taken").write_text("")
    result = run(model, "--data", data, "--output", tmp_path / "taken")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "taken: cannot be written: File exists" in result.stderr


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


def test_selection_means_the_faces_that_the_run_held_out_itself(tmp_path, data):
    """Of 40 faces, a fifth of all splits together; the model folder alone finds them as well."""
    words = ["--set", "data.train_split=all", "--set", "train.epochs=1", "--set", "train.seed=3"]
    folder = tmp_path / "run"
    trained = CliRunner().invoke(
        app, ["train", "--recipe", "logistic", "--data", data, "--output", folder, *words]
    )
    assert trained.exit_code == 0, trained.output
    info = json.loads((folder / "run.json").read_text())
    assert (info["train_faces"], info["selection_faces"]) == (32, 8)
    assert info["selection_split"] == "0.2 of all, seed 42"
    expected = json.loads((folder / "model/config.json").read_text())["training"]["selection"]
    shutil.copytree(folder / "model", tmp_path / "alone")
    for model in (folder, tmp_path / "alone"):
        result = run(model, "--data", data, "--split", "selection", "--json")
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["num_faces"] == 8
        assert report["log_loss"] == pytest.approx(expected["log_loss"])
        assert "the model was selected on" in result.stderr
    result = run(folder, "--data", data, "--split", "selection")
    assert f"{folder} on {data}, selection (0.2 of all, seed 42)" in result.stdout
    assert "among these faces" in run(folder, "--data", data, "--split", "PublicTest").stderr


def test_selection_wants_the_data_and_the_record_of_the_run(tmp_path, model, data):
    result = run(model, "--data", data, "--split", "selection")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "does not say on which faces it was selected" in result.stderr
    record_training(model, data, {"data": {"selection_split": "PublicTest"}})
    assert run(model, "--data", data, "--split", "selection").exit_code == 0
    images, labels = drawn_set(40, seed=6)
    other = write_fer_csv(tmp_path / "other.csv", images, labels, ["Training", "PublicTest"] * 20)
    result = run(model, "--data", other, "--split", "selection")
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"{other}: not the labelled set that the model was trained on" in result.stderr
    assert "expected 12 selection faces" in result.stderr
    record_training(model, data, {"data": {"selection_split": "validation_2"}})
    result = run(model, "--data", data, "--split", "selection")
    assert result.exit_code == 3
    assert "no split 'validation_2'" in result.stderr


def test_models_of_other_classes_are_compared_on_what_all_know(tmp_path, model, data):
    """By hand: logits of the three classes that both know, on the faces of these."""
    other = write_tiny_model(tmp_path / "other", ("bored", "sad", "happy", "fear"), seed=1)
    options = ["--data", data, "--split", "Training"]
    result = run(model, other, *options, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["classes"] == ["fear", "happy", "sad"]
    assert document["left_out"] == {
        str(model): ["angry", "disgust", "surprise", "neutral"],
        str(other): ["bored"],
    }
    faces = read(data).take_split("Training")
    kept = faces.take(np.isin(faces.labels, [2, 3, 4]))
    for folder, columns, report in zip(
        (model, other), ([2, 3, 4], [3, 2, 1]), document["models"], strict=True
    ):
        logits = Classifier(folder).logits(kept.images)[:, columns]
        assert report["num_faces"] == len(kept)
        assert report["accuracy"] == (logits.argmax(axis=1) == kept.labels - 2).mean()
        own = softmax(logits)[range(len(kept)), kept.labels - 2]
        assert report["log_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert f"{len(faces) - len(kept)} faces of 20 left out" in result.stderr
    assert f"{other}: compared on the classes that all models know: fear, happy" in result.stderr
    words = " ".join(run(model, other, *options).stdout.split())
    assert f"{other} knows bored too: its probabilities here are of fear, happy, sad alone" in words


def test_models_without_two_classes_in_common_are_refused_before_any_work(tmp_path, model, data):
    other = write_tiny_model(tmp_path / "other", labels=("happy", "bored"))
    result = run(model, other, "--data", data, "--split", "Training")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the models have happy in common; a comparison takes two classes" in result.stderr


def test_the_data_is_read_once_for_each_kind_of_faces(tmp_path, monkeypatch):
    calls = []

    def counting(*arguments, **options):
        calls.append((options["face_size"], options["channels"]))
        return read(*arguments, **options)

    monkeypatch.setattr("mien.evaluation.faces.read", counting)
    images, labels = drawn_set(14, seed=5)
    data = write_fer_csv(tmp_path / "faces.csv", images, labels, None)
    models = [
        write_tiny_model(tmp_path / "grey"),
        write_tiny_model(tmp_path / "again", seed=1),
        write_tiny_model(tmp_path / "colour", channels=3),
        write_tiny_model(tmp_path / "large", face_size=64, input_size=64),
    ]
    assert run(*models[:3], "--data", data).exit_code == 0
    assert calls == [(None, 1)]  # a CSV has its faces as they are
    calls.clear()
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = tmp_path / "set" / EXPRESSIONS[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    result = run(*models, "--data", tmp_path / "set", "--json")
    assert result.exit_code == 0, result.output
    assert calls == [(48, 1), (48, 3), (64, 1)]
    assert [each["num_faces"] for each in json.loads(result.stdout)["models"]] == [14] * 4
