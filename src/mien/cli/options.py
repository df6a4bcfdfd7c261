"""Options that several verbs share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class HideKind(StrEnum):
    """How faces are made unrecognisable."""

    BLUR = "blur"
    PIXELATE = "pixelate"
    SOLID = "solid"


Model = Annotated[str, typer.Option(help="default, fer2013, a model folder, or a run.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a knob: optimizer.lr=3e-4."),
]
Hide = Annotated[
    HideKind | None,
    typer.Option(
        help="Make the faces that are found unrecognisable in all that is written or shown.",
        show_default=False,
    ),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave unreadable rows out instead of stopping.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Picture = Annotated[Path, typer.Option(help="The picture to write: .png or .svg.")]

Votes = Annotated[
    Path | None,
    typer.Option(help="FER+ votes (fer2013new.csv) for recipes with train.vote_weight."),
]
Teacher = Annotated[
    list[str] | None,
    typer.Option(
        help="For recipes with train.teacher_weight: a teacher's logits (.npz), or a model "
        "(several: once each)."
    ),
]
