"""Files → FaceSet: labelled face images in memory, their splits and what is in them."""

from mien.data.face_set import FaceSet
from mien.data.growth import grow, oversample
from mien.data.reading import read
from mien.data.summary import Summary, summarise

__all__ = ["FaceSet", "Summary", "grow", "oversample", "read", "summarise"]
