import csv
import dataclasses
import io
import json
from importlib.metadata import version
from typing import Any

import pytest

from mien.inference import Face, FrameResult
from mien.inference.results import Reader, row_columns
from mien.inference.write.sinks import CsvRows, Lines, Sink, error_lines, json_lines, text_lines
from mien.labels import EXPRESSIONS

PROBABILITIES = dict(zip(EXPRESSIONS, (0.1, 0.05, 0.05, 0.5, 0.1, 0.1, 0.1), strict=True))


def face(**changes: Any) -> Face:
    fields: dict[str, Any] = {
        "box": (10.0, 20.5, 40.126, 60.0),
        "detection_score": 0.98765,
        "landmarks": ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (7.0, 8.0), (9.0, 10.256)),
        "expression": "happy",
        "confidence": 0.5,
        "uncertain": False,
        "probabilities": PROBABILITIES,
    }
    return Face(**fields | changes)


READER = Reader(EXPRESSIONS, "0123456789abcdef")
VERSION = version("mien")
ORIGIN = {"schema_version": 1, "mien_version": VERSION, "model": "0123456789abcdef"}
RESULTS = [
    FrameResult(
        "a, b.jpg", 640, 480, (face(), face(landmarks=None, uncertain=True)), reader=READER
    ),
    FrameResult("empty.jpg", 3, 2, reader=READER),
    FrameResult("broken.jpg", error='broken.jpg: "damaged"', reader=READER),
]


def write_all(sinks: list[Sink]) -> None:
    for result in RESULTS:
        for sink in sinks:
            sink.write(result)


def test_json_is_exactly_this() -> None:
    stream = io.StringIO()
    write_all([Lines(stream, json_lines)])
    lines = stream.getvalue().splitlines()
    assert json.loads(lines[0]) == {
        "source": "a, b.jpg",
        "width": 640,
        "height": 480,
        "faces": [
            {
                "box": [10.0, 20.5, 40.13, 60.0],
                "detection_score": 0.9877,
                "landmarks": [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10.26]],
                "expression": "happy",
                "confidence": 0.5,
                "uncertain": False,
                "probabilities": PROBABILITIES,
            },
            {
                "box": [10.0, 20.5, 40.13, 60.0],
                "detection_score": 0.9877,
                "landmarks": None,
                "expression": "happy",
                "confidence": 0.5,
                "uncertain": True,
                "probabilities": PROBABILITIES,
            },
        ],
        "error": None,
        **ORIGIN,
    }
    end = f', "schema_version": 1, "mien_version": "{VERSION}", "model": "0123456789abcdef"}}'
    assert lines[1:] == [
        '{"source": "empty.jpg", "width": 3, "height": 2, "faces": [], "error": null' + end,
        '{"source": "broken.jpg", "width": null, "height": null, "faces": [], '
        '"error": "broken.jpg: \\"damaged\\""' + end,
    ]


def test_csv_is_exactly_this() -> None:
    stream = io.StringIO()
    write_all([CsvRows(stream, EXPRESSIONS)])
    end = f",1,{VERSION},0123456789abcdef"
    columns = (
        "source,frame,time_seconds,track_id,x1,y1,x2,y2,detection_score,expression,confidence,"
        "uncertain,p_angry,p_disgust,p_fear,p_happy,p_sad,p_surprise,p_neutral,smoothed_angry,"
        "smoothed_disgust,smoothed_fear,smoothed_happy,smoothed_sad,smoothed_surprise,"
        "smoothed_neutral,error,schema_version,mien_version,model"
    )
    face = '"a, b.jpg",,,,10.0,20.5,40.13,60.0,0.9877,happy,0.5,{},0.1,0.05,0.05,0.5,0.1,0.1,0.1'
    assert stream.getvalue().splitlines() == [
        columns,
        face.format("false") + 8 * "," + end,
        face.format("true") + 8 * "," + end,
        "empty.jpg" + 26 * "," + end,
        "broken.jpg" + 26 * "," + '"broken.jpg: ""damaged"""' + end,
    ]
    rows = list(csv.reader(io.StringIO(stream.getvalue())))
    assert {len(row) for row in rows} == {len(row_columns(EXPRESSIONS))}


def test_frames_of_videos_have_their_time_and_track() -> None:
    tracked = face(track_id=3, smoothed=PROBABILITIES | {"happy": 0.4, "sad": 0.2})
    frame = FrameResult("clip.mp4", 640, 480, (tracked,), frame=30, time_seconds=1.0010004)
    page = frame.to_dict()
    assert list(page)[:3] == ["source", "frame", "time_seconds"]
    assert (page["frame"], page["time_seconds"]) == (30, 1.001)
    assert page["faces"][0]["track_id"] == 3
    assert page["faces"][0]["smoothed"]["sad"] == 0.2
    row = dict(zip(row_columns(EXPRESSIONS), frame.to_rows(EXPRESSIONS)[0], strict=True))
    assert (row["frame"], row["time_seconds"], row["track_id"]) == (30, 1.001, 3)
    assert (row["p_happy"], row["smoothed_happy"]) == (0.5, 0.4)
    empty = FrameResult("clip.mp4", 640, 480, frame=0, time_seconds=0.0)
    assert empty.to_rows(EXPRESSIONS)[0][:4] == ["clip.mp4", 0, 0.0, None]
    with pytest.raises(ValueError, match="both a number and a time"):
        FrameResult("clip.mp4", 640, 480, frame=30)


def test_text_is_for_people() -> None:
    out, err = io.StringIO(), io.StringIO()
    write_all([Lines(out, text_lines), Lines(err, error_lines)])
    assert out.getvalue().splitlines() == [
        "a, b.jpg: happy 50%  at 10,20 to 40,60",
        "a, b.jpg: happy 50%  at 10,20 to 40,60  uncertain",
        "empty.jpg: no face found",
    ]
    assert err.getvalue() == 'mien: broken.jpg: "damaged"\n'


@pytest.mark.parametrize(
    "changes",
    [
        {"box": (40.0, 20.0, 10.0, 60.0)},
        {"box": (-1.0, 20.0, 10.0, 60.0)},
        {"box": (float("nan"), 20.0, 30.0, 60.0)},
        {"detection_score": 1.5},
        {"landmarks": ((1.0, 2.0),)},
        {"probabilities": PROBABILITIES | {"sad": 0.3}},
        {"expression": "sad", "confidence": 0.1},
        {"expression": "bored"},
        {"confidence": 0.6},
    ],
)
def test_a_face_is_checked_on_construction(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|not the most probable"):
        face(**changes)


def test_a_result_has_a_size_or_an_error() -> None:
    with pytest.raises(ValueError, match="either a size or an error"):
        FrameResult("a.jpg")
    with pytest.raises(ValueError, match="either a size or an error"):
        FrameResult("a.jpg", 3, 4, error="both")
    with pytest.raises(ValueError, match="either a size or an error"):
        FrameResult("a.jpg", faces=(face(),), error="faces of nothing")
    with pytest.raises(dataclasses.FrozenInstanceError):
        face().confidence = 1.0  # type: ignore[misc]
