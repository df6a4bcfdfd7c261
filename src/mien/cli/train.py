"""`mien train`: data and recipe → a run, with a model folder inside."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import (
    Settings,
    SkipBad,
    Teacher,
    Votes,
    Without,
    model_names,
    recipe_names,
)
from mien.cli.output import is_watched, need, tell, trained, try_next
from mien.errors import MienError, UsageError
from mien.memory import reuse_freed_memory


def train(
    recipe: Annotated[
        str | None,
        typer.Option(
            help="A recipe's name or TOML file; mien_s, or finetune with --init.",
            autocompletion=recipe_names,
        ),
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
        str | None,
        typer.Option(
            help="Start from this model: default, a model folder or a run.",
            autocompletion=model_names,
        ),
    ] = None,
    settings: Settings = None,
    votes: Votes = None,
    teacher: Teacher = None,
    without: Without = None,
    skip_bad: SkipBad = False,
) -> None:
    """Train a network, or go on with a stopped training.

    Prints the run folder, which holds the model.
    """
    need("torch", "train")
    reuse_freed_memory()
    from mien import training
    from mien.recipes import load_recipe

    if resume is not None:
        if recipe or output or init or settings or skip_bad:
            raise UsageError(
                "--resume goes with --data, --votes, --teacher and --without alone: a run keeps "
                "its own settings"
            )
        with _told_how_to_resume(resume):
            training.resume(resume, data, votes, teacher, without)
        typer.echo(resume)
        _tell(resume, data)
        return
    if data is None:
        raise UsageError("--data is missing: the labelled set to learn from")
    name = recipe or ("finetune" if init else "mien_s")
    page = load_recipe(name, settings or [])
    run = output or training.free_run_folder(Path("runs"), Path(name).stem)
    with _told_how_to_resume(run):
        training.train(
            page,
            data,
            run,
            init,
            votes=votes,
            teacher=teacher,
            skip_bad=skip_bad,
            without=without,
        )
    typer.echo(run)
    _tell(run, data)


def _tell(run: Path, data: Path | None) -> None:
    from mien.data import read
    from mien.data.splits import find_split
    from mien.evaluation.faces import SELECTION
    from mien.recipes.recipe import ALL_ROWS
    from mien.run_folder import MODEL, read_info, read_recipe

    if not is_watched():
        return  # the set need not be read again
    info = read_info(run)
    place = data or info.data
    names: tuple[str, ...] = ()
    with suppress(MienError):  # moved since, where the run was finished before
        names = read(place, skip_bad=info.skip_bad).split_names
    knobs = read_recipe(run).data
    used = [find_split(name, names) for name in (knobs.train_split, info.selection_split)]
    new = [name for name in names if name not in used and knobs.train_split != ALL_ROWS]
    words = ["evaluate", run, "--data", place, "--split", new[0] if new else SELECTION]
    tell(trained(run / MODEL), f"written: {run / MODEL}", try_next(*words))


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
