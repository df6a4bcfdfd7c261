"""The README's commands and Python run as they stand, on drawn data in place of FER2013."""

import re
import shlex
import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from skimage.data import astronaut
from typer.testing import CliRunner

from drawn_faces import drawn_face, drawn_set, write_fer_csv
from made_video import write_video
from mien.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
QUICK = ["--set", "train.epochs=1"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    import numpy as np
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", "examples")
    images, labels = drawn_set(120, seed=8)
    write_fer_csv(Path("fer2013.csv.xz"), images, labels, ["Training"] * 90 + ["PublicTest"] * 30)
    times = [Fraction(seconds) for seconds in (0, 90, 91, 125)]
    write_video(Path("clip.mp4"), [astronaut()[:240, 100:340]] * len(times), times)
    rng = np.random.default_rng(0)
    for name, label in (("bored", 6), ("thrilled", 3)):
        (tmp_path / "my_faces" / name).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(drawn_face(rng, label, 96)).save(f"my_faces/{name}/{number}.png")
    return tmp_path


def test_every_command_runs(workplace):
    commands = [
        shlex.split(part)
        for block in blocks("sh")
        for line in block.splitlines()
        for part in line.split("&&")
    ]
    assert ["pip", "install", "."] in commands
    assert ["scripts/test"] in commands
    ours = [words[1:] for words in commands if words[0] == "mien"]
    assert len(ours) >= 6
    for words in ours:
        if words[0] in ("serve", "live"):  # they do not end; tests/serving has them
            continue
        quick = QUICK if words[0] == "train" else []
        result = CliRunner().invoke(app, [*words, *quick])
        assert result.exit_code == 0, (words, result.output)
    assert (workplace / "faces.csv").read_text().count("\n") == 2
    assert (workplace / "rows.csv").read_text().count("\n") == 3
    assert (workplace / "annotated" / "astronaut.jpg").is_file()


def test_the_python_runs(workplace, capsys):
    code = "".join(blocks("python"))
    exec(compile(code, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[2] == "90.0 [(1, 'happy')]"
    expression, confidence, *_ = lines[0].split()
    assert expression in ("happy", "neutral", "surprise")
    assert 0 < float(confidence) <= 1


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_files_that_the_architecture_names_are_there():
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`([a-z_/0-9]+\.py)`", page))
    assert len(named) > 50
    homes = (ROOT / "src" / "mien", ROOT)
    assert not [name for name in named if not any((home / name).is_file() for home in homes)]
