"""A comparison as files: two figures, JSON, and one self-contained HTML page."""

from collections.abc import Sequence
from pathlib import Path

from mien.evaluation.comparison import Comparison, comparison_document
from mien.evaluation.pages import PAGE, render_page, write_document
from mien.evaluation.report import Evaluation
from mien.plots import draw_accuracies, draw_recalls, write_figure
from mien.text import counted

ACCURACIES, RECALLS = "accuracies.png", "recalls.png"
COMPARISON, COMPARISON_PAGE = "comparison.json", "comparison.html"


def write_comparison(
    folder: str | Path,
    names: Sequence[str],
    evaluations: Sequence[Evaluation],
    comparison: Comparison,
    data_name: str,
    notes: Sequence[Sequence[str]] = (),
) -> Path:
    """Writes figures, JSON and HTML page of several models; returns the page's path.

    The folder gets `accuracies.png`, `recalls.png`, `comparison.json` and `comparison.html`, which
    holds the figures, and links to the page that `write_report` makes of each model.

    Args:
        folder: Where to; made if need be. Files of those names are replaced.
        names: What the models are called here: the names of their folders in `folder`.
        evaluations: What `collect` returned of each model.
        comparison: What `compare` returned of these.
        data_name: What the faces are called.
        notes: Of each model, what a reader must know of its figures.

    Raises:
        BadInputError: The folder cannot be written.
    """
    folder = Path(folder)
    reports = [each.report.votes or each.report for each in evaluations]
    by_truth = {"the faces' own labels": comparison.differences}
    if comparison.differences_by_votes:
        by_truth = {"the annotators' majority": comparison.differences_by_votes, **by_truth}
    truth, differences = next(iter(by_truth.items()))
    title = f"{data_name}: {counted(reports[0].num_faces, 'face')}, against {truth}"
    figures = {
        ACCURACIES: draw_accuracies(
            names,
            [report.accuracy for report in reports],
            [report.accuracy_ci95 for report in reports],
            [each.accuracy_difference for each in differences],
            [each.accuracy_difference_ci95 for each in differences],
            title,
        ),
        RECALLS: draw_recalls(
            names,
            [[report.per_class[name].recall for name in comparison.classes] for report in reports],
            [reports[0].per_class[name].support for name in comparison.classes],
            comparison.classes,
            f"Recall on {title}",
        ),
    }
    pictures = {name: write_figure(figure, folder / name) for name, figure in figures.items()}
    page = render_page(
        "comparison.html",
        title=f"{', '.join(names)} on {data_name}",
        names=names,
        evaluations=evaluations,
        comparison=comparison,
        differences_by_truth=by_truth,
        remarks=dict(zip(names, notes, strict=True)) if notes else {},
        figures={name: picture.read_bytes() for name, picture in pictures.items()},
        page=PAGE,
    )
    write_document(folder / COMPARISON, comparison_document(evaluations, comparison))
    return write_document(folder / COMPARISON_PAGE, page)
