"""`mien predict` on videos."""

import csv
import json
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from skimage.data import astronaut
from typer.testing import CliRunner

from made_video import write_video
from mien.cli import app
from mien.inference.video import read_frames
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames a quarter of a second apart, the astronaut in all but the last."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    face = astronaut()[:240, 100:340]
    times = [Fraction(index, 4) for index in range(8)]
    write_video(path, [*[face] * 7, np.full_like(face, 90)], times)
    return path


def predict(model: Path, *words: str | Path):
    return CliRunner().invoke(app, ["predict", *map(str, words), "--model", str(model)])


def test_a_row_per_face_and_one_for_a_frame_without(
    model: Path, clip: Path, tmp_path: Path
) -> None:
    table = tmp_path / "rows.csv"
    result = predict(model, clip, "--csv", table)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith(f"{clip} 0.000 s: ")
    assert result.stdout.splitlines()[-1] == f"{clip} 1.750 s: no face found"
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["time_seconds"] for row in rows] == [str(index / 4) for index in range(8)]
    assert [row["track_id"] for row in rows] == [*["1"] * 7, ""]
    assert [row["expression"] == "" for row in rows] == [*[False] * 7, True]


def test_every_from_and_to(model: Path, clip: Path) -> None:
    words = ("--every", "0.5s", "--from", "0:00.25", "--to", "1.5", "--json")
    result = predict(model, clip, *words)
    assert [json.loads(line)["frame"] for line in result.stdout.splitlines()] == [1, 3, 5]


@pytest.mark.parametrize(("kind", "suffix"), [("mp4", ".mp4"), ("avi", ".mkv")])
def test_the_annotated_copy_has_the_same_times_and_sound(
    model: Path, tmp_path: Path, kind: str, suffix: str
) -> None:
    times = [Fraction(index * (index + 20), 1000) for index in range(12)]
    if kind == "avi":  # its frame rate is constant
        times = [Fraction(index, 25) for index in range(12)]
    source = tmp_path / f"clip.{kind}"
    pictures = [np.full((48, 66, 3), 90, np.uint8)] * 3 + [astronaut()[:240:5, 100:430:5]] * 9
    write_video(source, pictures, times, audio=True)
    result = predict(model, source, "--output", tmp_path / "out")
    assert result.exit_code == 0
    copy = tmp_path / "out" / f"clip{suffix}"
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    frames = list(read_frames(copy))
    assert [frame.time_seconds for frame in frames] == pytest.approx(
        list(map(float, times)), abs=1e-3
    )
    assert frames[0].rgb.shape == (350, 480, 3), "enlarged to draw on, even sides"
    assert np.ptp(frames[0].rgb) < 12, "nothing is drawn where no face is"
    assert "track 1" in result.stdout
    assert sound(copy) == sound(source) != []


def sound(path: Path) -> list[tuple[float, bytes]]:
    """Returns the time, to a millisecond, and content of every packet of the sound."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        return [(round(float(p.pts * p.time_base), 3), bytes(p)) for p in packets]


def test_a_video_named_twice_is_written_anew(model: Path, clip: Path, tmp_path: Path) -> None:
    assert predict(model, clip, clip, "--output", tmp_path).exit_code == 0
    assert len(list(read_frames(tmp_path / "clip.mp4"))) == 8


def test_a_video_without_sound_is_copied(model: Path, tmp_path: Path) -> None:
    face = astronaut()
    write_video(tmp_path / "a.avi", [face[:244, :480]] * 2, [Fraction(0), Fraction(1, 25)])
    assert predict(model, tmp_path / "a.avi", "--output", tmp_path).exit_code == 0
    assert [frame.rgb.shape for frame in read_frames(tmp_path / "a.mp4")] == [(244, 480, 3)] * 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--every", "often"), 2, "expected a number of frames like 3, or seconds like 0.5s"),
        (("--to", "1:99"), 2, "expected a time like 90, 1:30"),
        (("--from", "2", "--to", "1"), 2, "expected a time after the start"),
        (("--from", "100"), 3, "no frame from 100 s on"),
    ],
)
def test_what_cannot_be_is_refused(
    model: Path, clip: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    result = predict(model, clip, *words)
    assert result.exit_code == code
    assert message in result.stderr


def test_a_text_file_called_a_video_is_one_error(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    result = predict(model, path, "--csv", tmp_path / "rows.csv")
    assert result.exit_code == 3
    assert result.stderr.count("notes.mp4") == 1
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 2


def test_a_video_that_breaks_off_keeps_its_rows(model: Path, clip: Path, tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.mp4", tmp_path / "broken.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)
    write_video(whole, list(noise), [Fraction(i, 4) for i in range(24)], faststart=True)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = predict(model, path, "--json")
    assert result.exit_code == 5
    *good, last = map(json.loads, result.stdout.splitlines())
    assert len(good) > 3
    assert all(row["error"] is None for row in good)
    assert "broken.mp4" in last["error"]
    assert result.stderr.count("broken.mp4") == 1


def test_rows_reported_before_a_kill_are_in_the_file(
    model: Path, clip: Path, tmp_path: Path
) -> None:
    table = tmp_path / "rows.csv"
    words = [sys.executable, "-m", "mien", "predict", *[str(clip)] * 60, "--csv", str(table)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*words, "--model", str(model)], stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout
        reported = [process.stdout.readline() for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        reported += process.stdout.readlines()
    rows = table.read_text().splitlines()[1:]
    assert len(reported) >= 20
    # A row is written after its line is printed: the last line may be ahead of its row.
    assert len(rows) >= len(reported) - 1
    assert process.returncode == -signal.SIGKILL
