"""Training curves, from the `metrics.jsonl` of runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import BadInputError
from mien.run_folder import METRICS, read_info, read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWN = {"epoch", "train_loss", "train_accuracy", "log_loss", "accuracy", "learning_rate"}


def draw_curves(runs: Sequence[str | Path]) -> "Figure":
    """Returns a figure of loss, accuracy and learning rate of one run, or of several compared.

    A run that is not finished counts with the epochs it did.

    Args:
        runs: Run folders.

    Raises:
        MissingError: A folder is no run.
        BadInputError: A run has not finished an epoch, or its records are damaged.
    """
    from mien.plots import draw_runs

    paths = [Path(run) for run in runs]
    names = [path.resolve().name for path in paths]
    records = {
        name if names.count(name) == 1 else str(path): _read(path)
        for path, name in zip(paths, names, strict=True)
    }
    return draw_runs(records)


def _read(run: Path) -> list[dict[str, Any]]:
    read_info(run)
    records = read_metrics(run)
    if not all(isinstance(each, dict) and each.keys() >= _DRAWN for each in records):
        raise BadInputError(f"{run / METRICS}: expected {', '.join(sorted(_DRAWN))} in every line")
    if not records:
        raise BadInputError(f"{run}: no epoch was finished yet, so there is nothing to draw")
    return records
