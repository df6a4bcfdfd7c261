"""`mien export`: a run's checkpoint → a model folder."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.output import need


class Keep(StrEnum):
    """Which epoch's weights are exported."""

    BEST = "best"
    LAST = "last"


def export(
    run: Annotated[Path, typer.Argument(help="The run folder; it need not be finished.")],
    output: Annotated[Path, typer.Option(help="The model folder to make.")],
    keep: Annotated[
        Keep | None, typer.Option(help="Which epoch; the recipe's own choice by default.")
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Round the weights to half precision: smaller files.")
    ] = False,
) -> None:
    """Write a run's network as a model folder, which predict and evaluate take."""
    need("torch", "train")
    from mien import training

    typer.echo(training.export(run, output, None if keep is None else keep.value, half=half))
