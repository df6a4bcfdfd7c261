"""`mien train`: data and recipe → a run, with a model folder inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import Settings, SkipBad, Teacher, Votes
from mien.cli.output import need
from mien.errors import MienError, UsageError
from mien.memory import reuse_freed_memory


def train(
    recipe: Annotated[
        str | None,
        typer.Option(help="A recipe's name or TOML file; mien_s, or finetune with --init."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The labelled set: CSV (.gz, .xz) or folder of pictures.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The run folder to make; runs/RECIPE-N by default.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run instead of starting one.")
    ] = None,
    init: Annotated[
        str | None, typer.Option(help="Start from this model: default, a model folder or a run.")
    ] = None,
    settings: Settings = None,
    votes: Votes = None,
    teacher: Teacher = None,
    skip_bad: SkipBad = False,
) -> None:
    """Train a network, or go on with a training that was stopped; prints the run folder."""
    need("torch", "train")
    reuse_freed_memory()
    from mien import training
    from mien.recipes import load_recipe

    if resume is not None:
        if recipe or output or init or settings or skip_bad:
            raise UsageError(
                "--resume goes with --data, --votes and --teacher alone: a run keeps its own "
                "settings"
            )
        with _told_how_to_resume(resume):
            training.resume(resume, data, votes, teacher)
        typer.echo(resume)
        return
    if data is None:
        raise UsageError("--data is missing: the labelled set to learn from")
    name = recipe or ("finetune" if init else "mien_s")
    page = load_recipe(name, settings or [])
    run = output or training.free_run_folder(Path("runs"), Path(name).stem)
    with _told_how_to_resume(run):
        training.train(page, data, run, init, votes=votes, teacher=teacher, skip_bad=skip_bad)
    typer.echo(run)


@contextmanager
def _told_how_to_resume(run: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not run.exists():
            raise
        raise KeyboardInterrupt(f"go on with `mien train --resume {run}`") from interrupt
    except FloatingPointError as error:
        raise MienError(str(error)) from error
