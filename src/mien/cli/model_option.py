"""The option that names the model, of all commands that read faces."""

from typing import Annotated

import typer

Model = Annotated[str, typer.Option(help="default, fer2013, a model folder, or a run.")]
