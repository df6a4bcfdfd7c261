"""`mien predict`: the expressions in pictures."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.output import need
from mien.errors import BadInputError

_MANY = 10


def predict(
    source: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, folders of them, patterns, - for a picture on stdin, or CSV files of "
            "face images (classified as they are).",
            show_default=False,
        ),
    ],
    model: Annotated[str, typer.Option(help="default, a model folder, or a run.")] = "default",
    detector: Annotated[
        str, typer.Option(help="retinaface, haar, or none: each picture is a face.")
    ] = "retinaface",
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object per picture, one per line.")
    ] = False,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write a CSV row per face to this file.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Write annotated pictures to this folder; of CSV files of face images, the first "
            "36 with their expressions to this picture (.png, .svg).",
            show_default=False,
        ),
    ] = None,
    tta: Annotated[
        bool, typer.Option("--tta", help="Average several views of each face: slower, better.")
    ] = False,
) -> None:
    """Read the expressions that faces in pictures are perceived to show.

    Exit codes: 0 all read; 3 the only picture could not be read; 5 some of many could not.
    """
    from mien.inference import Analyzer, sinks
    from mien.inference.sources import find_sources

    sources = find_sources(source)
    outputs: list[sinks.Sink] = [
        sinks.JsonLines(sys.stdout) if json else sinks.TextLines(sys.stdout)
    ]
    if len(sources) > 1:
        outputs.append(sinks.ErrorLines(sys.stderr))
    grid = None
    if output is not None and sinks.is_grid(output):
        need("matplotlib", "plots")
        grid = sinks.FaceGrid(output, sources)
        outputs.append(grid)
    elif output is not None:
        outputs.append(sinks.AnnotatedPictures(output, sources))
    analyzer = Analyzer(model, detector, tta)
    with ExitStack() as stack:
        if csv is not None:
            stream = stack.enter_context(sinks.create_csv(csv, sources))
            outputs.append(sinks.CsvRows(stream, analyzer.labels))
        results = analyzer.results_with_pictures(sources)
        tally = sinks.write_results(_with_progress(results, len(sources)), outputs)
    if grid is not None:
        grid.save()
    if tally.errors:
        if tally.num_pictures == 1:
            raise BadInputError(tally.errors[0])
        raise typer.Exit(5)


def _with_progress(results: Iterator[Any], total: int) -> Iterator[Any]:
    """Yields the results; a bar on the terminal if there are many and no lines run beside it."""
    if total < _MANY or not sys.stderr.isatty() or sys.stdout.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(results, "pictures", total, console=Console(stderr=True), transient=True)
