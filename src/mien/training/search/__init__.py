"""Search: a recipe and what to vary → trials, each a whole training, and the best recipe."""

from mien.training.search.result import SearchResult, Trial
from mien.training.search.run import search

__all__ = ["SearchResult", "Trial", "search"]
