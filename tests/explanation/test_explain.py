from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage.data import astronaut

from drawn_faces import drawn_face
from mien.classifier import Classifier
from mien.errors import BadInputError, MissingError, UsageError
from mien.explanation import METHODS, REGIONS, draw, explain, find_face
from mien.explanation.regions import region_map
from mien.inference import Analyzer, Detection
from mien.inference.see.crop import square_of
from mien.labels import EXPRESSIONS
from mien.model_folder import WEIGHTS, ModelConfig, write_config
from mien.models import create_model
from mien.pictures import to_grey


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "astronaut.png"
    Image.fromarray(astronaut()).save(path)
    return path


@pytest.fixture(scope="module")
def face_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("face") / "face.png"
    Image.fromarray(drawn_face(np.random.default_rng(0), 3)).save(path)
    return path


def write_model(folder: Path, architecture: str, **settings) -> Path:
    torch.manual_seed(0)
    config = ModelConfig(architecture=architecture, labels=EXPRESSIONS, **settings)
    options = {"in_channels": config.channels, "input_size": config.input_size}
    folder.mkdir()
    save_file(create_model(architecture, **options).state_dict(), folder / WEIGHTS)
    write_config(folder, config.model_copy(update={"options": options}))
    return folder


def words(figure) -> str:
    """Returns everything written in a figure, a part to a line."""
    figure.canvas.draw()
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    titles = [axes.get_title() for axes in figure.axes]
    labels = [label for axes in figure.axes for label in (axes.get_xlabel(), axes.get_ylabel())]
    return "\n".join([figure.get_suptitle(), *titles, *labels, *texts])


def test_the_default_model_sees_the_astronauts_smile_in_the_mouth(picture):
    classifier = Classifier()
    face, _ = find_face(picture, classifier.config)
    grey, middle = round(255 * classifier.config.mean[0]), len(face) // 2
    without_mouth, without_eyes = face.copy(), face.copy()
    without_mouth[middle:], without_eyes[:middle] = grey, grey
    shown = classifier.probabilities(np.stack([face, without_mouth, without_eyes]))
    whole, mouthless, eyeless = shown[:, EXPRESSIONS.index("happy")]
    assert mouthless < 0.2
    assert eyeless > 0.8
    odds = [share / (1 - share) for share in (whole, mouthless, eyeless)]
    fall_without_mouth, fall_without_eyes = np.log(odds[0] / odds[1]), np.log(odds[0] / odds[2])
    assert fall_without_mouth > 3 * fall_without_eyes

    # What explanations say of it: more below the middle than above. (Of a net that FER2013's labels
    # taught, integrated gradients gave the lower half three times the upper; one taught by votes
    # reads the smile in cheeks and eyes as well: 3.1 logits to 2.0.)
    upper, lower = np.split(explain(picture, "integrated-gradients").finding.values, 2)
    assert lower.sum() > upper.sum()
    upper, lower = np.split(explain(picture, "gradcam").finding.values, 2)
    assert lower.sum() > upper.sum()


def test_what_grad_cam_draws_is_told(picture):
    found = explain(picture, "gradcam")
    (face,) = Analyzer()(picture)
    assert (found.perceived, found.explained, found.num_faces) == ("happy", "happy", 1)
    assert found.probabilities == pytest.approx(face.probabilities, abs=1e-3)
    text = words(draw(found))
    assert f"Perceived expression: happy, {face.confidence:.0%} ({found.architecture})" in text
    assert f"Grad-CAM for happy\nat {found.finding.layer}, " in text
    assert "evidence for happy (logits per cell)" in text


def test_the_face_is_cut_as_predict_cuts_it(picture):
    classifier = Classifier()
    face, num_faces = find_face(picture, classifier.config)
    assert num_faces == 1
    (read,) = Analyzer(classifier)(picture)
    probabilities = classifier.probabilities(face[None])[0]
    np.testing.assert_allclose(probabilities, list(read.probabilities.values()), atol=1e-6)
    first = (classifier.config.face_size - classifier.config.input_size) // 2
    middle = slice(first, first + classifier.config.input_size)
    np.testing.assert_array_equal(explain(picture, "filters").view, face[middle, middle])


