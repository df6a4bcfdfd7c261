"""What commands say to somebody at a terminal: closing words, what fits, what is completed."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.cli import app, output, train
from terminal import on_terminal
from tiny_model import write_tiny_model

ROOT = Path(__file__).parents[2]
SMALL = ["--set", "data.input_size=24", "--set", "train.epochs=2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    images, labels = drawn_set(160, seed=4)
    usages = ["Training"] * 100 + ["PublicTest"] * 30 + ["PrivateTest"] * 30
    return write_fer_csv(tmp_path_factory.mktemp("data") / "faces.csv", images, labels, usages)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Runs a command for somebody who watches; returns stdout, and the words at the end."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[str, str]:
        words = [str(argument) for argument in arguments]
        for module in (output, train):
            monkeypatch.setattr(module, "is_watched", lambda: True)
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        return result.stdout, result.stderr

    return run


def test_training_and_what_follows(data, said, tmp_path):
    run = tmp_path / "run"
    words = ["train", "--recipe", "logistic", "--data", data, "--output", run, *SMALL]
    stdout, stderr = said(*words)
    assert stdout == f"{run}\n"
    first, written, following = stderr.splitlines()[-3:]
    assert first.startswith("mien: epoch ")
    assert " of 2: accuracy " in first
    assert first.endswith("%) on 30 faces, PublicTest")
    assert written == f"mien: written: {run / 'model'}"
    assert following == f"mien: next: mien evaluate {run} --data {data} --split PrivateTest"

    stdout, stderr = said(*following.removeprefix("mien: next: mien ").split())
    assert "accuracy" in stdout
    found, following = stderr.splitlines()[-2:]
    assert found.startswith("mien: accuracy ")
    assert found.endswith("on 30 faces")
    assert "--output FOLDER" in following

    stdout, stderr = said("export", run, "--output", "model")
    assert stdout == "model\n"
    assert stderr.splitlines()[-2:] == [first, "mien: next: mien predict PICTURE --model model"]


def test_after_a_random_split_of_all_rows_only_its_own_selection_is_new(data, said):
    words = ["train", "--recipe", "logistic", "--data", data, "--output", "run", *SMALL]
    _, stderr = said(*words, "--set", "data.train_split=all")
    found, _, following = stderr.splitlines()[-3:]
    assert found.endswith("%) on 32 faces, 0.2 of all, seed 42")
    assert following == f"mien: next: mien evaluate run --data {data} --split selection"


def test_a_search_counts_its_trials(data, said):
    search = ["--search", "optimizer.lr=1e-3,1e-2", "--trials", 2, "--no-prune"]
    words = ["--recipe", "logistic", "--data", data, "--output", "study", *SMALL]
    _, stderr = said("tune", *words, *search)
    assert stderr.splitlines()[-2:] == [
        "mien: 2 trials: 2 complete",
        "mien: written: trials.csv, best.toml, history.png, knobs.png in study",
    ]
    rate, following = said("tune", *words, "--lr-range", "1e-5,1")
    wanted = f"next: mien train --recipe logistic --data {data} --set {rate.strip()}"
    assert wanted in following


def test_pictures_and_listings(data, model, said):
    faces = ["predict", data, "--model", model]
    stdout, stderr = said(*faces, "--csv", "rows.csv")
    assert len(stdout.splitlines()) == 160
    read, shown, written = stderr.splitlines()
    assert read == "mien: 160 pictures read: 160 faces"
    assert sum(int(part.split()[0]) for part in shown.removeprefix("mien: ").split(", ")) == 160
    assert written == "mien: written: rows.csv"
    assert said(*faces)[1].splitlines()[-1].startswith("mien: next: --csv FILE or --json")

    assert said("plot", "data", data, "--output", "a.png") == (
        "a.png\n",
        "mien: drawn: 160 faces, classes: 7\n"
        "mien: next: --votes or --model, for the faces whose label is doubtful\n",
    )
    stdout, stderr = said(
        *(
            "data",
            "preview",
            data,
            "--recipe",
            "logistic",
            "--output",
            "b.png",
            "--faces",
            1,
            *SMALL,
            "--epoch",
            2,
        )
    )
    assert stdout == "b.png\n"
    assert stderr == (
        "mien: 1 training face of epoch 2, as logistic shows them\n"
        "mien: next: mien train --recipe logistic --set data.input_size=24 --set train.epochs=2 "
        f"--data {data}\n"
    )
    assert f"plot data {data} --output" in said("data", "info", data)[1]
    assert "mien recipes NAME" in said("recipes")[1]


def test_nobody_else_is_told(data, tmp_path, model):
    for words in (
        ["plot", "data", data, "--output", tmp_path / "a.png"],
        ["predict", data, "--model", model],
        ["recipes"],
    ):
        assert CliRunner().invoke(app, [str(word) for word in words]).stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_tables_fit_eighty_columns(data, model, tmp_path):
    copy = tmp_path / "a_model_whose_name_is_longer_than_its_column"
    shutil.copytree(model, copy)
    compared = on_terminal("evaluate", model, copy.name, "--data", data, cwd=tmp_path)
    search = ["optimizer.name=adam,sgd", "optimizer.weight_decay=log(1e-5,1e-3)"]
    search += ["optimizer.lr=log(1e-4,1e-1)", "train.label_smoothing=uniform(0,0.2)"]
    searched = on_terminal(
        *("tune", "--recipe", "logistic", "--data", data, "--output", "study", "--trials", 2),
        *(word for knob in search for word in ("--search", knob)),
        *SMALL,
        cwd=tmp_path,
    )
    lines = [
        re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", line) for line in (compared + searched).split("\n")
    ]
    heads = [line for line in lines if re.match(r"trial  state|model .* it alone.*|true ↓", line)]
    assert len(heads) == 4, compared
    assert all(len(line) <= 80 for line in heads)
    assert re.search(
        r"^trial  state +accuracy  epoch +s  name  +decay +lr +smoothing", "\n".join(heads), re.M
    )
    rows = lines[lines.index(heads[2]) :]
    folded = "".join(line.split()[0] for line in rows[1:4] if line.split())
    assert folded == copy.name, "folded, not cut off"


def test_every_help_fits_eighty_columns_and_lists_its_exit_codes():
    verbs = runpy.run_path(str(ROOT / "scripts" / "cli_docs.py"))["_verbs"](get_command(app), [])
    assert len(verbs) > 15
    for words in verbs:
        environment = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
        shown = (
            CliRunner().invoke(app, [*words, "--help"], prog_name="mien", env=environment).stdout
        )
        lines = shown.splitlines()
        assert max(map(len, lines)) <= 80, words
        assert not any(line.endswith("...") for line in lines[1:]), (words, "a summary is cut off")
        assert words in ([], ["data"], ["plot"]) or "Exit codes: 0 done; " in shown, words


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("mien pre", {"predict"}),
        ("mien train --rec", {"--recipe"}),
        ("mien train --recipe mien_m_", {"mien_m_from_votes", "mien_m_student", "mien_m_votes"}),
        ("mien predict --model f", {"fer2013"}),
    ],
)
def test_a_shell_completes_verbs_options_and_names(typed, offered):
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv = ['mien']; import mien.cli as m; m.main()",
    ]
    environment = {**os.environ, **words, "_MIEN_COMPLETE": "complete_bash"}
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert set(found.stdout.split()) == offered, found.stderr
