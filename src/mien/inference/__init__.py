"""Pictures → faces → rows: sources, detectors, crop, the row schema, drawing and sinks."""

from mien.inference.analyzer import Analyzer
from mien.inference.results import Face, FrameResult

__all__ = ["Analyzer", "Face", "FrameResult"]
