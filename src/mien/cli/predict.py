"""`mien predict`: the expressions in pictures and videos."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.cli.options import Detector, Device, Hide, MinConfidence, Model, Precision, Threads
from mien.cli.output import need, note, print_json, progress_bar, tell
from mien.errors import BadInputError, UsageError
from mien.processors import limit_cores
from mien.text import counted

if TYPE_CHECKING:
    from mien.inference.corpus.worker import VideoSettings
    from mien.inference.predictions import Tally
    from mien.inference.read.sources import Source
    from mien.inference.results import FrameResult
    from mien.inference.write import sinks

_MANY = 10
_ROWS = "next: --csv FILE or --json, for rows; --output FOLDER, to see them drawn"


Sources = Annotated[
    list[str],
    typer.Argument(
        help="Pictures, videos, folders of them, patterns, - for a picture on stdin, or CSV "
        "files of face images (classified as they are).",
        show_default=False,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print a JSON object per picture or frame and line.")
]
Csv = Annotated[
    Path | None,
    typer.Option(
        help="Write a CSV row per face to this file; one for a picture or frame without.",
        show_default=False,
    ),
]
Parquet = Annotated[
    Path | None,
    typer.Option(
        help="Write the same rows, with types, to this Parquet file; it appears when all is read.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Write annotated pictures and videos to this folder, of one picture to this file "
        "(.jpg, .png, .webp); of CSV files of face images, the first 36 with their expressions "
        "to this picture (.png, .svg). With --tables: where tables go instead.",
        show_default=False,
    ),
]
Draw = Annotated[
    Literal["boxes", "labels", "bars"] | None,
    typer.Option(
        help="With --output: how much is drawn of a face: boxes; labels, and boxes; or bars, "
        "and both.  [bars]",
        show_default=False,
    ),
]
Tables = Annotated[
    Literal["csv", "parquet"] | None,
    typer.Option(
        help="Of many videos: write a table of each, and summary.csv with a row per video and "
        "face, to the folder --output. --workers and --resume mean csv, unless given.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="With --tables: how many videos are read at a time.  [1]",
        show_default=False,
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="With --tables: go on after a stop; what is done stays."),
]
Tta = Annotated[
    bool, typer.Option("--tta", help="Average several views of each face: slower, better.")
]
DetectEvery = Annotated[
    int,
    typer.Option(
        help="Of videos: look for faces in every so many of the frames, and follow them "
        "between: faster."
    ),
]
DetectSize = Annotated[
    str | None,
    typer.Option(
        help="Shrink pictures to this longer side, pixels, to look for faces: faster, but "
        "small faces are lost (retinaface: under 22 of these pixels). auto: videos, to what the "
        "faces in sight need; new small faces are found up to a second late.  [retinaface 1280, "
        "haar 640]",
        metavar="PIXELS|auto",
        show_default=False,
    ),
]
Patience = Annotated[
    float,
    typer.Option(
        min=0.1,
        help="Give up a picture that takes so many seconds to be read, and, with --tables, a "
        "video that gives no frame for so long. An error row says so.",
    ),
]
Every = Annotated[
    str, typer.Option(help="Of videos: a frame every so many (3), or so often (0.5s).")
]
Start = Annotated[
    str, typer.Option("--from", help="Of videos: from this time on: 90, 1:30, 1:02:03.5.")
]
End = Annotated[
    str | None, typer.Option("--to", help="Of videos: up to this time.", show_default=False)
]


def predict(
    source: Sources,
    model: Model = "default",
    detector: Detector = "retinaface",
    json: Json = False,
    csv: Csv = None,
    parquet: Parquet = None,
    output: Output = None,
    draw: Draw = None,
    hide: Hide = None,
    tables: Tables = None,
    workers: Workers = None,
    resume: Resume = False,
    tta: Tta = False,
    detect_every: DetectEvery = 1,
    detect_size: DetectSize = None,
    min_confidence: MinConfidence = 0.5,
    patience: Patience = 120.0,
    every: Every = "1",
    start: Start = "0",
    end: End = None,
    precision: Precision = "auto",
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Read the expressions perceived in pictures and videos.

    Prints a line per face. On a terminal, a video ends in a summary instead.

    A single picture or video that cannot be read is code 3; one that breaks off is code 5.
    """
    from mien.inference import Analyzer, Sampling, find_sources
    from mien.inference import predict as predict_all
    from mien.inference.read.sampling import parse_every, parse_time
    from mien.inference.see.detectors import parse_longest_side

    limit_cores(threads)
    longest_side = None if detect_size is None else parse_longest_side(detect_size)
    until = None if end is None else parse_time(end)
    sampling = Sampling(*parse_every(every), parse_time(start), until)
    if parquet is not None or tables == "parquet":
        need("pyarrow", "tables")
    sources = find_sources(source)
    if tables is not None or workers is not None or resume:
        from mien.inference.corpus.worker import VideoSettings

        _refuse_beside_tables(csv or parquet, draw or hide)
        how = (model, detector, tta, detect_every, longest_side, sampling, tables or "csv")
        settings = VideoSettings(
            *how, min_confidence=min_confidence, precision=precision, device=device
        )
        _write_tables(sources, output, settings, resume, workers or 1, patience, json)
        return
    _check_drawing(output, sources, draw, hide)
    has_lines, has_bar = _what_to_show(sources, json)
    in_table = csv is not None or parquet is not None
    analyzer = Analyzer(
        model,
        detector,
        tta,
        detect_every=detect_every,
        detect_size=longest_side,
        patience_seconds=patience,
        min_confidence=min_confidence,
        precision=precision,
        device=device,
    )
    with progress_bar(sources, sampling, has_bar) as progress:
        # made here: lines go where the bar has sent stdout
        taking: list[sinks.Sink] = [progress, *_lines(json, has_lines, in_table, len(sources))]
        tally = predict_all(
            sources,
            analyzer,
            taking,
            csv=csv,
            parquet=parquet,
            output=output,
            detail=draw or "bars",
            hide=hide,
            sampling=sampling,
            say=note,
        )
    _end(tally, len(sources), [path for path in (csv, parquet, output) if path is not None])


