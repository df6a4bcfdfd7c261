"""A labelled set → what is wrong with it: twins, blank pictures, no faces, wrong labels."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mien.audit.label_errors import (
    NUM_FOLDS,
    find_label_errors,
    has_learnt,
    out_of_fold_probabilities,
)
from mien.classifier import Classifier
from mien.data import (
    FaceSet,
    Twins,
    find_majority,
    find_twins,
    group_identical,
    group_twins,
    is_blank,
)
from mien.inference.end_to_end import paste
from mien.inference.see.detectors import create_detector
from mien.pictures import resize

_ENLARGED, _MARGIN, _GREY = 192, 48, 120  # how a face is shown to the detector: pixels, grey level


@dataclass(frozen=True)
class Groups:
    """How many groups of twins there are.

    Attributes:
        num_groups: Groups of two faces or more.
        num_across_splits: Groups with faces in several splits.
        num_other_label: Groups whose faces have different labels.
    """

    num_groups: int
    num_across_splits: int
    num_other_label: int


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found in a set; element i of every array is face i.

    Attributes:
        faces: The set.
        twins: Pairs of twins, exact ones too.
        identical: int64 `[N]`, the first face with the same pixels.
        group: int64 `[N]`, the first face of the group of twins.
        blank: bool `[N]`.
        judged: bool `[N]`, faces whose label was held against the model.
        probabilities: float64 `[N, K]`, of the labels of the judged faces, out of fold; 0 of the
            others.
        likely: int64 `[N]`, the class that a judged face more likely belongs to; -1 where its
            label stands.
        no_face: bool `[N]`, where the detector saw none; None without it.
    """

    faces: FaceSet
    twins: Twins
    identical: np.ndarray
    group: np.ndarray
    blank: np.ndarray
    judged: np.ndarray
    probabilities: np.ndarray
    likely: np.ndarray
    no_face: np.ndarray | None

    @cached_property
    def majority(self) -> np.ndarray:
        """The annotators' majority of each face, int64 `[N]`; -1 where there is none."""
        votes = self.faces.votes
        return np.full(len(self.faces), -1) if votes is None else find_majority(votes).choice

    @cached_property
    def findings(self) -> dict[str, np.ndarray]:
        """What was found by name, bool `[N]` each; only what was looked for."""
        faces = self.faces
        splits = _codes(faces.splits)
        found = {"blank": self.blank}
        for name, group in (("identical", self.identical), ("twin", self.group)):
            found[name] = _is_shared(group)
            if splits is not None:
                found[f"{name}_in_other_split"] = is_mixed(group, splits)
            if faces.labels is not None:
                found[f"{name}_with_other_label"] = is_mixed(group, faces.labels)
        if self.no_face is not None:
            found["no_face"] = self.no_face
        if self.judged.any():
            found["likely_wrong_label"] = self.likely >= 0
        if faces.votes is not None:
            decided = self.majority >= 0
            against = decided & (self.majority != faces.labels)
            if self.judged.any():
                found["likely_wrong_and_votes_against"] = (self.likely >= 0) & against
            found["votes_against_label"] = against
        return found

    def groups(self, group: np.ndarray) -> Groups:
        """Returns the counts of `identical` or `group`."""
        splits, labels = _codes(self.faces.splits), self.faces.labels
        mixed = [0 if it is None else _count(group, is_mixed(group, it)) for it in (splits, labels)]
        return Groups(_count(group, _is_shared(group)), *mixed)

    def to_json_dict(self) -> dict[str, Any]:
        """Returns all counts as plain values for JSON."""
        faces, labels = self.faces, self.faces.labels
        wrong_by_label = {}
        if labels is not None and self.judged.any():
            for place, name in enumerate(faces.label_names):
                own = self.judged & (labels == place)
                likely = self.likely[own & (self.likely >= 0)]
                counts = np.bincount(likely, minlength=len(faces.label_names)).tolist()
                wrong_by_label[name] = {
                    "num_judged": int(own.sum()),
                    "likely": dict(zip(faces.label_names, counts, strict=True)),
                }
        return {
            "num_faces": len(faces),
            "splits": {name: int((faces.splits == name).sum()) for name in faces.split_names},
            "findings": {name: self.count(mask) for name, mask in self.findings.items()},
            "num_twin_pairs": len(self.twins),
            "num_mirrored_pairs": int(self.twins.mirrored.sum()),
            "groups_identical": asdict(self.groups(self.identical)),
            "groups_of_twins": asdict(self.groups(self.group)),
            "num_judged": int(self.judged.sum()),
            "likely_labels": wrong_by_label,
        }

    def count(self, mask: np.ndarray) -> dict[str, Any]:
        """Returns how many faces a mask has: `total`, and `by_split`."""
        faces = self.faces
        by_split = {name: int(mask[faces.splits == name].sum()) for name in faces.split_names}
        return {"total": int(mask.sum()), "by_split": by_split}


