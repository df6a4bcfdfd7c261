"""The page of benchmarks/peers.py: docs/race.md and its picture, from docs/runs/race.json."""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mien.plots.style import BLUE, ORANGE, finish_axes, new_figure, write_figure

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "runs" / "race.json"
PAGE = DOCS / "race.md"
PICTURE = DOCS / "pictures" / "race.png"

TRUTHS = {"accuracy": "FER2013's label", "majority": "what most annotators say"}
Point = tuple[float, float]
"""Processor milliseconds a face, and accuracy."""
WALL, PROCESSOR = 0, 1

HEAD = """# The race

mien's models and other libraries that read expressions, on the same faces, on the same machine,
with the same number of threads. Anybody can run it:

    python benchmarks/peers.py --prepare --sizes                          # fetches the peers
    python benchmarks/peers.py --data fer2013.csv --votes fer2013new.csv  # races, offline
    python benchmarks/peers.py                                            # writes this page again
"""

HOW = """
## How it is measured

- **Faces.** All {num_faces:,} faces of FER2013's {split}, 48 pixels wide, grey. Each contestant
  gets them as crops of a face, and resizes and normalises them as its own code does. mien is
  measured with one view, without `--tta`.
- **Two truths.** FER2013's own label of each face; and what most of FER+'s ten annotators say,
  of the {num_majority:,} faces on which they agree ([which-labels.md](which-labels.md)). Recall
  is the mean over the seven expressions. A false alarm is a face that eight of ten annotators
  call neutral ({num_clear_neutral} faces) and that is read angry, sad, afraid or disgusted. In
  brackets Wilson's 95 % interval.
- **Time.** From pixels in memory to probabilities, without finding the face. Each contestant is
  a process; in each of {rounds} rounds each works in turn while the others wait, and the figure
  is the median of the rounds. "64 at once" is a batch where a contestant takes one; those that
  read face by face are timed so. With one thread, processor time is what the clock shows on an
  idle machine; the picture and the verdict go by it.
- **Size.** Of the network's weights; and of all that `pip install NAME` or `npm install NAME`
  brings into an empty environment on this machine, with the number of packages.
- **Nothing is random** here: the networks are given, the faces are all of the split.

What flatters whom: mien's models chose their epoch and temperature on PublicTest, each by its
own truth. `default` and `xs` learnt from FER+'s votes on Training, as no peer says it did;
`fer2013` from FER2013's labels. What the peers saw is told below, as far as it is known. Networks
made for the browser run on ONNX Runtime here, which spares them a browser; `fer` and `facex` on
LiteRT, which spares them TensorFlow.
"""

PLACE = (
    "{date}; {processor}, {processors} processors, {threads} thread, load {load:.1f} before the "
    "start; {platform}, Python {python}, {libraries}."
)
BUSY = "Other work ran on this machine: its clock is too slow and wavers; processor time less so."


def write(peers: dict[str, Any], not_run: dict[str, str]) -> None:
    """Writes the page and its picture."""
    results = json.loads(RESULTS.read_text())
    draw(results)
    PAGE.write_text(page(results, peers, not_run))
    print(PAGE, PICTURE)


def is_busy(results: dict[str, Any]) -> bool:
    """Returns whether the clock ran on while the contestants' processor time did not."""
    pairs = [
        pair
        for one in results["contestants"].values()
        for rounds in one["seconds_per_face"].values()
        for pair in rounds
    ]
    return sum(wall for wall, _ in pairs) > 1.1 * sum(processor for _, processor in pairs)


def page(results: dict[str, Any], peers: dict[str, Any], not_run: dict[str, str]) -> str:
    """Returns the page as Markdown."""
    contestants = results["contestants"]
    first = next(iter(contestants.values()))
    libraries = ", ".join(f"{name} {number}" for name, number in results["packages"].items())
    accuracies = [
        [
            name, interval(one, "accuracy"), percent(one["macro_recall"]),
            interval(one, "majority"), percent(one["majority_macro_recall"]),
            interval(one, "false_alarms"),
        ]
        for name, one in contestants.items()
    ]  # fmt: skip
    costs = [
        [
            name, f"{milliseconds(one, clock=PROCESSOR):.2f}", f"{milliseconds(one):.2f}",
            f"{1000 / milliseconds(one):,.0f}",
            f"{1000 / milliseconds(one, 64):,.0f}", f"{one['weights_megabytes']:.1f}",
            *installed(one),
        ]
        for name, one in contestants.items()
    ]  # fmt: skip
    raced = {name: peer for name, peer in peers.items() if name in contestants}
    known = [
        [f"{name} {contestants[name]['version']}", *(peer[column] for column in WORDS)]
        for name, peer in raced.items()
    ]
    agreed = "most annotators %"
    lines = [
        HEAD,
        *table(
            ["", "FER2013's label %", "recall %", agreed, "recall %", "false alarms %"], accuracies
        ),
        "",
        *table(
            ["", "processor ms a face", "ms a face", "faces a second", "64 at once", *SIZES], costs
        ),
        "",
        PLACE.format(**results, libraries=libraries),
        *([BUSY] if is_busy(results) else []),
        "",
        "![Accuracy against time](pictures/race.png)",
        "",
        *[verdict(results, truth) for truth in TRUTHS],
        HOW.format(**results, **{key: first[key] for key in ("num_majority", "num_clear_neutral")}),
        "## The peers, in fairness",
        "",
        *table(["", *WORDS.values()], known),
        "",
        "How they run here:",
        "",
        *[f"- {name}: {peer['runs']}." for name, peer in raced.items()],
        *starts(contestants),
        "",
        "Not run:",
        "",
        *[f"- {name}: {why}." for name, why in not_run.items()],
    ]
    return "\n".join(lines) + "\n"


