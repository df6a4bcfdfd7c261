"""`mien models`: which architectures there are."""

from dataclasses import asdict
from typing import Annotated

import typer

from mien.cli.options import AsJson
from mien.cli.output import need, print_json, tell, wrapped
from mien.text import counted


def models(
    name: Annotated[
        str | None, typer.Argument(help="Describe this one layer by layer; also timm:NAME.")
    ] = None,
    pretrained: Annotated[
        bool,
        typer.Option("--pretrained", help="List the trained models inside instead: --model NAME."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the architectures, or describe one layer by layer."""
    if pretrained:
        _print_pretrained(as_json)
        return
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
    tell("next: mien models NAME, for its layers; mien train --set model.name=NAME")


def _print_pretrained(as_json: bool) -> None:
    from mien.evaluation.pretrained import describe_pretrained

    rows = describe_pretrained()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(wrapped(f"{row['name']}: {row['purpose']}", 2))
        typer.echo(f"  {row['architecture']}, {row['parameters']:,} parameters")
        networks = " and ".join(row["precisions"])
        typer.echo(f"  networks: {networks}; here {row['precision']} reads pictures")
        typer.echo("  on PublicTest, float32:")
        for name, report in row["accuracy"].items():
            low, high = (f"{end:.2%}" for end in report["ci95"])
            views = "one view" if report["views"] == 1 else f"{report['views']} views"
            faces = counted(report["faces"], "face")
            words = f"{report['accuracy']:.2%} ({low} to {high}) of {faces} read as {name}"
            typer.echo(wrapped(f"  {words}, {views} of each", 4))
