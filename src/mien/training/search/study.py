"""The Optuna study of a search: its database, its heartbeat, and the check of its definition."""

import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from mien.errors import BadInputError, MissingError, UsageError

HEARTBEAT_SECONDS = 10
GRACE_SECONDS = 60
"""A trial without a sign of life for so long is taken for dead, and tried again."""
MAX_RETRIES = 2
OPEN_ATTEMPTS = 6

_DEFINITION = "definition"


@contextmanager
def open_study(url: str, name: str, metric: str, pruner: BasePruner) -> Iterator[optuna.Study]:
    """Yields the study of that name, created if missing; silences Optuna meanwhile.

    Args:
        url: Of the database, as SQLAlchemy takes it.
        name: The study's name in it.
        metric: `accuracy` (more is better) or `log_loss` (less is better).
        pruner: Stops trials.

    Raises:
        UsageError: The URL is none that SQLAlchemy knows.
        MissingError: The database cannot be reached, or its driver is not installed.
        BadInputError: It is no database of Optuna.
    """
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = _open_storage(url)
        try:
            yield optuna.create_study(
                storage=storage,
                study_name=name,
                direction="maximize" if metric == "accuracy" else "minimize",
                load_if_exists=True,
                pruner=pruner,
            )
        finally:
            storage.remove_session()
            storage.engine.dispose()
            optuna.logging.set_verbosity(verbosity)


def check_definition(study: optuna.Study, definition: dict[str, Any], output: Path) -> None:
    """Stores the definition in a new study; raises UsageError if an existing one has another."""
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


def _open_storage(url: str) -> RDBStorage:
    try:
        shown = sqlalchemy.engine.make_url(url)
        shown.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(
            "--storage is no database URL that SQLAlchemy knows; "
            "expected such as postgresql+psycopg://user@host/database"
        ) from error
    options = {"timeout": 60} if shown.get_backend_name() == "sqlite" else {}
    for attempt in range(OPEN_ATTEMPTS):
        try:
            return RDBStorage(
                url,
                engine_kwargs={"connect_args": options},
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(MAX_RETRIES),
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
