"""Time per stage of reading pictures and a video: mien, fer and OpenCV's cascade, in one run.

    python benchmarks/peers.py --prepare --peers fer    fetches fer, once
    python benchmarks/picture.py                        measures; writes docs/performance.md's table

The pictures are 1280x720, with 1, 4 and 20 heads of scikit-image's astronaut; the video is that of
video.py, 640x480. A process for each way and number of threads, kept to as many processors; they
work in turn, and each figure is the median of the rounds. What a stage is: picture_process.py.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import peer_install
import peers
from drawing import scene
from peer_page import table
from video import write_video

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "runs" / "picture.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- time per stage -->\n", "<!-- its end -->\n"
WAYS = ("mien", "fer, cascade", "fer, MTCNN", "OpenCV's cascade")
STAGES = ("read", "detect", "crop", "classify", "track", "write", "whole")

HEAD = """## Time per stage

Milliseconds for a picture, or for a frame of the video. "Whole" is all of it, with a table
written, as `mien predict --csv` does it: reading, detecting and writing overlap there, which pays
with two threads. For mien the stages are measured one after another, apart from the whole. mien's
detector is RetinaFace, and it classifies all faces of a picture, or of several frames, at once.
`fer` is its own code with its two detectors, OpenCV's cascade and MTCNN; OpenCV's cascade with a
call of mien's network for each face is the loop of tutorials. The heads are the same one, in
several sizes; what a way misses or finds twice shows in the number of faces. Memory is the most
that the process had, in all of these.

    python benchmarks/picture.py
"""


def main() -> None:
    """Measures, or writes the table again."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=peer_install.FOLDER, help="of the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=25, help="of the video")
    parser.add_argument(
        "--page", action="store_true", help="write the table again, measure nothing"
    )
    options = parser.parse_args()
    if not options.page:
        RESULTS.write_text(json.dumps(measure(options), indent=1) + "\n")
    part = BEGIN + section(json.loads(RESULTS.read_text())) + END
    page = PAGE.read_text() if PAGE.exists() else f"# Performance\n\n{BEGIN}{END}"
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(before + part + rest.partition(END)[2])
    print(PAGE)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the seconds of every way, number of threads, file, round and stage."""
    fer = peers.peer_entry("fer", options.folder)["python"]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder), options.frames)
        contestants = {
            (way, threads): peers.Contestant(
                way,
                (fer if "fer" in way else sys.executable, "picture_process.py", way, str(threads)),
                threads,
            )
            for way in WAYS
            for threads in (1, 2)
        }
        results = [
            {"way": way, "threads": threads, "file": name, "seconds": [], "faces": 0}
            for name in files
            for way, threads in contestants
        ]
        for number in range(options.rounds + 1):  # the first is to warm up
            for result in results:
                contestant = contestants[result["way"], result["threads"]]
                told = contestant.ask("run", path=str(files[result["file"]]))
                result["faces"] = told["faces"]
                if number:
                    result["seconds"].append(told["seconds"])
        memory = [
            [way, threads, contestant.ask("memory")["megabytes"]]
            for (way, threads), contestant in contestants.items()
        ]
        for contestant in contestants.values():
            contestant.close()
    return {
        **peers.machine(),
        "load": load,
        "rounds": options.rounds,
        "frames": options.frames,
        "memory": memory,
        "results": results,
    }


def write_files(folder: Path, frames: int) -> dict[str, Path]:
    """Returns the pictures and the video by name, once written."""
    rng = np.random.default_rng(0)
    heads = {
        "1 face": [(430, 120, 420, False, 1.0)],
        "4 faces": [(30 + 310 * n, 180 + 60 * (n % 2), 290, n % 2 == 1, 1.0) for n in range(4)],
        "20 faces": [
            (20 + 252 * (n % 5), 8 + 178 * (n // 5), int(rng.integers(120, 170)), n % 2 == 1, 0.9)
            for n in range(20)
        ],
    }
    files = {}
    for name, places in heads.items():
        files[name] = folder / f"{name.replace(' ', '_')}.jpg"
        Image.fromarray(scene(places, 1280, 720)).save(files[name], quality=90)
    files[f"a video, {frames} frames"] = write_video(folder / "portrait.mp4", frames)
    return files


def section(results: dict[str, Any]) -> str:
    """Returns the section of the page."""
    memory = {(way, threads): megabytes for way, threads, megabytes in results["memory"]}
    lines = [HEAD]
    for name in dict.fromkeys(result["file"] for result in results["results"]):
        num_frames = results["frames"] if "video" in name else 1
        rows = [
            [
                result["way"], str(result["threads"]),
                *(milliseconds(result, stage, num_frames) for stage in STAGES),
                f"{result['faces'] / num_frames:.3g}",
                f"{memory[result['way'], result['threads']]:.0f}",
            ]
            for result in results["results"]
            if result["file"] == name
        ]  # fmt: skip
        head = [name, "threads", *STAGES, "faces", "memory MB"]
        lines += [*table(head, rows), ""]
    libraries = ", ".join(f"{name} {number}" for name, number in results["packages"].items())
    lines.append(
        f"{results['date']}; {results['processor']}, {results['processors']} processors, load "
        f"{results['load']:.1f} before the start; median of {results['rounds']} rounds; Python "
        f"{results['python']}, {libraries}."
    )
    if results["load"] > 1:
        lines.append("Other work ran on this machine: only the ratios say something.")
    return "\n".join(lines) + "\n"


def milliseconds(result: dict[str, Any], stage: str, num_frames: int) -> str:
    """Returns the median of a stage, of one frame."""
    values = [seconds.get(stage) for seconds in result["seconds"]]
    if None in values:
        return ""
    value = 1000 * statistics.median(values) / num_frames
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


if __name__ == "__main__":
    main()