def test_another_expression_and_its_other_names(picture):
    found = explain(picture, "integrated-gradients", expression="Sadness")
    assert (found.perceived, found.explained) == ("happy", "sad")
    finding = found.finding
    assert finding.values.sum() == pytest.approx(finding.logit - finding.baseline_logit, abs=0.05)
    text = words(draw(found, "pixels"))
    assert f"integrated gradients for sad\n{finding.values.sum():+.2f} logits from even" in text
    assert "added to sad (logits per pixel)" in text
    assert f"convergence delta {finding.convergence_delta:+.2g}" in found.summary
    with pytest.raises(UsageError, match="no expression 'hapy'; did you mean 'happy'"):
        explain(picture, expression="hapy")


def test_the_astronaut_smiles_with_the_mouth(picture):
    found = explain(picture)
    assert list(found.regions) == ["brows", "eyes", "nose", "mouth", "rest"]
    assert sum(found.regions.values()) == pytest.approx(1)
    assert max(found.regions, key=lambda region: found.regions[region]) == "mouth"
    percent = f"{100 * found.regions['mouth']:.0f} %"
    start = f"happy 99 %: {percent} of the evidence for it lies around the mouth, "
    assert found.sentence.startswith(start)
    page = found.to_json()
    assert page["sentence"] == found.sentence
    assert page["regions"] == pytest.approx(found.regions, abs=1e-4)
    figure = draw(found)
    text = words(figure)
    assert text.replace("\n", " ").startswith(found.sentence)
    assert f"\nmouth {percent}\n" in text
    assert figure.get_figwidth() * figure.dpi >= 600


def with_evidence(found, values):
    return replace(found, finding=replace(found.finding, values=np.array(values, np.float32)))


def test_regions_lie_at_the_landmarks_or_else_where_they_lie_in_most_faces(picture):
    mean = region_map(None, 48, 44)
    np.testing.assert_array_equal(explain(picture, "filters", detector="haar").region_map, mean)
    found = explain(picture, "filters")
    (face,) = Analyzer()(picture)
    left, top, side = square_of(Detection(face.box, 1.0), Classifier().config.crop)
    names = [
        list(REGIONS)[
            found.region_map[int((y - top) / side * 48 - 2), int((x - left) / side * 48 - 2)]
        ]
        for x, y in face.landmarks
    ]
    assert names == ["eyes", "eyes", "nose", "mouth", "mouth"]
    assert (found.region_map != mean).any()


def test_what_is_told_of_evidence_for_and_against(picture):
    found = explain(picture)
    # a face of four pixels, which are too few to be smoothed
    places = [list(REGIONS).index(name) for name in ("brows", "eyes", "mouth", "rest")]
    found = replace(found, region_map=np.array(places).reshape(2, 2))
    found = with_evidence(found, [[0.7, 1.3], [6.0, 2.0]])
    assert found.regions == pytest.approx(
        {"brows": 0.07, "eyes": 0.13, "nose": 0, "mouth": 0.6, "rest": 0.2}
    )
    evidence = "60 % of the evidence for it lies around the mouth, 20 % on the cheeks and elsewhere"
    assert found.sentence == f"happy 99 %: {evidence}"
    # against: -2 of 2 + 8, no more than a fifth; then -2.1
    assert "against" not in with_evidence(found, [[0.0, -2.0], [8.0, 0.0]]).sentence
    told = with_evidence(found, [[0.0, -2.1], [7.9, 0.0]]).sentence
    assert told == (
        "happy 99 %: 100 % of the evidence for it lies around the mouth; "
        "21 % of all evidence speaks against it, most around the eyes"
    )
    none = with_evidence(found, [[0.0, -2.0], [0.0, 0.0]])
    assert none.sentence == "happy 99 %: no part of the face speaks for it"
    assert set(none.regions.values()) == {0}
    asked = replace(found, explained="sad", probabilities=found.probabilities | {"sad": 0.004})
    start = "happy 99 %; asked about sad, 0 %: 60 % of the evidence for sad lies around the mouth"
    assert asked.sentence.startswith(start)


