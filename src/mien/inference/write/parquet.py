"""Flat rows as Parquet: the columns of CSV tables, with types. Needs pyarrow (extra `tables`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mien.errors import missing_extra
from mien.inference.results import FrameResult, row_columns

MAGIC = b"PAR1"
"""What a Parquet file begins with."""

_GROUP_ROWS = 5_000  # rows that wait in memory, about 4 MB, and are compressed together


class ParquetRows:
    """A flat row per face; the file can be read once this is closed, not before."""

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        try:
            import pyarrow
            from pyarrow.parquet import ParquetWriter
        except ImportError as error:
            raise missing_extra("pyarrow", "tables") from error

        self._labels = labels
        self._schema = pyarrow.schema(list(row_columns(labels).items()))
        self._rows: list[list[Any]] = []
        self._writer = ParquetWriter(path, self._schema)

    def write(self, result: FrameResult) -> None:
        """Takes the picture's rows."""
        self._rows += result.to_rows(self._labels)
        if len(self._rows) >= _GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        """Completes the file."""
        try:
            self._write_group()
        finally:
            self._writer.close()

    def _write_group(self) -> None:
        import pyarrow

        rows, self._rows = self._rows, []
        if not rows:
            return
        columns = [
            pyarrow.array(values, field.type)
            for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(pyarrow.Table.from_arrays(columns, schema=self._schema))


def is_parquet(path: Path) -> bool:
    """Returns whether a file begins as Parquet does.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC
