"""The example of docs/add-a-model.md, run as it stands."""

import re
from pathlib import Path

import pytest

from drawn_faces import drawn_set, write_fer_csv
from mien.classifier import Classifier
from mien.models import describe, list_models, registry
from mien.recipes import load_recipe
from mien.run_folder import read_metrics
from mien.training import train

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-model.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture
def added(monkeypatch):
    monkeypatch.setattr(registry, "_ARCHITECTURES", dict(registry._ARCHITECTURES))
    exec(compile(block("python"), "wide.py", "exec"), {"__name__": "wide"})


def test_the_example_trains_and_exports(added, tmp_path):
    assert "wide" in list_models()
    assert describe("wide")["parameters"] == 5 * 5 * 64 + 64 + 64 * 7 + 7
    (tmp_path / "wide.toml").write_text(block("toml"))
    recipe = load_recipe(tmp_path / "wide.toml")
    images, labels = drawn_set(80, seed=9)
    write_fer_csv(tmp_path / "faces.csv", images, labels, ["Training"] * 60 + ["PublicTest"] * 20)
    run = train(recipe, tmp_path / "faces.csv", tmp_path / "run")
    assert len(read_metrics(run)) == 1 + recipe.train.epochs
    assert Classifier(run).config.options["width"] == 32
