"""Sources → results → files: all that `mien predict` does, in one call."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from mien.inference.analyzer import Analyzer
from mien.inference.drawing import Detail
from mien.inference.face import Face
from mien.inference.hiding import Hiding
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import Source
from mien.inference.results import FrameResult
from mien.inference.write.pictures import open_drawings
from mien.inference.write.sinks import Sink, Table, create_table


@dataclass
class Tally:
    """The counts of a `predict` call.

    Attributes:
        num_pictures: Pictures, face images and video frames, including unreadable ones.
        num_faces: Faces found.
        errors: One message for each picture that could not be read.
        num_frames: How many of these pictures are frames of videos that could be read.
        expressions: How often each was perceived; in videos by the smoothed probabilities.
        tracks: The faces followed through videos, as source and number.
        spans: Of each video, when its first and its last frame read are shown, seconds.
    """

    num_pictures: int = 0
    num_faces: int = 0
    errors: list[str] = field(default_factory=list)
    num_frames: int = 0
    expressions: Counter[str] = field(default_factory=Counter)
    tracks: set[tuple[str, int]] = field(default_factory=set)
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)

    def write(self, result: FrameResult) -> None:
        """Counts a result: a tally is a sink."""
        self.num_pictures += 1
        if result.error is not None:
            self.errors.append(result.error)
        elif (time := result.time_seconds) is not None:
            self.num_frames += 1
            self.spans[result.source] = (self.spans.get(result.source, (time, time))[0], time)
        for face in map(Face.as_smoothed, result.faces):
            self.num_faces += 1
            self.expressions[face.expression] += 1
            if face.track_id is not None:
                self.tracks.add((result.source, face.track_id))


def predict(
    sources: Sequence[Source],
    analyzer: Analyzer,
    sinks: Sequence[Sink] = (),
    *,
    csv: str | Path | None = None,
    parquet: str | Path | None = None,
    output: str | Path | None = None,
    detail: Detail = "bars",
    hide: Hiding | None = None,
    sampling: Sampling | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> Tally:
    """Reads the expressions in sources, writes each result as it comes, and returns the counts.

    Args:
        sources: What `find_sources` returns.
        analyzer: Finds and classifies the faces.
        sinks: Further receivers of the results: objects with `write(result)`.
        csv: A table to write, with a row for each face, and one for a picture without a face.
        parquet: The same table in Parquet; the file appears once all sources are read.
        output: A folder for annotated pictures and videos; a file (`.jpg`, `.png`, `.webp`) for
            that of one picture; or, for files of face images, a `.png` or `.svg` file for a grid of
            the first 36.
        detail: How much is drawn of a face there: `boxes`, `labels` (and boxes), `bars` (and both).
        hide: How faces are made unrecognisable there: `blur`, `pixelate` or `solid`; None shows
            them. Rows, and what other sinks are given, stay as they are.
        sampling: Which frames of videos to read; None reads all.
        say: Called with a message for people when a video is copied to another kind of file.

    Raises:
        UsageError: A source would be written over, or cannot be drawn.
        BadInputError: A file cannot be written.
        MissingError: pyarrow is needed and not installed.

    Example:
        >>> from mien.inference import Analyzer, find_sources, predict
        >>> tally = predict(find_sources(["examples", "clip.mp4"]), Analyzer(), csv="rows.csv")
        >>> tally.num_pictures, tally.num_faces, tally.errors
        (3, 3, [])
    """
    tally, taking = Tally(), list(sinks)
    with ExitStack() as stack:
        if output is not None:
            path = Path(output)
            drawings = open_drawings(path, sources, sampling, say, detail=detail, hide=hide)
            taking.append(stack.enter_context(drawings))
        tables: dict[Table, str | Path | None] = {"csv": csv, "parquet": parquet}
        for kind, path in tables.items():
            if path is not None:
                rows = create_table(Path(path), kind, analyzer.labels, sources)
                taking.append(stack.enter_context(rows))
        results = analyzer.results(sources, sampling, keep_pixels=output is not None)
        for result in stack.enter_context(closing(results)):
            for sink in (*taking, tally):
                sink.write(result)
    return tally
