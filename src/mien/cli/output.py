"""What every verb prints with: data on stdout, words and progress on stderr."""

import importlib.util
import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mien.errors import missing_extra
from mien.text import counted, printable_lines

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
        warn(f"skipped {counted(len(problems), 'bad row')}, the first:")
        for problem in problems[:limit]:
            warn(problem)


def is_watched() -> bool:
    """Returns whether stderr is a terminal: somebody reads along."""
    return sys.stderr.isatty()


def tell(*lines: str) -> None:
    """Prints closing words on stderr where it is a terminal: what was found, what to try next."""
    if is_watched():
        for line in lines:
            note(line)


def try_next(*words: object) -> str:
    """Returns the line that offers a command, its words quoted for the shell."""
    return f"next: {shlex.join(['mien', *map(str, words)])}"


def found(accuracy: float, interval: Sequence[float], num_faces: int) -> str:
    """Returns an accuracy in words, with its 95 % interval."""
    low, high = interval
    return f"accuracy {accuracy:.1%} ({low:.1%} to {high:.1%}) on {counted(num_faces, 'face')}"


def trained(folder: Path) -> str:
    """Returns which epoch a model folder holds, and how good that is on the selection faces."""
    from mien.model_folder import read_config

    record = read_config(folder).training
    words = f"epoch {record.epoch} of {record.setting('train.epochs', '?')}"
    if record.selection is None:
        return words
    by_votes = record.setting("train.selection_truth") == "votes"
    report = record.selection.get("votes") if by_votes else None
    report, part = report or record.selection, f", {record.selection_split}"
    words += f": {found(report['accuracy'], report['accuracy_ci95'], report['num_faces'])}{part}"
    return words + (", by votes" if by_votes else "")


def wrapped(text: str, indent: int = 0) -> str:
    """Returns a line for stdout: on a terminal in as many as it takes, the later ones indented."""
    if not sys.stdout.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return textwrap.fill(
        text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


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
