"""The search space: `--search KEY=VALUES` → distributions, checked before anything is trained.

optimizer.lr=log(1e-4,1e-2)      a number, uniform in its logarithm
optimizer.momentum=uniform(0,1)  a number, uniform
train.batch_size=int(16,256)     a whole number, both ends included
optimizer.name=adam,adamax,sgd   one of a list; values as in a recipe file, bare words are text
"""

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mien.errors import UsageError
from mien.labels import nearest
from mien.recipes import Recipe, load_recipe
from mien.recipes.loading import parse_recipe, parse_value, put

Distribution = CategoricalDistribution | FloatDistribution | IntDistribution

RANGES = ("log", "uniform", "int")
FIXED = {
    "train.selection_metric",
    "data.train_split",
    "data.selection_split",
    "data.selection_fraction",
    "data.stratified",
    "data.split_seed",
    "data.drop",
}
"""Keys that decide what is measured, or on which faces: their values could not be compared."""


@dataclass(frozen=True)
class SearchSpace:
    """A recipe and the knobs of it that a search varies.

    Attributes:
        recipe: What the knobs are turned on.
        knobs: What Optuna draws from, by the recipe's keys, `section.name`; of a list, the values'
            texts.
    """

    recipe: Recipe
    knobs: Mapping[str, Distribution]

    @property
    def metric(self) -> str:
        """The metric of a trial: `accuracy` (more is better) or `log_loss` (less is better)."""
        return self.recipe.train.selection_metric

    @property
    def size(self) -> float:
        """How many different settings there are; infinite where a knob is a real number."""
        return math.prod(map(_count, self.knobs.values()))

    @property
    def log_keys(self) -> list[str]:
        """The knobs that are numbers uniform in their logarithm."""
        return [key for key, values in self.knobs.items() if getattr(values, "log", False)]

    def first_settings(self, seed: int) -> list[dict[str, str]]:
        """Returns values of the lists, by key, for as many trials as try each value once."""
        rng = random.Random(seed)
        lists = {
            key: rng.sample(values.choices, len(values.choices))
            for key, values in self.knobs.items()
            if isinstance(values, CategoricalDistribution)
        }
        return [
            {key: str(choices[number % len(choices)]) for key, choices in lists.items()}
            for number in range(max(map(len, lists.values()), default=0))
        ]

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Returns the values that Optuna draws for a trial, by key."""
        params: dict[str, Any] = {}
        for key, values in self.knobs.items():
            if isinstance(values, CategoricalDistribution):
                params[key] = trial.suggest_categorical(key, values.choices)
            elif isinstance(values, IntDistribution):
                params[key] = trial.suggest_int(key, values.low, values.high)
            else:
                params[key] = trial.suggest_float(key, values.low, values.high, log=values.log)
        return params

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns drawn values as recipe values: texts of a list are parsed as TOML."""
        return {
            key: parse_value(params[key]) if isinstance(params[key], str) else params[key]
            for key in self.knobs
            if key in params
        }

    def recipe_with(self, settings: Mapping[str, Any]) -> Recipe:
        """Returns the recipe with these values.

        Raises:
            UsageError: The recipe refuses them, alone or together.
        """
        page = self.recipe.model_dump()
        for key, value in settings.items():
            put(page, key.split("."), value, f"--search {key}")
        return parse_recipe(page, "--search")


def read_space(
    recipe: str | Path, settings: Sequence[str], searches: Sequence[str]
) -> tuple[SearchSpace, list[Recipe]]:
    """Returns the search space, and recipes that together try every listed value and range end.

    Args:
        recipe: A recipe's name or file.
        settings: Fixed changes, `KEY=VALUE`.
        searches: What to vary, `KEY=VALUES`.

    Raises:
        UsageError: Words that cannot be read; a key or value that the recipe does not take.
    """
    base = load_recipe(recipe, list(settings))
    if not searches:
        raise UsageError("nothing to search: give --search, such as optimizer.lr=log(1e-4,1e-2)")
    fixed = [setting.partition("=")[0].strip() for setting in settings]
    knobs: dict[str, Distribution] = {}
    for key, values in map(parse_search, searches):
        if key in knobs:
            raise UsageError(f"--search: {key} is given twice")
        if key in fixed:
            raise UsageError(f"{key} is given by --set and by --search; give it once")
        if key in FIXED:
            raise UsageError(f"--search: {key} decides what is measured; set it with --set")
        knobs[key] = values
    space = SearchSpace(base, knobs)
    probes = {key: _probes(key, values) for key, values in knobs.items()}
    first = {key: values[0] for key, values in probes.items()}
    return space, [
        space.recipe_with({**first, key: value})
        for key, values in probes.items()
        for value in values
    ]


def parse_search(text: str) -> tuple[str, Distribution]:
    """Returns the key and the distribution that `KEY=VALUES` means.

    Raises:
        UsageError: Words that cannot be read.
    """
    key, equals, words = (part.strip() for part in text.partition("="))
    if not equals or not all(key.split(".")) or not words:
        raise UsageError(f"--search {text!r}: expected section.key=values")
    call = re.fullmatch(r"(\w+)\s*\((.*)\)", words, re.DOTALL)
    if call is None:
        choices = split_list(words)
        if len(choices) < 2 or not all(choices):
            raise UsageError(
                f"--search {text!r}: expected two values or more, separated by commas, or "
                f"{'(a,b), '.join(RANGES)}(a,b)"
            )
        return key, CategoricalDistribution(choices)
    name, arguments = call.groups()
    if name not in RANGES:
        raise UsageError(f"--search {text!r}: unknown range {name!r}{nearest(name, RANGES)}")
    try:
        low, high = (int(word) if name == "int" else float(word) for word in arguments.split(","))
    except ValueError as error:
        kind = "whole numbers" if name == "int" else "numbers"
        raise UsageError(f"--search {text!r}: {name} takes two {kind}, low and high") from error
    if not -math.inf < low < high < math.inf:
        raise UsageError(f"--search {text!r}: the first number must be less than the second")
    if name == "log" and low <= 0:
        raise UsageError(f"--search {text!r}: log takes numbers above 0")
    if name == "int":
        return key, IntDistribution(int(low), int(high))
    return key, FloatDistribution(low, high, log=name == "log")


def split_list(text: str) -> list[str]:
    """Returns the parts between commas, stripped; commas in brackets or quotes do not count."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        if character == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _probes(key: str, distribution: Distribution) -> list[Any]:
    """Returns all values of a list; of a range, both ends and a number between."""
    if isinstance(distribution, CategoricalDistribution):
        values = [parse_value(str(choice)) for choice in distribution.choices]
        for place, value in enumerate(values):
            if value in values[:place]:
                raise UsageError(f"--search: {key} lists {value!r} twice")
        return values
    low, high = distribution.low, distribution.high
    return [low, high] if isinstance(low, int) else [low, high, low + (high - low) / math.e]


def _count(distribution: Distribution) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return distribution.high - distribution.low + 1
    return math.inf
