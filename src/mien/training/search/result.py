"""The result of a search: its trials, the best one, and the files that are written.

study.db      the study, unless it lives elsewhere
trials.csv    one row per trial
best.toml     the best recipe, ready for `mien train`
history.png   value over trials
knobs.png     value against each searched knob
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from mien.files import write_whole
from mien.plots import write_figure
from mien.plots.search import draw_search_history, draw_search_knobs
from mien.recipes import Recipe
from mien.text import counted
from mien.training.search.space import SearchSpace

TRIALS, BEST, HISTORY, KNOBS = "trials.csv", "best.toml", "history.png", "knobs.png"
ENDED = "ended"
"""Where a trial in the database keeps how it ended other than complete, and why."""


@dataclass(frozen=True)
class Trial:
    """One training of a search.

    Attributes:
        number: In order of their start, from 0.
        state: `complete`; `pruned`: worse than the median; `diverged`; `refused`: the recipe does
            not take the combination; `out of memory`; `stopped`: interrupted or killed, to be tried
            again under another number; `running`; `waiting`.
        value: The selection metric at `epoch`; None before the first measurement.
        epoch: The epoch that the recipe would keep: the best or the last; 0 is untrained.
        settings: The searched keys' values.
        seconds: From start to end; None before the end.
    """

    number: int
    state: str
    value: float | None
    epoch: int | None
    settings: dict[str, Any]
    seconds: float | None


@dataclass(frozen=True)
class SearchResult:
    """The trials of a study, and the best of the complete ones.

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
        """Returns metric, best trial and all trials as JSON's types; not the recipe."""
        page = asdict(self)
        return {key: page[key] for key in ("metric", "best", "trials")}


def result_of(study: optuna.Study, space: SearchSpace) -> SearchResult:
    """Returns the result of a study so far."""
    found = [trial for trial in study.get_trials(deepcopy=False) if trial.params]
    trials = tuple(as_trial(trial, space) for trial in found)
    complete = [trial for trial in trials if trial.state == "complete"]
    sign = 1 if space.metric == "accuracy" else -1
    best = max(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)
    recipe = None
    if best is not None:
        words = ", ".join(f"{key}={value}" for key, value in best.settings.items())
        pruned = sum(trial.state == "pruned" for trial in trials)
        ended = counted(len(complete), "trial") + (
            f" and {pruned} that were pruned" if pruned else ""
        )
        description = f"Best of {ended} of mien tune, {space.metric} {best.value:.4f}: {words}"
        recipe = space.recipe_with({**best.settings, "description": description})
    return SearchResult(space.metric, trials, best, recipe)


def as_trial(trial: FrozenTrial, space: SearchSpace) -> Trial:
    """Returns Optuna's trial as a `Trial`."""
    values = trial.intermediate_values
    epoch = kept_epoch(values, space.recipe) if values else None
    state = trial.state.name.lower().replace("fail", "stopped")
    return Trial(
        number=trial.number,
        state=trial.user_attrs.get(ENDED, [state])[0],
        value=None if epoch is None else values[epoch],
        epoch=epoch,
        settings=space.settings(trial.params),
        seconds=None if trial.duration is None else trial.duration.total_seconds(),
    )


def kept_epoch(values: Mapping[int, float], recipe: Recipe) -> int:
    """Returns the epoch whose weights training would keep, given the metric of each epoch."""
    if recipe.train.keep == "last":
        return max(values)
    sign = 1 if recipe.train.selection_metric == "accuracy" else -1
    return max(sorted(values), key=lambda epoch: sign * values[epoch])


def short(value: object, digits: int = 4) -> str:
    """Returns a setting's value as text; floats with so many digits at most."""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def write_result(output: Path, result: SearchResult) -> None:
    """Writes the table and the best recipe; makes the folder where it is not there."""
    output.mkdir(parents=True, exist_ok=True)
    keys = list(result.trials[0].settings) if result.trials else []
    rows = [
        [
            *(trial.number, trial.state, trial.value, trial.epoch),
            None if trial.seconds is None else round(trial.seconds, 1),
            *(trial.settings.get(key) for key in keys),
        ]
        for trial in result.trials
    ]
    write_table(output / TRIALS, ["number", "state", "value", "epoch", "seconds", *keys], rows)
    if result.recipe is not None:
        with write_whole(output / BEST) as file:
            file.write(result.recipe.to_toml().encode())


def draw_result(output: Path, result: SearchResult, space: SearchSpace) -> None:
    """Draws the measured trials into the folder."""
    drawn = [trial for trial in result.trials if trial.value is not None]
    if not drawn:
        return
    values = [trial.value for trial in drawn if trial.value is not None]
    complete = [trial.state == "complete" for trial in drawn]
    numbers = [trial.number for trial in drawn]
    settings = {key: [trial.settings[key] for trial in drawn] for key in space.knobs}
    history = draw_search_history(numbers, values, complete, result.metric)
    knobs = draw_search_knobs(settings, values, complete, result.metric, space.log_keys)
    write_figure(history, output / HISTORY)
    write_figure(knobs, output / KNOBS)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a CSV file, whole or not at all."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    with write_whole(path) as file:
        file.write(text.getvalue().encode())
