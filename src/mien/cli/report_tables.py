"""Reports and comparisons as tables in the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mien.cli.output import print_parts

if TYPE_CHECKING:
    from rich.table import Table

    from mien.evaluation import CalibrationError, Comparison, Report, VotesReport, WithoutTwins
    from mien.evaluation.comparison import Difference


def print_report(title: str, report: "Report") -> None:
    """Prints a report below a title; what is measured by votes comes first."""
    if report.votes is not None:
        _print_votes(f"{title}, against the annotators", report.votes, report.without_twins)
        title += ", against the faces' own labels"
    overall = new_table()
    overall.add_row("faces", f"{report.num_faces:,}", f"views of each: {report.num_views}")
    _add_accuracies(overall, report)
    if report.without_twins is not None:
        _add_without_twins(overall, report.without_twins, report.without_twins.report)
    overall.add_row("macro precision", f"{report.macro_precision:.4f}")
    overall.add_row("macro recall", f"{report.macro_recall:.4f}")
    overall.add_row("macro F1", f"{report.macro_f1:.4f}")
    overall.add_row("log loss", f"{report.log_loss:.4f}")
    overall.add_row("calibration error", f"{report.ece:.4f}", "15 equal-mass bins")
    tables = (*_class_tables(report), _coverage_table(report), *_calibration_tables(report))
    print_parts(title, overall, *tables)


def _print_votes(title: str, votes: "VotesReport", rest: "WithoutTwins | None") -> None:
    alarms = new_table("", "faces", "share", "95 % interval")
    for name, share in votes.clear_faces.items():
        interval = interval_of(share.ci95)
        alarms.add_row(name, f"{share.count}", f"{share.share:.4f}", interval)
    head = (
        f"clear faces, at least 8 of 10 votes: {votes.num_clear_neutral:,} neutral, "
        f"{votes.num_clear_expression:,} of another expression"
    )
    overall = new_table()
    left_out = (
        f"left out: {votes.num_undecided} undecided, {votes.num_contempt} contempt, "
        f"{votes.num_unknown} unknown or no face"
    )
    overall.add_row("faces", f"{votes.num_faces:,}", left_out)
    _add_accuracies(overall, votes)
    if rest is not None and rest.report.votes is not None:
        _add_without_twins(overall, rest, rest.report.votes)
    floor = f"the votes' own entropy {votes.vote_entropy:.4f}, divergence {votes.kl_divergence:.4f}"
    overall.add_row("cross-entropy", f"{votes.cross_entropy:.4f}", floor)
    overall.add_row("calibration error", f"{votes.ece:.4f}", "15 equal-mass bins")
    overall.add_row("label is the majority", f"{votes.label_agreement:.4f}")
    tables = (*_class_tables(votes), _coverage_table(votes), *_calibration_tables(votes))
    print_parts(title, overall, head, alarms, *tables)


def _add_accuracies(table: "Table", report: "Report | VotesReport") -> None:
    interval = f"95 % interval {interval_of(report.accuracy_ci95)}"
    table.add_row("accuracy", f"{report.accuracy:.4f}", interval)
    table.add_row("balanced accuracy", f"{report.balanced_accuracy:.4f}")


def _add_without_twins(
    table: "Table", rest: "WithoutTwins", report: "Report | VotesReport"
) -> None:
    interval = f"95 % interval {interval_of(report.accuracy_ci95)}"
    table.add_row("accuracy without twins", f"{report.accuracy:.4f}", interval)
    words = f"{rest.num_left_out:,} have a twin in {rest.others}"
    table.add_row("  faces", f"{report.num_faces:,}", words)


def _class_tables(report: "Report | VotesReport") -> "tuple[Table, Table]":
    classes = new_table("", "precision", "recall", "F1", "faces")
    confusion = new_table("true ↓  taken for →", *report.per_class)
    for (name, scores), row in zip(report.per_class.items(), report.confusion, strict=True):
        ratios = (f"{ratio:.3f}" for ratio in (scores.precision, scores.recall, scores.f1))
        classes.add_row(name, *ratios, f"{scores.support:,}")
        confusion.add_row(name, *map(str, row))
    return classes, confusion


def _coverage_table(report: "Report | VotesReport") -> "Table":
    """Returns how many faces are answered, and rightly, with each --min-confidence."""
    table = new_table("min. confidence", "answered", "right", "95 % interval")
    for row in report.coverages:
        if row.accuracy is not None and row.accuracy_ci95 is not None:
            right, interval = f"{row.accuracy:.4f}", interval_of(row.accuracy_ci95)
            table.add_row(f"{row.min_confidence:g}", f"{row.coverage:.4f}", right, interval)
    return table


def _calibration_tables(report: "Report | VotesReport") -> "list[Table]":
    """Returns the calibration error before and after temperature, and by the expression read."""
    if report.calibration is None:
        return []
    heads = ("confidence", "right", "mean gap", "RMS, debiased", "95 % interval")
    stages, classes = new_table("calibration error", *heads), new_table("read as", "faces", *heads)
    for name, its in report.calibration.stages.items():
        stages.add_row(name, *_calibration_figures(its))
    for name, its in report.calibration.per_class.items():
        classes.add_row(name, f"{its.num_faces:,}", *_calibration_figures(its))
    return [stages, classes]


def _calibration_figures(its: "CalibrationError") -> list[str]:
    gaps = (its.confidence, its.accuracy, its.ece, its.rms_debiased)
    return [*(f"{value:.4f}" for value in gaps), interval_of(its.rms_debiased_ci95)]


def print_comparison(comparison: "Comparison") -> None:
    """Prints the differences to the first model, and the groups that differ by seed alone."""
    title = f"differences to {comparison.differences[0].reference}, on the same faces"
    if by_votes := comparison.differences_by_votes:
        print_parts(f"{title}, against the annotators", _differences_table(by_votes))
        title += ", against the faces' own labels"
    print_parts(title, _differences_table(comparison.differences))
    for model, names in comparison.left_out.items():
        print_parts(
            f"{model} knows {', '.join(names)} too: its probabilities here are of "
            f"{', '.join(comparison.classes)} alone"
        )
    for group in comparison.groups:
        figures = new_table("", "mean ± SD")
        for name, mean in group.mean.items():
            figures.add_row(name.replace("_", " "), f"{mean:.4f} ± {group.sd[name]:.4f}")
        seeds = ", ".join(map(str, group.seeds))
        title = f"seeds {seeds} of one recipe (n = {len(group.seeds)}): {', '.join(group.models)}"
        print_parts(title, figures)


def _differences_table(differences: "Sequence[Difference]") -> "Table":
    heads = ("accuracy", "95 % interval", "it alone", "first alone", "McNemar p")
    table = new_table("model", *heads)
    for each in differences:
        table.add_row(
            each.model,
            f"{each.accuracy_difference:+.4f}",
            interval_of(each.accuracy_difference_ci95, "+.4f"),
            f"{each.num_only_model_right:,}",
            f"{each.num_only_reference_right:,}",
            f"{each.mcnemar_p:.3g}",
        )
    return table


def interval_of(ends: tuple[float, float], form: str = ".4f") -> str:
    """Returns an interval in words."""
    return f"{ends[0]:{form}} to {ends[1]:{form}}"


def new_table(*heads: str) -> "Table":
    """Returns a table with the first column on the left; without heads it has none."""
    from rich.table import Table

    table = Table(box=None, show_header=bool(heads), padding=(0, 1), pad_edge=False)
    for head in heads[:1]:
        table.add_column(head, overflow="fold")  # a model's name stays whole
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    return table
