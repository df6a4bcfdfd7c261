"""What every verb prints with: data on stdout, words and progress on stderr."""

import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from mien.errors import missing_extra
from mien.text import printable_lines

if TYPE_CHECKING:
    from mien.inference.read.progress import Progress
    from mien.inference.read.sampling import Sampling
    from mien.inference.read.sources import Source


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


def print_parts(*parts: object) -> None:
    """Prints tables and lines on stdout, an empty line after each."""
    from rich.console import Console

    # Only a terminal has a width to fit; a file or pipe gets every column whole.
    width = None if sys.stdout.isatty() else 1000
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    for part in parts:
        console.print(part)
        console.print()


def need(package: str, extra: str) -> None:
    """Raises MissingError with the install line where an optional package is not installed."""
    if importlib.util.find_spec(package) is None:
        raise missing_extra(package, extra)


@contextmanager
def progress_bar(
    sources: "Sequence[Source]", sampling: "Sampling", is_shown: bool
) -> "Iterator[Progress]":
    """Yields what moves a bar on stderr, with the time left, if it is shown."""
    from mien.inference.read.progress import Progress

    if not is_shown:
        yield Progress([], sampling)
        return
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
    )
    # Lines for a terminal go above the bar; those for a file or a pipe stay theirs.
    redirect = sys.stdout.isatty()
    console, progress = Console(stderr=True), Progress(sources, sampling)
    with rich_progress.Progress(
        *columns, console=console, transient=True, redirect_stdout=redirect
    ) as bar:
        task = bar.add_task("", total=progress.total or None)
        progress.advance = lambda done: bar.update(task, completed=done)
        yield progress
