"""The result of a picture or frame: as Python objects, as nested JSON, and as rows of a table."""

import base64
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from html import escape
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np

from mien.errors import BadInputError, MienError, UsageError
from mien.files import write_whole
from mien.inference.detection import Detection
from mien.inference.drawing import Detail, draw_faces
from mien.inference.exchange import to_supervision, to_table
from mien.inference.face import Face
from mien.inference.hiding import Hiding, hide_faces
from mien.labels import EXPRESSIONS
from mien.pictures import read_picture, resize
from mien.text import printable

if TYPE_CHECKING:
    import pandas
    import polars
    from PIL.Image import Image

SCHEMA_VERSION = 1
"""Of the JSON and the columns below: raised when a key or column changes or goes."""

_SIDES = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class Reader:
    """What reads expressions.

    Attributes:
        labels: The expressions, in the model's order.
        model: Which model: SHA-256 of its network's file, the first 16 digits.
    """

    labels: tuple[str, ...] = EXPRESSIONS
    model: str | None = None


@dataclass(frozen=True, repr=False)
class FrameResult(Sequence[Face]):
    """A picture, or a frame of a video, and the faces in it; iterates and indexes as these.

    A reader gives it with its pixels, or with why it could not be read. Then its faces are found,
    their expressions read, and, of videos, their tracks followed.

    Attributes:
        source: The path of the picture or video, or another name for it.
        width, height: Its size, pixels, upright; None if it could not be read.
        faces: The faces, most certain detection first; none is no error.
        error: Why it could not be read, or None.
        frame: The frame's number in its video, from 0; None for a picture, and for the error of a
            video that could not be read on.
        time_seconds: When it is shown, seconds from the video's start; None like `frame`.
        is_passing: The error is the system's, not the file's: tried again, it may be read.
        is_cut: Another scene begins with this frame: who is in it has not been seen before.
        rgb: Its pixels, uint8 `[H, W, 3]`, upright; None where they are not kept.
        detections: Faces that were found, and whose expressions are not read yet; None until they
            were looked for, and after.
        reader: What read the expressions.

    Example:
        >>> from mien import Analyzer
        >>> (result,) = Analyzer().results(["examples/astronaut.jpg"])
        >>> result.source, result.width, result.height, len(result)
        ('examples/astronaut.jpg', 512, 512, 1)
        >>> (result,) = Analyzer().results(["nothing.jpg"])
        >>> result.error
        'nothing.jpg: no such file or folder'
    """

    source: str
    width: int | None = None
    height: int | None = None
    faces: tuple[Face, ...] = ()
    error: str | None = None
    frame: int | None = None
    time_seconds: float | None = None
    is_passing: bool = False
    is_cut: bool = False
    rgb: np.ndarray | None = field(default=None, repr=False, compare=False)
    detections: tuple[Detection, ...] | None = field(default=None, repr=False, compare=False)
    reader: Reader = field(default=Reader(), repr=False, compare=False)

    @classmethod
    def of_pixels(
        cls,
        source: str,
        rgb: np.ndarray,
        frame: int | None = None,
        time_seconds: float | None = None,
    ) -> Self:
        """Returns a picture or frame, RGB uint8 `[H, W, 3]`, before its faces are detected."""
        height, width = rgb.shape[:2]
        return cls(source, width, height, frame=frame, time_seconds=time_seconds, rgb=rgb)

    def __post_init__(self) -> None:
        unread = self.width is None or self.height is None
        if unread != (self.error is not None) or (unread and self.faces):
            raise ValueError("a picture has either a size or an error, and faces only with a size")
        if (self.frame is None) != (self.time_seconds is None):
            raise ValueError("a frame of a video has both a number and a time")

    def follows(self, other: "FrameResult") -> bool:
        """Returns whether it is a later frame of the same video, not the same one read again."""
        if self.frame is None or other.frame is None:
            return False
        return self.source == other.source and self.frame > other.frame

    @overload
    def __getitem__(self, index: int) -> Face: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Face, ...]: ...
    def __getitem__(self, index: int | slice) -> Face | tuple[Face, ...]:
        return self.faces[index]

    def __len__(self) -> int:
        return len(self.faces)

    def __repr__(self) -> str:
        return f"<FrameResult {printable(self.source)}: {self._in_words()}>"

    def _repr_html_(self) -> str:
        """Returns the picture with its faces drawn and a small table, for notebooks."""
        page = [f"<p>{escape(printable(self.source))}: {escape(self._in_words())}</p>"]
        with suppress(MienError):  # pixels that are not there: the words alone
            stream = io.BytesIO()
            _image(_no_larger(self.draw(), 960)).save(stream, "JPEG", quality=85)
            data = base64.b64encode(stream.getvalue()).decode()
            page.append(f'<img src="data:image/jpeg;base64,{data}" style="max-width: 100%">')
        if self.faces:
            head = "".join(f"<th>{escape(label)}</th>" for label in self.reader.labels)
            page.append(f"<table><tr><th></th><th>expression</th>{head}</tr>")
            for index, face in enumerate(self.faces):
                cells = "".join(f"<td>{value:.0%}</td>" for value in face.probabilities.values())
                name = escape(face.expression) + "?" * face.uncertain
                page.append(f"<tr><td>{index}</td><td>{name}</td>{cells}</tr>")
            page.append("</table>")
        return "".join(page)

    def pixels(self) -> np.ndarray:
        """Returns the picture, RGB uint8 `[H, W, 3]`, upright; read again where it was not kept.

        Raises:
            UsageError: It was not kept, and is no file that could be read again.
            MienError: It cannot be read.
        """
        if self.rgb is not None:
            return self.rgb
        if self.error is not None:
            raise BadInputError(self.error)
        if self.frame is not None or not Path(self.source).is_file():
            raise UsageError(
                f"{printable(self.source)}: its pixels were not kept; ask for them: "
                "Analyzer.results(…, keep_pixels=True)"
            )
        return read_picture(Path(self.source))

    def hide(self, how: Hiding) -> Self:
        """Returns it with its faces made unrecognisable in its pixels; see `hide_faces`.

        What is drawn, saved, shown or cut out of it is hidden then: `result.hide("blur").save(…)`.

        Args:
            how: `blur`, `pixelate` or `solid`.

        Raises:
            MienError: As `pixels`; or `how` is none of these.
        """
        boxes = [face.box for face in self.faces]
        return replace(self, rgb=hide_faces(self.pixels(), boxes, how))

    def draw(self, detail: Detail = "bars") -> np.ndarray:
        """Returns the picture with its faces drawn: boxes, expressions, bars; uint8 `[H, W, 3]`.

        Args:
            detail: How much is drawn: `boxes`, `labels` (and boxes) or `bars` (and both).

        Raises:
            MienError: As `pixels`; or `detail` is none of these.
        """
        return draw_faces(self.pixels(), self.faces, detail)

    def save(self, path: str | Path, detail: Detail = "bars") -> Path:
        """Writes the picture with its faces drawn; returns the path. Its ending says the format.

        Args:
            path: Ends in `.jpg`, `.jpeg`, `.png` or `.webp`.
            detail: As `draw` takes it.

        Raises:
            MienError: As `draw`; or it cannot be written there.
        """
        path = Path(path)
        kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}.get(
            path.suffix.lower()
        )
        if kind is None:
            raise UsageError(f"{path}: pictures are written as .jpg, .png or .webp")
        picture = _image(self.draw(detail))
        with write_whole(path) as file:
            picture.save(file, kind, quality=92)
        return path

    def show(self) -> None:
        """Shows the picture with its faces drawn: in a notebook there, else in a window."""
        with suppress(ImportError, NameError):
            from IPython import get_ipython  # type: ignore[import-not-found]
            from IPython.display import display  # type: ignore[import-not-found]

            if get_ipython() is not None:
                display(self)
                return
        _image(self.draw()).show()

    def crops(self) -> list[np.ndarray]:
        """Returns the pixels in each face's box, RGB uint8 `[h, w, 3]`.

        Raises:
            MienError: As `pixels`.
        """
        if not self.faces:
            return []
        rgb, crops = self.pixels(), []
        for face in self.faces:
            left, top, right, bottom = (round(value) for value in face.box)
            crops.append(rgb[top : max(bottom, top + 1), left : max(right, left + 1)].copy())
        return crops

    def to_dict(self) -> dict[str, Any]:
        """Returns the nested page of JSON's types that `mien predict --json` prints.

        `frame` and `time_seconds` stand in those of videos.
        """
        page: dict[str, Any] = {"source": printable(self.source)}
        if self.time_seconds is not None:
            page |= {"frame": self.frame, "time_seconds": round(self.time_seconds, 6)}
        return page | {
            "width": self.width,
            "height": self.height,
            "faces": [face.to_dict() for face in self.faces],
            "error": self.error and printable(self.error),
            **self._origin(),
        }

    def to_json(self, indent: int | None = None) -> str:
        """Returns `to_dict` as JSON text, on one line unless `indent` says otherwise."""
        return json.dumps(self.to_dict(), allow_nan=False, indent=indent)

    def to_pandas(self) -> "pandas.DataFrame":
        """Returns a data frame with a row per face; see `mien.to_table`, which takes several."""
        return to_table(self, "pandas")

    def to_polars(self) -> "polars.DataFrame":
        """Returns a data frame with a row per face; see `mien.to_table`, which takes several."""
        return to_table(self, "polars")

    def to_supervision(self) -> Any:
        """Returns `supervision.Detections`; see `mien.inference.exchange.to_supervision`."""
        return to_supervision(self)

    def columns(self) -> dict[str, str]:
        """Returns the columns of its rows and their types: `row_columns` of the model's labels."""
        return row_columns(self.reader.labels)

    def to_rows(self, labels: Sequence[str] | None = None) -> list[list[Any]]:
        """Returns the flat rows, one per face, with the cells that `row_columns(labels)` names.

        Cells are of JSON's types; None where a table's is empty.
        A picture or frame without a face, and one that could not be read, has one row with empty
        cells.

        Args:
            labels: Of the table's columns; the model's, unless given.
        """
        page = self.to_dict()
        names = row_columns(self.reader.labels if labels is None else labels)
        rows = [page | _cells(face) for face in page["faces"]] or [page]
        return [[row.get(name) for name in names] for row in rows]

    def _origin(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "mien_version": _version(),
            "model": self.reader.model,
        }

    def _in_words(self) -> str:
        if self.error is not None:
            return printable(self.error)
        seen = [
            f"{face.expression}{'?' * face.uncertain} {face.confidence:.0%}" for face in self.faces
        ]
        more = f", {len(seen) - 5} more" if len(seen) > 5 else ""
        count = "no face" if not seen else "1 face: " if len(seen) == 1 else f"{len(seen)} faces: "
        time = "" if self.time_seconds is None else f" at {self.time_seconds:.3f} s"
        return count + ", ".join(seen[:5]) + more + time


