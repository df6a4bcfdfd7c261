"""Pictures, videos and cameras → faces → rows, and what they are written to."""

from mien.inference.analyzer import Analyzer
from mien.inference.detection import Detection, Detector
from mien.inference.end_to_end import EndToEnd, measure_end_to_end
from mien.inference.exchange import to_table
from mien.inference.face import Face
from mien.inference.predictions import Tally, predict
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import find_sources
from mien.inference.results import FrameResult
from mien.inference.track import Track

__all__ = [
    "Analyzer",
    "Detection",
    "Detector",
    "EndToEnd",
    "Face",
    "FrameResult",
    "Sampling",
    "Tally",
    "Track",
    "find_sources",
    "measure_end_to_end",
    "predict",
    "to_table",
]
