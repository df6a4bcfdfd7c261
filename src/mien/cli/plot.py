"""`mien plot`: pictures of a labelled set, of runs and of videos' rows."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.cli.options import LabelledSet, Picture, SkipBad
from mien.cli.output import need, warn_of_problems
from mien.errors import UsageError

app = typer.Typer(
    no_args_is_help=True, help="Draw a labelled set, how training went, or a video's rows."
)

Kind = Literal["classes", "samples", "ambiguous"]


@app.command("data")
def data(
    path: LabelledSet,
    output: Annotated[
        Path, typer.Option(help="A picture (.png, .svg), or a folder for one of each kind.")
    ],
    kind: Annotated[
        Kind | None,
        typer.Option(
            help="classes: faces per class and split; samples: a row of faces per class; "
            "ambiguous: faces whose label is at odds with --votes or --model, the default with one "
            "of these; else classes. In a folder, by default all.",
            show_default=False,
        ),
    ] = None,
    votes: Annotated[
        Path | None, typer.Option(help="FER+ votes (fer2013new.csv) to hold the labels against.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A model to hold the labels against: default, a model folder, or a run."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Draw this split only; without it all faces.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides which samples are drawn.")] = 0,
    skip_bad: SkipBad = False,
) -> None:
    """Draw the classes of a set, samples of them, or faces whose label is doubtful.

    Prints the pictures written.
    """
    need("matplotlib", "plots")
    from mien.data import read
    from mien.evaluation import collect
    from mien.evaluation.data_pictures import draw_data
    from mien.plots import write_figure

    if votes and model:
        raise UsageError("--votes and --model: hold the labels against one of them at a time")
    if (votes or model) and kind not in (None, "ambiguous"):
        raise UsageError(f"--votes and --model change nothing in --kind {kind}: leave them out")
    targets = _targets(output, kind, has_opinion=bool(votes or model))
    whole = read(path, votes=votes, skip_bad=skip_bad)
    warn_of_problems(whole.problems)
    faces = whole if split is None else whole.take_split(split)
    title = f"{path.name}, {split}" if split else path.name
    evaluation = collect(model, faces) if model and "ambiguous" in targets else None
    for each, target in targets.items():
        figure = draw_data(faces, each, title, evaluation, seed)
        typer.echo(write_figure(figure, target))


@app.command("runs")
def runs(
    run: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders, finished or not.")],
    output: Picture,
) -> None:
    """Draw loss, accuracy and learning rate of a run over its epochs, or of several compared."""
    need("matplotlib", "plots")
    from mien.plots import check_picture_path, write_figure

    check_picture_path(output)
    from mien.evaluation.run_pictures import draw_curves

    typer.echo(write_figure(draw_curves(run), output))


@app.command("timeline")
def timeline(
    rows: Annotated[
        Path, typer.Argument(help="A table of `mien predict VIDEO --csv` or --parquet.")
    ],
    output: Picture,
) -> None:
    """Draw the expressions of each face in a video over time (smoothed probabilities)."""
    need("matplotlib", "plots")
    from mien.inference.write.tables import read_tracks
    from mien.plots import check_picture_path, draw_timeline, write_figure

    check_picture_path(output)
    labels, tracks = read_tracks(rows)
    named = [(track.name, track.times, track.smoothed) for track in tracks]
    typer.echo(write_figure(draw_timeline(labels, named, f"{rows.name}: expressions"), output))


def _targets(output: Path, kind: Kind | None, has_opinion: bool) -> dict[Kind, Path]:
    """Returns the picture of each kind to draw."""
    from mien.plots import check_picture_path

    if output.suffix and not output.is_dir():
        return {kind or ("ambiguous" if has_opinion else "classes"): check_picture_path(output)}
    kinds: tuple[Kind, ...] = ("classes", "samples", "ambiguous")[: 3 if has_opinion else 2]
    return {each: output / f"{each}.png" for each in ((kind,) if kind else kinds)}
