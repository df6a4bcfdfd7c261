"""The race: mien's models and other libraries read the same faces; docs/race.md.

    python benchmarks/peers.py --prepare [--sizes]                        fetches the peers
    python benchmarks/peers.py --data fer2013.csv --votes fer2013new.csv [MODEL ...]     races
    python benchmarks/peers.py                                            writes the page again

A process for each contestant, all with the same number of threads; they wait while one works. Each
gets faces as uint8 [N, 48, 48] and does to them what its own code does to a crop. Accuracy is of
the whole split. Time is from the pixels to the probabilities: in every round each contestant is
timed in turn, and the median of the rounds counts. peers.toml has the peers, what is known of them,
and those that are not run.

`--prepare` makes an environment for each peer in `--folder`, with pinned versions, and prints each
command that fetches something. `--sizes` also installs each as its makers publish it, with all that
it asks for (gigabytes), notes size and packages, tries whether it starts, and deletes it. Those
that need torch use the torch of this environment. The race itself fetches nothing.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import peer_install
import peer_page
from mien.classifier import Classifier
from mien.data import FaceSet, read
from mien.evaluation import score
from mien.labels import canonical_expression
from mien.model_folder import NETWORK, NETWORK_INT8, PRETRAINED

BATCHES = (1, 64)
PEERS: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
NOT_RUN: dict[str, str] = PEERS.pop("not_run")


def main() -> None:
    """Prepares, races, or writes the page again."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "models",
        nargs="*",
        default=[f"{name}@{how}" for name in PRETRAINED for how in ("float32", "int8")],
        help="of mien's, NAME or NAME@PRECISION",
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--votes", type=Path)
    parser.add_argument("--split", default="PublicTest")
    parser.add_argument("--folder", type=Path, default=peer_install.FOLDER)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--sizes", action="store_true", help="with --prepare")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a contestant in a round")
    options = parser.parse_args()
    if (options.data is None) != (options.votes is None) or options.sizes > options.prepare:
        parser.error("--data and --votes go together; --sizes goes with --prepare")
    if options.prepare:
        peer_install.prepare({name: PEERS[name] for name in options.peers}, options)
        return
    if options.data:
        peer_page.RESULTS.write_text(json.dumps(race(options), indent=1) + "\n")
    peer_page.write(PEERS, NOT_RUN)


def race(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the results of all contestants."""
    faces = read(options.data, options.votes).take_split(options.split)
    contestants = {
        f"mien {Path(name).name.replace('@', ' ')}": mien_entry(name, options.folder)
        for name in options.models
    }
    contestants |= {name: peer_entry(name, options.folder) for name in options.peers}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "faces.npy"
        np.save(path, faces.images)
        processes = {
            name: Contestant(
                name,
                (one["python"], "peer_process.py", one["kind"], one["model"], str(options.threads)),
                options.threads,
            )
            for name, one in contestants.items()
        }
        results = {}
        for name, process in processes.items():
            process.ask("read", faces=str(path), output=str(path.with_name("read.npy")))
            one, probabilities = contestants[name], np.load(path.with_name("read.npy"))
            results[name] = {key: one[key] for key in ("version", "weights_megabytes", "installed")}
            results[name] |= figures(probabilities, tuple(one["labels"]), faces)
            results[name]["seconds_per_face"] = {str(batch): [] for batch in BATCHES}
            print(name, f"{results[name]['accuracy']:.4f}", flush=True)
        for _ in range(options.rounds):
            for name, process in processes.items():
                for batch in BATCHES:
                    words = {"faces": str(path), "batch": batch, "seconds": options.seconds}
                    taken = process.ask("time", **words)
                    timed = results[name]["seconds_per_face"][str(batch)]
                    timed.append((taken["wall"], taken["processor"]))
        for process in processes.values():
            process.close()
    return {
        **machine(),
        "load": load,
        "split": options.split,
        "num_faces": len(faces),
        "threads": options.threads,
        "rounds": options.rounds,
        "contestants": results,
    }


def machine() -> dict[str, Any]:
    """Returns the date, the machine and the versions, for records."""
    packages = ("numpy", "onnxruntime", "opencv-python-headless", "torch")
    return {
        "date": datetime.date.today().isoformat(),
        "platform": platform.platform(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def mien_entry(name: str, folder: Path) -> dict[str, Any]:
    """Returns what the race needs of a model of mien's, `NAME@PRECISION`."""
    name, _, precision = name.partition("@")
    classifier = Classifier(name, precision=precision or "auto")  # pyright: ignore[reportArgumentType]
    network = NETWORK_INT8 if classifier.precision == "int8" else NETWORK
    return {
        "kind": "mien",
        "model": f"{classifier.folder.resolve()}@{classifier.precision}",
        "python": sys.executable,
        "labels": classifier.labels,
        "version": version("mien"),
        "weights_megabytes": (classifier.folder / network).stat().st_size / 1e6,
        "installed": peer_install.read_published("mien", folder),
    }


def peer_entry(name: str, folder: Path) -> dict[str, Any]:
    """Returns what the race needs of a peer that was prepared."""
    peer, place = PEERS[name], peer_install.place_of(name, folder)
    if not (place / "prepared.json").exists():
        raise SystemExit(f"{place}: {name} is not there; run with --prepare first")
    prepared = json.loads((place / "prepared.json").read_text())
    return {
        "kind": peer["kind"],
        "labels": peer["labels"],
        "version": peer["requirement"].replace("==", "@").rpartition("@")[2],
        "installed": peer_install.read_published(name, folder),
        **prepared,
    }


class Contestant:
    """A process that does what it is asked to, a line of JSON for a line of JSON."""

    def __init__(self, name: str, command: tuple[str, ...], threads: int) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parent, env=peer_install.environment(threads),
        )  # fmt: skip
        self._answer()

    def ask(self, do: str, **words: Any) -> dict[str, Any]:
        """Returns the answer to a command."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do, **words}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: its process ended, {self.process.wait()}")
        return json.loads(line)


def figures(probabilities: np.ndarray, labels: tuple[str, ...], faces: FaceSet) -> dict[str, Any]:
    """Returns how well a contestant reads the faces.

    Args:
        probabilities: Floats `[N, 7]`; the largest is what is read.
        labels: The contestant's own names, in the order of the columns.
        faces: What was read, with labels and votes.

    Returns:
        Shares from 0 to 1: `accuracy` and `macro_recall` against the faces' labels, `majority` and
        `majority_macro_recall` against what most annotators say, and `false_alarms`, of the clearly
        neutral faces; Wilson's 95 % intervals where the name ends in `_ci95`.
    """
    order = [[canonical_expression(label) for label in labels].index(n) for n in faces.label_names]
    logits = np.log(np.maximum(probabilities[:, order], 1e-12))
    assert faces.labels is not None
    report = score(logits, faces.labels, faces.label_names, votes=faces.votes)
    votes = report.votes
    assert votes is not None
    alarms = votes.false_alarms["together"]
    return {
        "accuracy": report.accuracy,
        "accuracy_ci95": report.accuracy_ci95,
        "macro_recall": report.balanced_accuracy,
        "majority": votes.accuracy,
        "majority_ci95": votes.accuracy_ci95,
        "majority_macro_recall": votes.balanced_accuracy,
        "false_alarms": alarms.share,
        "false_alarms_ci95": alarms.ci95,
        "num_majority": votes.num_faces,
        "num_clear_neutral": votes.num_clear_neutral,
    }


def processor() -> str:
    """Returns the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
