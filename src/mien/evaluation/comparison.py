"""Compares models on the same faces: paired differences with intervals; means over seeds."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mien.evaluation.report import Evaluation
from mien.model_folder import ModelConfig

NUM_RESAMPLES = 10_000

_FIGURES = (
    *("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1"),
    *("log_loss", "ece"),
)


@dataclass(frozen=True)
class Difference:
    """How much more accurate a model is than the reference, on the same faces.

    Attributes:
        model, reference: The two models' names.
        accuracy_difference: Accuracy of the model less that of the reference.
        accuracy_difference_ci95: Its 95 % interval, by paired bootstrap.
        num_only_model_right, num_only_reference_right: Faces that one of them alone decided
            rightly.
        mcnemar_p: Probability of so uneven a share of these faces, or a more uneven one, between
            models of equal accuracy: McNemar's exact test, two-sided.
    """

    model: str
    reference: str
    accuracy_difference: float
    accuracy_difference_ci95: tuple[float, float]
    num_only_model_right: int
    num_only_reference_right: int
    mcnemar_p: float


@dataclass(frozen=True)
class Group:
    """Models that differ by their training seed alone.

    Attributes:
        models: What they are called.
        seeds: Their training seeds.
        mean: Of each figure of their reports, over the models.
        sd: The standard deviation of each (n - 1 in the denominator).
    """

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    mean: dict[str, float]
    sd: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """How models did on the same faces.

    Attributes:
        classes: Those that were compared: the ones that all models know.
        left_out: The other classes of each model that has some; its probabilities are without them.
        differences: Of each model to the first, against the faces' own labels.
        differences_by_votes: The same against the annotators' majority, on the faces that have
            one; empty where the set has no votes.
        groups: Models that differ by their training seed alone.
    """

    classes: tuple[str, ...]
    left_out: dict[str, tuple[str, ...]]
    differences: tuple[Difference, ...]
    differences_by_votes: tuple[Difference, ...]
    groups: tuple[Group, ...]

    def to_json_dict(self) -> dict[str, Any]:
        """Returns the comparison as JSON's types."""
        return json.loads(json.dumps(asdict(self)))


def compare(evaluations: Sequence[Evaluation]) -> Comparison:
    """Returns how models that were evaluated on the same faces differ.

    Args:
        evaluations: Of two models or more; the first is the reference.

    Raises:
        ValueError: There are fewer than two, or they are of different faces or classes;
            `read_for_models` and the `classes` of `collect` make them the same.

    Example:
        >>> from mien.data import read
        >>> from mien.evaluation import collect, compare
        >>> faces = read("faces.csv")
        >>> comparison = compare([collect(model, faces) for model in ("default", "fer2013")])
        >>> [(each.model, each.reference) for each in comparison.differences]
        [('fer2013', 'default')]
    """
    if len(evaluations) < 2:
        raise ValueError("a comparison takes two models or more")
    first, *others = evaluations
    truth = [_true_names(evaluation) for evaluation in evaluations]
    if any(names != truth[0] for names in truth):
        raise ValueError("the models were evaluated on different faces")
    if any(set(each.label_names) != set(first.label_names) for each in others):
        raise ValueError("the models were evaluated on different classes")
    left_out = {
        each.model: tuple(set_aside)
        for each in evaluations
        if (set_aside := [name for name in each.config.labels if name not in each.label_names])
    }
    by_labels = tuple(
        _difference(first.model, other.model, first.correct, other.correct) for other in others
    )
    by_votes = tuple(
        _difference(first.model, other.model, first.agrees, other.agrees)
        for other in others
        if first.report.votes and other.report.votes
    )
    groups = tuple(group_seeds(evaluations))
    return Comparison(first.label_names, left_out, by_labels, by_votes, groups)


def comparison_document(
    evaluations: Sequence[Evaluation], comparison: Comparison
) -> dict[str, Any]:
    """Returns the models' reports and their comparison as JSON's types.

    Args:
        evaluations: Of two models or more.
        comparison: What `compare` returned of these.
    """
    reports = [{"model": each.model, **each.report.to_json_dict()} for each in evaluations]
    return {"models": reports, **comparison.to_json_dict()}


