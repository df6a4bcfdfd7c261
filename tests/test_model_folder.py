"""Model folders that are damaged, or whose network is not what it says it is."""

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mien.classifier import Classifier
from mien.errors import BadInputError
from mien.model_folder import METADATA_KEY, PRETRAINED, parse_config, resolve, write_manifest
from mien.models import load_face_classifier
from tiny_model import write_tiny_model


def load_float32(folder):
    return Classifier(folder, precision="float32")


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("model.onnx", load_float32),
        ("model_int8.onnx", Classifier),
        ("model.safetensors", load_face_classifier),
    ],
)
def test_every_flipped_bit_is_noticed(name, load, tmp_path, monkeypatch):
    folder = shutil.copytree(resolve("default"), tmp_path / "copy")
    whole = (folder / name).read_bytes()
    monkeypatch.setattr("mien.classifier.has_fast_int8", lambda: True)
    for place in np.random.default_rng(0).integers(0, len(whole), 10).tolist():
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        (folder / name).write_bytes(flipped)
        with pytest.raises(BadInputError, match=rf"{name}: damaged, or changed by another"):
            load(folder)
    (folder / name).write_bytes(whole)
    load(folder)
    (folder / "manifest.json").write_text("[1")
    with pytest.raises(BadInputError, match=r"manifest\.json: damaged"):
        load(folder)


def changed(tmp_path, change):
    """A folder whose network was changed by another program, which wrote no manifest."""
    folder = write_tiny_model(tmp_path / "model")
    network = onnx.load(folder / "model.onnx")
    config = json.loads(network.metadata_props[0].value)
    change(network, config)
    if network.metadata_props[0].key == METADATA_KEY:
        onnx.helper.set_model_props(network, {METADATA_KEY: json.dumps(config)})
    onnx.save(network, folder / "model.onnx")
    return folder


def fewer_labels(network, config):
    config["labels"] = config["labels"][:5]


def another_size(network, config):
    config["input_size"] = 40


def colours(network, config):
    config["channels"] = 3


def no_numbers(network, config):
    (weight,) = (each for each in network.graph.initializer if each.name == "weight")
    broken = np.full_like(numpy_helper.to_array(weight), np.nan)
    weight.CopyFrom(numpy_helper.from_array(broken, "weight"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (fewer_labels, r"gives logits \[1, 7\] of one face, but its metadata has 5 labels"),
        (another_size, r"does not take faces \[N, 40, 40, 1\], as its metadata says"),
        (colours, r"does not take faces \[N, 44, 44, 3\]"),
        (no_numbers, r"gives logits that are not finite"),
    ],
)
def test_a_network_that_contradicts_its_metadata_is_refused_at_load(change, words, tmp_path):
    folder = changed(tmp_path, change)
    with pytest.raises(BadInputError, match=words):
        Classifier(folder)
    write_manifest(folder)  # which says only that the files are whole
    with pytest.raises(BadInputError, match=words):
        Classifier(folder)


def test_metadata_that_is_no_text_is_refused(tmp_path):
    folder = write_tiny_model(tmp_path / "model")
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content.replace(b'"surprise"', b'"surpris\xff"'))
    with pytest.raises(BadInputError, match=r"model\.onnx: "):
        Classifier(folder)


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_config_that_is_read_and_written_stays_as_it_was(name):
    """Key by key, in its order: what a card or another program reads is not moved."""
    text = (resolve(name) / "config.json").read_text()
    assert parse_config(text, name).to_json() == text


def test_a_training_record_of_another_version_is_read(tmp_path):
    page = json.loads((write_tiny_model(tmp_path / "model") / "config.json").read_text())
    page["training"] = {"epoch": 3, "recipe": {"train": {"old_knob": 1}}, "unheard_of": [1, 2]}
    config = parse_config(json.dumps(page), "here")
    assert config.training.epoch == 3
    assert config.training.setting("train.seed") is config.training.setting("data.drop") is None
    assert json.loads(config.to_json())["training"] == page["training"]
