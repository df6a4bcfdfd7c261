"""Models as teachers: they answer on the view that the student sees."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.classifier import Classifier
from mien.cli import app
from mien.errors import MissingError, UsageError
from mien.recipes import load_recipe
from mien.training.data import TrainingSource, prepare
from mien.training.loop import views_and_targets
from mien.training.randomness import Randomness
from mien.training.state import start

SMALL = (
    "train.epochs=1",
    "train.batch_size=16",
    "data.input_size=44",
    "augment.mixup=0.4",
    "augment.rotate_degrees=10",
)


def words(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "faces.csv"
    write_fer_csv(path, *drawn_set(60, seed=6), ["Training"] * 40 + ["PublicTest"] * 20)
    return path


@pytest.fixture(scope="module")
def teachers(data, tmp_path_factory) -> list[Path]:
    """Two trained models that disagree; the second lists its classes in another order."""
    folder = tmp_path_factory.mktemp("teachers")
    runs = []
    for seed in (0, 1):
        runs.append(folder / f"run{seed}")
        run = ["train", "--recipe", "logistic", "--data", str(data), "--output", str(runs[-1])]
        result = CliRunner().invoke(app, [*run, *words(*SMALL, f"train.seed={seed}")])
        assert result.exit_code == 0, result.output
    return runs


def source_of(data: Path, teachers: list[Path]) -> TrainingSource:
    return TrainingSource(data, teacher=tuple(map(str, teachers)))


def student(*settings: str):
    return load_recipe("logistic", [*SMALL, *settings])


def test_the_targets_are_what_the_teachers_say_of_the_very_views(data, teachers):
    """Asked again, by their ONNX networks, about the pixels that the student was given."""
    recipe = student("train.teacher_weight=1", "augment.mixup=0")
    faces = prepare(source_of(data, teachers), recipe)
    state = start(faces.recipe, faces.train, faces.selection, teachers=faces.source.models)
    randomness = Randomness.of(0, 1, 0, torch.device("cpu"))
    face_classifier = state.face_classifier(state.bare_net)
    views, targets = views_and_targets(state, face_classifier, torch.arange(8), 1, 44, randomness)
    mean, std = faces.recipe.data.mean[0], faces.recipe.data.std[0]
    pixels = np.rint(((views * std + mean) * 255).numpy()[:, 0]).clip(0, 255).astype(np.uint8)
    pixels = np.pad(pixels, ((0, 0), (2, 2), (2, 2)))  # a model crops the centre of 48
    said = []
    for run in teachers:
        logits = Classifier(run).logits(pixels)
        said.append(torch.from_numpy(logits).softmax(1))
    torch.testing.assert_close(targets, torch.stack(said).mean(0), atol=0.01, rtol=0)
    assert (said[0] - said[1]).abs().max() > 0.05  # one teacher alone would not do


def test_label_votes_and_teachers_have_their_weights(data, teachers):
    """Half of the target is the label's, mixed as the faces are; half the teachers'."""
    recipes = [student(f"train.teacher_weight={weight}") for weight in (0.5, 1.0)]
    targets = []
    for recipe in recipes:
        faces = prepare(source_of(data, teachers), recipe)
        state = start(faces.recipe, faces.train, faces.selection, teachers=faces.source.models)
        for has_teachers in (True, False):
            state.teachers = state.teachers if has_teachers else None
            face_classifier = state.face_classifier(state.bare_net)
            randomness = Randomness.of(0, 1, 0, torch.device("cpu"))
            rows = torch.arange(8)
            targets.append(views_and_targets(state, face_classifier, rows, 1, 44, randomness)[1])
    half, label, whole, _ = targets
    torch.testing.assert_close(half, (label + whole) / 2)


def test_a_student_sees_smaller_views_of_what_its_teachers_see(data, teachers):
    recipe = student("train.teacher_weight=1", "train.sizes=[[0.5, 32], [0.5, 44]]")
    recipe = recipe.model_copy(update={"model": load_recipe("mien_s").model})
    faces = prepare(source_of(data, teachers), recipe)
    state = start(faces.recipe, faces.train, faces.selection, teachers=faces.source.models)
    face_classifier = state.face_classifier(state.bare_net)
    small, large = (
        views_and_targets(
            state,
            face_classifier,
            torch.arange(8),
            1,
            size,
            Randomness.of(0, 1, 0, torch.device("cpu")),
        )
        for size in (32, 44)
    )
    assert (small[0].shape[-1], large[0].shape[-1]) == (32, 44)
    torch.testing.assert_close(small[1], large[1])
    torch.testing.assert_close(
        small[0].mean((1, 2, 3)), large[0].mean((1, 2, 3)), atol=0.03, rtol=0
    )


def test_a_run_names_its_teachers_and_goes_on_with_no_others(data, teachers, tmp_path):
    run = tmp_path / "student"
    base = ["--recipe", "logistic", "--data", str(data), *words(*SMALL, "train.teacher_weight=0.9")]
    given = [word for teacher in teachers for word in ("--teacher", str(teacher))]
    result = CliRunner().invoke(app, ["train", *base, *given, "--output", str(run)])
    assert result.exit_code == 0, result.output
    assert json.loads((run / "run.json").read_text())["teacher"] == [str(path) for path in teachers]
    record = json.loads((run / "model" / "config.json").read_text())["training"]
    assert record["teacher"] == "run0, run1"
    alone = json.loads((teachers[0] / "model" / "config.json").read_text())["training"]
    assert record["training_flop"] == pytest.approx(alone["training_flop"] * (1 + 2 / 3))
    shutil.rmtree(run / "model")
    resume = ["train", "--resume", str(run)]
    result = CliRunner().invoke(app, [*resume, "--teacher", str(teachers[0])])
    assert result.exit_code == 3
    assert "targets_hash was" in result.stderr
    result = CliRunner().invoke(app, resume)
    assert result.exit_code == 0, result.output


def test_a_model_that_cannot_teach_says_why(data, teachers, tmp_path):
    weight = "train.teacher_weight=0.5"

    def asked(recipe, *teacher: str):
        faces = prepare(TrainingSource(data, teacher=teacher), recipe)
        start(faces.recipe, faces.train, faces.selection, teachers=faces.source.models)

    with pytest.raises(UsageError, match=r"run0 cannot teach: it sees 44 pixels .* shows 48"):
        asked(student(weight, "data.input_size=48"), str(teachers[0]))
    with pytest.raises(UsageError, match=r"cannot teach: it knows .*; the faces' classes are"):
        asked(student(weight, 'data.drop=["sad"]'), str(teachers[0]))
    with pytest.raises(MissingError, match=r"fer2013/model.safetensors: not found"):
        asked(student(weight), "fer2013")
    with pytest.raises(UsageError, match=r"a file of logits teaches alone"):
        asked(student(weight), "some.npz", str(teachers[0]))
    tune = ["tune", "--recipe", "logistic", "--data", str(data), "--output", str(tmp_path / "s")]
    tune += [*words(*SMALL, weight), "--search", "optimizer.lr=1e-4,1e-3"]
    result = CliRunner().invoke(app, [*tune, "--teacher", "default"])
    assert (result.exit_code, "default: trials take a file" in result.stderr) == (2, True)
