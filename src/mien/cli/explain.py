"""`mien explain`: what a model looked at in a face."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.cli.options import AsJson, Model, Picture
from mien.cli.output import need, note, print_json, tell, warn, wrapped
from mien.errors import UsageError
from mien.text import counted


def explain(
    face: Annotated[
        Path, typer.Argument(metavar="FACE", help="A picture; its most certain face is explained.")
    ],
    output: Picture,
    model: Model = "default",
    method: Annotated[
        str,
        typer.Option(
            help="integrated-gradients, gradcam, activations (every layer's), or filters (the "
            "first layer's)."
        ),
    ] = "integrated-gradients",
    expression: Annotated[
        str | None,
        typer.Option(help="The expression to explain; by default the perceived one."),
    ] = None,
    detail: Annotated[
        Literal["areas", "pixels"] | None,
        typer.Option(
            help="Of integrated-gradients: areas of the face, or single pixels.  [areas]",
            show_default=False,
        ),
    ] = None,
    detector: Annotated[
        str, typer.Option(help="retinaface, haar, or none: the picture is a face image.")
    ] = "retinaface",
    as_json: AsJson = False,
) -> None:
    """Show what a model looked at to perceive an expression.

    It explains the model, not the person: an expression perceived is not an emotion felt.
    """
    need("torch", "train")
    from mien import explanation
    from mien.plots import check_picture_path, write_figure

    check_picture_path(output)
    if output.resolve() == face.resolve():
        raise UsageError(f"{output} would be written over; choose another --output")
    if expression is not None and method not in explanation.EXPRESSION_METHODS:
        warn(f"--expression has no effect on {method}")
    if detail is not None and method != "integrated-gradients":
        warn(f"--detail has no effect on {method}")
    found = explanation.explain(face, method, model=model, expression=expression, detector=detector)
    if found.num_faces > 1:
        note(f"{face}: {counted(found.num_faces, 'face')}; the most certain one is explained")
    write_figure(explanation.draw(found, detail or "areas"), output)
    if as_json:
        print_json({**found.to_json(), "output": str(output)})
    else:
        typer.echo(wrapped(f"{found.summary} → {output}", 2))
    others = [name for name in explanation.METHODS if name != method]
    tell(f"written: {output}", f"next: --method {', '.join(others)}")
