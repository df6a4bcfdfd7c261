"""Training as a user sees it: what a run leaves, what it refuses, what it starts from."""

import json
import shutil
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file

from drawn_faces import drawn_set, write_fer_csv
from mien.classifier import Classifier, softmax
from mien.data import choose_faces, read
from mien.errors import BadInputError, MissingError, UsageError
from mien.evaluation import evaluate, fit_temperature
from mien.model_folder import read_config
from mien.recipes import load_recipe
from mien.run_folder import check_free, read_info, read_metrics
from mien.training import export, free_run_folder, resume, train
from mien.training.fine_tuning import initial_weights
from mien.training.loop import epochs
from mien.training.state import start


def small(*settings: str, recipe: str = "mien_s"):
    return load_recipe(
        recipe,
        [
            "train.batch_size=32",
            "train.sizes=[]",
            "data.input_size=24",
            "augment.erase_pixels=4",
            *settings,
        ],
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "faces.csv"
    images, labels = drawn_set(600, seed=2)
    write_fer_csv(path, images, labels, ["Training"] * 460 + ["PublicTest"] * 140)
    return path


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    return train(small("train.epochs=3"), data, tmp_path_factory.mktemp("runs") / "run")


def test_a_run_leaves_all_that_it_should(run, data):
    names = {path.name for path in run.iterdir()}
    assert names == {
        "recipe.toml", "run.json", "metrics.jsonl", "tensorboard", "checkpoint.pt", "model",
        ".lock",
    }  # fmt: skip
    assert list((run / "tensorboard").iterdir())
    records = read_metrics(run)
    assert [record["epoch"] for record in records] == [0, 1, 2, 3]
    assert records[0]["train_loss"] is None
    assert records[3]["train_loss"] < records[1]["train_loss"]
    info = read_info(run)
    assert info.data_hash == read(data).content_hash()
    assert (info.train_faces, info.selection_faces) == (460, 140)
    assert info.versions["torch"] == version("torch")
    assert load_recipe(run / "recipe.toml") == small("train.epochs=3")
    model = {path.name for path in (run / "model").iterdir()}
    files = {"config.json", "model.safetensors", "model.onnx", "README.md", "manifest.json"}
    assert model == files


def test_the_model_folder_gives_the_figures_of_the_last_epoch(run, data):
    report = evaluate(run, read(data).take_split("PublicTest"))
    last = read_metrics(run)[-1]
    assert report.accuracy == pytest.approx(last["accuracy"])
    config = read_config(run / "model")
    assert config.training.selection["accuracy"] == pytest.approx(report.accuracy)
    assert config.training.selection["log_loss"] == pytest.approx(report.log_loss, abs=1e-4)
    assert report.log_loss <= last["log_loss"] + 1e-6, "the temperature was fitted"


def test_the_card_gives_what_evaluate_gives_with_and_without_views(run, data, tmp_path):
    card = (run / "model" / "README.md").read_text()
    for tta, views in ((False, 1), (True, 6)):
        report = evaluate(run, read(data).take_split("PublicTest"), tta=tta)
        assert f"| {views} | **{report.accuracy:.2%}** |" in card
    embedded = onnx.load(run / "model" / "model.onnx").metadata_props
    assert [prop.value for prop in embedded] == [read_config(run / "model").to_json()]
    other = tmp_path / "other.csv"
    write_fer_csv(other, *drawn_set(20, seed=9), ["Training"] * 10 + ["PublicTest"] * 10)
    with pytest.warns(UserWarning, match=r"card lacks .*other\.csv: not what .* was trained on"):
        model = export(run, tmp_path / "model", data=other)
    without = (model / "README.md").read_text()
    assert "| 1 | **" in without
    assert "| 10 | **" not in without


def test_a_trained_net_learns_drawn_faces(run):
    assert read_metrics(run)[-1]["accuracy"] > 0.5


def test_accuracy_in_the_loop_is_that_of_the_logits(data):
    recipe = small("train.epochs=1")
    train_faces, selection, *_ = choose_faces(recipe.data, read(data))
    state = start(recipe, train_faces, selection)
    records = list(epochs(state))
    assert state.last is not None
    logits = state.last.logits.numpy()
    assert records[-1].accuracy == np.mean(logits.argmax(1) == selection.labels)
    expected = -np.log(softmax(logits.astype(float))[range(len(selection)), selection.labels])
    assert records[-1].log_loss == pytest.approx(expected.mean(), rel=1e-5)


def test_an_occupied_output_is_refused(run, data, tmp_path):
    with pytest.raises(UsageError, match=r"holds a run already.*--resume"):
        train(small(), data, run)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        train(small(), data, tmp_path)


def test_a_folder_whose_making_was_interrupted_can_be_used(tmp_path):
    for name in (".lock", "recipe.toml", ".mien-0a.part"):
        (tmp_path / name).touch()
        check_free(tmp_path)
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(UsageError, match="not an empty folder"):
        check_free(tmp_path)


def test_resume_refuses_what_is_no_run_or_other_data(run, data, tmp_path):
    with pytest.raises(MissingError, match="recipe"):
        resume(tmp_path)
    assert resume(run) == run, "a finished run stays as it is"
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    for name in ("recipe.toml", "run.json", "metrics.jsonl", "checkpoint.pt"):
        (stopped / name).write_bytes((run / name).read_bytes())
    images, labels = drawn_set(600, seed=3)
    other = tmp_path / "other.csv"
    write_fer_csv(other, images, labels, ["Training"] * 460 + ["PublicTest"] * 140)
    with pytest.raises(BadInputError, match="other data"):
        resume(stopped, other)
    whole = (run / "checkpoint.pt").read_bytes()
    for place in np.random.default_rng(0).integers(0, len(whole), 40).tolist():
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        (stopped / "checkpoint.pt").write_bytes(flipped)
        with pytest.raises(BadInputError, match=r"checkpoint\.pt: (damaged|not a readable)"):
            resume(stopped)
    (stopped / "checkpoint.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInputError, match="damaged"):
        resume(stopped)
    (stopped / "checkpoint.pt").write_bytes(whole[whole.index(b"PK") :])  # as mien 0.1 wrote it
    resume(stopped)
    shutil.rmtree(stopped / "model")
    (stopped / "checkpoint.pt").write_bytes(b"PK rubbish")
    with pytest.raises(BadInputError, match="not a readable checkpoint"):
        resume(stopped)


def test_export_writes_either_epoch(run, tmp_path):
    last = export(run, tmp_path / "last", "last")
    best = export(run, tmp_path / "best", "best")
    assert read_config(last).training.epoch == 3
    records = read_metrics(run)[::-1]
    expected = max(records, key=lambda record: (record["accuracy"], -record["epoch"]))
    assert read_config(best).training.epoch == expected["epoch"]
    with pytest.raises(UsageError, match="not an empty folder"):
        export(run, last)


def test_early_stopping_stops_and_keeps_the_best(data, tmp_path):
    words = ("train.epochs=20", "train.patience=2", "train.keep=best", "optimizer.lr=1e-9")
    recipe = small(*words, recipe="logistic")
    recipe = recipe.model_copy(
        update={"schedule": recipe.schedule.model_copy(update={"name": "constant"})}
    )
    records = read_metrics(train(recipe, data, tmp_path / "run"))
    best = max(range(len(records)), key=lambda epoch: records[epoch]["accuracy"])
    assert len(records) - 1 == best + 2 < 20


def test_a_set_without_splits_holds_a_part_out(tmp_path):
    images, labels = drawn_set(100, seed=4)
    path = tmp_path / "train.csv"
    write_fer_csv(path, images, labels, None)
    faces = read(path)
    train_faces, selection, _, name = choose_faces(small().data, faces)
    assert (len(train_faces), len(selection)) == (80, 20)
    assert name == "0.2 of all, seed 42"


def test_dropped_expressions_shrink_the_head(data, tmp_path):
    recipe = small("train.epochs=1", "data.drop=['disgust','fear']", recipe="logistic")
    run = train(recipe, data, tmp_path / "run")
    classifier = Classifier(run)
    assert classifier.labels == ("angry", "happy", "sad", "surprise", "neutral")
    assert load_file(run / "model" / "model.safetensors")["head.weight"].shape[0] == 5


def test_fine_tuning_starts_from_the_model(run, data, tmp_path):
    tuned = train(
        small("train.epochs=1", "optimizer.lr=1e-6", recipe="finetune"),
        data,
        tmp_path / "tuned",
        init=run,
    )
    before = read_metrics(run)[-1]["accuracy"]
    assert read_metrics(tuned)[0]["accuracy"] == pytest.approx(before)
    config = read_config(tuned / "model")
    assert (config.architecture, config.input_size) == ("mien_s", 24)


def test_fine_tuning_on_other_classes_keeps_the_rows_they_share(run):
    old = load_file(run / "model" / "model.safetensors")["head.weight"]
    new = initial_weights(run, ("bored", "happy", "angry"))["head.weight"]
    assert not new[0].any()
    assert torch.equal(new[1], old[3])
    assert torch.equal(new[2], old[0])


def test_what_a_network_cannot_take_is_refused_before_anything_is_written(data, tmp_path):
    for settings, words in (
        (["train.sizes=[[1.0,16]]"], "compact_cnn does not take 1x16x16 faces"),
        (["data.mean=[0.5,0.5,0.5]", "data.std=[0.5,0.5,0.5]"], r"3 value\(s\) of data.mean"),
    ):
        with pytest.raises(UsageError, match=words):
            train(load_recipe("compact_cnn", settings), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="num_classes follows from the data"):
        load_recipe("logistic", ["model.options={num_classes=5}"])
    with pytest.raises(UsageError, match="no split 'PublicTst'"):
        train(small("data.selection_split=PublicTst"), data, tmp_path / "run")


def test_fine_tuning_wants_faces_as_the_model_knows_them(run, tmp_path):
    images, labels = drawn_set(40, seed=14, size=64)
    write_fer_csv(tmp_path / "faces.csv", images, labels, ["Training"] * 30 + ["PublicTest"] * 10)
    with pytest.raises(UsageError, match=r"faces of 64 pixels.*made for 48 pixels"):
        train(load_recipe("finetune"), tmp_path / "faces.csv", tmp_path / "run", init=run)


def same_share(one: Classifier, other: Classifier, faces: np.ndarray) -> float:
    return float((one.logits(faces).argmax(1) == other.logits(faces).argmax(1)).mean())


def test_a_run_is_exported_with_an_int8_network(run, data, tmp_path):
    folder = export(run, tmp_path / "model", int8=True)
    exact, fast = (Classifier(folder, 1, precision) for precision in ("float32", "int8"))
    selection = read(data).take_split("PublicTest")
    logits = fast.logits(selection.images)
    record = read_config(folder).training.int8
    assert record is not None
    assert record.calibration_faces == 448
    assert record.same_answers == same_share(exact, fast, selection.images) > 0.9
    assert record.selection == evaluate(fast, selection).to_json_dict()
    # The network's own temperature is the best on the selection faces already.
    assert selection.labels is not None
    assert fit_temperature(logits, selection.labels) == pytest.approx(1, abs=1e-3)
    assert np.abs(softmax(logits) - softmax(exact.logits(selection.images))).max() < 0.1
    card = (folder / "README.md").read_text()
    assert f"same answer for {record.same_answers:.2%} of the selection faces" in card
    network = onnx.load(folder / "model_int8.onnx")
    weights = [each for each in network.graph.initializer if len(each.dims) == 4]
    assert onnx.TensorProto.INT8 in {each.data_type for each in weights}
    gates = [each for each in weights if "gate" in each.name]
    assert {each.data_type for each in gates} == {onnx.TensorProto.FLOAT}


def test_an_int8_network_can_be_added_to_a_model_folder(run, data, tmp_path):
    whole = export(run, tmp_path / "whole", int8=True)
    added = export(run / "model", tmp_path / "added", data=data, int8=True)
    one, other = (Classifier(each, 1, "int8") for each in (whole, added))
    faces = read(data).images
    assert np.array_equal(one.logits(faces), other.logits(faces))
    for name in ("model.onnx", "model.safetensors"):
        assert (added / name).read_bytes() == (run / "model" / name).read_bytes()


def test_rounding_a_model_folder_keeps_its_answers_and_compresses_it(run, data, tmp_path):
    bare = shutil.copytree(run / "model", tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    rounded = export(bare, tmp_path / "rounded", data=data, half=True)
    one, other = (Classifier(each, 1, "float32") for each in (bare, rounded))
    faces = read(data).images
    assert np.abs(one.logits(faces) - other.logits(faces)).max() < 0.05
    before, after = (
        len(zlib.compress((each / "model.onnx").read_bytes())) for each in (bare, rounded)
    )
    assert after < 0.75 * before
    report = evaluate(rounded, read(data).take_split("PublicTest")).to_json_dict()
    assert read_config(rounded).training.selection == report


def test_what_a_model_folder_cannot_be_exported_with_is_told(run, data, tmp_path):
    def refused(error, words, model=run / "model", **more):
        with pytest.raises(error, match=words):
            export(model, tmp_path / "out", **more)
        assert not (tmp_path / "out").exists()

    refused(UsageError, "a model folder already: expected --int8 or --half")
    refused(UsageError, "expected --data with it", int8=True)
    refused(UsageError, "--keep and --teacher are for runs", int8=True, keep="last", data=data)
    refused(UsageError, "which must fit model.onnx: --half needs its run", half=True, data=data)
    other = tmp_path / "other.csv"
    write_fer_csv(other, *drawn_set(20, seed=9), ["Training"] * 10 + ["PublicTest"] * 10)
    refused(
        BadInputError, "not the labelled set that the model was trained on", int8=True, data=other
    )
    refused(UsageError, "was selected by votes", "default", int8=True, data=data)


def test_a_network_without_convolutions_gets_no_int8(data, tmp_path):
    page = small("train.epochs=1", recipe="logistic")
    folder = train(page, data, tmp_path / "run")
    with pytest.raises(UsageError, match="has no convolutions: int8 would change nothing"):
        export(folder, tmp_path / "out", int8=True)


def test_int8_needs_the_faces_of_the_run(run, tmp_path):
    with pytest.raises(MissingError, match=r"int8 needs the faces of the run: .*gone\.csv"):
        export(run, tmp_path / "out", data=tmp_path / "gone.csv", int8=True)


def test_a_very_sure_network_can_be_exported(run, tmp_path):
    from mien.models import load_face_classifier
    from mien.training.exporting import write_model_folder

    face_classifier = load_face_classifier(run)
    with torch.no_grad():
        face_classifier.net.head.weight *= 300
    write_model_folder(tmp_path / "model", face_classifier.net, read_config(run / "model"), 1)
    assert Classifier(tmp_path / "model").labels == Classifier(run).labels


def test_divergence_is_said_and_not_exported(data, tmp_path):
    with pytest.raises(FloatingPointError, match=r"not finite; lower optimizer\.lr"):
        train(small("train.epochs=2", "optimizer.lr=1e30"), data, tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()


def test_too_little_or_unfitting_data(tmp_path):
    images, labels = drawn_set(4, seed=5)
    path = tmp_path / "one.csv"
    write_fer_csv(path, images[:2], labels[:2], ["Training", "PublicTest"])
    with pytest.raises(BadInputError, match="1 faces to learn from"):
        train(small(), path, tmp_path / "run")
    write_fer_csv(path, images, None, None)
    with pytest.raises(BadInputError, match="no labels"):
        train(small(), path, tmp_path / "run")
    write_fer_csv(path, images, labels, ["Training"] * 3 + ["PublicTest"])
    with pytest.raises(UsageError, match="input_size is 64 but the faces have 48"):
        train(small("data.input_size=64"), path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_free_run_folder_never_reuses(tmp_path):
    assert free_run_folder(tmp_path, "mien_s") == tmp_path / "mien_s-1"
    (tmp_path / "mien_s-1").mkdir()
    assert free_run_folder(tmp_path, "mien_s") == tmp_path / "mien_s-2"


def test_metrics_hold_only_plain_numbers(run):
    for line in (run / "metrics.jsonl").read_text().splitlines():
        assert all(isinstance(value, int | float | None) for value in json.loads(line).values())
