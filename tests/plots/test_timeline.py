"""Expressions over time, drawn from the rows of a video."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.errors import BadInputError, MissingError
from mien.inference.face import Face
from mien.inference.results import FrameResult
from mien.inference.write.sinks import CsvRows, open_rows
from mien.inference.write.tables import read_tracks
from mien.labels import EXPRESSIONS
from mien.plots import draw_timeline


def frame(number: int, time: float, tracks: list[int], source: str = "clip.mp4") -> FrameResult:
    happy = {label: 0.4 if label == "happy" else 0.1 for label in EXPRESSIONS}
    faces = tuple(
        Face((1, 2, 3, 4), 0.9, None, "happy", 0.4, True, happy, track, happy) for track in tracks
    )
    return FrameResult(source, 64, 48, faces, frame=number, time_seconds=time)


def write_rows(path: Path, frames: list[FrameResult]) -> Path:
    with path.open("w", newline="") as stream:
        sink = CsvRows(stream, EXPRESSIONS)
        for each in frames:
            sink.write(each)
    return path


def test_tracks_come_back_as_they_were_written(tmp_path: Path) -> None:
    frames = [frame(0, 0.0, [1]), frame(1, 0.5, []), frame(2, 1.25, [2, 1])]
    frames.append(FrameResult("clip.mp4", error="clip.mp4: damaged"))
    path = write_rows(tmp_path / "rows.csv", [*frames, frame(0, 0.0, [1], "b.mp4")])
    labels, tracks = read_tracks(path)
    assert labels == tuple(EXPRESSIONS)
    assert [(t.name, t.times.tolist()) for t in tracks] == [
        ("clip.mp4, track 1", [0.0, 1.25]),
        ("clip.mp4, track 2", [1.25]),
        ("b.mp4, track 1", [0.0]),
    ]
    assert tracks[0].smoothed[:, EXPRESSIONS.index("happy")].tolist() == [0.4, 0.4]


def test_a_parquet_table_holds_the_same_tracks(tmp_path: Path) -> None:
    frames = [frame(0, 0.0, [1]), frame(1, 0.5, []), frame(2, 1.25, [2, 1])]
    frames.append(FrameResult("clip.mp4", error="clip.mp4: damaged"))
    path = tmp_path / "rows"  # what it is, is seen from its contents
    with open_rows(path, "parquet", EXPRESSIONS) as rows:
        for each in frames:
            rows.write(each)
    labels, tracks = read_tracks(path)
    assert labels == tuple(EXPRESSIONS)
    assert [(t.name, t.times.tolist()) for t in tracks] == [
        ("clip.mp4, track 1", [0.0, 1.25]),
        ("clip.mp4, track 2", [1.25]),
    ]
    assert tracks[0].smoothed[0] == pytest.approx([0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInputError, match="not a whole Parquet table"):
        read_tracks(path)


def test_a_row_cut_off_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.csv", [frame(0, 0.0, [1]), frame(1, 0.5, [1])])
    path.write_text(path.read_text()[:-60])
    (track,) = read_tracks(path)[1]
    assert track.times.tolist() == [0.0]


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"none\.csv"):
        read_tracks(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInputError, match="expected a table of `mien predict VIDEO --csv`"):
        read_tracks(tmp_path / "other.csv")
    path = write_rows(tmp_path / "empty.csv", [frame(0, 0.0, [])])
    with pytest.raises(BadInputError, match="no row has a track"):
        read_tracks(path)
    path = write_rows(tmp_path / "bad.csv", [frame(0, 0.0, [1])])
    path.write_text(path.read_text().replace("clip.mp4,0,0.0,1", "clip.mp4,0,soon,1"))
    with pytest.raises(BadInputError, match=r"bad\.csv, line 2: .*soon"):
        read_tracks(path)


def test_a_panel_per_track_in_percent_and_seconds() -> None:
    times = np.array([0.0, 0.5, 4.0])
    values = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    figure = draw_timeline(("sad", "happy"), [("one", times, values), ("two", times, values)], "t")
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("one: 3 frames", "two: 3 frames")
    assert (second.get_xlabel(), first.get_ylabel()) == ("time (s)", "probability (%)")
    x, y = first.lines[0].get_data()
    assert np.isnan(x).tolist() == [False, False, True, False], "away for 3.5 s: the line breaks"
    assert y[~np.isnan(y)].tolist() == [25, 50, 100]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sad", "happy"]


@pytest.mark.parametrize("step", [24 / 23.976, 5.0])
def test_lines_of_sparse_frames_hold_together_and_lone_points_are_shown(step: float) -> None:
    """A frame a second, at a rate that no second is a whole number of frames of; one face away."""
    times = np.array([0, 1, 2, 3, 9, 14, 15]) * step
    values = np.full((7, 2), 0.5)
    figure = draw_timeline(("sad", "happy"), [("one", times, values)], "t")
    line, lone = figure.axes[0].lines[:2]
    assert np.isnan(line.get_xdata()).tolist() == [False] * 4 + [True, False, True] + [False] * 2
    assert lone.get_xdata().tolist() == [9 * step]
    assert (lone.get_linestyle(), lone.get_marker()) == ("None", line.get_marker())


def test_the_longest_tracks_are_drawn_and_counted() -> None:
    values = np.full((2, 2), 0.5)
    tracks = [(str(n), np.array([0.0, n + 1.0]), values) for n in range(12)]
    figure = draw_timeline(("sad", "happy"), tracks, "clip")
    names = [axes.get_title().split(":")[0] for axes in figure.axes]
    assert names == ["4", "5", "6", "7", "8", "9", "10", "11"]
    assert figure.get_suptitle() == "clip, 8 of 12 tracks"
    with pytest.raises(ValueError, match="no tracks"):
        draw_timeline(("sad",), [], "clip")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_verb_writes_the_picture(tmp_path: Path, kind: str) -> None:
    path, frames = tmp_path / f"rows.{kind}", [frame(0, 0.0, [1]), frame(1, 0.5, [1])]
    if kind == "csv":
        write_rows(path, frames)
    else:
        with open_rows(path, "parquet", EXPRESSIONS) as rows:
            for each in frames:
                rows.write(each)
    words = ["plot", "timeline", str(path), "--output", str(tmp_path / "timeline.svg")]
    assert CliRunner().invoke(app, words).exit_code == 0
    text = (tmp_path / "timeline.svg").read_text()
    assert f"<!-- rows.{kind}: expressions -->" in text
    words[-1] = "timeline.jpg"
    assert CliRunner().invoke(app, words).exit_code == 2
