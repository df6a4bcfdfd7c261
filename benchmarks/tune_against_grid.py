"""Does a search of a dozen trials find what an exhaustive grid of learning rates finds?

    python benchmarks/tune_against_grid.py --data fer2013.csv --output tune_against_grid

Both train the same recipe on the same part of the Training faces and select on the recipe's own
held-out faces; PublicTest and PrivateTest play no part. The grid trains every rate to its end. Run
again, it goes on where it was stopped.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch loads

import numpy as np

from mien.training import TrainingSource
from mien.training.search import SearchResult, search

LOW, HIGH, NUM_RATES = 1e-4, 5e-3, 10


def main() -> None:
    """Runs both searches and prints their tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--recipe", default="compact_cnn")
    parser.add_argument("--max-faces", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--trials", type=int, default=12)
    options = parser.parse_args()
    shared = {
        "recipe": options.recipe,
        "source": TrainingSource(options.data),
        "settings": [f"train.epochs={options.epochs}"],
        "max_faces": options.max_faces,
    }
    rates = ",".join(f"{rate:.3g}" for rate in np.geomspace(LOW, HIGH, NUM_RATES))
    grid = search(
        **shared,
        output=options.output / "grid",
        searches=[f"optimizer.lr={rates}"],
        num_trials=NUM_RATES,
        prune=False,
    )
    tuned = search(
        **shared,
        output=options.output / "tpe",
        searches=[f"optimizer.lr=log({LOW},{HIGH})"],
        num_trials=options.trials,
    )
    print(f"{options.recipe}, {options.max_faces} faces, {options.epochs} epochs\n")
    print("| search | trials | complete | best accuracy | at epoch | lr | minutes |")
    print("|---|---|---|---|---|---|---|")
    for name, result in (("grid", grid), ("TPE, pruned", tuned)):
        print(_row(name, result))
    assert tuned.best is not None
    assert grid.best is not None
    difference = 100 * ((tuned.best.value or 0) - (grid.best.value or 0))
    print(f"\nTPE less grid: {difference:+.2f} points")
    for name, result in (("grid", grid), ("TPE", tuned)):
        print(f"\n| {name}: lr | accuracy | at epoch | state |\n|---|---|---|---|")
        for trial in sorted(result.trials, key=lambda trial: trial.settings["optimizer.lr"]):
            rate = trial.settings["optimizer.lr"]
            print(f"| {rate:.3g} | {trial.value:.4f} | {trial.epoch} | {trial.state} |")


def _row(name: str, result: SearchResult) -> str:
    best, trials = result.best, result.trials
    assert best is not None
    complete = sum(trial.state == "complete" for trial in trials)
    minutes = sum(trial.seconds or 0 for trial in trials) / 60
    cells = (
        name,
        len(trials),
        complete,
        f"{best.value:.4f}",
        best.epoch,
        f"{best.settings['optimizer.lr']:.3g}",
        f"{minutes:.0f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
