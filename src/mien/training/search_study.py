"""The study of a search: its database, its signs of life, and what it is a study of."""

import json
import time
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from mien.errors import BadInputError, MissingError, UsageError

HEARTBEAT_SECONDS = 10
GRACE_SECONDS = 60
"""A trial without a sign of life for so long is taken for dead, and tried again."""
MAX_RETRIES = 2
OPEN_ATTEMPTS = 6

_DEFINITION = "definition"


@contextmanager
def open_study(
    url: str,
    name: str,
    maximise: bool,
    sampler: BaseSampler,
    pruner: BasePruner,
    keys: Collection[str],
) -> Iterator[optuna.Study]:
    """Yields the study of that name, made where there is none; Optuna keeps quiet meanwhile.

    Args:
        url: Of the database, as SQLAlchemy takes it.
        name: The study's name in it.
        maximise: Whether more is better.
        sampler: Proposes settings.
        pruner: Stops trials.
        keys: A killed trial is tried again if it had chosen a value for each of these.

    Raises:
        UsageError: The URL is none that SQLAlchemy knows.
        MissingError: The database cannot be reached, or its driver is not installed.
        BadInputError: It is no database of Optuna.
    """
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    storage = _open_storage(url, keys)
    try:
        yield optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize" if maximise else "minimize",
            load_if_exists=True,
            sampler=sampler,
            pruner=pruner,
        )
    finally:
        storage.remove_session()
        storage.engine.dispose()
        optuna.logging.set_verbosity(verbosity)


def check_definition(study: optuna.Study, definition: dict[str, Any], output: Path) -> None:
    """Keeps what the study is of; raises UsageError if it is a study of something else."""
    ours = json.loads(json.dumps(definition))
    theirs = study.user_attrs.get(_DEFINITION)
    if theirs is None:
        study.set_user_attr(_DEFINITION, ours)
        return
    for name, value in ours.items():
        if theirs.get(name) != value:
            raise UsageError(
                f"{output}: its study has another {name.replace('_', ' ')}; go on with the same "
                "command (--trials may differ), or name another --output"
            )


def holds_place(trial: FrozenTrial) -> bool:
    """Returns whether a trial counts: finished, under way, to be tried again, or given up.

    One that failed and was not killed so often that it is given up does not.
    """
    if trial.state != TrialState.FAIL:
        return True
    with _no_experimental_warnings():
        return len(RetryHeartbeatStaleTrialCallback.retry_history(trial)) >= MAX_RETRIES


def fail_stale(study: optuna.Study) -> None:
    """Fails trials whose process is dead, and queues them to be tried again."""
    with _no_experimental_warnings():
        fail_stale_trials(study)


def wait_for_earlier(study: optuna.Study, number: int, keys: Collection[str]) -> list[FrozenTrial]:
    """Returns the trials that hold a place before a number, when each of them has chosen.

    Choosing takes milliseconds. A trial that does not within the grace period has lost its
    process before its first sign of life, and loses its place.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    while True:
        trials = study.get_trials(deepcopy=False)
        earlier = [trial for trial in trials if trial.number < number and holds_place(trial)]
        choosing = [trial for trial in earlier if not trial.params.keys() >= set(keys)]
        if not choosing:
            return earlier
        if time.monotonic() > deadline:
            for trial in choosing:
                with suppress(UpdateFinishedTrialError):
                    study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        time.sleep(0.02)


def _open_storage(url: str, keys: Collection[str]) -> RDBStorage:
    try:
        shown = sqlalchemy.engine.make_url(url)
        options = {"timeout": 60} if shown.get_backend_name() == "sqlite" else {}
        shown.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(
            "--storage is no database URL that SQLAlchemy knows; "
            "expected such as postgresql+psycopg://user@host/database"
        ) from error
    with _no_experimental_warnings():
        retry = RetryHeartbeatStaleTrialCallback(max_retry=MAX_RETRIES)

    def retry_if_chosen(study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.params.keys() >= set(keys):
            retry(study, trial)

    for attempt in range(OPEN_ATTEMPTS):
        try:
            with _no_experimental_warnings():
                return RDBStorage(
                    url,
                    engine_kwargs={"connect_args": options},
                    heartbeat_interval=HEARTBEAT_SECONDS,
                    grace_period=GRACE_SECONDS,
                    heartbeat_stale_trial_callback=retry_if_chosen,
                )
        except ImportError as error:
            raise MissingError(
                f"--storage {shown}: {error.__cause__ or error}; "
                "for PostgreSQL: pip install 'psycopg[binary]'"
            ) from error
        except SQLAlchemyError as error:  # two processes that make the tables at once, too
            if attempt + 1 < OPEN_ATTEMPTS:
                time.sleep(0.05 * 2**attempt)
                continue
            words = str(getattr(error, "orig", error)).strip().splitlines()[0]
            kind = MissingError if isinstance(error, OperationalError) else BadInputError
            raise kind(f"--storage {shown}: cannot be opened: {words}") from error
    raise AssertionError


@contextmanager
def _no_experimental_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
