"""The examples in the docstrings of what mien makes public run as they stand.

They read the files that the folder below has: `faces.csv`, a labelled set of drawn faces with
FER+'s votes in `votes.csv`; `runs/first`, a finished run on it; a picture and a video.
"""

import doctest
import importlib
import inspect
import shutil
from fractions import Fraction
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from skimage.data import astronaut

from drawn_faces import drawn_set, write_fer_csv
from made_video import write_video
from mien.models import registry
from mien.recipes import load_recipe
from mien.training import train

EXAMPLES = Path(__file__).parents[1] / "examples"
ROOMS = ("audit", "data", "evaluation", "explanation", "inference", "models", "recipes", "training")
ONLY_RETURNED = {
    "mien.audit.Audit",
    "mien.audit.Groups",
    "mien.data.Majority",
    "mien.data.Summary",
    "mien.data.Twins",
    "mien.evaluation.Calibration",
    "mien.evaluation.CalibrationError",
    "mien.evaluation.Comparison",
    "mien.evaluation.Evaluation",
    "mien.evaluation.GroupColumn",
    "mien.evaluation.Report",
    "mien.evaluation.Robustness",
    "mien.evaluation.Truth",
    "mien.evaluation.VotesReport",
    "mien.evaluation.WithoutTwins",
    "mien.explanation.Explanation",
    "mien.explanation.GradCam",
    "mien.explanation.PixelContributions",
    "mien.inference.EndToEnd",
    "mien.inference.Tally",
    "mien.models.Architecture",
    "mien.models.Layer",
}
"""Types that a user is given and never makes: the functions that return them have examples."""


def public_objects() -> dict[str, object]:
    """Returns the public functions and classes by their first public name."""
    found: dict[int, tuple[str, object]] = {}
    for module in ("mien", *(f"mien.{room}" for room in ROOMS)):
        room = importlib.import_module(module)
        for name in room.__all__:
            value = getattr(room, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                found.setdefault(id(value), (f"{module}.{name}", value))
    return dict(found.values())


PUBLIC = public_objects()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    (folder / "examples").mkdir()
    shutil.copy(EXAMPLES / "astronaut.jpg", folder / "examples")
    parts = [drawn_set(70, seed=1), drawn_set(28, seed=2)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    usages = ["Training"] * 70 + ["PublicTest"] * 28
    write_fer_csv(folder / "faces.csv", images, labels, usages)
    names = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    rows = [f"{usage},,1,7,0,0,0,0,1,1,0,0" for usage in usages]
    (folder / "votes.csv").write_text("\n".join([f"Usage,Image name,{names}", *rows, ""]))
    pictures = [astronaut()[:240, 100:340]] * 2
    write_video(folder / "clip.mp4", pictures, [Fraction(0), Fraction(1)])
    train(load_recipe("logistic", ["train.epochs=1"]), folder / "faces.csv", folder / "runs/first")
    return folder


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - ONLY_RETURNED))
def test_the_example_runs(name, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    monkeypatch.setattr(registry, "_ARCHITECTURES", dict(registry._ARCHITECTURES))
    matplotlib.use("agg")
    (example,) = doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name, globs={})
    assert example.examples, f"{name}: its docstring has no example"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(example, out=said.append)
    assert not runner.failures, "".join(said)


def test_the_types_without_an_example_are_public_and_have_none():
    assert PUBLIC.keys() >= ONLY_RETURNED
    assert not [name for name in ONLY_RETURNED if ">>>" in (PUBLIC[name].__doc__ or "")]