def _what_to_show(sources: "Sequence[Source]", json: bool) -> tuple[bool, bool]:
    """Returns whether there is a line for each face, and whether there is a bar.

    On a terminal a bar, and what it came to, say more than a line per frame of a video.
    """
    from mien.inference.read.sources import VideoSource

    has_video = any(isinstance(each, VideoSource) for each in sources)
    has_lines = json or not (has_video and sys.stdout.isatty() and sys.stderr.isatty())
    has_bar = sys.stderr.isatty() and not (has_lines and sys.stdout.isatty())
    return has_lines, has_bar and (has_video or len(sources) >= _MANY)


def _end(tally: "Tally", num_sources: int, written: list[Path]) -> None:
    """Says what it came to; ends the command with its code if something could not be read."""
    if tally.errors and tally.num_pictures == 1:
        raise BadInputError(tally.errors[0])
    files = ", ".join(map(str, written))
    tell(*_came_to(tally), f"written: {files}" if files else _ROWS)
    if tally.errors:
        if num_sources == 1:  # a video that broke off
            note(tally.errors[0])
        raise typer.Exit(5)


def _refuse_beside_tables(table: Path | None, drawing: str | None) -> None:
    if table is not None:
        raise UsageError("--tables writes a table per video: leave --csv and --parquet out")
    if drawing is not None:
        raise UsageError("--tables draws nothing: leave --draw and --hide out")


def _check_drawing(
    output: Path | None, sources: "list[Source]", draw: str | None, hide: str | None
) -> None:
    """Raises UsageError for options without a picture that they could change."""
    from mien.inference.write.pictures import is_grid

    if output is None and (draw is not None or hide is not None):
        raise UsageError("--draw and --hide are for what is drawn: expected --output with them")
    if output is not None and is_grid(output, sources):
        need("matplotlib", "plots")
        if draw is not None:
            note("--draw has no effect on a grid of face images")


def _lines(json: bool, has_lines: bool, in_table: bool, num_sources: int) -> "list[sinks.Lines]":
    """Returns what prints results, and errors among several sources."""
    from mien.inference.write import sinks

    found = [sinks.Lines(sys.stderr, sinks.error_lines)] if num_sources > 1 else []
    if has_lines:
        return [sinks.Lines(sys.stdout, sinks.json_lines if json else sinks.text_lines), *found]
    return found if in_table else [sinks.Lines(sys.stdout, _picture_lines), *found]


def _picture_lines(result: "FrameResult") -> Iterable[str]:
    from mien.inference.write.sinks import text_lines

    return () if result.time_seconds is not None else text_lines(result)


def _came_to(tally: "Tally") -> list[str]:
    """Returns what was read and found, in lines that fit a terminal."""
    num_pictures = tally.num_pictures - tally.num_frames - len(tally.errors)
    read = [counted(num_pictures, "picture")] if num_pictures else []
    if tally.num_frames:
        seconds = sum(end - start for start, end in tally.spans.values())
        read.append(f"{seconds:.1f} s of video ({counted(tally.num_frames, 'frame')})")
    faces = counted(len(tally.tracks), "face") + " followed" if tally.tracks else ""
    faces = faces or counted(tally.num_faces, "face")
    lines = [f"{' and '.join(read) or 'nothing'} read: {faces}"]
    shown = tally.expressions.most_common()
    if tally.num_frames:
        shares = [f"{name} {count / tally.num_faces:.0%}" for name, count in shown]
        lines += [f"of the time seen: {', '.join(shares)}"] if shares else []
    elif tally.num_faces > 1:
        lines.append(", ".join(f"{count:,} {name}" for name, count in shown))
    if tally.errors:
        lines.append(f"could not be read: {len(tally.errors):,}")
    return lines


def _write_tables(
    sources: "list[Source]",
    folder: Path | None,
    settings: "VideoSettings",
    resume: bool,
    num_workers: int,
    patience: float,
    json: bool,
) -> None:
    """Writes a table per video and prints what each came to."""
    from mien.inference.corpus.folder import Corpus, VideoRecord
    from mien.inference.read.sources import VideoSource
    from mien.inference.write.pictures import is_file

    if folder is None or is_file(folder):
        raise UsageError("--tables, --workers and --resume need a folder: --output DIR")
    videos = [source for source in sources if isinstance(source, VideoSource)]
    if not videos:
        raise UsageError("--tables, --workers and --resume are for videos: none was found")
    if len(videos) < len(sources):
        note(f"{counted(len(sources) - len(videos), 'file')} left out: tables are of videos")
    corpus = Corpus(videos, folder, settings, resume)
    if corpus.done:
        note(f"done already: {counted(len(corpus.done), 'video')}, {len(corpus.pending)} to read")
    with (
        progress_bar(corpus.pending, settings.sampling, sys.stderr.isatty()) as progress,
        closing(corpus.run(num_workers, patience)) as events,
    ):
        for event in events:
            if not isinstance(event, VideoRecord):
                progress.reach(event.source, event.time_seconds)
                continue
            progress.reach(event.source, float("inf"))
            if json:
                print_json(event.to_json())
            else:
                typer.echo(event.describe())
            if event.summary.error is not None:
                note(event.summary.error)
    tell(f"{counted(len(videos), 'video')}: tables in {folder}, summed up in {corpus.summary}")
    if corpus.errors:
        note(f"errors in {counted(len(corpus.errors), 'video')}: see {corpus.summary}")
        raise typer.Exit(5)
