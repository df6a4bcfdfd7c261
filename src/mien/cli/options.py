"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Data = Annotated[Path, typer.Option(help="The labelled set: CSV (.gz, .xz) or folder of pictures.")]
LabelledSet = Annotated[
    Path,
    typer.Argument(
        help="A FER2013 or Kaggle CSV (.gz, .xz), or a folder of pictures [split/]class/…",
        show_default=False,
    ),
]
RecipeName = Annotated[str, typer.Option(help="A recipe's name or TOML file.")]
Detector = Annotated[str, typer.Option(help="retinaface, haar, or none: each picture is a face.")]
MinConfidence = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Mark faces that are read with less confidence uncertain; mien evaluate says how many "
        "that are, and how many of the others are right.",
    ),
]
HideKind = Literal["blur", "pixelate", "solid"]
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
