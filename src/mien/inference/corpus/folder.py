"""Many videos → a folder with a table for each and a summary; a stopped run can be resumed.

Beside the tables lies `corpus.jsonl`, the record: the settings on its first line, then a line for
each finished video. Lines are only appended, each after its table is complete, so the record is
right however a run was stopped. `summary.csv` is made from it.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Self

from pydantic import TypeAdapter

from mien.classifier import find_network
from mien.errors import BadInputError, UsageError
from mien.files import write_whole
from mien.inference.corpus.pool import PATIENCE_SECONDS, run_tasks
from mien.inference.corpus.summary import VideoSummary, summary_columns, summary_rows
from mien.inference.corpus.worker import Finished, Reached, Task, VideoSettings, write_error
from mien.inference.face import check_confidence
from mien.inference.read.sources import VideoSource
from mien.inference.results import Reader
from mien.inference.see.detecting import check_every
from mien.inference.see.detectors import create_detector
from mien.inference.write.pictures import take_name
from mien.locks import FolderLock
from mien.model_folder import read_config, resolve
from mien.sessions import find_device
from mien.text import counted, table_cell

JOURNAL, SUMMARY = "corpus.jsonl", "summary.csv"
_FORMAT = 2  # 1 had tables without the columns of their origin


@dataclass(frozen=True)
class VideoRecord:
    """A video that is done.

    Attributes:
        source: What its rows call it.
        path: Where it is, absolute and without links.
        size, modified_ns: Of the file that was read: bytes, and nanoseconds since 1970.
        table: Its table's path, relative to the corpus's folder.
        summary: The summary of its rows.
        is_final: Reading the same file again would give the same result.
    """

    source: str
    path: str
    size: int
    modified_ns: int
    table: str
    summary: VideoSummary
    is_final: bool = True

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON's types."""
        return asdict(self)

    def describe(self) -> str:
        """Returns it in a line, for people."""
        seconds = (self.summary.end_seconds or 0.0) - (self.summary.start_seconds or 0.0)
        faces = f"{counted(len(self.summary.tracks), 'face')} followed"
        frames = counted(self.summary.num_frames, "frame")
        return f"{self.source}: {frames}, {seconds:.1f} s, {faces}"

    @classmethod
    def from_json(cls, page: Any) -> Self:
        """Returns the record that `to_json` turned into this page.

        Raises:
            ValueError: It is no such page, or its table lies outside the corpus's folder.
        """
        record = TypeAdapter(cls).validate_python(page)
        table = PurePosixPath(record.table)
        if table.is_absolute() or ".." in table.parts or Path(record.table).drive:
            raise ValueError(f"a table outside the folder: {record.table}")
        return record


