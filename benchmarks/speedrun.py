"""What each change to the training of a small net buys: docs/speedrun.md.

    python benchmarks/speedrun.py --data fer2013.csv --seed 0   trains what is missing, one seed
    python benchmarks/speedrun.py                               writes the page from the results

One change at a time against the fixed cheap baseline of speedrun.toml: `mien_s` by Muon, 3 epochs,
2 at 32 px and 1 at 44, in bfloat16. Results are appended to docs/runs/speedrun.jsonl; a change that
has one for a seed is not trained again.
"""

import argparse
import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch loads

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.evaluation import metrics
from mien.models import count_macs, create_model
from mien.plots.style import BLUE, ORANGE, finish_axes, new_figure, plain, write_figure
from mien.recipes import Recipe, load_recipe
from mien.training.data import TrainingSource, prepare
from mien.training.loop import epochs, selection_logits
from mien.training.state import TrainingState, start

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "runs" / "speedrun.jsonl"
PAGE = ROOT / "docs" / "speedrun.md"
PICTURE = ROOT / "docs" / "pictures" / "speedrun.png"

BASELINE = Path(__file__).with_suffix(".toml")
CHANGES: dict[str, tuple[str, ...]] = {
    "baseline": (),
    "Nesterov SGD": ("optimizer.name=sgd",),
    "kernels' rate 0.1": ("optimizer.muon_lr_factor=1.0",),
    "branches start at 1, not 0": ("model.options.branch_start=1.0",),
    "batch 64": ("train.batch_size=64",),
    "kernels' rate 0.025": ("optimizer.muon_lr_factor=0.25",),
    "no squeeze and excitation": ("model.options.squeeze_excite=false",),
    "no label smoothing": ("train.label_smoothing=0.0",),
    "light mixup": ("augment.mixup=0.1",),
    "no averaging": ("train.ema_decay=0.0",),
    "random flip": ("augment.flip=random",),
    "no dropout": ("model.options.dropout=0.0",),
    "first layer starts as a whitening": (),
    "blocks' convolutions start as identities": (),
    "batch norm measured anew at the end": (),
}


def whiten(net: nn.Module, views: Tensor) -> None:
    """Starts the stem as the whitened principal components of 3x3 patches and their negatives.

    Page 2019, Jordan 2024. Filters beyond those stay random.
    """
    patches = F.unfold(views[:5000], 3).transpose(1, 2).reshape(-1, 9)  # [patches, 9]
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    filters = (vectors / (values + 5e-4).sqrt()).T.reshape(9, 1, 3, 3)
    net.stem[0].weight[:18].copy_(torch.cat([filters, -filters]))


def start_as_identities(net: nn.Module, views: Tensor) -> None:
    """Starts the first filters of a block's convolutions as identities (dirac; Jordan 2024)."""
    del views
    for block in net.blocks:
        for conv in (block.conv1, block.conv2):
            nn.init.dirac_(conv.weight[: conv.in_channels])


def measure_batch_norm(net: nn.Module, views: Tensor) -> None:
    """Replaces batch norm's averaged statistics by those of the training faces, unaugmented."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    for batch in views.split(512):
        net(batch)
    net.eval()


STARTS: dict[str, Callable[[nn.Module, Tensor], None]] = {
    "first layer starts as a whitening": whiten,
    "blocks' convolutions start as identities": start_as_identities,
}
ENDS = {"batch norm measured anew at the end": measure_batch_norm}
"""What a change does to the net, given all training faces as views `[N, 1, 44, 44]`, before and
after the training."""

HEAD = """\
# What each change buys

