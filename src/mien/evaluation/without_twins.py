"""What a model's figures are without those faces that have a twin in another set."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.data import FaceSet, find_twins
from mien.errors import UsageError
from mien.evaluation.faces import read_for_model
from mien.evaluation.report import Evaluation, WithoutTwins, score, votes_of_model
from mien.text import counted


def add_without_twins(evaluation: Evaluation, faces: FaceSet, others: str) -> Evaluation:
    """Returns the evaluation, its report with the figures of the faces without twins too.

    Twins are pictures that are the same, exactly or nearly, mirrored too (`mien.data.find_twins`).
    A model that learnt a face's twin was asked what it had been told.

    Args:
        evaluation: What `collect` returned.
        faces: The faces it was given.
        others: Where twins are looked for: a labelled set, or `PATH:SPLIT` for a split of it.

    Raises:
        MissingError: The other set is not there.
        BadInputError: It cannot be read.
        UsageError: It has no such split, or a twin of every face.

    Example:
        >>> from mien.data import read
        >>> from mien.evaluation import add_without_twins, collect
        >>> faces = read("faces.csv").take_split("PublicTest")
        >>> evaluation = collect("default", faces)
        >>> evaluation = add_without_twins(evaluation, faces, "faces.csv:Training")
        >>> evaluation.report.without_twins.num_left_out
        8
    """
    path, split = others, None
    if not Path(others).exists() and ":" in others:
        path, _, split = others.rpartition(":")
    there = read_for_model(evaluation.config, path, split).faces
    if there.face_size != faces.face_size:
        raise UsageError(
            f"the faces of {path} are of {there.face_size} pixels, those evaluated of "
            f"{faces.face_size}: they cannot be compared"
        )
    stay = np.ones(len(faces), bool)
    stay[find_twins(faces.images, there.images).first] = False
    if not stay.any():
        number = counted(len(faces), "face")
        raise UsageError(f"all of the {number} have a twin in {others}: name another set or split")
    names = evaluation.label_names
    votes = votes_of_model(faces, names)
    rest = score(
        evaluation.logits[stay],
        evaluation.labels[stay],
        names,
        evaluation.report.num_views,
        None if votes is None else votes[stay],
        evaluation.config.temperature,
    )
    figures = WithoutTwins(others, int((~stay).sum()), rest)
    return replace(evaluation, report=replace(evaluation.report, without_twins=figures))