def audit(
    faces: FaceSet,
    model: Classifier | str | None = "default",
    detect: bool = False,
    tell: Callable[[str], object] = lambda message: None,
) -> Audit:
    """Returns what is wrong with a labelled set.

    Twins are pictures that correlate by `mien.data.twins.THRESHOLD` or more (`find_twins`). Wrong
    labels are found by confident learning (`find_label_errors`). The probabilities that this needs
    come from a logistic regression of the labels on the model's logits, out of fold
    (`out_of_fold_probabilities`). Faces whose labels the model itself has learnt are not judged
    (`has_learnt`): it would repeat the labels. Nor are blank pictures, nor fewer than five faces.

    Args:
        faces: The set; with `votes` these are held against the labels too.
        model: A loaded classifier or a model's name, to judge labels with; None for none.
        detect: Run the face detector on each picture, enlarged in a grey one. A miss is weak
            evidence: tight crops lack what the detector looks for.
        tell: Called with a line on each step that takes long.

    Raises:
        MissingError: No such model.
        BadInputError: The model cannot be read.

    Example:
        >>> from mien.audit import audit
        >>> from mien.data import read
        >>> found = audit(read("faces.csv"))
        >>> found.to_json_dict()["findings"]["blank"]
        {'total': 0, 'by_split': {'Training': 0, 'PublicTest': 0}}
    """
    tell(f"comparing {len(faces):,} faces with each other")
    twins, blank = find_twins(faces.images), is_blank(faces.images)
    judged, likely = np.zeros(len(faces), bool), np.full(len(faces), -1)
    probabilities = np.zeros((len(faces), len(faces.label_names)))
    if model is not None and faces.labels is not None:
        named = not isinstance(model, Classifier)
        classifier = Classifier(model, precision="float32") if named else model
        judged = ~has_learnt(classifier.config, faces) & ~blank
        if judged.sum() < NUM_FOLDS:  # too few to judge one by the others
            judged[:] = False
        if judged.any():
            tell(f"reading {judged.sum():,} faces with {classifier.folder.name}")
            side = classifier.config.face_size
            images = np.stack([resize(image, side, side) for image in faces.images[judged]])
            labels = faces.labels[judged]
            own = out_of_fold_probabilities(classifier.logits(images), labels)
            probabilities[judged, : own.shape[1]] = own
            likely[judged] = find_label_errors(own, labels)
    if detect:
        tell(f"looking for a face in {len(faces):,} pictures")
    return Audit(
        faces=faces,
        twins=twins,
        identical=group_identical(faces.images),
        group=group_twins(len(faces), twins),
        blank=blank,
        judged=judged,
        probabilities=probabilities,
        likely=likely,
        no_face=find_faceless(faces.images) if detect else None,
    )


def find_faceless(images: np.ndarray) -> np.ndarray:
    """Returns in which face images the detector sees no face, bool `[N]`.

    Each is enlarged and given a grey margin, so that the detector sees where the face ends.

    Args:
        images: uint8 `[N, S, S]` grey or `[N, S, S, 3]` RGB.

    Example:
        >>> import numpy as np
        >>> from mien.audit import find_faceless
        >>> find_faceless(np.zeros((1, 48, 48), np.uint8))
        array([ True])
    """
    detector = create_detector("retinaface")
    side = _ENLARGED + 2 * _MARGIN
    ground = np.full((side, side, 3), _GREY, np.uint8)
    scenes = (paste(image, ground, _MARGIN, _MARGIN, _ENLARGED) for image in images)
    return np.array([not detector.detect(scene.rgb) for scene in scenes], bool)


def is_mixed(group: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Returns which faces are of a group with several values, bool `[N]`.

    Args:
        group: int64 `[N]`, from 0 to N - 1.
        values: int64 `[N]`.
    """
    pairs = np.unique(np.stack([group, values]), axis=1)
    return np.bincount(pairs[0], minlength=len(group))[group] > 1


def _is_shared(group: np.ndarray) -> np.ndarray:
    """Returns which faces are of a group of two or more, bool `[N]`."""
    return np.bincount(group, minlength=len(group))[group] > 1


def _codes(names: np.ndarray | None) -> np.ndarray | None:
    return None if names is None else np.unique(names, return_inverse=True)[1]


def _count(group: np.ndarray, mask: np.ndarray) -> int:
    return len(np.unique(group[mask]))
