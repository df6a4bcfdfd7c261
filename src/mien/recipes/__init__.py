"""Recipes: the one page of knobs, and the `.toml` files that come with mien."""

from mien.recipes.loading import list_recipes, load_recipe, parse_recipe
from mien.recipes.recipe import Recipe

__all__ = ["Recipe", "list_recipes", "load_recipe", "parse_recipe"]