One change at a time against a fixed cheap baseline (`benchmarks/speedrun.toml`: `mien_s`'s net,
branches starting at 0, lighter augmentation): 3 epochs of FER2013's Training faces by Muon, 2 at
32 px and 1 at 44, in bfloat16, measured on PublicTest in float32 (averaged weights, last epoch).
Settings without `=` are functions of the benchmark. The first difference is of the accuracy *with
mirror*: logits averaged over a face and its mirror image. Differences are paired by seed; ± is the
standard error over the seeds, and with two seeds it is itself a guess: less than about a point of
accuracy decides nothing, nor does less than about 0.01 of log loss, which is the finer scale. So
short a training says what learns fast; what keeps a long one from learning by heart (erasing,
smoothing, mixup, dropout) looks worse here than it is. FLOP = 6 x multiply-adds x faces seen;
Muon's own arithmetic, a tenth on top, is not in it. The options `standardise`, `activation` and
`local` changed nothing or for the worse and are gone; their rows stay as findings.

    python benchmarks/speedrun.py --data fer2013.csv --seed 0    # and --seed 1: trains
    python benchmarks/speedrun.py                                # writes this page

"""

FOOT = """
![Differences of log loss to the baseline](pictures/speedrun.png)

A dot is a seed.
"""

LIMIT = 0.08
"""What is beyond is drawn at the picture's edge, with its figure."""


def main() -> None:
    """Trains what is missing, or writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=CHANGES, default=list(CHANGES))
    options = parser.parse_args()
    if options.data is None:
        by_change = best_first(read_results())
        PAGE.write_text(page(by_change))
        draw(by_change)
        print(PAGE.relative_to(ROOT), PICTURE.relative_to(ROOT))
        return
    for name in options.only:
        done = {(result["change"], result["seed"]) for result in read_results()}
        if (name, options.seed) not in done:
            result = measure(name, options.seed, options.data)
            with RESULTS.open("a") as stream:
                stream.write(json.dumps(result) + "\n")
            print(result, flush=True)


def measure(name: str, seed: int, data: Path) -> dict[str, Any]:
    """Returns the result of training with one change."""
    recipe = load_recipe(BASELINE, [*CHANGES[name], f"train.seed={seed}"])
    faces = prepare(TrainingSource(data), recipe)
    state = start(faces.recipe, faces.train, faces.selection)
    started = time.perf_counter()
    if name in STARTS:
        apply(STARTS[name], state, state.bare_net)
        apply(STARTS[name], state, state.measured_net)
    records = list(epochs(state))
    if name in ENDS:
        apply(ENDS[name], state, state.measured_net)
    seconds = time.perf_counter() - started
    logits = selection_logits(state, state.measured_net)
    return {
        "change": name,
        "seed": seed,
        "settings": CHANGES[name],
        "accuracy": accuracy(logits, state.selection_labels),
        "accuracy_tta": accuracy(logits + mirrored_logits(state), state.selection_labels),
        "log_loss": metrics.log_loss(logits, state.selection_labels),
        "train_loss": records[-1].train_loss,
        "flop": flop(recipe, [record.size for record in records[1:]], len(state.train_faces)),
        "seconds": round(seconds),
    }


@torch.no_grad()
def apply(
    change: Callable[[nn.Module, Tensor], None], state: TrainingState, net: nn.Module
) -> None:
    """Changes the net, given all training faces as it sees them."""
    side, size = state.train_faces.shape[-1], state.recipe.data.input_size
    first = (side - size) // 2
    faces = state.train_faces[:, :, first : first + size, first : first + size].float() / 255
    change(net, (faces - state.recipe.data.mean[0]) / state.recipe.data.std[0])


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the share of faces whose largest logit is their label's."""
    return metrics.accuracy(metrics.confusion_matrix(logits, labels))


def mirrored_logits(state: TrainingState) -> np.ndarray:
    """Returns the logits of the mirrored selection faces."""
    faces = state.selection_faces
    state.selection_faces = faces.flip(2)
    try:
        return selection_logits(state, state.measured_net)
    finally:
        state.selection_faces = faces


def flop(recipe: Recipe, sizes: list[int], num_faces: int) -> float:
    """Returns the training FLOP of epochs at these sizes."""
    net = create_model(recipe.model.name, 7, **recipe.model.options)
    return sum(6.0 * count_macs(net, 1, size) * num_faces for size in sizes)


