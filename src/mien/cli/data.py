"""`mien data`: look at a labelled set."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import (
    AsJson,
    LabelledSet,
    Picture,
    RecipeName,
    Settings,
    SkipBad,
    exit_codes,
    model_names,
)
from mien.cli.output import need, note, print_json, tell, try_next, warn_of_problems
from mien.errors import UsageError
from mien.files import make_folder
from mien.text import counted

if TYPE_CHECKING:
    from mien.data import Summary

app = typer.Typer(no_args_is_help=True, help="Look at a labelled set.")
AuditVotes = Annotated[
    Path | None, typer.Option(help="FER+ votes (fer2013new.csv) to hold against the labels.")
]
Judge = Annotated[
    str,
    typer.Option(
        help="Judges labels: default, a model folder, a run; none leaves that out. Faces whose "
        "labels it learnt are not judged.",
        autocompletion=model_names,
    ),
]
Detect = Annotated[
    bool, typer.Option("--detect", help="Run the face detector on every picture; takes long.")
]
AuditOutput = Annotated[
    Path | None,
    typer.Option(help="Write audit.html, a page with the faces, and card.md, a data card, here."),
]
Write = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the rows to leave out to this CSV, for --without of other commands.",
    ),
]
Reasons = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Why rows are written, some of: blank,twin_in_other_split,twin_with_other_label,"
        "duplicate (these four without this option),no_face,likely_wrong_label,"
        "votes_against_label.",
        show_default=False,
    ),
]


@app.command("info", epilog=exit_codes())
def info(
    path: LabelledSet,
    votes: Annotated[
        Path | None, typer.Option(help="FER+ votes (fer2013new.csv) to join by row.")
    ] = None,
    skip_bad: SkipBad = False,
    as_json: AsJson = False,
) -> None:
    """Print what a set holds.

    Faces per class and split, pixels, blank and repeated images.

    JSON keys: num_faces, face_size, channels, classes, counts (per class), splits (faces per
    split), counts_by_split, has_soft_labels, pixel_mean and pixel_std (pixels in 0 to 1),
    num_blank, num_repeated_within_splits, num_shared_across_splits, content_hash, num_skipped.
    """
    from mien.data import read, summarise

    faces = read(path, votes=votes, skip_bad=skip_bad)
    warn_of_problems(faces.problems)
    summary = summarise(faces)
    if as_json:
        print_json(summary.to_json_dict())
    else:
        _print_summary(path, summary)
    tell(try_next("plot", "data", path, "--output", "pictures"))


@app.command("audit", epilog=exit_codes())
def audit(
    path: LabelledSet,
    votes: AuditVotes = None,
    model: Judge = "default",
    detect: Detect = False,
    output: AuditOutput = None,
    write: Write = None,
    reasons: Reasons = None,
    skip_bad: SkipBad = False,
    as_json: AsJson = False,
) -> None:
    """Find what is wrong with a labelled set.

    Twins: pictures that are the same, exactly or nearly (correlation .95 or more), mirrored too,
    within splits and across them, with one label or several; blank pictures; pictures without a
    face; labels that are likely wrong; votes against labels.

    JSON keys: num_faces, splits, findings (faces: total and by_split, per finding),
    num_twin_pairs, num_mirrored_pairs, groups_identical and groups_of_twins (num_groups,
    num_across_splits, num_other_label), num_judged, likely_labels (per label).
    """
    if output is not None:
        need("jinja2", "plots")
        make_folder(output)  # now, not after all the work
    from mien.audit import CERTAIN, choose_left_out
    from mien.audit import audit as find_faults
    from mien.audit.choosing import check_reasons
    from mien.cli.audit_tables import print_audit
    from mien.data import read, write_left_out

    if reasons is not None and write is None:
        raise UsageError("--reasons goes with --write FILE")
    why = CERTAIN if reasons is None else tuple(reasons.split(","))
    asked = {"no_face": detect, "likely_wrong_label": model != "none", "votes_against_label": votes}
    check_reasons(why, {reason for reason, is_asked in asked.items() if is_asked})
    faces = read(path, votes=votes, skip_bad=skip_bad)
    warn_of_problems(faces.problems)
    found = find_faults(faces, None if model == "none" else model, detect, tell)
    if as_json:
        print_json(found.to_json_dict())
    else:
        print_audit(str(path), found)
    if output is not None:
        from mien.audit.card import data_card
        from mien.audit.pages import write_audit
        from mien.evaluation.measured_card import CARD
        from mien.evaluation.pages import write_document

        note(f"written: {write_audit(output, found, path.name)}")
        note(f"written: {write_document(output / CARD, data_card(found, path.name))}")
    if write is not None:
        chosen = choose_left_out(found, why)
        write_left_out(write, faces, chosen)
        counts = Counter(each.reason for each in chosen)
        words = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
        note(f"written: {write}, {counted(len(chosen), 'row')} to leave out: {words or 'none'}")
        tell(try_next("train", "--data", path, "--without", write))
    elif output is None:
        tell("next: --output FOLDER, for a page with the faces; --write FILE, for the rows")


@app.command("preview", epilog=exit_codes())
def preview(
    path: Annotated[
        Path, typer.Argument(help="A labelled set: CSV (.gz, .xz) or folder of pictures.")
    ],
    output: Picture,
    recipe: RecipeName = "mien_s",
    settings: Settings = None,
    num_faces: Annotated[int, typer.Option("--faces", min=1, help="How many faces.")] = 32,
    epoch: Annotated[int, typer.Option(min=1, help="Another epoch, other faces and changes.")] = 1,
) -> None:
    """Draw training faces as the network sees them under a recipe."""
    need("torch", "train")
    from mien import training
    from mien.plots import check_picture_path, write_figure
    from mien.recipes import load_recipe

    check_picture_path(output)
    batch = training.preview(load_recipe(recipe, settings or []), path, num_faces, epoch)
    typer.echo(write_figure(training.draw_preview(batch, recipe), output))
    changes = [word for setting in settings or [] for word in ("--set", setting)]
    next_step = try_next("train", "--recipe", recipe, *changes, "--data", path)
    faces = counted(len(batch.views), "training face")
    tell(f"{faces} of epoch {epoch}, as {recipe} shows them", next_step)


def _print_summary(path: Path, summary: "Summary") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    size = f"{summary.face_size} x {summary.face_size}"
    table = Table(box=None, title=escape(f"{path}: {counted(summary.num_faces, 'face')}, {size}"))
    table.title_justify = "left"
    table.add_column("class")
    for name in (*summary.splits, "all"):
        table.add_column(escape(name), justify="right")
    for name in summary.classes:
        row = [split[name] for split in summary.counts_by_split.values()]
        table.add_row(escape(name), *(f"{n:,}" for n in (*row, summary.counts[name])))
    totals = (*summary.splits.values(), summary.num_faces)
    table.add_row("all" if summary.classes else "no labels", *(f"{n:,}" for n in totals))
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    colour = "grey" if summary.channels == 1 else "RGB"
    for name, value in (
        ("pixels", f"{colour}, mean {summary.pixel_mean:.4f}, std {summary.pixel_std:.4f}"),
        ("soft labels", "yes, from votes" if summary.has_soft_labels else "no"),
        ("blank images", f"{summary.num_blank:,}"),
        (
            "repeated",
            f"{counted(summary.num_repeated_within_splits, 'row')} like one of the same split",
        ),
        ("shared", f"{counted(summary.num_shared_across_splits, 'image')} in several splits"),
        ("content hash", summary.content_hash),
    ):
        console.print(f"{name:<14}{value}", markup=False)
