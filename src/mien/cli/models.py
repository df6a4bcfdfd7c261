"""`mien models`: which architectures there are."""

from dataclasses import asdict
from typing import Annotated

import typer

from mien.cli.output import need, print_json


def models(
    name: Annotated[
        str | None, typer.Argument(help="Describe this one layer by layer; also timm:NAME.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the architectures that can be trained, or describe one layer by layer."""
    need("torch", "train")
    from mien.models import describe, layer_table, list_models

    if name is not None:
        description, layers = describe(name), layer_table(name)
        if as_json:
            print_json({**description, "layers": [asdict(layer) for layer in layers]})
            return
        typer.echo(f"{name}: {description['summary']}")
        typer.echo(f"family {description['family']}, input {description['input']}")
        typer.echo(f"\n{'layer':<28}{'kind':<20}{'output':<20}{'parameters':>12}")
        for layer in layers:
            shape = "x".join(map(str, layer.shape))
            typer.echo(f"{layer.name:<28}{layer.kind:<20}{shape:<20}{layer.parameters:>12,}")
        typer.echo(f"\n{description['parameters']:,} parameters, {description['mmacs']:.1f} MMAC")
        return
    descriptions = [describe(each) for each in list_models()]
    if as_json:
        print_json(descriptions)
        return
    typer.echo(f"{'name':<16}{'parameters':>12}{'MMAC':>9}{'input':>9}  family")
    for each in descriptions:
        typer.echo(
            f"{each['name']:<16}{each['parameters']:>12,}{each['mmacs']:>9.1f}"
            f"{each['input']:>9}  {each['family']}"
        )