def read_results() -> list[dict[str, Any]]:
    """Returns all results so far."""
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text().splitlines()]


def page(by_change: dict[str, dict[int, dict[str, Any]]]) -> str:
    """Returns the page as Markdown, a row for a change."""
    base = by_change["baseline"]
    lines = [
        "| change | settings | FLOP | seeds | accuracy % | with mirror % | difference | log loss "
        "| difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in by_change.items():
        hooks = [hook[name].__name__ for hook in (STARTS, ENDS) if name in hook]
        words = next(iter(runs.values()))["settings"]
        settings = "<br>".join(f"`{setting}`" for setting in (*words, *hooks))
        lines.append(
            f"| {name} | {settings} | {mean(runs, 'flop'):.2e} "
            f"| {', '.join(map(str, sorted(runs)))} | {100 * mean(runs, 'accuracy'):.1f} "
            f"| {100 * mean(runs, 'accuracy_tta'):.1f} "
            f"| {difference(runs, base, 'accuracy_tta', 100, 1)} | {mean(runs, 'log_loss'):.4f} "
            f"| {difference(runs, base, 'log_loss', 1, 4)} |"
        )
    return HEAD + "\n".join(lines) + "\n" + FOOT


def best_first(results: list[dict[str, Any]]) -> dict[str, dict[int, dict[str, Any]]]:
    """Returns the results by change and seed, the change of the lowest log loss first."""
    by_change: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for result in results:
        by_change[result["change"]][result["seed"]] = result
    return dict(sorted(by_change.items(), key=lambda item: mean(item[1], "log_loss")))


def draw(by_change: dict[str, dict[int, dict[str, Any]]]) -> None:
    """Draws each change's differences of log loss to the baseline, a dot for a seed."""
    base = by_change["baseline"]
    changes = {name: runs for name, runs in by_change.items() if runs is not base}
    figure = new_figure(7, 1.2 + 0.27 * len(changes))
    axes = figure.add_subplot()
    for place, runs in enumerate(changes.values()):
        values = [runs[seed]["log_loss"] - base[seed]["log_loss"] for seed in runs]
        outside = min(values) > LIMIT
        shown = [LIMIT] if outside else values
        colour = BLUE if np.mean(values) < 0 else ORANGE
        axes.plot([0, np.mean(shown)], [place, place], color=colour, linewidth=2)
        axes.plot(
            shown, [place] * len(shown), ">" if outside else "o", color=colour,
            markeredgecolor="black", clip_on=False,
        )  # fmt: skip
        if outside:
            axes.annotate(
                f"{np.mean(values):+.2f}", (LIMIT, place), (-8, 0), textcoords="offset points",
                ha="right", va="center", fontsize=8,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
    axes.axvline(0, color="black", linewidth=1)
    axes.set_xlim(-LIMIT, LIMIT)
    axes.set_yticks(range(len(changes)), [plain(name) for name in changes])
    axes.invert_yaxis()
    axes.set_xlabel("log loss on PublicTest less the baseline's: left is better")
    finish_axes(axes)
    write_figure(figure, PICTURE)


def mean(runs: dict[int, dict[str, Any]], key: str) -> float:
    """Returns a figure's mean over the seeds."""
    return float(np.mean([run[key] for run in runs.values()]))


def difference(
    runs: dict[int, dict[str, Any]],
    base: dict[int, dict[str, Any]],
    key: str,
    scale: float,
    digits: int,
) -> str:
    """Returns the mean paired difference to the baseline, ± its standard error."""
    if runs is base:
        return ""
    values = [scale * (runs[seed][key] - base[seed][key]) for seed in runs if seed in base]
    if not values:
        return "?"
    text = f"{np.mean(values):+.{digits}f}"
    if len(values) > 1:
        text += f" ± {np.std(values, ddof=1) / math.sqrt(len(values)):.{digits}f}"
    return text


if __name__ == "__main__":
    main()
