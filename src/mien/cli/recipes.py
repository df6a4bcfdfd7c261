"""`mien recipes`: which recipes there are, and what they set."""

from typing import Annotated

import typer

from mien.cli.options import AsJson, Settings, recipe_names
from mien.cli.output import print_json, tell, wrapped


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Print this one, every knob set and explained.", autocompletion=recipe_names
        ),
    ] = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes, or print one as TOML.

    What is printed is a recipe again: edit it and give it to `mien train --recipe FILE`.
    """
    from mien.recipes import list_recipes, load_recipe

    if name is not None:
        page = load_recipe(name, settings or [])
        if as_json:
            print_json(page.model_dump(mode="json"))
        else:
            typer.echo(page.to_toml(), nl=False)
        return
    descriptions = {each: load_recipe(each).description for each in list_recipes()}
    if as_json:
        print_json(descriptions)
        return
    for each, description in descriptions.items():
        typer.echo(wrapped(f"{each:<20}{description}", 20))
    tell("next: mien recipes NAME, for all its knobs explained")
