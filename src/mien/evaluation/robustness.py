"""What each corruption of the faces costs a model."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from mien.data import FaceSet
from mien.evaluation.corruptions import CORRUPTIONS, NUM_STRENGTHS, corrupt
from mien.evaluation.report import Evaluation, votes_of_model
from mien.evaluation.votes import count_false_alarms


@dataclass(frozen=True)
class CorruptedScore:
    """How a model did on faces with one corruption; fractions from 0 to 1.

    Attributes:
        corruption: Its name in `CORRUPTIONS`.
        strength: 1 to 5.
        value: How much that is, in the corruption's unit.
        accuracy: Fraction decided rightly, as the annotators' majority says where there are votes.
        relative_accuracy: `accuracy` over that on the faces as they are; 0 where that is 0.
        false_alarms: Of clearly neutral faces, the fraction read angry, sad, afraid or disgusted;
            None without votes, or without such faces.
    """

    corruption: str
    strength: int
    value: float
    accuracy: float
    relative_accuracy: float
    false_alarms: float | None


@dataclass(frozen=True)
class Robustness:
    """How much of a model's accuracy is left on corrupted faces.

    Attributes:
        model: What it is called.
        num_faces: Faces that count.
        accuracy: On the faces as they are.
        false_alarms: Likewise; see `CorruptedScore`.
        mean_relative_accuracy: The mean of all scores' `relative_accuracy`: each corruption and
            each strength counts the same.
        scores: One for each corruption and strength.
        seed: Of the corruptions.
    """

    model: str
    num_faces: int
    accuracy: float
    false_alarms: float | None
    mean_relative_accuracy: float
    scores: tuple[CorruptedScore, ...]
    seed: int

    def to_json_dict(self) -> dict[str, Any]:
        """Returns all of it as JSON's own types."""
        return json.loads(json.dumps(asdict(self)))

    def accuracies(self) -> dict[str, list[float]]:
        """Returns each corruption's five accuracies, mildest strength first."""
        rows: dict[str, list[float]] = {}
        for score in self.scores:
            rows.setdefault(score.corruption, []).append(score.accuracy)
        return rows


def measure_corruptions(evaluation: Evaluation, faces: FaceSet, seed: int = 0) -> Robustness:
    """Returns how a model does on corrupted faces, beside the faces as they are.

    It looks at all faces once for each of 13 corruptions and 5 strengths, with as many views as in
    the evaluation.

    Args:
        evaluation: What `collect` returned.
        faces: The faces it was given.
        seed: Of the corruptions.

    Example:
        >>> from mien.data import read
        >>> from mien.evaluation import collect, measure_corruptions
        >>> faces = read("faces.csv").take_split("PublicTest")
        >>> robustness = measure_corruptions(collect("runs/first", faces), faces)
        >>> len(robustness.scores), robustness.scores[0].corruption
        (65, 'blur')
    """
    return summarise(evaluation, faces, list(score_corruptions(evaluation, faces, seed)), seed)


def score_corruptions(
    evaluation: Evaluation, faces: FaceSet, seed: int = 0
) -> Iterator[CorruptedScore]:
    """Yields the scores that `measure_corruptions` sums up, one after the other."""
    truth = evaluation.truth
    images = faces.images[truth.rows]
    votes = votes_of_model(faces, evaluation.label_names)
    clean = evaluation.agrees.mean()
    for name, corruption in CORRUPTIONS.items():
        for strength in range(1, NUM_STRENGTHS + 1):
            decisions = evaluation.decide(corrupt(images, name, strength, seed))
            accuracy = float((decisions == truth.labels).mean())
            yield CorruptedScore(
                corruption=name,
                strength=strength,
                value=corruption.values[strength - 1],
                accuracy=accuracy,
                relative_accuracy=accuracy / float(clean) if clean else 0.0,
                false_alarms=_false_alarms(evaluation, votes, decisions),
            )


def summarise(
    evaluation: Evaluation, faces: FaceSet, scores: list[CorruptedScore], seed: int = 0
) -> Robustness:
    """Returns the scores with what they are held against."""
    truth = evaluation.truth
    votes = votes_of_model(faces, evaluation.label_names)
    decisions = evaluation.logits[truth.rows].argmax(axis=1)
    return Robustness(
        model=evaluation.model,
        num_faces=len(truth.rows),
        accuracy=float(evaluation.agrees.mean()),
        false_alarms=_false_alarms(evaluation, votes, decisions),
        mean_relative_accuracy=fmean(score.relative_accuracy for score in scores),
        scores=tuple(scores),
        seed=seed,
    )


def _false_alarms(
    evaluation: Evaluation, votes: np.ndarray | None, decisions: np.ndarray
) -> float | None:
    """Returns the share of false alarms; of the set's votes, and the decisions that count."""
    if votes is None:
        return None
    alarms = count_false_alarms(decisions, votes[evaluation.truth.rows], evaluation.label_names)
    return None if alarms is None else alarms.share
