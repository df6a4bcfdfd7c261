"""A run that was killed and resumed equals one that was left alone, bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from drawn_faces import drawn_set, write_fer_csv
from mien.files import HALF
from mien.training.checkpoint import read

EPOCHS = 4
SETTINGS = [
    "model.name=mien_s",
    f"train.epochs={EPOCHS}",
    "train.batch_size=32",
    "train.sizes=[[0.5,16],[0.5,24]]",
    "train.selection_metric=log_loss",
    "train.keep=best",
    "data.input_size=24",
    "augment.mixup=0.2",
    "augment.flip=random",
    "optimizer.name=adamw",
    "optimizer.lr=1e-3",
]

# Kills itself when half of the bytes of the given write to the checkpoint are on the disk.
KILLED_INSIDE_A_WRITE = """
import os, signal, sys, torch
whole, flush = torch.save, os.fsync
writes = 0

def save(content, file):
    global writes
    writes += 1
    return whole(content, file)

def fsync(handle):
    if writes == {write}:
        os.ftruncate(handle, os.fstat(handle).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    flush(handle)

torch.save, os.fsync = save, fsync
from mien.cli import main
sys.argv = ["mien", *{arguments!r}]
main()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "faces.csv"
    images, labels = drawn_set(230, seed=1)
    write_fer_csv(path, images, labels, ["Training"] * 160 + ["PublicTest"] * 70)
    return path


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "mien", *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(*arguments: object) -> str:
    process = start(*arguments)
    _, words = process.communicate()
    assert process.returncode == 0, words
    return words


def training_arguments(data: Path, run: Path) -> list[str]:
    arguments = ["train", "--recipe", "mien_s", "--data", str(data), "--output", str(run)]
    return [*arguments, *(part for setting in SETTINGS for part in ("--set", setting))]


@pytest.fixture(scope="module")
def untouched(data, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("untouched") / "run"
    finish(*training_arguments(data, run))
    return run


def assert_equal_runs(run: Path, other: Path) -> None:
    ours, theirs = (load_file(folder / "model" / "model.safetensors") for folder in (run, other))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    checkpoints = [read(each) for each in (run, other)]
    assert checkpoints[0] is not None
    assert checkpoints[1] is not None
    for part in ("net", "average"):
        for name, value in checkpoints[0][part].items():
            assert torch.equal(value, checkpoints[1][part][name]), (part, name)
    records = []
    for folder in (run, other):
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for line in lines:
            del line["seconds"], line["faces_per_second"]
        records.append(lines)
    assert records[0] == records[1]
    assert [line["epoch"] for line in records[0]] == list(range(EPOCHS + 1))


def test_killed_at_random_points(data, untouched, tmp_path):
    run, rng, kills = tmp_path / "run", random.Random(0), 0
    process = start(*training_arguments(data, run))
    for last_epoch in (0, 2):
        while process.poll() is None and not (run / "checkpoint.pt").exists():
            time.sleep(0.01)
        while process.poll() is None and finished_epochs(run) < last_epoch:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        process = start("train", "--resume", run)
    _, words = process.communicate()
    assert process.returncode == 0, words
    assert kills >= 1
    assert_equal_runs(run, untouched)


def finished_epochs(run: Path) -> int:
    metrics = run / "metrics.jsonl"
    return metrics.read_text().count("\n") - 1 if metrics.exists() else -1


@pytest.mark.parametrize("write", [1, 3])
def test_killed_inside_the_checkpoint_write(write, data, untouched, tmp_path):
    run = tmp_path / "run"
    arguments = training_arguments(data, run)
    script = KILLED_INSIDE_A_WRITE.format(write=write, arguments=arguments)
    killed = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert (run / "checkpoint.pt").exists() == (write > 1)
    assert len([*run.glob(HALF)]) == 1
    with (run / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"epoch": 3, "acc')  # and a half-written line
    finish("train", "--resume", run)
    assert_equal_runs(run, untouched)
    assert not [*run.glob(HALF)]


def test_ctrl_c_exits_130_and_says_how_to_go_on(data, untouched, tmp_path):
    run = tmp_path / "run"
    process = start(*training_arguments(data, run))
    while process.poll() is None and not (run / "checkpoint.pt").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate()
    assert process.returncode == 130, words
    assert f"mien train --resume {run}" in words
    assert "Traceback" not in words
    finish("train", "--resume", run)
    assert_equal_runs(run, untouched)