class Corpus:
    """A folder of tables, one for each of some videos.

    Attributes:
        folder: Where the tables are.
        summary: The table of all, in it; written at the end of `run`, whatever ends it.
        labels: The model's expressions.
        pending: The videos to be read.
        done: Those done already.
    """

    def __init__(
        self,
        videos: Sequence[VideoSource],
        folder: str | Path,
        settings: VideoSettings | None = None,
        resume: bool = False,
    ) -> None:
        """Decides which videos to read and where their tables go; reads none yet.

        A video is done if its table exists and its file still has the recorded size and
        modification time, even if it was damaged. A video whose worker died is tried again.

        Args:
            videos: What is to be read; one that is named twice is read once.
            folder: Where the tables go; made if it is not there.
            settings: How they are read.
            resume: Go on in a folder that holds such tables already.

        Raises:
            UsageError: The folder holds tables and `resume` is not given; or they were made with
                other settings, or another model; or another process is writing to it; or a setting
                makes no sense.
            MissingError: No such model.
            BadInputError: The model, or the folder's record, is damaged.
        """
        self.folder, self._settings = Path(folder), settings or VideoSettings()
        self.summary = self.folder / SUMMARY
        check_every(self._settings.detect_every)
        check_confidence(self._settings.min_confidence)
        device = find_device(self._settings.device)
        create_detector(self._settings.detector, self._settings.detect_size, device=device)
        model = resolve(self._settings.model)
        self.labels = read_config(model).labels
        network, _ = find_network(model, self._settings.precision, self._settings.device)
        self._settings = replace(self._settings, model=str(model.resolve()), device=device)
        page = _settings_page(self._settings, network)
        self._reader = Reader(self.labels, page["settings"]["model"][:16])
        self._lock = FolderLock(self.folder)  # until `run` is over
        journal = self.folder / JOURNAL
        self._records = _read_journal(journal, page, resume) if journal.exists() else {}
        if not self._records:
            with write_whole(journal) as stream:
                stream.write(f"{json.dumps(page)}\n".encode())
        self._tables: dict[str, str] = {}  # by the video's path, as are the others
        self._states: dict[str, tuple[int, int]] = {}
        self.done, self.pending = self._sort_out(videos)

    def run(
        self, num_workers: int = 1, patience_seconds: float = PATIENCE_SECONDS
    ) -> Generator[Reached | VideoRecord, None, None]:
        """Yields, as they happen, the progress of each video and each finished one.

        Each worker is a process and reads a video at a time. One that dies, killed or crashed,
        fails its video alone. Closing the iterator ends the workers; tables that were not done
        keep `.part` at the end of their names, and the summary holds all that were.

        Workers import the main module anew: a program that calls this needs its
        `if __name__ == "__main__":`.

        Args:
            num_workers: How many processes.
            patience_seconds: How long a video may give no frame; its process is ended then.

        Raises:
            UsageError: It is not positive.
        """
        if num_workers < 1:
            raise UsageError(f"{num_workers} workers: expected 1 or more")
        tasks = [Task(video, self._unfinished(video)) for video in self.pending]
        for task in tasks:
            task.table.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(run_tasks(tasks, self._settings, num_workers, patience_seconds)) as events:
                for event in events:
                    if isinstance(event, Reached):
                        yield event
                        continue
                    task, outcome = event
                    if isinstance(outcome, str):
                        outcome = self._write_death(task, outcome)
                    yield self._complete(task.video, outcome)
        finally:
            self._write_summary()
            self._lock.release()

    @property
    def errors(self) -> list[str]:
        """Why videos could not be read, or not to their end; of earlier runs too."""
        return [r.summary.error for r in self._records.values() if r.summary.error is not None]

    def _sort_out(
        self, videos: Sequence[VideoSource]
    ) -> tuple[list[VideoRecord], list[VideoSource]]:
        """Returns what is done and what is not, and gives every video its table."""
        taken = {record.table.casefold() for record in self._records.values()} | {SUMMARY}
        done, pending = [], []
        for video in videos:
            key = str(video.path.resolve())
            if key in self._tables:
                continue
            record, state = self._records.get(key), _file_state(video.path)
            self._states[key] = state  # from before it is read: what changes later is seen
            if record is None:
                name = video.relative.with_suffix(f".{self._settings.table}")
                self._tables[key] = take_name(name, taken).as_posix()
            else:
                self._tables[key] = record.table
            if record is not None and self._is_done(record, state):
                done.append(record)
            else:
                pending.append(video)
                self._records.pop(key, None)
        return done, pending

    def _is_done(self, record: VideoRecord, state: tuple[int, int]) -> bool:
        same_file = (record.size, record.modified_ns) == state
        return record.is_final and same_file and (self.folder / record.table).is_file()

    def _unfinished(self, video: VideoSource) -> Path:
        return self.folder / f"{self._tables[str(video.path.resolve())]}.part"

    def _write_death(self, task: Task, how: str) -> Finished:
        error = f"{task.video.path}: the process that read it {how}"
        table, name = self._settings.table, task.video.name
        write_error(task.table, table, self._reader, name, error)
        return Finished(VideoSummary(error=error), is_final=False)

    def _complete(self, video: VideoSource, outcome: Finished) -> VideoRecord:
        """Gives a table its name and notes it down."""
        key = str(video.path.resolve())
        table, state = self._tables[key], self._states[key]
        record = VideoRecord(video.name, key, *state, table, outcome.summary, outcome.is_final)
        unfinished = self._unfinished(video)
        with unfinished.open("rb") as stream:  # on the disk before the journal says so
            os.fsync(stream.fileno())
        unfinished.replace(self.folder / table)
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record.to_json()) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._records[key] = record
        return record

    def _write_summary(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = summary_columns(self.labels)
        writer.writerow(map(table_cell, columns))
        for record in sorted(self._records.values(), key=lambda record: record.table):
            for row in summary_rows(record.source, record.table, record.summary):
                writer.writerow(table_cell(row.get(name)) for name in columns)
        with write_whole(self.summary) as stream:
            stream.write(text.getvalue().encode())


def _file_state(path: Path) -> tuple[int, int]:
    """Returns a file's size and time of last modification; -1 and 0 where there is none."""
    try:
        state = path.stat()
    except OSError:
        return -1, 0
    return state.st_size, state.st_mtime_ns


def _settings_page(settings: VideoSettings, network: Path) -> dict[str, Any]:
    """Returns what two runs must have in common to be one, as JSON's types."""
    content = network.read_bytes() if network.is_file() else b""
    page = json.loads(json.dumps(asdict(settings)))
    page["model"] = hashlib.sha256(content).hexdigest()
    del page["precision"]  # the network says it
    return {"format": _FORMAT, "settings": page}


def _read_journal(path: Path, expected: dict[str, Any], resume: bool) -> dict[str, VideoRecord]:
    """Returns the last record of every video, by its path.

    A half line at the end, as a kill leaves it, is cut off.
    """
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    try:
        first, *lines = [json.loads(line) for line in whole.decode().splitlines()]
        same_format = first["format"] == _FORMAT
        found = first["settings"]
        records = [VideoRecord.from_json(line) for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{path}: damaged ({error}); choose another folder") from error
    if not same_format:
        raise BadInputError(f"{path}: written by another version of mien; choose another folder")
    if records and not resume:
        raise UsageError(
            f"{path.parent} holds tables of an earlier run: go on with --resume, or choose "
            "another folder"
        )
    for name, value in expected["settings"].items() if records else ():
        if found.get(name) != value:
            raise UsageError(_difference(path.parent, name, found.get(name), value))
    if whole != text:
        os.truncate(path, len(whole))
    return {record.path: record for record in records}


def _difference(folder: Path, name: str, found: Any, value: Any) -> str:
    if name == "model":
        what = "another model"
    elif isinstance(found, dict) and isinstance(value, dict):
        name = next(key for key in value if found.get(key) != value[key])
        what = f"{name} = {found.get(name)}, not {value[name]}"
    else:
        what = f"{name} = {found}, not {value}"
    return f"{folder} holds tables made with {what}: use the same, or choose another folder"
