"""`mien plot`: pictures of a labelled set, of runs and of videos' rows."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.cli.options import LabelledSet, Picture, SkipBad, exit_codes
from mien.cli.output import need, tell, warn_of_problems
from mien.errors import UsageError
from mien.text import counted

app = typer.Typer(
    no_args_is_help=True, help="Draw a labelled set, how training went, or a video's rows."
)

Kind = Literal["classes", "samples", "ambiguous"]


@app.command("data", epilog=exit_codes())
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
    """Draw a set's classes, samples, or doubtful labels.

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
    tell(f"drawn: {counted(len(faces), 'face')}, classes: {len(faces.label_names)}")
    if not (votes or model):
        tell("next: --votes or --model, for the faces whose label is doubtful")


@app.command("runs", epilog=exit_codes())
def runs(
    run: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders, finished or not.")],
    output: Picture,
) -> None:
    """Draw how training went, of a run or of several compared.

    Loss, accuracy and learning rate over the epochs.
    """
    need("matplotlib", "plots")
    from mien.plots import check_picture_path, write_figure

    check_picture_path(output)
    from mien.evaluation.run_pictures import draw_curves

    typer.echo(write_figure(draw_curves(run), output))
    tell(f"drawn: {counted(len(run), 'run')}")
    if len(run) == 1:
        tell("next: name several runs, to compare them")


@app.command("timeline", epilog=exit_codes())
def timeline(
    rows: Annotated[
        Path, typer.Argument(help="A table of `mien predict VIDEO --csv` or --parquet.")
    ],
    output: Picture,
) -> None:
    """Draw the expressions of a video's faces over time.

    As smoothed probabilities, a panel for each face.
    """
    need("matplotlib", "plots")
    from mien.inference.write.tables import read_tracks
    from mien.plots import check_picture_path, draw_timeline, write_figure

    check_picture_path(output)
    labels, tracks = read_tracks(rows)
    named = [(track.name, track.times, track.smoothed) for track in tracks]
    typer.echo(write_figure(draw_timeline(labels, named, f"{rows.name}: expressions"), output))
    end = max(track.times.max() for track in tracks)
    tell(f"drawn: {counted(len(tracks), 'face')}, up to {end:.1f} s")


def _targets(output: Path, kind: Kind | None, has_opinion: bool) -> dict[Kind, Path]:
    """Returns the picture of each kind to draw."""
    from mien.plots import check_picture_path

    if output.suffix and not output.is_dir():
        return {kind or ("ambiguous" if has_opinion else "classes"): check_picture_path(output)}
    kinds: tuple[Kind, ...] = ("classes", "samples", "ambiguous")[: 3 if has_opinion else 2]
    return {each: output / f"{each}.png" for each in ((kind,) if kind else kinds)}
