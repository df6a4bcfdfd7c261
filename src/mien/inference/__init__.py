"""Pictures, videos and cameras → faces → rows, and what they are written to."""

from mien.inference.analyzer import Analyzer
from mien.inference.predictions import Tally, predict
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import find_sources
from mien.inference.results import Face, FrameResult

__all__ = ["Analyzer", "Face", "FrameResult", "Sampling", "Tally", "find_sources", "predict"]
