"""Hyperparameter search: recipe and search space → trials, each a whole training; best recipe."""

from mien.training.search.result import SearchResult, Trial
from mien.training.search.run import search

__all__ = ["SearchResult", "Trial", "search"]
