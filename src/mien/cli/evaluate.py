"""`mien evaluate`: models and labelled faces → reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import Data, Device, Precision, SkipBad, Threads, Without, model_names
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
from mien.files import make_folder
from mien.processors import limit_cores

if TYPE_CHECKING:
    from mien.evaluation import Comparison, Evaluation, Report, VotesReport
    from mien.evaluation.faces import JudgedFaces


Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="default, xs, fer2013, a model folder, or a finished run.",
        show_default=False,
        autocompletion=model_names,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        help="Evaluate on this split only; selection: on the faces that the model itself was "
        "selected on, also where its run held them out. Without it on all faces.",
        show_default=False,
    ),
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
        help="Write figures, report.json, card.md (the model card with these figures) and "
        "report.html, a page with the worst mistakes, to this folder; with several models to a "
        "folder for each inside, and comparison.html beside them.",
        show_default=False,
    ),
]
WithoutTwins = Annotated[
    str | None,
    typer.Option(
        metavar="PATH[:SPLIT]",
        help="Measure also without the faces that have a twin, the same picture exactly or nearly, "
        "in this set or split.",
        show_default=False,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print JSON; of several models the keys models, classes, left_out, differences, "
        "differences_by_votes, groups.",
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
    without: Without = None,
    without_twins: WithoutTwins = None,
    skip_bad: SkipBad = False,
    precision: Precision = "float32",
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Measure models on a labelled set, and compare them.

    Reports accuracy with its 95 % interval, balanced accuracy, precision, recall and F1, log
    loss, calibration error and the confusion matrix. Of several models it adds paired differences
    to the first (bootstrap interval, McNemar's exact test), and mean and standard deviation of
    those that differ by their training seed alone. Models that know different classes are
    compared on the classes that all know, each by its probabilities of these alone. With votes it
    adds how well each model says what the annotators say, and its false alarms on clearly neutral
    faces. Bad pictures, finding and cutting the faces, and groups of people are measured on
    request. Warns where the faces took part in a model's training or selection.
    """
    if output is not None:
        need("matplotlib", "plots")
        need("jinja2", "plots")
        make_folder(output)  # now, not after all the work
    from mien.evaluation import add_without_twins, collect, compare, read_for_models
    from mien.evaluation.comparison import comparison_document
    from mien.model_folder import read_config, resolve

    limit_cores(threads)
    configs = [read_config(resolve(model)) for model in models]
    judged = read_for_models(configs, data, split, skip_bad, votes, without)
    whole = judged[0].whole
    warn_of_problems(whole.problems)
    if split is None and len(whole.split_names) > 1:
        warn(f"no --split: pooling {', '.join(whole.split_names)}")
    for model, each in zip(models, judged, strict=True):
        for remark in each.notes:
            warn(f"{model}: {remark}")
    names = [", ".join(filter(None, [data.name, each.part])) for each in judged]
    evaluations, further = [], []
    for model, each, table in zip(models, judged, read_tables(groups, judged, data), strict=True):
        evaluation = collect(
            model, each.faces, tta, each.classes, precision=precision, device=device
        )
        if without_twins is not None:
            evaluation = add_without_twins(evaluation, each.faces, without_twins)
        evaluations.append(evaluation)
        if not as_json:
            place = ", ".join(filter(None, [str(data), each.part]))
            print_report(f"{model} on {place} ({evaluation.read_by})", evaluation.report)
        further.append(measure_further(evaluation, each, table, corruptions, end_to_end))
        if not as_json:
            further[-1].print()
    comparison = compare(evaluations) if len(models) > 1 else None
    if comparison is None:
        if as_json:
            print_json(evaluations[0].report.to_json_dict() | further[0].to_json_dict())
    elif as_json:
        document = comparison_document(evaluations, comparison)
        for report, more in zip(document["models"], further, strict=True):
            report |= more.to_json_dict()
        print_json(document)
    else:
        print_comparison(comparison)
    first = max(evaluations, key=lambda each: _judged(each.report).accuracy)
    best = _judged(first.report)
    title = f"best of {len(models)}, {first.model}: " if comparison else ""
    tell(title + found(best.accuracy, best.accuracy_ci95, best.num_faces))
    if output is None:
        tell("next: --output FOLDER, for figures and a page with the worst mistakes")
    else:
        _write(output, evaluations, comparison, judged, names, further)


def _write(
    output: Path,
    evaluations: "Sequence[Evaluation]",
    comparison: "Comparison | None",
    judged: "Sequence[JudgedFaces]",
    names: Sequence[str],
    further: "Sequence[Further]",
) -> None:
    """Writes the page and files of each model, and those that compare several."""
    from mien.evaluation.measured_card import CARD, measured_card
    from mien.evaluation.pages import report_folders, write_document, write_report

    called = [each.model for each in evaluations]
    folders = [output] if comparison is None else report_folders(output, called)
    for folder, evaluation, name, each, more in zip(
        folders, evaluations, names, judged, further, strict=True
    ):
        figures = draw_robustness([more], name)
        page = write_report(folder, evaluation, each.faces, name, each.notes, figures)
        more.write(folder)
        if evaluation.config.training.selection is not None:
            write_document(folder / CARD, measured_card(evaluation, name, more.to_json_dict()))
        note(f"written: {page}")
    if comparison is not None:
        from mien.evaluation.comparison_pages import write_comparison

        remarks = [each.notes for each in judged]
        called = [folder.name for folder in folders]
        page = write_comparison(output, called, evaluations, comparison, names[0], remarks)
        note(f"written: {page}")
        write_robustness(output, further, names[0])


def _judged(report: "Report") -> "Report | VotesReport":
    return report.votes or report
