"""`mien export`: a run's checkpoint → a model folder."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.cli.options import Teacher, Votes, Without
from mien.cli.output import need, tell, trained, try_next


def export(
    run: Annotated[Path, typer.Argument(help="The run folder; it need not be finished.")],
    output: Annotated[Path, typer.Option(help="The model folder to make.")],
    keep: Annotated[
        Literal["best", "last"] | None,
        typer.Option(help="Which epoch; the recipe's own choice by default."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Where the run's data is now, if it was moved.")
    ] = None,
    votes: Votes = None,
    teacher: Teacher = None,
    without: Without = None,
    half: Annotated[
        bool, typer.Option("--half", help="Round the weights to half precision: smaller files.")
    ] = False,
) -> None:
    """Write a run's network as a model folder."""
    need("torch", "train")
    from mien import training

    typer.echo(training.export(run, output, keep, data, votes, teacher, half, without))
    tell(trained(output), try_next("predict", "PICTURE", "--model", output))
