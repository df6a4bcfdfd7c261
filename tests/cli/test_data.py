"""`mien data info` as a user types it."""

import json

import pytest
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.cli.data import app
from mien.data import read


@pytest.fixture
def faces(tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    usages = ["Training"] * 14 + ["PublicTest"] * 7
    return write_fer_csv(tmp_path / "faces.csv", *drawn_set(21, seed=0), usages)


def test_json(faces):
    result = CliRunner().invoke(app, ["info", str(faces), "--json"])
    assert result.exit_code == 0, result.output
    got = json.loads(result.stdout)
    assert got["num_faces"] == 21
    assert got["splits"] == {"Training": 14, "PublicTest": 7}
    assert got["counts"] == dict.fromkeys(got["classes"], 3)
    assert got["content_hash"] == read(faces).content_hash()
    assert 0 < got["pixel_std"] < got["pixel_mean"] < 1


def test_table_has_every_split_and_class(faces):
    result = CliRunner().invoke(app, ["info", str(faces)])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["class", "Training", "PublicTest", "all"] in lines
    assert ["all", "14", "7", "21"] in lines
    assert [line[-1] for line in lines if line[0] == "surprise"] == ["3"]


def test_bad_rows_stop_or_are_reported_on_stderr(faces):
    faces.write_text(faces.read_text() + "9,7 7,Training\n" * 7)
    stopped = CliRunner().invoke(app, ["info", str(faces)])
    assert f"{faces}:23: unknown label '9'" in str(stopped.exception)
    result = CliRunner().invoke(app, ["info", str(faces), "--skip-bad", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["num_skipped"] == 7
    assert "skipped 7 bad rows" in result.stderr
    assert "faces.csv:23: unknown label" in result.stderr
    assert "faces.csv:29" not in result.stderr


def test_an_unlabelled_file(faces, tmp_path):
    path = write_fer_csv(tmp_path / "test.csv", drawn_set(3)[0], None, None)
    result = CliRunner().invoke(app, ["info", str(path)])
    assert result.exit_code == 0, result.output
    assert ["no", "labels", "3"] in [line.split() for line in result.stdout.splitlines()]
