"""`mien evaluate`: models and labelled faces → reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import Data, SkipBad, model_names
from mien.cli.output import found, need, note, print_json, tell, warn, warn_of_problems
from mien.cli.report_tables import print_comparison, print_report
from mien.cli.robustness import (
    Corruptions,
    EndToEndOption,
    Further,
    Groups,
    draw_robustness,
    measure_further,
    read_tables,
    write_robustness,
)

if TYPE_CHECKING:
    from mien.evaluation import Comparison, Evaluation, Report, VotesReport


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
    corruptions: Corruptions = False,
    end_to_end: EndToEndOption = False,
    groups: Groups = None,
    output: Output = None,
    as_json: Json = False,
    skip_bad: SkipBad = False,
) -> None:
    """Measure models on a labelled set, and compare them.

    Reports accuracy with its 95 % interval, balanced accuracy, precision, recall and F1, log
    loss, calibration error and the confusion matrix. Of several models it adds paired differences
    to the first (bootstrap interval, McNemar's exact test), and mean and standard deviation of
    those that differ by their training seed alone. With votes it adds how well each model says
    what the annotators say, and its false alarms on clearly neutral faces. Bad pictures, finding
    and cutting the faces, and groups of people are measured on request. Warns where the faces took
    part in a model's training or selection.
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
    evaluations, notes, further = [], [], []
    tables = read_tables(groups, judged, data)
    for model, judgement, table in zip(models, judged, tables, strict=True):
        evaluation = collect(model, judgement.faces, tta)
        warning = honesty_warning(evaluation.config, judgement.faces, judgement.whole)
        if judgement.dropped:
            warn(f"{model}: was trained without {', '.join(judgement.dropped)}: left out here too")
        if warning:
            warn(f"{model}: {warning}")
        evaluations.append(evaluation)
        notes.append([warning] if warning else [])
        if not as_json:
            print_report(f"{model} on {data}{part}", evaluation.report)
        more = measure_further(evaluation, judgement, table, corruptions, end_to_end)
        further.append(more)
        if not as_json:
            more.print()
    comparison = compare(evaluations) if len(models) > 1 else None
    if as_json:
        print_json(_document(evaluations, further, comparison))
    elif comparison is not None:
        print_comparison(comparison)
    first = max(evaluations, key=lambda each: _judged(each.report).accuracy)
    best = _judged(first.report)
    title = f"best of {len(models)}, {first.model}: " if comparison else ""
    tell(title + found(best.accuracy, best.accuracy_ci95, best.num_faces))
    if output is None:
        tell("next: --output FOLDER, for figures and a page with the worst mistakes")
    else:
        from mien.evaluation.pages import report_folders, write_report

        folders = [output] if comparison is None else report_folders(output, models)
        for folder, evaluation, about, each, more in zip(
            folders, evaluations, notes, judged, further, strict=True
        ):
            figures = draw_robustness([more], data.name + part)
            page = write_report(folder, evaluation, each.faces, data.name + part, about, figures)
            more.write(folder)
            note(f"written: {page}")
        if comparison is not None:
            write_robustness(output, further, data.name + part)


def _judged(report: "Report") -> "Report | VotesReport":
    return report.votes or report


def _document(
    evaluations: "Sequence[Evaluation]",
    further: "Sequence[Further]",
    comparison: "Comparison | None",
) -> dict[str, Any]:
    """Returns what `--json` prints: of one model what was measured, of several a list of these."""
    documents = [
        {"model": each.model, **each.report.to_json_dict(), **more.to_json_dict()}
        for each, more in zip(evaluations, further, strict=True)
    ]
    if comparison is not None:
        return {"models": documents, **comparison.to_json_dict()}
    (document,) = documents
    del document["model"]
    return document
