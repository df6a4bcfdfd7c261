"""`mien predict` on videos."""

import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet
from skimage.data import astronaut
from typer.testing import CliRunner

from made_video import write_video
from mien.cli import app
from mien.inference.detection import Detection
from mien.inference.read.video import read_frames
from mien.inference.see.retinaface import RetinaFace
from mien.inference.write.video import VideoWriter
from terminal import on_terminal
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


@pytest.mark.parametrize("how", ["blur", "pixelate", "solid"])
def test_in_the_copy_a_hidden_face_is_never_seen(
    model: Path, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even in frames where it is missed: here, in every third."""
    detector = RetinaFace()
    write_video(tmp_path / "clip.mp4", [astronaut()] * 12, [Fraction(n, 25) for n in range(12)])
    find, calls = RetinaFace.detect, []

    def find_mostly(self: RetinaFace, rgb: np.ndarray) -> list[Detection]:
        calls.append(rgb)
        return [] if len(calls) % 3 == 0 else find(self, rgb)

    with monkeypatch.context() as patch:
        patch.setattr(RetinaFace, "detect", find_mostly)
        words = ("--output", tmp_path / "out", "--hide", how, "--draw", "boxes")
        result = predict(model, tmp_path / "clip.mp4", *words)
    assert result.exit_code == 0
    assert result.stdout.count("no face found") == 4
    frames = list(read_frames(tmp_path / "out" / "clip.mp4"))
    assert len(frames) == 12
    assert [detector.detect(frame.rgb) for frame in frames if frame.rgb is not None] == [[]] * 12


def test_a_part_is_cut_with_its_sound_and_begins_at_0(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "clip.mov"
    face = astronaut()[:240, 100:340]
    write_video(source, [face] * 75, [Fraction(n, 25) for n in range(75)], audio=True)
    words = [
        "--from",
        "1",
        "--to",
        "2",
        "--output",
        tmp_path / "out",
        "--csv",
        tmp_path / "rows.csv",
    ]
    result = predict(model, source, *words)
    assert result.exit_code == 0
    copy = tmp_path / "out" / "clip.mp4"
    assert f"{source}: its copy is {copy}" in result.stderr
    times = [frame.time_seconds for frame in read_frames(copy)]
    assert times == pytest.approx([n / 25 for n in range(25)], abs=0.001)
    whole, part = sound(source), sound(copy)
    assert part[0][0] == pytest.approx(0, abs=0.03)
    assert part[-1][0] == pytest.approx(1, abs=0.03)
    begin = next(n for n, (_, content) in enumerate(whole) if content == part[0][1])
    assert [content for _, content in whole[begin : begin + len(part)]] == [c for _, c in part]
    assert whole[begin][0] - part[0][0] == pytest.approx(1, abs=0.002)
    rows = list(csv.DictReader((tmp_path / "rows.csv").read_text().splitlines()))
    assert float(rows[0]["time_seconds"]) == 1.0  # rows keep the file's times


def test_behind_damage_copy_rows_and_tracks_go_on(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    noise = np.random.default_rng(0).integers(0, 32, (100, 48, 64, 1), np.uint8)
    pictures = [(100 + picture).repeat(3, axis=2) for picture in noise]
    write_video(source, pictures, [Fraction(n, 25) for n in range(100)])
    content = bytearray(source.read_bytes())
    half = len(content) // 2
    content[half : half + 3000] = np.random.default_rng(1).bytes(3000)
    source.write_bytes(content)
    words = ["--detector", "none", "--output", tmp_path / "out", "--csv", tmp_path / "rows.csv"]
    result = predict(model, source, *words)
    assert result.exit_code == 5
    rows = list(csv.DictReader((tmp_path / "rows.csv").read_text().splitlines()))
    errors = [row for row in rows if row["error"]]
    faces = [row for row in rows if not row["error"]]
    assert 1 <= len(errors) <= 2
    assert "damaged from" in errors[0]["error"]
    assert 70 <= len(faces) < 100
    assert {row["track_id"] for row in faces} == {"1"}
    frames = list(read_frames(tmp_path / "out" / "clip.mp4"))
    assert len(frames) == len(faces)


def test_frames_of_one_time_are_all_written(tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    write_video(source, [np.zeros((48, 64, 3), np.uint8)] * 3, [Fraction(n) for n in range(3)])
    writer = VideoWriter(tmp_path / "copy.mp4", source, 48, 64)
    for time in (0.0, 0.0, 1.0, 1.0, 2.0):
        writer.write(np.zeros((48, 64, 3), np.uint8), time)
    writer.close()
    times = [frame.time_seconds for frame in read_frames(tmp_path / "copy.mp4")]
    assert times == pytest.approx([0, 0, 1, 1, 2], abs=0.001)


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


def test_parquet_has_the_rows_of_csv_with_types(model: Path, clip: Path, tmp_path: Path) -> None:
    table, text = tmp_path / "rows.parquet", tmp_path / "rows.csv"
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    result = predict(model, clip, bad, "--csv", text, "--parquet", table)
    assert result.exit_code == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.mp4", text.name, table.name]
    found = parquet.read_table(table)
    types = {field.name: str(field.type) for field in found.schema}
    assert types["time_seconds"] == "double"
    assert {types["frame"], types["track_id"]} == {"int32"}
    assert {types["x1"], types["p_happy"], types["smoothed_sad"], types["confidence"]} == {"float"}
    assert (types["uncertain"], types["expression"], types["error"]) == ("bool", "string", "string")
    with text.open(newline="") as stream:
        expected = list(csv.DictReader(stream))
    assert list(types) == list(expected[0])
    rows = found.to_pylist()
    assert len(rows) == len(expected) == 9
    for row, cells in zip(rows, expected, strict=True):
        for name, value in row.items():
            if isinstance(value, bool):
                assert cells[name] == str(value).lower()
            elif isinstance(value, float):
                assert float(cells[name]) == pytest.approx(value, rel=1e-6)
            else:
                assert cells[name] == ("" if value is None else str(value))


def test_parquet_has_its_name_only_when_it_is_whole(
    model: Path, clip: Path, tmp_path: Path
) -> None:
    table, unfinished = tmp_path / "rows.parquet", tmp_path / "rows.parquet.part"
    words = ["predict", *[clip] * 60, "--parquet", table, "--model", model]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "mien", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        reported = [process.stdout.readline() for _ in range(20)]
        process.send_signal(signal.SIGINT)
        reported += process.stdout.readlines()
        errors = process.stderr.read()
    assert process.returncode == 130
    assert errors == "mien: interrupted\n"
    assert not table.exists()
    # A row is kept after its line is printed: the last line may be ahead of its row.
    assert len(reported) - 1 <= len(parquet.read_table(unfinished)) <= len(reported)


def test_without_pyarrow_it_says_what_to_install(
    model: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "pyarrow" else find_spec(name, *rest),
    )
    for words in (("--parquet", "rows.parquet"), ("--tables", "parquet", "--output", "out")):
        result = predict(model, clip, *words)
        assert result.exit_code == 4
        assert "pip install 'mien[tables]'" in result.stderr


def test_tables_of_many_videos(model: Path, clip: Path, tmp_path: Path) -> None:
    tree, out = tmp_path / "videos", tmp_path / "out"
    tree.mkdir()
    (tree / "a.mp4").symlink_to(clip)
    (tree / "bad.mp4").write_text("no video")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tree / "cover.png")
    result = predict(model, tree, "--output", out, "--tables", "parquet", "--json")
    assert result.exit_code == 5
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["table"], first["summary"]["num_frames"]) == ("a.parquet", 8)
    assert first["summary"]["tracks"][0]["num_faces"] == 7
    assert "text, not a video" in second["summary"]["error"]
    assert result.stderr.splitlines() == [
        "mien: 1 file left out: tables are of videos",
        f"mien: {tree / 'bad.mp4'}: text, not a video",
        f"mien: errors in 1 video: see {out / 'summary.csv'}",
    ]
    assert len(parquet.read_table(out / "a.parquet")) == 8

    (tree / "bad.mp4").unlink()
    write_video(
        tree / "b.mp4", [np.full((48, 64, 3), 90, np.uint8)] * 2, [Fraction(0), Fraction(1)]
    )
    words = (tree, "--output", out, "--tables", "parquet", "--resume", "--workers", "2")
    result = predict(model, *words)
    assert result.exit_code == 5, "the summary still holds the bad one"
    assert result.stdout == f"{tree / 'b.mp4'}: 2 frames, 1.0 s, 0 faces followed\n"
    assert "done already: 1 video, 1 to read" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tables", "csv"), "need a folder: --output DIR"),
        (("--resume", "--output", "grid.png"), "need a folder: --output DIR"),
        (("--workers", "2", "--output", "out", "--csv", "a.csv"), "leave --csv and --parquet out"),
        (("--workers", "0", "--output", "out"), "greater than or equal to 1"),
        (("--detect-every", "31"), "expected 1 to 30"),
        (("--detect-size", "100"), "expected 192 or more"),
        (("--detector", "none", "--detect-size", "320"), "changes nothing"),
    ],
)
def test_options_that_do_not_go_together(
    model: Path, clip: Path, words: tuple[str, ...], message: str
) -> None:
    result = predict(model, clip, *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_tables_are_of_videos(model: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "cover.png")
    result = predict(model, tmp_path, "--output", tmp_path / "out", "--tables", "csv")
    assert result.exit_code == 2
    assert "none was found" in result.stderr


def test_the_faster_setting_finds_the_same_faces(model: Path, clip: Path, tmp_path: Path) -> None:
    plain, faster = tmp_path / "plain.csv", tmp_path / "faster.csv"
    assert predict(model, clip, "--csv", plain).exit_code == 0
    words = ("--detect-every", "2", "--detect-size", "192")
    assert predict(model, clip, "--csv", faster, *words).exit_code == 0
    with plain.open(newline="") as first, faster.open(newline="") as second:
        pairs = list(zip(csv.DictReader(first), csv.DictReader(second), strict=True))
    assert [row["track_id"] for _, row in pairs] == [*["1"] * 7, ""]
    for one, other in pairs[:7]:
        for side in ("x1", "y1", "x2", "y2"):
            assert float(one[side]) == pytest.approx(float(other[side]), abs=12)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize(
    "words", [("--csv", "rows.csv"), ("--tables", "csv", "--output", "out"), ()]
)
def test_on_a_terminal_a_bar_shows_how_far_it_is(
    model: Path, clip: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    text = on_terminal("predict", clip, "--model", model, *words, cwd=tmp_path)
    assert "0%" in text and "100%" in text
    assert "track 1" not in text, "lines and a bar would be in each other's way"
    if "--tables" in words:
        assert "8 frames, 1.8 s, 1 face followed" in text
        assert "1 video: tables in out, summed up in out/summary.csv" in text
        return
    assert "mien: 1.8 s of video (8 frames) read: 1 face followed" in text
    assert re.search(r"mien: of the time seen: \w+ \d+%", text)
    assert ("written: rows.csv" in text) == bool(words)
    assert ("next: --csv FILE or --json" in text) == (not words)
