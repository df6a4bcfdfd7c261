"""Files → FaceSet: labelled face images in memory, their splits and what is in them."""

from mien.data.choosing import choose_faces
from mien.data.face_set import FaceSet
from mien.data.fer_plus import Majority, find_majority, join_votes, vote_shares
from mien.data.growth import grow, oversample
from mien.data.leaving_out import LeftOut, leave_out, write_left_out
from mien.data.reading import read
from mien.data.splits import assign_folds
from mien.data.summary import Summary, summarise
from mien.data.teacher import read_teacher, write_teacher
from mien.data.twins import Twins, find_twins, group_identical, group_twins, is_blank

__all__ = [
    "FaceSet",
    "LeftOut",
    "Majority",
    "Summary",
    "Twins",
    "assign_folds",
    "choose_faces",
    "find_majority",
    "find_twins",
    "group_identical",
    "group_twins",
    "grow",
    "is_blank",
    "join_votes",
    "leave_out",
    "oversample",
    "read",
    "read_teacher",
    "summarise",
    "vote_shares",
    "write_left_out",
    "write_teacher",
]
