"""Results → the objects of other libraries: data frames, Arrow tables, supervision's detections."""

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mien.errors import UsageError, missing_extra

if TYPE_CHECKING:
    from mien.inference.results import FrameResult

TableKind = Literal["pandas", "polars", "arrow", "dicts"]
_KINDS = ("pandas", "polars", "arrow", "dicts")
# How both data frames call the types that `columns` names as Arrow does.
_NAMES = {
    "string": "String",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
    "bool": "Boolean",
}


def to_table(results: "FrameResult | Iterable[FrameResult]", kind: TableKind = "pandas") -> Any:
    """Returns results as one table, a row per face, and one for a picture or frame without.

    The columns are those of `mien predict --csv`.

    Args:
        results: A result, or several: a list, or what `Analyzer.results` yields.
        kind: `pandas` and `polars` give a data frame, `arrow` a `pyarrow.Table`, `dicts` a list of
            dicts. The first two need the package of that name (extra `frames`), `arrow` the extra
            `tables`.

    Raises:
        MissingError: The package is not installed.
        UsageError: No such kind.

    Example:
        >>> from mien import Analyzer, to_table
        >>> results = Analyzer()(["examples/astronaut.jpg", "nothing.jpg"])
        >>> table = to_table(results)
        >>> table[["source", "expression"]].values.tolist()
        [['examples/astronaut.jpg', 'happy'], ['nothing.jpg', <NA>]]
    """
    if kind not in _KINDS:
        raise UsageError(f"table of kind {kind!r}: expected {', '.join(_KINDS)}")
    several: Iterable[FrameResult] = [results] if hasattr(results, "faces") else results  # type: ignore[list-item,assignment]
    columns: dict[str, str] = {}
    rows: list[list[Any]] = []
    for result in several:
        found = result.columns()
        if columns and found != columns:
            raise UsageError(f"{result.source}: read by a model with other labels than the first")
        columns = found
        rows += result.to_rows()
    if kind == "dicts":
        return [dict(zip(columns, row, strict=True)) for row in rows]
    values = dict(zip(columns, map(list, zip(*rows, strict=True)), strict=False))
    values = {name: values.get(name, []) for name in columns}
    if kind == "arrow":
        arrow = _load("pyarrow", "tables")
        return arrow.table(values, schema=arrow.schema(list(columns.items())))
    library = _load(kind, "frames")
    types = {
        name: getattr(library, f"{_NAMES[of]}{'Dtype' * (kind == 'pandas')}")
        for name, of in columns.items()
    }
    if kind == "polars":
        return library.DataFrame(values, schema=types)
    return library.DataFrame({n: library.array(each, types[n]()) for n, each in values.items()})


def to_supervision(result: "FrameResult") -> Any:
    """Returns a result as `supervision.Detections`: boxes, confidences, classes, tracks.

    `class_id` is the place of the expression among the model's labels; `data` has `class_name`.

    Raises:
        MissingError: The package supervision is not installed.
    """
    supervision = _load("supervision")
    if not result.faces:
        return supervision.Detections.empty()
    tracks = [face.track_id for face in result.faces]
    labels = list(result.faces[0].probabilities)
    return supervision.Detections(
        xyxy=np.array([face.box for face in result.faces], np.float32),
        confidence=np.array([face.confidence for face in result.faces], np.float32),
        class_id=np.array([labels.index(face.expression) for face in result.faces]),
        tracker_id=None if None in tracks else np.array(tracks),
        data={"class_name": np.array([face.expression for face in result.faces])},
    )


def _load(package: str, extra: str | None = None) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise missing_extra(package, extra) from error
