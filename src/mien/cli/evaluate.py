"""`mien evaluate`: models and labelled faces → reports."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import Data, SkipBad, model_names
from mien.cli.output import found, need, note, print_json, print_parts, tell, warn, warn_of_problems

if TYPE_CHECKING:
    from rich.table import Table

    from mien.evaluation import Comparison, Report, VotesReport


Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="default, fer2013, a model folder, or a finished run.",
        show_default=False,
        autocompletion=model_names,
    ),
]
Split = Annotated[
    str | None, typer.Option(help="Evaluate on this split only; without it on all faces.")
]
Votes = Annotated[
    Path | None,
    typer.Option(
        help="FER+'s votes of the same rows (fer2013new.csv): measure by these too.",
        show_default=False,
    ),
]
Tta = Annotated[
    bool,
    typer.Option(
        "--tta",
        help="Average test-time views: three zooms and their mirror images where the network "
        "looks at a crop, else the face and its mirror image.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Write figures, report.json and report.html, a page with the worst mistakes, to "
        "this folder; with several models to a folder for each inside.",
        show_default=False,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print JSON; of several models the keys models, differences, groups."
    ),
]


def evaluate(
    models: Models,
    data: Data,
    split: Split = None,
    votes: Votes = None,
    tta: Tta = False,
    output: Output = None,
    as_json: Json = False,
    skip_bad: SkipBad = False,
) -> None:
    """Measure models on a labelled set, and compare them.

    Reports accuracy with its 95 % interval, balanced accuracy, precision, recall and F1, log
    loss, calibration error and the confusion matrix. Of several models it adds paired differences
    to the first (bootstrap interval, McNemar's exact test), and mean and standard deviation of
    those that differ by their training seed alone. With votes it adds how well each model says
    what the annotators say, and its false alarms on clearly neutral faces. Warns where the faces
    took part in a model's training or selection.
    """
    if output is not None:
        need("matplotlib", "plots")
        need("jinja2", "plots")
    from mien.evaluation import collect, compare, honesty_warning, read_for_model
    from mien.model_folder import read_config, resolve

    configs = [read_config(resolve(model)) for model in models]
    judged = [read_for_model(config, data, split, skip_bad, votes) for config in configs]
    whole = judged[0].whole
    warn_of_problems(whole.problems)
    if split is None and len(whole.split_names) > 1:
        warn(f"no --split: pooling {', '.join(whole.split_names)}")
    part = f", split {split}" if split else ""
    evaluations, notes = [], []
    for model, judgement in zip(models, judged, strict=True):
        evaluation = collect(model, judgement.faces, tta)
        warning = honesty_warning(evaluation.config, judgement.faces, judgement.whole)
        if judgement.dropped:
            warn(f"{model}: was trained without {', '.join(judgement.dropped)}: left out here too")
        if warning:
            warn(f"{model}: {warning}")
        evaluations.append(evaluation)
        notes.append([warning] if warning else [])
        if not as_json:
            _print_report(f"{model} on {data}{part}", evaluation.report)
    comparison = compare(evaluations) if len(models) > 1 else None
    if comparison is None:
        if as_json:
            print_json(evaluations[0].report.to_json_dict())
    elif as_json:
        reports = [{"model": e.model, **e.report.to_json_dict()} for e in evaluations]
        print_json({"models": reports, **comparison.to_json_dict()})
    else:
        _print_comparison(comparison)
    first = max(evaluations, key=lambda each: _judged(each.report).accuracy)
    best = _judged(first.report)
    title = f"best of {len(models)}, {first.model}: " if comparison else ""
    tell(title + found(best.accuracy, best.accuracy_ci95, best.num_faces))
    if output is None:
        tell("next: --output FOLDER, for figures and a page with the worst mistakes")
    else:
        from mien.evaluation.pages import report_folders, write_report

        folders = [output] if comparison is None else report_folders(output, models)
        for folder, evaluation, about, each in zip(
            folders, evaluations, notes, judged, strict=True
        ):
            page = write_report(folder, evaluation, each.faces, data.name + part, about)
            note(f"written: {page}")


def _judged(report: "Report") -> "Report | VotesReport":
    return report.votes or report


def _print_report(title: str, report: "Report") -> None:
    if report.votes is not None:
        _print_votes(f"{title}, against the annotators", report.votes)
        title += ", against the faces' own labels"
    overall = _table()
    overall.add_row("faces", f"{report.num_faces:,}", f"views of each: {report.num_views}")
    _add_accuracies(overall, report)
    overall.add_row("macro precision", f"{report.macro_precision:.4f}")
    overall.add_row("macro recall", f"{report.macro_recall:.4f}")
    overall.add_row("macro F1", f"{report.macro_f1:.4f}")
    overall.add_row("log loss", f"{report.log_loss:.4f}")
    overall.add_row("calibration error", f"{report.ece:.4f}", "15 equal-mass bins")
    print_parts(title, overall, *_class_tables(report), _coverage_table(report))


def _print_votes(title: str, votes: "VotesReport") -> None:
    alarms = _table("", "faces", "share", "95 % interval")
    for name, share in votes.clear_faces.items():
        interval = _interval(share.ci95)
        alarms.add_row(name, f"{share.count}", f"{share.share:.4f}", interval)
    head = (
        f"clear faces, at least 8 of 10 votes: {votes.num_clear_neutral:,} neutral, "
        f"{votes.num_clear_expression:,} of another expression"
    )
    overall = _table()
    left_out = (
        f"left out: {votes.num_undecided} undecided, {votes.num_contempt} contempt, "
        f"{votes.num_unknown} unknown or no face"
    )
    overall.add_row("faces", f"{votes.num_faces:,}", left_out)
    _add_accuracies(overall, votes)
    floor = f"the votes' own entropy {votes.vote_entropy:.4f}, divergence {votes.kl_divergence:.4f}"
    overall.add_row("cross-entropy", f"{votes.cross_entropy:.4f}", floor)
    overall.add_row("calibration error", f"{votes.ece:.4f}", "15 equal-mass bins")
    overall.add_row("label is the majority", f"{votes.label_agreement:.4f}")
    print_parts(title, overall, head, alarms, *_class_tables(votes), _coverage_table(votes))


def _add_accuracies(table: "Table", report: "Report | VotesReport") -> None:
    interval = f"95 % interval {_interval(report.accuracy_ci95)}"
    table.add_row("accuracy", f"{report.accuracy:.4f}", interval)
    table.add_row("balanced accuracy", f"{report.balanced_accuracy:.4f}")


def _class_tables(report: "Report | VotesReport") -> "tuple[Table, Table]":
    classes = _table("", "precision", "recall", "F1", "faces")
    confusion = _table("true ↓  taken for →", *report.per_class)
    for (name, scores), row in zip(report.per_class.items(), report.confusion, strict=True):
        ratios = (f"{ratio:.3f}" for ratio in (scores.precision, scores.recall, scores.f1))
        classes.add_row(name, *ratios, f"{scores.support:,}")
        confusion.add_row(name, *map(str, row))
    return classes, confusion


def _coverage_table(report: "Report | VotesReport") -> "Table":
    """Returns how many faces are answered, and rightly, with each --min-confidence."""
    table = _table("min. confidence", "answered", "right", "95 % interval")
    for row in report.coverages:
        if row.accuracy is not None and row.accuracy_ci95 is not None:
            right, interval = f"{row.accuracy:.4f}", _interval(row.accuracy_ci95)
            table.add_row(f"{row.min_confidence:g}", f"{row.coverage:.4f}", right, interval)
    return table


def _print_comparison(comparison: "Comparison") -> None:
    heads = ("accuracy", "95 % interval", "it alone", "first alone", "McNemar p")
    differences = _table("model", *heads)
    for each in comparison.differences:
        differences.add_row(
            each.model,
            f"{each.accuracy_difference:+.4f}",
            _interval(each.accuracy_difference_ci95, "+.4f"),
            f"{each.num_only_model_right:,}",
            f"{each.num_only_reference_right:,}",
            f"{each.mcnemar_p:.3g}",
        )
    reference = comparison.differences[0].reference
    print_parts(f"differences to {reference}, on the same faces", differences)
    for group in comparison.groups:
        figures = _table("", "mean ± SD")
        for name, mean in group.mean.items():
            figures.add_row(name.replace("_", " "), f"{mean:.4f} ± {group.sd[name]:.4f}")
        seeds = ", ".join(map(str, group.seeds))
        title = f"seeds {seeds} of one recipe (n = {len(group.seeds)}): {', '.join(group.models)}"
        print_parts(title, figures)


def _interval(ends: tuple[float, float], form: str = ".4f") -> str:
    return f"{ends[0]:{form}} to {ends[1]:{form}}"


def _table(*heads: str) -> "Table":
    """Returns a table with the first column on the left; without heads it has none."""
    from rich.table import Table

    table = Table(box=None, show_header=bool(heads), padding=(0, 1), pad_edge=False)
    for head in heads[:1]:
        table.add_column(head, overflow="fold")  # a model's name stays whole
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    return table
