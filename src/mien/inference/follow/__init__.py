"""Frames in a row → who is who in them, smoothed over time."""
