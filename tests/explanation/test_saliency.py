import numpy as np
import pytest
import torch
from torch import nn

from mien.errors import UsageError
from mien.explanation import grad_cam, integrated_gradients
from mien.models import FaceClassifier, architecture, create_model, list_models

ALL = list_models()
WITHOUT_MAPS = ["feedforward", "logistic"]


def random_view(side: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    shape = (side, side) if channels == 1 else (side, side, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def small(name: str) -> FaceClassifier:
    """Returns an architecture at 32 pixels, random, with batch norm as after some training."""
    torch.manual_seed(0)
    channels = architecture(name).channels
    net = create_model(name, input_size=32)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return FaceClassifier(net, in_channels=channels).eval()


class Spots(nn.Module):
    """Maps of what is bright and what is dark; bright speaks for class 0, dark for class 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.conv.weight.data[:, 0, 0, 0] = torch.tensor([1.0, -1.0])
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(2, 2, bias=False)
        self.head.weight.data = torch.tensor([[3.0, -1.0], [-1.0, 2.0]])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.relu(self.conv(images))).mean((2, 3)))


def test_gradients_of_a_linear_network_are_weight_times_distance_from_the_baseline():
    net = create_model("logistic", 3, input_size=8)
    face_classifier = FaceClassifier(net, mean=[0.4], std=[0.25], temperature=2.0).eval()
    view = random_view(8)
    found = integrated_gradients(face_classifier, view, 1)
    weight = net.head.weight[1].detach().numpy().reshape(8, 8)
    expected = weight * (view / 255 - 0.4) / 0.25 / 2
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    assert found.baseline == pytest.approx(0.4)
    assert found.baseline_logit == pytest.approx(net.head.bias[1].item() / 2, abs=1e-5)
    assert found.logit - found.baseline_logit == pytest.approx(expected.sum(), abs=1e-4)
    assert found.convergence_delta == pytest.approx(0, abs=1e-4)


def test_contributions_of_colours_are_summed():
    net = create_model("logistic", 2, in_channels=3, input_size=4)
    face_classifier = FaceClassifier(net, mean=[0.5], std=[0.5], in_channels=3).eval()
    weight = net.head.weight[0].detach().numpy().reshape(3, 4, 4)
    colour, grey = random_view(4, 3), random_view(4)
    expected = (weight * (colour.transpose(2, 0, 1) / 255 - 0.5) / 0.5).sum(0)
    found = integrated_gradients(face_classifier, colour, 0).values
    np.testing.assert_allclose(found, expected, atol=1e-5)
    expected = weight.sum(0) * (grey / 255 - 0.5) / 0.5  # grey is repeated inside
    found = integrated_gradients(face_classifier, grey, 0).values
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_contributions_add_up_to_the_logit():
    face_classifier, view = small("mien_s"), random_view(32)
    found = integrated_gradients(face_classifier, view, 2)
    with torch.no_grad():
        logit = face_classifier(torch.from_numpy(view)[None, ..., None])[0, 2].item()
    assert found.logit == pytest.approx(logit, abs=1e-4)
    rise = found.logit - found.baseline_logit
    assert abs(rise) > 0.05  # or the next line proves nothing
    assert found.values.sum() == pytest.approx(rise, abs=0.02 * abs(rise))


def test_only_the_bright_corner_lights_up():
    view = np.full((8, 8), 51, np.uint8)  # -0.6 normalised
    view[6:, 6:] = 255  # +1: one cell of the pooled map
    face_classifier = FaceClassifier(Spots()).eval()
    bright = grad_cam(face_classifier, view, 0)
    assert (bright.layer, bright.side) == ("pool", 4)
    # the mean gradients are 3/16 and -1/16; the corner's cell holds 1 and 0, the others 0 and 0.6
    assert bright.values[7, 7] == pytest.approx(3 / 16)
    assert bright.values[6, 7] == pytest.approx(0.75 * 3 / 16)  # enlarged from 4 to 8
    bright.values[5:, 5:] = 0
    assert (bright.values == 0).all()
    dark = grad_cam(face_classifier, view, 1).values
    assert dark[7, 7] == 0
    assert dark[0, 0] == pytest.approx(2 / 16 * 0.6)


def test_a_saturated_output_does_not_hide_the_evidence():
    torch.manual_seed(0)
    net, view = create_model("compact_cnn", 3, input_size=32), random_view(32)
    bounded = FaceClassifier(net).eval()
    net.head.weight.data *= 1e4  # tanh gives 1 and passes no gradient
    with torch.no_grad():
        logits = bounded(torch.from_numpy(view)[None, ..., None])[0]
    assert logits.abs().tolist() == [1, 1, 1]
    free = create_model("compact_cnn", 3, input_size=32, output="none")
    free.load_state_dict(net.state_dict())
    label = int(logits.argmax())
    for explain in (grad_cam, integrated_gradients):
        expected = explain(FaceClassifier(free).eval(), view, label).values
        assert np.abs(expected).max() > 1
        np.testing.assert_array_equal(explain(bounded, view, label).values, expected)


def test_grad_cam_before_a_layer_that_overwrites_its_input():
    view = np.full((4, 4), 51, np.uint8)
    view[0, 0] = 255
    net = Spots()
    found = grad_cam(FaceClassifier(net).eval(), view, 0, layer="conv").values
    # mean gradients over 16 cells: channel 0 has one active cell of its pool, channel 1 three,
    # each of weight 3/4 and -1/4; the values before the ReLU are 1, -0.6 and -1, 0.6
    weights = 3 / 4 * 1 / 16, -1 / 4 * 4 / 16
    assert found[0, 0] == pytest.approx(weights[0] * 1 + weights[1] * -1)
    assert found[3, 3] == 0
    assert net.relu.inplace


@pytest.mark.parametrize(
    ("name", "layer", "side"),
    [
        ("mien_s", "blocks.4", 4),
        ("compact_cnn", "block3.2", 3),
        ("vgg16", "features.42", 2),  # its last pool leaves one pixel
        ("resnet9", "stages.2", 4),
    ],
)
def test_the_last_map_larger_than_a_pixel_is_taken(name, layer, side):
    found = grad_cam(small(name), random_view(32), 0)
    assert (found.layer, found.side) == (layer, side)


@pytest.mark.parametrize("name", ALL)
def test_every_architecture_can_be_explained(name):
    face_classifier, view = small(name), random_view(32)
    found = integrated_gradients(face_classifier, view, 3, num_steps=2)
    assert found.values.shape == (32, 32)
    assert np.isfinite(found.values).all()
    assert np.abs(found.values).max() > 0
    if name in WITHOUT_MAPS:
        with pytest.raises(UsageError, match="no convolution"):
            grad_cam(face_classifier, view, 3)
        return
    cams = [grad_cam(face_classifier, view, label).values for label in range(7)]
    assert all(cam.shape == (32, 32) and cam.min() >= 0 for cam in cams)
    assert max(cam.max() for cam in cams) > 0


def test_a_classifier_is_left_as_it_was():
    face_classifier, view = small("emocnn"), random_view(32)
    expected = (
        grad_cam(face_classifier, view, 0).values,
        integrated_gradients(face_classifier, view, 0).values,
    )
    face_classifier.train()
    face_classifier.net.features[1].eval()
    with torch.no_grad():  # of the caller
        found = (
            grad_cam(face_classifier, view, 0).values,
            integrated_gradients(face_classifier, view, 0).values,
        )
    np.testing.assert_array_equal(found, expected)
    for module in face_classifier.modules():
        assert module.training == (module is not face_classifier.net.features[1])
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
        assert getattr(module, "inplace", True)
    assert all(parameter.grad is None for parameter in face_classifier.parameters())


def test_layers_are_named_by_the_nearest():
    with pytest.raises(UsageError, match=r"no layer 'block\.4' .*did you mean 'blocks\.4'"):
        grad_cam(small("mien_s"), random_view(32), 0, layer="block.4")


def test_views_of_another_kind_are_refused():
    face_classifier = small("logistic")
    for view in (random_view(32).astype(np.float32), np.zeros((32, 32, 4), np.uint8)):
        with pytest.raises(ValueError, match="expected a view uint8"):
            integrated_gradients(face_classifier, view, 0)
