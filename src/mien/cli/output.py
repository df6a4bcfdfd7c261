"""What every verb prints with: data on stdout, words and progress on stderr."""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from mien.errors import missing_extra
from mien.text import printable_lines


def print_json(value: Any) -> None:
    """Prints one JSON document on one line of stdout."""
    typer.echo(json.dumps(value, allow_nan=False))


def note(message: str) -> None:
    """Prints a remark on stderr."""
    typer.echo(f"mien: {printable_lines(message)}", err=True)


def warn(message: str) -> None:
    """Prints a warning on stderr."""
    note(f"warning: {message}")


def warn_of_problems(problems: Sequence[str], limit: int = 5) -> None:
    """Says on stderr how many bad rows were skipped, and what the first were."""
    if problems:
        warn(f"skipped {len(problems):,} bad rows, the first:")
        for problem in problems[:limit]:
            warn(problem)


def need(package: str, extra: str) -> None:
    """Raises MissingError with the install line where an optional package is not installed."""
    if importlib.util.find_spec(package) is None:
        raise missing_extra(package, extra)


@contextmanager
def progress_bar(total: float, is_shown: bool) -> Iterator[Callable[[float], None]]:
    """Yields what moves a bar on stderr, with the time left, to so much of the total."""
    if not is_shown:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(elapsed_when_finished=True))
    # Lines for a terminal go above the bar; those for a file or a pipe stay theirs.
    redirect = sys.stdout.isatty()
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=redirect
    ) as bar:
        task = bar.add_task("", total=total or None)
        yield lambda done: bar.update(task, completed=done)
