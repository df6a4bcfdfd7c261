"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def exit_codes(failed: str = "", some: str = "") -> str:
    """Returns the last lines of a verb's help, with what its codes 1 and 5 mean if it has them."""
    codes = ["0 done", failed and f"1 {failed}", "2 wrong usage", "3 unreadable input"]
    codes += ["4 something missing", some and f"5 {some}", "130 interrupted"]
    return f"Exit codes: {'; '.join(filter(None, codes))}."


def recipe_names(incomplete: str) -> list[str]:
    """Returns the recipes that a shell completes a word to; where there is none, it takes files."""
    from mien.recipes import list_recipes

    return [name for name in list_recipes() if name.startswith(incomplete)]


def model_names(incomplete: str) -> list[str]:
    """Returns the models inside that a shell completes a word to."""
    from mien.model_folder import PRETRAINED

    return [name for name in PRETRAINED if name.startswith(incomplete)]


Data = Annotated[Path, typer.Option(help="The labelled set: CSV (.gz, .xz) or folder of pictures.")]
LabelledSet = Annotated[
    Path,
    typer.Argument(
        help="A FER2013 or Kaggle CSV (.gz, .xz), or a folder of pictures [split/]class/…",
        show_default=False,
    ),
]
RecipeName = Annotated[
    str, typer.Option(help="A recipe's name or TOML file.", autocompletion=recipe_names)
]
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
Precision = Annotated[
    Literal["auto", "float32", "int8"],
    typer.Option(
        help="Which network of the model: float32; int8, several times as fast on the CPU; or "
        "auto: int8 if the model has it and the processor is quick at it."
    ),
]
Device = Annotated[
    str,
    typer.Option(help="Where networks run: cpu, cuda, directml, openvino, coreml, or auto."),
]
Threads = Annotated[
    int,
    typer.Option(
        min=0,
        help="The most processor cores for networks and decoders; 0: all that are free to use.",
    ),
]
HideKind = Literal["blur", "pixelate", "solid"]
Model = Annotated[
    str,
    typer.Option(help="default, xs, fer2013, a model folder or a run.", autocompletion=model_names),
]
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
Without = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Leave out the rows that this CSV names, as mien data audit --write writes them.",
    ),
]
Teacher = Annotated[
    list[str] | None,
    typer.Option(
        help="For recipes with train.teacher_weight: a teacher's logits (.npz), or a model "
        "(several: once each)."
    ),
]
