"""Recipe files and settings → checked recipes."""

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mien.errors import BadInputError, MissingError, UsageError
from mien.labels import nearest
from mien.recipes.recipe import Recipe


def list_recipes() -> list[str]:
    """Returns the names of the recipes that come with mien, sorted.

    Example:
        >>> from mien.recipes import list_recipes
        >>> "logistic" in list_recipes()
        True
    """
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in files("mien.recipes").iterdir()
        if entry.name.endswith(".toml")
    )


def load_recipe(name: str | Path, settings: list[str] | tuple[str, ...] = ()) -> Recipe:
    """Returns a checked recipe by name, or from a TOML file, with settings changed.

    Args:
        name: One of `list_recipes()`, or the path of a `.toml` file.
        settings: Changes such as `"optimizer.lr=3e-4"`; values are TOML, bare words are text,
            between commas a list: `"data.drop=fear,disgust"`.

    Raises:
        MissingError: The file does not exist.
        UsageError: No recipe of that name; an unknown key or a value out of range in a setting.
        BadInputError: The file is no valid recipe.

    Example:
        >>> from mien.recipes import load_recipe
        >>> recipe = load_recipe("logistic", ["train.epochs=2", "optimizer.lr=3e-4"])
        >>> recipe.model.name, recipe.train.epochs, recipe.optimizer.lr
        ('logistic', 2, 0.0003)
    """
    if str(name).endswith(".toml"):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise MissingError(f"{path}: no such recipe file") from error
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"{path}: cannot be read: {error}") from error
    elif str(name) in list_recipes():
        path = Path(str(files("mien.recipes"))) / f"{name}.toml"
        text = path.read_text(encoding="utf-8")
    else:
        raise UsageError(f"unknown recipe {str(name)!r}{nearest(str(name), list_recipes())}")
    try:
        page = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInputError(f"{path}: {error}") from error
    parse_recipe(page, str(path))
    for setting in settings:
        _change(page, setting)
    return parse_recipe(page, "--set") if settings else parse_recipe(page, str(path))


def parse_recipe(page: dict[str, Any], source: str) -> Recipe:
    """Returns the checked recipe of a parsed page; `source` is the name that errors give.

    Raises:
        UsageError: An unknown key or a bad value; the message names the key.

    Example:
        >>> from mien.recipes import parse_recipe
        >>> parse_recipe({"train": {"epochs": 5}}, "mine.toml").train.epochs
        5
        >>> parse_recipe({"train": {"epoch": 5}}, "mine.toml")
        Traceback (most recent call last):
        mien.errors.UsageError: mine.toml: train.epoch: unknown key...
    """
    try:
        return Recipe.model_validate(page)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [str(part) for part in first["loc"]]
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"unknown key{nearest(keys[-1], _keys_beside(keys))}"
        elif "input" in first and keys:
            message += f", got {first['input']!r}"
        place = f"{'.'.join(keys)}: " if keys else ""
        raise UsageError(f"{source}: {place}{message}") from error


def _keys_beside(keys: list[str]) -> list[str]:
    section: Any = Recipe
    for key in keys[:-1]:
        section = section.model_fields[key].annotation
    return list(section.model_fields)


def _change(page: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise UsageError(f"--set {setting!r}: expected section.key=value")
    put(page, names, parse_value(text), f"--set {setting!r}")


def put(page: dict[str, Any], names: Sequence[str], value: Any, option: str) -> None:
    """Puts a value into a parsed page, at `section.key`; errors begin with the option.

    Raises:
        UsageError: There is a value where a section should be.
    """
    for name in names[:-1]:
        page = page.setdefault(name, {})
        if not isinstance(page, dict):
            raise UsageError(f"{option}: {name!r} is no section")
    page[names[-1]] = value


def parse_value(text: str) -> Any:
    """Returns the value that a text means in a recipe file; bare words are text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text.strip()