def test_methods_about_no_expression_have_no_regions(picture):
    found = explain(picture, "filters")
    assert (found.regions, found.sentence) == ({}, "happy 99 %")
    assert not {"regions", "sentence"} & found.to_json().keys()


def test_the_photo_shows_what_the_network_sees(picture):
    found = explain(picture)
    assert found.photo.shape == (528, 528, 3)
    small = to_grey(found.photo.reshape(44, 12, 44, 12, 3).mean((1, 3)).astype(np.uint8))
    assert np.abs(small.astype(int) - found.view).mean() < 4


def test_the_most_certain_of_several_faces(picture, tmp_path):
    both = np.concatenate([astronaut(), astronaut()[:, ::-1]], axis=1)
    Image.fromarray(both).save(tmp_path / "two.png")
    assert explain(tmp_path / "two.png", "filters").num_faces == 2


def test_a_picture_that_is_a_face(face_image, tmp_path):
    model = write_model(tmp_path / "model", "logistic")
    found = explain(face_image, "filters", model=model, detector="none")
    np.testing.assert_array_equal(found.view, np.asarray(Image.open(face_image)))
    assert "logistic: kernels of layer head\n7 of 7 shown, 48x48" in words(draw(found))
    assert "\nfear\nhappy\n" in words(draw(found))
    assert found.to_json()["layer"] == "head"


def test_every_layer_is_drawn_and_counted(face_image, tmp_path):
    model = write_model(tmp_path / "model", "compact_cnn")
    found = explain(face_image, "activations", model=model, detector="none")
    text = words(draw(found))
    assert f"activations layer by layer ({len(found.finding)}): the first 8 maps of each" in text
    for line in ("block1.0  Conv2d\n44x46x46: ", "block3.2  AvgPool2d\n36x7x7: ", "Tanh\n7: "):
        assert line in text
    assert found.to_json()["layers"]["block2.2"] == [40, 9, 9]


def test_colour_faces_and_colour_kernels(picture, tmp_path):
    model = write_model(tmp_path / "model", "mien_s", channels=3, input_size=24, face_size=24)
    for method in METHODS:
        found = explain(picture, method, model=model)
        assert found.view.shape == (24, 24, 3)
        assert words(draw(found))
    assert "3x3, red green blue side by side" in words(
        draw(explain(picture, "filters", model=model))
    )


def test_no_evidence_is_said(face_image, tmp_path):
    model = write_model(tmp_path / "model", "mien_s", input_size=24, face_size=24)
    net = create_model("mien_s", in_channels=1)
    torch.nn.init.constant_(net.head.weight, -1.0)
    save_file(net.state_dict(), model / WEIGHTS)
    found = explain(face_image, "gradcam", model=model, detector="none")
    assert found.finding.values.max() == 0
    assert "no evidence for it at all" in words(draw(found))


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("sky.png", BadInputError, "sky.png: no face found by retinaface; .* detector none"),
        ("broken.png", BadInputError, "broken.png: .*damaged or cut short"),
        ("gone.png", MissingError, "gone.png: no such file"),
    ],
)
def test_pictures_without_a_face(picture, tmp_path, name, kind, message):
    Image.new("RGB", (80, 60), (90, 120, 200)).save(tmp_path / "sky.png")
    (tmp_path / "broken.png").write_bytes(picture.read_bytes()[:5000])
    with pytest.raises(kind, match=message):
        explain(tmp_path / name)


def test_wrong_names(picture):
    with pytest.raises(UsageError, match="no method 'grad-cam'; did you mean 'gradcam'"):
        explain(picture, "grad-cam")
    with pytest.raises(UsageError, match="no detector 'dlib'"):
        explain(picture, detector="dlib")
    with pytest.raises(MissingError, match="no model 'gone'"):
        explain(picture, model="gone")
