"""`mien tune` at the command line."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.cli import app

SMALL = ["--set", "data.input_size=24", "--set", "train.epochs=2", "--set", "train.batch_size=32"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    images, labels = drawn_set(120, seed=4, size=24)
    usages = ["Training"] * 80 + ["PublicTest"] * 40
    return write_fer_csv(tmp_path_factory.mktemp("data") / "faces.csv", images, labels, usages)


def tune(data, output, *arguments, recipe="logistic"):
    words = ["tune", "--recipe", recipe, "--data", data, "--output", output, *SMALL, *arguments]
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_search_prints_its_table_and_the_best(data, tmp_path):
    output = tmp_path / "study"
    words = ["--search", "optimizer.lr=log(1e-3,1e-1)", "--search", "optimizer.name=adam,sgd"]
    printed = tune(data, output, *words, "--trials", 3)
    assert printed.exit_code == 0, printed.output
    lines = printed.stdout.splitlines()
    assert lines[0].split() == [
        *("trial", "state", "accuracy", "epoch", "seconds", "optimizer.lr", "optimizer.name")
    ]
    assert [line.split()[0] for line in lines[1:4]] == ["0", "1", "2"]
    assert sum("(best)" in line for line in lines) == 1
    rows = list(csv.DictReader((output / "trials.csv").read_text().splitlines()))
    best = max(float(row["value"]) for row in rows)
    assert f"best: accuracy {best:.4f} at epoch" in printed.stdout
    assert f"mien train --recipe {output / 'best.toml'} --data {data}" in printed.stderr
    assert sum(line.startswith("trial ") for line in printed.stderr.splitlines()) == 3

    again = tune(data, output, *words, "--trials", 3, "--json")
    result = json.loads(again.stdout)
    assert result["metric"] == "accuracy"
    assert [trial["number"] for trial in result["trials"]] == [0, 1, 2]
    assert result["best"]["value"] == best
    assert set(result["best"]["settings"]) == {"optimizer.lr", "optimizer.name"}
    assert "trial " not in again.stderr, "nothing is run again"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "nothing to search"),
        (["--search", "optimizer.lrr=1,2"], 2, "did you mean 'lr'"),
        (["--search", "optimizer.lr=1,2", "--set", "train.epoch=3"], 2, "--set: train.epoch"),
        (["--search", "optimizer.lr=1,2", "--lr-range", "1e-6,1"], 2, "leave --search"),
        (["--lr-range", "1e-6"], 2, "two numbers"),
        (["--lr-range", "1,1e-6"], 2, "from low to high"),
        (["--search", "optimizer.lr=1,2", "--storage", "x"], 2, "database URL"),
    ],
)
def test_an_error_is_one_line_and_a_code(arguments, code, words, data, tmp_path):
    printed = tune(data, tmp_path / "study", *arguments)
    assert printed.exit_code == code
    assert words in printed.stderr
    assert printed.stdout == ""


def test_missing_data_and_unknown_recipes(data, tmp_path):
    search = ["--search", "optimizer.lr=1,2"]
    assert tune("gone.csv", tmp_path / "study", *search).exit_code == 4
    unknown = tune(data, tmp_path / "study", *search, recipe="logistik")
    assert unknown.exit_code == 2
    assert "did you mean 'logistic'" in unknown.stderr


def test_a_search_in_which_nothing_trains_says_so(data, tmp_path):
    printed = tune(data, tmp_path / "study", "--search", "optimizer.lr=1e37,1e38")
    assert printed.exit_code == 1
    assert "no trial ran to its end" in printed.stderr
    assert "diverged" in printed.stdout
    assert not (tmp_path / "study" / "best.toml").exists()


def test_the_range_test_prints_a_setting(data, tmp_path):
    printed = tune(data, tmp_path / "range", "--lr-range", "[1e-6,10]")
    assert printed.exit_code == 0, printed.output
    name, _, rate = printed.stdout.strip().partition("=")
    assert name == "optimizer.lr"
    assert 1e-5 < float(rate) < 10
    as_json = json.loads(tune(data, tmp_path / "range", "--lr-range", "1e-6,10", "--json").stdout)
    assert float(rate) == pytest.approx(as_json["suggested"], rel=0.05)
    assert (tmp_path / "range" / "lr_range.png").exists()
