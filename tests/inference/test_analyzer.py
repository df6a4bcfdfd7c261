import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from mien.classifier import Classifier
from mien.errors import BadInputError, MissingError, UsageError
from mien.inference import Analyzer, FrameResult, find_sources, predict
from mien.inference.detection import Detection
from mien.inference.read.sources import FaceFileSource
from mien.model_folder import CropGeometry
from mien.pictures import to_grey
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def analyzer(model: Path) -> Analyzer:
    return Analyzer(model)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def crowd() -> np.ndarray:
    """The astronaut five times, mirrored, darkened and moved."""
    face = astronaut()[20:220, 110:340]
    copies = [face, face[:, ::-1], face // 2, (face // 2)[:, ::-1], face // 4 * 3]
    return np.hstack(copies)


def test_path_bytes_and_pixels_give_the_same(analyzer: Analyzer, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(astronaut()))
    (face,) = analyzer(path)
    for same in (str(path), path.read_bytes(), astronaut()):
        assert list(analyzer(same)) == [face]
    left, top, right, bottom = face.box
    assert left < 226 < right
    assert top < 115 < bottom
    assert face.confidence == max(face.probabilities.values())
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-9)
    assert list(face.probabilities) == list(analyzer.labels)


def test_the_default_model_reads_a_smile() -> None:
    (face,) = Analyzer()(astronaut())
    assert (face.expression, face.uncertain) == ("happy", False)


def test_a_folder_named_as_the_default_model_is_told_by_its_path(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, "default")
    (other,) = Analyzer("./default")(astronaut())
    (inside,) = Analyzer("default")(astronaut())
    assert other.probabilities != inside.probabilities


def test_grey_pixels_are_taken(analyzer: Analyzer) -> None:
    (face,) = analyzer(to_grey(astronaut()))
    assert face.landmarks is not None


def test_many_faces_at_once_equal_one_by_one(model: Path, analyzer: Analyzer) -> None:
    together = analyzer(crowd())
    assert len(together) == 5
    classifier = Classifier(model)

    class One:
        def __init__(self, detection: Detection) -> None:
            self.detection = detection

        def detect(self, rgb: np.ndarray) -> list[Detection]:
            return [self.detection]

    for face, detection in zip(together, analyzer.detector.detect(crowd()), strict=True):
        (alone,) = Analyzer(classifier, One(detection))(crowd())
        assert alone.probabilities == pytest.approx(face.probabilities, abs=1e-5)
        assert alone.box == face.box


def test_many_pictures_equal_one_by_one_and_a_broken_one_is_named(analyzer: Analyzer) -> None:
    blank = np.zeros((40, 40, 3), np.uint8)
    pictures = [astronaut(), b"rubbish", crowd(), blank, "gone.jpg"]
    results = list(analyzer.results(pictures))
    assert [result.source for result in results] == ["0", "1", "2", "3", "gone.jpg"]
    assert [len(result.faces) for result in results] == [1, 0, 5, 0, 0]
    assert results[1].error == "1: text, not a picture"
    assert results[4].error == "gone.jpg: no such file or folder"
    assert (results[2].width, results[2].height) == (1150, 200)
    for face, alone in zip(results[2].faces, analyzer(crowd()), strict=True):
        assert face.probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_more_pictures_than_a_batch_stay_in_order(model: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 48), np.uint8) for _ in range(150)]
    analyzer = Analyzer(model, "none")
    results = list(analyzer.results(iter(pictures)))
    expected = Classifier(model).probabilities(np.stack(pictures))
    found = [list(result.faces[0].probabilities.values()) for result in results]
    assert np.abs(np.array(found) - expected).max() < 1e-5
    assert [result.source for result in results] == [str(index) for index in range(150)]


def test_a_red_face_is_not_a_blue_one(tmp_path: Path) -> None:
    """The tiny RGB model weighs the channels differently: swapping them must show."""
    model = write_tiny_model(tmp_path, channels=3)
    pixels = np.zeros((48, 48, 3), np.uint8)
    pixels[..., 0] = 250
    analyzer = Analyzer(model, "none")
    expected = Classifier(model).probabilities(pixels[None])[0]
    (red,), (blue,) = analyzer(png(pixels)), analyzer(pixels[..., ::-1])
    assert list(red.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)
    assert max(abs(red.probabilities[k] - blue.probabilities[k]) for k in red.probabilities) > 0.05


def test_the_models_own_crop_and_labels_are_used(tmp_path: Path) -> None:
    labels = ("smile", "no smile")
    tight, loose = (
        write_tiny_model(tmp_path / str(s), labels, crop=CropGeometry(scale=s)) for s in (0.7, 1.6)
    )
    (first,), (second,) = Analyzer(tight)(astronaut()), Analyzer(loose)(astronaut())
    assert set(first.probabilities) == set(labels)
    assert first.box == second.box
    assert first.probabilities != second.probabilities


