"""What is wrong with a labelled set, before it is trusted: twins, blank pictures, wrong labels."""

from mien.audit.auditing import Audit, Groups, audit, find_faceless
from mien.audit.choosing import CERTAIN, REASONS, choose_left_out
from mien.audit.label_errors import find_label_errors, has_learnt, out_of_fold_probabilities

__all__ = [
    "CERTAIN",
    "REASONS",
    "Audit",
    "Groups",
    "audit",
    "choose_left_out",
    "find_faceless",
    "find_label_errors",
    "has_learnt",
    "out_of_fold_probabilities",
]
