"""What holds for every registered architecture; a new one is covered by being registered."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mien.classifier import Classifier
from mien.errors import MissingError, UsageError
from mien.labels import EXPRESSIONS
from mien.model_folder import NETWORK, ModelConfig, write_config
from mien.models import (
    FaceClassifier,
    architecture,
    create_model,
    list_models,
    normalisation_of,
    register,
)
from mien.training.exporting import parity, write_model_folder, write_onnx

ALL = list_models()
BACKBONES = ["timm:resnet18", "timm:mobilenetv3_small_100", "timm:convnext_atto"]


def images_for(name: str, count: int = 2) -> torch.Tensor:
    entry = architecture(name)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(
        count, entry.channels, entry.input_size, entry.input_size, generator=generator
    )


@pytest.mark.parametrize("name", ALL)
def test_logits_have_the_asked_shape_and_are_finite(name):
    for num_classes in (7, 5):
        net = create_model(name, num_classes).eval()
        logits = net(images_for(name))
        assert logits.shape == (2, num_classes)
        assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", ALL)
def test_every_parameter_gets_a_gradient(name):
    torch.manual_seed(0)
    net = create_model(name).train()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 1:  # a branch that starts at zero passes no gradient yet
                parameter.uniform_(0.1, 1.0)
    net(images_for(name, 4)).square().sum().backward()
    without = [
        key
        for key, parameter in net.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert without == []


@pytest.mark.parametrize("name", ALL)
def test_the_last_layer_is_called_head(name):
    net = create_model(name, 5)
    assert isinstance(net.head, torch.nn.Linear)
    assert net.head.out_features == 5


@pytest.mark.parametrize("name", BACKBONES)
def test_timm_backbones_take_faces_at_their_own_normalisation(name):
    torch.manual_seed(0)
    net = create_model(name, 5).eval()
    assert net(images_for(name)).shape == (2, 5)
    mean, std = normalisation_of(name)
    assert mean == pytest.approx((0.485, 0.456, 0.406))
    assert len(std) == 3
    with pytest.raises(UsageError, match="did you mean 'resnet18'"):
        create_model("timm:resnet_18")
    with pytest.raises(MissingError, match="no such file"):
        create_model(name, weights="gone.safetensors")


def test_timm_weights_come_from_a_file(tmp_path):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(1)
    source = timm.create_model("mobilenetv3_small_100")
    save_file(source.state_dict(), tmp_path / "weights.safetensors")
    net = create_model("timm:mobilenetv3_small_100", weights=str(tmp_path / "weights.safetensors"))
    assert torch.equal(net.backbone.conv_stem.weight, source.conv_stem.weight)


@pytest.mark.parametrize("name", ALL)
def test_one_face_does_not_depend_on_its_batch(name):
    torch.manual_seed(0)
    net = create_model(name).eval()
    images = images_for(name, 3)
    with torch.no_grad():
        together, alone = net(images), torch.cat([net(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_torch_and_onnx_give_the_same_logits(name, tmp_path):
    torch.manual_seed(0)
    entry = architecture(name)
    net = create_model(name)
    config = ModelConfig(
        architecture=name, labels=EXPRESSIONS, input_size=entry.input_size, temperature=1.7
    )
    face_classifier = FaceClassifier(net, in_channels=entry.channels, temperature=1.7).eval()
    write_onnx(face_classifier, config, tmp_path / NETWORK)
    write_config(tmp_path, config)
    exported = Classifier(tmp_path)
    assert exported.config == config
    assert parity(face_classifier, exported) < 1e-4
    content = (tmp_path / NETWORK).read_bytes()
    assert b"site-packages" not in content, "nothing of this machine is in it"
    assert b"face_classifier.py" not in content


def test_mien_s_costs_about_100_million_multiply_adds():
    from mien.models import describe

    assert 85 < describe("mien_s")["mmacs"] < 115
    assert describe("resnet9_elu")["mmacs"] == pytest.approx(1_871, abs=1)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UsageError, match="'emo_cnn'; did you mean 'emocnn'"):
        create_model("emo_cnn")
    with pytest.raises(UsageError, match="no option 'dropuot'; did you mean 'dropout'"):
        create_model("mien_s", dropuot=0.5)


def test_a_name_is_registered_once():
    def logistic(num_classes: int, in_channels: int, input_size: int) -> torch.nn.Module:
        """Another."""
        raise AssertionError

    with pytest.raises(ValueError, match="'logistic' is registered twice"):
        register("test")(logistic)


def test_grey_is_repeated_and_normalised_inside():
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, images):
            seen.append(images)
            return images.mean((2, 3))

    face_classifier = FaceClassifier(Spy(), mean=[0.5], std=[0.25], in_channels=3, temperature=2.0)
    faces = torch.tensor([[[[0], [255]], [[255], [255]]]], dtype=torch.uint8)  # [1, 2, 2, 1]
    logits = face_classifier(faces)
    assert seen[0].shape == (1, 3, 2, 2)
    assert seen[0][0, 2].tolist() == [[-2.0, 2.0], [2.0, 2.0]]
    assert logits.tolist() == [[0.5, 0.5, 0.5]]  # mean 1 / temperature 2


def test_colour_is_normalised_per_channel():
    face_classifier = FaceClassifier(
        torch.nn.Flatten(), mean=[0.0, 0.5, 1.0], std=[1.0, 0.5, 1.0], in_channels=3
    )
    red = torch.tensor([[[[255, 0, 0]]]], dtype=torch.uint8)
    assert face_classifier(red).tolist() == [[1.0, -1.0, -1.0]]


def test_saved_weights_give_the_same_logits(tmp_path, trained_config):
    torch.manual_seed(3)
    net = create_model("mien_s").eval()
    write_model_folder(tmp_path / "model", net, trained_config, in_channels=1)
    again = create_model("mien_s").eval()
    again.load_state_dict(load_file(tmp_path / "model" / "model.safetensors"))
    images = images_for("mien_s")
    with torch.no_grad():
        np.testing.assert_array_equal(net(images), again(images))
    assert "perceived expression" in (tmp_path / "model" / "README.md").read_text()
