"""mien and what it depends on keep nothing and call nobody: every verb in a home of its own."""

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from drawn_faces import drawn_set, write_fer_csv

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "examples" / "astronaut.jpg"
QUICK = ["--set", "train.epochs=1", "--data", "faces.csv", "--output", "named"]
VERBS = {
    "predict": ["predict", str(PICTURE), "--json"],
    "train": ["train", "--recipe", "logistic", *QUICK],
    "evaluate": ["evaluate", "default", "--data", "faces.csv", "--output", "named"],
    "tune": ["tune", "--recipe", "logistic", "--search", "optimizer.lr=1e-4,1e-3", *QUICK],
    "serve": ["serve", "--port", "0"],
}


@pytest.fixture
def quiet(tmp_path, monkeypatch):
    """An environment whose home is empty and where nothing says that this is a test."""
    write_fer_csv(
        tmp_path / "faces.csv", *drawn_set(40, 6), ["Training"] * 30 + ["PublicTest"] * 10
    )
    for name in ("home", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    environment = {
        name: value
        for name, value in os.environ.items()
        # Silent where they are set: CI for ONNX Runtime, and pytest's own for who knows what.
        if name not in ("CI", "ORT_DISABLE_TELEMETRY") and not name.startswith(("XDG_", "PYTEST_"))
    }
    named = {"MIEN_CACHE": "cache", "MPLCONFIGDIR": "fonts"}  # the user can name both
    places = {"HOME": "home", "TMPDIR": "temporary", **named}
    return environment | {name: str(tmp_path / place) for name, place in places.items()}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_writes_nothing_unasked_and_calls_nobody(verb, quiet, tmp_path):
    command = [sys.executable, "-m", "mien", *VERBS[verb]]
    if shutil.which("strace"):
        command = ["strace", "-f", "-qq", "-e", "trace=connect,sendto", "-o", "calls", *command]
    process = subprocess.Popen(
        command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    told = ""
    try:
        if verb == "serve":
            for line in process.stderr:
                told += line
                if "http://" in line:
                    url = "http://" + line.partition("http://")[2].split()[0].rstrip("/")
                    request = urllib.request.Request(f"{url}/v1/predict", PICTURE.read_bytes())
                    request.add_header("Content-Type", "image/jpeg")
                    try:
                        urllib.request.urlopen(request, timeout=60).close()
                    except urllib.error.HTTPError as error:
                        pytest.fail(error.read().decode())
                    break
            subprocess.run(["pkill", "-TERM", "-P", str(process.pid)], check=False)
            if not shutil.which("strace"):
                process.send_signal(signal.SIGTERM)
        told += process.communicate(timeout=300)[1]
    finally:
        process.kill()
        process.wait()
    assert verb == "serve" or process.returncode == 0, told
    for place in ("home", "temporary"):
        left = [path for path in (tmp_path / place).rglob("*") if path.is_file()]
        assert left == [], left
    if (tmp_path / "calls").exists():
        calls = (tmp_path / "calls").read_text().splitlines()
        assert [call for call in calls if "AF_INET" in call and "127.0.0.1" not in call] == []
