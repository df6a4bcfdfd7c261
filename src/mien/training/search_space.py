"""What a search varies: `KEY=VALUES` in words → knobs, checked on the recipe before anything runs.

optimizer.lr=log(1e-4,1e-2)      a number, uniform in its logarithm
optimizer.momentum=uniform(0,1)  a number, uniform
train.batch_size=int(16,256)     a whole number, both ends included
optimizer.name=adam,adamax,sgd   one of a list; values as in a recipe file, bare words are text
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mien.errors import UsageError
from mien.labels import nearest
from mien.recipes import Recipe, load_recipe
from mien.recipes.recipe import parse_recipe

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
class Knob:
    """A recipe key and what it may be.

    Attributes:
        key: `section.name`.
        distribution: What Optuna draws from; of a list, the values' texts.
        values: For a list: text → value.
    """

    key: str
    distribution: Distribution
    values: Mapping[str, Any]

    @property
    def is_log(self) -> bool:
        """Whether it is a number uniform in its logarithm."""
        return isinstance(self.distribution, FloatDistribution) and self.distribution.log

    def candidates(self) -> Sequence[Any] | None:
        """Returns all that Optuna may draw, in order; None for a range of real numbers."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.distribution.choices
        if isinstance(self.distribution, IntDistribution):
            return range(self.distribution.low, self.distribution.high + 1)
        return None


@dataclass(frozen=True)
class SearchSpace:
    """A recipe and the knobs that a search turns on it."""

    recipe: Recipe
    knobs: tuple[Knob, ...]

    @property
    def distributions(self) -> dict[str, Distribution]:
        """What Optuna draws from, by key."""
        return {knob.key: knob.distribution for knob in self.knobs}

    @property
    def keys(self) -> set[str]:
        """The knobs' keys."""
        return {knob.key for knob in self.knobs}

    @property
    def size(self) -> float:
        """How many different settings there are; infinite where a knob is a real number."""
        counts = (knob.candidates() for knob in self.knobs)
        return math.prod(math.inf if values is None else len(values) for values in counts)

    def all_params(self) -> Iterator[dict[str, Any]]:
        """Yields every setting of a finite space as Optuna's params."""
        candidates = [knob.candidates() or () for knob in self.knobs]
        for values in itertools.product(*candidates):
            yield {knob.key: value for knob, value in zip(self.knobs, values, strict=True)}

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values of Optuna's params as the recipe takes them."""
        return {
            knob.key: knob.values[params[knob.key]] if knob.values else params[knob.key]
            for knob in self.knobs
            if knob.key in params
        }

    def recipe_with(self, settings: Mapping[str, Any]) -> Recipe:
        """Returns the recipe with these values.

        Raises:
            UsageError: The recipe refuses the combination.
        """
        page = self.recipe.model_dump()
        for key, value in settings.items():
            *sections, name = key.split(".")
            place = page
            for section in sections:
                place = place.setdefault(section, {})
            place[name] = value
        return parse_recipe(page, "--search")


def read_space(
    recipe: str | Path, settings: Sequence[str], searches: Sequence[str]
) -> tuple[SearchSpace, list[Recipe]]:
    """Returns the space, and recipes in which every listed value and every end of a range occurs.

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
    parsed = [parse_search(text) for text in searches]
    fixed = [setting.partition("=")[0].strip() for setting in settings]
    for key, _ in parsed:
        if [other for other, _ in parsed].count(key) > 1:
            raise UsageError(f"--search: {key} is given twice")
        if key in fixed:
            raise UsageError(f"{key} is given by --set and by --search; give it once")
        if key in FIXED:
            raise UsageError(f"--search: {key} decides what is measured; set it with --set")
    knobs, probes = [], []
    for key, distribution in parsed:
        others = [f"{name}={_probes(other)[0]}" for name, other in parsed if name != key]
        values: dict[str, Any] = {}
        for text in _probes(distribution):
            probe = _load(recipe, [*settings, *others, f"{key}={text}"])
            probes.append(probe)
            value = _value_at(probe, key)
            if isinstance(distribution, CategoricalDistribution):
                if value in values.values():
                    raise UsageError(f"--search: {key} lists {value!r} twice")
                values[text] = value
        knobs.append(Knob(key, distribution, values))
    return SearchSpace(base, tuple(knobs)), probes


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


def _probes(distribution: Distribution) -> list[str]:
    """Returns the texts of all values of a list; of a range, both ends and a number between."""
    if isinstance(distribution, CategoricalDistribution):
        return [str(choice) for choice in distribution.choices]
    low, high = distribution.low, distribution.high
    ends = [repr(low), repr(high)]
    return ends if isinstance(low, int) else [*ends, repr(low + (high - low) / math.e)]


def _load(recipe: str | Path, settings: list[str]) -> Recipe:
    try:
        return load_recipe(recipe, settings)
    except UsageError as error:  # those of --set were found before
        raise UsageError(str(error).replace("--set", "--search", 1)) from error


def _value_at(recipe: Recipe, key: str) -> Any:
    value: Any = recipe.model_dump()
    for name in key.split("."):
        value = value[name]
    return value
