"""Training and evaluation without the rows that a file names."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien import run_folder
from mien.cli import app
from mien.data import read
from mien.errors import BadInputError
from mien.evaluation import honesty_warning, read_for_model
from mien.model_folder import read_config
from mien.recipes import load_recipe
from mien.training import resume
from mien.training.data import TrainingSource, prepare

USAGES = ["Training"] * 50 + ["PublicTest"] * 20 + ["PrivateTest"] * 10
SMALL = ["--set", "train.epochs=1", "--set", "data.input_size=24"]


ROWS = "row,split\n4,Training\n7,Training\n60,PublicTest\n75,PrivateTest\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("without")


@pytest.fixture(scope="module")
def data(folder):
    return write_fer_csv(folder / "faces.csv", *drawn_set(80, seed=3), USAGES)


@pytest.fixture(scope="module")
def without(folder):
    (folder / "out.csv").write_text(ROWS)
    return folder / "out.csv"


def invoke(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def run(data, without, folder):
    words = ["--recipe", "logistic", "--data", data, "--output", folder / "run", *SMALL]
    said = invoke("train", *words, "--without", without).stderr
    assert f"left out 4 faces of {without}" in said
    return folder / "run"


def test_a_run_learns_without_the_rows_and_says_so(run, data, without):
    info = run_folder.read_info(run)
    assert (info.train_faces, info.selection_faces) == (48, 19)
    assert info.without == str(without)
    assert read_config(run / "model").training.without == "out.csv"
    config = read_config(run / "model")
    whole = read(data)
    # the hashes still know the faces, with the rows and without
    for split, word in (("Training", "trained on"), ("PublicTest", "selected on")):
        assert word in str(honesty_warning(config, whole.take_split(split), whole))
    assert honesty_warning(config, whole.take_split("PrivateTest"), whole) is None


def test_resume_needs_the_same_rows(run, tmp_path):
    stopped = tmp_path / "stopped"
    shutil.copytree(run, stopped, ignore=shutil.ignore_patterns("model"))
    changed, moved = tmp_path / "changed.csv", tmp_path / "moved.csv"
    changed.write_text("row\n4\n")
    with pytest.raises(BadInputError, match="started on other data"):
        resume(stopped, without=changed)
    moved.write_text(ROWS)
    assert resume(stopped, without=moved) == stopped
    assert (stopped / "model").is_dir()


def test_evaluation_leaves_the_rows_out_and_counts_them(run, data, without, tmp_path):
    words = ["evaluate", run, "--data", data, "--split", "PrivateTest", "--without", without]
    result = invoke(*words, "--json", "--output", tmp_path / "report")
    assert json.loads(result.stdout)["num_faces"] == 9
    assert f"1 face of {without} left out" in result.stderr
    assert "Mind: 1 face of" in (tmp_path / "report" / "report.html").read_text()


def test_a_run_finds_its_own_selection_faces_with_the_same_rows(run, data, without):
    config = read_config(run / "model")
    assert len(read_for_model(config, data, "selection", without=without).faces) == 19
    with pytest.raises(
        BadInputError, match=r"trained on \(without the rows of out.csv, for --with"
    ):
        read_for_model(config, data, "selection")


def test_any_training_takes_them(data, without):
    faces = prepare(TrainingSource(data, without=without), load_recipe("logistic"))
    whole = prepare(TrainingSource(data), load_recipe("logistic"))
    assert (len(faces.train), len(whole.train)) == (48, 50)
    assert faces.data_hash == whole.data_hash
    assert faces.identity != whole.identity
