"""Search: a recipe and what to vary → trials, each a whole training, and the best recipe.

Optuna keeps the study in a database, so that a search can be stopped, gone on with, and shared by
processes on one or several machines. No two trials have the same settings, and no more are run
than asked for, whoever runs them: a trial holds its place by its number, which the database gives
out once, and chooses its settings when all earlier ones have chosen theirs.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from mien.errors import UsageError
from mien.recipes import Recipe
from mien.training.data import check_opinions
from mien.training.loop import epochs
from mien.training.progress import shown
from mien.training.search_faces import FacesFor, faces_for_trials
from mien.training.search_result import (
    TRIALS,
    SearchResult,
    State,
    Trial,
    draw_result,
    find_best,
    write_result,
)
from mien.training.search_space import Knob, SearchSpace, read_space
from mien.training.search_study import (
    check_definition,
    fail_stale,
    holds_place,
    open_study,
    wait_for_earlier,
)
from mien.training.state import build_net, channels_of, start
from mien.training.teaching import TeacherNames, teacher_names

STUDY = "study.db"
STARTUP_TRIALS = 5
"""Trials drawn at random before TPE learns from them; as many before any is pruned."""
ATTEMPTS = 20
"""Proposals that may repeat earlier trials before the first untried settings are taken."""
POLL_SECONDS = 1.0

_OUTCOME, _REASON, _NO_PLACE = "outcome", "reason", "no_place"


class _NoPlaceError(Exception):
    """The trial is one too many: another process was quicker."""


@dataclass(frozen=True)
class _Plan:
    """What every trial of a search needs."""

    space: SearchSpace
    faces_for: FacesFor
    num_trials: int
    prune: bool

    @property
    def metric(self) -> str:
        return self.space.recipe.train.selection_metric


def search(
    recipe: str | Path,
    data: str | Path,
    output: str | Path,
    searches: Sequence[str],
    settings: Sequence[str] = (),
    num_trials: int = 20,
    max_faces: int | None = None,
    seed: int = 0,
    storage: str | None = None,
    prune: bool = True,
    skip_bad: bool = False,
    votes: str | Path | None = None,
    teacher: TeacherNames = None,
) -> SearchResult:
    """Returns the trials and the best of them, when `num_trials` are finished in all.

    The same call goes on with a study that was stopped; calls at the same time share it. A finite
    space ends the search early, when all of it was tried. After every trial `output` holds the
    table and the best recipe, at the end the plots.

    Args:
        recipe: A recipe's name or file.
        data: A labelled set, as `mien.data.read` takes it.
        output: The study's folder; its name is the study's name in `storage`.
        searches: What to vary, `KEY=VALUES` as `mien.training.search_space` tells.
        settings: Fixed changes of the recipe, `KEY=VALUE`.
        num_trials: How many trials in all.
        max_faces: Learn from so many faces only, each class with its share.
        seed: Decides what is proposed, and which faces are taken of more. The training seed is
            the recipe's, the same in every trial.
        storage: URL of the database; None is an SQLite file in `output`.
        prune: Stop trials that are worse than the median of the others at the same epoch.
        skip_bad: Leave unreadable rows of the data out instead of refusing it.
        votes: FER+'s votes of the same rows, for recipes with `train.vote_weight`.
        teacher: A teacher's logits of the training faces, for those with `train.teacher_weight`.

    Raises:
        UsageError: The recipe does not take a key or value; the output is taken, or holds a study
            of something else.
        MissingError: The data, votes or teacher are not there; the storage cannot be reached.
        BadInputError: The data cannot be read.
    """
    if num_trials < 1:
        raise UsageError(f"a search takes one trial or more, not {num_trials}")
    output = Path(output)
    space, probes = read_space(recipe, settings, searches)
    teacher = teacher_names(teacher)
    check_opinions([space.recipe, *probes], votes, teacher)
    check_output(output, STUDY, TRIALS)
    faces_for = faces_for_trials(data, max_faces, seed, skip_bad, votes, teacher)
    filled, train, selection = faces_for(space.recipe)
    for model in {probe.model.model_dump_json(): probe for probe in probes}.values():
        build_net(model, channels_of(train), len(train.label_names))
    definition = {
        "seed": seed,
        "max_faces": max_faces,
        "recipe": filled.model_dump(mode="json", exclude={"description"}),
        "search": {key: str(values) for key, values in space.distributions.items()},
        "faces": [train.content_hash(), selection.content_hash()],
    }
    # what the recipe gives no weight, a trial may: the faces' hashes do not know it
    opinions = {"votes": votes, "teacher": teacher[0] if teacher else None}
    definition |= {
        name: hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for name, file in opinions.items()
        if file is not None
    }
    plan = _Plan(space, faces_for, int(min(num_trials, space.size)), prune)
    url = storage
    if url is None:
        output.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{(output / STUDY).resolve()}"
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if train.problems:
        console.print(f"skipped {len(train.problems)} bad rows, the first: {train.problems[0]}")
    if plan.num_trials < num_trials:
        console.print(f"there are only {plan.num_trials} different settings to try")
    warmup = max(1, space.recipe.train.epochs // 3)
    with open_study(
        url,
        name=output.resolve().name,
        maximise=plan.metric == "accuracy",
        sampler=_Unrepeated(space, seed),
        pruner=MedianPruner(STARTUP_TRIALS, warmup) if prune else NopPruner(),
        keys=space.keys,
    ) as study:
        check_definition(study, definition, output)
        return _run_trials(study, plan, output, console)


def check_output(output: Path, *known: str) -> None:
    """Raises UsageError if the folder holds something and none of the known files."""
    free = not output.exists() or (output.is_dir() and not any(output.iterdir()))
    if not free and not any((output / name).exists() for name in known):
        raise UsageError(f"{output} exists and is no study; name another --output")


def _run_trials(study: optuna.Study, plan: _Plan, output: Path, console: Console) -> SearchResult:
    """Runs trials until the plan's number is finished; waits for those of other processes."""
    is_waiting = False
    while True:
        held = [trial for trial in study.get_trials(deepcopy=False) if holds_place(trial)]
        if any(trial.state == TrialState.WAITING for trial in held) or len(held) < plan.num_trials:
            is_waiting = False
            _run_trial(study, plan, console)
            write_result(output, _result(study, plan))
            continue
        others = sum(trial.state == TrialState.RUNNING for trial in held)
        if not others:
            break
        if not is_waiting:
            console.print(f"waiting for {others} running elsewhere, or killed a moment ago")
        is_waiting = True
        time.sleep(POLL_SECONDS)
        fail_stale(study)
    result = _result(study, plan)
    write_result(output, result)
    draw_result(output, result, [knob.key for knob in plan.space.knobs if knob.is_log])
    return result


