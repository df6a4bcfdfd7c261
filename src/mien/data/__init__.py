"""Files → FaceSet: labelled face images in memory, their splits and what is in them."""

from mien.data.choosing import choose_faces
from mien.data.face_set import FaceSet
from mien.data.fer_plus import Majority, find_majority, join_votes, vote_shares
from mien.data.growth import grow, oversample
from mien.data.reading import read
from mien.data.splits import assign_folds
from mien.data.summary import Summary, summarise
from mien.data.teacher import read_teacher, write_teacher

__all__ = [
    "FaceSet",
    "Majority",
    "Summary",
    "assign_folds",
    "choose_faces",
    "find_majority",
    "grow",
    "join_votes",
    "oversample",
    "read",
    "read_teacher",
    "summarise",
    "vote_shares",
    "write_teacher",
]