def test_uncertain_means_below_one_half(model: Path) -> None:
    analyzer = Analyzer(model, "none")
    rng = np.random.default_rng(1)
    results = analyzer.results([rng.integers(0, 256, (48, 48), np.uint8) for _ in range(40)])
    faces = [face for result in results for face in result.faces]
    assert {face.uncertain for face in faces} == {True, False}
    assert all(face.uncertain == (face.confidence < 0.5) for face in faces)


def test_boxes_are_clipped_to_the_picture(analyzer: Analyzer) -> None:
    (face,) = analyzer(astronaut()[70:172, 165:285])
    left, top, right, bottom = face.box
    assert 0 <= left < right <= 120
    assert 0 <= top < 10
    assert bottom == 102  # the chin lies below the picture


class GivesBoxes:
    """A detector of the user's own."""

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.boxes = boxes

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        return [Detection(box, 0.9) for box in self.boxes]


def test_what_is_wholly_outside_the_picture_is_no_face(model: Path) -> None:
    height, width = astronaut().shape[:2]
    outside = [
        *((-50, 10, -1, 60), (width, 10, width + 50, 60), (10, -50, 60, 0), (10, height, 60, 700)),
        *((60, 10, 60, 60), (60, 10, 20, 60), (float("nan"), 0, 50, 50), (0, 0, 50, float("nan"))),
    ]
    inside = (10, 20, 60, 80)
    faces = Analyzer(model, GivesBoxes(*outside, inside))(astronaut())
    assert [face.box for face in faces] == [inside]


def test_a_box_without_end_costs_no_memory_without_end(model: Path) -> None:
    (face,) = Analyzer(model, GivesBoxes((-1e9, -1e9, 1e9, float("inf"))))(astronaut())
    assert face.box == (0, 0, 512, 512)


def test_tta_averages_views(model: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (48, 48), np.uint8)
    (face,) = Analyzer(model, "none", tta=True)(pixels)
    expected = Classifier(model).probabilities(pixels[None], tta=True)[0]
    assert list(face.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)


def test_face_files_are_classified_without_detection(model: Path, tmp_path: Path) -> None:
    faces = np.random.default_rng(3).integers(0, 256, (3, 48, 48), np.uint8)
    path = tmp_path / "test.csv"
    lines = [" ".join(map(str, face.ravel())) for face in faces]
    path.write_text("pixels\n" + "\n".join(lines) + "\n")
    results = list(Analyzer(model).results([FaceFileSource(path)]))
    assert [result.source for result in results] == [f"{path}:{row}" for row in range(3)]
    assert results[0].faces[0].box == (0, 0, 48, 48)
    found = [list(result.faces[0].probabilities.values()) for result in results]
    assert np.abs(np.array(found) - Classifier(model).probabilities(faces)).max() < 1e-5


def test_a_damaged_face_file_is_one_error(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("pixels\n1 2 3\n")
    (result,) = Analyzer(model).results([FaceFileSource(path)])
    assert result.source == str(path)
    assert result.error is not None
    assert "test.csv" in result.error


def test_wrong_arguments(model: Path, analyzer: Analyzer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no detector 'har'; did you mean 'haar'"):
        Analyzer(model, "har")
    with pytest.raises(MissingError, match="no model"):
        Analyzer(tmp_path / "nothing")
    with pytest.raises(BadInputError, match="picture: text"):
        analyzer(b"rubbish")


def test_predict_writes_every_result_and_counts(analyzer: Analyzer, tmp_path: Path) -> None:
    class Noted:
        def __init__(self) -> None:
            self.sources: list[str] = []

        def write(self, result: FrameResult) -> None:
            self.sources.append(Path(result.source).name)

    noted, pictures = Noted(), tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(png(crowd()))
    (pictures / "b.png").write_bytes(b"rubbish")
    table, drawn = tmp_path / "rows.csv", tmp_path / "drawn"
    tally = predict(find_sources([pictures]), analyzer, [noted], csv=table, output=drawn)
    assert (tally.num_pictures, tally.num_faces) == (2, 5)
    assert tally.errors == [f"{pictures / 'b.png'}: text, not a picture"]
    assert noted.sources == ["a.png", "b.png"]
    assert len(table.read_text().splitlines()) == 1 + 5 + 1
    assert [path.name for path in drawn.iterdir()] == ["a.png"]
    with pytest.raises(UsageError, match="would be written over"):
        predict(find_sources([pictures]), analyzer, csv=pictures / "a.png")


def test_the_least_confidence_of_an_answer_can_be_chosen(model: Path, analyzer: Analyzer) -> None:
    (face,) = analyzer(astronaut())
    for least, uncertain in ((face.confidence - 1e-6, False), (face.confidence + 1e-6, True)):
        chosen = Analyzer(model, min_confidence=least)
        (same,) = chosen(astronaut())
        assert (same.uncertain, same.probabilities) == (uncertain, face.probabilities)
        followed = chosen.track().update(astronaut(), 0.0)
        assert followed[0].as_smoothed().uncertain is uncertain
        (row,) = chosen(astronaut()).to_rows()
        assert row[list(chosen(astronaut()).columns()).index("uncertain")] is uncertain
    with pytest.raises(UsageError, match="min_confidence 2: expected 0 to 1"):
        Analyzer(model, min_confidence=2)
