"""What a search found: its trials, the best of them, and the files that hold them.

study.db      the study, unless it lives elsewhere
trials.csv    one row per trial
best.toml     the best recipe, ready for `mien train`
history.png   value over trials
knobs.png     value against each searched knob
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mien import files
from mien.plots import write_figure
from mien.plots.search import draw_search_history, draw_search_knobs
from mien.recipes import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRIALS, BEST, HISTORY, KNOBS = "trials.csv", "best.toml", "history.png", "knobs.png"

State = Literal[
    "complete", "pruned", "diverged", "refused", "out of memory", "stopped", "running", "waiting"
]


@dataclass(frozen=True)
class Trial:
    """One training of a search.

    Attributes:
        number: In order of their start, from 0.
        state: `pruned`: worse than the median; `refused`: the recipe does not take the
            combination; `stopped`: interrupted or killed, to be tried again under another number.
        value: The selection metric at `epoch`; None before the first measurement.
        epoch: The epoch that the recipe would keep: the best or the last; 0 is untrained.
        settings: The searched keys' values.
        seconds: From start to end; None before the end.
    """

    number: int
    state: State
    value: float | None
    epoch: int | None
    settings: dict[str, Any]
    seconds: float | None


@dataclass(frozen=True)
class SearchResult:
    """The trials of a study, and what is best among the complete ones.

    Attributes:
        metric: `accuracy` (more is better) or `log_loss` (less is better).
        trials: In order of their numbers.
        best: None while no trial is complete.
        recipe: The best trial's, to train with.
    """

    metric: str
    trials: tuple[Trial, ...]
    best: Trial | None
    recipe: Recipe | None

    def to_json_dict(self) -> dict[str, Any]:
        """Returns it as JSON types, without the recipe."""
        return {
            "metric": self.metric,
            "best": None if self.best is None else asdict(self.best),
            "trials": [asdict(trial) for trial in self.trials],
        }


def find_best(trials: Sequence[Trial], metric: str) -> Trial | None:
    """Returns the complete trial with the best value; of equals, the first."""
    complete = [trial for trial in trials if trial.state == "complete"]
    sign = 1 if metric == "accuracy" else -1
    return max(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)


def write_result(output: Path, result: SearchResult) -> None:
    """Writes the table and the best recipe; makes the folder where it is not there."""
    output.mkdir(parents=True, exist_ok=True)
    write_whole(output / TRIALS, _trials_csv(result).encode())
    if result.recipe is not None:
        write_whole(output / BEST, result.recipe.to_toml().encode())


def draw_result(output: Path, result: SearchResult, log_keys: Sequence[str] = ()) -> None:
    """Draws the measured trials into the folder; `log_keys` get a logarithmic axis."""
    drawn = [trial for trial in result.trials if trial.value is not None]
    if not drawn:
        return
    values = [trial.value for trial in drawn if trial.value is not None]
    complete = [trial.state == "complete" for trial in drawn]
    numbers = [trial.number for trial in drawn]
    settings = {key: [trial.settings[key] for trial in drawn] for key in drawn[0].settings}
    history = draw_search_history(numbers, values, complete, result.metric)
    knobs = draw_search_knobs(settings, values, complete, result.metric, log_keys)
    write_picture(output / HISTORY, history)
    write_picture(output / KNOBS, knobs)


def write_picture(path: Path, figure: "Figure") -> None:
    """Writes a figure that is there whole or not at all."""
    write_figure(figure, path)


def _trials_csv(result: SearchResult) -> str:
    keys = list(result.trials[0].settings) if result.trials else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "state", "value", "epoch", "seconds", *keys])
    for trial in result.trials:
        seconds = None if trial.seconds is None else round(trial.seconds, 1)
        settings = (trial.settings.get(key) for key in keys)
        writer.writerow([trial.number, trial.state, trial.value, trial.epoch, seconds, *settings])
    return text.getvalue()


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all."""
    with files.write_whole(path) as file:
        file.write(content)
