import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from drawn_faces import drawn_set
from mien.classifier import Classifier
from mien.errors import BadInputError, MissingError
from mien.labels import EXPRESSIONS
from mien.model_folder import CONFIG, NETWORK, WEIGHTS, ModelConfig, read_config, write_config
from mien.models import FaceClassifier, create_model, load_face_classifier
from mien.training.exporting import write_onnx
from mien.views import centre_crop


def test_the_default_model_gives_the_logits_of_its_onnx_network():
    exported = Classifier("default", precision="float32")
    size = exported.config.input_size
    faces = np.random.default_rng(0).integers(0, 256, (5, size, size, 1), dtype=np.uint8)
    face_classifier = load_face_classifier("default")
    logits = face_classifier(torch.from_numpy(faces))
    np.testing.assert_allclose(logits, exported.run(faces), atol=1e-4)
    assert not logits.requires_grad
    assert not any(module.training for module in face_classifier.modules())


@pytest.mark.parametrize("name", ["default", "warm"])
def test_torch_and_onnx_agree_on_calibrated_probabilities(name, tmp_path):
    """The model inside that has its weights, and a small net with a temperature of its own."""
    if name == "warm":
        net = write_folder(tmp_path, "logistic", temperature=0.5)
        config = read_config(tmp_path)
        warm = FaceClassifier(net, temperature=config.temperature).eval()
        write_onnx(warm, config, tmp_path / NETWORK)
        name = str(tmp_path)
    exported = Classifier(name, precision="float32")
    assert exported.config.temperature != 1
    faces, _ = drawn_set(14, seed=3)
    face_classifier = load_face_classifier(name)
    views = torch.from_numpy(centre_crop(faces, exported.config.input_size)[..., None].copy())
    with torch.no_grad():
        logits = face_classifier(views)
        pixels = views.permute(0, 3, 1, 2) / 255
        raw = face_classifier.net(face_classifier.normalise(pixels))
    np.testing.assert_allclose(
        logits.softmax(dim=1), exported.probabilities(faces), atol=1e-5, rtol=1e-4
    )
    calibrated = (raw / exported.config.temperature).softmax(dim=1)
    np.testing.assert_allclose(calibrated, exported.probabilities(faces), atol=1e-5, rtol=1e-4)


def write_folder(
    folder: Path, architecture: str, temperature: float = 1.0, **options: int
) -> torch.nn.Module:
    torch.manual_seed(0)
    net = create_model(architecture, **options).eval()
    save_file(net.state_dict(), folder / WEIGHTS)
    config = ModelConfig(
        architecture=architecture, options=options, labels=EXPRESSIONS, temperature=temperature
    )
    write_config(folder, config)
    return net


def test_options_size_and_channels_come_from_the_config(tmp_path):
    net = write_folder(tmp_path, "compact_cnn", hidden=5)
    face_classifier = load_face_classifier(tmp_path)
    assert face_classifier.net.hidden[0].out_features == 5
    images = torch.randn(2, 1, 48, 48)
    with torch.no_grad():
        assert torch.equal(face_classifier.net(images), net(images))
    write_folder(tmp_path, "emocnn")  # made for three channels; the faces are grey
    assert load_face_classifier(tmp_path)(torch.zeros(1, 48, 48, 1)).shape == (1, 7)


def test_pretrained_weights_need_not_be_there_any_more(tmp_path):
    write_folder(tmp_path, "timm:mobilenetv3_small_100")
    config = json.loads((tmp_path / CONFIG).read_text())
    config["options"] = {"weights": "gone.safetensors"}
    (tmp_path / CONFIG).write_text(json.dumps(config))
    assert load_face_classifier(tmp_path)(torch.zeros(1, 48, 48, 1)).shape == (1, 7)


def test_weights_that_are_missing_broken_or_of_another_network(tmp_path):
    write_folder(tmp_path, "logistic")
    path = tmp_path / WEIGHTS
    save_file({"other": torch.zeros(2)}, path)
    with pytest.raises(BadInputError, match=r"model\.safetensors: not the weights of logistic"):
        load_face_classifier(tmp_path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(BadInputError, match=r"model\.safetensors: not the weights of logistic"):
        load_face_classifier(tmp_path)
    path.unlink()
    with pytest.raises(MissingError, match=r"model\.safetensors: not found"):
        load_face_classifier(tmp_path)
