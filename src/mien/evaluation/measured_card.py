"""The model card with what `mien evaluate` measured on a labelled set."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mien.evaluation.card import NO_GROUPS, interval, model_card
from mien.evaluation.report import Evaluation
from mien.text import markdown

CARD = "card.md"
"""The file, in the folder of a report or an audit."""


def measured_card(
    evaluation: Evaluation, data_name: str, further: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Returns the model card with what was measured on a labelled set, as Markdown.

    Args:
        evaluation: What `collect` returned; the model's record must have a report.
        data_name: What the faces are called.
        further: What else was measured, as JSON's types by name: `corruptions`
            (`Robustness.to_json_dict`), `end_to_end` (of `EndToEnd`), `by_group` (a list, of
            `GroupColumn`).

    Example:
        >>> from mien.data import read
        >>> from mien.evaluation import collect
        >>> from mien.evaluation.measured_card import measured_card
        >>> card = measured_card(collect("default", read("faces.csv")), "faces.csv")
        >>> "## Measured on faces.csv" in card
        True
    """
    columns = further.get("by_group") or ()
    lines = [
        f"## Measured on {markdown(data_name)}\n",
        f"Views of each face: {evaluation.report.num_views}; {evaluation.read_by}.\n",
        "| | faces | | 95 % interval |",
        "|---|---|---|---|",
        *_report_rows(evaluation),
    ]
    if "end_to_end" in further:
        found = further["end_to_end"]
        lines.append(
            _share_row("found, cut out and right", found["num_faces"], found["right_of_all"])
        )
    if "corruptions" in further:
        lines += _corruption_lines(further["corruptions"])
    for column in columns:
        lines += _group_lines(column)
    groups = "The groups\n  that were measured are above." if columns else NO_GROUPS
    return model_card(evaluation.config, "\n".join(lines) + "\n\n", groups)


def _report_rows(evaluation: Evaluation) -> Iterator[str]:
    report, votes = evaluation.report, evaluation.report.votes
    for truth, part in (("the annotators' majority", votes), ("own labels", report)):
        if part is None:
            continue
        yield _row(f"right by {truth}", part.num_faces, part.accuracy, part.accuracy_ci95)
        if part.calibration is not None:
            error = part.calibration.cross_fitted
            name = f"calibration error by {truth}, cross-fitted, debiased"
            yield _row(name, part.num_faces, error.rms_debiased, error.rms_debiased_ci95)
    alarms = votes.false_alarms.get("together") if votes else None
    if votes and alarms:
        yield _row(
            "false alarms on clear neutrals", votes.num_clear_neutral, alarms.share, alarms.ci95
        )
    if report.without_twins is not None:
        rest = report.without_twins
        name = f"right by own labels, without those that have a twin in {markdown(rest.others)}"
        yield _row(name, rest.report.num_faces, rest.report.accuracy, rest.report.accuracy_ci95)


def _corruption_lines(robustness: Mapping[str, Any]) -> Iterator[str]:
    rows: dict[str, list[str]] = {}
    for score in robustness["scores"]:
        rows.setdefault(score["corruption"], []).append(f"{score['accuracy']:.1%}")
    yield f"\nRight on corrupted faces, by strength ({robustness['accuracy']:.1%} as they are; on"
    yield f"average {robustness['mean_relative_accuracy']:.1%} of that is left):\n"
    yield "| | 1 | 2 | 3 | 4 | 5 |"
    yield "|---|---|---|---|---|---|"
    for name, cells in rows.items():
        yield f"| {name} | {' | '.join(cells)} |"


def _group_lines(column: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n| {markdown(column['name'])} | faces | right | 95 % interval |"
    yield "|---|---|---|---|"
    for group in column["groups"]:
        if group["accuracy"] is not None:
            yield _share_row(markdown(group["name"]), group["num_faces"], group["accuracy"])
    gap = column["gap"]
    if gap is not None:
        yield (
            f"\nLargest gap: {gap['accuracy_difference']:.2%} ({markdown(gap['best'])} over "
            f"{markdown(gap['worst'])}), permutation p {gap['p']:.2g}."
        )


def _share_row(name: str, faces: int, share: Mapping[str, Any]) -> str:
    return _row(name, faces, share["share"], share["ci95"])


def _row(name: str, faces: int, share: float, ends: Sequence[float]) -> str:
    return f"| {name} | {faces:,} | {share:.2%} | {interval(ends)} |"
