"""Prints docs/recipes.md: every recipe and every knob.

Renew it with `python scripts/recipe_docs.py > docs/recipes.md`; a test compares.
"""

import json
from collections.abc import Iterable
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from mien.recipes import list_recipes, load_recipe
from mien.recipes.recipe import KNOBS, explain, inner_section

_HEAD = """\
# Recipes and knobs

A recipe is a TOML file that holds what differs from the defaults below. `mien recipes NAME` prints
one with every knob set and explained, ready to be edited:

    mien recipes mien_s > mine.toml
    mien train --recipe mine.toml --data fer2013.csv

`--set` changes one knob of a recipe: `--set optimizer.lr=3e-4`, `--set data.drop=disgust,fear`;
`--set data.grow=[]` empties a list. Written by `scripts/recipe_docs.py`.
"""
_KINDS = {int: "whole number", float: "number", bool: "true, false", str: "text"}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def recipe_docs() -> str:
    """Returns the page."""
    rows = [(f"`{name}`", load_recipe(name).description) for name in list_recipes()]
    parts = [_HEAD, "## Recipes\n", _table(("recipe", "what it is"), rows)]
    for section, field in KNOBS.items():
        if inside := inner_section(field):
            rows = [
                (f"`{name}`", _kind(knob), _default(knob), explain(f"{section}.{name}"))
                for name, knob in inside.model_fields.items()
                if inner_section(knob) is None
            ]
            parts.append(f"## [{section}]\n\n{explain(section)}\n")
            parts.append(_table(("knob", "takes", "default", "what it decides"), rows))
    return "\n".join(parts)


def _kind(knob: FieldInfo) -> str:
    if get_origin(knob.annotation) is Literal:
        return "a word" if isinstance(get_args(knob.annotation)[0], str) else "a number"
    if get_origin(knob.annotation) is tuple:
        inside = get_args(knob.annotation)[0]
        return {str: "words", float: "numbers"}.get(inside, "pairs of numbers")
    bounds = [
        f"{sign} {getattr(each, name):g}"
        for each in knob.metadata
        for name, sign in _BOUNDS.items()
        if hasattr(each, name)
    ]
    return " ".join([_KINDS.get(knob.annotation, "a table"), ", ".join(bounds)]).strip()


def _default(knob: FieldInfo) -> str:
    return f"`{json.dumps(knob.default)}`"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [
        heads,
        ["---"] * len(heads),
        *([cell.replace("|", "\\|") for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    print(recipe_docs(), end="")
