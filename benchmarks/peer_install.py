"""Environments for the peers of benchmarks/peers.py: made once, with pinned versions.

Packages come from where pip and npm of this machine fetch theirs.
"""

import argparse
import json
import os
import shutil
import site
import subprocess
import sys
import tarfile
import venv
from pathlib import Path
from typing import Any

import onnx
from platformdirs import user_cache_path

import tfjs

ROOT = Path(__file__).parents[1]
FOLDER = user_cache_path("mien", appauthor=False) / "peers"


def place_of(name: str, folder: Path) -> Path:
    """Returns the folder of a peer."""
    return folder / name.replace("@", "").replace("/", "-")


def environment(threads: int) -> dict[str, str]:
    """Returns the environment of a contestant's process: so many threads, no GPU, no network."""
    counts = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)
    )
    nowhere = dict.fromkeys(
        ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://[::1]:9"
    )
    paths = {
        "PYTHONPATH": str(ROOT / "src"),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_WAIT_POLICY": "passive",
    }
    return {**os.environ, **counts, **nowhere, **paths}


def prepare(peers: dict[str, Any], options: argparse.Namespace) -> None:
    """Fetches the peers; with `--sizes` measures them, and mien, as they are published."""
    for name, peer in peers.items():
        place = place_of(name, options.folder)
        place.mkdir(parents=True, exist_ok=True)
        prepared = (prepare_npm if peer["registry"] == "npm" else prepare_python)(peer, place)
        (place / "prepared.json").write_text(json.dumps(prepared, indent=1))
        print(f"{name}: {place}")
    if options.sizes:
        trial = "import mien; mien.Analyzer()"
        mien = {"registry": "PyPI", "requirement": str(ROOT), "trial": trial}
        for name, peer in {"mien": mien, **peers}.items():
            place = place_of(name, options.folder)
            told = published(peer, place / "published")
            (place / "published.json").write_text(json.dumps(told, indent=1))
            print(f"{name}: {told}")


def read_published(name: str, folder: Path) -> dict[str, Any] | None:
    """Returns what `--sizes` found of a peer, or None."""
    path = place_of(name, folder) / "published.json"
    return json.loads(path.read_text()) if path.exists() else None


def prepare_python(peer: dict[str, Any], place: Path) -> dict[str, Any]:
    """Returns which Python runs the peer, once its environment is made."""
    python = make_environment(place / "environment")
    pip_install(python, "--no-deps", *peer["environment"])
    pip_install(python, *peer["libraries"])
    (packages,) = place.glob("environment/**/site-packages")
    if peer.get("torch"):
        (packages / "torch_of_mien.pth").write_text("\n".join(site.getsitepackages()))
    weights = packages / peer["weights"]
    return {"python": str(python), "model": "", "weights_megabytes": weights.stat().st_size / 1e6}


def prepare_npm(peer: dict[str, Any], place: Path) -> dict[str, Any]:
    """Returns which network runs, once it is fetched and made an ONNX model."""
    shutil.rmtree(place / "package", ignore_errors=True)
    run("npm", "pack", peer["requirement"], "--silent", "--pack-destination", str(place))
    (archive,) = place.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    archive.unlink()
    weights = place / "package" / peer["weights"]
    groups = json.loads(weights.read_text())
    groups = groups["weightsManifest"] if isinstance(groups, dict) else groups
    shards = [weights.parent / path for group in groups for path in group["paths"]]
    network = place / "network.onnx"
    onnx.save(tfjs.CONVERSIONS[peer["graph"]](weights), network)
    size = sum(shard.stat().st_size for shard in shards) / 1e6
    return {"python": sys.executable, "model": str(network), "weights_megabytes": size}


def published(peer: dict[str, Any], place: Path) -> dict[str, Any]:
    """Returns megabytes, packages and whether it starts, of a peer installed as it is published."""
    shutil.rmtree(place, ignore_errors=True)
    try:
        if peer["registry"] == "npm":
            place.mkdir(parents=True)
            words = ("--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefix")
            run("npm", "install", *words, str(place), peer["requirement"])
            listed = run("npm", "ls", "--all", "--parseable", "--prefix", str(place)).splitlines()
            return {"megabytes": size_of(place), "packages": len(listed) - 1, "starts": None}
        python = make_environment(place)
        before, tools = size_of(place), num_packages(python)
        pip_install(python, peer["requirement"])
        trial = subprocess.run([python, "-c", peer["trial"]], capture_output=True, text=True)
        return {
            "megabytes": size_of(place) - before,
            "packages": num_packages(python) - tools,
            "starts": trial.returncode == 0 or (trial.stderr.strip() or "?").splitlines()[-1],
        }
    finally:
        shutil.rmtree(place, ignore_errors=True)


def make_environment(place: Path) -> Path:
    """Returns the Python of a new environment."""
    venv.create(place, clear=True, with_pip=True)
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def pip_install(python: Path, *words: str) -> None:
    """Installs packages into an environment."""
    run(str(python), "-m", "pip", "install", "--quiet", "--no-input", *words)


def num_packages(python: Path) -> int:
    """Returns how many packages an environment has."""
    return len(run(str(python), "-m", "pip", "list", "--format=freeze").splitlines())


def size_of(folder: Path) -> float:
    """Returns the megabytes of all files in a folder, links not followed."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 1e6


def run(*command: str) -> str:
    """Returns what a command prints, once the command is shown; ends the program if it fails."""
    print("$", *command, flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout
