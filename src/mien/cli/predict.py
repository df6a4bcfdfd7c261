"""`mien predict`: the expressions in pictures and videos."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.output import need, note
from mien.errors import BadInputError

_MANY = 10


def predict(
    source: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, videos, folders of them, patterns, - for a picture on stdin, or CSV "
            "files of face images (classified as they are).",
            show_default=False,
        ),
    ],
    model: Annotated[str, typer.Option(help="default, a model folder, or a run.")] = "default",
    detector: Annotated[
        str, typer.Option(help="retinaface, haar, or none: each picture is a face.")
    ] = "retinaface",
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object per picture or frame and line.")
    ] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Write a CSV row per face to this file; one for a picture or frame without.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Write annotated pictures and videos to this folder; of CSV files of face images, "
            "the first 36 with their expressions to this picture (.png, .svg).",
            show_default=False,
        ),
    ] = None,
    tta: Annotated[
        bool, typer.Option("--tta", help="Average several views of each face: slower, better.")
    ] = False,
    every: Annotated[
        str, typer.Option(help="Of videos: a frame every so many (3), or so often (0.5s).")
    ] = "1",
    start: Annotated[
        str, typer.Option("--from", help="Of videos: from this time on: 90, 1:30, 1:02:03.5.")
    ] = "0",
    end: Annotated[
        str | None, typer.Option("--to", help="Of videos: up to this time.", show_default=False)
    ] = None,
) -> None:
    """Read the expressions that faces in pictures and videos are perceived to show.

    Exit codes: 0 all read; 3 the only picture or video could not be read; 5 some of many could
    not, or a video broke off after some frames.
    """
    from mien.inference import Analyzer, sinks
    from mien.inference.sources import find_sources
    from mien.inference.video import Sampling, parse_every, parse_time

    until = None if end is None else parse_time(end)
    sampling = Sampling(*parse_every(every), parse_time(start), until)
    sources = find_sources(source)
    outputs: list[sinks.Sink] = [
        sinks.JsonLines(sys.stdout) if json else sinks.TextLines(sys.stdout)
    ]
    if len(sources) > 1:
        outputs.append(sinks.ErrorLines(sys.stderr))
    grid = annotated = None
    if output is not None and sinks.is_grid(output):
        need("matplotlib", "plots")
        grid = sinks.FaceGrid(output, sources)
        outputs.append(grid)
    elif output is not None:
        annotated = sinks.Annotated(output, sources)
        outputs.append(annotated)
    analyzer = Analyzer(model, detector, tta)
    with ExitStack() as stack:
        if annotated is not None:
            stack.callback(annotated.close)
        if csv is not None:
            stream = stack.enter_context(sinks.create_csv(csv, sources))
            outputs.append(sinks.CsvRows(stream, analyzer.labels))
        results = analyzer.results_with_pictures(sources, sampling)
        tally = sinks.write_results(_with_progress(results, sources), outputs)
    if grid is not None:
        grid.save()
    if tally.errors:
        if tally.num_pictures == 1:
            raise BadInputError(tally.errors[0])
        if len(sources) == 1:  # a video that broke off
            note(tally.errors[0])
        raise typer.Exit(5)


def _with_progress(results: Iterator[Any], sources: list[Any]) -> Iterator[Any]:
    """Yields the results; a bar on the terminal if there are many and no lines run beside it."""
    from mien.inference.sources import VideoSource

    total = len(sources)
    endless = any(isinstance(source, VideoSource) for source in sources)
    if total < _MANY or endless or not sys.stderr.isatty() or sys.stdout.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(results, "pictures", total, console=Console(stderr=True), transient=True)
