"""Two processes train one model: each takes its part of every batch, one of them writes."""

import os
import subprocess
import sys

import pytest

from drawn_faces import drawn_set, write_fer_csv
from mien.data import read
from mien.evaluation import evaluate
from mien.run_folder import read_metrics


def test_two_processes_give_one_run(tmp_path):
    data, run = tmp_path / "faces.csv", tmp_path / "run"
    images, labels = drawn_set(300, seed=7)
    write_fer_csv(data, images, labels, ["Training"] * 203 + ["PublicTest"] * 97)
    settings = ["train.epochs=2", "train.batch_size=50", "train.sizes=[]", "data.input_size=24"]
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
        *("-m", "mien", "train", "--recipe", "mien_s", "--data", data, "--output", run),
        *(word for setting in settings for word in ("--set", setting)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    records = read_metrics(run)
    assert [record["epoch"] for record in records] == [0, 1, 2]
    assert records[-1]["step"] == 8, "203 faces: four steps of 50 an epoch, the rest left out"
    report = evaluate(run, read(data).take_split("PublicTest"))
    assert report.num_faces == 97
    assert report.accuracy == pytest.approx(records[-1]["accuracy"])
