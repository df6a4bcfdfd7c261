import numpy as np
import pytest
import torch

from mien.errors import UsageError
from mien.explanation import activations, filters
from mien.models import FaceClassifier, architecture, create_model, layer_table, list_models


@pytest.mark.parametrize("name", list_models())
def test_activations_have_the_shapes_of_the_layers(name):
    entry = architecture(name)
    face_classifier = FaceClassifier(create_model(name), in_channels=entry.channels).eval()
    found = activations(face_classifier, np.full((entry.input_size,) * 2, 90, np.uint8))
    by_name = {each.name: each for each in found}
    assert len(by_name) == len(found)
    kinds = ("Conv", "Linear", "MaxPool", "AvgPool", "ReLU", "PReLU", "ELU", "Tanh")
    layers = [layer for layer in layer_table(name) if layer.kind.startswith(kinds)]
    assert [each.name for each in found if each.name in {layer.name for layer in layers}] == [
        layer.name for layer in layers
    ]
    for layer in layers:
        shape = layer.shape if layer.shape[1:] != (1, 1) else layer.shape[:1]
        assert by_name[layer.name].values.shape == shape
        assert by_name[layer.name].kind == layer.kind
        assert np.isfinite(by_name[layer.name].values).all()


def test_an_activation_does_not_overwrite_the_layer_before_it():
    conv = torch.nn.Conv2d(1, 1, 1)
    conv.weight.data.fill_(2.0)
    conv.bias.data.zero_()
    net = torch.nn.Sequential(conv, torch.nn.ReLU(inplace=True))
    before, after = activations(FaceClassifier(net).eval(), np.array([[0, 255]] * 2, np.uint8))
    assert before.values.tolist() == [[[-2, 2], [-2, 2]]]
    assert after.values.tolist() == [[[0, 2], [0, 2]]]


def test_the_kernels_are_those_of_the_first_layer():
    net = create_model("emocnn")
    found = filters(FaceClassifier(net, in_channels=3))
    assert found.name == "features.0"
    assert found.kernels.shape == (16, 3, 3, 3)
    np.testing.assert_array_equal(found.kernels, net.features[0].weight.detach())


def test_weights_of_pixels_are_laid_out_as_the_face():
    net = create_model("logistic", 2, in_channels=3, input_size=8)
    net.head.weight.data.zero_()
    net.head.weight.data[1, 64 + 3 * 8 + 5] = 1.0  # green, row 3, column 5
    found = filters(FaceClassifier(net, in_channels=3))
    assert found.kernels.shape == (2, 3, 8, 8)
    assert np.argwhere(found.kernels).tolist() == [[1, 1, 3, 5]]


def test_a_first_layer_that_sees_no_pixels():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(5, 2))
    with pytest.raises(UsageError, match="does not look at pixels"):
        filters(FaceClassifier(net))
