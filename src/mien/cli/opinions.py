"""Options that training and searching share: what else than its label says how a face looks."""

from pathlib import Path
from typing import Annotated

import typer

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
