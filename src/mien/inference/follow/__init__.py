"""Consecutive frames → a track for each face, and its probabilities smoothed over time."""