def row_columns(labels: Sequence[str]) -> dict[str, str]:
    """Returns the columns of flat rows, in their order, each with its type by Arrow's name.

    CSV, Parquet and the page's table all have these. `x1` to `y2` are a face's box. Pictures leave
    the columns of videos empty: `frame`, `time_seconds`, `track_id` and `smoothed_…`. The last
    three say what the row came from: version of these columns, version of mien, model.
    """
    return {
        "source": "string",
        "frame": "int32",
        "time_seconds": "float64",
        "track_id": "int32",
        **dict.fromkeys((*_SIDES, "detection_score"), "float32"),
        "expression": "string",
        "confidence": "float32",
        "uncertain": "bool",
        **{f"p_{label}": "float32" for label in labels},
        **{f"smoothed_{label}": "float32" for label in labels},
        "error": "string",
        "schema_version": "int32",
        "mien_version": "string",
        "model": "string",
    }


def _cells(face: dict[str, Any]) -> dict[str, Any]:
    """Returns the cells of a face's JSON object by the names of their columns."""
    return {
        **face,
        **dict(zip(_SIDES, face["box"], strict=True)),
        **{f"p_{label}": value for label, value in face["probabilities"].items()},
        **{f"smoothed_{label}": value for label, value in face.get("smoothed", {}).items()},
    }


@cache
def _version() -> str:
    return metadata.version("mien")


def _image(rgb: np.ndarray) -> "Image":
    from PIL import Image

    return Image.fromarray(rgb)


def _no_larger(rgb: np.ndarray, side: int) -> np.ndarray:
    height, width = rgb.shape[:2]
    scale = min(1.0, side / max(height, width))
    return resize(rgb, max(1, round(height * scale)), max(1, round(width * scale)))