def mcnemar_exact(num_only_first: int, num_only_second: int) -> float:
    """Returns the two-sided p-value of McNemar's exact test, from 0 to 1.

    Of the n = b + c faces that one of two models alone decided rightly, equally accurate models
    share b ~ Binomial(n, 1/2): p = min(1, 2 P(X ≤ min(b, c))). McNemar, "Note on the sampling
    error of the difference between correlated proportions or percentages", Psychometrika 12
    (1947); the exact conditional form: Fagerland, Lydersen and Laake, BMC Medical Research
    Methodology 13:91 (2013).

    Raises:
        ValueError: A count is negative.
    """
    fewer, total = min(num_only_first, num_only_second), num_only_first + num_only_second
    if fewer < 0:
        raise ValueError(f"counts cannot be negative: {num_only_first}, {num_only_second}")
    steps = np.arange(fewer)  # C(n, k + 1) = C(n, k) (n - k) / (k + 1), in logarithms
    log_counts = np.cumsum(np.concatenate([[0.0], np.log((total - steps) / (steps + 1))]))
    tail = float(np.exp(log_counts - total * np.log(2)).sum())
    return min(1.0, 2 * tail)


def bootstrap_interval(
    num_only_first: int, num_only_second: int, num_faces: int
) -> tuple[float, float]:
    """Returns the 95 % interval of the first accuracy less the second, by paired bootstrap.

    Faces are drawn with replacement `NUM_RESAMPLES` times, each with both models' decisions; the
    interval runs from the 2.5th to the 97.5th percentile of the differences (Efron and
    Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3). A face counts +1, -1 or 0,
    so drawing faces is drawing the three counts from one multinomial distribution.

    Args:
        num_only_first: Faces that the first model alone decided rightly.
        num_only_second: Faces that the second alone did.
        num_faces: All faces.

    Raises:
        ValueError: The counts are no parts of `num_faces`, or there is no face.
    """
    rest = num_faces - num_only_first - num_only_second
    if min(num_only_first, num_only_second, rest) < 0 or num_faces == 0:
        raise ValueError(f"{num_only_first} and {num_only_second} are no parts of {num_faces}")
    shares = np.array([num_only_first, num_only_second, rest]) / num_faces
    draws = np.random.default_rng(0).multinomial(num_faces, shares, NUM_RESAMPLES)
    low, high = np.percentile((draws[:, 0] - draws[:, 1]) / num_faces, [2.5, 97.5])
    return float(low), float(high)


def group_seeds(evaluations: Sequence[Evaluation]) -> list[Group]:
    """Returns the groups of two or more models that differ by their training seed alone.

    They learnt from the same faces under the same recipe and start, as their training records say.
    """
    groups: dict[str, dict[int, Evaluation]] = {}
    for evaluation in evaluations:
        key, seed = _recipe_and_seed(evaluation.config)
        if seed is not None:
            groups.setdefault(key, {}).setdefault(seed, evaluation)
    return [_group(members) for members in groups.values() if len(members) > 1]


def _difference(
    reference: str, model: str, reference_right: np.ndarray, model_right: np.ndarray
) -> Difference:
    """Returns the difference of two models from what each decided rightly, bool `[N]`."""
    only_other = int((model_right & ~reference_right).sum())
    only_reference = int((reference_right & ~model_right).sum())
    num_faces = len(model_right)
    return Difference(
        model=model,
        reference=reference,
        accuracy_difference=(only_other - only_reference) / num_faces,
        accuracy_difference_ci95=bootstrap_interval(only_other, only_reference, num_faces),
        num_only_model_right=only_other,
        num_only_reference_right=only_reference,
        mcnemar_p=mcnemar_exact(only_other, only_reference),
    )


def _group(members: dict[int, Evaluation]) -> Group:
    reports = [member.report for member in members.values()]
    columns = {name: [getattr(report, name) for report in reports] for name in _FIGURES}
    return Group(
        models=tuple(member.model for member in members.values()),
        seeds=tuple(members),
        mean={name: statistics.fmean(values) for name, values in columns.items()},
        sd={name: statistics.stdev(values) for name, values in columns.items()},
    )


def _recipe_and_seed(config: ModelConfig) -> tuple[str, int | None]:
    """Returns a key that runs of one recipe share, and the run's seed (None if not recorded)."""
    record = config.training
    train = {**record.recipe.get("train", {}), "seed": None}
    shared = [{**record.recipe, "train": train}, record.train_hash, record.init]
    return json.dumps(shared, sort_keys=True), record.setting("train.seed")


def _true_names(evaluation: Evaluation) -> list[str]:
    return [evaluation.label_names[label] for label in evaluation.labels]
