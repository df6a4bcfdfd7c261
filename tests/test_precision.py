"""Which network of a model folder runs, and that both give the same answers."""

import json

import numpy as np
import pytest

from drawn_faces import drawn_set
from mien.classifier import Classifier, find_network, softmax
from mien.data import FaceSet
from mien.errors import MissingError, UsageError
from mien.evaluation import collect, evaluate
from mien.evaluation.pretrained import describe_pretrained
from mien.inference import Analyzer
from mien.labels import EXPRESSIONS
from mien.model_folder import NETWORK, NETWORK_INT8, PRETRAINED, read_config, resolve
from tiny_model import write_tiny_model


@pytest.fixture(params=[True, False], ids=["quick", "slow"])
def quick(request, monkeypatch):
    """Whether the processor is made to be quick at int8."""
    monkeypatch.setattr("mien.classifier.has_fast_int8", lambda: request.param)
    return request.param


@pytest.fixture
def fast_processor(monkeypatch):
    monkeypatch.setattr("mien.classifier.has_fast_int8", lambda: True)


def drawn() -> FaceSet:
    images, labels = drawn_set(70, seed=1)
    rows = np.arange(len(images))
    return FaceSet(images, labels, EXPRESSIONS, rows=rows, sources=("drawn",))


@pytest.mark.parametrize("name", PRETRAINED)
def test_both_networks_of_a_model_inside_answer_alike(name, fast_processor):
    faces = drawn().images
    exact, fast = (Classifier(name, 1, precision) for precision in ("float32", "int8"))
    one, other = exact.logits(faces), fast.logits(faces)
    assert (one.argmax(1) == other.argmax(1)).mean() > 0.9
    assert np.abs(softmax(one) - softmax(other)).max() < 0.15
    assert np.abs(one - other).max() > 1e-3  # they are two
    record = read_config(exact.folder).training.int8
    assert record is not None
    temperature = exact.config.temperature * record.temperature
    assert fast.config.temperature == pytest.approx(temperature)


def test_auto_takes_int8_where_the_processor_is_quick_at_it(quick):
    classifier = Classifier()
    assert classifier.precision == ("int8" if quick else "float32")
    manifest = json.loads((classifier.folder / "manifest.json").read_text())
    assert classifier.digest == manifest[NETWORK_INT8 if quick else NETWORK]
    assert Analyzer(classifier).reader.model == classifier.digest[:16]


def test_auto_takes_float32_where_there_is_no_other_network(quick, tmp_path):
    folder = write_tiny_model(tmp_path / "model")
    assert Classifier(folder).precision == "float32"


def test_auto_takes_float32_on_another_device(quick, monkeypatch):
    monkeypatch.setattr("mien.classifier.find_device", lambda _: "cuda")
    assert find_network(resolve("default"))[0].name == NETWORK


def test_int8_by_hand_is_told_of_where_the_processor_is_not_made_for_it(monkeypatch):
    monkeypatch.setattr("mien.classifier.has_fast_int8", lambda: False)
    with pytest.warns(UserWarning, match="int8: not known to be fast or exact"):
        assert Classifier(precision="int8").precision == "int8"


def test_int8_that_is_not_there_is_an_error_with_the_command_that_makes_it(tmp_path):
    folder = write_tiny_model(tmp_path / "model")
    with pytest.raises(MissingError, match=r"has no int8 network; make one: mien export .*--int8"):
        Classifier(folder, precision="int8")


def test_int8_is_for_the_cpu():
    with pytest.raises(UsageError, match="int8 runs on the CPU only, not on 'cuda'"):
        Classifier(precision="int8", device="cuda")


def test_an_unknown_precision_is_refused():
    with pytest.raises(UsageError, match="no precision 'int4'; did you mean 'int8'"):
        Classifier(precision="int4")  # type: ignore[arg-type]


def test_evaluations_are_of_float32_unless_they_are_told_otherwise(fast_processor):
    faces = drawn().take(np.arange(20))
    exact = Classifier(precision="float32")
    assert np.array_equal(collect("default", faces).logits, exact.logits(faces.images))
    said = collect("default", faces, precision="int8").read_by
    assert said == f"int8 on cpu, network {Classifier(precision='int8').digest[:16]}"
    assert evaluate("default", faces) != evaluate("default", faces, precision="int8")


def test_the_list_of_models_says_which_network_runs_here(quick):
    rows = describe_pretrained()
    assert {row["precision"] for row in rows} == {"int8" if quick else "float32"}
    assert [row["precisions"] for row in rows] == [["float32", "int8"]] * len(PRETRAINED)
