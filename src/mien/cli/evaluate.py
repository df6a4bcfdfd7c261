"""`mien evaluate`: models and labelled faces → reports."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.output import print_json, warn

if TYPE_CHECKING:
    from mien.evaluation import Report


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            help="default, a model folder, or a finished run.",
            show_default=False,
        ),
    ],
    data: Annotated[
        Path, typer.Option(help="The labelled set: CSV (.gz, .xz) or folder of pictures.")
    ],
    split: Annotated[
        str | None, typer.Option(help="Evaluate on this split only; without it on all faces.")
    ] = None,
    tta: Annotated[
        bool,
        typer.Option(
            "--tta",
            help="Average test-time views: five crops and their mirror images where the network "
            "looks at a crop, else the face and its mirror image.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; a list where there are several models.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave unreadable rows out instead of stopping.")
    ] = False,
) -> None:
    """Measure models on a labelled set.

    Reports accuracy with its 95 % interval, balanced accuracy, precision, recall and F1, log
    loss, calibration error and the confusion matrix. Warns where the faces took part in the
    model's training or selection.
    """
    from mien.classifier import Classifier
    from mien.data import read
    from mien.evaluation import evaluate as evaluate_model
    from mien.evaluation import honesty_warning

    whole = read(data, skip_bad=skip_bad)
    for problem in whole.problems:
        warn(f"skipped {problem}")
    if split is None and len(whole.split_names) > 1:
        warn(f"no --split: pooling {', '.join(whole.split_names)}")
    faces = whole if split is None else whole.take_split(split)
    reports = []
    for model in models:
        classifier = Classifier(model)
        warning = honesty_warning(classifier.config, faces, whole)
        if warning:
            warn(f"{model}: {warning}")
        report = evaluate_model(classifier, faces, tta)
        reports.append(report)
        if not as_json:
            _print_report(f"{model} on {data}{f', split {split}' if split else ''}", report)
    if as_json and len(reports) == 1:
        print_json(reports[0].to_json_dict())
    elif as_json:
        pairs = zip(models, reports, strict=True)
        print_json([{"model": model, **report.to_json_dict()} for model, report in pairs])


def _print_report(title: str, report: "Report") -> None:
    from rich.console import Console
    from rich.table import Table

    low, high = report.accuracy_ci95
    overall = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    overall.add_row("faces", f"{report.num_faces:,}", f"views of each: {report.num_views}")
    overall.add_row("accuracy", f"{report.accuracy:.4f}", f"95 % interval {low:.4f} to {high:.4f}")
    overall.add_row("balanced accuracy", f"{report.balanced_accuracy:.4f}")
    overall.add_row("macro precision", f"{report.macro_precision:.4f}")
    overall.add_row("macro recall", f"{report.macro_recall:.4f}")
    overall.add_row("macro F1", f"{report.macro_f1:.4f}")
    overall.add_row("log loss", f"{report.log_loss:.4f}")
    overall.add_row("calibration error", f"{report.ece:.4f}", "15 equal-mass bins")

    classes = Table("", box=None, padding=(0, 1), pad_edge=False)
    confusion = Table("true ↓  taken for →", box=None, padding=(0, 1), pad_edge=False)
    for column in ("precision", "recall", "F1", "faces"):
        classes.add_column(column, justify="right")
    for name in report.per_class:
        confusion.add_column(name, justify="right", no_wrap=True)
    for (name, scores), row in zip(report.per_class.items(), report.confusion, strict=True):
        ratios = (f"{ratio:.3f}" for ratio in (scores.precision, scores.recall, scores.f1))
        classes.add_row(name, *ratios, f"{scores.support:,}")
        confusion.add_row(name, *map(str, row))

    # Only a terminal has a width to fit; a file or pipe gets every column whole.
    width = None if sys.stdout.isatty() else 1000
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    for part in (title, overall, classes, confusion):
        console.print(part)
        console.print()
