import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut
from typer.testing import CliRunner

from mien.cli import app


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "a.png"
    Image.fromarray(astronaut()).save(path)
    return path


def run(*arguments: object):
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


@pytest.mark.parametrize("method", ["gradcam", "integrated-gradients", "activations", "filters"])
def test_every_method_writes_its_picture(picture, tmp_path, method):
    output = tmp_path / "why" / f"{method}.png"
    result = run(picture, "--method", method, "--output", output)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{picture}: happy ")
    assert method in result.stdout
    assert result.stdout.endswith(f" → {output}\n")
    pixels = np.asarray(Image.open(output).convert("RGB"))
    assert min(pixels.shape[:2]) > 500
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100


def test_json_and_svg(picture, tmp_path):
    output = tmp_path / "why.svg"
    line = (picture, "--method", "integrated-gradients", "--expression", "fear", "--json")
    result = run(*line, "--output", output)
    page = json.loads(result.stdout)
    assert (page["expression"], page["explained"], page["faces"]) == ("happy", "fear", 1)
    assert sum(page["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert abs(page["convergence_delta"]) < 0.05
    assert page["output"] == str(output)
    assert sum(page["regions"].values()) == pytest.approx(1, abs=1e-3)
    assert page["sentence"].startswith("happy 99 %; asked about fear, ")
    assert "<svg" in output.read_text()


def test_single_pixels_by_an_option(picture, tmp_path):
    for detail in ("areas", "pixels"):
        assert run(picture, "--detail", detail, "--output", tmp_path / detail).exit_code == 2
        result = run(picture, "--detail", detail, "--output", tmp_path / f"{detail}.svg")
        assert (result.exit_code, result.stderr) == (0, "")
    assert run(picture, "--output", tmp_path / "default.svg").exit_code == 0
    areas, pixels, default = (
        (tmp_path / f"{name}.svg").read_bytes() for name in ("areas", "pixels", "default")
    )
    assert areas == default != pixels
    result = run(
        picture, "--method", "gradcam", "--detail", "areas", "--output", tmp_path / "g.png"
    )
    assert "warning: --detail has no effect on gradcam" in result.stderr


def test_several_faces_and_an_idle_option_are_said(picture, tmp_path):
    both = np.concatenate([astronaut(), astronaut()], axis=1)
    Image.fromarray(both).save(tmp_path / "two.png")
    line = ("--method", "filters", "--expression", "happy", "--output", tmp_path / "why.png")
    result = run(tmp_path / "two.png", *line)
    assert result.exit_code == 0
    assert "warning: --expression has no effect on filters" in result.stderr
    assert "two.png: 2 faces; the most certain one is explained" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--output", "why.jpg"], 2, "pictures are written as .png or .svg"),
        (["--output", "{picture}"], 2, "would be written over"),
        (["--output", "why.png", "--method", "cam"], 2, "no method 'cam'; did you mean 'gradcam'"),
        (["--output", "why.png", "--expression", "glad"], 2, "no expression 'glad'"),
        (["--output", "{picture}/why.png"], 3, "cannot be written"),
    ],
)
def test_wrong_arguments_end_in_one_line(picture, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    before = picture.read_bytes()
    result = run(picture, *(argument.format(picture=picture) for argument in arguments))
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert picture.read_bytes() == before
    assert not list(tmp_path.iterdir())