def _run_trial(study: optuna.Study, plan: _Plan, console: Console) -> None:
    """Runs one trial of the study and prints a line on it."""
    finished: list[FrozenTrial] = []
    lost: list[int] = []

    def train_trial(trial: optuna.Trial) -> float:
        try:
            return _train_trial(plan, trial)
        except UpdateFinishedTrialError:
            lost.append(trial.number)
            raise

    try:
        study.optimize(
            train_trial,
            n_trials=1,
            catch=(_NoPlaceError,),
            callbacks=[lambda _, trial: finished.append(trial)],
        )
    except ValueError:  # Optuna's, on telling the outcome of a trial that has one
        if not lost:
            raise
        console.print(f"trial {lost[0]} was taken for dead and taken over by another process")
    for trial in finished:
        if not trial.user_attrs.get(_NO_PLACE):
            console.print(_line(_as_trial(trial, plan), trial, plan))


def _train_trial(plan: _Plan, trial: optuna.Trial) -> float:
    """Trains a fresh network with the trial's settings; returns the value that would be kept.

    Raises:
        _NoPlaceError: Another process has taken the place, or the same settings.
        optuna.TrialPruned: The trial is over, but not complete.
    """
    earlier = wait_for_earlier(trial.study, trial.number, plan.space.keys)
    repeats = trial.params and trial.params in [other.params for other in earlier]
    if len(earlier) >= plan.num_trials or repeats:
        trial.set_user_attr(_NO_PLACE, True)
        raise _NoPlaceError
    params = {knob.key: _suggest(trial, knob) for knob in plan.space.knobs}
    try:
        recipe = plan.space.recipe_with(plan.space.settings(params))
        recipe, train, selection = plan.faces_for(recipe)
        return _train(plan, trial, recipe, train, selection)
    except FloatingPointError as error:
        outcome, reason = "diverged", error
    except UsageError as error:
        outcome, reason = "refused", error
    except torch.OutOfMemoryError as error:
        outcome, reason = "out of memory", error
    trial.set_user_attr(_OUTCOME, outcome)
    trial.set_user_attr(_REASON, str(reason))
    raise optuna.TrialPruned(str(reason))


