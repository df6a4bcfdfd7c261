"""Results as tables, pictures and other libraries' objects."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas
import polars
import pytest
from PIL import Image
from skimage.data import astronaut

from mien.errors import BadInputError, MissingError, UsageError
from mien.inference import Analyzer, FrameResult
from mien.inference.exchange import TableKind, to_table
from mien.inference.results import Reader, row_columns
from mien.labels import EXPRESSIONS
from mien.pictures import read_picture
from tiny_model import write_tiny_model

GROUP = np.hstack([astronaut()[20:220, 110:340], astronaut()[20:220, 340:109:-1]])


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Analyzer:
    return Analyzer(write_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def results(analyzer: Analyzer) -> list[FrameResult]:
    return analyzer([GROUP, np.zeros((40, 40, 3), np.uint8), b"rubbish"])


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_a_table_has_typed_columns_and_a_row_per_face(
    kind: TableKind, results: list[FrameResult]
) -> None:
    table = to_table(results, kind)
    assert list(getattr(table, "column_names", None) or table.columns) == list(
        row_columns(EXPRESSIONS)
    )
    assert len(table) == 4
    assert [str(value) for value in table["source"]] == ["0", "0", "1", "2"]
    confidence = np.array([float(value) for value in list(table["confidence"])[:2]])
    expected = [face.confidence for face in results[0]]
    assert confidence == pytest.approx(expected, abs=1e-6)


def test_missing_cells_are_missing_and_types_are_kept(results: list[FrameResult]) -> None:
    table = to_table(results)
    assert isinstance(table, pandas.DataFrame)
    assert table["confidence"].isna().tolist() == [False, False, True, True]
    assert table["error"].isna().tolist() == [True, True, True, False]
    kinds = [str(table[name].dtype) for name in ("frame", "p_happy", "uncertain", "time_seconds")]
    assert kinds == ["Int32", "Float32", "boolean", "Float64"]
    assert results[0].to_polars().schema["track_id"] == polars.Int32
    assert len(results[0].to_pandas()) == 2
    assert to_table([], "dicts") == []
    (row,) = to_table(results[1], "dicts")
    assert (row["source"], row["expression"], row["schema_version"]) == ("1", None, 1)


def test_tables_of_different_models_or_kinds_are_refused(results: list[FrameResult]) -> None:
    other = FrameResult("b", 1, 1, reader=Reader(("smile", "none")))
    with pytest.raises(UsageError, match="other labels than the first"):
        to_table([results[0], other])
    with pytest.raises(UsageError, match="kind 'excel': expected pandas"):
        to_table(results, "excel")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "package", "wanted"),
    [("pandas", "pandas", "mien.frames"), ("arrow", "pyarrow", "mien.tables")],
)
def test_a_package_that_is_missing_is_named(
    kind: TableKind, package: str, wanted: str, monkeypatch: pytest.MonkeyPatch, results: Any
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingError, match=wanted):
        to_table(results, kind)
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingError, match="pip install supervision"):
        results[0].to_supervision()


def test_supervision_is_given_boxes_classes_and_tracks(
    monkeypatch: pytest.MonkeyPatch, analyzer: Analyzer, results: list[FrameResult]
) -> None:
    class Detections(SimpleNamespace):
        @staticmethod
        def empty() -> str:
            return "empty"

    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=Detections))
    found = results[0].to_supervision()
    assert found.xyxy.tolist() == [pytest.approx(face.box) for face in results[0]]
    assert [EXPRESSIONS[index] for index in found.class_id] == [f.expression for f in results[0]]
    assert found.tracker_id is None
    assert found.data["class_name"].tolist() == [face.expression for face in results[0]]
    assert results[1].to_supervision() == "empty"
    followed = analyzer.track().update(GROUP, 0.0).to_supervision()
    assert sorted(followed.tracker_id.tolist()) == [1, 2]


def test_a_result_is_drawn_saved_and_cut(results: list[FrameResult], tmp_path: Path) -> None:
    result = results[0]
    drawn = result.draw()
    assert drawn.dtype == np.uint8
    assert drawn.shape[1] >= GROUP.shape[1]
    for name in ("a.png", "deeper/b.jpg", "c.webp"):
        assert read_picture(result.save(tmp_path / name)).shape == drawn.shape
    assert np.array_equal(read_picture(tmp_path / "a.png"), drawn)
    with pytest.raises(UsageError, match=r"\.jpg, \.png or \.webp"):
        result.save(tmp_path / "a.txt")
    crops = result.crops()
    left, top, right, bottom = (round(value) for value in result[0].box)
    assert np.array_equal(crops[0], GROUP[top:bottom, left:right])
    assert results[1].crops() == []


def test_pixels_of_files_are_read_again_and_those_of_frames_must_be_kept(
    analyzer: Analyzer, tmp_path: Path
) -> None:
    Image.fromarray(GROUP).save(tmp_path / "a.png")
    (result,) = analyzer.results(tmp_path / "a.png")
    assert result.rgb is None
    assert np.array_equal(result.pixels(), GROUP)
    frame = FrameResult(str(tmp_path / "a.png"), 4, 4, frame=0, time_seconds=0.0)
    with pytest.raises(UsageError, match="keep_pixels=True"):
        frame.draw()
    with pytest.raises(BadInputError, match="text, not a picture"):
        analyzer([b"rubbish"])[0].draw()


def test_a_result_says_what_it_is_in_short_and_in_a_notebook(results: list[FrameResult]) -> None:
    result = results[0]
    words = repr(result)
    assert words.startswith("<FrameResult 0: 2 faces: ")
    assert words.count("%") == 2
    assert repr(results[1]) == "<FrameResult 1: no face>"
    assert repr(results[2]) == "<FrameResult 2: 2: text, not a picture>"
    page = result._repr_html_()
    assert page.count("<tr>") == 3
    assert 'src="data:image/jpeg;base64,' in page
    hostile = FrameResult("<script>.jpg", error="<b>")._repr_html_()
    assert "<script>" not in hostile
    assert "<b>" not in hostile


def test_faces_can_be_keys_and_give_scores(results: list[FrameResult]) -> None:
    first, second = results[0]
    assert len({first, second, first}) == 2
    scores = first.scores()
    assert scores[0] == {"label": first.expression, "score": first.confidence}
    assert [each["score"] for each in scores] == sorted(first.probabilities.values(), reverse=True)
    assert results[0][0] == first
    assert results[0][:1] == (first,)
    assert not results[1]
