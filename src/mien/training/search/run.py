"""Runs the trials of a search.

Optuna keeps the study in a database, so that a search can be stopped, gone on with, and shared by
processes on one or several machines.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import BaseSampler, BruteForceSampler, TPESampler
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from mien.errors import UsageError
from mien.recipes import Recipe
from mien.text import counted
from mien.training.data import (
    TrainingData,
    TrainingSource,
    prepare,
    read_labelled,
    refuse_models,
)
from mien.training.loop import epochs
from mien.training.progress import shown, words_console
from mien.training.search.result import (
    ENDED,
    TRIALS,
    SearchResult,
    as_trial,
    draw_result,
    kept_epoch,
    result_of,
    short,
    write_result,
)
from mien.training.search.space import SearchSpace, read_space
from mien.training.search.study import check_definition, open_study
from mien.training.state import build_net, channels_of, start

STUDY = "study.db"
STARTUP_TRIALS = 5
"""Trials drawn at random before TPE learns from them; as many before any is pruned."""
SMALL_SPACE = 10
"""A space of no more settings for each trial is drawn from without repeating; TPE would repeat."""

_NOT_TRAINED = {
    FloatingPointError: "diverged",
    UsageError: "refused",
    torch.OutOfMemoryError: "out of memory",
}


def search(
    recipe: str | Path,
    source: TrainingSource,
    output: str | Path,
    searches: Sequence[str],
    settings: Sequence[str] = (),
    num_trials: int = 20,
    max_faces: int | None = None,
    seed: int = 0,
    storage: str | None = None,
    prune: bool = True,
) -> SearchResult:
    """Returns all trials and the best one, once the study has `num_trials` finished trials.

    Calling it again continues a study that was stopped. Several calls at once share one study; each
    may run one trial too many. If the search space is finite, the search ends when all of it was
    tried. Every value of a list is tried before any is tried again, as far as the trials go. After
    every trial, `output` gets the table and the best recipe; at the end, the plots.

    Args:
        recipe: A recipe's name or file.
        source: The labelled set; its teacher, if any, is a file of logits.
        output: The study's folder; its name is the study's name in `storage`.
        searches: What to vary, `KEY=VALUES` as `mien.training.search.space` tells.
        settings: Fixed changes of the recipe, `KEY=VALUE`.
        num_trials: How many trials in all.
        max_faces: Learn from so many faces only, each class with its share.
        seed: Decides what is proposed, and which faces are taken of more. The training seed is
            the recipe's, the same in every trial.
        storage: URL of the database; None is an SQLite file in `output`.
        prune: Stop trials that are worse than the median of the others at the same epoch.

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
    refuse_models(source)
    _check_output(output)
    prepared = partial(
        prepare, source, max_faces=max_faces, seed=seed, beside=probes, read=cache(read_labelled)
    )
    faces = prepared(space.recipe)
    for model in {probe.model.model_dump_json(): probe for probe in probes}.values():
        build_net(model, channels_of(faces.train), len(faces.train.label_names))
    definition = _definition(space, faces, max_faces, seed)
    url = storage
    if url is None:
        output.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{(output / STUDY).resolve()}"
    console = words_console()
    if faces.problems:
        skipped = counted(len(faces.problems), "bad row")
        console.print(f"skipped {skipped}, the first: {faces.problems[0]}")
    if space.size < num_trials:
        console.print(f"there are only {space.size:g} different settings to try")
    warmup = max(1, space.recipe.train.epochs // 3)
    pruner = MedianPruner(STARTUP_TRIALS, warmup) if prune else NopPruner()
    with open_study(url, output.resolve().name, space.metric, pruner) as study:
        check_definition(study, definition, output)
        return _run_trials(study, _Objective(space, prepared, console), num_trials, seed, output)


def _check_output(output: Path) -> None:
    """Raises UsageError if the folder holds something and no study."""
    free = not output.exists() or (output.is_dir() and not any(output.iterdir()))
    if not free and not any((output / name).exists() for name in (STUDY, TRIALS)):
        raise UsageError(f"{output} exists and is no study; name another --output")


def _definition(
    space: SearchSpace, faces: TrainingData, max_faces: int | None, seed: int
) -> dict[str, Any]:
    """Returns what must be the same when a study is gone on with, as JSON types."""
    source = faces.source
    # what the recipe gives no weight, a trial may: the faces' hashes do not know it
    opinions = {"votes": source.votes, "teacher": source.teacher[0] if source.teacher else None}
    return {
        "seed": seed,
        "max_faces": max_faces,
        "recipe": faces.recipe.model_dump(mode="json", exclude={"description"}),
        "search": {key: str(values) for key, values in space.knobs.items()},
        "faces": faces.identity,
        **{
            name: hashlib.sha256(Path(file).read_bytes()).hexdigest()
            for name, file in opinions.items()
            if file is not None
        },
    }


@dataclass(frozen=True)
class _Objective:
    """Trains a fresh network with a trial's settings; returns the value that would be kept."""

    space: SearchSpace
    prepared: Callable[[Recipe], TrainingData]
    console: Console

    def __call__(self, trial: optuna.Trial) -> float:
        """Raises optuna.TrialPruned where the trial is over, but not complete."""
        params = self.space.suggest(trial)
        try:
            recipe = self.space.recipe_with(self.space.settings(params))
            return _train(trial, self.prepared(recipe), self.space.metric)
        except KeyboardInterrupt:
            trial.study.enqueue_trial(params)
            raise
        except UpdateFinishedTrialError:
            self.console.print(f"trial {trial.number} was taken for dead and taken over by another")
            raise
        except tuple(_NOT_TRAINED) as error:
            trial.set_user_attr(ENDED, [_NOT_TRAINED[type(error)], str(error)])
            raise optuna.TrialPruned(str(error)) from error

    def tell(self, study: optuna.Study, found: FrozenTrial) -> None:
        """Prints a line on a finished trial."""
        trial = as_trial(found, self.space)
        settings = "  ".join(f"{key}={short(value)}" for key, value in trial.settings.items())
        parts = [f"trial {trial.number:>2}  {settings}"]
        if trial.value is not None:
            parts.append(f"{self.space.metric} {trial.value:.4f} at epoch {trial.epoch}")
        if trial.state != "complete":
            parts.append(": ".join(found.user_attrs.get(ENDED, [trial.state])))
        parts.append(f"{trial.seconds or 0:.0f} s")
        self.console.print("  ".join(parts))


def _train(trial: optuna.Trial, faces: TrainingData, metric: str) -> float:
    state = start(faces.recipe, faces.train, faces.selection)
    if state.accelerator.num_processes > 1:
        raise UsageError(
            "a trial trains in one process; start the same command several times instead"
        )
    values: dict[int, float] = {}
    with shown(state):
        for record in epochs(state):
            values[record.epoch] = getattr(record, metric)
            trial.report(values[record.epoch], record.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
    return values[kept_epoch(values, faces.recipe)]


def _run_trials(
    study: optuna.Study, objective: _Objective, num_trials: int, seed: int, output: Path
) -> SearchResult:
    """Runs trials until the study is done; a table after each, and the plots at the end."""
    space = objective.space
    while not _is_done(study, space, num_trials):
        study.sampler = _sampler(study, space, num_trials, seed)
        _enqueue_untried(study, space, seed)
        try:
            study.optimize(objective, n_trials=1, callbacks=[objective.tell])
        except ValueError as error:  # Optuna's; the objective has said why
            if "Cannot tell a FAIL trial" not in str(error):
                raise
        write_result(output, result_of(study, space))
    result = result_of(study, space)
    write_result(output, result)
    draw_result(output, result, space)
    return result


def _enqueue_untried(study: optuna.Study, space: SearchSpace, seed: int) -> None:
    """Queues the next values of lists that no trial had, unless some trial waits already."""
    trials = study.get_trials(deepcopy=False)
    if any(trial.state == TrialState.WAITING for trial in trials):
        return
    tried = [{**trial.system_attrs.get("fixed_params", {}), **trial.params} for trial in trials]
    for settings in space.first_settings(seed):
        if not any(settings.items() <= params.items() for params in tried):
            study.enqueue_trial(settings)
            return


def _is_done(study: optuna.Study, space: SearchSpace, num_trials: int) -> bool:
    """Returns whether enough trials are finished, or all of a finite space is tried or under way.

    Trials whose process is dead are failed first, and queued to be tried again.
    """
    fail_stale_trials(study)
    trials = study.get_trials(deepcopy=False)
    finished = (TrialState.COMPLETE, TrialState.PRUNED)
    if sum(trial.state in finished for trial in trials) >= num_trials:
        return True
    chosen = [trial.params for trial in trials if len(trial.params) == len(space.knobs)]
    tried = {tuple(sorted(params.items())) for params in chosen}
    is_waiting = any(trial.state == TrialState.WAITING for trial in trials)
    return len(tried) >= space.size and not is_waiting


def _sampler(study: optuna.Study, space: SearchSpace, num_trials: int, seed: int) -> BaseSampler:
    """Returns what proposes the next trial: TPE (Bergstra et al. 2011), but in a small space.

    Seeded anew for each trial, so that a search that was stopped goes on as if it had not been, and
    two that run at once do not propose the same.
    """
    left_out = (TrialState.FAIL, TrialState.WAITING)
    earlier = sum(trial.state not in left_out for trial in study.get_trials(deepcopy=False))
    own_seed = int(np.random.SeedSequence([seed, earlier]).generate_state(1)[0])
    if space.size <= SMALL_SPACE * num_trials:
        return BruteForceSampler(own_seed)
    return TPESampler(n_startup_trials=STARTUP_TRIALS, seed=own_seed, constant_liar=True)
