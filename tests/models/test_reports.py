"""Every layer's output shape and parameter count against the reports' own tables."""

import pytest
import torch
from torch import nn

from mien.models import architecture, count_parameters, create_model, describe

# Report E: per network, (output shape, parameters) of each convolution and linear layer.
EMO_TABLES = {
    "emocnn": [
        ((16, 48, 48), 448), ((32, 48, 48), 4_640), ((64, 24, 24), 18_496),
        ((128, 12, 12), 73_856), ((128, 12, 12), 147_584), ((7,), 129_031),
    ],
    "emo2cnn": [
        ((16, 46, 46), 448), ((32, 44, 44), 4_640), ((64, 20, 20), 18_496),
        ((128, 10, 10), 73_856), ((128, 10, 10), 147_584), ((7,), 89_607),
    ],
    "emo3cnn": [
        ((16, 48, 48), 448), ((32, 48, 48), 4_640), ((64, 24, 24), 18_496),
        ((128, 12, 12), 73_856), ((128, 12, 12), 147_584), ((256, 12, 12), 295_168),
        ((7,), 258_055),
    ],
    "emo4cnn": [
        ((16, 48, 48), 448), ((32, 48, 48), 4_640), ((64, 24, 24), 18_496),
        ((128, 12, 12), 73_856), ((128, 12, 12), 147_584), ((256, 12, 12), 295_168),
        ((128,), 4_718_720), ((7,), 903),
    ],
    "emo5cnn": [
        ((16, 48, 48), 448), ((32, 48, 48), 4_640), ((64, 24, 24), 18_496),
        ((128, 12, 12), 73_856), ((128, 12, 12), 147_584), ((256, 12, 12), 295_168),
        ((256, 12, 12), 590_080), ((128, 12, 12), 295_040), ((64, 12, 12), 73_792),
        ((7,), 64_519),
    ],
    "emo6cnn": [
        ((16, 48, 48), 1_216), ((32, 48, 48), 12_832), ((64, 24, 24), 51_264),
        ((128, 12, 12), 204_928), ((128, 12, 12), 409_728), ((7,), 129_031),
    ],
}  # fmt: skip

# Report C, from its text: 3x3 convolutions with bias; D, from its table.
RESNET9_TABLE = [
    ((128, 48, 48), 1_280), ((128, 48, 48), 147_584),
    ((128, 24, 24), 147_584), ((128, 24, 24), 147_584),
    ((256, 24, 24), 295_168), ((256, 24, 24), 590_080),
    ((256, 12, 12), 590_080), ((256, 12, 12), 590_080),
    ((512, 12, 12), 1_180_160), ((512, 12, 12), 2_359_808),
    ((512, 6, 6), 2_359_808), ((512, 6, 6), 2_359_808),
    ((7,), 3_591),
]  # fmt: skip
COMPACT_TABLE = [
    ((44, 46, 46), 1_144), ((40, 20, 20), 44_040), ((40, 9, 9), 1_640), ((36, 9, 9), 12_996),
    ((70,), 123_550), ((7,), 497),
]  # fmt: skip
VGG16_CHANNELS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]

TOTALS = {
    "logistic": 16_135,  # 48 * 48 * 7 + 7
    "emocnn": 374_791,
    "emo2cnn": 335_367,
    "emo3cnn": 799_495,
    "emo4cnn": 5_261_063,
    "emo5cnn": 1_565_767,
    "emo6cnn": 809_735,
    "resnet9": 10_779_783,
    "resnet9_elu": 10_779_783,
    "compact_cnn": 184_110,
}


def layers_of(name: str, **options) -> list[tuple[tuple[int, ...], int]]:
    """Returns (output shape, parameters) of each convolution and linear layer, as they run."""
    net, entry, found = create_model(name, **options).eval(), architecture(name), []

    def note(layer, _, output):
        found.append((tuple(output.shape[1:]), count_parameters(layer)))

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(note)
    net(torch.zeros(1, entry.channels, entry.input_size, entry.input_size))
    return found


def kinds_of(name: str, kind: type[nn.Module], **options) -> list[nn.Module]:
    return [each for each in create_model(name, **options).modules() if isinstance(each, kind)]


