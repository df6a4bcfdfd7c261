"""Faces that are labelled otherwise than a model, or annotators, see them."""

import numpy as np


def find_disagreements(opinions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the indices of the faces whose label is not the likeliest, int64, surest first.

    Sure is what gives another class much and the label little: by the difference of the two.

    Args:
        opinions: `[N, K]` floats, rows sum to 1: a model's probabilities or shares of votes.
        labels: `[N]` integers from 0 to K - 1.
    """
    gaps = opinions.max(axis=1) - opinions[np.arange(len(labels)), labels]
    order = np.argsort(-gaps, kind="stable")
    return order[gaps[order] > 0]
