"""`mien predict`: the expressions in pictures and videos."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.options import Model
from mien.cli.output import need, note, print_json
from mien.errors import BadInputError, UsageError

_MANY = 10


class TableKind(StrEnum):
    """The formats of tables."""

    CSV = "csv"
    PARQUET = "parquet"


def predict(
    source: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, videos, folders of them, patterns, - for a picture on stdin, or CSV "
            "files of face images (classified as they are).",
            show_default=False,
        ),
    ],
    model: Model = "default",
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
    parquet: Annotated[
        Path | None,
        typer.Option(
            help="Write the same rows, with types, to this Parquet file; it appears when all is "
            "read.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Write annotated pictures and videos to this folder; of CSV files of face images, "
            "the first 36 with their expressions to this picture (.png, .svg). With --tables: "
            "where tables go instead.",
            show_default=False,
        ),
    ] = None,
    tables: Annotated[
        TableKind | None,
        typer.Option(
            help="Of many videos: write a table of each, and summary.csv with a row per video and "
            "face, to the folder --output. --workers and --resume mean csv, unless given.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --tables: how many videos are read at a time.  [1]",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="With --tables: go on after a stop; what is done stays."),
    ] = False,
    tta: Annotated[
        bool, typer.Option("--tta", help="Average several views of each face: slower, better.")
    ] = False,
    detect_every: Annotated[
        int,
        typer.Option(
            help="Of videos: look for faces in every so many of the frames, and follow them "
            "between: faster."
        ),
    ] = 1,
    detect_size: Annotated[
        int | None,
        typer.Option(
            help="Shrink pictures to this longer side, pixels, to look for faces: faster, but "
            "small faces are lost (retinaface: under 22 of these pixels).  [retinaface 1280, "
            "haar 640]",
            show_default=False,
        ),
    ] = None,
    patience: Annotated[
        float,
        typer.Option(
            min=0.1,
            help="Give up a picture that takes so many seconds to be read, and, with --tables, a "
            "video that gives no frame for so long. An error row says so.",
        ),
    ] = 120.0,
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
    if parquet is not None or tables == TableKind.PARQUET:
        need("pyarrow", "tables")
    sources = find_sources(source)
    if tables is not None or workers is not None or resume:
        from mien.inference.corpus_worker import VideoSettings

        if csv is not None or parquet is not None:
            raise UsageError("--tables writes a table per video: leave --csv and --parquet out")
        if output is None or sinks.is_grid(output):
            raise UsageError("--tables, --workers and --resume need a folder: --output DIR")
        table = "csv" if tables is None else tables.value
        settings = VideoSettings(model, detector, tta, detect_every, detect_size, sampling, table)
        _write_tables(sources, output, settings, resume, workers or 1, patience, json)
        return
    # On a terminal a bar says more than the lines of a video whose rows go to a file.
    in_table = csv is not None or parquet is not None
    has_lines = json or not (in_table and _has_video(sources) and _on_terminal())
    outputs: list[sinks.Sink] = []
    if has_lines:
        outputs.append(sinks.JsonLines(sys.stdout) if json else sinks.TextLines(sys.stdout))
    if len(sources) > 1:
        outputs.append(sinks.ErrorLines(sys.stderr))
    grid = annotated = None
    if output is not None and sinks.is_grid(output):
        need("matplotlib", "plots")
        grid = sinks.FaceGrid(output, sources)
        outputs.append(grid)
    elif output is not None:
        annotated = sinks.Annotated(output, sources, sampling)
        outputs.append(annotated)
        for name, target in annotated.renamed:
            note(f"{name}: its copy is {target}")
    analyzer = Analyzer(
        model,
        detector,
        tta,
        detect_every=detect_every,
        detect_size=detect_size,
        patience_seconds=patience,
    )
    with ExitStack() as stack:
        if annotated is not None:
            stack.callback(annotated.close)
        if csv is not None:
            stream = stack.enter_context(sinks.create_csv(csv, sources))
            outputs.append(sinks.CsvRows(stream, analyzer.labels))
        if parquet is not None:
            rows = sinks.create_parquet(parquet, analyzer.labels, sources)
            outputs.append(stack.enter_context(rows))
        keep = output is not None
        results = stack.enter_context(
            closing(analyzer.results_with_pictures(sources, sampling, keep))
        )
        shown = _with_progress(results, sources, sampling, has_lines)
        tally = sinks.write_results(shown, outputs)
    if grid is not None:
        grid.save()
    if tally.errors:
        if tally.num_pictures == 1:
            raise BadInputError(tally.errors[0])
        if len(sources) == 1:  # a video that broke off
            note(tally.errors[0])
        raise typer.Exit(5)


def _write_tables(
    sources: list[Any],
    folder: Path,
    settings: Any,
    resume: bool,
    num_workers: int,
    patience: float,
    json: bool,
) -> None:
    """Writes a table per video and prints what each came to."""
    from mien.inference.corpus import Corpus, VideoRecord
    from mien.inference.progress import SecondsRead
    from mien.inference.sources import VideoSource

    videos = [source for source in sources if isinstance(source, VideoSource)]
    if not videos:
        raise UsageError("--tables, --workers and --resume are for videos: none was found")
    if len(videos) < len(sources):
        note(f"{len(sources) - len(videos)} files left out: tables are of videos")
    corpus = Corpus(videos, folder, settings, resume)
    if corpus.done:
        note(f"{len(corpus.done)} videos are done already, {len(corpus.pending)} to read")
    has_bar = sys.stderr.isatty()
    seconds = SecondsRead(corpus.pending if has_bar else [], settings.sampling)
    with (
        _bar(seconds.total, has_bar) as advance,
        closing(corpus.run(num_workers, patience)) as events,
    ):
        for event in events:
            if not isinstance(event, VideoRecord):
                advance(seconds.reach(event.source, event.time_seconds))
                continue
            advance(seconds.finish(event.source))
            if json:
                print_json(event.to_json())
            else:
                typer.echo(event.describe())
            if event.summary.error is not None:
                note(event.summary.error)
    if corpus.errors:
        note(f"errors in {len(corpus.errors)} videos: see {corpus.summary}")
        raise typer.Exit(5)


def _with_progress(
    results: Iterator[Any], sources: list[Any], sampling: Any, has_lines: bool
) -> Iterator[Any]:
    """Yields the results; a bar on the terminal if there are many and no lines run beside it."""
    from mien.inference.progress import SecondsRead
    from mien.inference.sources import VideoSource

    videos = [source for source in sources if isinstance(source, VideoSource)]
    has_bar = sys.stderr.isatty() and not (has_lines and sys.stdout.isatty())
    if not has_bar or (not videos and len(sources) < _MANY):
        yield from results
        return
    seconds = SecondsRead(videos, sampling)
    total = seconds.total if videos else len(sources)
    with _bar(total, has_bar) as advance:
        for number, pair in enumerate(results, 1):
            result, _ = pair
            yield pair
            if not videos:
                advance(number)
            elif result.time_seconds is not None:
                advance(seconds.reach(result.source, result.time_seconds))
        advance(total)


@contextmanager
def _bar(total: float, is_shown: bool) -> Iterator[Callable[[float], None]]:
    """Yields what moves a bar on stderr, with the time left, to so much of the total."""
    if not is_shown:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(elapsed_when_finished=True))
    # Lines for a terminal go above the bar; those for a file or a pipe stay theirs.
    redirect = sys.stdout.isatty()
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=redirect
    ) as bar:
        task = bar.add_task("", total=total or None)
        yield lambda done: bar.update(task, completed=done)


def _has_video(sources: list[Any]) -> bool:
    from mien.inference.sources import VideoSource

    return any(isinstance(source, VideoSource) for source in sources)


def _on_terminal() -> bool:
    return sys.stdout.isatty() and sys.stderr.isatty()