@pytest.mark.parametrize("name", sorted(EMO_TABLES))
def test_report_e_layer_by_layer(name):
    assert layers_of(name) == EMO_TABLES[name]
    convolutions = kinds_of(name, nn.Conv2d)
    assert len(kinds_of(name, nn.BatchNorm2d)) == len(convolutions)
    assert len(kinds_of(name, nn.ReLU)) == len(convolutions), "none between Emo4CNN's linears"
    side = 5 if name == "emo6cnn" else 3
    assert {layer.kernel_size for layer in convolutions} == {(side, side)}


@pytest.mark.parametrize(
    ("name", "pool"),
    [(name, nn.MaxPool2d) for name in ("emocnn", "emo2cnn", "emo6cnn")]
    + [(name, nn.AvgPool2d) for name in ("emo3cnn", "emo4cnn", "emo5cnn")],
)
def test_report_e_pools(name, pool):
    assert len(kinds_of(name, pool)) == 2


def test_emo5cnn_with_max_pools():
    assert len(kinds_of("emo5cnn", nn.MaxPool2d, pool="max")) == 2
    assert layers_of("emo5cnn", pool="max") == EMO_TABLES["emo5cnn"]


@pytest.mark.parametrize("name", ["resnet9", "resnet9_elu"])
def test_reports_b_and_c_layer_by_layer(name):
    assert layers_of(name) == RESNET9_TABLE
    assert len(kinds_of(name, nn.MaxPool2d)) == 4


def test_b_has_relu_and_no_dropout_and_c_elu_with_dropout():
    assert len(kinds_of("resnet9", nn.ReLU)) == 12
    assert {layer.p for layer in kinds_of("resnet9", nn.Dropout)} == {0.0}
    assert len(kinds_of("resnet9_elu", nn.ELU)) == 12
    assert [layer.p for layer in kinds_of("resnet9_elu", nn.Dropout)] == [0.5, 0.5, 0.0]
    bounded = create_model("resnet9", tanh=True).eval()(torch.randn(2, 1, 48, 48) * 50)
    assert bounded.abs().max() <= 1


def test_residual_is_res_of_x_plus_x():
    stage = create_model("resnet9_elu").eval().stages[0]
    images = torch.randn(1, 1, 48, 48)
    with torch.no_grad():
        before = stage.convs(images)
        torch.testing.assert_close(stage(images), stage.residual(before) + before)


def test_report_d_layer_by_layer():
    assert layers_of("compact_cnn") == COMPACT_TABLE
    assert len(kinds_of("compact_cnn", nn.PReLU)) == 3
    assert [layer.p for layer in kinds_of("compact_cnn", nn.Dropout)] == [0.5]
    assert [layer.kernel_size for layer in kinds_of("compact_cnn", nn.Conv2d)] == [
        (5, 5), (5, 5), (1, 1), (3, 3),
    ]  # fmt: skip


def test_report_d_options():
    assert layers_of("compact_cnn", hidden=100)[-2:] == [((100,), 176_500), ((7,), 707)]
    images = torch.randn(3, 1, 48, 48) * 20
    for output, low, high in (("tanh", -1, 1), ("sigmoid", 0, 1), ("softmax", 0, 1)):
        values = create_model("compact_cnn", output=output).eval()(images)
        assert low <= values.min()
        assert values.max() <= high
    total = create_model("compact_cnn", output="softmax").eval()(images).sum(1)
    torch.testing.assert_close(total, torch.ones(3))


def test_vgg16_layer_by_layer():
    shapes = [shape for shape, _ in layers_of("vgg16")]
    assert [shape[0] for shape in shapes] == [*VGG16_CHANNELS, 7]
    assert len(kinds_of("vgg16", nn.MaxPool2d)) == 5
    assert len(kinds_of("vgg16", nn.BatchNorm2d)) == 13
    assert len(kinds_of("vgg16", nn.Linear)) == 1


@pytest.mark.parametrize("name", sorted(TOTALS))
def test_totals(name):
    assert count_parameters(create_model(name)) == TOTALS[name]


def test_multiply_adds_of_resnet9():
    assert describe("resnet9_elu")["mmacs"] == pytest.approx(1_871, abs=1)


@pytest.mark.parametrize("name", sorted(EMO_TABLES))
def test_report_e_takes_grey_repeated(name):
    assert architecture(name).channels == 3
