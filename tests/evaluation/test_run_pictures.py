"""The curves of a run are drawn where torch is not installed."""

import json
import subprocess
import sys

from mien.recipes import load_recipe

RECORD = {"step": 3, "learning_rate": 0.1, "size": 44, "accuracy": 0.5, "log_loss": 1.2}
INFO = {
    "data": "faces.csv",
    "init": None,
    "skip_bad": False,
    "labels": ["happy", "sad"],
    "face_size": 48,
    "channels": 1,
    "train_split": "Training",
    "selection_split": "PublicTest",
    "train_faces": 8,
    "selection_faces": 4,
    "data_hash": "0",
    "train_hash": "1",
    "selection_hash": "2",
    "git_revision": None,
    "versions": {},
    "machine": "drawn",
    "crop": None,
}


def test_a_run_is_drawn_without_torch(tmp_path):
    run, picture = tmp_path / "run", tmp_path / "run.png"
    run.mkdir()
    (run / "recipe.toml").write_text(load_recipe("mien_s").to_toml())
    (run / "run.json").write_text(json.dumps(INFO))
    records = [
        {**RECORD, "epoch": epoch, "train_loss": 1.3, "train_accuracy": 0.4} for epoch in (1, 2)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in records))
    words = f"""
import sys
sys.modules["torch"] = None  # an import of it fails
sys.argv = ["mien", "plot", "runs", {str(run)!r}, "--output", {str(picture)!r}]
from mien.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