def _train(plan: _Plan, trial: optuna.Trial, recipe: Recipe, train: Any, selection: Any) -> float:
    state = start(recipe, train, selection)
    if state.accelerator.num_processes > 1:
        raise UsageError(
            "a trial trains in one process; start the same command several times instead"
        )
    values: dict[int, float] = {}
    with shown(state):
        for record in epochs(state):
            values[record.epoch] = getattr(record, plan.metric)
            trial.report(values[record.epoch], record.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
    return values[kept_epoch(values, plan.space.recipe)]


def kept_epoch(values: dict[int, float], recipe: Recipe) -> int:
    """Returns the epoch whose weights training would keep, of the values by epoch."""
    if recipe.train.keep == "last":
        return max(values)
    sign = 1 if recipe.train.selection_metric == "accuracy" else -1
    return max(sorted(values), key=lambda epoch: sign * values[epoch])


class _Unrepeated(BaseSampler):
    """Proposes as TPE does (Bergstra et al. 2011), but never what an earlier trial has.

    A proposal is a function of the seed, of the trials before it and of their outcome. A trial that
    was killed is tried again with the settings it had; those after it were proposed without its
    outcome, so that a study with kills may go another way than one without.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space, self.seed = space, seed

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        return self.space.distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: Any
    ) -> dict[str, Any]:
        earlier = wait_for_earlier(study, trial.number, self.space.keys)
        taken = [other.params for other in earlier]
        words = np.random.SeedSequence([self.seed, len(earlier)]).generate_state(1)
        tpe = TPESampler(n_startup_trials=STARTUP_TRIALS, seed=int(words[0]))
        params: dict[str, Any] = {}
        for _ in range(ATTEMPTS):
            params = tpe.sample_relative(study, trial, search_space) or {
                key: tpe.sample_independent(study, trial, key, values)
                for key, values in search_space.items()
            }
            if params not in taken:
                return params
        return next(untried for untried in self.space.all_params() if untried not in taken)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        raise AssertionError("all knobs are proposed together")


def _suggest(trial: optuna.Trial, knob: Knob) -> Any:
    values = knob.distribution
    if isinstance(values, CategoricalDistribution):
        return trial.suggest_categorical(knob.key, values.choices)
    if isinstance(values, IntDistribution):
        return trial.suggest_int(knob.key, values.low, values.high)
    return trial.suggest_float(knob.key, values.low, values.high, log=values.log)


def _result(study: optuna.Study, plan: _Plan) -> SearchResult:
    found = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if not trial.user_attrs.get(_NO_PLACE) and trial.params
    ]
    trials = tuple(_as_trial(trial, plan) for trial in found)
    best = find_best(trials, plan.metric)
    recipe = None
    if best is not None:
        words = ", ".join(f"{key}={value}" for key, value in best.settings.items())
        whole = sum(trial.state == "complete" for trial in trials)
        pruned = sum(trial.state == "pruned" for trial in trials)
        ended = f"{whole} trials" + (f" and {pruned} that were pruned" if pruned else "")
        description = f"Best of {ended} of mien tune, {plan.metric} {best.value:.4f}: {words}"
        recipe = plan.space.recipe_with({**best.settings, "description": description})
    return SearchResult(plan.metric, trials, best, recipe)


def _as_trial(trial: FrozenTrial, plan: _Plan) -> Trial:
    names: dict[TrialState, State] = {
        TrialState.COMPLETE: "complete",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "stopped",
        TrialState.RUNNING: "running",
        TrialState.WAITING: "waiting",
    }
    epoch = None
    if trial.intermediate_values:
        epoch = kept_epoch(trial.intermediate_values, plan.space.recipe)
    return Trial(
        number=trial.number,
        state=trial.user_attrs.get(_OUTCOME, names[trial.state]),
        value=None if epoch is None else trial.intermediate_values[epoch],
        epoch=epoch,
        settings=plan.space.settings(trial.params),
        seconds=None if trial.duration is None else trial.duration.total_seconds(),
    )


def _line(trial: Trial, found: FrozenTrial, plan: _Plan) -> str:
    words = "  ".join(f"{key}={_short(value)}" for key, value in trial.settings.items())
    parts = [f"trial {trial.number:>{len(str(plan.num_trials))}}  {words}"]
    if trial.value is not None:
        parts.append(f"{plan.metric} {trial.value:.4f} at epoch {trial.epoch}")
    if trial.state != "complete":
        reason = found.user_attrs.get(_REASON)
        parts.append(f"{trial.state}{f': {reason}' if reason else ''}")
    parts.append(f"{trial.seconds or 0:.0f} s")
    return "  ".join(parts)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