SIZES = ("weights MB", "installed MB", "packages")
WORDS = {
    "licence": "licence",
    "claims": "its own figure",
    "saw": "did it see PublicTest?",
    "better": "what it does better",
}


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Returns the lines of a Markdown table."""
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head)] + [
        f"| {' | '.join(row)} |" for row in rows
    ]


def percent(share: float) -> str:
    """Returns a share in per cent."""
    return f"{100 * share:.1f}"


def interval(one: dict[str, Any], key: str) -> str:
    """Returns a share in per cent, with its interval."""
    low, high = one[f"{key}_ci95"]
    return f"{percent(one[key])} ({percent(low)} to {percent(high)})"


def milliseconds(one: dict[str, Any], batch: int = 1, clock: int = WALL) -> float:
    """Returns the median milliseconds a face, on the wall clock or of the processor."""
    return 1000 * statistics.median(pair[clock] for pair in one["seconds_per_face"][str(batch)])


def installed(one: dict[str, Any]) -> list[str]:
    """Returns megabytes and packages of the whole installation."""
    told = one["installed"]
    return [f"{told['megabytes']:,.0f}", str(told["packages"])] if told else ["?", "?"]


def starts(contestants: dict[str, Any]) -> list[str]:
    """Returns what to say of peers that do not start as they are installed."""
    told = {name: one["installed"] for name, one in contestants.items() if one["installed"]}
    errors = {name: one["starts"] for name, one in told.items() if isinstance(one["starts"], str)}
    head = "Installed as published, with the newest versions that it allows, this does not start:"
    lines = [f"- {name}: `{error}`" for name, error in errors.items()]
    return ["", head, "", *lines] if lines else []


def frontier(points: Iterable[Point]) -> list[Point]:
    """Returns the points that no other point beats or equals in both, the fastest first."""
    best: list[Point] = []
    for speed, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or accuracy > best[-1][1]:
            best.append((speed, accuracy))
    return best


def not_beaten(peers: dict[str, Point], ours: Iterable[Point]) -> list[str]:
    """Returns the peers on or above the frontier of ours: none of ours is as fast and as accurate.

    Of one that is exactly as good as one of ours, it is said too.
    """
    ours = list(ours)
    return [
        name
        for name, (speed, accuracy) in peers.items()
        if not any(
            fast <= speed and right >= accuracy and (fast, right) != (speed, accuracy)
            for fast, right in ours
        )
    ]


def split_points(results: dict[str, Any], truth: str) -> tuple[dict[str, Point], dict[str, Point]]:
    """Returns mien's points and the peers', by name."""
    points = {
        name: (milliseconds(one, clock=PROCESSOR), one[truth])
        for name, one in results["contestants"].items()
    }
    ours = {name: point for name, point in points.items() if name.startswith("mien ")}
    return ours, {name: point for name, point in points.items() if name not in ours}


def verdict(results: dict[str, Any], truth: str) -> str:
    """Returns the sentence on who is on or above mien's frontier."""
    ours, peers = split_points(results, truth)
    names = not_beaten(peers, ours.values())
    start = f"Against {TRUTHS[truth]}: "
    if not names:
        return (
            start
            + "some model of mien's is at least as fast and at least as accurate as each peer.\n"
        )
    most = max(accuracy for _, accuracy in ours.values())
    ahead = [name for name in names if peers[name][1] >= most]
    words = f"faster than any model of mien's that is as accurate: **{', '.join(names)}**."
    if ahead:
        words += f" As accurate as mien's best, or more: **{', '.join(ahead)}**."
    return start + words + "\n"


def draw(results: dict[str, Any]) -> None:
    """Draws accuracy against milliseconds a face, a part for each truth, with mien's frontier."""
    figure = new_figure(10, 4.6)
    for axes, (truth, words) in zip(figure.subplots(1, 2), TRUTHS.items(), strict=True):
        ours, peers = split_points(results, truth)
        everything = [*ours.values(), *peers.values()]
        for name, (speed, accuracy) in (ours | peers).items():
            is_ours = name in ours
            colour, marker = (BLUE, "o") if is_ours else (ORANGE, "s")
            axes.plot(speed, 100 * accuracy, marker, color=colour, markeredgecolor="black")
            up = 9 if is_ours and not name.endswith("float32") else -9
            axes.annotate(
                name.removeprefix("mien ").rpartition("/")[2], (speed, 100 * accuracy),
                (6 if is_ours else -7, up), ha="left" if is_ours else "right", va="center",
                fontsize=8, textcoords="offset points",
                bbox={"fc": "white", "ec": "none", "pad": 0.5, "alpha": 0.7},
            )  # fmt: skip
        best = frontier(ours.values())
        last = max(speed for speed, _ in everything)
        speeds = [best[0][0], *(speed for speed, _ in best), last]
        heights = [0.0, *(accuracy for _, accuracy in best), best[-1][1]]
        axes.step(speeds, [100 * height for height in heights], where="post", color=BLUE, zorder=0)
        axes.set_ylim(
            100 * min(accuracy for _, accuracy in everything) - 4,
            100 * max(accuracy for _, accuracy in everything) + 4,
        )
        axes.set_xscale("log")
        axes.set_xlim(min(speed for speed, _ in everything) / 2, last * 1.5)
        ticks = [tick for tick in TICKS if axes.get_xlim()[0] < tick < axes.get_xlim()[1]]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("processor milliseconds a face (left is better)")
        axes.set_ylabel("accuracy (%)")
        axes.set_title(f"Against {words}", fontsize=10)
        finish_axes(axes)
    figure.suptitle("Blue: mien, and the line that is its frontier", fontsize=10)
    write_figure(figure, PICTURE)


TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
