"""Tables of many videos: what is done stays done, and no video harms another."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
from skimage.data import astronaut

from made_video import write_video
from mien.errors import BadInputError, UsageError
from mien.inference.corpus.folder import Corpus, VideoRecord
from mien.inference.corpus.worker import Reached, VideoSettings
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import VideoSource, find_sources
from tiny_model import write_tiny_model

LONG = 20_000  # frames that no test waits for


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> VideoSettings:
    return VideoSettings(str(write_tiny_model(tmp_path_factory.mktemp("model"))), "none")


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    picture = np.full((48, 64, 3), 90, np.uint8)
    write_video(path, [picture] * LONG, [Fraction(n, 25) for n in range(LONG)], key_every=500)
    return path


def write_clip(path: Path, count: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    face = astronaut()[60:180, 170:290]
    write_video(path, [face] * count, [Fraction(n, 4) for n in range(count)])
    return path


def videos(*places: Path) -> list[VideoSource]:
    return [source for source in find_sources(places) if isinstance(source, VideoSource)]


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def finish(corpus: Corpus, num_workers: int = 1) -> dict[str, VideoRecord]:
    records = [event for event in corpus.run(num_workers) if isinstance(event, VideoRecord)]
    return {Path(record.source).name: record for record in records}


def test_a_tree_gives_its_mirror_and_a_summary(settings: VideoSettings, tmp_path: Path) -> None:
    tree = tmp_path / "videos"
    for name in ("a.mp4", "b/a.mp4", "a.mkv", "summary.mp4"):
        write_clip(tree / name)
    (tree / "bad.mp4").write_text("no video")
    corpus = Corpus([*videos(tree), *videos(tree / "a.mp4")], tmp_path / "out", settings)
    done = finish(corpus, num_workers=2)
    files = {
        path.relative_to(tmp_path / "out").as_posix() for path in corpus.folder.rglob("[!.]*.*")
    }
    tables = {"a.csv", "a-2.csv", "b/a.csv", "summary-2.csv", "bad.csv"}
    assert files == tables | {"summary.csv", "corpus.jsonl"}
    assert [row["track_id"] for row in read_rows(corpus.folder / "b/a.csv")] == ["1"] * 4
    (error,) = read_rows(corpus.folder / "bad.csv")
    assert error["error"] == done["bad.mp4"].summary.error == corpus.errors[0]
    assert "bad.mp4: text, not a video" in error["error"]

    rows = {(row["table"], row["track_id"]): row for row in read_rows(corpus.summary)}
    of_bad = ("bad.csv", "")
    of_good = {(table, track) for table in tables - {"bad.csv"} for track in ("", "1")}
    assert set(rows) == of_good | {of_bad}
    assert (rows[of_bad]["num_frames"], rows[of_bad]["error"]) == ("0", error["error"])
    video, track = rows["b/a.csv", ""], rows["b/a.csv", "1"]
    assert (video["num_frames"], video["num_faces"], video["num_tracks"]) == ("4", "4", "1")
    assert (track["start_seconds"], track["end_seconds"], track["num_faces"]) == (
        "0.0",
        "0.75",
        "4",
    )
    means = [float(value) for name, value in track.items() if name.startswith("mean_")]
    assert sum(means) == pytest.approx(1)
    assert (track["share"], float(track[f"mean_{track['expression']}"])) == ("1.0", max(means))


def test_what_is_done_is_left_alone_and_the_rest_is_read(
    settings: VideoSettings, tmp_path: Path
) -> None:
    tree, out = tmp_path / "videos", tmp_path / "out"
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        write_clip(tree / name)
    (tree / "bad.mp4").write_text("no video")
    finish(Corpus(videos(tree), out, settings))
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.csv")}

    write_clip(tree / "b.mp4", count=6)
    (out / "c.csv").unlink()
    write_clip(tree / "0.mp4")
    corpus = Corpus(videos(tree), out, settings, resume=True)
    assert [video.path.name for video in corpus.pending] == ["0.mp4", "b.mp4", "c.mp4"]
    assert [Path(record.source).name for record in corpus.done] == ["a.mp4", "bad.mp4"]
    assert set(finish(corpus)) == {"0.mp4", "b.mp4", "c.mp4"}
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.csv")}
    assert {name for name in before if before[name] == after[name]} == {"a.csv", "bad.csv"}
    assert len(read_rows(out / "b.csv")) == 6
    frames = {row["table"]: row["num_frames"] for row in read_rows(out / "summary.csv")[::-1]}
    assert frames == {"0.csv": "4", "a.csv": "4", "b.csv": "6", "bad.csv": "0", "c.csv": "4"}

    write_clip(tree / "bad.mp4")
    assert set(finish(Corpus(videos(tree), out, settings, resume=True))) == {"bad.mp4"}
    assert Corpus(videos(tree), out, settings, resume=True).errors == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": "haar"}, "with detector = none, not haar"),
        ({"sampling": Sampling(3)}, "with every_frames = 1, not 3"),
        ({"table": "parquet"}, "with table = csv, not parquet"),
        ({"model": "other"}, "with another model"),
    ],
)
def test_other_settings_are_refused(
    settings: VideoSettings, tmp_path: Path, change: dict, message: str
) -> None:
    from dataclasses import replace

    found = videos(write_clip(tmp_path / "a.mp4"))
    finish(Corpus(found, tmp_path / "out", settings))
    if "model" in change:
        change = {"model": str(write_tiny_model(tmp_path / "other", seed=1))}
    with pytest.raises(UsageError, match=message):
        Corpus(found, tmp_path / "out", replace(settings, **change), resume=True)
    with pytest.raises(UsageError, match="go on with --resume"):
        Corpus(found, tmp_path / "out", settings)


def test_a_damaged_record_is_refused_and_a_half_line_cut_off(
    settings: VideoSettings, tmp_path: Path
) -> None:
    found = videos(write_clip(tmp_path / "a.mp4"), write_clip(tmp_path / "b.mp4"))
    finish(Corpus(found, tmp_path / "out", settings))
    journal = tmp_path / "out" / "corpus.jsonl"
    journal.write_text(journal.read_text()[:-40])
    corpus = Corpus(found, tmp_path / "out", settings, resume=True)
    assert [video.path.name for video in corpus.pending] == ["b.mp4"]
    finish(corpus)
    assert [json.loads(line) for line in journal.read_text().splitlines()]
    assert Corpus(found, tmp_path / "out", settings, resume=True).pending == []
    journal.write_text("rubbish\n")
    with pytest.raises(BadInputError, match=r"corpus\.jsonl: damaged"):
        Corpus(found, tmp_path / "out", settings, resume=True)


def test_a_record_that_was_tampered_with_never_leads_outside(
    settings: VideoSettings, tmp_path: Path
) -> None:
    found = videos(write_clip(tmp_path / "a.mp4"))
    finish(Corpus(found, tmp_path / "out", settings))
    journal = tmp_path / "out" / "corpus.jsonl"
    first, line = journal.read_text().splitlines()
    outside = ("../outside.csv", "/tmp/outside.csv", "x/../../outside.csv", 3, None, ["a"])
    for table in outside:
        page = {**json.loads(line), "table": table, "is_final": False}
        journal.write_text(f"{first}\n{json.dumps(page)}\n")
        with pytest.raises(BadInputError, match=r"corpus\.jsonl: damaged"):
            Corpus(found, tmp_path / "out", settings, resume=True)
    random = np.random.default_rng(0)
    values = (None, 0, -1, "x", [], {}, 1e400, {"a": 1}, True)
    for _ in range(200):  # one value of it, at any depth, is another
        page = json.loads(line)
        place = page
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[random.integers(len(keys))]
            if isinstance(place[key], dict | list) and place[key] and random.random() < 0.7:
                place = place[key]
                continue
            place[key] = values[random.integers(len(values))]
            break
        journal.write_text(f"{first}\n{json.dumps(page)}\n")
        try:
            Corpus(found, tmp_path / "out", settings, resume=True)._lock.release()
        except BadInputError as error:
            assert "corpus.jsonl: damaged" in str(error)
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "out"}


def workers() -> list[psutil.Process]:
    """The processes this one has started, but for the tracker that goes with them."""
    return [
        process
        for process in psutil.Process().children()
        if "spawn_main" in " ".join(process.cmdline())
    ]


def until_it_is_read(events: Iterator[Reached | VideoRecord], name: str) -> None:
    for event in events:
        if isinstance(event, Reached) and Path(event.source).name == name:
            return
    pytest.fail(f"{name} was not read")


@pytest.mark.parametrize("table", ["csv", "parquet"])
def test_a_killed_worker_fails_its_video_alone(
    settings: VideoSettings, long_video: Path, tmp_path: Path, table: str
) -> None:
    from dataclasses import replace

    from pyarrow import parquet

    settings = replace(settings, table=table)
    found = videos(long_video, *(write_clip(tmp_path / name) for name in ("a.mp4", "b.mp4")))
    corpus = Corpus(found, tmp_path / "out", settings)
    events = corpus.run()
    until_it_is_read(events, "long.mp4")
    (worker,) = workers()
    worker.kill()
    done = {Path(event.source).name: event for event in events if isinstance(event, VideoRecord)}
    assert {name: record.summary.error is None for name, record in done.items()} == {
        "long.mp4": False,
        "a.mp4": True,
        "b.mp4": True,
    }
    error = done["long.mp4"].summary.error
    assert error is not None and "was ended by SIGKILL" in error
    path = corpus.folder / f"long.{table}"
    rows = read_rows(path) if table == "csv" else parquet.read_table(path).to_pylist()
    assert [row["error"] for row in rows] == [error]
    again = Corpus(found, tmp_path / "out", settings, resume=True)
    assert [video.path.name for video in again.pending] == ["long.mp4"], "it may go well next time"


def test_closing_ends_the_workers_and_keeps_what_is_done(
    settings: VideoSettings, long_video: Path, tmp_path: Path
) -> None:
    found = videos(write_clip(tmp_path / "a.mp4"), long_video)
    corpus = Corpus(found, tmp_path / "out", settings)
    with closing(corpus.run()) as events:
        until_it_is_read(events, "long.mp4")
        assert len(workers()) == 1
    assert workers() == []
    assert [row["table"] for row in read_rows(corpus.summary)] == ["a.csv", "a.csv"]
    assert not (corpus.folder / "long.csv").exists()
    again = Corpus(found, tmp_path / "out", settings, resume=True)
    assert [video.path.name for video in again.pending] == ["long.mp4"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that always fails")
def test_what_the_system_cannot_read_now_is_tried_again(
    settings: VideoSettings, tmp_path: Path
) -> None:
    """Linux answers whoever reads the beginning of a process's memory with an I/O error."""
    (tmp_path / "a.mp4").symlink_to("/proc/self/mem")
    (tmp_path / "b.mp4").write_text("no video")
    found = videos(tmp_path)
    done = finish(Corpus(found, tmp_path / "out", settings))
    assert {name: record.is_final for name, record in done.items()} == {
        "a.mp4": False,
        "b.mp4": True,
    }
    error = done["a.mp4"].summary.error
    assert error is not None and "cannot be read: Input/output error" in error


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="stops a process")
def test_a_worker_that_stands_still_is_ended(
    settings: VideoSettings, long_video: Path, tmp_path: Path
) -> None:
    found = videos(long_video, write_clip(tmp_path / "a.mp4"))
    corpus = Corpus(found, tmp_path / "out", settings)
    events = corpus.run(patience_seconds=3)
    until_it_is_read(events, "long.mp4")
    workers()[0].suspend()
    done = {Path(event.source).name: event for event in events if isinstance(event, VideoRecord)}
    assert done["a.mp4"].summary.error is None
    error = done["long.mp4"].summary.error
    assert error is not None and "decoded nothing for 3 s and was ended" in error
    assert not done["long.mp4"].is_final


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_can_be_finished(
    settings: VideoSettings, long_video: Path, tmp_path: Path, how: signal.Signals
) -> None:
    tree, out = tmp_path / "videos", tmp_path / "out"
    write_clip(tree / "a.mp4")
    (tree / "long.mp4").symlink_to(long_video)
    write_clip(tree / "z.mp4")
    words = ["predict", tree, "--output", out, "--workers", "1", "--resume", "--detector", "none"]
    command = [sys.executable, "-m", "mien", *map(str, words), "--model", settings.model, "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        first = json.loads(process.stdout.readline())
        children = psutil.Process(process.pid).children()
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # a terminal's Ctrl-C reaches the workers too
        else:
            process.send_signal(how)
        rest = process.communicate()
    assert Path(first["source"]).name == "a.mp4"
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert rest[1] == ("mien: interrupted\n" if how == signal.SIGINT else "")
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, "those of a killed one end by themselves"
    assert {path.name for path in out.glob("*.csv")} - {"summary.csv"} == {"a.csv"}
    assert (out / "summary.csv").exists() == (how != signal.SIGKILL)
    written = (out / "a.csv").stat().st_mtime_ns

    (tree / "long.mp4").unlink()  # done waiting for it
    (out / "long.csv.part").touch()
    corpus = Corpus(videos(tree), out, settings, resume=True)
    assert [video.path.name for video in corpus.pending] == ["z.mp4"]
    assert set(finish(corpus)) == {"z.mp4"}
    assert (out / "a.csv").stat().st_mtime_ns == written
    tables = {row["table"] for row in read_rows(out / "summary.csv")}
    assert tables == {"a.csv", "z.csv"}


def test_a_model_that_is_damaged_ends_it(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    (model / "model.onnx").write_bytes(b"rubbish")
    found = videos(write_clip(tmp_path / "a.mp4"))
    corpus = Corpus(found, tmp_path / "out", VideoSettings(str(model), "none"))
    with pytest.raises(BadInputError, match="not a network"):
        finish(corpus)
    with pytest.raises(UsageError, match="1 or more"):
        finish(corpus, num_workers=0)
