"""`mien plot` as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.cli import app
from mien.labels import EXPRESSIONS
from tiny_model import write_tiny_model


@pytest.fixture
def faces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    usages = ["Training"] * 14 + ["PublicTest"] * 7
    return write_fer_csv(Path("faces.csv"), *drawn_set(21, seed=0), usages)


@pytest.fixture
def votes(faces):
    """Ten votes each, all for neutral."""
    head = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear"
    usages = [line.rsplit(",", 1)[1] for line in faces.read_text().splitlines()[1:]]
    rows = "".join(f"{usage},x.png,10,0,0,0,0,0,0\n" for usage in usages)
    Path("votes.csv").write_text(f"{head}\n{rows}")
    return Path("votes.csv")


def write_run(folder, accuracies):
    info = {
        **dict.fromkeys(("data", "train_split", "selection_split", "data_hash", "machine"), ""),
        **dict.fromkeys(("train_hash", "selection_hash"), ""),
        **dict.fromkeys(("face_size", "channels", "train_faces", "selection_faces"), 1),
        **dict.fromkeys(("init", "git_revision")),
        **{"skip_bad": False, "labels": list(EXPRESSIONS), "versions": {}},
    }
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(info))
    records = [
        {
            "epoch": epoch,
            "learning_rate": 0.1 * epoch,
            "train_loss": None if epoch == 0 else 1.0,
            "train_accuracy": None if epoch == 0 else 0.5,
            "log_loss": 1.2,
            "accuracy": accuracy,
        }
        for epoch, accuracy in enumerate(accuracies)
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "metrics.jsonl").write_text(lines + '{"epoch": 9, "lea')  # it is still training
    return folder


def plot(*arguments):
    return CliRunner().invoke(app, ["plot", *map(str, arguments)])


def test_one_picture_of_the_classes(faces):
    for name in ("classes.png", "new/classes.svg"):
        result = plot("data", faces, "--output", name)
        assert (result.exit_code, result.stdout, result.stderr) == (0, f"{name}\n", "")
        assert Path(name).stat().st_size > 5000
    text = Path("new/classes.svg").read_text()
    assert "<!-- faces.csv: 21 faces -->" in text
    assert "<!-- Training: 14 faces -->" in text


def test_a_folder_of_all_that_can_be_drawn(faces, votes):
    result = plot("data", faces, "--output", "out")
    assert result.stdout.split() == ["out/classes.png", "out/samples.png"]
    result = plot("data", faces, "--output", "out", "--votes", votes)
    assert result.stdout.split()[-1] == "out/ambiguous.png"
    assert sorted(p.name for p in Path("out").iterdir()) == [
        "ambiguous.png",
        "classes.png",
        "samples.png",
    ]
    result = plot("data", faces, "--output", "only", "--kind", "samples")
    assert result.stdout.split() == ["only/samples.png"]


def test_votes_or_a_model_make_it_ambiguous(faces, votes):
    model = write_tiny_model(Path("model"))
    options = ["--output", "a.svg", "--split", "PublicTest"]
    assert plot("data", faces, "--votes", votes, *options).exit_code == 0
    assert "faces.csv, PublicTest: label and FER+ votes disagree" in Path("a.svg").read_text()
    assert plot("data", faces, "--model", model, *options).exit_code == 0
    assert "faces.csv, PublicTest: label and model disagree on" in Path("a.svg").read_text()


def test_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = write_run(Path("runs/first"), [0.1, 0.4, 0.3])
    result = plot("runs", first, "--output", "one.svg")
    assert (result.exit_code, result.stdout) == (0, "one.svg\n"), result.output
    assert "<!-- first: 2 epochs -->" in Path("one.svg").read_text()
    second = write_run(Path("other/first"), [0.2, 0.5])
    assert plot("runs", first, second, "--output", "two.svg").exit_code == 0
    text = Path("two.svg").read_text()
    assert "<!-- 2 runs compared -->" in text
    assert "<!-- runs/first: at best 40.00%, epoch 1 -->" in text
    assert "<!-- other/first: at best 50.00%, epoch 1 -->" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["data", "faces.csv", "--output", "a.jpg"], 2, ".png or .svg"),
        (["data", "faces.csv", "--output", "a.png", "--kind", "pie"], 2, "pie"),
        (["data", "faces.csv", "--output", "a.png", "--kind", "ambiguous"], 2, "need votes"),
        (["data", "faces.csv", "--output", "d", "--votes", "v", "--model", "m"], 2, "one of them"),
        (["data", "faces.csv", "--output", "d", "--model", "m", "--kind", "samples"], 2, "nothing"),
        (["data", "faces.csv", "--output", "d", "--split", "Trainin"], 2, "no split 'Trainin'"),
        (["data", "gone.csv", "--output", "a.png"], 4, "gone.csv"),
        (["data", "test.csv", "--output", "a.png"], 3, "no labelled faces"),
        (["runs", "gone", "--output", "a.png"], 4, "gone is not a run"),
        (["runs", "empty", "--output", "a.png"], 3, "no epoch was finished"),
        (["runs", "damaged", "--output", "a.png"], 3, "metrics.jsonl: damaged"),
        (["runs", "other", "--output", "a.png"], 3, "metrics.jsonl: expected accuracy, epoch"),
        (["runs", "empty", "--output", "a.gif"], 2, ".png or .svg"),
    ],
)
def test_wrong_arguments_end_in_one_line(faces, arguments, code, words):
    write_fer_csv(Path("test.csv"), drawn_set(3)[0], None, None)
    write_run(Path("empty"), [])
    (write_run(Path("damaged"), []) / "metrics.jsonl").write_text("{\x00\n")
    (write_run(Path("other"), []) / "metrics.jsonl").write_text('{"epoch": 0}\n')
    result = plot(*arguments)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stdout == ""
    assert not Path("a.png").exists()


def test_bad_rows_are_told_within_bounds(faces):
    faces.write_text(faces.read_text() + "9,7 7,Training\n" * 8)
    result = plot("data", faces, "--output", "a.png", "--skip-bad")
    assert result.exit_code == 0, result.output
    assert "skipped 8 bad rows" in result.stderr
    assert result.stderr.count("\n") == 6


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_without_the_extra_it_says_what_to_install(package, faces, monkeypatch):
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == package else find_spec(name, *rest),
    )
    drawn = [("plot", "data", faces), ("plot", "runs", "gone")] if package == "matplotlib" else []
    for arguments in (("evaluate", "default", "--data", faces), *drawn):
        words = [*map(str, arguments), "--output", "a.png"]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 4
        assert "pip install 'mien[plots]'" in result.stderr
