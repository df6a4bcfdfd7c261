"""`mien models`: which architectures there are."""

from typing import Annotated

import typer

from mien.cli.output import need, print_json


def models(
    name: Annotated[str | None, typer.Argument(help="Describe this one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the architectures that can be trained, or describe one."""
    need("torch", "train")
    from mien.models import describe, list_models

    if name is not None:
        description = describe(name)
        if as_json:
            print_json(description)
        else:
            for key, value in description.items():
                typer.echo(f"{key:<12} {value}")
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
