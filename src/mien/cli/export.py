"""`mien export`: a run's checkpoint → a model folder."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.cli.options import Teacher, Votes, Without, model_names
from mien.cli.output import need, tell, trained, try_next


def export(
    run: Annotated[
        str,
        typer.Argument(
            help="The run folder; it need not be finished. With --int8 or --half also a model "
            "folder, or default.",
            show_default=False,
            autocompletion=model_names,
        ),
    ],
    output: Annotated[Path, typer.Option(help="The model folder to make.")],
    keep: Annotated[
        Literal["best", "last"] | None,
        typer.Option(help="Which epoch; the recipe's own choice by default."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where the run's data is now, if it was moved; of a model folder, its data."
        ),
    ] = None,
    votes: Votes = None,
    teacher: Teacher = None,
    without: Without = None,
    half: Annotated[
        bool, typer.Option("--half", help="Round the weights to half precision: smaller files.")
    ] = False,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Add a network of 8-bit integers, several times as fast on most processors; the "
            "card says what it loses.",
        ),
    ] = False,
) -> None:
    """Write a run's network as a model folder, or add an int8 network to one."""
    need("torch", "train")
    from mien import training

    typer.echo(training.export(run, output, keep, data, votes, teacher, half, without, int8))
    tell(trained(output), try_next("predict", "PICTURE", "--model", output))
